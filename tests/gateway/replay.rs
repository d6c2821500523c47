//! A trace is saved from a running daemon and played back to another one: the same dialogue, without the modem.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::{Daemon, PATIENCE, Place, Simulator};

const PHONE: &str = "+491701234567";
const TEXT: &str = "Your code is 123456";
/// The last command of the modem's first minute; what comes then is at rest.
const LAST_LOOK: &str = "AT+CIMI";

fn is_command(event: &Value, line: &str) -> bool {
    event["event"] == "at" && event["line"] == line
}

/// Sends a message once the modem is at rest after its bring-up.
fn send(simulator: &Simulator, daemon: &Daemon) -> String {
    simulator.wait(0, LAST_LOOK, |event| is_command(event, LAST_LOOK));
    daemon.submit(&[json!({"to": PHONE, "text": TEXT})]).remove(0)
}

/// Runs a daemon with a simulated modem and saves the trace of all they said.
fn record(file: &Path) {
    let place = Place::new();
    let config = place.configure("");
    let link = place.ports().join("modem0");
    let simulator =
        Simulator::start(&[link], &["--events", "at", "--seed", "23", "--family", "huawei-stick"]);
    let daemon = Daemon::start(&place, &config);
    let id = send(&simulator, &daemon);
    let until = Instant::now() + PATIENCE;
    while daemon.message(&id)["state"] != "delivered" {
        assert!(Instant::now() < until, "not delivered: {}", daemon.message(&id));
        std::thread::sleep(Duration::from_millis(10));
    }
    let saved = Command::new(env!("CARGO_BIN_EXE_smsotpctl"))
        .arg("--socket")
        .arg(place.socket())
        .args(["modem", "trace", "modem0", "--save"])
        .arg(file)
        .output()
        .expect("smsotpctl runs");
    assert!(saved.status.success(), "{saved:?}");
}

/// Plays the file to a fresh daemon, which sends the same message if it comes that far: the last event, and the exit code.
fn play(file: &Path, sends: bool) -> (Value, Option<i32>) {
    let place = Place::new();
    let config = place.configure("");
    let link = place.ports().join("modem0");
    let replay = file.display().to_string();
    let simulator = Simulator::start(&[link], &["--events", "at,replay", "--replay", &replay]);
    let daemon = Daemon::start(&place, &config);
    if sends {
        send(&simulator, &daemon);
    }
    let end = simulator.wait(0, "the end of the replay", |event| event["event"] == "replay");
    (end, simulator.exit_code())
}

#[test]
fn a_saved_trace_is_played_back_and_tells_where_it_was_left() {
    let place = Place::new();
    let file = place.path().join("modem0.trace");
    record(&file);
    let text = std::fs::read_to_string(&file).expect("the trace is there");
    assert!(text.contains("> AT+CMGS=") && text.contains("^CURC=0"), "{text}");
    assert!(!text.contains("1234567") && !text.contains("17214365"), "numbers are masked: {text}");

    let (end, code) = play(&file, true);
    assert_eq!((&end["whole"], code), (&json!(true), Some(0)), "{end} of {text}");

    let other = text.replacen("> AT+CREG?", "> AT+CEREG?", 1);
    assert_ne!(other, text);
    let row = other.lines().position(|line| line.ends_with("> AT+CEREG?")).expect("it is there") + 1;
    std::fs::write(&file, other).expect("it is written");
    let (end, code) = play(&file, false);
    assert_eq!((&end["whole"], &end["row"], code), (&json!(false), &json!(row), Some(1)), "{end}");
}
