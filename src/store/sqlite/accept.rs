//! Messages and challenges coming in: rows are checked and written within one savepoint, all or none.

use rusqlite::params;

use super::lanes::{self, Promise};
use super::life::change_unread;
use super::{Tx, allowance, corrupt, id_of, is_duplicate, outbox, room};
use crate::clock;
use crate::queue::budget::{Bill, Tally};
use crate::queue::lanes::PerLane;
use crate::queue::life::{Actor, Move};
use crate::queue::message::{Idempotency, Lane, MessageId, NewMessage, State};
use crate::store::seal::Place;
use crate::store::{Accepted, StoreError, Trigger, Triggered};
use crate::units::UnixMs;

const INSERT: &str =
    "INSERT INTO message (id, state, due, changed, created, life, lane, deadline, segments, concat_ref,
    flash, report, caller, idempotency, recipient, body, coding, asked)
    VALUES (?1, ?2, ?3, ?3, ?3, ?4, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

const BEFORE: &str = "SELECT id, asked FROM message WHERE idempotency = ?1";

const STANDS: &str = "SELECT 1 FROM token WHERE serial = ?1 AND counter = ?2 - 1 AND active = 1";

const ADVANCE: &str = "UPDATE token SET counter = ?2 WHERE serial = ?1 AND counter = ?2 - 1";

const CHALLENGE: &str =
    "INSERT INTO challenge (txn, serial, counter, created, expires, message, answered, proven)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// What idempotency keys are compared for, and what came with them.
const PURPOSE: &str = "idempotency";
const ASKED: &str = "idempotency asked";

/// What is known of an idempotency key.
enum Known {
    /// Nothing.
    New,
    /// It named this message.
    Same(MessageId),
    /// It named another one.
    Other,
}

/// Looks whether the lanes have room for all of a batch, and promises places to what follows its first `chunk` messages.
pub(in crate::store) fn enter(
    tx: &mut Tx<'_>,
    gate: &lanes::Shared,
    batch: &[NewMessage],
    chunk: usize,
) -> Result<Promise, StoreError> {
    // One whose key names another message needs no room either: it is refused for that.
    let there = |tx: &Tx<'_>, lane: Lane| {
        let mut there = 0;
        for message in batch.iter().filter(|message| message.lane == lane) {
            there += u64::from(!matches!(known(tx, message)?, Known::New));
        }
        Ok(there)
    };
    let lanes_of = |messages: &[NewMessage]| PerLane::count(messages.iter().map(|message| message.lane));
    let now = batch.first().map_or(UnixMs(0), |message| message.created);
    lanes::room(tx, gate, &lanes_of(batch), there, now)?;
    Ok(Promise::new(gate, lanes_of(batch.get(chunk..).unwrap_or_default())))
}

/// Writes the messages; one whose idempotency key is known names the first. Should a key name something else, or a budget be
/// spent, the error undoes all.
pub(in crate::store) fn accept(
    tx: &mut Tx<'_>,
    gate: &lanes::Shared,
    messages: &[NewMessage],
) -> Result<Vec<Accepted>, StoreError> {
    room::check(tx.conn)?;
    let (mut accepted, mut conflicts) = (Vec::with_capacity(messages.len()), Vec::new());
    let mut bills = Vec::new();
    let mut new = PerLane::default();
    for (place, message) in messages.iter().enumerate() {
        match known(tx, message)? {
            Known::Same(id) => accepted.push(Accepted::Before(id)),
            Known::Other => conflicts.push(place),
            Known::New => {
                insert(tx, message)?;
                bills.extend(Some(&message.bill).filter(|bill| !bill.charges.is_empty()));
                *new.of_mut(message.lane) += 1;
                accepted.push(Accepted::New(message.id));
            }
        }
    }
    if !conflicts.is_empty() {
        return Err(StoreError::Conflict(conflicts));
    }
    charge(tx, &bills, messages.first().map_or(UnixMs(0), |message| message.created))?;
    lanes::came(tx, gate, &new, messages.first().map_or(UnixMs(0), |message| message.created))?;
    Ok(accepted)
}

/// Counts what is new of a batch. A budget that is spent is an error, which undoes all.
fn charge(tx: &Tx<'_>, bills: &[&Bill], now: UnixMs) -> Result<(), StoreError> {
    if bills.is_empty() {
        return Ok(());
    }
    match allowance::charge(tx, &Tally::new(now, bills.iter().copied()), now)? {
        Some((_, over)) => Err(StoreError::OverBudget(over)),
        None => Ok(()),
    }
}

/// Advances the counters and opens the challenges with their messages. Conflicts, spent budgets and a
/// full lane must leave nothing, so they are looked for first.
pub(in crate::store) fn trigger(
    tx: &mut Tx<'_>,
    gate: &lanes::Shared,
    triggers: &[Trigger],
) -> Result<Triggered, StoreError> {
    room::check(tx.conn)?;
    for Trigger { challenge, .. } in triggers {
        let counter = i64::try_from(challenge.counter).unwrap_or(i64::MAX);
        if !tx.conn.prepare_cached(STANDS)?.exists(params![challenge.serial, counter])? {
            return Ok(Triggered::Conflict);
        }
    }
    let now = triggers.first().map_or(UnixMs(0), |trigger| trigger.challenge.created);
    let new = PerLane::count(triggers.iter().map(|trigger| trigger.message.lane));
    lanes::room(tx, gate, &new, |_, _| Ok(0), now)?;
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
    lanes::came(tx, gate, &new, now)?;
    Ok(Triggered::Opened)
}

fn known(tx: &Tx<'_>, message: &NewMessage) -> Result<Known, StoreError> {
    let Some(Idempotency { key, asked }) = &message.idempotency else { return Ok(Known::New) };
    let mut find = tx.conn.prepare_cached(BEFORE)?;
    for mac in tx.keys.macs(PURPOSE, &[message.caller.as_bytes(), key.as_bytes()]) {
        let mut rows = find.query([mac])?;
        let Some(row) = rows.next()? else { continue };
        // Rows of earlier releases do not know what was asked.
        let before = row.get_ref(1)?.as_blob_or_null().map_err(|_| corrupt("fingerprint"))?;
        let same =
            before.is_none_or(|before| tx.keys.macs(ASKED, &[asked.expose()]).any(|mac| mac == before));
        return if same { id_of(row, 0).map(Known::Same) } else { Ok(Known::Other) };
    }
    Ok(Known::New)
}

fn insert(tx: &mut Tx<'_>, message: &NewMessage) -> Result<(), StoreError> {
    let id = message.id.as_bytes();
    let body = tx.keys.seal(Place { table: "message", column: "body", row: id }, &message.body)?;
    let keyed = message.idempotency.as_ref();
    let mac = keyed.map(|keyed| tx.keys.mac(PURPOSE, &[message.caller.as_bytes(), keyed.key.as_bytes()]));
    let asked = keyed.map(|keyed| tx.keys.mac(ASKED, &[keyed.asked.expose()]));
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
        asked,
    ];
    change_unread(tx, INSERT, message.id, &accepted, row)?;
    if let Some(callback) = &message.callback {
        outbox::listen(tx, message.id, callback)?;
    }
    tx.hints.due(message.lane, message.created);
    Ok(())
}
