//! One direction of the serial line between host and modem: octets take their time, in order, and some come to harm.
//!
//! Harm here is what a host can notice. A line without a checksum may also turn one number into another (`+CMGD=12` into
//! `+CMGD=1`, a digit of a PDU into the next one), and then even a faultless host deletes the wrong message or stores a wrong
//! text. So a number never loses or doubles only digits, and what is garbled becomes octets outside ASCII, as framing errors do.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fastrand::Rng;

/// From one end to the other.
const FLIGHT: Duration = Duration::from_millis(1);
/// Octets lost or doubled in one piece; a UART without flow control overruns by less than its buffer.
const RUN_MAX: usize = 8;
/// Runs of hex digits shorter than this are numbers, longer ones PDUs: those have a length that is told besides.
const NUMBER_MAX: usize = 12;
/// Late octets are late by so many seconds.
const LATE_S: std::ops::Range<u64> = 1..60;
/// Draws for a run that harms no number alone.
const DRAWS: usize = 8;

/// What happens to the next octets on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    /// A few octets are missing.
    Lost,
    /// All that is under way waits.
    Late,
    /// A few octets come twice.
    Doubled,
    /// The rest of the piece is missing.
    Cut,
    /// A few octets are others.
    Garbled,
}

impl Harm {
    pub(super) const ALL: [Self; 5] = [Self::Lost, Self::Late, Self::Doubled, Self::Cut, Self::Garbled];
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Line {
    under_way: VecDeque<(Instant, Vec<u8>)>,
    to_come: VecDeque<Harm>,
}

impl Line {
    /// The next piece that is sent comes to this harm.
    pub(super) fn harm(&mut self, harm: Harm) {
        self.to_come.push_back(harm);
    }

    /// Sends a piece; what leaves after any harm is given back for the record.
    pub(super) fn send(&mut self, now: Instant, mut piece: Vec<u8>, rng: &mut Rng) -> Option<Harm> {
        let harm = self.to_come.pop_front();
        let mut flight = FLIGHT;
        match harm {
            None => {}
            Some(Harm::Late) => flight += Duration::from_secs(rng.u64(LATE_S)),
            Some(Harm::Cut) => piece.truncate(rng.usize(..piece.len().max(1))),
            Some(Harm::Garbled) => garble(&mut piece, rng),
            Some(Harm::Lost) => {
                if let Some((start, end)) = run(&piece, rng) {
                    piece.drain(start..end);
                }
            }
            Some(Harm::Doubled) => {
                if let Some((start, end)) = run(&piece, rng) {
                    let again = piece.get(start..end).unwrap_or_default().to_vec();
                    piece.splice(end..end, again);
                }
            }
        }
        // Nothing overtakes on a wire.
        let at = self.under_way.back().map_or(now + flight, |(last, _)| (now + flight).max(*last));
        if !piece.is_empty() {
            self.under_way.push_back((at, piece));
        }
        harm
    }

    /// When the next piece arrives.
    pub(super) fn due(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }

    /// The piece that has arrived.
    pub(super) fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.under_way.pop_front_if(|(at, _)| *at <= now).map(|(_, piece)| piece)
    }

    /// No more harm is to come.
    pub(super) fn heal(&mut self) {
        self.to_come.clear();
    }

    /// The port was closed: what was under way is gone.
    pub(super) fn cut(&mut self) {
        self.under_way.clear();
    }
}

/// Some octets in the middle of a piece that are not just digits of a number.
fn run(piece: &[u8], rng: &mut Rng) -> Option<(usize, usize)> {
    (0..DRAWS).find_map(|_| {
        let start = rng.usize(..piece.len().max(1));
        let end = (start + rng.usize(1..=RUN_MAX)).min(piece.len());
        let inside = piece.get(start..end)?;
        let of_number = inside.iter().all(u8::is_ascii_hexdigit) && digits_around(piece, start) < NUMBER_MAX;
        (!inside.is_empty() && !of_number).then_some((start, end))
    })
}

/// How many hex digits stand together around `at`.
fn digits_around(piece: &[u8], at: usize) -> usize {
    let (before, after) = piece.split_at_checked(at).unwrap_or((piece, &[]));
    let digit = |octet: &&u8| octet.is_ascii_hexdigit();
    before.iter().rev().take_while(digit).count() + after.iter().take_while(digit).count()
}

fn garble(piece: &mut [u8], rng: &mut Rng) {
    for _ in 0..rng.usize(1..=3) {
        let at = rng.usize(..piece.len().max(1));
        if let Some(octet) = piece.get_mut(at) {
            *octet = rng.u8(0x80..);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(harm: Harm, seed: u64, piece: &[u8]) -> (Duration, Vec<u8>) {
        let (mut line, now) = (Line::default(), crate::clock::monotonic());
        line.harm(harm);
        assert_eq!(line.send(now, piece.to_vec(), &mut Rng::with_seed(seed)), Some(harm));
        let flight = line.due().map_or(Duration::ZERO, |due| due - now);
        (flight, line.arrived(now + flight).unwrap_or_default())
    }

    #[test]
    fn harm_is_done_once_and_as_named() {
        let piece = b"\r\n+CMTI: \"ME\",12\r\n";
        for seed in 0..200 {
            let (lost, doubled) = (sent(Harm::Lost, seed, piece).1, sent(Harm::Doubled, seed, piece).1);
            assert!(lost.len() < piece.len() && doubled.len() > piece.len(), "{seed}");
            assert!(sent(Harm::Late, seed, piece).0 >= Duration::from_secs(1));
            assert!(piece.starts_with(&sent(Harm::Cut, seed, piece).1));
            assert!(sent(Harm::Garbled, seed, piece).1.iter().any(|octet| *octet >= 0x80));
        }
    }

    #[test]
    fn numbers_do_not_become_other_numbers() {
        for seed in 0..2000 {
            for harm in Harm::ALL {
                let (_, heard) = sent(harm, seed, b"AT+CMGD=12\r");
                let (_, twice) = sent(harm, seed, b"AT+CMGD=1\r");
                assert_ne!(heard, b"AT+CMGD=1\r", "{harm:?}");
                assert_ne!(twice, b"AT+CMGD=11\r", "{harm:?}");
            }
        }
    }

    #[test]
    fn nothing_overtakes_what_is_late() {
        let (mut line, now) = (Line::default(), crate::clock::monotonic());
        line.harm(Harm::Late);
        line.send(now, b"a".to_vec(), &mut Rng::with_seed(1));
        line.send(now, b"b".to_vec(), &mut Rng::with_seed(1));
        assert_eq!(line.arrived(now + FLIGHT), None);
        let later = now + Duration::from_secs(LATE_S.end);
        assert_eq!((line.arrived(later), line.arrived(later)), (Some(b"a".to_vec()), Some(b"b".to_vec())));
    }
}
