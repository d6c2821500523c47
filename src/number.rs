//! Telephone numbers as types: a destination is E.164 or a short code, and only what a modem may be given can be expressed.
//!
//! Syntax only: no carrier names, no regular expressions. What a person types (`+49 (0) 170/123-45`) is normalised with a
//! default country; what is left must be digits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A destination: E.164 with its leading plus (7 to 15 digits), or a short code (3 to 6 digits, no plus).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Number(String);

/// Why a text is no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Nothing is left after blanks and punctuation.
    #[error("the phone number is empty")]
    Empty,
    /// A character that no phone number has.
    #[error(
        "the phone number has the character {0:?}; digits, blanks, '/', '-', '.', '(', ')' and a leading '+' are allowed"
    )]
    Character(char),
    /// More digits than E.164 allows.
    #[error("the phone number has {0} digits; E.164 allows at most 15")]
    TooLong(usize),
    /// Too few digits for an international number.
    #[error("the phone number has {0} digits; an international number has at least 7, a short code 3 to 6")]
    TooShort(usize),
    /// A national number (leading zero) and no default country to complete it.
    #[error("the phone number is national; write it with '+' and country code, or set `default-country`")]
    National,
    /// No country code begins with zero.
    #[error("the country code begins with 0")]
    CountryZero,
}

/// Digits in an E.164 number, at most; ITU-T E.164 6.2.
const E164_MAX: usize = 15;
/// Fewer digits than this with a plus are a typing error, not a subscriber.
const E164_MIN: usize = 7;

impl Number {
    /// Normalises what a person or a directory gives.
    ///
    /// `country` is the calling code without plus (`"49"`) used for `0170...`; without it national numbers are refused.
    /// `00` and `+` both begin an international number; `(0)` after a country code is dropped.
    ///
    /// # Errors
    /// What is wrong with the text, for the person who typed it.
    pub fn parse(text: &str, country: Option<&str>) -> Result<Self, NumberError> {
        let text = text.trim();
        let (plus, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
        let rest = if plus { rest.replace("(0)", "") } else { rest.to_owned() };
        let mut digits = String::with_capacity(rest.len());
        for c in rest.chars() {
            match c {
                '0'..='9' => digits.push(c),
                ' ' | '/' | '-' | '.' | '(' | ')' | '\u{a0}' => {}
                other => return Err(NumberError::Character(other)),
            }
        }
        if digits.is_empty() {
            return Err(NumberError::Empty);
        }
        if plus {
            return Self::international(&digits);
        }
        if let Some(international) = digits.strip_prefix("00") {
            return Self::international(international);
        }
        if let Some(national) = digits.strip_prefix('0') {
            return match country {
                Some(code) => Self::international(&format!("{code}{national}")),
                None => Err(NumberError::National),
            };
        }
        match digits.len() {
            0..=2 => Err(NumberError::TooShort(digits.len())),
            3..=6 => Ok(Self(digits)),
            _ => Self::international(&digits),
        }
    }

    fn international(digits: &str) -> Result<Self, NumberError> {
        match digits.len() {
            n if n > E164_MAX => Err(NumberError::TooLong(n)),
            n if n < E164_MIN => Err(NumberError::TooShort(n)),
            _ if digits.starts_with('0') => Err(NumberError::CountryZero),
            _ => Ok(Self(format!("+{digits}"))),
        }
    }

    /// As stored and compared: `+4917012345`, or the bare digits of a short code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits alone.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.0.trim_start_matches('+')
    }

    /// Whether it is E.164 (type of number "international") and not a short code.
    #[must_use]
    pub fn is_international(&self) -> bool {
        self.0.starts_with('+')
    }

    /// For logs: country prefix and the last two digits, `+491*****45`.
    #[must_use]
    pub fn shortened(&self) -> String {
        let keep_front = if self.is_international() { 4 } else { 0 };
        let hidden_to = self.0.len().saturating_sub(2);
        self.0
            .char_indices()
            .map(|(at, c)| if at >= keep_front && at < hidden_to { '*' } else { c })
            .collect()
    }
}

/// Shortened, as in logs: a full number is written only where `as_str` is called on purpose.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shortened())
    }
}

impl TryFrom<String> for Number {
    type Error = NumberError;
    fn try_from(text: String) -> Result<Self, NumberError> {
        Self::parse(&text, None)
    }
}

impl From<Number> for String {
    fn from(number: Number) -> Self {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_numbers_in_many_ways() {
        for text in ["+49 170/123-4567", "0049 170 1234567", "+49 (0) 170 1234567", "491701234567"] {
            assert_eq!(Number::parse(text, None).unwrap().as_str(), "+491701234567", "{text}");
        }
        assert_eq!(Number::parse("0170 1234567", Some("49")).unwrap().as_str(), "+491701234567");
        assert_eq!(Number::parse("72267", None).unwrap().as_str(), "72267");
    }

    #[test]
    fn what_is_no_number_is_told() {
        assert_eq!(Number::parse("", None), Err(NumberError::Empty));
        assert_eq!(Number::parse("0170 1234567", None), Err(NumberError::National));
        assert_eq!(Number::parse("+49170x", None), Err(NumberError::Character('x')));
        assert_eq!(Number::parse("+49\r\nAT", None), Err(NumberError::Character('\r')));
        assert_eq!(Number::parse("+0491701234567", None), Err(NumberError::CountryZero));
        assert_eq!(Number::parse("+4917012345678901", None), Err(NumberError::TooLong(16)));
    }

    #[test]
    fn debug_shows_prefix_and_last_two_digits() {
        assert_eq!(format!("{:?}", Number::parse("+491701234567", None).unwrap()), "+491*******67");
    }
}
