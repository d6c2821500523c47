//! Which appliance this is: a random id that outlives restarts, so that an appliance finds its own leases again, and only those.
//!
//! ```text
//! /var/lib/smsotpd/appliance    32 hexadecimal digits, mode 0600, made at the first start
//! ```
//!
//! It lies where the embedded store would. Neither the key nor the machine's id would do: appliances share the one by design, and
//! containers and cloned disks the other. Two daemons that have the same file all the same are told apart by an advisory lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::clock;
use crate::store::engine::OpenError;

/// The file's name.
const NAME: &str = "appliance";

/// Reads the id, or makes one that is durable before it is used.
pub(super) fn identity(store: &Path) -> Result<Uuid, OpenError> {
    let path = store.with_file_name(NAME);
    let failed = |source| OpenError::Appliance { path: path.clone(), source };
    match fs::read_to_string(&path) {
        Ok(text) => {
            Uuid::try_parse(text.trim()).map_err(|_| failed(io::Error::other("it is no appliance id")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

fn make(path: &Path) -> io::Result<Uuid> {
    let id = Uuid::from_bytes(clock::entropy().map_err(io::Error::other)?);
    let unfinished: PathBuf = path.with_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    writeln!(file, "{}", id.simple())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())?;
    Ok(id)
}

/// The advisory lock that only the living holder of the id has.
pub(super) fn lock(id: Uuid) -> i64 {
    id.as_bytes().first_chunk().copied().map_or(0, i64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appliance_knows_itself_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store.db");
        let id = identity(&store).unwrap();
        assert_eq!(identity(&store).unwrap(), id);
        fs::write(dir.path().join(NAME), "not an id").unwrap();
        assert!(matches!(identity(&store), Err(OpenError::Appliance { .. })));
        fs::remove_file(dir.path().join(NAME)).unwrap();
        assert_ne!(identity(&store).unwrap(), id);
    }
}
