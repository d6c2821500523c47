//! The records that are accepted, kept and shown: messages, texts from phones, tokens, challenges, budgets, alarms.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

use super::{AttemptState, KeptNumber};
use crate::alarm::Severity;
use crate::number::Number;
use crate::provider::{ChannelId, Segment};
use crate::queue::message::{Lane, MessageId, NewMessage, State};
use crate::route::budget::Spent;
use crate::secret::Secret;
use crate::units::{MessageRef, UnixMs};

/// What became of a submitted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// A new row.
    New(MessageId),
    /// The idempotency key was seen before; this is the message it named.
    Before(MessageId),
}

impl Accepted {
    /// The id, new or old.
    #[must_use]
    pub fn id(self) -> MessageId {
        match self {
            Self::New(id) | Self::Before(id) => id,
        }
    }
}

/// A message from a phone, or a part of one.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The SIM it came to.
    pub channel: ChannelId,
    /// What came.
    pub segment: Segment,
    /// Now.
    pub at: UnixMs,
}

/// The name of a text from a phone: 16 octets, 32 for one that the first release stored; written in hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct InboxId(Box<[u8]>);

impl InboxId {
    /// From its octets, of which there are 1 to 32.
    #[must_use]
    pub fn from_slice(octets: &[u8]) -> Option<Self> {
        (1..=32).contains(&octets.len()).then(|| Self(octets.into()))
    }

    /// Its octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for InboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for InboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InboxId({self})")
    }
}

/// Not the name of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a received text has an even number of hexadecimal digits, 64 at most")]
pub struct NoInboxId;

impl FromStr for InboxId {
    type Err = NoInboxId;

    fn from_str(text: &str) -> Result<Self, NoInboxId> {
        let octets = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| NoInboxId)?;
        Self::from_slice(&octets).ok_or(NoInboxId)
    }
}

/// A text from a phone: whole, or with the gaps that it was given out with.
#[derive(Debug, Clone)]
pub struct InboxRecord {
    /// Its name.
    pub id: InboxId,
    /// The SIM it came to.
    pub channel: ChannelId,
    /// Sender as shown to people; empty if the octets could not be decoded.
    pub from: String,
    /// The text, with each gap named in its place; empty for what is no text.
    pub body: Secret,
    /// When the service centre took it (its first part that is there), if it says.
    pub sent: Option<UnixMs>,
    /// When the last part came, or waiting for it ended.
    pub received: UnixMs,
    /// Parts of the whole text, 1..=255.
    pub parts: u8,
    /// Parts that did not come; 0 for a whole text.
    pub missing: u8,
}

/// A message as shown to people and callers; the body only where the caller may see it.
#[derive(Debug, Clone)]
pub struct MessageRecord {
    /// Its identity.
    pub id: MessageId,
    /// Lane.
    pub lane: Lane,
    /// State.
    pub state: State,
    /// Destination, or what is left of it.
    pub to: KeptNumber,
    /// The text, until it was erased; never shown for the login lane.
    pub body: Option<Secret>,
    /// SMS segments.
    pub segments: u8,
    /// Time of acceptance.
    pub created: UnixMs,
    /// Its deadline.
    pub deadline: UnixMs,
    /// When the state last changed.
    pub changed: UnixMs,
    /// Who asked.
    pub caller: String,
    /// Cause of the last refusal or doubt.
    pub cause: Option<String>,
    /// Attempts, oldest first; left empty in listings.
    pub attempts: Vec<AttemptRecord>,
}

/// An attempt as shown to people.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// Segment, 1..; 0 for the whole text.
    pub seq: u8,
    /// Channel.
    pub channel: ChannelId,
    /// State.
    pub state: AttemptState,
    /// Begun.
    pub begun: UnixMs,
    /// Ended.
    pub ended: Option<UnixMs>,
    /// TP-MR.
    pub reference: Option<MessageRef>,
    /// Cause.
    pub cause: Option<String>,
    /// TP-ST of the last report.
    pub report: Option<u8>,
    /// When that report came.
    pub reported: Option<UnixMs>,
}

/// Which messages to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this state.
    pub state: Option<State>,
    /// Only this caller's.
    pub caller: Option<String>,
    /// Only older than this one (for paging).
    pub before: Option<MessageId>,
    /// At most so many.
    pub most: usize,
}

/// What a withdrawal came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawn {
    /// It will not leave.
    Done,
    /// It has already left, or may have; its state is told.
    TooLate(State),
    /// No such message of this caller.
    Unknown,
}

/// An SMS token: one phone of one person.
#[derive(Debug, Clone)]
pub struct TokenRecord {
    /// `PISM` and eight characters.
    pub serial: String,
    /// The owner's login name.
    pub user: String,
    /// Where codes go.
    pub phone: Number,
    /// argon2id, PHC string.
    pub pin: Secret,
    /// HOTP key.
    pub seed: Secret,
    /// HOTP counter of the last code made.
    pub counter: u64,
    /// Code length, 6..=8.
    pub digits: u8,
    /// Wrong answers in a row.
    pub failures: u32,
    /// At so many it is locked.
    pub max_failures: u32,
    /// Usable at all.
    pub active: bool,
    /// For people.
    pub description: String,
    /// When it was enrolled.
    pub created: UnixMs,
}

/// A challenge: one code, one life, one use. Several tokens may share a transaction.
#[derive(Debug, Clone)]
pub struct ChallengeRecord {
    /// Twenty decimal digits.
    pub transaction: String,
    /// The token.
    pub serial: String,
    /// HOTP counter of its code.
    pub counter: u64,
    /// Opened.
    pub created: UnixMs,
    /// It and its code end here, on every path.
    pub expires: UnixMs,
    /// The message that carries the code.
    pub message: MessageId,
    /// Answered (used up) at.
    pub answered: Option<UnixMs>,
}

/// A challenge to be opened, with its message, in one transaction.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The challenge; its counter is the token's new one.
    pub challenge: ChallengeRecord,
    /// The message with the code.
    pub message: NewMessage,
}

/// Whether a challenge was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Triggered {
    /// Counter, challenge and message are durable.
    Opened,
    /// The token's counter moved meanwhile: read again and decide again.
    Conflict,
}

/// Rows by state, for metrics and status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Lane.
    pub lane: Lane,
    /// State.
    pub state: State,
    /// Messages.
    pub messages: u64,
}

/// What a SIM has spent of its budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentRecord {
    /// The SIM.
    pub channel: ChannelId,
    /// What it has spent.
    pub spent: Spent,
}

/// A modem that an operator holds back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its IMEI, or the name of its port if it told none.
    pub modem: String,
    /// What began on it may finish.
    pub finishing: bool,
}

/// The number of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlarmId(pub i64);

/// What raising an alarm came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised {
    /// Its number.
    pub id: AlarmId,
    /// Whether it was not open before, so that people should hear of it.
    pub news: bool,
}

/// An alarm as shown to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmRecord {
    /// Its number.
    pub id: AlarmId,
    /// The word of its kind; an earlier release may have had kinds that this one has not.
    pub kind: String,
    /// An IMEI, or the name of a port.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// Why.
    pub cause: String,
    /// What a person can do.
    pub remedy: String,
    /// First told.
    pub raised: UnixMs,
    /// Last told.
    pub seen: UnixMs,
    /// Times told: when it came, came again, had another cause, or still stood at a start of the daemon.
    pub count: u64,
    /// When it was over.
    pub cleared: Option<UnixMs>,
}

/// Which alarms to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarms {
    /// Those that stand.
    Open,
    /// Cleared ones too.
    All,
}
