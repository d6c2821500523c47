//! How much each lane may hold, and when to come again if one is full; pure.
//!
//! An unsent message (queued or leased) takes a place of its lane. A lane that is full refuses, so that a flood of one kind
//! neither fills the disk nor grows a backlog that could not leave before its deadlines; the other lanes notice nothing.

use std::time::Duration;

use crate::queue::message::Lane;
use crate::units::UnixMs;

/// The pace of a lane is measured over so long: a modem takes some seconds for a segment, so less shows only chance.
const WINDOW: Duration = Duration::from_secs(60);
/// A window that is younger says nothing yet.
const YOUNG: Duration = Duration::from_secs(5);
/// To come again sooner only makes work; HTTP tells whole seconds.
const SOONEST: Duration = Duration::from_secs(1);
/// To come again where nothing is known of the pace: a modem makes room for some messages in that time.
const USUAL: Duration = Duration::from_secs(30);
/// Nobody is sent away for longer, even from a lane that stands still: a modem may come back any moment.
const LATEST: Duration = Duration::from_secs(300);

/// One value for each lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerLane<T> {
    /// That of [`Lane::Login`].
    pub login: T,
    /// That of [`Lane::Alert`].
    pub alert: T,
    /// That of [`Lane::Bulk`].
    pub bulk: T,
}

impl<T> PerLane<T> {
    /// That of a lane.
    #[must_use]
    pub fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::Login => &self.login,
            Lane::Alert => &self.alert,
            Lane::Bulk => &self.bulk,
        }
    }

    /// That of a lane, to be changed.
    pub fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Login => &mut self.login,
            Lane::Alert => &mut self.alert,
            Lane::Bulk => &mut self.bulk,
        }
    }
}

impl PerLane<u64> {
    /// How many there are of each lane.
    #[must_use]
    pub fn count(lanes: impl IntoIterator<Item = Lane>) -> Self {
        let mut counted = Self::default();
        lanes.into_iter().for_each(|lane| *counted.of_mut(lane) += 1);
        counted
    }
}

/// A lane has no room for what was asked; nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Which.
    pub lane: Lane,
    /// Unsent messages that it may hold.
    pub most: u64,
    /// When there may be room, 1 s to 5 min from now.
    pub again: Duration,
}

/// What stands between an acceptance and the lanes: their bounds, places that batches in progress have been promised, and how
/// fast each lane empties.
#[derive(Debug, Default)]
pub struct Gate {
    most: PerLane<Option<u64>>,
    promised: PerLane<u64>,
    pace: PerLane<Pace>,
}

impl Gate {
    /// Sets how many unsent messages each lane may hold; `None`: any number. What is held already stays.
    pub fn bound(&mut self, most: PerLane<Option<u64>>) {
        self.most = most;
    }

    /// How many unsent messages each lane may hold.
    #[must_use]
    pub fn bounds(&self) -> PerLane<Option<u64>> {
        self.most
    }

    /// Messages of this lane beyond its bound if `asked` came to the `unsent` that it holds; 0 if they fit.
    #[must_use]
    pub fn beyond(&self, lane: Lane, unsent: u64, asked: u64) -> u64 {
        let wanted = unsent.saturating_add(*self.promised.of(lane)).saturating_add(asked);
        self.most.of(lane).map_or(0, |most| wanted.saturating_sub(most)).min(asked)
    }

    /// Notes that `accepted` messages come to the `unsent` that a lane holds, now.
    pub fn came(&mut self, lane: Lane, unsent: u64, accepted: u64, now: UnixMs) {
        self.pace.of_mut(lane).saw(unsent, accepted, now);
    }

    /// The refusal for `beyond` messages too many.
    pub fn full(&mut self, lane: Lane, unsent: u64, beyond: u64, now: UnixMs) -> Full {
        let pace = self.pace.of_mut(lane);
        pace.saw(unsent, 0, now);
        let again = pace.time_for(beyond, unsent, now);
        Full { lane, most: self.most.of(lane).unwrap_or(u64::MAX), again }
    }

    /// Promises places to the rest of a batch whose beginning was accepted.
    pub fn promise(&mut self, places: &PerLane<u64>) {
        for lane in Lane::ALL {
            let promised = self.promised.of_mut(lane);
            *promised = promised.saturating_add(*places.of(lane));
        }
    }

    /// Takes such a promise back, or notes that it was kept.
    pub fn settle(&mut self, places: &PerLane<u64>) {
        for lane in Lane::ALL {
            let promised = self.promised.of_mut(lane);
            *promised = promised.saturating_sub(*places.of(lane));
        }
    }
}

/// How fast a lane empties: what came and what is there tell what went.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    window: Option<Window>,
    /// What went in the window before, and in what time.
    before: Option<(u64, Duration)>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: UnixMs,
    /// Unsent then.
    unsent: u64,
    /// Accepted since.
    accepted: u64,
}

impl Window {
    fn went(&self, unsent: u64, now: UnixMs) -> (u64, Duration) {
        (self.unsent.saturating_add(self.accepted).saturating_sub(unsent), now.since(self.since))
    }
}

impl Pace {
    fn saw(&mut self, unsent: u64, accepted: u64, now: UnixMs) {
        let window = self.window.get_or_insert(Window { since: now, unsent, accepted: 0 });
        let told = window.went(unsent, now);
        // A clock that was set back would leave the window open for as long.
        if told.1 >= WINDOW || now < window.since {
            self.before = Some(told).filter(|(_, time)| *time >= WINDOW);
            *window = Window { since: now, unsent, accepted: 0 };
        }
        window.accepted = window.accepted.saturating_add(accepted);
    }

    /// How long until so many have gone, at the pace of late.
    fn time_for(&self, messages: u64, unsent: u64, now: UnixMs) -> Duration {
        let current = self.window.map(|window| window.went(unsent, now)).filter(|(_, time)| *time >= YOUNG);
        let Some((went, time)) = current.or(self.before) else { return USUAL };
        if went == 0 {
            return LATEST;
        }
        let millis = time.as_millis().saturating_mul(u128::from(messages)) / u128::from(went);
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).clamp(SOONEST, LATEST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gate(bulk: u64) -> Gate {
        let mut gate = Gate::default();
        gate.bound(PerLane { bulk: Some(bulk), ..PerLane::default() });
        gate
    }

    #[test]
    fn a_full_lane_is_full_for_itself_only() {
        let mut gate = gate(10);
        assert_eq!(gate.beyond(Lane::Bulk, 9, 1), 0);
        assert_eq!(gate.beyond(Lane::Bulk, 10, 1), 1);
        assert_eq!(gate.beyond(Lane::Bulk, 8, 5), 3);
        assert_eq!(gate.beyond(Lane::Login, 1_000_000, 5), 0);
        assert_eq!(gate.beyond(Lane::Bulk, 30, 2), 2, "a bound that was lowered refuses what comes, no more");
        gate.promise(&PerLane { bulk: 4, ..PerLane::default() });
        assert_eq!(gate.beyond(Lane::Bulk, 6, 1), 1);
        gate.settle(&PerLane { bulk: 4, ..PerLane::default() });
        assert_eq!(gate.beyond(Lane::Bulk, 6, 4), 0);
    }

    #[test]
    fn the_pace_of_late_tells_when_to_come_again() {
        let mut gate = gate(100);
        let at = |seconds: i64| UnixMs(1_000_000 + seconds * 1000);
        assert_eq!(gate.full(Lane::Bulk, 100, 1, at(0)).again, USUAL, "nothing is known yet");
        assert_eq!(gate.full(Lane::Bulk, 100, 1, at(30)).again, LATEST, "nothing goes");
        // In a minute 30 went and 20 came: two seconds for each.
        gate.came(Lane::Bulk, 95, 20, at(40));
        assert_eq!(gate.full(Lane::Bulk, 90, 5, at(60)).again, Duration::from_secs(10));
        assert_eq!(gate.full(Lane::Bulk, 90, 1_000, at(61)).again, LATEST);
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew() {
        let mut gate = gate(10);
        gate.came(Lane::Bulk, 5, 5, UnixMs(90_000_000));
        assert_eq!(gate.full(Lane::Bulk, 10, 1, UnixMs(0)).again, USUAL);
        assert_eq!(gate.full(Lane::Bulk, 8, 1, UnixMs(10_000)).again, Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn the_wait_is_bounded(steps in proptest::collection::vec((0u64..200, 0u64..50, -5_000i64..90_000), 1..40)) {
            let mut gate = gate(100);
            let mut now = UnixMs(1_000_000);
            for (unsent, count, step) in steps {
                now = UnixMs(now.0 + step);
                let beyond = gate.beyond(Lane::Bulk, unsent, count);
                prop_assert!(beyond <= count);
                if beyond == 0 {
                    prop_assert!(unsent + count <= 100 || count == 0);
                    gate.came(Lane::Bulk, unsent, count, now);
                } else {
                    let again = gate.full(Lane::Bulk, unsent, beyond, now).again;
                    prop_assert!((SOONEST..=LATEST).contains(&again));
                }
            }
        }
    }
}
