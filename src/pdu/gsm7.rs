//! The GSM 7 bit default alphabet with its extension table (TS 23.038 6.2.1), and septets packed into octets (6.1.2.1).
//!
//! A *septet string* here is one septet an octet; packing is a separate step, because the user data header shifts the
//! packed form by fill bits and because two septets of an escape pair must be counted before they are packed.

use super::national;

/// ESC: the next septet is looked up in the extension table; TS 23.038 6.2.1.
pub const ESCAPE: u8 = 0x1b;
/// Fills seven spare bits at the end of a USSD string, where 0 would read as `@`; TS 23.038 6.1.2.3.1.
const CR: u8 = 0x0d;

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
        let mut text = String::with_capacity(septets.len());
        let mut codes = septets.iter().copied();
        while let Some(code) = codes.next() {
            if code != ESCAPE {
                text.push(self.basic(code));
                continue;
            }
            text.push(match codes.next() {
                None | Some(ESCAPE) => ' ',
                Some(code) => self.extended(code).unwrap_or_else(|| self.basic(code)),
            });
        }
        text
    }

    /// The text as a septet string; `None` if a character is in neither table.
    #[must_use]
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        let mut septets = Vec::with_capacity(text.len());
        for c in text.chars() {
            self.encode_char(c)?.push_to(&mut septets);
        }
        Some(septets)
    }

    /// How `c` is written, if these tables have it: one septet where that is possible.
    #[must_use]
    pub fn encode_char(self, c: char) -> Option<Coded> {
        let codes = || (0..128).filter(|&code| code != ESCAPE);
        let basic = codes().find(|&code| self.basic(code) == c).map(Coded::Basic);
        basic.or_else(|| codes().find(|&code| self.extended(code) == Some(c)).map(Coded::Extended))
    }

    fn basic(self, code: u8) -> char {
        let at = usize::from(code & 0x7f);
        match national::table(self.locking).and_then(|table| table.locking) {
            Some(locking) => locking.chars().nth(at).unwrap_or(' '),
            None => BASIC.get(at).copied().unwrap_or(' '),
        }
    }

    fn extended(self, code: u8) -> Option<char> {
        let Some(table) = national::table(self.single) else {
            return EXTENSION.iter().find(|&&(extended, _)| extended == code).map(|&(_, c)| c);
        };
        let in_run = |&(first, run): &(u8, &'static str)| run.chars().nth(code.checked_sub(first)?.into());
        table.single.iter().find_map(in_run)
    }
}

/// Packs septets into octets behind `fill` zero bits (0..=6); TS 23.038 6.1.2.1.1. Spare bits at the end are zero.
#[must_use]
pub fn pack(septets: &[u8], fill: u8) -> Vec<u8> {
    let mut octets = Vec::with_capacity(packed_len(septets.len()) + 1);
    pack_into(&mut octets, septets, fill);
    octets
}

/// Appends what [`pack`] gives. Eight septets are seven octets whatever the fill, so they go as one word.
pub fn pack_into(octets: &mut Vec<u8>, septets: &[u8], fill: u8) {
    let (words, rest) = septets.as_chunks::<8>();
    let (mut pending, mut bits) = (0_u64, u32::from(fill));
    for word in words {
        let packed = word.iter().rev().fold(0, |packed, &septet| (packed << 7) | u64::from(septet & 0x7f));
        pending |= packed << bits;
        let [seven @ .., _] = pending.to_le_bytes();
        octets.extend_from_slice(&seven);
        pending >>= 56;
    }
    for &septet in rest {
        pending |= u64::from(septet & 0x7f) << bits;
        bits += 7;
    }
    octets.extend(pending.to_le_bytes().into_iter().take(bits.div_ceil(8) as usize));
}

/// Packs for USSD: seven spare bits hold a carriage return, and a full last octet that ends in one gets another;
/// TS 23.038 6.1.2.3.1.
#[must_use]
pub fn pack_ussd(septets: &[u8]) -> Vec<u8> {
    let ambiguous = septets.len().is_multiple_of(8) && septets.last() == Some(&CR);
    if septets.len() % 8 == 7 || ambiguous {
        let mut padded = septets.to_vec();
        padded.push(CR);
        pack(&padded, 0)
    } else {
        pack(septets, 0)
    }
}

/// Unpacks at most `count` septets that begin behind `fill` bits; fewer if the octets end before.
#[must_use]
pub fn unpack(octets: &[u8], fill: u8, count: usize) -> Vec<u8> {
    let mut septets = Vec::with_capacity(count.min(octets.len().saturating_mul(8) / 7));
    let (mut bits, mut pending, mut skip) = (0_u32, 0_u32, u32::from(fill));
    for &octet in octets {
        pending |= u32::from(octet) << bits;
        bits += 8;
        let skipped = skip.min(bits);
        pending >>= skipped;
        bits -= skipped;
        skip -= skipped;
        while bits >= 7 && septets.len() < count {
            septets.push(low_octet(pending) & 0x7f);
            pending >>= 7;
            bits -= 7;
        }
        if septets.len() >= count {
            break;
        }
    }
    septets
}

/// Octets that `septets` septets need when packed without fill.
#[must_use]
pub fn packed_len(septets: usize) -> usize {
    septets.saturating_mul(7).div_ceil(8)
}

fn low_octet(bits: u32) -> u8 {
    let [low, ..] = bits.to_le_bytes();
    low
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
    fn eight_septets_fill_seven_octets() {
        assert_eq!(pack(&[0x31; 8], 0).len(), 7);
        assert_eq!(pack(b"hellohello", 0), [0xe8, 0x32, 0x9b, 0xfd, 0x46, 0x97, 0xd9, 0xec, 0x37]);
        assert_eq!(pack(b"12345678", 1), [0x62, 0xb2, 0x19, 0xad, 0x66, 0xbb, 0xe1, 0x00]);
    }

    #[test]
    fn ussd_pads_where_spare_bits_would_read_as_at() {
        assert_eq!(pack_ussd(b"*100#12"), [0xaa, 0x18, 0x0c, 0x36, 0x8a, 0xc9, 0x1a]);
        assert_eq!(pack_ussd(b"1234567\r").len(), 8, "a text that ends in CR gets one more");
        assert_eq!(pack_ussd(b"*100#"), pack(b"*100#", 0));
    }

    #[test]
    fn national_tables_replace_and_extend() {
        let turkish = Tables { locking: 1, single: 1 };
        assert_eq!(turkish.decode(&[0x04, 0x07, ESCAPE, 0x53]), "€ıŞ");
        assert_eq!(Tables { locking: 0, single: 1 }.decode(&[0x04, ESCAPE, 0x53]), "èŞ");
        assert_eq!(Tables { locking: 99, single: 99 }.decode(&[0x04, ESCAPE, 0x65]), "è€");
    }

    #[test]
    fn every_table_is_complete_and_no_run_overlaps() {
        for id in 1..=13 {
            let table = national::table(id).unwrap();
            assert!(table.locking.is_none_or(|locking| locking.chars().count() == 128), "{id}");
            let mut next = 0;
            for &(first, run) in table.single {
                assert!(usize::from(first) >= next, "language {id}: run at {first:#04x}");
                next = usize::from(first) + run.chars().count();
            }
            assert!(next <= 128, "{id}");
        }
        assert!(national::table(0).is_none() && national::table(14).is_none());
    }

    proptest! {
        #[test]
        fn unpacking_undoes_packing(septets in prop::collection::vec(0..128_u8, 0..200), fill in 0..7_u8) {
            prop_assert_eq!(unpack(&pack(&septets, fill), fill, septets.len()), septets);
        }

        #[test]
        fn any_octets_unpack(octets in prop::collection::vec(any::<u8>(), 0..50), fill: u8, count in 0..300_usize) {
            prop_assert!(unpack(&octets, fill, count).len() <= count);
        }
    }
}
