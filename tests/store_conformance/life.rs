//! The life of a message: what is kept of every change of its state.

use super::*;

/// The life of a message in words: state, actor, cause.
async fn life(store: &impl Operations, id: MessageId) -> Vec<String> {
    let record = store.message(id).await.unwrap().expect("the message is there");
    assert!(record.life.is_sorted_by_key(|one| one.at), "{:?}", record.life);
    assert_eq!(record.life[0].at, record.created);
    let words = record.life.iter().map(|one| match &one.cause {
        Some(cause) => format!("{} {}: {cause}", one.state, one.actor),
        None => format!("{} {}", one.state, one.actor),
    });
    words.collect()
}

fn refused(l: &Leased, next: Next) -> End {
    End { cause: Some("CMS 38".to_owned()), ..ended(l, 1, AttemptState::Refused, None, next) }
}

pub(super) async fn a_delivered_message_tells_its_life(store: impl Operations) {
    let l = one(&store, message(Lane::Login, 1)).await;
    assert_eq!(begin(&store, &l, 1).await, Begun::Durable);
    end(&store, refused(&l, Next::Retry(clock::wall()))).await;
    let again = leased(&store, want(1)).await.remove(0);
    submit(&store, &again, 1, 7, Next::Rest(State::Submitted)).await;
    store.report(report(7, Verdict::Delivered)).await.unwrap();
    let expected = [
        "queued caller",
        "leased dispatcher",
        "queued dispatcher: CMS 38",
        "leased dispatcher",
        "submitted dispatcher",
        "delivered network",
    ];
    assert_eq!(life(&store, l.id).await, expected);
    assert!(all(&store).await.iter().all(|listed| listed.life.is_empty()), "a listing leaves it out");
}

pub(super) async fn a_lease_given_back_unused_leaves_no_trace(store: impl Operations) {
    let l = one(&store, message(Lane::Bulk, 1)).await;
    assert_eq!(life(&store, l.id).await, ["queued caller", "leased dispatcher"]);
    store.release(vec![(l.id, l.epoch)], None).await.unwrap();
    for _ in 0..5 {
        let l = leased(&store, want(1)).await.remove(0);
        store.release(vec![(l.id, l.epoch)], None).await.unwrap();
    }
    assert_eq!(life(&store, l.id).await, ["queued caller"]);
    // What was begun is not forgotten: the second segment's SIM hung up before its turn.
    let parts = one(&store, NewMessage { segments: 2, ..message(Lane::Alert, 2) }).await;
    submit(&store, &parts, 1, 1, Next::Continue).await;
    store.release(vec![(parts.id, parts.epoch)], None).await.unwrap();
    assert_eq!(life(&store, parts.id).await, ["queued caller", "leased dispatcher", "queued dispatcher"]);
}

pub(super) async fn endings_name_who_brought_them_about(store: impl Operations) {
    let now = clock::wall();
    let [theirs, ours, swept] = [1, 2, 3].map(|n| message(Lane::Bulk, n));
    store.accept(vec![theirs.clone(), ours.clone(), swept.clone()]).await.unwrap();
    store.withdraw(theirs.id, Some("portal".to_owned()), now).await.unwrap();
    store.withdraw(ours.id, None, now).await.unwrap();
    assert_eq!(life(&store, theirs.id).await, ["queued caller", "withdrawn caller"]);
    assert_eq!(life(&store, ours.id).await, ["queued caller", "withdrawn operator"]);
    store.add_token(token("PISM00000001")).await.unwrap();
    let copy = trigger("PISM00000001", "12345678901234567890", 1, 4);
    let id = copy.message.id;
    assert_eq!(store.trigger(vec![copy]).await.unwrap(), Triggered::Opened);
    assert!(store.answer("12345678901234567890".to_owned(), "PISM00000001".to_owned(), now).await.unwrap());
    assert_eq!(life(&store, id).await, ["queued caller", "withdrawn validate"]);
    store.sweep(swept.deadline, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(life(&store, swept.id).await, ["queued caller", "expired janitor"]);
    assert_eq!(store.message(swept.id).await.unwrap().unwrap().cause.unwrap(), "its deadline passed");
}

pub(super) async fn what_was_left_unfinished_is_told(store: impl Operations) {
    let idle = one(&store, message(Lane::Bulk, 1)).await;
    let bulk = one(&store, message(Lane::Bulk, 2)).await;
    begin(&store, &bulk, 1).await;
    store.recover(clock::wall()).await.unwrap();
    let unused = "its lease ended before anything of it left";
    let queued = format!("queued recovery: {unused}");
    assert_eq!(life(&store, idle.id).await, ["queued caller", "leased dispatcher", &queued]);
    let uncertain = "uncertain recovery: the daemon stopped while it was leaving";
    assert_eq!(life(&store, bulk.id).await, ["queued caller", "leased dispatcher", uncertain]);
    let to = Number::parse(TO, None).unwrap();
    store.settle(channel(1), to, MessageRef(9), clock::wall()).await.unwrap();
    assert_eq!(life(&store, bulk.id).await.last().unwrap(), "submitted network");
    let l = leased(&store, want(1)).await.remove(0);
    store.sweep(l.until, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(*life(&store, idle.id).await.last().unwrap(), format!("queued janitor: {unused}"));
}

pub(super) async fn a_life_is_bounded_and_tells_its_end(store: impl Operations) {
    let cause = "x".repeat(LONGEST_CAUSE);
    let m = message(Lane::Bulk, 1);
    store.accept(vec![m.clone()]).await.unwrap();
    for _ in 0..40 {
        let l = leased(&store, want(1)).await.remove(0);
        begin(&store, &l, 1).await;
        let refusal = End { cause: Some(cause.clone()), ..refused(&l, Next::Retry(clock::wall())) };
        end(&store, refusal).await;
    }
    let full = life(&store, m.id).await.len();
    assert!((16..=40).contains(&full), "{full}");
    let l = leased(&store, want(1)).await.remove(0);
    assert_eq!(life(&store, m.id).await.last().unwrap().as_str(), "leased unknown: ".to_owned() + &cause);
    store.release(vec![(l.id, l.epoch)], None).await.unwrap();
    assert_eq!(life(&store, m.id).await.len(), full, "what is not in it is not taken out of it");
    let l = leased(&store, want(1)).await.remove(0);
    submit(&store, &l, 1, 1, Next::Rest(State::Submitted)).await;
    store.report(report(1, Verdict::Failed)).await.unwrap();
    let life = life(&store, m.id).await;
    assert_eq!(life[full..], ["submitted dispatcher", "failed network"], "there is room for how it ends");
}
