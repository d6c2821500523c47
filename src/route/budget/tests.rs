//! What budgets allow, by examples and against a count by hand.

use proptest::prelude::*;

use super::*;

/// 2026-11-30 23:59:30 UTC: the last minute of a month.
const LATE: UnixMs = UnixMs(1_796_083_170_000);
const WHO: Recipient = Recipient([1; 16]);

fn ask(segments: u32) -> Ask {
    Ask { urgent: false, segments, recipient: WHO }
}

fn account(limits: Limits) -> Account {
    Account::new(limits, Spent::default(), [])
}

#[test]
fn windows_end_with_the_utc_calendar() {
    let now = Windows::at(LATE);
    assert_eq!(now.month, 2026 * 12 + 10);
    let next = UnixMs(LATE.0 + 30_000);
    for full in [Full::Minute, Full::Day, Full::Month, Full::Recipients] {
        assert_eq!(full.until(now), next, "{full:?}");
    }
    let then = Windows::at(next);
    assert_eq!((then.minute, then.day, then.month), (now.minute + 1, now.day + 1, now.month + 1));
    // A year turns like any month.
    assert_eq!(Full::Month.until(Windows { month: 2026 * 12 + 11, ..now }), UnixMs(1_798_761_600_000));
}

#[test]
fn a_full_window_is_free_again_when_it_moves() {
    let now = Windows::at(LATE);
    let later = Windows::at(UnixMs(LATE.0 + 60_000));
    for (limits, full) in [
        (Limits { per_minute: Some(1), ..Limits::default() }, Full::Minute),
        (Limits { per_day: Some(1), ..Limits::default() }, Full::Day),
        (Limits { per_month: Some(1), ..Limits::default() }, Full::Month),
    ] {
        let mut account = account(limits);
        assert_eq!(account.may_begin(&ask(1), 0, now), Ok(()));
        account.begin(WHO, now);
        assert_eq!(account.may_begin(&ask(1), 0, now), Err(full));
        assert_eq!(account.full(now), Some(full));
        assert_eq!(account.may_begin(&ask(1), 0, later), Ok(()));
        assert_eq!(account.full(later), None);
    }
}

#[test]
fn a_login_counts_in_the_minute_but_does_not_wait_for_the_next() {
    let now = Windows::at(LATE);
    let limits = Limits { per_minute: Some(1), per_day: Some(3), ..Limits::default() };
    let mut account = account(limits);
    let login = Ask { urgent: true, ..ask(1) };
    for _ in 0..3 {
        assert_eq!(account.may_begin(&login, 0, now), Ok(()));
        account.begin(WHO, now);
        assert_eq!(account.may_go_on(false, now), account.may_begin(&ask(1), 0, now).is_ok());
        assert!(account.may_go_on(true, now));
    }
    assert_eq!(account.may_begin(&login, 0, now), Err(Full::Day));
}

#[test]
fn a_message_begins_only_if_all_of_it_fits() {
    let now = Windows::at(LATE);
    let account = account(Limits { per_day: Some(4), ..Limits::default() });
    assert_eq!(account.may_begin(&ask(4), 0, now), Ok(()));
    assert_eq!(account.may_begin(&ask(5), 0, now), Err(Full::Day));
    assert_eq!(account.may_begin(&ask(3), 2, now), Err(Full::Day), "two are promised to another");
    assert_eq!(account.full(now), None, "a shorter one would fit");
}

#[test]
fn known_recipients_go_on_when_no_new_one_may() {
    let now = Windows::at(LATE);
    let mut account = account(Limits { recipients: Some(1), ..Limits::default() });
    let other = Ask { recipient: Recipient([2; 16]), ..ask(1) };
    account.begin(WHO, now);
    assert_eq!(account.may_begin(&ask(1), 0, now), Ok(()));
    assert_eq!(account.may_begin(&other, 0, now), Err(Full::Recipients));
    account.take_back(WHO, now);
    assert_eq!(account.may_begin(&other, 0, now), Ok(()), "nothing went to the first one after all");
    account.begin(WHO, now);
    assert_eq!(account.may_begin(&other, 0, Windows::at(UnixMs(LATE.0 + 60_000))), Ok(()));
}

#[test]
fn the_share_is_that_of_the_scarcest_limit() {
    let now = Windows::at(LATE);
    let limits = Limits { per_minute: Some(1), per_day: Some(4), per_month: Some(100), recipients: None };
    let mut account = account(limits);
    assert_eq!((account.share(now), self::account(Limits::default()).share(now)), (1000, 1000));
    account.begin(WHO, now);
    assert_eq!(account.share(now), 750);
    for _ in 0..3 {
        account.begin(WHO, now);
    }
    assert_eq!(account.share(now), 1, "never none, so that a bound message finds it");
}

proptest! {
    /// However attempts begin and come to nothing, in whatever order windows move: never more than the limit stands in a window,
    /// and as much as was taken back may begin again.
    #[test]
    fn no_window_holds_more_than_its_limit(
        steps in proptest::collection::vec((0_i64..40_000, 0_u8..4, any::<bool>()), 1..200),
        per_minute in 1_u32..5,
        per_day in 1_u32..20,
        recipients in 1_u32..3,
    ) {
        let limits = Limits { per_minute: Some(per_minute), per_day: Some(per_day), per_month: None,
            recipients: Some(recipients) };
        let mut account = account(limits);
        let mut standing: Vec<(Windows, Recipient)> = Vec::new();
        let mut at = LATE.0 - 1_000_000;
        for (pause, whom, back) in steps {
            at += pause;
            let now = Windows::at(UnixMs(at));
            if back && let Some((begun, whom)) = standing.pop() {
                account.take_back(whom, begun);
            }
            let recipient = Recipient([whom; 16]);
            let asked = Ask { urgent: false, segments: 1, recipient };
            let in_minute = standing.iter().filter(|(w, _)| w.minute == now.minute).count() as u32;
            let in_day = standing.iter().filter(|(w, _)| w.day == now.day).count() as u32;
            let mut known: Vec<_> =
                standing.iter().filter(|(w, _)| w.month == now.month).map(|(_, r)| r.0).collect();
            known.sort_unstable();
            known.dedup();
            let room = in_minute < per_minute && in_day < per_day
                && ((known.len() as u32) < recipients || known.contains(&recipient.0));
            prop_assert_eq!(account.may_begin(&asked, 0, now).is_ok(), room);
            if room {
                account.begin(recipient, now);
                standing.push((now, recipient));
            }
        }
    }
}
