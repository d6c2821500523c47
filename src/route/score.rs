//! How good a channel has been lately: exponentially weighted means of how long the network took and how often it did not.

use std::time::Duration;

/// The weight of the newest attempt, one in so many: a channel that turned bad is known within a dozen messages, and one bad
/// answer does not condemn it.
const MEMORY: f32 = 8.0;
/// An answer that takes so long halves the score; usual ones take two to five seconds.
const SLOW: f32 = 10.0;

/// The record of one channel.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Score {
    /// Share of failed attempts, 0..=1.
    failing: f32,
    /// From the beginning of an attempt to the network's answer, seconds.
    took: Option<f32>,
}

impl Score {
    /// The network took a message after so long.
    pub fn took(&mut self, took: Duration) {
        self.failing -= self.failing / MEMORY;
        let took = took.as_secs_f32();
        let mean = self.took.get_or_insert(took);
        *mean += (took - *mean) / MEMORY;
    }

    /// An attempt failed by the channel's fault, or no report came of it.
    pub fn failed(&mut self) {
        self.failing += (1.0 - self.failing) / MEMORY;
    }

    /// From the beginning of an attempt to the answer, in the mean; `None` while nothing was taken.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.took.map(|took| Duration::from_secs_f32(took.max(0.0)))
    }

    /// Share of failed attempts, thousandths.
    #[must_use]
    pub fn failing(&self) -> u16 {
        thousandths(self.failing)
    }

    /// The score, 1..=1000: the share of good attempts, less for a slow channel. One of which nothing is known is a good one.
    #[must_use]
    pub fn points(&self) -> u16 {
        let slow = self.took.map_or(1.0, |took| SLOW / (SLOW + took));
        thousandths((1.0 - self.failing) * slow).max(1)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped before")]
fn thousandths(share: f32) -> u16 {
    (share.clamp(0.0, 1.0) * 1000.0) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fast_channel_is_better_than_a_slow_one_and_both_than_a_failing_one() {
        let [mut fast, mut slow, mut failing] = [Score::default(); 3];
        assert_eq!(fast.points(), 1000);
        for _ in 0..50 {
            fast.took(Duration::from_secs(2));
            slow.took(Duration::from_secs(20));
            failing.took(Duration::from_secs(2));
            failing.failed();
            failing.failed();
        }
        assert!(fast.points() > slow.points() && slow.points() > failing.points());
        assert_eq!(fast.latency().map(|latency| latency.as_secs()), Some(2));
        for _ in 0..50 {
            failing.took(Duration::from_secs(2));
        }
        assert!(failing.points() > slow.points(), "what is over is forgotten");
    }

    proptest! {
        #[test]
        fn points_stay_in_their_range(events in prop::collection::vec(prop::option::of(0_u64..100_000), 0..100)) {
            let mut score = Score::default();
            for event in events {
                match event {
                    Some(took) => score.took(Duration::from_millis(took)),
                    None => score.failed(),
                }
                prop_assert!((1..=1000).contains(&score.points()) && score.failing() <= 1000);
            }
        }
    }
}
