//! The full check of a store or a backup, for which a start has no time: read only, in one snapshot, beside a running daemon.

use std::path::Path;

use rusqlite::Connection;

use super::{MIGRATIONS, copy, rekey, upgrade};
use crate::store::engine::OpenError;
use crate::store::seal::{Keyring, Place};

/// More faults of one kind than this tell nothing more.
const TOLD: usize = 20;

/// What no two parts of the daemon can have left behind, each with what it means.
const CONTRADICTIONS: [(&str, &str); 4] = [
    (
        "submitted without an attempt that was",
        "SELECT hex(id) FROM message m WHERE state IN (2, 3)
         AND NOT EXISTS (SELECT 1 FROM attempt WHERE message = m.id AND state = 1)",
    ),
    (
        "an attempt in the air of a message that nobody holds",
        "SELECT hex(message) FROM attempt a WHERE state = 0
         AND NOT EXISTS (SELECT 1 FROM message WHERE id = a.message AND state = 1)",
    ),
    (
        "counts of messages that are not so many",
        "SELECT lane || '/' || state FROM tally t
         WHERE messages <> (SELECT count(*) FROM message m WHERE m.lane = t.lane AND m.state = t.state)",
    ),
    (
        "a text of a message that arrived or was taken back",
        "SELECT hex(id) FROM message WHERE state IN (3, 6) AND body <> x''",
    ),
];

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Sealed values that open.
    pub opened: u64,
    /// What is wrong, for people; empty for a good store.
    pub faults: Vec<String>,
}

/// Checks the file as a whole.
///
/// # Errors
/// When it cannot be read, or is of a schema that this release does not check.
pub fn verify(path: &Path, keys: &Keyring) -> Result<Verified, OpenError> {
    let engine =
        |error: rusqlite::Error| OpenError::Engine { path: path.to_owned(), reason: error.to_string() };
    let conn = copy::read_only(path)?;
    upgrade::refuse_newer(&conn, path)?;
    let found = upgrade::version(&conn).map_err(engine)?;
    if usize::try_from(found).ok() != Some(MIGRATIONS.len()) {
        let reason = format!(
            "it has schema {found}, this release checks {}; the release that wrote it can check it, or start the daemon on it first",
            MIGRATIONS.len()
        );
        return Err(OpenError::Engine { path: path.to_owned(), reason });
    }
    let mut faults = Vec::new();
    let unknown = copy::key_ids(&conn, path)?.into_iter().filter(|id| !keys.knows(*id));
    faults.extend(unknown.map(|id| format!("its key {id} is not among those given")));
    let tx = conn.unchecked_transaction().map_err(engine)?;
    let opened = examine(&tx, keys, &mut faults).map_err(engine)?;
    Ok(Verified { opened, faults })
}

fn examine(conn: &Connection, keys: &Keyring, faults: &mut Vec<String>) -> rusqlite::Result<u64> {
    let damaged = texts(conn, &format!("PRAGMA integrity_check({TOLD})"))?;
    if damaged != ["ok"] {
        // Nothing more can be said of a file that is not whole.
        faults.extend(damaged.into_iter().map(|damage| format!("damaged: {damage}")));
        return Ok(0);
    }
    let orphans = texts(conn, "SELECT DISTINCT \"table\" FROM pragma_foreign_key_check")?;
    faults.extend(orphans.into_iter().map(|table| format!("rows of {table} without what they belong to")));
    for (what, sql) in CONTRADICTIONS {
        let found = texts(conn, &format!("{sql} LIMIT {}", TOLD + 1))?;
        faults.extend(found.iter().take(TOLD).map(|which| format!("{which}: {what}")));
        if found.len() > TOLD {
            faults.push(format!("and more: {what}"));
        }
    }
    let mut opened = 0;
    for (table, column, row) in rekey::columns() {
        opened += open_all(conn, keys, (table, column, row), faults)?;
    }
    Ok(opened)
}

fn open_all(
    conn: &Connection,
    keys: &Keyring,
    (table, column, key): (&'static str, &'static str, &str),
    faults: &mut Vec<String>,
) -> rusqlite::Result<u64> {
    let mut all = conn.prepare(&format!(
        "SELECT CAST({key} AS BLOB), {column} FROM {table} WHERE {column} <> x'' ORDER BY {key}"
    ))?;
    let mut rows = all.query([])?;
    let (mut opened, mut wrong) = (0, 0);
    while let Some(row) = rows.next()? {
        let (of, sealed): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
        match keys.open(Place { table, column, row: &of }, &sealed) {
            Ok(_) => opened += 1,
            Err(error) => {
                wrong += 1;
                if wrong <= TOLD {
                    let of = data_encoding::HEXUPPER.encode(&of);
                    faults.push(format!("{of}: {column} of {table} does not open: {error}"));
                }
            }
        }
    }
    if wrong > TOLD {
        faults.push(format!("{wrong} values of {column} of {table} do not open in all"));
    }
    Ok(opened)
}

fn texts(conn: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut all = conn.prepare(sql)?;
    let rows = all.query_map([], |row| row.get(0))?;
    rows.collect()
}
