//! Requests over budget, as an operator hears of them: all are counted, and each dimension is logged once a minute, so that a
//! script that runs away does not take the log along.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::queue::budget::Over;
use crate::route::budget::Windows;
use crate::units::UnixMs;

const DIMENSIONS: usize = Over::WORDS.len();

/// Counts by dimension.
#[derive(Debug, Default)]
pub struct OverBudget {
    counts: [AtomicU64; DIMENSIONS],
    /// The minute in which a dimension was logged last.
    logged: [AtomicI64; DIMENSIONS],
}

impl OverBudget {
    /// A message, or a batch, was refused or in `shadow` would have been.
    pub fn tell(&self, over: &Over, shadow: bool, now: UnixMs) {
        let dimension = over.dimension();
        let places = Over::WORDS.iter().zip(self.counts.iter().zip(&self.logged));
        for (_, (count, logged)) in places.filter(|(word, _)| **word == dimension) {
            count.fetch_add(1, Ordering::Relaxed);
            let minute = Windows::at(now).minute;
            if logged.swap(minute, Ordering::Relaxed) != minute {
                let outcome = if shadow { "let in, as the budgets are in shadow" } else { "refused" };
                tracing::warn!(dimension, why = %over, outcome, "a request is over budget; more may follow within the minute");
            }
        }
    }

    /// How often so far, by dimension.
    pub fn totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Over::WORDS.iter().zip(&self.counts).map(|(word, count)| (*word, count.load(Ordering::Relaxed)))
    }
}
