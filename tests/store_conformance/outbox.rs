//! What lies in the outbox: put in by what it tells of, taken out by one at a time, tried again, given up.

use std::time::Duration;

use smsotpd::alarm::{Alarm, AlarmKind};
use smsotpd::clock;
use smsotpd::queue::callback::{Callback, Report};
use smsotpd::queue::message::{Lane, NewMessage};
use smsotpd::store::{Carried, Event, Operations, OutboxCount, Parcels, Story, Subscription};

use crate::message;

const LATER: Duration = Duration::from_secs(60);

pub(crate) async fn a_story_is_taken_once_until_it_is_due_again(store: impl Operations) {
    let events = vec![Event::AlarmRaised];
    store.subscribe(vec![Subscription { hook: "ops".to_owned(), events }]);
    let now = clock::wall();
    let alarm = Alarm { kind: AlarmKind::ModemLost, subject: "1".to_owned(), cause: "gone".to_owned() };
    let raised = store.raise_alarm(alarm.clone(), now).await.unwrap();
    store.raise_alarm(alarm, now).await.unwrap();
    store.clear_alarm(raised.id, now).await.unwrap();
    let rooms = || vec![("ops".to_owned(), 9), ("other".to_owned(), 9)];
    let take = |at| store.parcels(at, at.plus(LATER), rooms());
    let Parcels { taken, next } = take(now).await.unwrap();
    assert_eq!(taken.len(), 1, "one story, told once: {taken:?}");
    let parcel = &taken[0];
    assert!(matches!(&parcel.content.story, Story::Alarm(rang) if rang.cause == "gone"), "{parcel:?}");
    assert_eq!((parcel.hook.as_str(), parcel.tries, next), ("ops", 1, Some(now.plus(LATER))));
    assert!(take(now).await.unwrap().taken.is_empty(), "it is under way");
    let lost = take(now.plus(LATER)).await.unwrap().taken;
    assert_eq!(
        lost.first().map(|again| (again.id, again.tries)),
        Some((parcel.id, 2)),
        "it was taken for lost"
    );
    let again = Carried::Again(now.plus(LATER * 3), "500".to_owned());
    store.carried(vec![(parcel.id, again)], now).await.unwrap();
    assert!(take(now.plus(LATER * 2)).await.unwrap().taken.is_empty());
    assert_eq!(take(now.plus(LATER * 3)).await.unwrap().taken.len(), 1);
    let waiting = |counts: &[OutboxCount]| {
        counts.iter().map(|count| (count.hook.clone(), count.waiting, count.dead)).collect::<Vec<_>>()
    };
    assert_eq!(waiting(&store.outbox().await.unwrap()), [("ops".to_owned(), 1, 0)]);
    store.recover(now).await.unwrap();
    assert_eq!(take(now).await.unwrap().taken.len(), 1, "after a restart at once");
    store.keep_hooks(vec!["other".to_owned()], now).await.unwrap();
    assert_eq!(waiting(&store.outbox().await.unwrap()), [("ops".to_owned(), 0, 1)]);
    assert!(take(now.plus(LATER * 9)).await.unwrap().taken.is_empty(), "given up");
    store.carried(vec![(parcel.id, Carried::Done)], now).await.unwrap();
    assert!(store.outbox().await.unwrap().is_empty());
}

pub(crate) async fn a_kannel_client_hears_what_its_mask_asks_for(store: impl Operations) {
    let now = clock::wall();
    let callback = |mask| Callback { mask, url: "http://h/%d".into(), from: "f".into(), account: "a".into() };
    let asked = |n, mask| NewMessage { callback: Some(callback(mask)), ..message(Lane::Bulk, n) };
    let (wants, not) = (asked(1, 16), asked(2, 15));
    let ids = [wants.id, not.id];
    store.accept(vec![wants, not, message(Lane::Bulk, 3)]).await.unwrap();
    for id in ids {
        store.withdraw(id, None, now).await.unwrap();
    }
    let taken = store.parcels(now, now.plus(LATER), vec![(String::new(), 9)]).await.unwrap().taken;
    assert_eq!(taken.len(), 1, "the one whose mask has the bit: {taken:?}");
    let parcel = &taken[0];
    assert_eq!(parcel.content.callback, Some((callback(16), Report::Rejected)));
    assert!(matches!(&parcel.content.story, Story::Message(turned) if turned.id == ids[0]), "{parcel:?}");
}
