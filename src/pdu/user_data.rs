//! TP-UDL and TP-UD (TS 23.040 9.2.3.16, 9.2.3.24): an optional header and the text or data behind it.
//!
//! The payload is kept as the network carries it, septets or octets; text is made on demand. So reading and writing are
//! exact inverses, and a surrogate pair that a sender cut in two can still be joined as octets.

use super::cursor::Cursor;
use super::dcs::{Alphabet, Dcs};
use super::fault::{EncodeError, Field, PduError};
use super::partial::Note;
use super::udh::Header;
use super::{gsm7, ucs2};
use crate::secret::Secret;

/// TP-UD of an SMS-DELIVER or SMS-SUBMIT in octets, at most; TS 23.040 9.2.3.24.
pub const OCTETS_MAX: usize = 140;

/// What follows the header. Its `Debug` shows no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Septets, one an octet.
    Septets(Secret),
    /// Octets: UCS-2, 8 bit data, or anything compressed.
    Octets(Secret),
}

impl Payload {
    /// Number of septets or octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units().len()
    }

    /// The septets or octets.
    pub(super) fn units(&self) -> &[u8] {
        match self {
            Self::Septets(units) | Self::Octets(units) => units.expose(),
        }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// User data of a TPDU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserData {
    /// The user data header, if TP-UDHI is set.
    pub header: Option<Header>,
    /// Text or data behind it.
    pub payload: Payload,
}

impl UserData {
    /// Text without a header and the coding scheme that fits it: GSM 7 bit if possible, else UCS-2. Length is not checked:
    /// [`super::segment::plan`] is the way to send text of any length.
    #[must_use]
    pub fn from_text(text: &str) -> (Dcs, Self) {
        let (dcs, payload) = gsm7::encode(text).map_or_else(
            || (Dcs::UCS2, Payload::Octets(Secret::new(ucs2::encode(text)))),
            |septets| (Dcs::GSM7, Payload::Septets(Secret::new(septets))),
        );
        (dcs, Self { header: None, payload })
    }

    /// The text under `dcs`; `None` for 8 bit data and for what is compressed.
    #[must_use]
    pub fn text(&self, dcs: Dcs) -> Option<Secret> {
        match (&self.payload, dcs.alphabet()) {
            (Payload::Septets(septets), _) => {
                let tables = self.header.as_ref().map(Header::tables).unwrap_or_default();
                Some(Secret::new(tables.decode_utf8(septets.expose())))
            }
            (Payload::Octets(octets), Alphabet::Ucs2) if !dcs.compressed() => {
                Some(Secret::from(ucs2::decode(octets.expose())))
            }
            (Payload::Octets(_), _) => None,
        }
    }

    /// Whether the text under `dcs` shows U+FFFD for half a surrogate pair; the other half may stand in another part.
    #[must_use]
    pub fn has_lone_surrogate(&self, dcs: Dcs) -> bool {
        let Payload::Octets(octets) = &self.payload else { return false };
        let (pairs, _) = octets.expose().as_chunks();
        let units = pairs.iter().map(|&pair| u16::from_be_bytes(pair));
        dcs.alphabet() == Alphabet::Ucs2
            && !dcs.compressed()
            && char::decode_utf16(units).any(|character| character.is_err())
    }

    /// Reads TP-UDL and TP-UD. `udhi` is TP-UDHI; `true` comes back beside the data when it is set over empty user data.
    pub(super) fn read(
        cursor: &mut Cursor<'_>,
        dcs: Dcs,
        udhi: bool,
        note: &mut impl Note,
    ) -> Result<(Self, bool), PduError> {
        let udl = usize::from(cursor.u8(Field::UserData)?);
        let octets = if counts_septets(dcs) { gsm7::packed_len(udl) } else { udl };
        let empty_udh = udhi && udl == 0;
        match cursor.part(octets, Field::UserData) {
            Ok(body) => Ok((Self::of_body(body, udl, dcs, udhi && !empty_udh)?, empty_udh)),
            Err(fault) => {
                note.note(|partial| partial.user_data = Self::of_body(cursor.clone(), udl, dcs, udhi).ok());
                Err(fault)
            }
        }
    }

    /// Reads TP-UD of `udl` septets or octets, as much of it as `body` has.
    pub(super) fn of_body(mut body: Cursor<'_>, udl: usize, dcs: Dcs, udhi: bool) -> Result<Self, PduError> {
        let octets = body.remaining();
        let header = if udhi {
            let len = body.u8(Field::Header)?;
            Some(Header::parse(body.take(usize::from(len), Field::Header)?))
        } else {
            None
        };
        let payload = if counts_septets(dcs) {
            let (occupied, fill) = header_septets(octets - body.remaining());
            let text = gsm7::unpack(body.rest(), fill, udl.saturating_sub(occupied));
            Payload::Septets(Secret::new(text))
        } else {
            Payload::Octets(Secret::new(body.rest().to_vec()))
        };
        Ok(Self { header, payload })
    }

    /// Writes TP-UDL and TP-UD, of at most `room` octets.
    pub(super) fn write(&self, octets: &mut Vec<u8>, dcs: Dcs, room: usize) -> Result<(), EncodeError> {
        self.write_with(self.payload.units(), octets, dcs, room)
    }

    /// As [`Self::write`], with `units` in place of those of the payload.
    pub(super) fn write_with(
        &self,
        units: &[u8],
        octets: &mut Vec<u8>,
        dcs: Dcs,
        room: usize,
    ) -> Result<(), EncodeError> {
        let header_len = self.header.as_ref().map_or(0, |header| header.raw().len() + 1);
        let (occupied, fill) = header_septets(header_len);
        let (udl, len) = match &self.payload {
            Payload::Septets(_) if counts_septets(dcs) => {
                let udl = occupied + units.len();
                (udl, gsm7::packed_len(udl))
            }
            Payload::Octets(_) if !counts_septets(dcs) => {
                let len = header_len + units.len();
                (len, len)
            }
            _ => return Err(EncodeError::Coding(dcs.0)),
        };
        let too_long = EncodeError::UserDataLength { octets: len, room };
        if len > room {
            return Err(too_long);
        }
        octets.push(u8::try_from(udl).map_err(|_| too_long)?);
        if let Some(header) = &self.header {
            octets.push(u8::try_from(header.raw().len()).map_err(|_| too_long)?);
            octets.extend_from_slice(header.raw());
        }
        match &self.payload {
            Payload::Septets(_) => gsm7::pack_into(octets, units, fill),
            Payload::Octets(_) => octets.extend_from_slice(units),
        }
        Ok(())
    }
}

/// Whether TP-UDL counts septets: compressed data is counted in octets whatever its alphabet.
pub(super) fn counts_septets(dcs: Dcs) -> bool {
    dcs.alphabet().is_septets() && !dcs.compressed()
}

/// Septets that a header of `octets` octets occupies, and the fill bits that align the text behind it.
pub(super) fn header_septets(octets: usize) -> (usize, u8) {
    let bits = octets.saturating_mul(8);
    let fill = (7 - bits % 7) % 7;
    (bits.div_ceil(7), u8::try_from(fill).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_bits_align_the_text_to_a_septet() {
        assert_eq!(header_septets(0), (0, 0));
        assert_eq!(header_septets(6), (7, 1));
        assert_eq!(header_septets(7), (8, 0));
        assert_eq!(header_septets(1), (2, 6));
    }

    #[test]
    fn debug_shows_no_text() {
        let (_, data) = UserData::from_text("Your code is 314159");
        let shown = format!("{data:?}");
        assert!(!shown.contains("314159") && !shown.contains("51, 49"), "{shown}");
    }

    #[test]
    fn a_header_longer_than_the_user_data_is_an_error() {
        let read = |octets: &[u8]| {
            let read = UserData::read(&mut Cursor::new(octets), Dcs::OCTETS, true, &mut ());
            read.map(|_| ()).map_err(|fault| (fault.field, fault.offset))
        };
        assert_eq!(read(&[3, 5, 0, 3]), Err((Field::Header, 2)));
        assert_eq!(read(&[9, 5, 0, 3]), Err((Field::UserData, 1)));
        assert_eq!(read(&[3, 2, 0x70, 0]), Ok(()));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_not_cut() {
        let write = |text: &str, header: Option<Header>| {
            let (dcs, data) = UserData::from_text(text);
            let mut octets = Vec::new();
            UserData { header, ..data }.write(&mut octets, dcs, OCTETS_MAX).map(|()| octets.len())
        };
        let too_long = |octets| Err(EncodeError::UserDataLength { octets, room: 140 });
        assert_eq!(write(&"a".repeat(160), None), Ok(141));
        assert_eq!(write(&"a".repeat(161), None), too_long(141));
        assert_eq!(write(&"a".repeat(153), Some(Header::parse(&[0, 3, 1, 2, 1]))), Ok(141));
        assert_eq!(write(&"a".repeat(154), Some(Header::parse(&[0, 3, 1, 2, 1]))), too_long(141));
        assert_eq!(write(&"ш".repeat(71), None), too_long(142));
        assert_eq!(write("", Some(Header::parse(&[0; 300]))), too_long(301));
    }

    #[test]
    fn septets_need_a_coding_scheme_that_counts_them() {
        let (_, data) = UserData::from_text("a");
        let written = data.write(&mut Vec::new(), Dcs::UCS2, OCTETS_MAX);
        assert_eq!(written, Err(EncodeError::Coding(8)));
    }
}
