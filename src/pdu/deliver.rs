//! SMS-DELIVER, what a mobile receives (TS 23.040 9.2.2.1).

use super::cursor::Cursor;
use super::{Address, Dcs, Field, Flaws, PduError, Timestamp, UserData};

const MTI: u8 = 0b00;
/// TP-MMS is inverted: set means that nothing more waits.
const NO_MORE: u8 = 0b100;
const LOOP_PREVENTION: u8 = 0x08;
const STATUS_REPORT: u8 = 0x20;
const HEADER: u8 = 0x40;
const REPLY_PATH: u8 = 0x80;

/// A message from service centre to mobile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliver {
    /// TP-MMS: more messages wait at the service centre.
    pub more: bool,
    /// TP-LP: forwarded or spawned; must not be answered automatically.
    pub loop_prevention: bool,
    /// TP-SRI: the sender gets a status report.
    pub status_report: bool,
    /// TP-RP.
    pub reply_path: bool,
    /// TP-OA.
    pub originator: Address,
    /// TP-PID; 0 is a plain message.
    pub pid: u8,
    /// TP-DCS.
    pub dcs: Dcs,
    /// TP-SCTS: when the service centre took it.
    pub timestamp: Timestamp,
    /// TP-UD; TP-UDHI follows from its header.
    pub user_data: UserData,
    /// What was tolerated when it was read.
    pub flaws: Flaws,
}

impl Deliver {
    /// The TPDU, without service centre address.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut first = MTI;
        for (set, bit) in [
            (!self.more, NO_MORE),
            (self.loop_prevention, LOOP_PREVENTION),
            (self.status_report, STATUS_REPORT),
            (self.user_data.header.is_some(), HEADER),
            (self.reply_path, REPLY_PATH),
        ] {
            first |= if set { bit } else { 0 };
        }
        let mut octets = vec![first];
        self.originator.write(&mut octets);
        octets.extend([self.pid, self.dcs.0]);
        octets.extend(self.timestamp.0);
        self.user_data.write(&mut octets);
        octets
    }

    /// Reads a TPDU.
    ///
    /// # Errors
    /// When the octets are no SMS-DELIVER.
    pub fn decode(tpdu: &[u8]) -> Result<Self, PduError> {
        let mut cursor = Cursor::new(tpdu);
        let first = cursor.u8(Field::FirstOctet)?;
        if first & 0b11 != MTI {
            return Err(PduError::MessageType(first & 0b11));
        }
        let originator = Address::read(&mut cursor)?;
        let pid = cursor.u8(Field::ProtocolId)?;
        let dcs = Dcs(cursor.u8(Field::Coding)?);
        let timestamp = Timestamp(cursor.array(Field::Time)?);
        let (user_data, empty_udh) = UserData::read(&mut cursor, dcs, first & HEADER != 0)?;
        Ok(Self {
            more: first & NO_MORE == 0,
            loop_prevention: first & LOOP_PREVENTION != 0,
            status_report: first & STATUS_REPORT != 0,
            reply_path: first & REPLY_PATH != 0,
            originator,
            pid,
            dcs,
            timestamp,
            user_data,
            flaws: Flaws { empty_udh, trailing: Flaws::of_trailing(cursor.rest()), ..Flaws::default() },
        })
    }
}
