//! Thresholds as the Monitoring Plugins Development Guidelines write them: a range of values that are well.
//!
//! `10` is 0 to 10, `10:` ten and more, `~:10` ten and less, `10:20` from ten to twenty, and `@10:20` all but those.

use std::fmt;
use std::str::FromStr;

/// The values that raise nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    /// `None`: no lower end.
    least: Option<u64>,
    /// `None`: no upper end.
    most: Option<u64>,
    /// Well is what lies outside.
    outside: bool,
}

impl Range {
    /// Whether `value` raises something.
    pub(super) fn is_crossed(&self, value: u64) -> bool {
        let above = self.least.is_none_or(|least| value >= least);
        let below = self.most.is_none_or(|most| value <= most);
        (above && below) == self.outside
    }
}

impl FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "write a range such as 10, 10:, ~:10, 10:20 or @10:20, in whole numbers";
        let whole = |text: &str| text.parse::<u64>().map_err(|_| WANTED);
        let (outside, ends) = text.strip_prefix('@').map_or((false, text), |ends| (true, ends));
        let (least, most) = ends.split_once(':').unwrap_or(("0", ends));
        let least = if least == "~" { None } else { Some(whole(least)?) };
        let most = if most.is_empty() && ends.contains(':') { None } else { Some(whole(most)?) };
        if least.zip(most).is_some_and(|(least, most)| least > most) {
            return Err("the lower end of a range is not above its upper end");
        }
        Ok(Self { least, most, outside })
    }
}

/// In its shortest form, as performance data has it.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.outside {
            f.write_str("@")?;
        }
        match self.least {
            Some(0) if self.most.is_some() => {}
            Some(least) => write!(f, "{least}:")?,
            None => f.write_str("~:")?,
        }
        self.most.map_or(Ok(()), |most| write!(f, "{most}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_guidelines() {
        let cases: [(&str, &[u64], &[u64]); 6] = [
            ("10", &[0, 10], &[11]),
            ("10:", &[10, 99], &[9]),
            ("~:10", &[0, 10], &[11]),
            ("10:20", &[10, 20], &[9, 21]),
            ("@10:20", &[9, 21], &[10, 20]),
            ("@0", &[1], &[0]),
        ];
        for (text, well, crossed) in cases {
            let range: Range = text.parse().unwrap();
            assert_eq!(range.to_string(), text);
            assert!(well.iter().all(|value| !range.is_crossed(*value)), "{text}");
            assert!(crossed.iter().all(|value| range.is_crossed(*value)), "{text}");
        }
        assert_eq!("0:5".parse::<Range>().unwrap().to_string(), "5");
        for bad in ["", ":", ":5", "x", "-1", "5:1", "@", "1:2:3", "1.5"] {
            assert!(bad.parse::<Range>().is_err(), "{bad:?}");
        }
    }
}
