//! Leasing: the most urgent due rows that no other appliance is just taking, and only those that a SIM here may send.

use std::cell::RefCell;
use std::time::Duration;

use tokio_postgres::Row;
use uuid::Uuid;

use super::messages::{self, Messages};
use super::{Tx, count_of, id_of, lane_of, number_of, octet_of, recovery, state_of, uuid};
use crate::pdu::Coding;
use crate::provider::ChannelId;
use crate::queue::life::{Actor, Move};
use crate::queue::message::{Lane, MessageId, State};
use crate::route::budget::Recipient;
use crate::secret::Secret;
use crate::store::seal::{Place, SealError};
use crate::store::sqlite::lease::Hints;
use crate::store::sqlite::recovery::OVERDUE;
use crate::store::{Leased, SecondRound, StoreError, Want};
use crate::units::UnixMs;

/// Rounds of one lane in one batch; each finds `most` rows, and only what was overdue or cannot be opened makes for another.
const ROUNDS: usize = 8;

/// What only a neighbour can read is left to him for so long before it is met again here.
const STRANGE: Duration = Duration::from_secs(30);

/// Takes rows out of the queue: overdue ones to their end, the others into our hands.
macro_rules! take {
    ($due:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT id FROM message WHERE state = 0 AND lane = $1 AND due <= $2
            AND NOT EXISTS (SELECT FROM lane_hold WHERE lane_hold.lane = $1) AND ",
            $due,
            " ORDER BY due, id LIMIT $4 FOR UPDATE SKIP LOCKED)
            UPDATE message SET state = CASE WHEN deadline <= $2 THEN 5 ELSE 1 END,
                epoch = epoch + CASE WHEN deadline <= $2 THEN 0 ELSE 1 END, lease_until = $5, holder = $6,
                changed = CASE WHEN deadline <= $2 THEN $2 ELSE changed END,
                cause = CASE WHEN deadline <= $2 THEN coalesce(cause, $7) ELSE cause END,
                life = CASE WHEN deadline > $2 THEN CASE WHEN octet_length(life) < $9 THEN life || $8 ELSE life END
                    WHEN octet_length(life) < $11 THEN life || $10 ELSE life END
            FROM due WHERE message.id = due.id
            RETURNING message.id, epoch, recipient, body, flash, report, deadline, segments, channel, refused_by, concat_ref,
                coding, refusals, uncertain, due, state, lane"
        )
    };
}

const TAKE: &str = take!("(channel IS NULL OR channel = ANY($3))");

/// The same of what began on one of these SIMs.
const TAKE_BEGUN: &str = take!("channel = ANY($3)");

/// Few challenges live at a time, and hardly ever is one asked for by its message.
const ANSWERED: &str =
    "SELECT FROM challenge WHERE expires > $2 AND message = $1 AND answered IS NOT NULL LIMIT 1";

const HOLD: &str = "UPDATE message SET lease_until = $2, holder = $3 WHERE id = $1
    RETURNING message.id, epoch, recipient, body, flash, report, deadline, segments, channel, refused_by, concat_ref,
        coding, refusals, uncertain, due, state, lane";

const NEXT_DUE: &str =
    "SELECT due FROM message WHERE state = 0 AND lane = $1 AND due > $2 ORDER BY due LIMIT 1";

/// The statements that go together with others, to be prepared beforehand.
pub(super) const STATEMENTS: [&str; 3] = [TAKE, TAKE_BEGUN, NEXT_DUE];

/// Leases what is due. `before` tells which lanes are worth asking, `fresh` that this demand was not tried before.
pub(super) async fn lease(
    tx: &Tx<'_>,
    want: &Want,
    before: &Hints,
    fresh: bool,
) -> Result<Vec<Leased>, StoreError> {
    let most = want.most.max(1);
    let mut leased = Vec::new();
    for lane in Lane::ALL.into_iter().filter(|lane| *lane <= want.lanes) {
        if leased.len() < most && before.worth(lane, tx.now, fresh) {
            lane_of_want(tx, want, lane, most, &mut leased).await?;
        }
    }
    Ok(leased)
}

async fn lane_of_want(
    tx: &Tx<'_>,
    want: &Want,
    lane: Lane,
    most: usize,
    leased: &mut Vec<Leased>,
) -> Result<(), StoreError> {
    let channels: Vec<&str> = want.channels.iter().map(|channel| &*channel.0).collect();
    let sql = if want.begun_only { TAKE_BEGUN } else { TAKE };
    let until = tx.now.plus(want.lease);
    let entry = |state, actor| Move { state, actor, at: tx.now, cause: None }.entry();
    let leased_entry = entry(State::Leased, Actor::Dispatcher);
    let expired = entry(State::Expired, Actor::Janitor);
    let (leased_room, room) = (recovery::room(State::Leased), recovery::room(State::Expired));
    for _ in 0..ROUNDS {
        let rest = most.saturating_sub(leased.len());
        if rest == 0 {
            break;
        }
        let limit = i64::try_from(rest).unwrap_or(i64::MAX);
        let code = lane as i16;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 11] = [
            &code,
            &tx.now.0,
            &channels,
            &limit,
            &until.0,
            &tx.me,
            &OVERDUE,
            &leased_entry,
            &leased_room,
            &expired,
            &room,
        ];
        let after: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&code, &tx.now.0];
        let (taken, next) = tokio::try_join!(tx.link.query(sql, &values), tx.link.first(NEXT_DUE, &after))?;
        let complete = taken.len() < rest;
        let next = next.map_or(Ok(i64::MAX), |row| row.try_get(0))?;
        // What waits for a SIM elsewhere, or is just being taken by another appliance, is passed over.
        set(tx.hints, lane, if complete { UnixMs(next) } else { UnixMs(i64::MIN) });
        take_in(tx, taken, until, leased).await?;
        if complete {
            break;
        }
    }
    Ok(())
}

fn set(hints: &RefCell<Hints>, lane: Lane, next: UnixMs) {
    hints.borrow_mut().set(lane, next, true);
}

/// The rows as the dispatcher wants them.
async fn take_in(
    tx: &Tx<'_>,
    mut taken: Vec<Row>,
    until: UnixMs,
    leased: &mut Vec<Leased>,
) -> Result<(), StoreError> {
    let again = taken.iter().filter(|row| row.try_get::<_, i64>(1).is_ok_and(|epoch| epoch > 1));
    let again = again.map(|row| row.try_get(0)).collect::<Result<Vec<Uuid>, _>>()?;
    let attempts = messages::parts_of(tx, &again).await?;
    taken.sort_by_cached_key(|row| (row.try_get::<_, i64>(14).ok(), row.try_get::<_, Uuid>(0).ok()));
    let (mut at_rest, mut expired, mut strange) = (Vec::new(), Vec::new(), Vec::new());
    for row in &taken {
        let lane = lane_of(row, 16)?;
        let state = state_of(row, 15)?;
        tx.ledger.borrow_mut().moved(lane, State::Queued, state);
        let id = id_of(row, 0)?;
        if state == State::Expired {
            expired.push(id);
            continue;
        }
        let (mut one, body) = taken_of(tx, id, row, until)?;
        if let Err(error @ SealError::UnknownKey(_)) = &body {
            // A neighbour has another key since, and will be able to send it.
            tracing::error!(message = %id, %error, "give this appliance the key file of its neighbours");
            strange.push((id, one.epoch));
            continue;
        }
        // One row that was tampered with must not hold up all behind it.
        let failed = body.as_ref().err().map(|error| format!("its text cannot be opened: {error}"));
        one.body = body.unwrap_or_else(|_| Secret::new(Vec::new()));
        let (segments, uncertain) = (one.segments, one.uncertain);
        let tried = attempts.get(&id).map(Vec::as_slice).unwrap_or_default();
        let parts = messages::parts(tried.iter().copied());
        let open = parts.open(lane, segments, uncertain);
        if failed.is_some() || open.is_empty() {
            let done = if parts.all_submitted(segments) { State::Submitted } else { State::Uncertain };
            let state = if failed.is_some() { State::Failed } else { done };
            at_rest.push((id, state, failed));
            continue;
        }
        leased.push(Leased { open, ..one });
    }
    if !expired.is_empty() {
        recovery::tell_expired(tx, expired, tx.now).await?;
    }
    if !strange.is_empty() {
        release(tx, &strange, Some(tx.told(tx.now.plus(STRANGE).0))).await?;
    }
    if at_rest.is_empty() {
        return Ok(());
    }
    let mut messages = Messages::load(tx, at_rest.iter().map(|(id, ..)| *id)).await?;
    for (id, state, cause) in at_rest {
        if let Some(message) = messages.get(id) {
            let actor = Actor::Dispatcher;
            message.rest(&Move { state, actor, at: tx.now, cause: cause.as_deref() });
            // Their reports may all be there.
            message.follow(Actor::Network, tx.now.0);
        }
    }
    messages.save(tx).await
}

/// The row as it was taken, without its open segments; its text apart, which may not open.
fn taken_of(
    tx: &Tx<'_>,
    id: MessageId,
    row: &Row,
    until: UnixMs,
) -> Result<(Leased, Result<Secret, SealError>), StoreError> {
    let opened = tx.keys.open(place(&id), row.try_get(3)?);
    let recipient: &str = row.try_get(2)?;
    let mac = tx.keys.mac("recipient", &[recipient.as_bytes()]);
    let channel = |at| {
        Ok::<_, StoreError>(row.try_get::<_, Option<&str>>(at)?.map(|channel| ChannelId(channel.into())))
    };
    let leased = Leased {
        id,
        epoch: row.try_get(1)?,
        until: tx.told(until.0),
        lane: lane_of(row, 16)?,
        to: number_of(row, 2)?,
        recipient: Recipient(mac.first_chunk().copied().unwrap_or_default()),
        body: Secret::new(Vec::new()),
        flash: row.try_get(4)?,
        report: row.try_get(5)?,
        deadline: tx.told(row.try_get(6)?),
        segments: octet_of(row, 7)?,
        bound: channel(8)?,
        refused_by: channel(9)?,
        concat_ref: octet_of(row, 10)?,
        coding: u16::try_from(row.try_get::<_, i32>(11)?).ok().and_then(Coding::of_code),
        open: Vec::new(),
        refusals: count_of(row, 12)?,
        uncertain: count_of(row, 13)?,
        first_round: None,
    };
    Ok((leased, opened))
}

/// Leases a submitted login for a round over another channel.
pub(super) async fn second_round(tx: &Tx<'_>, round: &SecondRound) -> Result<Option<Leased>, StoreError> {
    let id = round.id;
    let mut messages = Messages::load(tx, [id]).await?;
    let at = UnixMs(tx.at(round.at).max(tx.now.0));
    let answered = tx.link.first(ANSWERED, &[&uuid(id), &at.0]).await?.is_some();
    let Some(message) = messages.get(id) else { return Ok(None) };
    if answered || !message.second_round(round, at) {
        return Ok(None);
    }
    messages.save(tx).await?;
    let until = at.plus(round.lease);
    let Some(row) = tx.link.first(HOLD, &[&uuid(id), &until.0, &tx.me]).await? else { return Ok(None) };
    let (mut leased, body) = taken_of(tx, id, &row, until)?;
    let Ok(body) = body else {
        let mut messages = Messages::load(tx, [id]).await?;
        if let Some(message) = messages.get(id) {
            message.no_second_round(at.0);
        }
        messages.save(tx).await?;
        return Ok(None);
    };
    leased.body = body;
    leased.open = (1..=leased.segments).collect();
    leased.first_round = Some(round.first.clone());
    Ok(Some(leased))
}

fn place(id: &MessageId) -> Place<'_> {
    Place { table: "message", column: "body", row: id.as_bytes() }
}

/// Gives leases back whose attempt has not begun.
pub(super) async fn release(
    tx: &Tx<'_>,
    leases: &[(MessageId, i64)],
    due: Option<UnixMs>,
) -> Result<(), StoreError> {
    let mut messages = Messages::load(tx, leases.iter().map(|(id, _)| *id)).await?;
    for (id, epoch) in leases {
        if let Some(message) = messages.get(*id) {
            message.release(*epoch, due.map(|due| tx.at(due)), tx.now);
        }
    }
    messages.save(tx).await
}
