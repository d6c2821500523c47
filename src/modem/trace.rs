//! The last wire events of one modem, always on: who said what and when, line by line.
//!
//! Nothing secret is ever put in: the user data of PDUs becomes its length, PINs become stars, and long numbers keep
//! their beginning and their last two digits. So a trace can be shown, saved and sent to a vendor as it is.
//!
//! A ring belongs to the name of a port and outlives the session that filled it: what a modem said last is asked for when it has gone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::units::UnixMs;

mod mask;

/// One line as a trace keeps it: user data of PDUs as its length, long numbers shortened, PINs hidden, other octets than
/// printable ones escaped.
#[must_use]
pub fn masked(octets: &[u8]) -> String {
    mask::line(octets)
}

/// Lines kept: about forty messages, or a whole bring-up and what came before it.
pub const LINES_KEPT: usize = 256;
/// Rings kept, those of ports in service included; beyond that the one that was opened longest ago goes, if nobody fills it.
pub const RINGS_KEPT: usize = 128;
/// Lines that a slow subscriber may be behind before it misses some.
const SUBSCRIBER_BEHIND: usize = 256;
/// Longest line kept; longer ones (binary noise, a flood) are cut, and say so by their ending.
const LINE_MAX: usize = 480;

/// Which way a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the modem.
    Sent,
    /// From the modem.
    Received,
    /// Neither: the port was opened or closed.
    Note,
}

/// One line on the wire, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireEvent {
    /// When it was complete.
    pub at: UnixMs,
    /// Which way.
    pub direction: Direction,
    /// What; control characters are shown as `<ESC>`, `<^Z>` or `\xNN`.
    pub line: Arc<str>,
}

/// The ring of one modem. The lock is held for the push of one line, never across an await.
#[derive(Debug)]
pub struct Trace {
    inner: Mutex<Ring>,
    subscribers: broadcast::Sender<WireEvent>,
}

/// The rings of all ports by their names, the one that was opened longest ago first. Whoever fills one holds it.
#[derive(Debug, Default)]
pub(super) struct Traces(Mutex<Vec<(String, Arc<Trace>)>>);

impl Traces {
    /// The ring of this port, with what it had before.
    pub(super) fn open(&self, port: &str) -> Arc<Trace> {
        let mut rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = rings.iter().position(|(name, _)| name == port).map(|at| rings.remove(at));
        let (name, trace) = known.unwrap_or_else(|| (port.to_owned(), Arc::default()));
        if rings.len() >= RINGS_KEPT
            && let Some(idle) = rings.iter().position(|(_, trace)| Arc::strong_count(trace) == 1)
        {
            rings.remove(idle);
        }
        rings.push((name, Arc::clone(&trace)));
        trace
    }

    /// The ring of this port, if one is kept.
    pub(super) fn of(&self, port: &str) -> Option<Arc<Trace>> {
        let rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rings.iter().find(|(name, _)| name == port).map(|(_, trace)| Arc::clone(trace))
    }
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<WireEvent>,
    /// Octets received since the last line end.
    partial: Vec<u8>,
    /// Whether the partial line was longer than [`LINE_MAX`].
    cut: bool,
    /// Whether the lines that come are words of the network whose end is still to come.
    in_words: bool,
}

impl Default for Trace {
    fn default() -> Self {
        Self { inner: Mutex::default(), subscribers: broadcast::Sender::new(SUBSCRIBER_BEHIND) }
    }
}

impl Trace {
    /// The lines kept, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<WireEvent> {
        self.lock().lines.iter().cloned().collect()
    }

    /// Lines from now on. Whoever is too slow misses some and is told how many.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<WireEvent> {
        self.subscribers.subscribe()
    }

    /// Octets that left; whole commands.
    pub(super) fn sent(&self, at: UnixMs, octets: &[u8]) {
        let mut ring = self.lock();
        self.end_partial(&mut ring, at);
        for command in octets.split_inclusive(|b| matches!(b, b'\r' | 0x1a | 0x1b)) {
            self.push(&mut ring, at, Direction::Sent, &mask::line(command.trim_ascii()));
        }
    }

    /// Octets that came, in any chunks.
    pub(super) fn received(&self, at: UnixMs, octets: &[u8]) {
        let mut ring = self.lock();
        for &octet in octets {
            if matches!(octet, b'\r' | b'\n') {
                self.end_partial(&mut ring, at);
            } else if ring.partial.len() < LINE_MAX {
                ring.partial.push(octet);
            } else {
                ring.cut = true;
            }
        }
    }

    /// Something that happened to the port. The same once more is no news: a port that cannot be opened is tried for ever, and
    /// that must not push out what was said before.
    pub(super) fn note(&self, at: UnixMs, text: &str) {
        let mut ring = self.lock();
        self.end_partial(&mut ring, at);
        let told = |last: &WireEvent| last.direction == Direction::Note && *last.line == *text;
        if !ring.lines.back().is_some_and(told) {
            self.push(&mut ring, at, Direction::Note, text);
        }
    }

    fn end_partial(&self, ring: &mut Ring, at: UnixMs) {
        if ring.partial.is_empty() {
            return;
        }
        let mut line = if std::mem::take(&mut ring.in_words) && !ring.partial.starts_with(b"+") {
            let (hidden, unclosed) = mask::rest_of_words(&ring.partial);
            ring.in_words = unclosed;
            hidden
        } else {
            ring.in_words = mask::begins_words(&ring.partial);
            mask::line(&ring.partial)
        };
        if std::mem::take(&mut ring.cut) {
            line.push_str("...");
        }
        ring.partial.clear();
        self.push(ring, at, Direction::Received, &line);
    }

    fn push(&self, ring: &mut Ring, at: UnixMs, direction: Direction, line: &str) {
        let event = WireEvent { at, direction, line: Arc::from(line) };
        if self.subscribers.receiver_count() > 0 {
            let _ = self.subscribers.send(event.clone());
        }
        if ring.lines.len() == LINES_KEPT {
            ring.lines.pop_front();
        }
        ring.lines.push_back(event);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(trace: &Trace) -> Vec<String> {
        trace.lines().iter().map(|event| event.line.to_string()).collect()
    }

    #[test]
    fn a_ring_is_found_again_by_its_port_and_the_oldest_idle_one_goes() {
        let traces = Traces::default();
        let served = traces.open("served");
        served.note(UnixMs(1), "first");
        traces.open("idle").note(UnixMs(1), "idle");
        for n in 0..RINGS_KEPT - 1 {
            traces.open(&n.to_string());
        }
        assert!(traces.of("idle").is_none(), "it was opened longest ago and nobody fills it");
        assert_eq!(lines(&traces.of("served").unwrap()), ["first"], "it is in service");
        drop(served);
        assert_eq!(lines(&traces.open("served")), ["first"], "the next session goes on with it");
        traces.open("one more");
        assert!(traces.of("served").is_some() && traces.of("0").is_none());
        assert_eq!(traces.0.lock().unwrap().len(), RINGS_KEPT);
    }

    #[test]
    fn a_note_is_told_once_until_something_else_happens() {
        let trace = Trace::default();
        for _ in 0..3 {
            trace.note(UnixMs(1), "the port is in use");
        }
        trace.received(UnixMs(2), b"OK\r\n");
        trace.note(UnixMs(3), "the port is in use");
        assert_eq!(lines(&trace), ["the port is in use", "OK", "the port is in use"]);
    }
}
