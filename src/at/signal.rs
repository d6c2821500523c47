//! The signal in more detail than `+CSQ` has it: LTE receives by reference signals, and how good they are is in three figures of which
//! `+CSQ` shows none.
//!
//! Each vendor has its own command and its own steps; here all become whole dB. What is not LTE, or not known, is left out.

use crate::units::Dbm;

use super::grammar::Info;

/// How this modem wants to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalForm {
    /// `AT+CESQ`; TS 27.007 8.69.
    Cesq,
    /// `AT^HCSQ?` (Huawei).
    Hcsq,
    /// `AT+QCSQ` (Quectel).
    Qcsq,
}

impl SignalForm {
    /// What stands behind `AT`.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Cesq => "+CESQ",
            Self::Hcsq => "^HCSQ?",
            Self::Qcsq => "+QCSQ",
        }
    }

    /// The name of its answer.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Cesq => "+CESQ",
            Self::Hcsq => "^HCSQ",
            Self::Qcsq => "+QCSQ",
        }
    }
}

/// How LTE is received; TS 36.214 5.1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Radio {
    /// Power of the reference signals.
    pub rsrp: Option<Dbm>,
    /// Their quality in dB, rounded down.
    pub rsrq: Option<i16>,
    /// Signal to interference and noise in dB, rounded down.
    pub sinr: Option<i16>,
}

impl Radio {
    /// Reads the answer to any [`SignalForm`]; `None` if it tells nothing of LTE.
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        let radio = match info.name {
            // <rxlev>,<ber>,<rscp>,<ecno>,<rsrq>,<rsrp>
            "+CESQ" => Self { rsrp: rsrp(info.number(5)), rsrq: rsrq(info.number(4)), sinr: None },
            // "LTE",<rssi>,<rsrp>,<sinr>,<rsrq>, all as steps
            "^HCSQ" if is_lte(info) => {
                Self { rsrp: rsrp(info.number(2)), rsrq: rsrq(info.number(4)), sinr: sinr(info.number(3)) }
            }
            // "LTE",<rssi>,<rsrp>,<sinr>,<rsrq>, only the third as steps
            "+QCSQ" if is_lte(info) => Self {
                rsrp: info.number(2).filter(|dbm| (-157..=-30).contains(dbm)).map(Dbm),
                rsrq: info.number(4).filter(|db| (-43..=20).contains(db)),
                sinr: sinr(info.number(3)),
            },
            _ => return None,
        };
        (radio != Self::default()).then_some(radio)
    }
}

/// LTE, and what is LTE for things.
fn is_lte(info: &Info<'_>) -> bool {
    info.text(0).is_some_and(|mode| {
        ["LTE", "CAT-M", "CAT-NB", "EMTC", "NBIOT"].iter().any(|lte| starts_with(mode, lte))
    })
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// Steps of 1 dB; 0 is everything below -140 dBm, 255 is not known.
fn rsrp(step: Option<u8>) -> Option<Dbm> {
    step.filter(|&step| step <= 97).map(|step| Dbm(i16::from(step) - 141))
}

/// Steps of half a dB; 0 is everything below -19.5 dB, 255 is not known.
fn rsrq(step: Option<u8>) -> Option<i16> {
    step.filter(|&step| step <= 34).map(|step| (i16::from(step) - 40).div_euclid(2))
}

/// Steps of a fifth of a dB from -20 dB on; 255 is not known.
fn sinr(step: Option<u8>) -> Option<i16> {
    step.filter(|&step| step <= 251).map(|step| (i16::from(step) - 100).div_euclid(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn radio(line: &str) -> Option<(Option<i16>, Option<i16>, Option<i16>)> {
        Radio::parse(&Info::parse(line)?).map(|radio| (radio.rsrp.map(|dbm| dbm.0), radio.rsrq, radio.sinr))
    }

    #[test]
    fn each_dialect_gives_whole_decibels() {
        assert_eq!(radio("+CESQ: 99,99,255,255,20,80"), Some((Some(-61), Some(-10), None)));
        assert_eq!(radio("+CESQ: 99,99,255,255,255,40"), Some((Some(-101), None, None)));
        assert_eq!(radio("^HCSQ:\"LTE\",46,41,125,22"), Some((Some(-100), Some(-9), Some(5))));
        assert_eq!(radio("^HCSQ: \"LTE\",46,41,99,255"), Some((Some(-100), None, Some(-1))));
        assert_eq!(radio("+QCSQ: \"LTE\",-52,-81,195,-10"), Some((Some(-81), Some(-10), Some(19))));
        assert_eq!(radio("+QCSQ: \"CAT-M1\",-52,-81,195,-10"), Some((Some(-81), Some(-10), Some(19))));
    }

    #[test]
    fn what_is_not_lte_or_not_known_is_left_out() {
        for line in [
            "+CESQ: 30,99,255,255,255,255",
            "^HCSQ:\"WCDMA\",30,30,58",
            "^HCSQ:\"NOSERVICE\"",
            "+QCSQ: \"GSM\",-74",
            "+QCSQ: \"LTE\",-52,32767,255,99",
            "+CSQ: 20,99",
        ] {
            assert_eq!(radio(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(name in "(\\+CESQ|\\^HCSQ|\\+QCSQ)", args in "[0-9A-Z,\" -]{0,60}") {
            if let Some(info) = Info::parse(&format!("{name}: {args}")) {
                let _ = Radio::parse(&info);
            }
        }
    }
}
