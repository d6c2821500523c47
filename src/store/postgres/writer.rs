//! The writing task: it takes all waiting jobs into one transaction, then serves standing demands for leases in the same
//! transaction, commits, and only then answers.
//!
//! ```text
//! wait -> BEGIN, the server's clock -> undo what was in doubt -> accepts | turns | others -> leases -> counters, NOTIFY -> COMMIT
//! ```
//!
//! While the database is away, work is refused at once with the cause, and demands stand. A commit whose answer never came is in
//! doubt: everybody was told that it failed, so that is made true ([`recovery::undo`]) before anything else is done on the next
//! connection. The next connection exists only when the server has ended the last one, since both need the appliance's lock.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use uuid::Uuid;

use super::link::{Address, Link, PATIENCE};
use super::messages::{self, Messages};
use super::outbox::News;
use super::recovery::{self, Doubt};
use super::spent::Ledger;
use super::time::{Stamp, Times};
use super::{Tx, accept, appliance, lease, report, spent, turn};
use crate::clock;
use crate::fault::{self, Point};
use crate::queue::message::{Lane, MessageId, NewMessage};
use crate::store::feed::Feed;
use crate::store::seal::Keyring;
use crate::store::sqlite::lanes::Shared as Gate;
use crate::store::sqlite::lease::Hints;
use crate::store::sqlite::writer::Counters;
use crate::store::{Accepted, Begun, Leased, Report, StoreError, Turn, Want};
use crate::units::UnixMs;

/// Rows written by one commit, roughly: a longer one would keep every modem waiting for its attempt.
const BATCH_ROWS: usize = 512;
/// What a neighbour left in the queue is found after this even if no word of it came; also how often a connection without work
/// shows that both ends are there.
const POLL: Duration = Duration::from_secs(5);
/// Word goes out at most so often: a commit that carries one waits for every other such commit of the database.
const TELL_EVERY: Duration = Duration::from_millis(20);
/// Pauses between attempts to connect double from the first to the last of these.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// How often a conflict with another appliance is tried again.
const CONFLICTS: usize = 4;

const CLOCK: &str = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
const TELL: &str = "SELECT pg_notify('smsotpd', $1)";

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked for.
pub(super) enum Job {
    /// Messages to accept.
    Accept(Asked<Vec<NewMessage>, Vec<Accepted>>),
    /// A turn of the dispatcher.
    Turn(Asked<Turn, Vec<Begun>>),
    /// A handset report.
    Report(Asked<Report, Option<MessageId>>),
    /// Something else to write.
    Work(Box<dyn Work>),
    /// A demand for leases, which stands until it can be met.
    Lease(Demand),
    /// Finish what waits, then end.
    Close,
}

/// A job that is done together with others of its kind.
pub(super) struct Asked<Q, A> {
    pub(super) what: Q,
    pub(super) rows: usize,
    stamp: Stamp,
    answer: Answer<A>,
    done: Option<A>,
    /// Given back with the answer.
    _permit: OwnedSemaphorePermit,
}

impl<Q, A> Asked<Q, A> {
    pub(super) fn new(what: Q, rows: usize, answer: Answer<A>, permit: OwnedSemaphorePermit) -> Self {
        Self { what, rows, stamp: Stamp::now(), answer, done: None, _permit: permit }
    }

    fn settle(self, failed: Option<&StoreError>) {
        let result = match (failed, self.done) {
            (None, Some(done)) => Ok(done),
            (failed, _) => Err(failed.map_or(StoreError::Closed, copy)),
        };
        // Whoever no longer waits for the answer has it in the rows.
        let _ = self.answer.send(result);
    }
}

/// A job of its own.
pub(super) trait Work: Send {
    /// About how many rows it writes.
    fn rows(&self) -> usize;
    /// When it was asked for.
    fn stamp(&self) -> Stamp;
    /// Runs in the transaction; once more if that fails for another's fault.
    fn run<'a>(&'a mut self, tx: &'a Tx<'_>) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'a>>;
    /// Messages that must not stay if its commit is in doubt.
    fn brought(&self) -> Vec<MessageId>;
    /// Answers, after the commit or its failure.
    fn settle(self: Box<Self>, failed: Option<&StoreError>);
}

/// A job made of a function.
pub(super) struct Task<T, F> {
    pub(super) asked: Asked<F, T>,
    pub(super) brought: Vec<MessageId>,
}

impl<T, F> Work for Task<T, F>
where
    T: Send,
    F: AsyncFn(&Tx<'_>) -> Result<T, StoreError> + Send,
{
    fn rows(&self) -> usize {
        self.asked.rows
    }

    fn stamp(&self) -> Stamp {
        self.asked.stamp
    }

    fn run<'a>(&'a mut self, tx: &'a Tx<'_>) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'a>> {
        Box::pin(async move {
            self.asked.done = Some((self.asked.what)(tx).await?);
            Ok(())
        })
    }

    fn brought(&self) -> Vec<MessageId> {
        self.brought.clone()
    }

    fn settle(self: Box<Self>, failed: Option<&StoreError>) {
        self.asked.settle(failed);
    }
}

/// A demand for leases.
pub(super) struct Demand {
    pub(super) want: Want,
    pub(super) answer: Answer<Vec<Leased>>,
    /// Not yet tried.
    pub(super) fresh: bool,
    pub(super) permit: OwnedSemaphorePermit,
}

/// Jobs of one transaction.
#[derive(Default)]
struct Batch {
    accepts: Vec<Asked<Vec<NewMessage>, Vec<Accepted>>>,
    turns: Vec<Asked<Turn, Vec<Begun>>>,
    reports: Vec<Asked<Report, Option<MessageId>>>,
    works: Vec<Box<dyn Work>>,
    rows: usize,
}

impl Batch {
    fn len(&self) -> usize {
        self.accepts.len() + self.turns.len() + self.reports.len() + self.works.len()
    }

    fn settle(self, failed: Option<&StoreError>) {
        self.accepts.into_iter().for_each(|one| one.settle(failed));
        self.turns.into_iter().for_each(|one| one.settle(failed));
        self.reports.into_iter().for_each(|one| one.settle(failed));
        self.works.into_iter().for_each(|one| one.settle(failed));
    }

    /// Each job as a batch of its own.
    fn apart(self) -> impl Iterator<Item = Self> {
        let accepts = self.accepts.into_iter().map(|one| Self { accepts: vec![one], ..Self::default() });
        let turns = self.turns.into_iter().map(|one| Self { turns: vec![one], ..Self::default() });
        let reports = self.reports.into_iter().map(|one| Self { reports: vec![one], ..Self::default() });
        let works = self.works.into_iter().map(|one| Self { works: vec![one], ..Self::default() });
        accepts.chain(turns).chain(reports).chain(works)
    }

    /// What must be undone should this batch be durable though everybody was told otherwise. A message with a key stays: its caller
    /// asks again with that key, here or elsewhere, and is to find it.
    fn doubt(&self, doubt: &mut Doubt) {
        for asked in &self.accepts {
            let keyless = asked.what.iter().filter(|message| message.idempotency.is_none());
            doubt.accepted.extend(keyless.map(|message| message.id));
        }
        for asked in &self.turns {
            let verdicts = asked.done.iter().flatten();
            let durable = asked.what.begun.iter().zip(verdicts).filter(|(_, said)| **said == Begun::Durable);
            doubt.begun.extend(durable.map(|(begin, _)| begin.clone()));
        }
        doubt.accepted.extend(self.works.iter().flat_map(|work| work.brought()));
    }
}

/// How a transaction failed.
enum Broken {
    /// It was rolled back; the connection is good.
    Rolled(StoreError),
    /// The connection is gone.
    Lost(StoreError),
}

/// What the writer and the readers share.
pub(super) struct Ground {
    pub(super) address: Address,
    pub(super) keys: Arc<ArcSwap<Keyring>>,
    pub(super) me: Uuid,
    pub(super) times: Rc<Times>,
    pub(super) counters: Arc<Counters>,
    pub(super) feed: Arc<Feed>,
    pub(super) gate: Gate,
}

impl Ground {
    /// Connects as the one writer of this appliance. `last` is the server's process of the connection before, which we lost.
    pub(super) async fn connect(&self, last: Option<i32>) -> Result<Link, StoreError> {
        let link = Link::open(&self.address, self.me).await?;
        let ready = async {
            let lock = appliance::lock(self.me);
            let got = link.first("SELECT pg_try_advisory_lock($1)", &[&lock]).await?;
            if !got.map_or(Ok(false), |row| row.try_get(0))? {
                if let Some(last) = last {
                    let end = "SELECT pg_terminate_backend(pid) FROM pg_locks
                        WHERE locktype = 'advisory' AND granted AND pid = $1 LIMIT 1";
                    link.query(end, &[&last]).await?;
                }
                return Err(StoreError::Unreachable(
                    "another session holds this appliance's id; the server may not have noticed yet that it ended".to_owned(),
                ));
            }
            let alive =
                "SELECT set_config(name, '30s', false) FROM pg_settings WHERE name = 'idle_session_timeout'";
            link.query(alive, &[]).await?;
            link.batch("LISTEN smsotpd").await?;
            link.learn(&[CLOCK, TELL]).await?;
            link.learn(&messages::STATEMENTS).await?;
            link.learn(&report::STATEMENTS).await?;
            link.learn(&lease::STATEMENTS).await
        };
        tokio::time::timeout(PATIENCE, ready)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unreachable("no answer in time".to_owned())))?;
        Ok(link)
    }

    /// Remembers why nothing can be written, until something can.
    fn note(&self, trouble: Option<String>) {
        *self.counters.unwritable.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// The task's state.
pub(super) struct Writer {
    ground: Rc<Ground>,
    jobs: mpsc::Receiver<Job>,
    hints: RefCell<Hints>,
    demands: Vec<Demand>,
    doubt: Doubt,
    /// Something came into our queue of which the others do not know.
    owed: Cell<bool>,
    told: Cell<Instant>,
    /// Everything was asked then.
    polled: Instant,
    closing: bool,
}

impl Writer {
    pub(super) fn new(ground: Rc<Ground>, jobs: mpsc::Receiver<Job>) -> Self {
        let now = clock::monotonic();
        Self {
            ground,
            jobs,
            hints: RefCell::new(Hints::unknown()),
            demands: Vec::new(),
            doubt: Doubt::default(),
            owed: Cell::new(false),
            told: Cell::new(now),
            polled: now,
            closing: false,
        }
    }

    /// Until the store is closed or its last handle is gone.
    pub(super) async fn run(mut self, first: Link) {
        let mut link = first;
        loop {
            let lost = self.serve(&link).await;
            let Some(cause) = lost else { break };
            let process = link.process;
            drop(link);
            match self.reconnect(process, cause).await {
                Some(new) => link = new,
                None => break,
            }
        }
        for demand in self.demands.drain(..) {
            let _ = demand.answer.send(Err(StoreError::Closed));
        }
    }

    /// Works until the end (`None`) or until the connection is lost.
    async fn serve(&mut self, link: &Link) -> Option<StoreError> {
        while let Some(batch) = self.gather(link).await {
            self.demands.retain(|demand| !demand.answer.is_closed());
            let lost = self.commit(link, batch).await.err();
            for demand in &mut self.demands {
                demand.fresh = false;
            }
            if lost.is_some() {
                return lost;
            }
        }
        None
    }

    /// Refuses work until there is a connection again; `None` at the end.
    async fn reconnect(&mut self, process: i32, cause: StoreError) -> Option<Link> {
        tracing::error!(store = self.ground.address.shown, %cause, "the database is lost; new work is refused");
        self.ground.note(Some(cause.to_string()));
        *self.hints.borrow_mut() = Hints::unknown();
        let (mut cause, mut pause) = (cause, FIRST_PAUSE);
        loop {
            let ground = Rc::clone(&self.ground);
            // Appliances that lost one server at one moment do not come back at one moment.
            let wait = pause.mul_f64(0.5 + fastrand::f64());
            let attempt = async move {
                tokio::time::sleep(wait).await;
                ground.connect(Some(process)).await
            };
            tokio::pin!(attempt);
            let connected = loop {
                tokio::select! {
                    connected = &mut attempt => break connected,
                    job = self.jobs.recv() => match job {
                        None | Some(Job::Close) => return None,
                        Some(Job::Lease(demand)) => self.demands.push(demand),
                        Some(job) => {
                            let mut batch = Batch::default();
                            self.take(job, &mut batch);
                            batch.settle(Some(&cause));
                        }
                    },
                }
            };
            match connected {
                Ok(link) => {
                    tracing::warn!(store = self.ground.address.shown, "the database is back");
                    self.ground.note(None);
                    return Some(link);
                }
                Err(error) => cause = error,
            }
            self.ground.note(Some(cause.to_string()));
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Waits for work, then takes all that is there; `None` at the end.
    async fn gather(&mut self, link: &Link) -> Option<Batch> {
        let mut batch = Batch::default();
        if !self.closing && self.doubt.is_none() && !link.is_lost() {
            let patience = self.patience();
            tokio::select! {
                biased;
                job = self.jobs.recv() => match job {
                    Some(job) => self.take(job, &mut batch),
                    None => self.closing = true,
                },
                () = link.heard.something() => {}
                () = tokio::time::sleep(patience) => {}
            }
        }
        while batch.rows < BATCH_ROWS {
            match self.jobs.try_recv() {
                Ok(job) => self.take(job, &mut batch),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    self.closing = true;
                    break;
                }
            }
        }
        if self.closing && batch.len() == 0 {
            return None;
        }
        if link.heard.take() || self.polled.elapsed() >= POLL {
            *self.hints.borrow_mut() = Hints::unknown();
            self.polled = clock::monotonic();
        }
        Some(batch)
    }

    fn take(&mut self, job: Job, batch: &mut Batch) {
        // What writes nothing still takes its way.
        match job {
            Job::Accept(asked) => {
                batch.rows += asked.rows + 1;
                batch.accepts.push(asked);
            }
            Job::Turn(asked) => {
                batch.rows += asked.rows + 1;
                batch.turns.push(asked);
            }
            Job::Report(asked) => {
                batch.rows += asked.rows + 1;
                batch.reports.push(asked);
            }
            Job::Work(work) => {
                batch.rows += work.rows() + 1;
                batch.works.push(work);
            }
            Job::Lease(demand) => self.demands.push(demand),
            Job::Close => self.closing = true,
        }
    }

    /// How long there is nothing to do.
    fn patience(&self) -> Duration {
        let hints = self.hints.borrow();
        let next = self.demands.iter().map(|demand| hints.next(demand.want.lanes)).min();
        let due = next.map_or(POLL, |next| next.since(self.ground.times.server()));
        let word = if self.owed.get() { TELL_EVERY.saturating_sub(self.told.get().elapsed()) } else { POLL };
        due.min(word).min(POLL.saturating_sub(self.polled.elapsed()))
    }

    /// One transaction with all of it, or, if that fails by one job's fault, each job in its own. An error: the connection is lost.
    async fn commit(&mut self, link: &Link, mut batch: Batch) -> Result<(), StoreError> {
        self.ground.counters.jobs.fetch_add(batch.len() as u64, Ordering::Relaxed);
        match self.attempt(link, &mut batch, true).await {
            Ok(granted) => {
                batch.settle(None);
                self.grant(granted);
                Ok(())
            }
            Err(Broken::Lost(error)) => {
                batch.settle(Some(&error));
                Err(error)
            }
            Err(Broken::Rolled(error)) if batch.len() == 0 => self.refused(link, &error).await,
            Err(Broken::Rolled(error))
                if batch.len() == 1 && self.demands.is_empty() && !link.take_conflict() =>
            {
                batch.settle(Some(&error));
                Ok(())
            }
            Err(Broken::Rolled(_)) => {
                let mut rest = batch.apart();
                while let Some(one) = rest.next() {
                    if let Err(lost) = self.commit_one(link, one).await {
                        rest.for_each(|one| one.settle(Some(&lost)));
                        return Err(lost);
                    }
                }
                Ok(())
            }
        }
    }

    async fn commit_one(&mut self, link: &Link, mut one: Batch) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.attempt(link, &mut one, false).await {
                Ok(_) => {
                    one.settle(None);
                    return Ok(());
                }
                Err(Broken::Rolled(_)) if link.take_conflict() && tries < CONFLICTS => {}
                Err(Broken::Rolled(error)) => {
                    if let StoreError::Unwritable(why) = &error {
                        self.ground.note(Some(why.clone()));
                    }
                    one.settle(Some(&error));
                    return Ok(());
                }
                Err(Broken::Lost(error)) => {
                    one.settle(Some(&error));
                    return Err(error);
                }
            }
        }
    }

    /// Leases alone failed. A conflict is over by the next time; anything else is told, lest it be tried for ever.
    async fn refused(&mut self, link: &Link, error: &StoreError) -> Result<(), StoreError> {
        if !link.take_conflict() {
            for demand in self.demands.drain(..) {
                let _ = demand.answer.send(Err(copy(error)));
            }
            if !self.doubt.is_none() {
                // What cannot be undone now is not tried in a circle: the leases and attempts lapse by time.
                tracing::error!(%error, "what was in doubt could not be settled; it lapses");
                self.doubt = Doubt::default();
            }
        }
        tokio::time::sleep(TELL_EVERY).await;
        Ok(())
    }

    /// Runs one transaction. With `leasing` the standing demands are served in it; what was granted is told by their places.
    async fn attempt(
        &mut self,
        link: &Link,
        batch: &mut Batch,
        leasing: bool,
    ) -> Result<Vec<(usize, Vec<Leased>)>, Broken> {
        let committing = Cell::new(false);
        let granted = RefCell::new(Vec::new());
        let done =
            tokio::time::timeout(PATIENCE, self.transact(link, batch, leasing, &granted, &committing)).await;
        let error = match done {
            Ok(Ok(())) => {
                self.doubt = Doubt::default();
                if batch.len() > 0 || !granted.borrow().is_empty() {
                    self.ground.counters.commits.fetch_add(1, Ordering::Relaxed);
                    self.ground.note(None);
                }
                return Ok(granted.into_inner());
            }
            Ok(Err(error)) => error,
            Err(_) => StoreError::Unreachable(format!("no answer within {} seconds", PATIENCE.as_secs())),
        };
        *self.hints.borrow_mut() = Hints::unknown();
        let silent = matches!(error, StoreError::Unreachable(_)) || link.is_lost();
        let rolled =
            !silent && matches!(tokio::time::timeout(PATIENCE, link.batch("ROLLBACK")).await, Ok(Ok(())));
        if rolled {
            return Err(Broken::Rolled(error));
        }
        if committing.get() {
            batch.doubt(&mut self.doubt);
            let leases = granted.into_inner().into_iter().flat_map(|(_, leased)| leased);
            self.doubt.leased.extend(leases.map(|leased: Leased| (leased.id, leased.epoch)));
        }
        Err(Broken::Lost(error))
    }

    async fn transact(
        &self,
        link: &Link,
        batch: &mut Batch,
        leasing: bool,
        granted: &RefCell<Vec<(usize, Vec<Leased>)>>,
        committing: &Cell<bool>,
    ) -> Result<(), StoreError> {
        let ground = &self.ground;
        let alone = batch.len() == 1;
        let keys = ground.keys.load_full();
        let ((), clock) = tokio::try_join!(link.batch("BEGIN"), link.first(CLOCK, &[]))?;
        let now = UnixMs(clock.ok_or_else(|| super::corrupt("clock"))?.try_get(0)?);
        ground.times.learn(now);
        let tx = Tx {
            link,
            keys: &keys,
            me: ground.me,
            now,
            shift: Cell::new(ground.times.shift(Stamp::now())),
            hints: &self.hints,
            ledger: RefCell::new(Ledger::default()),
            over: &ground.counters.over,
            alone,
            queued: Cell::new(false),
            changed: Cell::new(false),
            news: News::new(&ground.feed),
            gate: &ground.gate,
            unsent: Cell::new(None),
        };
        if !self.doubt.is_none() {
            recovery::undo(&tx, &self.doubt).await?;
        }
        let turned = turn::ids(batch.turns.iter().map(|asked| &asked.what));
        let ((), messages) =
            tokio::try_join!(self.accept(&tx, &mut batch.accepts), Messages::load(&tx, turned))?;
        self.turn(&tx, messages, &mut batch.turns, &mut batch.reports).await?;
        for work in &mut batch.works {
            tx.shift.set(ground.times.shift(work.stamp()));
            work.run(&tx).await?;
        }
        if leasing {
            tx.shift.set(ground.times.shift(Stamp::now()));
            self.lease(&tx, granted).await?;
        }
        spent::write(&tx).await?;
        self.tell(&tx).await?;
        committing.set(true);
        fault::point(Point::BeforeCommit);
        link.batch("COMMIT").await?;
        fault::point(Point::AfterCommit);
        tx.news.publish();
        Ok(())
    }

    async fn accept(
        &self,
        tx: &Tx<'_>,
        accepts: &mut [Asked<Vec<NewMessage>, Vec<Accepted>>],
    ) -> Result<(), StoreError> {
        if accepts.is_empty() {
            return Ok(());
        }
        let times = &self.ground.times;
        let all: Vec<_> = accepts
            .iter()
            .flat_map(|asked| asked.what.iter().map(|message| (message, times.shift(asked.stamp))))
            .collect();
        let mut accepted = accept::accept(tx, &all).await?.into_iter();
        for asked in accepts {
            asked.done = Some(accepted.by_ref().take(asked.what.len()).collect());
        }
        Ok(())
    }

    /// What ends and begins, then the reports, which may be for what has just ended.
    async fn turn(
        &self,
        tx: &Tx<'_>,
        mut messages: Messages,
        turns: &mut [Asked<Turn, Vec<Begun>>],
        reports: &mut [Asked<Report, Option<MessageId>>],
    ) -> Result<(), StoreError> {
        let times = &self.ground.times;
        for asked in turns {
            asked.done = Some(turn::turn(tx, &mut messages, &asked.what, times.shift(asked.stamp)));
        }
        let all: Vec<_> = reports.iter().map(|asked| (&asked.what, times.shift(asked.stamp))).collect();
        // The server takes them in this order.
        let ((), found) = tokio::try_join!(messages.save(tx), report::find(tx, &all))?;
        let done = report::reports(tx, &all, found).await?;
        for (asked, done) in reports.iter_mut().zip(done) {
            asked.done = Some(done);
        }
        Ok(())
    }

    /// Meets the standing demands in their order. Whether a lane is worth asking is judged by what was known before the first of them:
    /// what one passes over for want of its SIM may be just what the next one waits for.
    async fn lease(
        &self,
        tx: &Tx<'_>,
        granted: &RefCell<Vec<(usize, Vec<Leased>)>>,
    ) -> Result<(), StoreError> {
        let known = *self.hints.borrow();
        for (place, demand) in self.demands.iter().enumerate() {
            if demand.answer.is_closed() || !known.worth_any(demand.want.lanes, tx.now, demand.fresh) {
                continue;
            }
            let leased = lease::lease(tx, &demand.want, &known, demand.fresh).await?;
            if !leased.is_empty() {
                granted.borrow_mut().push((place, leased));
            }
        }
        Ok(())
    }

    /// Wakes the other appliances if something stays in the queue that they may not know of.
    async fn tell(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.owed.set(self.owed.get() || tx.queued.get() || tx.changed.get());
        if !self.owed.get() {
            return Ok(());
        }
        if self.hints.borrow().next(Lane::Bulk) == UnixMs(i64::MAX) && !tx.changed.get() {
            // We took all of it ourselves.
            self.owed.set(false);
            return Ok(());
        }
        if tx.changed.get() || self.told.get().elapsed() >= TELL_EVERY {
            tx.link.query(TELL, &[&tx.me.to_string()]).await?;
            self.owed.set(false);
            self.told.set(clock::monotonic());
        }
        Ok(())
    }

    fn grant(&mut self, granted: Vec<(usize, Vec<Leased>)>) {
        for (place, leased) in granted.into_iter().rev() {
            let demand = self.demands.remove(place);
            if let Err(Ok(leased)) = demand.answer.send(Ok(leased)) {
                self.doubt.leased.extend(leased.iter().map(|leased| (leased.id, leased.epoch)));
            }
            drop(demand.permit);
        }
    }
}

/// One failure told to many.
fn copy(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unreachable(why) => StoreError::Unreachable(why.clone()),
        StoreError::Unwritable(why) => StoreError::Unwritable(why.clone()),
        StoreError::Exists(what) => StoreError::Exists(what.clone()),
        StoreError::Sealed(why) => StoreError::Sealed(why.clone()),
        StoreError::Busy(jobs) => StoreError::Busy(*jobs),
        StoreError::Closed => StoreError::Closed,
        StoreError::Conflict(places) => StoreError::Conflict(places.clone()),
        StoreError::Damaged(what) => StoreError::Damaged(what.clone()),
        StoreError::Full(full) => StoreError::Full(*full),
        StoreError::OverBudget(over) => StoreError::OverBudget(over.clone()),
        StoreError::Engine(why) => StoreError::Engine(why.clone()),
    }
}
