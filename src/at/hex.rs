//! Hexadecimal of PDUs: two characters an octet, upper case as TS 27.005 3.1 wants it.

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

    proptest! {
        #[test]
        fn decode_is_the_inverse(octets in proptest::collection::vec(any::<u8>(), 1..OCTETS_MAX)) {
            prop_assert_eq!(decode(&encode(&octets)), Ok(octets));
        }

        #[test]
        fn decode_never_panics(line in ".*") {
            let _ = decode(&line);
        }
    }
}
