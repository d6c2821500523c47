//! Alarms: one row for as long as a condition stands, and for a while after.

use rusqlite::{OptionalExtension, params};

use super::recovery::PIECE;
use super::{Tx, outbox};
use crate::alarm::Alarm;
use crate::store::{ALARM_AGAIN, AlarmId, Raised, StoreError};
use crate::units::UnixMs;

/// The open one, or else the last one that went a short time ago.
const STANDING: &str = "SELECT id, cleared IS NULL FROM alarm
    WHERE kind = ?1 AND subject = ?2 AND (cleared IS NULL OR cleared > ?3) ORDER BY cleared IS NOT NULL, cleared DESC LIMIT 1";

const AGAIN: &str = "UPDATE alarm SET severity = ?2, cause = ?3, remedy = ?4, seen = ?5, count = count + 1, cleared = NULL WHERE id = ?1";

const RAISE: &str = "INSERT INTO alarm (kind, subject, severity, cause, remedy, raised, seen, count)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1)";

const CLEAR: &str = "UPDATE alarm SET cleared = ?2 WHERE id = ?1 AND cleared IS NULL";

const PURGE: &str = "DELETE FROM alarm WHERE id IN (SELECT id FROM alarm WHERE cleared < ?1 LIMIT ?2)";

/// Raises it, or tells it again.
pub(in crate::store) fn raise(tx: &mut Tx<'_>, alarm: &Alarm, now: UnixMs) -> Result<Raised, StoreError> {
    let Alarm { kind, subject, cause } = alarm;
    let (word, severity, remedy) = (kind.as_str(), kind.severity().as_str(), kind.remedy());
    let standing: Option<(i64, bool)> = tx
        .conn
        .prepare_cached(STANDING)?
        .query_row(params![word, subject, now.minus(ALARM_AGAIN).0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((id, open)) = standing {
        tx.conn.prepare_cached(AGAIN)?.execute(params![id, severity, cause, remedy, now.0])?;
        if !open {
            outbox::rang(tx, AlarmId(id), false, now)?;
        }
        return Ok(Raised { id: AlarmId(id), news: !open });
    }
    let id = tx.conn.prepare_cached(RAISE)?.insert(params![word, subject, severity, cause, remedy, now.0])?;
    outbox::rang(tx, AlarmId(id), false, now)?;
    Ok(Raised { id: AlarmId(id), news: true })
}

/// Clears it; `false` if there is nothing to clear.
pub(in crate::store) fn clear(tx: &mut Tx<'_>, id: AlarmId, now: UnixMs) -> Result<bool, StoreError> {
    let cleared = tx.conn.prepare_cached(CLEAR)?.execute(params![id.0, now.0])? > 0;
    if cleared {
        outbox::rang(tx, id, true, now)?;
    }
    Ok(cleared)
}

/// Deletes what was cleared before `over`; `true` if more may be left.
pub(in crate::store) fn purge(tx: &mut Tx<'_>, over: UnixMs) -> Result<bool, StoreError> {
    Ok(tx.conn.prepare_cached(PURGE)?.execute(params![over.0, PIECE])? == PIECE as usize)
}
