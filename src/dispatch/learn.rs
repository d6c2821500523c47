//! What attempts teach about their channels: the score that orders equals, and the breaker that leaves a failing one alone.

use std::time::Instant;

use super::Dispatcher;
use crate::clock;
use crate::provider::{ChannelId, Outcome};
use crate::route::breaker::{Blame, Breaker, Standing};
use crate::route::budget::Recipient;

impl Dispatcher {
    /// Takes in how an attempt to `whom` ended that began then.
    pub(super) fn learn(&mut self, channel: &ChannelId, outcome: &Outcome, whom: Recipient, begun: Instant) {
        let Some(line) = self.lines.get_mut(channel) else { return };
        let now = clock::monotonic();
        match outcome {
            Outcome::Submitted { .. } => {
                line.score.took(now.saturating_duration_since(begun));
                line.breaker.answered();
            }
            Outcome::Refused { blame: Blame::Message, .. } => line.breaker.answered(),
            Outcome::Refused { blame: Blame::Channel, .. } | Outcome::Uncertain { .. } => {
                line.score.failed();
                if let Some(until) = line.breaker.failed(whom, now, fastrand::u8(..)) {
                    let pause = until.saturating_duration_since(now);
                    tracing::warn!(%channel, ?pause, "one message after the other failed there; it is left alone");
                    self.breaker_look = Some(self.breaker_look.map_or(until, |look| look.min(until)));
                }
            }
            Outcome::Refused { blame: Blame::Nobody, .. } | Outcome::Abandoned => {}
        }
    }

    /// Where the breaker of a channel stands.
    pub(super) fn breaker(&self, channel: &ChannelId, now: Instant) -> Standing {
        self.lines.get(channel).map_or(Standing::Closed, |line| line.breaker.standing(now))
    }

    /// Whether the breaker of a channel lets another message go there.
    pub(super) fn is_let(&self, channel: &ChannelId, now: Instant) -> bool {
        match self.breaker(channel, now) {
            Standing::Closed => true,
            Standing::HalfOpen => self.in_flight(channel) == 0,
            Standing::Open(_) => false,
        }
    }

    /// A pause is over; the next one to end is looked for.
    pub(super) fn look_at_breakers(&mut self) {
        let now = clock::monotonic();
        let open = self.lines.values().filter_map(|line| match line.breaker.standing(now) {
            Standing::Open(until) => Some(until),
            Standing::Closed | Standing::HalfOpen => None,
        });
        self.breaker_look = open.min();
    }

    /// A channel that went and comes again was looked at by its own bring-up, which knows more than what is remembered here.
    pub(super) fn forget_breakers_of_absent(&mut self) {
        for (id, line) in &mut self.lines {
            if !self.ready.iter().any(|ready| ready.id == *id) {
                line.breaker = Breaker::default();
            }
        }
    }
}
