//! Hexadecimal of PDUs, two characters an octet and upper case as TS 27.005 3.1 wants it, and of texts in UCS2.

use data_encoding::{HEXUPPER, HEXUPPER_PERMISSIVE};

/// Longest PDU taken, octets: service centre 12, TPDU header 20 and 140 of user data make 172; the rest is for cell
/// broadcast pages and modems that add padding.
pub const OCTETS_MAX: usize = 512;

/// Why a line is no PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// Nothing there.
    #[error("the PDU is empty")]
    Empty,
    /// Half an octet is missing.
    #[error("the PDU has an odd number of hex digits")]
    Odd,
    /// More than [`OCTETS_MAX`].
    #[error("the PDU has {0} octets, more than any message")]
    TooLong(usize),
    /// Not a hex digit.
    #[error("the PDU has something else than a hex digit at character {0}")]
    Character(usize),
}

/// Upper-case hex.
#[must_use]
pub fn encode(octets: &[u8]) -> String {
    HEXUPPER.encode(octets)
}

/// Octets of a line; either case, blanks around it are taken off.
///
/// # Errors
/// What is wrong with the line.
pub fn decode(line: &str) -> Result<Vec<u8>, HexError> {
    let line = line.trim();
    let octets = line.len() / 2;
    if line.is_empty() {
        return Err(HexError::Empty);
    }
    if octets > OCTETS_MAX {
        return Err(HexError::TooLong(octets));
    }
    if let Some(at) = line.bytes().position(|b| !b.is_ascii_hexdigit()) {
        return Err(HexError::Character(at));
    }
    HEXUPPER_PERMISSIVE.decode(line.as_bytes()).map_err(|_| HexError::Odd)
}

/// A text in UCS2 hex, as modems write it with `+CSCS="UCS2"` (TS 27.007 5.5) or unasked; `None` for all that is not wholly hex
/// of printable UTF-16.
#[must_use]
pub fn ucs2(text: &str) -> Option<String> {
    let octets = decode(text).ok()?;
    let (units, odd) = octets.as_chunks();
    let units = units.iter().map(|&unit| u16::from_be_bytes(unit));
    let text: String = char::decode_utf16(units).collect::<Result<_, _>>().ok()?;
    (odd.is_empty() && text.chars().all(is_printable)).then_some(text)
}

/// Line ends are, other controls, private use and noncharacters are not.
fn is_printable(c: char) -> bool {
    let code = u32::from(c);
    let nobody =
        (0xe000..0xf900).contains(&code) || (0xfdd0..0xfdf0).contains(&code) || code & 0xfffe == 0xfffe;
    matches!(c, '\r' | '\n') || !(c.is_control() || nobody)
}

/// Whether characters come from so few rows of 256 that they are one alphabet with its punctuation. Packed septets
/// or other hex read as UCS2 scatter over all of them.
#[must_use]
pub fn is_one_alphabet(text: &str) -> bool {
    const ROWS_MAX: usize = 3;
    let mut rows: Vec<u32> = Vec::new();
    for row in text.chars().map(|c| u32::from(c) >> 8) {
        if !rows.contains(&row) {
            rows.push(row);
        }
        if rows.len() > ROWS_MAX {
            return false;
        }
    }
    rows.len().saturating_mul(2) <= text.chars().count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_pdu_is_told() {
        assert_eq!(decode(""), Err(HexError::Empty));
        assert_eq!(decode("ABC"), Err(HexError::Odd));
        assert_eq!(decode("AB C"), Err(HexError::Character(2)));
        assert_eq!(decode(&"00".repeat(513)), Err(HexError::TooLong(513)));
        assert_eq!(decode(" 0aFf\t"), Ok(vec![0x0a, 0xff]));
    }

    #[test]
    fn ucs2_is_told_from_other_hex() {
        assert_eq!(ucs2("0076006F006400610020").as_deref(), Some("voda "));
        assert_eq!(ucs2("D83DDE01").as_deref(), Some("\u{1f601}"));
        for hex in ["", "00", "0041D83D", "00410000", "0041FFFF", "310410", "voda"] {
            assert_eq!(ucs2(hex), None, "{hex}");
        }
        assert!(is_one_alphabet("Для справки *105#\u{201c}"));
        assert!(is_one_alphabet("4") && is_one_alphabet(""));
        assert!(!is_one_alphabet(&ucs2("CF2135487D2E4130572D0682BB1A").unwrap()));
    }

    proptest! {
        #[test]
        fn decode_is_the_inverse(octets in proptest::collection::vec(any::<u8>(), 1..OCTETS_MAX)) {
            prop_assert_eq!(decode(&encode(&octets)), Ok(octets));
        }

        #[test]
        fn decode_never_panics(line in "([0-9A-F]{4}){0,20}|.*") {
            let _ = (decode(&line), ucs2(&line).map(|text| is_one_alphabet(&text)));
        }
    }
}
