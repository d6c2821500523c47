//! A breaker for each channel: one that keeps failing is left alone for growing pauses, then tried with one message.
//!
//! What counts is what the channel or its network did: a modem that gives no answer, a network that refuses. A number that is
//! refused says nothing about the channel but that it answers; and as not every cause tells whose fault it is, failures to one
//! recipient in a row count once. So one bad number never opens it, however often it is tried.
//!
//! ```text
//! closed --5 failures in a row--> open --pause over--> half-open --an answer--> closed
//!                                   ^----- longer ---------/ a failure
//! ```

use std::time::{Duration, Instant};

use super::budget::Recipient;

/// Failures in a row that open it: fewer happen to healthy modems on a bad day, more cost a login its time.
const FAILURES: u32 = 5;
/// The first pause; a network that was busy for a moment is not given up for longer.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Pauses double up to this: when the network is back, nobody should wait much longer for the daemon to notice.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Who is to blame that an attempt came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The number or the text: the channel answered as it should.
    Message,
    /// The channel or the network behind it.
    Channel,
    /// Neither was asked.
    Nobody,
}

/// One channel's breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row.
    failures: u32,
    /// To whom the last of them was.
    last: Option<Recipient>,
    /// How often it opened since it was last closed.
    opened: u32,
    /// When its pause ends.
    until: Option<Instant>,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Messages go over the channel.
    Closed,
    /// One message at a time may try it.
    HalfOpen,
    /// It is left alone until then.
    Open(Instant),
}

impl Standing {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open(_) => "open",
        }
    }
}

impl Breaker {
    /// Where it stands.
    #[must_use]
    pub fn standing(&self, now: Instant) -> Standing {
        match self.until {
            None => Standing::Closed,
            Some(until) if until <= now => Standing::HalfOpen,
            Some(until) => Standing::Open(until),
        }
    }

    /// The channel answered: it took a message, or said what is wrong with it.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// An attempt to `whom` failed by the channel's fault. `jitter` is 0..=255, drawn by the caller, and spreads the tries of many
    /// channels over a quarter of the pause. Gives the end of the pause if it opens now.
    pub fn failed(&mut self, whom: Recipient, now: Instant, jitter: u8) -> Option<Instant> {
        match self.standing(now) {
            // It began before the pause.
            Standing::Open(_) => return None,
            Standing::Closed => {
                if self.last.replace(whom) != Some(whom) {
                    self.failures += 1;
                }
                if self.failures < FAILURES {
                    return None;
                }
            }
            Standing::HalfOpen => {}
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.opened.min(16)).min(LONGEST_PAUSE);
        self.opened = self.opened.saturating_add(1);
        self.until = now.checked_add(doubled + doubled.mul_f32(f32::from(jitter) / 1024.0));
        self.until
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whom(n: u8) -> Recipient {
        Recipient([n; 16])
    }

    /// Opened at `now` by failures to different people.
    fn opened(now: Instant) -> (Breaker, Instant) {
        let mut breaker = Breaker::default();
        let until = (0..5).filter_map(|n| breaker.failed(whom(n), now, 0)).last();
        (breaker, until.unwrap())
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_an_answer_closes_it() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for n in 0..4 {
            assert_eq!(breaker.failed(whom(n), now, 0), None);
        }
        breaker.answered();
        for n in 0..4 {
            assert_eq!(breaker.failed(whom(n), now, 0), None, "the row began anew");
        }
        assert_eq!(breaker.failed(whom(9), now, 0), Some(now + FIRST_PAUSE));
        assert_eq!(breaker.standing(now), Standing::Open(now + FIRST_PAUSE));
        assert_eq!(breaker.standing(now + FIRST_PAUSE), Standing::HalfOpen);
        breaker.answered();
        assert_eq!(breaker.standing(now), Standing::Closed);
    }

    #[test]
    fn pauses_grow_and_end_growing() {
        let (mut breaker, mut until) = opened(Instant::now());
        let mut last = FIRST_PAUSE;
        for _ in 0..20 {
            let again = breaker.failed(whom(1), until, 0).expect("the probe failed");
            assert!(again - until >= last);
            (last, until) = (again - until, again);
        }
        assert_eq!(last, LONGEST_PAUSE);
    }

    #[test]
    fn what_began_before_the_pause_does_not_make_it_longer() {
        let now = Instant::now();
        let (mut breaker, until) = opened(now);
        assert_eq!(breaker.failed(whom(7), now, 255), None);
        assert_eq!(breaker.standing(now), Standing::Open(until));
    }

    proptest! {
        /// One number never opens it, whatever it does and however long.
        #[test]
        fn one_bad_number_never_opens_it(tries in 1_u64..500, step in 0_u64..100) {
            let now = Instant::now();
            let mut breaker = Breaker::default();
            for n in 0..tries {
                let now = now + Duration::from_secs(n * step);
                prop_assert_eq!(breaker.failed(whom(1), now, 0), None);
                prop_assert_eq!(breaker.standing(now), Standing::Closed);
            }
        }

        /// It is open only in a pause, and no pause is longer than the longest and its jitter.
        #[test]
        fn a_pause_has_an_end(events in prop::collection::vec((any::<bool>(), 0_u8..8, 0_u64..400, any::<u8>()), 0..200)) {
            let mut now = Instant::now();
            let mut breaker = Breaker::default();
            for (answered, who, pause, jitter) in events {
                now += Duration::from_secs(pause);
                if answered {
                    breaker.answered();
                } else {
                    breaker.failed(whom(who), now, jitter);
                }
                if let Standing::Open(until) = breaker.standing(now) {
                    prop_assert!(until - now <= LONGEST_PAUSE + LONGEST_PAUSE / 4);
                }
            }
        }
    }
}
