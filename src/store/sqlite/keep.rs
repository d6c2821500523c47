//! Retention: texts and numbers are erased and rows deleted when their time is over, in bounded pieces.
//!
//! `secure_delete` is on, so what is erased is overwritten in its page. Searching is the readers' work, and a search goes on where the last
//! one ended ([`Cursors`]): a round of the janitor reads what has become old since the last round, not all that is kept.

use std::sync::{Mutex, PoisonError};

use rusqlite::params;

use super::read::View;
use super::recovery::PIECE;
use super::{Tx, id_of, state_of};
use crate::queue::message::{Lane, MessageId, State};
use crate::store::keep::{ErasedNumber, TEXT_KEPT};
use crate::store::{InboxId, StoreError};
use crate::units::UnixMs;

/// A login's text is over at its deadline, which is the end of its challenge.
const OVER: &str = "SELECT id FROM message INDEXED BY message_text WHERE state > 1 AND body <> x''
    AND ((lane = 0 AND deadline <= ?1) OR (lane > 0 AND changed <= ?2)) LIMIT ?3";

const ERASE: &str = "UPDATE message SET body = x'' WHERE id = ?1 AND state NOT IN (0, 1)";

const OUTLIVED: &str = "SELECT id, state, changed FROM message
    WHERE id > ?1 AND id < ?2 AND lane = ?3 ORDER BY id LIMIT ?4";

const OLD: &str = "SELECT id, state FROM message WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3";

const NUMBER: &str = "SELECT recipient FROM message WHERE id = ?1 AND state NOT IN (0, 1)";

const FORGET_NUMBER: &str = "UPDATE message SET recipient = ?2 WHERE id = ?1";

const OLD_TEXTS: &str = "SELECT id, received FROM incoming WHERE received >= ?1 AND received < ?2
    AND substr(sender, 1, 7) <> 'erased:' ORDER BY received LIMIT ?3";

const SENDER: &str = "SELECT sender FROM incoming WHERE id = ?1";

/// The octets name the sender, too.
const FORGET_SENDER: &str = "UPDATE incoming SET sender = ?2, pdu = x'' WHERE id = ?1";

/// What numbers are compared for once they are erased.
const PURPOSE: &str = "number";

/// How far the janitor has come; forgotten at the end of the daemon, so that the first round looks at everything.
#[derive(Debug, Default)]
pub(in crate::store) struct Cursors(Mutex<Reached>);

#[derive(Debug, Default, Clone, Copy)]
struct Reached {
    lanes: [Option<MessageId>; Lane::ALL.len()],
    numbers: Option<MessageId>,
    senders: UnixMs,
}

/// Something to do, and where the search may go on.
pub(in crate::store) struct Found<I, P> {
    pub(in crate::store) ids: Vec<I>,
    /// Everything up to here is done when these are.
    upto: Option<P>,
    /// Nothing is left behind them for now.
    pub(in crate::store) last: bool,
}

impl Cursors {
    fn reached(&self) -> Reached {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::store) fn lane(&self, lane: Lane) -> Option<MessageId> {
        self.reached().lanes.get(lane as usize).copied().flatten()
    }

    pub(in crate::store) fn numbers(&self) -> Option<MessageId> {
        self.reached().numbers
    }

    pub(in crate::store) fn senders(&self) -> UnixMs {
        self.reached().senders
    }

    pub(in crate::store) fn lane_done<I>(&self, lane: Lane, found: &Found<I, MessageId>) {
        let mut reached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = reached.lanes.get_mut(lane as usize) {
            *place = found.upto.or(*place);
        }
    }

    pub(in crate::store) fn numbers_done<I>(&self, found: &Found<I, MessageId>) {
        let mut reached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reached.numbers = found.upto.or(reached.numbers);
    }

    pub(in crate::store) fn senders_done<I>(&self, found: &Found<I, UnixMs>) {
        let mut reached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reached.senders = found.upto.unwrap_or(reached.senders);
    }
}

impl View<'_> {
    /// Messages whose text nobody needs any more.
    pub(in crate::store) fn spent_texts(&self, now: UnixMs) -> Result<Vec<MessageId>, StoreError> {
        self.ids(OVER, params![now.0, now.minus(TEXT_KEPT).0, PIECE])
    }

    /// Finished messages of the lane unchanged since `before`, in order of acceptance.
    pub(in crate::store) fn outlived(
        &self,
        lane: Lane,
        before: UnixMs,
        after: Option<MessageId>,
    ) -> Result<Found<MessageId, MessageId>, StoreError> {
        let mut find = self.conn.prepare_cached(OUTLIVED)?;
        // Nothing accepted later than `before` can be outlived, and ids begin with the time of acceptance.
        let end = MessageId::new(before, 0, [0; 8]);
        let mut rows = find.query(params![start(after.as_ref()), end.as_bytes(), lane as i64, PIECE])?;
        let mut found = Found { ids: Vec::new(), upto: None, last: true };
        let (mut seen, mut passed) = (0, false);
        while let Some(row) = rows.next()? {
            seen += 1;
            let (id, changed) = (id_of(row, 0)?, UnixMs(row.get(2)?));
            if changed < before && is_finished(state_of(row, 1)?) {
                found.ids.push(id);
            } else {
                passed = true;
            }
            // What is not over yet is looked at again in the next round.
            if !passed {
                found.upto = Some(id);
            }
        }
        found.last = passed || seen < PIECE;
        Ok(found)
    }

    /// Finished messages accepted before `before`, in order of acceptance.
    pub(in crate::store) fn old_numbers(
        &self,
        before: UnixMs,
        after: Option<MessageId>,
    ) -> Result<Found<MessageId, MessageId>, StoreError> {
        let mut find = self.conn.prepare_cached(OLD)?;
        let end = MessageId::new(before, 0, [0; 8]);
        let mut rows = find.query(params![start(after.as_ref()), end.as_bytes(), PIECE])?;
        let mut found = Found { ids: Vec::new(), upto: None, last: true };
        while let Some(row) = rows.next()? {
            let id = id_of(row, 0)?;
            if !is_finished(state_of(row, 1)?) {
                // No message lives for longer than a week, so it holds the others up for no longer.
                return Ok(found);
            }
            found.ids.push(id);
            found.upto = Some(id);
        }
        found.last = found.ids.len() < PIECE as usize;
        Ok(found)
    }

    /// Texts received before `before` whose sender is still told.
    pub(in crate::store) fn old_senders(
        &self,
        before: UnixMs,
        after: UnixMs,
    ) -> Result<Found<InboxId, UnixMs>, StoreError> {
        let mut find = self.conn.prepare_cached(OLD_TEXTS)?;
        let mut rows = find.query(params![after.0, before.0, PIECE])?;
        let mut found = Found { ids: Vec::new(), upto: None, last: true };
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_blob().ok().and_then(InboxId::from_slice);
            found.ids.push(id.ok_or_else(|| super::corrupt("id of a received text"))?);
            found.upto = Some(UnixMs(row.get(1)?));
        }
        found.last = found.ids.len() < PIECE as usize;
        Ok(found)
    }
}

fn start(after: Option<&MessageId>) -> &[u8] {
    after.map_or(&[], |id| id.as_bytes())
}

fn is_finished(state: State) -> bool {
    !matches!(state, State::Queued | State::Leased)
}

/// Erases the texts of those of `ids` that are not in the queue again.
pub(in crate::store) fn erase(tx: &mut Tx<'_>, ids: &[MessageId]) -> Result<(), StoreError> {
    let mut erase = tx.conn.prepare_cached(ERASE)?;
    for id in ids {
        erase.execute([id.as_bytes()])?;
    }
    Ok(())
}

/// Puts HMACs in the place of the numbers of those of `ids` that are not in the queue again.
pub(in crate::store) fn forget_numbers(tx: &mut Tx<'_>, ids: &[MessageId]) -> Result<(), StoreError> {
    ids.iter().try_for_each(|id| forget(tx, id.as_bytes(), NUMBER, FORGET_NUMBER))
}

/// Puts HMACs in the place of the senders of these texts.
pub(in crate::store) fn forget_senders(tx: &mut Tx<'_>, ids: &[InboxId]) -> Result<(), StoreError> {
    ids.iter().try_for_each(|id| forget(tx, id.as_bytes(), SENDER, FORGET_SENDER))
}

fn forget(tx: &Tx<'_>, id: &[u8], read: &str, write: &str) -> Result<(), StoreError> {
    let mut read = tx.conn.prepare_cached(read)?;
    let mut rows = read.query([id])?;
    let Some(row) = rows.next()? else { return Ok(()) };
    let number = row.get_ref(0)?.as_str().map_err(|_| super::corrupt("phone number"))?;
    if ErasedNumber::stored(number).is_none() {
        let erased = ErasedNumber::of(&tx.keys.mac(PURPOSE, &[number.as_bytes()]));
        tx.conn.prepare_cached(write)?.execute(params![id, erased.as_str()])?;
    }
    Ok(())
}
