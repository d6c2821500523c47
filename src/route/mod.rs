//! Which channel carries a message: a pure choice among the channels that have a free slot and budget for it.
//!
//! A message that began on a SIM stays on it (its segments share one reference and one sender). Otherwise a channel that did not
//! just refuse it goes first, then the one that the rules rank higher, then one with fewer attempts in flight, then the one whose
//! rest, weighed with its score and the share of its budget that is left, is longest. So a SIM with twice the share is chosen twice as
//! often, equal SIMs take turns, all run out together, and whoever rests long enough comes first: none starves.

pub mod breaker;
pub mod budget;
pub mod fallback;
pub mod reserve;
pub mod rule;
pub mod score;

use std::cmp::Reverse;
use std::time::Duration;

use serde::Serialize;

/// A channel that could take the message, named by its place in the caller's list.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Identity, compared with what the message remembers.
    pub id: &'a str,
    /// Its place by the [`rule`]s, 0 for the best.
    pub rank: usize,
    /// Attempts under way on it.
    pub in_flight: u32,
    /// Since an attempt last began on it; `None` for never.
    pub rested: Option<Duration>,
    /// What is left of its budget, 1..=1000 thousandths.
    pub share: u16,
    /// Its [`score`], 1..=1000.
    pub score: u16,
}

/// What the message remembers of channels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory<'a> {
    /// The channel it must stay on.
    pub bound: Option<&'a str>,
    /// The channel that refused it last.
    pub refused_by: Option<&'a str>,
}

/// The place in `candidates` of the channel to take, or `None` if the message has to wait for its own.
#[must_use]
pub fn choose(candidates: &[Candidate<'_>], memory: Memory<'_>) -> Option<usize> {
    if let Some(bound) = memory.bound {
        return candidates.iter().position(|candidate| candidate.id == bound);
    }
    candidates.iter().enumerate().min_by_key(|(_, candidate)| candidate.key(memory)).map(|(at, _)| at)
}

/// The places in `candidates`, best first, for a message that is bound to none.
#[must_use]
pub fn order(candidates: &[Candidate<'_>], memory: Memory<'_>) -> Vec<usize> {
    let mut order: Vec<_> = candidates.iter().enumerate().collect();
    order.sort_by_key(|(_, candidate)| candidate.key(memory));
    order.into_iter().map(|(at, _)| at).collect()
}

impl Candidate<'_> {
    /// The smallest goes first.
    fn key(&self, memory: Memory<'_>) -> impl Ord + use<> {
        let weight = self.rested.map_or(u128::MAX, |rested| {
            let rested = rested.as_micros().saturating_add(1);
            rested.saturating_mul(u128::from(self.share) * u128::from(self.score))
        });
        (memory.refused_by == Some(self.id), self.rank, self.in_flight, Reverse(weight))
    }
}

/// What stands between a channel and the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obstacle {
    /// The rule that fits does not name it.
    Rule,
    /// It is not ready.
    NotReady,
    /// An operator holds it back.
    Draining,
    /// Its budget is spent.
    Budget,
    /// Its breaker is open.
    Breaker,
    /// All its slots are taken.
    Busy,
}

/// A channel as the choice sees it, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its identity.
    pub channel: String,
    /// Why it is not taken now; `None`: it would be.
    pub obstacle: Option<Obstacle>,
    /// Its place by the rule, 0 for the best.
    pub rank: Option<usize>,
    /// Where its breaker stands.
    pub breaker: &'static str,
    /// How long it is left alone yet.
    pub pause: Option<Duration>,
    /// Attempts under way.
    pub in_flight: u32,
    /// Since an attempt last began.
    pub rested: Option<Duration>,
    /// What is left of its budget, thousandths.
    pub share: u16,
    /// Its score, 1..=1000.
    pub score: u16,
    /// Share of attempts that failed lately, thousandths.
    pub failing: u16,
    /// From the beginning of an attempt to the answer, lately.
    pub latency: Option<Duration>,
}

/// All channels, best first, those with an obstacle last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// The place of the rule that fits, from 0.
    pub rule: Option<usize>,
    /// The channels.
    pub channels: Vec<Seen>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rested(id: &str, seconds: u64) -> Candidate<'_> {
        Candidate {
            id,
            rank: 0,
            in_flight: 0,
            rested: Some(Duration::from_secs(seconds)),
            share: 1000,
            score: 1000,
        }
    }

    fn candidates() -> [Candidate<'static>; 3] {
        [rested("a", 2), rested("b", 3), rested("c", 1)]
    }

    #[test]
    fn the_longest_rested_goes_first() {
        let mut list = candidates();
        assert_eq!(choose(&list, Memory::default()), Some(1));
        list[2].rested = None;
        assert_eq!(choose(&list, Memory::default()), Some(2));
    }

    #[test]
    fn a_refusing_channel_is_the_last_choice_but_still_one() {
        let list = candidates();
        let refused = Memory { refused_by: Some("b"), ..Memory::default() };
        assert_eq!(choose(&list, refused), Some(0));
        assert_eq!(choose(&list[1..2], refused), Some(0));
    }

    #[test]
    fn a_message_that_began_somewhere_waits_for_it() {
        let list = candidates();
        assert_eq!(choose(&list, Memory { bound: Some("c"), ..Memory::default() }), Some(2));
        assert_eq!(choose(&list, Memory { bound: Some("gone"), ..Memory::default() }), None);
        assert_eq!(choose(&[], Memory::default()), None);
    }

    #[test]
    fn what_is_left_of_a_budget_weighs_as_much_as_rest() {
        let mut list = candidates();
        list[1].share = 600;
        assert_eq!(choose(&list, Memory::default()), Some(0));
        list[0].in_flight = 1;
        assert_eq!(choose(&list, Memory::default()), Some(1));
    }

    #[test]
    fn rules_go_before_rest_and_a_better_score_weighs_as_much_as_rest() {
        let mut list = candidates();
        list[1].score = 600;
        assert_eq!(choose(&list, Memory::default()), Some(0));
        assert_eq!(order(&list, Memory::default()), [0, 1, 2]);
        (list[0].rank, list[1].rank) = (2, 1);
        assert_eq!(choose(&list, Memory::default()), Some(2));
        assert_eq!(order(&list, Memory::default()), [2, 1, 0]);
    }

    proptest! {
        /// One message after the other over the same SIMs: each is chosen about as often as its share says, and none waits longer
        /// than its share explains.
        #[test]
        fn no_sim_starves(shares in proptest::collection::vec(100_u16..=1000, 1..16)) {
            let mut last = vec![None::<u64>; shares.len()];
            let names: Vec<String> = (0..shares.len()).map(|n| n.to_string()).collect();
            let sum: u64 = shares.iter().copied().map(u64::from).sum();
            for now in 1..2_000_u64 {
                let list: Vec<_> = names.iter().zip(&shares).zip(&last).map(|((id, share), last)| Candidate {
                    rested: last.map(|last| Duration::from_secs(now - last)),
                    share: *share,
                    ..rested(id, 0)
                }).collect();
                let at = choose(&list, Memory::default()).unwrap();
                prop_assert_eq!(choose(&list, Memory::default()), Some(at));
                last[at] = Some(now);
                for (share, last) in shares.iter().zip(&last) {
                    let patience = 2 * sum / u64::from(*share) + shares.len() as u64;
                    prop_assert!(now - last.unwrap_or(0) <= patience);
                }
            }
        }

        /// The order in which channels are listed matters only among equals.
        #[test]
        fn the_choice_does_not_depend_on_the_order(
            facts in proptest::collection::vec((0_u32..3, 1_u64..1_000_000, 1_u16..=1000), 1..12),
            turn in 0_usize..12,
        ) {
            let names: Vec<String> = (0..facts.len()).map(|n| n.to_string()).collect();
            let mut list: Vec<_> = names.iter().zip(&facts).map(|(id, (in_flight, micros, share))| Candidate {
                in_flight: *in_flight,
                rested: Some(Duration::from_micros(*micros)),
                share: *share,
                ..rested(id, 0)
            }).collect();
            let chosen = list[choose(&list, Memory::default()).unwrap()];
            let len = list.len();
            list.rotate_left(turn % len);
            let again = list[choose(&list, Memory::default()).unwrap()];
            let weight = |c: Candidate<'_>| (c.in_flight, (c.rested.unwrap().as_micros() + 1) * u128::from(c.share));
            prop_assert_eq!(weight(chosen), weight(again));
        }
    }
}
