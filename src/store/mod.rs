//! The contract with the store: the records, and the operations that the daemon needs from any engine.
//!
//! Each operation is one transaction and returns after its commit is durable. The operations are those that SQLite and
//! PostgreSQL can both serve with the same meaning. The pure rules decide; the store checks that what they decided on is
//! still so (states, epochs, counters), and refuses otherwise.

pub mod engine;
pub mod seal;
mod sqlite;

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

use crate::alarm::{Alarm, Severity};
use crate::number::Number;
use crate::pdu::Coding;
use crate::provider::{ChannelId, Segment, Verdict};
use crate::queue::message::{Lane, MessageId, NewMessage, State};
use crate::queue::rules::Next;
use crate::route::budget::{Recipient, Spent};
use crate::secret::Secret;
use crate::units::{MessageRef, UnixMs};

/// How long it is remembered what came. A modem shows a message again until it is deleted there, a service centre repeats
/// one whose acknowledgement was lost: both mostly within minutes, and hardly after a week even with the modem unplugged.
pub const SHOWN_AGAIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// A condition that comes again so soon after it went is the same one: a plug that sits loose makes one alarm, not a hundred.
pub const ALARM_AGAIN: Duration = Duration::from_secs(10 * 60);
/// How long a cleared alarm is kept for people to look back.
pub const ALARM_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Why an operation did not happen; in every case nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// More jobs wait than the writer may hold.
    #[error("the store is busy: {0} jobs are waiting; try again")]
    Busy(usize),
    /// The disk is full, read-only or failing.
    #[error("the store cannot write: {0}; free space or remount, then try again")]
    Unwritable(String),
    /// The engine failed in a way that no retry mends.
    #[error("the store failed: {0}")]
    Engine(String),
    /// A sealed value cannot be opened.
    #[error("a sealed value cannot be opened: {0}")]
    Sealed(String),
    /// The daemon is stopping.
    #[error("the store is closed")]
    Closed,
    /// A record with this identity exists.
    #[error("{0} exists already")]
    Exists(String),
}

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

/// What the dispatcher asks for.
#[derive(Debug, Clone)]
pub struct Want {
    /// Rows to lease at most.
    pub most: usize,
    /// Only lanes at least this urgent.
    pub lanes: Lane,
    /// Channels that are ready; a message that began on another SIM waits for it.
    pub channels: Vec<ChannelId>,
    /// Only messages that began on one of them: they take no new ones.
    pub begun_only: bool,
    /// How long the lease holds.
    pub lease: Duration,
}

/// A message in the dispatcher's hands.
#[derive(Debug, Clone)]
pub struct Leased {
    /// Its identity.
    pub id: MessageId,
    /// Fencing token: grows with every lease; attempts carry it.
    pub epoch: i64,
    /// When the lease lapses.
    pub until: UnixMs,
    /// Lane.
    pub lane: Lane,
    /// Destination.
    pub to: Number,
    /// The destination as budgets know it.
    pub recipient: Recipient,
    /// The text.
    pub body: Secret,
    /// Message class 0.
    pub flash: bool,
    /// Report wanted.
    pub report: bool,
    /// It must not leave after this.
    pub deadline: UnixMs,
    /// SMS segments.
    pub segments: u8,
    /// The channel it began on, if a segment already left there.
    pub bound: Option<ChannelId>,
    /// The channel that last refused it, to be avoided if there is another.
    pub refused_by: Option<ChannelId>,
    /// Concatenation reference, fixed at acceptance.
    pub concat_ref: u8,
    /// How its text is written; not known of messages that version 2 of the store took in.
    pub coding: Option<Coding>,
    /// Segments (1..=`segments`) still to go, ascending: those with no submitted attempt, nor one in doubt that its lane may not repeat.
    pub open: Vec<u8>,
    /// Refused attempts so far.
    pub refusals: u32,
    /// Attempts so far that ended uncertain.
    pub uncertain: u32,
}

/// An attempt about to begin; its row must be durable before anything irrevocable leaves.
#[derive(Debug, Clone)]
pub struct Begin {
    /// The message.
    pub id: MessageId,
    /// The lease's epoch.
    pub epoch: i64,
    /// Segment, 1..; 0 for the whole text in one attempt, so that recovery does not take it apart.
    pub seq: u8,
    /// Over this channel.
    pub channel: ChannelId,
    /// To whom, if the channel's recipients are counted.
    pub whom: Option<Recipient>,
    /// Now.
    pub at: UnixMs,
}

/// An attempt that ended, with what the rules made of it.
#[derive(Debug, Clone)]
pub struct End {
    /// The message.
    pub id: MessageId,
    /// The lease's epoch.
    pub epoch: i64,
    /// Segment, as begun.
    pub seq: u8,
    /// How it ended.
    pub result: AttemptState,
    /// TP-MR if submitted.
    pub reference: Option<MessageRef>,
    /// Cause, for people.
    pub cause: Option<String>,
    /// To whom, as begun: an attempt that came to nothing is no longer counted.
    pub whom: Option<Recipient>,
    /// When.
    pub at: UnixMs,
    /// What becomes of the message.
    pub next: Next,
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptState {
    /// Begun, not ended: in the air, or the daemon died there.
    Begun = 0,
    /// Taken by the network.
    Submitted = 1,
    /// Certainly not taken.
    Refused = 2,
    /// May have left.
    Uncertain = 3,
    /// Given up before anything left.
    Abandoned = 4,
}

/// One turn of the dispatcher: what ended and what begins, in one commit.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// Ended attempts.
    pub ended: Vec<End>,
    /// Attempts about to begin.
    pub begun: Vec<Begin>,
}

/// Whether an attempt may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// Its row is durable.
    Durable,
    /// The lease is lost, the message withdrawn or past its deadline.
    Refused,
}

/// A handset report to be matched by (SIM, reference, recipient).
#[derive(Debug, Clone)]
pub struct Report {
    /// The SIM it came to.
    pub channel: ChannelId,
    /// TP-MR.
    pub reference: MessageRef,
    /// Recipient digits as reported; matched by their common tail (at least the last 6 digits).
    pub recipient: String,
    /// TP-ST.
    pub status: u8,
    /// What it means.
    pub verdict: Verdict,
    /// Now.
    pub at: UnixMs,
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
    /// Destination.
    pub to: Number,
    /// The text; never shown for the login lane.
    pub body: Secret,
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

/// What start-up recovery found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Leases without an attempt: queued again.
    pub requeued: u64,
    /// Attempts in the air, in doubt now and not repeated.
    pub uncertain: u64,
    /// Attempts in the air whose lane repeats them once.
    pub repeated: u64,
}

/// The operations. `now` is always the caller's; every future returns after the commit.
pub trait Operations {
    /// Accepts messages, all or none for each chunk; duplicates by idempotency key name the first.
    fn accept(
        &self,
        messages: Vec<NewMessage>,
    ) -> impl Future<Output = Result<Vec<Accepted>, StoreError>> + Send;

    /// Leases due messages, most urgent first, as soon as there is at least one; the lease of a message that is being accepted
    /// rides in the accepting commit. Dropping the future withdraws the demand; rows leased for a dropped demand go back to queued.
    /// Messages found past their deadline become expired instead.
    fn lease(&self, want: Want) -> impl Future<Output = Result<Vec<Leased>, StoreError>> + Send;

    /// Writes what ended and what begins in one commit; one verdict for each `begun`, in order.
    fn turn(&self, turn: Turn) -> impl Future<Output = Result<Vec<Begun>, StoreError>> + Send;

    /// Gives back leases that were not used; with `due` they are not leased again before.
    fn release(
        &self,
        leases: Vec<(MessageId, i64)>,
        due: Option<UnixMs>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What every SIM has spent: segments of attempts that began and did not come to nothing, counted in the same transaction.
    fn spent(&self) -> impl Future<Output = Result<Vec<SpentRecord>, StoreError>> + Send;

    /// To whom a SIM has sent in the month of `now`, with the segments to each, where that is counted.
    fn recipients(
        &self,
        channel: ChannelId,
        now: UnixMs,
    ) -> impl Future<Output = Result<Vec<(Recipient, u32)>, StoreError>> + Send;

    /// Whether a message that began on this SIM is still to be finished.
    fn unfinished(&self, channel: ChannelId) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Remembers that an operator holds a modem back (whether what began on it may finish), or with `None` that it is let go.
    fn hold(
        &self,
        modem: String,
        finishing: Option<bool>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Modems that an operator holds back.
    fn holds(&self) -> impl Future<Output = Result<Vec<Held>, StoreError>> + Send;

    /// Matches a report to the newest attempt of (SIM, reference, recipient) and moves the message when all segments are reported.
    /// An attempt in doubt is settled by it. `None`: nothing matched.
    fn report(&self, report: Report) -> impl Future<Output = Result<Option<MessageId>, StoreError>> + Send;

    /// A late `+CMGS`: settles the newest attempt in doubt of (SIM, recipient).
    fn settle(
        &self,
        channel: ChannelId,
        recipient: Number,
        reference: MessageRef,
        at: UnixMs,
    ) -> impl Future<Output = Result<Option<MessageId>, StoreError>> + Send;

    /// Stores what a phone sent; what a channel shows again within [`SHOWN_AGAIN`] is stored once. A part waits for the others by
    /// the rules of [`crate::pdu::reassemble`]: the last one makes the text, and what is too much by then is given out with gaps.
    fn incoming(&self, incoming: Incoming) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Texts from phones, newest first, at most so many; with `before` those that follow that one. None follow one that is gone, as
    /// the oldest go first.
    fn inbox(
        &self,
        before: Option<InboxId>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<InboxRecord>, StoreError>> + Send;

    /// One text from a phone.
    fn received(&self, id: InboxId) -> impl Future<Output = Result<Option<InboxRecord>, StoreError>> + Send;

    /// Takes a message back if it has not left; `caller` limits it to that caller's own.
    fn withdraw(
        &self,
        id: MessageId,
        caller: Option<String>,
        now: UnixMs,
    ) -> impl Future<Output = Result<Withdrawn, StoreError>> + Send;

    /// One message with its attempts.
    fn message(
        &self,
        id: MessageId,
    ) -> impl Future<Output = Result<Option<MessageRecord>, StoreError>> + Send;

    /// Messages, newest first.
    fn messages(&self, filter: Filter)
    -> impl Future<Output = Result<Vec<MessageRecord>, StoreError>> + Send;

    /// Counts by lane and state.
    fn counts(&self) -> impl Future<Output = Result<Vec<Count>, StoreError>> + Send;

    /// Since when the queued message that has waited longest could have left, if one may leave now.
    fn waiting(&self, now: UnixMs) -> impl Future<Output = Result<Option<UnixMs>, StoreError>> + Send;

    /// Adds a token; `Exists` if the serial is taken.
    fn add_token(&self, token: TokenRecord) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Tokens, of one user or all, by serial.
    fn tokens(
        &self,
        user: Option<String>,
    ) -> impl Future<Output = Result<Vec<TokenRecord>, StoreError>> + Send;

    /// One token.
    fn token(&self, serial: String) -> impl Future<Output = Result<Option<TokenRecord>, StoreError>> + Send;

    /// Removes a token and its challenges; `false` if there was none.
    fn remove_token(&self, serial: String) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Opens challenges with their messages, counters advanced, all or none.
    fn trigger(&self, triggers: Vec<Trigger>) -> impl Future<Output = Result<Triggered, StoreError>> + Send;

    /// Open and expired challenges of these tokens, newest first (answered ones too, until purged).
    fn challenges(
        &self,
        serials: Vec<String>,
    ) -> impl Future<Output = Result<Vec<ChallengeRecord>, StoreError>> + Send;

    /// Uses a challenge up: `true` for exactly one caller, and only while it is open and not past `expires`. Answers all challenges of
    /// the transaction, resets the token's failures and withdraws unsent copies of their messages.
    fn answer(
        &self,
        transaction: String,
        serial: String,
        now: UnixMs,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Counts a wrong answer on each token, up to its maximum.
    fn fail(&self, serials: Vec<String>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Raises an alarm, or tells an open one again: of one kind and subject there is never more than one open. One that was cleared
    /// less than [`ALARM_AGAIN`] ago is opened again.
    fn raise_alarm(
        &self,
        alarm: Alarm,
        now: UnixMs,
    ) -> impl Future<Output = Result<Raised, StoreError>> + Send;

    /// The condition is over; `false` if there is no such alarm or it was cleared before.
    fn clear_alarm(&self, id: AlarmId, now: UnixMs) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Alarms, open ones first, then the newest.
    fn alarms(&self, which: Alarms) -> impl Future<Output = Result<Vec<AlarmRecord>, StoreError>> + Send;

    /// Start-up: leases by the rules of recovery. Call before the first lease.
    fn recover(&self, now: UnixMs) -> impl Future<Output = Result<Recovered, StoreError>> + Send;

    /// Janitor: expires overdue messages, lapses leases, purges finished and received messages older than `keep`, dead challenges, alarms
    /// cleared [`ALARM_KEPT`] ago and recipients of earlier months, removes copies of the store older than `keep`, gives out texts whose missing parts will not come.
    fn sweep(&self, now: UnixMs, keep: Duration) -> impl Future<Output = Result<(), StoreError>> + Send;
}
