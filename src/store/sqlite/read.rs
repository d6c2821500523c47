//! Reading beside the writer: two connections used on the blocking pool, each with its own snapshot. Sealed values are opened here.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::Semaphore;

use super::boot::WAITS;
use super::recovery::PIECE;
use super::writer::Counters;
use super::{
    id_of, is_erased, keep_as_found, kept_number, lane_of, number_of, open_reader, state_of, time_of,
};
use crate::alarm::Severity;
use crate::number::Number;
use crate::provider::ChannelId;
use crate::queue::lanes::PerLane;
use crate::queue::life::{self, Stands};
use crate::queue::message::{Lane, MessageId};
use crate::secret::Secret;
use crate::store::engine::OpenError;
use crate::store::seal::{Keyring, Place};
use crate::store::{
    AlarmId, AlarmRecord, Alarms, AttemptRecord, AttemptState, ChallengeRecord, Count, Filter, InboxId,
    InboxRecord, LaneRecord, MessageRecord, OutboxCount, Page, Paused, StoreError, TokenRecord,
};
use crate::units::{MessageRef, UnixMs};

/// Questions asked at once; more would only compete for one disk.
const READERS: usize = 2;
/// Rows of one listing, whatever the caller asks.
const LISTED: usize = 1000;
/// Messages looked at for one page, whatever the filter: some 30 ms of a small machine, after which the page ends where it is.
const LOOKED: usize = 20_000;

const MESSAGE: &str =
    "SELECT id, lane, state, recipient, body, segments, created, deadline, changed, caller, cause,
    report, lease_until, life FROM message";
const INCOMING: &str = "SELECT id, channel, sender, body, sent, received, parts, missing FROM incoming";
const TOKEN: &str =
    "SELECT serial, user, phone, pin, seed, counter, digits, failures, max_failures, active, description,
    created FROM token";

/// The reading connections.
#[derive(Debug)]
pub(in crate::store) struct Readers {
    free: Mutex<Vec<Connection>>,
    permits: Semaphore,
    keys: Arc<ArcSwap<Keyring>>,
    counters: Arc<Counters>,
}

/// What a question sees.
pub(in crate::store) struct View<'a> {
    pub(super) conn: &'a Connection,
    pub(super) keys: &'a Keyring,
}

impl Readers {
    /// `counters` hears of what is damaged.
    pub(in crate::store) fn open(
        path: &Path,
        keys: Arc<ArcSwap<Keyring>>,
        counters: Arc<Counters>,
    ) -> Result<Self, OpenError> {
        let free = (0..READERS).map(|_| open_reader(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { free: Mutex::new(free), permits: Semaphore::new(READERS), keys, counters })
    }

    /// Asks on the blocking pool, so that the runtime never waits for the disk.
    pub(in crate::store) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.permits.acquire().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || {
            let conn = readers.take().ok_or(StoreError::Closed)?;
            let answer = question(&View { conn: &conn, keys: &readers.keys.load() });
            if let Err(error) = &answer {
                readers.counters.note(error);
            }
            readers.free.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            answer
        });
        asked.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Refuses further questions and closes the connections that are free.
    pub(in crate::store) fn close(&self) {
        self.permits.close();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if self.counters.damage().is_some() {
            free.iter().for_each(keep_as_found);
        }
        free.clear();
    }

    fn take(&self) -> Option<Connection> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

impl View<'_> {
    pub(in crate::store) fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        let mut find = self.conn.prepare_cached(&format!("{MESSAGE} WHERE id = ?1"))?;
        let mut rows = find.query([id.as_bytes()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut record = self.message_of(row)?;
        let kept = row.get_ref(13)?.as_blob().map_err(|_| super::corrupt("life"))?;
        let MessageRecord { created, state, changed, .. } = record;
        record.life = life::told(kept, Stands { created, state, changed, cause: record.cause.as_deref() });
        record.attempts = self.attempts(id)?;
        Ok(Some(record))
    }

    pub(in crate::store) fn messages(&self, filter: &Filter) -> Result<Page, StoreError> {
        let mut list = self.conn.prepare_cached(&format!("{MESSAGE} WHERE id < ?1 ORDER BY id DESC"))?;
        // Longer than any id, so that it is greater than all of them.
        let before = filter.before.as_ref().map_or([0xff; 17].as_slice(), |id| id.as_bytes());
        let mut rows = list.query([before])?;
        let mut page = Page::default();
        let mut looked = 0;
        let most = filter.most.min(LISTED);
        while let Some(row) = rows.next()? {
            looked += 1;
            if fits(filter, row)? {
                page.records.push(self.message_of(row)?);
            }
            if page.records.len() >= most || looked >= LOOKED {
                page.next = Some(id_of(row, 0)?);
                break;
            }
        }
        Ok(page)
    }

    pub(in crate::store) fn inbox(
        &self,
        before: Option<InboxId>,
        most: usize,
    ) -> Result<Vec<InboxRecord>, StoreError> {
        // Ids are random, so the place of a text is its time first.
        let condition = match before {
            Some(_) => "(received, id) < (SELECT received, id FROM incoming WHERE id = ?1)",
            None => "?1 IS NULL",
        };
        let mut list = self.conn.prepare_cached(&format!(
            "{INCOMING} WHERE {condition} ORDER BY received DESC, id DESC LIMIT ?2"
        ))?;
        let before = before.as_ref().map(InboxId::as_bytes);
        let mut rows = list.query(params![before, i64::try_from(most.min(LISTED)).unwrap_or(0)])?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            records.push(self.inbox_of(row)?);
        }
        Ok(records)
    }

    pub(in crate::store) fn received(&self, id: &InboxId) -> Result<Option<InboxRecord>, StoreError> {
        let mut find = self.conn.prepare_cached(&format!("{INCOMING} WHERE id = ?1"))?;
        let mut rows = find.query([id.as_bytes()])?;
        rows.next()?.map(|row| self.inbox_of(row)).transpose()
    }

    /// What waits for each hook and what was given up.
    pub(in crate::store) fn outbox(&self) -> Result<Vec<OutboxCount>, StoreError> {
        let sql =
            "SELECT hook, sum(dead IS NULL), min(CASE WHEN dead IS NULL THEN made END), sum(dead IS NOT NULL)
            FROM outbox INDEXED BY outbox_hook GROUP BY hook";
        let mut read = self.conn.prepare_cached(sql)?;
        let rows = read.query_map([], |row| {
            let oldest: Option<i64> = row.get(2)?;
            let (waiting, dead): (u32, u32) = (row.get(1)?, row.get(3)?);
            let (waiting, dead) = (waiting.into(), dead.into());
            Ok(OutboxCount { hook: row.get(0)?, waiting, oldest: oldest.map(UnixMs), dead })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn alarms(&self, which: Alarms) -> Result<Vec<AlarmRecord>, StoreError> {
        let condition = match which {
            Alarms::Open => "cleared IS NULL",
            Alarms::All => "true",
        };
        let mut list = self.conn.prepare_cached(&format!(
            "SELECT id, kind, subject, severity, cause, remedy, raised, seen, count, cleared FROM alarm
             WHERE {condition} ORDER BY cleared IS NOT NULL, seen DESC, id DESC LIMIT ?1"
        ))?;
        let mut rows = list.query([i64::try_from(LISTED).unwrap_or(0)])?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            let severity: String = row.get(3)?;
            let severity = Severity::ALL.into_iter().find(|known| known.as_str() == severity);
            records.push(AlarmRecord {
                id: AlarmId(row.get(0)?),
                kind: row.get(1)?,
                subject: row.get(2)?,
                severity: severity.ok_or_else(|| super::corrupt("severity"))?,
                cause: row.get(4)?,
                remedy: row.get(5)?,
                raised: time_of(row, 6)?,
                seen: time_of(row, 7)?,
                count: u64::try_from(row.get::<_, i64>(8)?).unwrap_or(0),
                cleared: row.get::<_, Option<i64>>(9)?.map(UnixMs),
            });
        }
        Ok(records)
    }

    pub(in crate::store) fn counts(&self) -> Result<Vec<Count>, StoreError> {
        let mut counts =
            self.conn.prepare_cached("SELECT lane, state, messages FROM tally ORDER BY lane, state")?;
        let mut rows = counts.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let messages = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            all.push(Count { lane: lane_of(row, 0)?, state: state_of(row, 1)?, messages });
        }
        Ok(all)
    }

    pub(in crate::store) fn lanes(
        &self,
        most: &PerLane<Option<u64>>,
        now: UnixMs,
    ) -> Result<Vec<LaneRecord>, StoreError> {
        let counts = self.counts()?;
        let mut all = Vec::with_capacity(Lane::ALL.len());
        for lane in Lane::ALL {
            let (oldest, paused) = (self.oldest(lane, now)?, self.paused(lane)?);
            all.push(LaneRecord::new(lane, &counts, *most.of(lane), oldest, paused));
        }
        Ok(all)
    }

    pub(in crate::store) fn waiting(&self, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        let mut oldest = None;
        for lane in Lane::ALL {
            if self.paused(lane)?.is_none() {
                oldest = oldest.into_iter().chain(self.oldest(lane, now)?).min();
            }
        }
        Ok(oldest)
    }

    fn oldest(&self, lane: Lane, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        let mut first = self.conn.prepare_cached(
            "SELECT min(due) FROM message INDEXED BY message_queue
             WHERE state = 0 AND lane = ?1 AND due <= ?2 AND deadline > ?2",
        )?;
        let due: Option<i64> = first.query_row(params![lane as i64, now.0], |row| row.get(0))?;
        Ok(due.map(UnixMs))
    }

    fn paused(&self, lane: Lane) -> Result<Option<Paused>, StoreError> {
        let mut held = self.conn.prepare_cached("SELECT who, since FROM lane_hold WHERE lane = ?1")?;
        let paused =
            held.query_row([lane as i64], |row| Ok(Paused { who: row.get(0)?, since: UnixMs(row.get(1)?) }));
        Ok(paused.optional()?)
    }

    pub(in crate::store) fn tokens(&self, user: Option<&str>) -> Result<Vec<TokenRecord>, StoreError> {
        let condition = if user.is_some() { "user = ?1" } else { "?1 IS NULL" };
        let mut list = self.conn.prepare_cached(&format!("{TOKEN} WHERE {condition} ORDER BY serial"))?;
        let mut rows = list.query([user])?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            records.push(self.token_of(row)?);
        }
        Ok(records)
    }

    pub(in crate::store) fn token(&self, serial: &str) -> Result<Option<TokenRecord>, StoreError> {
        let mut find = self.conn.prepare_cached(&format!("{TOKEN} WHERE serial = ?1"))?;
        let mut rows = find.query([serial])?;
        rows.next()?.map(|row| self.token_of(row)).transpose()
    }

    pub(in crate::store) fn challenges(
        &self,
        serials: &[String],
    ) -> Result<Vec<ChallengeRecord>, StoreError> {
        let mut find = self.conn.prepare_cached(
            "SELECT txn, serial, counter, created, expires, message, answered FROM challenge WHERE serial = ?1",
        )?;
        let mut records = Vec::new();
        for serial in serials {
            let mut rows = find.query([serial])?;
            while let Some(row) = rows.next()? {
                records.push(ChallengeRecord {
                    transaction: row.get(0)?,
                    serial: row.get(1)?,
                    counter: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
                    created: time_of(row, 3)?,
                    expires: time_of(row, 4)?,
                    message: id_of(row, 5)?,
                    answered: row.get::<_, Option<i64>>(6)?.map(UnixMs),
                });
            }
        }
        records.sort_by_key(|record| (std::cmp::Reverse(record.created), std::cmp::Reverse(record.message)));
        Ok(records)
    }

    /// Ids of queued messages past their deadline; of what waits for the clock nobody knows.
    pub(in crate::store) fn overdue(&self, now: UnixMs) -> Result<Vec<MessageId>, StoreError> {
        self.ids(
            "SELECT id FROM message INDEXED BY message_queue WHERE state = 0 AND deadline <= ?1 AND due < ?3 LIMIT ?2",
            params![now.0, PIECE, WAITS],
        )
    }

    pub(super) fn ids(&self, sql: &str, of: &[&dyn rusqlite::ToSql]) -> Result<Vec<MessageId>, StoreError> {
        let mut find = self.conn.prepare_cached(sql)?;
        let ids = find.query_map(of, |row| Ok(id_of(row, 0)))?;
        ids.map(|id| id?).collect()
    }

    fn attempts(&self, id: MessageId) -> Result<Vec<AttemptRecord>, StoreError> {
        let mut list = self.conn.prepare_cached(
            "SELECT seq, channel, state, begun, ended, reference, cause, status, reported FROM attempt
             WHERE message = ?1 ORDER BY begun, seq, n",
        )?;
        let mut rows = list.query([id.as_bytes()])?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            records.push(AttemptRecord {
                seq: row.get(0)?,
                channel: ChannelId(row.get(1)?),
                state: attempt_state(row.get(2)?)?,
                begun: time_of(row, 3)?,
                ended: row.get::<_, Option<i64>>(4)?.map(UnixMs),
                reference: row.get::<_, Option<u8>>(5)?.map(MessageRef),
                cause: row.get(6)?,
                report: row.get(7)?,
                reported: row.get::<_, Option<i64>>(8)?.map(UnixMs),
            });
        }
        Ok(records)
    }

    fn message_of(&self, row: &Row<'_>) -> Result<MessageRecord, StoreError> {
        let id = id_of(row, 0)?;
        let place = Place { table: "message", column: "body", row: id.as_bytes() };
        Ok(MessageRecord {
            id,
            lane: lane_of(row, 1)?,
            state: state_of(row, 2)?,
            to: kept_number(row, 3)?,
            body: if is_erased(row, 4)? { None } else { Some(self.open(place, row, 4)?) },
            segments: row.get(5)?,
            created: time_of(row, 6)?,
            deadline: time_of(row, 7)?,
            changed: time_of(row, 8)?,
            caller: row.get(9)?,
            cause: row.get(10)?,
            report: row.get(11)?,
            lease_until: time_of(row, 12)?,
            attempts: Vec::new(),
            life: Vec::new(),
        })
    }

    fn inbox_of(&self, row: &Row<'_>) -> Result<InboxRecord, StoreError> {
        let id = row.get_ref(0)?.as_blob().ok().and_then(InboxId::from_slice);
        let id = id.ok_or_else(|| super::corrupt("id of a received text"))?;
        let body = self.open(Place { table: "incoming", column: "body", row: id.as_bytes() }, row, 3)?;
        Ok(InboxRecord {
            id,
            channel: ChannelId(row.get(1)?),
            from: row.get(2)?,
            body,
            sent: row.get::<_, Option<i64>>(4)?.map(UnixMs),
            received: time_of(row, 5)?,
            parts: row.get(6)?,
            missing: row.get(7)?,
        })
    }

    fn token_of(&self, row: &Row<'_>) -> Result<TokenRecord, StoreError> {
        let serial: String = row.get(0)?;
        let seed = self.open(Place { table: "token", column: "seed", row: serial.as_bytes() }, row, 4)?;
        Ok(TokenRecord {
            serial,
            user: row.get(1)?,
            phone: number_of(row, 2)?,
            pin: Secret::from(row.get::<_, String>(3)?),
            seed,
            counter: u64::try_from(row.get::<_, i64>(5)?).unwrap_or(0),
            digits: row.get(6)?,
            failures: row.get(7)?,
            max_failures: row.get(8)?,
            active: row.get(9)?,
            description: row.get(10)?,
            created: time_of(row, 11)?,
        })
    }

    fn open(&self, place: Place<'_>, row: &Row<'_>, at: usize) -> Result<Secret, StoreError> {
        let sealed = row.get_ref(at)?.as_blob().map_err(|_| super::corrupt("sealed value"))?;
        Ok(self.keys.open(place, sealed)?)
    }
}

/// Whether a row of [`MESSAGE`] is one of those asked for. Judged here, since an index for each filter would cost every acceptance.
fn fits(filter: &Filter, row: &Row<'_>) -> Result<bool, StoreError> {
    let lane = match filter.lane {
        Some(lane) => lane_of(row, 1)? == lane,
        None => true,
    };
    let state = match filter.state {
        Some(state) => state_of(row, 2)? == state,
        None => true,
    };
    let text = |at: usize, wanted: Option<&str>| -> Result<bool, StoreError> {
        let Some(wanted) = wanted else { return Ok(true) };
        Ok(row.get_ref(at)?.as_bytes().is_ok_and(|found| found == wanted.as_bytes()))
    };
    Ok(lane
        && state
        && text(3, filter.to.as_ref().map(Number::as_str))?
        && text(9, filter.caller.as_deref())?)
}

fn attempt_state(code: i64) -> Result<AttemptState, StoreError> {
    use AttemptState as S;
    [S::Begun, S::Submitted, S::Refused, S::Uncertain, S::Abandoned]
        .into_iter()
        .find(|state| *state as i64 == code)
        .ok_or_else(|| super::corrupt("attempt state"))
}
