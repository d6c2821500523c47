//! The daemon's parts, built in the order in which they need each other, run as tasks, and drained sources first.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::caller::CallerError;
use crate::api::listen::ListenError;
use crate::api::{self, InForce, Live};
use crate::clock;
use crate::config::Config;
use crate::daemon::vitals::Vitals;
use crate::daemon::watchdog::Proof;
use crate::daemon::{
    EX_CANTCREAT, EX_CONFIG, EX_DATAERR, EX_UNAVAILABLE, key, notify, settings, timekeeping,
};
use crate::dispatch::hooks::{self, Hooks};
use crate::dispatch::ledger::Ledger;
use crate::dispatch::{self, Dispatcher, Pulse, Tally, inbox};
use crate::modem::profile::Library;
use crate::modem::supervisor::{Fleet, PinMemory, Supervisor};
use crate::otp::template::TemplateError;
use crate::provider::gsm::{Gsm, Intake};
use crate::provider::{Inbound, Provider};
use crate::secret::Secret;
use crate::store::engine::{self, OpenError, Store};
use crate::store::seal::KeyError;
use crate::store::{Keep, Operations, Recovered, StoreError};
use crate::telemetry::alarms;
use crate::telemetry::metrics::{Metrics, put};
use crate::units::Dbm;
use crate::validate::Validate;

/// What comes in waits here for the inbox; behind it the modems keep their messages.
const INBOUND_WAITING: usize = 64;
/// The one realm that clients may name until directories bring others.
const REALM: &str = "defrealm";
/// The janitor's round: deadlines and lapsed leases are also checked where they matter, so this only tidies up.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Requests in flight get this long to finish.
const API_LIMIT: Duration = Duration::from_secs(5);
/// Stories that are under way to hooks get this long to arrive.
const HOOKS_LIMIT: Duration = Duration::from_secs(5);
/// Beyond the drivers' own limit, for what they said last to be stored.
const DISPATCH_GRACE: Duration = Duration::from_secs(5);

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be recovered.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A text of the configuration.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A file with a secret cannot be read, or is empty.
    #[error("{key} {path}: {source}")]
    SecretFile {
        /// The key that names it.
        key: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A hook's program that may not be run.
    #[error("hook.exec {program}: {why}")]
    HookProgram {
        /// Which.
        program: PathBuf,
        /// Why, and what helps.
        why: String,
    },
    /// A caller or group that the system does not know.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// No socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl StartError {
    /// The sysexits code for it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Key(_)
            | Self::Template(_)
            | Self::SecretFile { .. }
            | Self::HookProgram { .. }
            | Self::Caller(_) => EX_CONFIG,
            // Another release or another key is wanted: trying again would change nothing.
            Self::Open(
                OpenError::Newer { .. }
                | OpenError::NewerShared { .. }
                | OpenError::UnknownKey { .. }
                | OpenError::Appliance { .. }
                | OpenError::NoSharedEngine,
            ) => EX_CONFIG,
            Self::Open(OpenError::Shared { .. }) => EX_UNAVAILABLE,
            Self::Open(OpenError::Damaged { .. }) | Self::Store(StoreError::Damaged(_)) => EX_DATAERR,
            Self::Open(_) => EX_CANTCREAT,
            Self::Store(_) | Self::Listen(_) => EX_UNAVAILABLE,
        }
    }
}

/// Every part, made but not running.
pub struct App {
    store: Store,
    stops: Stops,
    supervisor: Supervisor,
    intake: Intake,
    dispatcher: Dispatcher,
    inbound: mpsc::Receiver<Inbound>,
    fleet: watch::Receiver<Arc<Fleet>>,
    metrics: Arc<Metrics>,
    server: api::Server,
    live: Arc<Live>,
    keep: Keep,
    weak_signal: Dbm,
    vitals: Vitals,
    notes: watch::Sender<Arc<Library>>,
    dispatch: watch::Sender<dispatch::Settings>,
    hooks: Arc<Hooks>,
    /// Messages wait for a clock that can be trusted.
    doubted: bool,
}

/// One token a stage, in the order of the end.
#[derive(Clone, Default)]
struct Stops {
    api: CancellationToken,
    dispatch: CancellationToken,
    modems: CancellationToken,
    hooks: CancellationToken,
    /// Not a stage, but the wish for another run.
    anew: CancellationToken,
}

/// Every part, running.
pub struct Running {
    store: Store,
    stops: Stops,
    live: Arc<Live>,
    keep: watch::Sender<Keep>,
    notes: watch::Sender<Arc<Library>>,
    dispatch: watch::Sender<dispatch::Settings>,
    hooks: watch::Sender<Arc<Hooks>>,
    pulse: Pulse,
    server: JoinHandle<()>,
    dispatcher: JoinHandle<()>,
    supervisor: JoinHandle<()>,
    intake: JoinHandle<()>,
    inbox: JoinHandle<()>,
    alarms: JoinHandle<()>,
    janitor: JoinHandle<()>,
    carrier: JoinHandle<()>,
    clocks: JoinHandle<()>,
}

impl App {
    /// Opens and recovers the store and makes every part; nothing is sent and nothing is answered yet. The API listens on the
    /// socket that the service manager `passed`, or else on its own.
    ///
    /// # Errors
    /// The first part that cannot be made.
    pub async fn build(config: &Config, passed: Option<UnixListener>) -> Result<Self, StartError> {
        let key = key::load(&config.key.path)?;
        // Of the oldest key, which a new one does not change: what was tried stays tried.
        let tried = key.macs("pin-memory", &[]).last().unwrap_or_default();
        let pins = PinMemory::new(pin_file(config), Secret::new(tried.to_vec()));
        let mut open = engine::Settings::new(&config.store.path, key);
        open.url = config.store.url.clone();
        open.commit_pause = bench_commit_pause();
        let store = Store::open(open)?;
        store.bound(settings::bounds(config));
        let hooks = Arc::new(settings::hooks(config)?);
        // Before anything happens that they want to hear of.
        store.subscribe(hooks.subscriptions());
        let (begin, recovered) = match timekeeping::begin(&store).await {
            Err(StoreError::Damaged(reason)) => {
                let path = config.store.path.clone();
                return Err(OpenError::Damaged { path, reason }.into());
            }
            begun => begun?,
        };
        if recovered != Recovered::default() {
            tracing::warn!(?recovered, "recovered after an unclean end");
        }

        let stops = Stops::default();
        let (notes, noted) = watch::channel(Arc::clone(&config.modem.library));
        let fleet = settings::fleet(config, noted, sim_pin(config)?, pins, store.holds().await?);
        let (supervisor, fleet, notices) = Supervisor::new(fleet, stops.modems.clone());
        let (inbound_in, inbound) = mpsc::channel(INBOUND_WAITING);
        let (gsm, intake) = Gsm::new(&fleet, notices, inbound_in);
        let channels = gsm.channels();
        let taking = channels.clone();
        let budgets = settings::budgets(config);
        let ledger = Ledger::load(&store, budgets.clone(), clock::wall()).await?;
        let (dispatch, dispatched) = watch::channel(settings::dispatch(config));
        let dispatcher = Dispatcher::new(store.clone(), vec![Arc::new(gsm)], ledger, dispatched);

        let metrics = Arc::new(Metrics::default());
        let seen = dispatcher.pulse();
        let (traces, asked, holder, sims) = (fleet.clone(), fleet.clone(), fleet.clone(), fleet.clone());
        let live = Arc::new(Live::new(in_force(config, &store)?));
        let parts = api::Parts {
            store: store.clone(),
            live: Arc::clone(&live),
            metrics: Arc::clone(&metrics),
            refresh: refresh(dispatcher.tally(), fleet.fleet()),
            fleet: fleet.fleet(),
            trace: Box::new(move |modem| traces.trace(modem)),
            ussd: Box::new(move |modem, code| {
                let fleet = asked.clone();
                Box::pin(async move {
                    match code {
                        Some(code) => fleet.ussd(&modem, code).await.map(Some),
                        None => fleet.ussd_cancel(&modem).await.map(|()| None),
                    }
                })
            }),
            hold: Box::new(move |modem, hold| {
                let fleet = holder.clone();
                Box::pin(async move { fleet.hold(&modem, hold).await })
            }),
            outlook: Box::new(move |asked| {
                let seen = seen.clone();
                Box::pin(async move { seen.outlook(asked).await })
            }),
            budgets,
            sim_names: settings::sim_names(config),
            confirm_sim: Box::new(move |modem| {
                let sims = sims.clone();
                Box::pin(async move { sims.confirm_sim(&modem).await })
            }),
            channels,
            stopping: stops.api.clone(),
            realm: REALM.to_owned(),
            max_body: config.api.max_body,
        };
        let server = api::Server::bind(&settings::listen(config)?, passed, parts)?;
        let keep = settings::keep(config);
        let directory = config.store.path.parent().unwrap_or(&config.store.path).to_owned();
        let vitals = Vitals { store: store.clone(), directory, tally: dispatcher.tally(), channels: taking };
        let fleet = fleet.fleet();
        Ok(Self {
            store,
            stops,
            supervisor,
            intake,
            dispatcher,
            inbound,
            fleet,
            metrics,
            server,
            live,
            keep,
            vitals,
            weak_signal: config.modem.weak_signal,
            notes,
            dispatch,
            hooks,
            doubted: begin.model.doubted.is_some(),
        })
    }

    /// Its store.
    pub(super) fn store(&self) -> Store {
        self.store.clone()
    }

    /// Runs every part as a task.
    #[must_use]
    pub fn spawn(self) -> Running {
        let Self {
            store,
            stops,
            supervisor,
            intake,
            dispatcher,
            inbound,
            fleet,
            metrics,
            server,
            live,
            keep,
            weak_signal,
            vitals,
            notes,
            dispatch,
            hooks,
            doubted,
        } = self;
        let (hooks, told) = watch::channel(hooks);
        let carrier = hooks::run(store.clone(), told, Arc::clone(&metrics), stops.hooks.clone());
        let (keep, kept) = watch::channel(keep);
        let tally = dispatcher.tally();
        let (pulse, reports) = (dispatcher.pulse(), dispatcher.reports());
        let (found, own) = watch::channel(Vec::new());
        let looking = vitals.watch(found, stops.dispatch.clone());
        let findings = move |fleet: &Fleet| fleet.findings(weak_signal);
        let keeping = alarms::run(store.clone(), fleet, findings, own, stops.dispatch.clone());
        Running {
            server: tokio::spawn(server.run(stops.api.clone())),
            dispatcher: tokio::spawn(dispatcher.run(stops.dispatch.clone())),
            supervisor: tokio::spawn(async move {
                if let Err(error) = supervisor.run().await {
                    tracing::error!(%error, "ports cannot be watched");
                }
            }),
            intake: tokio::spawn(intake.run()),
            inbox: tokio::spawn(inbox::run(store.clone(), inbound, tally, reports, metrics)),
            alarms: tokio::spawn(async move {
                tokio::join!(looking, keeping);
            }),
            janitor: tokio::spawn(janitor(store.clone(), kept, stops.dispatch.clone())),
            carrier: tokio::spawn(carrier),
            clocks: tokio::spawn(timekeeping::watch(
                store.clone(),
                doubted,
                stops.anew.clone(),
                stops.dispatch.clone(),
            )),
            store,
            stops,
            live,
            keep,
            notes,
            dispatch,
            hooks,
            pulse,
        }
    }
}

impl Running {
    /// What the watchdog asks.
    #[must_use]
    pub(super) fn proof(&self) -> Proof {
        Proof::new(self.store.clone(), self.pulse.clone())
    }

    /// Puts in force what can change while running; nothing changes if any of it is wrong.
    ///
    /// # Errors
    /// What is wrong.
    pub fn reconfigure(&self, config: &Config) -> Result<(), StartError> {
        let hooks = Arc::new(settings::hooks(config)?);
        self.live.replace(in_force(config, &self.store)?);
        self.store.bound(settings::bounds(config));
        self.store.subscribe(hooks.subscriptions());
        self.hooks.send_replace(hooks);
        self.keep.send_replace(settings::keep(config));
        self.notes.send_replace(Arc::clone(&config.modem.library));
        self.dispatch.send_replace(settings::dispatch(config));
        Ok(())
    }

    /// Cancelled when the clock can be taken over, for which everything begins anew.
    pub(super) fn anew(&self) -> CancellationToken {
        self.stops.anew.clone()
    }

    /// The name of the first task that ended although it should run for ever.
    pub async fn ended(&mut self) -> &'static str {
        tokio::select! {
            _ = &mut self.server => "api",
            _ = &mut self.dispatcher => "dispatcher",
            _ = &mut self.supervisor => "supervisor",
            _ = &mut self.intake => "intake",
            _ = &mut self.inbox => "inbox",
            _ = &mut self.alarms => "alarms",
            _ = &mut self.janitor => "janitor",
            _ = &mut self.carrier => "hooks",
        }
    }

    /// Ends in order, sources first; each stage has a limit and says when it was exceeded.
    pub async fn drain(self) {
        self.stops.api.cancel();
        within("requests", API_LIMIT, self.server).await;
        self.stops.dispatch.cancel();
        within("janitor", API_LIMIT, self.janitor).await;
        within("clocks", API_LIMIT, self.clocks).await;
        // Before the modems are closed: that they go with the daemon is no alarm.
        within("alarms", API_LIMIT, self.alarms).await;
        // Sends in flight may end by themselves; the drivers end those that do not.
        let mut dispatcher = self.dispatcher;
        if tokio::time::timeout(settings::STOP_LIMIT, &mut dispatcher).await.is_err() {
            tracing::warn!("sends in flight did not end in time; the modems are closed under them");
        }
        self.stops.modems.cancel();
        within("modems", settings::STOP_LIMIT + DISPATCH_GRACE, self.supervisor).await;
        if !dispatcher.is_finished() {
            within("dispatcher", DISPATCH_GRACE, dispatcher).await;
        }
        within("intake", API_LIMIT, self.intake).await;
        within("inbox", API_LIMIT, self.inbox).await;
        // What is not carried by then is carried after the next start.
        self.stops.hooks.cancel();
        within("hooks", HOOKS_LIMIT, self.carrier).await;
        self.store.close().await;
    }
}

/// Waits for a stage to end, and aborts it aloud when it does not.
async fn within(stage: &str, limit: Duration, mut task: JoinHandle<()>) {
    if tokio::time::timeout(limit, &mut task).await.is_err() {
        tracing::warn!(stage, ?limit, "did not end in time and is aborted");
        task.abort();
    }
    // Either way the end came nearer.
    notify::alive();
}

/// Tidies up now and then: deadlines, lapsed leases, finished messages that are old enough.
async fn janitor(store: Store, keep: watch::Receiver<Keep>, stop: CancellationToken) {
    // What a former run, or another order of the key file, has left to do.
    if let Err(error) = store.reseal().await {
        tracing::error!(%error, "values did not move to the new key");
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            () = stop.cancelled() => return,
        }
        let keep = *keep.borrow();
        if let Err(error) = store.sweep(clock::wall(), keep).await {
            tracing::error!(%error, "the store could not be tidied up");
        }
    }
}

/// What a reload may replace, made anew as a whole.
fn in_force(config: &Config, store: &Store) -> Result<InForce, StartError> {
    let rules = Arc::new(settings::rules(config));
    let validate = Validate::new(store.clone(), settings::validate(config)?, Arc::clone(&rules));
    let dlr_allow = config.kannel.dlr_allow.clone();
    Ok(InForce { callers: settings::callers(config)?, rules, dlr_allow, validate })
}

/// Copies totals that others count into the metrics, when somebody looks.
fn refresh(
    tally: watch::Receiver<Tally>,
    fleet: watch::Receiver<Arc<Fleet>>,
) -> Box<dyn Fn(&Metrics) + Send + Sync> {
    Box::new(move |metrics| {
        let tally = *tally.borrow();
        put(&metrics.submitted, tally.submitted);
        put(&metrics.failed, tally.refused);
        put(&metrics.uncertain, tally.uncertain);
        put(&metrics.fallbacks, tally.fallbacks);
        metrics.balances(fleet.borrow().balances());
        metrics.clock_apart(clock::apart());
        put(&metrics.at_noise, fleet.borrow().modems.iter().map(|modem| modem.counters.noise_lines).sum());
    })
}

/// Beside the store, because it must outlive a restart as the store does.
fn pin_file(config: &Config) -> PathBuf {
    config.store.path.with_extension("pins")
}

fn sim_pin(config: &Config) -> Result<Option<Secret>, StartError> {
    let Some(path) = &config.modem.pin_file else { return Ok(config.modem.pin.clone()) };
    settings::secret_file("modem.pin-file", path).map(Some)
}

/// Only for the bench, which compares machines whose disks differ: microseconds to spin before each commit.
fn bench_commit_pause() -> Option<Duration> {
    let micros = std::env::var("SMSOTPD_BENCH_COMMIT_PAUSE_US").ok()?.parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros))
}
