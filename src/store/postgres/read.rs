//! Reading beside the writer: questions on connections of their own. Sealed values are opened here.

use tokio_postgres::Row;
use uuid::Uuid;

use super::link::Link;
use super::{corrupt, count_of, id_of, kept_number, lane_of, number_of, octet_of, state_of, time, uuid};
use crate::alarm::Severity;
use crate::number::Number;
use crate::provider::ChannelId;
use crate::queue::life::{self, Stands, Transition};
use crate::queue::message::MessageId;
use crate::secret::Secret;
use crate::store::seal::{Keyring, Place};
use crate::store::{
    AlarmId, AlarmRecord, Alarms, AttemptRecord, AttemptState, ChallengeRecord, Count, Filter, InboxId,
    InboxRecord, MessageRecord, Page, StoreError, TokenRecord,
};
use crate::units::{MessageRef, UnixMs};

/// Rows of one listing, whatever the caller asks.
const LISTED: usize = 1000;
/// Messages looked at for one page, whatever the filter.
const LOOKED: i64 = 20_000;

macro_rules! message {
    ($rest:literal) => {
        concat!(
            "SELECT id, lane, state, recipient, body, segments, created, deadline, changed, caller, cause,
             report, lease_until, life FROM message ",
            $rest
        )
    };
}
macro_rules! incoming {
    ($rest:literal) => {
        concat!("SELECT id, channel, sender, body, sent, received, parts, missing FROM incoming ", $rest)
    };
}
macro_rules! token {
    ($rest:literal) => {
        concat!(
            "SELECT serial, \"user\", phone, pin, seed, counter, digits, failures, max_failures, active, description, created
             FROM token ",
            $rest
        )
    };
}

/// What a question sees.
pub(super) struct View<'a> {
    pub(super) link: &'a Link,
    pub(super) keys: &'a Keyring,
    pub(super) me: Uuid,
    /// What the asker's times lack to the server's.
    pub(super) shift: i64,
}

impl View<'_> {
    /// The asker's time as the server's.
    pub(super) fn at(&self, asker: UnixMs) -> i64 {
        time::shifted(asker, self.shift)
    }

    pub(super) fn time(&self, row: &Row, at: usize) -> Result<UnixMs, StoreError> {
        Ok(UnixMs(row.try_get::<_, i64>(at)?.saturating_sub(self.shift)))
    }

    pub(super) fn time_if(&self, row: &Row, at: usize) -> Result<Option<UnixMs>, StoreError> {
        Ok(row.try_get::<_, Option<i64>>(at)?.map(|time| UnixMs(time.saturating_sub(self.shift))))
    }

    pub(super) async fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        let Some(row) = self.link.first(message!("WHERE id = $1"), &[&uuid(id)]).await? else {
            return Ok(None);
        };
        let mut record = self.message_of(&row)?;
        record.life = self.life_of(&row, &record)?;
        record.attempts = self.attempts(id).await?;
        Ok(Some(record))
    }

    pub(super) async fn messages(&self, filter: &Filter) -> Result<Page, StoreError> {
        // An index for each filter would cost every acceptance: so many rows are looked at, and then the page ends where it is.
        let last =
            "SELECT id FROM message WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC OFFSET $2 LIMIT 1";
        let list = message!(
            "WHERE ($1::smallint IS NULL OR state = $1) AND ($2::text IS NULL OR caller = $2)
             AND ($3::uuid IS NULL OR id < $3) AND ($5::smallint IS NULL OR lane = $5)
             AND ($6::text IS NULL OR recipient = $6) AND ($7::uuid IS NULL OR id >= $7) ORDER BY id DESC LIMIT $4"
        );
        let Filter { state, lane, to, caller, before, most } = filter;
        let (before, most) = (before.map(uuid), listed(*most));
        let last = match self.link.first(last, &[&before, &(LOOKED - 1)]).await? {
            Some(row) => Some((row.try_get::<_, Uuid>(0)?, id_of(&row, 0)?)),
            None => None,
        };
        let (state, lane) = (state.map(|state| state as i16), lane.map(|lane| lane as i16));
        let to = to.as_ref().map(Number::as_str);
        let end = last.map(|(end, _)| end);
        let rows = self.link.query(list, &[&state, caller, &before, &most, &lane, &to, &end]).await?;
        let records = rows.iter().map(|row| self.message_of(row)).collect::<Result<Vec<_>, _>>()?;
        let full = i64::try_from(records.len()).is_ok_and(|found| found >= most);
        let next = if full { records.last().map(|record| record.id) } else { last.map(|(_, id)| id) };
        Ok(Page { records, next })
    }

    pub(super) async fn inbox(
        &self,
        before: Option<InboxId>,
        most: usize,
    ) -> Result<Vec<InboxRecord>, StoreError> {
        // Ids are random, so the place of a text is its time first.
        let list = incoming!(
            "WHERE $1::bytea IS NULL OR (received, id) < (SELECT received, id FROM incoming WHERE id = $1)
             ORDER BY received DESC, id DESC LIMIT $2"
        );
        let before = before.as_ref().map(InboxId::as_bytes);
        let rows = self.link.query(list, &[&before, &listed(most)]).await?;
        rows.iter().map(|row| self.inbox_of(row)).collect()
    }

    pub(super) async fn received(&self, id: &InboxId) -> Result<Option<InboxRecord>, StoreError> {
        let row = self.link.first(incoming!("WHERE id = $1"), &[&id.as_bytes()]).await?;
        row.map(|row| self.inbox_of(&row)).transpose()
    }

    pub(super) async fn alarms(&self, which: Alarms) -> Result<Vec<AlarmRecord>, StoreError> {
        let list = "SELECT id, kind, subject, severity, cause, remedy, raised, seen, count, cleared FROM alarm
            WHERE appliance = $1 AND ($2 OR cleared IS NULL) ORDER BY cleared IS NOT NULL, seen DESC, id DESC LIMIT $3";
        let rows = self.link.query(list, &[&self.me, &(which == Alarms::All), &listed(LISTED)]).await?;
        rows.iter().map(|row| self.alarm_of(row)).collect()
    }

    fn alarm_of(&self, row: &Row) -> Result<AlarmRecord, StoreError> {
        let severity: &str = row.try_get(3)?;
        let severity = Severity::ALL.into_iter().find(|known| known.as_str() == severity);
        Ok(AlarmRecord {
            id: AlarmId(row.try_get(0)?),
            kind: row.try_get(1)?,
            subject: row.try_get(2)?,
            severity: severity.ok_or_else(|| corrupt("severity"))?,
            cause: row.try_get(4)?,
            remedy: row.try_get(5)?,
            raised: self.time(row, 6)?,
            seen: self.time(row, 7)?,
            count: u64::try_from(row.try_get::<_, i64>(8)?).unwrap_or(0),
            cleared: self.time_if(row, 9)?,
        })
    }

    pub(super) async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        let counts =
            "SELECT lane, state, sum(messages)::bigint FROM tally GROUP BY lane, state ORDER BY lane, state";
        let rows = self.link.query(counts, &[]).await?;
        rows.iter()
            .map(|row| {
                let messages = u64::try_from(row.try_get::<_, i64>(2)?).unwrap_or(0);
                Ok(Count { lane: lane_of(row, 0)?, state: state_of(row, 1)?, messages })
            })
            .collect()
    }

    pub(super) async fn tokens(&self, user: Option<&str>) -> Result<Vec<TokenRecord>, StoreError> {
        let list = token!("WHERE $1::text IS NULL OR \"user\" = $1 ORDER BY serial COLLATE \"C\"");
        let rows = self.link.query(list, &[&user]).await?;
        rows.iter().map(|row| self.token_of(row)).collect()
    }

    pub(super) async fn token(&self, serial: &str) -> Result<Option<TokenRecord>, StoreError> {
        let row = self.link.first(token!("WHERE serial = $1"), &[&serial]).await?;
        row.map(|row| self.token_of(&row)).transpose()
    }

    pub(super) async fn challenges(&self, serials: &[String]) -> Result<Vec<ChallengeRecord>, StoreError> {
        let find = "SELECT txn, serial, counter, created, expires, message, answered FROM challenge
            WHERE serial = ANY($1) ORDER BY created DESC, message DESC";
        let rows = self.link.query(find, &[&serials]).await?;
        rows.iter()
            .map(|row| {
                Ok(ChallengeRecord {
                    transaction: row.try_get(0)?,
                    serial: row.try_get(1)?,
                    counter: u64::try_from(row.try_get::<_, i64>(2)?).unwrap_or(0),
                    created: self.time(row, 3)?,
                    expires: self.time(row, 4)?,
                    message: id_of(row, 5)?,
                    answered: self.time_if(row, 6)?,
                })
            })
            .collect()
    }

    async fn attempts(&self, id: MessageId) -> Result<Vec<AttemptRecord>, StoreError> {
        let list = "SELECT seq, channel, state, begun, ended, reference, cause, status, reported FROM attempt
            WHERE message = $1 ORDER BY begun, seq, n";
        let rows = self.link.query(list, &[&uuid(id)]).await?;
        rows.iter()
            .map(|row| {
                let octet = |at| {
                    let octet: Option<i16> = row.try_get(at)?;
                    octet.map(|_| octet_of(row, at)).transpose()
                };
                Ok(AttemptRecord {
                    seq: octet_of(row, 0)?,
                    channel: ChannelId(row.try_get::<_, &str>(1)?.into()),
                    state: attempt_state(row.try_get(2)?)?,
                    begun: self.time(row, 3)?,
                    ended: self.time_if(row, 4)?,
                    reference: octet(5)?.map(MessageRef),
                    cause: row.try_get(6)?,
                    report: octet(7)?,
                    reported: self.time_if(row, 8)?,
                })
            })
            .collect()
    }

    fn message_of(&self, row: &Row) -> Result<MessageRecord, StoreError> {
        let id = id_of(row, 0)?;
        let place = Place { table: "message", column: "body", row: id.as_bytes() };
        Ok(MessageRecord {
            id,
            lane: lane_of(row, 1)?,
            state: state_of(row, 2)?,
            to: kept_number(row, 3)?,
            body: self.text(place, row.try_get(4)?)?,
            segments: octet_of(row, 5)?,
            created: self.time(row, 6)?,
            deadline: self.time(row, 7)?,
            changed: self.time(row, 8)?,
            caller: row.try_get(9)?,
            cause: row.try_get(10)?,
            report: row.try_get(11)?,
            lease_until: self.time(row, 12)?,
            attempts: Vec::new(),
            life: Vec::new(),
        })
    }

    /// A text, unless it was erased: it is empty then.
    fn text(&self, place: Place<'_>, sealed: &[u8]) -> Result<Option<Secret>, StoreError> {
        if sealed.is_empty() { Ok(None) } else { Ok(Some(self.keys.open(place, sealed)?)) }
    }

    /// Its life, which is written by the server's clock.
    fn life_of(&self, row: &Row, record: &MessageRecord) -> Result<Vec<Transition>, StoreError> {
        let (created, changed) = (UnixMs(row.try_get(6)?), UnixMs(row.try_get(8)?));
        let stands = Stands { created, state: record.state, changed, cause: record.cause.as_deref() };
        let mut life = life::told(row.try_get(13)?, stands);
        for one in &mut life {
            one.at = UnixMs(one.at.0.saturating_sub(self.shift));
        }
        Ok(life)
    }

    fn inbox_of(&self, row: &Row) -> Result<InboxRecord, StoreError> {
        let id = InboxId::from_slice(row.try_get(0)?).ok_or_else(|| corrupt("id of a received text"))?;
        let place = Place { table: "incoming", column: "body", row: id.as_bytes() };
        let body = self.keys.open(place, row.try_get(3)?)?;
        Ok(InboxRecord {
            id,
            channel: ChannelId(row.try_get::<_, &str>(1)?.into()),
            from: row.try_get(2)?,
            body,
            // By the service centre's clock, not by the server's.
            sent: row.try_get::<_, Option<i64>>(4)?.map(UnixMs),
            received: self.time(row, 5)?,
            parts: octet_of(row, 6)?,
            missing: octet_of(row, 7)?,
        })
    }

    fn token_of(&self, row: &Row) -> Result<TokenRecord, StoreError> {
        let serial: String = row.try_get(0)?;
        let place = Place { table: "token", column: "seed", row: serial.as_bytes() };
        let seed = self.keys.open(place, row.try_get(4)?)?;
        Ok(TokenRecord {
            serial,
            user: row.try_get(1)?,
            phone: number_of(row, 2)?,
            pin: Secret::from(row.try_get::<_, String>(3)?),
            seed,
            counter: u64::try_from(row.try_get::<_, i64>(5)?).unwrap_or(0),
            digits: octet_of(row, 6)?,
            failures: count_of(row, 7)?,
            max_failures: count_of(row, 8)?,
            active: row.try_get(9)?,
            description: row.try_get(10)?,
            created: self.time(row, 11)?,
        })
    }
}

fn listed(most: usize) -> i64 {
    i64::try_from(most.min(LISTED)).unwrap_or(0)
}

fn attempt_state(code: i16) -> Result<AttemptState, StoreError> {
    use AttemptState as S;
    [S::Begun, S::Submitted, S::Refused, S::Uncertain, S::Abandoned]
        .into_iter()
        .find(|state| *state as i16 == code)
        .ok_or_else(|| corrupt("attempt state"))
}
