//! What nobody holds any more: leases of a daemon that died or a lease that lapsed, overdue and outlived rows.
//!
//! Every function does a bounded piece, so that no commit is long; the caller asks until nothing is left.

use rusqlite::params;

use super::life::{and_life, change_unread};
use super::{Tx, id_of, turn};
use crate::queue::life::{Actor, Move};
use crate::queue::message::{MessageId, State};
use crate::queue::rules::{self, Ended, Next};
use crate::store::{Recovered, StoreError};
use crate::units::UnixMs;

/// Rows of one commit; 20,000 in one took 132 ms, in which no modem got its attempt.
pub(in crate::store) const PIECE: u32 = 200;

const LEASED: &str = "SELECT id FROM message INDEXED BY message_lease
    WHERE state = 1 AND lease_until <= ?1 ORDER BY lease_until LIMIT ?2";

const IN_THE_AIR: &str =
    "UPDATE attempt SET state = 3, ended = ?2, cause = ?3 WHERE message = ?1 AND state = 0
    RETURNING seq, channel";

const DOUBT: &str = "UPDATE message SET uncertain = uncertain + ?2, cause = ?3,
    channel = CASE WHEN segments > 1 THEN ?4 ELSE channel END WHERE id = ?1";

/// Why a message is queued again of which nothing was in the air.
pub(in crate::store) const UNUSED: &str = "its lease ended before anything of it left";
/// Why a message expires.
pub(in crate::store) const OVERDUE: &str = "its deadline passed";

/// A higher epoch fences off whoever may still hold the lease.
const FENCE: &str = "UPDATE message SET epoch = epoch + 1 WHERE id = ?1";

const DUE: &str = "SELECT due FROM message WHERE id = ?1";

const EXPIRE: &str = concat!(
    "UPDATE message SET state = ?2, changed = ?3, ",
    and_life!(),
    ", cause = coalesce(cause, ?6) WHERE id = ?1 AND state = 0 AND deadline <= ?3"
);

const BARE: &str = "UPDATE message SET body = x'' WHERE id = ?1 AND state = 0 AND deadline <= ?2";

const PURGE: &str = "DELETE FROM message WHERE id = ?1 AND state NOT IN (0, 1) AND changed < ?2";

const PURGE_CHALLENGES: &str = "DELETE FROM challenge WHERE (txn, serial) IN
    (SELECT txn, serial FROM challenge WHERE expires < ?1 LIMIT ?2)";

/// Who takes leases back, and why it is in doubt what was in the air.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct TakenBack {
    pub(in crate::store) actor: Actor,
    pub(in crate::store) cause: &'static str,
}

/// Takes back leases that end at `lapsed` or before (all of them, at the start); the flag says that more may be left.
pub(in crate::store) fn recover(
    tx: &mut Tx<'_>,
    lapsed: UnixMs,
    by: TakenBack,
    now: UnixMs,
) -> Result<(Recovered, bool), StoreError> {
    let ids = {
        let mut leased = tx.conn.prepare_cached(LEASED)?;
        let ids = leased.query_map(params![lapsed.0, PIECE], |row| Ok(id_of(row, 0)))?;
        ids.map(|id| id?).collect::<Result<Vec<_>, StoreError>>()?
    };
    let mut recovered = Recovered::default();
    for id in &ids {
        recover_one(tx, *id, by, now, &mut recovered)?;
    }
    Ok((recovered, ids.len() == PIECE as usize))
}

fn recover_one(
    tx: &mut Tx<'_>,
    id: MessageId,
    by: TakenBack,
    now: UnixMs,
    recovered: &mut Recovered,
) -> Result<(), StoreError> {
    let TakenBack { actor, cause } = by;
    tx.conn.prepare_cached(FENCE)?.execute([id.as_bytes()])?;
    let in_the_air = {
        let mut open = tx.conn.prepare_cached(IN_THE_AIR)?;
        let rows = open.query_map(params![id.as_bytes(), now.0, cause], |row| {
            Ok((row.get::<_, u8>(0)?, row.get::<_, String>(1)?))
        })?;
        rows.collect::<Result<Vec<_>, _>>()?
    };
    // A second round was cut off: what the first came to stays.
    if turn::rest_if_submitted(tx, id, actor, now)? {
        recovered.uncertain += u64::from(!in_the_air.is_empty());
        return Ok(());
    }
    let Some((seq, channel)) = in_the_air.last() else {
        let due = tx.conn.prepare_cached(DUE)?.query_row([id.as_bytes()], |row| row.get(0))?;
        let unused = Move { state: State::Queued, actor, at: now, cause: Some(UNUSED) };
        turn::requeue(tx, id, UnixMs(due), &unused)?;
        recovered.requeued += 1;
        return Ok(());
    };
    let doubts = i64::try_from(in_the_air.len()).unwrap_or(i64::MAX);
    tx.conn.prepare_cached(DOUBT)?.execute(params![id.as_bytes(), doubts, cause, channel])?;
    let (mut standing, total) = turn::standing(tx, id)?;
    let open = turn::Segments::read(tx, id)?.open(standing.lane, total, standing.uncertain);
    let others = open.iter().filter(|other| *other != seq && *seq != 0).count();
    standing.remaining = u8::try_from(others).unwrap_or(u8::MAX);
    // At the start every channel is new, so nothing is gained by spreading the repeats.
    let to = |state| Move { state, actor, at: now, cause: Some(cause) };
    match rules::after_attempt(Ended::Uncertain, standing, now, 0) {
        Next::Retry(due) => {
            recovered.repeated += 1;
            turn::requeue(tx, id, due, &to(State::Queued))
        }
        Next::Continue => {
            recovered.uncertain += 1;
            turn::requeue(tx, id, now, &to(State::Queued))
        }
        Next::Rest(state) => {
            recovered.uncertain += 1;
            turn::rest(tx, id, &to(state))
        }
    }
}

/// Expires those of `ids` that are still queued and overdue.
pub(in crate::store) fn expire(tx: &Tx<'_>, ids: &[MessageId], now: UnixMs) -> Result<(), StoreError> {
    // The state says why; and what expires on a full disk, to be purged then, must not grow more than it has to.
    let to = Move { state: State::Expired, actor: Actor::Janitor, at: now, cause: None };
    for id in ids {
        change_unread(tx, EXPIRE, *id, &to, params![OVERDUE])?;
    }
    Ok(())
}

/// The same on a full disk: their texts go first, so that none needs room in the index of texts that stay for a while.
pub(in crate::store) fn expire_bare(tx: &Tx<'_>, ids: &[MessageId], now: UnixMs) -> Result<(), StoreError> {
    let mut bare = tx.conn.prepare_cached(BARE)?;
    for id in ids {
        bare.execute(params![id.as_bytes(), now.0])?;
    }
    expire(tx, ids, now)
}

/// Deletes those of `ids` that are finished and have not changed since `before`.
pub(in crate::store) fn purge(tx: &mut Tx<'_>, ids: &[MessageId], before: UnixMs) -> Result<(), StoreError> {
    let mut purge = tx.conn.prepare_cached(PURGE)?;
    for id in ids {
        purge.execute(params![id.as_bytes(), before.0])?;
    }
    Ok(())
}

/// Deletes challenges that died before `dead`; `true` if more may be left.
pub(in crate::store) fn purge_challenges(tx: &mut Tx<'_>, dead: UnixMs) -> Result<bool, StoreError> {
    let purged = tx.conn.prepare_cached(PURGE_CHALLENGES)?.execute(params![dead.0, PIECE])?;
    Ok(purged == PIECE as usize)
}
