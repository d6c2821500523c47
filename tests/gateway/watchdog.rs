//! The watchdog is fed while there is progress, and only then.

use crate::rig::{Daemon, Place, logged};

#[test]
fn progress_feeds_the_watchdog_and_a_stuck_store_does_not() {
    let place = Place::new();
    let config = place.configure("");
    let daemon = Daemon::start_with(&place, &config, &[("WATCHDOG_USEC", "600000")]);
    for _ in 0..3 {
        daemon.tells(&place, "WATCHDOG=1");
    }
    let store = rusqlite::Connection::open(place.path().join("store.db")).expect("the store");
    store.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    logged(&place, "the watchdog is not fed");
    store.execute_batch("ROLLBACK").expect("the lock is given back");
    daemon.forget_told();
    for _ in 0..3 {
        daemon.tells(&place, "WATCHDOG=1");
    }
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn without_a_watchdog_nothing_is_told() {
    let place = Place::new();
    let config = place.configure("");
    let daemon = Daemon::start(&place, &config);
    daemon.signal(rustix::process::Signal::HUP);
    assert!(!daemon.tells(&place, "RELOADING=1").contains("WATCHDOG"));
    assert!(!daemon.tells(&place, "READY=1").contains("WATCHDOG"));
}
