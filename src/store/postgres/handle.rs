//! The shared store as the daemon holds it: a cloneable handle that turns each operation into one job for the writer, or into one
//! question on a reading connection.
//!
//! All connections live on one thread with a runtime of its own, so that neither sealing nor the server's answers wait for the API or
//! a modem, nor these for them. What is bounded and what is refused is as in the embedded engine.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::LocalSet;

use super::link::{Address, Link, PATIENCE};
use super::read::View;
use super::recovery::{PIECE, Whose};
use super::time::{Stamp, Times};
use super::writer::{Asked, Demand, Ground, Job, Task, Writer};
use super::{
    Tx, accept, again, alarms, allowance, appliance, inbox, keep, lanes, lease, outbox, recovery, rekey,
    report, schema, spent, tokens,
};
use crate::alarm::Alarm;
use crate::clock;
use crate::number::Number;
use crate::provider::ChannelId;
use crate::queue::conversion::Conversions;
use crate::queue::lanes::PerLane;
use crate::queue::life::Actor;
use crate::queue::message::{Lane, MessageId, NewMessage};
use crate::route::budget::Recipient;
use crate::secret::Secret;
use crate::store::engine::KeyRecord;
use crate::store::engine::{
    ACCEPTS, DEAD_CHALLENGE, DEMANDS, OTHERS, OpenError, SPARE, Settings, Stats, permit,
};
use crate::store::feed::Feed;
use crate::store::seal::Keyring;
use crate::store::sqlite::lanes::{Shared as Gate, locked};
use crate::store::sqlite::recovery::TakenBack;
use crate::store::sqlite::writer::Counters;
use crate::store::{
    Accepted, AlarmId, AlarmRecord, Alarms, Begun, Carried, ChallengeRecord, Count, DEAD_PARCELS_KEPT,
    Filter, Held, InboxId, InboxRecord, Incoming, Keep, LaneRecord, Leased, MessageRecord, Operations,
    OutboxCount, Page, ParcelId, Parcels, Paused, Raised, Recovered, Report, Retried, Retry, SecondRound,
    SpentRecord, StoreError, Subscription, TokenRecord, Trigger, Triggered, Turn, Want, Withdrawn,
};
use crate::telemetry::over_budget::OverBudget;
use crate::units::{MessageRef, UnixMs};

/// Connections for questions; with the writer's an appliance has three.
const READERS: usize = 2;
/// Questions that may wait for one.
const QUESTIONS: usize = 64;
/// At a start the server may still hold a session of ours that it has not noticed to be dead; a second daemon with this id stays.
const GHOST: Duration = Duration::from_secs(20);
/// Between attempts to get past such a session.
const GHOST_PAUSE: Duration = Duration::from_millis(500);

/// A cloneable handle to the shared store.
#[derive(Debug, Clone)]
pub(in crate::store) struct Shared {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    jobs: mpsc::Sender<Job>,
    questions: mpsc::Sender<Box<dyn Question>>,
    pulses: mpsc::Sender<oneshot::Sender<()>>,
    accepts: Arc<Semaphore>,
    others: Arc<Semaphore>,
    demands: Arc<Semaphore>,
    counters: Arc<Counters>,
    keys: Arc<ArcSwap<Keyring>>,
    /// How far the janitor has come with the numbers; forgotten at the end, so that the first round looks at everything.
    numbers: Mutex<Option<MessageId>>,
    gate: Gate,
    feed: Arc<Feed>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The other ends of the handle's channels.
struct Ends {
    jobs: mpsc::Receiver<Job>,
    questions: mpsc::Receiver<Box<dyn Question>>,
    pulses: mpsc::Receiver<oneshot::Sender<()>>,
}

impl Shared {
    /// Connects, brings the schema up to date and starts the writer.
    ///
    /// # Errors
    /// When the database cannot be reached or is not ours to use: see [`OpenError`].
    pub(in crate::store) fn open(url: &Secret, settings: Settings) -> Result<Self, OpenError> {
        let refused = |reason: String| OpenError::Shared { place: "url".to_owned(), reason };
        let address = Address::parse(url).map_err(refused)?;
        let place = address.shown.clone();
        let me = appliance::identity(&settings.path)?;
        let counters = Arc::new(Counters::default());
        let (jobs, jobs_end) = mpsc::channel(ACCEPTS + OTHERS + DEMANDS + SPARE);
        let (questions, questions_end) = mpsc::channel(QUESTIONS);
        let (pulses, pulses_end) = mpsc::channel(1);
        let ends = Ends { jobs: jobs_end, questions: questions_end, pulses: pulses_end };
        let (opened, result) = std::sync::mpsc::sync_channel(1);
        let counted = Arc::clone(&counters);
        let keys = Arc::new(ArcSwap::from_pointee(settings.key));
        let keys_there = Arc::clone(&keys);
        let (gate, feed) = (Gate::default(), Arc::new(Feed::default()));
        let (gate_there, feed_there) = (Arc::clone(&gate), Arc::clone(&feed));
        let thread = thread::Builder::new().name("store-shared".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(source) => {
                    let failed = OpenError::Shared { place: address.shown, reason: source.to_string() };
                    // Whoever opens waits for it.
                    let _ = opened.send(Err(failed));
                    return;
                }
            };
            let times = Rc::new(Times::new());
            let ground = Rc::new(Ground {
                address,
                keys: keys_there,
                me,
                times,
                counters: counted,
                feed: feed_there,
                gate: gate_there,
            });
            let all = LocalSet::new();
            all.block_on(&runtime, live(ground, ends, opened));
        });
        let thread = thread
            .map_err(|source| OpenError::Shared { place: place.clone(), reason: source.to_string() })?;
        let ended = |_| OpenError::Shared { place, reason: "its thread ended".to_owned() };
        result.recv().map_err(ended)??;
        let inner = Inner {
            jobs,
            questions,
            pulses,
            accepts: Arc::new(Semaphore::new(ACCEPTS)),
            others: Arc::new(Semaphore::new(OTHERS)),
            demands: Arc::new(Semaphore::new(DEMANDS)),
            counters,
            keys,
            numbers: Mutex::new(None),
            gate,
            feed,
            thread: Mutex::new(Some(thread)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Finishes what is queued and ends the connections; later calls answer [`StoreError::Closed`].
    pub(in crate::store) async fn close(&self) {
        let thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        for permits in [&self.inner.accepts, &self.inner.others, &self.inner.demands] {
            permits.close();
        }
        // A slot is spare for it; if the writer is gone already there is nobody to tell.
        let _ = self.inner.jobs.try_send(Job::Close);
        // A writer that panicked has nothing more to finish.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }

    /// Waits for a sign of the store's thread. A database that is away has its own ways to say so.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub(in crate::store) async fn pulse(&self) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.inner.pulses.send(answer).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)
    }

    /// What the writer did so far.
    #[must_use]
    pub(in crate::store) fn stats(&self) -> Stats {
        Stats {
            commits: self.inner.counters.commits.load(Ordering::Relaxed),
            jobs: self.inner.counters.jobs.load(Ordering::Relaxed),
        }
    }

    /// What is counted of requests over budget.
    #[must_use]
    pub(in crate::store) fn over_budget(&self) -> &OverBudget {
        &self.inner.counters.over
    }

    /// Who hears of what happens here.
    #[must_use]
    pub(in crate::store) fn feed(&self) -> &Arc<Feed> {
        &self.inner.feed
    }

    /// Why nothing can be written at present.
    #[must_use]
    pub(in crate::store) fn unwritable(&self) -> Option<String> {
        self.inner.counters.unwritable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        use mpsc::error::TrySendError;
        self.inner.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy(ACCEPTS),
            TrySendError::Closed(_) => StoreError::Closed,
        })
    }

    async fn other(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        Arc::clone(&self.inner.others).acquire_owned().await.map_err(|_| StoreError::Closed)
    }

    async fn write<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl AsyncFn(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.other().await?;
        self.submit(rows, permit, Vec::new(), work).await
    }

    async fn submit<T: Send + 'static>(
        &self,
        rows: usize,
        permit: OwnedSemaphorePermit,
        brought: Vec<MessageId>,
        work: impl AsyncFn(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked::new(work, rows, answer, permit);
        self.send(Job::Work(Box::new(Task { asked, brought })))?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl AsyncFn(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let asked = Curious { question, stamp: Stamp::now(), answer: Some(answer), found: None };
        self.inner.questions.send(Box::new(asked)).await.map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The keys without which the store does not open.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(in crate::store) async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.ask(async |view| view.keys().await).await
    }

    /// From now on the first key of `ring` seals here; those in use still open.
    ///
    /// # Errors
    /// When the store cannot be written; the former key seals on.
    pub(in crate::store) async fn rekey(&self, ring: Keyring) -> Result<(), StoreError> {
        let id = ring.active_id();
        self.write(1, async move |tx| rekey::adopt(tx, id).await).await?;
        self.inner.keys.rcu(|now| ring.joined(now));
        Ok(())
    }

    /// Moves what other keys sealed to the active one, if there is anything.
    ///
    /// # Errors
    /// When the store cannot be read or written; what is left is moved by the next call.
    pub(in crate::store) async fn reseal(&self) -> Result<(), StoreError> {
        if self.keys().await?.iter().all(|key| key.active || key.replaced.is_some()) {
            return Ok(());
        }
        // What was being written while the key changed is met in the second round.
        while self.reseal_once().await? > 0 {}
        let now = clock::wall();
        self.write(1, async move |tx| rekey::replaced(tx, now).await).await
    }

    async fn reseal_once(&self) -> Result<usize, StoreError> {
        let rows = usize::try_from(PIECE).unwrap_or(0);
        let mut all = 0;
        for column in &rekey::COLUMNS {
            let mut after: Option<String> = None;
            loop {
                let from = after.take();
                let (last, moved) = self
                    .write(rows, async move |tx| rekey::reseal(tx, column, from.as_deref()).await)
                    .await?;
                all += moved;
                if last.is_none() {
                    break;
                }
                after = last;
            }
        }
        Ok(all)
    }

    async fn forget_numbers(&self, before: UnixMs) -> Result<bool, StoreError> {
        let numbers = || self.inner.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let after = *numbers();
        let rows = usize::try_from(PIECE).unwrap_or(0);
        let (upto, more) =
            self.write(rows, async move |tx| keep::forget_numbers(tx, before, after).await).await?;
        *numbers() = upto;
        Ok(more)
    }

    async fn take_back(&self, whose: Whose, by: TakenBack, now: UnixMs) -> Result<Recovered, StoreError> {
        let mut all = Recovered::default();
        loop {
            let rows = usize::try_from(PIECE).unwrap_or(0);
            let (some, more) =
                self.write(rows, async move |tx| recovery::recover(tx, whose, by, now).await).await?;
            all.requeued += some.requeued;
            all.uncertain += some.uncertain;
            all.repeated += some.repeated;
            if !more {
                return Ok(all);
            }
        }
    }
}

/// All that lives on the store's thread, until the writer ends.
async fn live(ground: Rc<Ground>, ends: Ends, opened: std::sync::mpsc::SyncSender<Result<(), OpenError>>) {
    let Ends { jobs, mut questions, mut pulses } = ends;
    let link = match first(&ground).await {
        Ok(link) => link,
        Err(error) => {
            // Whoever opens waits for it.
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    let readers = Rc::new(Readers::new(Rc::clone(&ground)));
    tokio::task::spawn_local(async move {
        while let Some(question) = questions.recv().await {
            let Ok(permit) = Arc::clone(&readers.permits).acquire_owned().await else { return };
            let readers = Rc::clone(&readers);
            tokio::task::spawn_local(async move {
                readers.answer(question).await;
                drop(permit);
            });
        }
    });
    tokio::task::spawn_local(async move {
        while let Some(asker) = pulses.recv().await {
            // Whoever no longer waits was told too late, and counts it so.
            let _ = asker.send(());
        }
    });
    Writer::new(ground, jobs).run(link).await;
}

/// The first connection, with the schema as it must be.
async fn first(ground: &Ground) -> Result<Link, OpenError> {
    let place = || ground.address.shown.clone();
    let shared = |error: StoreError| OpenError::Shared { place: place(), reason: error.to_string() };
    let plain = Link::open(&ground.address, ground.me).await.map_err(shared)?;
    schema::ready(&plain, &ground.address.shown, &ground.keys.load()).await?;
    drop(plain);
    let begun = clock::monotonic();
    loop {
        match ground.connect(None).await {
            Ok(link) => return Ok(link),
            Err(error) if clock::monotonic().saturating_duration_since(begun) > GHOST => {
                return Err(shared(error));
            }
            Err(_) => tokio::time::sleep(GHOST_PAUSE).await,
        }
    }
}

/// A question to be asked on a reading connection.
trait Question: Send {
    /// Asks; `false` if the connection was lost over it.
    fn ask<'a>(&'a mut self, link: &'a Link, ground: &'a Ground) -> Pin<Box<dyn Future<Output = bool> + 'a>>;
    /// Tells what was found, or why nothing was.
    fn settle(self: Box<Self>, failed: StoreError);
}

struct Curious<T, F> {
    question: F,
    stamp: Stamp,
    answer: Option<oneshot::Sender<Result<T, StoreError>>>,
    found: Option<Result<T, StoreError>>,
}

impl<T, F> Question for Curious<T, F>
where
    T: Send,
    F: AsyncFn(&View<'_>) -> Result<T, StoreError> + Send,
{
    fn ask<'a>(&'a mut self, link: &'a Link, ground: &'a Ground) -> Pin<Box<dyn Future<Output = bool> + 'a>> {
        Box::pin(async move {
            let shift = ground.times.shift(self.stamp);
            let keys = ground.keys.load_full();
            let view = View { link, keys: &keys, me: ground.me, shift };
            let found = (self.question)(&view).await;
            let well = !matches!(found, Err(StoreError::Unreachable(_)));
            self.found = Some(found);
            well
        })
    }

    fn settle(mut self: Box<Self>, failed: StoreError) {
        if let Some(answer) = self.answer.take() {
            // Whoever no longer waits wants no answer.
            let _ = answer.send(self.found.take().unwrap_or(Err(failed)));
        }
    }
}

/// The reading connections, made when they are needed.
struct Readers {
    ground: Rc<Ground>,
    free: RefCell<Vec<Link>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    fn new(ground: Rc<Ground>) -> Self {
        Self { ground, free: RefCell::default(), permits: Arc::new(Semaphore::new(READERS)) }
    }

    /// Asks on a connection that is there, and once more on a new one should it turn out to be dead.
    async fn answer(&self, mut question: Box<dyn Question>) {
        let kept = self.free.borrow_mut().pop().filter(|link| !link.is_lost());
        if let Some(link) = kept
            && self.ask(question.as_mut(), &link).await
        {
            self.free.borrow_mut().push(link);
            return question.settle(StoreError::Closed);
        }
        match Link::open(&self.ground.address, self.ground.me).await {
            Ok(link) => {
                if self.ask(question.as_mut(), &link).await {
                    self.free.borrow_mut().push(link);
                }
                question.settle(StoreError::Unreachable("no answer in time".to_owned()));
            }
            Err(error) => question.settle(error),
        }
    }

    async fn ask(&self, question: &mut dyn Question, link: &Link) -> bool {
        tokio::time::timeout(PATIENCE, question.ask(link, &self.ground)).await.unwrap_or(false)
    }
}

/// A standing demand as its asker sees it. Dropped with an answer that nobody read, it gives the leases back.
struct Waiting<'a> {
    store: &'a Shared,
    answer: oneshot::Receiver<Result<Vec<Leased>, StoreError>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(Ok(unread)) = self.answer.try_recv() {
            let leases: Vec<_> = unread.iter().map(|leased| (leased.id, leased.epoch)).collect();
            let Ok(permit) = Arc::clone(&self.store.inner.others).try_acquire_owned() else { return };
            let (answer, _) = oneshot::channel();
            let work = async move |tx: &Tx<'_>| lease::release(tx, &leases, None).await;
            let asked = Asked::new(work, unread.len(), answer, permit);
            // If there is no room for it, the leases lapse.
            let _ = self.store.send(Job::Work(Box::new(Task { asked, brought: Vec::new() })));
        }
    }
}

impl Operations for Shared {
    fn bound(&self, most: PerLane<Option<u64>>) {
        locked(&self.inner.gate).bound(most);
    }

    fn subscribe(&self, hooks: Vec<Subscription>) {
        self.inner.feed.subscribe(hooks);
    }

    async fn accept(&self, messages: Vec<NewMessage>) -> Result<Vec<Accepted>, StoreError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        // One statement takes in as many as a request may have, so a batch is always one chunk.
        let permit = permit(&self.inner.accepts, ACCEPTS)?;
        let (answer, answered) = oneshot::channel();
        let rows = messages.len();
        self.send(Job::Accept(Asked::new(messages, rows, answer, permit)))?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn lease(&self, want: Want) -> Result<Vec<Leased>, StoreError> {
        let permit = permit(&self.inner.demands, DEMANDS)?;
        let (answer, answered) = oneshot::channel();
        self.send(Job::Lease(Demand { want, answer, fresh: true, permit }))?;
        let mut waiting = Waiting { store: self, answer: answered };
        (&mut waiting.answer).await.unwrap_or(Err(StoreError::Closed))
    }

    async fn second_round(&self, round: SecondRound) -> Result<Option<Leased>, StoreError> {
        self.write(1, async move |tx| lease::second_round(tx, &round).await).await
    }

    async fn turn(&self, turn: Turn) -> Result<Vec<Begun>, StoreError> {
        let rows = turn.ended.len() * 2 + turn.begun.len();
        let permit = self.other().await?;
        let (answer, answered) = oneshot::channel();
        self.send(Job::Turn(Asked::new(turn, rows, answer, permit)))?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn release(&self, leases: Vec<(MessageId, i64)>, due: Option<UnixMs>) -> Result<(), StoreError> {
        self.write(leases.len(), async move |tx| lease::release(tx, &leases, due).await).await
    }

    async fn spent(&self) -> Result<Vec<SpentRecord>, StoreError> {
        self.ask(async |view| view.spent().await).await
    }

    async fn recipients(&self, channel: ChannelId, now: UnixMs) -> Result<Vec<(Recipient, u32)>, StoreError> {
        self.ask(async move |view| view.recipients(&channel, now).await).await
    }

    async fn unfinished(&self, channel: ChannelId) -> Result<bool, StoreError> {
        self.ask(async move |view| view.unfinished(&channel).await).await
    }

    async fn hold(&self, modem: String, finishing: Option<bool>) -> Result<(), StoreError> {
        self.write(1, async move |tx| spent::hold(tx, &modem, finishing).await).await
    }

    async fn holds(&self) -> Result<Vec<Held>, StoreError> {
        self.ask(async |view| view.holds().await).await
    }

    async fn report(&self, report: Report) -> Result<Option<MessageId>, StoreError> {
        let permit = self.other().await?;
        let (answer, answered) = oneshot::channel();
        self.send(Job::Report(Asked::new(report, 2, answer, permit)))?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn settle(
        &self,
        channel: ChannelId,
        recipient: Number,
        reference: MessageRef,
        at: UnixMs,
    ) -> Result<Option<MessageId>, StoreError> {
        self.write(2, async move |tx| report::settle(tx, &channel, &recipient, reference, at).await).await
    }

    async fn incoming(&self, incoming: Incoming) -> Result<(), StoreError> {
        self.write(3, async move |tx| inbox::incoming(tx, &incoming).await).await
    }

    async fn inbox(&self, before: Option<InboxId>, most: usize) -> Result<Vec<InboxRecord>, StoreError> {
        self.ask(async move |view| view.inbox(before.clone(), most).await).await
    }

    async fn received(&self, id: InboxId) -> Result<Option<InboxRecord>, StoreError> {
        self.ask(async move |view| view.received(&id).await).await
    }

    async fn withdraw(
        &self,
        id: MessageId,
        caller: Option<String>,
        now: UnixMs,
    ) -> Result<Withdrawn, StoreError> {
        let actor = if caller.is_some() { Actor::Caller } else { Actor::Operator };
        self.write(1, async move |tx| tokens::withdraw(tx, id, caller.as_deref(), actor, now).await).await
    }

    async fn withdraw_lane(&self, lane: Lane, now: UnixMs) -> Result<u64, StoreError> {
        // What is accepted meanwhile stays, else a busy sender would keep this going for ever.
        let last = MessageId::new(now, 0xfff, [0xff; 8]);
        let rows = usize::try_from(PIECE).unwrap_or(0);
        let mut all = 0;
        loop {
            let (some, more) =
                self.write(rows, async move |tx| lanes::withdraw(tx, lane, last, now).await).await?;
            all += some;
            if !more {
                return Ok(all);
            }
        }
    }

    async fn retry(&self, retry: Retry) -> Result<Retried, StoreError> {
        self.write(2, async move |tx| again::retry(tx, &retry).await).await
    }

    async fn pause_lane(&self, lane: Lane, paused: Option<Paused>) -> Result<bool, StoreError> {
        self.write(1, async move |tx| lanes::pause(tx, lane, paused.as_ref()).await).await
    }

    async fn lanes(&self, now: UnixMs) -> Result<Vec<LaneRecord>, StoreError> {
        let most = locked(&self.inner.gate).bounds();
        self.ask(async move |view| view.lanes(&most, now).await).await
    }

    async fn parcels(
        &self,
        now: UnixMs,
        until: UnixMs,
        rooms: Vec<(String, usize)>,
    ) -> Result<Parcels, StoreError> {
        self.write(rooms.len(), async move |tx| outbox::take(tx, now, until, &rooms).await).await
    }

    async fn keep_hooks(&self, known: Vec<String>, now: UnixMs) -> Result<(), StoreError> {
        self.write(1, async move |tx| outbox::keep_hooks(tx, &known, now).await).await
    }

    async fn carried(&self, ends: Vec<(ParcelId, Carried)>, now: UnixMs) -> Result<(), StoreError> {
        self.write(ends.len(), async move |tx| outbox::carried(tx, &ends, now).await).await
    }

    async fn outbox(&self) -> Result<Vec<OutboxCount>, StoreError> {
        self.ask(async |view| view.outbox().await).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        self.ask(async move |view| view.message(id).await).await
    }

    async fn messages(&self, filter: Filter) -> Result<Page, StoreError> {
        self.ask(async move |view| view.messages(&filter).await).await
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        self.ask(async |view| view.counts().await).await
    }

    async fn waiting(&self, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        self.ask(async move |view| view.waiting(now).await).await
    }

    async fn add_token(&self, token: TokenRecord) -> Result<(), StoreError> {
        self.write(1, async move |tx| tokens::add(tx, &token).await).await
    }

    async fn tokens(&self, user: Option<String>) -> Result<Vec<TokenRecord>, StoreError> {
        self.ask(async move |view| view.tokens(user.as_deref()).await).await
    }

    async fn token(&self, serial: String) -> Result<Option<TokenRecord>, StoreError> {
        self.ask(async move |view| view.token(&serial).await).await
    }

    async fn remove_token(&self, serial: String) -> Result<bool, StoreError> {
        self.write(1, async move |tx| tokens::remove(tx, &serial).await).await
    }

    async fn trigger(&self, triggers: Vec<Trigger>) -> Result<Triggered, StoreError> {
        let permit = permit(&self.inner.accepts, ACCEPTS)?;
        let brought = triggers.iter().map(|trigger| trigger.message.id).collect();
        let work = async move |tx: &Tx<'_>| accept::trigger(tx, &triggers).await;
        self.submit(3, permit, brought, work).await
    }

    async fn conversions(&self, since: UnixMs, now: UnixMs) -> Result<Conversions, StoreError> {
        self.ask(async move |view| view.conversions(since, now).await).await
    }

    async fn challenges(&self, serials: Vec<String>) -> Result<Vec<ChallengeRecord>, StoreError> {
        self.ask(async move |view| view.challenges(&serials).await).await
    }

    async fn answer(&self, transaction: String, serial: String, now: UnixMs) -> Result<bool, StoreError> {
        self.write(4, async move |tx| tokens::answer(tx, &transaction, &serial, now).await).await
    }

    async fn fail(&self, serials: Vec<String>) -> Result<(), StoreError> {
        self.write(serials.len(), async move |tx| tokens::fail(tx, &serials).await).await
    }

    async fn raise_alarm(&self, alarm: Alarm, now: UnixMs) -> Result<Raised, StoreError> {
        self.write(1, async move |tx| alarms::raise(tx, &alarm, now).await).await
    }

    async fn clear_alarm(&self, id: AlarmId, now: UnixMs) -> Result<bool, StoreError> {
        self.write(1, async move |tx| alarms::clear(tx, id, now).await).await
    }

    async fn alarms(&self, which: Alarms) -> Result<Vec<AlarmRecord>, StoreError> {
        self.ask(async move |view| view.alarms(which).await).await
    }

    async fn recover(&self, now: UnixMs) -> Result<Recovered, StoreError> {
        self.write(1, async move |tx| outbox::recover(tx, now).await).await?;
        let cause = "the daemon stopped while it was leaving";
        self.take_back(Whose::Own, TakenBack { actor: Actor::Recovery, cause }, now).await
    }

    async fn sweep(&self, now: UnixMs, keep: impl Into<Keep> + Send) -> Result<(), StoreError> {
        let keep: Keep = keep.into();
        let (dead, texts, over) = (now.minus(DEAD_CHALLENGE), now.minus(keep.inbox), now.minus(keep.alarms));
        let rows = usize::try_from(PIECE).unwrap_or(0);
        while self.write(rows, async move |tx| recovery::expire(tx, now).await).await? {}
        let cause = "its lease lapsed while it was leaving";
        self.take_back(Whose::Lapsed(now), TakenBack { actor: Actor::Janitor, cause }, now).await?;
        while self.write(rows, async move |tx| keep::erase(tx, now).await).await? {}
        for (lane, keep) in Lane::ALL.into_iter().zip(keep.lanes) {
            let old = now.minus(keep);
            while self.write(rows, async move |tx| recovery::purge(tx, lane, old).await).await? {}
        }
        let old = now.minus(keep.numbers);
        while self.forget_numbers(old).await? {}
        while self.write(rows, async move |tx| keep::forget_senders(tx, old).await).await? {}
        while self.write(rows, async move |tx| recovery::purge_challenges(tx, dead).await).await? {}
        while self.write(rows, async move |tx| inbox::purge(tx, texts, now).await).await? {}
        while self.write(rows, async move |tx| alarms::purge(tx, over).await).await? {}
        let given_up = now.minus(DEAD_PARCELS_KEPT);
        while self.write(rows, async move |tx| outbox::purge(tx, given_up).await).await? {}
        while self.write(rows, async move |tx| spent::purge(tx, now).await).await? {}
        while self.write(rows, async move |tx| allowance::purge(tx, now).await).await? {}
        while self.write(rows, async move |tx| inbox::expire(tx, now).await).await? {}
        let compared = now.minus(keep.longest());
        self.write(1, async move |tx| rekey::forget(tx, compared).await).await
    }
}
