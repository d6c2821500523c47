//! The GSM 7 bit default alphabet with its extension table (TS 23.038 6.2.1), the national tables in their place, and septets
//! packed into octets (6.1.2.1).
//!
//! A *septet string* here is one septet an octet; packing is a separate step, because the user data header shifts the
//! packed form by fill bits and because two septets of an escape pair must be counted before they are packed. The default
//! alphabet goes through tables that the compiler makes: it is on the way of every message.

mod packing;

use super::national;
pub use packing::{pack, pack_into, pack_ussd, packed_len, unpack};

/// ESC: the next septet is looked up in the extension table; TS 23.038 6.2.1.
pub const ESCAPE: u8 = 0x1b;
/// The default alphabet by code; position 1B is the escape, which shows as a space when it stands alone.
#[rustfmt::skip]
const BASIC: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', ' ', 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table; TS 23.038 6.2.1.1.
const EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// No character of the default alphabet or its extension.
const NONE: u8 = 0xff;
/// Marks a code of the extension table in [`LATIN_1`] and [`code_of`].
const EXTENDED: u8 = 0x80;

/// Codes of the characters below U+0100, extended ones marked.
const LATIN_1: [u8; 256] = latin_1();
/// The character of a code where that is ASCII, else 0: the common case is a copy.
const ASCII: [u8; 128] = ascii();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index beyond")]
const fn latin_1() -> [u8; 256] {
    let mut codes = [NONE; 256];
    let mut code = 0;
    while code < BASIC.len() {
        let c = BASIC[code] as usize;
        if c < codes.len() && code != ESCAPE as usize {
            codes[c] = code as u8;
        }
        code += 1;
    }
    let mut at = 0;
    while at < EXTENSION.len() {
        let (code, c) = EXTENSION[at];
        if (c as usize) < codes.len() {
            codes[c as usize] = code | EXTENDED;
        }
        at += 1;
    }
    codes
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index beyond")]
const fn ascii() -> [u8; 128] {
    let mut plain = [0; 128];
    let mut code = 0;
    while code < plain.len() {
        if BASIC[code].is_ascii() && code != ESCAPE as usize {
            plain[code] = BASIC[code] as u8;
        }
        code += 1;
    }
    plain
}

/// The code of `c` in the default alphabet, marked if it is an extended one, or [`NONE`].
#[inline]
fn code_of(c: char) -> u8 {
    match u8::try_from(c) {
        Ok(latin) => LATIN_1.get(usize::from(latin)).copied().unwrap_or(NONE),
        Err(_) => match c {
            'Δ' => 0x10,
            'Φ' => 0x12,
            'Γ' => 0x13,
            'Λ' => 0x14,
            'Ω' => 0x15,
            'Π' => 0x16,
            'Ψ' => 0x17,
            'Σ' => 0x18,
            'Θ' => 0x19,
            'Ξ' => 0x1a,
            '€' => 0x65 | EXTENDED,
            _ => NONE,
        },
    }
}

/// One character as septets: one, or two with the escape in front; they must never be separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coded {
    /// A code of the default alphabet.
    Basic(u8),
    /// A code of the extension table, to be written behind an escape.
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
            Self::Extended(code) => septets.extend([ESCAPE, code]),
        }
    }
}

/// The text as a septet string of the default alphabet; `None` if a character is not in it.
#[must_use]
pub fn encode(text: &str) -> Option<Vec<u8>> {
    let mut septets = Vec::with_capacity(text.len());
    for c in text.chars() {
        match code_of(c) {
            NONE => return None,
            code if code & EXTENDED == 0 => septets.push(code),
            code => septets.extend([ESCAPE, code & !EXTENDED]),
        }
    }
    Some(septets)
}

/// The text of a septet string in the default alphabet; see [`Tables::decode`].
#[must_use]
pub fn decode(mut septets: &[u8]) -> String {
    let mut text = Vec::with_capacity(septets.len().saturating_add(8));
    while let Some((group, rest)) = septets.split_first_chunk::<8>() {
        let plain = group.map(|code| ASCII.get(usize::from(code & 0x7f)).copied().unwrap_or(0));
        if !plain.contains(&0) {
            text.extend_from_slice(&plain);
            septets = rest;
            continue;
        }
        let (copied, _) = plain.split_at(plain.iter().position(|&c| c == 0).unwrap_or(0));
        text.extend_from_slice(copied);
        septets = septets.get(copied.len()..).unwrap_or_default();
        septets = push_next(&mut text, septets);
    }
    while !septets.is_empty() {
        septets = push_next(&mut text, septets);
    }
    // Every octet of it was made from characters.
    String::from_utf8(text).unwrap_or_default()
}

/// Appends the next character in UTF-8; gives the septets behind it.
fn push_next<'a>(text: &mut Vec<u8>, septets: &'a [u8]) -> &'a [u8] {
    let mut codes = septets.iter();
    if let Some(c) = Tables::default().next_char(&mut codes) {
        text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    codes.as_slice()
}

/// The tables a septet string is written with, by national language identifier (TS 23.038 6.2.1.2.4): 0, and what is not
/// assigned, is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
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
        if self == Self::default() {
            return decode(septets);
        }
        let mut text = String::with_capacity(septets.len());
        let mut codes = septets.iter();
        while let Some(c) = self.next_char(&mut codes) {
            text.push(c);
        }
        text
    }

    fn next_char(self, codes: &mut std::slice::Iter<'_, u8>) -> Option<char> {
        Some(match *codes.next()? {
            ESCAPE => match codes.next() {
                None | Some(&ESCAPE) => ' ',
                Some(&code) => self.extended(code).unwrap_or_else(|| self.basic(code)),
            },
            code => self.basic(code),
        })
    }

    /// The text as a septet string; `None` if a character is in neither table.
    #[must_use]
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        if self == Self::default() {
            return encode(text);
        }
        let mut septets = Vec::with_capacity(text.len());
        for c in text.chars() {
            self.encode_char(c)?.push_to(&mut septets);
        }
        Some(septets)
    }

    /// How `c` is written, if these tables have it: one septet where that is possible.
    #[must_use]
    pub fn encode_char(self, c: char) -> Option<Coded> {
        let default = code_of(c);
        let basic = match national::locking(self.locking) {
            Some(sheet) => sheet.code(c),
            None => Some(default).filter(|code| code & EXTENDED == 0),
        };
        let extended = || match national::single(self.single) {
            Some(sheet) => sheet.code(c),
            None => Some(default & !EXTENDED).filter(|_| default & EXTENDED != 0 && default != NONE),
        };
        basic.map(Coded::Basic).or_else(|| extended().map(Coded::Extended))
    }

    fn basic(self, code: u8) -> char {
        match national::locking(self.locking) {
            Some(sheet) => sheet.char(code).unwrap_or(' '),
            None => BASIC.get(usize::from(code & 0x7f)).copied().unwrap_or(' '),
        }
    }

    fn extended(self, code: u8) -> Option<char> {
        match national::single(self.single) {
            Some(sheet) => sheet.char(code),
            None => EXTENSION.iter().find(|&&(extended, _)| extended == code).map(|&(_, c)| c),
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn a_character_that_is_not_plain_does_not_disturb_the_run_around_it() {
        let text = "abcdefgh€ijklmnöopqrst{u}vwxyz0123456789Δ";
        assert_eq!(decode(&encode(text).unwrap()), text);
    }

    #[test]
    fn national_tables_replace_and_extend() {
        let turkish = Tables { locking: 1, single: 1 };
        assert_eq!(turkish.decode(&[0x04, 0x07, ESCAPE, 0x53]), "€ıŞ");
        assert_eq!(Tables { locking: 0, single: 1 }.decode(&[0x04, ESCAPE, 0x53]), "èŞ");
        assert_eq!(Tables { locking: 99, single: 99 }.decode(&[0x04, ESCAPE, 0x65]), "è€");
    }
}
