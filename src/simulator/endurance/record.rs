//! The last things on the wire, so that a failure can be read.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Instant;

/// Events kept; a bring-up has about thirty.
const KEPT: usize = 120;

/// One thing that happened.
#[derive(Debug)]
enum Wire {
    ToModem(Vec<u8>),
    ToHost(Vec<u8>),
    Note(String),
}

/// A ring of them.
#[derive(Debug, Default)]
pub(super) struct Record {
    events: VecDeque<(Instant, Wire)>,
    /// All that were ever noted.
    pub(super) count: u64,
}

impl Record {
    pub(super) fn reached_modem(&mut self, at: Instant, octets: &[u8]) {
        self.put(at, Wire::ToModem(octets.to_vec()));
    }

    pub(super) fn reached_host(&mut self, at: Instant, octets: &[u8]) {
        self.put(at, Wire::ToHost(octets.to_vec()));
    }

    pub(super) fn note(&mut self, at: Instant, what: impl Into<String>) {
        self.put(at, Wire::Note(what.into()));
    }

    fn put(&mut self, at: Instant, wire: Wire) {
        self.count += 1;
        if self.events.len() >= KEPT {
            self.events.pop_front();
        }
        self.events.push_back((at, wire));
    }

    /// One line an event, seconds since `base` in front.
    pub(super) fn text(&self, base: Instant) -> String {
        let mut text = String::new();
        for (at, wire) in &self.events {
            let since = at.saturating_duration_since(base).as_secs_f64();
            let _ = match wire {
                Wire::ToModem(octets) => writeln!(text, "{since:12.3} > {}", octets.escape_ascii()),
                Wire::ToHost(octets) => writeln!(text, "{since:12.3} < {}", octets.escape_ascii()),
                Wire::Note(what) => writeln!(text, "{since:12.3} # {what}"),
            };
        }
        text
    }
}
