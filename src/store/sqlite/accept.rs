//! Messages and challenges coming in: rows are checked and written within one savepoint, all or none.

use rusqlite::OptionalExtension;
use rusqlite::params;

use super::life::change;
use super::{Tx, id_of, is_duplicate, outbox};
use crate::clock;
use crate::queue::life::{Actor, Move};
use crate::queue::message::{MessageId, NewMessage, State};
use crate::store::seal::Place;
use crate::store::{Accepted, StoreError, Trigger, Triggered};

const INSERT: &str =
    "INSERT INTO message (id, state, due, changed, created, life, lane, deadline, segments, concat_ref,
    flash, report, caller, idempotency, recipient, body, coding)
    VALUES (?1, ?2, ?3, ?3, ?3, ?4, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) RETURNING id";

const BEFORE: &str = "SELECT id FROM message WHERE idempotency = ?1";

const STANDS: &str = "SELECT 1 FROM token WHERE serial = ?1 AND counter = ?2 - 1 AND active = 1";

const ADVANCE: &str = "UPDATE token SET counter = ?2 WHERE serial = ?1 AND counter = ?2 - 1";

const CHALLENGE: &str = "INSERT INTO challenge (txn, serial, counter, created, expires, message, answered)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// What idempotency keys are compared for.
const PURPOSE: &str = "idempotency";

/// Writes the messages; one whose idempotency key is known names the first.
pub(in crate::store) fn accept(
    tx: &mut Tx<'_>,
    messages: &[NewMessage],
) -> Result<Vec<Accepted>, StoreError> {
    messages
        .iter()
        .map(|message| match before(tx, message)? {
            Some(id) => Ok(Accepted::Before(id)),
            None => insert(tx, message).map(|()| Accepted::New(message.id)),
        })
        .collect()
}

/// Advances the counters and opens the challenges with their messages. A conflict must leave nothing, so it is looked for first.
pub(in crate::store) fn trigger(tx: &mut Tx<'_>, triggers: &[Trigger]) -> Result<Triggered, StoreError> {
    for Trigger { challenge, .. } in triggers {
        let counter = i64::try_from(challenge.counter).unwrap_or(i64::MAX);
        if !tx.conn.prepare_cached(STANDS)?.exists(params![challenge.serial, counter])? {
            return Ok(Triggered::Conflict);
        }
    }
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
    let accepted = Move { state: State::Queued, actor: Actor::Caller, at: message.created, cause: None };
    let row = params![
        message.lane as i64,
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
    change(tx, INSERT, message.id, &accepted, row, |_| ())?;
    if let Some(callback) = &message.callback {
        outbox::listen(tx, message.id, callback)?;
    }
    tx.hints.due(message.lane, message.created);
    Ok(())
}
