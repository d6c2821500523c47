//! Who goes first, what gives way, and what never leaves.

use super::*;

#[tokio::test]
async fn one_of_two_channels_stays_free_for_logins() {
    let mut house = House::open(2).await;
    for n in 0..3 {
        house.queue(Lane::Bulk, &format!("bulk {n}"), 1).await;
    }
    house.queue(Lane::Alert, "alert", 1).await;
    let first = house.next().await;
    house.queue(Lane::Login, "login", 1).await;
    let login = house.next().await;
    assert_eq!(login.text(), "login", "neither bulk nor an alert took the last free slot");
    assert_ne!(login.channel, first.channel);
    assert!(login.leaves().await);
    house.queue(Lane::Login, "another", 1).await;
    let another = house.next().await;
    assert_eq!(another.text(), "another", "the slot that a login left is free for the next one");
    assert!(first.leaves().await && another.leaves().await);
    let alert = house.next().await;
    assert_eq!(alert.text(), "alert", "strict order among those that may go");
    assert!(alert.leaves().await);
    assert!(house.next().await.leaves().await);
    house.close().await;
}

#[tokio::test]
async fn without_a_reserve_bulk_has_all_channels() {
    let mut house = House::with(2, Settings { login_reserve: 0, routes: Rules::default() }).await;
    for n in 0..2 {
        house.queue(Lane::Bulk, &format!("bulk {n}"), 1).await;
    }
    let (one, two) = (house.next().await, house.next().await);
    assert_ne!(one.channel, two.channel);
    assert!(one.leaves().await && two.leaves().await);
    house.close().await;
}

#[tokio::test]
async fn bulk_gives_way_after_the_segment_in_the_air_and_follows_on_its_channel() {
    let mut house = House::open(1).await;
    let long = house.queue(Lane::Bulk, "long", 3).await;
    house.queue(Lane::Bulk, "younger", 1).await;
    let first = house.next().await;
    assert_eq!((first.text().as_str(), first.attempt.part.seq), ("long", 1));
    let login = house.queue(Lane::Login, "login", 1).await;
    house.held(login).await;
    assert!(first.leaves().await);
    let second = house.next().await;
    assert_eq!(second.text(), "login", "it goes next");
    assert!(second.leaves().await);
    for seq in 2..=3 {
        let part = house.next().await;
        assert_eq!(
            (part.text().as_str(), part.attempt.part.seq),
            ("long", seq),
            "the rest follows, in order"
        );
        assert!(part.leaves().await);
    }
    house.rests(long, State::Submitted).await;
    assert_eq!(house.next().await.text(), "younger");
    house.close().await;
}

#[tokio::test]
async fn the_rest_of_a_message_keeps_its_channel_while_a_login_has_it() {
    let mut house = House::with(2, Settings { login_reserve: 0, routes: Rules::default() }).await;
    house.queue(Lane::Bulk, "long", 2).await;
    let first = house.next().await;
    let own = first.channel.clone();
    house.queue(Lane::Login, "one", 1).await;
    let one = house.next().await;
    assert_ne!(one.channel, own);
    let two = house.queue(Lane::Login, "two", 1).await;
    house.held(two).await;
    assert!(first.leaves().await);
    let two = house.next().await;
    assert_eq!(
        (two.text().as_str(), &two.channel),
        ("two", &own),
        "the login has the channel of the long one"
    );
    assert!(one.leaves().await);
    // The other channel is free now, and the rest of the long message does not take it.
    house.queue(Lane::Login, "three", 1).await;
    let three = house.next().await;
    assert_eq!(three.text(), "three");
    assert!(two.leaves().await);
    let rest = house.next().await;
    assert_eq!((rest.text().as_str(), rest.attempt.part.seq, &rest.channel), ("long", 2, &own));
    assert!(three.leaves().await && rest.leaves().await);
    house.close().await;
}

#[tokio::test]
async fn what_was_taken_back_while_it_was_held_does_not_leave() {
    let mut house = House::open(1).await;
    house.queue(Lane::Login, "first", 1).await;
    let first = house.next().await;
    let withdrawn = house.queue(Lane::Login, "withdrawn", 1).await;
    house.held(withdrawn).await;
    house.store.withdraw(withdrawn, None, clock::wall()).await.unwrap();
    assert!(first.leaves().await);
    let second = house.next().await;
    assert_eq!(second.text(), "withdrawn", "the dispatcher cannot know");
    assert!(!second.leaves().await, "its row is refused");
    house.queue(Lane::Bulk, "next", 1).await;
    assert!(house.next().await.leaves().await);
    let record = house.store.message(withdrawn).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts.len()), (State::Withdrawn, 0));
    house.close().await;
}

#[tokio::test]
async fn nothing_leaves_after_its_deadline() {
    let mut house = House::open(1).await;
    house.queue(Lane::Bulk, "first", 1).await;
    let first = house.next().await;
    let mut late = house.message(Lane::Login, "late", 1);
    late.deadline = clock::wall().plus(Duration::from_millis(500));
    let deadline = late.deadline;
    let late = house.accept(late).await;
    house.held(late).await;
    tokio::time::sleep(deadline.since(clock::wall())).await;
    house.queue(Lane::Bulk, "next", 1).await;
    assert!(first.leaves().await);
    let next = house.next().await;
    assert_eq!(next.text(), "next");
    house.rests(late, State::Expired).await;
    assert!(next.leaves().await);
    house.close().await;
}

#[tokio::test]
async fn a_bad_number_does_not_hold_the_line() {
    let mut house = House::open(1).await;
    let bad = house.queue(Lane::Login, "bad", 1).await;
    let busy = house.queue(Lane::Login, "busy", 1).await;
    house.queue(Lane::Bulk, "good", 1).await;
    let sent = house.next().await;
    assert_eq!(sent.text(), "bad");
    sent.refused(Disposition::Permanent).await;
    let sent = house.next().await;
    assert_eq!(sent.text(), "busy");
    sent.refused(Disposition::RetryLater).await;
    let sent = house.next().await;
    assert_eq!(sent.text(), "good", "what is to be tried later waits beside the line");
    assert!(sent.leaves().await);
    house.rests(bad, State::Failed).await;
    let again = house.next().await;
    assert_eq!(again.text(), "busy");
    assert!(again.leaves().await);
    house.rests(busy, State::Submitted).await;
    house.close().await;
}
