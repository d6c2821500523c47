//! What a transaction adds to shared counts: messages by state, and what SIMs have spent. Gathered in memory and written once a
//! commit, so that a batch of a hundred attempts touches a counter once. And the operator's holds.

use std::collections::BTreeMap;

use super::{Tx, outbox};
use crate::provider::ChannelId;
use crate::queue::message::{Lane, State};
use crate::route::budget::{Recipient, Spent, Windows};
use crate::store::postgres::read::View;
use crate::store::{Held, SpentRecord, StoreError};
use crate::units::UnixMs;

const TALLY: &str = "INSERT INTO tally (appliance, lane, state, messages)
    SELECT $1, * FROM unnest($2::smallint[], $3::smallint[], $4::bigint[])
    ON CONFLICT (appliance, lane, state) DO UPDATE SET messages = tally.messages + excluded.messages";

const TO: &str = "INSERT INTO spent_recipient (month, channel, whom, segments)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::integer[])
    ON CONFLICT (month, channel, whom) DO UPDATE SET segments = spent_recipient.segments + excluded.segments
    RETURNING month, channel, whom, segments";

const NOT_TO: &str = "UPDATE spent_recipient SET segments = greatest(spent_recipient.segments - back.n, 0)
    FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::integer[]) AS back (month, channel, whom, n)
    WHERE spent_recipient.month = back.month AND spent_recipient.channel = back.channel
        AND spent_recipient.whom = back.whom AND spent_recipient.segments > 0
    RETURNING back.month, back.channel, back.whom, spent_recipient.segments";

const COUNT: &str = "INSERT INTO spent (channel, minute, day, month, in_minute, in_day, in_month, recipients)
    SELECT channel, minute, day, month, n, n, n, whom
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::integer[], $6::integer[])
        AS more (channel, minute, day, month, n, whom)
    ON CONFLICT (channel) DO UPDATE SET
    in_minute = excluded.in_minute + CASE WHEN spent.minute = excluded.minute THEN spent.in_minute ELSE 0 END,
    in_day = excluded.in_day + CASE WHEN spent.day = excluded.day THEN spent.in_day ELSE 0 END,
    in_month = excluded.in_month + CASE WHEN spent.month = excluded.month THEN spent.in_month ELSE 0 END,
    recipients = excluded.recipients + CASE WHEN spent.month = excluded.month THEN spent.recipients ELSE 0 END,
    minute = excluded.minute, day = excluded.day, month = excluded.month";

const TAKE_BACK: &str = "UPDATE spent SET
    in_minute = greatest(in_minute - CASE WHEN spent.minute = less.minute THEN less.n ELSE 0 END, 0),
    in_day = greatest(in_day - CASE WHEN spent.day = less.day THEN less.n ELSE 0 END, 0),
    in_month = greatest(in_month - CASE WHEN spent.month = less.month THEN less.n ELSE 0 END, 0),
    recipients = greatest(recipients - CASE WHEN spent.month = less.month THEN less.whom ELSE 0 END, 0)
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::integer[], $6::integer[])
        AS less (channel, minute, day, month, n, whom)
    WHERE spent.channel = less.channel";

const PURGE: &str = "DELETE FROM spent_recipient WHERE (month, channel, whom) IN
    (SELECT month, channel, whom FROM spent_recipient WHERE month < $1 LIMIT $2)";

/// An attempt that is counted, or counted no longer.
#[derive(Debug, Clone)]
pub(super) struct Count {
    pub(super) channel: String,
    /// To whom, where recipients are counted.
    pub(super) whom: Option<Recipient>,
    /// When it began, by the server's clock.
    pub(super) at: UnixMs,
}

/// What one transaction adds.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    tally: BTreeMap<(i16, i16), i64>,
    begun: Vec<Count>,
    back: Vec<Count>,
}

impl Ledger {
    /// So many messages of a lane came into a state.
    pub(super) fn came(&mut self, lane: Lane, state: State, messages: i64) {
        *self.tally.entry((lane as i16, state as i16)).or_default() += messages;
    }

    /// One message went from one state to another.
    pub(super) fn moved(&mut self, lane: Lane, from: State, to: State) {
        self.came(lane, from, -1);
        self.came(lane, to, 1);
    }

    /// An attempt began.
    pub(super) fn begun(&mut self, count: Count) {
        self.begun.push(count);
    }

    /// An attempt that began came to nothing.
    pub(super) fn back(&mut self, count: Option<Count>) {
        self.back.extend(count);
    }
}

/// Writes what was gathered.
pub(super) async fn write(tx: &Tx<'_>) -> Result<(), StoreError> {
    outbox::write(tx).await?;
    let Ledger { tally, begun, back } = tx.ledger.take();
    let spent = async {
        if !back.is_empty() {
            let whom = recipients(tx, NOT_TO, &back).await?;
            let last = whom.into_iter().filter(|(_, _, _, left)| *left == 0);
            add(tx, TAKE_BACK, &back, last.map(|(month, channel, ..)| (month, channel)).collect()).await?;
        }
        if !begun.is_empty() {
            let whom = recipients(tx, TO, &begun).await?;
            let new = whom.into_iter().filter(|(_, _, came, now)| came == now);
            add(tx, COUNT, &begun, new.map(|(month, channel, ..)| (month, channel)).collect()).await?;
        }
        Ok(())
    };
    let tallied = async {
        let changed: Vec<_> = tally.into_iter().filter(|(_, by)| *by != 0).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let lanes: Vec<i16> = changed.iter().map(|((lane, _), _)| *lane).collect();
        let states: Vec<i16> = changed.iter().map(|((_, state), _)| *state).collect();
        let by: Vec<i64> = changed.iter().map(|(_, by)| *by).collect();
        tx.link.execute(TALLY, &[&tx.me, &lanes, &states, &by]).await.map(drop)
    };
    tokio::try_join!(spent, tallied).map(drop)
}

/// Month, channel, segments in this commit, segments in all.
type ToWhom = (i64, String, i32, i32);

/// Counts by recipient, where they are counted.
async fn recipients(tx: &Tx<'_>, sql: &'static str, counts: &[Count]) -> Result<Vec<ToWhom>, StoreError> {
    let mut by: BTreeMap<(i64, &str, [u8; 16]), i32> = BTreeMap::new();
    for Count { channel, whom, at } in counts {
        if let Some(Recipient(whom)) = whom {
            *by.entry((Windows::at(*at).month, channel, *whom)).or_default() += 1;
        }
    }
    if by.is_empty() {
        return Ok(Vec::new());
    }
    let months: Vec<i64> = by.keys().map(|(month, ..)| *month).collect();
    let channels: Vec<&str> = by.keys().map(|(_, channel, _)| *channel).collect();
    let whom: Vec<&[u8]> = by.keys().map(|(.., whom)| whom.as_slice()).collect();
    let segments: Vec<i32> = by.values().copied().collect();
    let rows = tx.link.query(sql, &[&months, &channels, &whom, &segments]).await?;
    rows.iter()
        .map(|row| {
            let (month, channel): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
            let whom: [u8; 16] = row.try_get::<_, &[u8]>(2)?.first_chunk().copied().unwrap_or_default();
            let n = by.get(&(month, channel, whom)).copied().unwrap_or(0);
            Ok((month, channel.to_owned(), n, row.try_get(3)?))
        })
        .collect()
}

/// Attempts and new recipients, by minute, day and month.
type ByWindows = BTreeMap<(i64, i64, i64), (i32, i32)>;

/// Counts by SIM and windows. A statement may touch a row once only, so a SIM with two windows in one commit takes two.
async fn add(
    tx: &Tx<'_>,
    sql: &'static str,
    counts: &[Count],
    whom: Vec<(i64, String)>,
) -> Result<(), StoreError> {
    let mut by: BTreeMap<&str, ByWindows> = BTreeMap::new();
    for Count { channel, at, .. } in counts {
        let Windows { minute, day, month } = Windows::at(*at);
        by.entry(channel).or_default().entry((minute, day, month)).or_default().0 += 1;
    }
    for (month, channel) in &whom {
        let windows = by.get_mut(channel.as_str()).into_iter().flatten();
        if let Some((_, (_, recipients))) = windows.into_iter().find(|((.., of), _)| of == month) {
            *recipients += 1;
        }
    }
    let rounds = by.values().map(BTreeMap::len).max().unwrap_or(0);
    for round in 0..rounds {
        let rows = by.iter().filter_map(|(channel, windows)| Some((*channel, windows.iter().nth(round)?)));
        let rows: Vec<_> = rows.collect();
        let channels: Vec<&str> = rows.iter().map(|(channel, _)| *channel).collect();
        let minutes: Vec<i64> = rows.iter().map(|(_, ((minute, ..), _))| *minute).collect();
        let days: Vec<i64> = rows.iter().map(|(_, ((_, day, _), _))| *day).collect();
        let months: Vec<i64> = rows.iter().map(|(_, ((.., month), _))| *month).collect();
        let n: Vec<i32> = rows.iter().map(|(_, (_, (n, _)))| *n).collect();
        let recipients: Vec<i32> = rows.iter().map(|(_, (_, (_, whom)))| *whom).collect();
        tx.link.execute(sql, &[&channels, &minutes, &days, &months, &n, &recipients]).await?;
    }
    Ok(())
}

/// Forgets recipients of earlier months; `true` if more may be left.
pub(super) async fn purge(tx: &Tx<'_>, now: UnixMs) -> Result<bool, StoreError> {
    let piece = super::recovery::PIECE;
    let month = Windows::at(UnixMs(tx.at(now))).month;
    Ok(tx.link.execute(PURGE, &[&month, &piece]).await? >= piece.unsigned_abs())
}

/// Remembers that an operator holds a modem back, or no longer.
pub(super) async fn hold(tx: &Tx<'_>, modem: &str, finishing: Option<bool>) -> Result<(), StoreError> {
    match finishing {
        Some(finishing) => {
            let held = "INSERT INTO hold (appliance, modem, finishing) VALUES ($1, $2, $3)
                ON CONFLICT (appliance, modem) DO UPDATE SET finishing = excluded.finishing";
            tx.link.execute(held, &[&tx.me, &modem, &finishing]).await?
        }
        None => {
            tx.link.execute("DELETE FROM hold WHERE appliance = $1 AND modem = $2", &[&tx.me, &modem]).await?
        }
    };
    Ok(())
}

impl View<'_> {
    /// What all SIMs have spent.
    pub(super) async fn spent(&self) -> Result<Vec<SpentRecord>, StoreError> {
        let all = "SELECT channel, minute, day, month, in_minute, in_day, in_month, recipients FROM spent";
        let rows = self.link.query(all, &[]).await?;
        rows.iter()
            .map(|row| {
                let windows =
                    Windows { minute: row.try_get(1)?, day: row.try_get(2)?, month: row.try_get(3)? };
                let spent = Spent {
                    windows,
                    minute: super::count_of(row, 4)?,
                    day: super::count_of(row, 5)?,
                    month: super::count_of(row, 6)?,
                    recipients: super::count_of(row, 7)?,
                };
                Ok(SpentRecord { channel: ChannelId(row.try_get::<_, &str>(0)?.into()), spent })
            })
            .collect()
    }

    /// To whom a SIM has sent in the month of `now`, with segments.
    pub(super) async fn recipients(
        &self,
        channel: &ChannelId,
        now: UnixMs,
    ) -> Result<Vec<(Recipient, u32)>, StoreError> {
        let read =
            "SELECT whom, segments FROM spent_recipient WHERE month = $1 AND channel = $2 AND segments > 0";
        let month = Windows::at(UnixMs(self.at(now))).month;
        let rows = self.link.query(read, &[&month, &&*channel.0]).await?;
        rows.iter()
            .map(|row| {
                let whom = row.try_get::<_, &[u8]>(0)?.first_chunk().copied();
                let whom = whom.ok_or_else(|| super::corrupt("recipient"))?;
                Ok((Recipient(whom), super::count_of(row, 1)?))
            })
            .collect()
    }

    /// Whether something that began on this SIM is still to be finished.
    pub(super) async fn unfinished(&self, channel: &ChannelId) -> Result<bool, StoreError> {
        let any = "SELECT EXISTS (SELECT FROM message WHERE state = 0 AND channel = $1)
            OR EXISTS (SELECT FROM message WHERE state = 1 AND channel = $1)";
        let row = self.link.first(any, &[&&*channel.0]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
    }

    /// Modems that an operator of this appliance holds back.
    pub(super) async fn holds(&self) -> Result<Vec<Held>, StoreError> {
        let held = "SELECT modem, finishing FROM hold WHERE appliance = $1 ORDER BY modem";
        let rows = self.link.query(held, &[&self.me]).await?;
        rows.iter().map(|row| Ok(Held { modem: row.try_get(0)?, finishing: row.try_get(1)? })).collect()
    }
}
