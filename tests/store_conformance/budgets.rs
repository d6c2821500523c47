//! What SIMs have spent, and the operator's holds.

use smsotpd::route::budget::{Recipient, Windows};

use super::*;

async fn spent(store: &impl Operations) -> (u32, u32, u32, u32) {
    let all = store.spent().await.unwrap();
    let of_one = all.iter().find(|record| record.channel == channel(1));
    let now = Windows::at(clock::wall());
    let spent = of_one.map(|record| record.spent.by(now)).unwrap_or_default();
    (spent.minute, spent.day, spent.month, spent.recipients)
}

fn begin_at(l: &Leased, seq: u8, at: UnixMs) -> Begin {
    Begin { id: l.id, epoch: l.epoch, seq, channel: channel(1), whom: Some(l.recipient), at }
}

async fn run(store: &impl Operations, random: u8, at: UnixMs, result: AttemptState) -> Recipient {
    let l = one(store, message(Lane::Bulk, random)).await;
    let begun = vec![begin_at(&l, 1, at)];
    assert_eq!(store.turn(Turn { ended: vec![], begun }).await.unwrap(), [Begun::Durable]);
    let over = ended(&l, 1, result, None, Next::Rest(State::Failed));
    end(store, End { whom: Some(l.recipient), ..over }).await;
    l.recipient
}

/// Times lie within one minute, so that the test does not depend on when it runs.
pub(crate) async fn what_leaves_is_counted_by_its_sim_and_day(store: impl Operations) {
    let at = clock::wall();
    let whom = run(&store, 1, at, AttemptState::Submitted).await;
    assert_eq!(run(&store, 2, at, AttemptState::Uncertain).await, whom, "it is the same recipient");
    for (n, result) in [AttemptState::Refused, AttemptState::Abandoned].into_iter().enumerate() {
        run(&store, 3 + n as u8, at, result).await;
    }
    let all = store.spent().await.unwrap();
    let counted = all[0].spent.by(Windows::at(at));
    assert_eq!((all.len(), &all[0].channel), (1, &channel(1)));
    assert_eq!((counted.minute, counted.day, counted.month, counted.recipients), (2, 2, 2, 1));
    assert_eq!(store.recipients(channel(1), at).await.unwrap(), [(whom, 2)]);
    assert_eq!(store.recipients(channel(2), at).await.unwrap(), []);
    // A refused begin counts nothing, whatever the reason.
    let l = one(&store, message(Lane::Bulk, 9)).await;
    store.release(vec![(l.id, l.epoch)], None).await.unwrap();
    let begun = vec![begin_at(&l, 1, at)];
    assert_eq!(store.turn(Turn { ended: vec![], begun }).await.unwrap(), [Begun::Refused]);
    assert_eq!(store.spent().await.unwrap()[0].spent.by(Windows::at(at)), counted);
}

pub(crate) async fn windows_begin_anew_and_recipients_are_forgotten(store: impl Operations) {
    let (at, month) = (clock::wall(), Duration::from_secs(32 * 86_400));
    // The deadline of these messages lies ahead of the real now, so the past month comes first.
    let before = at.minus(month);
    run(&store, 1, before, AttemptState::Submitted).await;
    assert_eq!(store.spent().await.unwrap()[0].spent.day, 1);
    assert_eq!(spent(&store).await, (0, 0, 0, 0));
    run(&store, 2, at, AttemptState::Submitted).await;
    let counted = store.spent().await.unwrap()[0].spent;
    assert_eq!((counted.minute, counted.day, counted.month, counted.recipients), (1, 1, 1, 1));
    assert_eq!(store.recipients(channel(1), before).await.unwrap().len(), 1);
    store.sweep(clock::wall(), Duration::from_secs(3600)).await.unwrap();
    assert_eq!(store.recipients(channel(1), before).await.unwrap(), []);
    assert_eq!(store.recipients(channel(1), at).await.unwrap().len(), 1);
}

/// What was in the air when the daemon ended may have left.
pub(crate) async fn what_was_in_the_air_stays_counted(store: impl Operations) {
    let at = clock::wall();
    let l = one(&store, message(Lane::Bulk, 1)).await;
    store.turn(Turn { ended: vec![], begun: vec![begin_at(&l, 1, at)] }).await.unwrap();
    store.recover(clock::wall()).await.unwrap();
    assert_eq!(store.spent().await.unwrap()[0].spent.day, 1);
    // Its end is told after all: it did not leave.
    let over = ended(&l, 1, AttemptState::Refused, None, Next::Rest(State::Failed));
    end(&store, End { whom: Some(l.recipient), ..over }).await;
    assert_eq!(store.spent().await.unwrap()[0].spent.day, 0);
    assert_eq!(store.recipients(channel(1), at).await.unwrap(), []);
}

pub(crate) async fn a_draining_sim_gets_only_what_began_on_it(store: impl Operations) {
    let long = NewMessage { segments: 2, ..message(Lane::Bulk, 1) };
    let l = one(&store, long).await;
    assert!(!store.unfinished(channel(1)).await.unwrap());
    submit(&store, &l, 1, 7, Next::Continue).await;
    assert!(store.unfinished(channel(1)).await.unwrap(), "a lease is not the end");
    begin(&store, &l, 2).await;
    end(&store, ended(&l, 2, AttemptState::Refused, None, Next::Retry(clock::wall()))).await;
    assert!(store.unfinished(channel(1)).await.unwrap());
    store.accept(vec![message(Lane::Login, 2)]).await.unwrap();
    let begun_only = Want { begun_only: true, ..want(10) };
    nothing_due(&store, Want { channels: vec![channel(2)], ..begun_only.clone() }).await;
    let got = leased(&store, begun_only.clone()).await;
    assert_eq!((got.len(), got[0].id), (1, l.id));
    submit(&store, &got[0], 2, 8, Next::Rest(State::Submitted)).await;
    assert!(!store.unfinished(channel(1)).await.unwrap());
    nothing_due(&store, begun_only).await;
    assert_eq!(leased(&store, want(10)).await.len(), 1, "the new one is there for others");
}

pub(crate) async fn what_is_put_back_for_later_is_leased_then(store: impl Operations) {
    let l = one(&store, message(Lane::Bulk, 1)).await;
    let due = clock::wall().plus(Duration::from_millis(150));
    store.release(vec![(l.id, l.epoch)], Some(due)).await.unwrap();
    assert_eq!(leased(&store, want(1)).await[0].id, l.id);
    assert!(clock::wall() >= due, "leased before it was due");
}

pub(crate) async fn holds_are_remembered(store: impl Operations) {
    store.hold("490154203237518".to_owned(), Some(true)).await.unwrap();
    store.hold("modem1".to_owned(), Some(true)).await.unwrap();
    store.hold("modem1".to_owned(), Some(false)).await.unwrap();
    store.hold("490154203237518".to_owned(), None).await.unwrap();
    store.hold("unknown".to_owned(), None).await.unwrap();
    assert_eq!(store.holds().await.unwrap(), [Held { modem: "modem1".to_owned(), finishing: false }]);
}
