//! What the store of received messages would hold: each one at least once, and once when what is the same counts once.

use std::collections::HashSet;

use super::Verdict;
use crate::pdu::{self, Pdu, split_smsc};

/// The text of every message to the modem: this and eight digits.
const TEXT: &str = "Inbound ";
/// Digits of its number.
const DIGITS: usize = 8;

/// Messages to the modem.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// What was stored of each that was sent: the octets by which the store knows it again.
    stored: Vec<Option<Vec<u8>>>,
    /// Every TPDU that is committed, messages and reports.
    safe: HashSet<Vec<u8>>,
    /// How often one came again.
    pub(super) repeats: u64,
}

/// What was received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Message,
    /// The report on a message to this number.
    Report(String),
}

impl Inbox {
    /// The text of the next message to the modem.
    pub(super) fn next(&mut self) -> String {
        self.stored.push(None);
        format!("{TEXT}{:0DIGITS$}", self.stored.len() - 1)
    }

    /// Octets that the machine told are committed.
    pub(super) fn store(&mut self, octets: Vec<u8>) -> Result<Received, String> {
        let decoded =
            pdu::decode(&octets, true, None).map_err(|error| format!("stored is no PDU: {error}"))?;
        let (_, tpdu) = split_smsc(&octets).map_err(|error| format!("stored is no PDU: {error}"))?;
        self.safe.insert(tpdu.to_vec());
        let message = match decoded.pdu {
            Pdu::Deliver(message) => message,
            Pdu::StatusReport(report) => return Ok(Received::Report(report.recipient.text())),
            other => return Err(format!("stored is {other:?}")),
        };
        let text = message.user_data.text(message.dcs);
        let text = text.as_ref().and_then(|text| text.expose_str()).unwrap_or_default();
        let id = text.strip_prefix(TEXT).filter(|digits| digits.len() == DIGITS);
        let id: Option<usize> = id.and_then(|digits| digits.parse().ok());
        let slot = id.and_then(|id| self.stored.get_mut(id));
        let slot = slot.ok_or_else(|| format!("{text:?} is stored, which nobody sent"))?;
        match slot {
            None => *slot = Some(octets),
            Some(before) if *before == octets => self.repeats += 1,
            Some(_) => return Err(format!("{text:?} is stored twice, and differs")),
        }
        Ok(Received::Message)
    }

    /// The modem has let go of a message or a report, because the host said that it has it.
    pub(super) fn taken(&self, tpdu: &[u8]) -> Verdict {
        if self.safe.contains(tpdu) {
            return Ok(());
        }
        let what = pdu::decode(tpdu, false, None).map(|decoded| decoded.pdu);
        Err(format!("the modem was told to forget what is not stored: {what:?}"))
    }

    pub(super) fn sent(&self) -> u64 {
        u64::try_from(self.stored.len()).unwrap_or(u64::MAX)
    }

    /// Whether all that was sent is stored; the first that is not.
    pub(super) fn complete(&self) -> Verdict {
        match self.stored.iter().position(Option::is_none) {
            None => Ok(()),
            Some(id) => Err(format!("the inbound message {id} of {} is not stored", self.stored.len())),
        }
    }
}
