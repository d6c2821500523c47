//! Target `reassemble`: parts of texts in any order, at any time, from anybody.
//!
//! The first octet says which of two plays is given: parts of which nothing is true but their bounds, none of which may be
//! lost; or texts cut anywhere, even within a character, which must come out as they went in.

use std::collections::BTreeMap;

use smsotpd::pdu::gsm7::{self, Tables};
use smsotpd::pdu::reassemble::{
    self, Content, PARTS_MAX, Part, Reassembler, SENDER_PARTS_MAX, Set, Taken, WAIT,
};
use smsotpd::pdu::{Concat, ucs2};
use smsotpd::secret::Secret;
use smsotpd::units::UnixMs;

use super::feed::Feed;

/// Parts of one play; enough to pass every bound.
const OFFERS_MAX: usize = 2 * PARTS_MAX;
/// Where the clock stands at the beginning.
const START: i64 = 1_750_000_000_000;
/// Parts of a text that is cut anywhere.
const PIECES_MAX: usize = 9;

/// One input.
pub fn run(data: &[u8]) {
    let mut feed = Feed::new(data);
    if feed.octet().is_multiple_of(2) {
        Play::new().run(feed);
    } else {
        texts(feed);
    }
}

/// Arbitrary parts. Each is known by the moment it came, which no other shares.
struct Play {
    reassembler: Reassembler<u8>,
    now: i64,
    /// What was offered and is neither given out nor a duplicate, with its number.
    held: BTreeMap<i64, (usize, Part<u8>)>,
    offers: usize,
}

impl Play {
    fn new() -> Self {
        Self { reassembler: Reassembler::default(), now: START, held: BTreeMap::new(), offers: 0 }
    }

    fn run(mut self, mut feed: Feed<'_>) {
        while !feed.is_empty() && self.offers < OFFERS_MAX {
            match feed.octet() % 8 {
                0..4 => {
                    let concat = concat(feed.octet(), feed.octet(), feed.octet());
                    let (from, content, zone) = (feed.octet(), feed.octet(), feed.octet());
                    self.offer(from, concat, content % 4, zone);
                }
                4 => {
                    let (from, count) = (feed.octet(), feed.octet());
                    for seq in 1..=count {
                        self.offer(from, concat(feed.octet(), u8::MAX, seq), 0, 0);
                    }
                }
                5 => self.now += 1 << (feed.octet() % 32),
                6 => self.now -= 1 << (feed.octet() % 32),
                _ => {
                    self.expire();
                    self.restart();
                }
            }
            self.check();
        }
        self.now += i64::try_from(2 * WAIT.as_millis()).expect("some days");
        self.expire();
        // A set waits by its first part, and a part is within the wait of that, before or behind it: the clock may go back.
        assert!(
            self.held.values().all(|(_, part)| (part.received.0 - self.now).unsigned_abs() < 2 * wait_ms())
        );
    }

    fn offer(&mut self, from: u8, concat: Concat, content: u8, zone: u8) {
        while self.held.contains_key(&self.now) {
            self.now += 1;
        }
        let sent = (!zone.is_multiple_of(4)).then(|| UnixMs(self.now - (i64::from(zone) << 20)));
        let part = Part { from: (from % 8).to_string(), concat, sent, received: UnixMs(self.now), content };
        self.offers += 1;
        let (taken, given) = self.reassembler.offer(part.clone());
        match taken {
            Taken::Duplicate => {
                assert!(given.is_empty(), "a duplicate changes nothing");
                let same = |held: &Part<u8>| {
                    (&held.from, held.content, held.concat.seq, held.concat.total, held.concat.reference)
                        == (&part.from, content, concat.seq, concat.total, concat.reference)
                };
                assert!(self.held.values().any(|(_, held)| same(held)), "a duplicate of nothing");
            }
            Taken::Into(id) => {
                self.held.insert(self.now, (self.offers, part));
                let sets = self.reassembler.waiting().iter().chain(&given);
                assert_eq!(sets.filter(|set| set.id() == id).count(), 1, "its set");
            }
        }
        self.given(&given);
    }

    /// What is given out was held, and is held no more.
    fn given(&mut self, given: &[Set<u8>]) {
        for set in given {
            sound(set);
            for part in set.parts() {
                let held = self.held.remove(&part.received.0).map(|(_, held)| held);
                assert_eq!(held.as_ref(), Some(part), "given out and not held");
            }
        }
    }

    fn expire(&mut self) {
        let given = self.reassembler.expire(UnixMs(self.now));
        assert!(given.iter().all(|set| set.begun().0.abs_diff(self.now) >= wait_ms()));
        self.given(&given);
        let mut waiting = self.reassembler.waiting().iter();
        assert!(waiting.all(|set| set.begun().0.abs_diff(self.now) < wait_ms()));
    }

    /// As after a restart: what waited waits again, in the same sets.
    fn restart(&mut self) {
        let waiting = self.reassembler.waiting();
        let mut parts: Vec<(u64, Part<u8>)> =
            waiting.iter().flat_map(|set| set.parts().iter().map(|part| (set.id(), part.clone()))).collect();
        parts.sort_by_key(|(_, part)| self.held.get(&part.received.0).map(|(number, _)| *number));
        let resumed = Reassembler::resume(parts);
        assert_eq!(resumed.waiting(), waiting);
        self.reassembler = resumed;
    }

    /// Nothing is lost, and nothing grows beyond its bound.
    fn check(&self) {
        let mut senders: BTreeMap<&str, usize> = BTreeMap::new();
        for set in self.reassembler.waiting() {
            sound(set);
            assert!(!set.is_whole(), "a whole text waits");
            for part in set.parts() {
                assert_eq!(self.held.get(&part.received.0).map(|(_, held)| held), Some(part));
                *senders.entry(&part.from).or_default() += 1;
            }
        }
        let all: usize = senders.values().sum();
        assert_eq!(all, self.held.len(), "a part is lost");
        assert!(all <= PARTS_MAX);
        assert!(senders.values().all(|count| *count <= SENDER_PARTS_MAX));
    }
}

/// A place that is possible.
fn concat(reference: u8, total: u8, seq: u8) -> Concat {
    let total = total.max(1);
    Concat { reference: u16::from(reference % 4), wide: reference & 4 != 0, total, seq: seq % total + 1 }
}

/// A set has parts, each in its place once, and all of one text.
fn sound(set: &Set<u8>) {
    let parts = set.parts();
    let first = parts.first().expect("a set has parts");
    assert!(parts.windows(2).all(|pair| pair[0].concat.seq < pair[1].concat.seq));
    assert!(parts.iter().all(|part| {
        (&part.from, part.concat.total, part.concat.reference)
            == (&first.from, first.concat.total, first.concat.reference)
    }));
    assert_eq!(set.is_whole(), parts.len() == usize::from(set.total()));
}

fn wait_ms() -> u64 {
    u64::try_from(WAIT.as_millis()).expect("a day")
}

/// A text cut into pieces that come in any order and more than once.
fn texts(mut feed: Feed<'_>) {
    let order: [u8; PIECES_MAX] = std::array::from_fn(|_| feed.octet());
    let cuts: [u8; PIECES_MAX] = std::array::from_fn(|_| feed.octet());
    let text = String::from_utf8_lossy(feed.rest()).into_owned();
    let (tables, septets) = (Tables::default(), gsm7::encode(&text));
    let units = septets.clone().unwrap_or_else(|| ucs2::encode(&text));
    let content = |piece: &[u8]| {
        let piece = Secret::new(piece.to_vec());
        if septets.is_some() { Content::Septets(tables, piece) } else { Content::Ucs2(piece) }
    };
    let mut rest = units.as_slice();
    let mut pieces: Vec<(u8, Content)> = Vec::new();
    for (seq, cut) in (1..).zip(cuts) {
        let last = usize::from(seq) == PIECES_MAX;
        let (piece, tail) = rest.split_at(if last { rest.len() } else { usize::from(cut).min(rest.len()) });
        pieces.push((seq, content(piece)));
        rest = tail;
    }
    let total = u8::try_from(pieces.len()).expect("a few");
    let whole = reassemble::text(total, pieces.iter().map(|(seq, content)| (*seq, content)));
    assert_eq!(whole.expose_str(), Some(text.as_str()), "whole");

    let without = usize::from(order[0]) % pieces.len();
    let kept = pieces.iter().enumerate().filter(|(at, _)| *at != without);
    let gap = reassemble::text(total, kept.map(|(_, (seq, content))| (*seq, content)));
    let named = format!("[part {} of {total} missing]", without + 1);
    assert!(gap.expose_str().is_some_and(|gap| gap.contains(&named)), "a gap is named");

    // The order in which they come: a shuffle by the fed octets, then all that was not named.
    let mut coming: Vec<usize> = order.iter().map(|at| usize::from(*at) % pieces.len()).collect();
    coming.extend((0..pieces.len()).filter(|at| !coming.contains(at)).collect::<Vec<_>>());
    let mut reassembler = Reassembler::default();
    let mut shown = Vec::new();
    let mut seen = vec![false; pieces.len()];
    for (ms, at) in (0..).zip(coming) {
        let (seq, content) = pieces[at].clone();
        let concat = Concat { reference: 7, wide: ms % 2 == 0, total, seq };
        let received = UnixMs(START + ms);
        let part = Part { from: "+49170".to_owned(), concat, sent: None, received, content };
        let (taken, given) = reassembler.offer(part);
        assert_eq!(taken == Taken::Duplicate, seen[at], "what came before is a duplicate");
        seen[at] = true;
        shown.extend(given);
    }
    assert!(reassembler.waiting().is_empty());
    let [shown] = shown.as_slice() else { unreachable!("{} texts", shown.len()) };
    let parts = shown.parts().iter().map(|part| (part.concat.seq, &part.content));
    assert_eq!(reassemble::text(shown.total(), parts).expose_str(), Some(text.as_str()));
}
