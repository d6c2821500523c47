//! The life of a message: every change of its state, with time, cause and who brought it about.
//!
//! It is kept beside the message as octets that only grow, so that a change costs no row of its own. An entry ends with its
//! part of fixed length and is read from the end backwards: the last octet of a life is the state it has come to.
//!
//! ```text
//! cause, UTF-8 (0..=120) | its length (1) | ms since 1970, big-endian (8) | actor (1) | state (1)
//! ```
//!
//! A message may go to and fro between queue and dispatcher for a week, so what is kept is bounded: see [`room`]. Codes that
//! a later release wrote are shown as numbers, and what cannot be read at the front of a life is left out.

use std::fmt;

use super::message::State;
use crate::units::UnixMs;

/// Octets of a cause that are kept: the words of a modem or a network with what we say of them; the attempt has all of it.
pub const LONGEST_CAUSE: usize = 120;
/// Octets of an entry without its cause.
pub const BARE: usize = 11;
/// A life this long takes no more comings and goings: at least fifteen of the longest entries, 186 of the shortest.
const ROOM: usize = 2048;
/// What is kept free beyond them for the states a message comes to rest in: of those there are few, and they matter most.
const ROOM_TO_REST: usize = 1024;

/// Who brought a change about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Nobody wrote it down: the change is older than this record, or came when it was full.
    Unknown = 0,
    /// Who submitted the message.
    Caller = 1,
    /// The dispatcher, with what an attempt came to.
    Dispatcher = 2,
    /// A handset report, or a confirmation that came late.
    Network = 3,
    /// The janitor: a deadline that passed, a lease that lapsed.
    Janitor = 4,
    /// The start of the daemon, for what it found unfinished.
    Recovery = 5,
    /// The validation: its challenge was answered.
    Validate = 6,
    /// An operator.
    Operator = 7,
}

/// A value as it was written: one that we know, or the code of a later release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coded<T> {
    /// One that we know.
    Known(T),
    /// The code of one that we do not.
    Code(u8),
}

/// A change that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move<'a> {
    /// To this state.
    pub state: State,
    /// By whom.
    pub actor: Actor,
    /// When.
    pub at: UnixMs,
    /// Why, for people.
    pub cause: Option<&'a str>,
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// To this state.
    pub state: Coded<State>,
    /// By whom.
    pub actor: Coded<Actor>,
    /// When.
    pub at: UnixMs,
    /// Why, for people; cut after [`LONGEST_CAUSE`] octets.
    pub cause: Option<String>,
}

/// Where a message stands according to its row, for what its life does not tell.
#[derive(Debug, Clone, Copy)]
pub struct Stands<'a> {
    /// When it was accepted.
    pub created: UnixMs,
    /// Its state.
    pub state: State,
    /// When that changed.
    pub changed: UnixMs,
    /// Why.
    pub cause: Option<&'a str>,
}

impl Actor {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Caller,
        Self::Dispatcher,
        Self::Network,
        Self::Janitor,
        Self::Recovery,
        Self::Validate,
        Self::Operator,
    ];

    /// The word used in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Caller => "caller",
            Self::Dispatcher => "dispatcher",
            Self::Network => "network",
            Self::Janitor => "janitor",
            Self::Recovery => "recovery",
            Self::Validate => "validate",
            Self::Operator => "operator",
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|actor| *actor as u8 == code)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<T: fmt::Display> fmt::Display for Coded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.fmt(f),
            Self::Code(code) => write!(f, "code {code}"),
        }
    }
}

impl Move<'_> {
    /// The entry, to be put behind a life that has [`room`] for it.
    #[must_use]
    pub fn entry(&self) -> Vec<u8> {
        let cause = shortened(self.cause.unwrap_or_default());
        let mut entry = Vec::with_capacity(cause.len() + BARE);
        entry.extend_from_slice(cause.as_bytes());
        // It has 120 octets at most.
        entry.push(u8::try_from(cause.len()).unwrap_or(0));
        entry.extend_from_slice(&self.at.0.to_be_bytes());
        entry.push(self.actor as u8);
        entry.push(self.state as u8);
        entry
    }
}

/// An entry about this state is kept while a life has fewer octets than this. What comes when it is full is left out; the last
/// of it is told by the row ([`told`]).
#[must_use]
pub fn room(state: State) -> usize {
    match state {
        State::Queued | State::Leased => ROOM,
        State::Submitted
        | State::Delivered
        | State::Failed
        | State::Expired
        | State::Withdrawn
        | State::Uncertain => ROOM + ROOM_TO_REST,
    }
}

/// All that is known of a life, oldest first: what was kept, before it the acceptance and after it the present state, where they
/// are missing.
#[must_use]
pub fn told(kept: &[u8], stands: Stands<'_>) -> Vec<Transition> {
    let mut life = read(kept);
    let accepted = Transition {
        state: Coded::Known(State::Queued),
        actor: Coded::Known(Actor::Caller),
        at: stands.created,
        cause: None,
    };
    if life.first() != Some(&accepted) {
        life.insert(0, accepted);
    }
    let state = Coded::Known(stands.state);
    if life.last().is_none_or(|last| last.state != state) {
        let cause = stands.cause.map(|cause| shortened(cause).to_owned());
        life.push(Transition { state, actor: Coded::Known(Actor::Unknown), at: stands.changed, cause });
    }
    life
}

fn read(mut octets: &[u8]) -> Vec<Transition> {
    let mut life = Vec::new();
    while let Some((rest, last)) = split_last(octets) {
        life.push(last);
        octets = rest;
    }
    life.reverse();
    life
}

fn split_last(octets: &[u8]) -> Option<(&[u8], Transition)> {
    let (rest, &[length, ref fixed @ ..]) = octets.split_last_chunk::<BARE>()?;
    let [time @ .., actor, state] = fixed;
    let (rest, cause) = rest.split_at_checked(rest.len().checked_sub(usize::from(length))?)?;
    let last = Transition {
        state: State::from_code(i64::from(*state)).map_or(Coded::Code(*state), Coded::Known),
        actor: Actor::from_code(*actor).map_or(Coded::Code(*actor), Coded::Known),
        at: UnixMs(i64::from_be_bytes(*time.first_chunk()?)),
        cause: (!cause.is_empty()).then(|| String::from_utf8_lossy(cause).into_owned()),
    };
    Some((rest, last))
}

/// As much of a cause as is kept, whole characters.
fn shortened(cause: &str) -> &str {
    let end = (0..=LONGEST_CAUSE).rev().find(|end| cause.is_char_boundary(*end)).unwrap_or(0);
    cause.get(..end.min(cause.len())).unwrap_or(cause)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STANDS: Stands<'_> =
        Stands { created: UnixMs(7), state: State::Failed, changed: UnixMs(9), cause: Some("barred") };

    fn moved(state: State, actor: Actor, at: i64, cause: Option<&str>) -> Move<'_> {
        Move { state, actor, at: UnixMs(at), cause }
    }

    fn kept(moves: &[Move<'_>]) -> Vec<u8> {
        moves.iter().flat_map(Move::entry).collect()
    }

    fn words(life: &[Transition]) -> Vec<String> {
        let word = |one: &Transition| {
            format!("{} {} {} {}", one.at.0, one.state, one.actor, one.cause.as_deref().unwrap_or("-"))
        };
        life.iter().map(word).collect()
    }

    #[test]
    fn a_row_without_a_life_tells_what_it_knows() {
        assert_eq!(words(&told(&[], STANDS)), ["7 queued caller -", "9 failed unknown barred"]);
        let queued = Stands { state: State::Queued, ..STANDS };
        assert_eq!(words(&told(&[], queued)), ["7 queued caller -"]);
        let late = kept(&[moved(State::Failed, Actor::Network, 9, None)]);
        assert_eq!(words(&told(&late, STANDS)), ["7 queued caller -", "9 failed network -"]);
    }

    #[test]
    fn codes_of_a_later_release_are_shown() {
        let mut life = kept(&[moved(State::Queued, Actor::Caller, 7, None)]);
        life.extend_from_slice(b"why\x03\0\0\0\0\0\0\0\x08\xc8\xc9");
        let shown = words(&told(&life, STANDS));
        assert_eq!(shown, ["7 queued caller -", "8 code 201 code 200 why", "9 failed unknown barred"]);
    }

    #[test]
    fn a_long_cause_is_cut_between_characters() {
        for (cause, octets) in [("x".repeat(500), 120), (format!("{}€€", "x".repeat(119)), 119)] {
            let entry = moved(State::Failed, Actor::Dispatcher, 9, Some(&cause)).entry();
            assert_eq!(entry.len(), octets + BARE);
            assert!(cause.starts_with(read(&entry)[0].cause.as_deref().unwrap()));
        }
    }

    #[test]
    fn the_last_octet_is_the_state() {
        for state in State::ALL {
            assert_eq!(moved(state, Actor::Operator, -1, Some("why")).entry().last(), Some(&(state as u8)));
        }
    }

    #[test]
    fn the_bounds_are_those_that_are_told() {
        assert_eq!(ROOM.div_ceil(BARE + LONGEST_CAUSE), 16);
        assert_eq!(ROOM / BARE, 186);
        assert!(room(State::Leased) < room(State::Delivered));
    }

    fn any_move() -> impl Strategy<Value = (State, Actor, i64, Option<String>)> {
        let state = prop::sample::select(&State::ALL[..]);
        let actor = prop::sample::select(&Actor::ALL[..]);
        (state, actor, any::<i64>(), prop::option::of(".{1,40}"))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(moves in prop::collection::vec(any_move(), 0..20)) {
            let moves: Vec<_> = moves.iter().map(|(s, a, at, cause)| moved(*s, *a, *at, cause.as_deref())).collect();
            let life = read(&kept(&moves));
            prop_assert_eq!(life.len(), moves.len());
            for (one, wrote) in life.iter().zip(&moves) {
                prop_assert_eq!(one.state, Coded::Known(wrote.state));
                prop_assert_eq!(one.actor, Coded::Known(wrote.actor));
                prop_assert_eq!(one.at, wrote.at);
                prop_assert_eq!(one.cause.as_deref(), wrote.cause.map(shortened));
            }
        }

        #[test]
        fn any_octets_are_told(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let life = told(&octets, STANDS);
            prop_assert!(!life.is_empty() && life.len() <= octets.len() / BARE + 2);
            prop_assert_eq!(life.last().unwrap().state, Coded::Known(State::Failed));
            prop_assert!(life.iter().all(|one| !one.state.to_string().is_empty()));
        }
    }
}
