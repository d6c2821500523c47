//! Tokens, answers and withdrawals: what the validating side writes.

use rusqlite::{OptionalExtension, params};

use super::{Tx, id_of, is_duplicate, state_of, turn};
use crate::queue::life::{Actor, Move};
use crate::queue::message::{MessageId, State};
use crate::store::seal::Place;
use crate::store::{StoreError, TokenRecord, Withdrawn};
use crate::units::UnixMs;

const ADD: &str =
    "INSERT INTO token (serial, user, phone, pin, seed, counter, digits, failures, max_failures, active,
    description, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

const USE: &str = "UPDATE challenge SET answered = ?3
    WHERE txn = ?1 AND serial = ?2 AND answered IS NULL AND expires > ?3";

const USE_OTHERS: &str = "UPDATE challenge SET answered = ?2 WHERE txn = ?1 AND answered IS NULL";

const COPIES: &str = "SELECT message FROM challenge WHERE txn = ?1";

const FORGIVE: &str = "UPDATE token SET failures = 0 WHERE serial = ?1";

const FAIL: &str = "UPDATE token SET failures = min(failures + 1, max_failures) WHERE serial = ?1";

const OWNED: &str = "SELECT state FROM message WHERE id = ?1 AND (?2 IS NULL OR caller = ?2)";

/// Something of it has left, is leaving or may have left under the present lease.
const LEAVING: &str = "SELECT 1 FROM attempt WHERE message = ?1 AND state IN (0, 1, 3) AND epoch =
    (SELECT epoch FROM message WHERE id = ?1)";

/// Adds a token.
pub(in crate::store) fn add(tx: &mut Tx<'_>, token: &TokenRecord) -> Result<(), StoreError> {
    let place = Place { table: "token", column: "seed", row: token.serial.as_bytes() };
    let seed = tx.keys.seal(place, &token.seed)?;
    let pin =
        token.pin.expose_str().ok_or_else(|| StoreError::Engine("a PIN hash is not text".to_owned()))?;
    let row = params![
        token.serial,
        token.user,
        token.phone.as_str(),
        pin,
        seed,
        i64::try_from(token.counter).unwrap_or(i64::MAX),
        token.digits,
        token.failures,
        token.max_failures,
        token.active,
        token.description,
        token.created.0,
    ];
    match tx.conn.prepare_cached(ADD)?.execute(row) {
        Ok(_) => Ok(()),
        Err(error) if is_duplicate(&error) => Err(StoreError::Exists(format!("token {}", token.serial))),
        Err(error) => Err(error.into()),
    }
}

/// Removes a token; its challenges go with it.
pub(in crate::store) fn remove(tx: &mut Tx<'_>, serial: &str) -> Result<bool, StoreError> {
    Ok(tx.conn.prepare_cached("DELETE FROM token WHERE serial = ?1")?.execute([serial])? > 0)
}

/// Counts a wrong answer on each token.
pub(in crate::store) fn fail(tx: &mut Tx<'_>, serials: &[String]) -> Result<(), StoreError> {
    let mut fail = tx.conn.prepare_cached(FAIL)?;
    for serial in serials {
        fail.execute([serial])?;
    }
    Ok(())
}

/// Uses a challenge up; the one update that finds it open decides who did.
pub(in crate::store) fn answer(
    tx: &mut Tx<'_>,
    transaction: &str,
    serial: &str,
    now: UnixMs,
) -> Result<bool, StoreError> {
    if tx.conn.prepare_cached(USE)?.execute(params![transaction, serial, now.0])? == 0 {
        return Ok(false);
    }
    tx.conn.prepare_cached(USE_OTHERS)?.execute(params![transaction, now.0])?;
    tx.conn.prepare_cached(FORGIVE)?.execute([serial])?;
    let copies = {
        let mut copies = tx.conn.prepare_cached(COPIES)?;
        let ids = copies.query_map([transaction], |row| Ok(id_of(row, 0)))?;
        ids.map(|id| id?).collect::<Result<Vec<_>, StoreError>>()?
    };
    for id in copies {
        withdraw(tx, id, None, Actor::Validate, now)?;
    }
    Ok(true)
}

/// Takes a message back unless something of it is leaving; `actor` asks for it.
pub(in crate::store) fn withdraw(
    tx: &mut Tx<'_>,
    id: MessageId,
    caller: Option<&str>,
    actor: Actor,
    now: UnixMs,
) -> Result<Withdrawn, StoreError> {
    let state = tx
        .conn
        .prepare_cached(OWNED)?
        .query_row(params![id.as_bytes(), caller], |row| Ok(state_of(row, 0)))
        .optional()?;
    let Some(state) = state else { return Ok(Withdrawn::Unknown) };
    let state = state?;
    let still_here = match state {
        State::Queued => true,
        State::Leased => !tx.conn.prepare_cached(LEAVING)?.exists([id.as_bytes()])?,
        State::Withdrawn => return Ok(Withdrawn::Done),
        _ => false,
    };
    // In the second round of a message the first has left.
    if !still_here || (state == State::Leased && turn::rest_if_submitted(tx, id, actor, now)?) {
        return Ok(Withdrawn::TooLate(state));
    }
    turn::rest(tx, id, &Move { state: State::Withdrawn, actor, at: now, cause: None })?;
    Ok(Withdrawn::Done)
}
