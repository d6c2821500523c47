//! Names: serials of tokens and identities of transactions, made from random octets that the shell brings.

use data_encoding::HEXUPPER;

/// Decimal digits of a transaction identity. Clients carry it as RADIUS State and never look inside.
pub const TRANSACTION_DIGITS: usize = 20;
/// Longest serial that may be given by the enroller; privacyIDEA's column is as wide.
pub const SERIAL_MAX: usize = 40;

/// A serial as privacyIDEA gives SMS tokens: `PISM`, four digits, four hexadecimal digits.
#[must_use]
pub fn serial(random: [u8; 4]) -> String {
    let [a, b, c, d] = random;
    format!("PISM{:04}{}", u16::from_be_bytes([a, b]) % 10_000, HEXUPPER.encode(&[c, d]))
}

/// Whether an enroller may name a token so: letters, digits, `-` and `_`, 1..=[`SERIAL_MAX`] of them.
#[must_use]
pub fn is_serial(text: &str) -> bool {
    (1..=SERIAL_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A transaction identity: twenty decimal digits, leading zeros included.
#[must_use]
pub fn transaction(random: [u8; 16]) -> String {
    // The bias of the modulus over 128 bits is below 2^-61: nobody can see it.
    let number = u128::from_be_bytes(random) % 100_000_000_000_000_000_000;
    format!("{number:0TRANSACTION_DIGITS$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_have_privacyideas_form() {
        assert_eq!(serial([0, 1, 0x88, 0x2d]), "PISM0001882D");
        assert_eq!(serial([0xff, 0xff, 0, 0]), "PISM55350000");
        assert!(is_serial(&serial([9, 9, 9, 9])));
    }

    #[test]
    fn foreign_serials_are_plain_words() {
        assert!(is_serial("PISM-1_a"));
        for bad in ["", "PISM*", "a b", "ü", "x/y", &"x".repeat(41)] {
            assert!(!is_serial(bad), "{bad:?}");
        }
    }

    #[test]
    fn transactions_are_twenty_digits() {
        assert_eq!(transaction([0; 16]), "00000000000000000000");
        assert_eq!(transaction([0xff; 16]).len(), 20);
        assert!(transaction([0xa7; 16]).bytes().all(|b| b.is_ascii_digit()));
    }
}
