//! The real daemon and the real simulator as child processes in a temporary directory, and the events to wait for.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Answer, Client};

/// An event that has not come by now will not come; generous, because these machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A temporary directory with everything of one test in it.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// A fresh one; `TMPDIR` says where.
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    /// One on this file system.
    pub fn below(parent: &Path) -> Self {
        Self { dir: tempfile::tempdir_in(parent).expect("a temporary directory") }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The directory of modem links.
    pub fn ports(&self) -> PathBuf {
        self.path().join("ports")
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.path().join("api.sock")
    }

    /// Writes a configuration for this place, with `extra` appended.
    pub fn configure(&self, extra: &str) -> PathBuf {
        std::fs::create_dir_all(self.ports()).expect("the directory of links");
        let at = |name: &str| self.path().join(name).display().to_string();
        let text = format!(
            "[store]\npath = {:?}\n[key]\npath = {:?}\n[api]\nsocket = {:?}\n[modem]\ndirectory = {:?}\n{extra}",
            at("store.db"),
            at("key"),
            at("api.sock"),
            at("ports"),
        );
        let path = self.path().join("smsotpd.toml");
        std::fs::write(&path, text).expect("the configuration is written");
        path
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    socket: PathBuf,
    notices: UnixDatagram,
}

impl Daemon {
    /// Starts the real binary and waits until it says that it is ready (sd_notify).
    pub fn start(place: &Place, config: &Path) -> Self {
        Self::start_with(place, config, &[])
    }

    /// The same, with environment variables.
    pub fn start_with(place: &Place, config: &Path, env: &[(&str, &str)]) -> Self {
        Self::spawn(place, command(config, env))
    }

    /// The same, for one that may die before it is ready.
    pub fn start_doomed(place: &Place, config: &Path, env: &[(&str, &str)]) -> Self {
        Self::launch(place, command(config, env))
    }

    /// Starts it as systemd does for a socket unit: `socket` is its descriptor 3.
    pub fn start_on(place: &Place, config: &Path, socket: UnixListener) -> Self {
        let mut command = Command::new("sh");
        let pass_on = r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 </dev/null"#;
        command.args(["-c", pass_on, "sh", env!("CARGO_BIN_EXE_smsotpd"), "run", "--config"]).arg(config);
        command.stdin(Stdio::from(OwnedFd::from(socket)));
        Self::spawn(place, command)
    }

    /// Starts it so that a file which may not grow is an error for it and no signal, as a full disk is.
    pub fn start_without_sigxfsz(place: &Place, config: &Path) -> Self {
        let mut command = Command::new("sh");
        let ignoring = r#"trap '' XFSZ; exec "$@""#;
        command.args(["-c", ignoring, "sh", env!("CARGO_BIN_EXE_smsotpd"), "run", "--config"]).arg(config);
        command.stdin(Stdio::null());
        Self::spawn(place, command)
    }

    /// Bounds the size of every file that it writes, or lifts the bound: octets beyond it are refused by the kernel.
    pub fn limit_files(&self, octets: Option<u64>) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let limit = rustix::process::Rlimit { current: octets, maximum: None };
        rustix::process::prlimit(Some(pid), rustix::process::Resource::Fsize, limit).expect("a limit");
    }

    fn spawn(place: &Place, command: Command) -> Self {
        let daemon = Self::launch(place, command);
        daemon.tells(place, "READY=1");
        daemon
    }

    fn launch(place: &Place, mut command: Command) -> Self {
        let notify = place.path().join("notify.sock");
        let _ = std::fs::remove_file(&notify);
        let notices = UnixDatagram::bind(&notify).expect("the notify socket");
        notices.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(place.path().join("daemon.log"))
            .expect("the log");
        let child = command
            .env("NOTIFY_SOCKET", &notify)
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .spawn()
            .expect("smsotpd starts");
        Self { child, socket: place.socket(), notices }
    }

    /// Waits until it tells the service manager this, and gives all that it told until then.
    pub fn tells(&self, place: &Place, what: &str) -> String {
        let mut buffer = [0; 256];
        let mut told = String::new();
        loop {
            match self.notices.recv(&mut buffer) {
                Ok(n) => told.push_str(&String::from_utf8_lossy(&buffer[..n])),
                Err(error) => panic!("smsotpd does not tell {what} ({error}): {}", read_log(place)),
            }
            if told.contains(what) {
                return told;
            }
        }
    }

    /// Drops what it told the service manager so far.
    pub fn forget_told(&self) {
        self.notices.set_nonblocking(true).expect("a socket");
        while self.notices.recv(&mut [0; 256]).is_ok() {}
        self.notices.set_nonblocking(false).expect("a socket");
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_some()
    }

    /// A connection.
    pub fn client(&self) -> Client {
        Client::connect(&self.socket).expect("the daemon listens")
    }

    /// Submits messages as one batch and gives their ids.
    pub fn submit(&self, messages: &[Value]) -> Vec<String> {
        let answer = self.client().json("/v1/messages", &json!(messages).to_string()).expect("an answer");
        assert_eq!(answer.status, 202, "{}", answer.body);
        ids(&answer)
    }

    /// One message.
    pub fn message(&self, id: &str) -> Value {
        self.client().get(&format!("/v1/messages/{id}")).expect("an answer").json()
    }

    /// Waits until every message rests, and gives id and record.
    pub fn settled(&self, ids: &[String]) -> Vec<Value> {
        let until = Instant::now() + PATIENCE * 2;
        let mut client = self.client();
        ids.iter()
            .map(|id| {
                loop {
                    let record = client.get(&format!("/v1/messages/{id}")).expect("an answer").json();
                    let state = record["state"].as_str().unwrap_or_default().to_owned();
                    if !matches!(state.as_str(), "queued" | "leased") {
                        return record;
                    }
                    assert!(Instant::now() < until, "message {id} is still {state}");
                    std::thread::sleep(Duration::from_millis(10));
                }
            })
            .collect()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the daemon runs");
    }

    /// Waits for its own end, and gives its exit code.
    pub fn ends(mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.code();
            }
            assert!(Instant::now() < until, "the daemon does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// `SIGKILL`, at once.
    pub fn kill(mut self) {
        self.child.kill().expect("the daemon runs");
        self.child.wait().expect("it ends");
    }

    /// `SIGTERM`, and its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ids of an accepted batch.
pub fn ids(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let list = body["messages"].as_array().unwrap_or_else(|| panic!("no messages in {body}"));
    list.iter().map(|m| m["id"].as_str().expect("an id").to_owned()).collect()
}

/// Waits until the daemon has logged this.
pub fn logged(place: &Place, what: &str) {
    let until = Instant::now() + PATIENCE;
    while !read_log(place).contains(what) {
        assert!(Instant::now() < until, "{what:?} is not in the log:\n{}", read_log(place));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What the daemon logged.
pub fn read_log(place: &Place) -> String {
    std::fs::read_to_string(place.path().join("daemon.log")).unwrap_or_default()
}

/// A running simulator with one or more modems; killed when dropped.
pub struct Simulator {
    child: Child,
    stdin: ChildStdin,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    events: Mutex<Vec<Value>>,
    came: Condvar,
}

impl Simulator {
    /// Starts modems at these links.
    pub fn start(links: &[PathBuf], options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smsotpctl"));
        command.args(["simulate", "modem"]);
        for link in links {
            command.arg("--link").arg(link);
        }
        let mut child = command
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("smsotpctl starts");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let seen = Arc::new(Seen::default());
        let writer = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line) {
                    writer.events.lock().expect("no panic in it").push(event);
                    writer.came.notify_all();
                }
            }
        });
        let until = Instant::now() + PATIENCE;
        while !links.iter().all(|link| link.exists()) {
            assert!(Instant::now() < until, "the simulator makes its links");
            std::thread::sleep(Duration::from_millis(2));
        }
        Self { child, stdin, seen }
    }

    /// Waits for its own end, which a replay has.
    pub fn exit_code(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }

    /// One line of control.
    pub fn control(&mut self, order: &Value) {
        writeln!(self.stdin, "{order}").expect("the simulator listens");
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many events so far; a place to wait from.
    pub fn now(&self) -> usize {
        self.seen.events.lock().expect("no panic in it").len()
    }

    /// The first event after `from` for which `wanted` holds.
    pub fn wait(&self, from: usize, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        let mut events = self.seen.events.lock().expect("no panic in it");
        let mut next = from;
        loop {
            while let Some(event) = events.get(next) {
                if wanted(event) {
                    return event.clone();
                }
                next += 1;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited for {what} in vain; last events {:?}",
                events.iter().rev().take(5).collect::<Vec<_>>()
            );
            events = self.seen.came.wait_timeout(events, left).expect("no panic in it").0;
        }
    }

    /// Whether such an event came after `from`, by now.
    pub fn seen(&self, from: usize, wanted: impl Fn(&Value) -> bool) -> bool {
        let events = self.seen.events.lock().expect("no panic in it");
        events.iter().skip(from).any(wanted)
    }

    /// All events of this kind so far.
    pub fn all(&self, kind: &str) -> Vec<Value> {
        let events = self.seen.events.lock().expect("no panic in it");
        events.iter().filter(|event| event["event"] == kind).cloned().collect()
    }

    /// Waits for the `n`th event (1..) of this kind.
    pub fn wait_nth(&self, kind: &str, n: usize) {
        let until = Instant::now() + PATIENCE;
        let mut events = self.seen.events.lock().expect("no panic in it");
        while events.iter().filter(|event| event["event"] == kind).count() < n {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited for {kind} number {n} in vain");
            events = self.seen.came.wait_timeout(events, left).expect("no panic in it").0;
        }
    }

    /// Texts that phones showed, with their numbers, in order.
    pub fn shown(&self) -> Vec<(String, String)> {
        let events = self.seen.events.lock().expect("no panic in it");
        events
            .iter()
            .filter(|event| event["event"] == "phone")
            .map(|event| {
                let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
                (text("to"), text("text"))
            })
            .collect()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(config: &Path, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsotpd"));
    command.arg("run").arg("--config").arg(config).envs(env.iter().copied()).stdin(Stdio::null());
    command
}
