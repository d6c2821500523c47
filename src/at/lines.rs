//! Bytes of the port to lines.
//!
//! Modems end lines with CR LF, CR CR LF, LF alone or CR alone, put blank lines and NULs between them, and leave the prompt of
//! `+CMGS` without any end. So CR and LF each end a line and an empty line is no line: the outcome cannot depend on
//! how the bytes were chunked. The prompt is recognised only at the start of a line and only when the caller awaits it.

use std::fmt;

use memchr::{memchr, memchr2};

/// Longest line kept, octets. The longest legal one is a PDU in hex (SMSC 24 + TPDU 2 x 176 characters) or a text of `+CUSD`;
/// operator lists of `+COPS=?` reach 2 KiB.
pub const LINE_MAX: usize = 4096;

/// What the port gave.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// A line without its end, never empty. UTF-8 as it came; otherwise each octet is one character (ISO 8859-1).
    Line(&'a str),
    /// `>` with or without its blank.
    Prompt,
    /// A line longer than [`LINE_MAX`]; nothing of it is given out.
    TooLong {
        /// Octets of that line.
        dropped: usize,
    },
}

/// A PDU holds a message and the echo of `+CPIN=` a PIN, so of these only the length is shown.
impl fmt::Debug for Chunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) if is_confidential(line) => {
                write!(f, "Line(<{} characters>)", line.chars().count())
            }
            Self::Line(line) => f.debug_tuple("Line").field(line).finish(),
            Self::Prompt => f.write_str("Prompt"),
            Self::TooLong { dropped } => f.debug_struct("TooLong").field("dropped", dropped).finish(),
        }
    }
}

fn is_confidential(line: &str) -> bool {
    /// Hex of this length may be a PDU; an ICCID is shorter.
    const PDU_MIN: usize = 24;
    let hex = line.chars().filter(char::is_ascii_hexdigit).count();
    (hex >= PDU_MIN && hex == line.trim().len()) || line.contains("CPIN=")
}

/// Splits what is pushed. The owner drains [`Lines::next`] after each push, so it holds one line and one read at most.
///
/// Lines are lent out of one buffer. What was given out is cut off only by a later push, and only once it is at least as long as the
/// rest, so each octet is moved once on average.
#[derive(Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Where what has not been given out begins.
    start: usize,
    /// Octets behind `start` already searched for a line end, so that a slow line is not searched again and again.
    scanned: usize,
    /// Octets dropped of the over-long line that has not ended yet.
    dropped: usize,
    /// A prompt was given out; its blank may still come.
    after_prompt: bool,
    /// The last line that was no UTF-8, as characters.
    converted: String,
    too_long: u64,
}

/// Without the octets, which may hold a message.
impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("buffered", &self.pending().len())
            .field("dropped", &self.dropped)
            .field("too_long", &self.too_long)
            .finish_non_exhaustive()
    }
}

impl Lines {
    /// Nothing received yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read from the port. NULs (power-up noise) are dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start >= self.pending().len() {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.start = 0;
        }
        if memchr(0, bytes).is_none() {
            self.buffer.extend_from_slice(bytes);
        } else {
            self.buffer.extend(bytes.iter().copied().filter(|&b| b != 0));
        }
    }

    /// The next complete line, or the prompt if one is awaited; `None` when more bytes are needed.
    pub fn next(&mut self, prompt_expected: bool) -> Option<Chunk<'_>> {
        if self.dropped == 0 {
            self.skip_blanks();
            if prompt_expected && self.pending().first() == Some(&b'>') {
                self.advance(1);
                self.after_prompt = true;
                return Some(Chunk::Prompt);
            }
        }
        let Some(length) = self.find_end() else {
            self.shed();
            return None;
        };
        let from = self.start;
        self.advance(length.saturating_add(1));
        let whole = std::mem::take(&mut self.dropped).saturating_add(length);
        if whole > LINE_MAX {
            self.too_long = self.too_long.saturating_add(1);
            return Some(Chunk::TooLong { dropped: whole });
        }
        let line = self.buffer.get(from..from.saturating_add(length)).unwrap_or_default();
        Some(Chunk::Line(text(line, &mut self.converted)))
    }

    /// Whether a line has begun that has not ended. Says so only when [`next`](Self::next) has given `None`.
    #[must_use]
    pub fn is_within_line(&self) -> bool {
        self.dropped > 0 || !self.pending().is_empty()
    }

    /// How many lines were too long so far.
    #[must_use]
    pub fn too_long(&self) -> u64 {
        self.too_long
    }

    /// Forgets the unfinished line; for a port that was reopened.
    pub fn clear(&mut self) {
        *self = Self { too_long: self.too_long, ..Self::default() };
    }

    fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn advance(&mut self, count: usize) {
        self.start = self.start.saturating_add(count);
        self.scanned = 0;
    }

    /// Goes to the start of a line: past the blank of a prompt and past empty lines.
    fn skip_blanks(&mut self) {
        if self.after_prompt
            && let Some(first) = self.pending().first()
        {
            let blank = usize::from(*first == b' ');
            self.after_prompt = false;
            self.advance(blank);
        }
        let ends = self.pending().iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        if ends > 0 {
            self.advance(ends);
        }
    }

    /// Octets of the line up to its end.
    fn find_end(&mut self) -> Option<usize> {
        let fresh = self.pending().get(self.scanned..).unwrap_or_default();
        match memchr2(b'\r', b'\n', fresh) {
            Some(at) => Some(self.scanned.saturating_add(at)),
            None => {
                self.scanned = self.pending().len();
                None
            }
        }
    }

    /// Drops the start of a line that is too long already, so that the buffer stays bounded.
    fn shed(&mut self) {
        let length = self.pending().len();
        if self.dropped > 0 || length > LINE_MAX {
            self.dropped = self.dropped.saturating_add(length);
            self.buffer.clear();
            self.start = 0;
            self.scanned = 0;
        }
    }
}

/// UTF-8 if it is, else octet by octet, so that nothing is lost and nothing fails.
fn text<'a>(line: &'a [u8], converted: &'a mut String) -> &'a str {
    std::str::from_utf8(line).unwrap_or_else(|_| {
        converted.clear();
        converted.extend(line.iter().copied().map(char::from));
        converted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A [`Chunk`] to keep.
    #[derive(Debug, PartialEq)]
    enum Got {
        Line(String),
        Prompt,
        TooLong(usize),
    }

    impl From<Chunk<'_>> for Got {
        fn from(chunk: Chunk<'_>) -> Self {
            match chunk {
                Chunk::Line(line) => Self::Line(line.to_owned()),
                Chunk::Prompt => Self::Prompt,
                Chunk::TooLong { dropped } => Self::TooLong(dropped),
            }
        }
    }

    fn all(chunks: &[&[u8]], prompt: bool) -> Vec<Got> {
        let mut lines = Lines::new();
        let mut out = Vec::new();
        for chunk in chunks {
            lines.push(chunk);
            while let Some(chunk) = lines.next(prompt) {
                out.push(chunk.into());
            }
        }
        out
    }

    #[test]
    fn a_line_that_has_begun_is_told() {
        let mut lines = Lines::new();
        let long = [b'x'; LINE_MAX + 1];
        let pieces: [(&[u8], bool); 8] = [
            (b"\r\n", false),
            (b"+CM", true),
            (b"GS: 7\r", false),
            (b"\n> ", false),
            (b" ", true),
            (b"\n", false),
            (&long, true),
            (b"\r", false),
        ];
        for (piece, within) in pieces {
            lines.push(piece);
            while lines.next(true).is_some() {}
            assert_eq!(lines.is_within_line(), within, "{}", piece.escape_ascii());
        }
    }

    fn line(text: &str) -> Got {
        Got::Line(text.to_owned())
    }

    #[test]
    fn every_line_end_is_one() {
        let expected = vec![line("A"), line("B"), line("C"), line("D")];
        assert_eq!(all(&[b"\r\nA\r\n\0B\r\r\n\r\nC\nD\r"], false), expected);
    }

    #[test]
    fn an_unfinished_line_waits() {
        assert_eq!(all(&[b"OK"], false), vec![]);
        assert_eq!(all(&[b"O", b"K", b"\r", b"\n"], false), vec![line("OK")]);
    }

    #[test]
    fn the_prompt_counts_only_when_awaited_and_at_the_start() {
        assert_eq!(all(&[b"AT+CMGS=23\r\r\n> "], true), vec![line("AT+CMGS=23"), Got::Prompt]);
        assert_eq!(all(&[b"\n>", b" ", b"\r\nOK\r\n"], true), vec![Got::Prompt, line("OK")]);
        assert_eq!(all(&[b"a > b\r\n"], true), vec![line("a > b")]);
        assert_eq!(all(&[b"> x\r\n"], false), vec![line("> x")]);
    }

    #[test]
    fn a_prompt_that_came_early_is_found_when_it_is_awaited() {
        let mut lines = Lines::new();
        lines.push(b"\r\n> ");
        assert_eq!(lines.next(false), None);
        assert_eq!(lines.next(true), Some(Chunk::Prompt));
        lines.push(b"\r\nOK\r\n");
        assert_eq!(lines.next(false), Some(Chunk::Line("OK")));
    }

    #[test]
    fn an_over_long_line_costs_only_itself() {
        let long = vec![b'x'; LINE_MAX * 3];
        let mut lines = Lines::new();
        for part in long.chunks(1000) {
            lines.push(part);
            assert_eq!(lines.next(true), None);
            assert!(lines.buffer.len() <= LINE_MAX);
        }
        lines.push(b">\r\nOK\r\n");
        assert_eq!(lines.next(true), Some(Chunk::TooLong { dropped: LINE_MAX * 3 + 1 }));
        assert_eq!(lines.next(true), Some(Chunk::Line("OK")));
        assert_eq!(lines.too_long(), 1);
    }

    #[test]
    fn debug_shows_neither_messages_nor_pins() {
        assert_eq!(format!("{:?}", Chunk::Line(&"07".repeat(20))), "Line(<40 characters>)");
        assert!(!format!("{:?}", Chunk::Line("AT+CPIN=\"1234\"")).contains("1234"));
        assert_eq!(format!("{:?}", Chunk::Line("OK")), "Line(\"OK\")");
    }

    #[test]
    fn foreign_octets_are_kept() {
        assert_eq!(all(&[b"\xe4\r\n"], false), vec![line("\u{e4}")]);
        assert_eq!(all(&["\u{e4}\r\n".as_bytes()], false), vec![line("\u{e4}")]);
    }

    #[test]
    fn what_was_given_out_is_cut_off_in_time() {
        let mut lines = Lines::new();
        for _ in 0..10_000 {
            lines.push(b"1,99\r\nOK\r\n+CSQ: ");
            while lines.next(false).is_some() {}
            assert!(lines.buffer.capacity() <= 64);
        }
    }

    #[test]
    fn a_line_that_is_no_utf8_leaves_nothing_in_the_next() {
        let got = all(&[b"\xe4\xff\r\n\xc3\xa4\r\n\xfc\r\n"], false);
        assert_eq!(got, vec![line("\u{e4}\u{ff}"), line("\u{e4}"), line("\u{fc}")]);
    }

    /// What the splitter should give, without a prompt, in the plainest words.
    fn model(bytes: &[u8]) -> Vec<Got> {
        let bytes: Vec<u8> = bytes.iter().copied().filter(|&b| b != 0).collect();
        let mut parts: Vec<&[u8]> = bytes.split(|b| matches!(b, b'\r' | b'\n')).collect();
        parts.pop();
        let got = |part: &&[u8]| match std::str::from_utf8(part) {
            _ if part.len() > LINE_MAX => Got::TooLong(part.len()),
            Ok(text) => line(text),
            Err(_) => Got::Line(part.iter().copied().map(char::from).collect()),
        };
        parts.iter().filter(|part| !part.is_empty()).map(got).collect()
    }

    proptest! {
        #[test]
        fn lines_are_what_stands_between_line_ends(
            parts in proptest::collection::vec(prop_oneof![
                Just(b"\r\n".to_vec()), Just(vec![0]), Just(b"> ".to_vec()), Just(vec![b'x'; LINE_MAX / 2]),
                proptest::collection::vec(any::<u8>(), 0..40),
            ], 0..40),
            read in 1usize..5000,
        ) {
            let bytes = parts.concat();
            let reads: Vec<&[u8]> = bytes.chunks(read).collect();
            prop_assert_eq!(all(&reads, false), model(&bytes));
        }

        #[test]
        fn any_chunking_gives_the_same(
            parts in proptest::collection::vec(prop_oneof![
                Just(b"\r".to_vec()), Just(b"\n".to_vec()), Just(b">".to_vec()), Just(b" ".to_vec()), Just(vec![0]),
                Just(vec![b'x'; LINE_MAX]), proptest::collection::vec(any::<u8>(), 0..12),
            ], 0..40),
            cuts in proptest::collection::vec(1usize..2000, 1..60),
            prompt in any::<bool>(),
        ) {
            let bytes = parts.concat();
            let whole = all(&[&bytes], prompt);
            let mut rest = bytes.as_slice();
            let mut chunks = Vec::new();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                chunks.push(head);
                rest = tail;
            }
            prop_assert_eq!(&whole, &all(&chunks, prompt));
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&whole, &all(&single, prompt));
        }

        #[test]
        fn a_broken_line_never_loses_the_next(noise in proptest::collection::vec(any::<u8>(), 0..6000)) {
            let mut bytes = noise;
            bytes.extend_from_slice(b"\r\n+CMTI: \"SM\",3\r\n");
            prop_assert_eq!(all(&[&bytes], false).pop(), Some(line("+CMTI: \"SM\",3")));
        }
    }
}
