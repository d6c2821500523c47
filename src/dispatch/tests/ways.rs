//! Which channel takes what: rules, and breakers that keep messages off a failing one.

use super::*;
use crate::route::Obstacle;
use crate::route::rule::{Named, Rule};

fn only(lane: Lane, channels: &[usize]) -> Rule<Lane> {
    let named = |n: &usize| Named::Channel(channel(*n).0.to_string());
    Rule { prefixes: Vec::new(), lanes: vec![lane], channels: channels.iter().map(named).collect() }
}

#[tokio::test]
async fn rules_order_the_channels_and_keep_messages_off_others() {
    let routes = Rules(vec![only(Lane::Login, &[1, 0]), only(Lane::Bulk, &[0])]);
    let mut house = House::with(3, Settings { login_reserve: 0, routes }).await;
    let to = Number::parse("+491701234567", None).unwrap();
    let outlook = house.pulse.outlook(Some((to, Lane::Login))).await;
    let order: Vec<_> = outlook.channels.iter().map(|seen| (&*seen.channel, seen.obstacle)).collect();
    assert_eq!(order, [("test:1", None), ("test:0", None), ("test:2", Some(Obstacle::Rule))]);
    assert_eq!(outlook.rule, Some(0));
    let mut busy = Vec::new();
    for n in [1, 0] {
        house.queue(Lane::Login, &format!("login {n}"), 1).await;
        let login = house.next().await;
        assert_eq!(login.channel, channel(n), "the best of the free ones");
        busy.push(login);
    }
    // The third channel is free, but neither logins nor bulk have it; an alert, for which there is no rule, does.
    house.queue(Lane::Bulk, "bulk", 1).await;
    house.queue(Lane::Alert, "alert", 1).await;
    let alert = house.next().await;
    assert_eq!((alert.text().as_str(), &alert.channel), ("alert", &channel(2)));
    for sent in busy.into_iter().chain([alert]) {
        assert!(sent.leaves().await);
    }
    assert_eq!(house.next().await.text(), "bulk");
    house.close().await;
}

#[tokio::test]
async fn a_failing_channel_is_left_alone_until_a_login_finds_it_well() {
    let mut house = House::open(1).await;
    for n in 0..5 {
        house.queue(Lane::Bulk, &format!("bulk {n}"), 1).await;
    }
    for _ in 0..5 {
        house.next().await.refused(Disposition::RetryLater).await;
    }
    let open = async {
        loop {
            let seen = house.pulse.outlook(None).await.channels.remove(0);
            if seen.obstacle == Some(Obstacle::Breaker) {
                return seen;
            }
        }
    };
    let seen = tokio::time::timeout(PATIENCE, open).await.expect("it opens");
    assert!(seen.pause.is_some_and(|pause| pause > Duration::from_secs(2)) && seen.score < 1000, "{seen:?}");
    let waits = house.queue(Lane::Bulk, "waits", 1).await;
    house.held(waits).await;
    house.queue(Lane::Login, "login", 1).await;
    let login = house.next().await;
    assert_eq!(login.text(), "login", "there is no other channel, and nothing to lose");
    assert!(login.leaves().await);
    let next = house.next().await;
    assert_eq!(next.text(), "waits", "an answer closes the breaker");
    assert!(next.leaves().await);
    house.close().await;
}

#[tokio::test]
async fn a_login_does_not_go_where_others_failed_while_there_is_a_sound_channel() {
    let routes = Rules(vec![only(Lane::Alert, &[0]), only(Lane::Login, &[0, 1])]);
    let mut house = House::with(2, Settings { login_reserve: 0, routes }).await;
    for n in 0..5 {
        house.queue(Lane::Alert, &format!("alert {n}"), 1).await;
        let sent = house.next().await;
        assert_eq!(sent.channel, channel(0));
        sent.refused(Disposition::ChannelFault).await;
        // A fault of the channel is tried again at once.
        if n < 4 {
            let again = house.next().await;
            again.refused(Disposition::RetryLater).await;
        }
    }
    house.queue(Lane::Login, "one", 1).await;
    let one = house.next().await;
    assert_eq!(one.channel, channel(1), "the rule prefers the other, but that is left alone");
    let two = house.queue(Lane::Login, "two", 1).await;
    house.held(two).await;
    assert!(one.leaves().await);
    let two = house.next().await;
    assert_eq!((two.text().as_str(), &two.channel), ("two", &channel(1)), "it waits for the sound one");
    assert!(two.leaves().await);
    house.close().await;
}
