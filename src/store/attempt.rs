//! The records that pass between the store and the dispatcher: leases, attempts, reports.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::number::Number;
use crate::pdu::Coding;
use crate::provider::{ChannelId, Verdict};
use crate::queue::message::{Lane, MessageId};
use crate::queue::rules::Next;
use crate::route::budget::Recipient;
use crate::secret::Secret;
use crate::units::{MessageRef, UnixMs};

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
    /// In a second round the channel of the first, which is not used again. The message is submitted whatever comes of it.
    pub first_round: Option<ChannelId>,
}

/// A submitted login that is to go once more, over another channel.
#[derive(Debug, Clone)]
pub struct SecondRound {
    /// The message.
    pub id: MessageId,
    /// Over which it was submitted, with no report since.
    pub first: ChannelId,
    /// How long the lease holds.
    pub lease: Duration,
    /// Now.
    pub at: UnixMs,
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
