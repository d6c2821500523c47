//! The dispatcher: leases the most urgent messages for free channels, begins attempts, and writes what became of them.
//!
//! One task owns all of it. A message is *held* (leased, not begun), then *in flight* (an attempt row is being committed
//! while the channel already gets ready), then ended. What ended and what begins next on the freed channel go to the
//! store as one turn, so a message costs one commit. Decisions are made elsewhere: [`route`](crate::route) picks the channel,
//! [`queue::rules`](crate::queue::rules) says what an outcome means.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::provider::{BoxFuture, Channel, ChannelId, Outcome, Provider};
use crate::queue::message::{Lane, MessageId};
use crate::route::breaker::Breaker;
use crate::route::budget::Recipient;
use crate::route::fallback::Watch;
use crate::route::rule::Rules;
use crate::route::score::Score;
use crate::store::engine::Store;
use crate::store::{Begun, Leased, Operations, StoreError, Turn};
use crate::units::UnixMs;

mod begin;
mod channels;
mod demand;
mod end;
mod fallback;
pub mod hooks;
pub mod inbox;
mod learn;
pub mod ledger;
mod pulse;
mod way;

use channels::announced;
use demand::Appetite;
pub use fallback::Reports;
use fallback::SecondCopy;
use ledger::Ledger;
use pulse::Question;
pub use pulse::{Asked, Pulse};
use way::Ready;

/// After a commit failed, nothing is begun for this long: a full disk does not get better by asking at once.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// A send that is older is stuck: its lease has lapsed, and no network is waited for so long (`submit-limit` ends at ten minutes).
const OVERDUE: Duration = Duration::from_secs(15 * 60);

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
    /// Logins that went once more for want of a report.
    pub fallbacks: u64,
    /// Turns that were committed.
    pub turns: u64,
}

/// What an administrator decides for the dispatcher; may change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Slots that only logins take, where there are more.
    pub login_reserve: u32,
    /// Which channels carry what.
    pub routes: Rules<Lane>,
}

/// A demand standing in the store.
type Demand = BoxFuture<Result<Vec<Leased>, StoreError>>;

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
    settings: watch::Receiver<Settings>,
    /// Some message waits for a window of its budget to move; they all move with a minute.
    next_minute: Option<Instant>,
    /// When the first of the open breakers half opens.
    breaker_look: Option<Instant>,
    drain_look: Option<Instant>,
    drains: JoinSet<()>,
    paused_until: Option<Instant>,
    tally: watch::Sender<Tally>,
    pulse: Pulse,
    questions: mpsc::Receiver<Question>,
    /// Submitted logins whose report has not come.
    watch: Watch<MessageId>,
    reports: Reports,
    reported: mpsc::Receiver<(MessageId, ChannelId)>,
    second_copies: JoinSet<SecondCopy>,
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
    score: Score,
    breaker: Breaker,
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
    pub fn new(
        store: Store,
        providers: Vec<Arc<dyn Provider>>,
        ledger: Ledger,
        settings: watch::Receiver<Settings>,
    ) -> Self {
        let providers = providers
            .into_iter()
            .map(|provider| Source { channels: provider.channels(), provider })
            .collect();
        let (pulse, questions) = mpsc::channel(1);
        let (reports, reported) = Reports::channel();
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
            settings,
            next_minute: None,
            breaker_look: None,
            drain_look: None,
            drains: JoinSet::new(),
            paused_until: None,
            tally: watch::Sender::new(Tally::default()),
            pulse: Pulse(pulse),
            questions,
            watch: Watch::default(),
            reports,
            reported,
            second_copies: JoinSet::new(),
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
        let (breaker, late) = (self.breaker_look, self.watch.next());
        tokio::select! {
            biased;
            Some(question) = self.questions.recv() => self.answer(question),
            Some(Ok(turned)) = self.turns.join_next() => self.turned(turned),
            // Before a channel gets free: what is more urgent shall find it.
            leased = ready(self.urgent.as_mut().map(|(_, demand)| demand)) => { self.urgent = None; self.take_in(leased); }
            Some(Ok((flight, outcome))) = self.sends.join_next() => self.ended(flight, outcome),
            leased = ready(self.any.as_mut().map(|(_, demand)| demand)) => { self.any = None; self.take_in(leased); }
            Some(Ok(Some(channels))) = self.announcements.join_next() => {
                self.announcements.spawn(announced(channels));
                self.channels_changed();
            }
            Ok(()) = self.settings.changed() => {}
            () = until(paused) => self.paused_until = None,
            () = until(minute) => self.next_minute = None,
            () = until(look) => self.look_at_drains(),
            () = until(breaker) => self.look_at_breakers(),
            Some((message, channel)) = self.reported.recv() => self.report_came(message, &channel),
            () = until(late) => self.look_for_late(),
            Some(Ok(copy)) = self.second_copies.join_next() => self.take_second_copy(copy),
            Some(_) = self.drains.join_next() => {}
            () = stop.cancelled() => {}
        }
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
        // What the store gives now is not begun any more, and recovered at the next start.
        self.second_copies.abort_all();
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

#[cfg(test)]
mod tests;
