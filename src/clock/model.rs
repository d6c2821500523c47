//! Which time it is at a start, and what becomes of life times that were stored before: a pure decision over two clocks.
//!
//! ```text
//! the same boot   CLOCK_BOOTTIME went on meanwhile, so every life time is known to the millisecond; where the wall clock was
//!                 set since, the stored times move with it
//! another boot    only the wall clock says how long the machine was off: trusted if it is synchronised and not before the
//!                 newest stored time
//! ```
//!
//! While it is not trusted, challenges and login messages of before end, and alerts and bulk of before wait. The wait ends when the clock
//! is synchronised; or after [`PATIENCE`], for a site without a time service must not wait for ever: then the clock is taken as it is
//! unless it is behind, in which case nobody will ever know and what waits ends.

use std::time::Duration;

use crate::units::UnixMs;

/// A smaller step is nobody's business: a leap second, or what the first answer of a time server corrects.
pub const TOLERANCE: Duration = Duration::from_secs(2);
/// A time service that has not set the clock within this will not.
pub const PATIENCE: Duration = Duration::from_secs(3_600);

/// One look at the clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The name of the boot; empty if it has none, and then it is not the same as any other.
    pub boot: String,
    /// `CLOCK_BOOTTIME`, ms.
    pub boottime: i64,
    /// What the wall clock is set to.
    pub set: UnixMs,
    /// A time service vouches for it.
    pub synchronised: bool,
}

/// What the store remembers of the clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The boot.
    pub boot: String,
    /// What its wall time was ahead of `CLOCK_BOOTTIME`, ms.
    pub ahead: i64,
    /// What the wall clock was set ahead of that when somebody looked last, ms.
    pub apart: i64,
    /// The newest stored time.
    pub newest: UnixMs,
    /// Since when, in ms of `CLOCK_BOOTTIME`, the clock is not trusted; `None` if it is.
    pub doubted: Option<i64>,
}

/// The time of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// What wall time is ahead of `CLOCK_BOOTTIME`, ms.
    pub ahead: i64,
    /// Since when, in ms of `CLOCK_BOOTTIME`, the clock is not trusted; `None` if it is.
    pub doubted: Option<i64>,
}

/// What becomes of stored life times, after all have been moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lives {
    /// They go on; what waits for the clock waits on.
    GoOn,
    /// Challenges and login messages end, alerts and bulk wait for the clock.
    Wait,
    /// What waits for the clock goes on.
    Resume,
    /// What waits for the clock ends: its deadline cannot be known any more.
    Lost,
}

/// How a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// Its time.
    pub model: Model,
    /// Milliseconds by which stored life times move, but for those that wait for the clock.
    pub moved: i64,
    /// What becomes of them.
    pub lives: Lives,
}

impl Model {
    /// Wall time at this `CLOCK_BOOTTIME`.
    #[must_use]
    pub fn now(&self, boottime: i64) -> UnixMs {
        UnixMs(boottime.saturating_add(self.ahead))
    }
}

/// Decides how a run begins, or how it goes on for one that waits for the clock.
#[must_use]
pub fn begin(remembered: Option<&Remembered>, reading: &Reading) -> Begin {
    let as_set = reading.set.0.saturating_sub(reading.boottime);
    let Some(before) = remembered else {
        return Begin { model: Model { ahead: as_set, doubted: None }, moved: 0, lives: Lives::GoOn };
    };
    if before.boot == reading.boot && !before.boot.is_empty() {
        same_boot(before, reading, as_set)
    } else {
        other_boot(before, reading, as_set)
    }
}

fn same_boot(before: &Remembered, reading: &Reading, as_set: i64) -> Begin {
    let waited = before.doubted.map(|since| reading.boottime.saturating_sub(since));
    let behind = as_set < before.ahead.saturating_sub(millis(TOLERANCE));
    let lives = match waited {
        None => Lives::GoOn,
        Some(_) if reading.synchronised => Lives::Resume,
        Some(waited) if waited < millis(PATIENCE) => {
            let model = Model { ahead: before.ahead, doubted: before.doubted };
            return Begin { model, moved: 0, lives: Lives::GoOn };
        }
        Some(_) if behind => {
            let model = Model { ahead: before.ahead, doubted: None };
            return Begin { model, moved: 0, lives: Lives::Lost };
        }
        Some(_) => Lives::Resume,
    };
    let moved = step(as_set.saturating_sub(before.ahead));
    Begin { model: Model { ahead: before.ahead.saturating_add(moved), doubted: None }, moved, lives }
}

fn other_boot(before: &Remembered, reading: &Reading, as_set: i64) -> Begin {
    let moved = step(before.apart);
    let newest = before.newest.0.saturating_add(moved);
    if reading.synchronised && reading.set.0 >= newest {
        let lives = if before.doubted.is_some() { Lives::Resume } else { Lives::GoOn };
        return Begin { model: Model { ahead: as_set, doubted: None }, moved, lives };
    }
    // Time never goes back behind what is stored: ids and listings keep their order.
    let ahead = reading.set.0.max(newest).saturating_sub(reading.boottime);
    Begin { model: Model { ahead, doubted: Some(reading.boottime) }, moved, lives: Lives::Wait }
}

/// The step, if it is one.
fn step(apart: i64) -> i64 {
    if apart.unsigned_abs() < TOLERANCE.as_millis() as u64 { 0 } else { apart }
}

fn millis(of: Duration) -> i64 {
    i64::try_from(of.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400_000;
    const NOON: i64 = 1_795_000_000_000;

    fn reading(boot: &str, boottime: i64, set: i64, synchronised: bool) -> Reading {
        Reading { boot: boot.to_owned(), boottime, set: UnixMs(set), synchronised }
    }

    fn remembered(ahead: i64, newest: i64) -> Remembered {
        Remembered { boot: "a".to_owned(), ahead, apart: 0, newest: UnixMs(newest), doubted: None }
    }

    #[test]
    fn a_new_store_takes_the_clock_as_it_is() {
        let begun = begin(None, &reading("a", 5_000, NOON, false));
        assert_eq!(begun.model.now(5_000), UnixMs(NOON));
        assert_eq!((begun.model.doubted, begun.lives, begun.moved), (None, Lives::GoOn, 0));
    }

    #[test]
    fn another_boot_is_trusted_when_it_is_synchronised_and_not_behind() {
        let before = remembered(NOON, NOON + DAY);
        let lives = |set, synchronised| begin(Some(&before), &reading("b", 1, set, synchronised)).lives;
        assert_eq!(lives(NOON + DAY, true), Lives::GoOn);
        assert_eq!(lives(NOON + DAY, false), Lives::Wait);
        assert_eq!(lives(NOON + DAY - 1, true), Lives::Wait);
        let nameless = Remembered { boot: String::new(), ..before };
        assert_eq!(begin(Some(&nameless), &reading("", 1, NOON + DAY, false)).lives, Lives::Wait);
    }

    #[test]
    fn a_wait_ends_with_synchronisation_or_with_patience() {
        let before = Remembered { doubted: Some(1_000), ..remembered(NOON, NOON) };
        let patience = millis(PATIENCE);
        let look = |waited: i64, step: i64, synchronised| {
            let boottime = 1_000 + waited;
            begin(Some(&before), &reading("a", boottime, NOON + boottime + step, synchronised))
        };
        assert_eq!(look(1, 0, false).model.doubted, Some(1_000));
        assert_eq!((look(1, DAY, true).lives, look(1, DAY, true).moved), (Lives::Resume, DAY));
        assert_eq!(look(1, -DAY, true).moved, -DAY);
        assert_eq!(look(patience, 0, false).lives, Lives::Resume);
        assert_eq!(look(patience, -DAY, false).lives, Lives::Lost);
        assert_eq!(look(patience, -DAY, false).moved, 0);
    }

    #[test]
    fn a_step_that_was_never_taken_over_is_known_in_the_next_boot() {
        let before = Remembered { apart: DAY, ..remembered(NOON, NOON) };
        let begun = begin(Some(&before), &reading("b", 1, NOON + DAY, true));
        assert_eq!((begun.lives, begun.moved), (Lives::GoOn, DAY));
    }

    proptest! {
        /// However the wall clock is set between two starts of one boot, what was left of a life is left of it.
        #[test]
        fn what_is_left_of_a_life_survives_every_step(
            steps in proptest::collection::vec((-400 * DAY..400 * DAY, 0..DAY, any::<bool>()), 1..20),
            deadline in NOON..NOON + 10 * DAY,
            doubted in proptest::option::of(0..DAY),
        ) {
            let mut known = Remembered { doubted, ..remembered(NOON, NOON) };
            let (mut boottime, mut deadline) = (0_i64, deadline);
            for (step, later, synchronised) in steps {
                boottime += later;
                let left = deadline - known.ahead - boottime;
                let begun = begin(Some(&known), &reading("a", boottime, NOON + boottime + step, synchronised));
                deadline += begun.moved;
                prop_assert_eq!(deadline - begun.model.now(boottime).0, left);
                prop_assert!(known.doubted.is_some() || begun.model.doubted.is_none());
                known.ahead = begun.model.ahead;
                known.doubted = begun.model.doubted;
            }
        }

        /// In no boot does time begin before what is stored.
        #[test]
        fn time_never_begins_before_what_is_stored(
            set in 0..2 * NOON, newest in 0..2 * NOON, apart in -DAY..DAY, synchronised in any::<bool>(), boottime in 0..DAY,
        ) {
            let before = Remembered { apart, ..remembered(0, newest) };
            let begun = begin(Some(&before), &reading("b", boottime, set, synchronised));
            prop_assert!(begun.model.now(boottime).0 >= newest + begun.moved);
            prop_assert_eq!(begun.model.doubted.is_some(), begun.lives == Lives::Wait);
        }
    }
}
