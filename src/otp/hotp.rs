//! HOTP: a seed and a counter become a code of six to eight digits; RFC 4226 5.3.
//!
//! SMS tokens use SHA-1 as every HOTP token does by default; the longer hashes serve imported seeds (RFC 6238 1.2).

use hmac::{Hmac, KeyInit, Mac};
use subtle::ConstantTimeEq;

use crate::secret::Secret;

/// Shortest code that may be asked for; RFC 4226 5.3, requirement R4.
pub const DIGITS_MIN: u8 = 6;
/// Longest code that dynamic truncation fills with equal chances: 31 bits are a little over nine digits.
pub const DIGITS_MAX: u8 = 8;
/// Octets of a seed made by us: the output of SHA-1; RFC 4226 4, requirement R6 recommends 160 bits.
pub const SEED_LEN: usize = 20;

/// The hash beneath the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// RFC 4226.
    Sha1,
    /// RFC 6238 1.2.
    Sha256,
    /// RFC 6238 1.2.
    Sha512,
}

/// The code for `counter`, zero padded to `digits` (held within [`DIGITS_MIN`]..=[`DIGITS_MAX`]).
#[must_use]
pub fn hotp(seed: &Secret, counter: u64, digits: u8, hash: Hash) -> Secret {
    let counter = counter.to_be_bytes();
    let binary = match hash {
        Hash::Sha1 => truncate(&mac::<Hmac<sha1::Sha1>>(seed.expose(), &counter)),
        Hash::Sha256 => truncate(&mac::<Hmac<sha2::Sha256>>(seed.expose(), &counter)),
        Hash::Sha512 => truncate(&mac::<Hmac<sha2::Sha512>>(seed.expose(), &counter)),
    };
    let digits = digits.clamp(DIGITS_MIN, DIGITS_MAX);
    let code = binary % 10_u32.pow(u32::from(digits));
    Secret::from(format!("{code:0width$}", width = usize::from(digits)))
}

/// Whether `candidate` is `code`, in constant time for equal lengths; another length never matches.
#[must_use]
pub fn matches(candidate: &str, code: &Secret) -> bool {
    candidate.as_bytes().ct_eq(code.expose()).into()
}

fn mac<M: Mac + KeyInit>(key: &[u8], counter: &[u8; 8]) -> Vec<u8> {
    // HMAC takes a key of any length (RFC 2104 2), so the error case does not exist; an empty MAC truncates to nothing.
    <M as KeyInit>::new_from_slice(key)
        .map(|mut mac| {
            mac.update(counter);
            mac.finalize().into_bytes().to_vec()
        })
        .unwrap_or_default()
}

/// Dynamic truncation: the last nibble names the offset of four octets, taken without their sign bit; RFC 4226 5.3.
fn truncate(mac: &[u8]) -> u32 {
    let offset = mac.last().map_or(0, |last| usize::from(last & 0x0f));
    let four = mac.get(offset..).and_then(<[u8]>::first_chunk::<4>).copied().unwrap_or_default();
    u32::from_be_bytes(four) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(seed: &str, counter: u64, digits: u8, hash: Hash) -> String {
        hotp(&Secret::from(seed), counter, digits, hash).expose_str().unwrap().to_owned()
    }

    #[test]
    fn rfc_4226_appendix_d() {
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (counter, expected) in (0..).zip(expected) {
            assert_eq!(code("12345678901234567890", counter, 6, Hash::Sha1), expected, "counter {counter}");
        }
    }

    #[test]
    fn rfc_6238_appendix_b() {
        let seeds = [
            (Hash::Sha1, "12345678901234567890"),
            (Hash::Sha256, "12345678901234567890123456789012"),
            (Hash::Sha512, "1234567890123456789012345678901234567890123456789012345678901234"),
        ];
        let rows: [(u64, [&str; 3]); 6] = [
            (59, ["94287082", "46119246", "90693936"]),
            (1_111_111_109, ["07081804", "68084774", "25091201"]),
            (1_111_111_111, ["14050471", "67062674", "99943326"]),
            (1_234_567_890, ["89005924", "91819424", "93441116"]),
            (2_000_000_000, ["69279037", "90698825", "38618901"]),
            (20_000_000_000, ["65353130", "77737706", "47863826"]),
        ];
        for (time, expected) in rows {
            for ((hash, seed), expected) in seeds.into_iter().zip(expected) {
                assert_eq!(code(seed, time / 30, 8, hash), expected, "{hash:?} at {time}");
            }
        }
    }

    #[test]
    fn other_lengths_never_match() {
        let code = hotp(&Secret::from("12345678901234567890"), 1, 6, Hash::Sha1);
        assert!(matches("287082", &code));
        for wrong in ["", "28708", "2870820", "287 082", "287083", "1234287082"] {
            assert!(!matches(wrong, &code), "{wrong:?}");
        }
    }

    #[test]
    fn lengths_are_held_within_the_standard() {
        assert_eq!(code("12345678901234567890", 1, 0, Hash::Sha1).len(), 6);
        assert_eq!(code("12345678901234567890", 1, 200, Hash::Sha1).len(), 8);
    }
}
