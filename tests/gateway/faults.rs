//! Bad lines and bad modems: every accepted message ends, none twice unless it was in doubt and its lane allows it.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::rig::{Daemon, Place, Simulator};

/// Bulk messages with a text that names each of them.
fn bulk(count: usize) -> Vec<Value> {
    (0..count)
        .map(|n| json!({"to": format!("+4917000{n:05}"), "text": format!("bulk {n}"), "lane": "bulk"}))
        .collect()
}

/// Every message rests, and phones saw each exactly as often as its state allows.
fn check(messages: &[Value], records: &[Value], shown: &[(String, String)]) -> HashMap<String, usize> {
    let mut states = HashMap::new();
    for (asked, record) in messages.iter().zip(records) {
        let text = asked["text"].as_str().expect("a text");
        let copies = shown.iter().filter(|(_, shown)| shown == text).count();
        let state = record["state"].as_str().expect("a state");
        match state {
            "submitted" | "delivered" => assert_eq!(copies, 1, "{text} is {state}: {record}"),
            "failed" | "expired" => {
                assert_eq!(copies, 0, "{text} is {state}: {record}");
                assert!(
                    state == "expired" || record["cause"].is_string(),
                    "a failure names its cause: {record}"
                );
            }
            "uncertain" => assert!(copies <= 1, "{text} is {state}: {record}"),
            other => panic!("{text} rests as {other}"),
        }
        *states.entry(state.to_owned()).or_insert(0) += 1;
    }
    states
}

/// Runs `count` bulk messages through one simulated modem with these options.
fn run(options: &[&str], config: &str, count: usize) -> HashMap<String, usize> {
    let place = Place::new();
    let config = place.configure(config);
    let mut all = vec!["--events", "phone", "--seed", "7"];
    all.extend_from_slice(options);
    let simulator = Simulator::start(&[place.ports().join("modem0")], &all);
    let daemon = Daemon::start(&place, &config);
    let messages = bulk(count);
    let records = daemon.settled(&daemon.submit(&messages));
    let states = check(&messages, &records, &simulator.shown());
    assert_eq!(daemon.stop(), Some(0));
    states
}

fn submitted(states: &HashMap<String, usize>) -> usize {
    states.get("submitted").copied().unwrap_or(0) + states.get("delivered").copied().unwrap_or(0)
}

#[test]
fn bytes_one_at_a_time() {
    assert_eq!(submitted(&run(&["--chunk", "1"], "", 40)), 40);
}

#[test]
fn one_unsolicited_line_a_second() {
    assert_eq!(submitted(&run(&["--noise", "1", "--latency", "20ms"], "", 60)), 60);
}

#[test]
fn fifty_unsolicited_lines_a_second() {
    assert_eq!(submitted(&run(&["--noise", "50", "--latency", "20ms"], "", 60)), 60);
}

#[test]
fn an_error_on_every_fifth_message() {
    let states = run(&["--error-every", "5"], "", 40);
    assert_eq!(submitted(&states), 40, "a passing error is retried: {states:?}");
}

#[test]
fn a_modem_silent_after_the_prompt() {
    let states = run(&["--silent-after-prompt", "7"], "submit-limit = \"2s\"\n", 20);
    assert!(submitted(&states) >= 18, "{states:?}");
    assert_eq!(states.get("uncertain"), Some(&1), "the one in the air is in doubt: {states:?}");
}

#[test]
fn a_link_removed_and_put_back() {
    let place = Place::new();
    let config = place.configure("");
    let link = place.ports().join("modem0");
    let mut simulator = Simulator::start(&[link], &["--events", "phone", "--latency", "20ms", "--seed", "7"]);
    let daemon = Daemon::start(&place, &config);
    let messages = bulk(60);
    let ids = daemon.submit(&messages);
    for round in 1..=3 {
        simulator.wait_nth("phone", round * 10);
        simulator.control(&json!({"do": "hangup", "modem": 0}));
        simulator.control(&json!({"do": "plug", "modem": 0}));
    }
    let records = daemon.settled(&ids);
    let states = check(&messages, &records, &simulator.shown());
    let doubtful = states.get("uncertain").copied().unwrap_or(0);
    assert!(doubtful <= 3, "at most the one in the air of each round is in doubt: {states:?}");
    assert_eq!(submitted(&states) + doubtful, 60);
}

#[test]
fn two_modems_share_the_work_and_one_may_go() {
    let place = Place::new();
    let config = place.configure("");
    let links = [place.ports().join("modem0"), place.ports().join("modem1")];
    let mut simulator = Simulator::start(&links, &["--events", "phone", "--latency", "20ms", "--seed", "9"]);
    let daemon = Daemon::start(&place, &config);
    let messages = bulk(80);
    let ids = daemon.submit(&messages);
    simulator.wait_nth("phone", 20);
    simulator.control(&json!({"do": "hangup", "modem": 0}));
    let records = daemon.settled(&ids);
    let states = check(&messages, &records, &simulator.shown());
    let doubtful = states.get("uncertain").copied().unwrap_or(0);
    assert!(doubtful <= 1, "{states:?}");
    assert_eq!(submitted(&states) + doubtful, 80);
}
