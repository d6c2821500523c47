//! The records that are accepted, kept and shown: messages, texts from phones, tokens, challenges, budgets, alarms.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

use super::{AttemptState, KeptNumber};
use crate::alarm::Severity;
use crate::number::Number;
use crate::provider::{ChannelId, Segment};
use crate::queue::again::NotAgain;
use crate::queue::budget::Over;
use crate::queue::life::Transition;
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
    /// A handset report is wanted.
    pub report: bool,
    /// When its lease lapses; of the last one, if it is not leased.
    pub lease_until: UnixMs,
    /// Attempts, oldest first; left empty in listings.
    pub attempts: Vec<AttemptRecord>,
    /// All that happened to it, oldest first; left empty in listings.
    pub life: Vec<Transition>,
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
    /// Only this lane.
    pub lane: Option<Lane>,
    /// Only to this number.
    pub to: Option<Number>,
    /// Only this caller's.
    pub caller: Option<String>,
    /// Only older than this one (for paging).
    pub before: Option<MessageId>,
    /// At most so many.
    pub most: usize,
}

/// A page of a listing. The work for one is bounded, whatever the filter: a page may hold fewer than were asked for, or none,
/// and still be followed by another.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Those that fit the filter, newest first.
    pub records: Vec<MessageRecord>,
    /// [`before`](Filter::before) of the next page; `None` if nothing is left to look at.
    pub next: Option<MessageId>,
}

/// A message that rests shall be tried once more.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Which.
    pub id: MessageId,
    /// Only this caller's.
    pub caller: Option<String>,
    /// How long it may wait, from `now`; a login keeps its own end.
    pub lifetime: Duration,
    /// A second copy is taken into account.
    pub force: bool,
    /// Now.
    pub now: UnixMs,
}

/// What a retry came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It is queued again, until then.
    Queued {
        /// Its new deadline.
        deadline: UnixMs,
    },
    /// It stays as it is.
    Refused(NotAgain),
    /// No such message of this caller.
    Unknown,
}

/// A lane as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRecord {
    /// Which.
    pub lane: Lane,
    /// Messages that wait in it.
    pub queued: u64,
    /// Messages of it in the dispatcher's hands.
    pub leased: u64,
    /// Both together may be so many; `None`: any number.
    pub most: Option<u64>,
    /// Since when its head could have left, if one is due.
    pub oldest: Option<UnixMs>,
    /// Who paused it, if somebody did.
    pub paused: Option<Paused>,
}

impl LaneRecord {
    /// The lane by the counts of all, with its bound.
    pub(super) fn new(
        lane: Lane,
        counts: &[Count],
        most: Option<u64>,
        oldest: Option<UnixMs>,
        paused: Option<Paused>,
    ) -> Self {
        let of = |state| {
            counts.iter().find(|one| one.lane == lane && one.state == state).map_or(0, |one| one.messages)
        };
        Self { lane, queued: of(State::Queued), leased: of(State::Leased), most, oldest, paused }
    }
}

/// A lane is paused: messages are accepted into it, none leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// The operator.
    pub who: String,
    /// Since when.
    pub since: UnixMs,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Triggered {
    /// Counter, challenge and message are durable.
    Opened,
    /// The token's counter moved meanwhile: read again and decide again.
    Conflict,
    /// A message is over budget; without it the others may be opened.
    OverBudget {
        /// Which of the triggers.
        place: usize,
        /// Over which.
        over: Over,
    },
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
