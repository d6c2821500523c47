//! The embedded engine: SQLite in WAL mode, one writing thread, two reading connections.
//!
//! The write connection never leaves its thread ([`writer`]). Each room below holds the statements of one concern; all of
//! them run inside the writer's transaction and see it as [`Tx`].

pub(super) mod accept;
pub(super) mod again;
pub(super) mod alarms;
pub(super) mod allowance;
pub(super) mod boot;
pub(super) mod copy;
pub(super) mod inbox;
pub(super) mod keep;
pub(super) mod lanes;
pub(super) mod lease;
pub(super) mod life;
pub(super) mod lock;
pub(super) mod outbox;
pub(super) mod read;
pub(super) mod recovery;
pub(super) mod rekey;
pub(super) mod report;
mod room;
pub(super) mod spent;
pub(super) mod tokens;
pub(super) mod turn;
pub(super) mod upgrade;
pub(super) mod verify;
pub(super) mod writer;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};

use super::StoreError;
use super::engine::OpenError;
use super::keep::{ErasedNumber, KeptNumber};
use super::seal::{Keyring, SealError};
use crate::clock::NoEntropy;
use crate::number::Number;
use crate::pdu::Coding;
use crate::queue::message::{Lane, MessageId, State};
use crate::telemetry::over_budget::OverBudget;
use crate::units::UnixMs;

/// Migrations in order; `user_version` counts those applied.
const MIGRATIONS: [&str; 10] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
    include_str!("schema/0008.sql"),
    include_str!("schema/0009.sql"),
    include_str!("schema/0010.sql"),
];

/// Prepared statements kept by a connection: all there are, with room to grow.
const STATEMENTS: usize = 96;
/// How long another process (a backup, an operator's shell) may hold the lock before we give up.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// The log is grown to about this at the start, so that commits reuse its blocks instead of growing the file
/// (measured: 0.65 -> 0.47 ms a commit). The page cache keeps 2 MiB of it and spills the rest.
const GROWN_LOG: i64 = 6 << 20;

/// What a job sees of the transaction it runs in.
pub(super) struct Tx<'a> {
    pub(super) conn: &'a Connection,
    pub(super) keys: &'a Keyring,
    pub(super) hints: &'a mut lease::Hints,
    pub(super) news: &'a outbox::News,
    pub(super) over: &'a OverBudget,
}

/// Opens the file for writing: mode 0600, pragmas, migrations, keys.
pub(super) fn open(path: &Path, keys: &Keyring, most_pages: Option<u32>) -> Result<Connection, OpenError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    let engine = |error| refused(path, &error);
    let mut conn =
        Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE)).map_err(engine)?;
    prepare(&conn).map_err(engine)?;
    upgrade::refuse_newer(&conn, path)?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
         PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -2048;",
    )
    .map_err(engine)?;
    upgrade::migrate(&mut conn, path)?;
    check_keys(&conn, path, keys)?;
    grow_log(&conn).map_err(engine)?;
    if let Some(pages) = most_pages {
        conn.pragma_update(None, "max_page_count", pages).map_err(engine)?;
    }
    Ok(conn)
}

/// Opens the file for reading only.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let engine = |error| refused(path, &error);
    let conn = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE)).map_err(engine)?;
    prepare(&conn).map_err(engine)?;
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -512;").map_err(engine)?;
    Ok(conn)
}

/// Why the engine does not open a file.
fn refused(path: &Path, error: &rusqlite::Error) -> OpenError {
    let (path, reason) = (path.to_owned(), error.to_string());
    if is_damage(error) { OpenError::Damaged { path, reason } } else { OpenError::Engine { path, reason } }
}

/// Whether the engine found what it cannot have written.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Closing copies no more of the log into the file: what is damaged stays as it was found.
fn keep_as_found(conn: &Connection) {
    // Where even this fails, closing does what it always does.
    let _ = conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

fn flags(mode: OpenFlags) -> OpenFlags {
    mode | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.busy_timeout(LOCK_PATIENCE)?;
    // Else a statement is parsed and planned anew whenever a value bound to it turns from 0 or 1 to another or back, since that might
    // make for another plan: the two that every attempt runs cost more so than all the rest of its turn.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch("PRAGMA temp_store = MEMORY;")
}

/// Refuses a file with values under a key that we lack, and notes the active key.
fn check_keys(conn: &Connection, path: &Path, keys: &Keyring) -> Result<(), OpenError> {
    let engine = |error| refused(path, &error);
    if let Some(key) = copy::key_ids(conn, path)?.into_iter().find(|id| !keys.knows(*id)) {
        return Err(OpenError::UnknownKey { path: path.to_owned(), key });
    }
    conn.execute(rekey::ADOPT, [keys.active_id().as_bytes()]).map_err(engine)?;
    Ok(())
}

/// A large transaction spills into the log and is rolled back: the log keeps its blocks, the database does not grow.
fn grow_log(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("BEGIN IMMEDIATE; CREATE TABLE log_growth (filler BLOB);")?;
    let filled = conn.execute("INSERT INTO log_growth VALUES (zeroblob(?1))", [GROWN_LOG]);
    if !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK;")?;
    }
    match filled {
        Err(error) if error.sqlite_error_code() != Some(ErrorCode::DiskFull) => Err(error),
        _ => conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())),
    }
}

/// Copies the log into the database file without truncating the log.
pub(super) fn checkpoint(conn: &Connection) {
    // A checkpoint that fails loses nothing: the log is replayed at the next start.
    let _ = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked,
            ) => Self::Unwritable(error.to_string()),
            _ if is_damage(&error) => Self::Damaged(error.to_string()),
            _ => Self::Engine(error.to_string()),
        }
    }
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        Self::Sealed(error.to_string())
    }
}

impl From<NoEntropy> for StoreError {
    fn from(error: NoEntropy) -> Self {
        Self::Engine(error.to_string())
    }
}

/// Whether a statement failed because the row exists.
fn is_duplicate(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Engine(format!("the database holds an impossible {what}"))
}

fn id_of(row: &Row<'_>, at: usize) -> Result<MessageId, StoreError> {
    let bytes = row.get_ref(at)?.as_blob().map_err(|_| corrupt("message id"))?;
    MessageId::from_slice(bytes).ok_or_else(|| corrupt("message id"))
}

fn lane_of(row: &Row<'_>, at: usize) -> Result<Lane, StoreError> {
    Lane::from_code(row.get(at)?).ok_or_else(|| corrupt("lane"))
}

fn state_of(row: &Row<'_>, at: usize) -> Result<State, StoreError> {
    State::from_code(row.get(at)?).ok_or_else(|| corrupt("state"))
}

fn number_of(row: &Row<'_>, at: usize) -> Result<Number, StoreError> {
    Number::parse(&row.get::<_, String>(at)?, None).map_err(|_| corrupt("phone number"))
}

fn kept_number(row: &Row<'_>, at: usize) -> Result<KeptNumber, StoreError> {
    let text = row.get_ref(at)?.as_str().map_err(|_| corrupt("phone number"))?;
    match ErasedNumber::stored(text) {
        Some(erased) => Ok(KeptNumber::Erased(erased)),
        None => Ok(number_of(row, at)?.into()),
    }
}

/// Whether a sealed value was erased: it is empty then.
fn is_erased(row: &Row<'_>, at: usize) -> Result<bool, StoreError> {
    Ok(row.get_ref(at)?.as_blob().map_err(|_| corrupt("sealed value"))?.is_empty())
}

fn coding_of(row: &Row<'_>, at: usize) -> Result<Option<Coding>, StoreError> {
    let code: Option<u16> = row.get(at)?;
    code.map(|code| Coding::of_code(code).ok_or_else(|| corrupt("coding"))).transpose()
}

fn time_of(row: &Row<'_>, at: usize) -> Result<UnixMs, StoreError> {
    Ok(UnixMs(row.get(at)?))
}
