//! The writing thread: it takes all waiting jobs into one transaction, then serves standing demands for leases in the same
//! transaction, commits, and only then answers.
//!
//! ```text
//! recv (no timeout while nothing is due) -> BEGIN -> job, job, ... each in its savepoint -> leases -> COMMIT -> replies
//! ```
//!
//! A message that is accepted while a dispatcher stands waiting is therefore leased by the very commit that makes it durable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::lease::{self, Hints};
use super::outbox::News;
use super::{Tx, checkpoint, keep_as_found};
use crate::clock;
use crate::fault::{self, Point};
use crate::queue::message::MessageId;
use crate::store::seal::Keyring;
use crate::store::{Leased, StoreError, Want};
use crate::telemetry::over_budget::OverBudget;
use crate::units::UnixMs;

/// Rows written by one commit, roughly: a longer one would keep every modem waiting for its attempt.
const BATCH_ROWS: usize = 256;
/// A wait for a due row is cut into pieces of this, lest a wall clock that was set back hide it.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What the writer is asked for.
pub(in crate::store) enum Job {
    /// Something to write.
    Work(Work),
    /// A demand for leases, which stands until it can be met.
    Lease(Demand),
    /// Finish what waits, then end.
    Close,
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;
/// Runs in the transaction, or learns that there is none.
type Run = Box<dyn FnOnce(Result<&mut Tx<'_>, StoreError>) -> Ran + Send>;
/// Answers, after the commit (`None`) or its failure.
type Settle = Box<dyn FnOnce(Option<StoreError>)>;

/// One job with its answer.
pub(in crate::store) struct Work {
    rows: usize,
    run: Run,
}

/// A job that ran and waits for the commit.
struct Ran {
    failed: bool,
    /// A refusal that says something of the disk.
    told: Option<StoreError>,
    settle: Settle,
}

impl Work {
    /// `rows` is about how many rows it writes. The permit is given back with the answer.
    pub(in crate::store) fn new<T: Send + 'static>(
        rows: usize,
        permit: Option<OwnedSemaphorePermit>,
        answer: Answer<T>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Self {
        let run = move |tx: Result<&mut Tx<'_>, StoreError>| {
            let done = tx.and_then(work);
            let failed = done.is_err();
            let told = done.as_ref().err().filter(|error| tells_of_disk(error)).map(copy);
            let settle = move |lost: Option<StoreError>| {
                // Whoever no longer waits for the answer has it in the rows.
                let _ = answer.send(match lost {
                    Some(error) if done.is_ok() => Err(error),
                    _ => done,
                });
                drop(permit);
            };
            Ran { failed, told, settle: Box::new(settle) }
        };
        Self { rows, run: Box::new(run) }
    }
}

/// A demand for leases.
pub(in crate::store) struct Demand {
    pub(in crate::store) want: Want,
    pub(in crate::store) answer: Answer<Vec<Leased>>,
    /// Not yet tried.
    pub(in crate::store) fresh: bool,
    pub(in crate::store) permit: OwnedSemaphorePermit,
}

/// What the writer counts.
#[derive(Debug, Default)]
pub(in crate::store) struct Counters {
    pub(in crate::store) commits: AtomicU64,
    pub(in crate::store) jobs: AtomicU64,
    /// Why the last write was refused by the disk.
    pub(in crate::store) unwritable: Mutex<Option<String>>,
    /// Requests over budget.
    pub(in crate::store) over: OverBudget,
    /// What is wrong with the database; it stays so.
    damaged: watch::Sender<Option<String>>,
}

impl Counters {
    /// Remembers that the database is damaged, if that is what went wrong.
    pub(super) fn note(&self, error: &StoreError) {
        if let StoreError::Damaged(what) = error {
            self.damaged.send_if_modified(|known| {
                let news = known.is_none();
                known.get_or_insert_with(|| what.clone());
                news
            });
        }
    }

    /// What is wrong with the database, once it is.
    pub(super) fn damage(&self) -> Option<String> {
        self.damaged.borrow().clone()
    }

    /// Waits until something is wrong with the database.
    pub(in crate::store) async fn damaged(&self) -> String {
        let mut damaged = self.damaged.subscribe();
        let found = damaged.wait_for(Option::is_some).await;
        // The sender is `self`, so that it does not go away.
        found.ok().and_then(|what| what.clone()).unwrap_or_default()
    }
}

/// The thread's state.
pub(in crate::store) struct Writer {
    conn: Connection,
    keys: Arc<ArcSwap<Keyring>>,
    jobs: Receiver<Job>,
    counters: Arc<Counters>,
    pause: Option<Duration>,
    hints: Hints,
    news: News,
    demands: Vec<Demand>,
    /// Leases whose asker went away while they were being committed.
    unclaimed: Vec<(MessageId, i64)>,
    closing: bool,
}

impl Writer {
    pub(in crate::store) fn new(
        conn: Connection,
        keys: Arc<ArcSwap<Keyring>>,
        jobs: Receiver<Job>,
        counters: Arc<Counters>,
        pause: Option<Duration>,
        news: News,
    ) -> Self {
        let (hints, demands, unclaimed) = (Hints::unknown(), Vec::new(), Vec::new());
        Self { conn, keys, jobs, counters, pause, hints, news, demands, unclaimed, closing: false }
    }

    /// Until the store is closed or its last handle is gone.
    pub(in crate::store) fn run(mut self) {
        while let Some(batch) = self.gather() {
            self.demands.retain(|demand| !demand.answer.is_closed());
            if !batch.is_empty() || !self.unclaimed.is_empty() || self.worth_leasing() {
                self.commit(batch);
            }
            for demand in &mut self.demands {
                demand.fresh = false;
            }
        }
        for demand in self.demands.drain(..) {
            let _ = demand.answer.send(Err(StoreError::Closed));
        }
        match self.counters.damage() {
            None => checkpoint(&self.conn),
            Some(_) => keep_as_found(&self.conn),
        }
    }

    /// Waits for work, then takes all that is there; `None` at the end.
    fn gather(&mut self) -> Option<Vec<Work>> {
        let mut batch = Vec::new();
        let mut rows = 0;
        let mut next = self.wait()?;
        while let Some(job) = next {
            match job {
                Job::Work(work) => {
                    rows += work.rows;
                    batch.push(work);
                }
                Job::Lease(demand) => self.demands.push(demand),
                Job::Close => self.closing = true,
            }
            next = if rows < BATCH_ROWS { self.jobs.try_recv().ok() } else { None };
        }
        Some(batch)
    }

    /// The next job; `Some(None)` when there is something to do without one.
    fn wait(&mut self) -> Option<Option<Job>> {
        if self.closing || !self.unclaimed.is_empty() {
            return match self.jobs.try_recv() {
                Ok(job) => Some(Some(job)),
                Err(TryRecvError::Empty) if !self.closing => Some(None),
                Err(_) => None,
            };
        }
        match self.patience() {
            None => self.jobs.recv().ok().map(Some),
            Some(patience) => match self.jobs.recv_timeout(patience) {
                Ok(job) => Some(Some(job)),
                Err(RecvTimeoutError::Timeout) => Some(None),
                Err(RecvTimeoutError::Disconnected) => None,
            },
        }
    }

    /// How long nothing can become due that somebody asks for.
    fn patience(&self) -> Option<Duration> {
        let next = self.demands.iter().map(|demand| self.hints.next(demand.want.lanes)).min()?;
        (next < UnixMs(i64::MAX)).then(|| next.since(clock::wall()).min(LONGEST_WAIT))
    }

    fn worth_leasing(&self) -> bool {
        let now = clock::wall();
        self.demands.iter().any(|demand| self.hints.worth_any(demand.want.lanes, now, demand.fresh))
    }

    fn commit(&mut self, batch: Vec<Work>) {
        let jobs = batch.len() as u64;
        // What is damaged is not written to: it might be made worse, and what was promised could not be kept.
        let sound = self.counters.damage().map_or(Ok(()), |what| Err(StoreError::Damaged(what)));
        if let Err(error) = sound.and_then(|()| statement(&self.conn, "BEGIN IMMEDIATE")) {
            self.note_disk(Some(&error), false);
            for work in batch {
                (work.run)(Err(copy(&error))).settle_now();
            }
            self.refuse_demands(&error);
            return;
        }
        self.hints.note_unsent(None);
        let changes = self.conn.total_changes();
        // Alone, a job that fails takes the transaction with it and needs no savepoint.
        let alone = batch.len() == 1 && self.unclaimed.is_empty();
        let mut lost = self.release_unclaimed().err();
        let mut ran = Vec::with_capacity(batch.len());
        for work in batch {
            match &lost {
                None => lost = self.run_one(work, alone, &mut ran).err(),
                Some(error) => ran.push((work.run)(Err(copy(error)))),
            }
        }
        let mut granted = Vec::new();
        if lost.is_none() {
            lost = self.serve(&mut granted).err();
        }
        if lost.is_none() {
            if let Some(pause) = self.pause {
                spin(pause);
            }
            if self.conn.total_changes() != changes {
                fault::point(Point::BeforeCommit);
            }
            lost = statement(&self.conn, "COMMIT").err();
        }
        if lost.is_some() {
            self.hints = Hints::unknown();
            if !self.conn.is_autocommit() {
                // It fails only where there is nothing left to roll back.
                let _ = statement(&self.conn, "ROLLBACK");
            }
        } else if self.conn.total_changes() != changes {
            fault::point(Point::AfterCommit);
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
        }
        if lost.is_some() {
            self.news.forget(0);
        } else {
            self.news.publish();
        }
        let refused = ran.iter().find_map(|one| one.told.as_ref());
        let written = lost.is_none() && self.conn.total_changes() != changes;
        self.note_disk(refused.or(lost.as_ref()), written);
        self.counters.jobs.fetch_add(jobs, Ordering::Relaxed);
        self.answer(ran, granted, lost.as_ref());
    }

    /// Remembers why the disk refused to be written, until it takes something again; and for ever that it lost something.
    fn note_disk(&self, refused: Option<&StoreError>, written: bool) {
        if let Some(error) = refused {
            self.counters.note(error);
        }
        let refused = refused.and_then(unwritable);
        if refused.is_some() || written {
            *self.counters.unwritable.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        }
    }

    /// Runs one job so that its failure leaves nothing of it; an error means that the whole transaction is gone.
    fn run_one(&mut self, work: Work, alone: bool, ran: &mut Vec<Ran>) -> Result<(), StoreError> {
        let keys = self.keys.load_full();
        let begun = if alone { Ok(()) } else { statement(&self.conn, "SAVEPOINT job") };
        if let Err(error) = begun {
            ran.push((work.run)(Err(copy(&error))));
            return Err(error);
        }
        let mark = self.news.mark();
        let one = (work.run)(Ok(&mut self.tx(&keys)));
        let failed = one.failed;
        let damage = one.told.as_ref().filter(|told| matches!(told, StoreError::Damaged(_))).map(copy);
        ran.push(one);
        if let Some(damage) = damage {
            return Err(damage);
        }
        if failed {
            self.news.forget(mark);
            self.hints = Hints::unknown();
        }
        if self.conn.is_autocommit() {
            return Err(StoreError::Unwritable("the engine rolled the transaction back".to_owned()));
        }
        match (alone, failed) {
            (true, false) => Ok(()),
            (true, true) => {
                statement(&self.conn, "ROLLBACK").and_then(|()| statement(&self.conn, "BEGIN IMMEDIATE"))
            }
            (false, false) => statement(&self.conn, "RELEASE job"),
            (false, true) => {
                statement(&self.conn, "ROLLBACK TO job").and_then(|()| statement(&self.conn, "RELEASE job"))
            }
        }
    }

    fn tx<'a>(&'a mut self, keys: &'a Keyring) -> Tx<'a> {
        Tx { conn: &self.conn, keys, hints: &mut self.hints, news: &self.news, over: &self.counters.over }
    }

    fn release_unclaimed(&mut self) -> Result<(), StoreError> {
        let keys = self.keys.load_full();
        let unclaimed = std::mem::take(&mut self.unclaimed);
        if unclaimed.is_empty() {
            return Ok(());
        }
        lease::release(&mut self.tx(&keys), &unclaimed, None)
    }

    /// Meets the standing demands in their order. Whether a lane is worth asking is judged by what was known before the first
    /// of them: what one passes over for want of its SIM may be just what the next one waits for.
    fn serve(&mut self, granted: &mut Vec<(Demand, Vec<Leased>)>) -> Result<(), StoreError> {
        let keys = self.keys.load_full();
        let now = clock::wall();
        let before = self.hints;
        for demand in std::mem::take(&mut self.demands) {
            if demand.answer.is_closed() {
                continue;
            }
            if !before.worth_any(demand.want.lanes, now, demand.fresh) {
                self.demands.push(demand);
                continue;
            }
            statement(&self.conn, "SAVEPOINT lease")?;
            let mark = self.news.mark();
            let leased = lease::lease(&mut self.tx(&keys), &demand.want, now, &before, demand.fresh);
            if leased.is_err() {
                self.news.forget(mark);
                self.hints = Hints::unknown();
                statement(&self.conn, "ROLLBACK TO lease")?;
            }
            statement(&self.conn, "RELEASE lease")?;
            match leased {
                Ok(leased) if leased.is_empty() => self.demands.push(demand),
                Ok(leased) => granted.push((demand, leased)),
                Err(error) => {
                    self.counters.note(&error);
                    let _ = demand.answer.send(Err(error));
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, ran: Vec<Ran>, granted: Vec<(Demand, Vec<Leased>)>, lost: Option<&StoreError>) {
        for one in ran {
            (one.settle)(lost.map(copy));
        }
        for (demand, leased) in granted {
            let answer = lost.map_or(Ok(leased), |error| Err(copy(error)));
            if let Err(Ok(leased)) = demand.answer.send(answer) {
                self.unclaimed.extend(leased.iter().map(|leased| (leased.id, leased.epoch)));
            }
            drop(demand.permit);
        }
        if let Some(error) = lost {
            // Left standing they would be tried again at once, and fail again.
            self.refuse_demands(error);
        }
    }

    fn refuse_demands(&mut self, error: &StoreError) {
        for demand in self.demands.drain(..) {
            let _ = demand.answer.send(Err(copy(error)));
        }
        self.unclaimed.clear();
    }
}

impl Ran {
    /// There was no transaction, so its own error stands.
    fn settle_now(self) {
        (self.settle)(None);
    }
}

fn tells_of_disk(error: &StoreError) -> bool {
    matches!(error, StoreError::Unwritable(_) | StoreError::Damaged(_))
}

fn unwritable(error: &StoreError) -> Option<String> {
    if let StoreError::Unwritable(why) = error { Some(why.clone()) } else { None }
}

fn statement(conn: &Connection, sql: &str) -> Result<(), StoreError> {
    Ok(conn.prepare_cached(sql)?.execute([]).map(drop)?)
}

/// One failure told to many.
fn copy(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unwritable(why) => StoreError::Unwritable(why.clone()),
        StoreError::Damaged(what) => StoreError::Damaged(what.clone()),
        other => StoreError::Engine(other.to_string()),
    }
}

fn spin(pause: Duration) {
    let begun = clock::monotonic();
    while clock::monotonic().duration_since(begun) < pause {
        std::hint::spin_loop();
    }
}
