//! SMS-STATUS-REPORT, what became of a message (TS 23.040 9.2.2.3), and what its TP-ST means for the sender.

use super::cursor::Cursor;
use super::{Address, Dcs, Field, Flaws, PduError, Timestamp, UserData};
use crate::units::MessageRef;

const MTI: u8 = 0b10;
/// TP-MMS is inverted: set means that nothing more waits.
const NO_MORE: u8 = 0b100;
const LOOP_PREVENTION: u8 = 0x08;
const FOR_COMMAND: u8 = 0x20;
const HEADER: u8 = 0x40;

/// TP-PI bits; TS 23.040 9.2.3.27.
const PI_PID: u8 = 0b001;
const PI_DCS: u8 = 0b010;
const PI_USER_DATA: u8 = 0b100;
const PI_MORE: u8 = 0x80;

/// TP-ST as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u8);

/// What TP-ST says about the message; TS 23.040 9.2.3.15.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// 00-1F: it arrived (01: was forwarded without knowing, 02: was replaced). Final.
    Delivered,
    /// 20-3F: the service centre still tries; another report follows.
    Trying,
    /// 40-5F: a permanent error. Final.
    Failed,
    /// 60-7F: a temporary error, and the service centre gave up. Final.
    FailedTemporary,
    /// 80-FF: reserved; treat as failed for unknown reasons. Final.
    Reserved,
}

impl Status {
    /// Its group; specific and reserved values count as their group.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self.0 {
            0x00..=0x1f => Verdict::Delivered,
            0x20..=0x3f => Verdict::Trying,
            0x40..=0x5f => Verdict::Failed,
            0x60..=0x7f => Verdict::FailedTemporary,
            0x80..=0xff => Verdict::Reserved,
        }
    }
}

impl Verdict {
    /// Whether no further report is to be expected.
    #[must_use]
    pub fn is_final(self) -> bool {
        self != Self::Trying
    }
}

/// Optional parameters behind TP-ST.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// TP-PI as it came; encoding writes what is really there.
    pub indicator: u8,
    /// TP-PID.
    pub pid: Option<u8>,
    /// TP-DCS; user data without it is GSM 7 bit.
    pub dcs: Option<Dcs>,
    /// TP-UD.
    pub user_data: Option<UserData>,
}

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

impl StatusReport {
    /// The TPDU, without service centre address.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let user_data = self.options.as_ref().and_then(|options| options.user_data.as_ref());
        let mut first = MTI;
        for (set, bit) in [
            (!self.more, NO_MORE),
            (self.loop_prevention, LOOP_PREVENTION),
            (self.for_command, FOR_COMMAND),
            (user_data.is_some_and(|data| data.header.is_some()), HEADER),
        ] {
            first |= if set { bit } else { 0 };
        }
        let mut octets = vec![first, self.reference.0];
        self.recipient.write(&mut octets);
        octets.extend(self.timestamp.0);
        octets.extend(self.discharge.0);
        octets.push(self.status.0);
        if let Some(options) = &self.options {
            options.write(&mut octets);
        }
        octets
    }

    /// Reads a TPDU. Optional parameters that make no sense (an FF as TP-PI with FF filling is seen in the wild) are
    /// dropped: the status is what matters.
    ///
    /// # Errors
    /// When the octets up to TP-ST are no SMS-STATUS-REPORT.
    pub fn decode(tpdu: &[u8]) -> Result<Self, PduError> {
        let mut cursor = Cursor::new(tpdu);
        let first = cursor.u8(Field::FirstOctet)?;
        if first & 0b11 != MTI {
            return Err(PduError::MessageType(first & 0b11));
        }
        let mut report = Self {
            more: first & NO_MORE == 0,
            loop_prevention: first & LOOP_PREVENTION != 0,
            for_command: first & FOR_COMMAND != 0,
            reference: MessageRef(cursor.u8(Field::Reference)?),
            recipient: Address::read(&mut cursor)?,
            timestamp: Timestamp(cursor.array(Field::Time)?),
            discharge: Timestamp(cursor.array(Field::Time)?),
            status: Status(cursor.u8(Field::Status)?),
            options: None,
            flaws: Flaws::default(),
        };
        if let Ok(indicator) = cursor.clone().u8(Field::ParameterIndicator) {
            match Options::read(&mut cursor, first & HEADER != 0) {
                Ok((options, empty_udh)) => {
                    report.options = Some(options);
                    report.flaws.empty_udh = empty_udh;
                    report.flaws.trailing = Flaws::of_trailing(cursor.rest());
                }
                Err(_) => {
                    report.options = Some(Options { indicator, ..Options::default() });
                    report.flaws.bad_options = true;
                }
            }
        }
        let has_data = report.options.as_ref().is_some_and(|options| options.user_data.is_some());
        report.flaws.header_without_data = first & HEADER != 0 && !has_data;
        Ok(report)
    }
}

impl Options {
    fn read(cursor: &mut Cursor<'_>, udhi: bool) -> Result<(Self, bool), PduError> {
        let indicator = cursor.u8(Field::ParameterIndicator)?;
        let mut last = indicator;
        while last & PI_MORE != 0 {
            last = cursor.u8(Field::ParameterIndicator)?;
        }
        let mut options = Self { indicator, ..Self::default() };
        if indicator & PI_PID != 0 {
            options.pid = Some(cursor.u8(Field::ProtocolId)?);
        }
        if indicator & PI_DCS != 0 {
            options.dcs = Some(Dcs(cursor.u8(Field::Coding)?));
        }
        let mut empty_udh = false;
        if indicator & PI_USER_DATA != 0 {
            let (user_data, empty) = UserData::read(cursor, options.dcs.unwrap_or_default(), udhi)?;
            options.user_data = Some(user_data);
            empty_udh = empty;
        }
        Ok((options, empty_udh))
    }

    fn write(&self, octets: &mut Vec<u8>) {
        let mut indicator = 0;
        for (set, bit) in [
            (self.pid.is_some(), PI_PID),
            (self.dcs.is_some(), PI_DCS),
            (self.user_data.is_some(), PI_USER_DATA),
        ] {
            indicator |= if set { bit } else { 0 };
        }
        octets.push(indicator);
        octets.extend(self.pid);
        octets.extend(self.dcs.map(|dcs| dcs.0));
        if let Some(user_data) = &self.user_data {
            user_data.write(octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_groups_follow_the_two_top_bits() {
        let verdicts =
            [0x00, 0x1f, 0x25, 0x3f, 0x46, 0x5f, 0x60, 0x7f, 0x80, 0xff].map(|s| Status(s).verdict());
        use Verdict::{Delivered, Failed, FailedTemporary, Reserved, Trying};
        let expected = [
            Delivered,
            Delivered,
            Trying,
            Trying,
            Failed,
            Failed,
            FailedTemporary,
            FailedTemporary,
            Reserved,
            Reserved,
        ];
        assert_eq!(verdicts, expected);
        assert!(!Trying.is_final() && Reserved.is_final());
    }
}
