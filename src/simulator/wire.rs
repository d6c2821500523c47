//! The way out of a simulated modem: whole lines, cut into chunks with pauses between them, never mixed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::event::Event;

/// What a simulated modem wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// Give these octets to the host.
    Send(Vec<u8>),
    /// Tell whoever watches.
    Event(Event),
    /// Leave the bus, and come back after this time.
    HangUp(Duration),
}

/// Octets on their way.
#[derive(Debug)]
pub(super) struct Wire {
    /// Octets in one chunk; 0: no chunks.
    chunk: usize,
    gap: Duration,
    ready: VecDeque<Out>,
    later: VecDeque<(Instant, Vec<u8>)>,
    /// When the wire is free for the next chunk.
    free: Option<Instant>,
}

impl Wire {
    pub(super) fn new(chunk: usize, gap: Duration) -> Self {
        Self { chunk, gap, ready: VecDeque::new(), later: VecDeque::new(), free: None }
    }

    /// Sends a piece in which nothing else may stand.
    pub(super) fn send(&mut self, now: Instant, piece: &[u8]) {
        if self.chunk == 0 {
            if let Some(Out::Send(last)) = self.ready.back_mut() {
                last.extend_from_slice(piece);
            } else {
                self.ready.push_back(Out::Send(piece.to_vec()));
            }
            return;
        }
        for chunk in piece.chunks(self.chunk) {
            let at = self.free.map_or(now, |free| free.max(now));
            self.later.push_back((at, chunk.to_vec()));
            self.free = Some(at + self.gap);
        }
    }

    /// Puts something else than octets behind what is ready.
    pub(super) fn push(&mut self, out: Out) {
        self.ready.push_back(out);
    }

    /// Makes ready what is due.
    pub(super) fn advance(&mut self, now: Instant) {
        while self.later.front().is_some_and(|(at, _)| *at <= now) {
            self.ready.extend(self.later.pop_front().map(|(_, chunk)| Out::Send(chunk)));
        }
    }

    pub(super) fn poll(&mut self) -> Option<Out> {
        self.ready.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.later.front().map(|(at, _)| *at)
    }

    /// Forgets octets that have not left: the port is gone.
    pub(super) fn cut(&mut self) {
        self.later.clear();
        self.ready.retain(|out| !matches!(out, Out::Send(_)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_pieces_coalesce() {
        let now = crate::clock::monotonic();
        let mut wire = Wire::new(0, Duration::ZERO);
        wire.send(now, b"ab");
        wire.send(now, b"c");
        assert_eq!(wire.poll(), Some(Out::Send(b"abc".to_vec())));
        assert_eq!((wire.poll(), wire.deadline()), (None, None));
    }

    #[test]
    fn chunks_leave_one_by_one() {
        let now = crate::clock::monotonic();
        let gap = Duration::from_millis(1);
        let mut wire = Wire::new(2, gap);
        wire.send(now, b"abc");
        wire.send(now, b"d");
        wire.advance(now);
        assert_eq!(wire.poll(), Some(Out::Send(b"ab".to_vec())));
        assert_eq!(wire.poll(), None);
        assert_eq!(wire.deadline(), Some(now + gap));
        wire.advance(now + gap * 2);
        assert_eq!(wire.poll(), Some(Out::Send(b"c".to_vec())));
        assert_eq!(wire.poll(), Some(Out::Send(b"d".to_vec())));
    }
}
