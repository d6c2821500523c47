//! SMS-DELIVER-REPORT, a mobile's answer to an SMS-DELIVER (TS 23.040 9.2.2.1a).
//!
//! It has two forms, and nothing in it says which it is: the RP layer knows, which carries one in an RP-ERROR (with TP-FCS)
//! and the other in an RP-ACK (without). Here, and in [`super::submit_report`], bit 7 of the octet behind the first decides:
//! every assigned TP-FCS has it (9.2.3.22), and in its place in an RP-ACK stands TP-PI, where it announces an extension
//! that no release has (9.2.3.27). An RP-ACK with such an extension, or an RP-ERROR with a reserved TP-FCS below 80, would
//! be taken for the other.

use super::codec::{TPDU_MAX, codec, first_octet, flags};
use super::cursor::Cursor;
use super::partial::Note;
use super::{EncodeError, FailureCause, Field, Flaws, Indicator, Options, PduError};

const MTI: u8 = 0b00;
const HEADER: u8 = 0x40;
/// Set in TP-FCS, clear in TP-PI.
const CAUSE: u8 = 0x80;

/// What a mobile answers to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverReport {
    /// TP-FCS, 80 to FF: why the message was refused. `None` in an RP-ACK.
    pub cause: Option<FailureCause>,
    /// TP-PI and what it announces.
    pub options: Options,
    /// What was tolerated when it was read.
    pub flaws: Flaws,
}

codec!(DeliverReport);

impl DeliverReport {
    fn write(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        octets.push(flags(MTI, [(self.options.has_header(), HEADER)]));
        octets.extend(self.cause.map(|cause| cause.0));
        self.options.write_indicator(octets);
        self.options.write_parameters(octets)
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, note: &mut impl Note) -> Result<Self, PduError> {
        let first = first_octet(cursor, MTI)?;
        let cause = read_cause(cursor, note)?;
        let indicator = Indicator::read(cursor, note)?;
        let (options, empty_udh) = Options::read(cursor, indicator, first & HEADER != 0, note)?;
        Ok(Self { cause, flaws: report_flaws(&options, first & HEADER != 0, empty_udh, cursor), options })
    }
}

/// Takes TP-FCS, if there is one.
pub(super) fn read_cause(
    cursor: &mut Cursor<'_>,
    note: &mut impl Note,
) -> Result<Option<FailureCause>, PduError> {
    let mut ahead = cursor.clone();
    let octet = ahead.u8(Field::Cause)?;
    if octet & CAUSE == 0 {
        return Ok(None);
    }
    *cursor = ahead;
    let cause = Some(FailureCause(octet));
    note.note(|partial| partial.cause = cause);
    Ok(cause)
}

/// The liberties that a report can take.
pub(super) fn report_flaws(options: &Options, udhi: bool, empty_udh: bool, cursor: &Cursor<'_>) -> Flaws {
    Flaws {
        empty_udh,
        header_without_data: udhi && options.user_data.is_none(),
        trailing: Flaws::of_trailing(cursor.rest()),
        ..Flaws::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::{Pid, UserData};

    #[test]
    fn the_two_forms_are_told_apart_by_bit_seven() {
        let ack = DeliverReport::decode(&[0x00, 0x00]).unwrap();
        assert_eq!((ack.cause, &ack.options), (None, &Options::default()));
        let full = DeliverReport::decode(&[0x00, 0xd3, 0x00]).unwrap();
        assert_eq!(full.cause, Some(FailureCause(0xd3)));
        let cut = DeliverReport::decode(&[0x00, 0xd3]).unwrap_err();
        assert_eq!((cut.field, cut.offset), (Field::ParameterIndicator, 2));
    }

    #[test]
    fn a_sim_toolkit_answer_carries_its_data() {
        let octets = [0x00, 0x07, 0x7f, 0xf6, 0x02, 0xab, 0xcd];
        let report = DeliverReport::decode(&octets).unwrap();
        assert_eq!(report.options.pid, Some(Pid(0x7f)));
        assert_eq!(report.options.user_data.as_ref().map(|data| data.payload.len()), Some(2));
        assert_eq!(report.encode().unwrap(), octets);
    }

    #[test]
    fn user_data_has_the_room_that_the_tpdu_has() {
        let (dcs, data) = UserData::from_text(&"a".repeat(180));
        let mut report = DeliverReport {
            cause: None,
            options: Options::new(None, None, Some(data)),
            flaws: Flaws::default(),
        };
        assert_eq!(report.encode().unwrap().len(), 161);
        report.options.user_data = Some(UserData::from_text(&"a".repeat(182)).1);
        assert_eq!(report.encode(), Err(EncodeError::UserDataLength { octets: 160, room: 159 }));
        report.options = Options::new(Some(Pid(0)), Some(dcs), Some(UserData::from_text(&"a".repeat(181)).1));
        report.cause = Some(FailureCause(0xff));
        assert_eq!(report.encode(), Err(EncodeError::TpduLength(165)));
    }
}
