//! A message that rests goes back into the queue because somebody asked for it.
//!
//! Attempts stay as they were: those whose segments shall go again are marked as overruled in the state that they have, and count
//! once more when that state changes, as by a report that comes after all.

use rusqlite::{OptionalExtension, params};

use super::life::{and_life, change};
use super::turn::Segments;
use super::{Tx, lane_of, lanes, room, state_of, time_of};
use crate::provider::Verdict;
use crate::queue::again::{self, NotAgain, Rest};
use crate::queue::lanes::PerLane;
use crate::queue::life::{Actor, Move};
use crate::queue::message::{Lane, State};
use crate::store::{Retried, Retry, StoreError};
use crate::units::UnixMs;

const REST: &str = "SELECT lane, state, deadline, segments, uncertain, length(body) FROM message
    WHERE id = ?1 AND (?2 IS NULL OR caller = ?2)";

/// Only challenges that are not over are looked at: they are few, and the deadline tells of the others.
const ANSWERED: &str = "SELECT 1 FROM challenge INDEXED BY challenge_expires
    WHERE expires > ?2 AND message = ?1 AND answered IS NOT NULL";

const OVERRULE: &str = "UPDATE attempt SET overruled = state
    WHERE message = ?1 AND ((state = 1 AND verdict = ?2) OR (state = 3 AND ?3))";

/// Where every segment goes again, none ties it to a SIM.
const AGAIN: &str = concat!(
    "UPDATE message SET state = ?2, due = ?3, changed = ?3, ",
    and_life!(),
    ", deadline = ?6, refusals = 0, refused_by = NULL, cause = NULL, uncertain = CASE WHEN ?7 THEN 0 ELSE uncertain END,
    channel = CASE WHEN ?8 THEN NULL ELSE channel END WHERE id = ?1 RETURNING id"
);

/// Why a message that may have left goes again.
const FORCED: &str = "retried by force";

/// What the row tells.
struct Row {
    rest: Rest,
    segments: u8,
    uncertain: u32,
    erased: bool,
}

/// Puts it back for the segments that are open, or tells why not; then nothing has changed.
pub(in crate::store) fn retry(
    tx: &mut Tx<'_>,
    gate: &lanes::Shared,
    retry: &Retry,
) -> Result<Retried, StoreError> {
    let Some(row) = find(tx, retry)? else { return Ok(Retried::Unknown) };
    let deadline = match again::again(row.rest, retry.lifetime, retry.force, retry.now) {
        Ok(_) if row.erased => return Ok(Retried::Refused(NotAgain::Erased)),
        Ok(deadline) => deadline,
        Err(why) => return Ok(Retried::Refused(why)),
    };
    let lane = row.rest.lane;
    room::check(tx.conn)?;
    lanes::room(tx, gate, &PerLane::count([lane]), |_, _| Ok(0), retry.now)?;
    let id = retry.id.as_bytes();
    let repeat = again::repeats_doubt(lane, retry.force);
    tx.conn.prepare_cached(OVERRULE)?.execute(params![id, Verdict::Failed as i64, repeat])?;
    let doubts = if repeat { 0 } else { row.uncertain };
    let open = Segments::read(tx, retry.id)?.open(lane, row.segments, doubts);
    if open.is_empty() {
        // Nothing failed by report and no doubt was overruled, else its segment would be open: nothing was written.
        return Ok(Retried::Refused(NotAgain::Nothing));
    }
    let whole = open.len() == usize::from(row.segments);
    let actor = if retry.caller.is_some() { Actor::Caller } else { Actor::Operator };
    let queued = Move { state: State::Queued, actor, at: retry.now, cause: retry.force.then_some(FORCED) };
    change(tx, AGAIN, retry.id, &queued, params![deadline.0, repeat, whole], |_| ())?;
    lanes::came(tx, gate, &PerLane::count([lane]), retry.now)?;
    tx.hints.due(lane, retry.now);
    Ok(Retried::Queued { deadline })
}

fn find(tx: &Tx<'_>, retry: &Retry) -> Result<Option<Row>, StoreError> {
    let id = retry.id.as_bytes();
    let mut find = tx.conn.prepare_cached(REST)?;
    let mut rows = find.query(params![id, retry.caller])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (lane, deadline) = (lane_of(row, 0)?, time_of(row, 2)?);
    let answered = lane == Lane::Login && is_answered(tx, retry, retry.now)?;
    let rest = Rest { lane, state: state_of(row, 1)?, deadline, answered };
    let erased = row.get::<_, i64>(5)? == 0;
    Ok(Some(Row { rest, segments: row.get(3)?, uncertain: row.get(4)?, erased }))
}

fn is_answered(tx: &Tx<'_>, retry: &Retry, now: UnixMs) -> Result<bool, StoreError> {
    let mut answered = tx.conn.prepare_cached(ANSWERED)?;
    Ok(answered.query_row(params![retry.id.as_bytes(), now.0], |_| Ok(())).optional()?.is_some())
}
