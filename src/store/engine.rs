//! The embedded store as [`Store`] holds it: a cloneable handle that turns each operation into one job for the writing thread, or
//! into one question on a reading connection.
//!
//! Acceptance is refused when too many jobs wait ([`StoreError::Busy`]); what reports on messages already accepted waits for
//! its turn instead, since losing it would cost more than a moment.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use super::sqlite::copy::{Copied, backup, restore};
use super::sqlite::keep::Cursors;
use super::sqlite::read::Readers;
use super::sqlite::recovery::TakenBack;
pub use super::sqlite::rekey::KeyRecord;
pub use super::sqlite::verify::{Verified, verify};
use super::sqlite::writer::{Counters, Demand, Job, Work, Writer};
use super::sqlite::{
    self, Tx, accept, again, alarms, allowance, boot, inbox, keep, lanes, lease, lock, outbox, recovery,
    rekey, report, spent, tokens, turn, upgrade,
};
use super::{
    Accepted, AlarmId, AlarmRecord, Alarms, Begun, Carried, ChallengeRecord, Count, DEAD_PARCELS_KEPT,
    Filter, Held, InboxId, InboxRecord, Incoming, Keep, LaneRecord, Leased, MessageRecord, Operations,
    OutboxCount, Page, ParcelId, Parcels, Paused, Raised, Recovered, Report, Retried, Retry, SecondRound,
    SpentRecord, StoreError, Subscription, TokenRecord, Trigger, Triggered, Turn, Want, Withdrawn,
};
use crate::alarm::Alarm;
use crate::clock;
use crate::clock::model::{Begin as ClockBegin, Remembered};
use crate::number::Number;
use crate::provider::ChannelId;
use crate::queue::conversion::{self, Conversions};
use crate::queue::lanes::PerLane;
use crate::queue::life::Actor;
use crate::queue::message::{Lane, MessageId, NewMessage};
use crate::route::budget::Recipient;
use crate::secret::Secret;
use crate::store::feed::Feed;
use crate::store::seal::{KeyId, Keyring};
use crate::telemetry::over_budget::OverBudget;
use crate::units::{MessageRef, UnixMs};

pub use super::either::Store;

/// Acceptances that may wait; at a thousand rows a second this is half a second of work.
pub(super) const ACCEPTS: usize = 512;
/// Other jobs that may wait; the askers beyond it wait for a permit.
pub(super) const OTHERS: usize = 256;
/// Demands for leases that may stand.
pub(super) const DEMANDS: usize = 64;
/// Slots kept free for what has no permit: leases given back by dropped futures, and the order to close.
pub(super) const SPARE: usize = 64;
/// Messages of one commit, so that no acceptance keeps the modems waiting.
pub(super) const CHUNK: usize = 200;
/// Rows of one piece of the janitor's work.
const PIECE: usize = recovery::PIECE as usize;
/// A dead challenge is kept so long, so that a late answer is told that it is late.
pub(super) const DEAD_CHALLENGE: Duration = conversion::WINDOW;

/// What the store needs to know.
#[derive(Debug)]
pub struct Settings {
    /// The database file; made with mode 0600 if there is none.
    pub path: PathBuf,
    /// The database that several appliances share, `postgres://...`; then the file is not made, and only its directory is used.
    pub url: Option<Secret>,
    /// Keys for what is sealed.
    pub key: Keyring,
    /// For benches only: the writer spins so long before each commit, to act as a slower disk.
    pub commit_pause: Option<Duration>,
    /// For tests of a full disk only: pages of 4 KiB that the file may have.
    pub most_pages: Option<u32>,
}

impl Settings {
    /// The usual ones.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, key: Keyring) -> Self {
        Self { path: path.into(), url: None, key, commit_pause: None, most_pages: None }
    }
}

/// Why the store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or opened.
    #[error("the store {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A later release wrote it.
    #[error(
        "the store {path} has schema {found}, this release knows up to {known}; install the newer release again, \
         or put the copy {path}.schema-{known} in its place"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
        /// The newest this release knows.
        known: i64,
    },
    /// The copy that an upgrade of the schema keeps cannot be made, so nothing was upgraded.
    #[error("the copy {path} of the store, which an upgrade needs first: {source}")]
    Copy {
        /// Which file.
        path: PathBuf,
        /// What the system or the engine said.
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "the store {path} is in use; one daemon is enough, and nothing may be restored while it runs (systemctl stop smsotpd)"
    )]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// It holds values under a key that was not given.
    #[error("the store {path} holds values sealed with key {key}, which was not given")]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// The missing key.
        key: KeyId,
    },
    /// The shared store cannot be reached, or refused us.
    #[error(
        "the shared store {place}: {reason}; see that the server runs, lets this user in and that `[store] url` names it"
    )]
    Shared {
        /// Where it is, without user and password.
        place: String,
        /// What the server or the network said.
        reason: String,
    },
    /// A later release brought the shared store up to date.
    #[error(
        "the shared store {place} has schema {found}, this release knows up to {known}; install the newer release on this \
         appliance too"
    )]
    NewerShared {
        /// Where it is.
        place: String,
        /// Its version.
        found: i64,
        /// The newest this release knows.
        known: i64,
    },
    /// The name of this appliance cannot be read or made.
    #[error(
        "the file {path}, which names this appliance to its neighbours: {source}; remove it to get a new name"
    )]
    Appliance {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// `[store] url` is set, and this build has no engine for it.
    #[error(
        "this build has no shared store (cargo feature `postgres`); install one that has, or remove `[store] url`"
    )]
    NoSharedEngine,
    /// What is in it cannot be: the disk lost or changed some of it.
    #[error(
        "the store {path} is damaged: {reason}; nothing in it was changed. Look after the disk, keep the file, and put a backup in \
         its place, or move it away (with {path}-wal) to begin with an empty store"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// The engine refused it.
    #[error("the store {path}: {reason}")]
    Engine {
        /// Which file.
        path: PathBuf,
        /// What the engine said.
        reason: String,
    },
}

/// What the writer did since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Durable commits.
    pub commits: u64,
    /// Jobs answered.
    pub jobs: u64,
}

/// A cloneable handle to the embedded store.
#[derive(Debug, Clone)]
pub struct Embedded {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    jobs: SyncSender<Job>,
    accepts: Arc<Semaphore>,
    others: Arc<Semaphore>,
    demands: Arc<Semaphore>,
    readers: Arc<Readers>,
    keys: Arc<ArcSwap<Keyring>>,
    counters: Arc<Counters>,
    cursors: Cursors,
    gate: lanes::Shared,
    feed: Arc<Feed>,
    /// Its thread, and the lock that makes it the only one.
    writer: Mutex<Option<(JoinHandle<()>, File)>>,
}

impl Embedded {
    /// Opens or makes the store and starts its writer.
    ///
    /// # Errors
    /// When it is not ours to open: see [`OpenError`].
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let Settings { path, key, commit_pause, most_pages, url: _ } = settings;
        let lock = lock::take(&path)?;
        let conn = sqlite::open(&path, &key, most_pages)?;
        let keys = Arc::new(ArcSwap::from_pointee(key));
        let counters = Arc::new(Counters::default());
        let readers = Arc::new(Readers::open(&path, Arc::clone(&keys), Arc::clone(&counters))?);
        let (jobs, received) = sync_channel(ACCEPTS + OTHERS + DEMANDS + SPARE);
        let feed = Arc::new(Feed::default());
        let news = outbox::News::new(Arc::clone(&feed));
        let writer =
            Writer::new(conn, Arc::clone(&keys), received, Arc::clone(&counters), commit_pause, news);
        let writer = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let shared = Shared {
            path,
            jobs,
            accepts: Arc::new(Semaphore::new(ACCEPTS)),
            others: Arc::new(Semaphore::new(OTHERS)),
            demands: Arc::new(Semaphore::new(DEMANDS)),
            readers,
            keys,
            counters,
            cursors: Cursors::default(),
            gate: lanes::Shared::default(),
            feed,
            writer: Mutex::new(Some((writer, lock))),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Finishes what is queued, checkpoints and ends the writer; later calls answer [`StoreError::Closed`].
    pub async fn close(&self) {
        let writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((writer, _lock)) = writer else { return };
        for permits in [&self.shared.accepts, &self.shared.others, &self.shared.demands] {
            permits.close();
        }
        // A slot is spare for it; if the writer is gone already there is nobody to tell.
        let _ = self.shared.jobs.try_send(Job::Close);
        // A writer that panicked has nothing more to finish.
        let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        self.shared.readers.close();
    }

    /// Waits until the writer has taken its turn once: begun and ended a transaction, or been refused one by the engine (a full
    /// disk, a lock), which is also an answer.
    ///
    /// # Errors
    /// [`StoreError::Closed`], or what the engine refuses.
    pub async fn pulse(&self) -> Result<(), StoreError> {
        self.write(0, |_| Ok(())).await
    }

    /// Who hears of what happens.
    #[must_use]
    pub fn feed(&self) -> &Arc<Feed> {
        &self.shared.feed
    }

    /// What is remembered of the clocks of the last run; `None` in a new store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn remembered(&self) -> Result<Option<Remembered>, StoreError> {
        self.write(1, boot::remembered).await
    }

    /// Start-up, before anything else: life times as the clocks were judged, then [`Operations::recover`]. [`clock::wall`] must be tied to
    /// the model of `begin` by then.
    ///
    /// # Errors
    /// When the store cannot be written; the next start begins anew then.
    pub async fn begin(&self, boot: &str, begin: ClockBegin) -> Result<Recovered, StoreError> {
        if begin.moved != 0 {
            self.write(PIECE, move |tx| boot::advance(tx, begin.moved)).await?;
        }
        let recovered = self.recover(clock::wall()).await?;
        self.settle_clock(boot, begin).await?;
        Ok(recovered)
    }

    /// In mid-run: what waits for the clock goes on or ends.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn settle_clock(&self, boot: &str, begin: ClockBegin) -> Result<(), StoreError> {
        let (boot, now) = (boot.to_owned(), clock::wall());
        self.write(PIECE, move |tx| boot::settle(tx, &boot, &begin, now)).await
    }

    /// Remembers a look at the clocks: what was stored until now, and how far the wall clock was set since the start, ms.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn looked(&self, apart: i64) -> Result<(), StoreError> {
        let now = clock::wall();
        self.write(1, move |tx| boot::looked(tx, apart, now)).await
    }

    /// The keys without which the store does not open.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.shared.readers.ask(|view: &sqlite::read::View<'_>| view.keys()).await
    }

    /// From now on the first key of `ring` seals; those in use still open. The ring must be in the key file already, for the store
    /// does not open without it any more. [`reseal`](Self::reseal) does the rest.
    ///
    /// # Errors
    /// When the store cannot be written; the former key seals on.
    pub async fn rekey(&self, ring: Keyring) -> Result<(), StoreError> {
        let id = ring.active_id();
        self.write(1, move |tx| rekey::adopt(tx, id)).await?;
        self.shared.keys.rcu(|now| ring.joined(now));
        Ok(())
    }

    /// Moves what other keys sealed to the active one, if there is anything; a piece at a time, so that nobody waits for it.
    ///
    /// # Errors
    /// When the store cannot be read or written; what is left is moved by the next call.
    pub async fn reseal(&self) -> Result<(), StoreError> {
        if self.keys().await?.iter().all(|key| key.active || key.replaced.is_some()) {
            return Ok(());
        }
        // What was being written while the key changed is met in the second round.
        while self.reseal_once().await? > 0 {}
        let now = clock::wall();
        self.write(1, move |tx| rekey::replaced(tx, now)).await
    }

    async fn reseal_once(&self) -> Result<usize, StoreError> {
        let mut moved = 0;
        for column in rekey::columns() {
            let mut after = None;
            loop {
                let from = after.take();
                let rows = self.shared.readers.ask(move |view| view.otherwise_sealed(column, from)).await?;
                let Some(last) = rows.last().cloned() else { break };
                after = Some(last);
                moved += self.write(rows.len(), move |tx| rekey::reseal(tx, column, &rows)).await?;
            }
        }
        Ok(moved)
    }

    /// What the writer did so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            commits: self.shared.counters.commits.load(Ordering::Relaxed),
            jobs: self.shared.counters.jobs.load(Ordering::Relaxed),
        }
    }

    /// What is counted of requests over budget.
    #[must_use]
    pub fn over_budget(&self) -> &OverBudget {
        &self.shared.counters.over
    }

    /// Why the last write was refused for want of a disk that takes it; `None` once something was written again.
    #[must_use]
    pub fn unwritable(&self) -> Option<String> {
        self.shared.counters.unwritable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the database is found to be damaged, and says what was found. From then on nothing is written any more.
    pub async fn damaged(&self) -> String {
        self.shared.counters.damaged().await
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        use std::sync::mpsc::TrySendError;
        self.shared.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy(ACCEPTS),
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    fn may_accept(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        permit(&self.shared.accepts, ACCEPTS)
    }

    async fn write<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.shared.others).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        self.submit(rows, permit, work).await
    }

    async fn submit<T: Send + 'static>(
        &self,
        rows: usize,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Work(Work::new(rows, Some(permit), answer, work)))?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn take_back(&self, lapsed: UnixMs, by: TakenBack, now: UnixMs) -> Result<Recovered, StoreError> {
        let mut all = Recovered::default();
        loop {
            let (some, more) = self.write(PIECE, move |tx| recovery::recover(tx, lapsed, by, now)).await?;
            all.requeued += some.requeued;
            all.uncertain += some.uncertain;
            all.repeated += some.repeated;
            if !more {
                return Ok(all);
            }
        }
    }

    async fn expire(&self, now: UnixMs) -> Result<(), StoreError> {
        loop {
            let ids = self.shared.readers.ask(move |view| view.overdue(now)).await?;
            let found = ids.len();
            if found > 0 {
                let again = ids.clone();
                match self.write(found, move |tx| recovery::expire(tx, &ids, now)).await {
                    Err(StoreError::Unwritable(_)) => {
                        self.write(found, move |tx| recovery::expire_bare(tx, &again, now)).await?;
                    }
                    expired => expired?,
                }
            }
            if found < PIECE {
                return Ok(());
            }
        }
    }

    /// Removes the copies of upgrades made before `old`: they hold what is purged here, and who needed the way back has gone it.
    async fn remove_copies(&self, old: UnixMs) -> Result<(), StoreError> {
        let path = self.shared.path.clone();
        let removed = tokio::task::spawn_blocking(move || upgrade::remove_outlived(&path, old)).await;
        let removed = removed.unwrap_or_else(|join| Err(io::Error::other(join)));
        removed.map_err(|error| StoreError::Engine(format!("copies of the store: {error}")))
    }

    async fn erase_texts(&self, now: UnixMs) -> Result<(), StoreError> {
        loop {
            let ids = self.shared.readers.ask(move |view| view.spent_texts(now)).await?;
            let found = ids.len();
            if found > 0 {
                self.write(found, move |tx| keep::erase(tx, &ids)).await?;
            }
            if found < PIECE {
                return Ok(());
            }
        }
    }

    async fn purge(&self, lane: Lane, before: UnixMs) -> Result<(), StoreError> {
        loop {
            let after = self.shared.cursors.lane(lane);
            let mut found = self.shared.readers.ask(move |view| view.outlived(lane, before, after)).await?;
            let ids = std::mem::take(&mut found.ids);
            if !ids.is_empty() {
                self.write(ids.len(), move |tx| recovery::purge(tx, &ids, before)).await?;
            }
            self.shared.cursors.lane_done(lane, &found);
            if found.last {
                return Ok(());
            }
        }
    }

    async fn forget_numbers(&self, before: UnixMs) -> Result<(), StoreError> {
        loop {
            let after = self.shared.cursors.numbers();
            let mut found = self.shared.readers.ask(move |view| view.old_numbers(before, after)).await?;
            let ids = std::mem::take(&mut found.ids);
            if !ids.is_empty() {
                self.write(ids.len(), move |tx| keep::forget_numbers(tx, &ids)).await?;
            }
            self.shared.cursors.numbers_done(&found);
            if found.last {
                break;
            }
        }
        loop {
            let after = self.shared.cursors.senders();
            let mut found = self.shared.readers.ask(move |view| view.old_senders(before, after)).await?;
            let ids = std::mem::take(&mut found.ids);
            if !ids.is_empty() {
                self.write(ids.len(), move |tx| keep::forget_senders(tx, &ids)).await?;
            }
            self.shared.cursors.senders_done(&found);
            if found.last {
                return Ok(());
            }
        }
    }
}

pub(super) fn permit(of: &Arc<Semaphore>, bound: usize) -> Result<OwnedSemaphorePermit, StoreError> {
    use tokio::sync::TryAcquireError;
    Arc::clone(of).try_acquire_owned().map_err(|error| match error {
        TryAcquireError::NoPermits => StoreError::Busy(bound),
        TryAcquireError::Closed => StoreError::Closed,
    })
}

/// A standing demand as its asker sees it. Dropped with an answer that nobody read, it gives the leases back.
struct Waiting<'a> {
    store: &'a Embedded,
    answer: oneshot::Receiver<Result<Vec<Leased>, StoreError>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(Ok(unread)) = self.answer.try_recv() {
            let leases: Vec<_> = unread.iter().map(|leased| (leased.id, leased.epoch)).collect();
            let (answer, _) = oneshot::channel();
            let work = Work::new(leases.len(), None, answer, move |tx| lease::release(tx, &leases, None));
            // If even the spare slots are taken, the leases lapse.
            let _ = self.store.send(Job::Work(work));
        }
    }
}

impl Operations for Embedded {
    fn bound(&self, most: PerLane<Option<u64>>) {
        lanes::locked(&self.shared.gate).bound(most);
    }

    async fn accept(&self, messages: Vec<NewMessage>) -> Result<Vec<Accepted>, StoreError> {
        let messages = Arc::new(messages);
        let mut accepted = Vec::with_capacity(messages.len());
        // What is counted, or carries keys, is let in or refused as a whole.
        let whole = |message: &NewMessage| message.idempotency.is_some() || !message.bill.charges.is_empty();
        let most = if messages.iter().any(whole) { messages.len() } else { CHUNK };
        // What has begun goes on: only the first chunk may be told to come again, and keeps places for the others.
        let mut promise = None;
        for from in (0..messages.len()).step_by(most.max(1)) {
            let first = promise.is_none();
            let permit = if first {
                self.may_accept()?
            } else {
                Arc::clone(&self.shared.accepts).acquire_owned().await.map_err(|_| StoreError::Closed)?
            };
            let (batch, gate) = (Arc::clone(&messages), Arc::clone(&self.shared.gate));
            let rows = most.min(messages.len() - from);
            let work = move |tx: &mut Tx<'_>| {
                let promise = first.then(|| accept::enter(tx, &gate, &batch, rows)).transpose()?;
                let chunk = batch.get(from..from + rows).unwrap_or_default();
                Ok((accept::accept(tx, &gate, chunk)?, promise))
            };
            let (some, promised) = self.submit(rows, permit, work).await?;
            accepted.extend(some);
            promise = promise.or(promised);
        }
        Ok(accepted)
    }

    async fn lease(&self, want: Want) -> Result<Vec<Leased>, StoreError> {
        let permit = permit(&self.shared.demands, DEMANDS)?;
        let (answer, answered) = oneshot::channel();
        self.send(Job::Lease(Demand { want, answer, fresh: true, permit }))?;
        let mut waiting = Waiting { store: self, answer: answered };
        (&mut waiting.answer).await.unwrap_or(Err(StoreError::Closed))
    }

    async fn second_round(&self, round: SecondRound) -> Result<Option<Leased>, StoreError> {
        self.write(1, move |tx| lease::second_round(tx, &round)).await
    }

    async fn turn(&self, turn: Turn) -> Result<Vec<Begun>, StoreError> {
        let rows = turn.ended.len() * 2 + turn.begun.len();
        self.write(rows, move |tx| turn::turn(tx, &turn)).await
    }

    async fn release(&self, leases: Vec<(MessageId, i64)>, due: Option<UnixMs>) -> Result<(), StoreError> {
        self.write(leases.len(), move |tx| lease::release(tx, &leases, due)).await
    }

    async fn spent(&self) -> Result<Vec<SpentRecord>, StoreError> {
        self.shared.readers.ask(|view: &sqlite::read::View<'_>| view.spent()).await
    }

    async fn recipients(&self, channel: ChannelId, now: UnixMs) -> Result<Vec<(Recipient, u32)>, StoreError> {
        self.shared.readers.ask(move |view| view.recipients(&channel, now)).await
    }

    async fn unfinished(&self, channel: ChannelId) -> Result<bool, StoreError> {
        self.shared.readers.ask(move |view| view.unfinished(&channel)).await
    }

    async fn hold(&self, modem: String, finishing: Option<bool>) -> Result<(), StoreError> {
        self.write(1, move |tx| spent::hold(tx, &modem, finishing)).await
    }

    async fn holds(&self) -> Result<Vec<Held>, StoreError> {
        self.shared.readers.ask(|view: &sqlite::read::View<'_>| view.holds()).await
    }

    async fn report(&self, report: Report) -> Result<Option<MessageId>, StoreError> {
        self.write(2, move |tx| report::report(tx, &report)).await
    }

    async fn settle(
        &self,
        channel: ChannelId,
        recipient: Number,
        reference: MessageRef,
        at: UnixMs,
    ) -> Result<Option<MessageId>, StoreError> {
        self.write(2, move |tx| report::settle(tx, &channel, &recipient, reference, at)).await
    }

    async fn incoming(&self, incoming: Incoming) -> Result<(), StoreError> {
        self.write(3, move |tx| inbox::incoming(tx, &incoming)).await
    }

    async fn inbox(&self, before: Option<InboxId>, most: usize) -> Result<Vec<InboxRecord>, StoreError> {
        self.shared.readers.ask(move |view| view.inbox(before, most)).await
    }

    async fn received(&self, id: InboxId) -> Result<Option<InboxRecord>, StoreError> {
        self.shared.readers.ask(move |view| view.received(&id)).await
    }

    async fn withdraw(
        &self,
        id: MessageId,
        caller: Option<String>,
        now: UnixMs,
    ) -> Result<Withdrawn, StoreError> {
        let actor = if caller.is_some() { Actor::Caller } else { Actor::Operator };
        self.write(1, move |tx| tokens::withdraw(tx, id, caller.as_deref(), actor, now)).await
    }

    async fn withdraw_lane(&self, lane: Lane, now: UnixMs) -> Result<u64, StoreError> {
        // What is accepted meanwhile stays, else a busy sender would keep this going for ever.
        let last = MessageId::new(now, 0xfff, [0xff; 8]);
        let mut all = 0;
        loop {
            let (some, more) = self.write(PIECE, move |tx| lanes::withdraw(tx, lane, last, now)).await?;
            all += some;
            if !more {
                return Ok(all);
            }
        }
    }

    async fn retry(&self, retry: Retry) -> Result<Retried, StoreError> {
        let gate = Arc::clone(&self.shared.gate);
        self.write(2, move |tx| again::retry(tx, &gate, &retry)).await
    }

    async fn pause_lane(&self, lane: Lane, paused: Option<Paused>) -> Result<bool, StoreError> {
        self.write(1, move |tx| lanes::pause(tx, lane, paused.as_ref())).await
    }

    async fn lanes(&self, now: UnixMs) -> Result<Vec<LaneRecord>, StoreError> {
        let most = lanes::locked(&self.shared.gate).bounds();
        self.shared.readers.ask(move |view| view.lanes(&most, now)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        self.shared.readers.ask(move |view| view.message(id)).await
    }

    async fn messages(&self, filter: Filter) -> Result<Page, StoreError> {
        self.shared.readers.ask(move |view| view.messages(&filter)).await
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        self.shared.readers.ask(|view: &sqlite::read::View<'_>| view.counts()).await
    }

    async fn waiting(&self, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        self.shared.readers.ask(move |view| view.waiting(now)).await
    }

    async fn add_token(&self, token: TokenRecord) -> Result<(), StoreError> {
        self.write(1, move |tx| tokens::add(tx, &token)).await
    }

    async fn tokens(&self, user: Option<String>) -> Result<Vec<TokenRecord>, StoreError> {
        self.shared.readers.ask(move |view| view.tokens(user.as_deref())).await
    }

    async fn token(&self, serial: String) -> Result<Option<TokenRecord>, StoreError> {
        self.shared.readers.ask(move |view| view.token(&serial)).await
    }

    async fn remove_token(&self, serial: String) -> Result<bool, StoreError> {
        self.write(1, move |tx| tokens::remove(tx, &serial)).await
    }

    async fn trigger(&self, triggers: Vec<Trigger>) -> Result<Triggered, StoreError> {
        let permit = self.may_accept()?;
        let gate = Arc::clone(&self.shared.gate);
        self.submit(triggers.len() * 3, permit, move |tx| accept::trigger(tx, &gate, &triggers)).await
    }

    async fn conversions(&self, since: UnixMs, now: UnixMs) -> Result<Conversions, StoreError> {
        self.shared.readers.ask(move |view| view.conversions(since, now)).await
    }

    async fn challenges(&self, serials: Vec<String>) -> Result<Vec<ChallengeRecord>, StoreError> {
        self.shared.readers.ask(move |view| view.challenges(&serials)).await
    }

    async fn answer(&self, transaction: String, serial: String, now: UnixMs) -> Result<bool, StoreError> {
        self.write(4, move |tx| tokens::answer(tx, &transaction, &serial, now)).await
    }

    async fn fail(&self, serials: Vec<String>) -> Result<(), StoreError> {
        self.write(serials.len(), move |tx| tokens::fail(tx, &serials)).await
    }

    async fn raise_alarm(&self, alarm: Alarm, now: UnixMs) -> Result<Raised, StoreError> {
        self.write(1, move |tx| alarms::raise(tx, &alarm, now)).await
    }

    async fn clear_alarm(&self, id: AlarmId, now: UnixMs) -> Result<bool, StoreError> {
        self.write(1, move |tx| alarms::clear(tx, id, now)).await
    }

    async fn alarms(&self, which: Alarms) -> Result<Vec<AlarmRecord>, StoreError> {
        self.shared.readers.ask(move |view| view.alarms(which)).await
    }

    fn subscribe(&self, hooks: Vec<Subscription>) {
        self.shared.feed.subscribe(hooks);
    }

    async fn parcels(
        &self,
        now: UnixMs,
        until: UnixMs,
        rooms: Vec<(String, usize)>,
    ) -> Result<Parcels, StoreError> {
        self.write(rooms.len(), move |tx| outbox::take(tx, now, until, &rooms)).await
    }

    async fn keep_hooks(&self, known: Vec<String>, now: UnixMs) -> Result<(), StoreError> {
        self.write(1, move |tx| outbox::keep_hooks(tx, &known, now)).await
    }

    async fn carried(&self, ends: Vec<(ParcelId, Carried)>, now: UnixMs) -> Result<(), StoreError> {
        self.write(ends.len(), move |tx| outbox::carried(tx, &ends, now)).await
    }

    async fn outbox(&self) -> Result<Vec<OutboxCount>, StoreError> {
        self.shared.readers.ask(|view: &sqlite::read::View<'_>| view.outbox()).await
    }

    async fn recover(&self, now: UnixMs) -> Result<Recovered, StoreError> {
        self.write(1, move |tx| outbox::recover(tx, now)).await?;
        let cause = "the daemon stopped while it was leaving";
        self.take_back(UnixMs(i64::MAX), TakenBack { actor: Actor::Recovery, cause }, now).await
    }

    async fn sweep(&self, now: UnixMs, keep: impl Into<Keep> + Send) -> Result<(), StoreError> {
        let keep: Keep = keep.into();
        let (dead, texts, over) = (now.minus(DEAD_CHALLENGE), now.minus(keep.inbox), now.minus(keep.alarms));
        self.expire(now).await?;
        let cause = "its lease lapsed while it was leaving";
        self.take_back(now, TakenBack { actor: Actor::Janitor, cause }, now).await?;
        self.erase_texts(now).await?;
        for (lane, keep) in Lane::ALL.into_iter().zip(keep.lanes) {
            self.purge(lane, now.minus(keep)).await?;
        }
        self.forget_numbers(now.minus(keep.numbers)).await?;
        while self.write(PIECE, move |tx| recovery::purge_challenges(tx, dead)).await? {}
        while self.write(PIECE, move |tx| inbox::purge(tx, texts, now)).await? {}
        while self.write(PIECE, move |tx| alarms::purge(tx, over)).await? {}
        let given_up = now.minus(DEAD_PARCELS_KEPT);
        while self.write(PIECE, move |tx| outbox::purge(tx, given_up)).await? {}
        while self.write(PIECE, move |tx| spent::purge(tx, now)).await? {}
        let compared = now.minus(keep.longest());
        self.write(1, move |tx| rekey::forget(tx, compared)).await?;
        while self.write(PIECE, move |tx| allowance::purge(tx, now)).await? {}
        while self.write(PIECE, move |tx| inbox::expire(tx, now)).await? {}
        self.remove_copies(now.minus(keep.copies)).await
    }
}
