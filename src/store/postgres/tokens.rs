//! Tokens, answers and withdrawals: what the validating side writes. Whichever appliance opened a challenge, any may answer it.

use tokio_postgres::types::ToSql;

use super::messages::Messages;
use super::{Tx, id_of, small};
use crate::queue::life::Actor;
use crate::queue::message::MessageId;
use crate::store::seal::Place;
use crate::store::{StoreError, TokenRecord, Withdrawn};
use crate::units::UnixMs;

const ADD: &str =
    "INSERT INTO token (serial, \"user\", phone, pin, seed, counter, digits, failures, max_failures, active,
    description, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING";

const USE: &str = "UPDATE challenge SET answered = $3
    WHERE txn = $1 AND serial = $2 AND answered IS NULL AND expires > $3";

const USE_OTHERS: &str = "UPDATE challenge SET answered = $2 WHERE txn = $1 AND answered IS NULL";

const COPIES: &str = "SELECT message FROM challenge WHERE txn = $1";

const FORGIVE: &str = "UPDATE token SET failures = 0 WHERE serial = $1";

const FAIL: &str = "UPDATE token SET failures = least(failures + 1, max_failures) WHERE serial = $1";

/// Adds a token.
pub(super) async fn add(tx: &Tx<'_>, token: &TokenRecord) -> Result<(), StoreError> {
    let place = Place { table: "token", column: "seed", row: token.serial.as_bytes() };
    let seed = tx.keys.seal(place, &token.seed)?;
    let pin =
        token.pin.expose_str().ok_or_else(|| StoreError::Engine("a PIN hash is not text".to_owned()))?;
    let row: [&(dyn ToSql + Sync); 12] = [
        &token.serial,
        &token.user,
        &token.phone.as_str(),
        &pin,
        &seed,
        &i64::try_from(token.counter).unwrap_or(i64::MAX),
        &i16::from(token.digits),
        &small(token.failures),
        &small(token.max_failures),
        &token.active,
        &token.description,
        &tx.at(token.created),
    ];
    match tx.link.execute(ADD, &row).await? {
        0 => Err(StoreError::Exists(format!("token {}", token.serial))),
        _ => Ok(()),
    }
}

/// Removes a token; its challenges go with it.
pub(super) async fn remove(tx: &Tx<'_>, serial: &str) -> Result<bool, StoreError> {
    Ok(tx.link.execute("DELETE FROM token WHERE serial = $1", &[&serial]).await? > 0)
}

/// Counts a wrong answer on each token, once for each time it is named.
pub(super) async fn fail(tx: &Tx<'_>, serials: &[String]) -> Result<(), StoreError> {
    for serial in serials {
        tx.link.execute(FAIL, &[serial]).await?;
    }
    Ok(())
}

/// Uses a challenge up; the one update that finds it open decides who did, on whatever appliance.
pub(super) async fn answer(
    tx: &Tx<'_>,
    transaction: &str,
    serial: &str,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let now = tx.now_or(now);
    if tx.link.execute(USE, &[&transaction, &serial, &now]).await? == 0 {
        return Ok(false);
    }
    tx.link.execute(USE_OTHERS, &[&transaction, &now]).await?;
    tx.link.execute(FORGIVE, &[&serial]).await?;
    let copies = tx.link.query(COPIES, &[&transaction]).await?;
    let copies = copies.iter().map(|row| id_of(row, 0)).collect::<Result<Vec<_>, _>>()?;
    let mut messages = Messages::load(tx, copies).await?;
    for message in messages.all() {
        message.withdraw(Actor::Validate, now);
        message.answered();
    }
    messages.save(tx).await?;
    Ok(true)
}

/// Takes a message back unless something of it is leaving; `actor` asks for it.
pub(super) async fn withdraw(
    tx: &Tx<'_>,
    id: MessageId,
    caller: Option<&str>,
    actor: Actor,
    now: UnixMs,
) -> Result<Withdrawn, StoreError> {
    let mut messages = Messages::load(tx, [id]).await?;
    let now = tx.at(now);
    let own = messages.get(id).filter(|message| caller.is_none_or(|caller| caller == message.caller));
    let Some(message) = own else { return Ok(Withdrawn::Unknown) };
    let withdrawn = message.withdraw(actor, now);
    messages.save(tx).await?;
    Ok(withdrawn)
}
