//! What SIMs have spent of their budgets, counted in the transaction that begins or ends an attempt; and the operator's holds.

use rusqlite::{Row, params};

use super::Tx;
use super::read::View;
use crate::provider::ChannelId;
use crate::route::budget::{Recipient, Spent, Windows};
use crate::store::{Held, SpentRecord, StoreError};
use crate::units::UnixMs;

const TO: &str = "INSERT INTO spent_recipient (month, channel, whom, segments) VALUES (?1, ?2, ?3, 1)
    ON CONFLICT DO UPDATE SET segments = segments + 1 RETURNING segments";

const NOT_TO: &str = "UPDATE spent_recipient SET segments = segments - 1
    WHERE month = ?1 AND channel = ?2 AND whom = ?3 AND segments > 0 RETURNING segments";

const COUNT: &str = "INSERT INTO spent (channel, minute, day, month, in_minute, in_day, in_month, recipients)
    VALUES (?1, ?2, ?3, ?4, 1, 1, 1, ?5)
    ON CONFLICT DO UPDATE SET
    in_minute = 1 + iif(minute = excluded.minute, in_minute, 0), minute = excluded.minute,
    in_day = 1 + iif(day = excluded.day, in_day, 0), day = excluded.day,
    in_month = 1 + iif(month = excluded.month, in_month, 0),
    recipients = excluded.recipients + iif(month = excluded.month, recipients, 0), month = excluded.month";

const TAKE_BACK: &str = "UPDATE spent SET in_minute = max(in_minute - (minute = ?2), 0),
    in_day = max(in_day - (day = ?3), 0), in_month = max(in_month - (month = ?4), 0),
    recipients = max(recipients - iif(month = ?4, ?5, 0), 0) WHERE channel = ?1";

const ALL: &str = "SELECT channel, minute, day, month, in_minute, in_day, in_month, recipients FROM spent";

const PURGE: &str = "DELETE FROM spent_recipient WHERE (month, channel, whom) IN
    (SELECT month, channel, whom FROM spent_recipient WHERE month < ?1 LIMIT ?2)";

/// An attempt begins; `whom` where recipients are counted.
pub(super) fn count(
    tx: &Tx<'_>,
    channel: &str,
    whom: Option<Recipient>,
    at: UnixMs,
) -> Result<(), StoreError> {
    let windows = Windows::at(at);
    let mut new = false;
    if let Some(Recipient(whom)) = whom {
        let row = params![windows.month, channel, whom];
        new = tx.conn.prepare_cached(TO)?.query_row(row, |row| row.get::<_, i64>(0))? == 1;
    }
    let row = params![channel, windows.minute, windows.day, windows.month, new];
    tx.conn.prepare_cached(COUNT)?.execute(row)?;
    Ok(())
}

/// An attempt that began then came to nothing.
pub(super) fn take_back(
    tx: &Tx<'_>,
    channel: &str,
    whom: Option<Recipient>,
    begun: UnixMs,
) -> Result<(), StoreError> {
    let windows = Windows::at(begun);
    let mut last = false;
    if let Some(Recipient(whom)) = whom {
        let mut take = tx.conn.prepare_cached(NOT_TO)?;
        let mut rows = take.query(params![windows.month, channel, whom])?;
        last = rows.next()?.map(|row| row.get::<_, i64>(0)).transpose()? == Some(0);
    }
    let row = params![channel, windows.minute, windows.day, windows.month, last];
    tx.conn.prepare_cached(TAKE_BACK)?.execute(row)?;
    Ok(())
}

/// Forgets recipients of earlier months; `true` if more may be left.
pub(in crate::store) fn purge(tx: &Tx<'_>, now: UnixMs) -> Result<bool, StoreError> {
    let piece = super::recovery::PIECE;
    let purged = tx.conn.prepare_cached(PURGE)?.execute(params![Windows::at(now).month, piece])?;
    Ok(purged == piece as usize)
}

/// Remembers that an operator holds a modem back, or no longer.
pub(in crate::store) fn hold(tx: &Tx<'_>, modem: &str, finishing: Option<bool>) -> Result<(), StoreError> {
    match finishing {
        Some(finishing) => tx
            .conn
            .prepare_cached("INSERT OR REPLACE INTO hold (modem, finishing) VALUES (?1, ?2)")?
            .execute(params![modem, finishing])?,
        None => tx.conn.prepare_cached("DELETE FROM hold WHERE modem = ?1")?.execute([modem])?,
    };
    Ok(())
}

impl View<'_> {
    /// What all SIMs have spent.
    pub(in crate::store) fn spent(&self) -> Result<Vec<SpentRecord>, StoreError> {
        let mut all = self.conn.prepare_cached(ALL)?;
        let rows = all.query_map([], record)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// To whom a SIM has sent in the month of `now`, with segments.
    pub(in crate::store) fn recipients(
        &self,
        channel: &ChannelId,
        now: UnixMs,
    ) -> Result<Vec<(Recipient, u32)>, StoreError> {
        let mut read = self.conn.prepare_cached(
            "SELECT whom, segments FROM spent_recipient WHERE month = ?1 AND channel = ?2 AND segments > 0",
        )?;
        let rows = read.query_map(params![Windows::at(now).month, &*channel.0], |row| {
            Ok((Recipient(row.get(0)?), row.get(1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether something that began on this SIM is still to be finished.
    pub(in crate::store) fn unfinished(&self, channel: &ChannelId) -> Result<bool, StoreError> {
        let mut read = self.conn.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_begun
                WHERE state = 0 AND channel IS NOT NULL AND channel = ?1)
             OR EXISTS (SELECT 1 FROM message INDEXED BY message_lease WHERE state = 1 AND channel = ?1)",
        )?;
        Ok(read.query_row([&*channel.0], |row| row.get(0))?)
    }

    /// Modems that an operator holds back.
    pub(in crate::store) fn holds(&self) -> Result<Vec<Held>, StoreError> {
        let mut read = self.conn.prepare_cached("SELECT modem, finishing FROM hold")?;
        let rows = read.query_map([], |row| Ok(Held { modem: row.get(0)?, finishing: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<SpentRecord> {
    let windows = Windows { minute: row.get(1)?, day: row.get(2)?, month: row.get(3)? };
    let spent =
        Spent { windows, minute: row.get(4)?, day: row.get(5)?, month: row.get(6)?, recipients: row.get(7)? };
    Ok(SpentRecord { channel: ChannelId(row.get(0)?), spent })
}
