//! `smsotpctl check` against the real daemon: each of the four states, with the figures that a monitoring system draws.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::operator::{ctl, told};
use crate::rig::{Daemon, PATIENCE, Place, Simulator};

/// Exit code and line.
fn check(place: &Place, options: &[&str]) -> (i32, String) {
    let output = ctl(place, &[&["check"], options].concat(), "");
    let line = String::from_utf8(output.stdout).expect("text");
    assert_eq!(line.lines().count(), 1, "one line: {line:?}");
    (output.status.code().expect("an exit code"), line.trim_end().to_owned())
}

/// The same once it has this exit code.
fn until(place: &Place, code: i32) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let (now, line) = check(place, &[]);
        if now == code {
            return line;
        }
        assert!(Instant::now() < end, "never {code}: {line}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_state_of_the_daemon_is_an_exit_code_and_one_line() {
    let place = Place::new();
    let config = place.configure("");
    let (code, line) = check(&place, &[]);
    assert_eq!(code, 2, "{line}");
    assert!(line.starts_with("SMSOTPD CRITICAL - the daemon does not answer"), "{line}");
    assert!(line.contains("systemctl start smsotpd"), "{line}");

    let daemon = Daemon::start(&place, &config);
    let (code, line) = check(&place, &[]);
    assert!(code == 2 && line.starts_with("SMSOTPD CRITICAL - 0 of 0 modems ready"), "{code} {line}");
    let simulator = Simulator::start(&[place.ports().join("modem0")], &["--seed", "31"]);
    let line = until(&place, 0);
    assert_eq!(
        line,
        "SMSOTPD OK - 1 of 1 modems ready, queue empty | modems_ready=1;;1:;0;1 queue=0;;;0 oldest=0s;60;300;0 \
         alarms_warning=0;;;0 alarms_critical=0;;;0"
    );
    let (code, line) = check(&place, &["--ready-warning", "2:"]);
    assert!(code == 1 && line.starts_with("SMSOTPD WARNING - 1 of 1 modems ready"), "{code} {line}");
    let found = told(&place, &["--json", "check"]);
    assert_eq!((&found["state"], &found["exit"]), (&json!("OK"), &json!(0)), "{found}");
    for wrong in [["check", "--ready-warning", "many"], ["check", "--no-such", "x"]] {
        assert_eq!(ctl(&place, &wrong, "").status.code(), Some(3));
    }

    drop(simulator);
    until(&place, 2);
    assert_eq!(daemon.submit(&[json!({"to": "+491701234567", "text": "waits"})]).len(), 1);
    let (code, line) = check(&place, &["--queue-warning", "0", "--ready-critical", "0:"]);
    assert!(code == 1 && line.contains("1 in the queue") && line.contains("queue=1;0;;0"), "{code} {line}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn an_alarm_is_critical_with_its_remedy_and_its_trace_stays_readable() {
    let place = Place::new();
    let config = place.configure("pin = \"9999\"\n");
    let modem = Simulator::start(&[place.ports().join("modem0")], &["--pin", "1234", "--seed", "37"]);
    let daemon = Daemon::start(&place, &config);
    let end = Instant::now() + PATIENCE;
    let line = loop {
        let line = until(&place, 2);
        if line.contains("sim-locked") {
            break line;
        }
        assert!(Instant::now() < end, "never locked: {line}");
    };
    assert!(line.contains("PUK") && line.contains("alarms_critical=1;;;0"), "{line}");

    drop(modem);
    let state = || told(&place, &["--json", "modem", "list"])["modems"][0]["state"].clone();
    while state() == "down" {
        assert!(Instant::now() < end, "it never went");
        std::thread::sleep(Duration::from_millis(20));
    }
    let file = place.path().join("modem0.trace");
    let saved = ctl(&place, &["modem", "trace", "modem0", "--save", &file.display().to_string()], "");
    assert!(saved.status.success(), "{saved:?}");
    let text = std::fs::read_to_string(&file).expect("the trace is saved");
    assert!(text.contains("> AT+CPIN=****") && text.contains("! port closed"), "{text}");
    let lines = told(&place, &["--json", "modem", "trace", "modem0"])["lines"].clone();
    assert_eq!(lines.as_array().map(Vec::is_empty), Some(false), "{lines}");
    assert_eq!(ctl(&place, &["modem", "trace", "modem9"], "").status.code(), Some(65));
    assert_eq!(daemon.stop(), Some(0));
}
