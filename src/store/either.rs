//! One of the two engines, as the configuration says; whoever holds the store need not know which.

use std::sync::Arc;

use super::engine::{Embedded, KeyRecord, OpenError, Settings, Stats};
use super::feed::Feed;
#[cfg(feature = "postgres")]
use super::postgres::handle::Shared;
use super::seal::Keyring;
use super::{
    Accepted, AlarmId, AlarmRecord, Alarms, Begun, Carried, ChallengeRecord, Count, Filter, Held, InboxId,
    InboxRecord, Incoming, Keep, LaneRecord, Leased, MessageRecord, Operations, OutboxCount, Page, ParcelId,
    Parcels, Paused, Raised, Recovered, Report, Retried, Retry, SecondRound, SpentRecord, StoreError,
    Subscription, TokenRecord, Trigger, Triggered, Turn, Want, Withdrawn,
};
use crate::alarm::Alarm;
use crate::clock::model::{Begin as ClockBegin, Remembered};
use crate::number::Number;
use crate::provider::ChannelId;
use crate::queue::conversion::Conversions;
use crate::queue::lanes::PerLane;
use crate::queue::message::{Lane, MessageId, NewMessage};
use crate::route::budget::Recipient;
use crate::telemetry::over_budget::OverBudget;
use crate::units::{MessageRef, UnixMs};

/// A cloneable handle to the store.
#[derive(Debug, Clone)]
pub struct Store(Engine);

#[derive(Debug, Clone)]
enum Engine {
    Embedded(Embedded),
    #[cfg(feature = "postgres")]
    Shared(Shared),
}

/// The same on either engine.
macro_rules! engine {
    ($store:ident, $operation:ident($($argument:ident),*)) => {
        match &$store.0 {
            Engine::Embedded(store) => store.$operation($($argument),*).await,
            #[cfg(feature = "postgres")]
            Engine::Shared(store) => store.$operation($($argument),*).await,
        }
    };
}

/// The same of what does not wait.
macro_rules! plain {
    ($store:ident, $operation:ident($($argument:ident),*)) => {
        match &$store.0 {
            Engine::Embedded(store) => store.$operation($($argument),*),
            #[cfg(feature = "postgres")]
            Engine::Shared(store) => store.$operation($($argument),*),
        }
    };
}

impl Store {
    /// Opens or makes the store and starts its writer: the shared one if the settings have a `url`, else the file.
    ///
    /// # Errors
    /// When it is not ours to open: see [`OpenError`].
    pub fn open(mut settings: Settings) -> Result<Self, OpenError> {
        match settings.url.take() {
            None => Embedded::open(settings).map(|store| Self(Engine::Embedded(store))),
            #[cfg(feature = "postgres")]
            Some(url) => Shared::open(&url, settings).map(|store| Self(Engine::Shared(store))),
            #[cfg(not(feature = "postgres"))]
            Some(_) => Err(OpenError::NoSharedEngine),
        }
    }

    /// Finishes what is queued and ends the writer; later calls answer [`StoreError::Closed`].
    pub async fn close(&self) {
        engine!(self, close());
    }

    /// Waits for a sign of life: that of the embedded store has taken its turn once, or been refused one by the engine (a full disk, a
    /// lock), which is also an answer.
    ///
    /// # Errors
    /// [`StoreError::Closed`], or what the engine refuses.
    pub async fn pulse(&self) -> Result<(), StoreError> {
        engine!(self, pulse())
    }

    /// What the writer did so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        plain!(self, stats())
    }

    /// Who hears of what happens here.
    #[must_use]
    pub fn feed(&self) -> &Arc<Feed> {
        plain!(self, feed())
    }

    /// Waits until the file is found to be damaged, and says what was found. From then on nothing is written any more. For the shared
    /// store its server is answerable.
    pub async fn damaged(&self) -> String {
        match &self.0 {
            Engine::Embedded(store) => store.damaged().await,
            #[cfg(feature = "postgres")]
            Engine::Shared(_) => std::future::pending().await,
        }
    }

    /// What is remembered of the clocks of the last run; `None` in a new store, and in the shared one, which lives by its server's clock.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn remembered(&self) -> Result<Option<Remembered>, StoreError> {
        match &self.0 {
            Engine::Embedded(store) => store.remembered().await,
            #[cfg(feature = "postgres")]
            Engine::Shared(_) => Ok(None),
        }
    }

    /// Start-up, before anything else: life times as the clocks were judged, then [`Operations::recover`]. [`crate::clock::wall`] must be tied to
    /// the model of `begin` by then.
    ///
    /// # Errors
    /// When the store cannot be written; the next start begins anew then.
    pub async fn begin(&self, boot: &str, begin: ClockBegin) -> Result<Recovered, StoreError> {
        match &self.0 {
            Engine::Embedded(store) => store.begin(boot, begin).await,
            #[cfg(feature = "postgres")]
            Engine::Shared(store) => store.recover(crate::clock::wall()).await,
        }
    }

    /// In mid-run: what waits for the clock goes on or ends. In the shared store nothing waits for ours.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn settle_clock(&self, boot: &str, begin: ClockBegin) -> Result<(), StoreError> {
        match &self.0 {
            Engine::Embedded(store) => store.settle_clock(boot, begin).await,
            #[cfg(feature = "postgres")]
            Engine::Shared(_) => Ok(()),
        }
    }

    /// Remembers a look at the clocks: what was stored until now, and how far the wall clock was set since the start, ms.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn looked(&self, apart: i64) -> Result<(), StoreError> {
        match &self.0 {
            Engine::Embedded(store) => store.looked(apart).await,
            #[cfg(feature = "postgres")]
            Engine::Shared(_) => Ok(()),
        }
    }

    /// The keys without which the store does not open.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        engine!(self, keys())
    }

    /// From now on the first key of `ring` seals; those in use still open. The ring must be in the key file already, for the store
    /// does not open without it any more, and in those of all appliances that share it. [`reseal`](Self::reseal) does the rest.
    ///
    /// # Errors
    /// When the store cannot be written; the former key seals on.
    pub async fn rekey(&self, ring: Keyring) -> Result<(), StoreError> {
        engine!(self, rekey(ring))
    }

    /// Moves what other keys sealed to the active one, if there is anything; a piece at a time, so that nobody waits for it.
    ///
    /// # Errors
    /// When the store cannot be read or written; what is left is moved by the next call.
    pub async fn reseal(&self) -> Result<(), StoreError> {
        engine!(self, reseal())
    }

    /// What is counted of requests over budget.
    #[must_use]
    pub fn over_budget(&self) -> &OverBudget {
        plain!(self, over_budget())
    }

    /// Why the last write was refused for want of a disk that takes it or a database that answers; `None` once something was written
    /// again.
    #[must_use]
    pub fn unwritable(&self) -> Option<String> {
        plain!(self, unwritable())
    }
}

impl Operations for Store {
    fn bound(&self, most: PerLane<Option<u64>>) {
        plain!(self, bound(most));
    }

    fn subscribe(&self, hooks: Vec<Subscription>) {
        plain!(self, subscribe(hooks));
    }

    async fn accept(&self, messages: Vec<NewMessage>) -> Result<Vec<Accepted>, StoreError> {
        engine!(self, accept(messages))
    }

    async fn lease(&self, want: Want) -> Result<Vec<Leased>, StoreError> {
        engine!(self, lease(want))
    }

    async fn second_round(&self, round: SecondRound) -> Result<Option<Leased>, StoreError> {
        engine!(self, second_round(round))
    }

    async fn turn(&self, turn: Turn) -> Result<Vec<Begun>, StoreError> {
        engine!(self, turn(turn))
    }

    async fn release(&self, leases: Vec<(MessageId, i64)>, due: Option<UnixMs>) -> Result<(), StoreError> {
        engine!(self, release(leases, due))
    }

    async fn spent(&self) -> Result<Vec<SpentRecord>, StoreError> {
        engine!(self, spent())
    }

    async fn recipients(&self, channel: ChannelId, now: UnixMs) -> Result<Vec<(Recipient, u32)>, StoreError> {
        engine!(self, recipients(channel, now))
    }

    async fn unfinished(&self, channel: ChannelId) -> Result<bool, StoreError> {
        engine!(self, unfinished(channel))
    }

    async fn hold(&self, modem: String, finishing: Option<bool>) -> Result<(), StoreError> {
        engine!(self, hold(modem, finishing))
    }

    async fn holds(&self) -> Result<Vec<Held>, StoreError> {
        engine!(self, holds())
    }

    async fn report(&self, report: Report) -> Result<Option<MessageId>, StoreError> {
        engine!(self, report(report))
    }

    async fn settle(
        &self,
        channel: ChannelId,
        recipient: Number,
        reference: MessageRef,
        at: UnixMs,
    ) -> Result<Option<MessageId>, StoreError> {
        engine!(self, settle(channel, recipient, reference, at))
    }

    async fn incoming(&self, incoming: Incoming) -> Result<(), StoreError> {
        engine!(self, incoming(incoming))
    }

    async fn inbox(&self, before: Option<InboxId>, most: usize) -> Result<Vec<InboxRecord>, StoreError> {
        engine!(self, inbox(before, most))
    }

    async fn received(&self, id: InboxId) -> Result<Option<InboxRecord>, StoreError> {
        engine!(self, received(id))
    }

    async fn withdraw(
        &self,
        id: MessageId,
        caller: Option<String>,
        now: UnixMs,
    ) -> Result<Withdrawn, StoreError> {
        engine!(self, withdraw(id, caller, now))
    }

    async fn withdraw_lane(&self, lane: Lane, now: UnixMs) -> Result<u64, StoreError> {
        engine!(self, withdraw_lane(lane, now))
    }

    async fn retry(&self, retry: Retry) -> Result<Retried, StoreError> {
        engine!(self, retry(retry))
    }

    async fn pause_lane(&self, lane: Lane, paused: Option<Paused>) -> Result<bool, StoreError> {
        engine!(self, pause_lane(lane, paused))
    }

    async fn lanes(&self, now: UnixMs) -> Result<Vec<LaneRecord>, StoreError> {
        engine!(self, lanes(now))
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        engine!(self, message(id))
    }

    async fn messages(&self, filter: Filter) -> Result<Page, StoreError> {
        engine!(self, messages(filter))
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        engine!(self, counts())
    }

    async fn waiting(&self, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        engine!(self, waiting(now))
    }

    async fn add_token(&self, token: TokenRecord) -> Result<(), StoreError> {
        engine!(self, add_token(token))
    }

    async fn tokens(&self, user: Option<String>) -> Result<Vec<TokenRecord>, StoreError> {
        engine!(self, tokens(user))
    }

    async fn token(&self, serial: String) -> Result<Option<TokenRecord>, StoreError> {
        engine!(self, token(serial))
    }

    async fn remove_token(&self, serial: String) -> Result<bool, StoreError> {
        engine!(self, remove_token(serial))
    }

    async fn trigger(&self, triggers: Vec<Trigger>) -> Result<Triggered, StoreError> {
        engine!(self, trigger(triggers))
    }

    async fn conversions(&self, since: UnixMs, now: UnixMs) -> Result<Conversions, StoreError> {
        engine!(self, conversions(since, now))
    }

    async fn challenges(&self, serials: Vec<String>) -> Result<Vec<ChallengeRecord>, StoreError> {
        engine!(self, challenges(serials))
    }

    async fn answer(&self, transaction: String, serial: String, now: UnixMs) -> Result<bool, StoreError> {
        engine!(self, answer(transaction, serial, now))
    }

    async fn fail(&self, serials: Vec<String>) -> Result<(), StoreError> {
        engine!(self, fail(serials))
    }

    async fn raise_alarm(&self, alarm: Alarm, now: UnixMs) -> Result<Raised, StoreError> {
        engine!(self, raise_alarm(alarm, now))
    }

    async fn clear_alarm(&self, id: AlarmId, now: UnixMs) -> Result<bool, StoreError> {
        engine!(self, clear_alarm(id, now))
    }

    async fn alarms(&self, which: Alarms) -> Result<Vec<AlarmRecord>, StoreError> {
        engine!(self, alarms(which))
    }

    async fn parcels(
        &self,
        now: UnixMs,
        until: UnixMs,
        rooms: Vec<(String, usize)>,
    ) -> Result<Parcels, StoreError> {
        engine!(self, parcels(now, until, rooms))
    }

    async fn carried(&self, ends: Vec<(ParcelId, Carried)>, now: UnixMs) -> Result<(), StoreError> {
        engine!(self, carried(ends, now))
    }

    async fn keep_hooks(&self, known: Vec<String>, now: UnixMs) -> Result<(), StoreError> {
        engine!(self, keep_hooks(known, now))
    }

    async fn outbox(&self) -> Result<Vec<OutboxCount>, StoreError> {
        engine!(self, outbox())
    }

    async fn recover(&self, now: UnixMs) -> Result<Recovered, StoreError> {
        engine!(self, recover(now))
    }

    async fn sweep(&self, now: UnixMs, keep: impl Into<Keep> + Send) -> Result<(), StoreError> {
        let keep: Keep = keep.into();
        engine!(self, sweep(now, keep))
    }
}
