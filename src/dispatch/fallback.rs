//! Logins whose report did not come: another channel gets the same text while the challenge lives.
//!
//! [`route::fallback`](crate::route::fallback) decides when a missing report is news; the store, whether the message still wants a second copy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Dispatcher;
use super::demand::LEASE;
use crate::clock;
use crate::provider::ChannelId;
use crate::queue::message::MessageId;
use crate::route::breaker::Standing;
use crate::store::{Leased, Operations, SecondRound, StoreError};
use crate::units::UnixMs;

/// While no other channel takes the message, one is looked for this often.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Reports on their way to the dispatcher; what is beyond comes too late to matter, and only the statistics miss it.
const REPORTS: usize = 1024;

/// What came back from the store: a message for its second round, unless there is no reason for it any more.
pub(super) type SecondCopy = Result<Option<Leased>, StoreError>;

/// Tells the dispatcher of reports, while it waits for any.
#[derive(Debug, Clone)]
pub struct Reports {
    matched: mpsc::Sender<(MessageId, ChannelId)>,
    wanted: Arc<AtomicBool>,
}

impl Reports {
    pub(super) fn channel() -> (Self, mpsc::Receiver<(MessageId, ChannelId)>) {
        let (matched, reports) = mpsc::channel(REPORTS);
        (Self { matched, wanted: Arc::default() }, reports)
    }

    /// A report for this message came over this channel.
    pub fn matched(&self, message: MessageId, channel: ChannelId) {
        if self.wanted.load(Ordering::Relaxed) {
            let _ = self.matched.try_send((message, channel));
        }
    }

    fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Relaxed);
    }
}

impl Dispatcher {
    /// The way to tell it of reports.
    #[must_use]
    pub fn reports(&self) -> Reports {
        self.reports.clone()
    }

    /// A login has left with all its segments.
    pub(super) fn wait_for_report(&mut self, message: &Leased, channel: &ChannelId, now: UnixMs) {
        let (to, life) = (message.to.as_str(), message.deadline.since(now));
        self.watch.submitted(message.id, &channel.0, to, clock::monotonic(), life);
        self.reports.want(true);
    }

    /// A report came.
    pub(super) fn report_came(&mut self, message: MessageId, channel: &ChannelId) {
        self.watch.reported(message, &channel.0, clock::monotonic());
        self.reports.want(!self.watch.is_idle());
    }

    /// Asks the store for what is late, if there is another channel for it.
    pub(super) fn look_for_late(&mut self) {
        let now = clock::monotonic();
        for (id, first) in self.watch.late(now) {
            let first = ChannelId(first);
            if !self.is_other_sound(&first) {
                self.watch.again(id, &first.0, now + LOOK_AGAIN);
                continue;
            }
            tracing::warn!(message = %id, channel = %first, "no report came; it goes once more over another channel");
            if let Some(line) = self.lines.get_mut(&first) {
                line.score.failed();
            }
            let store = self.store.clone();
            let round = SecondRound { id, first, lease: LEASE, at: clock::wall() };
            self.second_copies.spawn(async move { store.second_round(round).await });
        }
        self.reports.want(!self.watch.is_idle());
    }

    fn is_other_sound(&self, first: &ChannelId) -> bool {
        let now = clock::monotonic();
        let sound = |id: &ChannelId| self.breaker(id, now) == Standing::Closed;
        self.ready.iter().any(|ready| !ready.draining && ready.id != *first && sound(&ready.id))
    }

    /// A second copy may go, or is not wanted any more.
    pub(super) fn take_second_copy(&mut self, copy: SecondCopy) {
        match copy {
            Ok(Some(message)) => {
                self.tally.send_modify(|tally| tally.fallbacks += 1);
                self.held.insert((message.lane, message.id), message);
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "a login without a report cannot be leased again"),
        }
    }
}
