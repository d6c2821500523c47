//! What all six TPDU types have in common: public reading and writing on top of each one's own `read` and `write`.

/// Gives a TPDU type `encode`, `encode_into` and `decode`.
macro_rules! codec {
    ($tpdu:ty) => {
        impl $tpdu {
            /// The TPDU, without service centre address.
            ///
            /// # Errors
            /// When it cannot be written without leaving something out.
            pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
                let mut octets = Vec::with_capacity(TPDU_MAX);
                self.encode_into(&mut octets)?;
                Ok(octets)
            }

            /// Appends the TPDU, without service centre address.
            ///
            /// # Errors
            /// When it cannot be written without leaving something out; nothing is appended then.
            pub fn encode_into(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
                let start = octets.len();
                let written = self.write(octets).and_then(|()| match octets.len() - start {
                    0..=TPDU_MAX => Ok(()),
                    len => Err(EncodeError::TpduLength(len)),
                });
                if written.is_err() {
                    octets.truncate(start);
                }
                written
            }

            /// Reads a TPDU without service centre address.
            ///
            /// # Errors
            /// When the octets are no such TPDU; [`super::decode`] also tells what was readable.
            pub fn decode(tpdu: &[u8]) -> Result<Self, PduError> {
                Self::read(&mut Cursor::new(tpdu), &mut ())
            }
        }
    };
}

pub(super) use codec;

use super::cursor::Cursor;
use super::fault::{Field, PduError, Rule};

/// Octets of a TPDU at most: those of the longest SMS-SUBMIT (TS 23.040 9.2.2.2).
pub(super) const TPDU_MAX: usize = 164;

/// Takes the first octet, whose TP-MTI must be `mti`.
pub(super) fn first_octet(cursor: &mut Cursor<'_>, mti: u8) -> Result<u8, PduError> {
    let offset = cursor.offset();
    let first = cursor.u8(Field::FirstOctet)?;
    if first & 0b11 != mti {
        return Err(PduError { field: Field::FirstOctet, offset, rule: Rule::MessageType(first & 0b11) });
    }
    Ok(first)
}

/// The first octet of these flags.
pub(super) fn flags<const N: usize>(mti: u8, flags: [(bool, u8); N]) -> u8 {
    flags.into_iter().fold(mti, |octet, (set, bit)| if set { octet | bit } else { octet })
}
