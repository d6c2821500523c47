//! How drivers tell the supervisor that its picture is old: at once for what routes depend on, a little later for counters.
//!
//! Counters change with every message; the flag keeps that to one wake-up in each interval of the supervisor.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Shared by the supervisor and all its drivers.
#[derive(Debug, Default)]
pub(super) struct Wake {
    urgent: Notify,
    lazy: Notify,
    stale: AtomicBool,
}

impl Wake {
    /// Readiness or identity changed.
    pub(super) fn now(&self) {
        self.urgent.notify_one();
    }

    /// Only figures changed.
    pub(super) fn later(&self) {
        if !self.stale.swap(true, Ordering::Relaxed) {
            self.lazy.notify_one();
        }
    }

    /// Waits for [`now`](Self::now).
    pub(super) async fn urgent(&self) {
        self.urgent.notified().await;
    }

    /// Waits for [`later`](Self::later).
    pub(super) async fn lazy(&self) {
        self.lazy.notified().await;
    }

    /// The picture is about to be taken anew.
    pub(super) fn taken(&self) {
        self.stale.store(false, Ordering::Relaxed);
    }
}
