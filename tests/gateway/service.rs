//! The daemon as a service: start, reload, stop, and what a bad configuration gets.

use std::process::Command;

use rustix::process::Signal;
use serde_json::json;

use crate::rig::{Daemon, Place, Simulator, logged};

#[test]
fn a_bad_configuration_tells_every_finding_and_starts_nothing() {
    let place = Place::new();
    let config = place.configure("buad = 9600\n[admission]\nmax-segments = 0\nallow = [\"49\"]\n");
    let ended = Command::new(env!("CARGO_BIN_EXE_smsotpd"))
        .args(["run", "--config"])
        .arg(&config)
        .output()
        .expect("smsotpd starts");
    assert_eq!(ended.status.code(), Some(78));
    let told = String::from_utf8_lossy(&ended.stderr);
    for key in ["modem.buad", "admission.max-segments", "admission.allow"] {
        assert!(told.contains(key), "{key} is not told:\n{told}");
    }
    assert!(told.contains("smsotpd.toml:"), "file and line are told:\n{told}");
    assert!(!place.socket().exists() && !place.path().join("store.db").exists(), "nothing was started");
}

#[test]
fn a_reload_applies_as_a_whole_or_not_at_all() {
    let place = Place::new();
    let config = place.configure("");
    let daemon = Daemon::start(&place, &config);
    let ask = json!({"to": "+33123456789", "text": "x"}).to_string();
    assert_eq!(daemon.client().json("/v1/messages", &ask).expect("an answer").status, 202);

    place.configure("[admission]\nallow = [\"+49\"]\n[log]\nlevel = \"loud\"\n");
    daemon.signal(Signal::HUP);
    logged(&place, "refused as a whole");
    assert_eq!(daemon.client().json("/v1/messages", &ask).expect("an answer").status, 202, "nothing changed");

    place.configure("baud = 9600\n[admission]\nallow = [\"+49\"]\n");
    daemon.signal(Signal::HUP);
    logged(&place, "admission.allow");
    logged(&place, "needs a restart");
    let refused = daemon.client().json("/v1/messages", &ask).expect("an answer");
    assert!((400..500).contains(&refused.status), "{} {}", refused.status, refused.body);
    assert_eq!(daemon.stop(), Some(0));
    assert!(!place.socket().exists(), "the socket is gone");
}

#[test]
fn a_stop_lets_the_message_in_the_air_end_and_keeps_the_rest() {
    let place = Place::new();
    let config = place.configure("");
    let simulator = Simulator::start(
        &[place.ports().join("modem0")],
        &["--events", "phone,ctrl-z", "--latency", "200ms", "--seed", "21"],
    );
    let daemon = Daemon::start(&place, &config);
    let messages: Vec<_> =
        (0..5).map(|n| json!({"to": "+491701234567", "text": format!("stop {n}")})).collect();
    let ids = daemon.submit(&messages);
    simulator.wait_nth("ctrl-z", 2);
    assert_eq!(daemon.stop(), Some(0));
    let daemon = Daemon::start(&place, &config);
    let records = daemon.settled(&ids);
    assert!(records.iter().all(|record| record["state"] != "uncertain"), "nothing is in doubt: {records:?}");
    assert_eq!(simulator.shown().len(), 5, "each once");
}

#[test]
fn the_demo_tells_the_whole_story() {
    let ended = Command::new(env!("CARGO_BIN_EXE_smsotpd")).arg("demo").output().expect("smsotpd starts");
    let told = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&ended.stderr));
    for (word, times) in [("CHALLENGE", 2), ("ACCEPT", 2), ("REJECT", 2), ("AT+CMGS=", 2)] {
        assert_eq!(told.matches(word).count(), times, "{word} in\n{told}");
    }
    assert!(told.contains("transaction_id"), "{told}");
}
