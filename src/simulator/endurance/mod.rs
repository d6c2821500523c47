//! Hours of faults in milliseconds: the daemon's modem machine against the simulated modem and network under a seed, in virtual
//! time, with a model of the dispatcher, the store and the port between them. No thread, no I/O, no clock: what happens
//! follows from the seed alone, so a failure is replayed by its seed.
//!
//! A *life* is one modem with one card for [`LIFE_HOURS`] hours of messages and faults, and then a calm in which everything must come
//! to its end. Its seed says what modem it is and all that befalls it. What is checked all the time:
//!
//! - every accepted message comes to a final or uncertain state, and every request ends exactly once;
//! - no Ctrl-Z leaves before its attempt is durable or after its deadline;
//! - a bulk message is shown once at most, any other once more for each time that it was in doubt;
//! - no modem is stuck for longer than its ladder allows ([`Machine::longest_climb`](crate::modem::machine::Machine::longest_climb));
//! - every message that counts as sent is on its handset;
//! - no SIM comes to ask for its PUK, and no wrong PIN is tried twice;
//! - every message to the modem is stored, and once when equal ones count once;
//! - the modem keeps every message and every report until it is stored.

mod agenda;
mod dispatcher;
mod faults;
mod host;
mod inbox;
mod life;
mod line;
mod plan;
mod record;

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock;
use crate::units::UnixMs;
use life::Life;

/// Hours of a life.
pub const LIFE_HOURS: u64 = 20;

/// What a check says: all is well, or what is not.
type Verdict = Result<(), String>;

/// Virtual time: any moment of the monotonic clock as a beginning, and the wall time that it stands for.
#[derive(Debug, Clone, Copy)]
struct Time {
    base: Instant,
}

impl Time {
    const WALL: UnixMs = UnixMs(1_750_000_000_000);

    fn wall(self, at: Instant) -> UnixMs {
        Self::WALL.plus(at.saturating_duration_since(self.base))
    }

    fn instant(self, wall: UnixMs) -> Instant {
        self.base + wall.since(Self::WALL)
    }
}

/// What a run was made of, and what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Modem-hours with faults; the calm afterwards is not counted.
    pub hours: u64,
    /// Messages accepted.
    pub messages: u64,
    /// Messages to the modem.
    pub inbound: u64,
    /// Faults that were done, by kind.
    pub faults: Faults,
    /// Pieces on the wire, both ways.
    pub wire_events: u64,
    /// Messages by their end.
    pub ends: Ends,
    /// Messages that went once more while in doubt.
    pub repeated: u64,
    /// Inbound messages that came again and were known.
    pub inbound_again: u64,
    /// Times a port was opened.
    pub machines: u64,
    /// Steps of the ladder that were carried out from outside.
    pub outside_steps: u64,
    /// The longest time that a modem was stuck, seconds.
    pub stuck_s: u64,
}

/// Faults by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Faults {
    pub lost: u64,
    pub late: u64,
    pub doubled: u64,
    pub cut: u64,
    pub garbled: u64,
    pub silence: u64,
    pub hang: u64,
    pub restart: u64,
    pub power_loss: u64,
}

impl Faults {
    /// All kinds together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let line = self.lost + self.late + self.doubled + self.cut + self.garbled;
        line + self.silence + self.hang + self.restart + self.power_loss
    }
}

/// Messages by their last state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the states of `queue::message`")]
pub struct Ends {
    pub submitted: u64,
    pub delivered: u64,
    pub failed: u64,
    pub expired: u64,
    pub uncertain: u64,
}

impl Tally {
    /// Takes the sums of another run in; of the longest times the longer one.
    pub fn add(&mut self, other: &Self) {
        let Self { faults, ends, .. } = other;
        self.hours += other.hours;
        self.messages += other.messages;
        self.inbound += other.inbound;
        self.wire_events += other.wire_events;
        self.repeated += other.repeated;
        self.inbound_again += other.inbound_again;
        self.machines += other.machines;
        self.outside_steps += other.outside_steps;
        self.stuck_s = self.stuck_s.max(other.stuck_s);
        self.faults = Faults {
            lost: self.faults.lost + faults.lost,
            late: self.faults.late + faults.late,
            doubled: self.faults.doubled + faults.doubled,
            cut: self.faults.cut + faults.cut,
            garbled: self.faults.garbled + faults.garbled,
            silence: self.faults.silence + faults.silence,
            hang: self.faults.hang + faults.hang,
            restart: self.faults.restart + faults.restart,
            power_loss: self.faults.power_loss + faults.power_loss,
        };
        self.ends = Ends {
            submitted: self.ends.submitted + ends.submitted,
            delivered: self.ends.delivered + ends.delivered,
            failed: self.ends.failed + ends.failed,
            expired: self.ends.expired + ends.expired,
            uncertain: self.ends.uncertain + ends.uncertain,
        };
    }
}

/// A promise was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Of the life; a run with this seed begins with it.
    pub seed: u64,
    /// From the beginning of the life.
    pub after: Duration,
    /// Which promise, and how.
    pub what: String,
    /// What modem it was.
    pub modem: String,
    /// The last events on the wire: seconds, `>` to the modem, `<` to the host, `#` what happened.
    pub wire: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hour = self.after.as_secs() / 3600;
        writeln!(f, "seed {}, hour {hour} ({:.3} s): {}", self.seed, self.after.as_secs_f64(), self.what)?;
        write!(f, "{}\n{}", self.modem, self.wire)
    }
}

impl std::error::Error for Broken {}

/// Runs so many modem-hours. The first life has this seed, each that follows the next one.
///
/// # Errors
/// The first promise that was broken.
pub fn endure(seed: u64, hours: u64) -> Result<Tally, Box<Broken>> {
    let base = clock::monotonic();
    let mut tally = Tally::default();
    for life in 0.. {
        let hours = LIFE_HOURS.min(hours - tally.hours);
        if hours == 0 {
            break;
        }
        tally.add(&Life::new(seed.wrapping_add(life), base).run(hours)?);
    }
    Ok(tally)
}

#[cfg(test)]
mod tests;
