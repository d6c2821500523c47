//! The contract with the store: the records, and the operations that the daemon needs from any engine.
//!
//! Each operation is one transaction and returns after its commit is durable. The operations are those that SQLite and
//! PostgreSQL can both serve with the same meaning. The pure rules decide; the store checks that what they decided on is
//! still so (states, epochs, counters), and refuses otherwise.

mod attempt;
mod either;
pub mod engine;
pub mod feed;
pub mod keep;
#[cfg(feature = "postgres")]
mod postgres;
mod received;
mod record;
pub mod seal;
mod sqlite;
mod story;

use std::future::Future;
use std::time::Duration;

use crate::alarm::Alarm;
use crate::number::Number;
use crate::provider::ChannelId;
use crate::queue::budget::Over;
use crate::queue::conversion::Conversions;
use crate::queue::lanes::{Full, PerLane};
use crate::queue::message::{Lane, MessageId, NewMessage};
use crate::route::budget::Recipient;
use crate::units::{MessageRef, UnixMs};

pub use attempt::*;
pub use keep::{Keep, KeptNumber};
pub use record::*;
pub use story::*;

/// How long it is remembered what came. A modem shows a message again until it is deleted there, a service centre repeats
/// one whose acknowledgement was lost: both mostly within minutes, and hardly after a week even with the modem unplugged.
pub const SHOWN_AGAIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// A condition that comes again so soon after it went is the same one: a plug that sits loose makes one alarm, not a hundred.
pub const ALARM_AGAIN: Duration = Duration::from_secs(10 * 60);
/// How long a cleared alarm is kept for people to look back, unless the configuration says otherwise.
pub const ALARM_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long it is kept what could not be carried to a hook.
pub const DEAD_PARCELS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why an operation did not happen; in every case nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// More jobs wait than the writer may hold.
    #[error("the store is busy: {0} jobs are waiting; try again")]
    Busy(usize),
    /// The disk is full, read-only or failing.
    #[error("the store cannot write: {0}; free space or remount, then try again")]
    Unwritable(String),
    /// The shared database is away.
    #[error("the shared store cannot be reached: {0}; it is tried again until it can")]
    Unreachable(String),
    /// The engine failed in a way that no retry mends.
    #[error("the store failed: {0}")]
    Engine(String),
    /// What is in the database cannot be: the disk lost or changed some of it.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A sealed value cannot be opened.
    #[error("a sealed value cannot be opened: {0}")]
    Sealed(String),
    /// The idempotency keys of the messages at these places were given for other messages before.
    #[error(
        "the idempotency key of {} was given for another one before; a key belongs to one message, make a new one",
        if .0.len() == 1 { "the message".to_owned() } else { format!("{} messages", .0.len()) }
    )]
    Conflict(Vec<usize>),
    /// The daemon is stopping.
    #[error("the store is closed")]
    Closed,
    /// A record with this identity exists.
    #[error("{0} exists already")]
    Exists(String),
    /// The lane holds as many unsent messages as it may.
    #[error(
        "the {} lane has no room for this: {} unsent messages are its bound, `[queue] max-{}`; try again in {} s",
        .0.lane, .0.most, .0.lane, .0.again.as_secs()
    )]
    Full(Full),
    /// More messages were asked for than a budget allows.
    #[error("{0}")]
    OverBudget(Over),
}

/// The operations. `now` is always the caller's; every future returns after the commit.
pub trait Operations {
    /// Sets how many unsent messages each lane may hold from now on; `None`, as it is at first: any number.
    fn bound(&self, most: PerLane<Option<u64>>);

    /// Accepts messages, all or none for each chunk; duplicates by idempotency key name the first. With keys or bills among them they
    /// are one chunk: a key that was given for something else before is a `Conflict`, for all of them. What is new is counted on its
    /// [`bill`](NewMessage::bill) in the same transaction, each counter once; a budget that is spent refuses the whole
    /// ([`StoreError::OverBudget`]), and nothing of it is counted. Where a lane has no room for all that are new, nothing is
    /// accepted or counted either: [`StoreError::Full`].
    fn accept(
        &self,
        messages: Vec<NewMessage>,
    ) -> impl Future<Output = Result<Vec<Accepted>, StoreError>> + Send;

    /// Leases due messages, most urgent first, as soon as there is at least one; the lease of a message that is being accepted
    /// rides in the accepting commit. Dropping the future withdraws the demand; rows leased for a dropped demand go back to queued.
    /// Messages found past their deadline become expired instead.
    fn lease(&self, want: Want) -> impl Future<Output = Result<Vec<Leased>, StoreError>> + Send;

    /// Leases a submitted login once more, with all its segments, for a round over another channel: while it lives, no report has made
    /// it delivered or failed, its challenge is not answered, and nothing of it left over another channel yet. What it came to stays:
    /// given back, recovered or withdrawn it is what its first attempts and their reports say. `None`: there is no reason any more.
    fn second_round(
        &self,
        round: SecondRound,
    ) -> impl Future<Output = Result<Option<Leased>, StoreError>> + Send;

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

    /// Takes back every unsent message of a lane that was accepted until now, in many transactions; tells how many.
    fn withdraw_lane(&self, lane: Lane, now: UnixMs) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Puts a message that rests back into the queue, for the segments that are still open, if [`crate::queue::again`] allows it.
    fn retry(&self, retry: Retry) -> impl Future<Output = Result<Retried, StoreError>> + Send;

    /// Pauses a lane, or with `None` lets it go on: nothing of a paused lane is leased, not even what has begun. Kept over restarts;
    /// of two that pause it the first is named. `false` if it was so already.
    fn pause_lane(
        &self,
        lane: Lane,
        paused: Option<Paused>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The lanes as they stand, most urgent first.
    fn lanes(&self, now: UnixMs) -> impl Future<Output = Result<Vec<LaneRecord>, StoreError>> + Send;

    /// One message with its attempts.
    fn message(
        &self,
        id: MessageId,
    ) -> impl Future<Output = Result<Option<MessageRecord>, StoreError>> + Send;

    /// A page of messages, newest first.
    fn messages(&self, filter: Filter) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Counts by lane and state.
    fn counts(&self) -> impl Future<Output = Result<Vec<Count>, StoreError>> + Send;

    /// Since when the queued message that has waited longest could have left, if one may leave now: of a paused lane none may.
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

    /// Opens challenges with their messages, counters advanced, all or none; counted as in [`Self::accept`].
    fn trigger(&self, triggers: Vec<Trigger>) -> impl Future<Output = Result<Triggered, StoreError>> + Send;

    /// Codes by country whose challenges ended or end after `since`, as far as their messages are kept: those used, of those that the
    /// network took and that were used or ended before `now`.
    fn conversions(
        &self,
        since: UnixMs,
        now: UnixMs,
    ) -> impl Future<Output = Result<Conversions, StoreError>> + Send;

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

    /// From now on stories are written down for these hooks, by the operations that they tell of and in the same transaction.
    fn subscribe(&self, hooks: Vec<Subscription>);

    /// Takes out stories that are due for these hooks, for each at most so many, to be carried until `until`: then they are due
    /// again.
    fn parcels(
        &self,
        now: UnixMs,
        until: UnixMs,
        rooms: Vec<(String, usize)>,
    ) -> impl Future<Output = Result<Parcels, StoreError>> + Send;

    /// Writes what became of them.
    fn carried(
        &self,
        ends: Vec<(ParcelId, Carried)>,
        now: UnixMs,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives up stories for hooks that are not among `known`; the empty name stands for Kannel's clients.
    fn keep_hooks(
        &self,
        known: Vec<String>,
        now: UnixMs,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What waits for each hook, and what was given up in the last [`DEAD_PARCELS_KEPT`].
    fn outbox(&self) -> impl Future<Output = Result<Vec<OutboxCount>, StoreError>> + Send;

    /// Start-up: leases by the rules of recovery. Call before the first lease.
    fn recover(&self, now: UnixMs) -> impl Future<Output = Result<Recovered, StoreError>> + Send;

    /// Janitor: expires overdue messages, lapses leases, erases texts and numbers and purges finished messages, texts from phones, cleared
    /// alarms and copies of the store when they are older than `keep` has it, dead challenges, recipients of earlier months and budgets of earlier days, and
    /// gives out texts whose missing parts will not come.
    ///
    /// A text is erased at once when its message was delivered, withdrawn, or, but for a login, submitted with no report wanted, and when
    /// the challenge of a login was answered; else here: that of a login when it is past its deadline, others [`keep::TEXT_KEPT`]
    /// after they last changed.
    fn sweep(
        &self,
        now: UnixMs,
        keep: impl Into<Keep> + Send,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
