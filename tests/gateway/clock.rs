//! Somebody sets the wall clock: no life ends early, none grows, and over a boot nothing is sent that may be late.
//!
//! No test may set the clock of the machine, so debug builds of the daemon take their wall clock with a step from a file; which boot it is
//! and whether a time service vouches for the clock stand there too.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::Client;
use crate::rig::{Daemon, PATIENCE, Place, Simulator, logged};

const DAY_MS: i64 = 86_400_000;

struct Stage(std::path::PathBuf);

impl Stage {
    fn new(place: &Place) -> Self {
        let stage = Self(place.path().join("clock"));
        stage.set("first", 0, true);
        stage
    }

    /// Replaced as a whole, so that nobody reads half of it.
    fn set(&self, boot: &str, step: i64, synchronised: bool) {
        let word = if synchronised { "synchronised" } else { "alone" };
        let new = self.0.with_extension("new");
        std::fs::write(&new, format!("{boot} {step} {word}")).expect("the clock is staged");
        std::fs::rename(&new, &self.0).expect("the clock is staged");
    }

    fn start(&self, place: &Place, config: &std::path::Path) -> Daemon {
        Daemon::start_with(place, config, &[("SMSOTPD_STAGED_CLOCK", &self.0.display().to_string())])
    }
}

/// What the wall clock was set ahead, in seconds, as the daemon tells it.
fn apart(client: &mut Client) -> f64 {
    let text = client.get("/metrics").expect("an answer").body;
    let line = text.lines().find_map(|line| line.strip_prefix("smsotp_clock_apart_seconds "));
    line.expect("the metric").parse().expect("a number")
}

fn enrol(daemon: &Daemon) {
    let form = "type=sms&user=alice&phone=%2B491709999999&pin=4321";
    let answer = daemon.client().form("/token/init", form).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// A challenge is opened.
fn open(daemon: &Daemon) -> String {
    let answer = daemon.client().form("/validate/check", "user=alice&pass=4321").expect("an answer").json();
    answer["detail"]["transaction_id"].as_str().unwrap_or_else(|| panic!("no challenge: {answer}")).to_owned()
}

/// Whether the code answers it.
fn accepted(daemon: &Daemon, transaction: &str, code: &str) -> bool {
    let form = format!("user=alice&transaction_id={transaction}&pass={code}");
    let answer = daemon.client().form("/validate/check", &form).expect("an answer").json();
    answer["result"]["value"] == true
}

/// The next code on the phone after that event.
fn code(simulator: &Simulator, from: usize) -> String {
    let shown =
        simulator.wait(from, "the code", |event| event["event"] == "phone" && event["to"] == "+491709999999");
    shown["text"].as_str().expect("a text").to_owned()
}

fn state(daemon: &Daemon, id: &str) -> String {
    daemon.message(id)["state"].as_str().unwrap_or_default().to_owned()
}

/// Waits until the message is in this state.
fn becomes(daemon: &Daemon, id: &str, wanted: &str) {
    let until = Instant::now() + PATIENCE;
    while state(daemon, id) != wanted {
        assert!(Instant::now() < until, "{id} is {}", daemon.message(id));
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn bulk(text: &str) -> Value {
    json!({"to": "+491701234567", "text": text, "lifetime": "1h", "report": false})
}

#[test]
fn a_day_either_way_in_mid_run_changes_no_life() {
    let place = Place::new();
    let config = place.configure("");
    let stage = Stage::new(&place);
    let simulator = Simulator::start(&[place.ports().join("modem0")], &["--events", "phone", "--seed", "7"]);
    let daemon = stage.start(&place, &config);
    enrol(&daemon);
    let mut transactions = BTreeSet::new();
    for step in [0, DAY_MS, -DAY_MS, 0] {
        let from = simulator.now();
        let transaction = open(&daemon);
        let code = code(&simulator, from);
        stage.set("first", step, true);
        let seconds = apart(&mut daemon.client());
        assert!((seconds - step as f64 / 1000.0).abs() < 1.5, "{seconds}");
        let [id] = &daemon.submit(&[bulk("after a step")])[..] else { panic!("one id") };
        becomes(&daemon, id, "submitted");
        assert!(accepted(&daemon, &transaction, &code), "the challenge lives");
        assert!(transactions.insert(transaction), "a transaction id comes once");
    }
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_restart_takes_the_step_over_and_lives_go_on() {
    let place = Place::new();
    let config = place.configure("");
    let stage = Stage::new(&place);
    let daemon = stage.start(&place, &config);
    enrol(&daemon);
    let [waiting] = &daemon.submit(&[bulk("waits for a modem")])[..] else { panic!("one id") };
    let transaction = open(&daemon);
    daemon.kill();
    stage.set("first", 3 * DAY_MS, true);
    let daemon = stage.start(&place, &config);
    logged(&place, "stored life times move with it");
    assert!(apart(&mut daemon.client()).abs() < 1.5, "it is taken over");
    let simulator = Simulator::start(&[place.ports().join("modem0")], &["--events", "phone", "--seed", "7"]);
    let code = code(&simulator, 0);
    becomes(&daemon, waiting, "submitted");
    assert!(accepted(&daemon, &transaction, &code), "the challenge lives");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn over_a_boot_with_a_doubtful_clock_logins_end_and_bulk_waits() {
    let place = Place::new();
    let config = place.configure("");
    let stage = Stage::new(&place);
    let daemon = stage.start(&place, &config);
    enrol(&daemon);
    let [old] = &daemon.submit(&[bulk("of before")])[..] else { panic!("one id") };
    open(&daemon);
    daemon.kill();
    // A machine whose clock lost its battery.
    stage.set("second", -DAY_MS, false);
    let daemon = stage.start(&place, &config);
    let simulator = Simulator::start(&[place.ports().join("modem0")], &["--events", "phone", "--seed", "7"]);
    let [new] = &daemon.submit(&[bulk("of this boot")])[..] else { panic!("one id") };
    becomes(&daemon, new, "submitted");
    assert_eq!(state(&daemon, old), "queued", "it waits for the clock");
    assert_eq!(simulator.shown().len(), 1, "{:?}", simulator.shown());
    // The time service comes: ten minutes are gone. The daemon takes that over and what waited leaves.
    stage.set("second", 600_000, true);
    daemon.tells(&place, "READY=1");
    logged(&place, "what waited for the clock goes on");
    becomes(&daemon, old, "submitted");
    let texts: Vec<_> = simulator.shown().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["of this boot", "of before"], "no code of before ever left");
    assert_eq!(daemon.stop(), Some(0));
}
