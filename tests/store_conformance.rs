//! What every engine must do, written over the contract alone; both engines run the whole list at the end.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panic, in its tools too"
)]

use std::time::Duration;

use smsotpd::clock;
use smsotpd::number::Number;
use smsotpd::pdu::Coding;
use smsotpd::provider::{ChannelId, Verdict};
use smsotpd::queue::budget::Bill;
use smsotpd::queue::life::LONGEST_CAUSE;
use smsotpd::queue::message::{Idempotency, Lane, MessageId, NewMessage, State};
use smsotpd::queue::rules::Next;
use smsotpd::secret::Secret;
use smsotpd::store::engine::{Settings, Store};
use smsotpd::store::seal::Keyring;
use smsotpd::store::*;
use smsotpd::units::{MessageRef, UnixMs};

#[path = "store_conformance/alarms.rs"]
mod alarms;
#[path = "store_conformance/allowance.rs"]
mod allowance;
#[cfg(feature = "postgres")]
#[path = "store_conformance/appliances.rs"]
mod appliances;
#[path = "store_conformance/budgets.rs"]
mod budgets;
#[cfg(feature = "postgres")]
#[path = "store_conformance/cluster.rs"]
mod cluster;
#[path = "store_conformance/from_phones.rs"]
mod from_phones;
#[path = "store_conformance/keeping.rs"]
mod keeping;
#[path = "store_conformance/lanes.rs"]
mod lanes;
#[path = "store_conformance/life.rs"]
mod life;
#[path = "store_conformance/outbox.rs"]
mod outbox;
#[path = "store_conformance/second_round.rs"]
mod second_round;
#[path = "store_conformance/segments.rs"]
mod segments;

use alarms::*;
use allowance::*;
use budgets::*;
use from_phones::*;
use keeping::*;
use lanes::*;
use life::*;
use outbox::*;
use second_round::*;
use segments::*;

/// Long enough for any commit of a busy machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
const TO: &str = "+491701234567";

fn message(lane: Lane, random: u8) -> NewMessage {
    let now = UnixMs(clock::wall().0 - 1000);
    NewMessage {
        id: MessageId::new(UnixMs(now.0 + i64::from(random)), 0, [random; 8]),
        lane,
        to: Number::parse(TO, None).unwrap(),
        body: Secret::from("your code is 123456"),
        flash: false,
        report: true,
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

fn channel(n: u8) -> ChannelId {
    ChannelId(format!("gsm:894902000010051554{n:02}").into())
}

fn want(most: usize) -> Want {
    Want {
        most,
        lanes: Lane::Bulk,
        channels: vec![channel(1)],
        begun_only: false,
        lease: Duration::from_secs(60),
    }
}

async fn leased(store: &impl Operations, want: Want) -> Vec<Leased> {
    tokio::time::timeout(PATIENCE, store.lease(want)).await.expect("something is due").unwrap()
}

/// A demand that is still unmet when the barriers behind it in the queue have been answered.
async fn nothing_due(store: &impl Operations, want: Want) {
    let demand = store.lease(want);
    tokio::pin!(demand);
    for _ in 0..2 {
        tokio::select! {
            biased;
            got = &mut demand => panic!("leased {got:?}"),
            done = store.release(Vec::new(), None) => done.unwrap(),
        }
    }
}

async fn one(store: &impl Operations, message: NewMessage) -> Leased {
    store.accept(vec![message]).await.unwrap();
    let mut got = leased(store, want(1)).await;
    assert_eq!(got.len(), 1);
    got.remove(0)
}

async fn begin(store: &impl Operations, l: &Leased, seq: u8) -> Begun {
    let begun = Begin { id: l.id, epoch: l.epoch, seq, channel: channel(1), whom: None, at: clock::wall() };
    store.turn(Turn { ended: vec![], begun: vec![begun] }).await.unwrap()[0]
}

fn ended(l: &Leased, seq: u8, result: AttemptState, reference: Option<u8>, next: Next) -> End {
    let reference = reference.map(MessageRef);
    End { id: l.id, epoch: l.epoch, seq, result, reference, cause: None, whom: None, at: clock::wall(), next }
}

async fn end(store: &impl Operations, end: End) {
    store.turn(Turn { ended: vec![end], begun: vec![] }).await.unwrap();
}

async fn submit(store: &impl Operations, l: &Leased, seq: u8, reference: u8, next: Next) {
    assert_eq!(begin(store, l, seq).await, Begun::Durable);
    end(store, ended(l, seq, AttemptState::Submitted, Some(reference), next)).await;
}

fn report(reference: u8, verdict: Verdict) -> Report {
    let (at, recipient) = (clock::wall(), "01701234567".to_owned());
    Report { channel: channel(1), reference: MessageRef(reference), recipient, status: 0, verdict, at }
}

async fn the_head_of_the_queue_is_told(store: impl Operations) {
    let now = clock::wall();
    assert_eq!(store.waiting(now).await.unwrap(), None);
    let (mut old, mut overdue) = (message(Lane::Bulk, 1), message(Lane::Alert, 2));
    old.created = now.minus(Duration::from_secs(60));
    (overdue.created, overdue.deadline) = (now.minus(Duration::from_secs(90)), now);
    let head = old.created;
    store.accept(vec![message(Lane::Login, 3), old, overdue]).await.unwrap();
    assert_eq!(
        store.waiting(now).await.unwrap(),
        Some(head),
        "of all lanes; what is overdue waits for nothing"
    );
    assert_eq!(store.waiting(head.minus(Duration::from_secs(31))).await.unwrap(), None, "none is due yet");
    assert_eq!(leased(&store, want(3)).await.len(), 2);
    assert_eq!(store.waiting(now).await.unwrap(), None, "what is leased does not wait");
}

async fn state(store: &impl Operations, id: MessageId) -> State {
    store.message(id).await.unwrap().expect("the message is there").state
}

async fn all(store: &impl Operations) -> Vec<MessageRecord> {
    store.messages(Filter { most: 1000, ..Filter::default() }).await.unwrap().records
}

async fn counts_agree(store: &impl Operations) {
    let all = all(store).await;
    for count in store.counts().await.unwrap() {
        let rows = all.iter().filter(|m| m.lane == count.lane && m.state == count.state).count();
        assert_eq!(rows as u64, count.messages, "{count:?}");
    }
}

async fn leases_go_by_lane_then_by_age(store: impl Operations) {
    let now = message(Lane::Bulk, 0).created;
    let mixed = [(Lane::Bulk, 1), (Lane::Alert, 2), (Lane::Login, 4), (Lane::Login, 3), (Lane::Bulk, 0)];
    let mixed = mixed.map(|(lane, n)| NewMessage { created: now, ..message(lane, n) });
    store.accept(mixed.to_vec()).await.unwrap();
    let urgent = leased(&store, Want { lanes: Lane::Alert, ..want(2) }).await;
    assert!(urgent.iter().all(|l| l.lane == Lane::Login) && urgent[0].id < urgent[1].id, "{urgent:?}");
    let rest = leased(&store, want(10)).await;
    assert_eq!(rest.iter().map(|l| l.lane).collect::<Vec<_>>(), [Lane::Alert, Lane::Bulk, Lane::Bulk]);
    assert!(rest[1].id < rest[2].id);
    assert_eq!(rest[0].open, [1]);
    assert_eq!(rest[0].body, Secret::from("your code is 123456"));
    nothing_due(&store, want(1)).await;
    counts_agree(&store).await;
}

async fn standing_demands_are_met_by_what_comes(store: impl Operations + Clone + Send + Sync + 'static) {
    let ask = |lanes| {
        let store = store.clone();
        tokio::spawn(async move { leased(&store, Want { lanes, ..want(1) }).await })
    };
    let (urgent, any) = (ask(Lane::Login), ask(Lane::Bulk));
    tokio::task::yield_now().await;
    let bulk = store.accept(vec![message(Lane::Bulk, 1)]).await.unwrap()[0].id();
    assert_eq!(any.await.unwrap()[0].id, bulk);
    let login = store.accept(vec![message(Lane::Login, 2)]).await.unwrap()[0].id();
    assert_eq!(urgent.await.unwrap()[0].id, login);
}

async fn a_dropped_demand_takes_nothing(store: impl Operations + Clone + Send + Sync + 'static) {
    for round in 0..20 {
        let asking = store.clone();
        let demand = tokio::spawn(async move { asking.lease(want(1)).await });
        tokio::task::yield_now().await;
        store.accept(vec![message(Lane::Bulk, round)]).await.unwrap();
        // The answer may lie unread in the task that is ended here.
        demand.abort();
        if let Ok(Ok(read)) = demand.await {
            store.release(read.iter().map(|l| (l.id, l.epoch)).collect(), None).await.unwrap();
        }
        let got = leased(&store, want(2)).await;
        assert_eq!(got.len(), 1, "round {round}");
        submit(&store, &got[0], 1, round, Next::Rest(State::Submitted)).await;
    }
}

async fn what_is_due_later_is_leased_then(store: impl Operations) {
    let l = one(&store, message(Lane::Login, 1)).await;
    begin(&store, &l, 1).await;
    let due = clock::wall().plus(Duration::from_millis(150));
    end(&store, ended(&l, 1, AttemptState::Refused, None, Next::Retry(due))).await;
    let again = leased(&store, want(1)).await.remove(0);
    assert!(clock::wall() >= due, "leased before it was due");
    assert_eq!((again.id, again.refusals, again.refused_by), (l.id, 1, Some(channel(1))));
    assert!(again.epoch > l.epoch);
    assert_eq!((again.bound, again.open), (None, vec![1]));
}

async fn overdue_messages_expire_instead(store: impl Operations) {
    let late = NewMessage { deadline: clock::wall(), ..message(Lane::Login, 1) };
    store.accept(vec![late.clone(), message(Lane::Login, 2)]).await.unwrap();
    assert_eq!(leased(&store, want(10)).await.len(), 1);
    assert_eq!(state(&store, late.id).await, State::Expired);
    let soon = clock::wall().plus(Duration::from_secs(60));
    let swept = NewMessage { deadline: soon, ..message(Lane::Bulk, 3) };
    store.accept(vec![swept.clone()]).await.unwrap();
    store.sweep(soon, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(state(&store, swept.id).await, State::Expired);
    counts_agree(&store).await;
}

async fn a_lost_lease_begins_nothing(store: impl Operations) {
    let l = one(&store, message(Lane::Login, 1)).await;
    store.release(vec![(l.id, l.epoch)], None).await.unwrap();
    assert_eq!(begin(&store, &l, 1).await, Begun::Refused);
    let again = leased(&store, want(1)).await.remove(0);
    assert_eq!(begin(&store, &l, 1).await, Begun::Refused, "the old epoch is fenced off");
    assert_eq!(begin(&store, &again, 1).await, Begun::Durable);
    assert_eq!(begin(&store, &again, 1).await, Begun::Refused, "it is in the air already");
    store.release(vec![(again.id, again.epoch)], None).await.unwrap();
    assert_eq!(state(&store, l.id).await, State::Leased, "what is in the air is not given back");
}

async fn past_its_deadline_nothing_begins(store: impl Operations) {
    let l = one(&store, message(Lane::Login, 1)).await;
    let late = Begin { id: l.id, epoch: l.epoch, seq: 1, channel: channel(1), whom: None, at: l.deadline };
    assert_eq!(store.turn(Turn { ended: vec![], begun: vec![late] }).await.unwrap(), [Begun::Refused]);
}

async fn withdrawal_and_begin_exclude_each_other(store: impl Operations) {
    let now = clock::wall();
    let first = one(&store, message(Lane::Bulk, 1)).await;
    assert_eq!(store.withdraw(first.id, Some("other".to_owned()), now).await.unwrap(), Withdrawn::Unknown);
    assert_eq!(store.withdraw(first.id, Some("portal".to_owned()), now).await.unwrap(), Withdrawn::Done);
    assert_eq!(begin(&store, &first, 1).await, Begun::Refused);
    assert_eq!(state(&store, first.id).await, State::Withdrawn);
    let second = one(&store, message(Lane::Bulk, 2)).await;
    assert_eq!(begin(&store, &second, 1).await, Begun::Durable);
    assert_eq!(store.withdraw(second.id, None, now).await.unwrap(), Withdrawn::TooLate(State::Leased));
    let third = message(Lane::Bulk, 3);
    store.accept(vec![third.clone()]).await.unwrap();
    assert_eq!(store.withdraw(third.id, None, now).await.unwrap(), Withdrawn::Done);
    nothing_due(&store, want(1)).await;
    counts_agree(&store).await;
}

async fn a_reused_reference_means_the_newest(store: impl Operations) {
    let old = one(&store, message(Lane::Bulk, 1)).await;
    submit(&store, &old, 1, 5, Next::Rest(State::Submitted)).await;
    let new = one(&store, message(Lane::Bulk, 2)).await;
    let at = clock::wall().plus(Duration::from_millis(5));
    let begun = Begin { id: new.id, epoch: new.epoch, seq: 1, channel: channel(1), whom: None, at };
    store.turn(Turn { ended: vec![], begun: vec![begun] }).await.unwrap();
    end(&store, ended(&new, 1, AttemptState::Submitted, Some(5), Next::Rest(State::Submitted))).await;
    assert_eq!(store.report(report(5, Verdict::Delivered)).await.unwrap(), Some(new.id));
    assert_eq!(state(&store, old.id).await, State::Submitted);
}

async fn doubt_is_settled_by_report_or_confirmation(store: impl Operations) {
    let to = Number::parse(TO, None).unwrap();
    let first = one(&store, message(Lane::Bulk, 1)).await;
    begin(&store, &first, 1).await;
    assert_eq!(store.report(report(3, Verdict::Delivered)).await.unwrap(), None, "it is still in the air");
    end(&store, ended(&first, 1, AttemptState::Uncertain, None, Next::Rest(State::Uncertain))).await;
    assert_eq!(store.report(report(3, Verdict::Delivered)).await.unwrap(), Some(first.id));
    assert_eq!(state(&store, first.id).await, State::Delivered);
    let second = one(&store, message(Lane::Bulk, 2)).await;
    begin(&store, &second, 1).await;
    end(&store, ended(&second, 1, AttemptState::Uncertain, None, Next::Rest(State::Uncertain))).await;
    let settled = store.settle(channel(1), to.clone(), MessageRef(9), clock::wall()).await.unwrap();
    assert_eq!(settled, Some(second.id));
    assert_eq!(state(&store, second.id).await, State::Submitted);
    assert_eq!(store.settle(channel(1), to, MessageRef(9), clock::wall()).await.unwrap(), None);
    assert_eq!(store.report(report(9, Verdict::Delivered)).await.unwrap(), Some(second.id));
}

async fn recovery_follows_the_lane(store: impl Operations) {
    let now = clock::wall();
    let idle = one(&store, message(Lane::Bulk, 1)).await;
    let login = one(&store, message(Lane::Login, 2)).await;
    let bulk = one(&store, message(Lane::Bulk, 3)).await;
    let part = one(&store, NewMessage { segments: 2, ..message(Lane::Bulk, 4) }).await;
    for l in [&login, &bulk, &part] {
        assert_eq!(begin(&store, l, 1).await, Begun::Durable);
    }
    let recovered = store.recover(now).await.unwrap();
    assert_eq!(recovered, Recovered { requeued: 1, uncertain: 2, repeated: 1 });
    assert_eq!(state(&store, bulk.id).await, State::Uncertain);
    assert_eq!(begin(&store, &idle, 1).await, Begun::Refused, "the lease of the dead is fenced off");
    let again = leased(&store, want(10)).await;
    let got: Vec<_> = again.iter().map(|l| (l.id, l.open.clone(), l.bound.is_some())).collect();
    let expected = [(login.id, vec![1], false), (idle.id, vec![1], false), (part.id, vec![2], true)];
    assert_eq!(got, expected);
    assert_eq!(store.recover(now).await.unwrap(), Recovered { requeued: 3, ..Recovered::default() });
    counts_agree(&store).await;
}

async fn a_whole_text_in_doubt_is_not_taken_apart(store: impl Operations) {
    let whole = one(&store, NewMessage { segments: 3, ..message(Lane::Bulk, 1) }).await;
    assert_eq!(begin(&store, &whole, 0).await, Begun::Durable);
    store.recover(clock::wall()).await.unwrap();
    assert_eq!(state(&store, whole.id).await, State::Uncertain);
    let to = Number::parse(TO, None).unwrap();
    store.settle(channel(1), to, MessageRef(1), clock::wall()).await.unwrap();
    assert_eq!(state(&store, whole.id).await, State::Submitted);
    store.report(report(1, Verdict::Delivered)).await.unwrap();
    assert_eq!(state(&store, whole.id).await, State::Delivered);
}

async fn a_result_that_comes_after_recovery_is_a_fact(store: impl Operations) {
    let bulk = one(&store, message(Lane::Bulk, 1)).await;
    let login = one(&store, message(Lane::Login, 2)).await;
    let refused = one(&store, message(Lane::Bulk, 3)).await;
    for l in [&bulk, &login, &refused] {
        begin(&store, l, 1).await;
    }
    store.recover(clock::wall()).await.unwrap();
    for l in [&bulk, &login] {
        end(&store, ended(l, 1, AttemptState::Submitted, Some(1), Next::Rest(State::Submitted))).await;
        assert_eq!(state(&store, l.id).await, State::Submitted);
    }
    nothing_due(&store, want(1)).await;
    assert_eq!(state(&store, refused.id).await, State::Uncertain);
    end(&store, ended(&refused, 1, AttemptState::Refused, None, Next::Retry(clock::wall()))).await;
    assert_eq!(leased(&store, want(1)).await[0].id, refused.id, "it certainly did not leave");
}

async fn leases_lapse(store: impl Operations) {
    let l = one(&store, message(Lane::Login, 1)).await;
    store.sweep(l.until, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(begin(&store, &l, 1).await, Begun::Refused);
    assert_eq!(leased(&store, want(1)).await[0].id, l.id);
}

fn with_key(key: &str, asked: &str, n: u8) -> NewMessage {
    let idempotency = Some(Idempotency { key: key.to_owned(), asked: Secret::from(asked) });
    NewMessage { idempotency, ..message(Lane::Bulk, n) }
}

async fn a_key_for_something_else_is_a_conflict_and_stores_nothing(store: impl Operations) {
    let first = store.accept(vec![with_key("k", "one", 1)]).await.unwrap()[0].id();
    // Larger than a chunk, and one key means two things within it.
    let mut batch: Vec<_> = (2..=251).map(|n| message(Lane::Bulk, n)).collect();
    batch[7] = with_key("k", "two", 9);
    batch[8] = with_key("new", "one", 10);
    batch[240] = with_key("new", "two", 242);
    batch[241] = with_key("k", "one", 243);
    let refused = store.accept(batch.clone()).await;
    assert!(matches!(&refused, Err(StoreError::Conflict(places)) if *places == [7, 240]), "{refused:?}");
    assert_eq!(all(&store).await.len(), 1, "nothing of it is stored");
    (batch[7], batch[240]) = (message(Lane::Bulk, 9), message(Lane::Bulk, 242));
    assert_eq!(store.accept(batch).await.unwrap()[241], Accepted::Before(first));
    assert_eq!(all(&store).await.len(), 250);
    counts_agree(&store).await;
}

async fn a_key_names_one_message(store: impl Operations) {
    let keyed = |n| with_key("k", "one", n);
    let got = store.accept(vec![keyed(1), keyed(2)]).await.unwrap();
    assert!(matches!(got[0], Accepted::New(_)));
    assert_eq!(got[1], Accepted::Before(got[0].id()));
    assert_eq!(store.accept(vec![keyed(3)]).await.unwrap(), [Accepted::Before(got[0].id())]);
    let other = NewMessage { caller: "other".to_owned(), ..keyed(4) };
    assert!(matches!(store.accept(vec![other]).await.unwrap()[0], Accepted::New(_)));
}

async fn acceptance_is_all_or_none(store: impl Operations) {
    let known = message(Lane::Bulk, 1);
    store.accept(vec![known.clone()]).await.unwrap();
    let (first, second) = tokio::join!(
        store.accept(vec![message(Lane::Bulk, 2), known.clone()]),
        store.accept(vec![message(Lane::Bulk, 3)])
    );
    assert!(matches!(first, Err(StoreError::Exists(_))), "{first:?}");
    second.expect("its neighbour in the commit is not harmed");
    assert_eq!(all(&store).await.len(), 2);
    counts_agree(&store).await;
}

async fn listings_page_and_filter(store: impl Operations) {
    store.accept((0..5).map(|n| message(Lane::Bulk, n)).collect()).await.unwrap();
    store.accept(vec![NewMessage { caller: "other".to_owned(), ..message(Lane::Bulk, 9) }]).await.unwrap();
    let filter = Filter { caller: Some("portal".to_owned()), most: 3, ..Filter::default() };
    let Page { records: page, next } = store.messages(filter.clone()).await.unwrap();
    assert!(page.len() == 3 && page[0].id > page[1].id && page[1].id > page[2].id);
    assert_eq!(next, Some(page[2].id));
    let rest = store.messages(Filter { before: next, ..filter.clone() }).await.unwrap();
    assert_eq!((rest.records.len(), rest.next), (2, None));
    let of = async |filter: Filter| store.messages(filter).await.unwrap().records.len();
    assert_eq!(of(Filter { state: Some(State::Failed), ..filter.clone() }).await, 0);
    let to = |number: &str| Some(Number::parse(number, None).unwrap());
    assert_eq!(of(Filter { to: to(TO), most: 9, ..Filter::default() }).await, 6);
    assert_eq!(of(Filter { to: to("+491701234568"), most: 9, ..Filter::default() }).await, 0);
    store.accept(vec![message(Lane::Alert, 20)]).await.unwrap();
    assert_eq!(of(Filter { lane: Some(Lane::Alert), most: 9, ..Filter::default() }).await, 1);
}

fn token(serial: &str) -> TokenRecord {
    TokenRecord {
        serial: serial.to_owned(),
        user: "alice".to_owned(),
        phone: Number::parse(TO, None).unwrap(),
        pin: Secret::from("$argon2id$v=19$..."),
        seed: Secret::new(vec![7; 20]),
        counter: 0,
        digits: 6,
        failures: 0,
        max_failures: 3,
        active: true,
        description: String::new(),
        created: clock::wall(),
    }
}

fn trigger(serial: &str, transaction: &str, counter: u64, random: u8) -> Trigger {
    let message = message(Lane::Login, random);
    let challenge = ChallengeRecord {
        transaction: transaction.to_owned(),
        serial: serial.to_owned(),
        counter,
        created: message.created,
        expires: message.deadline,
        message: message.id,
        answered: None,
    };
    Trigger { challenge, message }
}

async fn a_trigger_is_whole_or_a_conflict(store: impl Operations) {
    store.add_token(token("PISM1")).await.unwrap();
    store.add_token(token("PISM2")).await.unwrap();
    assert!(matches!(store.add_token(token("PISM1")).await, Err(StoreError::Exists(_))));
    let both = vec![trigger("PISM1", "t1", 1, 1), trigger("PISM2", "t1", 1, 2)];
    assert_eq!(store.trigger(both).await.unwrap(), Triggered::Opened);
    let half = vec![trigger("PISM1", "t2", 2, 3), trigger("PISM2", "t2", 1, 4)];
    assert_eq!(store.trigger(half).await.unwrap(), Triggered::Conflict);
    assert_eq!(store.token("PISM1".to_owned()).await.unwrap().unwrap().counter, 1);
    let serials = vec!["PISM1".to_owned(), "PISM2".to_owned()];
    assert_eq!(store.challenges(serials.clone()).await.unwrap().len(), 2);
    assert_eq!(all(&store).await.len(), 2);
    assert_eq!(store.tokens(Some("alice".to_owned())).await.unwrap().len(), 2);
    assert!(store.tokens(Some("bob".to_owned())).await.unwrap().is_empty());
    assert!(store.remove_token("PISM1".to_owned()).await.unwrap());
    assert!(!store.remove_token("PISM1".to_owned()).await.unwrap());
    let gone = store.trigger(vec![trigger("PISM1", "t3", 2, 5)]).await.unwrap();
    assert_eq!(gone, Triggered::Conflict);
    assert_eq!(store.challenges(serials).await.unwrap().len(), 1);
    let read = store.tokens(None).await.unwrap().remove(0);
    assert_eq!((read.seed, read.pin), (token("x").seed, token("x").pin));
}

async fn an_answer_counts_exactly_once(store: impl Operations + Clone + Send + Sync + 'static) {
    let serial = || "PISM1".to_owned();
    store.add_token(token("PISM1")).await.unwrap();
    store.fail(vec![serial()]).await.unwrap();
    assert_eq!(store.token(serial()).await.unwrap().unwrap().failures, 1);
    let opened = trigger("PISM1", "t1", 1, 1);
    let id = opened.message.id;
    store.trigger(vec![opened]).await.unwrap();
    let now = clock::wall();
    let answer = |_| {
        let store = store.clone();
        tokio::spawn(async move { store.answer("t1".to_owned(), "PISM1".to_owned(), now).await.unwrap() })
    };
    let tasks: Vec<_> = (0..32).map(answer).collect();
    let mut yes = 0;
    for task in tasks {
        yes += usize::from(task.await.unwrap());
    }
    assert_eq!(yes, 1);
    assert_eq!(store.token(serial()).await.unwrap().unwrap().failures, 0);
    assert_eq!(state(&store, id).await, State::Withdrawn, "its unsent copy does not leave");
    let late = trigger("PISM1", "t2", 2, 2);
    let expires = late.challenge.expires;
    store.trigger(vec![late]).await.unwrap();
    assert!(!store.answer("t2".to_owned(), serial(), expires).await.unwrap());
    for _ in 0..9 {
        store.fail(vec![serial()]).await.unwrap();
    }
    assert_eq!(store.token(serial()).await.unwrap().unwrap().failures, 3, "up to its maximum");
}

async fn finished_rows_are_purged_and_others_kept(store: impl Operations) {
    store.accept((0..=250).map(|n| message(Lane::Bulk, n)).collect()).await.unwrap();
    let l = leased(&store, want(1)).await.remove(0);
    submit(&store, &l, 1, 1, Next::Rest(State::Submitted)).await;
    let later = clock::wall().plus(Duration::from_secs(3));
    store.sweep(later, Duration::ZERO).await.unwrap();
    assert!(store.message(l.id).await.unwrap().is_none());
    assert_eq!(all(&store).await.len(), 250);
    let end = later.plus(Duration::from_secs(600));
    store.sweep(end, Duration::from_secs(60)).await.unwrap();
    assert!(all(&store).await.iter().all(|m| m.state == State::Expired));
    store.sweep(end.plus(Duration::from_secs(1)), Duration::ZERO).await.unwrap();
    assert!(all(&store).await.is_empty());
    counts_agree(&store).await;
}

/// Every test below runs against both engines.
macro_rules! conformance {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let (_keep, store) = super::embedded();
                super::$name(store).await;
            })*
        }

        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                let Some((_keep, store)) = super::shared() else { return };
                super::$name(store).await;
            })*
        }
    };
}

fn embedded() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::new(dir.path().join("store.db"), Keyring::generate().unwrap());
    (dir, Store::open(settings).unwrap())
}

/// A store in a database of its own; `None` where there is no PostgreSQL.
#[cfg(feature = "postgres")]
fn shared() -> Option<(tempfile::TempDir, Store)> {
    let url = cluster::database()?.url();
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::new(dir.path().join("store.db"), Keyring::generate().unwrap());
    Some((dir, Store::open(Settings { url: Some(Secret::from(url)), ..settings }).unwrap()))
}

/// What only the embedded engine can be asked.
mod file {
    use smsotpd::store::Operations;
    use smsotpd::store::engine::{Settings, Store};
    use smsotpd::store::seal::Keyring;

    use super::from_phones::{inbox, part, whole};

    /// What waits lies sealed, and the rest makes the text with it.
    #[tokio::test]
    async fn parts_wait_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (path, key) = (dir.path().join("store.db"), dir.path().join("key"));
        Keyring::write_new(&key).unwrap();
        let open = || Store::open(Settings::new(&path, Keyring::read(&key).unwrap())).unwrap();
        let store = open();
        let pdu = part(7, 2, 2, "world").segment.pdu;
        store.incoming(part(7, 2, 2, "world")).await.unwrap();
        store.close().await;
        let file = std::fs::read(&path).unwrap();
        assert!(!file.windows(pdu.len()).any(|octets| octets == pdu.expose()), "it lies in the clear");
        let store = open();
        store.incoming(part(7, 2, 2, "world")).await.unwrap();
        assert_eq!(inbox(&store).await, []);
        store.incoming(part(7, 2, 1, "hello ")).await.unwrap();
        assert_eq!(inbox(&store).await, [whole("hello world")]);
    }
}

conformance! {
    leases_go_by_lane_then_by_age
    standing_demands_are_met_by_what_comes
    a_dropped_demand_takes_nothing
    what_is_due_later_is_leased_then
    overdue_messages_expire_instead
    a_lost_lease_begins_nothing
    past_its_deadline_nothing_begins
    withdrawal_and_begin_exclude_each_other
    one_turn_ends_a_segment_and_begins_the_next
    a_message_is_delivered_when_all_its_segments_are
    a_failed_segment_fails_the_message
    a_reused_reference_means_the_newest
    doubt_is_settled_by_report_or_confirmation
    recovery_follows_the_lane
    a_whole_text_in_doubt_is_not_taken_apart
    a_result_that_comes_after_recovery_is_a_fact
    leases_lapse
    the_head_of_the_queue_is_told
    a_key_names_one_message
    a_key_for_something_else_is_a_conflict_and_stores_nothing
    a_message_keeps_its_reference_and_its_sim
    no_segment_in_doubt_goes_again_on_bulk
    a_segment_in_doubt_is_not_delivered_by_the_others
    acceptance_is_all_or_none
    listings_page_and_filter
    a_trigger_is_whole_or_a_conflict
    a_login_without_a_report_goes_once_more
    there_is_no_second_round_without_a_reason
    a_report_ends_the_second_round
    what_was_submitted_stays_so_whatever_the_second_round_comes_to
    an_answer_counts_exactly_once
    finished_rows_are_purged_and_others_kept
    what_a_channel_shows_again_is_stored_once
    parts_make_one_text_in_any_order
    senders_and_sims_are_kept_apart
    a_text_that_stays_incomplete_is_given_out_with_its_gaps
    what_waits_is_bounded
    received_texts_are_purged
    a_story_is_taken_once_until_it_is_due_again
    a_kannel_client_hears_what_its_mask_asks_for
    an_alarm_stands_once_and_is_told_again
    a_cleared_alarm_is_over_and_soon_after_the_same_again
    cleared_alarms_are_purged_and_open_ones_kept
    what_leaves_is_counted_by_its_sim_and_day
    windows_begin_anew_and_recipients_are_forgotten
    what_was_in_the_air_stays_counted
    a_draining_sim_gets_only_what_began_on_it
    what_is_put_back_for_later_is_leased_then
    holds_are_remembered
    texts_end_with_what_they_are_needed_for
    a_used_code_is_erased_at_once
    numbers_become_equal_signs_of_equal_numbers
    each_class_stays_for_its_own_time
    a_full_lane_refuses_for_itself_only
    a_large_batch_is_accepted_whole_or_refused_whole
    a_full_login_lane_opens_no_challenge
    a_paused_lane_takes_and_gives_nothing
    a_purged_lane_is_empty_and_others_are_not
    what_failed_goes_again
    a_report_of_failure_opens_its_segment_again
    a_bulk_message_in_doubt_goes_again_by_force_only
    a_login_goes_again_only_while_its_challenge_lives
    a_full_lane_takes_nothing_back
    a_delivered_message_tells_its_life
    a_lease_given_back_unused_leaves_no_trace
    endings_name_who_brought_them_about
    what_was_left_unfinished_is_told
    a_life_is_bounded_and_tells_its_end
    what_is_over_budget_is_refused_and_not_counted
    a_batch_is_counted_once_and_as_a_whole
    a_repeat_is_neither_counted_nor_refused
    shadow_lets_in_and_counts_on
    a_trigger_over_budget_touches_no_token
    codes_are_judged_when_their_life_is_over
    budgets_of_earlier_days_are_forgotten
}
