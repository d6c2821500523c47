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
pub mod dump;
pub mod facts;
pub mod forecast;
pub mod gsm7;
mod national;
pub mod reassemble;
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
pub use forecast::{Forcing, Forecast};
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::number::Number;
    use crate::units::MessageRef;

    fn deliver(originator: Address, dcs: Dcs, user_data: UserData, flags: [bool; 4]) -> Deliver {
        let [more, loop_prevention, status_report, reply_path] = flags;
        Deliver {
            more,
            loop_prevention,
            status_report,
            reply_path,
            originator,
            pid: 0,
            dcs,
            timestamp: Timestamp([0x60, 0x60, 0x72, 0x71, 0x71, 0x11, 0x8a]),
            user_data,
            flaws: Flaws::default(),
        }
    }

    fn number() -> Address {
        Address::from(&Number::parse("+491701234567", None).unwrap())
    }

    #[test]
    fn the_service_centre_is_split_off() {
        let (centre, tpdu) = split_smsc(&[0x07, 0x91, 0x44, 0x77, 0x58, 0x10, 0x06, 0x50, 0x04]).unwrap();
        assert_eq!(centre.unwrap().text(), "+447785016005");
        assert_eq!(tpdu, [0x04]);
        assert_eq!(split_smsc(&with_default_smsc(&[1, 2])), Ok((None, &[1, 2][..])));
        assert_eq!(split_smsc(&[1, 0x81]).unwrap().0.unwrap().text(), "", "a type without digits");
        assert_eq!(split_smsc(&[0x91, 0x94]), Err(PduError::ServiceCentreLength(0x91)));
        assert_eq!(split_smsc(&[2, 0x11, 0x22]), Err(PduError::TypeOfAddress(0x11)));
        assert_eq!(split_smsc(&[3, 0x91]), Err(PduError::CutOff(Field::ServiceCentre)));
        assert_eq!(split_smsc(&[]), Err(PduError::CutOff(Field::ServiceCentre)));
    }

    #[test]
    fn the_message_type_indicator_decides_unless_told() {
        assert_eq!(Pdu::decode(&[3], None), Err(PduError::MessageType(3)));
        assert_eq!(Pdu::decode(&[0], Some(Kind::Submit)), Err(PduError::MessageType(0)));
        assert_eq!(Pdu::decode(&[], None), Err(PduError::CutOff(Field::FirstOctet)));
    }

    #[test]
    fn remains_behind_a_tpdu_are_told_not_refused() {
        let (dcs, data) = UserData::from_text("Hola");
        let mut octets = deliver(number(), dcs, data, [false; 4]).encode();
        octets.extend([0xab, 0xcd]);
        let trailing = Deliver::decode(&octets).unwrap().flaws.trailing;
        assert_eq!(trailing, Some(Secret::new(vec![0xab, 0xcd])));
    }

    #[test]
    fn cut_off_user_data_is_refused() {
        let (dcs, data) = UserData::from_text("Your code is 314159");
        let octets = deliver(number(), dcs, data, [false; 4]).encode();
        for len in 0..octets.len() {
            assert!(Deliver::decode(&octets[..len]).is_err(), "{len} of {} octets", octets.len());
        }
    }

    #[test]
    fn a_header_flag_over_no_data_is_tolerated() {
        let mut octets = deliver(number(), Dcs::GSM7, UserData::from_text("").1, [false; 4]).encode();
        octets[0] |= 0x40;
        let read = Deliver::decode(&octets).unwrap();
        assert!(read.flaws.empty_udh && read.user_data.header.is_none());
    }

    fn user_data() -> impl Strategy<Value = (Dcs, UserData)> {
        let text = "[ -Z€]{0,60}|[a-zш😁]{0,30}".prop_map(|text| UserData::from_text(&text));
        let data = prop::collection::vec(any::<u8>(), 0..100).prop_map(|data| {
            let payload = Payload::Octets(Secret::new(data));
            (Dcs::OCTETS, UserData { header: None, payload })
        });
        let header = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
        (prop_oneof![text, data], header).prop_map(|((dcs, data), header)| {
            let header = header.map(|raw| Header::parse(&raw));
            (dcs, UserData { header, ..data })
        })
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..200), smsc: bool) {
            for kind in [None, Some(Kind::Deliver), Some(Kind::Submit), Some(Kind::StatusReport)] {
                let _ = facts::facts(&decode(&octets, smsc, kind), smsc);
            }
        }

        /// Random octets seldom get past the address; these do, so headers, options and packing are reached.
        #[test]
        fn no_octets_behind_an_address_panic(
            first: u8, tail in prop::collection::vec(any::<u8>(), 0..200), short in 0..30_u8,
        ) {
            let mut deliver = vec![first, 4, 0x91, 0x21, 0x43];
            let mut submit = vec![first, 0, 4, 0x91, 0x21, 0x43];
            // A small TP-UDL over much data and a large one over little are both wanted.
            for octets in [&mut deliver, &mut submit] {
                octets.extend(&tail);
                if let Some(udl) = octets.get_mut(15) {
                    *udl %= short.max(1);
                }
                let _ = facts::facts(&decode(octets, false, None), false);
            }
        }

        #[test]
        fn deliver_reads_as_it_was_written((dcs, data) in user_data(), flags: [bool; 4], name in "[A-Za-z0-9]{0,11}") {
            for originator in [number(), Address::alphanumeric(&name).unwrap()] {
                let deliver = deliver(originator, dcs, data.clone(), flags);
                prop_assert_eq!(Deliver::decode(&deliver.encode()), Ok(deliver));
            }
        }

        #[test]
        fn submit_reads_as_it_was_written(
            (dcs, user_data) in user_data(), flags: [bool; 3], mr: u8, vp: u8, raw: [u8; 7],
        ) {
            let [reject_duplicates, status_report, reply_path] = flags;
            let validities = [
                None,
                Some(Validity::Relative(vp)),
                Some(Validity::Absolute(Timestamp(raw))),
                Some(Validity::Enhanced(raw)),
            ];
            for validity in validities {
                let submit = Submit {
                    reference: MessageRef(mr),
                    destination: number(),
                    pid: vp,
                    dcs,
                    validity,
                    reject_duplicates,
                    status_report,
                    reply_path,
                    user_data: user_data.clone(),
                    flaws: Flaws::default(),
                };
                prop_assert_eq!(Submit::decode(&submit.encode()), Ok(submit));
            }
        }

        #[test]
        fn reports_read_as_they_were_written(
            data in prop::option::of(user_data()), pid: Option<u8>, flags: [bool; 3], mr: u8, status: u8,
            stamps: [[u8; 7]; 2], with_options: bool,
        ) {
            let [more, loop_prevention, for_command] = flags;
            let (dcs, user_data) = data.unzip();
            let has = |there: bool, bit: u8| if there { bit } else { 0 };
            let indicator = has(pid.is_some(), 1) | has(dcs.is_some(), 2) | has(user_data.is_some(), 4);
            let options = with_options.then_some(Options { indicator, pid, dcs, user_data });
            let [timestamp, discharge] = stamps.map(Timestamp);
            let report = StatusReport {
                more,
                loop_prevention,
                for_command,
                reference: MessageRef(mr),
                recipient: number(),
                timestamp,
                discharge,
                status: Status(status),
                options,
                flaws: Flaws::default(),
            };
            prop_assert_eq!(StatusReport::decode(&report.encode()), Ok(report));
        }
    }
}
