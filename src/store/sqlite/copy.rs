//! Backups: made while the daemon runs, and put in the place of a store while it does not.
//!
//! A backup is one reading transaction (`VACUUM INTO`), which in WAL mode holds no writer up; nothing that was erased is in it. What it
//! holds stays sealed, so it is useless without the key. A restored store is older than the world: what was queued then may have left
//! since, and a code that was open then may have been used. So nothing of it is sent again, its challenges are gone, and no code
//! that may have been shown comes again.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{LOCK_PATIENCE, MIGRATIONS, lock, upgrade};
use crate::store::engine::OpenError;
use crate::store::seal::{KeyId, Keyring};
use crate::units::UnixMs;

/// Codes that were made since the backup are skipped: more than anybody asks for between two backups.
const CODES_SKIPPED: i64 = 10_000;

const NOT_AGAIN: &str =
    "UPDATE message SET state = 7, cause = 'restored from a backup: it may have left since'
    WHERE state IN (0, 1)";

const DOUBTS: &str = "UPDATE attempt SET state = 3, cause = 'restored from a backup' WHERE state = 0";

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Where it is.
    pub file: PathBuf,
    /// Its size.
    pub octets: u64,
    /// Its schema.
    pub schema: i64,
    /// The keys without which it is useless.
    pub keys: Vec<KeyId>,
    /// Its messages.
    pub messages: u64,
    /// Where the file is kept that it took the place of.
    pub replaced: Option<PathBuf>,
}

/// Copies the store at `path` to the new file `to`, mode 0600, while others write to it.
///
/// # Errors
/// When `to` exists or cannot be written, or the store cannot be read.
pub fn backup(path: &Path, to: &Path) -> Result<Copied, OpenError> {
    if to.symlink_metadata().is_ok() {
        return Err(OpenError::Copy { path: to.to_owned(), source: io::ErrorKind::AlreadyExists.into() });
    }
    let conn = read_only(path)?;
    upgrade::keep(&conn, to).map_err(|source| OpenError::Copy { path: to.to_owned(), source })?;
    told(to, None)
}

/// Puts the backup `from` in the place of the store at `path`, of which nobody may have hold; what was there is kept aside, named by `now`.
///
/// # Errors
/// When a daemon runs, when the backup is damaged, of a later release or sealed with a key that is not in `keys`, or when files
/// cannot be written. The store is as it was then.
pub fn restore(from: &Path, path: &Path, keys: &Keyring, now: UnixMs) -> Result<Copied, OpenError> {
    let _lock = lock::take(path)?;
    examine(from, keys)?;
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let new = suffixed(path, ".restored");
    place(from, &new, path).map_err(io)?;
    let engine = |error: rusqlite::Error| OpenError::Engine { path: new.clone(), reason: error.to_string() };
    let conn = Connection::open_with_flags(&new, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(engine)?;
    let tx = conn.unchecked_transaction().map_err(engine)?;
    for sql in [NOT_AGAIN, DOUBTS, "DELETE FROM challenge"] {
        tx.execute(sql, []).map_err(engine)?;
    }
    tx.execute("UPDATE token SET counter = counter + ?1", [CODES_SKIPPED]).map_err(engine)?;
    tx.commit().map_err(engine)?;
    conn.close().map_err(|(_, error)| engine(error))?;
    let replaced = put_aside(path, now).map_err(io)?;
    fs::rename(&new, path).map_err(io)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all()).map_err(io)?;
    told(path, replaced)
}

/// Whether it is whole, of a schema that this release knows, and sealed with keys that are there.
fn examine(file: &Path, keys: &Keyring) -> Result<(), OpenError> {
    let engine = |reason: String| OpenError::Engine { path: file.to_owned(), reason };
    let conn = read_only(file)?;
    let version = upgrade::version(&conn).map_err(|error| engine(error.to_string()))?;
    upgrade::refuse_newer(&conn, file)?;
    if version < 1 || usize::try_from(version).is_ok_and(|version| version > MIGRATIONS.len()) {
        return Err(engine("it is no store of smsotpd".to_owned()));
    }
    let whole: String = conn
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| engine(error.to_string()))?;
    if whole != "ok" {
        return Err(engine(format!("it is damaged: {whole}")));
    }
    match key_ids(&conn, file)?.into_iter().find(|id| !keys.knows(*id)) {
        Some(key) => Err(OpenError::UnknownKey { path: file.to_owned(), key }),
        None => Ok(()),
    }
}

/// Opens it for reading only; a missing file is told as such.
pub(super) fn read_only(path: &Path) -> Result<Connection, OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    File::open(path).map_err(io)?;
    let engine =
        |error: rusqlite::Error| OpenError::Engine { path: path.to_owned(), reason: error.to_string() };
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(engine)?;
    conn.busy_timeout(LOCK_PATIENCE).map_err(engine)?;
    Ok(conn)
}

/// The keys that sealed something in it.
pub(super) fn key_ids(conn: &Connection, path: &Path) -> Result<Vec<KeyId>, OpenError> {
    let engine = |reason: String| OpenError::Engine { path: path.to_owned(), reason };
    let mut stored = conn.prepare("SELECT id FROM seal_key").map_err(|error| engine(error.to_string()))?;
    let ids =
        stored.query_map([], |row| row.get::<_, Vec<u8>>(0)).map_err(|error| engine(error.to_string()))?;
    ids.map(|id| {
        let id = id.map_err(|error| engine(error.to_string()))?;
        KeyId::from_slice(&id).ok_or_else(|| engine("a key id is not eight octets".to_owned()))
    })
    .collect()
}

fn told(file: &Path, replaced: Option<PathBuf>) -> Result<Copied, OpenError> {
    let engine =
        |error: rusqlite::Error| OpenError::Engine { path: file.to_owned(), reason: error.to_string() };
    let conn = read_only(file)?;
    let messages: i64 =
        conn.query_row("SELECT sum(messages) FROM tally", [], |row| row.get(0)).map_err(engine)?;
    let octets = file.metadata().map_err(|source| OpenError::Io { path: file.to_owned(), source })?.len();
    Ok(Copied {
        file: file.to_owned(),
        octets,
        schema: upgrade::version(&conn).map_err(engine)?,
        keys: key_ids(&conn, file)?,
        messages: u64::try_from(messages).unwrap_or(0),
        replaced,
    })
}

/// A copy of `from` at `to`, whole and durable, that belongs to whoever has the store, or its directory.
fn place(from: &Path, to: &Path, store: &Path) -> io::Result<()> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let owner = store.metadata().or_else(|_| store.parent().unwrap_or(store).metadata())?;
    let own = file.metadata()?;
    if (owner.uid(), owner.gid()) != (own.uid(), own.gid()) {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    io::copy(&mut File::open(from)?, &mut file)?;
    file.sync_all()
}

/// Moves the store out of the way, with its log, without which it would not be whole.
fn put_aside(path: &Path, now: UnixMs) -> io::Result<Option<PathBuf>> {
    if !path.exists() {
        return Ok(None);
    }
    let aside = suffixed(path, &format!(".replaced-{}", now.0 / 1_000));
    for part in ["-wal", "-shm", ""] {
        match fs::rename(suffixed(path, part), suffixed(&aside, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(Some(aside))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
