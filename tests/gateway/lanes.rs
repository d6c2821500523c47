//! A login behind ten thousand bulk messages: on the air within one segment time, by the simulator's own clock.

use serde_json::{Value, json};

use crate::long_count;
use crate::rig::{Daemon, Place, Simulator, ids};

/// From Ctrl-Z to the network's answer: what a segment holds the line.
const SEGMENT_US: u64 = 200_000;
/// What daemon and simulator need besides, on a machine that others share; a second segment would not fit.
const SLACK_US: u64 = 150_000;
const PHONE: &str = "+491701234567";

/// Bulk of three segments each, all of it in the queue; the ids of those that go first.
fn queue_bulk(daemon: &Daemon, count: usize) -> Vec<String> {
    let mut first = Vec::new();
    let mut client = daemon.client();
    for start in (0..count).step_by(1_000) {
        let bulk: Vec<Value> = (start..count.min(start + 1_000))
            .map(|n| json!({"to": format!("+4917000{n:05}"), "text": "x".repeat(400), "lane": "bulk"}))
            .collect();
        let answer = client.json("/v1/messages", &json!(bulk).to_string()).expect("an answer");
        assert_eq!(answer.status, 202, "{}", answer.body);
        first.extend(ids(&answer));
        first.truncate(3);
    }
    first
}

fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}

/// Queues the bulk, then asks for logins one after the other while it leaves.
fn logins_overtake(modems: usize) {
    let place = Place::new();
    let config = place.configure("[log]\nlevel = \"warn\"\n");
    let links: Vec<_> = (0..modems).map(|n| place.ports().join(format!("modem{n}"))).collect();
    let options = ["--seed", "11", "--latency", "200ms", "--events", "ctrl-z"];
    let simulator = Simulator::start(&links, &options);
    let daemon = Daemon::start(&place, &config);
    let first = queue_bulk(&daemon, long_count(10_000));
    let ctrl_z = |event: &Value| event["event"] == "ctrl-z";
    for n in 0..5 {
        // While bulk is in the air, at whatever place of a message that happens to be.
        simulator.wait(simulator.now(), "bulk in the air", ctrl_z);
        let login = json!({"to": PHONE, "text": format!("login {n}"), "lane": "login"});
        let mut client = daemon.client();
        let from = simulator.now();
        let answer = client.json("/v1/messages", &login.to_string()).expect("an answer");
        let accepted = monotonic_us();
        assert_eq!(answer.status, 202, "{}", answer.body);
        let on_air = simulator.wait(from, "the login", |e| ctrl_z(e) && e["to"] == PHONE);
        let waited = on_air["us"].as_u64().expect("a time").saturating_sub(accepted);
        let limit = if modems > 1 { SEGMENT_US } else { SEGMENT_US + SLACK_US };
        assert!(waited < limit, "login {n} was on the air after {waited} us");
    }
    // What gave way went on where it had begun, each segment once.
    for whole in daemon.settled(&first) {
        assert!(matches!(whole["state"].as_str(), Some("submitted" | "delivered")), "{whole}");
        let attempts = whole["attempts"].as_array().expect("attempts");
        assert_eq!(attempts.len(), 3, "{whole}");
        assert!(attempts.iter().all(|attempt| attempt["channel"] == attempts[0]["channel"]), "{whole}");
    }
}

#[test]
fn a_login_overtakes_ten_thousand_bulk_messages_on_one_modem() {
    logins_overtake(1);
}

#[test]
fn a_login_overtakes_ten_thousand_bulk_messages_on_two_modems() {
    logins_overtake(2);
}
