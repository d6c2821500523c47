//! SMS-DELIVER, what a mobile receives (TS 23.040 9.2.2.1).

use super::codec::{TPDU_MAX, codec, first_octet, flags};
use super::cursor::Cursor;
use super::partial::Note;
use super::user_data::OCTETS_MAX;
use super::{Address, Dcs, EncodeError, Field, Flaws, PduError, Pid, Timestamp, UserData};

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
    /// TP-PID.
    pub pid: Pid,
    /// TP-DCS.
    pub dcs: Dcs,
    /// TP-SCTS: when the service centre took it.
    pub timestamp: Timestamp,
    /// TP-UD; TP-UDHI follows from its header.
    pub user_data: UserData,
    /// What was tolerated when it was read.
    pub flaws: Flaws,
}

codec!(Deliver);

impl Deliver {
    fn write(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        octets.push(flags(
            MTI,
            [
                (!self.more, NO_MORE),
                (self.loop_prevention, LOOP_PREVENTION),
                (self.status_report, STATUS_REPORT),
                (self.user_data.header.is_some(), HEADER),
                (self.reply_path, REPLY_PATH),
            ],
        ));
        self.originator.write(octets)?;
        octets.extend_from_slice(&[self.pid.0, self.dcs.0]);
        octets.extend_from_slice(&self.timestamp.0);
        self.user_data.write(octets, self.dcs, OCTETS_MAX)
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, note: &mut impl Note) -> Result<Self, PduError> {
        let first = first_octet(cursor, MTI)?;
        let originator = Address::read(cursor)?;
        note.note(|partial| partial.address = Some(originator));
        let pid = Pid(cursor.u8(Field::ProtocolId)?);
        note.note(|partial| partial.pid = Some(pid));
        let dcs = Dcs(cursor.u8(Field::Coding)?);
        note.note(|partial| partial.dcs = Some(dcs));
        let timestamp = Timestamp(cursor.array(Field::Time)?);
        note.note(|partial| partial.timestamp = Some(timestamp));
        let (user_data, empty_udh) = UserData::read(cursor, dcs, first & HEADER != 0, note)?;
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
