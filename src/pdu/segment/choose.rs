//! Which alphabet a text is written in: the one that takes the fewest parts, and of several the simplest.
//!
//! The ways are judged by a census of the text's characters, which tells the fewest parts that each could take; only those
//! that could be the best are written out and cut. So thirteen languages, which are 196 pairs of tables, cost little more
//! than one.

use super::cut;
use super::{Allowed, Coding, SegmentError};
use crate::pdu::gsm7::{self, Coded, Tables};
use crate::pdu::language::Language;
use crate::pdu::ucs2;

/// A text in units, and where its parts end.
pub(super) struct Written {
    pub(super) coding: Coding,
    pub(super) units: Vec<u8>,
    pub(super) ends: Vec<usize>,
}

impl Written {
    /// In this coding; `None` if a character is not in its tables.
    pub(super) fn new(text: &str, coding: Coding) -> Option<Self> {
        let units = match coding {
            Coding::Septets(tables) => tables.encode(text)?,
            Coding::Ucs2 => ucs2::encode(text),
        };
        let ends = cut::cut(coding, &units);
        Some(Self { coding, units, ends })
    }

    /// What makes one way better than another: parts first.
    fn rank(&self) -> Rank {
        (self.ends.len(), simplicity(self.coding))
    }
}

/// Parts, and the place in [`simplicity`]; less is better.
type Rank = (usize, (u8, u8, u8));

/// Fewer tables before more, tables of one language before those of two, UCS-2 last: it is the dearest for each character.
fn simplicity(coding: Coding) -> (u8, u8, u8) {
    match coding {
        Coding::Septets(Tables { locking: 0, single: 0 }) => (0, 0, 0),
        Coding::Septets(Tables { locking: 0, single }) => (1, 0, single),
        Coding::Septets(Tables { locking, single: 0 }) => (2, locking, 0),
        Coding::Septets(Tables { locking, single }) if locking == single => (3, locking, single),
        Coding::Septets(Tables { locking, single }) => (4, locking, single),
        Coding::Ucs2 => (5, 0, 0),
    }
}

/// The best way to write `text`.
pub(super) fn choose(text: &str, national: &[Language], allowed: Allowed) -> Result<Written, SegmentError> {
    let default = Coding::Septets(Tables::default());
    let plain = Written::new(text, default);
    if let Some(plain) = plain.filter(|plain| plain.ends.len() == 1 || national.is_empty()) {
        return Ok(plain);
    }
    if national.is_empty() && allowed == Allowed::Any {
        return Written::new(text, Coding::Ucs2).ok_or_else(|| unencodable(text));
    }
    let census = census(text);
    let mut ways: Vec<(Rank, Coding)> = codings(national, allowed)
        .filter_map(|coding| Some(((cut::least(coding, cost(coding, &census)?), simplicity(coding)), coding)))
        .collect();
    ways.sort_unstable_by_key(|&(rank, _)| rank);
    let mut best: Option<Written> = None;
    for (least, coding) in ways {
        if best.as_ref().is_some_and(|best| best.rank() <= least) {
            break;
        }
        let written = Written::new(text, coding);
        best = match (best, written) {
            (Some(best), Some(written)) if written.rank() < best.rank() => Some(written),
            (best @ Some(_), _) => best,
            (None, written) => written,
        };
    }
    best.ok_or_else(|| unencodable(text))
}

/// Every way that is allowed.
fn codings(national: &[Language], allowed: Allowed) -> impl Iterator<Item = Coding> {
    let identifiers = || std::iter::once(0).chain(national.iter().map(|language| language.identifier()));
    let pairs = identifiers().flat_map(move |locking| identifiers().map(move |single| (locking, single)));
    let septets = pairs
        // Spanish has no locking table: the identifier would be octets for nothing.
        .filter(|&(locking, _)| locking != Language::Spanish.identifier())
        .map(|(locking, single)| Coding::Septets(Tables { locking, single }));
    septets.chain((allowed == Allowed::Any).then_some(Coding::Ucs2))
}

/// The different characters and how often each is there.
fn census(text: &str) -> Vec<(char, usize)> {
    let mut characters: Vec<char> = text.chars().collect();
    characters.sort_unstable();
    characters.chunk_by(|a, b| a == b).filter_map(|run| Some((*run.first()?, run.len()))).collect()
}

/// Octets of units that such characters take; `None` if one cannot be written.
fn cost(coding: Coding, census: &[(char, usize)]) -> Option<usize> {
    match coding {
        Coding::Septets(tables) => {
            let cost =
                |&(c, count): &(char, usize)| tables.encode_char(c).map(|coded: Coded| coded.cost() * count);
            census.iter().map(cost).sum()
        }
        Coding::Ucs2 => Some(census.iter().map(|(c, count)| 2 * c.len_utf16() * count).sum()),
    }
}

/// The refusal, naming what the default alphabet lacks.
fn unencodable(text: &str) -> SegmentError {
    let mut characters: Vec<char> =
        text.chars().filter(|&c| gsm7::Tables::default().encode_char(c).is_none()).collect();
    characters.sort_unstable();
    characters.dedup();
    SegmentError::Unencodable(characters)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Language; 13] = {
        use Language::*;
        [
            Turkish, Spanish, Portuguese, Bengali, Gujarati, Hindi, Kannada, Malayalam, Oriya, Punjabi,
            Tamil, Telugu, Urdu,
        ]
    };

    fn coding(text: &str, national: &[Language]) -> (Coding, usize) {
        let written = choose(text, national, Allowed::Any).unwrap();
        (written.coding, written.ends.len())
    }

    #[test]
    fn the_simplest_of_the_shortest_is_taken() {
        let tables = |locking, single| Coding::Septets(Tables { locking, single });
        let turkish = [Language::Turkish];
        assert_eq!(coding("hello", &ALL), (tables(0, 0), 1));
        assert_eq!(
            coding("İyi akşamlar", &turkish),
            (tables(0, 1), 1),
            "one part either way: the single shift"
        );
        let long = "ışğ".repeat(50);
        assert_eq!(coding(&long, &turkish), (tables(1, 0), 1), "150 septets with the locking table");
        assert_eq!(coding(&long, &[]), (Coding::Ucs2, 3));
        assert_eq!(coding("Щука ı", &turkish), (Coding::Ucs2, 1));
        // The locking table of Turkish lacks ò in favour of ı, the single one of Spanish has the rest.
        assert_eq!(coding(&"ışá".repeat(40), &[Language::Turkish, Language::Spanish]).0, tables(1, 2));
    }

    #[test]
    fn without_ucs2_the_characters_are_named() {
        let refused = |text, national: &[Language]| choose(text, national, Allowed::Gsm7).err();
        assert_eq!(refused("aшшю€", &[]), Some(SegmentError::Unencodable(vec!['ш', 'ю'])));
        assert_eq!(refused("ığ", &[Language::Turkish]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// No other way would have taken fewer parts, nor as many more simply.
        #[test]
        fn no_way_is_better(text in "[a-z ığşáçãõÊ€^]{0,330}", known in prop::sample::subsequence(&ALL[..], 0..4)) {
            let chosen = choose(&text, &known, Allowed::Any).unwrap();
            for coding in codings(&known, Allowed::Any) {
                if let Some(other) = Written::new(&text, coding) {
                    prop_assert!(chosen.rank() <= other.rank(), "{:?} before {:?}", coding, chosen.coding);
                }
            }
        }
    }
}
