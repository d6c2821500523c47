//! TP-OA, TP-DA, TP-RA and the service centre address (TS 23.040 9.1.2.5): a type octet and semi-octet digits, or packed
//! septets for alphanumeric senders.

use std::fmt;

use super::cursor::Cursor;
use super::fault::{EncodeError, Field, PduError, Rule};
use super::gsm7;
use crate::number::Number;

/// Semi-octets of an address value at most; TS 23.040 9.1.2.5 (12 octets with length and type).
const SEMI_OCTETS_MAX: u8 = 20;
/// Length of the service centre address in octets, type included, at most. TS 24.011 8.2.5.1 gives 11; one more is read, for
/// senders that count the length octet too.
const SERVICE_CENTRE_MAX: u8 = 12;
/// Octets of a value at most: that of the longest service centre address.
const VALUE_MAX: usize = 11;
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

/// An address of a TPDU, as its semi-octets: an odd filler or a reserved digit that a network sent is written as it came.
/// It lies in place: a number needs no heap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Type-of-address octet: bit 7 one, bits 6-4 type of number, bits 3-0 numbering plan.
    pub toa: u8,
    /// Semi-octets of the value that count.
    semi_octets: u8,
    /// The value; zero behind its end.
    value: [u8; VALUE_MAX],
}

impl Address {
    /// Alphanumeric sender; `None` if it is not written in GSM 7 bit or longer than 11 septets.
    #[must_use]
    pub fn alphanumeric(name: &str) -> Option<Self> {
        let septets = gsm7::encode(name).filter(|septets| septets.len() <= ALPHANUMERIC_MAX)?;
        let semi_octets = u8::try_from((septets.len() * 7).div_ceil(4)).ok()?;
        Self::new(ALPHANUMERIC, semi_octets, &gsm7::pack(&septets, 0))
    }

    /// `None` if `octets` is longer than the value of a service centre address.
    fn new(toa: u8, semi_octets: u8, octets: &[u8]) -> Option<Self> {
        let mut value = [0; VALUE_MAX];
        value.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(Self { toa, semi_octets, value })
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

    /// Digits without plus, or the name. Digits end at the first filler.
    #[must_use]
    pub fn value(&self) -> String {
        if self.type_of_number() == TypeOfNumber::Alphanumeric {
            return gsm7::decode(&gsm7::unpack(self.octets(), 0, usize::from(self.semi_octets) * 4 / 7));
        }
        self.nibbles().map_while(|nibble| DIGITS.get(usize::from(nibble))).collect()
    }

    /// As people write it: `+` in front of an international number, a name as it is. A full number: not for logs.
    #[must_use]
    pub fn text(&self) -> String {
        match self.type_of_number() {
            TypeOfNumber::International => format!("+{}", self.value()),
            _ => self.value(),
        }
    }

    /// The number, if it is E.164 or a short code. A name or star code is none, and neither is a longer number that is said
    /// to be national or subscriber: without its country it must not pass for an international one.
    #[must_use]
    pub fn number(&self) -> Option<Number> {
        match self.type_of_number() {
            TypeOfNumber::International | TypeOfNumber::Unknown => Number::parse(&self.text(), None).ok(),
            TypeOfNumber::Alphanumeric => None,
            _ => Number::parse(&self.value(), None).ok().filter(|number| !number.is_international()),
        }
    }

    /// Whether digits stand behind a filler: the text is then shorter than the value.
    #[must_use]
    pub fn has_hidden_digits(&self) -> bool {
        let is_filler = |&nibble: &u8| usize::from(nibble) >= DIGITS.len();
        self.type_of_number() != TypeOfNumber::Alphanumeric
            && !self.nibbles().skip_while(|nibble| !is_filler(nibble)).all(|nibble| is_filler(&nibble))
    }

    /// The octets of the value.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.value.get(..usize::from(self.semi_octets).div_ceil(2)).unwrap_or_default()
    }

    fn nibbles(&self) -> impl Iterator<Item = u8> {
        let nibbles = self.value.iter().flat_map(|octet| [octet & 0x0f, octet >> 4]);
        nibbles.take(usize::from(self.semi_octets))
    }

    /// Reads TP-OA, TP-DA or TP-RA: length in semi-octets, type, value.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, PduError> {
        let offset = cursor.offset();
        let [semi_octets, toa] = cursor.array(Field::Address)?;
        let too_long = PduError { field: Field::Address, offset, rule: Rule::AddressLength(semi_octets) };
        if semi_octets > SEMI_OCTETS_MAX {
            return Err(too_long);
        }
        let octets = cursor.take(usize::from(semi_octets).div_ceil(2), Field::Address)?;
        if toa & NO_EXTENSION == 0 {
            let rule = Rule::TypeOfAddress(toa);
            return Err(PduError { field: Field::Address, offset: offset + 1, rule });
        }
        Self::new(toa, semi_octets, octets).ok_or(too_long)
    }

    /// Reads the service centre address in front of a TPDU: its length counts octets, the type included.
    pub(super) fn read_service_centre(cursor: &mut Cursor<'_>) -> Result<Option<Self>, PduError> {
        let offset = cursor.offset();
        let len = cursor.u8(Field::ServiceCentre)?;
        let fault = |offset, rule| PduError { field: Field::ServiceCentre, offset, rule };
        if len > SERVICE_CENTRE_MAX {
            return Err(fault(offset, Rule::ServiceCentreLength(len)));
        }
        let Some((&toa, octets)) = cursor.take(usize::from(len), Field::ServiceCentre)?.split_first() else {
            return Ok(None);
        };
        if toa & NO_EXTENSION == 0 {
            return Err(fault(offset + 1, Rule::TypeOfAddress(toa)));
        }
        let address = Self::new(toa, (len - 1) * 2, octets);
        address.map(Some).ok_or_else(|| fault(offset, Rule::ServiceCentreLength(len)))
    }

    /// Writes it with its length in semi-octets, as in a TPDU.
    pub(super) fn write(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.semi_octets > SEMI_OCTETS_MAX {
            return Err(EncodeError::AddressLength(self.semi_octets));
        }
        octets.extend_from_slice(&[self.semi_octets, self.toa]);
        octets.extend_from_slice(self.octets());
        Ok(())
    }

    /// As the service centre address in front of a TPDU: its length counts octets, the type included.
    #[must_use]
    pub fn to_service_centre(&self) -> Vec<u8> {
        let mut octets = vec![self.semi_octets.div_ceil(2) + 1, self.toa];
        octets.extend_from_slice(self.octets());
        octets
    }
}

impl From<&Number> for Address {
    fn from(number: &Number) -> Self {
        let toa = if number.is_international() { INTERNATIONAL_ISDN } else { UNKNOWN_ISDN };
        let mut address = Self { toa, semi_octets: 0, value: [0; VALUE_MAX] };
        // Number sees to it that these are digits, and few enough.
        let (pairs, last) = number.digits().as_bytes().as_chunks();
        for (octet, [low, high]) in address.value.iter_mut().zip(pairs) {
            *octet = (high << 4) | (low & 0x0f);
            address.semi_octets += 2;
        }
        if let (Some(octet), [low]) = (address.value.get_mut(pairs.len()), last) {
            *octet = 0xf0 | (low & 0x0f);
            address.semi_octets += 1;
        }
        address
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
        address.write(&mut octets).unwrap();
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
        let fault = |offset, rule| Err(PduError { field: Field::Address, offset, rule });
        assert_eq!(read(&[0x15, 0x91, 0x61]), fault(0, Rule::AddressLength(0x15)));
        assert_eq!(read(&[0x02, 0x11, 0x61]), fault(1, Rule::TypeOfAddress(0x11)));
        assert_eq!(read(&[0x0b, 0x91, 0x61]), fault(2, Rule::CutOff { wanted: 6, present: 1 }));
    }

    #[test]
    fn fillers_are_written_as_they_came() {
        for (octets, text, hidden) in [
            (&[4, 0x81, 0x21, 0xf3][..], "123", false),
            (&[3, 0x81, 0x21, 0x43], "123", false),
            (&[4, 0x81, 0xf1, 0x32], "1", true),
            (&[0, 0x81], "", false),
        ] {
            let address = read(octets).unwrap();
            assert_eq!((address.text().as_str(), address.has_hidden_digits()), (text, hidden), "{octets:?}");
            assert_eq!(written(&address), octets);
        }
    }

    #[test]
    fn a_service_centre_of_eleven_octets_is_no_address_of_a_tpdu() {
        let octets = [12, 0x91, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x10, 0x11];
        let centre = Address::read_service_centre(&mut Cursor::new(&octets)).unwrap().unwrap();
        assert_eq!(centre.to_service_centre(), octets);
        assert_eq!(centre.write(&mut Vec::new()), Err(EncodeError::AddressLength(22)));
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
