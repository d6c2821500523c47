//! Messages and challenges coming in: rows are checked and written within one savepoint, all or none.

use rusqlite::OptionalExtension;
use rusqlite::params;

use super::lanes::{self, Promise};
use super::{Tx, id_of, is_duplicate};
use crate::clock;
use crate::queue::lanes::PerLane;
use crate::queue::message::{Lane, MessageId, NewMessage, State};
use crate::store::seal::Place;
use crate::store::{Accepted, StoreError, Trigger, Triggered};
use crate::units::UnixMs;

const INSERT: &str =
    "INSERT INTO message (id, state, lane, due, changed, created, deadline, segments, concat_ref,
    flash, report, caller, idempotency, recipient, body, coding)
    VALUES (?1, ?2, ?3, ?4, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

const BEFORE: &str = "SELECT id FROM message WHERE idempotency = ?1";

const STANDS: &str = "SELECT 1 FROM token WHERE serial = ?1 AND counter = ?2 - 1 AND active = 1";

const ADVANCE: &str = "UPDATE token SET counter = ?2 WHERE serial = ?1 AND counter = ?2 - 1";

const CHALLENGE: &str = "INSERT INTO challenge (txn, serial, counter, created, expires, message, answered)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// What idempotency keys are compared for.
const PURPOSE: &str = "idempotency";

/// Looks whether the lanes have room for all of a batch, and promises places to what follows its first `chunk` messages.
pub(in crate::store) fn enter(
    tx: &mut Tx<'_>,
    gate: &lanes::Shared,
    batch: &[NewMessage],
    chunk: usize,
) -> Result<Promise, StoreError> {
    let known = |tx: &Tx<'_>, lane: Lane| {
        let mut known = 0;
        for message in batch.iter().filter(|message| message.lane == lane) {
            known += u64::from(before(tx, message)?.is_some());
        }
        Ok(known)
    };
    let lanes_of = |messages: &[NewMessage]| PerLane::count(messages.iter().map(|message| message.lane));
    let now = batch.first().map_or(UnixMs(0), |message| message.created);
    lanes::room(tx, gate, &lanes_of(batch), known, now)?;
    Ok(Promise::new(gate, lanes_of(batch.get(chunk..).unwrap_or_default())))
}

/// Writes the messages; one whose idempotency key is known names the first.
pub(in crate::store) fn accept(
    tx: &mut Tx<'_>,
    gate: &lanes::Shared,
    messages: &[NewMessage],
) -> Result<Vec<Accepted>, StoreError> {
    let mut accepted = Vec::with_capacity(messages.len());
    let mut new = PerLane::default();
    for message in messages {
        accepted.push(match before(tx, message)? {
            Some(id) => Accepted::Before(id),
            None => {
                insert(tx, message)?;
                *new.of_mut(message.lane) += 1;
                Accepted::New(message.id)
            }
        });
    }
    lanes::came(tx, gate, &new, messages.first().map_or(UnixMs(0), |message| message.created))?;
    Ok(accepted)
}

/// Advances the counters and opens the challenges with their messages. A conflict must leave nothing, so it is looked for first.
pub(in crate::store) fn trigger(
    tx: &mut Tx<'_>,
    gate: &lanes::Shared,
    triggers: &[Trigger],
) -> Result<Triggered, StoreError> {
    for Trigger { challenge, .. } in triggers {
        let counter = i64::try_from(challenge.counter).unwrap_or(i64::MAX);
        if !tx.conn.prepare_cached(STANDS)?.exists(params![challenge.serial, counter])? {
            return Ok(Triggered::Conflict);
        }
    }
    let new = PerLane::count(triggers.iter().map(|trigger| trigger.message.lane));
    let now = triggers.first().map_or(UnixMs(0), |trigger| trigger.message.created);
    lanes::room(tx, gate, &new, |_, _| Ok(0), now)?;
    for Trigger { challenge, message } in triggers {
        let counter = i64::try_from(challenge.counter).unwrap_or(i64::MAX);
        let exists = || StoreError::Exists(format!("challenge {}", challenge.transaction));
        if tx.conn.prepare_cached(ADVANCE)?.execute(params![challenge.serial, counter])? == 0 {
            return Err(exists());
        }
        insert(tx, message)?;
        tx.conn
            .prepare_cached(CHALLENGE)?
            .execute(params![
                challenge.transaction,
                challenge.serial,
                counter,
                challenge.created.0,
                challenge.expires.0,
                challenge.message.as_bytes(),
                challenge.answered.map(|at| at.0),
            ])
            .map_err(|error| if is_duplicate(&error) { exists() } else { error.into() })?;
    }
    lanes::came(tx, gate, &new, now)?;
    Ok(Triggered::Opened)
}

fn before(tx: &Tx<'_>, message: &NewMessage) -> Result<Option<MessageId>, StoreError> {
    let Some(key) = &message.idempotency else { return Ok(None) };
    let mut find = tx.conn.prepare_cached(BEFORE)?;
    for mac in tx.keys.macs(PURPOSE, &[message.caller.as_bytes(), key.as_bytes()]) {
        if let Some(id) = find.query_row([mac], |row| Ok(id_of(row, 0))).optional()? {
            return id.map(Some);
        }
    }
    Ok(None)
}

fn insert(tx: &mut Tx<'_>, message: &NewMessage) -> Result<(), StoreError> {
    let id = message.id.as_bytes();
    let body = tx.keys.seal(Place { table: "message", column: "body", row: id }, &message.body)?;
    let mac = message
        .idempotency
        .as_ref()
        .map(|key| tx.keys.mac(PURPOSE, &[message.caller.as_bytes(), key.as_bytes()]));
    let [concat_ref] = clock::entropy::<1>()?;
    let row = params![
        id,
        State::Queued as i64,
        message.lane as i64,
        message.created.0,
        message.deadline.0,
        message.segments,
        concat_ref,
        message.flash,
        message.report,
        message.caller,
        mac,
        message.to.as_str(),
        body,
        message.coding.code(),
    ];
    match tx.conn.prepare_cached(INSERT)?.execute(row) {
        Ok(_) => {}
        Err(error) if is_duplicate(&error) => {
            return Err(StoreError::Exists(format!("message {}", message.id)));
        }
        Err(error) => return Err(error.into()),
    }
    tx.hints.due(message.lane, message.created);
    Ok(())
}
