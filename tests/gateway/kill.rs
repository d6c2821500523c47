//! `kill -9` at any moment: after restart every accepted message is submitted once, or still queued, or in doubt.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::long_count;
use crate::rig::{Daemon, Place, Simulator};

#[test]
fn random_kills_lose_nothing_and_double_nothing() {
    let kills = long_count(30);
    let place = Place::new();
    let config = place.configure("");
    let simulator = Simulator::start(
        &[place.ports().join("modem0")],
        &["--events", "phone,ctrl-z", "--latency", "4ms", "--seed", "11"],
    );
    let mut random = fastrand::Rng::with_seed(4711);
    let messages: Vec<Value> = (0..200)
        .map(|n| json!({"to": format!("+4917100{n:05}"), "text": format!("kill {n}"), "lane": "bulk"}))
        .collect();
    let mut daemon = Daemon::start(&place, &config);
    let ids = daemon.submit(&messages);
    let each = 180 / kills.max(1);
    let mut sent = 0;
    for _ in 0..kills {
        sent += random.usize(1..=each.max(1));
        simulator.wait_nth("ctrl-z", sent.min(190));
        std::thread::sleep(std::time::Duration::from_micros(random.u64(0..6_000)));
        daemon.kill();
        daemon = Daemon::start(&place, &config);
    }
    let records = daemon.settled(&ids);
    let shown = simulator.shown();
    let mut doubtful = 0;
    for (asked, record) in messages.iter().zip(&records) {
        let text = asked["text"].as_str().expect("a text");
        let copies = shown.iter().filter(|(_, shown)| shown == text).count();
        match record["state"].as_str().expect("a state") {
            "submitted" | "delivered" => assert_eq!(copies, 1, "{text}: {record}"),
            "uncertain" => {
                assert!(copies <= 1, "{text}: {record}");
                doubtful += 1;
            }
            other => panic!("{text} is {other}: {record}"),
        }
    }
    assert!(doubtful <= kills, "at most one in the air for each kill, {doubtful} are in doubt");
}

#[test]
fn a_kill_between_ctrl_z_and_ok() {
    let place = Place::new();
    let config = place.configure("");
    let simulator = Simulator::start(
        &[place.ports().join("modem0")],
        &["--events", "phone,ctrl-z", "--latency", "150ms", "--seed", "13"],
    );
    let mut daemon = Daemon::start(&place, &config);
    for round in 0..long_count(20) {
        let login = round % 2 == 1;
        let (lane, text) =
            if login { ("login", format!("code {round:06}")) } else { ("bulk", format!("air {round}")) };
        let to = format!("+49172000{round:04}");
        let from = simulator.now();
        let ids = daemon.submit(&[json!({"to": to, "text": text, "lane": lane})]);
        simulator.wait(from, "Ctrl-Z of this message", |e| e["event"] == "ctrl-z" && e["to"] == to.as_str());
        daemon.kill();
        daemon = Daemon::start(&place, &config);
        let record = daemon.settled(&ids).remove(0);
        let shown = simulator.shown();
        let copies: Vec<_> = shown.iter().filter(|(number, _)| *number == to).collect();
        assert!(copies.iter().all(|(_, shown)| *shown == text), "only ever the same code: {copies:?}");
        if login {
            assert!(matches!(record["state"].as_str(), Some("submitted" | "delivered")), "{record}");
            assert!((1..=2).contains(&copies.len()), "a login goes at most once more: {copies:?}");
        } else {
            assert_eq!(record["state"], "uncertain", "{record}");
            let after = simulator.now();
            let probe = daemon
                .submit(&[json!({"to": "+491730000000", "text": format!("probe {round}"), "lane": "bulk"})]);
            daemon.settled(&probe);
            let seen: HashMap<_, _> = simulator.shown().into_iter().collect();
            assert_eq!(seen.get("+491730000000"), Some(&format!("probe {round}")));
            assert!(copies.len() <= 1, "a bulk message in the air is not repeated: {copies:?}");
            assert!(simulator.now() > after);
        }
    }
}
