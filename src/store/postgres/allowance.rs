//! Budgets of admission: counters are read and written in the transaction that accepts, each once for a batch. They are the same for all
//! appliances, so a batch holds those that it adds to until it is durable.

use std::collections::HashMap;

use super::read::View;
use super::{Tx, count_of, small};
use crate::queue::budget::{Bill, Counter, Counts, Over, Tally};
use crate::queue::conversion::{Codes, Conversions};
use crate::store::StoreError;
use crate::units::UnixMs;

/// Reads counters and holds them, those too that nobody has counted on yet.
const STANDS: &str = "INSERT INTO allowance AS held (day, counter, minute, in_minute, in_hour, in_day)
    SELECT $1, counter, $3, 0, 0, 0 FROM unnest($2::bytea[]) AS asked (counter) ORDER BY counter
    ON CONFLICT (day, counter) DO UPDATE SET minute = held.minute
    RETURNING counter, minute, in_minute, in_hour, in_day";

const ADD: &str = "UPDATE allowance SET
    in_minute = added.n + CASE WHEN allowance.minute = $2 THEN in_minute ELSE 0 END,
    in_hour = added.n + CASE WHEN allowance.minute / 60 = $2 / 60 THEN in_hour ELSE 0 END,
    in_day = in_day + added.n, minute = $2
    FROM unnest($3::bytea[], $4::integer[]) AS added (counter, n)
    WHERE allowance.day = $1 AND allowance.counter = added.counter";

const PURGE: &str = "DELETE FROM allowance WHERE (day, counter) IN
    (SELECT day, counter FROM allowance WHERE day < $1 LIMIT $2)";

/// Codes whose life is over or that were used, by the first digits of their numbers; the states are submitted, delivered and
/// uncertain. What was used was submitted whatever became of its message.
const CONVERSIONS: &str =
    "SELECT substr(m.recipient, 1, 4), c.proven, count(*)::integer, count(c.answered)::integer, min(c.expires)
    FROM challenge c JOIN message m ON m.id = c.message
    WHERE c.expires > $1 AND (c.answered IS NOT NULL OR c.expires <= $2 AND m.state IN (2, 3, 7))
    GROUP BY 1, 2";

/// What the counters are compared for.
const PURPOSE: &str = "allowance";

type Mac = [u8; 32];

/// Counts a batch of the moment `now` (the server's), or says which counter keeps it out; in shadow that is only told. `shift` makes
/// the end of a window the caller's time.
pub(super) async fn charge<'b>(
    tx: &Tx<'_>,
    bills: impl Iterator<Item = &'b Bill>,
    now: UnixMs,
    shift: i64,
) -> Result<Option<(Counter, Over)>, StoreError> {
    let tally = Tally::new(now, bills);
    let (day, minute) = (tally.day(), tally.minute());
    let of_day = day.to_be_bytes();
    let counters: HashMap<Counter, Vec<Mac>> = tally
        .added()
        .map(|(counter, _)| (counter.clone(), tx.keys.macs(PURPOSE, &parts(counter, &of_day)).collect()))
        .collect();
    if counters.is_empty() {
        return Ok(None);
    }
    let macs: Vec<&[u8]> = counters.values().flatten().map(Mac::as_slice).collect();
    let mut stand: HashMap<Mac, Counts> = HashMap::new();
    for row in tx.link.query(STANDS, &[&day, &macs, &minute]).await? {
        let counts = Counts {
            minute: row.try_get(1)?,
            in_minute: count_of(&row, 2)?,
            in_hour: count_of(&row, 3)?,
            in_day: count_of(&row, 4)?,
        };
        stand.extend(row.try_get::<_, &[u8]>(0)?.first_chunk().map(|mac| (*mac, counts)));
    }
    // After a change of the key a day's count lies under both keys.
    let stands = |counter: &Counter| {
        let under = counters.get(counter).into_iter().flatten().filter_map(|mac| stand.get(mac));
        Ok::<_, StoreError>(under.fold(Counts::default(), |all, one| all.with(one)))
    };
    let over = tally.over(stands)?.map(|(counter, over)| (counter.clone(), told(over, shift)));
    // What several jobs are over together is looked at again, job by job.
    if let Some((_, over)) = over.as_ref().filter(|_| tx.alone || tally.shadow()) {
        tx.over.tell(over, tally.shadow(), now);
    }
    let over = over.filter(|_| !tally.shadow());
    if over.is_none() {
        let added: Vec<(Mac, i32)> = tally
            .added()
            .map(|(counter, n)| (tx.keys.mac(PURPOSE, &parts(counter, &of_day)), small(n)))
            .collect();
        let macs: Vec<&[u8]> = added.iter().map(|(mac, _)| mac.as_slice()).collect();
        let n: Vec<i32> = added.iter().map(|(_, n)| *n).collect();
        tx.link.execute(ADD, &[&day, &minute, &macs, &n]).await?;
    }
    Ok(over)
}

/// By the caller's clock.
fn told(over: Over, shift: i64) -> Over {
    match over {
        Over::Limit { dimension, proven, span, limit, until } => {
            let until = until.map(|until| UnixMs(until.0.saturating_sub(shift)));
            Over::Limit { dimension, proven, span, limit, until }
        }
        other @ Over::Conversion { .. } => other,
    }
}

fn parts<'a>(counter: &'a Counter, day: &'a [u8]) -> [&'a [u8]; 4] {
    let proven: &[u8] = if counter.proven { b"proven" } else { b"" };
    [counter.dimension.as_str().as_bytes(), proven, counter.subject.as_bytes(), day]
}

/// Forgets the days before that of `now`; `true` if more may be left.
pub(super) async fn purge(tx: &Tx<'_>, now: UnixMs) -> Result<bool, StoreError> {
    let piece = super::recovery::PIECE;
    let day = Tally::new(UnixMs(tx.at(now)), []).day();
    Ok(tx.link.execute(PURGE, &[&day, &piece]).await? >= piece.unsigned_abs())
}

impl View<'_> {
    /// Codes to each country whose challenges ended or end after `since`.
    pub(super) async fn conversions(&self, since: UnixMs, now: UnixMs) -> Result<Conversions, StoreError> {
        let mut all = Conversions::default();
        for row in self.link.query(CONVERSIONS, &[&self.at(since), &self.at(now)]).await? {
            let codes = Codes {
                country: String::new(),
                proven: row.try_get(1)?,
                submitted: count_of(&row, 2)?,
                used: count_of(&row, 3)?,
                oldest: self.time(&row, 4)?,
            };
            all.add(row.try_get(0)?, codes);
        }
        Ok(all)
    }
}
