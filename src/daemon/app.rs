//! The daemon's parts, built in the order in which they need each other, run as tasks, and drained sources first.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::daemon::{EX_CANTCREAT, EX_CONFIG, EX_UNAVAILABLE, key, settings};
use crate::dispatch::{Dispatcher, inbox};
use crate::modem::supervisor::{FleetHandle, PinMemory, Supervisor};
use crate::otp::template::TemplateError;
use crate::provider::gsm::Gsm;
use crate::provider::{Inbound, Provider};
use crate::secret::Secret;
use crate::store::engine::{self, OpenError, Store};
use crate::store::seal::KeyError;
use crate::store::{Operations, StoreError};
use crate::telemetry::metrics::Metrics;
use crate::validate::Validate;
use crate::{api, clock};

/// What comes in waits here for the inbox; behind it the modems keep their messages.
const INBOUND_WAITING: usize = 64;
/// The janitor's round: deadlines and lapsed leases are also checked where they matter, so this only tidies up.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Requests in flight get this long to finish.
const API_LIMIT: Duration = Duration::from_secs(5);
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
    /// The SIM PIN cannot be read.
    #[error("modem.pin-file {path}: {source}")]
    PinFile {
        /// Which file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A caller that the system does not know, or no socket.
    #[error(transparent)]
    Api(#[from] api::StartError),
}

impl StartError {
    /// The sysexits code for it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Key(_) | Self::Template(_) | Self::PinFile { .. } => EX_CONFIG,
            Self::Open(_) => EX_CANTCREAT,
            Self::Store(_) | Self::Api(_) => EX_UNAVAILABLE,
        }
    }
}

/// Every part, made but not running.
pub struct App {
    store: Store,
    supervisor: Supervisor,
    stops: Stops,
    dispatcher: Dispatcher,
    inbound: mpsc::Receiver<Inbound>,
    api: api::Server,
    live: Live,
    keep: Duration,
    gsm: Gsm,
}

/// One token a stage, in the order of the end.
#[derive(Clone, Default)]
struct Stops {
    api: CancellationToken,
    dispatch: CancellationToken,
    modems: CancellationToken,
    rest: CancellationToken,
}

/// What a reload changes.
struct Live {
    api: api::Live,
    store: Store,
}

/// Every part, running.
pub struct Running {
    tasks: JoinSet<&'static str>,
    stops: Stops,
    store: Store,
    live: Live,
}

impl App {
    /// Opens and recovers the store and makes every part; nothing is sent and nothing listens yet.
    ///
    /// # Errors
    /// The first part that cannot be made.
    pub async fn build(config: &Config) -> Result<Self, StartError> {
        let key = key::load(&config.key.path)?;
        let pins = pin_memory(config, &key);
        let mut open = engine::Settings::new(&config.store.path, key);
        open.commit_pause = bench_commit_pause();
        let store = Store::open(open)?;
        let recovered = store.recover(clock::wall()).await?;
        if recovered != crate::store::Recovered::default() {
            tracing::warn!(?recovered, "recovered after an unclean end");
        }
        let stops = Stops::default();
        let fleet = settings::fleet(config, sim_pin(config)?, pins);
        let (supervisor, fleet, notices) = Supervisor::new(fleet, stops.modems.clone());
        let (inbound_in, inbound) = mpsc::channel(INBOUND_WAITING);
        let gsm = Gsm::new(&fleet, notices, inbound_in);
        let providers: Vec<Arc<dyn Provider>> = vec![Arc::new(gsm.clone())];
        let channels = gsm.channels();
        let dispatcher = Dispatcher::new(store.clone(), providers);
        let metrics = Arc::new(Metrics::default());
        let live = live(config, &store)?;
        let api = api::Server::new(settings::api(config), live.clone(), parts)?;
        Ok(Self { store, supervisor, stops, dispatcher, inbound, api, live, keep: config.store.keep, gsm })
    }
}
