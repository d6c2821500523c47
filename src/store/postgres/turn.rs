//! Attempts beginning and ending: all turns that wait, in two ways to the server.

use super::Tx;
use super::messages::Messages;
use super::spent::Count;
use super::time::shifted;
use crate::store::{Begun, StoreError, Turn};
use crate::units::UnixMs;

/// What ended, then what begins, of several turns, each with the shift of its times; the verdicts of each.
pub(super) async fn turns(tx: &Tx<'_>, turns: &[(&Turn, i64)]) -> Result<Vec<Vec<Begun>>, StoreError> {
    let ended = turns.iter().flat_map(|(turn, _)| turn.ended.iter().map(|end| end.id));
    let begun = turns.iter().flat_map(|(turn, _)| turn.begun.iter().map(|begin| begin.id));
    let mut messages = Messages::load(tx, ended.chain(begun)).await?;
    let mut verdicts = Vec::with_capacity(turns.len());
    for (turn, shift) in turns {
        for end in &turn.ended {
            let back = messages.get(end.id).and_then(|message| message.end(end, *shift));
            tx.ledger.borrow_mut().back(back);
        }
        let begun = turn.begun.iter().map(|begin| {
            let verdict =
                messages.get(begin.id).map_or(Begun::Refused, |message| message.begin(begin, *shift, tx.now));
            if verdict == Begun::Durable {
                let at = UnixMs(shifted(begin.at, *shift));
                let count = Count { channel: begin.channel.0.to_string(), whom: begin.whom, at };
                tx.ledger.borrow_mut().begun(count);
            }
            verdict
        });
        verdicts.push(begun.collect());
    }
    messages.save(tx).await?;
    Ok(verdicts)
}
