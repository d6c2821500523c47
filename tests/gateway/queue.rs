//! The lanes of a running daemon: full ones, paused ones, emptied ones, and messages that go again; through `smsotpctl`, too.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{Daemon, Place, Simulator};

fn ctl(place: &Place, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_smsotpctl"))
        .arg("--socket")
        .arg(place.socket())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("smsotpctl runs")
}

/// What it says, after it has done what was asked.
fn told(place: &Place, arguments: &[&str]) -> String {
    let ran = ctl(place, arguments);
    assert!(ran.status.success(), "{arguments:?}: {ran:?}");
    String::from_utf8(ran.stdout).expect("UTF-8")
}

fn message(lane: &str, n: usize) -> Value {
    json!({"to": format!("+4917000{n:05}"), "text": format!("{lane} {n}"), "lane": lane})
}

#[test]
fn a_full_lane_tells_when_to_come_again_and_logins_go_on() {
    let place = Place::new();
    let config = place.configure("[queue]\nmax-login = 2\nmax-bulk = 3\n");
    let daemon = Daemon::start(&place, &config);
    let mut client = daemon.client();
    daemon.submit(&[message("bulk", 1), message("bulk", 2)]);
    let batch = json!([message("login", 3), message("bulk", 4), message("bulk", 5)]).to_string();
    let refused = client.json("/v1/messages", &batch).expect("an answer");
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("queue-full")), "{}", refused.body);
    assert!(refused.retry_after.is_some_and(|seconds| (1..=300).contains(&seconds)), "{refused:?}");
    daemon.submit(&[message("bulk", 6)]);
    let list = client.get("/v1/messages").expect("an answer").json();
    assert_eq!(list["messages"].as_array().map(Vec::len), Some(3), "all or none: {list}");
    daemon.submit(&[message("login", 7), message("login", 8)]);

    let token = "user=anna&phone=%2B491701234567&pin=4321&type=sms";
    assert_eq!(client.form("/token/init", token).expect("an answer").status, 200);
    let check = client.form("/validate/check", "user=anna&pass=4321").expect("an answer");
    let said = check.json();
    assert_eq!((check.status, &said["result"]["value"]), (200, &json!(false)), "{said}");
    assert_eq!(
        said["detail"]["transaction_ids"],
        json!([]),
        "the recorded answer of a gateway that failed: {said}"
    );

    let metrics = client.get("/metrics").expect("an answer").body;
    for line in ["smsotp_queue_depth{lane=\"bulk\"} 3", "smsotp_queue_depth{lane=\"login\"} 2"] {
        assert!(metrics.lines().any(|told| told == line), "{line} is not in\n{metrics}");
    }
    for name in ["smsotp_queue_oldest_seconds ", "smsotp_queue_oldest_seconds{lane=\"bulk\"} "] {
        assert!(metrics.lines().any(|told| told.starts_with(name)), "{name} is not in\n{metrics}");
    }
    std::fs::write(
        &config,
        std::fs::read_to_string(&config).expect("a file").replace("max-bulk = 3", "max-bulk = 4"),
    )
    .expect("a file");
    daemon.signal(rustix::process::Signal::HUP);
    daemon.tells(&place, "READY=1");
    daemon.submit(&[message("bulk", 9)]);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_paused_lane_waits_over_a_restart_and_goes_on_at_once() {
    let place = Place::new();
    let config = place.configure("");
    let simulator = Simulator::start(&[place.ports().join("modem0")], &["--events", "phone", "--seed", "7"]);
    let daemon = Daemon::start(&place, &config);
    assert!(told(&place, &["queue", "pause", "bulk"]).contains("PAUSED BY"));
    let held = daemon.submit(&[message("bulk", 1)]);
    assert_eq!(daemon.stop(), Some(0));
    let daemon = Daemon::start(&place, &config);
    let alert = daemon.submit(&[message("alert", 2)]);
    daemon.settled(&alert);
    assert_eq!(daemon.message(&held[0])["state"], "queued");
    let status: Value = serde_json::from_str(&told(&place, &["--json", "status"])).expect("JSON");
    let bulk = &status["queue"]["lanes"][2];
    assert_eq!((&bulk["queued"], &bulk["paused"]), (&json!(1), &json!(true)), "{status}");
    assert!(bulk["paused_by"].is_string() && bulk["paused_since"].is_string(), "{bulk}");
    assert_eq!(status["queue"]["oldest_seconds"], 0, "what is paused is not waited for");
    told(&place, &["queue", "resume", "bulk"]);
    let state = daemon.settled(&held)[0]["state"].as_str().expect("a state").to_owned();
    assert!(matches!(state.as_str(), "submitted" | "delivered"), "{state}");
    assert_eq!(simulator.shown().len(), 2);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn messages_are_found_purged_and_tried_again() {
    let place = Place::new();
    let config = place.configure("[admission]\ndefault-country = \"49\"\n");
    let daemon = Daemon::start(&place, &config);
    let ids = daemon.submit(&[message("bulk", 1), message("bulk", 2), message("alert", 1)]);
    let brief = json!({"to": "+491701111111", "text": "x", "lane": "alert", "lifetime": 1});
    let short = daemon.submit(&[brief]).remove(0);
    let list = |arguments: &[&str]| -> Vec<String> {
        let all = [&["--json", "message", "list"], arguments].concat();
        let answer: Value = serde_json::from_str(&told(&place, &all)).expect("JSON");
        let list = answer["messages"].as_array().expect("a list");
        list.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(list(&["--number", "(0170) 00-00001", "--lane", "bulk"]), [ids[0].clone()]);
    assert_eq!(list(&["--number", "+49 (0) 170 00 00001"]), [ids[2].clone(), ids[0].clone()]);
    assert_eq!(list(&["--caller", "nobody"]).len(), 0);
    assert_eq!(list(&["--limit", "2", "--state", "queued"]).len(), 2);

    let unasked = ctl(&place, &["queue", "purge", "bulk"]);
    assert_eq!(unasked.status.code(), Some(64), "nobody is there to be asked: {unasked:?}");
    let alert = ids[2].clone();
    let retried = ctl(&place, &["message", "retry", &alert]);
    assert_eq!(retried.status.code(), Some(65), "{retried:?}");
    assert!(String::from_utf8_lossy(&retried.stderr).contains("not-at-rest"), "{retried:?}");
    // An expired message is found as such when somebody looks for what is due; a modem makes the dispatcher look.
    told(&place, &["queue", "pause", "bulk"]);
    let deadline: jiff::Timestamp =
        daemon.message(&short)["deadline"].as_str().expect("a time").parse().expect("a time");
    while jiff::Timestamp::now() <= deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _simulator = Simulator::start(&[place.ports().join("modem0")], &["--seed", "7"]);
    assert_eq!(daemon.settled(std::slice::from_ref(&short))[0]["state"], "expired");
    told(&place, &["queue", "pause", "alert"]);
    told(&place, &["message", "retry", "--lifetime", "1h", &short]);
    assert_eq!(daemon.message(&short)["state"], "queued");
    assert!(told(&place, &["queue", "purge", "bulk", "--yes"]).contains("bulk: 2 withdrawn"));
    assert!(told(&place, &["queue", "purge", "alert", "--yes"]).contains("alert: 1 withdrawn"));
    assert_eq!(list(&["--state", "queued"]).len(), 0);
    assert_eq!(daemon.message(&short)["state"], "withdrawn");
    assert_eq!(daemon.stop(), Some(0));
}
