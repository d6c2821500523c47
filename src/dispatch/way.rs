//! Where a held message can go now: readiness, slots and budgets of the channels, put before
//! [`route`] in its own terms.

use std::time::Instant;

use super::Dispatcher;
use crate::clock;
use crate::provider::ChannelId;
use crate::queue::message::Lane;
use crate::route::breaker::Standing;
use crate::route::budget::{Full, Windows};
use crate::route::reserve::{self, Slots};
use crate::route::rule::Rule;
use crate::route::{self, Candidate, Memory};
use crate::store::Leased;
use crate::units::UnixMs;

/// A channel that is ready, with the place of its provider.
#[derive(Clone)]
pub(super) struct Ready {
    pub(super) source: usize,
    pub(super) id: ChannelId,
    pub(super) slots: u32,
    pub(super) draining: bool,
}

/// Where a held message can go.
pub(super) enum Way {
    /// To the free channel in this place.
    Over(usize),
    /// To a channel that is busy, or over its minute.
    Wait,
    /// Nowhere as things are.
    Nowhere,
}

impl Dispatcher {
    /// Ready channels with a free slot.
    pub(super) fn free_channels(&self) -> Vec<Ready> {
        let free = |channel: &&Ready| self.in_flight(&channel.id) < channel.slots;
        self.ready.iter().filter(free).cloned().collect()
    }

    pub(super) fn in_flight(&self, id: &ChannelId) -> u32 {
        self.lines.get(id).map_or(0, |line| line.in_flight)
    }

    pub(super) fn way(&self, free: &[Ready], message: &Leased, now: UnixMs) -> Way {
        let windows = Windows::at(now);
        let monotonic = clock::monotonic();
        let settings = self.settings.borrow();
        let rule = settings.routes.find(message.to.as_str(), &message.lane).map(|(_, rule)| rule);
        let takes = |channel: &Ready| self.takes(channel, message, rule, windows);
        // A login is what nothing is lost with: it tries a channel that is left alone rather than none.
        let sound = |channel: &&Ready| self.breaker(&channel.id, monotonic) == Standing::Closed;
        let desperate = message.lane == Lane::Login
            && !self.ready.iter().filter(sound).any(|channel| takes(channel) == Some(Ok(())));
        let mut places = Vec::with_capacity(free.len());
        let mut candidates = Vec::with_capacity(free.len());
        for (at, channel) in free.iter().enumerate() {
            if !(desperate || self.is_let(&channel.id, monotonic)) || takes(channel) != Some(Ok(())) {
                continue;
            }
            let line = self.lines.get(&channel.id);
            let last = line.and_then(|line| line.last_begun);
            places.push(at);
            candidates.push(Candidate {
                id: &channel.id.0,
                rank: rule.and_then(|rule| rule.rank(&channel.id.0)).unwrap_or(0),
                in_flight: self.in_flight(&channel.id),
                rested: last.map(|last| monotonic.saturating_duration_since(last)),
                share: self.ledger.share(&channel.id, windows),
                score: line.map_or(1000, |line| line.score.points()),
            });
        }
        let memory = Memory {
            bound: message.bound.as_ref().map(|id| &*id.0),
            refused_by: message.refused_by.as_ref().map(|id| &*id.0),
        };
        if let Some(at) = route::choose(&candidates, memory).and_then(|at| places.get(at)) {
            return Way::Over(*at);
        }
        let hope = |channel| matches!(takes(channel), Some(Ok(()) | Err(Full::Minute)));
        if message.bound.is_some() || self.ready.iter().any(hope) { Way::Wait } else { Way::Nowhere }
    }

    /// Whether a message leaves the free slots to logins that may come. What began on a draining channel takes no slot that a login
    /// could have.
    pub(super) fn gives_way(&self, message: &Leased, reserve: u32, now: UnixMs) -> bool {
        let drains = |bound: &ChannelId| self.ready.iter().any(|ready| ready.draining && ready.id == *bound);
        message.lane != Lane::Login
            && reserve > 0
            && !self.slots(Windows::at(now)).may_lend(reserve)
            && !message.bound.as_ref().is_some_and(drains)
    }

    /// The slots that a login could have.
    fn slots(&self, now: Windows) -> Slots {
        let mut slots = Slots::default();
        let limited = self.ledger.limits_any();
        let monotonic = clock::monotonic();
        let lets = |id| !matches!(self.breaker(id, monotonic), Standing::Open(_));
        for channel in self.ready.iter().filter(|channel| !channel.draining && lets(&channel.id)) {
            let full = limited.then(|| self.ledger.full(&channel.id, now)).flatten();
            if matches!(full, None | Some(Full::Minute)) {
                slots.all = slots.all.saturating_add(channel.slots);
                let taken =
                    if self.is_quick(&channel.id, monotonic) { 0 } else { self.in_flight(&channel.id) };
                slots.free = slots.free.saturating_add(channel.slots.saturating_sub(taken));
            }
        }
        slots
    }

    fn is_quick(&self, id: &ChannelId, now: Instant) -> bool {
        self.lines.get(id).is_some_and(|line| {
            let age = line.last_begun.map(|begun| now.saturating_duration_since(begun));
            reserve::is_quick(line.score.latency(), age)
        })
    }

    /// Whether a channel's budget lets this message leave there; `None` if the rule does not name it, it drains and the message did
    /// not begin there, or the message began elsewhere or is to leave it.
    fn takes(
        &self,
        channel: &Ready,
        message: &Leased,
        rule: Option<&Rule<Lane>>,
        now: Windows,
    ) -> Option<Result<(), Full>> {
        let may_begin = || {
            !channel.draining
                && message.first_round.as_ref() != Some(&channel.id)
                && rule.is_none_or(|rule| rule.rank(&channel.id.0).is_some())
        };
        if !message.bound.as_ref().map_or_else(may_begin, |bound| *bound == channel.id) {
            return None;
        }
        Some(self.ledger.may(&channel.id, message, || self.promised(&channel.id), now))
    }

    /// Segments still to go of messages that began on this channel.
    fn promised(&self, id: &ChannelId) -> u32 {
        let held =
            self.held.values().filter(|held| held.bound.as_ref() == Some(id)).map(|held| held.open.len());
        let flying = self.flights.values().filter(|flight| flight.channel == *id);
        let segments: usize =
            held.chain(flying.map(|flight| flight.message.open.len().saturating_sub(1))).sum();
        u32::try_from(segments).unwrap_or(u32::MAX)
    }
}
