//! What only the shared engine can be asked: several appliances on one database, and a database that goes away.

use std::collections::HashSet;

use tempfile::TempDir;
use tokio_postgres::NoTls;

use super::cluster::{self, Database};
use super::*;
use smsotpd::store::engine::OpenError;

/// An appliance's own directory, with a copy of the common key in it.
fn appliance(key: &TempDir) -> TempDir {
    let own = tempfile::tempdir().unwrap();
    std::fs::copy(key.path().join("key"), own.path().join("key")).unwrap();
    own
}

fn first() -> TempDir {
    let own = tempfile::tempdir().unwrap();
    Keyring::write_new(&own.path().join("key")).unwrap();
    own
}

fn try_open(own: &TempDir, database: &Database) -> Result<Store, OpenError> {
    let settings =
        Settings::new(own.path().join("store.db"), Keyring::read(&own.path().join("key")).unwrap());
    Store::open(Settings { url: Some(Secret::from(database.url())), ..settings })
}

fn open(own: &TempDir, database: &Database) -> Store {
    try_open(own, database).unwrap()
}

/// Says something to the database behind the stores' backs.
async fn say(database: &Database, sql: &str) {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_two_lease_at_once_is_leased_once() {
    let Some(database) = cluster::database() else { return };
    let (a, b) = (first(), tempfile::tempdir().unwrap());
    std::fs::copy(a.path().join("key"), b.path().join("key")).unwrap();
    let stores = [open(&a, &database), open(&b, &database)];
    stores[0].accept((0..200).map(|n| message(Lane::Bulk, n)).collect()).await.unwrap();
    let take = |store: &Store| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut got = Vec::new();
            while got.len() < 100 {
                got.extend(leased(&store, want((100 - got.len()).min(7))).await);
            }
            got
        })
    };
    let (one, other) = (take(&stores[0]), take(&stores[1]));
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    let all: HashSet<_> = one.iter().chain(&other).map(|l| l.id).collect();
    assert_eq!(all.len(), 200, "none twice, none left out");

    // One starts again: what the other holds is none of its business.
    stores[0].close().await;
    let again = open(&a, &database);
    assert_eq!(begin(&stores[1], &other[0], 1).await, Begun::Durable);
    let recovered = again.recover(clock::wall()).await.unwrap();
    assert_eq!(recovered, Recovered { requeued: 100, ..Recovered::default() });
    assert_eq!(begin(&again, &one[0], 1).await, Begun::Refused, "the lease of the dead is fenced off");
    assert_eq!(begin(&stores[1], &other[1], 1).await, Begun::Durable);
    // What a neighbour let lapse is anybody's to take back.
    again.sweep(other[0].until, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(state(&again, other[0].id).await, State::Uncertain);
    assert_eq!(begin(&stores[1], &other[2], 1).await, Begun::Refused);
    counts_agree(&stores[1]).await;
}

#[tokio::test]
async fn what_belongs_to_a_sim_goes_to_the_appliance_that_has_it() {
    let Some(database) = cluster::database() else { return };
    let a = first();
    let (here, there) = (open(&a, &database), open(&appliance(&a), &database));
    let l = one(&here, NewMessage { segments: 2, ..message(Lane::Bulk, 1) }).await;
    submit(&here, &l, 1, 7, Next::Continue).await;
    begin(&here, &l, 2).await;
    end(&here, ended(&l, 2, AttemptState::Refused, None, Next::Retry(clock::wall()))).await;
    nothing_due(&there, Want { channels: vec![channel(2)], ..want(1) }).await;
    // Its SIM moved over; the demand stands there and hears of nothing new, so the poll finds it.
    assert_eq!(leased(&there, want(1)).await[0].open, [2]);
    assert_eq!(there.spent().await.unwrap()[0].spent.day, 1, "its count comes along");
}

#[tokio::test]
async fn a_challenge_opened_at_one_is_used_up_once_by_any() {
    let Some(database) = cluster::database() else { return };
    let a = first();
    let stores = [open(&a, &database), open(&appliance(&a), &database)];
    stores[0].add_token(token("PISM1")).await.unwrap();
    stores[0].trigger(vec![trigger("PISM1", "t1", 1, 1)]).await.unwrap();
    assert_eq!(
        stores[1].trigger(vec![trigger("PISM1", "t2", 1, 2)]).await.unwrap(),
        Triggered::Conflict,
        "the counter moved"
    );
    let answer = |n: usize| {
        let store = stores[n % 2].clone();
        tokio::spawn(async move {
            store.answer("t1".to_owned(), "PISM1".to_owned(), clock::wall()).await.unwrap()
        })
    };
    let tasks: Vec<_> = (0..16).map(answer).collect();
    let mut yes = 0;
    for task in tasks {
        yes += usize::from(task.await.unwrap());
    }
    assert_eq!(yes, 1);
    let keyed = |n| NewMessage {
        idempotency: Some(Idempotency { key: "k".to_owned(), asked: Secret::from("x") }),
        ..message(Lane::Bulk, n)
    };
    let (one, other) = tokio::join!(stores[0].accept(vec![keyed(3)]), stores[1].accept(vec![keyed(4)]));
    let (one, other) = (one.unwrap()[0], other.unwrap()[0]);
    assert_eq!(one.id(), other.id(), "one key names one message, wherever it comes");
    assert_ne!(matches!(one, Accepted::New(_)), matches!(other, Accepted::New(_)));
    counts_agree(&stores[0]).await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_anew() {
    let Some(database) = cluster::database() else { return };
    let store = open(&first(), &database);
    let held = one(&store, message(Lane::Bulk, 1)).await;
    say(
        &database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
    let mut tries = 0;
    let accepted = loop {
        match store.accept(vec![message(Lane::Bulk, 2)]).await {
            Ok(accepted) => break accepted,
            Err(StoreError::Unreachable(_)) => tries += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(tries < 1_000, "it comes back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(all(&store).await.len(), 2, "what was refused is not there: {accepted:?}");
    submit(&store, &held, 1, 1, Next::Rest(State::Submitted)).await;
    assert_eq!(store.unwritable(), None);
    counts_agree(&store).await;
}

#[tokio::test]
async fn a_store_that_is_not_ours_is_refused() {
    let Some(database) = cluster::database() else { return };
    let own = first();
    let store = open(&own, &database);
    store.close().await;
    let stranger = try_open(&first(), &database);
    assert!(matches!(stranger, Err(OpenError::UnknownKey { .. })), "another key");
    say(&database, "UPDATE schema_version SET version = 99").await;
    match try_open(&own, &database) {
        Err(OpenError::NewerShared { found: 99, known, .. }) => assert!(known < 99),
        other => panic!("{other:?}"),
    }
    let gone = Settings::new(own.path().join("store.db"), Keyring::read(&own.path().join("key")).unwrap());
    let url = Some(Secret::from("postgres://smsotpd:geheim@%2Fnowhere/x"));
    let refused = Store::open(Settings { url, ..gone }).unwrap_err().to_string();
    assert!(refused.contains("/nowhere") && !refused.contains("geheim"), "{refused}");
}

#[tokio::test]
async fn another_key_takes_over_and_who_lacks_it_leaves_its_messages_to_others() {
    let Some(database) = cluster::database() else { return };
    let (a, b) = (first(), tempfile::tempdir().unwrap());
    std::fs::copy(a.path().join("key"), b.path().join("key")).unwrap();
    let (here, there) = (open(&a, &database), open(&b, &database));
    here.add_token(token("PISM1")).await.unwrap();
    let before = message(Lane::Bulk, 1);
    here.accept(vec![before.clone()]).await.unwrap();
    let old = Keyring::read(&a.path().join("key")).unwrap();
    let ring = old.renewed(|_| true).unwrap();
    let new = ring.active_id();
    here.rekey(ring).await.unwrap();
    here.reseal().await.unwrap();
    let keys = here.keys().await.unwrap();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys.iter().all(|key| key.active == (key.id == new) && key.active == key.replaced.is_none()));
    assert_eq!(here.token("PISM1".to_owned()).await.unwrap().unwrap().seed, token("x").seed);
    assert!(there.token("PISM1".to_owned()).await.is_err(), "it was not given the new key");
    nothing_due(&there, want(1)).await;
    assert_eq!(state(&here, before.id).await, State::Queued, "what it cannot read it does not spoil");
    say(&database, "UPDATE message SET due = 0").await;
    assert_eq!(leased(&here, want(1)).await[0].body, before.body);
}
