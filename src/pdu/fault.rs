//! Why octets are no TPDU, and why a TPDU has no octets: the field, the place and the rule, as facts.

use std::fmt;

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
    /// TP-SCTS.
    Time,
    /// TP-DT.
    Discharge,
    /// TP-VP.
    Validity,
    /// TP-ST.
    Status,
    /// TP-FCS or, in its place, TP-PI.
    Cause,
    /// TP-PI.
    ParameterIndicator,
    /// TP-CT.
    CommandType,
    /// TP-MN.
    MessageNumber,
    /// TP-UDL and TP-UD, or TP-CDL and TP-CD.
    UserData,
    /// User data header at the beginning of TP-UD.
    Header,
}

impl Field {
    /// The field as a kebab-case word, for machines.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ServiceCentre => "service-centre",
            Self::FirstOctet => "first-octet",
            Self::Reference => "reference",
            Self::Address => "address",
            Self::ProtocolId => "pid",
            Self::Coding => "dcs",
            Self::Time => "timestamp",
            Self::Discharge => "discharge",
            Self::Validity => "validity",
            Self::Status => "status",
            Self::Cause => "cause",
            Self::ParameterIndicator => "pi",
            Self::CommandType => "ct",
            Self::MessageNumber => "mn",
            Self::UserData => "user-data",
            Self::Header => "header",
        }
    }
}

/// The field as people call it.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServiceCentre => "the service centre address",
            Self::FirstOctet => "the first octet",
            Self::Reference => "TP-MR",
            Self::Address => "the address",
            Self::ProtocolId => "TP-PID",
            Self::Coding => "TP-DCS",
            Self::Time => "TP-SCTS",
            Self::Discharge => "TP-DT",
            Self::Validity => "TP-VP",
            Self::Status => "TP-ST",
            Self::Cause => "TP-FCS",
            Self::ParameterIndicator => "TP-PI",
            Self::CommandType => "TP-CT",
            Self::MessageNumber => "TP-MN",
            Self::UserData => "TP-UD",
            Self::Header => "the user data header",
        })
    }
}

/// The rule that octets break; its text gives the clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// The octets end inside the element.
    #[error("needs {wanted} octets and {present} are there")]
    CutOff {
        /// Octets that the element needs here.
        wanted: usize,
        /// Octets that are there.
        present: usize,
    },
    /// Length octet of the service centre address beyond what one can have.
    #[error("claims {0} octets (TS 24.011 8.2.5.1: at most 11)")]
    ServiceCentreLength(u8),
    /// Bit 7 of a type-of-address is always one.
    #[error("has the type {0:#04x} without the extension bit (TS 23.040 9.1.2.5)")]
    TypeOfAddress(u8),
    /// More than 20 semi-octets.
    #[error("claims {0} semi-octets (TS 23.040 9.1.2.5: at most 20)")]
    AddressLength(u8),
    /// A TP-MTI that is not read here (3), or not of the kind that was asked for.
    #[error("has the message type indicator {0} (TS 23.040 9.2.3.1)")]
    MessageType(u8),
}

/// Why octets are no TPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} at octet {offset} {rule}")]
pub struct PduError {
    /// The element.
    pub field: Field,
    /// Where it stands: octets from the beginning of the input, service centre included, at which the fault was met.
    pub offset: usize,
    /// What is wrong with it.
    pub rule: Rule,
}

/// Why a TPDU cannot be written. Nothing is ever cut to make it fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// TP-UD, header included, or TP-CD has more octets than this TPDU has room for.
    #[error("the user data has {octets} octets; there is room for {room} (TS 23.040 9.2.2)")]
    UserDataLength {
        /// Octets it has.
        octets: usize,
        /// Octets it may have.
        room: usize,
    },
    /// The whole is longer than any TPDU.
    #[error("the TPDU has {0} octets; 164 is the most (TS 23.040 9.2.2)")]
    TpduLength(usize),
    /// The address is longer than TS 23.040 9.1.2.5 allows; a service centre's may be.
    #[error("the address has {0} semi-octets; at most 20 can be written (TS 23.040 9.1.2.5)")]
    AddressLength(u8),
    /// Septets under a coding scheme that counts octets, or octets under one that counts septets.
    #[error("the user data is not of the alphabet of TP-DCS {0:#04x} (TS 23.038 4)")]
    Coding(u8),
}
