//! What only the embedded engine promises: commits counted, one file that nobody else reads, keys refused by name, a full disk.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic, in its tools too")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use smsotpd::clock;
use smsotpd::number::Number;
use smsotpd::pdu::Coding;
use smsotpd::provider::ChannelId;
use smsotpd::queue::budget::{Behind, Bill, Budgets, Limits};
use smsotpd::queue::life::Transition;
use smsotpd::queue::message::{Lane, MessageId, NewMessage, State};
use smsotpd::queue::rules::Next;
use smsotpd::secret::Secret;
use smsotpd::store::engine::{OpenError, Settings, Store};
use smsotpd::store::seal::{Keyring, Place};
use smsotpd::store::*;
use smsotpd::units::MessageRef;

fn message(n: u16) -> NewMessage {
    let now = clock::wall();
    let [high, low] = n.to_be_bytes();
    NewMessage {
        id: MessageId::new(now, 0, [high, low, 0, 0, 0, 0, high, low]),
        lane: Lane::Login,
        to: Number::parse("+491701234567", None).unwrap(),
        body: Secret::new(vec![b'x'; 400]),
        flash: false,
        report: false,
        segments: 1,
        coding: Coding::default(),
        created: now,
        deadline: now.plus(Duration::from_secs(600)),
        caller: "portal".to_owned(),
        idempotency: None,
        callback: None,
        bill: Bill::default(),
    }
}

fn channel() -> ChannelId {
    ChannelId("gsm:89490200001005155450".into())
}

fn want(most: usize) -> Want {
    Want {
        most,
        lanes: Lane::Bulk,
        channels: vec![channel()],
        begun_only: false,
        lease: Duration::from_secs(60),
    }
}

fn begin(l: &Leased) -> Begin {
    Begin { id: l.id, epoch: l.epoch, seq: 1, channel: channel(), whom: None, at: clock::wall() }
}

fn submitted(l: &Leased) -> End {
    End {
        id: l.id,
        epoch: l.epoch,
        seq: 1,
        result: AttemptState::Submitted,
        reference: Some(MessageRef(1)),
        cause: None,
        whom: None,
        at: clock::wall(),
        next: Next::Rest(State::Submitted),
    }
}

fn open(path: &Path, key: &Path) -> Result<Store, OpenError> {
    Store::open(Settings::new(path, Keyring::read(key).unwrap()))
}

/// A directory with a key file and a place for the store.
fn place() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (path, key) = (dir.path().join("store.db"), dir.path().join("key"));
    Keyring::write_new(&key).unwrap();
    (dir, path, key)
}

#[tokio::test]
async fn acceptance_and_lease_share_a_commit() {
    let (_dir, path, key) = place();
    let store = open(&path, &key).unwrap();
    for n in 0..10 {
        let asking = store.clone();
        let demand = tokio::spawn(async move { asking.lease(want(1)).await.unwrap() });
        tokio::task::yield_now().await;
        let before = store.stats().commits;
        store.accept(vec![message(n)]).await.unwrap();
        let leased = demand.await.unwrap();
        assert_eq!(leased.len(), 1);
        assert_eq!(store.stats().commits, before + 1);
    }
}

/// Counts follow the file, under no readable name, and cost one row for each limit; without limits none.
#[tokio::test]
async fn budgets_outlive_the_daemon_and_name_nobody() {
    let (_dir, path, key) = place();
    let rows = || {
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.query_row("SELECT count(*), coalesce(max(length(counter)), 0) FROM allowance", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })
        .unwrap()
    };
    let store = open(&path, &key).unwrap();
    store.accept(vec![message(0)]).await.unwrap();
    assert_eq!(rows(), (0, 0));
    let limits = [Limits { per_day: Some(2), ..Limits::default() }; 7];
    let budgets = Budgets { general: limits, ..Budgets::default() };
    let asked = message(1);
    let counted = |n| {
        let bill =
            budgets.bill(&asked.to, &asked.caller, &Behind { user: Some("alice"), ..Behind::default() });
        NewMessage { created: asked.created, bill, ..message(n) }
    };
    store.accept(vec![counted(1)]).await.unwrap();
    assert_eq!(rows(), (6, 32), "one for each dimension that is known: no client was named");
    store.close().await;

    let store = open(&path, &key).unwrap();
    store.accept(vec![counted(2)]).await.unwrap();
    assert!(matches!(store.accept(vec![counted(3)]).await, Err(StoreError::OverBudget(_))));
    assert_eq!(rows(), (6, 32));
    assert_eq!(store.over_budget().totals().map(|(_, count)| count).sum::<u64>(), 1);
}

#[tokio::test]
async fn waiting_jobs_share_a_commit() {
    let (_dir, path, key) = place();
    let settings = Settings::new(&path, Keyring::read(&key).unwrap());
    // While the first commit dawdles, the others gather.
    let store = Store::open(Settings { commit_pause: Some(Duration::from_millis(50)), ..settings }).unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.accept(vec![message(n)]).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let stats = store.stats();
    assert_eq!(stats.jobs, 64);
    assert!(stats.commits <= 4, "{stats:?}");
}

#[tokio::test]
async fn too_many_acceptances_are_told_to_come_again() {
    let (_dir, path, key) = place();
    let settings = Settings::new(&path, Keyring::read(&key).unwrap());
    let store = Store::open(Settings { commit_pause: Some(Duration::from_millis(100)), ..settings }).unwrap();
    let tasks: Vec<_> = (0..1000)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.accept(vec![message(n)]).await })
        })
        .collect();
    let (mut accepted, mut busy) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(StoreError::Busy(_)) => busy += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(accepted >= 500 && busy > 0, "{accepted} accepted, {busy} busy");
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.iter().map(|count| count.messages).sum::<u64>(), accepted);
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let (_dir, path, key) = place();
    let store = open(&path, &key).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let log = fs::metadata(path.with_extension("db-wal")).unwrap().len();
    assert!(log >= 4 << 20, "the log was grown to {log} only");
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20, "the database was not");
    let m = message(1);
    store.accept(vec![m.clone()]).await.unwrap();
    let standing = store.clone();
    let standing = tokio::spawn(async move { standing.lease(Want { lanes: Lane::Login, ..want(1) }).await });
    let leased = standing.await.unwrap().unwrap();
    let unmet = store.clone();
    let unmet = tokio::spawn(async move { unmet.lease(want(1)).await });
    tokio::task::yield_now().await;
    store.turn(Turn { ended: vec![], begun: vec![begin(&leased[0])] }).await.unwrap();
    store.close().await;
    assert!(matches!(unmet.await.unwrap(), Err(StoreError::Closed)));
    assert!(matches!(store.accept(vec![message(2)]).await, Err(StoreError::Closed)));
    assert!(matches!(store.counts().await, Err(StoreError::Closed)));
    drop(store);
    let store = open(&path, &key).unwrap();
    assert_eq!(store.recover(clock::wall()).await.unwrap().repeated, 1);
    let read = store.message(m.id).await.unwrap().unwrap();
    assert_eq!((read.state, read.body), (State::Queued, Some(m.body)));
    assert_eq!(read.attempts[0].state, AttemptState::Uncertain);
}

#[tokio::test]
async fn a_store_that_is_not_ours_is_refused_by_name() {
    let (dir, path, key) = place();
    let store = open(&path, &key).unwrap();
    store.close().await;
    drop(store);
    let other = dir.path().join("other");
    Keyring::write_new(&other).unwrap();
    let id = Keyring::read(&key).unwrap().active_id();
    match open(&path, &other) {
        Err(OpenError::UnknownKey { key, .. }) => assert_eq!(key, id),
        other => panic!("{other:?}"),
    }
    let rotated = Keyring::read(&other).unwrap().with_older(Keyring::read(&key).unwrap());
    drop(Store::open(Settings::new(&path, rotated)).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(open(&path, &key), Err(OpenError::Newer { found: 99, .. })));
    fs::write(dir.path().join("text"), "this is not a database, but long enough to be looked at as one")
        .unwrap();
    assert!(matches!(open(&dir.path().join("text"), &key), Err(OpenError::Damaged { .. })));
}

#[tokio::test]
async fn a_text_moved_to_another_row_does_not_open() {
    let (_dir, path, key) = place();
    let store = open(&path, &key).unwrap();
    let (a, b, c) = (message(1), message(2), message(3));
    store.accept(vec![a.clone(), b.clone(), c.clone()]).await.unwrap();
    let intruder = rusqlite::Connection::open(&path).unwrap();
    let clear: i64 = intruder
        .query_row("SELECT count(*) FROM message WHERE instr(body, CAST('xxxx' AS BLOB)) > 0", [], |r| {
            r.get(0)
        })
        .unwrap();
    assert_eq!(clear, 0, "no text lies in the clear");
    let swap = "UPDATE message SET body = (SELECT body FROM message WHERE id = ?1) WHERE id = ?2";
    intruder.execute(swap, [a.id.as_bytes(), b.id.as_bytes()]).unwrap();
    assert!(matches!(store.message(b.id).await, Err(StoreError::Sealed(_))));
    assert!(store.message(a.id).await.unwrap().is_some());
    let leased = store.lease(want(9)).await.unwrap();
    assert_eq!(leased.iter().map(|l| l.id).collect::<Vec<_>>(), [a.id, c.id], "the others still go");
    let failed = Filter { state: Some(State::Failed), most: 9, ..Filter::default() };
    assert!(matches!(store.messages(failed).await, Err(StoreError::Sealed(_))));
}

/// Not even its sealed octets are left in the file.
#[tokio::test]
async fn what_is_erased_is_overwritten() {
    let (_dir, path, key) = place();
    let store = open(&path, &key).unwrap();
    let m = message(1);
    store.accept(vec![m.clone()]).await.unwrap();
    let reader = rusqlite::Connection::open(&path).unwrap();
    let sealed: Vec<u8> = reader.query_row("SELECT body FROM message", [], |row| row.get(0)).unwrap();
    drop(reader);
    assert_eq!(store.withdraw(m.id, None, clock::wall()).await.unwrap(), Withdrawn::Done);
    store.close().await;
    drop(store);
    let file = fs::read(&path).unwrap();
    assert!(
        sealed.len() > 400
            && !file.windows(64).any(|octets| sealed.windows(64).step_by(64).any(|part| part == octets))
    );
    assert!(!path.with_extension("db-wal").exists(), "its log is gone");
}

/// A database as the first release left it.
fn first_version(path: &Path) -> rusqlite::Connection {
    let old = rusqlite::Connection::open(path).unwrap();
    old.execute_batch(include_str!("../src/store/schema/0001.sql")).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old
}

/// A message that waits, as the first release stored it.
fn queue_as_of_old(old: &rusqlite::Connection, ring: &Keyring, m: &NewMessage) {
    let place = Place { table: "message", column: "body", row: m.id.as_bytes() };
    old.execute(
        "INSERT INTO message (id, state, lane, due, changed, created, deadline, segments, concat_ref, flash, report,
                              caller, recipient, body)
         VALUES (?1, 0, 0, ?2, ?2, ?2, ?3, 1, 0, 0, 0, ?4, '+491701234567', ?5)",
        rusqlite::params![m.id.as_bytes(), m.created.0, m.deadline.0, m.caller, ring.seal(place, &m.body).unwrap()],
    )
    .unwrap();
}

#[tokio::test]
async fn an_upgrade_keeps_what_is_queued_and_a_copy_of_what_was() {
    let (_dir, path, key) = place();
    let (old, m) = (first_version(&path), message(1));
    queue_as_of_old(&old, &Keyring::read(&key).unwrap(), &m);
    drop(old);
    let copy = path.with_extension("db.schema-1");
    fs::write(path.with_extension("db.schema-1.new"), "cut off in an earlier attempt").unwrap();
    for _ in 0..2 {
        let store = open(&path, &key).unwrap();
        assert_eq!(store.message(m.id).await.unwrap().unwrap().body.as_ref(), Some(&m.body));
        store.close().await;
        let kept = rusqlite::Connection::open(&copy).unwrap();
        assert_eq!(kept.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap(), 1);
        let queued =
            kept.query_row("SELECT id FROM message WHERE state = 0", [], |row| row.get::<_, Vec<u8>>(0));
        assert_eq!(queued.unwrap(), m.id.as_bytes());
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!path.with_extension("db.schema-1.new").exists());
    }
    let files = fs::read_dir(path.parent().unwrap()).unwrap();
    let copies =
        files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains(".schema-"));
    assert_eq!(copies.count(), 1, "an open without an upgrade makes none");
    let store = open(&path, &key).unwrap();
    assert_eq!(store.lease(want(9)).await.unwrap()[0].id, m.id, "it still goes");
}

#[tokio::test]
async fn messages_of_old_tell_what_is_known_of_their_life() {
    let (_dir, path, key) = place();
    let (old, ring) = (first_version(&path), Keyring::read(&key).unwrap());
    let (waiting, failed) = (message(1), message(2));
    queue_as_of_old(&old, &ring, &waiting);
    queue_as_of_old(&old, &ring, &failed);
    old.execute(
        "UPDATE message SET state = 4, changed = changed + 5, cause = 'barred' WHERE id = ?1",
        [failed.id.as_bytes()],
    )
    .unwrap();
    drop(old);
    let store = open(&path, &key).unwrap();
    let words = async |m: &NewMessage| {
        let life = store.message(m.id).await.unwrap().unwrap().life;
        let word = |one: &Transition| {
            (format!("{} {} {:?}", one.state, one.actor, one.cause), one.at.0 - m.created.0)
        };
        life.iter().map(word).collect::<Vec<_>>()
    };
    let accepted = ("queued caller None".to_owned(), 0);
    let barred = ("failed unknown Some(\"barred\")".to_owned(), 5);
    assert_eq!(words(&failed).await, [accepted.clone(), barred]);
    assert_eq!(words(&waiting).await, [accepted]);
    let leased = store.lease(want(1)).await.unwrap().remove(0);
    assert_eq!(words(&waiting).await[1].0, "leased dispatcher None");
    store.release(vec![(leased.id, leased.epoch)], None).await.unwrap();
    assert_eq!(words(&waiting).await.len(), 1);
}

#[tokio::test]
async fn without_a_copy_nothing_is_upgraded() {
    let (_dir, path, key) = place();
    drop(first_version(&path));
    fs::create_dir(path.with_extension("db.schema-1")).unwrap();
    assert!(matches!(open(&path, &key), Err(OpenError::Copy { .. })));
    let conn = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(conn.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[tokio::test]
async fn a_newer_store_is_refused_with_both_versions_and_the_remedy() {
    let (_dir, path, key) = place();
    open(&path, &key).unwrap().close().await;
    let version = |value: Option<i64>| {
        let conn = rusqlite::Connection::open(&path).unwrap();
        if let Some(value) = value {
            conn.pragma_update(None, "user_version", value).unwrap();
        }
        conn.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap()
    };
    let known = version(None);
    version(Some(99));
    let told = open(&path, &key).unwrap_err().to_string();
    for part in ["schema 99", &format!("up to {known}"), "newer release", &format!("store.db.schema-{known}")]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(version(None), 99, "it is left as it was");
}

#[tokio::test]
async fn texts_of_the_first_version_are_kept() {
    let (_dir, path, key) = place();
    let old = first_version(&path);
    let (ring, mac) = (Keyring::read(&key).unwrap(), [7; 32]);
    let sealed =
        |column| ring.seal(Place { table: "incoming", column, row: &mac }, &Secret::from("hello")).unwrap();
    old.execute(
        "INSERT INTO incoming (mac, channel, sender, body, pdu, received) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        rusqlite::params![
            mac,
            &*channel().0,
            "+491701234567",
            sealed("body"),
            sealed("pdu"),
            1_750_000_000_000_i64
        ],
    )
    .unwrap();
    drop(old);
    let record = open(&path, &key).unwrap().inbox(None, 9).await.unwrap().remove(0);
    assert_eq!((record.body, record.parts, record.missing), (Secret::from("hello"), 1, 0));
}

#[tokio::test]
async fn a_full_disk_is_told_and_overcome() {
    let (_dir, path, key) = place();
    let settings = Settings::new(&path, Keyring::read(&key).unwrap());
    let store = Store::open(Settings { most_pages: Some(120), ..settings }).unwrap();
    let mut stored = 0;
    let full = loop {
        match store.accept(vec![message(stored)]).await {
            Ok(_) => stored += 1,
            Err(full) => break full,
        }
        assert!(stored < 2000, "the disk never fills");
    };
    assert!(matches!(full, StoreError::Unwritable(_)), "{full:?}");
    assert!(store.unwritable().expect("told").contains("full"));
    store.release(Vec::new(), None).await.unwrap();
    assert!(store.unwritable().is_some(), "nothing was written since");
    let (one, two) = tokio::join!(store.accept(vec![message(3000)]), store.accept(vec![message(3001)]));
    assert!(matches!((one, two), (Err(StoreError::Unwritable(_)), Err(StoreError::Unwritable(_)))));
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.iter().map(|count| count.messages).sum::<u64>(), u64::from(stored), "nothing is lost");
    let later = clock::wall().plus(Duration::from_secs(700));
    store.sweep(later, Duration::from_secs(3600)).await.unwrap();
    store.sweep(later.plus(Duration::from_secs(1)), Duration::ZERO).await.unwrap();
    store.accept(vec![message(4000)]).await.expect("there is room again");
    assert_eq!(store.unwritable(), None);
    assert_eq!(store.lease(want(1)).await.unwrap().len(), 1);
}

/// The one that is looked for is the oldest of more than a page may look at.
#[tokio::test]
async fn a_search_is_work_for_a_page_at_a_time() {
    let (_dir, path, key) = place();
    let store = open(&path, &key).unwrap();
    let wanted = NewMessage { lane: Lane::Alert, ..message(0) };
    store.accept(vec![wanted.clone()]).await.unwrap();
    for round in 0..21 {
        store.accept((1..=1000).map(|n| message(round * 1000 + n)).collect()).await.unwrap();
    }
    let filter = Filter { lane: Some(Lane::Alert), most: 1, ..Filter::default() };
    let first = store.messages(filter.clone()).await.unwrap();
    assert!(first.records.is_empty() && first.next.is_some(), "it ends where the work is enough: {first:?}");
    let second = store.messages(Filter { before: first.next, ..filter }).await.unwrap();
    assert_eq!(second.records.first().map(|record| record.id), Some(wanted.id));
}

#[tokio::test]
async fn the_lease_query_reads_only_its_index() {
    let (_dir, path, key) = place();
    drop(open(&path, &key).unwrap());
    let conn = rusqlite::Connection::open(&path).unwrap();
    let plan: String = conn
        .query_row(
            "EXPLAIN QUERY PLAN SELECT id, due, deadline, channel FROM message INDEXED BY message_queue
             WHERE state = 0 AND lane = 0 AND due <= 5 ORDER BY lane, due, id",
            [],
            |row| row.get(3),
        )
        .unwrap();
    assert!(plan.contains("COVERING INDEX message_queue (lane=? AND due<?)"), "{plan}");
}

/// The whole way of a thousand messages in the store; prints what one costs without any disk wait.
#[tokio::test]
async fn a_message_costs_little() {
    let (_dir, path, key) = place();
    let store = open(&path, &key).unwrap();
    let begun = clock::monotonic();
    for round in 0..5 {
        store.accept((0..200).map(|n| message(round * 200 + n)).collect()).await.unwrap();
        let leased = store.lease(want(200)).await.unwrap();
        let turn = Turn { ended: vec![], begun: leased.iter().map(begin).collect() };
        assert!(store.turn(turn).await.unwrap().iter().all(|begun| *begun == Begun::Durable));
        store.turn(Turn { ended: leased.iter().map(submitted).collect(), begun: vec![] }).await.unwrap();
    }
    println!("{:?} a message in batches of 200", clock::monotonic().duration_since(begun) / 1000);
    let counts = store.counts().await.unwrap();
    let done = counts.iter().find(|count| count.lane == Lane::Login && count.state == State::Submitted);
    assert_eq!(done.map(|count| count.messages), Some(1000));
}
