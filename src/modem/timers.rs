//! All waits of the machine in one small table: the deadline is a minimum, and there is no timer that nobody sees.

use std::time::{Duration, Instant};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// The answer to the command in flight, or the next stage of a resync.
    Link,
    /// `Durable` while the prompt is open.
    Durable,
    /// The next step of the bring-up or of a recovery.
    Pause,
    /// The next look at an idle modem.
    Idle,
    /// Nothing but messages out: the first one after the bring-up shall find the line free.
    Grace,
    /// Another try of a received message's read or delete.
    Retry,
    /// The network's words, or the next step of a dialogue that is open.
    Ussd,
}

/// In the order of `as usize`.
const ALL: [Timer; 7] =
    [Timer::Link, Timer::Durable, Timer::Pause, Timer::Idle, Timer::Grace, Timer::Retry, Timer::Ussd];

/// When each wait ends.
#[derive(Debug, Default)]
pub(super) struct Timers([Option<Instant>; ALL.len()]);

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, now: Instant, wait: Duration) {
        if let Some(slot) = self.0.get_mut(timer as usize) {
            *slot = Some(now + wait);
        }
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some(slot) = self.0.get_mut(timer as usize) {
            *slot = None;
        }
    }

    pub(super) fn clear_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0.get(timer as usize).is_some_and(Option::is_some)
    }

    /// The earliest end of a wait.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes one wait that has ended out of the table.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<Timer> {
        ALL.into_iter().zip(&mut self.0).find_map(|(timer, slot)| {
            slot.is_some_and(|at| at <= now).then(|| {
                *slot = None;
                timer
            })
        })
    }
}
