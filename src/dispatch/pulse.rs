//! Questions to a running dispatcher: whether it gets on, and which way a message would go.

use tokio::sync::{mpsc, oneshot};

use super::{Dispatcher, OVERDUE};
use crate::clock;
use crate::number::Number;
use crate::queue::message::Lane;
use crate::route::breaker::Standing;
use crate::route::budget::{Full, Windows};
use crate::route::{self, Candidate, Memory, Obstacle, Outlook, Seen};

/// A number with the lane of a message to it.
pub type Asked = Option<(Number, Lane)>;

/// What can be asked.
#[derive(Debug)]
pub(super) enum Question {
    Beats(oneshot::Sender<bool>),
    Outlook(Asked, oneshot::Sender<Outlook>),
}

/// Asks a running dispatcher.
#[derive(Debug, Clone)]
pub struct Pulse(pub(super) mpsc::Sender<Question>);

impl Pulse {
    /// Waits for the dispatcher's answer: whether every send in flight is younger than any may become. `false` when it has ended.
    pub async fn beats(&self) -> bool {
        self.ask(Question::Beats).await.unwrap_or(false)
    }

    /// How the channels stand, best first for a message to this number; empty when the dispatcher has ended.
    pub async fn outlook(&self, asked: Asked) -> Outlook {
        self.ask(|answer| Question::Outlook(asked, answer)).await.unwrap_or_default()
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.0.send(question(answer)).await.ok()?;
        answered.await.ok()
    }
}

impl Dispatcher {
    pub(super) fn answer(&self, question: Question) {
        // Whoever no longer waits was told too late, and counts it so.
        match question {
            Question::Beats(answer) => drop(answer.send(self.gets_on())),
            Question::Outlook(asked, answer) => drop(answer.send(self.outlook(asked.as_ref()))),
        }
    }

    fn gets_on(&self) -> bool {
        let now = clock::monotonic();
        self.flights.values().all(|flight| now.saturating_duration_since(flight.begun) < OVERDUE)
    }

    fn outlook(&self, asked: Option<&(Number, Lane)>) -> Outlook {
        let settings = self.settings.borrow();
        let rule = asked.and_then(|(to, lane)| settings.routes.find(to.as_str(), lane));
        let mut seen: Vec<Seen> = self
            .providers
            .iter()
            .flat_map(|source| source.channels.borrow().iter().cloned().collect::<Vec<_>>())
            .map(|channel| {
                let rank = rule.map_or(Some(0), |(_, rule)| rule.rank(&channel.id.0));
                self.seen(&channel, rank)
            })
            .collect();
        let candidates: Vec<_> = seen.iter().map(candidate).collect();
        let order = route::order(&candidates, Memory::default());
        let place = |at: usize| order.iter().position(|one| *one == at);
        let mut keyed: Vec<_> = seen.drain(..).enumerate().map(|(at, seen)| (place(at), seen)).collect();
        keyed.sort_by_key(|(place, seen)| (seen.obstacle.is_some(), *place));
        let channels = keyed.into_iter().map(|(_, seen)| seen).collect();
        Outlook { rule: rule.map(|(at, _)| at), channels }
    }

    fn seen(&self, channel: &crate::provider::Channel, rank: Option<usize>) -> Seen {
        let (now, windows) = (clock::monotonic(), Windows::at(clock::wall()));
        let line = self.lines.get(&channel.id);
        let breaker = self.breaker(&channel.id, now);
        let in_flight = self.in_flight(&channel.id);
        let full = self.ledger.full(&channel.id, windows);
        let obstacle = match rank {
            None => Some(Obstacle::Rule),
            _ if !channel.ready => Some(Obstacle::NotReady),
            _ if channel.draining => Some(Obstacle::Draining),
            _ if matches!(full, Some(Full::Day | Full::Month | Full::Recipients)) => Some(Obstacle::Budget),
            _ if matches!(breaker, Standing::Open(_)) => Some(Obstacle::Breaker),
            _ if in_flight >= channel.slots => Some(Obstacle::Busy),
            _ => None,
        };
        let score = line.map(|line| line.score).unwrap_or_default();
        Seen {
            channel: channel.id.0.to_string(),
            obstacle,
            rank,
            breaker: breaker.as_str(),
            pause: match breaker {
                Standing::Open(until) => Some(until.saturating_duration_since(now)),
                Standing::Closed | Standing::HalfOpen => None,
            },
            in_flight,
            rested: line.and_then(|line| line.last_begun).map(|last| now.saturating_duration_since(last)),
            share: self.ledger.share(&channel.id, windows),
            score: score.points(),
            failing: score.failing(),
            latency: score.latency(),
        }
    }
}

fn candidate(seen: &Seen) -> Candidate<'_> {
    Candidate {
        id: &seen.channel,
        rank: seen.rank.unwrap_or(usize::MAX),
        in_flight: seen.in_flight,
        rested: seen.rested,
        share: seen.share,
        score: seen.score,
    }
}
