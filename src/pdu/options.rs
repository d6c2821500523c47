//! TP-PI (TS 23.040 9.2.3.27) and the optional parameters it announces, as the three reports have them at their end.

use super::cursor::Cursor;
use super::partial::Note;
use super::{Dcs, EncodeError, Field, PduError, Pid, UserData};

const PID: u8 = 0b001;
const DCS: u8 = 0b010;
const USER_DATA: u8 = 0b100;
/// Bits 3 to 6. Set, they mean that something follows TP-UD that a reader of today shall skip.
const RESERVED: u8 = 0b0111_1000;
/// Bit 7: another indicator octet follows.
const EXTENSION: u8 = 0x80;
/// TP-UD at most, in an SMS-DELIVER-REPORT without parameters; the length of the TPDU bounds it elsewhere.
const USER_DATA_MAX: usize = 159;

/// TP-PI as it came: which parameters follow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indicator {
    /// First octet; its bit 7 is set if and only if `extension` is not empty.
    pub first: u8,
    /// Further octets, of which no bit has a meaning yet; all but the last have bit 7 set.
    pub extension: Vec<u8>,
}

/// Optional parameters at the end of a report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// TP-PI as it came; encoding announces what is really there.
    pub indicator: Indicator,
    /// TP-PID.
    pub pid: Option<Pid>,
    /// TP-DCS; user data without it is GSM 7 bit.
    pub dcs: Option<Dcs>,
    /// TP-UD.
    pub user_data: Option<UserData>,
}

impl Indicator {
    pub(super) fn read(cursor: &mut Cursor<'_>, note: &mut impl Note) -> Result<Self, PduError> {
        let mut indicator = Self { first: cursor.u8(Field::ParameterIndicator)?, extension: Vec::new() };
        let mut last = indicator.first;
        while last & EXTENSION != 0 {
            last = cursor.u8(Field::ParameterIndicator)?;
            indicator.extension.push(last);
        }
        note.note(|partial| partial.indicator = Some(indicator.clone()));
        Ok(indicator)
    }
}

impl Options {
    /// These parameters, rightly announced.
    #[must_use]
    pub fn new(pid: Option<Pid>, dcs: Option<Dcs>, user_data: Option<UserData>) -> Self {
        let mut options = Self { indicator: Indicator::default(), pid, dcs, user_data };
        options.indicator.first = options.announced();
        options
    }

    /// Whether TP-UD has a header, which the first octet of the TPDU tells.
    pub(super) fn has_header(&self) -> bool {
        self.user_data.as_ref().is_some_and(|data| data.header.is_some())
    }

    /// Reads the parameters that `indicator` announces; `true` comes back if TP-UDHI is set over empty user data.
    pub(super) fn read(
        cursor: &mut Cursor<'_>,
        indicator: Indicator,
        udhi: bool,
        note: &mut impl Note,
    ) -> Result<(Self, bool), PduError> {
        let has = |bit| indicator.first & bit != 0;
        let pid = if has(PID) { Some(Pid(cursor.u8(Field::ProtocolId)?)) } else { None };
        note.note(|partial| partial.pid = pid);
        let dcs = if has(DCS) { Some(Dcs(cursor.u8(Field::Coding)?)) } else { None };
        note.note(|partial| partial.dcs = dcs);
        let (user_data, empty_udh) = if has(USER_DATA) {
            let (data, empty) = UserData::read(cursor, dcs.unwrap_or_default(), udhi, note)?;
            (Some(data), empty)
        } else {
            (None, false)
        };
        Ok((Self { indicator, pid, dcs, user_data }, empty_udh))
    }

    pub(super) fn write_indicator(&self, octets: &mut Vec<u8>) {
        let extended = if self.indicator.extension.is_empty() { 0 } else { EXTENSION };
        octets.push((self.indicator.first & RESERVED) | extended | self.announced());
        octets.extend_from_slice(&self.indicator.extension);
    }

    pub(super) fn write_parameters(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        octets.extend(self.pid.map(|pid| pid.0));
        octets.extend(self.dcs.map(|dcs| dcs.0));
        match &self.user_data {
            Some(data) => data.write(octets, self.dcs.unwrap_or_default(), USER_DATA_MAX),
            None => Ok(()),
        }
    }

    fn announced(&self) -> u8 {
        let bit = |there: bool, bit: u8| if there { bit } else { 0 };
        bit(self.pid.is_some(), PID) | bit(self.dcs.is_some(), DCS) | bit(self.user_data.is_some(), USER_DATA)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extended_indicator_is_kept_and_written_again() {
        let octets = [0x89, 0x80, 0x05, 0x40];
        let mut cursor = Cursor::new(&octets);
        let indicator = Indicator::read(&mut cursor, &mut ()).unwrap();
        assert_eq!(indicator.extension, [0x80, 0x05]);
        let (options, _) = Options::read(&mut cursor, indicator, false, &mut ()).unwrap();
        assert_eq!(options.pid, Some(Pid(0x40)));
        let mut written = Vec::new();
        options.write_indicator(&mut written);
        options.write_parameters(&mut written).unwrap();
        assert_eq!(written, octets);
    }

    #[test]
    fn an_indicator_without_end_is_cut_off() {
        let fault = Indicator::read(&mut Cursor::new(&[0xff, 0xff]), &mut ()).unwrap_err();
        assert_eq!((fault.field, fault.offset), (Field::ParameterIndicator, 2));
    }
}
