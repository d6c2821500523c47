//! What is asked of the store: messages that channels could take, and what came of asking.

use std::time::Duration;

use super::{Demand, Dispatcher, STORE_PAUSE};
use crate::clock;
use crate::fault::{self, Point};
use crate::queue::message::Lane;
use crate::route::budget::{Full, Windows};
use crate::store::{Leased, Operations, StoreError, Want};

/// Refill when fewer are held (or fewer than there are channels, whose sends may all end at once): a fast line must not run dry
/// while a lease is being committed.
const HELD_LOW: usize = 8;
/// Hold at most so many, or two for each channel: the rest of a backlog stays in the store, not in memory.
const HELD_HIGH: usize = 32;
/// Long against any send (180 s is the hardest limit of `+CMGS`), short against an operator's patience.
pub(super) const LEASE: Duration = Duration::from_secs(300);

/// New messages that channels take now: of lanes up to this one, or `None` but what began on them.
pub(super) type Appetite = Option<Lane>;

impl Dispatcher {
    /// Keeps demands standing in the store: for anything that may go while little is held, for more urgent lanes always.
    pub(super) fn demand(&mut self) {
        if self.ready.is_empty() || self.paused_until.is_some() {
            (self.any, self.urgent) = (None, None);
            return;
        }
        let appetite = self.appetite();
        if self.any.as_ref().is_some_and(|(asked, _)| *asked != appetite) {
            self.any = None;
        }
        let (low, high) = (HELD_LOW.max(self.ready.len()), HELD_HIGH.max(self.ready.len().saturating_mul(2)));
        if self.any.is_none() && self.held.len() < low {
            self.any = Some((appetite, self.lease(high - self.held.len(), appetite)));
        }
        let more_urgent = match self.held.last_key_value().map(|((lane, _), _)| *lane) {
            Some(Lane::Bulk) => Some(Lane::Alert),
            Some(Lane::Alert) => Some(Lane::Login),
            Some(Lane::Login) | None => None,
        };
        match more_urgent.zip(appetite).map(|(urgent, appetite)| urgent.min(appetite)) {
            Some(lanes)
                if self.any.is_none() && self.urgent.as_ref().is_none_or(|(asked, _)| *asked != lanes) =>
            {
                self.urgent = Some((lanes, self.lease(low, Some(lanes))));
            }
            _ => {}
        }
    }

    fn lease(&self, most: usize, appetite: Appetite) -> Demand {
        let store = self.store.clone();
        let want = Want {
            most,
            lanes: appetite.unwrap_or(Lane::Bulk),
            channels: self.ready.iter().map(|channel| channel.id.clone()).collect(),
            begun_only: appetite.is_none(),
            lease: LEASE,
        };
        Box::pin(async move { store.lease(want).await })
    }

    pub(super) fn take_in(&mut self, leased: Result<Vec<Leased>, StoreError>) {
        match leased {
            Ok(rows) => {
                fault::point(Point::Leased);
                self.held.extend(rows.into_iter().map(|message| ((message.lane, message.id), message)));
            }
            Err(error) => {
                tracing::error!(%error, "no messages can be leased");
                self.paused_until = Some(clock::monotonic() + STORE_PAUSE);
            }
        }
    }

    /// What the budgets let begin now, and the next look at those that hold something back.
    pub(super) fn appetite(&mut self) -> Appetite {
        let taking = || self.ready.iter().filter(|channel| !channel.draining);
        if !self.ledger.limits_any() {
            return taking().next().map(|_| Lane::Bulk);
        }
        let now = clock::wall();
        let windows = Windows::at(now);
        let mut appetite = None;
        for channel in taking() {
            appetite = match self.ledger.full(&channel.id, windows) {
                None => Some(Lane::Bulk),
                Some(Full::Minute) => appetite.or(Some(Lane::Login)),
                Some(_) => appetite,
            };
        }
        if (appetite != Some(Lane::Bulk) || !self.held.is_empty()) && self.next_minute.is_none() {
            self.next_minute = Some(clock::monotonic() + windows.minute_end().since(now));
        }
        appetite
    }
}
