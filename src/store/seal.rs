//! Secrets at rest: sealed values and keyed comparison.
//!
//! A value is sealed with XChaCha20-Poly1305 under a random 24-octet nonce; table, column and row key are associated data,
//! so that a value moved to another row does not open. What only has to be compared is an HMAC-SHA256 under another subkey.
//!
//! ```text
//! sealed value = version (1) || key id (8) || nonce (24) || ciphertext || tag (16)
//! key id       = first 8 octets of HMAC-SHA256(key, "smsotpd key id")
//! subkeys      = HKDF-SHA256(key, info = "smsotpd seal" | "smsotpd compare")
//! ```

pub mod carry;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::clock::{self, NoEntropy};
use crate::secret::Secret;

/// Octets of a master key.
const KEY_LEN: usize = 32;
/// Octets of a key id.
const ID_LEN: usize = 8;
/// Octets of an XChaCha20 nonce; long enough to be drawn at random for ever.
const NONCE_LEN: usize = 24;
/// The only format there is.
const VERSION: u8 = 1;
/// A key file has a line of 64 characters for each key; more than this is some other file.
const KEY_FILE_MOST: u64 = 1024;

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("key file {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anyone else could read it.
    #[error("key file {path} has mode {mode:04o}; it must not be readable by group or others (chmod 0600)")]
    Readable {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not lines of 64 hexadecimal digits.
    #[error("key file {0} does not hold lines of 64 hexadecimal digits, one for each key")]
    Malformed(PathBuf),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Shorter than its own header, or of another version.
    #[error("it has no known format")]
    Format,
    /// Sealed under a key that is not in the ring.
    #[error("its key {0} is not in the key ring")]
    UnknownKey(KeyId),
    /// Changed, or moved from another place.
    #[error("it was changed or moved from another row")]
    Forged,
    /// No random bytes for the nonce.
    #[error("the operating system gives no random bytes")]
    Entropy,
}

/// Names a key without telling it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; ID_LEN]);

impl KeyId {
    /// The octets, as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; ID_LEN] {
        &self.0
    }

    /// From stored octets; `None` unless there are eight.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a sealed value stands; part of what is authenticated.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row's key.
    pub row: &'a [u8],
}

impl Place<'_> {
    /// Unambiguous octets: the two names hold no NUL.
    fn associated(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(self.table.len() + self.column.len() + self.row.len() + 2);
        data.extend_from_slice(self.table.as_bytes());
        data.push(0);
        data.extend_from_slice(self.column.as_bytes());
        data.push(0);
        data.extend_from_slice(self.row);
        data
    }
}

/// One key with what is derived from it.
struct Key {
    id: KeyId,
    cipher: XChaCha20Poly1305,
    compare: Hmac<Sha256>,
    master: Zeroizing<[u8; KEY_LEN]>,
}

impl Key {
    fn new(master: Zeroizing<[u8; KEY_LEN]>) -> Self {
        let mut naming = keyed(master.as_ref());
        naming.update(b"smsotpd key id");
        let mut id = [0; ID_LEN];
        for (to, from) in id.iter_mut().zip(naming.finalize().into_bytes()) {
            *to = from;
        }
        let seal = derive(&master, b"smsotpd seal");
        let compare = derive(&master, b"smsotpd compare");
        Self {
            id: KeyId(id),
            cipher: XChaCha20Poly1305::new((&*seal).into()),
            compare: keyed(compare.as_ref()),
            master,
        }
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[expect(clippy::expect_used, reason = "32 octets are far below the 8160 that HKDF-SHA256 can give")]
fn derive(master: &Zeroizing<[u8; KEY_LEN]>, info: &[u8]) -> Zeroizing<[u8; KEY_LEN]> {
    let mut out = Zeroizing::new([0; KEY_LEN]);
    Hkdf::<Sha256>::new(None, master.as_ref()).expand(info, out.as_mut()).expect("32 octets");
    out
}

/// The active key, and older ones that still open what they sealed.
pub struct Keyring {
    active: Key,
    older: Vec<Key>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys().map(|key| key.id)).finish()
    }
}

impl Keyring {
    /// A ring of one new random key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self { active: Key::new(Zeroizing::new(clock::entropy()?)), older: Vec::new() })
    }

    /// A ring of the keys in the file at `path`, which nobody but its owner may read. The first seals, the others only open.
    ///
    /// # Errors
    /// When it cannot be read, others may read it, or it holds no key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Io { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Readable { path: path.to_owned(), mode });
        }
        Self::read_credential(path)
    }

    /// The same for a credential, which systemd gives to one service alone: by an access list, whose mask shows as the
    /// group's mode bits although no group may read.
    ///
    /// # Errors
    /// When it cannot be read, or it holds no key.
    pub fn read_credential(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Io { path: path.to_owned(), source };
        let metadata = fs::metadata(path).map_err(failed)?;
        if metadata.len() > KEY_FILE_MOST {
            return Err(KeyError::Malformed(path.to_owned()));
        }
        let text = Zeroizing::new(fs::read(path).map_err(failed)?);
        Self::from_lines(&text).ok_or_else(|| KeyError::Malformed(path.to_owned()))
    }

    /// From the lines of a key file; `None` unless each is a key and there is one.
    #[must_use]
    pub fn from_lines(text: &[u8]) -> Option<Self> {
        let mut keys = Vec::new();
        for line in text.trim_ascii().split(|octet| *octet == b'\n') {
            let octets = HEXLOWER_PERMISSIVE.decode(line.trim_ascii()).map(Zeroizing::new).ok()?;
            keys.push(Key::new(Zeroizing::new(octets.as_slice().try_into().ok()?)));
        }
        let mut keys = keys.into_iter();
        Some(Self { active: keys.next()?, older: keys.collect() })
    }

    /// The lines of a key file of this ring.
    #[must_use]
    pub fn to_lines(&self) -> Secret {
        let mut lines = Vec::new();
        for key in self.keys() {
            lines.extend_from_slice(Zeroizing::new(HEXLOWER.encode(key.master.as_ref())).as_bytes());
            lines.push(b'\n');
        }
        Secret::new(lines)
    }

    /// Makes a new key and writes it to `path` with mode 0600; never overwrites.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write_new(path: &Path) -> Result<Self, KeyError> {
        let ring = Self::generate()?;
        ring.write(path)?;
        Ok(ring)
    }

    /// Writes the ring to the new file `path` with mode 0600; never overwrites.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        let failed = |source| KeyError::Io { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(self.to_lines().expose()).and_then(|()| file.sync_all()).map_err(failed)?;
        // Its name too: a store is sealed with it from now on, and without it nothing there opens again.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = fs::File::open(directory.unwrap_or(Path::new("."))).map_err(failed)?;
        directory.sync_all().map_err(failed)
    }

    /// Adds keys that only open: those of `older`, its active one included.
    #[must_use]
    pub fn with_older(mut self, older: Self) -> Self {
        self.older.push(older.active);
        self.older.extend(older.older);
        self
    }

    /// This ring, and behind it the keys of `other` that it lacks.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let again = |key: &Key| Key::new(key.master.clone());
        let lacking = other.keys().filter(|key| !self.knows(key.id));
        Self { active: again(&self.active), older: self.older.iter().chain(lacking).map(again).collect() }
    }

    /// A ring of a new key, and behind it those of this one that are `needed`.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn renewed(&self, needed: impl Fn(KeyId) -> bool) -> Result<Self, KeyError> {
        let older = self.keys().filter(|key| key.id == self.active.id || needed(key.id));
        let older = older.map(|key| Key::new(key.master.clone())).collect();
        Ok(Self { older, ..Self::generate()? })
    }

    /// The key that seals.
    #[must_use]
    pub fn active_id(&self) -> KeyId {
        self.active.id
    }

    /// Whether values under this key can be opened.
    #[must_use]
    pub fn knows(&self, id: KeyId) -> bool {
        self.keys().any(|key| key.id == id)
    }

    /// The same for a key as it is shown.
    #[must_use]
    pub fn knows_named(&self, id: &str) -> bool {
        self.keys().any(|key| key.id.to_string() == id)
    }

    /// Seals `plain` for its place.
    ///
    /// # Errors
    /// [`SealError::Entropy`] only.
    pub fn seal(&self, place: Place<'_>, plain: &Secret) -> Result<Vec<u8>, SealError> {
        let nonce = clock::entropy::<NONCE_LEN>().map_err(|_| SealError::Entropy)?;
        let payload = Payload { msg: plain.expose(), aad: &place.associated() };
        let sealed =
            self.active.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Format)?;
        let mut value = Vec::with_capacity(1 + ID_LEN + NONCE_LEN + sealed.len());
        value.push(VERSION);
        value.extend_from_slice(&self.active.id.0);
        value.extend_from_slice(&nonce);
        value.extend_from_slice(&sealed);
        Ok(value)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// When it was sealed under an unknown key, for another place, or was changed.
    pub fn open(&self, place: Place<'_>, value: &[u8]) -> Result<Secret, SealError> {
        let (version, rest) = value.split_first().ok_or(SealError::Format)?;
        let (id, rest) = rest.split_first_chunk::<ID_LEN>().ok_or(SealError::Format)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Format)?;
        if *version != VERSION {
            return Err(SealError::Format);
        }
        let key = self.keys().find(|key| key.id.0 == *id).ok_or(SealError::UnknownKey(KeyId(*id)))?;
        let payload = Payload { msg: sealed, aad: &place.associated() };
        key.cipher.decrypt(&XNonce::from(*nonce), payload).map(Secret::new).map_err(|_| SealError::Forged)
    }

    /// HMAC of `parts` for comparison in `purpose`, under the active key.
    #[must_use]
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.active, purpose, parts)
    }

    /// The same under every key of the ring, the active one first: what was stored before a rotation is still found.
    pub fn macs<'a>(
        &'a self,
        purpose: &'a str,
        parts: &'a [&'a [u8]],
    ) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.keys().map(move |key| mac(key, purpose, parts))
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.active).chain(&self.older)
    }
}

/// Each part goes in with its length, so that no two lists of parts give the same octets.
fn mac(key: &Key, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = key.compare.clone();
    for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(row: &[u8]) -> Place<'_> {
        Place { table: "message", column: "body", row }
    }

    #[test]
    fn what_is_sealed_opens_in_its_own_place_only() {
        let ring = Keyring::generate().unwrap();
        let value = ring.seal(place(b"1"), &Secret::from("your code is 123456")).unwrap();
        assert_eq!(ring.open(place(b"1"), &value).unwrap(), Secret::from("your code is 123456"));
        assert_eq!(ring.open(place(b"2"), &value).unwrap_err(), SealError::Forged);
        let other = Place { table: "message", column: "cause", row: b"1" };
        assert_eq!(ring.open(other, &value).unwrap_err(), SealError::Forged);
    }

    #[test]
    fn no_octet_may_change_and_none_may_be_missing() {
        let ring = Keyring::generate().unwrap();
        let value = ring.seal(place(b"1"), &Secret::from("x")).unwrap();
        for at in 0..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 1;
            assert!(ring.open(place(b"1"), &changed).is_err(), "octet {at}");
            assert!(ring.open(place(b"1"), &value[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn an_older_key_still_opens_and_a_foreign_one_is_named() {
        let old = Keyring::generate().unwrap();
        let (old_id, value) = (old.active_id(), old.seal(place(b"1"), &Secret::from("x")).unwrap());
        let foreign = Keyring::generate().unwrap();
        assert_eq!(foreign.open(place(b"1"), &value).unwrap_err(), SealError::UnknownKey(old_id));
        let before = old.mac("m", &[b"a"]);
        let ring = foreign.with_older(old);
        assert!(ring.knows(old_id) && ring.active_id() != old_id);
        assert!(ring.open(place(b"1"), &value).is_ok());
        assert!(ring.macs("m", &[b"a"]).any(|mac| mac == before));
    }

    #[test]
    fn macs_keep_their_parts_apart() {
        let ring = Keyring::generate().unwrap();
        assert_ne!(ring.mac("m", &[b"ab", b"c"]), ring.mac("m", &[b"a", b"bc"]));
        assert_ne!(ring.mac("m", &[b"a"]), ring.mac("n", &[b"a"]));
        assert_eq!(ring.mac("m", &[b"a"]), ring.mac("m", &[b"a"]));
    }

    #[test]
    fn a_key_file_is_private_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let id = Keyring::write_new(&path).unwrap().active_id();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Keyring::read(&path).unwrap().active_id(), id);
        assert!(matches!(Keyring::write_new(&path), Err(KeyError::Io { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Keyring::read(&path), Err(KeyError::Readable { mode: 0o640, .. })));
        assert_eq!(Keyring::read_credential(&path).unwrap().active_id(), id);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "not a key\n").unwrap();
        assert!(matches!(Keyring::read(&path), Err(KeyError::Malformed(_))));
    }
}
