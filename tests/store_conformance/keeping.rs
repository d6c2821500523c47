//! Retention: what is erased when, and what stays how long.

use smsotpd::store::keep::TEXT_KEPT;
use smsotpd::store::*;

use super::from_phones::{PHONE, from_phone};
use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn text(store: &impl Operations, id: MessageId) -> Option<Secret> {
    store.message(id).await.unwrap().expect("the row stays").body
}

async fn to_rest(
    store: &impl Operations,
    message: NewMessage,
    result: AttemptState,
    state: State,
) -> MessageId {
    let leased = one(store, message).await;
    assert_eq!(begin(store, &leased, 1).await, Begun::Durable);
    let reference = (result == AttemptState::Submitted).then_some(7);
    end(store, ended(&leased, 1, result, reference, Next::Rest(state))).await;
    leased.id
}

pub(crate) async fn texts_end_with_what_they_are_needed_for(store: impl Operations) {
    use AttemptState as A;
    let now = clock::wall();
    // Lane, how it ended, whether a report is wanted, and whether its text is still there then, after its deadline, and an hour after that.
    let table = [
        (Lane::Bulk, A::Submitted, State::Submitted, false, [false, false, false]),
        (Lane::Bulk, A::Submitted, State::Submitted, true, [true, true, false]),
        (Lane::Alert, A::Submitted, State::Submitted, false, [false, false, false]),
        (Lane::Login, A::Submitted, State::Submitted, false, [true, false, false]),
        (Lane::Login, A::Refused, State::Failed, true, [true, false, false]),
        (Lane::Bulk, A::Refused, State::Failed, true, [true, true, false]),
        (Lane::Bulk, A::Uncertain, State::Uncertain, true, [true, true, false]),
        (Lane::Alert, A::Refused, State::Expired, true, [true, true, false]),
    ];
    let mut ids = Vec::new();
    for (n, (lane, result, state, report, _)) in (1..).zip(table) {
        ids.push(to_rest(&store, NewMessage { report, ..message(lane, n) }, result, state).await);
    }
    let deadline = message(Lane::Bulk, 1).deadline;
    for (at, when) in [now, deadline, now.plus(TEXT_KEPT + HOUR)].into_iter().enumerate() {
        store.sweep(when, DAY * 90).await.unwrap();
        for (id, row) in ids.iter().zip(table) {
            assert_eq!(text(&store, *id).await.is_some(), row.4[at], "{row:?} at {at}");
        }
    }
}

/// Delivered and withdrawn ones need no janitor.
pub(crate) async fn a_used_code_is_erased_at_once(store: impl Operations) {
    let delivered = to_rest(&store, message(Lane::Login, 1), AttemptState::Submitted, State::Submitted).await;
    store.report(report(7, Verdict::Delivered)).await.unwrap();
    assert_eq!(text(&store, delivered).await, None);
    let withdrawn = message(Lane::Login, 2);
    store.accept(vec![withdrawn.clone()]).await.unwrap();
    assert!(text(&store, withdrawn.id).await.is_some());
    store.withdraw(withdrawn.id, None, clock::wall()).await.unwrap();
    assert_eq!(text(&store, withdrawn.id).await, None);

    store.add_token(token("PISM1")).await.unwrap();
    let opened = trigger("PISM1", "1", 1, 3);
    let id = opened.message.id;
    store.trigger(vec![opened]).await.unwrap();
    let leased = leased(&store, want(1)).await.remove(0);
    assert_eq!(leased.id, id);
    submit(&store, &leased, 1, 9, Next::Rest(State::Submitted)).await;
    assert!(text(&store, id).await.is_some(), "another way may take it");
    assert!(store.answer("1".to_owned(), "PISM1".to_owned(), clock::wall()).await.unwrap());
    assert_eq!(text(&store, id).await, None);
}

pub(crate) async fn numbers_become_equal_signs_of_equal_numbers(store: impl Operations) {
    let keep = Keep { numbers: DAY, ..Keep::from(DAY * 90) };
    let mut ids = Vec::new();
    for n in 1..=3 {
        let to = if n == 3 { PHONE } else { TO };
        let message = NewMessage { to: Number::parse(to, None).unwrap(), ..message(Lane::Bulk, n) };
        ids.push(to_rest(&store, message, AttemptState::Submitted, State::Submitted).await);
    }
    let queued = NewMessage { deadline: clock::wall().plus(DAY * 7), ..message(Lane::Bulk, 4) };
    store.accept(vec![queued.clone()]).await.unwrap();
    store.incoming(from_phone("hello", None, 0)).await.unwrap();
    let numbers = async || {
        let mut numbers = Vec::new();
        for id in &ids {
            numbers.push(store.message(*id).await.unwrap().unwrap().to);
        }
        numbers
    };
    store.sweep(clock::wall(), keep).await.unwrap();
    assert!(numbers().await.iter().all(|number| matches!(number, KeptNumber::Number(_))));
    for _ in 0..2 {
        store.sweep(clock::wall().plus(DAY + HOUR), keep).await.unwrap();
        let erased = numbers().await;
        assert!(erased.iter().all(|number| matches!(number, KeptNumber::Erased(_))), "{erased:?}");
        assert!(erased[0] == erased[1] && erased[1] != erased[2], "{erased:?}");
        let listed = store.messages(Filter { most: 9, ..Filter::default() }).await.unwrap();
        assert_eq!(listed.records.len(), 4);
        let sender = store.inbox(None, 9).await.unwrap().remove(0).from;
        assert_eq!(sender, erased[2].as_str());
    }
    assert_eq!(store.report(report(7, Verdict::Delivered)).await.unwrap(), None, "its number is gone");
    assert_eq!(leased(&store, want(1)).await[0].to, queued.to, "what is queued has its number");
}

pub(crate) async fn each_class_stays_for_its_own_time(store: impl Operations) {
    let keep = Keep { lanes: [DAY, DAY * 3, DAY * 2], inbox: DAY * 4, ..Keep::from(DAY * 90) };
    for (n, lane) in (1..).zip(Lane::ALL) {
        to_rest(&store, message(lane, n), AttemptState::Submitted, State::Submitted).await;
    }
    store.incoming(from_phone("hello", None, 0)).await.unwrap();
    let now = clock::wall();
    let mut left = Vec::new();
    for days in 0..5 {
        store.sweep(now.plus(DAY * days + HOUR), keep).await.unwrap();
        let listed = store.messages(Filter { most: 9, ..Filter::default() }).await.unwrap();
        left.push((
            listed.records.iter().map(|m| m.lane).collect::<Vec<_>>(),
            store.inbox(None, 9).await.unwrap().len(),
        ));
    }
    use Lane::{Alert, Bulk, Login};
    assert_eq!(
        left,
        [(vec![Bulk, Alert, Login], 1), (vec![Bulk, Alert], 1), (vec![Alert], 1), (vec![], 1), (vec![], 0),]
    );
}
