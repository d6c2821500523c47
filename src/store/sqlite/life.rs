//! The one way by which the state of a message changes, its acceptance included: [`change`], or [`change_unread`].

use rusqlite::{CachedStatement, Row, ToSql};

use super::{Tx, is_duplicate, outbox};
use crate::queue::life::{self, Move};
use crate::queue::message::MessageId;
use crate::store::StoreError;

/// Puts the entry `?4` behind a life that has room for it (`?5`). To SQLite the sum of two blobs is a text.
macro_rules! and_life {
    () => {
        "life = CASE WHEN length(life) < ?5 THEN CAST(life || ?4 AS BLOB) ELSE life END"
    };
}
pub(super) use and_life;

/// Carries out `sql`, which writes the message's new state and its life, and reads the row that it returns; `None` if the
/// message is not where the change begins. To `sql`, `?1` is the id, `?2` the new state, `?3` the time, `?4` the entry of the life
/// and `?5` its room; `values` begin at `?6`. Hooks and listeners hear of it in the same transaction.
pub(super) fn change<T>(
    tx: &Tx<'_>,
    sql: &str,
    id: MessageId,
    to: &Move<'_>,
    values: &[&dyn ToSql],
    read: impl FnOnce(&Row<'_>) -> T,
) -> Result<Option<T>, StoreError> {
    let mut statement = bound(tx, sql, id, to, values)?;
    let mut rows = statement.raw_query();
    let changed = rows.next()?.map(read);
    drop(rows);
    if changed.is_some() {
        outbox::turned(tx, id, to)?;
    }
    Ok(changed)
}

/// The same by a `sql` that returns nothing: whether the message was where the change begins. Rows that a statement returns go
/// through a table of their own, which costs more than to keep the life.
pub(super) fn change_unread(
    tx: &Tx<'_>,
    sql: &str,
    id: MessageId,
    to: &Move<'_>,
    values: &[&dyn ToSql],
) -> Result<bool, StoreError> {
    let changed = match bound(tx, sql, id, to, values)?.raw_execute() {
        Ok(rows) => rows > 0,
        Err(error) if is_duplicate(&error) => return Err(StoreError::Exists(format!("message {id}"))),
        Err(error) => return Err(error.into()),
    };
    if changed {
        outbox::turned(tx, id, to)?;
    }
    Ok(changed)
}

fn bound<'a>(
    tx: &Tx<'a>,
    sql: &str,
    id: MessageId,
    to: &Move<'_>,
    values: &[&dyn ToSql],
) -> rusqlite::Result<CachedStatement<'a>> {
    let mut statement = tx.conn.prepare_cached(sql)?;
    statement.raw_bind_parameter(1, id.as_bytes())?;
    statement.raw_bind_parameter(2, to.state as i64)?;
    statement.raw_bind_parameter(3, to.at.0)?;
    statement.raw_bind_parameter(4, to.entry())?;
    statement.raw_bind_parameter(5, i64::try_from(life::room(to.state)).unwrap_or(0))?;
    for (value, at) in values.iter().zip(6..) {
        statement.raw_bind_parameter(at, value)?;
    }
    Ok(statement)
}
