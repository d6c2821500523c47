//! Where a text that is already units (septets or UTF-16) is cut into parts.
//!
//! No cut falls inside an escape pair or a surrogate pair. What a reader takes for one character (UAX 29: a letter with its
//! marks, a flag, a family of emoji) is not cut either, unless it alone is longer than a part. Nearly every cut is between
//! characters that never join, which their ranges tell; only the others are looked at by the rules.

use unicode_segmentation::{GraphemeCursor, GraphemeIncomplete};

use super::Coding;
use crate::pdu::gsm7::{Coded, ESCAPE, Tables};
use crate::pdu::ucs2;

/// Characters that join neither with one another nor with a neighbour of these ranges, as first and last; CR LF aside.
const LONERS: [(char, char); 9] = [
    (' ', '\u{2ff}'),
    ('\u{370}', '\u{482}'),
    ('\u{48a}', '\u{590}'),
    ('\u{5d0}', '\u{5ea}'),
    ('\u{620}', '\u{64a}'),
    ('\u{1e00}', '\u{200a}'),
    ('\u{2010}', '\u{2027}'),
    ('\u{3041}', '\u{3096}'),
    ('\u{4e00}', '\u{9fff}'),
];

/// Whether `unit` is a character of [`LONERS`].
fn is_loner(unit: u16) -> bool {
    let unit = u32::from(unit);
    LONERS.iter().any(|&(first, last)| (u32::from(first)..=u32::from(last)).contains(&unit))
}

/// The ends of the parts in octets of `units`, ascending: one if they fit a message alone.
pub(super) fn cut(coding: Coding, units: &[u8]) -> Vec<usize> {
    coding.cut(units, coding.room())
}

/// Parts that so many octets of units take at least.
pub(super) fn least(coding: Coding, octets: usize) -> usize {
    let [alone, part] = coding.room();
    if octets <= alone { 1 } else { octets.div_ceil(part) }
}

impl Coding {
    /// The ends of parts of `part` octets each, or of one if `alone` octets are enough.
    fn cut(self, units: &[u8], [alone, part]: [usize; 2]) -> Vec<usize> {
        if units.len() <= alone {
            return vec![units.len()];
        }
        let mut ends = Vec::with_capacity(1 + units.len() / part.max(1));
        let mut start = 0;
        let mut rest = units;
        while rest.len() > part {
            let len = self.part(rest, part).max(1);
            start += len;
            ends.push(start);
            rest = rest.get(len..).unwrap_or_default();
        }
        ends.push(units.len());
        ends
    }

    /// Octets of the longest part of at most `room` octets that `units`, which are more, can begin with.
    fn part(self, units: &[u8], room: usize) -> usize {
        match self {
            Self::Septets(tables) => {
                let room = room - usize::from(at(units, room.wrapping_sub(1)) == ESCAPE);
                if tables == Tables::default() { room } else { self.between_clusters(units, room) }
            }
            Self::Ucs2 => {
                let room = room & !1;
                let (before, after) = (unit(units, room.wrapping_sub(2)), unit(units, room));
                if is_loner(before) && is_loner(after) {
                    return room;
                }
                let splits_pair = (0xd800..0xdc00).contains(&before) && (0xdc00..0xe000).contains(&after);
                self.between_clusters(units, room - if splits_pair { 2 } else { 0 })
            }
        }
    }

    /// `room`, which is between two characters, or the beginning of the cluster around it; `room` too if that is all of it.
    fn between_clusters(self, units: &[u8], room: usize) -> usize {
        let from = self.window(units, room);
        let before = self.text(units.get(from..room).unwrap_or_default());
        let mut text = before.clone();
        text.extend(self.text(units.get(room..room.saturating_add(4)).unwrap_or_default()).chars().next());
        let mut cursor = GraphemeCursor::new(before.len(), text.len(), true);
        if cursor.is_boundary(&text, 0) == Ok(true) {
            return room;
        }
        let cluster: Result<Option<usize>, GraphemeIncomplete> = cursor.prev_boundary(&text, 0);
        let kept = cluster.ok().flatten().and_then(|to| before.get(..to)).unwrap_or_default();
        match from.saturating_add(self.cost(kept)) {
            0 => room,
            end => end,
        }
    }

    /// Where to begin to look at clusters before `room`: the last place between two loners, or the beginning.
    fn window(self, units: &[u8], room: usize) -> usize {
        if self != Self::Ucs2 {
            return 0;
        }
        let mut from = room;
        while from > 0 && !(is_loner(unit(units, from.wrapping_sub(2))) && is_loner(unit(units, from))) {
            from -= 2;
        }
        from
    }

    fn text(self, units: &[u8]) -> String {
        match self {
            Self::Septets(tables) => tables.decode(units),
            Self::Ucs2 => ucs2::decode(units),
        }
    }

    /// Octets that `text`, read from such units, takes.
    fn cost(self, text: &str) -> usize {
        match self {
            Self::Septets(tables) => {
                text.chars().filter_map(|c| tables.encode_char(c)).map(Coded::cost).sum()
            }
            Self::Ucs2 => text.chars().map(|c| 2 * c.len_utf16()).sum(),
        }
    }
}

fn at(units: &[u8], at: usize) -> u8 {
    units.get(at).copied().unwrap_or_default()
}

/// The UTF-16 unit that begins at octet `from`; 0 beyond the end.
fn unit(units: &[u8], from: usize) -> u16 {
    u16::from_be_bytes([at(units, from), at(units, from.wrapping_add(1))])
}

#[cfg(test)]
mod tests {
    use unicode_segmentation::UnicodeSegmentation;

    use super::*;

    #[test]
    fn loners_never_join() {
        let loners: Vec<char> = (0..=u16::MAX)
            .filter(|unit| is_loner(*unit))
            .filter_map(|unit| char::from_u32(unit.into()))
            .collect();
        assert!(loners.len() > 20_000);
        for c in loners {
            let text = String::from_iter(['a', c, c, 'я', c, '中']);
            assert_eq!(text.graphemes(true).count(), 6, "{c:?}");
        }
    }

    #[test]
    fn a_cut_looks_no_further_back_than_it_must() {
        let units = ucs2::encode("яяя🇩🇪🇩🇪🇩🇪");
        assert_eq!(Coding::Ucs2.window(&units, 18), 4, "between the last two loners");
        assert_eq!(Coding::Ucs2.part(&units, 18), 14);
        assert_eq!(Coding::Ucs2.part(&units, 16), 14);
        assert_eq!(Coding::Ucs2.part(&units, 14), 14);
    }

    #[test]
    fn a_cluster_longer_than_a_part_is_cut_between_characters() {
        let units = ucs2::encode("e\u{301}\u{301}\u{301}😁😁");
        assert_eq!(Coding::Ucs2.cut(&units, [4, 4]), [4, 8, 12, 16]);
        assert_eq!(Coding::Ucs2.cut(&units, [16, 10]), [16]);
    }
}
