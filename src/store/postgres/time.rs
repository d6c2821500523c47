//! One clock for all appliances: the database's.
//!
//! Whoever calls an operation lives by the wall clock of his own appliance, and so do the records he gets; the rows hold the time of
//! the server. Each transaction reads the server's clock once and learns how far it is from the monotonic clock here. Each job carries
//! both clocks of the moment at which it was handed in, so its times are shifted by what lay between the clocks *then*: a wall
//! clock that jumps in mid-run moves no deadline.

use std::cell::Cell;
use std::time::Instant;

use crate::clock;
use crate::units::UnixMs;

/// Clocks that differ by less count as one: that much is the way to the server and back, and NTP keeps closer.
const SLACK: i64 = 250;

/// Both clocks of this appliance at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    wall: UnixMs,
    steady: Instant,
}

impl Stamp {
    pub(super) fn now() -> Self {
        Self { wall: clock::wall(), steady: clock::monotonic() }
    }
}

/// What is known of the server's clock.
#[derive(Debug)]
pub(super) struct Times {
    base: Instant,
    /// Server time at `base`, in milliseconds since 1970.
    server: Cell<i64>,
    /// Server time less wall time, as used at present.
    shift: Cell<i64>,
}

impl Times {
    /// Until the server is asked, its clock is taken for ours.
    pub(super) fn new() -> Self {
        Self { base: clock::monotonic(), server: Cell::new(clock::wall().0), shift: Cell::new(0) }
    }

    /// The server has just told its time.
    pub(super) fn learn(&self, server: UnixMs) {
        let now = Stamp::now();
        self.server.set(server.0.saturating_sub(self.steady(now.steady)));
        self.shift.set(self.shift(now));
    }

    /// The server's time now, by our monotonic clock.
    pub(super) fn server(&self) -> UnixMs {
        UnixMs(self.server.get().saturating_add(self.steady(clock::monotonic())))
    }

    /// What is to be added to a caller's time of that moment to make it the server's.
    pub(super) fn shift(&self, stamp: Stamp) -> i64 {
        let server = self.server.get().saturating_add(self.steady(stamp.steady));
        let found = server.saturating_sub(stamp.wall.0);
        let used = self.shift.get();
        if found.abs_diff(used) > SLACK.unsigned_abs() { found } else { used }
    }

    fn steady(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.base).as_millis()).unwrap_or(i64::MAX)
    }
}

/// A caller's time as the server's.
pub(super) fn shifted(at: UnixMs, shift: i64) -> i64 {
    at.0.saturating_add(shift)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_little_difference_is_none_and_a_jump_is_undone() {
        let times = Times::new();
        let now = Stamp::now();
        times.learn(UnixMs(now.wall.0 + SLACK / 2));
        assert_eq!(times.shift(now), 0);
        let day = 86_400_000;
        let ahead = Stamp { wall: UnixMs(now.wall.0 + day), ..now };
        let error = times.shift(ahead) + day;
        assert!(error.abs() <= SLACK, "a job after the jump is shifted back, here with an error of {error}");
        assert_eq!(times.shift(now), 0, "one from before it is not");
        times.learn(UnixMs(now.wall.0 + day));
        let later = Stamp {
            steady: now.steady + Duration::from_secs(60),
            wall: now.wall.plus(Duration::from_secs(60)),
        };
        assert!(times.shift(later).abs_diff(day) <= SLACK.unsigned_abs());
    }
}
