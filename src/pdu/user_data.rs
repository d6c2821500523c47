//! TP-UDL and TP-UD (TS 23.040 9.2.3.16, 9.2.3.24): an optional header and the text or data behind it.
//!
//! The payload is kept as the network carries it, septets or octets; text is made on demand. So reading and writing are
//! exact inverses, and a surrogate pair that a sender cut in two can still be joined as octets.

use super::cursor::Cursor;
use super::dcs::{Alphabet, Dcs};
use super::udh::Header;
use super::{Field, PduError, gsm7, ucs2};
use crate::secret::Secret;

/// TP-UD in octets, at most; TS 23.040 9.2.3.24.
pub const OCTETS_MAX: usize = 140;
/// TP-UD in septets, at most.
pub const SEPTETS_MAX: usize = 160;

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
        match self {
            Self::Septets(units) | Self::Octets(units) => units.len(),
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
                Some(Secret::from(tables.decode(septets.expose())))
            }
            (Payload::Octets(octets), Alphabet::Ucs2) if !dcs.compressed() => {
                Some(Secret::from(ucs2::decode(octets.expose())))
            }
            (Payload::Octets(_), _) => None,
        }
    }

    /// Reads TP-UDL and TP-UD. `udhi` is TP-UDHI; `true` comes back beside the data when it is set over empty user data.
    pub(super) fn read(cursor: &mut Cursor<'_>, dcs: Dcs, udhi: bool) -> Result<(Self, bool), PduError> {
        let udl = usize::from(cursor.u8(Field::UserData)?);
        let septets = counts_septets(dcs);
        let octets = if septets { gsm7::packed_len(udl) } else { udl };
        let mut body = Cursor::new(cursor.take(octets, Field::UserData)?);
        let empty_udh = udhi && udl == 0;
        let header = if udhi && !empty_udh {
            let len = body.u8(Field::Header)?;
            Some(Header::parse(body.take(usize::from(len), Field::Header)?))
        } else {
            None
        };
        let header_len = octets - body.remaining();
        let payload = if septets {
            let (occupied, fill) = header_septets(header_len);
            let text = gsm7::unpack(body.rest(), fill, udl.saturating_sub(occupied));
            Payload::Septets(Secret::new(text))
        } else {
            Payload::Octets(Secret::new(body.rest().to_vec()))
        };
        Ok((Self { header, payload }, empty_udh))
    }

    /// Writes TP-UDL and TP-UD; what exceeds 140 octets is cut, for a longer one cannot be expressed.
    pub(super) fn write(&self, octets: &mut Vec<u8>) {
        let mut body = self.header.as_ref().map(Header::octets).unwrap_or_default();
        body.truncate(OCTETS_MAX);
        let udl = match &self.payload {
            Payload::Septets(septets) => {
                let (occupied, fill) = header_septets(body.len());
                let room = SEPTETS_MAX.saturating_sub(occupied);
                let text: Vec<u8> = septets.expose().iter().copied().take(room).collect();
                body.extend(gsm7::pack(&text, fill));
                occupied + text.len()
            }
            Payload::Octets(data) => {
                let room = OCTETS_MAX.saturating_sub(body.len());
                body.extend(data.expose().iter().take(room));
                body.len()
            }
        };
        octets.push(u8::try_from(udl).unwrap_or(u8::MAX));
        octets.extend(body);
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
        let read = |octets: &[u8]| UserData::read(&mut Cursor::new(octets), Dcs::OCTETS, true).map(|_| ());
        assert_eq!(read(&[3, 5, 0, 3]), Err(PduError::CutOff(Field::Header)));
        assert_eq!(read(&[9, 5, 0, 3]), Err(PduError::CutOff(Field::UserData)));
        assert_eq!(read(&[3, 2, 0x70, 0]), Ok(()));
    }
}
