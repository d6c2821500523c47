//! The vocabulary of the queue: ids, lanes, states.
//!
//! ```text
//! queued -> leased -> submitted -> delivered | failed
//!    ^        |  \-> uncertain -> submitted | delivered | failed
//!    \--------/ (retry, lapsed lease)      queued | leased -> expired | withdrawn | failed
//! ```
//!
//! Nothing is pending for ever: every state has an owner, who moves the message on until a time ([`rules::tenure`](super::rules::tenure)),
//! and what happens then if the owner did not.
//!
//! | state | owner | until | then |
//! |---|---|---|---|
//! | queued | dispatcher, when a channel is free | its deadline, also where it is bound to a SIM that never returns | expired, by the janitor or by the lease that meets it |
//! | leased | dispatcher | the lease's end, five minutes from its beginning | taken back by the janitor: queued if nothing was in the air, else uncertain or repeated as its lane has it; at the start of the daemon likewise |
//! | submitted | network, where a report is wanted | an hour after its deadline or, if that is later, after it was submitted | it rests there, unreported |
//! | uncertain | network: a late confirmation, a report | an hour after it came there | it rests there, unsettled |
//! | delivered, failed, expired, withdrawn | nobody | | |
//!
//! What rests is purged when it has been kept long enough. A fact that comes later still counts: a message that had expired or was in
//! doubt becomes submitted or delivered when that is what all its segments turn out to be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::number::Number;
use crate::pdu::Coding;
use crate::queue::budget::Bill;
use crate::secret::Secret;
use crate::units::UnixMs;

/// A message that was admitted and waits to become a row; made only by [`super::admission`].
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its identity.
    pub id: MessageId,
    /// Who waits for it.
    pub lane: Lane,
    /// Where it goes.
    pub to: Number,
    /// The text, UTF-8.
    pub body: Secret,
    /// Shown at once and not stored (message class 0).
    pub flash: bool,
    /// A handset report is wanted (TP-SRR).
    pub report: bool,
    /// SMS segments it takes, 1..=255.
    pub segments: u8,
    /// How its text is written, so that the parts that leave are those that were counted.
    pub coding: Coding,
    /// Time of acceptance.
    pub created: UnixMs,
    /// It must not leave after this.
    pub deadline: UnixMs,
    /// Who asked.
    pub caller: String,
    /// The caller's key against double submission, if it gave one.
    pub idempotency: Option<Idempotency>,
    /// What it is counted on.
    pub bill: Bill,
}

/// A caller's key against double submission, with what it was given for.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// All that was asked, in a form of its own: what differs in it is another message, to which the key does not belong.
    pub asked: Secret,
}

/// Identity of a message: a UUID v7, so that ids sort by the time of acceptance in every store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MessageId(Uuid);

impl MessageId {
    /// A new id from the time of acceptance, the place in its batch (0..=4095, so that a batch keeps its order within a
    /// millisecond; RFC 9562 6.2 method 1) and eight random octets.
    #[must_use]
    pub fn new(now: UnixMs, place: u16, random: [u8; 8]) -> Self {
        let millis = u64::try_from(now.0).unwrap_or(0);
        let [high, low] = place.to_be_bytes();
        let [a, b, c, d, e, f, g, h] = random;
        let tail = [high, low, a, b, c, d, e, f, g, h];
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
    }

    /// The sixteen octets, as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From the stored octets; `None` unless there are sixteen.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl TryFrom<String> for MessageId {
    type Error = uuid::Error;
    fn try_from(text: String) -> Result<Self, uuid::Error> {
        text.parse()
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.to_string()
    }
}

/// Who waits for the message; a smaller lane always goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// A person at a login prompt. At least once, with the same code, while the challenge lives.
    Login = 0,
    /// A machine in trouble. At least once until its deadline.
    Alert = 1,
    /// Everything else. At most once after Ctrl-Z.
    Bulk = 2,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Durable, waiting for a channel or for its pause to end.
    Queued = 0,
    /// A dispatcher holds it.
    Leased = 1,
    /// The network (or the gateway) took every segment.
    Submitted = 2,
    /// Handset reports came for every segment.
    Delivered = 3,
    /// It will not arrive; the cause is kept.
    Failed = 4,
    /// Its deadline passed before it left.
    Expired = 5,
    /// Taken back before it left.
    Withdrawn = 6,
    /// It may have left; it is not repeated.
    Uncertain = 7,
}

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Self; 3] = [Self::Login, Self::Alert, Self::Bulk];

    /// From the stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| *lane as i64 == code)
    }

    /// The word used in the API and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Alert => "alert",
            Self::Bulk => "bulk",
        }
    }
}

impl State {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Leased,
        Self::Submitted,
        Self::Delivered,
        Self::Failed,
        Self::Expired,
        Self::Withdrawn,
        Self::Uncertain,
    ];

    /// From the stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i64 == code)
    }

    /// The word used in the API and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Submitted => "submitted",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Uncertain => "uncertain",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_text_and_octets() {
        let early = MessageId::new(UnixMs(1_000), 7, [0xff; 8]);
        let late = MessageId::new(UnixMs(1_001), 0, [0; 8]);
        assert!(early < late);
        assert!(early < MessageId::new(UnixMs(1_000), 8, [0; 8]), "a batch keeps its order");
        assert_eq!(early.to_string().parse::<MessageId>().unwrap(), early);
        assert_eq!(MessageId::from_slice(early.as_bytes()), Some(early));
        assert_eq!(MessageId::from_slice(&[1, 2]), None);
    }

    #[test]
    fn codes_round_trip() {
        for lane in Lane::ALL {
            assert_eq!(Lane::from_code(lane as i64), Some(lane));
        }
        for state in State::ALL {
            assert_eq!(State::from_code(state as i64), Some(state));
        }
        assert_eq!(State::from_code(99), None);
    }
}
