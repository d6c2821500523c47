//! Short messages as octets: TS 23.040 TPDUs, TS 23.038 alphabets, and the service centre address that an AT interface
//! puts in front (TS 27.005).
//!
//! Reading is tolerant where real modems are sloppy (what was tolerated stands in [`Flaws`]) and strict where tolerance
//! would invent content; writing is strict. All three TPDU types go both ways, because the simulator is the network.
//! Every access to foreign octets goes through [`cursor::Cursor`], so a bound is checked in one place only.

pub mod address;
pub mod cursor;
pub mod dcs;
pub mod deliver;
pub mod facts;
pub mod gsm7;
pub mod report;
pub mod segment;
pub mod submit;
pub mod time;
pub mod ucs2;
pub mod udh;
pub mod user_data;

pub use address::{Address, TypeOfNumber};
pub use dcs::{Alphabet, Dcs, Waiting};
pub use deliver::Deliver;
pub use report::{Options, Status, StatusReport, Verdict};
pub use segment::{Plan, SegmentError, SubmitOptions, plan};
pub use submit::Submit;
pub use time::{Timestamp, Validity};
pub use udh::{Concat, Element, Header, Ports};
pub use user_data::{Payload, UserData};

use crate::secret::Secret;
use cursor::Cursor;

/// Length of the service centre address in octets, type-of-address included, at most. TS 24.011 8.2.5.1 gives 11; one more
/// is read, for senders that count the length octet too.
const SERVICE_CENTRE_MAX: u8 = 12;

/// The element of a TPDU at which reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Service centre address in front of the TPDU.
    ServiceCentre,
    /// First octet with the message type indicator.
    FirstOctet,
    /// TP-MR.
    Reference,
    /// TP-OA, TP-DA or TP-RA.
    Address,
    /// TP-PID.
    ProtocolId,
    /// TP-DCS.
    Coding,
    /// TP-SCTS or TP-DT.
    Time,
    /// TP-VP.
    Validity,
    /// TP-ST.
    Status,
    /// TP-PI.
    ParameterIndicator,
    /// TP-UDL and TP-UD.
    UserData,
    /// User data header at the beginning of TP-UD.
    Header,
}

/// Why octets are no TPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PduError {
    /// The octets end inside this element.
    #[error("the PDU is cut off in {0:?}")]
    CutOff(Field),
    /// Length octet of the service centre address beyond TS 24.011 8.2.5.
    #[error("the service centre address claims {0} octets")]
    ServiceCentreLength(u8),
    /// Bit 7 of a type-of-address is always one; TS 23.040 9.1.2.5.
    #[error("the type-of-address {0:#04x} has no extension bit")]
    TypeOfAddress(u8),
    /// More than 20 semi-octets; TS 23.040 9.1.2.5.
    #[error("the address claims {0} semi-octets; 20 is the most")]
    AddressLength(u8),
    /// TP-MTI that is not read here (3), or not of the kind that was asked for.
    #[error("the message type indicator is {0}")]
    MessageType(u8),
}

/// The liberties that a real modem or network took; encoding ignores them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flaws {
    /// TP-UDHI is set and TP-UD is empty: there is no room for a header.
    pub empty_udh: bool,
    /// Octets behind the end of the TPDU; possibly remains of another message, so kept as secret.
    pub trailing: Option<Secret>,
    /// TP-PI of a status report announces what is not there; all optional parameters were dropped.
    pub bad_options: bool,
}

impl Flaws {
    fn of_trailing(rest: &[u8]) -> Option<Secret> {
        (!rest.is_empty()).then(|| Secret::new(rest.to_vec()))
    }
}

/// TPDU types that are read; the direction decides which of two meanings TP-MTI has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SMS-DELIVER, network to mobile.
    Deliver,
    /// SMS-SUBMIT, mobile to network.
    Submit,
    /// SMS-STATUS-REPORT, network to mobile.
    StatusReport,
}

/// A TPDU of any of the three types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pdu {
    /// SMS-DELIVER.
    Deliver(Deliver),
    /// SMS-SUBMIT.
    Submit(Submit),
    /// SMS-STATUS-REPORT.
    StatusReport(StatusReport),
}

impl Pdu {
    /// Reads a TPDU without service centre address. Without `kind` TP-MTI decides: 0 deliver, 1 submit, 2 status report.
    ///
    /// # Errors
    /// When the octets are no such TPDU.
    pub fn decode(tpdu: &[u8], kind: Option<Kind>) -> Result<Self, PduError> {
        let mti = Cursor::new(tpdu).u8(Field::FirstOctet)? & 0b11;
        let kind = match kind {
            Some(kind) => kind,
            None => match mti {
                0 => Kind::Deliver,
                1 => Kind::Submit,
                2 => Kind::StatusReport,
                other => return Err(PduError::MessageType(other)),
            },
        };
        match kind {
            Kind::Deliver => Deliver::decode(tpdu).map(Self::Deliver),
            Kind::Submit => Submit::decode(tpdu).map(Self::Submit),
            Kind::StatusReport => StatusReport::decode(tpdu).map(Self::StatusReport),
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
/// When the octets are no service centre address and TPDU of this kind.
pub fn decode(octets: &[u8], smsc: bool, kind: Option<Kind>) -> Result<Decoded, PduError> {
    let (service_centre, tpdu) = if smsc { split_smsc(octets)? } else { (None, octets) };
    Ok(Decoded { service_centre, tpdu_len: tpdu.len(), pdu: Pdu::decode(tpdu, kind)? })
}

/// Separates the service centre address (TS 27.005 4.3 "SC address" in front of a TPDU) from the TPDU.
///
/// # Errors
/// When its length octet or its type-of-address is impossible, or the octets end within.
pub fn split_smsc(octets: &[u8]) -> Result<(Option<Address>, &[u8]), PduError> {
    let mut cursor = Cursor::new(octets);
    let len = cursor.u8(Field::ServiceCentre)?;
    if len > SERVICE_CENTRE_MAX {
        return Err(PduError::ServiceCentreLength(len));
    }
    let field = cursor.take(usize::from(len), Field::ServiceCentre)?;
    let address = match field.split_first() {
        None => None,
        Some((&toa, digits)) => Some(Address::from_octets(toa, digits, digits.len() * 2)?),
    };
    Ok((address, cursor.rest()))
}

/// The TPDU with "use the service centre stored on the SIM" in front, as `AT+CMGS` takes it.
#[must_use]
pub fn with_default_smsc(tpdu: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(tpdu.len() + 1);
    octets.push(0);
    octets.extend_from_slice(tpdu);
    octets
}
