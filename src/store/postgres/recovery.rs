//! What nobody holds any more: leases of an appliance that died, leases that lapsed, overdue and outlived rows.
//!
//! Every function does a bounded piece, so that no commit is long; the caller asks until nothing is left. Two appliances may sweep at
//! once: what one has locked the other passes over.

use super::messages::Messages;
use super::{Tx, id_of, lane_of, outbox, state_of};
use crate::queue::life::{self, Actor, Move};
use crate::queue::message::{Lane, MessageId, State};
use crate::store::sqlite::recovery::{OVERDUE, TakenBack};
use crate::store::{Begin, Recovered, StoreError};
use crate::units::UnixMs;

/// Rows of one commit, so that no modem waits long for its attempt.
pub(super) const PIECE: i64 = 200;

const OWN: &str = "SELECT id FROM message WHERE state = 1 AND holder = $1 LIMIT $2 FOR UPDATE SKIP LOCKED";

const LAPSED: &str = "SELECT id FROM message WHERE state = 1 AND lease_until <= $1
    ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED";

const EXPIRE: &str = "UPDATE message SET state = 5, changed = $1, cause = coalesce(cause, $3),
    life = CASE WHEN octet_length(life) < $5 THEN life || $4 ELSE life END
    WHERE id IN (SELECT id FROM message WHERE state = 0 AND deadline <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING lane, id";

const PURGE: &str = "DELETE FROM message WHERE id IN
    (SELECT id FROM message WHERE state > 1 AND lane = $3 AND changed < $1 ORDER BY changed LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING state";

const PURGE_CHALLENGES: &str = "DELETE FROM challenge WHERE (txn, serial) IN
    (SELECT txn, serial FROM challenge WHERE expires < $1 LIMIT $2)";

/// Whose leases are taken back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose {
    /// Ours: nobody holds them, since we have only just begun.
    Own,
    /// Anybody's that ended by then.
    Lapsed(UnixMs),
}

/// Takes leases back by the rules of recovery; the flag says that more may be left.
pub(super) async fn recover(
    tx: &Tx<'_>,
    whose: Whose,
    by: TakenBack,
    now: UnixMs,
) -> Result<(Recovered, bool), StoreError> {
    let rows = match whose {
        Whose::Own => tx.link.query(OWN, &[&tx.me, &PIECE]).await?,
        Whose::Lapsed(at) => tx.link.query(LAPSED, &[&tx.at(at), &PIECE]).await?,
    };
    let ids = rows.iter().map(|row| id_of(row, 0)).collect::<Result<Vec<_>, _>>()?;
    let mut messages = Messages::load(tx, ids).await?;
    let mut recovered = Recovered::default();
    let now = tx.at(now);
    for message in messages.all() {
        message.recover(by, now, &mut recovered);
    }
    messages.save(tx).await?;
    Ok((recovered, rows.len() >= usize::try_from(PIECE).unwrap_or(usize::MAX)))
}

/// What was answered as failed because the connection was lost in the middle of its commit, and may be durable all the same.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Attempts whose channels were told to give up.
    pub(super) begun: Vec<Begin>,
    /// Leases that nobody got.
    pub(super) leased: Vec<(MessageId, i64)>,
    /// Messages whose callers were refused, and who have no key to ask again with.
    pub(super) accepted: Vec<MessageId>,
}

impl Doubt {
    pub(super) fn is_none(&self) -> bool {
        self.begun.is_empty() && self.leased.is_empty() && self.accepted.is_empty()
    }
}

/// Makes true what was answered.
pub(super) async fn undo(tx: &Tx<'_>, doubt: &Doubt) -> Result<(), StoreError> {
    let begun = doubt.begun.iter().map(|begin| begin.id);
    let leased = doubt.leased.iter().map(|(id, _)| *id);
    let mut messages = Messages::load(tx, begun.chain(leased).chain(doubt.accepted.iter().copied())).await?;
    for begin in &doubt.begun {
        let back = messages.get(begin.id).and_then(|message| message.never_begun(begin, tx.now.0));
        tx.ledger.borrow_mut().back(back);
    }
    for (id, epoch) in &doubt.leased {
        if let Some(message) = messages.get(*id) {
            message.release(*epoch, None, tx.now);
        }
    }
    for id in &doubt.accepted {
        if let Some(message) = messages.get(*id) {
            message.withdraw(Actor::Caller, tx.now.0);
        }
    }
    messages.save(tx).await
}

/// Expires overdue messages; `true` if more may be left.
pub(super) async fn expire(tx: &Tx<'_>, now: UnixMs) -> Result<bool, StoreError> {
    let at = tx.at(now);
    let entry = Move { state: State::Expired, actor: Actor::Janitor, at: UnixMs(at), cause: None }.entry();
    let rows = tx.link.query(EXPIRE, &[&at, &PIECE, &OVERDUE, &entry, &room(State::Expired)]).await?;
    for row in &rows {
        tx.ledger.borrow_mut().moved(lane_of(row, 0)?, State::Queued, State::Expired);
    }
    let ids = rows.iter().map(|row| id_of(row, 1)).collect::<Result<Vec<_>, _>>()?;
    tell_expired(tx, ids, UnixMs(at)).await?;
    Ok(is_full(rows.len()))
}

/// Tells of messages that a statement has just expired.
pub(super) async fn tell_expired(tx: &Tx<'_>, ids: Vec<MessageId>, at: UnixMs) -> Result<(), StoreError> {
    let expired = Move { state: State::Expired, actor: Actor::Janitor, at, cause: None };
    let mut messages = Messages::load(tx, ids).await?;
    for message in messages.all() {
        outbox::turned(tx, message.turned(&expired), message.callback())?;
    }
    Ok(())
}

/// Deletes finished messages of a lane that have not changed since `before`; `true` if more may be left.
pub(super) async fn purge(tx: &Tx<'_>, lane: Lane, before: UnixMs) -> Result<bool, StoreError> {
    let rows = tx.link.query(PURGE, &[&tx.at(before), &PIECE, &(lane as i16)]).await?;
    for row in &rows {
        tx.ledger.borrow_mut().came(lane, state_of(row, 0)?, -1);
    }
    Ok(is_full(rows.len()))
}

/// Deletes challenges that died before `dead`; `true` if more may be left.
pub(super) async fn purge_challenges(tx: &Tx<'_>, dead: UnixMs) -> Result<bool, StoreError> {
    let purged = tx.link.execute(PURGE_CHALLENGES, &[&tx.at(dead), &PIECE]).await?;
    Ok(purged >= PIECE.unsigned_abs())
}

fn is_full(rows: usize) -> bool {
    rows >= usize::try_from(PIECE).unwrap_or(usize::MAX)
}

/// Octets of a life below which an entry about this state is kept.
pub(super) fn room(state: State) -> i32 {
    i32::try_from(life::room(state)).unwrap_or(i32::MAX)
}
