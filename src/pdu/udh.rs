//! The user data header (TS 23.040 9.2.3.24): information elements in front of the text.
//!
//! Concatenation and ports are typed, everything else is carried. The raw octets are kept too, so a header that is
//! nonsense inside is still skipped by its length and shown as it came.

use super::cursor::Cursor;
use super::gsm7::Tables;
use super::{Field, PduError};
use crate::secret::Secret;

const IEI_CONCAT_8: u8 = 0x00;
const IEI_PORTS_8: u8 = 0x04;
const IEI_PORTS_16: u8 = 0x05;
const IEI_CONCAT_16: u8 = 0x08;
const IEI_SINGLE_SHIFT: u8 = 0x24;
const IEI_LOCKING_SHIFT: u8 = 0x25;

/// Part `seq` of `total` parts that share `reference`; TS 23.040 9.2.3.24.1 and .8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concat {
    /// Reference number, 8 or 16 bits wide.
    pub reference: u16,
    /// Whether the reference is 16 bits wide: the two spaces are distinct.
    pub wide: bool,
    /// Number of parts, 1..=255.
    pub total: u8,
    /// This part, 1..=total.
    pub seq: u8,
}

/// Application ports; TS 23.040 9.2.3.24.3 and .4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Destination port.
    pub destination: u16,
    /// Originator port.
    pub source: u16,
    /// Whether ports are 16 bits wide.
    pub wide: bool,
}

/// One information element: identifier and data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Information element identifier; TS 23.040 9.2.3.24.
    pub iei: u8,
    /// Its data; reply addresses and hyperlinks are personal, so it does not print.
    pub data: Secret,
}

/// A user data header: its elements and, exactly as it came, its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    elements: Vec<Element>,
    /// Without the length octet.
    raw: Secret,
}

impl Header {
    /// A header with only the 8 bit concatenation element.
    #[must_use]
    pub fn concat(reference: u8, total: u8, seq: u8) -> Self {
        Self::parse(&[IEI_CONCAT_8, 3, reference, total, seq])
    }

    /// Reads the octets behind the length octet. An element that does not fit makes the whole header void
    /// (TS 23.040 9.2.3.24): its octets stay, its elements are ignored.
    #[must_use]
    pub fn parse(raw: &[u8]) -> Self {
        let elements = elements(raw).unwrap_or_default();
        Self { elements, raw: Secret::new(raw.to_vec()) }
    }

    /// The elements in order; none if the header is void.
    #[must_use]
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// Concatenation; of several the last counts, and one with an impossible sequence number makes a single message.
    #[must_use]
    pub fn concatenation(&self) -> Option<Concat> {
        let read = |element: &Element| match (element.iei, element.data.expose()) {
            (IEI_CONCAT_8, &[reference, total, seq]) => {
                Some(Concat { reference: u16::from(reference), wide: false, total, seq })
            }
            (IEI_CONCAT_16, &[high, low, total, seq]) => {
                Some(Concat { reference: u16::from_be_bytes([high, low]), wide: true, total, seq })
            }
            _ => None,
        };
        let last = self.elements.iter().rev().find_map(read)?;
        (last.seq >= 1 && last.seq <= last.total).then_some(last)
    }

    /// Application ports; of several the last counts.
    #[must_use]
    pub fn ports(&self) -> Option<Ports> {
        self.elements.iter().rev().find_map(|element| match (element.iei, element.data.expose()) {
            (IEI_PORTS_8, &[destination, source]) => {
                Some(Ports { destination: u16::from(destination), source: u16::from(source), wide: false })
            }
            (IEI_PORTS_16, &[d1, d0, s1, s0]) => Some(Ports {
                destination: u16::from_be_bytes([d1, d0]),
                source: u16::from_be_bytes([s1, s0]),
                wide: true,
            }),
            _ => None,
        })
    }

    /// The national language tables that the text is written with; TS 23.040 9.2.3.24.15 and .16.
    #[must_use]
    pub fn tables(&self) -> Tables {
        let language = |iei| {
            let last = self.elements.iter().rev().find(|element| element.iei == iei)?;
            last.data.expose().first().copied()
        };
        Tables {
            locking: language(IEI_LOCKING_SHIFT).unwrap_or(0),
            single: language(IEI_SINGLE_SHIFT).unwrap_or(0),
        }
    }

    /// With its length octet, as it stands in TP-UD.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let raw = self.raw.expose();
        let mut octets = Vec::with_capacity(raw.len() + 1);
        octets.push(u8::try_from(raw.len()).unwrap_or(u8::MAX));
        octets.extend(raw.iter().take(usize::from(u8::MAX)));
        octets
    }
}

fn elements(raw: &[u8]) -> Result<Vec<Element>, PduError> {
    let mut cursor = Cursor::new(raw);
    let mut elements = Vec::new();
    while cursor.remaining() > 0 {
        let [iei, len] = cursor.array(Field::Header)?;
        let data = cursor.take(usize::from(len), Field::Header)?;
        elements.push(Element { iei, data: Secret::new(data.to_vec()) });
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_concatenations_counts() {
        let header = Header::parse(&[0, 3, 1, 2, 1, 8, 4, 0xdf, 0xd3, 3, 2]);
        let concat = Concat { reference: 0xdfd3, wide: true, total: 3, seq: 2 };
        assert_eq!(header.concatenation(), Some(concat));
        assert_eq!(header.elements().len(), 2);
    }

    #[test]
    fn impossible_sequence_numbers_make_a_single_message() {
        assert_eq!(Header::concat(7, 2, 0).concatenation(), None);
        assert_eq!(Header::concat(7, 2, 3).concatenation(), None);
        assert!(Header::concat(7, 2, 2).concatenation().is_some());
    }

    #[test]
    fn ports_and_unknown_elements_are_kept() {
        let header = Header::parse(&[0x70, 1, 0xaa, 5, 4, 0x0b, 0x84, 0x23, 0xf0]);
        assert_eq!(header.ports(), Some(Ports { destination: 2948, source: 9200, wide: true }));
        assert_eq!(header.elements().first().map(|e| e.iei), Some(0x70));
        assert_eq!(Header::parse(&[4, 2, 1, 2]).ports().map(|p| p.wide), Some(false));
    }

    #[test]
    fn an_element_that_does_not_fit_voids_the_header() {
        let header = Header::parse(&[0, 3, 1, 2, 1, 5, 9, 0]);
        assert!(header.elements().is_empty());
        assert_eq!(header.octets().len(), 9, "its octets are still skipped and shown");
    }
}
