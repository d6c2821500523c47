//! The signature of a webhook: HMAC-SHA256 over the time and the body, in the form that many receivers know.
//!
//! ```text
//! Smsotpd-Signature: t=1795475963,v1=<hex of HMAC-SHA256(secret, "1795475963." + body)>
//! ```
//!
//! The time is that of the try, not of the story: whoever checks it within five minutes refuses what was recorded and sent again.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// The header with the signature.
pub(super) const HEADER: &str = "smsotpd-signature";

/// The value of the header, at `at` seconds since 1970.
pub(super) fn value(secret: &Secret, at: i64, body: &[u8]) -> String {
    // HMAC takes a key of any length, so this cannot fail; an empty signature would be refused by any receiver.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose()) else { return String::new() };
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    format!("t={at},v1={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_an_hmac_over_time_and_body() {
        // As `hmac.new(b"Jefe", b"1." + body, "sha256").hexdigest()` of Python has it.
        let signed = value(&Secret::from("Jefe"), 1, b"what do ya want for nothing?");
        let (time, mac) = signed.split_once(",v1=").unwrap();
        assert_eq!(time, "t=1");
        assert_eq!(mac, "a9049465ce89cfb8e9aac62333abda66f80e3403f51f57f6bae3c3a4485eca38");
        let other = |secret: &str, at, body: &[u8]| value(&Secret::from(secret), at, body) != signed;
        let body = b"what do ya want for nothing?";
        assert!(other("jefe", 1, body) && other("Jefe", 2, body) && other("Jefe", 1, b"what"));
    }
}
