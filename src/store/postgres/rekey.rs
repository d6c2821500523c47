//! Another key: it seals from now on, and what an older one sealed moves to it in pieces, as in the embedded store.
//!
//! Every appliance must have the new key in its file before the first of them seals with it. One that has not cannot read what the
//! others accept from then on, leaves it to them, and says so.

use tokio_postgres::types::ToSql;

use super::Tx;
use super::read::View;
use super::recovery::PIECE;
use crate::store::StoreError;
use crate::store::engine::KeyRecord;
use crate::store::seal::{KeyId, Place};
use crate::units::UnixMs;

/// One that was replaced may come back.
pub(super) const ADOPT: &str =
    "INSERT INTO seal_key (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET replaced = NULL";

const REPLACED: &str = "UPDATE seal_key SET replaced = $2 WHERE id <> $1 AND replaced IS NULL";

const FORGET: &str = "DELETE FROM seal_key WHERE replaced < $1";

/// Where sealed values are, and how they are found and written: octets 2 to 9 of one name its key.
pub(super) struct Column {
    table: &'static str,
    column: &'static str,
    find: &'static str,
    write: &'static str,
}

macro_rules! sealed {
    ($table:literal, $column:literal, $key:literal, $octets:literal, $kind:literal) => {
        Column {
            table: $table,
            column: $column,
            find: concat!(
                "SELECT ",
                $key,
                "::text AS named, ",
                $octets,
                " AS octets, ",
                $column,
                " FROM ",
                $table,
                " WHERE ($1::text IS NULL OR ",
                $key,
                " > $1::text::",
                $kind,
                ") AND ",
                $column,
                " <> '' AND substring(",
                $column,
                " FROM 2 FOR 8) <> $2 ORDER BY ",
                $key,
                " LIMIT $3 FOR UPDATE"
            ),
            write: concat!("UPDATE ", $table, " SET ", $column, " = $2 WHERE ", $key, " = $1::text::", $kind),
        }
    };
}

/// All columns, to be gone through one by one.
pub(super) static COLUMNS: [Column; 7] = [
    sealed!("message", "body", "id", "uuid_send(id)", "uuid"),
    sealed!("incoming", "body", "id", "id", "bytea"),
    sealed!("incoming", "pdu", "id", "id", "bytea"),
    sealed!("part", "pdu", "mac", "mac", "bytea"),
    sealed!("token", "seed", "serial", "convert_to(serial, 'UTF8')", "text"),
    sealed!("outbox", "body", "id", "id", "bytea"),
    sealed!("callback", "target", "message", "uuid_send(message)", "uuid"),
];

impl View<'_> {
    /// The keys that must be there.
    pub(super) async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = self.link.query("SELECT id, replaced FROM seal_key ORDER BY id", &[]).await?;
        rows.iter()
            .map(|row| {
                let id = KeyId::from_slice(row.try_get(0)?).ok_or_else(|| super::corrupt("key id"))?;
                let replaced = self.time_if(row, 1)?;
                Ok(KeyRecord { id, active: id == self.keys.active_id(), replaced })
            })
            .collect()
    }
}

/// From now on the store cannot be opened without this key.
pub(super) async fn adopt(tx: &Tx<'_>, id: KeyId) -> Result<(), StoreError> {
    tx.link.execute(ADOPT, &[&id.as_bytes().as_slice()]).await.map(drop)
}

/// Seals a piece of a column behind the row `after` with the active key, and tells the last row it looked at (`None` at the end) and
/// how many moved. One that does not open stays as it is: it is lost already.
pub(super) async fn reseal(
    tx: &Tx<'_>,
    column: &Column,
    after: Option<&str>,
) -> Result<(Option<String>, usize), StoreError> {
    let active = tx.keys.active_id();
    let Column { table, column: name, find, write } = column;
    let values: [&(dyn ToSql + Sync); 3] = [&after, &active.as_bytes().as_slice(), &PIECE];
    let (mut last, mut moved) = (None, 0);
    for row in tx.link.query(find, &values).await? {
        let key: String = row.try_get(0)?;
        let place = Place { table, column: name, row: row.try_get(1)? };
        match tx.keys.open(place, row.try_get(2)?) {
            Ok(plain) => {
                tx.link.execute(write, &[&key, &tx.keys.seal(place, &plain)?]).await?;
                moved += 1;
            }
            Err(error) => tracing::error!(table, column = name, %error, "a value stays under its key"),
        }
        last = Some(key);
    }
    Ok((last, moved))
}

/// Nothing is sealed with the other keys any more.
pub(super) async fn replaced(tx: &Tx<'_>, now: UnixMs) -> Result<(), StoreError> {
    let active = tx.keys.active_id();
    tx.link.execute(REPLACED, &[&active.as_bytes().as_slice(), &tx.at(now)]).await.map(drop)
}

/// Keys that were replaced before `old` need not be there any more.
pub(super) async fn forget(tx: &Tx<'_>, old: UnixMs) -> Result<(), StoreError> {
    tx.link.execute(FORGET, &[&tx.at(old)]).await.map(drop)
}
