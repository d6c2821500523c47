//! The lanes as wholes: their bounds at the door, pausing, emptying. All appliances see one queue, so a bound is of all of them, each
//! pauses for all, and two that accept at the same moment may go beyond a bound by a batch.

use super::messages::Messages;
use super::read::View;
use super::recovery::PIECE;
use super::{Tx, id_of, lane_of, uuid};
use crate::queue::lanes::PerLane;
use crate::queue::life::Actor;
use crate::queue::message::{Lane, MessageId};
use crate::store::sqlite::lanes::locked;
use crate::store::{LaneRecord, Paused, StoreError, Withdrawn};
use crate::units::UnixMs;

const UNSENT: &str = "SELECT lane, sum(messages)::bigint FROM tally WHERE state IN (0, 1) GROUP BY lane";

const PAUSE: &str = "INSERT INTO lane_hold (lane, who, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

const RESUME: &str = "DELETE FROM lane_hold WHERE lane = $1";

const QUEUED_IN: &str =
    "SELECT id FROM message WHERE state = 0 AND lane = $1 AND id <= $2 ORDER BY lane, due, id LIMIT $3
    FOR UPDATE SKIP LOCKED";

const LEASED_IN: &str =
    "SELECT id FROM message WHERE state = 1 AND lane = $1 AND id <= $2 ORDER BY lease_until LIMIT $3
    FOR UPDATE SKIP LOCKED";

/// Refuses unless every lane has room for the `new` messages, and notes that they come.
pub(super) async fn enter(tx: &Tx<'_>, new: &PerLane<u64>, now: UnixMs) -> Result<(), StoreError> {
    if locked(tx.gate).bounds() == PerLane::default() {
        return Ok(());
    }
    let mut unsent = unsent(tx).await?;
    let mut gate = locked(tx.gate);
    for lane in Lane::ALL {
        let beyond = gate.beyond(lane, *unsent.of(lane), *new.of(lane));
        if beyond > 0 {
            return Err(StoreError::Full(gate.full(lane, *unsent.of(lane), beyond, now)));
        }
    }
    for lane in Lane::ALL.into_iter().filter(|lane| *new.of(*lane) > 0) {
        gate.came(lane, *unsent.of(lane), *new.of(lane), now);
        *unsent.of_mut(lane) += *new.of(lane);
    }
    tx.unsent.set(Some(unsent));
    Ok(())
}

/// Unsent messages of each lane, asked once in a transaction: what ends in it meanwhile makes room for the next one.
async fn unsent(tx: &Tx<'_>) -> Result<PerLane<u64>, StoreError> {
    if let Some(unsent) = tx.unsent.get() {
        return Ok(unsent);
    }
    let mut unsent = PerLane::default();
    for row in tx.link.query(UNSENT, &[]).await? {
        *unsent.of_mut(lane_of(&row, 0)?) = u64::try_from(row.try_get::<_, i64>(1)?).unwrap_or(0);
    }
    Ok(unsent)
}

/// Pauses a lane or lets it go on; `false` if it was so already. A demand that stands is met by the same commit.
pub(super) async fn pause(tx: &Tx<'_>, lane: Lane, hold: Option<&Paused>) -> Result<bool, StoreError> {
    let code = lane as i16;
    let changed = match hold {
        Some(Paused { who, since }) => tx.link.execute(PAUSE, &[&code, who, &tx.at(*since)]).await?,
        None => tx.link.execute(RESUME, &[&code]).await?,
    };
    tx.hints.borrow_mut().due(lane, UnixMs(i64::MIN));
    tx.changed.set(true);
    Ok(changed > 0)
}

/// Takes back a piece of what a lane holds, up to the message `last`; the flag says that more may be left.
pub(super) async fn withdraw(
    tx: &Tx<'_>,
    lane: Lane,
    last: MessageId,
    now: UnixMs,
) -> Result<(u64, bool), StoreError> {
    let queued = ids(tx, QUEUED_IN, lane, last).await?;
    let more = queued.len() >= usize::try_from(PIECE).unwrap_or(usize::MAX);
    // What dispatchers hold is little, and looked at when nothing waits behind it any more.
    let leased = if more { Vec::new() } else { ids(tx, LEASED_IN, lane, last).await? };
    let mut messages = Messages::load(tx, queued.into_iter().chain(leased)).await?;
    let now = tx.at(now);
    let mut withdrawn = 0;
    for message in messages.all() {
        withdrawn += u64::from(message.withdraw(Actor::Operator, now) == Withdrawn::Done);
    }
    messages.save(tx).await?;
    Ok((withdrawn, more && withdrawn > 0))
}

async fn ids(
    tx: &Tx<'_>,
    sql: &'static str,
    lane: Lane,
    last: MessageId,
) -> Result<Vec<MessageId>, StoreError> {
    let rows = tx.link.query(sql, &[&(lane as i16), &uuid(last), &PIECE]).await?;
    rows.iter().map(|row| id_of(row, 0)).collect()
}

impl View<'_> {
    /// The lanes as they stand; `most` are their bounds.
    pub(super) async fn lanes(
        &self,
        most: &PerLane<Option<u64>>,
        now: UnixMs,
    ) -> Result<Vec<LaneRecord>, StoreError> {
        let counts = self.counts().await?;
        let mut all = Vec::with_capacity(Lane::ALL.len());
        for lane in Lane::ALL {
            let (oldest, paused) = (self.oldest(lane, now).await?, self.paused(lane).await?);
            all.push(LaneRecord::new(lane, &counts, *most.of(lane), oldest, paused));
        }
        Ok(all)
    }

    /// Since when the head of the lane could have left, if one is due.
    async fn oldest(&self, lane: Lane, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        let first =
            "SELECT min(due) FROM message WHERE state = 0 AND lane = $1 AND due <= $2 AND deadline > $2";
        let row = self.link.first(first, &[&(lane as i16), &self.at(now)]).await?;
        row.map_or(Ok(None), |row| self.time_if(&row, 0))
    }

    async fn paused(&self, lane: Lane) -> Result<Option<Paused>, StoreError> {
        let held = "SELECT who, since FROM lane_hold WHERE lane = $1";
        let row = self.link.first(held, &[&(lane as i16)]).await?;
        row.map(|row| Ok(Paused { who: row.try_get(0)?, since: self.time(&row, 1)? })).transpose()
    }

    /// Since when the head of all lanes that are not paused waits.
    pub(super) async fn waiting(&self, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        let mut oldest = None;
        for lane in Lane::ALL {
            if self.paused(lane).await?.is_none() {
                oldest = oldest.into_iter().chain(self.oldest(lane, now).await?).min();
            }
        }
        Ok(oldest)
    }
}
