//! Channels that come and go, and those that drain.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::way::Ready;
use super::{Dispatcher, Line};
use crate::clock;
use crate::provider::Channel;
use crate::store::Operations;

/// While a channel drains, it is looked this often whether it has finished.
const DRAIN_LOOK: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// A demand names the ready channels, so it is made anew; with no channel left, what is held goes back to the queue.
    pub(super) fn channels_changed(&mut self) {
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
        self.forget_breakers_of_absent();
        if self.ready.is_empty() {
            let leases =
                std::mem::take(&mut self.held).into_values().map(|held| (held.id, held.epoch)).collect();
            self.give_back(leases, None);
        }
        let draining = self.ready.iter().any(|channel| channel.draining);
        self.drain_look = draining.then(clock::monotonic);
    }

    /// Tells providers which of their draining channels have finished. What began on a channel is known to the store.
    pub(super) fn look_at_drains(&mut self) {
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
}

/// Waits for the next announcement of one provider and hands its watch back.
pub(super) async fn announced(
    mut channels: watch::Receiver<Arc<[Channel]>>,
) -> Option<watch::Receiver<Arc<[Channel]>>> {
    channels.changed().await.ok().map(|()| channels)
}
