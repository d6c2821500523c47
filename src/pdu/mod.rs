//! Short messages as octets: TS 23.040 TPDUs, TS 23.038 alphabets, and the service centre address that an AT interface
//! puts in front (TS 27.005).
//!
//! Reading is tolerant where real modems are sloppy (what was tolerated stands in [`Flaws`]) and strict where tolerance
//! would invent content; writing is strict. All six TPDU types go both ways, because the simulator is the network.
//! Every access to foreign octets goes through [`cursor::Cursor`], so a bound is checked in one place only.

pub mod address;
mod cause;
mod codec;
mod command;
pub mod cursor;
pub mod dcs;
pub mod deliver;
mod deliver_report;
pub mod dump;
pub mod facts;
mod fault;
pub mod forecast;
pub mod gsm7;
mod language;
mod languages;
mod national;
mod options;
mod partial;
mod pid;
pub mod reassemble;
pub mod report;
pub mod segment;
pub mod septets;
mod status;
pub mod submit;
mod submit_report;
pub mod time;
pub mod transliterate;
pub mod ucs2;
pub mod udh;
pub mod user_data;
mod words;

pub use address::{Address, TypeOfNumber};
pub use cause::{Cause, CauseVerdict, FailureCause};
pub use command::{Command, CommandType, Order};
pub use dcs::{Alphabet, Dcs, Waiting};
pub use deliver::Deliver;
pub use deliver_report::DeliverReport;
pub use fault::{EncodeError, Field, PduError, Rule};
pub use forecast::{Forecast, Found, Replaced};
pub use language::Language;
pub use options::{Indicator, Options};
pub use partial::{DecodeError, Partial};
pub use pid::{Pid, Protocol};
pub use report::StatusReport;
pub use segment::{Coding, Plan, Policy, SegmentError, SubmitOptions, plan, plan_as, plan_with};
pub use status::{Status, StatusMeaning, Verdict};
pub use submit::Submit;
pub use submit_report::SubmitReport;
pub use time::{Timestamp, Validity, ValidityFormat};
pub use transliterate::{Loss, Substitute};
pub use udh::{Concat, Element, Header, Indication, Ports};
pub use user_data::{Payload, UserData};

use crate::secret::Secret;
use cursor::Cursor;
use partial::Note;

/// The liberties that a real modem or network took; encoding ignores them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flaws {
    /// TP-UDHI is set and TP-UD is empty: there is no room for a header.
    pub empty_udh: bool,
    /// Octets behind the end of the TPDU; possibly remains of another message, so kept as secret.
    pub trailing: Option<Secret>,
    /// TP-UDHI is set on a status report without TP-UD.
    pub header_without_data: bool,
    /// TP-PI of a status report announces what is not there; all optional parameters were dropped.
    pub bad_options: bool,
}

impl Flaws {
    fn of_trailing(rest: &[u8]) -> Option<Secret> {
        (!rest.is_empty()).then(|| Secret::new(rest.to_vec()))
    }
}

/// TPDU types. The direction decides which of two meanings TP-MTI has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SMS-DELIVER, network to mobile.
    Deliver,
    /// SMS-DELIVER-REPORT, mobile to network.
    DeliverReport,
    /// SMS-SUBMIT, mobile to network.
    Submit,
    /// SMS-SUBMIT-REPORT, network to mobile.
    SubmitReport,
    /// SMS-STATUS-REPORT, network to mobile.
    StatusReport,
    /// SMS-COMMAND, mobile to network.
    Command,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Deliver,
        Self::DeliverReport,
        Self::Submit,
        Self::SubmitReport,
        Self::StatusReport,
        Self::Command,
    ];

    /// The type as a kebab-case word, for machines.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::DeliverReport => "deliver-report",
            Self::Submit => "submit",
            Self::SubmitReport => "submit-report",
            Self::StatusReport => "status-report",
            Self::Command => "command",
        }
    }
}

/// A TPDU of any type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pdu {
    /// SMS-DELIVER.
    Deliver(Deliver),
    /// SMS-DELIVER-REPORT.
    DeliverReport(DeliverReport),
    /// SMS-SUBMIT.
    Submit(Submit),
    /// SMS-SUBMIT-REPORT.
    SubmitReport(SubmitReport),
    /// SMS-STATUS-REPORT.
    StatusReport(StatusReport),
    /// SMS-COMMAND.
    Command(Command),
}

impl Pdu {
    /// Reads a TPDU without service centre address. Without `kind` TP-MTI decides: 0 deliver, 1 submit, 2 status report.
    ///
    /// # Errors
    /// When the octets are no such TPDU.
    pub fn decode(tpdu: &[u8], kind: Option<Kind>) -> Result<Self, PduError> {
        Self::read(&mut Cursor::new(tpdu), kind, &mut ())
    }

    /// The TPDU, without service centre address.
    ///
    /// # Errors
    /// When it cannot be written without leaving something out.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Deliver(deliver) => deliver.encode(),
            Self::DeliverReport(report) => report.encode(),
            Self::Submit(submit) => submit.encode(),
            Self::SubmitReport(report) => report.encode(),
            Self::StatusReport(report) => report.encode(),
            Self::Command(command) => command.encode(),
        }
    }

    /// What was tolerated when it was read.
    #[must_use]
    pub fn flaws(&self) -> &Flaws {
        match self {
            Self::Deliver(deliver) => &deliver.flaws,
            Self::DeliverReport(report) => &report.flaws,
            Self::Submit(submit) => &submit.flaws,
            Self::SubmitReport(report) => &report.flaws,
            Self::StatusReport(report) => &report.flaws,
            Self::Command(command) => &command.flaws,
        }
    }

    fn read(cursor: &mut Cursor<'_>, kind: Option<Kind>, note: &mut impl Note) -> Result<Self, PduError> {
        let (offset, field) = (cursor.offset(), Field::FirstOctet);
        let kind = match (kind, cursor.clone().u8(field)? & 0b11) {
            (Some(kind), _) => kind,
            (None, 0) => Kind::Deliver,
            (None, 1) => Kind::Submit,
            (None, 2) => Kind::StatusReport,
            (None, other) => return Err(PduError { field, offset, rule: Rule::MessageType(other) }),
        };
        note.note(|partial| partial.kind = Some(kind));
        match kind {
            Kind::Deliver => Deliver::read(cursor, note).map(Self::Deliver),
            Kind::DeliverReport => DeliverReport::read(cursor, note).map(Self::DeliverReport),
            Kind::Submit => Submit::read(cursor, note).map(Self::Submit),
            Kind::SubmitReport => SubmitReport::read(cursor, note).map(Self::SubmitReport),
            Kind::StatusReport => StatusReport::read(cursor, note).map(Self::StatusReport),
            Kind::Command => Command::read(cursor, note).map(Self::Command),
        }
    }
}

/// What a modem gives or takes: the TPDU and, if the octets began with one, its service centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Service centre; `None` when the length octet is 0 ("the one stored on the SIM") or there was no such field.
    pub service_centre: Option<Address>,
    /// Octets of the TPDU, as counted by `AT+CMGS=<length>`.
    pub tpdu_len: usize,
    /// The TPDU.
    pub pdu: Pdu,
}

/// Reads octets as a modem gives them; `smsc` tells whether they begin with the service centre address.
///
/// # Errors
/// When the octets are no service centre address and TPDU of this kind; the error has what was readable.
pub fn decode(octets: &[u8], smsc: bool, kind: Option<Kind>) -> Result<Decoded, DecodeError> {
    read(octets, smsc, kind, &mut ()).map_err(|fault| {
        let mut partial = Box::<Partial>::default();
        // The same fault again, this time with a witness.
        let _fault = read(octets, smsc, kind, partial.as_mut());
        DecodeError { fault, partial }
    })
}

fn read(octets: &[u8], smsc: bool, kind: Option<Kind>, note: &mut impl Note) -> Result<Decoded, PduError> {
    let mut cursor = Cursor::new(octets);
    let service_centre = if smsc { Address::read_service_centre(&mut cursor)? } else { None };
    note.note(|partial| partial.service_centre = service_centre);
    let tpdu_len = cursor.remaining();
    Ok(Decoded { service_centre, tpdu_len, pdu: Pdu::read(&mut cursor, kind, note)? })
}

/// Separates the service centre address (TS 27.005 4.3 "SC address" in front of a TPDU) from the TPDU.
///
/// # Errors
/// When its length octet or its type-of-address is impossible, or the octets end within.
pub fn split_smsc(octets: &[u8]) -> Result<(Option<Address>, &[u8]), PduError> {
    let mut cursor = Cursor::new(octets);
    Ok((Address::read_service_centre(&mut cursor)?, cursor.rest()))
}

/// The TPDU with "use the service centre stored on the SIM" in front, as `AT+CMGS` takes it.
#[must_use]
pub fn with_default_smsc(tpdu: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(tpdu.len() + 1);
    octets.push(0);
    octets.extend_from_slice(tpdu);
    octets
}

#[cfg(test)]
mod tests;
