//! SMS-SUBMIT, what a mobile sends (TS 23.040 9.2.2.2).

use super::cursor::Cursor;
use super::{Address, Dcs, Field, Flaws, PduError, UserData, Validity};
use crate::units::MessageRef;

const MTI: u8 = 0b01;
const REJECT_DUPLICATES: u8 = 0b100;
const STATUS_REPORT: u8 = 0x20;
const HEADER: u8 = 0x40;
const REPLY_PATH: u8 = 0x80;

/// A message from mobile to service centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit {
    /// TP-MR; most modems write their own over it.
    pub reference: MessageRef,
    /// TP-DA.
    pub destination: Address,
    /// TP-PID; 0 is a plain message.
    pub pid: u8,
    /// TP-DCS.
    pub dcs: Dcs,
    /// TP-VP; `None` leaves it to the service centre.
    pub validity: Option<Validity>,
    /// TP-RD: the service centre refuses a message with the same reference and destination.
    pub reject_duplicates: bool,
    /// TP-SRR: a status report is wanted.
    pub status_report: bool,
    /// TP-RP.
    pub reply_path: bool,
    /// TP-UD; TP-UDHI follows from its header.
    pub user_data: UserData,
    /// What was tolerated when it was read.
    pub flaws: Flaws,
}

impl Submit {
    /// The TPDU, without service centre address.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut first = MTI | Validity::format_bits(self.validity.as_ref());
        for (set, bit) in [
            (self.reject_duplicates, REJECT_DUPLICATES),
            (self.status_report, STATUS_REPORT),
            (self.user_data.header.is_some(), HEADER),
            (self.reply_path, REPLY_PATH),
        ] {
            first |= if set { bit } else { 0 };
        }
        let mut octets = vec![first, self.reference.0];
        self.destination.write(&mut octets);
        octets.extend([self.pid, self.dcs.0]);
        if let Some(validity) = &self.validity {
            validity.write(&mut octets);
        }
        self.user_data.write(&mut octets);
        octets
    }

    /// Reads a TPDU.
    ///
    /// # Errors
    /// When the octets are no SMS-SUBMIT.
    pub fn decode(tpdu: &[u8]) -> Result<Self, PduError> {
        let mut cursor = Cursor::new(tpdu);
        let first = cursor.u8(Field::FirstOctet)?;
        if first & 0b11 != MTI {
            return Err(PduError::MessageType(first & 0b11));
        }
        let reference = MessageRef(cursor.u8(Field::Reference)?);
        let destination = Address::read(&mut cursor)?;
        let pid = cursor.u8(Field::ProtocolId)?;
        let dcs = Dcs(cursor.u8(Field::Coding)?);
        let validity = Validity::read(first, &mut cursor)?;
        let (user_data, empty_udh) = UserData::read(&mut cursor, dcs, first & HEADER != 0)?;
        Ok(Self {
            reference,
            destination,
            pid,
            dcs,
            validity,
            reject_duplicates: first & REJECT_DUPLICATES != 0,
            status_report: first & STATUS_REPORT != 0,
            reply_path: first & REPLY_PATH != 0,
            user_data,
            flaws: Flaws { empty_udh, trailing: Flaws::of_trailing(cursor.rest()), ..Flaws::default() },
        })
    }
}
