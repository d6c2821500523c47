//! Another key: it seals from now on, and what an older one sealed moves to it in pieces.
//!
//! ```text
//! adopt    the new key is among those that must be there       one commit, before anything is sealed with it
//! move     what another key sealed is opened and sealed anew   a piece a commit, found by the readers
//! replaced the older keys are dated                            they still find what was compared with them, until that is purged
//! ```
//!
//! Whatever is cut off goes on at the next start, where the new key stands first in the key file already.

use rusqlite::params;
use rusqlite::types::Value;

use super::read::View;
use super::recovery::PIECE;
use super::{Tx, corrupt};
use crate::store::StoreError;
use crate::store::seal::{KeyId, Place};
use crate::units::UnixMs;

/// A key without which the store does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its name.
    pub id: KeyId,
    /// It seals.
    pub active: bool,
    /// Since when nothing is sealed with it any more.
    pub replaced: Option<UnixMs>,
}

/// Where sealed values are: table, column, and the column that is the row's key in [`Place`].
const SEALED: [(&str, &str, &str); 7] = [
    ("message", "body", "id"),
    ("incoming", "body", "id"),
    ("incoming", "pdu", "id"),
    ("part", "pdu", "mac"),
    ("token", "seed", "serial"),
    ("outbox", "body", "id"),
    ("callback", "target", "message"),
];

/// A column of [`SEALED`].
pub(in crate::store) type Column = (&'static str, &'static str, &'static str);

/// One that was replaced may come back.
pub(super) const ADOPT: &str =
    "INSERT INTO seal_key (id) VALUES (?1) ON CONFLICT (id) DO UPDATE SET replaced = NULL";

const REPLACED: &str = "UPDATE seal_key SET replaced = ?2 WHERE id <> ?1 AND replaced IS NULL";

const FORGET: &str = "DELETE FROM seal_key WHERE replaced < ?1";

/// All columns, to be gone through one by one.
pub(in crate::store) fn columns() -> impl Iterator<Item = Column> {
    SEALED.into_iter()
}

impl View<'_> {
    /// The keys that must be there.
    pub(in crate::store) fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let mut list = self.conn.prepare_cached("SELECT id, replaced FROM seal_key ORDER BY id")?;
        let mut rows = list.query([])?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_blob().ok().and_then(KeyId::from_slice);
            let id = id.ok_or_else(|| corrupt("key id"))?;
            let replaced = row.get::<_, Option<i64>>(1)?.map(UnixMs);
            keys.push(KeyRecord { id, active: id == self.keys.active_id(), replaced });
        }
        Ok(keys)
    }

    /// Rows behind `after` whose value another key than the active one sealed, in the order of their keys.
    pub(in crate::store) fn otherwise_sealed(
        &self,
        (table, column, key): Column,
        after: Option<Value>,
    ) -> Result<Vec<Value>, StoreError> {
        // Octets 2 to 9 of a sealed value name its key.
        let mut find = self.conn.prepare_cached(&format!(
            "SELECT {key} FROM {table} WHERE {key} > ?1 AND {column} <> x'' AND substr({column}, 2, 8) <> ?2
             ORDER BY {key} LIMIT ?3"
        ))?;
        // A text sorts before every blob.
        let after = after.unwrap_or(Value::Text(String::new()));
        let rows =
            find.query_map(params![after, self.keys.active_id().as_bytes(), PIECE], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// From now on the store cannot be opened without this key.
pub(in crate::store) fn adopt(tx: &mut Tx<'_>, id: KeyId) -> Result<(), StoreError> {
    tx.conn.prepare_cached(ADOPT)?.execute([id.as_bytes()])?;
    Ok(())
}

/// Seals the values of these rows with the active key, and tells how many. One that does not open stays as it is: it is lost already, and the full check
/// tells of it.
pub(in crate::store) fn reseal(tx: &mut Tx<'_>, column: Column, rows: &[Value]) -> Result<usize, StoreError> {
    let mut moved = 0;
    let (table, name, key) = column;
    let mut read = tx.conn.prepare_cached(&format!("SELECT {name} FROM {table} WHERE {key} = ?1"))?;
    let mut write = tx.conn.prepare_cached(&format!("UPDATE {table} SET {name} = ?2 WHERE {key} = ?1"))?;
    for row in rows {
        let octets = match row {
            Value::Text(text) => text.as_bytes(),
            Value::Blob(octets) => octets.as_slice(),
            _ => return Err(corrupt("key of a row")),
        };
        let mut found = read.query([row])?;
        let Some(sealed) = found.next()?.map(|row| row.get::<_, Vec<u8>>(0)).transpose()? else { continue };
        drop(found);
        let place = Place { table, column: name, row: octets };
        match tx.keys.open(place, &sealed) {
            Ok(plain) => {
                moved += write.execute(params![row, tx.keys.seal(place, &plain)?])?;
            }
            Err(_) if sealed.is_empty() => {}
            Err(error) => tracing::error!(table, column = name, %error, "a value stays under its key"),
        }
    }
    Ok(moved)
}

/// Nothing is sealed with the other keys any more.
pub(in crate::store) fn replaced(tx: &mut Tx<'_>, now: UnixMs) -> Result<(), StoreError> {
    tx.conn.prepare_cached(REPLACED)?.execute(params![tx.keys.active_id().as_bytes(), now.0])?;
    Ok(())
}

/// Keys that were replaced before `old` need not be there any more.
pub(in crate::store) fn forget(tx: &mut Tx<'_>, old: UnixMs) -> Result<(), StoreError> {
    tx.conn.prepare_cached(FORGET)?.execute([old.0])?;
    Ok(())
}
