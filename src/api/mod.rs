//! The daemon's door: HTTP/1.1 on a unix socket, privacyIDEA's shapes for validation and tokens, our own under `/v1/`.
//!
//! Everything here maps: parameters to a request, an answer to a body. Decisions are made by `otp`, `queue::admission` and the
//! store. Each endpoint answers bad input in its own envelope, with a status of the 4xx family, and stores nothing.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::at::command::UssdCode;
use crate::clock;
use crate::modem::supervisor::{CommandError, Fleet, Hold, Trace};
use crate::modem::ussd::UssdAnswer;
use crate::number::Number;
use crate::provider::{BoxFuture, Channel};
use crate::queue::message::Lane;
use crate::route::Outlook;
use crate::route::budget::Budgets;
use crate::store::engine::Store;
use crate::telemetry::metrics::{self, Metrics};
use crate::units::UnixMs;

mod alarms;
pub mod caller;
mod envelope;
mod events;
mod health;
mod inbox;
mod kannel;
mod life;
pub mod listen;
mod live;
mod messages;
mod modems;
mod params;
mod problem;
mod queue;
mod records;
mod routes;
mod store;
mod tokens;
mod validate;
mod waiting;

#[cfg(test)]
mod tests;

pub use live::{InForce, Live};

use listen::{Gate, ListenError, Peer};

/// A batch may hold a thousand messages, where a form holds one login: its body may be so many times larger.
const BATCH_FACTOR: usize = 16;
/// Octets beyond the limit that are read and dropped before the refusal is told.
const DRAINED: usize = 4 << 20;

/// Finds the wire trace of a modem by port name or IMEI.
pub type TraceOf = Box<dyn Fn(&str) -> Result<Arc<Trace>, CommandError> + Send + Sync>;

/// What a step of a USSD dialogue comes to: the network's words, or nothing where it was to be ended.
pub type Told = BoxFuture<Result<Option<UssdAnswer>, CommandError>>;

/// Takes a step of a USSD dialogue with a modem, by port name or IMEI; without a code it ends the dialogue.
pub type Ussd = Box<dyn Fn(String, Option<UssdCode>) -> Told + Send + Sync>;

/// Holds a modem back by port name or IMEI, or lets it go; gives the name by which the hold is remembered.
pub type SetHold = Box<dyn Fn(String, Option<Hold>) -> BoxFuture<Result<String, CommandError>> + Send + Sync>;

/// How the channels stand, best first for a message to this number in this lane.
pub type OutlookOf = Box<dyn Fn(Option<(Number, Lane)>) -> BoxFuture<Outlook> + Send + Sync>;

/// Confirms the SIM of a modem by port name or IMEI.
pub type ConfirmSim = Box<dyn Fn(String) -> BoxFuture<Result<(), CommandError>> + Send + Sync>;

/// What the API speaks for.
pub struct Parts {
    /// The store.
    pub store: Store,
    /// Callers, admission and validation, as a reload leaves them.
    pub live: Arc<Live>,
    /// Where things are counted.
    pub metrics: Arc<Metrics>,
    /// Called before each exposition, to copy totals that others count into the metrics.
    pub refresh: Box<dyn Fn(&Metrics) + Send + Sync>,
    /// The supervisor's snapshot.
    pub fleet: watch::Receiver<Arc<Fleet>>,
    /// The wire trace of a modem, in service or not, by port name or IMEI.
    pub trace: TraceOf,
    /// A step of a USSD dialogue, or its end.
    pub ussd: Ussd,
    /// How an operator holds a modem back.
    pub hold: SetHold,
    /// How the dispatcher sees the channels.
    pub outlook: OutlookOf,
    /// What each SIM may send.
    pub budgets: Budgets,
    /// What people call SIMs, by ICCID.
    pub sim_names: BTreeMap<String, String>,
    /// The SIM that is in a modem belongs there.
    pub confirm_sim: ConfirmSim,
    /// All channels of all providers.
    pub channels: watch::Receiver<Arc<[Channel]>>,
    /// Told when the API is to end, so that streams end before their connections are waited for.
    pub stopping: CancellationToken,
    /// The one realm that privacyIDEA's clients may name.
    pub realm: String,
    /// Octets of a form's body at most; a batch of messages may have 16 times as many.
    pub max_body: usize,
}

/// What handlers share.
pub(crate) struct Api {
    parts: Parts,
    started: UnixMs,
    streams: Arc<Semaphore>,
}

/// A bound server.
#[derive(Debug)]
pub struct Server {
    gate: Gate,
    router: Router,
}

impl Server {
    /// Binds the socket, or takes the one that the service manager `passed`; nothing is answered before [`run`](Self::run).
    ///
    /// # Errors
    /// When the socket cannot be had.
    pub fn bind(
        settings: &listen::Settings,
        passed: Option<UnixListener>,
        parts: Parts,
    ) -> Result<Self, ListenError> {
        let live = Arc::clone(&parts.live);
        let gate = match passed {
            Some(passed) => Gate::take(passed, settings, live)?,
            None => Gate::bind(settings, live)?,
        };
        Ok(Self { gate, router: router(parts) })
    }

    /// Serves until `stop`, then finishes the requests in progress and removes the socket.
    pub async fn run(self, stop: CancellationToken) {
        let service = self.router.into_make_service_with_connect_info::<Peer>();
        let served = axum::serve(self.gate, service).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the API ended");
        }
    }
}

/// All routes.
fn router(parts: Parts) -> Router {
    let started = clock::wall();
    parts.metrics.started(started.0.div_euclid(1_000));
    let streams = Arc::new(Semaphore::new(events::STREAMS));
    let api = Arc::new(Api { parts, started, streams });
    Router::new()
        .route("/validate/check", get(validate::check).post(validate::check))
        .route("/token/init", post(tokens::init))
        .route("/token/", get(tokens::list))
        .route("/token/{serial}", axum::routing::delete(tokens::remove))
        .route("/cgi-bin/sendsms", get(kannel::send).post(kannel::send))
        .route("/v1/messages", get(messages::list).post(messages::submit))
        .route("/v1/messages/{id}", get(messages::show).delete(messages::withdraw))
        .route("/v1/messages/{id}/retry", post(messages::retry))
        .route("/v1/queue", get(queue::show))
        .route("/v1/queue/{lane}/pause", post(queue::pause))
        .route("/v1/queue/{lane}/resume", post(queue::resume))
        .route("/v1/queue/{lane}/purge", post(queue::purge))
        .route("/v1/messages/{id}/events", get(life::events))
        .route("/v1/events", get(events::follow))
        .route("/v1/alarms", get(alarms::list))
        .route("/v1/alarms/{id}", axum::routing::delete(alarms::clear))
        .route("/v1/inbox", get(inbox::list))
        .route("/v1/inbox/{id}", get(inbox::show))
        .route("/v1/store", get(store::show))
        .route("/v1/store/rekey", post(store::rekey))
        .route("/v1/modems", get(modems::list))
        .route("/v1/modems/{modem}/confirm-sim", post(modems::confirm_sim))
        .route("/v1/modems/{modem}/trace", get(modems::trace))
        .route("/v1/modems/{modem}/ussd", post(modems::ussd).delete(modems::ussd_cancel))
        .route("/v1/modems/{modem}/pause", post(modems::pause))
        .route("/v1/modems/{modem}/drain", post(modems::drain))
        .route("/v1/modems/{modem}/resume", post(modems::resume))
        .route("/v1/routes", get(routes::explain))
        .route("/v1/status", get(health::status))
        .route("/v1/health/live", get(health::live))
        .route("/v1/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .with_state(api)
}

impl Api {
    /// Counts the answer and lets it go.
    fn answered(&self, endpoint: &'static str, response: Response) -> Response {
        let label = metrics::Request { endpoint, status: response.status().as_u16() };
        self.parts.metrics.requests.get_or_create(&label).inc();
        response
    }
}

/// A body could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyFault {
    /// More octets than allowed.
    TooLarge(usize),
    /// The connection broke, or the framing is wrong.
    Broken,
}

/// The whole body, unless it is larger than `limit`. What is too large is read on for a while and dropped, for many clients do
/// not look for an answer before they have sent all.
async fn body(request: Request, limit: usize) -> Result<Bytes, BodyFault> {
    let mut body = std::pin::pin!(request.into_body());
    // A small body comes in one piece and is not copied.
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    let mut seen: usize = 0;
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen > limit {
            (first, all) = (Bytes::new(), BytesMut::new());
            if seen.saturating_sub(limit) > DRAINED {
                break;
            }
        } else if first.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
    }
    match (seen > limit, all.is_empty()) {
        (true, _) => Err(BodyFault::TooLarge(limit)),
        (false, true) => Ok(first),
        (false, false) => Ok(all.freeze()),
    }
}

async fn not_found(request: Request) -> Response {
    if is_ours(&request) { problem::NOT_FOUND.response() } else { envelope::not_found() }
}

async fn wrong_method(request: Request) -> Response {
    if is_ours(&request) { problem::WRONG_METHOD.response() } else { envelope::wrong_method() }
}

fn is_ours(request: &Request) -> bool {
    let path = request.uri().path();
    path.starts_with("/v1/") || path.starts_with("/cgi-bin/") || path == "/metrics"
}
