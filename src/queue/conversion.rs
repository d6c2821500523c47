//! How many of the codes to a country are used: who pumps SMS never types one. Pure; the store counts.
//!
//! A code is judged when its life is over or it was used, and only if the network took it, so that neither the codes under way nor
//! a modem that failed for an hour make a country look bad. What a right PIN asked for is judged apart, as it is counted apart.

use std::time::Duration;

use super::budget::Over;
use super::prefix;
use crate::number::Number;
use crate::units::UnixMs;

/// Codes whose life ended within this are looked at: as long as ended challenges are kept.
pub const WINDOW: Duration = Duration::from_secs(3_600);

/// The codes to one country within [`WINDOW`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// Calling code.
    pub country: String,
    /// Right PINs asked for them.
    pub proven: bool,
    /// Codes that the network took and whose life is over, or that were used.
    pub submitted: u32,
    /// Those that were used.
    pub used: u32,
    /// When the life of the first of them ended, or will.
    pub oldest: UnixMs,
}

/// Those to all countries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversions(pub Vec<Codes>);

impl Conversions {
    /// Adds codes by the first digits of their numbers, with plus.
    pub fn add(&mut self, first_digits: &str, more: Codes) {
        let digits = first_digits.strip_prefix('+').unwrap_or_default();
        let Some(country) = prefix::code_of(digits) else { return };
        let same = self.0.iter_mut().find(|codes| codes.country == country && codes.proven == more.proven);
        match same {
            Some(codes) => {
                codes.submitted = codes.submitted.saturating_add(more.submitted);
                codes.used = codes.used.saturating_add(more.used);
                codes.oldest = codes.oldest.min(more.oldest);
            }
            None => self.0.push(Codes { country: country.to_owned(), ..more }),
        }
    }
}

/// When codes to a country are refused because too few are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brake {
    /// Fewer percent than this, 1..=100.
    pub below: u8,
    /// Of at least so many codes.
    pub least: u32,
}

impl Brake {
    /// Whether it keeps a code from this number.
    #[must_use]
    pub fn holds(&self, to: &Number, proven: bool, conversions: &Conversions) -> Option<Over> {
        let country = prefix::calling_code(to)?;
        let codes = conversions.0.iter().find(|codes| codes.country == country && codes.proven == proven)?;
        let bad = u64::from(codes.used) * 100 < u64::from(codes.submitted) * u64::from(self.below);
        (bad && codes.submitted >= self.least).then(|| Over::Conversion {
            used: codes.used,
            submitted: codes.submitted,
            until: codes.oldest.plus(WINDOW),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(submitted: u32, used: u32) -> Codes {
        Codes { country: String::new(), proven: true, submitted, used, oldest: UnixMs(1_000) }
    }

    fn told(groups: &[(&str, u32, u32)]) -> Conversions {
        let mut all = Conversions::default();
        for (digits, submitted, used) in groups {
            all.add(digits, codes(*submitted, *used));
        }
        all
    }

    #[test]
    fn groups_of_first_digits_become_countries() {
        let all = told(&[("+491", 3, 1), ("+493", 2, 2), ("+358", 1, 0), ("7226", 9, 0), ("", 9, 0)]);
        let short: Vec<_> = all.0.iter().map(|one| (one.country.as_str(), one.submitted, one.used)).collect();
        assert_eq!(short, [("49", 5, 3), ("358", 1, 0)]);
    }

    #[test]
    fn the_brake_needs_enough_codes_and_too_few_uses() {
        let brake = Brake { below: 20, least: 10 };
        let to = Number::parse("+8801712345678", None).unwrap();
        for (submitted, used, held) in
            [(9, 0, false), (10, 0, true), (10, 1, true), (10, 2, false), (100, 19, true)]
        {
            let all = told(&[("+880", submitted, used), ("+491", 100, 100)]);
            assert_eq!(brake.holds(&to, true, &all).is_some(), held, "{used} of {submitted}");
            assert_eq!(brake.holds(&to, false, &all), None, "others' codes do not count against it");
        }
        let all = told(&[("+880", 50, 0)]);
        let over = brake.holds(&to, true, &all).unwrap();
        assert_eq!(over.until(), Some(UnixMs(1_000).plus(WINDOW)));
        assert_eq!(brake.holds(&Number::parse("+491701234567", None).unwrap(), true, &all), None);
    }
}
