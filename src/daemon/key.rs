//! The key that seals secrets at rest: from a systemd credential, from its file, or made on a first start outside systemd.

use std::path::{Path, PathBuf};

use crate::store::seal::{KeyError, Keyring};

/// Name of the systemd credential (`LoadCredential=smsotpd-key:...`).
const CREDENTIAL: &str = "smsotpd-key";

/// The key of this installation.
///
/// A missing file is made with mode 0600, unless systemd gave a credential, which always wins.
///
/// # Errors
/// When the key cannot be read, is readable by others, or cannot be made.
pub(super) fn load(path: &Path) -> Result<Keyring, KeyError> {
    if let Some(credential) = credential() {
        return Keyring::read_credential(&credential);
    }
    if path.exists() {
        return Keyring::read(path);
    }
    let key = Keyring::write_new(path)?;
    tracing::warn!(path = %path.display(), key = %key.active_id(), "made a new key; back it up apart from the store");
    Ok(key)
}

fn credential() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL);
    path.exists().then_some(path)
}
