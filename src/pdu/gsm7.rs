//! The GSM 7 bit default alphabet with its extension table (TS 23.038 6.2.1), and the national tables in their place.
//!
//! A *septet string* here is one septet an octet; packing it ([`super::septets`]) is a separate step, because the user data
//! header shifts the packed form by fill bits and because two septets of an escape pair must be counted before they are
//! packed.
//!
//! In nearly every text most characters are ASCII whose septet is the same number, so both ways copy runs of those and go
//! character by character only between them.

use super::national::{self, CHUNK, Table};
pub use super::septets::{pack, pack_into, pack_ussd, packed_len, unpack};

/// ESC: the next septet is looked up in the extension table; TS 23.038 6.2.1.
pub const ESCAPE: u8 = 0x1b;

/// One character as septets: one, or two with the escape in front; they must never be separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coded {
    /// A code of the default alphabet or of the locking shift table in its place.
    Basic(u8),
    /// A code of the extension table or of the single shift table in its place, to be written behind an escape.
    Extended(u8),
}

impl Coded {
    /// Septets it costs.
    #[must_use]
    pub fn cost(self) -> usize {
        match self {
            Self::Basic(_) => 1,
            Self::Extended(_) => 2,
        }
    }

    /// Appends it to a septet string.
    pub fn push_to(self, septets: &mut Vec<u8>) {
        match self {
            Self::Basic(code) => septets.push(code),
            Self::Extended(code) => septets.extend_from_slice(&[ESCAPE, code]),
        }
    }
}

/// The text as a septet string of the default alphabet; `None` if a character is not in it.
#[must_use]
pub fn encode(text: &str) -> Option<Vec<u8>> {
    Tables::default().encode(text)
}

/// The text of a septet string in the default alphabet; see [`Tables::decode`].
#[must_use]
pub fn decode(septets: &[u8]) -> String {
    Tables::default().decode(septets)
}

/// The tables a septet string is written with, by national language identifier (TS 23.038 6.2.1.2.4): 0, and what is not
/// assigned, is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tables {
    /// In place of the default alphabet.
    pub locking: u8,
    /// In place of the extension table.
    pub single: u8,
}

impl Tables {
    /// The text of a septet string. An escape before a code that the single shift table lacks shows the basic character,
    /// an escape before an escape or at the end shows a space (TS 23.038 6.2.1.1).
    #[must_use]
    pub fn decode(self, septets: &[u8]) -> String {
        // All of it was made of characters; checking once is what it costs to make it a string without `unsafe`.
        String::from_utf8(self.decode_utf8(septets)).unwrap_or_default()
    }

    /// As [`Self::decode`], in octets, for a [`crate::secret::Secret`]: that is checked when it is read.
    pub(super) fn decode_utf8(self, septets: &[u8]) -> Vec<u8> {
        self.loaded().decode(septets)
    }

    /// The text as a septet string; `None` if a character is in neither table.
    #[must_use]
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        self.loaded().encode(text)
    }

    /// How `c` is written, if these tables have it: one septet where that is possible, and of two codes with the same
    /// character (`*` and `¡` in the single shift tables of 4 to 13) the first, for the standard prefers neither.
    #[must_use]
    pub fn encode_char(self, c: char) -> Option<Coded> {
        self.loaded().encode_char(c)
    }

    /// The tables themselves, for work on many characters.
    pub(super) fn loaded(self) -> Loaded {
        Loaded { basic: national::locking(self.locking), extended: national::single(self.single) }
    }
}

/// The two tables of [`Tables`].
#[derive(Clone, Copy)]
pub(super) struct Loaded {
    basic: &'static Table,
    extended: &'static Table,
}

impl Loaded {
    /// See [`Tables::encode_char`].
    pub(super) fn encode_char(self, c: char) -> Option<Coded> {
        self.basic.code(c).map(Coded::Basic).or_else(|| self.extended.code(c).map(Coded::Extended))
    }

    fn encode(self, text: &str) -> Option<Vec<u8>> {
        let mut septets = Vec::with_capacity(text.len() + CHUNK);
        let mut rest = text;
        loop {
            let same = self.copy_same(rest.as_bytes(), &mut septets);
            let mut characters = rest.get(same..).unwrap_or_default().chars();
            loop {
                let Some(c) = characters.next() else { return Some(septets) };
                self.encode_char(c)?.push_to(&mut septets);
                rest = characters.as_str();
                if self.goes_on(rest.as_bytes()) {
                    break;
                }
            }
        }
    }

    /// UTF-8, in a buffer that never had to grow, for what is moved stays behind where nobody wipes it.
    fn decode(self, septets: &[u8]) -> Vec<u8> {
        // A pair of septets is one character, of at most three octets: all tables are of the basic plane.
        let widest = self.basic.widest().max(2);
        let mut text = Vec::with_capacity(septets.len().saturating_mul(widest).saturating_add(CHUNK));
        let mut rest = septets;
        loop {
            let same = self.copy_same(rest, &mut text);
            rest = rest.get(same..).unwrap_or_default();
            loop {
                let Some(c) = self.next_char(&mut rest) else { return text };
                push(&mut text, c);
                if self.goes_on(rest) {
                    break;
                }
            }
        }
    }

    /// Copies what is the same in septets and in text, as far as whole chunks tell, and says how much that is.
    fn copy_same(self, from: &[u8], to: &mut Vec<u8>) -> usize {
        let mut rest = from;
        while let Some((chunk, behind)) = rest.split_first_chunk() {
            let same = self.basic.same(chunk);
            to.extend_from_slice(chunk);
            if same < CHUNK {
                to.truncate(to.len() - (CHUNK - same));
                return from.len() - rest.len() + same;
            }
            rest = behind;
        }
        from.len() - rest.len()
    }

    /// Whether it is worth while to copy again: there is a whole chunk, and its first octet can be.
    fn goes_on(self, rest: &[u8]) -> bool {
        rest.len() >= CHUNK && rest.first().is_some_and(|&octet| self.basic.stays(octet))
    }

    /// The next character, which may take two septets.
    fn next_char(self, septets: &mut &[u8]) -> Option<char> {
        let code = *septets.split_off_first()?;
        if code != ESCAPE {
            return Some(self.basic(code));
        }
        Some(match septets.split_off_first() {
            None | Some(&ESCAPE) => ' ',
            Some(&code) => self.extended.char(code).unwrap_or_else(|| self.basic(code)),
        })
    }

    fn basic(self, code: u8) -> char {
        self.basic.char(code).unwrap_or(' ')
    }
}

/// Appends four octets and drops those too many: a copy of a length that is not known costs a call.
fn push(text: &mut Vec<u8>, c: char) {
    if let Ok(ascii @ ..0x80) = u8::try_from(c) {
        text.push(ascii);
        return;
    }
    let mut octets = [0; 4];
    let end = text.len() + c.encode_utf8(&mut octets).len();
    text.extend_from_slice(&octets);
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_alphabet_goes_both_ways() {
        let every = (0..128).filter(|&code| code != ESCAPE).collect::<Vec<u8>>();
        assert_eq!(encode(&decode(&every)).unwrap(), every);
        assert_eq!(encode("€").unwrap(), [ESCAPE, 0x65]);
        assert_eq!(encode("ą"), None);
        assert_eq!(encode("`"), None, "the section sign is 5F, a backquote has no code");
    }

    #[test]
    fn odd_escapes_show_what_the_standard_says() {
        assert_eq!(decode(&[0x61, ESCAPE, 0x41, 0x62]), "aAb");
        assert_eq!(decode(&[0x61, ESCAPE, ESCAPE, 0x62]), "a b");
        assert_eq!(decode(&[0x61, ESCAPE]), "a ");
    }

    #[test]
    fn national_tables_replace_and_extend() {
        let turkish = Tables { locking: 1, single: 1 };
        assert_eq!(turkish.decode(&[0x04, 0x07, ESCAPE, 0x53]), "€ıŞ");
        assert_eq!(Tables { locking: 0, single: 1 }.decode(&[0x04, ESCAPE, 0x53]), "èŞ");
        assert_eq!(Tables { locking: 99, single: 99 }.decode(&[0x04, ESCAPE, 0x65]), "è€");
    }

    proptest! {
        /// Whatever a pair of tables has comes back, at any place among the other characters.
        #[test]
        fn every_pair_of_tables_goes_both_ways(
            locking in 0..15_u8, single in 0..15_u8,
            codes in prop::collection::vec((any::<bool>(), 0..128_u8), 0..60),
        ) {
            let tables = Tables { locking, single };
            let septets: Vec<u8> = codes
                .into_iter()
                .filter(|&(_, code)| code != ESCAPE)
                .flat_map(|(escaped, code)| if escaped { vec![ESCAPE, code] } else { vec![code] })
                .collect();
            let text = tables.decode(&septets);
            prop_assert_eq!(tables.decode(&tables.encode(&text).unwrap()), text);
        }

        #[test]
        fn a_foreign_character_is_refused_and_all_others_come_back(text in r"[a-zA-Z0-9 {}€äß¡\\\[\]ąш]{0,40}") {
            match encode(&text) {
                Some(septets) => prop_assert_eq!(decode(&septets), text),
                None => prop_assert!(text.contains(['ą', 'ш'])),
            }
        }

        #[test]
        fn any_octets_decode(septets in prop::collection::vec(any::<u8>(), 0..60), locking: u8, single: u8) {
            let text = Tables { locking, single }.decode(&septets);
            prop_assert!(text.chars().count() <= septets.len());
        }
    }
}
