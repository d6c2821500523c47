//! Keys on their way to a second appliance: a file under a passphrase.
//!
//! ```text
//! smsotpd-keys-1 <salt> <nonce> <sealed lines of the key file>     hexadecimal, one line
//! ```
//!
//! Whoever finds the file must guess the passphrase, at a cost of 64 MiB and some tenths of a second a guess (argon2id, RFC 9106 4,
//! second recommended option); what the guess gives is authenticated, salt included.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

use super::Keyring;
use crate::clock::{self, NoEntropy};
use crate::secret::Secret;

/// The format.
const MARK: &str = "smsotpd-keys-1";
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;
const SALT_LEN: usize = 16;
const NONCE_LEN: usize = 24;
/// Fewer octets are guessed in an afternoon, whatever a guess costs.
pub const SHORTEST: usize = 12;

/// Why keys cannot be carried.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// A passphrase that protects nothing.
    #[error("the passphrase has {0} octets; give it at least 12, such as four words")]
    Short(usize),
    /// Some other file.
    #[error("this is no file that `smsotpctl store key export` wrote")]
    Format,
    /// It does not open.
    #[error("the passphrase is not that of the file, or the file was changed")]
    Passphrase,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

/// The file for this ring.
///
/// # Errors
/// When the passphrase is too short or there is no entropy.
pub fn wrap(ring: &Keyring, passphrase: &Secret) -> Result<String, CarryError> {
    if passphrase.len() < SHORTEST {
        return Err(CarryError::Short(passphrase.len()));
    }
    let (salt, nonce) = (clock::entropy::<SALT_LEN>()?, clock::entropy::<NONCE_LEN>()?);
    let lines = ring.to_lines();
    let payload = Payload { msg: lines.expose(), aad: &aad(&salt) };
    let sealed = cipher(passphrase, &salt)
        .and_then(|cipher| cipher.encrypt(&XNonce::from(nonce), payload).ok())
        .ok_or(CarryError::Passphrase)?;
    let hex = |octets: &[u8]| HEXLOWER.encode(octets);
    Ok(format!("{MARK} {} {} {}\n", hex(&salt), hex(&nonce), hex(&sealed)))
}

/// The ring in such a file.
///
/// # Errors
/// When it is another file, or the passphrase is not its.
pub fn unwrap(file: &[u8], passphrase: &Secret) -> Result<Keyring, CarryError> {
    let text = std::str::from_utf8(file).map_err(|_| CarryError::Format)?;
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [MARK, salt, nonce, sealed] = words[..] else { return Err(CarryError::Format) };
    let octets = |hex: &str| HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| CarryError::Format);
    let nonce: [u8; NONCE_LEN] = octets(nonce)?.try_into().map_err(|_| CarryError::Format)?;
    let salt: [u8; SALT_LEN] = octets(salt)?.try_into().map_err(|_| CarryError::Format)?;
    let sealed = octets(sealed)?;
    let payload = Payload { msg: &sealed, aad: &aad(&salt) };
    let lines = cipher(passphrase, &salt)
        .and_then(|cipher| cipher.decrypt(&XNonce::from(nonce), payload).ok())
        .map(Zeroizing::new)
        .ok_or(CarryError::Passphrase)?;
    Keyring::from_lines(&lines).ok_or(CarryError::Format)
}

fn aad(salt: &[u8]) -> Vec<u8> {
    [MARK.as_bytes(), salt].concat()
}

/// `None` where there is no memory for it.
fn cipher(passphrase: &Secret, salt: &[u8; SALT_LEN]) -> Option<XChaCha20Poly1305> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose(), salt, key.as_mut())
        .ok()?;
    Some(XChaCha20Poly1305::new((&*key).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_carried_whole_and_only_with_its_passphrase() {
        let ring = Keyring::generate().unwrap().with_older(Keyring::generate().unwrap());
        let passphrase = Secret::from("correct horse battery");
        let file = wrap(&ring, &passphrase).unwrap();
        let carried = unwrap(file.as_bytes(), &passphrase).unwrap();
        assert_eq!(carried.to_lines(), ring.to_lines());
        assert!(!file.contains(ring.to_lines().expose_str().unwrap().lines().next().unwrap()));
        let other = Secret::from("correct horse batterie");
        assert!(matches!(unwrap(file.as_bytes(), &other), Err(CarryError::Passphrase)));
        let (front, back) = file.trim_end().split_at(file.len() - 3);
        let changed = format!("{front}{}", if back == "00" { "01" } else { "00" });
        assert!(matches!(unwrap(changed.as_bytes(), &passphrase), Err(CarryError::Passphrase)));
        for odd in ["", "smsotpd-keys-1", "smsotpd-keys-1 0 0 0", "other 00 00 00"] {
            assert!(matches!(unwrap(odd.as_bytes(), &passphrase), Err(CarryError::Format)), "{odd}");
        }
        assert!(matches!(wrap(&ring, &Secret::from("short")), Err(CarryError::Short(5))));
    }
}
