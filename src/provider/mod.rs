//! The contract with everything that can carry a message: a [`Provider`] offers channels, takes one [`Attempt`] at a time for
//! each free slot, and answers with an [`Outcome`].
//!
//! An attempt carries a [`Durable`]: no provider lets its first irrevocable byte go before that resolves to `true`.
//! What comes back later (handset reports, received messages, late confirmations) arrives as [`Inbound`], and its
//! acknowledgement is released only when it is stored.

pub mod gsm;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use crate::number::Number;
use crate::pdu::{Coding, Concat};
use crate::queue::rules::Disposition;
use crate::route::breaker::Blame;
use crate::secret::Secret;
use crate::units::{Iccid, MessageRef, UnixMs};

/// Identity of a channel, `gsm:<ICCID>` for a SIM card; stable over restarts and tty numbers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelId(pub Arc<str>);

impl ChannelId {
    /// The channel of a SIM card, wherever it sits.
    #[must_use]
    pub fn of_sim(iccid: &Iccid) -> Self {
        Self(format!("gsm:{iccid}").into())
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The providers there are, by the word that their channels' identities begin with.
pub const PROVIDERS: [&str; 1] = ["gsm"];

/// One channel as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its identity.
    pub id: ChannelId,
    /// Whether it would take an attempt at all.
    pub ready: bool,
    /// It takes only what began on it: an operator wants it to finish and rest.
    pub draining: bool,
    /// Attempts it can carry at once; the dispatcher counts those in flight.
    pub slots: u32,
}

/// Which segment of the message an attempt carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// 1..=`total`.
    pub seq: u8,
    /// Segments of the message.
    pub total: u8,
    /// The concatenation reference shared by all segments of the message; TS 23.040 9.2.3.24.1.
    pub concat_ref: u8,
    /// How the text was written when its segments were counted; `None` is default alphabet or UCS-2, whichever fits.
    pub coding: Option<Coding>,
}

/// One try to carry one part over one channel.
#[derive(Debug)]
pub struct Attempt {
    /// Destination.
    pub to: Number,
    /// The whole text; a segment provider cuts out `part`.
    pub body: Secret,
    /// Which part.
    pub part: Part,
    /// Message class 0.
    pub flash: bool,
    /// A handset report is wanted.
    pub report: bool,
    /// It must not leave after this; also the source of TP-VP.
    pub deadline: UnixMs,
    /// Further parts or messages are waiting for this channel: keep the link open.
    pub more: bool,
    /// Resolves when the attempt is durable.
    pub durable: Durable,
}

/// Resolves to `true` when the attempt row is on disk, to `false` when the attempt must not go on (commit failed, withdrawn,
/// expired, lease lost).
#[derive(Debug)]
pub struct Durable(oneshot::Receiver<()>);

impl Durable {
    /// The promise and its keeper; dropping the keeper abandons the attempt.
    #[must_use]
    pub fn channel() -> (oneshot::Sender<()>, Self) {
        let (keeper, promise) = oneshot::channel();
        (keeper, Self(promise))
    }

    /// Waits for the verdict.
    pub async fn wait(self) -> bool {
        self.0.await.is_ok()
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The network took it; `reference` matches a later report.
    Submitted {
        /// TP-MR, where the channel has one.
        reference: Option<MessageRef>,
    },
    /// It was certainly not taken.
    Refused {
        /// What that means.
        disposition: Disposition,
        /// Whose fault it is, for the channel's breaker.
        blame: Blame,
        /// For people and the attempt row.
        cause: String,
    },
    /// It may have left.
    Uncertain {
        /// For people and the attempt row.
        cause: String,
    },
    /// The attempt was abandoned before anything irrevocable, because `durable` said so.
    Abandoned,
}

/// Something that came in over a channel, and the way to release its acknowledgement.
#[derive(Debug)]
pub struct Inbound {
    /// Where it came in.
    pub channel: ChannelId,
    /// What it is.
    pub what: Received,
    /// Told once it is stored; dropping it leaves the original where it is, to come again.
    pub stored: oneshot::Sender<()>,
}

/// What can come in.
#[derive(Debug)]
pub enum Received {
    /// A handset or gateway report on an earlier attempt.
    Report {
        /// TP-MR.
        reference: MessageRef,
        /// The recipient as reported (digits, maybe without plus).
        recipient: String,
        /// TP-ST; TS 23.040 9.2.3.15.
        status: u8,
        /// What it means.
        verdict: Verdict,
    },
    /// A message from a phone, or a part of one.
    Message(Segment),
    /// What is no text for anybody, and is not kept.
    Dropped(Dropped),
    /// A confirmation that came after its attempt had already ended uncertain.
    Settled {
        /// The destination of that attempt.
        recipient: Number,
        /// TP-MR.
        reference: MessageRef,
    },
}

/// Why a received message is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// A WAP push: settings, MMS notifications, service messages for a browser that is not here.
    WapPush,
    /// A short message type 0, which is to be acknowledged and discarded; TS 23.040 9.2.3.9.
    Silent,
}

/// What came from a phone in one piece. The store joins parts, and recognises what a channel shows again.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Originating address as shown to people.
    pub from: String,
    /// When the service centre took it; TP-SCTS, if that is a valid time.
    pub sent: Option<UnixMs>,
    /// Which part of a longer text it is, if it is one.
    pub concat: Option<Concat>,
    /// Its own text; empty for what is no text.
    pub body: Secret,
    /// Octets that are the same whenever this content comes: text or data and how to read it, but nothing of the way it took.
    pub content: Secret,
    /// The octets as received, hex, for later decoding.
    pub pdu: Secret,
}

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// On the handset.
    Delivered,
    /// The service centre still tries; another report follows.
    Trying,
    /// It will not arrive.
    Failed,
}

/// A boxed future, so that providers can be kept in one list.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Carries messages over one or more channels.
pub trait Provider: Send + Sync {
    /// Its channels as they stand; changes are announced by the watch.
    fn channels(&self) -> watch::Receiver<Arc<[Channel]>>;

    /// Carries one attempt over one of its channels. The future always resolves within the provider's own limit.
    fn send(&self, channel: &ChannelId, attempt: Attempt) -> BoxFuture<Outcome>;

    /// Nothing that began on this draining channel is left: it may rest. Told again until it is no longer draining.
    fn drained(&self, channel: &ChannelId);
}
