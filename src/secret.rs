//! Secrets that cannot be printed: PINs, codes, keys and message bodies live in [`Secret`], are wiped when dropped and
//! compared in constant time.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Octets that are wiped one by one.
const SHORT: usize = 32;

/// Bytes that never reach a log: no `Display`, `Debug` shows only the length class, wiped on drop.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes over; the caller keeps no copy.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Nothing, as where a password is asked for and none was given.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// The bytes, for the one place that needs them. The long name is meant to be seen in review.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Length in octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Zeros over the whole capacity, for a buffer may once have held more than it does. Growing to the capacity moves
    /// nothing. A long one is filled at once, and then shown to assembly that the compiler cannot see through (volatile
    /// stores on targets without), so that it stays; a short one is stored octet by octet, for there a
    /// fill costs several times that.
    fn wipe(&mut self) {
        let capacity = self.0.capacity();
        if self.0.len() < capacity {
            self.0.resize(capacity, 0);
        }
        if capacity <= SHORT {
            self.0.iter_mut().zeroize();
        } else {
            self.0.as_mut_slice().zeroize();
        }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

/// Constant time in the content; the length is not a secret.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.len() {
            0 => "Secret(empty)",
            1..=16 => "Secret(short)",
            17..=64 => "Secret(medium)",
            _ => "Secret(long)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_only_the_length_class() {
        assert_eq!(format!("{:?}", Secret::from("123456")), "Secret(short)");
        assert_eq!(format!("{:?}", Secret::new(vec![])), "Secret(empty)");
    }

    #[test]
    fn the_whole_capacity_is_wiped_in_place() {
        for capacity in [12, SHORT, 64] {
            let mut octets = Vec::with_capacity(capacity);
            octets.extend_from_slice(b"123456789012");
            octets.truncate(6);
            let (place, capacity) = (octets.as_ptr(), octets.capacity());
            let mut secret = Secret::new(octets);
            secret.wipe();
            assert_eq!(secret.expose(), vec![0; capacity]);
            assert_eq!(secret.expose().as_ptr(), place);
        }
    }

    #[test]
    fn equality_is_by_content() {
        assert_eq!(Secret::from("123456"), Secret::from("123456"));
        assert_ne!(Secret::from("123456"), Secret::from("123457"));
        assert_ne!(Secret::from("123456"), Secret::from("12345"));
    }
}
