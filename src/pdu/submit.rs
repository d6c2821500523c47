//! SMS-SUBMIT, what a mobile sends (TS 23.040 9.2.2.2).

use super::codec::{TPDU_MAX, codec, first_octet, flags};
use super::cursor::Cursor;
use super::partial::Note;
use super::user_data::OCTETS_MAX;
use super::{Address, Dcs, EncodeError, Field, Flaws, PduError, Pid, UserData, Validity};
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
    /// TP-PID.
    pub pid: Pid,
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

codec!(Submit);

impl Submit {
    fn write(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write_with(self.user_data.payload.units(), octets)
    }

    /// As [`Self::encode`], with `units` in place of those of its payload: a part of a long text is written from where the
    /// text lies.
    pub(super) fn encode_with(&self, units: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let mut octets = Vec::with_capacity(TPDU_MAX);
        self.write_with(units, &mut octets)?;
        Ok(octets)
    }

    fn write_with(&self, units: &[u8], octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        let first = flags(
            MTI | Validity::format_bits(self.validity.as_ref()),
            [
                (self.reject_duplicates, REJECT_DUPLICATES),
                (self.status_report, STATUS_REPORT),
                (self.user_data.header.is_some(), HEADER),
                (self.reply_path, REPLY_PATH),
            ],
        );
        octets.extend_from_slice(&[first, self.reference.0]);
        self.destination.write(octets)?;
        octets.extend_from_slice(&[self.pid.0, self.dcs.0]);
        if let Some(validity) = &self.validity {
            validity.write(octets);
        }
        self.user_data.write_with(units, octets, self.dcs, OCTETS_MAX)
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, note: &mut impl Note) -> Result<Self, PduError> {
        let first = first_octet(cursor, MTI)?;
        let reference = MessageRef(cursor.u8(Field::Reference)?);
        note.note(|partial| partial.reference = Some(reference));
        let destination = Address::read(cursor)?;
        note.note(|partial| partial.address = Some(destination));
        let pid = Pid(cursor.u8(Field::ProtocolId)?);
        note.note(|partial| partial.pid = Some(pid));
        let dcs = Dcs(cursor.u8(Field::Coding)?);
        note.note(|partial| partial.dcs = Some(dcs));
        let validity = Validity::read(first, cursor)?;
        note.note(|partial| partial.validity = validity);
        let (user_data, empty_udh) = UserData::read(cursor, dcs, first & HEADER != 0, note)?;
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
