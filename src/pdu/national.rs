//! The tables of [`super::languages`], made fast to look up in both directions.
//!
//! They are built at first use, all at once: some thirty kilobytes, less than the code that would lay them out.

use std::sync::LazyLock;

use super::gsm7::ESCAPE;
use super::languages::{LANGUAGES, National};

/// Stands in an octet table where there is no code, or no ASCII character; the others are below it.
pub(super) const ABSENT: u8 = 0x80;

/// Codes or characters that [`Table::same`] looks at together.
pub(super) const CHUNK: usize = 16;
/// Runs of codes that it knows: the default alphabet has four of more than one code. What is in no run only takes longer.
const RUNS: usize = 4;
/// Each octet one, and the highest bit of each.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// The characters of one table by code and back.
pub(super) struct Table {
    characters: [Option<char>; 128],
    /// By code: the ASCII character, or [`ABSENT`]. Both halves are alike, for septets are masked.
    ascii: [u8; 256],
    /// Codes of the characters below U+0100, or [`ABSENT`].
    latin: [u8; 256],
    /// Codes of the others, sorted by character.
    others: Vec<(char, u8)>,
    /// The longest runs of codes that are the number of their ASCII character, and it is written so: eight times each what
    /// lifts codes from the first one on to 80 and above, and what lifts those behind the last one.
    same: [(u64, u64); RUNS],
    /// Octets of UTF-8 that a character takes at most.
    widest: usize,
}

impl Table {
    /// Of code and character; of several codes with one character the first is the one it is written with.
    fn new(codes: impl Iterator<Item = (u8, char)>) -> Self {
        let mut table = Self {
            characters: [None; 128],
            ascii: [ABSENT; 256],
            latin: [ABSENT; 256],
            others: Vec::new(),
            same: [(0, 0); RUNS],
            widest: 1,
        };
        for (code, c) in codes.filter(|(code, _)| *code != ESCAPE) {
            put(&mut table.characters, code, Some(c));
            table.widest = table.widest.max(c.len_utf8());
            if c.is_ascii() {
                let octet = u8::try_from(c).unwrap_or(ABSENT);
                put(&mut table.ascii, code, octet);
                put(&mut table.ascii, code | 0x80, octet);
            }
            match u8::try_from(c) {
                Ok(octet) if table.code_of_latin(octet) == ABSENT => put(&mut table.latin, octet, code),
                Ok(_) => {}
                Err(_) => table.others.push((c, code)),
            }
        }
        // Stable, so of several codes the first stays in front.
        table.others.sort_by_key(|&(c, _)| c);
        table.others.dedup_by_key(|&mut (c, _)| c);
        table.same = table.runs();
        table
    }

    /// See the field `same`.
    fn runs(&self) -> [(u64, u64); RUNS] {
        let codes: Vec<u8> = (0..128).filter(|&code| self.stays(code)).collect();
        let mut runs: Vec<&[u8]> = codes.chunk_by(|code, next| next - code == 1).collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
        let mut same = [(0, 0); RUNS];
        for (lifts, run) in same.iter_mut().zip(runs) {
            if let [first, ..] = run
                && let [.., last] = run
            {
                *lifts = (u64::from(0x80 - first) * ONES, u64::from(0x7f - last) * ONES);
            }
        }
        same
    }

    /// Whether the code is the number of its ASCII character, and that is written with it.
    pub(super) fn stays(&self, code: u8) -> bool {
        self.ascii(code) == code && self.code_of_latin(code) == code
    }

    /// How many septets or characters in front can be copied as they are, from text to septets and back; at times fewer
    /// than [`Self::stays`] says. No sum crosses into the next octet, for the highest bit of each is kept out.
    pub(super) fn same(&self, chunk: &[u8; CHUNK]) -> usize {
        let others = |octets: u64| {
            let codes = octets & !HIGHEST;
            let [a, b, c, d] = self.same;
            let inside = |run: (u64, u64)| (codes + run.0) & !(codes + run.1);
            (octets | !(inside(a) | inside(b) | inside(c) | inside(d))) & HIGHEST
        };
        let octets = u128::from_le_bytes(*chunk);
        let (low, high) = (others(octets as u64), others((octets >> 64) as u64));
        let bits = if low == 0 { 64 + high.trailing_zeros() } else { low.trailing_zeros() };
        bits as usize / 8
    }

    /// Octets of UTF-8 that a character takes at most.
    pub(super) fn widest(&self) -> usize {
        self.widest
    }

    /// The character of a code; only its low seven bits count.
    pub(super) fn char(&self, code: u8) -> Option<char> {
        self.characters.get(usize::from(code & 0x7f)).copied().flatten()
    }

    /// The character of a code if it is ASCII, or [`ABSENT`].
    pub(super) fn ascii(&self, code: u8) -> u8 {
        self.ascii.get(usize::from(code)).copied().unwrap_or(ABSENT)
    }

    /// The code of a character.
    pub(super) fn code(&self, c: char) -> Option<u8> {
        if let Ok(octet) = u8::try_from(c) {
            return Some(self.code_of_latin(octet)).filter(|code| *code != ABSENT);
        }
        let at = self.others.binary_search_by_key(&c, |&(other, _)| other).ok()?;
        self.others.get(at).map(|&(_, code)| code)
    }

    /// The code of a character below U+0100, or [`ABSENT`].
    pub(super) fn code_of_latin(&self, octet: u8) -> u8 {
        self.latin.get(usize::from(octet)).copied().unwrap_or(ABSENT)
    }
}

fn put<T>(table: &mut [T], at: u8, value: T) {
    if let Some(place) = table.get_mut(usize::from(at)) {
        *place = value;
    }
}

/// The default tables, and the locking and single shift tables by identifier from 1.
struct All {
    default: (Table, Table),
    national: Vec<(Option<Table>, Table)>,
}

static ALL: LazyLock<All> = LazyLock::new(|| {
    // The space stands where it stands in ASCII; everywhere else it marks a code that has no character.
    let locking = |text: &'static str| {
        Table::new((0..).zip(text.chars()).filter(|&(code, c)| c != ' ' || code == b' '))
    };
    let single = |language: &National| {
        let runs = language.single.iter();
        Table::new(runs.flat_map(|&(first, run)| (first..).zip(run.chars())))
    };
    let [default, national @ ..] = &LANGUAGES;
    All {
        default: (locking(default.locking.unwrap_or_default()), single(default)),
        national: national.iter().map(|language| (language.locking.map(locking), single(language))).collect(),
    }
});

/// The table in place of the default alphabet: itself for 0, for what is not assigned, and for a language without one.
pub(super) fn locking(identifier: u8) -> &'static Table {
    national(identifier).and_then(|(locking, _)| locking.as_ref()).unwrap_or(&ALL.default.0)
}

/// The table in place of the extension table: itself for 0 and for what is not assigned.
pub(super) fn single(identifier: u8) -> &'static Table {
    national(identifier).map_or(&ALL.default.1, |(_, single)| single)
}

fn national(identifier: u8) -> Option<&'static (Option<Table>, Table)> {
    ALL.national.get(usize::from(identifier.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_table_is_complete_and_no_run_overlaps() {
        for (id, language) in LANGUAGES.iter().enumerate() {
            assert!(language.locking.is_none_or(|locking| locking.chars().count() == 128), "{id}");
            let mut next = 0;
            for &(first, run) in language.single {
                assert!(usize::from(first) >= next, "language {id}: run at {first:#04x}");
                next = usize::from(first) + run.chars().count();
            }
            assert!(next <= 128, "{id}");
        }
    }

    #[test]
    fn what_is_not_assigned_is_the_default() {
        for id in [0, 14, 255] {
            assert!(std::ptr::eq(locking(id), &ALL.default.0) && std::ptr::eq(single(id), &ALL.default.1));
        }
        assert!(std::ptr::eq(locking(2), &ALL.default.0), "Spanish has only a single shift table");
    }

    #[test]
    fn a_space_is_written_as_itself() {
        for id in 0..14 {
            assert_eq!(locking(id).code(' '), Some(b' '), "{id}");
        }
    }

    #[test]
    fn of_two_codes_the_first_is_written() {
        assert_eq!((single(6).code('*'), single(6).code('¡')), (Some(0x0b), Some(0x13)));
        assert_eq!((single(6).char(0x18), single(6).char(0x15)), (Some('*'), Some('¡')));
    }

    #[test]
    fn what_stays_is_found_at_every_place() {
        for table in (0..14).map(locking) {
            for octet in 0..=255 {
                let same = table.same(&[octet; CHUNK]);
                assert!(same == 0 || same == CHUNK && table.stays(octet), "{octet:#04x}");
                for at in 0..CHUNK {
                    let mut chunk = [b'7'; CHUNK];
                    chunk[at] = octet;
                    assert_eq!(table.same(&chunk), if same > 0 { CHUNK } else { at }, "{octet:#04x} at {at}");
                }
            }
        }
        let kept = |id: u8| (0..128).filter(|&code| locking(id).same(&[code; CHUNK]) > 0).count();
        assert_eq!((kept(0), kept(1), kept(3), kept(4)), (83, 83, 83, 41));
    }

    /// Against another reading of the standard, which lies beside the corpus and not in this repository.
    #[test]
    fn the_tables_are_those_of_the_reference() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/gsm7-national-tables.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!("skipped: there is no {}", path.display());
            return;
        };
        let reference: serde_json::Value = serde_json::from_str(&text).unwrap();
        let tables = reference["tables"].as_array().unwrap();
        assert_eq!(tables.len(), LANGUAGES.len());
        for table in tables {
            let id = u8::try_from(table["id"].as_u64().unwrap()).unwrap();
            for (code, c) in (0..128).zip(table["locking"].as_str().unwrap().chars()) {
                let expect = Some(c).filter(|_| code != ESCAPE && (c != ' ' || code == b' '));
                assert_eq!(locking(id).char(code), expect, "{id} locking {code:#04x}");
            }
            let entries = table["single"].as_object().unwrap();
            for code in 0..128 {
                let expect = entries.get(&format!("{code:02X}")).map(|c| c.as_str().unwrap());
                let found = single(id).char(code).map(String::from);
                assert_eq!(found.as_deref(), expect, "{id} single {code:#04x}");
            }
        }
    }
}
