//! Budgets of admission: counters are read and written in the transaction that accepts, each once for a batch.

use rusqlite::{OptionalExtension, params};

use super::Tx;
use super::read::View;
use crate::queue::budget::{Counter, Counts, Over, Tally};
use crate::queue::conversion::{Codes, Conversions};
use crate::store::StoreError;
use crate::units::UnixMs;

const STANDS: &str =
    "SELECT minute, in_minute, in_hour, in_day FROM allowance WHERE day = ?1 AND counter = ?2";

const ADD: &str = "INSERT INTO allowance (day, counter, minute, in_minute, in_hour, in_day)
    VALUES (?1, ?2, ?3, ?4, ?4, ?4)
    ON CONFLICT DO UPDATE SET
    in_minute = excluded.in_minute + iif(minute = excluded.minute, in_minute, 0),
    in_hour = excluded.in_hour + iif(minute / 60 = excluded.minute / 60, in_hour, 0),
    in_day = in_day + excluded.in_day, minute = excluded.minute";

const PURGE: &str = "DELETE FROM allowance WHERE (day, counter) IN
    (SELECT day, counter FROM allowance WHERE day < ?1 LIMIT ?2)";

/// Codes whose life is over or that were used, by the first digits of their numbers; the states are submitted, delivered and
/// uncertain. What was used was submitted whatever became of its message.
const CONVERSIONS: &str =
    "SELECT substr(m.recipient, 1, 4), c.proven, count(*), count(c.answered), min(c.expires)
    FROM challenge c INDEXED BY challenge_expires JOIN message m ON m.id = c.message
    WHERE c.expires > ?1 AND (c.answered IS NOT NULL OR c.expires <= ?2 AND m.state IN (2, 3, 7))
    GROUP BY 1, 2";

/// What the counters are compared for.
const PURPOSE: &str = "allowance";

/// Counts a batch, or says which counter keeps it out; in shadow that is only told.
pub(super) fn charge<'t>(
    tx: &Tx<'_>,
    tally: &'t Tally,
    now: UnixMs,
) -> Result<Option<(&'t Counter, Over)>, StoreError> {
    let over = tally.over(|counter| stands(tx, counter, tally.day()))?;
    if let Some((_, over)) = &over {
        tx.over.tell(over, tally.shadow(), now);
    }
    let over = over.filter(|_| !tally.shadow());
    if over.is_none() {
        count(tx, tally)?;
    }
    Ok(over)
}

/// What a counter stands at. After a change of the key a day's count lies under both keys.
fn stands(tx: &Tx<'_>, counter: &Counter, day: i64) -> Result<Counts, StoreError> {
    let mut read = tx.conn.prepare_cached(STANDS)?;
    let mut all = Counts::default();
    for mac in tx.keys.macs(PURPOSE, &parts(counter, &day.to_be_bytes())) {
        let one = read.query_row(params![day, mac], |row| {
            Ok(Counts {
                minute: row.get(0)?,
                in_minute: row.get(1)?,
                in_hour: row.get(2)?,
                in_day: row.get(3)?,
            })
        });
        if let Some(one) = one.optional()? {
            all = all.with(&one);
        }
    }
    Ok(all)
}

/// Adds what a batch has counted.
fn count(tx: &Tx<'_>, tally: &Tally) -> Result<(), StoreError> {
    let day = tally.day();
    for (counter, added) in tally.added() {
        let mac = tx.keys.mac(PURPOSE, &parts(counter, &day.to_be_bytes()));
        tx.conn.prepare_cached(ADD)?.execute(params![day, mac, tally.minute(), added])?;
    }
    Ok(())
}

fn parts<'a>(counter: &'a Counter, day: &'a [u8]) -> [&'a [u8]; 4] {
    let proven: &[u8] = if counter.proven { b"proven" } else { b"" };
    [counter.dimension.as_str().as_bytes(), proven, counter.subject.as_bytes(), day]
}

/// Forgets the days before that of `now`; `true` if more may be left.
pub(in crate::store) fn purge(tx: &Tx<'_>, now: UnixMs) -> Result<bool, StoreError> {
    let piece = super::recovery::PIECE;
    let day = Tally::new(now, []).day();
    Ok(tx.conn.prepare_cached(PURGE)?.execute(params![day, piece])? == piece as usize)
}

impl View<'_> {
    /// Codes to each country whose challenges ended or end after `since`.
    pub(in crate::store) fn conversions(
        &self,
        since: UnixMs,
        now: UnixMs,
    ) -> Result<Conversions, StoreError> {
        let mut read = self.conn.prepare_cached(CONVERSIONS)?;
        let mut rows = read.query(params![since.0, now.0])?;
        let mut all = Conversions::default();
        while let Some(row) = rows.next()? {
            let first_digits: String = row.get(0)?;
            let codes = Codes {
                country: String::new(),
                proven: row.get(1)?,
                submitted: row.get(2)?,
                used: row.get(3)?,
                oldest: UnixMs(row.get(4)?),
            };
            all.add(&first_digits, codes);
        }
        Ok(all)
    }
}
