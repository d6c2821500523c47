//! The money on a prepaid card: what it is asked for with, how the amount is found in the network's words, and what it means.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::at::command::UssdCode;

/// What stands for the amount in a pattern.
const MARK: &str = "{amount}";
/// Thousandths in one unit of money: some currencies have three decimals.
const SCALE: i64 = 1_000;
/// Decimals kept.
const DECIMALS: usize = 3;

/// A sum of money in whatever currency the card has, exact to a thousandth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "f64", from = "f64")]
pub struct Amount(i64);

/// How a card's balance is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceCheck {
    /// What the network is asked.
    pub code: UssdCode,
    /// Where the amount is in its answer.
    pub pattern: Pattern,
    /// How often, at the most.
    pub every: Duration,
    /// Less than this is too little.
    pub threshold: Option<Amount>,
}

/// What is known of a card's balance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Balance {
    /// Nobody wants to know.
    #[default]
    Unwatched,
    /// It was not told yet.
    Unknown,
    /// No less than wanted.
    Enough(Amount),
    /// Less than wanted.
    Low {
        /// What there is.
        amount: Amount,
        /// What is wanted.
        threshold: Amount,
    },
}

impl Balance {
    /// The amount, once it was told.
    #[must_use]
    pub fn amount(self) -> Option<Amount> {
        match self {
            Self::Unwatched | Self::Unknown => None,
            Self::Enough(amount) | Self::Low { amount, .. } => Some(amount),
        }
    }
}

impl BalanceCheck {
    /// What the network's words mean; `None` if the pattern is not in them.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<Balance> {
        let amount = self.pattern.find(text)?;
        Some(match self.threshold {
            Some(threshold) if amount < threshold => Balance::Low { amount, threshold },
            _ => Balance::Enough(amount),
        })
    }
}

/// A piece of the network's words with `{amount}` once in it, as in `Guthaben: {amount} EUR`. Any run of blanks and line ends
/// stands for any other, and around the amount there may be some or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    before: String,
    after: String,
}

impl Pattern {
    /// Accepts what has `{amount}` exactly once.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let (before, after) = text.split_once(MARK)?;
        let (before, after) =
            (squeezed(before).trim_end().to_owned(), squeezed(after).trim_start().to_owned());
        (!after.contains(MARK)).then(|| Self { text: text.to_owned(), before, after })
    }

    /// The first amount in these words that has around it what the pattern wants.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Amount> {
        let text = squeezed(text);
        text.match_indices(self.before.as_str()).find_map(|(at, before)| {
            let (front, rest) = text.split_at_checked(at.saturating_add(before.len()))?;
            // Not from the middle of a number, where the pattern has nothing in front of it.
            let within = self.before.is_empty() && front.ends_with(|c: char| c.is_ascii_digit());
            self.read(rest.trim_start()).filter(|_| !within)
        })
    }

    /// The amount that these words begin with.
    fn read(&self, words: &str) -> Option<Amount> {
        let digits = words.strip_prefix(['-', '+']).unwrap_or(words);
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(digits.len());
        // A point behind it ends the sentence.
        let number = digits.get(..end)?.trim_end_matches(['.', ',']);
        let sign = words.len().saturating_sub(digits.len());
        let (amount, rest) = words.split_at_checked(sign.saturating_add(number.len()))?;
        Amount::read(amount).filter(|_| rest.trim_start().starts_with(&self.after))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// With one blank for each run of blanks and line ends.
fn squeezed(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_whitespace() && squeezed.ends_with(' ') => {}
            c if c.is_whitespace() => squeezed.push(' '),
            c => squeezed.push(c),
        }
    }
    squeezed
}

impl Amount {
    /// Reads `12.34`, `1.234,56`, `1,234.56`, `-5`. The last point or comma begins the decimals unless three digits follow it and there is more
    /// than a zero in front of it: those are thousands.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let split = digits.rsplit_once(['.', ',']);
        let (whole, decimals) = match split {
            Some((whole, decimals)) if decimals.len() != DECIMALS || whole == "0" => (whole, decimals),
            _ => (digits, ""),
        };
        let whole: String = whole.chars().filter(|c| !matches!(c, '.' | ',')).collect();
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !is_number(&whole) || !is_number(decimals) {
            return None;
        }
        let fraction: String = decimals.chars().chain("000".chars()).take(DECIMALS).collect();
        let whole: i64 = whole.parse().ok()?;
        let thousandths = whole.checked_mul(SCALE)?.checked_add(fraction.parse().ok()?)?;
        Some(Self(if negative { thousandths.checked_neg()? } else { thousandths }))
    }
}

/// For JSON and metrics, which have no exact decimals; sums of money that a card can hold come back as they were.
impl From<Amount> for f64 {
    #[expect(clippy::cast_precision_loss, reason = "a card holds less than 2^53 thousandths")]
    fn from(Amount(thousandths): Amount) -> Self {
        thousandths as Self / SCALE as Self
    }
}

impl From<f64> for Amount {
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "it saturates")]
    fn from(units: f64) -> Self {
        Self((units * SCALE as f64).round() as i64)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, rest) =
            (self.0.unsigned_abs() / SCALE.unsigned_abs(), self.0.unsigned_abs() % SCALE.unsigned_abs());
        let sign = if self.0 < 0 { "-" } else { "" };
        if rest.is_multiple_of(10) {
            write!(f, "{sign}{units}.{:02}", rest / 10)
        } else {
            write!(f, "{sign}{units}.{rest:03}")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(pattern: &str, text: &str) -> Option<String> {
        Pattern::new(pattern).unwrap().find(text).map(|amount| amount.to_string())
    }

    #[test]
    fn an_amount_is_found_between_its_words() {
        for (pattern, text, amount) in [
            ("Guthaben: {amount} EUR", "Ihr Guthaben:  12,34\nEUR. Danke", Some("12.34")),
            ("Guthaben: {amount} EUR", "Guthaben: 12,34 USD", None),
            ("Guthaben: {amount} EUR", "Guthaben: 3 MB, Guthaben: 1.234,5 EUR", Some("1234.50")),
            ("balance is {amount}", "Your balance is 12.34.", Some("12.34")),
            ("{amount}EUR", "5 SMS, 3.20 EUR", Some("3.20")),
            ("{amount}", "You owe -0,50", Some("-0.50")),
            ("€{amount}", "You have € 7", Some("7.00")),
            ("Konto {amount}", "Konto leer", None),
            ("Konto {amount}", "Konto", None),
        ] {
            assert_eq!(found(pattern, text).as_deref(), amount, "{pattern} in {text}");
        }
        assert!(Pattern::new("Guthaben").is_none() && Pattern::new("{amount}{amount}").is_none());
    }

    #[test]
    fn points_and_commas_are_decimals_or_thousands() {
        for (text, amount) in [
            ("12", "12.00"),
            ("12,3", "12.30"),
            ("1.234", "1234.00"),
            ("1,234,567", "1234567.00"),
            ("1,234.56", "1234.56"),
            ("0.125", "0.125"),
            ("1.2345", "1.234"),
            ("-5", "-5.00"),
        ] {
            assert_eq!(Amount::read(text).map(|read| read.to_string()).as_deref(), Some(amount), "{text}");
        }
        for wrong in ["", "-", ".5", "1.2x", "99999999999999999999"] {
            assert_eq!(Amount::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn less_than_the_threshold_is_low() {
        let check = BalanceCheck {
            code: UssdCode::new("*100#").unwrap(),
            pattern: Pattern::new("is {amount}").unwrap(),
            every: Duration::from_secs(3600),
            threshold: Amount::read("5"),
        };
        assert!(matches!(check.read("is 4,99"), Some(Balance::Low { .. })));
        assert_eq!(check.read("is 5.00").and_then(Balance::amount), Amount::read("5"));
        assert_eq!(check.read("none"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_an_amount_comes_back(pattern in ".{0,8}\\{amount\\}.{0,8}", text in ".{0,60}", units in -1_000_000i64..1_000_000) {
            let _ = Pattern::new(&pattern).map(|pattern| pattern.find(&text));
            let amount = Amount(units);
            prop_assert_eq!(Amount::from(f64::from(amount)), amount);
        }
    }
}
