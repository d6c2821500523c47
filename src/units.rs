//! Quantities as types, so that seconds never meet milliseconds and a message reference is never an index.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Wall-clock time in milliseconds since 1970-01-01 00:00 UTC: the unit of every stored time.
///
/// Millisecond precision is what a queue needs; the integer sorts the same in SQLite and PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// The time `later` from now; saturates at the ends of the range.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time so long before; saturates at the ends of the range.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(earlier.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long it is from `earlier` to `self`; zero if `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whole and fractional seconds since the epoch, as privacyIDEA's `time` wants them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium fit 53 bits")]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

/// TP-MR, 0..=255, wraps; TS 23.040 9.2.3.6. Assigned by the modem, reported by `+CMGS: <mr>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageRef(pub u8);

impl fmt::Display for MessageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Signal strength in dBm, usually -113..=-51; TS 27.007 8.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Dbm(pub i16);

impl Dbm {
    /// From `<rssi>` of `+CSQ` (0..=31); 99 and all else mean "not known"; TS 27.007 8.5.
    #[must_use]
    pub fn from_csq(rssi: u8) -> Option<Self> {
        (rssi <= 31).then(|| Self(-113 + 2 * i16::from(rssi)))
    }
}

impl fmt::Display for Dbm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dBm", self.0)
    }
}

/// IMEI of a modem, 14 to 16 digits as `+CGSN` gives it: the only true identity of a modem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Imei(String);

impl Imei {
    /// Accepts 14 to 16 digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        ((14..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| Self(text.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Imei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// ICCID of a SIM card, 18 to 22 digits (ITU-T E.118; some cards pad with `F`): the identity of a channel and its budget.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Iccid(String);

impl Iccid {
    /// Accepts 18 to 22 digits, a padding `F` at the end dropped.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim_end_matches(['F', 'f']);
        ((18..=22).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
            .then(|| Self(digits.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Iccid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_saturate_instead_of_wrapping() {
        assert_eq!(UnixMs(5).since(UnixMs(9)), Duration::ZERO);
        assert_eq!(UnixMs(i64::MAX).plus(Duration::from_secs(1)), UnixMs(i64::MAX));
        assert_eq!(UnixMs(1_000).plus(Duration::from_secs(2)), UnixMs(3_000));
        assert_eq!(UnixMs(3_000).minus(Duration::from_secs(2)), UnixMs(1_000));
        assert_eq!(UnixMs(i64::MIN).minus(Duration::from_secs(1)), UnixMs(i64::MIN));
    }

    #[test]
    fn csq_follows_27_007() {
        assert_eq!(Dbm::from_csq(0), Some(Dbm(-113)));
        assert_eq!(Dbm::from_csq(31), Some(Dbm(-51)));
        assert_eq!(Dbm::from_csq(99), None);
    }

    #[test]
    fn identities_take_only_digits_of_the_right_length() {
        assert!(Imei::parse("490154203237518").is_some());
        assert!(Imei::parse("49015420323751A").is_none());
        assert_eq!(Iccid::parse("89490200001005155450F").unwrap().as_str(), "89490200001005155450");
        assert!(Iccid::parse("1234").is_none());
    }
}
