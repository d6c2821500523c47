//! The texts that a command may carry, as types: each constructor checks a whitelist of characters, so that none holds anything
//! that a modem could take for the end of its argument or of the command.

use std::fmt;

use crate::secret::Secret;

/// A SIM PIN: 4 to 8 digits; TS 31.101 9.5.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin(Secret);

impl Pin {
    /// Accepts 4 to 8 ASCII digits.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        ((4..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| Self(Secret::from(text)))
    }

    /// The digits, for the one command that carries them.
    pub(super) fn digits(&self) -> &[u8] {
        self.0.expose()
    }
}

/// A message store: `SM`, `ME`, `MT`, `SR`, `BM`, `TA`, or a vendor's name (`SM_P`); TS 27.005 3.1.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoreName(String);

impl StoreName {
    /// Longest name of a store; `SM_P` has four.
    const MAX: usize = 8;

    /// Accepts up to eight of `A-Z`, `0-9` and `_`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        fits.then(|| Self(text.to_owned()))
    }

    /// The SIM card's store.
    #[must_use]
    pub fn sm() -> Self {
        Self("SM".to_owned())
    }

    /// The modem's own store.
    #[must_use]
    pub fn me() -> Self {
        Self("ME".to_owned())
    }

    /// Both together.
    #[must_use]
    pub fn mt() -> Self {
        Self("MT".to_owned())
    }

    /// The store of status reports.
    #[must_use]
    pub fn sr() -> Self {
        Self("SR".to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A USSD request: digits, `*` and `#`, at most 182 characters (TS 23.038 6.1.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UssdCode(String);

impl UssdCode {
    const MAX: usize = 182;

    /// Accepts digits, `*` and `#`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
        fits.then(|| Self(text.to_owned()))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The address of a service centre or a subscriber, as a command carries it: digits, international with a plus in front; TS 27.005 3.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Most digits; an address field has ten octets of semi-octets, TS 23.040 9.1.2.5.
    const MAX: usize = 20;

    /// Accepts up to 20 ASCII digits, with or without a plus in front.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let fits = (1..=Self::MAX).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| Self(text.to_owned()))
    }

    /// The digits with their plus.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Type of address: 145 = international, 129 = not told; TS 24.011 8.2.5.2.
    #[must_use]
    pub fn toa(&self) -> u8 {
        if self.0.starts_with('+') { 145 } else { 129 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dangerous_characters_cannot_be_expressed() {
        for bad in ['\r', '\n', '"', '\u{1a}', '\u{1b}', ',', ';', ' '] {
            assert_eq!(Pin::new(&format!("123{bad}")), None);
            assert_eq!(StoreName::new(&format!("S{bad}")), None);
            assert_eq!(UssdCode::new(&format!("*100{bad}")), None);
            assert_eq!(Address::new(&format!("+4917{bad}")), None);
        }
        assert_eq!(Pin::new("123"), None);
        assert_eq!(Pin::new("123456789"), None);
        assert_eq!(Pin::new("\u{661}\u{662}\u{663}\u{664}"), None);
        for bad in ["", "+", "++49", "49+", "123456789012345678901"] {
            assert_eq!(Address::new(bad), None, "{bad}");
        }
    }
}
