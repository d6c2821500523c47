//! SMS-SUBMIT-REPORT, the service centre's answer to an SMS-SUBMIT or SMS-COMMAND (TS 23.040 9.2.2.2a). Its two forms are
//! told apart as [`super::deliver_report`] says.

use super::codec::{TPDU_MAX, codec, first_octet, flags};
use super::cursor::Cursor;
use super::deliver_report::{read_cause, report_flaws};
use super::partial::Note;
use super::{EncodeError, FailureCause, Field, Flaws, Indicator, Options, PduError, Timestamp};

const MTI: u8 = 0b01;
const HEADER: u8 = 0x40;

/// What the service centre answers to a message or command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmitReport {
    /// TP-FCS, 80 to FF: why it was refused. `None` in an RP-ACK.
    pub cause: Option<FailureCause>,
    /// TP-SCTS: when the service centre took it.
    pub timestamp: Timestamp,
    /// TP-PI and what it announces.
    pub options: Options,
    /// What was tolerated when it was read.
    pub flaws: Flaws,
}

codec!(SubmitReport);

impl SubmitReport {
    fn write(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        octets.push(flags(MTI, [(self.options.has_header(), HEADER)]));
        octets.extend(self.cause.map(|cause| cause.0));
        self.options.write_indicator(octets);
        octets.extend_from_slice(&self.timestamp.0);
        self.options.write_parameters(octets)
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, note: &mut impl Note) -> Result<Self, PduError> {
        let first = first_octet(cursor, MTI)?;
        let cause = read_cause(cursor, note)?;
        let indicator = Indicator::read(cursor, note)?;
        let timestamp = Timestamp(cursor.array(Field::Time)?);
        note.note(|partial| partial.timestamp = Some(timestamp));
        let (options, empty_udh) = Options::read(cursor, indicator, first & HEADER != 0, note)?;
        let flaws = report_flaws(&options, first & HEADER != 0, empty_udh, cursor);
        Ok(Self { cause, timestamp, options, flaws })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_have_the_time_behind_the_indicator() {
        let time = [0x62, 0x11, 0x10, 0x10, 0x20, 0x30, 0x00];
        let ack = [&[0x01, 0x00], time.as_slice()].concat();
        let error = [&[0x01, 0xc5, 0x01], time.as_slice(), &[0x41]].concat();
        let report = SubmitReport::decode(&error).unwrap();
        assert_eq!((report.cause, report.timestamp), (Some(FailureCause(0xc5)), Timestamp(time)));
        for octets in [ack, error] {
            assert_eq!(SubmitReport::decode(&octets).unwrap().encode(), Ok(octets));
        }
    }
}
