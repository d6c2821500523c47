//! A disk that fills and one that loses what it held: refused with the cause, kept, and never made worse.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::process::Command;

use serde_json::json;

use crate::rig::{Daemon, Place, Simulator, ids, read_log};

/// Pages of the database.
const PAGE: u64 = 4096;
/// The log of the store is written from its beginning and reaches this soon; the daemon's own log stays below it.
const FULL: u64 = 256 << 10;

fn bulk(n: usize) -> String {
    let text = format!("bulk {n} {}", "x".repeat(400));
    json!([{"to": format!("+4917000{n:05}"), "text": text, "lane": "bulk"}]).to_string()
}

#[test]
fn a_full_disk_refuses_keeps_and_is_overcome_without_a_restart() {
    let place = Place::new();
    let config = place.configure("");
    let simulator = Simulator::start(&[place.ports().join("modem0")], &["--events", "phone", "--seed", "7"]);
    let daemon = Daemon::start_without_sigxfsz(&place, &config);
    let mut client = daemon.client();
    daemon.limit_files(Some(FULL));
    let mut accepted = Vec::new();
    let refused = loop {
        let answer = client.json("/v1/messages", &bulk(accepted.len())).expect("an answer");
        if answer.status != 202 {
            break answer;
        }
        accepted.extend(ids(&answer));
        assert!(accepted.len() < 5_000, "the disk never fills");
    };
    assert!(!accepted.is_empty(), "some were accepted: {}", refused.body);
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (503, &json!("store-unwritable")),
        "{}",
        refused.body
    );
    assert!(refused.json()["detail"].as_str().expect("a cause").contains("free space"), "{}", refused.body);
    let ready = client.get("/v1/health/ready").expect("an answer");
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(ready.body.contains("store-unwritable"), "{}", ready.body);
    for id in &accepted {
        assert!(daemon.message(id)["state"].is_string(), "{id} was accepted and is there");
    }
    daemon.limit_files(None);
    let answer = client.json("/v1/messages", &bulk(accepted.len())).expect("an answer");
    assert_eq!(answer.status, 202, "there is room again: {}", answer.body);
    accepted.extend(ids(&answer));
    let records = daemon.settled(&accepted);
    let copies = simulator.shown();
    for (n, record) in records.iter().enumerate() {
        let name = format!("bulk {n} ");
        let came = copies.iter().filter(|(_, text)| text.starts_with(&name)).count();
        let state = record["state"].as_str().expect("a state");
        // What was in the air when its end could not be written is in doubt, and not sent again.
        assert!(matches!(state, "submitted" | "delivered" | "uncertain") && came <= 1, "{came} {record}");
        assert!(came == 1 || state == "uncertain", "{came} {record}");
    }
    let doubtful = records.iter().filter(|record| record["state"] == "uncertain").count();
    assert!(doubtful <= 1, "one modem has one message in the air: {doubtful}");
    assert_eq!(daemon.stop(), Some(0));
}

/// A store with messages in it, stopped in order, and the octets of its file.
fn filled(place: &Place, config: &std::path::Path) -> Vec<u8> {
    let daemon = Daemon::start(place, config);
    let messages: Vec<_> = (0..900)
        .map(|n| json!({"to": format!("+4917000{n:05}"), "text": "x".repeat(400), "lane": "bulk"}))
        .collect();
    daemon.submit(&messages);
    assert_eq!(daemon.stop(), Some(0));
    let store = std::fs::read(place.path().join("store.db")).expect("the store");
    assert!(store.len() as u64 > 60 * PAGE, "there is something to damage: {} octets", store.len());
    store
}

/// Overwrites pages (the first is 0) with what no page looks like.
fn damage(place: &Place, pages: std::ops::Range<u64>) -> Vec<u8> {
    let path = place.path().join("store.db");
    let file = OpenOptions::new().write(true).open(&path).expect("the store");
    let rubbish = vec![0xa5; usize::try_from((pages.end - pages.start) * PAGE).expect("a size")];
    file.write_all_at(&rubbish, pages.start * PAGE).expect("the store is overwritten");
    std::fs::read(path).expect("the store")
}

fn named(place: &Place) {
    let log = read_log(place);
    let store = place.path().join("store.db").display().to_string();
    assert!(log.contains(&format!("the store {store} is damaged")) && log.contains("backup"), "{log}");
}

/// The start is refused, with a cause, and the file is as it was.
fn refused_start(pages: std::ops::Range<u64>) {
    let place = Place::new();
    let config = place.configure("");
    filled(&place, &config);
    let found = damage(&place, pages);
    let ran = Command::new(env!("CARGO_BIN_EXE_smsotpd"))
        .args(["run", "--config"])
        .arg(&config)
        .output()
        .expect("smsotpd starts");
    let told = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    std::fs::write(place.path().join("daemon.log"), &told).expect("a log");
    assert_eq!(ran.status.code(), Some(65), "{told}");
    named(&place);
    let after = std::fs::read(place.path().join("store.db")).expect("the store");
    assert!(after == found, "the damaged file was changed");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    refused_start(0..1);
}

#[test]
fn a_damaged_schema_is_refused_and_left_as_it_is() {
    refused_start(1..60);
}

#[test]
fn damage_that_is_found_later_stops_the_daemon_in_order() {
    let place = Place::new();
    let config = place.configure("");
    let sound = filled(&place, &config);
    // The indices come first in the file and are read at the start; the newest messages lie at its end.
    let pages = sound.len() as u64 / PAGE;
    let daemon = Daemon::start(&place, &config);
    let found = damage(&place, pages - 40..pages);
    let listed = daemon.client().get("/v1/messages?limit=1000").expect("an answer");
    assert_eq!((listed.status, &listed.json()["code"]), (500, &json!("store-damaged")), "{}", listed.body);
    assert_eq!(daemon.ends(), Some(65));
    named(&place);
    let after = std::fs::read(place.path().join("store.db")).expect("the store");
    assert!(after == found, "the damaged file was changed");
}
