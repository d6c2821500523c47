//! What is going to happen in a life, by its time; what was entered first comes first among equals.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::modem::machine::{RequestId, Token};

/// Something that was fixed beforehand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// An hour begins: its messages and faults are drawn.
    Hour,
    /// Somebody asks for a message.
    Message,
    /// A message for the modem's own number is sent.
    Inbound,
    /// A fault.
    Fault,
    /// The operator asks for a step of the ladder.
    Reset,
    /// The deadline of a message.
    Lapse(usize),
    /// A message may be tried again.
    Due,
    /// The attempt's row is committed, or could not be.
    Committed(RequestId, bool),
    /// What the machine of this number received is committed.
    Stored { machine: u64, token: Token, octets: Vec<u8> },
    /// The silence of this number ends.
    SilenceEnds(u64),
    /// The modem has power again; `ready`: and says so, behind a port that stayed.
    PowerOn { ready: bool },
    /// The port is opened, if this is still the opening that is waited for.
    Open(u64),
    /// A person looks after the card.
    Person,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    key: Reverse<(Instant, u64)>,
    what: Happening,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Entry>,
    entered: u64,
}

impl Agenda {
    pub(super) fn enter(&mut self, at: Instant, what: Happening) {
        self.entered += 1;
        self.entries.push(Entry { key: Reverse((at, self.entered)), what });
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.entries.peek().map(|entry| entry.key.0.0)
    }

    pub(super) fn take(&mut self, now: Instant) -> Option<Happening> {
        if self.due()? > now {
            return None;
        }
        self.entries.pop().map(|entry| entry.what)
    }
}
