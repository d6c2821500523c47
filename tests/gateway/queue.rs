//! The lanes of a running daemon: full ones, paused ones, emptied ones, and messages that go again; through `smsotpctl`, too.

use std::process::{Command, Output, Stdio};

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
    assert!(
        metrics.contains("smsotp_queue_oldest_seconds ")
            && metrics.contains("smsotp_queue_oldest_seconds{lane=")
    );
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
    let short = daemon.submit(&[json!({"to": "+491701111111", "text": "x", "lane": "bulk", "lifetime": 1})]);
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
    let _simulator = Simulator::start(&[place.ports().join("modem0")], &["--error-every", "1"]);
    let state = |id: &str| daemon.message(id)["state"].as_str().unwrap_or_default().to_owned();
    let until = std::time::Instant::now() + crate::rig::PATIENCE;
    while state(&short[0]) != "expired" {
        assert!(std::time::Instant::now() < until, "it is still {}", state(&short[0]));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    told(&place, &["queue", "pause", "bulk"]);
    told(&place, &["message", "retry", "--lifetime", "1h", &short[0]]);
    assert_eq!(state(&short[0]), "queued");
    told(&place, &["queue", "purge", "bulk", "--yes"]);
    assert_eq!(list(&["--state", "queued", "--lane", "bulk"]).len(), 0);
    assert_eq!(state(&short[0]), "withdrawn");
    let withdrawn = told(&place, &["queue", "purge", "bulk", "--yes"]);
    assert!(withdrawn.contains("bulk: 0 withdrawn"), "{withdrawn}");
    assert_eq!(daemon.stop(), Some(0));
}
