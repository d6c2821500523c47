//! Why a message is still in the queue, for people: judged when somebody asks, from what SIMs are there and what they have spent.

use std::collections::HashMap;

use super::Api;
use super::records::utc;
use crate::clock;
use crate::provider::{Channel, ChannelId};
use crate::queue::message::{Lane, State};
use crate::route::budget::{Budgets, Spent, Windows, lacking, standings};
use crate::store::{AttemptState, MessageRecord, Operations, StoreError};
use crate::units::UnixMs;

/// What every SIM has spent, seen from now.
pub(super) struct Spendings {
    pub(super) now: Windows,
    by_channel: HashMap<ChannelId, Spent>,
}

impl Spendings {
    pub(super) async fn read(store: &impl Operations) -> Result<Self, StoreError> {
        let all = store.spent().await?.into_iter().map(|record| (record.channel, record.spent));
        Ok(Self { now: Windows::at(clock::wall()), by_channel: all.collect() })
    }

    pub(super) fn of(&self, channel: &ChannelId) -> Spent {
        self.by_channel.get(channel).copied().unwrap_or_default()
    }

    /// When the first of these has budget for a new message of so many segments to somebody new; `None` if one has it now.
    fn room(&self, taking: &[&Channel], budgets: &Budgets, urgent: bool, segments: u32) -> Option<UnixMs> {
        let room = |channel: &&Channel| {
            let all = standings(&budgets.of(&channel.id.0), &self.of(&channel.id), self.now);
            lacking(all, urgent, segments, || false).map(|full| full.window.until(self.now))
        };
        taking.iter().map(room).min().flatten()
    }
}

/// Channels that take new messages, as far as their readiness goes.
pub(super) fn taking(channels: &[Channel]) -> Vec<&Channel> {
    channels.iter().filter(|channel| channel.ready && !channel.draining).collect()
}

/// When a SIM has budget again for a message that waits for nothing else; `None` if one has it now, or none is ready.
pub(super) async fn no_budget(api: &Api) -> Result<Option<UnixMs>, StoreError> {
    let channels = api.parts.channels.borrow().clone();
    Ok(Spendings::read(&api.parts.store).await?.room(&taking(&channels), &api.parts.budgets, true, 1))
}

/// Why it waits; `None` if it does not, or only for its turn.
pub(super) async fn cause(api: &Api, record: &MessageRecord) -> Result<Option<String>, StoreError> {
    if record.state != State::Queued {
        return Ok(None);
    }
    let channels = api.parts.channels.borrow().clone();
    if let Some(bound) = bound(record) {
        let ready = channels.iter().any(|channel| channel.ready && channel.id == *bound);
        return Ok((!ready).then(|| format!("it began on {bound}, which is not ready")));
    }
    let taking = taking(&channels);
    if taking.is_empty() {
        return Ok(Some("no modem takes messages; see `smsotpctl modem list`".to_owned()));
    }
    let (urgent, segments) = (record.lane == Lane::Login, u32::from(record.segments));
    let room = Spendings::read(&api.parts.store).await?.room(&taking, &api.parts.budgets, urgent, segments);
    Ok(room.map(|until| format!("no SIM that is ready has budget for it before {}", utc(until))))
}

/// The SIM on which some segment may have left, so that the others must too.
fn bound(record: &MessageRecord) -> Option<&ChannelId> {
    let may_have_left = |state| matches!(state, AttemptState::Submitted | AttemptState::Uncertain);
    let left = record.attempts.iter().rfind(|attempt| may_have_left(attempt.state));
    left.filter(|_| record.segments > 1).map(|attempt| &attempt.channel)
}
