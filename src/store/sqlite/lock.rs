//! One daemon to a store: two would lease and send the same messages.
//!
//! The lock is on a file of its own, since closing any descriptor of the database would drop SQLite's own locks on it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::store::engine::OpenError;

/// Takes the lock, which lasts as long as the file is open and ends with the process.
pub(in crate::store) fn take(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let io = |source: io::Error| OpenError::Io { path: path.to_owned(), source };
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(name).map_err(io)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(error) => Err(io(error.into())),
    }
}
