//! The schema: brought up to date in one transaction, after a copy of the database as it was is safe on the disk.
//!
//! ```text
//! smsotpd.db             schema 3, in use
//! smsotpd.db.schema-2    as it was before the upgrade from 2; mode 0600, its values sealed as before
//! ```
//!
//! The copy is for the way back: the release before reads it. It is complete or not there, so a start that was cut off in the
//! middle of it makes it anew.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rusqlite::Connection;

use super::{MIGRATIONS, refused};
use crate::store::engine::OpenError;
use crate::units::UnixMs;

/// Copies that are kept, of the newest schemas: the way back over two releases.
const COPIES: usize = 2;

/// Refuses a file that a later release wrote, before anything in it is touched.
pub(super) fn refuse_newer(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let found = version(conn).map_err(|error| refused(path, &error))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// Applies what is missing, all of it or nothing.
pub(super) fn migrate(conn: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let found = version(conn).map_err(|error| refused(path, &error))?;
    let done = usize::try_from(found).unwrap_or(0);
    if done >= MIGRATIONS.len() {
        return Ok(());
    }
    // A file that was made just now holds nothing to go back to.
    if done > 0 {
        let copy = copy_name(path, done);
        keep(conn, &copy).map_err(|source| OpenError::Copy { path: copy.clone(), source })?;
        tracing::info!(copy = %copy.display(), from = done, to = MIGRATIONS.len(), "the store is upgraded");
    }
    apply(conn, done).map_err(|error| refused(path, &error))?;
    if let Err(error) = remove_older(path) {
        tracing::warn!(%error, "older copies of the store could not be removed");
    }
    Ok(())
}

fn apply(conn: &mut Connection, done: usize) -> rusqlite::Result<()> {
    let tx = conn.transaction()?;
    for sql in MIGRATIONS.iter().skip(done) {
        tx.execute_batch(sql)?;
    }
    tx.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))?;
    tx.commit()
}

pub(super) fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn copy_name(path: &Path, version: usize) -> PathBuf {
    with_suffix(path, &format!(".schema-{version}"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes the database to `copy`, whole and durable, in the place of an earlier one.
pub(super) fn keep(conn: &Connection, copy: &Path) -> io::Result<()> {
    let unfinished = with_suffix(copy, ".new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // SQLite would make it with the mode that the umask leaves, but takes an empty file as it is.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let name = unfinished.to_str().ok_or_else(|| io::Error::other("its name is not UTF-8"))?;
    conn.execute("VACUUM INTO ?1", [name]).map_err(io::Error::other)?;
    // VACUUM INTO leaves that to us.
    file.sync_all()?;
    fs::rename(&unfinished, copy)?;
    copy.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Removes the copies of all schemas but the newest few.
fn remove_older(path: &Path) -> io::Result<()> {
    let versions = copies(path)?;
    let surplus = versions.len().saturating_sub(COPIES);
    versions.into_iter().take(surplus).try_for_each(|version| fs::remove_file(copy_name(path, version)))
}

/// Removes the copies that were made before `old`.
pub(in crate::store) fn remove_outlived(path: &Path, old: UnixMs) -> io::Result<()> {
    for version in copies(path)? {
        let copy = copy_name(path, version);
        let made = copy.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        if UnixMs(0).plus(made) < old {
            fs::remove_file(&copy)?;
            tracing::info!(copy = %copy.display(), "an old copy of the store is removed");
        }
    }
    Ok(())
}

/// The schemas of which there are copies, the oldest first.
fn copies(path: &Path) -> io::Result<Vec<usize>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(Vec::new());
    };
    let prefix = format!("{name}.schema-");
    let mut versions = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let version = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.parse::<usize>().ok());
        versions.extend(version);
    }
    versions.sort_unstable();
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_copies_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        for version in [1, 2, 9, 10] {
            fs::write(copy_name(&path, version), "").unwrap();
        }
        let others = ["other.db.schema-1", "store.db.schema-x", "store.db.schema-1.new", "store.db"];
        for other in others {
            fs::write(dir.path().join(other), "").unwrap();
        }
        remove_older(&path).unwrap();
        let left = |version| copy_name(&path, version).exists();
        assert_eq!([1, 2, 9, 10].map(left), [false, false, true, true]);
        assert!(others.iter().all(|other| dir.path().join(other).exists()));
    }

    #[test]
    fn copies_go_when_they_are_as_old_as_what_they_hold_may_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        for (version, made) in [(1, 1_000), (2, 2_000)] {
            let copy = File::create(copy_name(&path, version)).unwrap();
            copy.set_modified(UNIX_EPOCH + std::time::Duration::from_millis(made)).unwrap();
        }
        fs::write(&path, "").unwrap();
        remove_outlived(&path, UnixMs(2_000)).unwrap();
        assert_eq!(copies(&path).unwrap(), [2]);
        assert!(path.exists());
        remove_outlived(&path, UnixMs(2_001)).unwrap();
        assert_eq!(copies(&path).unwrap(), [0; 0]);
    }
}
