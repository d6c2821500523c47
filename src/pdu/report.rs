//! SMS-STATUS-REPORT, what became of a message (TS 23.040 9.2.2.3).

use super::codec::{TPDU_MAX, codec, first_octet, flags};
use super::cursor::Cursor;
use super::partial::Note;
use super::{Address, EncodeError, Field, Flaws, Indicator, Options, PduError, Status, Timestamp};
use crate::units::MessageRef;

const MTI: u8 = 0b10;
/// TP-MMS is inverted: set means that nothing more waits.
const NO_MORE: u8 = 0b100;
const LOOP_PREVENTION: u8 = 0x08;
const FOR_COMMAND: u8 = 0x20;
const HEADER: u8 = 0x40;

/// A report on a message sent before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// TP-MMS: more messages wait at the service centre.
    pub more: bool,
    /// TP-LP.
    pub loop_prevention: bool,
    /// TP-SRQ: the report answers an SMS-COMMAND, not an SMS-SUBMIT.
    pub for_command: bool,
    /// TP-MR of the message.
    pub reference: MessageRef,
    /// TP-RA: to whom the message went.
    pub recipient: Address,
    /// TP-SCTS: when the service centre took the message.
    pub timestamp: Timestamp,
    /// TP-DT: when TP-ST came about.
    pub discharge: Timestamp,
    /// TP-ST.
    pub status: Status,
    /// What follows TP-PI, if it is there.
    pub options: Option<Options>,
    /// What was tolerated when it was read.
    pub flaws: Flaws,
}

codec!(StatusReport);

impl StatusReport {
    fn write(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        let first = flags(
            MTI,
            [
                (!self.more, NO_MORE),
                (self.loop_prevention, LOOP_PREVENTION),
                (self.for_command, FOR_COMMAND),
                (self.options.as_ref().is_some_and(Options::has_header), HEADER),
            ],
        );
        octets.extend_from_slice(&[first, self.reference.0]);
        self.recipient.write(octets)?;
        octets.extend_from_slice(&self.timestamp.0);
        octets.extend_from_slice(&self.discharge.0);
        octets.push(self.status.0);
        match &self.options {
            Some(options) => {
                options.write_indicator(octets);
                options.write_parameters(octets)
            }
            None => Ok(()),
        }
    }

    /// Optional parameters that make no sense (an FF as TP-PI with FF filling is seen in the wild) are dropped and
    /// flagged: the status is what matters.
    pub(super) fn read(cursor: &mut Cursor<'_>, note: &mut impl Note) -> Result<Self, PduError> {
        let first = first_octet(cursor, MTI)?;
        let reference = MessageRef(cursor.u8(Field::Reference)?);
        note.note(|partial| partial.reference = Some(reference));
        let recipient = Address::read(cursor)?;
        note.note(|partial| partial.address = Some(recipient));
        let timestamp = Timestamp(cursor.array(Field::Time)?);
        note.note(|partial| partial.timestamp = Some(timestamp));
        let discharge = Timestamp(cursor.array(Field::Discharge)?);
        note.note(|partial| partial.discharge = Some(discharge));
        let status = Status(cursor.u8(Field::Status)?);
        let (options, mut flaws) = Self::read_options(cursor, first & HEADER != 0);
        let has_data = options.as_ref().is_some_and(|options| options.user_data.is_some());
        flaws.header_without_data = first & HEADER != 0 && !has_data;
        Ok(Self {
            more: first & NO_MORE == 0,
            loop_prevention: first & LOOP_PREVENTION != 0,
            for_command: first & FOR_COMMAND != 0,
            reference,
            recipient,
            timestamp,
            discharge,
            status,
            options,
            flaws,
        })
    }

    fn read_options(cursor: &mut Cursor<'_>, udhi: bool) -> (Option<Options>, Flaws) {
        let Some(&first) = cursor.rest().first() else { return (None, Flaws::default()) };
        let read = Indicator::read(cursor, &mut ())
            .and_then(|indicator| Options::read(cursor, indicator, udhi, &mut ()));
        match read {
            Ok((options, empty_udh)) => {
                let trailing = Flaws::of_trailing(cursor.rest());
                (Some(options), Flaws { empty_udh, trailing, ..Flaws::default() })
            }
            Err(_) => {
                let indicator = Indicator { first, extension: Vec::new() };
                let options = Options { indicator, ..Options::default() };
                (Some(options), Flaws { bad_options: true, ..Flaws::default() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling_behind_the_status_is_told_and_does_not_hide_it() {
        let mut tpdu = vec![0x06, 0x2a, 3, 0x81, 0x21, 0xf3];
        tpdu.extend([0x62, 0x11, 0x10, 0x10, 0x20, 0x30, 0x00].repeat(2));
        tpdu.extend([0x46, 0xff, 0xff]);
        let report = StatusReport::decode(&tpdu).unwrap();
        assert_eq!((report.status, report.flaws.bad_options), (Status(0x46), true));
        assert_eq!(report.options.map(|options| options.indicator.first), Some(0xff));
        for len in 0..=20 {
            assert!(StatusReport::decode(&tpdu[..len]).is_err(), "{len}");
        }
    }
}
