//! The operator's tool against the real daemon, and long texts from admission to the handset's report.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::{Daemon, PATIENCE, Place, Simulator};

pub fn ctl(place: &Place, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_smsotpctl"))
        .arg("--socket")
        .arg(place.socket())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("smsotpctl starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

pub fn told(place: &Place, arguments: &[&str]) -> Value {
    let output = ctl(place, arguments, "");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?} is not JSON ({error}): {text}"))
}

#[test]
fn every_command_works_against_the_daemon() {
    let place = Place::new();
    let config = place.configure("");
    let _daemon = Daemon::start(&place, &config);
    let sent = told(&place, &["--json", "send", "+491701234567", "hello"]);
    let id = sent["id"].as_str().expect("an id").to_owned();
    assert_eq!(told(&place, &["--json", "message", "show", &id])["state"], "queued");
    assert_eq!(told(&place, &["--json", "message", "list"])["messages"][0]["id"], id.as_str());
    let cancelled = ctl(&place, &["message", "cancel", &id], "");
    assert!(cancelled.status.success(), "{cancelled:?}");
    assert_eq!(told(&place, &["--json", "message", "show", &id])["state"], "withdrawn");
    let added = ctl(
        &place,
        &["token", "add", "--user", "bob", "--phone", "+491701234567", "--serial", "PISM0001"],
        "4321\n",
    );
    assert!(added.status.success(), "{added:?}");
    assert!(told(&place, &["--json", "token", "list"]).to_string().contains("PISM0001"));
    assert!(ctl(&place, &["token", "remove", "PISM0001"], "").status.success());
    assert!(!told(&place, &["--json", "token", "list"]).to_string().contains("PISM0001"));
    assert_eq!(told(&place, &["--json", "modem", "list"])["modems"], json!([]));
    assert_eq!(told(&place, &["--json", "status"])["channels"]["all"], 0);
    let refused = ctl(&place, &["send", "no-number", "hello"], "");
    assert_eq!(refused.status.code(), Some(65), "{refused:?}");
}

#[test]
fn long_texts_arrive_whole_and_are_reported() {
    let place = Place::new();
    let config = place.configure("");
    let links = [place.ports().join("modem0"), place.ports().join("modem1")];
    let simulator = Simulator::start(&links, &["--events", "phone", "--seed", "17", "--latency", "5ms"]);
    let daemon = Daemon::start(&place, &config);
    let texts = ["x€".repeat(200), "Grüße 😀 ".repeat(40), "short".to_owned()];
    let asked: Vec<Value> = texts.iter().map(|text| json!({"to": "+491701234567", "text": text})).collect();
    let ids = daemon.submit(&asked);
    let until = Instant::now() + PATIENCE;
    for (id, text) in ids.iter().zip(&texts) {
        let record = loop {
            let record = daemon.message(id);
            if record["state"] == "delivered" {
                break record;
            }
            assert!(Instant::now() < until, "not delivered: {record}");
            std::thread::sleep(Duration::from_millis(10));
        };
        let attempts = record["attempts"].as_array().expect("attempts");
        assert_eq!(
            Some(attempts.len() as u64),
            record["segments"].as_u64(),
            "one attempt a segment: {record}"
        );
        assert!(attempts.iter().all(|a| a["channel"] == attempts[0]["channel"]), "on one SIM: {record}");
        let copies = simulator.shown().iter().filter(|(_, shown)| shown == text).count();
        assert_eq!(copies, 1, "{text}");
    }
}
