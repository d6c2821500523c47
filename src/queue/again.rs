//! Whether a message that came to rest may be tried once more because somebody asks for it; pure.
//!
//! What the automatic rules gave up may go again, but never against the promise of its lane: a bulk message in doubt only where
//! the asker takes the second copy upon himself, a login only while its challenge lives.

use std::time::Duration;

use crate::queue::message::{Lane, State};
use crate::units::UnixMs;

/// What the rule needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Rest {
    /// Its lane.
    pub lane: Lane,
    /// Where it rests.
    pub state: State,
    /// Its deadline; that of a login is the end of its challenge.
    pub deadline: UnixMs,
    /// Its challenge was answered.
    pub answered: bool,
}

/// Why it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAgain {
    /// It is under way, arrived, or was taken back.
    State(State),
    /// It is bulk and may have left: a second copy needs force.
    Doubt,
    /// It is a login whose challenge ended or was answered.
    Ended,
    /// Every segment was submitted, or is in a doubt that needs force.
    Nothing,
    /// Its text was erased.
    Erased,
}

/// The deadline of the new try. `lifetime` counts from `now`; a login keeps its own end.
///
/// # Errors
/// Why it may not be tried again.
pub fn again(rest: Rest, lifetime: Duration, force: bool, now: UnixMs) -> Result<UnixMs, NotAgain> {
    match rest.state {
        State::Failed | State::Expired | State::Uncertain => {}
        state => return Err(NotAgain::State(state)),
    }
    match rest.lane {
        Lane::Login if rest.answered || rest.deadline <= now => Err(NotAgain::Ended),
        Lane::Login => Ok(rest.deadline),
        Lane::Bulk if rest.state == State::Uncertain && !force => Err(NotAgain::Doubt),
        Lane::Alert | Lane::Bulk => Ok(now.plus(lifetime)),
    }
}

/// Whether segments in doubt go again, too: always where the lane is at-least-once, else by force.
#[must_use]
pub fn repeats_doubt(lane: Lane, force: bool) -> bool {
    lane != Lane::Bulk || force
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_table() {
        for lane in Lane::ALL {
            for state in State::ALL {
                for (force, answered, late) in (0..8).map(|n| (n & 1 > 0, n & 2 > 0, n & 4 > 0)) {
                    let deadline = UnixMs(if late { NOW.0 } else { NOW.0 + 1 });
                    let got = again(Rest { lane, state, deadline, answered }, HOUR, force, NOW);
                    let rests = matches!(state, State::Failed | State::Expired | State::Uncertain);
                    let want = match lane {
                        _ if !rests => Err(NotAgain::State(state)),
                        Lane::Login if late || answered => Err(NotAgain::Ended),
                        Lane::Login => Ok(deadline),
                        Lane::Bulk if state == State::Uncertain && !force => Err(NotAgain::Doubt),
                        Lane::Alert | Lane::Bulk => Ok(NOW.plus(HOUR)),
                    };
                    assert_eq!(got, want, "{lane} {state} {force} {answered} {late}");
                }
            }
        }
    }
}
