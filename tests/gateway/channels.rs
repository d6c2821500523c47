//! Channels of one daemon: budgets that hold over a restart, and modems that an operator holds back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::operator::told;
use crate::rig::{Daemon, PATIENCE, Place, Simulator};

const SIMS: [&str; 3] = ["89490200001005155450", "89490200001005155451", "89490200001005155452"];

/// Waits until the modem at this port is listed so.
fn listed(place: &Place, port: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let list = told(place, &["--json", "modem", "list"]);
        let found = list["modems"].as_array().expect("modems").iter().find(|modem| modem["port"] == port);
        if let Some(modem) = found.filter(|modem| wanted(modem)) {
            return modem.clone();
        }
        assert!(Instant::now() < until, "{port} is not {what}: {list}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ready(modem: &Value) -> bool {
    modem["state"] == "ready"
}

/// Messages by the SIM on which all their segments left.
fn by_sim(records: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        let attempts = record["attempts"].as_array().expect("attempts");
        assert_eq!(attempts.len(), 1, "{record}");
        *counts.entry(attempts[0]["channel"].as_str().expect("a channel").to_owned()).or_insert(0) += 1;
    }
    counts
}

#[test]
fn budgets_follow_their_sim_over_a_restart() {
    let place = Place::new();
    let config = place.configure(&format!(
        "[modem.budget]\nper-month = 3\n[[sim]]\niccid = {:?}\nname = \"shelf 2\"\nper-month = 2\n\
         [[sim]]\niccid = {:?}\nper-month = \"none\"\n",
        SIMS[1], SIMS[2]
    ));
    let links = ["modem0", "modem1"].map(|name| place.ports().join(name));
    let options = ["--seed", "5", "--latency", "5ms", "--iccid", SIMS[0], "--iccid", SIMS[1]];
    let simulator = Simulator::start(&links, &options);
    let daemon = Daemon::start(&place, &config);
    for port in ["modem0", "modem1"] {
        listed(&place, port, "ready", ready);
    }
    let asked: Vec<Value> =
        (0..10).map(|n| json!({"to": format!("+4917000{n:05}"), "text": "x", "lane": "bulk"})).collect();
    let ids = daemon.submit(&asked);
    let full = |modem: &Value| modem["budget"].as_str().is_some_and(|note| note.contains("full until 20"));
    for port in ["modem0", "modem1"] {
        let modem = listed(&place, port, "over its budget", full);
        assert_eq!(modem["state"], "ready", "{modem}");
    }
    let queued: Vec<Value> =
        ids.iter().map(|id| daemon.message(id)).filter(|message| message["state"] != "submitted").collect();
    let shown = |message: &Value| {
        message["waits"].as_str().is_some_and(|cause| cause.contains("has budget for it before 20"))
    };
    assert!(queued.len() == 5 && queued.iter().all(shown), "{queued:?}");
    let answer = daemon.client().get("/v1/health/ready").expect("an answer");
    assert!(answer.status == 503 && answer.body.contains("no-budget"), "{}", answer.body);
    let named = listed(&place, "modem1", "named", |modem| modem["name"] == "shelf 2");
    assert!(named["budget"].as_str().expect("a note").starts_with("month 2 of 2: "), "{named}");
    let metrics = daemon.client().get("/metrics").expect("metrics").body;
    let left = format!("smsotp_budget_left{{channel=\"gsm:{}\",window=\"month\"}} 0", SIMS[1]);
    assert!(metrics.contains(&left), "{metrics}");
    assert_eq!(daemon.stop(), Some(0));
    drop(simulator);

    // The cards change places, and a third one comes: only that one carries what is left.
    let links = ["modem0", "modem1", "modem2"].map(|name| place.ports().join(name));
    let options =
        ["--seed", "6", "--latency", "5ms", "--iccid", SIMS[1], "--iccid", SIMS[0], "--iccid", SIMS[2]];
    let _simulator = Simulator::start(&links, &options);
    let daemon = Daemon::start(&place, &config);
    let counts = by_sim(&daemon.settled(&ids));
    let expect = [3, 2, 5].into_iter().zip(SIMS).map(|(count, sim)| (format!("gsm:{sim}"), count));
    assert_eq!(counts, expect.collect());
}

#[test]
fn recipients_are_limited_and_known_ones_go_on() {
    let place = Place::new();
    let config = place.configure("[modem.budget]\nrecipients-per-month = 2\n");
    let links = [place.ports().join("modem0")];
    let _simulator = Simulator::start(&links, &["--seed", "5", "--latency", "5ms"]);
    let daemon = Daemon::start(&place, &config);
    let to = |n: usize| json!({"to": format!("+4917000{n:05}"), "text": "x", "lane": "bulk"});
    let ids = daemon.submit(&[to(1), to(2)]);
    daemon.settled(&ids);
    let new = daemon.submit(&[to(3)]);
    let again = daemon.submit(&[to(1), to(2), to(1)]);
    let records = daemon.settled(&again);
    assert!(records.iter().all(|record| record["state"] == "submitted"), "{records:?}");
    assert_eq!(daemon.message(&new[0])["state"], "queued");
    let note = listed(&place, "modem0", "ready", ready)["budget"].clone();
    assert!(note.as_str().expect("a note").contains("recipients 2 of 2: no new recipient until"), "{note}");
}

#[test]
fn a_drained_modem_finishes_what_began_and_stays_paused_over_a_restart() {
    let place = Place::new();
    let config = place.configure("");
    let links = [place.ports().join("modem0")];
    let options = ["--seed", "5", "--latency", "100ms", "--events", "cmgs"];
    let simulator = Simulator::start(&links, &options);
    let daemon = Daemon::start(&place, &config);
    listed(&place, "modem0", "ready", ready);
    let from = simulator.now();
    let long = daemon.submit(&[json!({"to": "+491701234567", "text": "x".repeat(700)})]);
    simulator.wait(from, "the first part", |event| event["event"] == "cmgs");
    assert_eq!(told(&place, &["--json", "modem", "drain", "modem0"])["hold"], "draining");
    let next =
        daemon.submit(&[json!({"to": "+491701234567", "text": "next", "lane": "login", "lifetime": 3600})]);
    listed(&place, "modem0", "drained", |modem| modem["hold"] == "paused");
    let record = daemon.message(&long[0]);
    assert!(matches!(record["state"].as_str(), Some("submitted" | "delivered")), "{record}");
    assert_eq!(record["attempts"].as_array().map(Vec::len), Some(5), "{record}");
    let waiting = daemon.message(&next[0]);
    assert_eq!(waiting["state"], "queued");
    assert!(waiting["waits"].as_str().is_some_and(|cause| cause.contains("no modem takes")), "{waiting}");
    assert_eq!(daemon.stop(), Some(0));

    let daemon = Daemon::start(&place, &config);
    listed(&place, "modem0", "paused again", |modem| ready(modem) && modem["hold"] == "paused");
    assert_eq!(daemon.message(&next[0])["state"], "queued");
    told(&place, &["--json", "modem", "resume", "modem0"]);
    let record = daemon.settled(&next).remove(0);
    assert!(matches!(record["state"].as_str(), Some("submitted" | "delivered")), "{record}");
    told(&place, &["--json", "modem", "pause", "modem0"]);
    listed(&place, "modem0", "paused", |modem| modem["hold"] == "paused");
}
