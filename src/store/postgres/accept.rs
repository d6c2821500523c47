//! Messages and challenges coming in: checked and written as sets.

use std::collections::HashMap;

use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::time::shifted;
use super::{Tx, allowance, id_of, lanes, outbox, uuid};
use crate::clock;
use crate::queue::lanes::PerLane;
use crate::queue::life::{Actor, Move};
use crate::queue::message::{MessageId, NewMessage, State};
use crate::store::seal::Place;
use crate::store::{Accepted, StoreError, Trigger, Triggered};
use crate::units::UnixMs;

const INSERT: &str = "INSERT INTO message (id, state, lane, due, changed, created, deadline, segments, concat_ref, flash, report,
        caller, idempotency, recipient, body, coding, life, asked)
    SELECT id, 0, lane, created, created, created, deadline, segments, concat_ref, flash, report, caller, idempotency,
        recipient, body, coding, life, asked
    FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::smallint[], $7::boolean[],
        $8::boolean[], $9::text[], $10::bytea[], $11::text[], $12::bytea[], $13::integer[], $14::bytea[],
        $15::bytea[])
        AS new (id, lane, created, deadline, segments, concat_ref, flash, report, caller, idempotency, recipient, body, coding,
            life, asked)
    ON CONFLICT DO NOTHING RETURNING id";

const BEFORE: &str = "SELECT id, idempotency, asked FROM message WHERE idempotency = ANY($1)";

const STANDS: &str =
    "SELECT serial, counter FROM token WHERE serial = ANY($1) AND active ORDER BY serial FOR UPDATE";

const ADVANCE: &str = "UPDATE token SET counter = $2 WHERE serial = $1";

const CHALLENGE: &str =
    "INSERT INTO challenge (txn, serial, counter, created, expires, message, answered, proven)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

/// What idempotency keys are compared for, and what came with them.
const PURPOSE: &str = "idempotency";
const ASKED: &str = "idempotency asked";

type Mac = [u8; 32];

/// Writes the messages, each with the shift of its times; one whose idempotency key is known names the first. Should a key
/// name something else, or a budget be spent, the error undoes all.
pub(super) async fn accept(
    tx: &Tx<'_>,
    messages: &[(&NewMessage, i64)],
) -> Result<Vec<Accepted>, StoreError> {
    let keys: Vec<Vec<Mac>> = messages.iter().map(|(message, _)| macs(tx, message)).collect();
    let mut known = before(tx, keys.iter().flatten()).await?;
    let mut new = Vec::with_capacity(messages.len());
    let mut accepted = Vec::with_capacity(messages.len());
    let mut conflicts = Vec::new();
    for (place, ((message, shift), macs)) in messages.iter().zip(&keys).enumerate() {
        match macs.iter().find_map(|mac| known.get(mac)) {
            Some(first) if first.same(tx, message) => accepted.push(Accepted::Before(first.id)),
            Some(_) => conflicts.push(place),
            None => {
                let row = Row::of(tx, message, *shift, macs.first().copied())?;
                let first = Known { id: message.id, asked: row.asked };
                known.extend(row.idempotency.map(|mac| (mac, first)));
                new.push(row);
                accepted.push(Accepted::New(message.id));
            }
        }
    }
    let now = messages.first().map_or(tx.now.0, |(message, shift)| shifted(message.created, *shift));
    lanes::enter(tx, &PerLane::count(new.iter().map(|row| row.of.lane)), UnixMs(now)).await?;
    if !conflicts.is_empty() {
        return Err(StoreError::Conflict(conflicts));
    }
    let written = insert(tx, &new).await?;
    if written.len() == new.len() {
        charge(tx, &new, messages.first().map_or(0, |(_, shift)| *shift)).await?;
        return Ok(accepted);
    }
    // Another appliance accepted the same key at the same moment: now that its commit is over, it is found.
    let missing: Vec<&Row<'_>> = new.iter().filter(|row| !written.contains(&row.id)).collect();
    let known = before(tx, missing.iter().filter_map(|row| row.idempotency.as_ref())).await?;
    for row in missing {
        let Some(first) = row.idempotency.and_then(|mac| known.get(&mac)) else {
            return Err(StoreError::Exists(format!("message {}", row.id)));
        };
        let place = messages.iter().position(|(message, _)| message.id == row.message);
        match place.and_then(|place| accepted.get_mut(place)) {
            Some(one) if first.same(tx, row.of) => *one = Accepted::Before(first.id),
            _ => return Err(StoreError::Conflict(place.into_iter().collect())),
        }
    }
    let here: Vec<_> = new.into_iter().filter(|row| written.contains(&row.id)).collect();
    charge(tx, &here, messages.first().map_or(0, |(_, shift)| *shift)).await?;
    Ok(accepted)
}

/// Counts what is new. A budget that is spent is an error, which undoes all.
async fn charge(tx: &Tx<'_>, new: &[Row<'_>], shift: i64) -> Result<(), StoreError> {
    let Some(first) = new.first() else { return Ok(()) };
    let bills = new.iter().map(|row| &row.of.bill);
    match allowance::charge(tx, bills, UnixMs(first.created), shift).await? {
        Some((_, over)) => Err(StoreError::OverBudget(over)),
        None => Ok(()),
    }
}

/// Advances the counters and opens the challenges with their messages, all or none. Conflicts and spent budgets must leave nothing, so
/// they are looked for first.
pub(super) async fn trigger(tx: &Tx<'_>, triggers: &[Trigger]) -> Result<Triggered, StoreError> {
    let serials: Vec<&str> = triggers.iter().map(|trigger| trigger.challenge.serial.as_str()).collect();
    let mut counters = HashMap::new();
    for row in tx.link.query(STANDS, &[&serials]).await? {
        counters.insert(row.try_get::<_, String>(0)?, row.try_get::<_, i64>(1)?);
    }
    for Trigger { challenge, .. } in triggers {
        let counter = counter(challenge.counter);
        // A second one for the same token must follow the first.
        match counters.get_mut(&challenge.serial) {
            Some(stands) if stands.checked_add(1) == Some(counter) => *stands = counter,
            _ => return Ok(Triggered::Conflict),
        }
    }
    let shift = tx.shift.get();
    let now = triggers.first().map_or(tx.now.0, |trigger| tx.at(trigger.challenge.created));
    lanes::enter(tx, &PerLane::count(triggers.iter().map(|trigger| trigger.message.lane)), UnixMs(now))
        .await?;
    let bills = triggers.iter().map(|trigger| &trigger.message.bill);
    if let Some((counter, over)) = allowance::charge(tx, bills, UnixMs(now), shift).await? {
        let charged = |trigger: &Trigger| trigger.message.bill.charges.iter().any(|(one, _)| *one == counter);
        let place = triggers.iter().rposition(charged).unwrap_or_default();
        return Ok(Triggered::OverBudget { place, over });
    }
    let new = triggers.iter().map(|trigger| Row::of(tx, &trigger.message, shift, None));
    let new = new.collect::<Result<Vec<_>, _>>()?;
    if insert(tx, &new).await?.len() != new.len() {
        return Err(StoreError::Exists("a message of this challenge".to_owned()));
    }
    for Trigger { challenge, message } in triggers {
        let counter = counter(challenge.counter);
        tx.link.execute(ADVANCE, &[&challenge.serial, &counter]).await?;
        let row: [&(dyn ToSql + Sync); 8] = [
            &challenge.transaction,
            &challenge.serial,
            &counter,
            &tx.at(challenge.created),
            &tx.at(challenge.expires),
            &uuid(challenge.message),
            &challenge.answered.map(|at| tx.at(at)),
            &message.bill.proven,
        ];
        if tx.link.execute(CHALLENGE, &row).await? == 0 {
            return Err(StoreError::Exists(format!("challenge {}", challenge.transaction)));
        }
    }
    Ok(Triggered::Opened)
}

fn counter(counter: u64) -> i64 {
    i64::try_from(counter).unwrap_or(i64::MAX)
}

/// The HMACs of a message's key, the active sealing key's first.
fn macs(tx: &Tx<'_>, message: &NewMessage) -> Vec<Mac> {
    let Some(keyed) = &message.idempotency else { return Vec::new() };
    let parts: [&[u8]; 2] = [message.caller.as_bytes(), keyed.key.as_bytes()];
    let active = tx.keys.mac(PURPOSE, &parts);
    let older = tx.keys.macs(PURPOSE, &parts).filter(|mac| *mac != active);
    std::iter::once(active).chain(older).collect()
}

async fn before(tx: &Tx<'_>, macs: impl Iterator<Item = &Mac>) -> Result<HashMap<Mac, Known>, StoreError> {
    let macs: Vec<&[u8]> = macs.map(Mac::as_slice).collect();
    let mut known = HashMap::new();
    if macs.is_empty() {
        return Ok(known);
    }
    for row in tx.link.query(BEFORE, &[&macs]).await? {
        if let Some(mac) = row.try_get::<_, &[u8]>(1)?.first_chunk() {
            let asked = row.try_get::<_, Option<&[u8]>>(2)?.and_then(|asked| asked.first_chunk().copied());
            known.insert(*mac, Known { id: id_of(&row, 0)?, asked });
        }
    }
    Ok(known)
}

/// The message that a key named first, with the HMAC of what was asked.
struct Known {
    id: MessageId,
    asked: Option<Mac>,
}

impl Known {
    /// Whether the same is asked again.
    fn same(&self, tx: &Tx<'_>, message: &NewMessage) -> bool {
        let again = message.idempotency.as_ref();
        again.is_some_and(|again| {
            tx.keys.macs(ASKED, &[again.asked.expose()]).any(|mac| Some(mac) == self.asked)
        })
    }
}

/// A row to be.
struct Row<'a> {
    id: Uuid,
    message: MessageId,
    of: &'a NewMessage,
    created: i64,
    deadline: i64,
    concat_ref: u8,
    idempotency: Option<Mac>,
    asked: Option<Mac>,
    body: Vec<u8>,
    life: Vec<u8>,
}

impl<'a> Row<'a> {
    fn of(tx: &Tx<'_>, of: &'a NewMessage, shift: i64, idempotency: Option<Mac>) -> Result<Self, StoreError> {
        let place = Place { table: "message", column: "body", row: of.id.as_bytes() };
        let body = tx.keys.seal(place, &of.body)?;
        let [concat_ref] = clock::entropy::<1>()?;
        let (created, deadline) = (shifted(of.created, shift), shifted(of.deadline, shift));
        let keyed = of.idempotency.as_ref();
        let asked = keyed.map(|keyed| tx.keys.mac(ASKED, &[keyed.asked.expose()]));
        let accepted = Move { state: State::Queued, actor: Actor::Caller, at: UnixMs(created), cause: None };
        let (id, life) = (uuid(of.id), accepted.entry());
        Ok(Self { id, message: of.id, of, created, deadline, concat_ref, idempotency, asked, body, life })
    }
}

async fn insert(tx: &Tx<'_>, new: &[Row<'_>]) -> Result<Vec<Uuid>, StoreError> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    macro_rules! column {
        ($of:expr) => {
            &new.iter().map($of).collect::<Vec<_>>()
        };
    }
    let columns: [&(dyn ToSql + Sync); 15] = [
        column!(|row| row.id),
        column!(|row| row.of.lane as i16),
        column!(|row| row.created),
        column!(|row| row.deadline),
        column!(|row| i16::from(row.of.segments)),
        column!(|row| i16::from(row.concat_ref)),
        column!(|row| row.of.flash),
        column!(|row| row.of.report),
        column!(|row| row.of.caller.as_str()),
        column!(|row| row.idempotency.as_ref().map(Mac::as_slice)),
        column!(|row| row.of.to.as_str()),
        column!(|row| row.body.as_slice()),
        column!(|row| i32::from(row.of.coding.code())),
        column!(|row| row.life.as_slice()),
        column!(|row| row.asked.as_ref().map(Mac::as_slice)),
    ];
    let rows = tx.link.query(INSERT, &columns).await?;
    let written = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<Uuid>, StoreError>>()?;
    for row in new.iter().filter(|row| written.len() == new.len() || written.contains(&row.id)) {
        tx.ledger.borrow_mut().came(row.of.lane, State::Queued, 1);
        tx.hints.borrow_mut().due(row.of.lane, UnixMs(row.created));
        tx.queued.set(true);
        outbox::accepted(tx, row.of, row.created).await?;
    }
    Ok(written)
}
