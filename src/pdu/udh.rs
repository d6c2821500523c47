//! The user data header (TS 23.040 9.2.3.24): information elements in front of the text.
//!
//! What is needed to join, show or route a message is typed, everything else is carried. Only the octets are kept, so a
//! header that is nonsense inside is still skipped by its length and written as it came.

use std::fmt;

use super::gsm7::Tables;
use crate::secret::Secret;

const IEI_CONCAT_8: u8 = 0x00;
const IEI_INDICATION: u8 = 0x01;
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

/// A special message indication: something waits, as the header tells it; TS 23.040 9.2.3.24.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indication {
    /// Whether the message is to be kept once the indication is shown.
    pub store: bool,
    /// Multiple subscriber profile, 0 to 3 for profiles 1 to 4.
    pub profile: u8,
    /// What waits: bits 1-0 0 voice, 1 fax, 2 mail, 3 other, of which bits 4-2 are the kind (1 is video).
    pub what: u8,
    /// How many wait; 255 is 255 or more, 0 clears the indication.
    pub count: u8,
}

/// Identifier and data of an information element.
pub type RawElement<'a> = (u8, &'a [u8]);

/// One information element; TS 23.040 9.2.3.24.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Element<'a> {
    /// 00, 08: a part of a longer message.
    Concat(Concat),
    /// 01
    Indication(Indication),
    /// 04, 05
    Ports(Ports),
    /// 24: the national language whose single shift table the text uses; TS 23.038 6.2.1.2.4.
    SingleShift(u8),
    /// 25: the national language whose table replaces the default alphabet.
    LockingShift(u8),
    /// Anything else, and one of those above with a length it cannot have.
    Other {
        /// Information element identifier.
        iei: u8,
        /// Its data; reply addresses and hyperlinks are personal, so it does not print.
        data: &'a [u8],
    },
}

impl<'a> Element<'a> {
    /// Reads the data of the element `iei`.
    #[must_use]
    pub fn read(iei: u8, data: &'a [u8]) -> Self {
        match (iei, data) {
            (IEI_CONCAT_8, &[reference, total, seq]) => {
                Self::Concat(Concat { reference: u16::from(reference), wide: false, total, seq })
            }
            (IEI_CONCAT_16, &[high, low, total, seq]) => {
                Self::Concat(Concat { reference: u16::from_be_bytes([high, low]), wide: true, total, seq })
            }
            (IEI_INDICATION, &[kind, count]) => Self::Indication(Indication {
                store: kind & 0x80 != 0,
                profile: (kind >> 5) & 0b11,
                what: kind & 0x1f,
                count,
            }),
            (IEI_PORTS_8, &[destination, source]) => Self::Ports(Ports {
                destination: u16::from(destination),
                source: u16::from(source),
                wide: false,
            }),
            (IEI_PORTS_16, &[d1, d0, s1, s0]) => Self::Ports(Ports {
                destination: u16::from_be_bytes([d1, d0]),
                source: u16::from_be_bytes([s1, s0]),
                wide: true,
            }),
            (IEI_SINGLE_SHIFT, &[language, ..]) => Self::SingleShift(language),
            (IEI_LOCKING_SHIFT, &[language, ..]) => Self::LockingShift(language),
            _ => Self::Other { iei, data },
        }
    }
}

/// Without the data of an unknown element.
impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Concat(concat) => concat.fmt(f),
            Self::Indication(indication) => indication.fmt(f),
            Self::Ports(ports) => ports.fmt(f),
            Self::SingleShift(language) => write!(f, "SingleShift({language})"),
            Self::LockingShift(language) => write!(f, "LockingShift({language})"),
            Self::Other { iei, data } => write!(f, "Other({iei:#04x}, {} octets)", data.len()),
        }
    }
}

/// A user data header, kept exactly as it came; its elements are read when they are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Without the length octet.
    raw: Raw,
    /// Octets of `raw` that are elements: all of them, or none if one does not fit.
    readable: usize,
}

/// Octets that a header holds in place: concatenation, two languages and one element more. Nearly every header is that
/// short, and a part of a long text is written and read without asking for memory.
const IN_PLACE: usize = 15;

/// The octets of a header. Its `Debug` shows none.
#[derive(Clone)]
enum Raw {
    Short([u8; IN_PLACE], u8),
    Long(Secret),
}

impl Raw {
    fn new(octets: &[u8]) -> Self {
        let mut short = [0; IN_PLACE];
        match (short.get_mut(..octets.len()), u8::try_from(octets.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(octets);
                Self::Short(short, len)
            }
            _ => Self::Long(Secret::new(octets.to_vec())),
        }
    }

    fn octets(&self) -> &[u8] {
        match self {
            Self::Short(octets, len) => octets.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(octets) => octets.expose(),
        }
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.octets() == other.octets()
    }
}

impl Eq for Raw {}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets", self.octets().len())
    }
}

impl Header {
    /// The header of part `seq` of `total` that is written with `tables`; `None` where nothing needs to be said.
    #[must_use]
    pub fn of_part(reference: u8, total: u8, seq: u8, tables: Tables) -> Option<Self> {
        let concat = [IEI_CONCAT_8, 3, reference, total, seq];
        let single = [IEI_SINGLE_SHIFT, 1, tables.single];
        let locking = [IEI_LOCKING_SHIFT, 1, tables.locking];
        let said = [(total > 1, &concat[..]), (tables.single != 0, &single), (tables.locking != 0, &locking)];
        // All three have room.
        let mut raw = [0; IN_PLACE];
        let mut readable = 0;
        for (_, element) in said.into_iter().filter(|(needed, _)| *needed) {
            raw.get_mut(readable..readable + element.len())?.copy_from_slice(element);
            readable += element.len();
        }
        let len = u8::try_from(readable).ok().filter(|&len| len != 0)?;
        Some(Self { raw: Raw::Short(raw, len), readable })
    }

    /// Reads the octets behind the length octet. An element that does not fit makes the whole header void
    /// (TS 23.040 9.2.3.24): its octets stay, its elements are ignored.
    #[must_use]
    pub fn parse(raw: &[u8]) -> Self {
        let mut rest = raw;
        while let Some((_, behind)) = split_element(rest) {
            rest = behind;
        }
        let readable = if rest.is_empty() { raw.len() } else { 0 };
        Self { raw: Raw::new(raw), readable }
    }

    /// Identifier and data of each element in order; none if the header is void.
    pub fn raw_elements(&self) -> impl Iterator<Item = RawElement<'_>> {
        let mut rest = self.raw.octets().get(..self.readable).unwrap_or_default();
        std::iter::from_fn(move || {
            let (element, behind) = split_element(rest)?;
            rest = behind;
            Some(element)
        })
    }

    /// The elements in order; none if the header is void.
    pub fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        self.raw_elements().map(|(iei, data)| Element::read(iei, data))
    }

    /// Whether an element does not fit, so that none is read.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.readable < self.raw.octets().len()
    }

    /// Concatenation; of several the last counts, and one with an impossible sequence number makes a single message.
    #[must_use]
    pub fn concatenation(&self) -> Option<Concat> {
        let read = |element| if let Element::Concat(concat) = element { Some(concat) } else { None };
        let last = self.elements().filter_map(read).last()?;
        (last.seq >= 1 && last.seq <= last.total).then_some(last)
    }

    /// Application ports; of several the last counts.
    #[must_use]
    pub fn ports(&self) -> Option<Ports> {
        let read = |element| if let Element::Ports(ports) = element { Some(ports) } else { None };
        self.elements().filter_map(read).last()
    }

    /// Special message indications, one for each thing that waits.
    pub fn indications(&self) -> impl Iterator<Item = Indication> {
        let read =
            |element| if let Element::Indication(indication) = element { Some(indication) } else { None };
        self.elements().filter_map(read)
    }

    /// The national language tables that the text is written with; TS 23.040 9.2.3.24.15 and .16.
    #[must_use]
    pub fn tables(&self) -> Tables {
        let mut tables = Tables::default();
        for element in self.elements() {
            match element {
                Element::SingleShift(language) => tables.single = language,
                Element::LockingShift(language) => tables.locking = language,
                _ => {}
            }
        }
        tables
    }

    /// Its octets without the length octet.
    pub(super) fn raw(&self) -> &[u8] {
        self.raw.octets()
    }

    /// With its length octet, as it stands in TP-UD.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let raw = self.raw();
        let mut octets = Vec::with_capacity(raw.len() + 1);
        octets.push(u8::try_from(raw.len()).unwrap_or(u8::MAX));
        octets.extend_from_slice(raw);
        octets
    }
}

/// Identifier and data of the first element, and what stands behind it; `None` if it does not fit.
fn split_element(octets: &[u8]) -> Option<(RawElement<'_>, &[u8])> {
    let (&[iei, len], rest) = octets.split_first_chunk()?;
    let (data, rest) = rest.split_at_checked(usize::from(len))?;
    Some(((iei, data), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_concatenations_counts() {
        let header = Header::parse(&[0, 3, 1, 2, 1, 8, 4, 0xdf, 0xd3, 3, 2]);
        let concat = Concat { reference: 0xdfd3, wide: true, total: 3, seq: 2 };
        assert_eq!(header.concatenation(), Some(concat));
        assert_eq!(header.elements().count(), 2);
    }

    #[test]
    fn a_part_says_no_more_than_it_must() {
        let header = |total, tables| Header::of_part(7, total, 1, tables).map(|header| header.octets());
        let both = Tables { locking: 3, single: 1 };
        assert_eq!(header(1, Tables::default()), None);
        assert_eq!(header(2, Tables::default()).unwrap(), [5, 0, 3, 7, 2, 1]);
        assert_eq!(header(1, both).unwrap(), [6, 0x24, 1, 1, 0x25, 1, 3]);
        assert_eq!(header(2, both).unwrap(), [11, 0, 3, 7, 2, 1, 0x24, 1, 1, 0x25, 1, 3]);
        assert_eq!(Header::of_part(0, 1, 1, both).unwrap().tables(), both);
    }

    #[test]
    fn impossible_sequence_numbers_make_a_single_message() {
        assert_eq!(Header::parse(&[0, 3, 7, 2, 0]).concatenation(), None);
        assert_eq!(Header::parse(&[0, 3, 7, 2, 3]).concatenation(), None);
        assert!(Header::parse(&[0, 3, 7, 2, 2]).concatenation().is_some());
    }

    #[test]
    fn ports_and_unknown_elements_are_kept() {
        let header = Header::parse(&[0x70, 1, 0xaa, 5, 4, 0x0b, 0x84, 0x23, 0xf0]);
        assert_eq!(header.ports(), Some(Ports { destination: 2948, source: 9200, wide: true }));
        assert_eq!(header.elements().next(), Some(Element::Other { iei: 0x70, data: &[0xaa] }));
        assert_eq!(Header::parse(&[4, 2, 1, 2]).ports().map(|p| p.wide), Some(false));
    }

    #[test]
    fn an_element_that_does_not_fit_voids_the_header() {
        let header = Header::parse(&[0, 3, 1, 2, 1, 5, 9, 0]);
        assert!(header.is_void() && header.elements().next().is_none());
        assert_eq!(header.octets().len(), 9, "its octets are still skipped and shown");
    }

    #[test]
    fn a_waiting_indication_is_read() {
        let header = Header::parse(&[1, 2, 0x80 | 0x20 | 0x07, 5, 1, 2, 0, 0, 1, 1, 9]);
        let video = Indication { store: true, profile: 1, what: 0x07, count: 5 };
        let voice = Indication { store: false, profile: 0, what: 0, count: 0 };
        assert_eq!(header.indications().collect::<Vec<_>>(), [video, voice]);
        assert_eq!(
            header.elements().last(),
            Some(Element::Other { iei: 1, data: &[9] }),
            "one octet is too few"
        );
    }

    #[test]
    fn debug_shows_no_data_of_unknown_elements() {
        let shown = format!("{:?}", Element::read(0x22, &[0x91, 0x94]));
        assert_eq!(shown, "Other(0x22, 2 octets)");
    }
}
