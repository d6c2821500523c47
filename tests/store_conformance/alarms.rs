//! What every engine must do with alarms.

use std::time::Duration;

use smsotpd::alarm::{Alarm, AlarmKind, Severity};
use smsotpd::clock;
use smsotpd::store::*;

const MODEM: &str = "490154203237518";

fn alarm(kind: AlarmKind, subject: &str, cause: &str) -> Alarm {
    Alarm { kind, subject: subject.to_owned(), cause: cause.to_owned() }
}

pub(crate) async fn an_alarm_stands_once_and_is_told_again(store: impl Operations) {
    let (now, locked) = (clock::wall(), alarm(AlarmKind::SimLocked, MODEM, "wants its PUK"));
    let first = store.raise_alarm(locked.clone(), now).await.unwrap();
    assert!(first.news);
    let later = now.plus(Duration::from_secs(3600));
    let again = alarm(AlarmKind::SimLocked, MODEM, "refused its PIN");
    assert_eq!(store.raise_alarm(again, later).await.unwrap(), Raised { news: false, ..first });
    let record = store.alarms(Alarms::Open).await.unwrap().remove(0);
    assert_eq!((record.id, record.kind.as_str(), record.subject.as_str()), (first.id, "sim-locked", MODEM));
    assert_eq!((record.raised, record.seen, record.count, record.cleared), (now, later, 2, None));
    assert_eq!((record.cause.as_str(), record.severity), ("refused its PIN", Severity::Critical));
    assert_eq!(record.remedy, AlarmKind::SimLocked.remedy());

    let elsewhere = store.raise_alarm(alarm(AlarmKind::SimLocked, "modem1", "x"), now).await.unwrap();
    let another = store.raise_alarm(alarm(AlarmKind::ModemLost, MODEM, "x"), now).await.unwrap();
    assert!(elsewhere.news && another.news);
    assert_eq!(store.alarms(Alarms::Open).await.unwrap().len(), 3);
}

pub(crate) async fn a_cleared_alarm_is_over_and_soon_after_the_same_again(store: impl Operations) {
    let (now, locked) = (clock::wall(), alarm(AlarmKind::PortLocked, "modem0", "in use by cat"));
    let first = store.raise_alarm(locked.clone(), now).await.unwrap();
    assert!(store.clear_alarm(first.id, now).await.unwrap());
    assert!(!store.clear_alarm(first.id, now).await.unwrap(), "it was cleared before");
    assert!(!store.clear_alarm(AlarmId(first.id.0 + 1), now).await.unwrap(), "there is none");
    assert_eq!(store.alarms(Alarms::Open).await.unwrap(), []);
    assert_eq!(store.alarms(Alarms::All).await.unwrap()[0].cleared, Some(now));

    let soon = now.plus(ALARM_AGAIN).minus(Duration::from_millis(1));
    assert_eq!(store.raise_alarm(locked.clone(), soon).await.unwrap(), first, "the same one, and news");
    let record = store.alarms(Alarms::Open).await.unwrap().remove(0);
    assert_eq!((record.raised, record.seen, record.count), (now, soon, 2));
    assert!(store.clear_alarm(first.id, soon).await.unwrap());
    let fresh = store.raise_alarm(locked, soon.plus(ALARM_AGAIN)).await.unwrap();
    assert!(fresh.news && fresh.id != first.id);
    let all = store.alarms(Alarms::All).await.unwrap();
    assert_eq!(
        all.iter().map(|record| record.id).collect::<Vec<_>>(),
        [fresh.id, first.id],
        "open ones first"
    );
}

pub(crate) async fn cleared_alarms_are_purged_and_open_ones_kept(store: impl Operations) {
    let now = clock::wall();
    let cleared = store.raise_alarm(alarm(AlarmKind::ModemLost, MODEM, "x"), now).await.unwrap();
    let open = store.raise_alarm(alarm(AlarmKind::ModemStuck, MODEM, "x"), now).await.unwrap();
    store.clear_alarm(cleared.id, now).await.unwrap();
    store.sweep(now.plus(ALARM_KEPT), Duration::MAX).await.unwrap();
    assert_eq!(store.alarms(Alarms::All).await.unwrap().len(), 2);
    store.sweep(now.plus(ALARM_KEPT + Duration::from_millis(1)), Duration::MAX).await.unwrap();
    let left = store.alarms(Alarms::All).await.unwrap();
    assert_eq!(left.iter().map(|record| record.id).collect::<Vec<_>>(), [open.id]);
}
