//! Parts to texts: which parts belong together (TS 23.040 9.2.3.24.1), when a text is whole, and how it is read.
//!
//! The rules see of a part only what they need, and never its text: `C` may be the [`Content`] itself or anything else that is
//! equal when the content is, such as a digest. So what waits can lie sealed in a database and be judged without being opened.
//!
//! A reference number is reused after 256 messages, by some senders with every message. Three things tell one message from
//! the next: time, a sequence number that is there already with another content, and the service centre's time stamp. What
//! waits too long, or is too much, is given out as it is with its gaps: nothing is ever dropped.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use super::gsm7::Tables;
use super::{Alphabet, Concat, Dcs, Payload, UserData, ucs2};
use crate::secret::Secret;
use crate::units::UnixMs;

/// How long a text waits for its parts, and how far apart its parts may be. A service centre repeats a part that was not
/// acknowledged at growing intervals of minutes to some hours, so after a day the rest will not come.
pub const WAIT: Duration = Duration::from_secs(24 * 3600);
/// Parts that wait from one sender: the longest text there can be. Who sends more unfinished texts gets none of others' room.
pub const SENDER_PARTS_MAX: usize = 255;
/// Parts that wait in all, about 150 kB of content: four of the longest texts, or some hundred usual ones.
pub const PARTS_MAX: usize = 1024;

/// One part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<C> {
    /// Who sent it to whom, as a key: parts with different keys never meet.
    pub from: String,
    /// Reference, total and place. The width of the reference is not looked at: gateways on the way change it.
    pub concat: Concat,
    /// TP-SCTS, if it is a valid time.
    pub sent: Option<UnixMs>,
    /// When we had it.
    pub received: UnixMs,
    /// What is equal when the content is.
    pub content: C,
}

/// A text, or what is there of it: at least one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<C> {
    id: u64,
    /// Ascending by sequence number, each once.
    parts: Vec<Part<C>>,
    /// When the first of them came.
    begun: UnixMs,
}

impl<C: PartialEq> Set<C> {
    fn new(id: u64, first: Part<C>) -> Self {
        let begun = first.received;
        Self { id, parts: vec![first], begun }
    }

    /// Its name among the sets of one [`Reassembler`].
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What is there, ascending by sequence number.
    #[must_use]
    pub fn parts(&self) -> &[Part<C>] {
        &self.parts
    }

    /// When its first part came.
    #[must_use]
    pub fn begun(&self) -> UnixMs {
        self.begun
    }

    /// Parts that the whole text has, 1..=255.
    #[must_use]
    pub fn total(&self) -> u8 {
        self.parts.first().map_or(0, |part| part.concat.total)
    }

    /// Whether no part is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.parts.len() == usize::from(self.total())
    }

    /// Whether `part` is of the same text as far as reference and times tell.
    fn is_kin(&self, part: &Part<C>) -> bool {
        let Some(first) = self.parts.first() else { return false };
        first.from == part.from
            && (first.concat.reference, first.concat.total) == (part.concat.reference, part.concat.total)
            && apart(self.begun, part.received) < WAIT
            && self.sent_apart(part).is_none_or(|apart| apart < WAIT)
    }

    /// How far the service centre's stamps are apart, where both are known.
    fn sent_apart(&self, part: &Part<C>) -> Option<Duration> {
        let sent = self.parts.iter().find_map(|part| part.sent)?;
        Some(apart(sent, part.sent?))
    }

    fn at(&self, seq: u8) -> Result<usize, usize> {
        self.parts.binary_search_by_key(&seq, |part| part.concat.seq)
    }

    fn has(&self, part: &Part<C>) -> bool {
        let there = self.at(part.concat.seq).ok().and_then(|at| self.parts.get(at));
        there.is_some_and(|there| there.content == part.content)
    }

    /// Puts a part in its place; one that is there already stays.
    fn put(&mut self, part: Part<C>) {
        if let Err(at) = self.at(part.concat.seq) {
            self.parts.insert(at, part);
        }
    }
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is the part of the set with this id; the set may be among those given out.
    Into(u64),
    /// It was there already and is not kept.
    Duplicate,
}

/// Texts whose parts have not all come yet, in the order they began.
#[derive(Debug, Clone)]
pub struct Reassembler<C> {
    sets: Vec<Set<C>>,
    next: u64,
}

impl<C> Default for Reassembler<C> {
    fn default() -> Self {
        Self { sets: Vec::new(), next: 0 }
    }
}

impl<C: PartialEq> Reassembler<C> {
    /// One that goes on with what waited: parts in the order they came, each with the id of its set.
    #[must_use]
    pub fn resume(waiting: impl IntoIterator<Item = (u64, Part<C>)>) -> Self {
        let mut all = Self::default();
        for (id, part) in waiting {
            match all.sets.iter_mut().find(|set| set.id == id) {
                Some(set) => set.put(part),
                None => all.sets.push(Set::new(id, part)),
            }
            all.next = all.next.max(id.saturating_add(1));
        }
        all
    }

    /// Takes a part. Given out are the text that it completes, and those that are too much now, oldest first. A part whose
    /// sequence number is not in 1..=total belongs to no text ([`super::Header::concatenation`] gives none) and must not come here.
    pub fn offer(&mut self, part: Part<C>) -> (Taken, Vec<Set<C>>) {
        let kin = |set: &&Set<C>| set.is_kin(&part);
        if self.sets.iter().filter(kin).any(|set| set.has(&part)) {
            return (Taken::Duplicate, Vec::new());
        }
        // Of several texts that lack it, that with the nearest stamp; if stamps do not tell, the newest.
        let nearest = |set: &&mut Set<C>| (set.sent_apart(&part).unwrap_or(WAIT), Reverse(set.id));
        let lacking =
            self.sets.iter_mut().filter(|set| set.is_kin(&part) && set.at(part.concat.seq).is_err());
        let id = match lacking.min_by_key(nearest) {
            Some(set) => {
                set.put(part);
                set.id
            }
            None => {
                let id = self.next;
                self.next = self.next.saturating_add(1);
                self.sets.push(Set::new(id, part));
                id
            }
        };
        let mut given = self.give_out(|set| set.id == id && set.is_whole());
        if given.is_empty() {
            given = self.bound(id);
        }
        (Taken::Into(id), given)
    }

    /// Gives out what has waited too long at `now`, oldest first; a clock that was set back counts as much as one that went on.
    pub fn expire(&mut self, now: UnixMs) -> Vec<Set<C>> {
        self.give_out(|set| apart(set.begun, now) >= WAIT)
    }

    /// What waits, in the order it began.
    #[must_use]
    pub fn waiting(&self) -> &[Set<C>] {
        &self.sets
    }

    /// Gives out what is beyond the bounds since the set `latest` got a part.
    fn bound(&mut self, latest: u64) -> Vec<Set<C>> {
        let from = self.sets.iter().find(|set| set.id == latest).and_then(|set| set.parts.first());
        let from = from.map(|part| part.from.clone()).unwrap_or_default();
        let of_sender = |set: &Set<C>| set.parts.first().is_some_and(|part| part.from == from);
        let mut given = self.oldest_beyond(SENDER_PARTS_MAX, of_sender);
        given.extend(self.oldest_beyond(PARTS_MAX, |_| true));
        given
    }

    /// Of the sets that count, the oldest, until those that stay have `most` parts.
    fn oldest_beyond(&mut self, most: usize, counts: impl Fn(&Set<C>) -> bool) -> Vec<Set<C>> {
        let parts: usize = self.sets.iter().filter(|set| counts(set)).map(|set| set.parts.len()).sum();
        let mut excess = parts.saturating_sub(most);
        self.give_out(|set| {
            let out = excess > 0 && counts(set);
            if out {
                excess = excess.saturating_sub(set.parts.len());
            }
            out
        })
    }

    fn give_out(&mut self, mut which: impl FnMut(&Set<C>) -> bool) -> Vec<Set<C>> {
        let (given, kept) = std::mem::take(&mut self.sets).into_iter().partition(|set| which(set));
        self.sets = kept;
        given
    }
}

/// How far two moments are apart, whichever is first.
fn apart(a: UnixMs, b: UnixMs) -> Duration {
    Duration::from_millis(a.0.abs_diff(b.0))
}

/// Text as the network carries it, decoded only when its neighbours are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Septets, one an octet, and what they are written with.
    Septets(Tables, Secret),
    /// UCS-2, big endian.
    Ucs2(Secret),
}

impl Content {
    /// The text of this user data; `None` for 8 bit data and for what is compressed.
    #[must_use]
    pub fn of(data: &UserData, dcs: Dcs) -> Option<Self> {
        match &data.payload {
            Payload::Septets(septets) => {
                let tables = data.header.as_ref().map(super::Header::tables).unwrap_or_default();
                Some(Self::Septets(tables, septets.clone()))
            }
            Payload::Octets(octets) if dcs.alphabet() == Alphabet::Ucs2 && !dcs.compressed() => {
                Some(Self::Ucs2(octets.clone()))
            }
            Payload::Octets(_) => None,
        }
    }

    /// Whether a character may begin in one and end in the other.
    fn runs_into(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Septets(tables, _), Self::Septets(others, _)) => tables == others,
            (Self::Ucs2(_), Self::Ucs2(_)) => true,
            _ => false,
        }
    }

    fn units(&self) -> &Secret {
        match self {
            Self::Septets(_, units) | Self::Ucs2(units) => units,
        }
    }
}

/// The text of these parts of `total`, ascending by sequence number. Neighbours in one alphabet are joined before they are read,
/// so a surrogate pair or an escape pair may be cut anywhere. What is missing is named in its place, as `[part 2 of 3 missing]`.
#[must_use]
pub fn text<'a>(total: u8, parts: impl IntoIterator<Item = (u8, &'a Content)>) -> Secret {
    let mut text = String::new();
    let mut run: Vec<&Content> = Vec::new();
    let mut next = 1_u16;
    for (seq, content) in parts {
        let seq = u16::from(seq);
        if seq > next || run.last().is_some_and(|last| !last.runs_into(content)) {
            read(&std::mem::take(&mut run), &mut text);
        }
        name_missing(&mut text, next, seq, total);
        run.push(content);
        next = seq.saturating_add(1);
    }
    read(&run, &mut text);
    name_missing(&mut text, next, u16::from(total).saturating_add(1), total);
    Secret::from(text)
}

/// Reads contents of one alphabet that follow each other.
fn read(run: &[&Content], text: &mut String) {
    let Some(first) = run.first() else { return };
    let length: usize = run.iter().map(|content| content.units().len()).sum();
    let mut units = Vec::with_capacity(length);
    for content in run {
        let part = content.units().expose();
        match content {
            // With an odd sum no unit can have been cut in half: an odd octet is then no character, wherever it stands.
            Content::Ucs2(_) if length % 2 == 1 => units.extend(part.as_chunks::<2>().0.as_flattened()),
            _ => units.extend(part),
        }
    }
    let units = Secret::new(units);
    text.push_str(&match first {
        Content::Septets(tables, _) => tables.decode(units.expose()),
        Content::Ucs2(_) => ucs2::decode(units.expose()),
    });
}

/// Names the parts from `first` up to but not including `end`, if there are any.
fn name_missing(text: &mut String, first: u16, end: u16, total: u8) {
    let Some(last) = end.checked_sub(1).filter(|last| *last >= first) else { return };
    // Writing to a string does not fail.
    let _ = if first == last {
        write!(text, "[part {first} of {total} missing]")
    } else {
        write!(text, "[parts {first}-{last} of {total} missing]")
    };
}

#[cfg(test)]
mod tests;
