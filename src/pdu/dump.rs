//! A PDU octet by octet, for a person with the specification beside it: which octets are which field, what they say, and
//! the clause that says so.
//!
//! The walk reads with the same cursor and the same readers as decoding does ([`Address`], [`Timestamp`], [`UserData`] ...) and
//! only notes where each of them began and ended; what is wrong is told by decoding itself. It is pure: the layout is the
//! caller's. Rows show numbers and say how a text is written, never the text, which is a [`Secret`] beside them.

mod words;

use super::cursor::Cursor;
use super::user_data::{counts_septets, header_septets};
use super::{
    Address, Dcs, Decoded, Field, Header, Kind, Payload, PduError, Status, Timestamp, UserData, Validity,
    gsm7,
};
use crate::secret::Secret;

/// Octets that belong together and what they mean.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Where they begin, from the first octet that was given.
    pub offset: usize,
    /// How many they are, 0 for what is absent but worth a word.
    pub len: usize,
    /// The field in the standard's name.
    pub name: &'static str,
    /// Specification and clause, `23.040 9.2.3.10`; empty for octets that no clause knows.
    pub clause: &'static str,
    /// In words. May hold a phone number, so a row has no `Debug`.
    pub meaning: String,
    /// The parts of a single octet, from the lowest bits up.
    pub bits: Vec<Bits>,
}

/// Some bits of an octet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    /// Which.
    pub mask: u8,
    /// Their name.
    pub name: &'static str,
    /// Specification and clause.
    pub clause: &'static str,
    /// In words.
    pub meaning: &'static str,
}

impl Bits {
    /// The bits as they stand in `octet`, the others as dots: `.... .1..`.
    #[must_use]
    pub fn pattern(&self, octet: u8) -> String {
        let sign = |bit: u8| match (self.mask >> bit & 1, octet >> bit & 1) {
            (0, _) => '.',
            (_, 0) => '0',
            _ => '1',
        };
        let half = |bits: [u8; 4]| bits.map(sign).iter().collect::<String>();
        format!("{} {}", half([7, 6, 5, 4]), half([3, 2, 1, 0]))
    }
}

/// A PDU laid out.
#[derive(Clone, PartialEq, Eq)]
pub struct Dump {
    /// Everything readable, in order; behind a fault, one row for the octets that were not read.
    pub rows: Vec<Row>,
    /// The text, as far as its octets are there.
    pub text: Option<Secret>,
    /// What decoding the same octets gives.
    pub decoded: Result<Decoded, PduError>,
}

/// Lays out octets as a modem gives them; the arguments are those of [`super::decode`].
#[must_use]
pub fn dump(octets: &[u8], smsc: bool, kind: Option<Kind>) -> Dump {
    let mut walk = Walk { cursor: Cursor::new(octets), total: octets.len(), rows: Vec::new(), text: None };
    let walked = walk.pdu(smsc, kind);
    let rest = walk.cursor.remaining();
    if rest > 0 {
        let meaning = match walked {
            Some(()) => "octets behind the end of the TPDU",
            None => "not read",
        };
        walk.row(rest, "rest", "", meaning);
    }
    Dump { rows: walk.rows, text: walk.text, decoded: super::decode(octets, smsc, kind) }
}

/// Reading in progress. `None` from its methods means that it ends here: the fault itself is told by decoding.
struct Walk<'a> {
    cursor: Cursor<'a>,
    total: usize,
    rows: Vec<Row>,
    text: Option<Secret>,
}

impl<'a> Walk<'a> {
    fn at(&self) -> usize {
        self.total.saturating_sub(self.cursor.remaining())
    }

    /// Notes `len` octets from here, which may have been looked at only.
    fn row(&mut self, len: usize, name: &'static str, clause: &'static str, meaning: impl Into<String>) {
        let offset = self.at();
        self.rows.push(Row { offset, len, name, clause, meaning: meaning.into(), bits: Vec::new() });
    }

    /// One octet with its words.
    fn octet(
        &mut self,
        field: Field,
        name: &'static str,
        clause: &'static str,
        words: impl FnOnce(u8) -> String,
    ) -> Option<u8> {
        let value = self.cursor.clone().u8(field).ok()?;
        self.row(1, name, clause, words(value));
        self.cursor.u8(field).ok()
    }

    /// The parts of the octet that was noted last.
    fn bits(&mut self, bits: Vec<Bits>) {
        if let Some(row) = self.rows.last_mut() {
            row.bits = bits;
        }
    }

    fn pdu(&mut self, smsc: bool, kind: Option<Kind>) -> Option<()> {
        if smsc {
            self.service_centre()?;
        }
        let first = self.cursor.clone().u8(Field::FirstOctet).ok()?;
        let kind = kind.or(match first & 0b11 {
            0 => Some(Kind::Deliver),
            1 => Some(Kind::Submit),
            2 => Some(Kind::StatusReport),
            _ => None,
        });
        let (name, clause) = words::kind(kind);
        self.octet(Field::FirstOctet, "first octet", clause, |_| name.to_owned())?;
        self.bits(words::first_octet(kind, first));
        match kind {
            Some(Kind::Deliver) => self.deliver(first),
            Some(Kind::Submit) => self.submit(first),
            Some(Kind::StatusReport) => self.status_report(first),
            None => None,
        }
    }

    fn service_centre(&mut self) -> Option<()> {
        let len =
            self.octet(Field::ServiceCentre, "SC length", words::SERVICE_CENTRE, words::service_centre)?;
        if len > super::SERVICE_CENTRE_MAX {
            return None;
        }
        if len == 0 {
            return Some(());
        }
        let digits = usize::from(len).saturating_sub(1);
        self.address_value("SC type", "SC digits", Field::ServiceCentre, digits, digits.saturating_mul(2))
    }

    fn deliver(&mut self, first: u8) -> Option<()> {
        self.address("TP-OA length", "TP-OA type", "TP-OA digits")?;
        let dcs = self.pid_and_dcs()?;
        self.time("TP-SCTS", words::SCTS)?;
        self.user_data(dcs, words::has_header(first))
    }

    fn submit(&mut self, first: u8) -> Option<()> {
        self.reference()?;
        self.address("TP-DA length", "TP-DA type", "TP-DA digits")?;
        let dcs = self.pid_and_dcs()?;
        let mut read = self.cursor.clone();
        if let Some(validity) = Validity::read(first, &mut read).ok()? {
            let (clause, meaning) = words::validity(&validity);
            self.row(self.cursor.remaining().saturating_sub(read.remaining()), "TP-VP", clause, meaning);
            self.cursor = read;
        }
        self.user_data(dcs, words::has_header(first))
    }

    fn status_report(&mut self, first: u8) -> Option<()> {
        self.reference()?;
        self.address("TP-RA length", "TP-RA type", "TP-RA digits")?;
        self.time("TP-SCTS", words::SCTS)?;
        self.time("TP-DT", "23.040 9.2.3.13")?;
        self.octet(Field::Status, "TP-ST", "23.040 9.2.3.15", |st| words::status(Status(st)))?;
        if self.cursor.remaining() == 0 {
            return Some(());
        }
        self.options(first)
    }

    fn options(&mut self, first: u8) -> Option<()> {
        let indicator = self.octet(Field::ParameterIndicator, "TP-PI", words::PI, |_| String::new())?;
        self.bits(words::indicator(indicator));
        let mut last = indicator;
        while last & 0x80 != 0 {
            last = self.octet(Field::ParameterIndicator, "TP-PI extension", words::PI, |_| String::new())?;
        }
        if indicator & 0b001 != 0 {
            self.pid()?;
        }
        let dcs = if indicator & 0b010 != 0 { self.dcs()? } else { Dcs::default() };
        if indicator & 0b100 != 0 { self.user_data(dcs, words::has_header(first)) } else { Some(()) }
    }

    fn reference(&mut self) -> Option<()> {
        self.octet(Field::Reference, "TP-MR", "23.040 9.2.3.6", |mr| format!("message reference {mr}"))?;
        Some(())
    }

    fn pid_and_dcs(&mut self) -> Option<Dcs> {
        self.pid()?;
        self.dcs()
    }

    fn pid(&mut self) -> Option<()> {
        self.octet(Field::ProtocolId, "TP-PID", "23.040 9.2.3.9", words::protocol)?;
        Some(())
    }

    fn dcs(&mut self) -> Option<Dcs> {
        let dcs = self.octet(Field::Coding, "TP-DCS", "23.040 9.2.3.10", |dcs| words::coding(Dcs(dcs)))?;
        self.bits(words::coding_bits(Dcs(dcs)));
        Some(Dcs(dcs))
    }

    fn time(&mut self, name: &'static str, clause: &'static str) -> Option<()> {
        let stamp = Timestamp(self.cursor.clone().array(Field::Time).ok()?);
        self.row(7, name, clause, stamp.iso().unwrap_or_else(|| "no valid time".to_owned()));
        self.cursor.take(7, Field::Time).ok()?;
        Some(())
    }

    fn address(&mut self, length: &'static str, toa: &'static str, value: &'static str) -> Option<()> {
        let semi_octets =
            self.octet(Field::Address, length, words::ADDRESS, |n| format!("{n} semi-octets"))?;
        if semi_octets > super::address::SEMI_OCTETS_MAX {
            return None;
        }
        let semi_octets = usize::from(semi_octets);
        self.address_value(toa, value, Field::Address, semi_octets.div_ceil(2), semi_octets)
    }

    /// Type and value; where the value is cut off, what is there of it.
    fn address_value(
        &mut self,
        toa_name: &'static str,
        value_name: &'static str,
        field: Field,
        octets: usize,
        semi_octets: usize,
    ) -> Option<()> {
        let toa = self.octet(field, toa_name, words::ADDRESS, words::type_of_address)?;
        self.bits(words::type_of_address_bits(toa));
        let there = octets.min(self.cursor.remaining());
        let value = self.cursor.clone().take(there, field).ok()?;
        let address = Address::from_octets(toa, value, semi_octets.min(there.saturating_mul(2))).ok()?;
        if there > 0 {
            self.row(there, value_name, words::ADDRESS, address.text());
            self.cursor.take(there, field).ok()?;
        }
        if there < octets { None } else { Some(()) }
    }

    fn user_data(&mut self, dcs: Dcs, udhi: bool) -> Option<()> {
        let septets = counts_septets(dcs);
        let udl = self.octet(Field::UserData, "TP-UDL", "23.040 9.2.3.16", |udl| {
            words::user_data_length(udl, septets)
        })?;
        let udl = usize::from(udl);
        let octets = if septets { gsm7::packed_len(udl) } else { udl };
        let there = octets.min(self.cursor.remaining());
        let begin = self.at();
        let header = if udhi && udl > 0 { Some(self.header(there)?) } else { None };
        let header_len = self.at().saturating_sub(begin);
        let rest = self.cursor.take(there.saturating_sub(header_len), Field::UserData).ok()?;
        let (payload, fill) = if septets {
            let (occupied, fill) = header_septets(header_len);
            let text = gsm7::unpack(rest, fill, udl.saturating_sub(occupied));
            (Payload::Septets(Secret::new(text)), fill)
        } else {
            (Payload::Octets(Secret::new(rest.to_vec())), 0)
        };
        if !rest.is_empty() {
            let meaning = words::payload(dcs, &payload, fill);
            let offset = begin.saturating_add(header_len);
            self.rows.push(Row {
                offset,
                len: rest.len(),
                name: "TP-UD",
                clause: "23.040 9.2.3.24",
                meaning,
                bits: Vec::new(),
            });
        }
        self.text = UserData { header, payload }.text(dcs);
        if there < octets { None } else { Some(()) }
    }

    /// The header, of which at most `there` octets are in the user data.
    fn header(&mut self, there: usize) -> Option<Header> {
        let len =
            self.octet(Field::Header, "UDHL", words::HEADER, |len| format!("{len} octets of header follow"))?;
        let len = usize::from(len);
        if len >= there {
            return None;
        }
        let header = Header::parse(self.cursor.clone().take(len, Field::Header).ok()?);
        if header.elements().is_empty() && len > 0 {
            self.row(len, "UDH", words::HEADER, "an element does not fit, so the whole header is ignored");
            self.cursor.take(len, Field::Header).ok()?;
        }
        for element in header.elements() {
            let (clause, meaning) = words::element(element);
            let len = element.data.len().saturating_add(2);
            self.row(len, "UDH element", clause, meaning);
            self.cursor.take(len, Field::Header).ok()?;
        }
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HELLO: &[u8] = &[
        0x01, 0x01, 0x05, 0x91, 0x21, 0x43, 0xf5, 0x00, 0x00, 0x0b, 0xc8, 0x32, 0x9b, 0xfd, 0x06, 0xdd, 0xdf,
        0x72, 0x36, 0x19,
    ];

    /// Rows follow one another without a gap, from the first octet to the last.
    fn covered(dump: &Dump) -> usize {
        dump.rows.iter().fold(0, |at, row| {
            assert_eq!(row.offset, at, "{}", row.name);
            at + row.len
        })
    }

    #[test]
    fn a_cut_pdu_shows_what_is_there() {
        let whole = dump(HELLO, false, None);
        assert_eq!(whole.text, Some(Secret::from("Hello world")));
        for len in 0..HELLO.len() {
            let cut = dump(&HELLO[..len], false, None);
            assert!(cut.decoded.is_err(), "{len}");
            assert_eq!(covered(&cut), len);
            for (row, same) in cut.rows.iter().zip(&whole.rows).take(cut.rows.len().saturating_sub(1)) {
                assert_eq!((row.name, &row.meaning), (same.name, &same.meaning), "{len}");
            }
        }
        let cut = dump(&HELLO[..13], false, None);
        assert_eq!(cut.text, Some(Secret::from("Hel")));
    }

    #[test]
    fn bits_stand_where_they_are() {
        let bits = Bits { mask: 0x18, name: "", clause: "", meaning: "" };
        assert_eq!(bits.pattern(0xf7), "...1 0...");
    }

    #[test]
    fn the_bits_of_a_coding_scheme_never_overlap() {
        for dcs in 0..=u8::MAX {
            let union = words::coding_bits(Dcs(dcs)).iter().fold(0, |all, bits| {
                assert_eq!(all & bits.mask, 0, "{dcs:#04x}");
                all | bits.mask
            });
            assert_eq!(union & 0xc0, 0xc0, "{dcs:#04x} begins with its group");
        }
    }

    proptest! {
        /// Every octet is shown once, and text is shown exactly as it is decoded.
        #[test]
        fn the_walk_agrees_with_decoding(
            first: u8, tail in prop::collection::vec(any::<u8>(), 0..180), smsc: bool, short in 1..40_u8,
        ) {
            let mut octets = if smsc { vec![2, 0x91, 0x21] } else { vec![] };
            octets.extend([first, 4, 0x91, 0x21, 0x43]);
            octets.extend(&tail);
            if let Some(udl) = octets.get_mut(17) {
                *udl %= short;
            }
            for kind in [None, Some(Kind::Deliver), Some(Kind::Submit), Some(Kind::StatusReport)] {
                let dump = dump(&octets, smsc, kind);
                prop_assert_eq!(covered(&dump), octets.len());
                let facts = crate::pdu::facts::facts(&dump.decoded, smsc);
                if let Some(text) = facts.get("text").and_then(|text| text.as_str()) {
                    prop_assert_eq!(&dump.text, &Some(Secret::from(text)));
                }
            }
        }
    }
}
