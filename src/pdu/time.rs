//! TP-SCTS and TP-DT (TS 23.040 9.2.3.11), TP-VP in its three formats (9.2.3.12).
//!
//! A timestamp is kept as its seven octets: real messages carry impossible days and zones, and such a message must not be
//! lost. The reading is a method, so raw and read value cannot disagree.

use std::time::Duration;

use jiff::civil::{self, DateTime};
use jiff::tz::Offset;

use super::cursor::Cursor;
use super::fault::{Field, PduError};
use crate::units::UnixMs;

/// Seconds in the unit of the zone octet.
const QUARTER_HOUR: i32 = 15 * 60;
/// Quarter hours that two digits with the sign bit can express.
const QUARTERS_MAX: i32 = 79;
/// Two-digit years from here on are of the last century: GSM is older than the year 2000.
const CENTURY_PIVOT: i16 = 90;

/// Seven octets of swapped semi-octets: year, month, day, hour, minute, second, zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp(pub [u8; 7]);

impl Timestamp {
    /// The wall time `at` in a zone `quarters` quarter hours east of UTC (-79..=79).
    ///
    /// Times outside 1990 to 2089 have no such form and give `None`.
    #[must_use]
    pub fn new(at: UnixMs, quarters: i32) -> Option<Self> {
        if quarters.abs() > QUARTERS_MAX {
            return None;
        }
        let offset = Offset::from_seconds(quarters * QUARTER_HOUR).ok()?;
        let local = offset.to_datetime(jiff::Timestamp::from_millisecond(at.0).ok()?);
        if !(1990..2090).contains(&local.year()) {
            return None;
        }
        let sign = if quarters < 0 { 0x08 } else { 0 };
        Some(Self([
            swapped(local.year().rem_euclid(100).unsigned_abs().try_into().ok()?),
            swapped(local.month().unsigned_abs()),
            swapped(local.day().unsigned_abs()),
            swapped(local.hour().unsigned_abs()),
            swapped(local.minute().unsigned_abs()),
            swapped(local.second().unsigned_abs()),
            swapped(u8::try_from(quarters.unsigned_abs()).ok()?) | sign,
        ]))
    }

    /// Local time and offset; `None` when the octets are no valid time.
    #[must_use]
    pub fn read(&self) -> Option<(DateTime, Offset)> {
        let [year, month, day, hour, minute, second, zone] = self.0;
        let year = i16::from(digits(year)?);
        let year = if year >= CENTURY_PIVOT { 1900 + year } else { 2000 + year };
        let date = civil::Date::new(year, digits(month)?, digits(day)?).ok()?;
        let time = civil::Time::new(digits(hour)?, digits(minute)?, digits(second)?, 0).ok()?;
        let quarters = i32::from(digits(zone & !0x08)?);
        let east = if zone & 0x08 == 0 { quarters } else { -quarters };
        Some((date.to_datetime(time), Offset::from_seconds(east * QUARTER_HOUR).ok()?))
    }

    /// The moment, if the octets are a valid time.
    #[must_use]
    pub fn unix(&self) -> Option<UnixMs> {
        let (local, offset) = self.read()?;
        offset.to_timestamp(local).ok().map(|moment| UnixMs(moment.as_millisecond()))
    }

    /// ISO 8601 with offset, `2016-10-01T21:39:29+02:00`, if the octets are a valid time.
    #[must_use]
    pub fn iso(&self) -> Option<String> {
        let (local, offset) = self.read()?;
        let minutes = offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let minutes = minutes.abs();
        Some(format!("{}{sign}{:02}:{:02}", local.strftime("%Y-%m-%dT%H:%M:%S"), minutes / 60, minutes % 60))
    }
}

/// Two decimal digits from swapped semi-octets; 0..=99.
fn digits(octet: u8) -> Option<i8> {
    let (tens, ones) = (octet & 0x0f, octet >> 4);
    (tens <= 9 && ones <= 9).then(|| i8::try_from(tens * 10 + ones).ok()).flatten()
}

/// `value` (0..=99) as swapped semi-octets.
fn swapped(value: u8) -> u8 {
    ((value % 10) << 4) | (value / 10 % 10)
}

/// TP-VP: how long the service centre keeps trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// One octet in steps of five minutes to a week; TS 23.040 9.2.3.12.1.
    Relative(u8),
    /// A point in time; 9.2.3.12.2.
    Absolute(Timestamp),
    /// Seven octets, of which the first says how to read the others; 9.2.3.12.3.
    Enhanced([u8; 7]),
}

impl Validity {
    /// The longest period of this format that does not exceed `period`; the shortest there is (five minutes, one second)
    /// if even that does.
    ///
    /// Enhanced is used only where it is better: what relative says exactly, and what lasts beyond 99 hours, stays relative.
    #[must_use]
    pub fn within(period: Duration, format: ValidityFormat) -> Self {
        let minutes = period.as_secs() / 60;
        let fits = |&value: &u8| u64::from(relative_minutes(value)) <= minutes;
        let value = (0..=u8::MAX).rev().find(fits).unwrap_or(0);
        if format == ValidityFormat::Enhanced && u64::from(relative_minutes(value)) * 60 != period.as_secs() {
            if let Some(enhanced) = Self::enhanced(period.as_secs().max(1)) {
                return enhanced;
            }
        }
        Self::Relative(value)
    }

    /// The enhanced format with exactly these seconds, if it can say them.
    fn enhanced(seconds: u64) -> Option<Self> {
        if let Ok(seconds) = u8::try_from(seconds) {
            return Some(Self::Enhanced([ENHANCED_SECONDS, seconds, 0, 0, 0, 0, 0]));
        }
        let hours = u8::try_from(seconds / 3600).ok().filter(|&hours| hours <= HOURS_MAX)?;
        let minutes = u8::try_from(seconds / 60 % 60).ok()?;
        let seconds = u8::try_from(seconds % 60).ok()?;
        Some(Self::Enhanced([ENHANCED_CLOCK, swapped(hours), swapped(minutes), swapped(seconds), 0, 0, 0]))
    }

    /// The period, where the value is one and not a point in time. Zero seconds and reserved formats are none.
    #[must_use]
    pub fn period(&self) -> Option<Duration> {
        let minutes = |value| Duration::from_secs(u64::from(relative_minutes(value)) * 60);
        match self {
            Self::Relative(value) => Some(minutes(*value)),
            Self::Absolute(_) => None,
            Self::Enhanced(raw) => match enhanced_value(raw)? {
                (ENHANCED_RELATIVE, &[value, ..]) => Some(minutes(value)),
                (ENHANCED_SECONDS, &[seconds, ..]) if seconds > 0 => {
                    Some(Duration::from_secs(u64::from(seconds)))
                }
                (ENHANCED_CLOCK, &[hours, minutes, seconds, ..]) => {
                    let part = |octet| digits(octet).and_then(|n| u64::try_from(n).ok());
                    let seconds = part(hours)? * 3600 + part(minutes)? * 60 + part(seconds)?;
                    Some(Duration::from_secs(seconds))
                }
                _ => None,
            },
        }
    }

    /// Whether the service centre shall try only once; 9.2.3.12.3.
    #[must_use]
    pub fn is_single_shot(&self) -> bool {
        matches!(self, Self::Enhanced([indicator, ..]) if indicator & SINGLE_SHOT != 0)
    }

    /// TP-VPF, bits 4 and 3 of the first octet.
    pub(super) fn format_bits(validity: Option<&Self>) -> u8 {
        match validity {
            None => 0b00 << 3,
            Some(Self::Enhanced(_)) => 0b01 << 3,
            Some(Self::Relative(_)) => 0b10 << 3,
            Some(Self::Absolute(_)) => 0b11 << 3,
        }
    }

    /// Reads TP-VP in the format that the first octet names.
    pub(super) fn read(first: u8, cursor: &mut Cursor<'_>) -> Result<Option<Self>, PduError> {
        Ok(match (first >> 3) & 0b11 {
            0 => None,
            1 => Some(Self::Enhanced(cursor.array(Field::Validity)?)),
            2 => Some(Self::Relative(cursor.u8(Field::Validity)?)),
            _ => Some(Self::Absolute(Timestamp(cursor.array(Field::Validity)?))),
        })
    }

    pub(super) fn write(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Relative(value) => octets.push(*value),
            Self::Absolute(Timestamp(raw)) | Self::Enhanced(raw) => octets.extend(raw),
        }
    }
}

/// Which format a period is sent in. Some networks and modems refuse the enhanced one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValidityFormat {
    /// Steps of five minutes and more; understood everywhere.
    #[default]
    Relative,
    /// Seconds.
    Enhanced,
}

/// Functionality indicator, bits 2 to 0: what the octets behind it are (0: nothing, 4 to 7: reserved).
const ENHANCED_RELATIVE: u8 = 0b001;
const ENHANCED_SECONDS: u8 = 0b010;
const ENHANCED_CLOCK: u8 = 0b011;
/// Bits 6 and 7 of the functionality indicator.
const SINGLE_SHOT: u8 = 0x40;
const EXTENSION: u8 = 0x80;
/// Hours that two digits can express.
const HOURS_MAX: u8 = 99;

/// The format of an enhanced TP-VP and the octets of its value, which stand behind any extension of the indicator.
fn enhanced_value(raw: &[u8; 7]) -> Option<(u8, &[u8])> {
    let [indicator, ..] = raw;
    let last = raw.iter().position(|octet| octet & EXTENSION == 0)?;
    Some((indicator & 0b111, raw.get(last + 1..)?))
}

/// Minutes of a relative validity period, 5 to 635 040.
#[must_use]
pub fn relative_minutes(value: u8) -> u32 {
    let v = u32::from(value);
    match value {
        0..=143 => (v + 1) * 5,
        144..=167 => 12 * 60 + (v - 143) * 30,
        168..=196 => (v - 166) * 24 * 60,
        197..=255 => (v - 192) * 7 * 24 * 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways_with_their_zone() {
        let stamp = Timestamp([0x60, 0x60, 0x72, 0x71, 0x71, 0x11, 0x8a]);
        assert_eq!(stamp.iso().unwrap(), "2006-06-27T17:17:11-07:00");
        assert_eq!(Timestamp::new(stamp.unix().unwrap(), -28), Some(stamp));
        let nepal = Timestamp([0x10, 0x10, 0x10, 0x32, 0x95, 0x95, 0x32]);
        assert_eq!(nepal.iso().unwrap(), "2001-01-01T23:59:59+05:45");
        assert_eq!(Timestamp::new(nepal.unix().unwrap(), 23), Some(nepal));
    }

    #[test]
    fn what_is_no_time_is_kept_but_not_read() {
        for raw in [[0; 7], [0x60, 0x60, 0x13, 0, 0, 0, 0], [0x60, 0x60, 0x10, 0x42, 0, 0, 0], [0xff; 7]] {
            assert_eq!(Timestamp(raw).iso(), None, "{raw:?}");
            assert_eq!(Timestamp(raw).unix(), None, "{raw:?}");
        }
        assert_eq!(Timestamp::new(UnixMs(0), 0), None, "1970 has no two-digit form");
        assert_eq!(Timestamp::new(UnixMs(1_700_000_000_000), 80), None);
    }

    #[test]
    fn two_digit_years_turn_at_ninety() {
        let year = |octet| Timestamp([octet, 0x10, 0x10, 0, 0, 0, 0]).iso().unwrap();
        assert!(year(0x09).starts_with("1990") && year(0x99).starts_with("1999"));
        assert!(year(0x98).starts_with("2089") && year(0x00).starts_with("2000"));
    }

    #[test]
    fn the_relative_period_never_exceeds_what_was_asked() {
        let minutes = |m: u64| Validity::within(Duration::from_secs(m * 60), ValidityFormat::Relative);
        assert_eq!(minutes(0), Validity::Relative(0));
        assert_eq!(minutes(9), Validity::Relative(0));
        assert_eq!(minutes(10), Validity::Relative(1));
        assert_eq!(minutes(24 * 60), Validity::Relative(167));
        assert_eq!(minutes(24 * 60 - 1), Validity::Relative(166));
        assert_eq!(minutes(7 * 24 * 60), Validity::Relative(173));
        assert_eq!(Validity::within(Duration::MAX, ValidityFormat::Relative), Validity::Relative(255));
        assert_eq!(relative_minutes(255), 635_040);
    }

    #[test]
    fn enhanced_says_what_relative_cannot() {
        let seconds = |s: u64| Validity::within(Duration::from_secs(s), ValidityFormat::Enhanced);
        assert_eq!(seconds(0), Validity::Enhanced([2, 1, 0, 0, 0, 0, 0]));
        assert_eq!(seconds(90), Validity::Enhanced([2, 90, 0, 0, 0, 0, 0]));
        assert_eq!(seconds(300), Validity::Relative(0), "five minutes exactly");
        assert_eq!(seconds(3723), Validity::Enhanced([3, 0x10, 0x20, 0x30, 0, 0, 0]));
        assert_eq!(seconds(100 * 3600 - 1), Validity::Enhanced([3, 0x99, 0x95, 0x95, 0, 0, 0]));
        assert_eq!(seconds(100 * 3600), Validity::Relative(170), "four days and no more");
        for s in [1, 255, 256, 299, 301, 359_999] {
            assert_eq!(seconds(s).period(), Some(Duration::from_secs(s)));
        }
    }

    #[test]
    fn enhanced_periods_are_read() {
        let period = |raw| Validity::Enhanced(raw).period().map(|period| period.as_secs());
        assert_eq!(period([0x42, 3, 0, 0, 0, 0, 0]), Some(3));
        assert_eq!(period([1, 11, 0, 0, 0, 0, 0]), Some(3600));
        assert_eq!(period([3, 0x10, 0x20, 0x30, 0, 0, 0]), Some(3723));
        assert_eq!(period([0x82, 0x00, 7, 0, 0, 0, 0]), Some(7), "behind an extension octet");
        assert_eq!(period([0x82, 0x80, 0x00, 8, 0, 0, 0]), Some(8));
        for none in
            [[0; 7], [2, 0, 0, 0, 0, 0, 0], [4, 1, 1, 1, 1, 1, 1], [3, 0xaa, 0, 0, 0, 0, 0], [0xff; 7]]
        {
            assert_eq!(period(none), None, "{none:?}");
        }
        assert!(Validity::Enhanced([0x42, 3, 0, 0, 0, 0, 0]).is_single_shot());
        assert!(!Validity::Enhanced([2, 3, 0, 0, 0, 0, 0]).is_single_shot());
    }
}
