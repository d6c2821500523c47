//! The lanes as wholes: their bounds at the door, pausing, emptying.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::params;

use super::recovery::PIECE;
use super::{Tx, id_of, lane_of, tokens};
use crate::queue::lanes::{Gate, PerLane};
use crate::queue::life::Actor;
use crate::queue::message::{Lane, MessageId};
use crate::store::{Paused, StoreError, Withdrawn};
use crate::units::UnixMs;

const UNSENT: &str = "SELECT lane, sum(messages) FROM tally WHERE state IN (0, 1) GROUP BY lane";

const PAUSED: &str = "SELECT lane FROM lane_hold";

const PAUSE: &str = "INSERT OR IGNORE INTO lane_hold (lane, who, since) VALUES (?1, ?2, ?3)";

const RESUME: &str = "DELETE FROM lane_hold WHERE lane = ?1";

const QUEUED_IN: &str = "SELECT id FROM message INDEXED BY message_queue
    WHERE state = 0 AND lane = ?1 AND id <= ?2 LIMIT ?3";

const LEASED_IN: &str = "SELECT id FROM message INDEXED BY message_lease
    WHERE state = 1 AND lane = ?1 AND id <= ?2 ORDER BY lease_until LIMIT ?3";

/// The gate, shared by the handle and the jobs that it sends.
pub(in crate::store) type Shared = Arc<Mutex<Gate>>;

/// Its lock; a panic while it was held can have left no half of a number.
pub(in crate::store) fn locked(gate: &Shared) -> MutexGuard<'_, Gate> {
    gate.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Places promised to the rest of a batch, until it is accepted or given up.
pub(in crate::store) struct Promise {
    gate: Shared,
    places: PerLane<u64>,
}

impl Promise {
    pub(super) fn new(gate: &Shared, places: PerLane<u64>) -> Self {
        locked(gate).promise(&places);
        Self { gate: Arc::clone(gate), places }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        locked(&self.gate).settle(&self.places);
    }
}

/// Refuses unless every lane has room for what is `asked` of it. `known` tells how many of a lane are there already and need no
/// room; it is asked only where there would be none.
pub(super) fn room(
    tx: &mut Tx<'_>,
    gate: &Shared,
    asked: &PerLane<u64>,
    known: impl Fn(&Tx<'_>, Lane) -> Result<u64, StoreError>,
    now: UnixMs,
) -> Result<(), StoreError> {
    let unsent = unsent(tx)?;
    for lane in Lane::ALL {
        let (unsent, asked) = (*unsent.of(lane), *asked.of(lane));
        if locked(gate).beyond(lane, unsent, asked) == 0 {
            continue;
        }
        let new = asked.saturating_sub(known(tx, lane)?);
        let mut gate = locked(gate);
        let beyond = gate.beyond(lane, unsent, new);
        if beyond > 0 {
            return Err(StoreError::Full(gate.full(lane, unsent, beyond, now)));
        }
    }
    Ok(())
}

/// Notes that so many were written into each lane.
pub(super) fn came(
    tx: &mut Tx<'_>,
    gate: &Shared,
    new: &PerLane<u64>,
    now: UnixMs,
) -> Result<(), StoreError> {
    let mut held = unsent(tx)?;
    for lane in Lane::ALL.into_iter().filter(|lane| *new.of(*lane) > 0) {
        locked(gate).came(lane, *held.of(lane), *new.of(lane), now);
        *held.of_mut(lane) += *new.of(lane);
    }
    tx.hints.note_unsent(Some(held));
    Ok(())
}

/// Unsent messages of each lane, asked once in a transaction: what ends in it meanwhile makes room for the next one.
fn unsent(tx: &mut Tx<'_>) -> Result<PerLane<u64>, StoreError> {
    if let Some(unsent) = tx.hints.unsent() {
        return Ok(unsent);
    }
    let mut unsent = PerLane::default();
    {
        let mut counts = tx.conn.prepare_cached(UNSENT)?;
        let mut rows = counts.query([])?;
        while let Some(row) = rows.next()? {
            *unsent.of_mut(lane_of(row, 0)?) = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        }
    }
    tx.hints.note_unsent(Some(unsent));
    Ok(unsent)
}

/// Which lanes are paused, asked once as long as nobody changes it.
pub(super) fn paused(tx: &mut Tx<'_>) -> Result<PerLane<bool>, StoreError> {
    if let Some(paused) = tx.hints.paused() {
        return Ok(paused);
    }
    let mut paused = PerLane::default();
    {
        let mut held = tx.conn.prepare_cached(PAUSED)?;
        let mut rows = held.query([])?;
        while let Some(row) = rows.next()? {
            *paused.of_mut(lane_of(row, 0)?) = true;
        }
    }
    tx.hints.note_paused(paused);
    Ok(paused)
}

/// Pauses a lane or lets it go on; `false` if it was so already. A demand that stands is met by the same commit.
pub(in crate::store) fn pause(
    tx: &mut Tx<'_>,
    lane: Lane,
    hold: Option<&Paused>,
) -> Result<bool, StoreError> {
    let mut now_paused = paused(tx)?;
    let changed = match hold {
        Some(Paused { who, since }) => {
            tx.conn.prepare_cached(PAUSE)?.execute(params![lane as i64, who, since.0])?
        }
        None => tx.conn.prepare_cached(RESUME)?.execute([lane as i64])?,
    };
    *now_paused.of_mut(lane) = hold.is_some();
    tx.hints.note_paused(now_paused);
    Ok(changed > 0)
}

/// Takes back a piece of what a lane holds, up to the message `last`; the flag says that more may be left.
pub(in crate::store) fn withdraw(
    tx: &mut Tx<'_>,
    lane: Lane,
    last: MessageId,
    now: UnixMs,
) -> Result<(u64, bool), StoreError> {
    let queued = ids(tx, QUEUED_IN, lane, last)?;
    let more = queued.len() == PIECE as usize;
    // What the dispatcher holds is little, and looked at when nothing waits behind it any more.
    let leased = if more { Vec::new() } else { ids(tx, LEASED_IN, lane, last)? };
    let mut withdrawn = 0;
    for id in queued.into_iter().chain(leased) {
        withdrawn += u64::from(tokens::withdraw(tx, id, None, Actor::Operator, now)? == Withdrawn::Done);
    }
    Ok((withdrawn, more && withdrawn > 0))
}

fn ids(tx: &Tx<'_>, sql: &str, lane: Lane, last: MessageId) -> Result<Vec<MessageId>, StoreError> {
    let mut find = tx.conn.prepare_cached(sql)?;
    let ids = find.query_map(params![lane as i64, last.as_bytes(), PIECE], |row| Ok(id_of(row, 0)))?;
    ids.map(|id| id?).collect()
}
