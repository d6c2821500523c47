//! A saved wire trace: a text file with one line for each line that was on the wire, to be read by people and played back.
//!
//! `0.012 > AT+CSQ`: seconds since the first line, which way (`>` to the modem, `<` from it, `!` something about the port), and
//! what, masked and escaped as the trace has it. Lines that begin with `#` are remarks.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::modem::trace::{Direction, WireEvent};
use crate::units::UnixMs;

/// The first line of a file says what it is, and the version of the format.
const HEAD: &str = "# smsotpd trace 1";
/// What a trace notes of a port that was opened.
const OPENED: &str = "port opened";
/// And of one that was closed.
const CLOSED: &str = "port closed";

/// One line of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Since the first line.
    pub at: Duration,
    /// Which way.
    pub way: Direction,
    /// What, masked and escaped.
    pub line: String,
    /// The line of the file, from 1.
    pub row: usize,
}

/// A recording, in the order of the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// Where it is from, for people.
    pub title: String,
    /// Its lines.
    pub entries: Vec<Entry>,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecording {
    /// It is something else, or of a later version.
    #[error("line 1: this is no trace; it must begin with \"{HEAD}\"")]
    Head,
    /// A line cannot be read.
    #[error("line {0}: not as in \"0.012 > AT+CSQ\": seconds, one of > < !, and what")]
    Line(usize),
}

impl Recording {
    /// The lines of a trace; `title` says of which modem it is.
    #[must_use]
    pub fn of(title: &str, lines: &[WireEvent]) -> Self {
        let first = lines.first().map_or(UnixMs(0), |event| event.at);
        let mut last = Duration::ZERO;
        let entries = lines.iter().enumerate().map(|(at, event)| {
            // A wall clock that was set back makes a pause of none.
            last = last.max(event.at.since(first));
            Entry { at: last, way: event.direction, line: event.line.to_string(), row: at }
        });
        Self { title: title.to_owned(), entries: entries.collect() }
    }

    /// From the first opening of the port on, as far as the recording has one: what was before belongs to no whole dialogue.
    #[must_use]
    pub fn from_opening(mut self) -> Self {
        let opened = self.entries.iter().position(Entry::is_opening);
        self.entries.drain(..opened.unwrap_or(0));
        self
    }
}

impl Entry {
    /// Whether the port was opened here.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        self.way == Direction::Note && self.line == OPENED
    }

    /// Whether it was closed here.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.way == Direction::Note && self.line == CLOSED
    }

    fn parse(text: &str, row: usize) -> Option<Self> {
        let (at, rest) = text.split_once(' ')?;
        let (way, line) = rest.split_at_checked(1)?;
        let way = match way {
            ">" => Direction::Sent,
            "<" => Direction::Received,
            "!" => Direction::Note,
            _ => return None,
        };
        let at = Duration::try_from_secs_f64(at.parse().ok()?).ok()?;
        // Exactly one blank: a prompt ends in another.
        Some(Self { at, way, line: line.strip_prefix(' ').unwrap_or(line).to_owned(), row })
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}: {}", self.title)?;
        writeln!(
            f,
            "# seconds, > to the modem, < from the modem, ! the port; user data, numbers and PINs are masked"
        )?;
        for Entry { at, way, line, .. } in &self.entries {
            let way = match way {
                Direction::Sent => '>',
                Direction::Received => '<',
                Direction::Note => '!',
            };
            writeln!(f, "{:.3} {way} {line}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

impl FromStr for Recording {
    type Err = BadRecording;

    fn from_str(text: &str) -> Result<Self, BadRecording> {
        let title = text.lines().next().and_then(|line| line.strip_prefix(HEAD)).ok_or(BadRecording::Head)?;
        let rows = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end_matches('\r')));
        let entries = rows.filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
        let entries = entries.map(|(row, line)| Entry::parse(line, row).ok_or(BadRecording::Line(row)));
        let title = title.trim_start_matches([':', ' ']).to_owned();
        Ok(Self { title, entries: entries.collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_text_and_back() {
        let event = |at, direction, line: &str| WireEvent { at: UnixMs(at), direction, line: line.into() };
        let lines = [
            event(1_000, Direction::Note, "port opened"),
            event(1_012, Direction::Sent, "AT+CMGS=17"),
            event(1_040, Direction::Received, "> "),
            event(900, Direction::Sent, "0001<8 octets><^Z>"),
        ];
        let text = Recording::of("modem0", &lines).to_string();
        assert!(text.contains("\n0.012 > AT+CMGS=17\n0.040 < > \n0.040 > 0001"), "{text}");
        let read: Recording = text.parse().unwrap();
        assert_eq!((read.title.as_str(), read.entries.len()), ("modem0", 4));
        assert_eq!(read.entries[2].line, "> ");
        assert_eq!((read.entries[3].at, read.entries[3].row), (Duration::from_millis(40), 6));
        assert_eq!(read.to_string(), text);
        assert!(read.entries[0].is_opening() && !read.entries[0].is_closing());
    }

    #[test]
    fn what_came_before_the_port_was_opened_is_left_out() {
        let text = "# smsotpd trace 1: x\n0.0 < OK\n0.5 ! port opened\n0.6 > AT\n";
        let cut = text.parse::<Recording>().unwrap().from_opening();
        assert_eq!(cut.entries.iter().map(|entry| entry.row).collect::<Vec<_>>(), [3, 4]);
        let whole = "# smsotpd trace 1: x\n0.0 < OK\n".parse::<Recording>().unwrap().from_opening();
        assert_eq!(whole.entries.len(), 1);
    }

    #[test]
    fn a_file_that_is_none_is_told_with_its_line() {
        let read = |text: &str| text.parse::<Recording>().unwrap_err();
        assert_eq!(read("hello"), BadRecording::Head);
        for wrong in ["soon > AT", "0.1 ? AT", "0.1", "-1 > AT", "1e400 > AT"] {
            assert_eq!(
                read(&format!("# smsotpd trace 1\n0.0 > AT\n{wrong}\n")),
                BadRecording::Line(3),
                "{wrong}"
            );
        }
    }
}
