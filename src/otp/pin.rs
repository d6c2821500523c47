//! PINs at rest: argon2id in a PHC string (RFC 9106), so that a stolen store costs tens of milliseconds a guess.
//!
//! Pure but slow: the shell runs these on a blocking thread, two at a time.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::secret::Secret;

/// Memory of one hash in KiB (19 MiB). Two at a time are all the daemon allows itself.
pub const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory: with [`MEMORY_KIB`] 50 to 100 ms on one core of a small appliance.
pub const PASSES: u32 = 4;
/// Octets of salt; RFC 9106 3.1 recommends sixteen.
pub const SALT_LEN: usize = 16;
/// Longer PINs are not typed by people; the bound keeps the first hash of argon2 short.
pub const PIN_MAX: usize = 128;

/// Verified where no token is, so that an unknown user takes as long as a wrong PIN. Nothing hashes to it on purpose.
pub const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=4,p=1$5aJKbBJ0SZ8wO9sSnRmO+g$Qk542hHmwlo8vFjkz38ab4asQw22xxZS1SjBYDXe900";

/// A PIN could not be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Longer than [`PIN_MAX`] octets.
    #[error("the PIN has {0} octets; at most 128 are allowed")]
    TooLong(usize),
    /// Argon2 refused; with our constants this means out of memory.
    #[error("the PIN could not be hashed")]
    Refused,
}

/// The PHC string of `pin` under `salt`, which the shell draws anew for every PIN.
///
/// # Errors
/// When the PIN is too long or there is no memory.
pub fn hash(pin: &str, salt: &[u8; SALT_LEN]) -> Result<Secret, PinError> {
    if pin.len() > PIN_MAX {
        return Err(PinError::TooLong(pin.len()));
    }
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| PinError::Refused)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(pin.as_bytes(), salt)
        .map(|phc: PasswordHash| Secret::from(phc.to_string()))
        .map_err(|_| PinError::Refused)
}

/// Whether `pin` hashes to `phc`; a PHC string that cannot be read matches nothing. Compared in constant time.
#[must_use]
pub fn verify(pin: &str, phc: &str) -> bool {
    // A longer PIN cannot have been enrolled, but costs the same: what is too long must not be told by the time it takes.
    let fits = pin.len() <= PIN_MAX;
    let pin = if fits { pin.as_bytes() } else { &[] };
    let Ok(parsed) = PasswordHash::new(phc) else { return false };
    Argon2::default().verify_password(pin, &parsed).is_ok() && fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_matches_its_own_hash_only() {
        let phc = hash("a%41 b+c", &[7; SALT_LEN]).unwrap();
        let text = phc.expose_str().unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=4,p=1$"), "{text}");
        assert!(verify("a%41 b+c", text));
        assert!(!verify("aA b+c", text));
        assert!(!verify("", text));
    }

    #[test]
    fn the_salt_changes_the_hash() {
        assert_ne!(hash("1234", &[1; SALT_LEN]).unwrap(), hash("1234", &[2; SALT_LEN]).unwrap());
    }

    #[test]
    fn the_dummy_costs_what_a_real_pin_costs() {
        let real = hash("1234", &[1; SALT_LEN]).unwrap();
        let parameters = |phc: &str| phc.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(DUMMY), parameters(real.expose_str().unwrap()));
        assert!(PasswordHash::new(DUMMY).is_ok());
        assert!(!verify("1234", DUMMY));
    }

    #[test]
    fn odd_input_matches_nothing() {
        assert!(!verify("1234", "no PHC string"));
        assert_eq!(hash(&"x".repeat(129), &[0; SALT_LEN]), Err(PinError::TooLong(129)));
        let empty = hash("", &[3; SALT_LEN]).unwrap();
        assert!(!verify(&"x".repeat(129), empty.expose_str().unwrap()));
    }
}
