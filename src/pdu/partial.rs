//! What a TPDU told before it could not be read any further.
//!
//! The readers tell each field as they get it to a [`Note`]. A good PDU is read with the note that forgets, which costs
//! nothing; only a bad one is read again with one that remembers. So there is one reader, and no second list of fields.

use super::fault::PduError;
use super::{
    Address, CommandType, Dcs, FailureCause, Indicator, Kind, Pid, Status, Timestamp, UserData, Validity,
};
use crate::units::MessageRef;

/// Fields of a TPDU that were read before the fault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Partial {
    /// Service centre in front of the TPDU.
    pub service_centre: Option<Address>,
    /// What it was read as.
    pub kind: Option<Kind>,
    /// TP-MR.
    pub reference: Option<MessageRef>,
    /// TP-OA, TP-DA or TP-RA.
    pub address: Option<Address>,
    /// TP-PID.
    pub pid: Option<Pid>,
    /// TP-DCS.
    pub dcs: Option<Dcs>,
    /// TP-SCTS.
    pub timestamp: Option<Timestamp>,
    /// TP-DT.
    pub discharge: Option<Timestamp>,
    /// TP-VP.
    pub validity: Option<Validity>,
    /// TP-ST.
    pub status: Option<Status>,
    /// TP-FCS.
    pub cause: Option<FailureCause>,
    /// TP-PI.
    pub indicator: Option<Indicator>,
    /// TP-CT.
    pub command: Option<CommandType>,
    /// TP-MN.
    pub number: Option<u8>,
    /// As much of TP-UD as there is; the text is then shorter than what was sent.
    pub user_data: Option<UserData>,
}

/// Why octets are no PDU, and what they told before the fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct DecodeError {
    /// What is wrong and where.
    pub fault: PduError,
    /// What was read before.
    pub partial: Box<Partial>,
}

impl From<DecodeError> for PduError {
    fn from(error: DecodeError) -> Self {
        error.fault
    }
}

/// Who is told of every field as it is read.
pub(super) trait Note {
    /// Writes something down.
    fn note(&mut self, write: impl FnOnce(&mut Partial));
}

/// Forgets.
impl Note for () {
    fn note(&mut self, _: impl FnOnce(&mut Partial)) {}
}

/// Remembers.
impl Note for Partial {
    fn note(&mut self, write: impl FnOnce(&mut Partial)) {
        write(self);
    }
}
