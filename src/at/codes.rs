//! Error causes of `+CMS ERROR` (TS 27.005 3.2.5) and `+CME ERROR` (TS 27.007 9.2): what they mean for the message and for the modem.

use super::codes_table::{self, Entry};

/// What an error means for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Try again later with growing pauses.
    Transient,
    /// The SIM or the store is not ready yet: the same command again after a second.
    SimBusy,
    /// This message will never be accepted.
    Permanent,
    /// The network or the service centre refused this subscriber or this destination: another route may do.
    NetworkRefused,
    /// The service centre had it before: it counts as sent.
    Duplicate,
    /// The modem, the card or the set-up must be repaired; nothing is wrong with the message.
    Local,
    /// As [`Disposition::Local`], and a reset helps.
    LocalReset,
    /// The command is not known or not allowed here: use another way.
    Unsupported,
    /// Nothing is wrong: an empty slot, an acknowledgement nobody waited for.
    Harmless,
    /// No cause given: transient a few times, then a reset.
    Unknown,
}

/// Longest text of a wordy error kept, characters.
const WORDS_MAX: usize = 120;

/// The cause of `+CMS ERROR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CmsError {
    /// The number.
    Code(u16),
    /// Words (`+CMEE=2`), or nothing.
    Words(String),
}

/// The cause of `+CME ERROR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CmeError {
    /// The number.
    Code(u16),
    /// Words (`+CMEE=2`), or nothing.
    Words(String),
}

macro_rules! cause {
    ($name:ident, $table:expr, $prefix:literal) => {
        impl $name {
            /// Reads what follows the colon.
            #[must_use]
            pub fn parse(cause: &str) -> Self {
                let cause = cause.trim();
                cause
                    .parse()
                    .map_or_else(|_| Self::Words(cause.chars().take(WORDS_MAX).collect()), Self::Code)
            }

            /// The number, also found by its words.
            #[must_use]
            pub fn code(&self) -> Option<u16> {
                match self {
                    Self::Code(code) => Some(*code),
                    Self::Words(words) => codes_table::by_name($table, words).map(|entry| entry.code),
                }
            }

            /// What it means for what comes next.
            #[must_use]
            pub fn disposition(&self) -> Disposition {
                self.entry().map_or(Disposition::Unknown, |entry| entry.disposition)
            }

            /// Cause and remedy for a person.
            #[must_use]
            pub fn describe(&self) -> String {
                codes_table::describe($prefix, self.entry(), self.code(), self.words())
            }

            fn words(&self) -> &str {
                match self {
                    Self::Code(_) => "",
                    Self::Words(words) => words,
                }
            }

            fn entry(&self) -> Option<&'static Entry> {
                codes_table::by_code($table, self.code()?)
            }
        }
    };
}

cause!(CmsError, codes_table::CMS, "CMS");
cause!(CmeError, codes_table::CME, "CME");

impl CmsError {
    /// Whether it speaks of the recipient (its number is not assigned, its phone is off or full, it is barred) and not of the way
    /// there; TS 24.011 E.2, TS 23.040 9.2.3.22.
    #[must_use]
    pub fn concerns_recipient(&self) -> bool {
        matches!(self.code(), Some(1 | 22 | 27 | 28 | 30 | 195 | 196))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispositions_follow_the_cause() {
        let cms = |code| CmsError::Code(code).disposition();
        assert_eq!(cms(22), Disposition::Transient);
        assert_eq!(cms(38), Disposition::Transient);
        assert_eq!(cms(21), Disposition::NetworkRefused);
        assert_eq!(cms(304), Disposition::Permanent);
        assert_eq!(cms(197), Disposition::Duplicate);
        assert_eq!(cms(314), Disposition::SimBusy);
        assert_eq!(cms(330), Disposition::Local);
        assert_eq!(cms(321), Disposition::Harmless);
        assert_eq!(cms(9999), Disposition::Unknown);
        assert_eq!([cms(515), cms(532)], [Disposition::SimBusy; 2]);
        assert_eq!([cms(512), cms(535), cms(615)], [Disposition::Transient; 3]);
        assert_eq!([cms(518), cms(549), cms(554)], [Disposition::Permanent; 3]);
        assert_eq!(cms(513), Disposition::Unknown, "a full store on one make, a lost link on another");
        assert_eq!(cms(770), Disposition::NetworkRefused);
        assert_eq!(CmsError::parse("Network is down").code(), Some(616));
        assert_eq!(CmeError::Code(14).disposition(), Disposition::SimBusy);
        assert_eq!(CmeError::Code(16).disposition(), Disposition::Local);
        assert_eq!(CmeError::parse("SIM PIN required").disposition(), Disposition::Local);
    }

    #[test]
    fn what_is_the_recipients_fault_is_not_the_ways() {
        for code in [1, 22, 27, 28, 30, 195, 196] {
            assert!(CmsError::Code(code).concerns_recipient(), "{code}");
        }
        for code in [8, 21, 38, 42, 50, 69, 193, 194, 300, 330, 331, 500] {
            assert!(!CmsError::Code(code).concerns_recipient(), "{code}");
        }
    }

    #[test]
    fn descriptions_name_cause_and_remedy() {
        assert_eq!(CmsError::Code(330).describe(), "CMS 330 (SMSC address unknown): set it with AT+CSCA");
        assert_eq!(CmsError::Code(42).describe(), "CMS 42 (congestion)");
        assert_eq!(CmsError::Code(777).describe(), "CMS 777 (no published meaning)");
        assert_eq!(CmeError::parse("strange").describe(), "CME error \"strange\"");
        assert_eq!(CmeError::parse("").describe(), "CME error without a cause");
    }
}
