//! The GSM 7 bit default alphabet with its extension table (TS 23.038 6.2.1), and the national tables in their place.
//!
//! A *septet string* here is one septet an octet; packing it ([`super::septets`]) is a separate step, because the user data
//! header shifts the packed form by fill bits and because two septets of an escape pair must be counted before they are
//! packed.
//!
//! Nearly every text is ASCII at one septet a character, so both ways go eight characters at a time through an octet table
//! as long as that holds, and character by character where it does not.

use super::national::{self, ABSENT, Table};
pub use super::septets::{pack, pack_into, pack_ussd, packed_len, unpack};

/// ESC: the next septet is looked up in the extension table; TS 23.038 6.2.1.
pub const ESCAPE: u8 = 0x1b;
/// Characters that are looked at together.
const CHUNK: usize = 8;

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

    /// The codes of as many characters, if each is ASCII and one septet.
    pub(super) fn plain(self, chunk: &[u8; CHUNK]) -> Option<[u8; CHUNK]> {
        if !chunk.is_ascii() {
            return None;
        }
        let codes = chunk.map(|octet| self.basic.code_of_latin(octet));
        is_plain(codes).then_some(codes)
    }

    fn encode(self, text: &str) -> Option<Vec<u8>> {
        let mut septets = Vec::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(codes) = rest.as_bytes().first_chunk().and_then(|chunk| self.plain(chunk)) {
                septets.extend_from_slice(&codes);
                rest = rest.get(CHUNK..).unwrap_or_default();
                continue;
            }
            let mut characters = rest.chars();
            for c in characters.by_ref().take(CHUNK) {
                self.encode_char(c)?.push_to(&mut septets);
            }
            rest = characters.as_str();
        }
        Some(septets)
    }

    fn decode(self, septets: &[u8]) -> String {
        let mut text = Vec::with_capacity(septets.len());
        let mut rest = septets;
        while !rest.is_empty() {
            if let Some((chunk, behind)) = rest.split_first_chunk::<CHUNK>() {
                let ascii = chunk.map(|code| self.basic.ascii(code));
                if is_plain(ascii) {
                    text.extend_from_slice(&ascii);
                    rest = behind;
                    continue;
                }
            }
            for _ in 0..CHUNK {
                let Some(c) = self.next_char(&mut rest) else { break };
                text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        // All of it was made of characters; checking once is what it costs to make it a string without `unsafe`.
        String::from_utf8(text).unwrap_or_default()
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

/// Whether no octet of a looked-up chunk is [`ABSENT`].
fn is_plain(chunk: [u8; CHUNK]) -> bool {
    chunk.iter().fold(0, |all, octet| all | octet) & ABSENT == 0
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
