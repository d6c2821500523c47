//! How the text of a message is written, and what a part has room for when it is written so.

use crate::pdu::gsm7::Tables;

/// Octets of TP-UD; TS 23.040 9.2.3.24.
const USER_DATA: usize = 140;
/// Octets of the concatenation element, and of an element that names a national language.
const CONCAT_ELEMENT: usize = 5;
const NATIONAL_ELEMENT: usize = 3;

/// How a text is written; a message is sent in the coding it was admitted with, whatever the policy has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// GSM 7 bit with these tables, here one septet an octet.
    Septets(Tables),
    /// UTF-16, big endian, two octets a unit.
    Ucs2,
}

/// [`Coding::Ucs2`] as a code; the tables of the others take the octet below.
const UCS2_CODE: u16 = 0x100;

/// The default alphabet.
impl Default for Coding {
    fn default() -> Self {
        Self::Septets(Tables::default())
    }
}

impl Coding {
    /// As a number, for the store: the locking language in bits 7-4, the single shift language in bits 3-0, or 0x100.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Septets(Tables { locking, single }) => {
                u16::from(locking & 0xf) << 4 | u16::from(single & 0xf)
            }
            Self::Ucs2 => UCS2_CODE,
        }
    }

    /// The coding of such a number.
    #[must_use]
    pub fn of_code(code: u16) -> Option<Self> {
        match u8::try_from(code) {
            Ok(tables) => Some(Self::Septets(Tables { locking: tables >> 4, single: tables & 0xf })),
            Err(_) => (code == UCS2_CODE).then_some(Self::Ucs2),
        }
    }

    /// The national tables; the default ones for UCS-2.
    #[must_use]
    pub fn tables(self) -> Tables {
        match self {
            Self::Septets(tables) => tables,
            Self::Ucs2 => Tables::default(),
        }
    }

    /// Octets of units that a message alone, and one of several parts, has room for.
    pub(super) fn room(self) -> [usize; 2] {
        let Tables { locking, single } = self.tables();
        let national = [locking, single].iter().filter(|&&language| language != 0).count() * NATIONAL_ELEMENT;
        [national, national + CONCAT_ELEMENT].map(|elements| {
            let header = if elements == 0 { 0 } else { 1 + elements };
            let octets = USER_DATA - header;
            match self {
                Self::Septets(_) => octets * 8 / 7,
                Self::Ucs2 => octets & !1,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn septets(locking: u8, single: u8) -> Coding {
        Coding::Septets(Tables { locking, single })
    }

    #[test]
    fn capacities_are_those_of_the_standard() {
        assert_eq!(septets(0, 0).room(), [160, 153]);
        assert_eq!(septets(0, 1).room(), [155, 149]);
        assert_eq!(septets(1, 0).room(), [155, 149]);
        assert_eq!(septets(3, 1).room(), [152, 146]);
        assert_eq!(Coding::Ucs2.room(), [140, 134], "70 and 67 units");
    }

    #[test]
    fn codes_go_both_ways() {
        let codings = (0..14).flat_map(|locking| (0..14).map(move |single| septets(locking, single)));
        for coding in codings.chain([Coding::Ucs2]) {
            assert_eq!(Coding::of_code(coding.code()), Some(coding));
        }
        assert_eq!(Coding::of_code(0x101), None);
    }
}
