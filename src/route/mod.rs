//! Which channel carries a message: a pure choice among the channels that have a free slot.
//!
//! A message that began on a SIM stays on it (its segments share one reference and one sender); otherwise a channel that did
//! not just refuse it goes first, then the one that has rested longest, so that the load spreads over all SIMs.

pub mod budget;

use std::time::Instant;

/// A channel with at least one free slot, named by its place in the caller's list.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Identity, compared with what the message remembers.
    pub id: &'a str,
    /// When an attempt last began on it; `None` for never.
    pub last_begun: Option<Instant>,
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
    (0..candidates.len()).min_by_key(|&at| {
        candidates.get(at).map(|candidate| (memory.refused_by == Some(candidate.id), candidate.last_begun))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn candidates(start: Instant) -> [Candidate<'static>; 3] {
        [
            Candidate { id: "a", last_begun: Some(start + Duration::from_secs(2)) },
            Candidate { id: "b", last_begun: Some(start + Duration::from_secs(1)) },
            Candidate { id: "c", last_begun: Some(start + Duration::from_secs(3)) },
        ]
    }

    #[test]
    fn the_longest_rested_goes_first() {
        #[expect(clippy::disallowed_methods, reason = "any instant serves as the start of virtual time")]
        let mut list = candidates(Instant::now());
        assert_eq!(choose(&list, Memory::default()), Some(1));
        list[2].last_begun = None;
        assert_eq!(choose(&list, Memory::default()), Some(2));
    }

    #[test]
    fn a_refusing_channel_is_the_last_choice_but_still_one() {
        #[expect(clippy::disallowed_methods, reason = "any instant serves as the start of virtual time")]
        let list = candidates(Instant::now());
        let refused = Memory { refused_by: Some("b"), ..Memory::default() };
        assert_eq!(choose(&list, refused), Some(0));
        assert_eq!(choose(&list[1..2], refused), Some(0));
    }

    #[test]
    fn a_message_that_began_somewhere_waits_for_it() {
        #[expect(clippy::disallowed_methods, reason = "any instant serves as the start of virtual time")]
        let list = candidates(Instant::now());
        assert_eq!(choose(&list, Memory { bound: Some("c"), ..Memory::default() }), Some(2));
        assert_eq!(choose(&list, Memory { bound: Some("gone"), ..Memory::default() }), None);
        assert_eq!(choose(&[], Memory::default()), None);
    }
}
