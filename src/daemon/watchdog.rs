//! The service manager's watchdog (`WatchdogSec=`), fed by proof only: the store's writer took its turn, and the dispatcher
//! answered that no send is stuck. A thread that hangs answers neither.
//!
//! What is slow or refused for good reasons feeds it all the same: a full disk, modems without a network, callers who take
//! all connections. A restart would mend none of these.

use std::convert::Infallible;
use std::time::Duration;

use crate::daemon::notify;
use crate::dispatch::Pulse;
use crate::store::StoreError;
use crate::store::engine::Store;

/// Proofs in one period of the watchdog: one may be late without the daemon being ended.
const PROOFS: u32 = 3;

/// Whom to ask.
pub(super) struct Proof {
    store: Store,
    dispatcher: Pulse,
}

impl Proof {
    pub(super) fn new(store: Store, dispatcher: Pulse) -> Self {
        Self { store, dispatcher }
    }

    /// The first part without progress.
    async fn missing(&self, limit: Duration) -> Option<&'static str> {
        match tokio::time::timeout(limit, self.store.pulse()).await {
            Err(_) | Ok(Err(StoreError::Closed)) => return Some("store"),
            Ok(_) => {}
        }
        match tokio::time::timeout(limit, self.dispatcher.beats()).await {
            Ok(true) => None,
            _ => Some("dispatcher"),
        }
    }
}

/// Feeds the watchdog for as long as there is progress; does nothing where there is no watchdog.
pub(super) async fn feed(proof: Proof) -> Infallible {
    let Some(period) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let pause = period / PROOFS;
    loop {
        match proof.missing(pause / 2).await {
            None => notify::alive(),
            Some(part) => tracing::error!(part, "no progress; the watchdog is not fed"),
        }
        tokio::time::sleep(pause).await;
    }
}
