//! Looks at the daemon itself now and then, for whoever keeps the alarms.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::statvfs;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::alarm::Finding;
use crate::clock;
use crate::dispatch::Tally;
use crate::provider::Channel;
use crate::store::Operations;
use crate::store::engine::Store;
use crate::telemetry::alarms::own::{Disk, Own, Sight};

/// What is looked for builds up over minutes, and a look wakes three threads: an appliance at rest should sleep.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Where to look.
pub(super) struct Vitals {
    pub(super) store: Store,
    pub(super) directory: PathBuf,
    pub(super) tally: watch::Receiver<Tally>,
    pub(super) channels: watch::Receiver<Arc<[Channel]>>,
}

impl Vitals {
    /// Looks until `stop`, and tells `found` what has changed.
    pub(super) async fn watch(self, found: watch::Sender<Vec<Finding>>, stop: CancellationToken) {
        let mut own = Own::default();
        loop {
            let seen = own.findings(&self.sight().await);
            found.send_if_modified(|told| {
                let changed = *told != seen;
                *told = seen;
                changed
            });
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn sight(&self) -> Sight {
        let now = clock::wall();
        // A store that does not answer has its own ways to say so.
        let oldest = self.store.waiting(now).await.unwrap_or_default();
        let directory = self.directory.clone();
        let disk = tokio::task::spawn_blocking(move || disk(&directory)).await.ok().flatten();
        let Tally { submitted, refused, uncertain, abandoned, .. } = *self.tally.borrow();
        Sight {
            at: clock::monotonic(),
            waited: oldest.map(|due| now.since(due)),
            ended: submitted + refused + uncertain + abandoned,
            ready: self.channels.borrow().iter().filter(|channel| channel.ready && !channel.draining).count(),
            disk,
            unwritable: self.store.unwritable(),
        }
    }
}

fn disk(directory: &Path) -> Option<Disk> {
    let told = statvfs(directory).ok()?;
    let octets = |blocks: u64| blocks.saturating_mul(told.f_frsize);
    Some(Disk { free: octets(told.f_bavail), size: octets(told.f_blocks) })
}
