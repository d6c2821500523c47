//! Alarms of this appliance: one row for as long as a condition stands, and for a while after.

use super::recovery::PIECE;
use super::{Tx, outbox};
use crate::alarm::Alarm;
use crate::store::{ALARM_AGAIN, AlarmId, Event, Raised, Rang, StoreError, Story};
use crate::units::UnixMs;

/// The open one, or else the last one that went a short time ago.
const STANDING: &str = "SELECT id, cleared IS NULL FROM alarm
    WHERE appliance = $1 AND kind = $2 AND subject = $3 AND (cleared IS NULL OR cleared > $4)
    ORDER BY cleared IS NOT NULL, cleared DESC LIMIT 1 FOR UPDATE";

const AGAIN: &str =
    "UPDATE alarm SET severity = $2, cause = $3, remedy = $4, seen = $5, count = count + 1, cleared = NULL
    WHERE id = $1";

const RAISE: &str =
    "INSERT INTO alarm (appliance, kind, subject, severity, cause, remedy, raised, seen, count)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1) RETURNING id";

const CLEAR: &str = "UPDATE alarm SET cleared = $3 WHERE appliance = $1 AND id = $2 AND cleared IS NULL
    RETURNING kind, subject, severity, cause, remedy";

const PURGE: &str = "DELETE FROM alarm WHERE id IN (SELECT id FROM alarm WHERE cleared < $1 LIMIT $2)";

/// Raises it, or tells it again.
pub(super) async fn raise(tx: &Tx<'_>, alarm: &Alarm, now: UnixMs) -> Result<Raised, StoreError> {
    let Alarm { kind, subject, cause } = alarm;
    let (word, severity, remedy) = (kind.as_str(), kind.severity().as_str(), kind.remedy());
    let at = tx.at(now);
    let standing =
        tx.link.first(STANDING, &[&tx.me, &word, subject, &UnixMs(at).minus(ALARM_AGAIN).0]).await?;
    if let Some(row) = standing {
        let (id, open): (i64, bool) = (row.try_get(0)?, row.try_get(1)?);
        tx.link.execute(AGAIN, &[&id, &severity, cause, &remedy, &at]).await?;
        if !open {
            rang(tx, AlarmId(id), alarm, now)?;
        }
        return Ok(Raised { id: AlarmId(id), news: !open });
    }
    let row = tx.link.first(RAISE, &[&tx.me, &word, subject, &severity, cause, &remedy, &at]).await?;
    let id = AlarmId(row.ok_or_else(|| super::corrupt("alarm"))?.try_get(0)?);
    rang(tx, id, alarm, now)?;
    Ok(Raised { id, news: true })
}

fn rang(tx: &Tx<'_>, id: AlarmId, alarm: &Alarm, at: UnixMs) -> Result<(), StoreError> {
    outbox::tell(tx, Event::AlarmRaised, || {
        Story::Alarm(Rang {
            id,
            kind: alarm.kind.as_str().to_owned(),
            subject: alarm.subject.clone(),
            severity: alarm.kind.severity().as_str().to_owned(),
            cause: alarm.cause.clone(),
            remedy: alarm.kind.remedy().to_owned(),
            cleared: false,
            at,
        })
    })
}

/// Clears it; `false` if there is nothing to clear.
pub(super) async fn clear(tx: &Tx<'_>, id: AlarmId, now: UnixMs) -> Result<bool, StoreError> {
    let Some(row) = tx.link.first(CLEAR, &[&tx.me, &id.0, &tx.at(now)]).await? else { return Ok(false) };
    let (kind, subject, severity) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (cause, remedy) = (row.try_get(3)?, row.try_get(4)?);
    let rang = Rang { id, kind, subject, severity, cause, remedy, cleared: true, at: now };
    outbox::tell(tx, Event::AlarmCleared, || Story::Alarm(rang))?;
    Ok(true)
}

/// Deletes what was cleared before `over`; `true` if more may be left.
pub(super) async fn purge(tx: &Tx<'_>, over: UnixMs) -> Result<bool, StoreError> {
    Ok(tx.link.execute(PURGE, &[&tx.at(over), &PIECE]).await? >= PIECE.unsigned_abs())
}
