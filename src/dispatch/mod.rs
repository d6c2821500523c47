//! The dispatcher: leases the most urgent messages for free channels, begins attempts, and writes what became of them.
//!
//! One task owns all of it. A message is *held* (leased, not begun), then *in flight* (an attempt row is being committed
//! while the channel already gets ready), then ended. What ended and what begins next on the freed channel go to the
//! store as one turn, so a message costs one commit. Decisions are made elsewhere: [`route`](crate::route) picks the channel,
//! [`queue::rules`](crate::queue::rules) says what an outcome means.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::fault::{self, Point};
use crate::provider::{Attempt, BoxFuture, Channel, ChannelId, Durable, Outcome, Part, Provider};
use crate::queue::message::{Lane, MessageId};
use crate::queue::rules::{self, Ended, Next, Standing};
use crate::route::budget::Recipient;
use crate::store::engine::Store;
use crate::store::{AttemptState, Begin, Begun, End, Leased, Operations, StoreError, Turn, Want};
use crate::units::UnixMs;

pub mod inbox;
pub mod ledger;
mod way;

use ledger::Ledger;
use way::{Ready, Way};

/// Refill when fewer are held (or fewer than there are channels, whose sends may all end at once): a fast line must not run dry
/// while a lease is being committed.
const HELD_LOW: usize = 8;
/// Hold at most so many, or two for each channel: the rest of a backlog stays in the store, not in memory.
const HELD_HIGH: usize = 32;
/// Long against any send (180 s is the hardest limit of `+CMGS`), short against an operator's patience.
const LEASE: Duration = Duration::from_secs(300);
/// A held message whose lease ends sooner than this is given back rather than begun.
const LEASE_MARGIN: Duration = Duration::from_secs(200);
/// After a commit failed, nothing is begun for this long: a full disk does not get better by asking at once.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// A message that no SIM has budget for is looked at again after this, for budgets that another SIM may bring; a login, for which
/// a person waits, much sooner.
const NO_BUDGET: Duration = Duration::from_secs(60);
const NO_BUDGET_LOGIN: Duration = Duration::from_secs(5);
/// While a channel drains, it is looked this often whether it has finished.
const DRAIN_LOOK: Duration = Duration::from_secs(1);

/// A send that is older is stuck: its lease has lapsed, and no network is waited for so long (`submit-limit` ends at ten minutes).
const OVERDUE: Duration = Duration::from_secs(15 * 60);

/// Asks a running dispatcher whether it gets on.
#[derive(Debug, Clone)]
pub struct Pulse(mpsc::Sender<oneshot::Sender<bool>>);

impl Pulse {
    /// Waits for the dispatcher's answer: whether every send in flight is younger than any may become. `false` when it has ended.
    pub async fn beats(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.is_ok() && answered.await.unwrap_or(false)
    }
}

/// Counts that the telemetry reads; written by the dispatcher alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts that the network took.
    pub submitted: u64,
    /// Attempts that were refused.
    pub refused: u64,
    /// Attempts in doubt.
    pub uncertain: u64,
    /// Attempts given up before anything left.
    pub abandoned: u64,
    /// Turns that were committed.
    pub turns: u64,
}

/// A demand standing in the store.
type Demand = BoxFuture<Result<Vec<Leased>, StoreError>>;

/// New messages that channels take now: of lanes up to this one, or `None` but what began on them.
type Appetite = Option<Lane>;

/// Leases, begins and records; see the module.
pub struct Dispatcher {
    store: Store,
    providers: Vec<Source>,
    held: BTreeMap<(Lane, MessageId), Leased>,
    flights: HashMap<u64, Flight>,
    next_flight: u64,
    sends: JoinSet<(u64, Outcome)>,
    turns: JoinSet<Turned>,
    pending: Turn,
    pending_keepers: Vec<(u64, oneshot::Sender<()>)>,
    /// The channels of what ended in the pending turn.
    pending_ended_on: Vec<ChannelId>,
    any: Option<(Appetite, Demand)>,
    urgent: Option<(Lane, Demand)>,
    announcements: JoinSet<Option<watch::Receiver<Arc<[Channel]>>>>,
    lines: HashMap<ChannelId, Line>,
    /// Channels that are ready, in the order of their providers.
    ready: Vec<Ready>,
    ledger: Ledger,
    /// Some message waits for a window of its budget to move; they all move with a minute.
    next_minute: Option<Instant>,
    drain_look: Option<Instant>,
    drains: JoinSet<()>,
    paused_until: Option<Instant>,
    tally: watch::Sender<Tally>,
    pulse: Pulse,
    questions: mpsc::Receiver<oneshot::Sender<bool>>,
}

/// A provider and the latest word on its channels.
struct Source {
    provider: Arc<dyn Provider>,
    channels: watch::Receiver<Arc<[Channel]>>,
}

/// What the dispatcher remembers of a channel.
#[derive(Default)]
struct Line {
    in_flight: u32,
    /// Attempts that ended, of which the store does not know yet.
    unwritten: u32,
    last_begun: Option<Instant>,
}

/// One attempt under way.
struct Flight {
    message: Leased,
    seq: u8,
    channel: ChannelId,
    stage: Stage,
    begun: Instant,
    /// As in its row, by which the budget counts it.
    at: UnixMs,
    whom: Option<Recipient>,
}

/// What is known of the attempt's row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Committing,
    Durable,
    Refused,
    StoreFailed,
}

/// A turn that came back from the store.
struct Turned {
    turn: Turn,
    keepers: Vec<(u64, oneshot::Sender<()>)>,
    ended_on: Vec<ChannelId>,
    result: Result<Vec<Begun>, StoreError>,
}

impl Dispatcher {
    /// A dispatcher over these providers within these budgets; nothing runs before [`Dispatcher::run`].
    #[must_use]
    pub fn new(store: Store, providers: Vec<Arc<dyn Provider>>, ledger: Ledger) -> Self {
        let providers = providers
            .into_iter()
            .map(|provider| Source { channels: provider.channels(), provider })
            .collect();
        let (pulse, questions) = mpsc::channel(1);
        Self {
            store,
            providers,
            held: BTreeMap::new(),
            flights: HashMap::new(),
            next_flight: 0,
            sends: JoinSet::new(),
            turns: JoinSet::new(),
            pending: Turn::default(),
            pending_keepers: Vec::new(),
            pending_ended_on: Vec::new(),
            any: None,
            urgent: None,
            announcements: JoinSet::new(),
            lines: HashMap::new(),
            ready: Vec::new(),
            ledger,
            next_minute: None,
            drain_look: None,
            drains: JoinSet::new(),
            paused_until: None,
            tally: watch::Sender::new(Tally::default()),
            pulse: Pulse(pulse),
            questions,
        }
    }

    /// The running counts.
    #[must_use]
    pub fn tally(&self) -> watch::Receiver<Tally> {
        self.tally.subscribe()
    }

    /// The way to ask whether it gets on.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Runs until `stop`, then leases no more, gives back what it holds and waits for what is in flight.
    pub async fn run(mut self, stop: CancellationToken) {
        for source in &self.providers {
            self.announcements.spawn(announced(source.channels.clone()));
        }
        self.channels_changed();
        while !stop.is_cancelled() {
            self.begin_what_fits();
            if self.flush() {
                // Lines whose answers come at one moment stay in step for ever if they are served as one crowd: each waits for the work
                // on all. So what begins goes its way before the next answer is looked at, and they draw apart.
                tokio::task::yield_now().await;
            }
            self.demand();
            self.step(&stop).await;
        }
        self.drain().await;
    }

    /// Waits for the next thing to happen and takes it in.
    async fn step(&mut self, stop: &CancellationToken) {
        let (paused, minute, look) = (self.paused_until, self.next_minute, self.drain_look);
        tokio::select! {
            biased;
            Some(asker) = self.questions.recv() => {
                // Whoever no longer waits was told too late, and counts it so.
                let _ = asker.send(self.gets_on());
            }
            Some(Ok(turned)) = self.turns.join_next() => self.turned(turned),
            Some(Ok((flight, outcome))) = self.sends.join_next() => self.ended(flight, outcome),
            leased = ready(self.any.as_mut().map(|(_, demand)| demand)) => { self.any = None; self.take_in(leased); }
            leased = ready(self.urgent.as_mut().map(|(_, demand)| demand)) => { self.urgent = None; self.take_in(leased); }
            Some(Ok(Some(channels))) = self.announcements.join_next() => {
                self.announcements.spawn(announced(channels));
                self.channels_changed();
            }
            () = until(paused) => self.paused_until = None,
            () = until(minute) => self.next_minute = None,
            () = until(look) => self.look_at_drains(),
            Some(_) = self.drains.join_next() => {}
            () = stop.cancelled() => {}
        }
    }

    fn gets_on(&self) -> bool {
        let now = clock::monotonic();
        self.flights.values().all(|flight| now.saturating_duration_since(flight.begun) < OVERDUE)
    }

    /// Begins attempts for held messages, most urgent first, while channels have free slots.
    fn begin_what_fits(&mut self) {
        if self.paused_until.is_some() || self.held.is_empty() {
            return;
        }
        let mut free = self.free_channels();
        let mut put_back = Vec::new();
        let mut next = self.held.keys().next().copied();
        while let Some(key) = next.filter(|_| !free.is_empty()) {
            next = self.held.range((Bound::Excluded(key), Bound::Unbounded)).next().map(|(key, _)| *key);
            let Some(message) = self.held.get(&key) else { continue };
            let now = clock::wall();
            let overdue = message.deadline <= now || message.until.since(now) < LEASE_MARGIN;
            match if overdue { Way::Nowhere } else { self.way(&free, message, now) } {
                Way::Over(at) => {
                    let Ready { source, id, .. } = free.swap_remove(at);
                    if let Some(message) = self.held.remove(&key) {
                        self.begin(source, id, message);
                    }
                    free = self.free_channels();
                }
                Way::Wait => {}
                Way::Nowhere => put_back.extend(self.held.remove(&key).map(|message| (message, overdue))),
            }
        }
        for (message, overdue) in put_back {
            let pause = if message.lane == Lane::Login { NO_BUDGET_LOGIN } else { NO_BUDGET };
            // While nothing new is taken at all, it is not asked for either.
            let due = (!overdue && self.appetite().is_some()).then(|| clock::wall().plus(pause));
            self.give_back(vec![(message.id, message.epoch)], due);
        }
    }

    /// Starts one attempt: the channel hears of it at once, its row goes into the pending turn.
    fn begin(&mut self, source: usize, channel: ChannelId, message: Leased) {
        let (Some(entry), Some(&seq)) = (self.providers.get(source), message.open.first()) else { return };
        let (keeper, durable) = Durable::channel();
        let attempt = Attempt {
            to: message.to.clone(),
            body: message.body.clone(),
            part: Part {
                seq,
                total: message.segments,
                concat_ref: message.concat_ref,
                coding: message.coding,
            },
            flash: message.flash,
            report: message.report,
            deadline: message.deadline,
            more: !self.held.is_empty() || message.open.len() > 1,
            durable,
        };
        let flight = self.next_flight;
        self.next_flight += 1;
        let send = entry.provider.send(&channel, attempt);
        self.sends.spawn(async move { (flight, send.await) });
        let at = clock::wall();
        let whom = self.ledger.begin(&channel, message.recipient, at);
        let begin = Begin { id: message.id, epoch: message.epoch, seq, channel: channel.clone(), whom, at };
        self.pending.begun.push(begin);
        self.pending_keepers.push((flight, keeper));
        let line = self.lines.entry(channel.clone()).or_default();
        line.in_flight += 1;
        let begun = clock::monotonic();
        line.last_begun = Some(begun);
        let under_way = Flight { message, seq, channel, stage: Stage::Committing, begun, at, whom };
        self.flights.insert(flight, under_way);
    }

    /// Sends the pending turn to the store, if there is anything in it and the store is well; says whether it did.
    fn flush(&mut self) -> bool {
        if self.paused_until.is_some() || (self.pending.ended.is_empty() && self.pending.begun.is_empty()) {
            return false;
        }
        let turn = std::mem::take(&mut self.pending);
        let keepers = std::mem::take(&mut self.pending_keepers);
        let ended_on = std::mem::take(&mut self.pending_ended_on);
        let store = self.store.clone();
        self.turns.spawn(async move {
            let result = store.turn(turn.clone()).await;
            Turned { turn, keepers, ended_on, result }
        });
        true
    }

    /// A turn came back: attempts may go on, or must be given up; what could not be written is kept for the next turn.
    fn turned(&mut self, turned: Turned) {
        match turned.result {
            Ok(verdicts) => {
                self.tally.send_modify(|tally| tally.turns += 1);
                for ((flight, keeper), verdict) in turned.keepers.into_iter().zip(verdicts) {
                    let durable = verdict == Begun::Durable;
                    self.set_stage(flight, if durable { Stage::Durable } else { Stage::Refused });
                    if durable {
                        // The receiver may be gone: its channel hung up meanwhile, and says so in its outcome.
                        let _ = keeper.send(());
                    }
                }
                for channel in turned.ended_on {
                    if let Some(line) = self.lines.get_mut(&channel) {
                        line.unwritten = line.unwritten.saturating_sub(1);
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "an outcome could not be stored yet; nothing is sent until it is");
                for (flight, _keeper) in turned.keepers {
                    self.set_stage(flight, Stage::StoreFailed);
                }
                let newer = std::mem::replace(&mut self.pending.ended, turned.turn.ended);
                self.pending.ended.extend(newer);
                self.pending_ended_on.extend(turned.ended_on);
                self.paused_until = Some(clock::monotonic() + STORE_PAUSE);
            }
        }
    }

    fn set_stage(&mut self, flight: u64, stage: Stage) {
        if let Some(flight) = self.flights.get_mut(&flight) {
            flight.stage = stage;
        }
    }

    /// An attempt ended: the rules say what becomes of its message.
    fn ended(&mut self, flight: u64, outcome: Outcome) {
        fault::point(Point::Answered);
        let Some(Flight { mut message, seq, channel, stage, at, whom, .. }) = self.flights.remove(&flight)
        else {
            return;
        };
        if let Some(line) = self.lines.get_mut(&channel) {
            line.in_flight = line.in_flight.saturating_sub(1);
        }
        self.count(&outcome);
        if matches!(outcome, Outcome::Refused { .. } | Outcome::Abandoned) {
            self.ledger.take_back(&channel, message.recipient, at);
        }
        let now = clock::wall();
        let (result, reference, cause, next) = match outcome {
            // Nothing was written and nothing left: the lease is still good, or it is lost and somebody else's now.
            Outcome::Abandoned if stage == Stage::StoreFailed => {
                self.held.insert((message.lane, message.id), message);
                return;
            }
            Outcome::Abandoned if stage == Stage::Refused => return,
            Outcome::Abandoned => (AttemptState::Abandoned, None, None, Next::Retry(now)),
            Outcome::Submitted { reference } => {
                (AttemptState::Submitted, reference, None, judge(Ended::Submitted, &message, now))
            }
            Outcome::Refused { disposition, cause } => {
                message.refusals += 1;
                let next = judge(Ended::Refused(disposition), &message, now);
                (AttemptState::Refused, None, Some(cause), next)
            }
            Outcome::Uncertain { cause } => {
                message.uncertain += 1;
                (AttemptState::Uncertain, None, Some(cause), judge(Ended::Uncertain, &message, now))
            }
        };
        if let Some(cause) = &cause {
            tracing::warn!(message = %message.id, %channel, seq, cause, ?next, "attempt not confirmed");
        }
        self.pending.ended.push(End {
            id: message.id,
            epoch: message.epoch,
            seq,
            result,
            reference,
            cause,
            whom,
            at: now,
            next,
        });
        self.lines.entry(channel.clone()).or_default().unwritten += 1;
        self.pending_ended_on.push(channel.clone());
        if next == Next::Continue {
            message.open.retain(|&open| open != seq);
            message.bound = Some(channel);
            self.held.insert((message.lane, message.id), message);
        }
    }

    fn count(&self, outcome: &Outcome) {
        self.tally.send_modify(|tally| match outcome {
            Outcome::Submitted { .. } => tally.submitted += 1,
            Outcome::Refused { .. } => tally.refused += 1,
            Outcome::Uncertain { .. } => tally.uncertain += 1,
            Outcome::Abandoned => tally.abandoned += 1,
        });
    }

    /// Keeps demands standing in the store: for anything that may go while little is held, for more urgent lanes always.
    fn demand(&mut self) {
        if self.ready.is_empty() || self.paused_until.is_some() {
            (self.any, self.urgent) = (None, None);
            return;
        }
        let appetite = self.appetite();
        if self.any.as_ref().is_some_and(|(asked, _)| *asked != appetite) {
            self.any = None;
        }
        let (low, high) = (HELD_LOW.max(self.ready.len()), HELD_HIGH.max(self.ready.len().saturating_mul(2)));
        if self.any.is_none() && self.held.len() < low {
            self.any = Some((appetite, self.lease(high - self.held.len(), appetite)));
        }
        let more_urgent = match self.held.last_key_value().map(|((lane, _), _)| *lane) {
            Some(Lane::Bulk) => Some(Lane::Alert),
            Some(Lane::Alert) => Some(Lane::Login),
            Some(Lane::Login) | None => None,
        };
        match more_urgent.zip(appetite).map(|(urgent, appetite)| urgent.min(appetite)) {
            Some(lanes)
                if self.any.is_none() && self.urgent.as_ref().is_none_or(|(asked, _)| *asked != lanes) =>
            {
                self.urgent = Some((lanes, self.lease(low, Some(lanes))));
            }
            _ => {}
        }
    }

    fn lease(&self, most: usize, appetite: Appetite) -> Demand {
        let store = self.store.clone();
        let want = Want {
            most,
            lanes: appetite.unwrap_or(Lane::Bulk),
            channels: self.ready.iter().map(|channel| channel.id.clone()).collect(),
            begun_only: appetite.is_none(),
            lease: LEASE,
        };
        Box::pin(async move { store.lease(want).await })
    }

    fn take_in(&mut self, leased: Result<Vec<Leased>, StoreError>) {
        match leased {
            Ok(rows) => {
                fault::point(Point::Leased);
                self.held.extend(rows.into_iter().map(|message| ((message.lane, message.id), message)));
            }
            Err(error) => {
                tracing::error!(%error, "no messages can be leased");
                self.paused_until = Some(clock::monotonic() + STORE_PAUSE);
            }
        }
    }

    /// A demand names the ready channels, so it is made anew; with no channel left, what is held goes back to the queue.
    fn channels_changed(&mut self) {
        (self.any, self.urgent) = (None, None);
        self.ready.clear();
        for (source, entry) in self.providers.iter().enumerate() {
            let channels = entry.channels.borrow();
            self.ready.extend(channels.iter().filter(|channel| channel.ready).map(|channel| Ready {
                source,
                id: channel.id.clone(),
                slots: channel.slots,
                draining: channel.draining,
            }));
        }
        if self.ready.is_empty() {
            let leases =
                std::mem::take(&mut self.held).into_values().map(|held| (held.id, held.epoch)).collect();
            self.give_back(leases, None);
        }
        let draining = self.ready.iter().any(|channel| channel.draining);
        self.drain_look = draining.then(clock::monotonic);
    }

    /// Tells providers which of their draining channels have finished. What began on a channel is known to the store.
    fn look_at_drains(&mut self) {
        self.drain_look = Some(clock::monotonic() + DRAIN_LOOK);
        if !self.drains.is_empty() {
            return;
        }
        let rests = |line: &Line| line.in_flight == 0 && line.unwritten == 0;
        let idle = self
            .ready
            .iter()
            .filter(|channel| channel.draining && self.lines.get(&channel.id).is_none_or(rests));
        let idle = idle.filter_map(|channel| {
            let entry = self.providers.get(channel.source)?;
            Some((Arc::clone(&entry.provider), channel.id.clone()))
        });
        let (store, idle) = (self.store.clone(), idle.collect::<Vec<_>>());
        self.drains.spawn(async move {
            for (provider, id) in idle {
                // A store that cannot tell is asked again.
                if let Ok(false) = store.unfinished(id.clone()).await {
                    provider.drained(&id);
                }
            }
        });
    }

    /// Gives leases back, to be leased again from `due` on; should the store refuse, they lapse by themselves.
    fn give_back(&mut self, leases: Vec<(MessageId, i64)>, due: Option<UnixMs>) {
        if leases.is_empty() {
            return;
        }
        let store = self.store.clone();
        self.turns.spawn(async move {
            let result = store.release(leases, due).await.map(|()| Vec::new());
            Turned { turn: Turn::default(), keepers: Vec::new(), ended_on: Vec::new(), result }
        });
    }

    /// Ends in order: no new attempt, held leases back, then every outcome stored.
    async fn drain(mut self) {
        (self.any, self.urgent) = (None, None);
        let leases = std::mem::take(&mut self.held).into_values().map(|held| (held.id, held.epoch)).collect();
        self.give_back(leases, None);
        while !(self.flights.is_empty() && self.turns.is_empty() && self.pending.ended.is_empty()) {
            self.flush();
            let paused = self.paused_until;
            tokio::select! {
                Some(Ok(turned)) = self.turns.join_next() => self.turned(turned),
                Some(Ok((flight, outcome))) = self.sends.join_next() => self.ended(flight, outcome),
                () = until(paused) => self.paused_until = None,
                else => break,
            }
        }
    }
}

/// The rules' verdict, with the facts of the message filled in.
fn judge(ended: Ended, message: &Leased, now: UnixMs) -> Next {
    let standing = Standing {
        lane: message.lane,
        deadline: message.deadline,
        refusals: message.refusals,
        uncertain: message.uncertain,
        remaining: u8::try_from(message.open.len().saturating_sub(1)).unwrap_or(u8::MAX),
    };
    rules::after_attempt(ended, standing, now, fastrand::u8(..))
}

/// The demand's answer; never, while there is no demand.
async fn ready(demand: Option<&mut Demand>) -> Result<Vec<Leased>, StoreError> {
    match demand {
        Some(demand) => demand.await,
        None => std::future::pending().await,
    }
}

/// The end of a pause; never, while there is none.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for the next announcement of one provider and hands its watch back.
async fn announced(mut channels: watch::Receiver<Arc<[Channel]>>) -> Option<watch::Receiver<Arc<[Channel]>>> {
    channels.changed().await.ok().map(|()| channels)
}
