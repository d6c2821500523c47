//! How long what is over stays, by class.

use std::fmt;
use std::time::Duration;

use super::{ALARM_KEPT, SHOWN_AGAIN};
use crate::number::Number;
use crate::queue::message::Lane;

/// The text of an alert or a bulk message that rests stays so long, in case it turns out to have failed and somebody has it tried again.
/// That of a delivered or withdrawn one, or of one that no report is expected of, goes at once.
pub const TEXT_KEPT: Duration = Duration::from_secs(3_600);

/// Numbers stay so long unless the configuration says otherwise: long enough for a complaint, and for the bill of a week.
pub const NUMBERS_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long what is over stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Finished messages, by lane in the order of [`Lane::ALL`].
    pub lanes: [Duration; Lane::ALL.len()],
    /// Texts from phones.
    pub inbox: Duration,
    /// Alarms, once cleared.
    pub alarms: Duration,
    /// Numbers of finished messages and of texts from phones: then an HMAC takes their place.
    pub numbers: Duration,
    /// Copies of the store as it was before an upgrade.
    pub copies: Duration,
}

/// Recipients are counted by HMACs for a month.
const MONTH: Duration = Duration::from_secs(31 * 24 * 3_600);

impl Keep {
    /// How long anything stays that is compared under a key.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.lanes.into_iter().chain([self.inbox, SHOWN_AGAIN, MONTH]).max().unwrap_or(MONTH)
    }
}

/// The same for all but alarms and numbers, which have their own usual times.
impl From<Duration> for Keep {
    fn from(keep: Duration) -> Self {
        Self {
            lanes: [keep; Lane::ALL.len()],
            inbox: keep,
            alarms: ALARM_KEPT,
            numbers: NUMBERS_KEPT,
            copies: keep,
        }
    }
}

/// A number as it is kept: itself, or what stands for it when its time is over.
#[derive(Clone, PartialEq, Eq)]
pub enum KeptNumber {
    /// As it was.
    Number(Number),
    /// An HMAC: equal numbers have equal ones, and nothing more can be told.
    Erased(ErasedNumber),
}

/// `erased:` and twenty letters. No digits: whoever compares digits finds none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedNumber(String);

impl ErasedNumber {
    /// What an erased number begins with.
    pub const MARK: &'static str = "erased:";

    /// From an HMAC of the number.
    #[must_use]
    pub fn of(mac: &[u8; 32]) -> Self {
        let letters = mac.iter().take(10).flat_map(|octet| [octet >> 4, octet & 15]);
        Self(Self::MARK.chars().chain(letters.map(|nibble| char::from(b'a' + nibble))).collect())
    }

    /// A stored one.
    #[must_use]
    pub fn stored(text: &str) -> Option<Self> {
        text.starts_with(Self::MARK).then(|| Self(text.to_owned()))
    }

    /// As stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl KeptNumber {
    /// As stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(number) => number.as_str(),
            Self::Erased(erased) => erased.as_str(),
        }
    }
}

impl From<Number> for KeptNumber {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

/// Shortened, as numbers are in logs.
impl fmt::Debug for KeptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Erased(erased) => f.write_str(erased.as_str()),
        }
    }
}
