//! Budgets of admission: what is accepted is counted with it, once, and what is refused is not.

use smsotpd::queue::budget::{Behind, Bill, Budgets, ByDimension, Dimension, Limits, Mode, Over, Span};
use smsotpd::queue::conversion::{Codes, WINDOW};

use super::*;

/// 2033-05-18 03:33:20 UTC; all that is counted here is of one hour.
const NOW: UnixMs = UnixMs(2_000_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);

/// So many an hour in this dimension, with a PIN as without.
fn budgets(dimension: Dimension, per_hour: u32) -> Budgets {
    let mut limits = ByDimension::default();
    limits[dimension as usize] = Limits { per_hour: Some(per_hour), ..Limits::default() };
    Budgets { general: limits, proven: limits, ..Budgets::default() }
}

fn counted(budgets: &Budgets, lane: Lane, random: u8, created: UnixMs) -> NewMessage {
    let message = message(lane, random);
    let behind = Behind { user: Some("alice"), proven: lane == Lane::Login, ..Behind::default() };
    let bill = budgets.bill(&message.to, &message.caller, &behind);
    NewMessage { created, deadline: created.plus(MINUTE), bill, ..message }
}

fn over(refused: Result<Vec<Accepted>, StoreError>) -> Over {
    match refused {
        Err(StoreError::OverBudget(over)) => Some(over),
        _ => None,
    }
    .expect("it is over budget")
}

pub(crate) async fn what_is_over_budget_is_refused_and_not_counted(store: impl Operations) {
    let two = budgets(Dimension::Number, 2);
    for n in 0..2 {
        store.accept(vec![counted(&two, Lane::Bulk, n, NOW)]).await.unwrap();
    }
    for n in 2..5 {
        let told = over(store.accept(vec![counted(&two, Lane::Bulk, n, NOW.plus(MINUTE))]).await);
        // 04:00:00.
        let until = Some(UnixMs(2_000_001_600_000));
        let (dimension, span) = (Dimension::Number, Span::Hour);
        assert_eq!(told, Over::Limit { dimension, proven: false, span, limit: 2, until });
    }
    assert_eq!(all(&store).await.len(), 2, "nothing of them is there");
    counts_agree(&store).await;
    store.accept(vec![counted(&budgets(Dimension::Number, 3), Lane::Bulk, 9, NOW)]).await.unwrap();
    let next_hour = NOW.plus(MINUTE * 27);
    store.accept(vec![counted(&two, Lane::Bulk, 10, next_hour)]).await.unwrap();
    store.accept(vec![counted(&two, Lane::Bulk, 11, next_hour)]).await.unwrap();
    over(store.accept(vec![counted(&two, Lane::Bulk, 12, next_hour)]).await);
}

pub(crate) async fn a_batch_is_counted_once_and_as_a_whole(store: impl Operations) {
    let budgets = budgets(Dimension::Caller, 1_000);
    let batch = |first: u16, many: u16| -> Vec<NewMessage> {
        let one = |n: u16| NewMessage {
            id: MessageId::new(NOW, n, [0; 8]),
            ..counted(&budgets, Lane::Bulk, 0, NOW)
        };
        (first..first + many).map(one).collect()
    };
    assert_eq!(store.accept(batch(0, 600)).await.unwrap().len(), 600);
    let told = over(store.accept(batch(600, 500)).await);
    assert!(told.until().is_some());
    assert_eq!(store.messages(Filter { most: 2_000, ..Filter::default() }).await.unwrap().records.len(), 600);
    assert_eq!(store.accept(batch(600, 400)).await.unwrap().len(), 400);
    assert_eq!(over(store.accept(batch(1_000, 1_001)).await).until(), None, "it will never fit");
}

pub(crate) async fn a_repeat_is_neither_counted_nor_refused(store: impl Operations) {
    let two = budgets(Dimension::Box, 2);
    let keyed = |key: &str, random| NewMessage {
        idempotency: Some(Idempotency { key: key.to_owned(), asked: Secret::from(key) }),
        ..counted(&two, Lane::Bulk, random, NOW)
    };
    let first = keyed("a", 1);
    let twice = store.accept(vec![first.clone(), keyed("a", 2)]).await.unwrap();
    assert_eq!(twice, [Accepted::New(first.id), Accepted::Before(first.id)]);
    assert_eq!(store.accept(vec![keyed("a", 3)]).await.unwrap(), [Accepted::Before(first.id)]);
    store.accept(vec![keyed("b", 4)]).await.unwrap();
    over(store.accept(vec![keyed("c", 5)]).await);
    let other = Idempotency { key: "a".to_owned(), asked: Secret::from("else") };
    let other = NewMessage { idempotency: Some(other), ..keyed("a", 7) };
    assert!(matches!(store.accept(vec![other]).await, Err(StoreError::Conflict(_))), "that is told first");
    assert_eq!(store.accept(vec![keyed("a", 6)]).await.unwrap(), [Accepted::Before(first.id)]);
}

pub(crate) async fn shadow_lets_in_and_counts_on(store: impl Operations) {
    let shadow = Budgets { mode: Mode::Shadow, ..budgets(Dimension::Box, 1) };
    for n in 0..3 {
        store.accept(vec![counted(&shadow, Lane::Bulk, n, NOW)]).await.unwrap();
    }
    over(store.accept(vec![counted(&budgets(Dimension::Box, 3), Lane::Bulk, 4, NOW)]).await);
    store.accept(vec![counted(&budgets(Dimension::Box, 4), Lane::Bulk, 5, NOW)]).await.unwrap();
}

fn costly(budgets: &Budgets, trigger: Trigger) -> Trigger {
    let message = NewMessage { bill: counted(budgets, Lane::Login, 0, NOW).bill, ..trigger.message };
    Trigger { message, ..trigger }
}

pub(crate) async fn a_trigger_over_budget_touches_no_token(store: impl Operations) {
    store.add_token(token("PISM1")).await.unwrap();
    store.add_token(token("PISM2")).await.unwrap();
    let one = budgets(Dimension::User, 1);
    let both = vec![costly(&one, trigger("PISM1", "t1", 1, 1)), costly(&one, trigger("PISM2", "t1", 1, 2))];
    let refused = store.trigger(both.clone()).await.unwrap();
    let never = |over: &Over| over.until().is_none();
    assert!(
        matches!(&refused, Triggered::OverBudget { place: 1, over } if never(over)),
        "two at once never fit: {refused:?}"
    );
    assert_eq!(store.trigger(vec![both[0].clone()]).await.unwrap(), Triggered::Opened);
    let again = vec![costly(&one, trigger("PISM1", "t2", 2, 3))];
    assert!(matches!(store.trigger(again).await.unwrap(), Triggered::OverBudget { place: 0, .. }));
    for (serial, counter) in [("PISM1", 1), ("PISM2", 0)] {
        assert_eq!(store.token(serial.to_owned()).await.unwrap().unwrap().counter, counter, "{serial}");
    }
    assert_eq!(all(&store).await.len(), 1);
    let bulk = counted(&one, Lane::Bulk, 9, both[0].message.created);
    store.accept(vec![bulk]).await.expect("without a PIN another counter counts");
    counts_agree(&store).await;
}

pub(crate) async fn codes_are_judged_when_their_life_is_over(store: impl Operations) {
    store.add_token(token("PISM1")).await.unwrap();
    let now = clock::wall();
    let since = now.minus(WINDOW);
    assert_eq!(store.conversions(since, now).await.unwrap().0, []);
    for n in 1..=3_u8 {
        let mut next = trigger("PISM1", &format!("t{n}"), u64::from(n), n);
        next.message.bill = Bill { proven: n != 3, ..Bill::default() };
        assert_eq!(store.trigger(vec![next]).await.unwrap(), Triggered::Opened);
        let l = leased(&store, want(1)).await.remove(0);
        if n != 2 {
            submit(&store, &l, 1, n, Next::Rest(State::Submitted)).await;
        }
    }
    assert!(store.answer("t1".to_owned(), "PISM1".to_owned(), now).await.unwrap());
    let told =
        |proven, submitted, used, oldest| Codes { country: "49".to_owned(), proven, submitted, used, oldest };
    let life = store.challenges(vec!["PISM1".to_owned()]).await.unwrap();
    let ends = |txn: &str| life.iter().find(|one| one.transaction == txn).unwrap().expires;
    assert_eq!(
        store.conversions(since, now).await.unwrap().0,
        [told(true, 1, 1, ends("t1"))],
        "what is under way or never left is not judged"
    );
    let later = ends("t3");
    let mut all = store.conversions(since, later).await.unwrap().0;
    all.sort_by_key(|codes| !codes.proven);
    assert_eq!(all, [told(true, 1, 1, ends("t1")), told(false, 1, 0, ends("t3"))]);
    assert_eq!(store.conversions(later, later).await.unwrap().0, [], "all that ended is out of the window");
}

pub(crate) async fn budgets_of_earlier_days_are_forgotten(store: impl Operations) {
    let one = budgets(Dimension::Box, 1);
    store.accept(vec![counted(&one, Lane::Bulk, 1, NOW)]).await.unwrap();
    store.sweep(NOW.plus(MINUTE), Duration::from_secs(3600)).await.unwrap();
    over(store.accept(vec![counted(&one, Lane::Bulk, 2, NOW)]).await);
    store.sweep(NOW.plus(MINUTE * 60 * 24), Duration::from_secs(3600)).await.unwrap();
    store.accept(vec![counted(&one, Lane::Bulk, 3, NOW)]).await.expect("its day is over");
}
