//! Messages and challenges coming in: rows are checked and written within one savepoint, all or none.

use std::collections::HashSet;

use rusqlite::OptionalExtension;
use rusqlite::params;

use super::{Tx, allowance, id_of, is_duplicate};
use crate::clock;
use crate::queue::budget::Tally;
use crate::queue::message::{MessageId, NewMessage, State};
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

const CHALLENGE: &str =
    "INSERT INTO challenge (txn, serial, counter, created, expires, message, answered, proven)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// What idempotency keys are compared for.
const PURPOSE: &str = "idempotency";

/// Writes the messages; one whose idempotency key is known names the first.
pub(in crate::store) fn accept(
    tx: &mut Tx<'_>,
    messages: &[NewMessage],
) -> Result<Vec<Accepted>, StoreError> {
    charge_new(tx, messages)?;
    messages
        .iter()
        .map(|message| match before(tx, message)? {
            Some(id) => Ok(Accepted::Before(id)),
            None => insert(tx, message).map(|()| Accepted::New(message.id)),
        })
        .collect()
}

/// Counts what is new of a batch, as at the moment of its first message. A key that is known, or comes twice in the batch, names a
/// message that is counted already.
fn charge_new(tx: &Tx<'_>, messages: &[NewMessage]) -> Result<(), StoreError> {
    if messages.iter().all(|message| message.bill.charges.is_empty()) {
        return Ok(());
    }
    let mut keys = HashSet::new();
    let mut new = Vec::with_capacity(messages.len());
    for message in messages {
        let first = message.idempotency.as_ref().is_none_or(|key| keys.insert((&message.caller, key)));
        if first && before(tx, message)?.is_none() {
            new.push(message);
        }
    }
    let now = new.first().map_or(UnixMs(0), |message| message.created);
    let tally = Tally::new(now, new.iter().map(|message| &message.bill));
    match allowance::charge(tx, &tally, now)? {
        Some((_, over)) => Err(StoreError::OverBudget(over)),
        None => Ok(()),
    }
}

/// Advances the counters and opens the challenges with their messages. Conflicts and spent budgets must
/// leave nothing, so they are looked for first.
pub(in crate::store) fn trigger(tx: &mut Tx<'_>, triggers: &[Trigger]) -> Result<Triggered, StoreError> {
    for Trigger { challenge, .. } in triggers {
        let counter = i64::try_from(challenge.counter).unwrap_or(i64::MAX);
        if !tx.conn.prepare_cached(STANDS)?.exists(params![challenge.serial, counter])? {
            return Ok(Triggered::Conflict);
        }
    }
    let now = triggers.first().map_or(UnixMs(0), |trigger| trigger.challenge.created);
    let tally = Tally::new(now, triggers.iter().map(|trigger| &trigger.message.bill));
    if let Some((counter, over)) = allowance::charge(tx, &tally, now)? {
        let charged = |trigger: &Trigger| trigger.message.bill.charges.iter().any(|(one, _)| one == counter);
        let place = triggers.iter().rposition(charged).unwrap_or_default();
        return Ok(Triggered::OverBudget { place, over });
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
                message.bill.proven,
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
