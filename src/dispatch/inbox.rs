//! What comes in over the channels: handset reports, messages from phones, late confirmations. Each is stored first and
//! acknowledged to its channel only then, so that a crash in between brings it again instead of losing it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::clock;
use crate::dispatch::{Reports, Tally};
use crate::fault::{self, Point};
use crate::provider::{Inbound, Received, Verdict};
use crate::queue::message::MessageId;
use crate::store::engine::Store;
use crate::store::{Incoming, Operations, Report, StoreError};
use crate::telemetry::metrics::Metrics;

/// Stored at once, so that a flood of reports shares commits; each holds one SMS, a few hundred octets.
const AT_ONCE: usize = 16;
/// A report may overtake the row of its own attempt by a commit or two, never by longer than this.
const UNMATCHED_WAIT: Duration = Duration::from_secs(5);

/// Stores what comes in until every channel is gone.
pub async fn run(
    store: Store,
    mut inbound: mpsc::Receiver<Inbound>,
    tally: watch::Receiver<Tally>,
    reports: Reports,
    metrics: Arc<Metrics>,
) {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut storing = JoinSet::new();
    while let Some(one) = inbound.recv().await {
        while storing.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { break };
        let (store, tally, metrics) = (store.clone(), tally.clone(), Arc::clone(&metrics));
        let reports = reports.clone();
        storing.spawn(async move {
            keep(&store, one, tally, &reports, &metrics).await;
            drop(permit);
        });
    }
    while storing.join_next().await.is_some() {}
}

async fn keep(
    store: &Store,
    inbound: Inbound,
    tally: watch::Receiver<Tally>,
    reports: &Reports,
    metrics: &Metrics,
) {
    let Inbound { channel, what, stored } = inbound;
    fault::point(Point::Received);
    let at = clock::wall();
    let result = match what {
        Received::Report { reference, recipient, status, verdict } => {
            let report = Report { channel: channel.clone(), reference, recipient, status, verdict, at };
            metrics.reports.inc();
            match_report(store, report, tally).await.map(|message| {
                // That the service centre still tries is no report yet.
                if let Some(message) = message.filter(|_| verdict != Verdict::Trying) {
                    reports.matched(message, channel.clone());
                }
            })
        }
        Received::Message(segment) => {
            metrics.incoming.inc();
            store.incoming(Incoming { channel: channel.clone(), segment, at }).await
        }
        Received::Dropped(why) => {
            metrics.dropped.inc();
            tracing::info!(%channel, ?why, "received and not kept");
            Ok(())
        }
        Received::Settled { recipient, reference } => {
            store.settle(channel.clone(), recipient, reference, at).await.map(|_| ())
        }
    };
    match result {
        Ok(()) => {
            fault::point(Point::Stored);
            // A channel that hung up meanwhile needs no acknowledgement; it will show the message again.
            let _ = stored.send(());
        }
        Err(error) => tracing::error!(%error, %channel, "received but not stored; it stays in the modem"),
    }
}

/// Matches a report, waiting for the next turns of the dispatcher if its attempt is not recorded yet.
async fn match_report(
    store: &Store,
    report: Report,
    mut tally: watch::Receiver<Tally>,
) -> Result<Option<MessageId>, StoreError> {
    let until = clock::monotonic() + UNMATCHED_WAIT;
    loop {
        tally.mark_unchanged();
        if let Some(message) = store.report(report.clone()).await? {
            return Ok(Some(message));
        }
        let turned = tokio::time::timeout_at(until.into(), tally.changed()).await;
        if !matches!(turned, Ok(Ok(()))) {
            tracing::info!(channel = %report.channel, reference = %report.reference, "report matches no attempt");
            return Ok(None);
        }
    }
}
