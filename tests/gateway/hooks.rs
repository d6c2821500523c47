//! Hooks: a real HTTP listener and a real program that are told what happens, over failures, redirects and a kill.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::rig::{Daemon, PATIENCE, Place, Simulator, logged, read_log};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// Answers each request with the next of these status lines, and with 200 when they are used up.
pub struct Receiver {
    pub port: u16,
    seen: Arc<(Mutex<Vec<Asked>>, Condvar)>,
}

impl Receiver {
    pub fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (shared, answers) =
            (Arc::clone(&seen), Arc::new(Mutex::new(answers.iter().map(|a| (*a).to_owned()).collect())));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, answers) = (Arc::clone(&shared), Arc::clone(&answers));
                std::thread::spawn(move || serve(stream, &shared, &answers));
            }
        });
        Self { port, seen }
    }

    /// Waits for a request for which `wanted` holds.
    pub fn wait(&self, what: &str, wanted: impl Fn(&Asked) -> bool) -> Asked {
        let until = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().expect("no panic in it");
        loop {
            if let Some(found) = seen.iter().find(|asked| wanted(asked)) {
                return found.clone();
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited for {what} in vain: {seen:?}");
            seen = self.seen.1.wait_timeout(seen, left).expect("no panic in it").0;
        }
    }

    /// All requests so far.
    pub fn all(&self) -> Vec<Asked> {
        self.seen.0.lock().expect("no panic in it").clone()
    }
}

fn serve(
    stream: TcpStream,
    seen: &(Mutex<Vec<Asked>>, Condvar),
    answers: &Mutex<std::collections::VecDeque<String>>,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).expect("a header");
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().expect("a length"))];
        stream.read_exact(&mut body).expect("a body");
        let body = String::from_utf8(body).expect("UTF-8");
        seen.0.lock().expect("no panic in it").push(Asked {
            line: line.trim_end().to_owned(),
            headers,
            body,
        });
        seen.1.notify_all();
        let answer =
            answers.lock().expect("no panic in it").pop_front().unwrap_or_else(|| "200 OK".to_owned());
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn webhook(place: &Place, port: u16, events: &str, rest: &str) -> String {
    let secret = place.path().join("secret");
    std::fs::write(&secret, "whsec\n").expect("a file");
    format!(
        "[[hook]]\nname = \"ops\"\nurl = \"http://127.0.0.1:{port}/in\"\nsecret-file = {:?}\nevents = [{events}]\n{rest}\n",
        secret.display().to_string()
    )
}

fn verify(asked: &Asked) {
    let (time, mac) = asked.header("smsotpd-signature").split_once(",v1=").expect("a signature");
    let time = time.strip_prefix("t=").expect("a time");
    let mut wanted = Hmac::<Sha256>::new_from_slice(b"whsec").expect("a key");
    wanted.update(format!("{time}.{}", asked.body).as_bytes());
    let mac = data_encoding::HEXLOWER.decode(mac.as_bytes()).expect("hex");
    wanted.verify_slice(&mac).expect("the signature verifies");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    assert!(now.abs_diff(time.parse().expect("seconds")) < 300, "within the window");
}

#[test]
fn a_kannel_client_hears_what_became_of_its_message() {
    let place = Place::new();
    let receiver = Receiver::start(&[]);
    let config =
        place.configure(&format!("[kannel]\ndlr-allow = [\"http://127.0.0.1:{}/dlr\"]\n", receiver.port));
    let _simulator = Simulator::start(
        &[place.ports().join("modem0")],
        &["--events", "phone", "--seed", "37", "--refuse", "+491709999999=96"],
    );
    let daemon = Daemon::start(&place, &config);
    let url =
        format!("http://127.0.0.1:{}/dlr?d=%25d%26to=%25p%26from=%25P%26id=%25I%26a=%25A", receiver.port);
    let ask = |to: &str, url: &str| {
        let path = format!("/cgi-bin/sendsms?from=info&to={to}&text=hi&dlr-mask=31&dlr-url={url}");
        daemon.client().get(&path).expect("an answer")
    };
    let elsewhere = url.replace("/dlr", "/other");
    assert_eq!(ask("%2B491701234567", &elsewhere).body, "DLR-URL is not allowed, rejected");
    assert_eq!(ask("%2B491701234567", &url).status, 202);
    let id = daemon.client().get("/v1/messages").expect("an answer").json()["messages"][0]["id"].clone();
    let id = id.as_str().expect("an id");
    receiver.wait("the submission", |asked| asked.line.contains("d=8&"));
    let told = receiver.wait("the delivery", |asked| asked.line.contains("d=1&"));
    assert!(told.line.starts_with("GET /dlr?d=1&to=%2B491701234567&from=info&id="), "{}", told.line);
    assert!(told.line.contains(id), "{}", told.line);
    assert_eq!(ask("%2B491709999999", &url).status, 202);
    let told = receiver.wait("the refusal", |asked| asked.line.contains("d=16&"));
    assert!(told.line.contains("to=%2B491709999999") && told.line.contains("a=NACK%2F"), "{}", told.line);
    assert_eq!(daemon.stop(), Some(0));
    assert!(receiver.all().iter().all(|asked| asked.line.starts_with("GET /dlr?")));
}

#[test]
fn a_hook_that_fails_is_tried_again_over_a_kill() {
    let place = Place::new();
    let elsewhere = Receiver::start(&[]);
    let redirect = format!("302 Found\r\nLocation: http://127.0.0.1:{}/stolen", elsewhere.port);
    let receiver = Receiver::start(&["500 Internal Server Error", &redirect]);
    let events = "\"inbound\", \"message.delivered\"";
    let config = place.configure(&webhook(&place, receiver.port, events, ""));
    let mut simulator =
        Simulator::start(&[place.ports().join("modem0")], &["--events", "at", "--seed", "41"]);
    let daemon = Daemon::start(&place, &config);
    simulator.control(&json!({"do": "deliver", "from": "+491701234567", "text": "STOP"}));
    receiver.wait("the first try", |asked| asked.body.contains("STOP"));
    logged(&place, "a hook did not take a story");
    daemon.kill();
    let daemon = Daemon::start(&place, &config);
    let third = receiver.wait("the third try", |asked| asked.json()["try"].as_u64().is_some_and(|n| n >= 3));
    let tries = receiver.all();
    assert!(
        tries.iter().all(|asked| asked.json()["id"] == third.json()["id"]),
        "one story, one id: {tries:?}"
    );
    tries.iter().for_each(verify);
    let told = third.json();
    assert_eq!((&told["event"], &told["inbound"]["text"]), (&json!("inbound"), &json!("STOP")), "{told}");
    assert_eq!(told["inbound"]["from"], "+49********67", "masked unless the configuration says otherwise");
    assert_eq!(third.header("smsotpd-event"), "inbound");
    assert!(elsewhere.all().is_empty(), "no redirect is followed");
    let metrics = daemon.client().get("/metrics").expect("an answer").body;
    assert!(metrics.contains("smsotp_hook_tries_total{hook=\"ops\",outcome=\"carried\"} 1"), "{metrics}");
    assert_eq!(daemon.stop(), Some(0));
    assert!(!read_log(&place).contains("STOP"));
}

#[test]
fn no_login_body_leaves_by_a_hook_and_a_program_reads_its_stdin() {
    let place = Place::new();
    let receiver = Receiver::start(&[]);
    let events = "\"message.queued\", \"message.submitted\", \"message.delivered\", \"message.failed\"";
    let mut hooks = webhook(&place, receiver.port, events, "numbers = \"full\"");
    let root = rustix::process::geteuid().is_root();
    let (program, out): (PathBuf, PathBuf) = (place.path().join("bin/on-event"), place.path().join("out"));
    if root {
        std::fs::create_dir(place.path().join("bin")).expect("a directory");
        std::fs::write(&program, format!("#!/bin/sh\necho $# >> {0}\ncat >> {0}\n", out.display()))
            .expect("a file");
        for path in [place.path().join("bin"), program.clone()] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("ours");
        }
        hooks.push_str(&format!(
            "[[hook]]\nname = \"program\"\nexec = {:?}\nevents = [\"message.delivered\"]\n",
            program.display().to_string()
        ));
    }
    let config = place.configure(&hooks);
    let _simulator =
        Simulator::start(&[place.ports().join("modem0")], &["--events", "phone", "--seed", "43"]);
    let daemon = Daemon::start(&place, &config);
    let ids = daemon.submit(&[json!({"to": "+491701234567", "text": "code 827364", "lane": "login"})]);
    for event in ["message.queued", "message.submitted", "message.delivered"] {
        let told = receiver.wait(event, |asked| asked.header("smsotpd-event") == event).json();
        assert_eq!((&told["message"]["id"], &told["message"]["lane"]), (&json!(ids[0]), &json!("login")));
        assert_eq!(told["message"]["to"], "+491701234567");
    }
    if root {
        let until = Instant::now() + PATIENCE;
        let read = || std::fs::read_to_string(&out).unwrap_or_default();
        while !read().contains("message.delivered") {
            assert!(Instant::now() < until, "the program is not run: {}", read_log(&place));
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(read().starts_with("0\n{"), "no arguments, and JSON: {}", read());
        assert!(!read().contains("827364"));
    } else {
        eprintln!("skipped in part: a hook's program must be root's");
    }
    assert_eq!(daemon.stop(), Some(0));
    assert!(
        receiver.all().iter().all(|asked| !asked.body.contains("827364") && !asked.line.contains("827364"))
    );
    assert!(!read_log(&place).contains("827364"));
}
