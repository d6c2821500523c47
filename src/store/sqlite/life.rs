//! The one way by which the state of a message changes, its acceptance included.

use rusqlite::{Row, ToSql};

use super::Tx;
use crate::queue::life::{self, Move};
use crate::queue::message::MessageId;

/// Puts the entry `?4` behind a life that has room for it (`?5`). To SQLite the sum of two blobs is a text.
macro_rules! and_life {
    () => {
        "life = CASE WHEN length(life) < ?5 THEN CAST(life || ?4 AS BLOB) ELSE life END"
    };
}
pub(super) use and_life;

/// Carries out `sql`, which writes the message's new state and its life, and reads the row that it returns; `None` if the
/// message is not where the change begins. To `sql`, `?1` is the id, `?2` the new state, `?3` the time, `?4` the entry of the life
/// and `?5` its room; `values` begin at `?6`. Whoever must know of every change in its transaction hears of it here.
pub(super) fn change<T>(
    tx: &Tx<'_>,
    sql: &str,
    id: MessageId,
    to: &Move<'_>,
    values: &[&dyn ToSql],
    read: impl FnOnce(&Row<'_>) -> T,
) -> rusqlite::Result<Option<T>> {
    let mut statement = tx.conn.prepare_cached(sql)?;
    statement.raw_bind_parameter(1, id.as_bytes())?;
    statement.raw_bind_parameter(2, to.state as i64)?;
    statement.raw_bind_parameter(3, to.at.0)?;
    statement.raw_bind_parameter(4, to.entry())?;
    statement.raw_bind_parameter(5, i64::try_from(life::room(to.state)).unwrap_or(0))?;
    for (value, at) in values.iter().zip(6..) {
        statement.raw_bind_parameter(at, value)?;
    }
    let mut rows = statement.raw_query();
    Ok(rows.next()?.map(read))
}
