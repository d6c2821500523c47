//! What happens to a message after an attempt: one pure function from the outcome to the next state.
//!
//! The lane decides what "uncertain" means: a login code may go once more while its challenge lives (the same code, so a
//! second copy hurts nobody), a bulk message is never repeated once Ctrl-Z has left.

use std::time::Duration;

use crate::queue::life::Actor;
use crate::queue::message::{Lane, State};
use crate::units::UnixMs;

/// What a refusal means for the message and for the channel that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The network is busy or the destination is full: the same way, later.
    RetryLater,
    /// This way refuses, another may not.
    NextRoute,
    /// No way will ever take it: the number is barred, the PDU is wrong.
    Permanent,
    /// The modem or the SIM is at fault, not the message.
    ChannelFault,
}

/// What an attempt came to, as far as the queue cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Taken by the network.
    Submitted,
    /// Certainly not taken.
    Refused(Disposition),
    /// It may have left.
    Uncertain,
}

/// What the rules need to know of the message.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Its lane.
    pub lane: Lane,
    /// It must not leave after this.
    pub deadline: UnixMs,
    /// Attempts so far that ended in a refusal, this one included.
    pub refusals: u32,
    /// Segments that ended uncertain so far, this one included.
    pub uncertain: u32,
    /// Segments still to go after this one.
    pub remaining: u8,
}

/// What becomes of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next segment follows under the same lease.
    Continue,
    /// It rests here.
    Rest(State),
    /// Back to the queue, due then.
    Retry(UnixMs),
}

/// Where a message stays, with the times that bound its stay.
#[derive(Debug, Clone, Copy)]
pub struct Stay {
    /// Its state.
    pub state: State,
    /// A handset report is wanted.
    pub report: bool,
    /// Since when it is there.
    pub changed: UnixMs,
    /// It must not leave after this.
    pub deadline: UnixMs,
    /// When its lease lapses.
    pub lease_until: UnixMs,
}

/// Who moves a message next, and until when at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenure {
    /// Who.
    pub owner: Actor,
    /// Until when; what is then is told in [`message`](super::message).
    pub until: UnixMs,
}

/// A service centre tries until the end of TP-VP, which is the message's deadline, and then reports that it gave up; what does not
/// come within this any more is lost. It is counted if it comes after all.
const REPORT_LASTS: Duration = Duration::from_secs(3600);
/// An attempt in doubt is settled only by what comes within this after it began: later it is more likely another message's.
pub const DOUBT_LASTS: Duration = Duration::from_secs(3600);

/// Who moves the message next; `None` where it has come to rest.
#[must_use]
pub fn tenure(stay: Stay, now: UnixMs) -> Option<Tenure> {
    let by_us = |until| Tenure { owner: if now < until { Actor::Dispatcher } else { Actor::Janitor }, until };
    let by_network = |until| (now < until).then_some(Tenure { owner: Actor::Network, until });
    match stay.state {
        State::Queued => Some(by_us(stay.deadline)),
        State::Leased => Some(by_us(stay.lease_until)),
        State::Submitted if stay.report => by_network(stay.deadline.max(stay.changed).plus(REPORT_LASTS)),
        State::Uncertain => by_network(stay.changed.plus(DOUBT_LASTS)),
        State::Submitted | State::Delivered | State::Failed | State::Expired | State::Withdrawn => None,
    }
}

/// A login waits for seconds, so its first pause is short; TS 24.011 RP timers make less than this pointless.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Pauses double up to this: a network that is out for an hour should not be asked every second.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A message that was refused this often is not taken by asking again.
const MOST_REFUSALS: u32 = 12;
/// A login code goes at most once more after an uncertain end.
const MOST_UNCERTAIN_LOGIN: u32 = 1;

/// The state after an attempt. `jitter` is 0..=255, drawn by the caller, and spreads retries over a quarter of the pause.
#[must_use]
pub fn after_attempt(ended: Ended, standing: Standing, now: UnixMs, jitter: u8) -> Next {
    match ended {
        Ended::Submitted if standing.remaining > 0 => Next::Continue,
        // A segment whose doubt was not resolved by repeating it.
        Ended::Submitted if standing.uncertain > repeats(standing.lane) => Next::Rest(State::Uncertain),
        Ended::Submitted => Next::Rest(State::Submitted),
        Ended::Refused(Disposition::Permanent) => Next::Rest(State::Failed),
        Ended::Refused(_) if standing.refusals >= MOST_REFUSALS => Next::Rest(State::Failed),
        Ended::Refused(disposition) => {
            retry(standing, now.plus(pause(disposition, standing.refusals, jitter)), State::Expired)
        }
        Ended::Uncertain if repeatable(standing) => retry(standing, now, State::Uncertain),
        Ended::Uncertain if standing.remaining > 0 => Next::Continue,
        Ended::Uncertain => Next::Rest(State::Uncertain),
    }
}

/// Whether an uncertain segment may go again: only where a second copy is harmless, and only once.
fn repeatable(standing: Standing) -> bool {
    standing.uncertain <= repeats(standing.lane)
}

/// Doubts of one message that are resolved by repeating.
fn repeats(lane: Lane) -> u32 {
    if lane == Lane::Bulk { 0 } else { MOST_UNCERTAIN_LOGIN }
}

fn retry(standing: Standing, due: UnixMs, too_late: State) -> Next {
    if due < standing.deadline { Next::Retry(due) } else { Next::Rest(too_late) }
}

fn pause(disposition: Disposition, refusals: u32, jitter: u8) -> Duration {
    if matches!(disposition, Disposition::NextRoute | Disposition::ChannelFault) && refusals <= 1 {
        return Duration::ZERO;
    }
    let doubled = FIRST_PAUSE.saturating_mul(1 << refusals.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    doubled + doubled.mul_f32(f32::from(jitter) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_000_000);

    fn standing(lane: Lane) -> Standing {
        Standing { lane, deadline: UnixMs(NOW.0 + 60_000), refusals: 0, uncertain: 0, remaining: 0 }
    }

    #[test]
    fn a_bulk_message_in_doubt_is_never_repeated() {
        let bulk = Standing { uncertain: 1, ..standing(Lane::Bulk) };
        assert_eq!(after_attempt(Ended::Uncertain, bulk, NOW, 0), Next::Rest(State::Uncertain));
        let more = Standing { remaining: 1, ..bulk };
        assert_eq!(after_attempt(Ended::Uncertain, more, NOW, 0), Next::Continue);
        assert_eq!(after_attempt(Ended::Submitted, bulk, NOW, 0), Next::Rest(State::Uncertain));
    }

    #[test]
    fn a_login_in_doubt_goes_once_more_while_it_lives() {
        let once = Standing { uncertain: 1, ..standing(Lane::Login) };
        assert_eq!(after_attempt(Ended::Uncertain, once, NOW, 0), Next::Retry(NOW));
        let twice = Standing { uncertain: 2, ..once };
        assert_eq!(after_attempt(Ended::Uncertain, twice, NOW, 0), Next::Rest(State::Uncertain));
        let late = Standing { deadline: NOW, ..once };
        assert_eq!(after_attempt(Ended::Uncertain, late, NOW, 0), Next::Rest(State::Uncertain));
    }

    #[test]
    fn a_login_with_a_segment_in_doubt_is_not_submitted() {
        let once = Standing { uncertain: 1, ..standing(Lane::Login) };
        assert_eq!(after_attempt(Ended::Submitted, once, NOW, 0), Next::Rest(State::Submitted), "repeated");
        let twice = Standing { uncertain: 2, remaining: 1, ..once };
        assert_eq!(after_attempt(Ended::Uncertain, twice, NOW, 0), Next::Continue);
        let rest = Standing { remaining: 0, ..twice };
        assert_eq!(after_attempt(Ended::Submitted, rest, NOW, 0), Next::Rest(State::Uncertain));
    }

    #[test]
    fn every_state_has_an_owner_until_it_rests() {
        let minute = Duration::from_secs(60);
        let (deadline, lease_until) = (NOW.plus(minute), NOW.plus(minute * 5));
        for state in State::ALL {
            let stay = Stay { state, report: true, changed: NOW, deadline, lease_until };
            let (owner, until) = match state {
                State::Queued => (Actor::Dispatcher, deadline),
                State::Leased => (Actor::Dispatcher, lease_until),
                State::Submitted => (Actor::Network, deadline.plus(REPORT_LASTS)),
                State::Uncertain => (Actor::Network, NOW.plus(DOUBT_LASTS)),
                State::Delivered | State::Failed | State::Expired | State::Withdrawn => {
                    assert_eq!(tenure(stay, NOW), None);
                    continue;
                }
            };
            assert_eq!(tenure(stay, NOW), Some(Tenure { owner, until }), "{state}");
            let after = (owner == Actor::Dispatcher).then_some(Tenure { owner: Actor::Janitor, until });
            assert_eq!(tenure(stay, until), after, "{state}");
            let unasked = tenure(Stay { report: false, ..stay }, NOW).is_none();
            assert_eq!(unasked, state == State::Submitted, "{state}");
        }
    }

    #[test]
    fn refusals_pause_longer_and_end() {
        let mut last = NOW;
        let far = UnixMs(i64::MAX);
        for refusals in 1..MOST_REFUSALS {
            let s = Standing { refusals, deadline: far, ..standing(Lane::Bulk) };
            let Next::Retry(due) = after_attempt(Ended::Refused(Disposition::RetryLater), s, NOW, 0) else {
                panic!("refusal {refusals} is not the last")
            };
            assert!(due >= last, "pauses never shrink");
            last = due;
        }
        assert_eq!(last, NOW.plus(LONGEST_PAUSE));
        let last = Standing { refusals: MOST_REFUSALS, deadline: far, ..standing(Lane::Bulk) };
        assert_eq!(
            after_attempt(Ended::Refused(Disposition::RetryLater), last, NOW, 0),
            Next::Rest(State::Failed)
        );
    }

    #[test]
    fn a_permanent_refusal_fails_at_once_and_a_late_one_expires() {
        let s = Standing { refusals: 1, ..standing(Lane::Login) };
        assert_eq!(
            after_attempt(Ended::Refused(Disposition::Permanent), s, NOW, 0),
            Next::Rest(State::Failed)
        );
        let late = Standing { deadline: UnixMs(NOW.0 + 1), ..s };
        assert_eq!(
            after_attempt(Ended::Refused(Disposition::RetryLater), late, NOW, 0),
            Next::Rest(State::Expired)
        );
    }

    #[test]
    fn another_way_is_tried_at_once() {
        let s = Standing { refusals: 1, ..standing(Lane::Login) };
        assert_eq!(after_attempt(Ended::Refused(Disposition::NextRoute), s, NOW, 9), Next::Retry(NOW));
    }
}
