//! Lanes as wholes: bounds, pausing, emptying; and messages that go again.

use std::time::Duration;

use smsotpd::clock;
use smsotpd::provider::Verdict;
use smsotpd::queue::again::NotAgain;
use smsotpd::queue::lanes::{Full, PerLane};
use smsotpd::queue::message::{Idempotency, Lane, MessageId, NewMessage, State};
use smsotpd::queue::rules::Next;
use smsotpd::secret::Secret;
use smsotpd::store::*;
use smsotpd::units::UnixMs;

use super::{
    all, begin, channel, counts_agree, end, ended, leased, message, nothing_due, one, report, state, submit,
    token, trigger, want,
};

const HOUR: Duration = Duration::from_secs(3600);

fn bulk_bound(most: u64) -> PerLane<Option<u64>> {
    PerLane { bulk: Some(most), ..PerLane::default() }
}

fn keyed(random: u8) -> NewMessage {
    let idempotency = Some(Idempotency { key: format!("key {random}"), asked: Secret::from("hello") });
    NewMessage { idempotency, ..message(Lane::Bulk, random) }
}

fn is_full(answer: Result<Vec<Accepted>, StoreError>, lane: Lane) -> Full {
    let Err(StoreError::Full(full)) = answer else { unreachable!("not full but {answer:?}") };
    assert_eq!(full.lane, lane);
    full
}

pub(super) async fn a_full_lane_refuses_for_itself_only(store: impl Operations) {
    store.bound(bulk_bound(3));
    store.accept(vec![keyed(1), message(Lane::Bulk, 2)]).await.unwrap();
    let full = is_full(store.accept((3..5).map(|n| message(Lane::Bulk, n)).collect()).await, Lane::Bulk);
    assert_eq!(full.most, 3);
    assert_eq!(all(&store).await.len(), 2, "all or none");
    store.accept(vec![message(Lane::Bulk, 3)]).await.unwrap();
    let mixed = vec![message(Lane::Login, 4), message(Lane::Bulk, 5)];
    is_full(store.accept(mixed).await, Lane::Bulk);
    store.accept(vec![message(Lane::Login, 4)]).await.unwrap();
    let before = store.accept(vec![keyed(1)]).await.unwrap();
    assert!(matches!(before[..], [Accepted::Before(_)]), "what is there needs no room: {before:?}");
    let some = leased(&store, want(4)).await;
    assert_eq!(some.len(), 4);
    is_full(store.accept(vec![message(Lane::Bulk, 6)]).await, Lane::Bulk);
    let bulk = some.iter().find(|one| one.lane == Lane::Bulk).unwrap();
    submit(&store, bulk, 1, 7, Next::Rest(State::Submitted)).await;
    store.accept(vec![message(Lane::Bulk, 6)]).await.unwrap();
    counts_agree(&store).await;
}

pub(super) async fn a_large_batch_is_accepted_whole_or_refused_whole(store: impl Operations) {
    let batch = |from: u16| -> Vec<NewMessage> {
        let id = |n: u16| MessageId::new(clock::wall(), n, [9; 8]);
        (from..from + 600).map(|n| NewMessage { id: id(n), ..message(Lane::Bulk, 0) }).collect()
    };
    store.bound(bulk_bound(1000));
    assert_eq!(store.accept(batch(0)).await.unwrap().len(), 600);
    is_full(store.accept(batch(600)).await, Lane::Bulk);
    let count = |counts: Vec<Count>| counts.iter().map(|count| count.messages).sum::<u64>();
    assert_eq!(count(store.counts().await.unwrap()), 600);
    store.bound(bulk_bound(1200));
    let (one, two) = tokio::join!(store.accept(batch(1200)), store.accept(batch(1800)));
    assert!(one.is_ok() != two.is_ok(), "there is room for one of them: {one:?} {two:?}");
    assert_eq!(count(store.counts().await.unwrap()), 1200);
    store.bound(bulk_bound(1800));
    assert_eq!(store.accept(batch(2400)).await.unwrap().len(), 600, "no place stays promised");
}

pub(super) async fn a_full_login_lane_opens_no_challenge(store: impl Operations) {
    store.bound(PerLane { login: Some(1), ..PerLane::default() });
    store.add_token(token("PISM1")).await.unwrap();
    store.accept(vec![message(Lane::Login, 1)]).await.unwrap();
    let opened = store.trigger(vec![trigger("PISM1", "t1", 1, 2)]).await;
    assert!(matches!(opened, Err(StoreError::Full(_))), "{opened:?}");
    assert_eq!(store.token("PISM1".to_owned()).await.unwrap().unwrap().counter, 0, "the counter stands");
    assert!(store.challenges(vec!["PISM1".to_owned()]).await.unwrap().is_empty());
}

pub(super) async fn a_paused_lane_takes_and_gives_nothing(
    store: impl Operations + Clone + Send + Sync + 'static,
) {
    let paused = |who: &str| Some(Paused { who: who.to_owned(), since: UnixMs(77) });
    store.accept(vec![message(Lane::Bulk, 1)]).await.unwrap();
    assert!(store.pause_lane(Lane::Bulk, paused("anna")).await.unwrap());
    assert!(!store.pause_lane(Lane::Bulk, paused("bert")).await.unwrap());
    store.accept(vec![message(Lane::Bulk, 2)]).await.unwrap();
    nothing_due(&store, want(9)).await;
    let lanes = store.lanes(clock::wall()).await.unwrap();
    let (login, bulk) = (&lanes[0], &lanes[2]);
    assert_eq!((bulk.queued, bulk.leased, bulk.paused.clone()), (2, 0, paused("anna")));
    assert!(bulk.oldest.is_some() && login.paused.is_none());
    assert_eq!(store.waiting(clock::wall()).await.unwrap(), None, "nothing that may leave waits");
    one(&store, message(Lane::Login, 3)).await;
    let stands = tokio::spawn({
        let store = store.clone();
        async move { leased(&store, want(9)).await }
    });
    assert!(store.pause_lane(Lane::Bulk, None).await.unwrap());
    assert_eq!(stands.await.unwrap().len(), 2, "the demand that stood is met at once");
    assert!(!store.pause_lane(Lane::Bulk, None).await.unwrap());
}

pub(super) async fn a_purged_lane_is_empty_and_others_are_not(store: impl Operations) {
    let batch = (0..250).map(|n| {
        let id = MessageId::new(UnixMs(clock::wall().0 - 500), n, [3; 8]);
        NewMessage { id, ..message(Lane::Bulk, 0) }
    });
    store.accept(batch.collect()).await.unwrap();
    let alert = one(&store, message(Lane::Alert, 1)).await;
    let some = leased(&store, want(2)).await;
    begin(&store, &some[0], 1).await;
    assert_eq!(store.withdraw_lane(Lane::Bulk, clock::wall()).await.unwrap(), 249);
    assert_eq!(state(&store, some[0].id).await, State::Leased, "it is in the air");
    assert_eq!(state(&store, some[1].id).await, State::Withdrawn);
    assert_eq!(state(&store, alert.id).await, State::Leased);
    assert_eq!(store.withdraw_lane(Lane::Bulk, clock::wall()).await.unwrap(), 0);
    counts_agree(&store).await;
}

fn again(id: MessageId, force: bool) -> Retry {
    Retry { id, caller: Some("portal".to_owned()), lifetime: HOUR, force, now: clock::wall() }
}

pub(super) async fn what_failed_goes_again(store: impl Operations) {
    let first = one(&store, message(Lane::Bulk, 1)).await;
    let refused = store.retry(again(first.id, true)).await.unwrap();
    assert_eq!(refused, Retried::Refused(NotAgain::State(State::Leased)));
    begin(&store, &first, 1).await;
    end(&store, ended(&first, 1, AttemptState::Refused, None, Next::Rest(State::Failed))).await;
    let other = Retry { caller: Some("other".to_owned()), ..again(first.id, false) };
    assert_eq!(store.retry(other).await.unwrap(), Retried::Unknown);
    let retry = again(first.id, false);
    let deadline = retry.now.plus(HOUR);
    assert_eq!(store.retry(retry).await.unwrap(), Retried::Queued { deadline });
    let second = leased(&store, want(1)).await.remove(0);
    assert_eq!((second.id, second.deadline, second.refusals), (first.id, deadline, 0));
    assert_eq!((second.open, second.refused_by), (vec![1], None));
    counts_agree(&store).await;
}

pub(super) async fn a_report_of_failure_opens_its_segment_again(store: impl Operations) {
    let two = NewMessage { segments: 2, ..message(Lane::Bulk, 1) };
    let first = one(&store, two).await;
    for (seq, next) in [(1, Next::Continue), (2, Next::Rest(State::Submitted))] {
        submit(&store, &first, seq, 7 + seq, next).await;
    }
    store.report(report(8, Verdict::Delivered)).await.unwrap();
    store.report(report(9, Verdict::Failed)).await.unwrap();
    assert_eq!(state(&store, first.id).await, State::Failed);
    assert!(matches!(store.retry(again(first.id, false)).await.unwrap(), Retried::Queued { .. }));
    let second = leased(&store, want(1)).await.remove(0);
    assert_eq!((second.open.clone(), second.bound.clone()), (vec![2], Some(channel(1))));
    submit(&store, &second, 2, 10, Next::Rest(State::Submitted)).await;
    store.report(report(10, Verdict::Delivered)).await.unwrap();
    assert_eq!(state(&store, first.id).await, State::Delivered);
}

pub(super) async fn a_bulk_message_in_doubt_goes_again_by_force_only(store: impl Operations) {
    let first = one(&store, message(Lane::Bulk, 1)).await;
    begin(&store, &first, 1).await;
    end(&store, ended(&first, 1, AttemptState::Uncertain, None, Next::Rest(State::Uncertain))).await;
    assert_eq!(store.retry(again(first.id, false)).await.unwrap(), Retried::Refused(NotAgain::Doubt));
    assert_eq!(state(&store, first.id).await, State::Uncertain);
    assert!(matches!(store.retry(again(first.id, true)).await.unwrap(), Retried::Queued { .. }));
    let second = leased(&store, want(1)).await.remove(0);
    assert_eq!((second.open.clone(), second.uncertain), (vec![1], 0));
    submit(&store, &second, 1, 9, Next::Rest(State::Submitted)).await;
    assert_eq!(state(&store, first.id).await, State::Submitted);
}

pub(super) async fn a_login_goes_again_only_while_its_challenge_lives(store: impl Operations) {
    store.add_token(token("PISM1")).await.unwrap();
    store.trigger(vec![trigger("PISM1", "t1", 1, 1)]).await.unwrap();
    let first = leased(&store, want(1)).await.remove(0);
    begin(&store, &first, 1).await;
    end(&store, ended(&first, 1, AttemptState::Refused, None, Next::Rest(State::Failed))).await;
    let queued = store.retry(again(first.id, false)).await.unwrap();
    assert_eq!(queued, Retried::Queued { deadline: first.deadline }, "it keeps the end of its challenge");
    let second = leased(&store, want(1)).await.remove(0);
    begin(&store, &second, 1).await;
    end(&store, ended(&second, 1, AttemptState::Refused, None, Next::Rest(State::Failed))).await;
    let late = Retry { now: UnixMs(first.deadline.0), ..again(first.id, true) };
    assert_eq!(store.retry(late).await.unwrap(), Retried::Refused(NotAgain::Ended));
    assert!(store.answer("t1".to_owned(), "PISM1".to_owned(), clock::wall()).await.unwrap());
    assert_eq!(store.retry(again(first.id, true)).await.unwrap(), Retried::Refused(NotAgain::Ended));
}

pub(super) async fn a_full_lane_takes_nothing_back(store: impl Operations) {
    let first = one(&store, message(Lane::Bulk, 1)).await;
    begin(&store, &first, 1).await;
    end(&store, ended(&first, 1, AttemptState::Refused, None, Next::Rest(State::Failed))).await;
    store.bound(bulk_bound(1));
    store.accept(vec![message(Lane::Bulk, 2)]).await.unwrap();
    assert!(matches!(store.retry(again(first.id, false)).await, Err(StoreError::Full(_))));
    assert_eq!(state(&store, first.id).await, State::Failed);
}
