//! SMS-COMMAND, what a mobile asks of the service centre about a message it sent before (TS 23.040 9.2.2.4).

use super::codec::{TPDU_MAX, codec, first_octet, flags};
use super::cursor::Cursor;
use super::partial::Note;
use super::words::words;
use super::{Address, Dcs, EncodeError, Field, Flaws, PduError, Pid, UserData};
use crate::units::MessageRef;

const MTI: u8 = 0b10;
const STATUS_REPORT: u8 = 0x20;
const HEADER: u8 = 0x40;
/// TP-CD at most: beside the shortest TP-DA; the length of the TPDU bounds it elsewhere.
const DATA_MAX: usize = 156;

/// TP-CT as it came; the method reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandType(pub u8);

words! {
    /// What is asked; TS 23.040 9.2.3.19.
    pub enum Order {
        /// 00: what became of the message.
        Enquiry = "enquiry",
        /// 01: no status report is wanted any more.
        CancelStatusReport = "cancel-status-report",
        /// 02: the message shall be deleted.
        Delete = "delete",
        /// 03: a status report is wanted after all.
        EnableStatusReport = "enable-status-report",
        /// 04-1F and the gap above.
        Reserved = "reserved",
        /// E0-FF: means what the service centre says.
        ServiceCentreSpecific = "sc-specific",
    }
}

impl CommandType {
    /// What the value stands for.
    #[must_use]
    pub fn order(self) -> Order {
        match self.0 {
            0 => Order::Enquiry,
            1 => Order::CancelStatusReport,
            2 => Order::Delete,
            3 => Order::EnableStatusReport,
            0x04..=0xdf => Order::Reserved,
            0xe0..=0xff => Order::ServiceCentreSpecific,
        }
    }
}

/// A command from mobile to service centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// TP-SRR: a status report on the command is wanted.
    pub status_report: bool,
    /// TP-MR of the command itself.
    pub reference: MessageRef,
    /// TP-PID.
    pub pid: Pid,
    /// TP-CT.
    pub command: CommandType,
    /// TP-MN: TP-MR of the message that it is about.
    pub number: u8,
    /// TP-DA: to whom that message went.
    pub recipient: Address,
    /// TP-CD, octets whatever they mean; TP-UDHI follows from its header.
    pub data: UserData,
    /// What was tolerated when it was read.
    pub flaws: Flaws,
}

codec!(Command);

impl Command {
    fn write(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        let flags = flags(MTI, [(self.status_report, STATUS_REPORT), (self.data.header.is_some(), HEADER)]);
        octets.extend_from_slice(&[flags, self.reference.0, self.pid.0, self.command.0, self.number]);
        self.recipient.write(octets)?;
        self.data.write(octets, Dcs::OCTETS, DATA_MAX)
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, note: &mut impl Note) -> Result<Self, PduError> {
        let first = first_octet(cursor, MTI)?;
        let reference = MessageRef(cursor.u8(Field::Reference)?);
        note.note(|partial| partial.reference = Some(reference));
        let pid = Pid(cursor.u8(Field::ProtocolId)?);
        note.note(|partial| partial.pid = Some(pid));
        let command = CommandType(cursor.u8(Field::CommandType)?);
        note.note(|partial| partial.command = Some(command));
        let number = cursor.u8(Field::MessageNumber)?;
        note.note(|partial| partial.number = Some(number));
        let recipient = Address::read(cursor)?;
        note.note(|partial| partial.address = Some(recipient));
        let (data, empty_udh) = UserData::read(cursor, Dcs::OCTETS, first & HEADER != 0, note)?;
        Ok(Self {
            status_report: first & STATUS_REPORT != 0,
            reference,
            pid,
            command,
            number,
            recipient,
            data,
            flaws: Flaws { empty_udh, trailing: Flaws::of_trailing(cursor.rest()), ..Flaws::default() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delete_command_goes_both_ways() {
        let octets = [0x22, 0x07, 0x00, 0x02, 0x2a, 0x05, 0x81, 0x27, 0x62, 0xf7, 0x01, 0xaa];
        let command = Command::decode(&octets).unwrap();
        assert_eq!((command.command.order(), command.number), (Order::Delete, 0x2a));
        assert_eq!((command.recipient.text().as_str(), command.status_report), ("72267", true));
        assert_eq!(command.encode().unwrap(), octets);
        assert_eq!(CommandType(0xe0).order(), Order::ServiceCentreSpecific);
        assert_eq!(CommandType(0xdf).order(), Order::Reserved);
    }

    #[test]
    fn command_data_that_is_not_there_is_an_error() {
        let octets = [0x02, 0x07, 0x00, 0x02, 0x2a, 0x05, 0x81, 0x27, 0x62, 0xf7, 0x02, 0xaa];
        let fault = Command::decode(&octets).unwrap_err();
        assert_eq!((fault.field, fault.offset), (Field::UserData, 11));
    }
}
