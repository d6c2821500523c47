//! From one release to the next and back: what is queued goes on, and what cannot be read is refused by name.

use std::process::Command;

use smsotpd::clock;
use smsotpd::queue::message::MessageId;
use smsotpd::secret::Secret;
use smsotpd::store::seal::{Keyring, Place as Column};

use crate::rig::{Daemon, Place, Simulator};

/// A message in the store of the first release.
fn queue_as_of_old(place: &Place, id: MessageId, text: &str) {
    let old = rusqlite::Connection::open(place.path().join("store.db")).expect("a database");
    if old.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).expect("a version") == 0 {
        old.execute_batch(include_str!("../../src/store/schema/0001.sql")).expect("the first schema");
        old.pragma_update(None, "user_version", 1).expect("a version");
    }
    let column = Column { table: "message", column: "body", row: id.as_bytes() };
    let key = Keyring::read(&place.path().join("key")).expect("the key");
    let body = key.seal(column, &Secret::from(text)).expect("it is sealed");
    let now = clock::wall();
    old.execute(
        "INSERT INTO message (id, state, lane, due, changed, created, deadline, segments, concat_ref, flash, report,
                              caller, recipient, body)
         VALUES (?1, 0, 2, ?2, ?2, ?2, ?3, 1, 0, 0, 0, 'portal', '+491701234567', ?4)",
        rusqlite::params![id.as_bytes(), now.0, now.plus(std::time::Duration::from_secs(600)).0, body],
    )
    .expect("a row");
}

#[test]
fn messages_queued_by_the_release_before_are_sent() {
    let place = Place::new();
    let config = place.configure("");
    Keyring::write_new(&place.path().join("key")).expect("a key");
    let ids = [1, 2, 3].map(|n| MessageId::new(clock::wall(), 0, [n; 8]));
    for (n, id) in ids.iter().enumerate() {
        queue_as_of_old(&place, *id, &format!("old {n}"));
    }
    let simulator = Simulator::start(&[place.ports().join("modem0")], &["--events", "phone", "--seed", "3"]);
    let daemon = Daemon::start(&place, &config);
    let records = daemon.settled(&ids.map(|id| id.to_string()));
    assert!(records.iter().all(|record| record["state"] == "submitted"), "{records:?}");
    let mut texts: Vec<_> = simulator.shown().into_iter().map(|(_, text)| text).collect();
    texts.sort();
    assert_eq!(texts, ["old 0", "old 1", "old 2"]);
    assert_eq!(daemon.stop(), Some(0));
    assert!(place.path().join("store.db.schema-1").exists(), "the way back is kept");
}

#[test]
fn a_store_of_a_later_release_starts_nothing() {
    let place = Place::new();
    let config = place.configure("");
    assert_eq!(Daemon::start(&place, &config).stop(), Some(0));
    let store = rusqlite::Connection::open(place.path().join("store.db")).expect("the store");
    store.pragma_update(None, "user_version", 99).expect("a version");
    drop(store);
    let ended = Command::new(env!("CARGO_BIN_EXE_smsotpd"))
        .args(["run", "--config"])
        .arg(&config)
        .output()
        .expect("smsotpd starts");
    let told = [ended.stdout, ended.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert_eq!(ended.status.code(), Some(78), "systemd must not try again: {told}");
    assert!(told.contains("schema 99") && told.contains("newer release"), "{told}");
    assert!(!place.socket().exists(), "nothing was started");
}
