//! Final results: the line that ends the answer to a command (V.250 5.7, TS 27.007 9, TS 27.005 3.2.5).

use super::codes::{CmeError, CmsError, Disposition};

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Final {
    /// `OK`.
    Ok,
    /// `ERROR` without a reason.
    Error,
    /// `+CME ERROR`: the modem or the card.
    Cme(CmeError),
    /// `+CMS ERROR`: the message service.
    Cms(CmsError),
    /// `COMMAND NOT SUPPORT` (Huawei) and `TOO MANY PARAMETERS`: not known here.
    NotSupported,
    /// `MODEM BUSY`.
    ModemBusy,
    /// `NO CARRIER`, also as an unsolicited result when a call ends.
    NoCarrier,
    /// `NO DIALTONE`.
    NoDialtone,
    /// `BUSY`.
    Busy,
    /// `NO ANSWER`.
    NoAnswer,
    /// `CONNECT`: the port left command mode.
    Connect,
}

impl Final {
    /// Reads one line; `None` if it is no final result.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if let Some(cause) = error_cause(line, "+CMS ERROR") {
            return Some(Self::Cms(CmsError::parse(cause)));
        }
        if let Some(cause) = error_cause(line, "+CME ERROR") {
            return Some(Self::Cme(CmeError::parse(cause)));
        }
        Some(match line {
            "OK" => Self::Ok,
            "ERROR" => Self::Error,
            "COMMAND NOT SUPPORT" | "COMMAND NOT SUPPORTED" | "TOO MANY PARAMETERS" => Self::NotSupported,
            "MODEM BUSY" => Self::ModemBusy,
            "NO CARRIER" => Self::NoCarrier,
            "NO DIALTONE" | "NO DIAL TONE" => Self::NoDialtone,
            "BUSY" => Self::Busy,
            "NO ANSWER" => Self::NoAnswer,
            _ if line == "CONNECT" || line.starts_with("CONNECT ") => Self::Connect,
            _ => return None,
        })
    }

    /// Whether the command did what it should.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok | Self::Connect)
    }

    /// What a failure means for what comes next; `None` for a success.
    #[must_use]
    pub fn disposition(&self) -> Option<Disposition> {
        Some(match self {
            Self::Ok | Self::Connect => return None,
            Self::Cms(error) => error.disposition(),
            Self::Cme(error) => error.disposition(),
            Self::NotSupported => Disposition::Unsupported,
            Self::ModemBusy | Self::Busy | Self::NoCarrier | Self::NoDialtone | Self::NoAnswer => {
                Disposition::Transient
            }
            Self::Error => Disposition::Unknown,
        })
    }

    /// Whether it speaks of the recipient and not of the way there.
    #[must_use]
    pub fn concerns_recipient(&self) -> bool {
        matches!(self, Self::Cms(error) if error.concerns_recipient())
    }
}

/// What follows `+CMS ERROR` or `+CME ERROR`, with or without colon and blanks.
fn error_cause<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(name)?;
    let rest = rest.trim_start();
    let cause = rest.strip_prefix(':').unwrap_or(rest).trim();
    Some(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finals_are_read() {
        assert_eq!(Final::parse("OK"), Some(Final::Ok));
        assert_eq!(Final::parse(" OK "), Some(Final::Ok));
        assert_eq!(Final::parse("OKAY"), None);
        assert_eq!(Final::parse("+CMS ERROR: 21"), Some(Final::Cms(CmsError::Code(21))));
        assert_eq!(Final::parse("+CME ERROR:14"), Some(Final::Cme(CmeError::Code(14))));
        assert_eq!(Final::parse("COMMAND NOT SUPPORT"), Some(Final::NotSupported));
        assert_eq!(Final::parse("CONNECT 9600"), Some(Final::Connect));
        assert_eq!(Final::parse("+CSQ: 1,99"), None);
    }

    #[test]
    fn words_find_their_number() {
        let Some(Final::Cme(error)) = Final::parse("+CME ERROR: SIM busy") else { panic!("no CME error") };
        assert_eq!(error.code(), Some(14));
        let Some(Final::Cms(error)) = Final::parse("+CMS ERROR: ") else { panic!("no CMS error") };
        assert_eq!(error.code(), None);
    }

    #[test]
    fn a_failure_has_a_disposition() {
        let disposition = |line: &str| Final::parse(line).unwrap().disposition();
        assert_eq!(disposition("OK"), None);
        assert_eq!(disposition("ERROR"), Some(Disposition::Unknown));
        assert_eq!(disposition("+CMS ERROR: 38"), Some(Disposition::Transient));
        assert_eq!(disposition("COMMAND NOT SUPPORT"), Some(Disposition::Unsupported));
    }

    proptest! {
        #[test]
        fn never_panics(line in ".*") {
            let _ = Final::parse(&line);
            let _ = Final::parse(&format!("+CMS ERROR: {line}"));
        }
    }
}
