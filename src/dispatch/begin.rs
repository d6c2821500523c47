//! Beginning attempts: held messages go to free channels, most urgent first.

use std::ops::Bound;
use std::time::Duration;

use super::way::{Ready, Way};
use super::{Dispatcher, Flight, Stage};
use crate::clock;
use crate::provider::{Attempt, ChannelId, Durable, Part};
use crate::queue::message::Lane;
use crate::store::{Begin, Leased};

/// A held message whose lease ends sooner than this is given back rather than begun.
const LEASE_MARGIN: Duration = Duration::from_secs(200);
/// A message that no SIM has budget for is looked at again after this, for budgets that another SIM may bring; a login, for which
/// a person waits, much sooner.
const NO_BUDGET: Duration = Duration::from_secs(60);
const NO_BUDGET_LOGIN: Duration = Duration::from_secs(5);

impl Dispatcher {
    /// Begins attempts for held messages, most urgent first, while channels have free slots.
    pub(super) fn begin_what_fits(&mut self) {
        if self.paused_until.is_some() || self.held.is_empty() {
            return;
        }
        let reserve = self.settings.borrow().login_reserve;
        let mut free = self.free_channels();
        let mut put_back = Vec::new();
        let mut next = self.held.keys().next().copied();
        while let Some(key) = next.filter(|_| !free.is_empty()) {
            next = self.held.range((Bound::Excluded(key), Bound::Unbounded)).next().map(|(key, _)| *key);
            let Some(message) = self.held.get(&key) else { continue };
            let now = clock::wall();
            let overdue = message.deadline <= now || message.until.since(now) < LEASE_MARGIN;
            let way = if overdue {
                Way::Nowhere
            } else if self.gives_way(message, reserve, now) {
                Way::Wait
            } else {
                self.way(&free, message, now)
            };
            match way {
                Way::Over(at) => {
                    let Ready { source, id, .. } = free.swap_remove(at);
                    if let Some(message) = self.held.remove(&key) {
                        self.begin(source, id, message);
                    }
                    free = self.free_channels();
                }
                Way::Wait => {}
                Way::Nowhere => put_back.extend(self.held.remove(&key).map(|message| (message, overdue))),
            }
        }
        for (message, overdue) in put_back {
            let pause = if message.lane == Lane::Login { NO_BUDGET_LOGIN } else { NO_BUDGET };
            // While nothing new is taken at all, it is not asked for either.
            let due = (!overdue && self.appetite().is_some()).then(|| clock::wall().plus(pause));
            self.give_back(vec![(message.id, message.epoch)], due);
        }
    }

    /// Starts one attempt: the channel hears of it at once, its row goes into the pending turn.
    fn begin(&mut self, source: usize, channel: ChannelId, message: Leased) {
        let (Some(entry), Some(&seq)) = (self.providers.get(source), message.open.first()) else { return };
        let (keeper, durable) = Durable::channel();
        let attempt = Attempt {
            to: message.to.clone(),
            body: message.body.clone(),
            part: Part {
                seq,
                total: message.segments,
                concat_ref: message.concat_ref,
                coding: message.coding,
            },
            flash: message.flash,
            report: message.report,
            deadline: message.deadline,
            more: !self.held.is_empty() || message.open.len() > 1,
            durable,
        };
        let flight = self.next_flight;
        self.next_flight += 1;
        let send = entry.provider.send(&channel, attempt);
        self.sends.spawn(async move { (flight, send.await) });
        let at = clock::wall();
        let whom = self.ledger.begin(&channel, message.recipient, at);
        let begin = Begin { id: message.id, epoch: message.epoch, seq, channel: channel.clone(), whom, at };
        self.pending.begun.push(begin);
        self.pending_keepers.push((flight, keeper));
        let line = self.lines.entry(channel.clone()).or_default();
        line.in_flight += 1;
        let begun = clock::monotonic();
        line.last_begun = Some(begun);
        let under_way = Flight { message, seq, channel, stage: Stage::Committing, begun, at, whom };
        self.flights.insert(flight, under_way);
    }
}
