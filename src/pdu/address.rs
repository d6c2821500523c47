//! TP-OA, TP-DA, TP-RA and the service centre address (TS 23.040 9.1.2.5): a type octet and semi-octet digits, or packed
//! septets for alphanumeric senders.

use std::fmt;

use super::cursor::Cursor;
use super::{Field, PduError, gsm7};
use crate::number::Number;

/// Semi-octets of an address value at most; TS 23.040 9.1.2.5 (12 octets with length and type).
pub(super) const SEMI_OCTETS_MAX: u8 = 20;
/// Septets that fit these semi-octets.
const ALPHANUMERIC_MAX: usize = 11;
/// Bit 7 of the type octet: no extension follows; always one.
const NO_EXTENSION: u8 = 0x80;
/// International number of the ISDN numbering plan.
const INTERNATIONAL_ISDN: u8 = 0x91;
/// Unknown type, ISDN numbering plan: short codes and what a network shall read by itself.
const UNKNOWN_ISDN: u8 = 0x81;
/// Alphanumeric, unknown numbering plan.
const ALPHANUMERIC: u8 = 0xd0;

/// The digits of semi-octets 0 to E; F is filler. TS 23.040 9.1.2.3 and TS 24.008 table 10.5.118.
const DIGITS: [char; 15] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'a', 'b', 'c'];

/// Type of number, bits 6 to 4 of the type octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeOfNumber {
    /// 000: the network decides; short codes.
    Unknown,
    /// 001: with country code, written with a plus.
    International,
    /// 010: without country code.
    National,
    /// 011: meant for the network itself.
    NetworkSpecific,
    /// 100: subscriber number.
    Subscriber,
    /// 101: a name in GSM 7 bit.
    Alphanumeric,
    /// 110: abbreviated number.
    Abbreviated,
    /// 111.
    Reserved,
}

/// An address of a TPDU.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Type-of-address octet: bit 7 one, bits 6-4 type of number, bits 3-0 numbering plan.
    pub toa: u8,
    /// Digits without plus, or the name.
    value: String,
}

impl Address {
    /// Alphanumeric sender; `None` if it is not written in GSM 7 bit or longer than 11 septets.
    #[must_use]
    pub fn alphanumeric(name: &str) -> Option<Self> {
        let fits = gsm7::encode(name).is_some_and(|septets| septets.len() <= ALPHANUMERIC_MAX);
        fits.then(|| Self { toa: ALPHANUMERIC, value: name.to_owned() })
    }

    /// Type of number.
    #[must_use]
    pub fn type_of_number(&self) -> TypeOfNumber {
        match (self.toa >> 4) & 0b111 {
            0 => TypeOfNumber::Unknown,
            1 => TypeOfNumber::International,
            2 => TypeOfNumber::National,
            3 => TypeOfNumber::NetworkSpecific,
            4 => TypeOfNumber::Subscriber,
            5 => TypeOfNumber::Alphanumeric,
            6 => TypeOfNumber::Abbreviated,
            _ => TypeOfNumber::Reserved,
        }
    }

    /// Digits without plus, or the name.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// As people write it: `+` in front of an international number, a name as it is. A full number: not for logs.
    #[must_use]
    pub fn text(&self) -> String {
        match self.type_of_number() {
            TypeOfNumber::International => format!("+{}", self.value),
            _ => self.value.clone(),
        }
    }

    /// The number, if it is E.164 or a short code. A name or star code is none, and neither is a longer number that is said
    /// to be national or subscriber: without its country it must not pass for an international one.
    #[must_use]
    pub fn number(&self) -> Option<Number> {
        match self.type_of_number() {
            TypeOfNumber::International | TypeOfNumber::Unknown => Number::parse(&self.text(), None).ok(),
            TypeOfNumber::Alphanumeric => None,
            _ => Number::parse(&self.value, None).ok().filter(|number| !number.is_international()),
        }
    }

    /// Reads TP-OA, TP-DA or TP-RA: length in semi-octets, type, value.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, PduError> {
        let [semi_octets, toa] = cursor.array(Field::Address)?;
        if semi_octets > SEMI_OCTETS_MAX {
            return Err(PduError::AddressLength(semi_octets));
        }
        let semi_octets = usize::from(semi_octets);
        let octets = cursor.take(semi_octets.div_ceil(2), Field::Address)?;
        Self::from_octets(toa, octets, semi_octets)
    }

    /// Reads the value of an address that has `semi_octets` semi-octets.
    pub(super) fn from_octets(toa: u8, octets: &[u8], semi_octets: usize) -> Result<Self, PduError> {
        if toa & NO_EXTENSION == 0 {
            return Err(PduError::TypeOfAddress(toa));
        }
        let mut address = Self { toa, value: String::new() };
        address.value = if address.type_of_number() == TypeOfNumber::Alphanumeric {
            gsm7::decode(&gsm7::unpack(octets, 0, semi_octets * 4 / 7))
        } else {
            let nibbles = octets.iter().flat_map(|octet| [octet & 0x0f, octet >> 4]);
            nibbles.take(semi_octets).map_while(|nibble| DIGITS.get(usize::from(nibble))).collect()
        };
        Ok(address)
    }

    /// Writes it with its length in semi-octets, as in a TPDU.
    pub(super) fn write(&self, octets: &mut Vec<u8>) {
        let (semi_octets, value) = self.value_octets();
        // At most SEMI_OCTETS_MAX of them: every constructor sees to it.
        octets.extend([u8::try_from(semi_octets).unwrap_or(SEMI_OCTETS_MAX), self.toa]);
        octets.extend(value);
    }

    /// As the service centre address in front of a TPDU: its length counts octets, the type included.
    #[must_use]
    pub fn to_service_centre(&self) -> Vec<u8> {
        let (_, value) = self.value_octets();
        let mut octets = vec![u8::try_from(value.len() + 1).unwrap_or(SEMI_OCTETS_MAX), self.toa];
        octets.extend(value);
        octets
    }

    fn value_octets(&self) -> (usize, Vec<u8>) {
        if self.type_of_number() == TypeOfNumber::Alphanumeric {
            let mut septets = gsm7::encode(&self.value).unwrap_or_default();
            septets.truncate(ALPHANUMERIC_MAX);
            return ((septets.len() * 7).div_ceil(4), gsm7::pack(&septets, 0));
        }
        let codes = self.value.chars().filter_map(|c| (0..).zip(DIGITS).find(|&(_, digit)| digit == c));
        let nibbles: Vec<u8> = codes.map(|(code, _)| code).take(usize::from(SEMI_OCTETS_MAX)).collect();
        let pack = |pair: &[u8]| match *pair {
            [low, high] => (high << 4) | low,
            [low] => 0xf0 | low,
            _ => 0xff,
        };
        (nibbles.len(), nibbles.chunks(2).map(pack).collect())
    }
}

impl From<&Number> for Address {
    fn from(number: &Number) -> Self {
        let toa = if number.is_international() { INTERNATIONAL_ISDN } else { UNKNOWN_ISDN };
        Self { toa, value: number.digits().to_owned() }
    }
}

/// Shortened, as in logs: country prefix and the last two digits; a name in full.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        if self.type_of_number() == TypeOfNumber::Alphanumeric {
            return write!(f, "Address({:#04x} {text:?})", self.toa);
        }
        let hidden_to = text.len().saturating_sub(2);
        let keep_front = if text.starts_with('+') { 4 } else { 0 };
        let hide = |(at, c)| if at >= keep_front && at < hidden_to { '*' } else { c };
        let shortened: String = text.chars().enumerate().map(hide).collect();
        write!(f, "Address({:#04x} {shortened})", self.toa)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Address, PduError> {
        Address::read(&mut Cursor::new(octets))
    }

    fn written(address: &Address) -> Vec<u8> {
        let mut octets = Vec::new();
        address.write(&mut octets);
        octets
    }

    #[test]
    fn numbers_names_and_star_codes_go_both_ways() {
        let number = Address::from(&Number::parse("+16505551111", None).unwrap());
        assert_eq!(written(&number), [0x0b, 0x91, 0x61, 0x05, 0x55, 0x15, 0x11, 0xf1]);
        let short = Address::from(&Number::parse("72267", None).unwrap());
        assert_eq!(written(&short), [5, 0x81, 0x27, 0x62, 0xf7]);
        let name = Address::alphanumeric("sipgate").unwrap();
        assert_eq!(written(&name), [0x0d, 0xd0, 0xf3, 0x34, 0xfc, 0x1c, 0xa6, 0x97, 0x01]);
        for address in [number, short, name] {
            assert_eq!(read(&written(&address)), Ok(address));
        }
        let star = read(&[9, 0xe1, 0xba, 0xdc, 0xbe, 0x5a, 0xf1]).unwrap();
        assert_eq!((star.text().as_str(), star.type_of_number()), ("*#abc#*51", TypeOfNumber::Abbreviated));
        assert_eq!(star.number(), None);
    }

    #[test]
    fn a_name_is_at_most_eleven_septets() {
        assert!(Address::alphanumeric("ELEVEN CHAR").is_some());
        assert!(Address::alphanumeric("TWELVE CHARS").is_none());
        assert!(Address::alphanumeric("€€€€€€").is_none(), "two septets each");
        assert!(Address::alphanumeric("ąć").is_none());
    }

    #[test]
    fn impossible_addresses_are_errors() {
        assert_eq!(read(&[0x15, 0x91, 0x61]), Err(PduError::AddressLength(0x15)));
        assert_eq!(read(&[0x02, 0x11, 0x61]), Err(PduError::TypeOfAddress(0x11)));
        assert_eq!(read(&[0x0b, 0x91, 0x61]), Err(PduError::CutOff(Field::Address)));
    }

    #[test]
    fn debug_hides_the_middle_of_a_number() {
        let number = Address::from(&Number::parse("+491701234567", None).unwrap());
        assert_eq!(format!("{number:?}"), "Address(0x91 +491*******67)");
        assert_eq!(number.number().unwrap().as_str(), "+491701234567");
        assert_eq!(number.to_service_centre().first(), Some(&7));
    }

    #[test]
    fn a_national_number_does_not_pass_for_an_international_one() {
        let number = |octets: &[u8]| read(octets).unwrap().number().map(String::from);
        assert_eq!(number(&[0x0a, 0xa1, 0x71, 0x10, 0x32, 0x54, 0x76]), None);
        assert_eq!(number(&[0x05, 0xa1, 0x27, 0x62, 0xf7]).as_deref(), Some("72267"));
        assert_eq!(number(&[0x0a, 0x81, 0x71, 0x10, 0x32, 0x54, 0x76]).as_deref(), Some("+1701234567"));
    }
}
