//! The socket outlives the daemon: who asks while no daemon is there is answered by the next one.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::rig::{Daemon, PATIENCE, Place, read_log};

/// Asks, and does not wait for the answer.
fn ask(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream
        .write_all(b"GET /v1/health/live HTTP/1.1\r\nHost: smsotpd\r\nConnection: close\r\n\r\n")
        .expect("the socket takes it");
    stream
}

fn answer(mut stream: UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

#[test]
fn a_request_before_the_daemon_listens_is_answered() {
    let place = Place::new();
    let config = place.configure("");
    let socket = UnixListener::bind(place.socket()).expect("the socket");
    let early = ask(&place.socket());
    let daemon = Daemon::start_on(&place, &config, socket.try_clone().expect("a descriptor"));
    assert!(answer(early).starts_with("HTTP/1.1 200"), "{}", read_log(&place));
    assert_eq!(daemon.client().get("/v1/status").expect("an answer").status, 200);
    assert_eq!(daemon.stop(), Some(0));

    let between = ask(&place.socket());
    let daemon = Daemon::start_on(&place, &config, socket);
    assert!(answer(between).starts_with("HTTP/1.1 200"), "{}", read_log(&place));
    assert_eq!(daemon.stop(), Some(0));
    assert!(place.socket().exists(), "who made the socket removes it");
}

/// Runs the daemon with something that is no listening socket as descriptor 3, and gives its exit code.
fn started_with(place: &Place, config: &Path, variables: &str, passed: Stdio) -> Option<i32> {
    let pass_on = format!(r#"{variables} exec "$@" 3<&0 </dev/null"#);
    let ended = Command::new("sh")
        .args(["-c", &pass_on, "sh", env!("CARGO_BIN_EXE_smsotpd"), "run", "--config"])
        .arg(config)
        .stdin(passed)
        .output()
        .expect("smsotpd starts");
    std::fs::write(place.path().join("daemon.log"), [ended.stdout, ended.stderr].concat()).expect("the log");
    ended.status.code()
}

#[test]
fn what_is_no_listening_socket_is_refused() {
    let place = Place::new();
    let config = place.configure("");
    let connection = || Stdio::from(std::os::fd::OwnedFd::from(UnixStream::pair().expect("a pair").0));
    for (variables, passed, why) in [
        ("LISTEN_PID=$$ LISTEN_FDS=1", Stdio::null(), "no unix stream socket"),
        ("LISTEN_PID=$$ LISTEN_FDS=1", connection(), "does not listen"),
        ("LISTEN_PID=$$ LISTEN_FDS=2", Stdio::null(), "2 sockets were passed"),
    ] {
        assert_eq!(started_with(&place, &config, variables, passed), Some(78));
        assert!(read_log(&place).contains(why), "{why}: {}", read_log(&place));
        assert!(!place.socket().exists(), "nothing was started");
    }
}
