//! Attempts beginning and ending: all turns that wait, decided over messages that were read together.

use super::Tx;
use super::messages::Messages;
use super::spent::Count;
use super::time::shifted;
use crate::queue::message::MessageId;
use crate::store::{Begun, Turn};
use crate::units::UnixMs;

/// The messages that turns are about.
pub(super) fn ids<'t>(turns: impl Iterator<Item = &'t Turn>) -> Vec<MessageId> {
    let of =
        |turn: &'t Turn| turn.ended.iter().map(|end| end.id).chain(turn.begun.iter().map(|begin| begin.id));
    turns.flat_map(of).collect()
}

/// What ended, then what begins, of one turn, with the shift of its times.
pub(super) fn turn(tx: &Tx<'_>, messages: &mut Messages, turn: &Turn, shift: i64) -> Vec<Begun> {
    for end in &turn.ended {
        let back = messages.get(end.id).and_then(|message| message.end(end, shift));
        tx.ledger.borrow_mut().back(back);
    }
    let begun = turn.begun.iter().map(|begin| {
        let verdict =
            messages.get(begin.id).map_or(Begun::Refused, |message| message.begin(begin, shift, tx.now));
        if verdict == Begun::Durable {
            let at = UnixMs(shifted(begin.at, shift));
            let count = Count { channel: begin.channel.0.to_string(), whom: begin.whom, at };
            tx.ledger.borrow_mut().begun(count);
        }
        verdict
    });
    begun.collect()
}
