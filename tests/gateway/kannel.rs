//! Kannel's `/cgi-bin/sendsms` on the daemon's socket: its parameters, its answers, and the message on the phone.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::rig::{Daemon, PATIENCE, Place, Simulator};

const FORM: &str = "application/x-www-form-urlencoded";

/// Waits until a modem can carry a message.
fn ready(daemon: &Daemon) {
    let until = std::time::Instant::now() + PATIENCE;
    while daemon.client().get("/v1/health/ready").expect("an answer").status != 200 {
        assert!(std::time::Instant::now() < until, "no modem becomes ready");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_kannel_client_sends_as_it_is_used_to() {
    let place = Place::new();
    std::fs::write(place.path().join("password"), "s3cret\n").expect("a file");
    let config = place.configure(&format!(
        "[[caller]]\nuser = 4000000001\nrole = \"send\"\nlane = \"alert\"\nkannel-user = \"nagios\"\nkannel-password-file = {:?}\n",
        place.path().join("password").display().to_string()
    ));
    let daemon = Daemon::start(&place, &config);
    let mut client = daemon.client();
    let path =
        "/cgi-bin/sendsms?username=nagios&password=s3cret&from=info&to=%2B491701234567&text=Gr%C3%BC%C3%9Fe";
    let answer = client.get(path).expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (202, "3: Queued for later delivery"), "no modem yet");
    let simulator = Simulator::start(&[place.ports().join("modem0")], &["--events", "phone", "--seed", "31"]);
    let is = |text: &str| {
        let text = text.to_owned();
        move |event: &serde_json::Value| event["event"] == "phone" && event["text"] == text
    };
    simulator.wait(0, "the first text", is("Grüße"));
    ready(&daemon);
    let form = "to=%2B491700000001+%2B491700000002&text=two&priority=0";
    let answer = client.form("/cgi-bin/sendsms", form).expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (202, "0: Accepted for delivery"));
    simulator.wait(0, "the second receiver", |event| {
        event["event"] == "phone" && event["to"] == "+491700000002" && event["text"] == "two"
    });
    let listed = client.get("/v1/messages").expect("an answer").json();
    let of: Vec<_> = listed["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| (message["lane"].clone(), message["caller"].clone()))
        .collect();
    assert_eq!(of[2], (json!("alert"), json!("uid:4000000001")), "{listed}");
    assert_eq!(of[0].0, json!("bulk"), "{listed}");
    assert_ne!(of[0].1, of[2].1, "without a name the kernel says who asks");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn refusals_take_nothing_and_a_key_takes_once() {
    let place = Place::new();
    std::fs::write(place.path().join("password"), "s3cret").expect("a file");
    let config = place.configure(&format!(
        "[admission]\nallow = [\"+49\"]\n[[caller]]\nuser = 4000000001\nrole = \"send\"\nkannel-user = \"u\"\nkannel-password-file = {:?}\n",
        place.path().join("password").display().to_string()
    ));
    let daemon = Daemon::start(&place, &config);
    let mut client = daemon.client();
    for (query, status, body) in [
        ("username=u&password=wrong&to=%2B49170&text=x", 403, "Authorization failed for sendsms"),
        ("username=u&to=%2B49170&text=x", 403, "Authorization failed for sendsms"),
        ("text=x", 400, "Missing receiver number, rejected"),
        ("to=&text=x", 400, "Empty receiver number not allowed, rejected"),
        ("to=%2B491701234567", 400, "the text is empty, rejected"),
        ("to=%2B491701234567&text=x&dlr-mask=3&dlr-url=http://h/", 403, "DLR-URL is not allowed, rejected"),
        ("to=%2B491701234567&text=x&deferred=3", 400, "Deferred is not supported, rejected"),
    ] {
        let answer = client.get(&format!("/cgi-bin/sendsms?{query}")).expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{query}");
    }
    let outside = client.get("/cgi-bin/sendsms?to=%2B491701234567+%2B33123456789&text=x").expect("an answer");
    assert_eq!(outside.status, 400);
    let denied = "Number(s) has/have been denied by white- and/or black-lists. +33123456789: ";
    assert!(outside.body.starts_with(denied), "{}", outside.body);
    let odd =
        client.request("POST", "/cgi-bin/sendsms?to=%2B491701234567", "text/plain", "x").expect("an answer");
    assert_eq!((odd.status, odd.body.as_str()), (415, "Unsupported content-type, rejected"));
    let other = client.request("PUT", "/cgi-bin/sendsms", FORM, "").expect("an answer");
    assert_eq!(other.status, 405);
    assert_eq!(client.get("/v1/messages").expect("an answer").json()["messages"], json!([]));
    let keyed = format!("{FORM}\r\nIdempotency-Key: k1");
    for _ in 0..2 {
        let twice =
            client.request("POST", "/cgi-bin/sendsms", &keyed, "to=%2B491701234567+%2B491701234568&text=x");
        assert_eq!(twice.expect("an answer").status, 202);
    }
    let listed = client.get("/v1/messages").expect("an answer").json();
    assert_eq!(listed["messages"].as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(daemon.stop(), Some(0));
}

/// `sendsms` as a script calls it: exit code, stdout, stderr.
fn sendsms(place: &Place, arguments: &[&str], stdin: &str) -> (Option<i32>, String, String) {
    let link = place.path().join("sendsms");
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_smsotpctl"), &link).expect("a link");
    }
    let mut child = Command::new(&link)
        .args(arguments)
        .env("SMSOTPD_SOCKET", place.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sendsms starts");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("it is read");
    let ran = child.wait_with_output().expect("it ends");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (ran.status.code(), text(&ran.stdout), text(&ran.stderr))
}

#[test]
fn a_script_calls_sendsms() {
    let place = Place::new();
    let config = place.configure("");
    let (code, out, told) = sendsms(&place, &["491701234567", "x"], "");
    assert_eq!((code, out.as_str(), told.lines().count()), (Some(69), "", 1), "{told}");
    let daemon = Daemon::start(&place, &config);
    let (code, out, told) = sendsms(&place, &["491701234567", "-k", "e1", "PROBLEM:", "db1 is", "-5 C"], "");
    assert_eq!((code, out.lines().count(), told.as_str()), (Some(0), 1, ""), "{out}");
    let again = sendsms(&place, &["491701234567", "-k", "e1", "PROBLEM: db1 is -5 C"], "");
    assert!(again.1.starts_with(out.split(' ').next().expect("an id")), "{} {}", again.1, again.2);
    let (code, ..) = sendsms(&place, &["--lane", "bulk", "+491701234568", "-"], "from stdin\n");
    assert_eq!(code, Some(0));
    let (code, _, told) = sendsms(&place, &["12x", "x"], "");
    assert_eq!((code, told.lines().count()), (Some(65), 1), "{told}");
    assert_eq!(sendsms(&place, &[], "").0, Some(64));
    let listed = daemon.client().get("/v1/messages").expect("an answer").json();
    let of =
        |n: usize| ["to", "lane", "text"].map(|key| listed["messages"][n][key].as_str().unwrap_or_default());
    assert_eq!(of(1), ["+491701234567", "alert", "PROBLEM: db1 is -5 C"], "{listed}");
    assert_eq!(of(0), ["+491701234568", "bulk", "from stdin"], "{listed}");
    assert_eq!(daemon.stop(), Some(0));
}
