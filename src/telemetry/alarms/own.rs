//! What the daemon sees of itself: whether its queue moves, and whether its store can be written.
//!
//! A queue that is long is no fault: a modem takes seconds for a message, and ten thousand of them wait for hours. It is stuck when its
//! head waits, a channel would take it, and nothing leaves at all.

use std::time::{Duration, Instant};

use crate::alarm::{AlarmKind, Finding, Progress, Sign};

/// Longer than any answer of a network is waited for as a rule (`+CMGS`, 180 s).
const STUCK: Duration = Duration::from_secs(300);
/// A fiftieth of the disk is room enough, within these bounds.
const ROOM_SHARE: u64 = 50;
const ROOM_LEAST: u64 = 32 << 20;
const ROOM_MOST: u64 = 1 << 30;

/// The daemon at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// When.
    pub at: Instant,
    /// For how long the message that has waited longest could have left; `None` if none waits, or that cannot be asked.
    pub waited: Option<Duration>,
    /// Attempts that ended since the daemon started, however.
    pub ended: u64,
    /// Channels that take messages.
    pub ready: usize,
    /// The disk of the store, if it can be asked.
    pub disk: Option<Disk>,
    /// Why the store refused the last write, if it did.
    pub unwritable: Option<String>,
}

/// Octets of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Free for the daemon.
    pub free: u64,
    /// Of so many.
    pub size: u64,
}

/// What was seen before.
#[derive(Debug, Default)]
pub struct Own {
    /// When an attempt ended last, as far as seen, and how many had by then.
    moved: Option<(Instant, u64)>,
}

impl Own {
    /// What is to be said about the queue and the store.
    pub fn findings(&mut self, sight: &Sight) -> Vec<Finding> {
        let store = [store_full(sight), store_unwritable(sight)];
        vec![part("queue", self.queue_stuck(sight).into_iter()), part("store", store.into_iter().flatten())]
    }

    fn queue_stuck(&mut self, sight: &Sight) -> Option<Sign> {
        let since = match self.moved {
            Some((since, ended)) if ended == sight.ended => since,
            _ => sight.at,
        };
        self.moved = Some((since, sight.ended));
        let rests = sight.at.saturating_duration_since(since) >= STUCK;
        let waits = sight.waited.is_some_and(|waited| waited >= STUCK);
        // While no channel is ready there are other alarms, and this one stays as it was.
        Sign::of(AlarmKind::QueueStuck, waits && rests && sight.ready > 0, !(waits && rests), || {
            format!("messages wait and a channel is ready, but none has left for {} s", STUCK.as_secs())
        })
    }
}

fn store_full(sight: &Sight) -> Option<Sign> {
    let Disk { free, size } = sight.disk?;
    let least = (size / ROOM_SHARE).clamp(ROOM_LEAST, ROOM_MOST);
    let well = free >= least.saturating_add(least / 4);
    Sign::of(AlarmKind::StoreFull, free < least, well, || {
        format!("the disk of the store has less than {} MiB free", least >> 20)
    })
}

fn store_unwritable(sight: &Sight) -> Option<Sign> {
    let refused = sight.unwritable.as_ref();
    Sign::of(AlarmKind::StoreUnwritable, refused.is_some(), refused.is_none(), || {
        refused.cloned().unwrap_or_default()
    })
}

fn part(name: &str, signs: impl Iterator<Item = Sign>) -> Finding {
    Finding {
        port: name.to_owned(),
        modem: None,
        progress: Progress::Unknown,
        cause: String::new(),
        signs: signs.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const MIB: u64 = 1 << 20;

    fn sight(at: Instant) -> Sight {
        Sight { at, waited: None, ended: 0, ready: 1, disk: None, unwritable: None }
    }

    fn told(findings: &[Finding]) -> Vec<(AlarmKind, bool)> {
        let signs = findings.iter().flat_map(|finding| &finding.signs);
        signs.map(|sign| (sign.kind, sign.cause.is_some())).collect()
    }

    #[test]
    fn a_queue_is_stuck_when_its_head_waits_and_nothing_leaves_though_it_could() {
        let (mut own, start) = (Own::default(), clock::monotonic());
        let mut queue = |after: u64, waited: u64, ended: u64, ready: usize| {
            let at = start + Duration::from_secs(after);
            let waited = Some(Duration::from_secs(waited));
            let findings = own.findings(&Sight { waited, ended, ready, ..sight(at) });
            told(&findings)
                .first()
                .copied()
                .filter(|(kind, _)| *kind == AlarmKind::QueueStuck)
                .map(|(_, on)| on)
        };
        assert_eq!(queue(0, 9_000, 0, 1), Some(false), "the daemon has just started");
        assert_eq!(queue(299, 9_000, 0, 1), Some(false));
        assert_eq!(queue(300, 9_000, 0, 0), None, "no modem");
        assert_eq!(queue(301, 9_000, 0, 1), Some(true));
        assert_eq!(queue(302, 9_000, 1, 1), Some(false), "a long queue that moves");
        assert_eq!(queue(700, 299, 1, 1), Some(false), "nothing to send until just now");
        assert_eq!(queue(701, 300, 1, 1), Some(true));
    }

    #[test]
    fn a_disk_is_full_by_its_size_and_well_again_a_quarter_above() {
        let full = |free: u64, size: u64| {
            let disk = Some(Disk { free: free * MIB, size: size * MIB });
            let findings = Own::default().findings(&Sight { disk, ..sight(clock::monotonic()) });
            told(&findings).iter().find(|(kind, _)| *kind == AlarmKind::StoreFull).map(|(_, on)| *on)
        };
        assert_eq!((full(199, 10_000), full(200, 10_000)), (Some(true), None));
        assert_eq!((full(249, 10_000), full(250, 10_000)), (None, Some(false)));
        assert_eq!((full(31, 100), full(32, 100)), (Some(true), None), "a small disk");
        assert_eq!((full(1_023, 900_000), full(1_280, 900_000)), (Some(true), Some(false)), "a large one");
    }

    #[test]
    fn a_store_that_refuses_to_write_says_why() {
        let unwritable = Some("database or disk is full".to_owned());
        let findings = Own::default().findings(&Sight { unwritable, ..sight(clock::monotonic()) });
        let sign = findings.iter().flat_map(|f| &f.signs).find(|s| s.kind == AlarmKind::StoreUnwritable);
        assert_eq!(sign.and_then(|sign| sign.cause.as_deref()), Some("database or disk is full"));
    }
}
