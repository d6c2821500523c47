//! The modem's side of a recording, played back: it waits for what the host said then, and answers what the modem answered then,
//! after the pauses of then.
//!
//! Commands are compared as the trace masked them, PDUs and PINs not at all. The first command that is another one, or does not
//! come, ends it: from there on the recording has no answers, and silence is what a report can tell of.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::event::{Event, Kinds, What};
use super::pty::Model;
use super::recording::{Entry, Recording};
use super::wire::{Out, Wire};
use crate::modem::trace::{Direction, masked};

/// How much later than in the recording a host may say what it said then.
const PATIENCE: Duration = Duration::from_secs(60);
/// Octets of one line of the host.
const LINE_MAX: usize = 2048;
/// Lines of the host that wait for what the modem said before them.
const AHEAD_MAX: usize = 64;
/// Octets that a masked part may stand for; the user data of a PDU are 140.
const MASKED_MAX: usize = 512;

/// How a replay ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All of it was played.
    Whole,
    /// The host said something else.
    Differs {
        /// What it says in the recording.
        recorded: String,
        /// What it said now, masked.
        said: String,
    },
    /// The host did not say what it says in the recording.
    Missing(String),
}

/// Where the dialogue was when a replay ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Lines played.
    pub played: usize,
    /// Lines in all.
    pub of: usize,
    /// The line of the file at which it ended.
    pub row: usize,
    /// How.
    pub ending: Ending,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { played, of, row, ending } = self;
        match ending {
            Ending::Whole => write!(f, "the whole recording was played: {of} lines"),
            Ending::Differs { recorded, said } => write!(
                f,
                "the dialogue left the recording at line {row}, after {played} of {of} lines: the recording has {recorded:?}, the host sent {said:?}"
            ),
            Ending::Missing(recorded) => write!(
                f,
                "the dialogue stopped at line {row}, after {played} of {of} lines: the recording has {recorded:?}, the host sent nothing"
            ),
        }
    }
}

/// A recording on its way.
#[derive(Debug)]
pub(super) struct Replay {
    entries: VecDeque<Entry>,
    of: usize,
    /// What the recording's clock showed at which time.
    base: (Instant, Duration),
    /// Octets of the host since its last line end, and whole lines that nothing has answered yet.
    line: Vec<u8>,
    said: VecDeque<Vec<u8>>,
    wire: Wire,
    watch: Kinds,
    /// The host has said something.
    begun: bool,
    ended: bool,
}

impl Replay {
    /// Plays `recording` from its first opening of the port on; its clock begins with the host's first line.
    pub(super) fn new(recording: Recording, watch: Kinds, now: Instant) -> Self {
        let entries: VecDeque<_> = recording.from_opening().entries.into();
        let first = entries.front().map_or(Duration::ZERO, |entry| entry.at);
        Self {
            of: entries.len(),
            entries,
            base: (now, first),
            line: Vec::new(),
            said: VecDeque::new(),
            wire: Wire::new(0, Duration::ZERO),
            watch,
            begun: false,
            ended: false,
        }
    }

    fn due(&self, entry: &Entry) -> Instant {
        let (real, recorded) = self.base;
        real + entry.at.saturating_sub(recorded)
    }

    /// When the front of the recording is to be dealt with at the latest.
    fn next_due(&self) -> Option<Instant> {
        let front = self.entries.front().filter(|_| !self.ended)?;
        match front.way {
            Direction::Received | Direction::Note => Some(self.due(front)),
            // Whoever starts the host has all the time there is.
            Direction::Sent => self.begun.then(|| self.due(front) + PATIENCE),
        }
    }

    fn play(&mut self, now: Instant) {
        while !self.ended {
            let Some(entry) = self.entries.front() else { return self.end(now, 0, Ending::Whole) };
            let due = self.due(entry);
            match entry.way {
                Direction::Received | Direction::Note if due > now => return,
                Direction::Received => self.wire.send(now, &octets(&entry.line)),
                Direction::Note
                    if entry.is_closing() && self.entries.iter().skip(1).any(Entry::is_opening) =>
                {
                    let opening = self.entries.iter().find(|entry| entry.is_opening());
                    let dark = opening.map_or(Duration::ZERO, |opening| opening.at.saturating_sub(entry.at));
                    self.wire.push(Out::HangUp(dark));
                    self.entries.pop_front();
                    return;
                }
                Direction::Note => {}
                Direction::Sent => match self.said.pop_front() {
                    None if !self.begun || due + PATIENCE > now => return,
                    None => {
                        let (row, recorded) = (entry.row, entry.line.clone());
                        return self.end(now, row, Ending::Missing(recorded));
                    }
                    Some(said) => {
                        self.begun = true;
                        let said = masked(&said);
                        if !alike(&entry.line, &said) {
                            let (row, recorded) = (entry.row, entry.line.clone());
                            return self.end(now, row, Ending::Differs { recorded, said });
                        }
                        self.base = (now, entry.at);
                    }
                },
            }
            self.entries.pop_front();
        }
    }

    fn end(&mut self, now: Instant, row: usize, ending: Ending) {
        self.ended = true;
        let report = Report { played: self.of - self.entries.len(), of: self.of, row, ending };
        self.tell(now, What::Replayed(report));
    }

    fn tell(&mut self, at: Instant, what: What) {
        if self.watch.has(what.kind()) {
            self.wire.push(Out::Event(Event { modem: 0, at, what }));
        }
    }
}

impl Model for Replay {
    fn receive(&mut self, now: Instant, bytes: &[u8]) {
        for &byte in bytes {
            if !matches!(byte, b'\r' | b'\n') && self.line.len() < LINE_MAX {
                self.line.push(byte);
            }
            let ends = matches!(byte, b'\r' | 0x1a | 0x1b);
            if ends && !self.line.is_empty() && self.said.len() < AHEAD_MAX {
                let line = std::mem::take(&mut self.line);
                self.tell(now, What::AtReceived(masked(&line)));
                self.said.push_back(line);
            }
        }
        self.play(now);
    }

    fn tick(&mut self, now: Instant) {
        self.play(now);
    }

    fn poll(&mut self) -> Option<Out> {
        self.wire.poll()
    }

    fn deadline(&self) -> Option<Instant> {
        self.next_due()
    }

    fn host_gone(&mut self) {
        self.line.clear();
        self.said.clear();
        self.wire.cut();
    }

    fn hang_up(&mut self, now: Instant) {
        self.host_gone();
        self.tell(now, What::HungUp);
    }

    fn plug_in(&mut self, now: Instant) {
        // Back on the bus, the recording goes on where it says so.
        if let Some(opening) = self.entries.iter().position(Entry::is_opening) {
            self.entries.drain(..opening);
        }
        if let Some(front) = self.entries.front() {
            self.base = (now, front.at);
        }
        self.tell(now, What::PluggedIn);
    }
}

/// Whether the host said what it says in the recording, as far as the mask lets it be seen.
fn alike(recorded: &str, said: &str) -> bool {
    let pdu = |line: &str| line.ends_with("<^Z>");
    let length = |line: &str| line.starts_with("AT+CMGS=") || line.starts_with("AT+CPIN=");
    recorded.eq_ignore_ascii_case(said) || (pdu(recorded) && pdu(said)) || (length(recorded) && length(said))
}

/// A line of the modem as it was on the wire, with something plausible where the mask hides what it was.
fn octets(line: &str) -> Vec<u8> {
    if line.trim() == ">" {
        return b"\r\n> ".to_vec();
    }
    let mut octets = b"\r\n".to_vec();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let (piece, length) = hidden(rest).unwrap_or_else(|| {
            let shown = if c == '*' { '0' } else { c };
            (shown.to_string().into_bytes(), c.len_utf8())
        });
        octets.extend_from_slice(&piece);
        rest = rest.get(length..).unwrap_or_default();
    }
    octets.extend_from_slice(b"\r\n");
    octets
}

/// What the beginning of `text` hides or escapes: its octets, and how long it is in the text.
fn hidden(text: &str) -> Option<(Vec<u8>, usize)> {
    if let Some(escaped) = text.strip_prefix("\\x") {
        return Some((vec![u8::from_str_radix(escaped.get(..2)?, 16).ok()?], 4));
    }
    if text.starts_with("<ESC>") {
        return Some((vec![0x1b], 5));
    }
    let (count, _) = text.strip_prefix('<')?.split_once(" octets>")?;
    let octets = count.parse::<usize>().ok()?.min(MASKED_MAX);
    Some((b"00".repeat(octets), 1 + count.len() + " octets>".len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const TEXT: &str = "# smsotpd trace 1: test\n\
        0.000 ! port opened\n\
        0.001 > AT\n\
        0.011 < OK\n\
        0.020 > AT+CMGS=17\n\
        0.030 < > \n\
        0.031 > 0001000C9194<8 octets><^Z>\n\
        0.081 < +CMGS: 7\n\
        0.081 < OK\n\
        2.081 < +CDS: 25\n\
        2.081 < 0006070C9194****76<2 octets>\n";

    fn replay(text: &str) -> (Replay, Instant) {
        let now = crate::clock::monotonic();
        (Replay::new(text.parse().unwrap(), Kinds::ALL, now), now)
    }

    fn heard(replay: &mut Replay) -> (String, Option<Report>) {
        let (mut text, mut report) = (String::new(), None);
        while let Some(out) = replay.poll() {
            match out {
                Out::Send(octets) => text.push_str(&String::from_utf8(octets).unwrap()),
                Out::Event(Event { what: What::Replayed(told), .. }) => report = Some(told),
                Out::Event(_) | Out::HangUp(_) => {}
            }
        }
        (text, report)
    }

    #[test]
    fn the_modem_answers_as_it_did_after_the_pauses_of_then() {
        let (mut replay, start) = replay(TEXT);
        let mut now = start + 5000 * MS;
        replay.receive(now, b"AT\r");
        assert_eq!(heard(&mut replay), (String::new(), None));
        assert_eq!(replay.deadline(), Some(now + 10 * MS));
        now += 10 * MS;
        replay.tick(now);
        assert_eq!(heard(&mut replay).0, "\r\nOK\r\n");
        replay.receive(now, b"AT+CMGS=21\r");
        now += 10 * MS;
        replay.tick(now);
        assert_eq!(heard(&mut replay).0, "\r\n> ");
        replay.receive(now, b"0001000C91947110325476000004\x1a");
        now += 50 * MS;
        replay.tick(now);
        assert_eq!(heard(&mut replay).0, "\r\n+CMGS: 7\r\n\r\nOK\r\n");
        now += 2000 * MS;
        replay.tick(now);
        let (said, report) = heard(&mut replay);
        assert_eq!(said, "\r\n+CDS: 25\r\n\r\n0006070C91940000760000\r\n");
        assert_eq!(report.unwrap().ending, Ending::Whole);
        assert_eq!(replay.deadline(), None);
    }

    #[test]
    fn another_command_ends_it_and_the_report_says_where() {
        let (mut replay, now) = replay(TEXT);
        replay.receive(now, b"AT\r");
        replay.tick(now + 10 * MS);
        replay.receive(now + 10 * MS, b"AT+CSQ\r");
        let report = heard(&mut replay).1.unwrap();
        assert_eq!((report.played, report.row), (3, 5));
        let text = report.to_string();
        assert!(text.contains("line 5") && text.contains("AT+CMGS=17") && text.contains("AT+CSQ"), "{text}");
        replay.receive(now, b"AT\r");
        assert_eq!(heard(&mut replay).0, "", "silence from there on");
    }

    #[test]
    fn a_host_that_says_nothing_is_waited_for_and_told() {
        let (mut replay, start) = replay(TEXT);
        replay.tick(start);
        assert_eq!(replay.deadline(), None, "the first word is waited for without a limit");
        let now = start + PATIENCE * 100;
        replay.receive(now, b"AT\r");
        replay.tick(now + 10 * MS);
        let due = replay.deadline().unwrap();
        assert!(due >= now + PATIENCE);
        replay.tick(due);
        assert_eq!(heard(&mut replay).1.unwrap().ending, Ending::Missing("AT+CMGS=17".into()));
    }

    #[test]
    fn a_port_that_went_and_came_goes_and_comes_again() {
        let text = "# smsotpd trace 1\n0.0 ! port opened\n0.1 > AT\n0.2 < OK\n0.3 ! port closed\n4.3 ! port opened\n4.4 > AT\n4.5 < OK\n4.6 ! port closed\n";
        let (mut replay, now) = replay(text);
        replay.receive(now, b"AT\r");
        let gone = now + 200 * MS;
        replay.tick(gone);
        let outs: Vec<_> = std::iter::from_fn(|| replay.poll()).collect();
        assert!(outs.contains(&Out::HangUp(Duration::from_secs(4))), "{outs:?}");
        replay.hang_up(gone);
        let back = gone + Duration::from_secs(4);
        replay.plug_in(back);
        replay.receive(back, b"AT\r");
        replay.tick(back + 300 * MS);
        let (said, report) = heard(&mut replay);
        assert_eq!((said.as_str(), report.unwrap().ending), ("\r\nOK\r\n", Ending::Whole));
    }

    #[test]
    fn the_mask_is_filled_with_something_plausible() {
        let filled = |line: &str| String::from_utf8(octets(line)).unwrap();
        assert_eq!(filled("+CLIP: \"+491*******67\""), "\r\n+CLIP: \"+491000000067\"\r\n");
        assert_eq!(filled("0791<3 octets>"), "\r\n0791000000\r\n");
        assert_eq!(octets("a\\xff\\x5c<ESC>"), b"\r\na\xff\\\x1b\r\n");
        assert_eq!(filled("a < b \\xq <soon octets>"), "\r\na < b \\xq <soon octets>\r\n");
        assert_eq!(octets("<999999999 octets>").len(), MASKED_MAX * 2 + 4);
    }
}
