//! The clocks of the last run, and what their judgement means for stored life times ([`crate::clock::model`]).

use rusqlite::{OptionalExtension, params};

use super::lease::Hints;
use super::{Tx, corrupt};
use crate::clock::model::{Begin, Lives, Remembered};
use crate::store::StoreError;
use crate::units::UnixMs;

/// What waits for the clock is due so much later: beyond every date, and what it was due before is still to be seen.
pub(super) const WAITS: i64 = 1 << 52;

const REMEMBERED: &str = "SELECT id, ahead, apart, newest, doubted FROM boot";

const NEWEST: &str = "SELECT max(id) FROM message";

const REMEMBER: &str = "INSERT INTO boot (one, id, ahead, apart, newest, doubted) VALUES (1, ?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (one) DO UPDATE SET
    id = excluded.id, ahead = excluded.ahead, apart = excluded.apart, newest = excluded.newest, doubted = excluded.doubted";

const LOOKED: &str = "UPDATE boot SET apart = ?1, newest = ?2";

/// What unfinished messages live by. What waits for the clock lives by the right time already.
const MOVE_MESSAGES: [&str; 2] = [
    "UPDATE message SET due = due + ?1, deadline = deadline + ?1 WHERE state = 0 AND due < ?2",
    "UPDATE message SET due = due + ?1, deadline = deadline + ?1, lease_until = lease_until + ?1
     WHERE state = 1 AND due < ?2",
];

/// What open challenges and waiting parts live by, and the row that tells it.
const MOVE_OTHERS: [&str; 3] = [
    "UPDATE challenge SET created = created + ?1, expires = expires + ?1 WHERE answered IS NULL",
    "UPDATE part SET received = received + ?1",
    "UPDATE boot SET ahead = ahead + ?1, apart = apart - ?1, newest = newest + ?1",
];

const END_CHALLENGES: &str = "UPDATE challenge SET expires = ?1 WHERE answered IS NULL AND expires > ?1";

const END_LOGINS: &str = "UPDATE message SET deadline = ?1 WHERE state = 0 AND lane = 0 AND deadline > ?1";

const WAIT: &str = "UPDATE message SET due = due + ?1 WHERE state = 0 AND lane IN (1, 2) AND due < ?1";

const RESUME: &str = "UPDATE message SET due = due - ?1 WHERE state = 0 AND lane IN (1, 2) AND due >= ?1";

const LOST: &str = "UPDATE message SET due = due - ?1, deadline = min(deadline, ?2),
    cause = coalesce(cause, 'the clock was lost in a restart, and with it its deadline')
    WHERE state = 0 AND lane IN (1, 2) AND due >= ?1";

/// What is known of the clocks of the last run; `None` in a new store. Ids of messages tell the time of their acceptance, so the newest
/// stored time needs no write of its own.
pub(in crate::store) fn remembered(tx: &mut Tx<'_>) -> Result<Option<Remembered>, StoreError> {
    let found = tx.conn.prepare_cached(REMEMBERED)?.query_row([], |row| {
        Ok(Remembered {
            boot: row.get(0)?,
            ahead: row.get(1)?,
            apart: row.get(2)?,
            newest: UnixMs(row.get(3)?),
            doubted: row.get(4)?,
        })
    });
    let Some(mut found) = found.optional()? else { return Ok(None) };
    let last: Option<Vec<u8>> = tx.conn.prepare_cached(NEWEST)?.query_row([], |row| row.get(0))?;
    if let Some(id) = last {
        found.newest = found.newest.max(accepted(&id).ok_or_else(|| corrupt("message id"))?);
    }
    Ok(Some(found))
}

/// The time in a UUID v7: its first six octets (RFC 9562 5.7).
fn accepted(id: &[u8]) -> Option<UnixMs> {
    let time = id.first_chunk::<6>()?;
    Some(UnixMs(time.iter().fold(0, |millis, octet| millis << 8 | i64::from(*octet))))
}

/// Moves stored life times as the clock was set since they were stored; the row moves with them, so it is done once.
pub(in crate::store) fn advance(tx: &mut Tx<'_>, by: i64) -> Result<(), StoreError> {
    for sql in MOVE_MESSAGES {
        tx.conn.prepare_cached(sql)?.execute([by, WAITS])?;
    }
    for sql in MOVE_OTHERS {
        tx.conn.prepare_cached(sql)?.execute([by])?;
    }
    *tx.hints = Hints::unknown();
    Ok(())
}

/// Ends, holds or lets go what the judgement says, and remembers the clocks of this run. No message may be leased.
pub(in crate::store) fn settle(
    tx: &mut Tx<'_>,
    boot: &str,
    begin: &Begin,
    now: UnixMs,
) -> Result<(), StoreError> {
    match begin.lives {
        Lives::GoOn => {}
        Lives::Wait => {
            tx.conn.prepare_cached(END_CHALLENGES)?.execute([now.0])?;
            tx.conn.prepare_cached(END_LOGINS)?.execute([now.0])?;
            tx.conn.prepare_cached(WAIT)?.execute([WAITS])?;
        }
        Lives::Resume => {
            tx.conn.prepare_cached(RESUME)?.execute([WAITS])?;
        }
        Lives::Lost => {
            tx.conn.prepare_cached(LOST)?.execute([WAITS, now.0])?;
        }
    }
    *tx.hints = Hints::unknown();
    let row = params![boot, begin.model.ahead, 0, now.0, begin.model.doubted];
    tx.conn.prepare_cached(REMEMBER)?.execute(row)?;
    Ok(())
}

/// Remembers a look at the clocks in mid-run.
pub(in crate::store) fn looked(tx: &mut Tx<'_>, apart: i64, now: UnixMs) -> Result<(), StoreError> {
    tx.conn.prepare_cached(LOOKED)?.execute([apart, now.0])?;
    Ok(())
}
