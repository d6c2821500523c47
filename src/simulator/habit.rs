//! Habits and faults of a scenario that are more than a number: what stands behind the port, how echo and card behave, and which
//! commands are answered otherwise than usual.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::scenario::duration_text;

/// What stands at the other end of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaks {
    /// A modem.
    #[default]
    Modem,
    /// Nothing: a port without anything behind it, or a modem that hangs.
    Nothing,
    /// A loop: every octet comes back, and no more.
    Echo,
    /// A GNSS receiver: sentences of NMEA 0183 five times a second, deaf to commands.
    Nmea,
    /// A modem at another speed: for each octet some that are none of ours.
    Garbage,
    /// The login of a computer: it echoes, and takes no line for a name that it knows.
    Console,
}

/// What becomes of `ATE0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EchoOff {
    /// It is obeyed.
    #[default]
    Obeyed,
    /// `ERROR`, and the echo stays.
    Refused,
    /// `OK`, and the echo stays.
    Ignored,
}

/// The SIM card in its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Card {
    /// It works.
    #[default]
    Good,
    /// There is none.
    Absent,
    /// It does not answer as it should.
    Failing,
    /// It is busy and stays so.
    Busy,
}

/// How a command is refused that the modem does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// As `+CMEE` says; TS 27.007 9.1.
    #[default]
    ByCmee,
    /// `ERROR`, always.
    Error,
    /// `COMMAND NOT SUPPORT`.
    NotSupport,
}

/// A command that is answered late or otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Instead {
    /// How the line begins behind `AT`: `+CNMI=2`; with `=` or `?` at its end only this form of the command.
    pub command: String,
    /// What is said in place of carrying it out: `ERROR`, `+CMS ERROR: 303`. An empty text: nothing is ever said. None: it is
    /// carried out and answered as usual.
    #[serde(default)]
    pub say: Option<String>,
    /// So much later than usual.
    #[serde(default, with = "duration_text")]
    pub after: Duration,
    /// At its first occurrences only; none: always.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Instead {
    /// Whether it is about this command line (without `AT`), which came `before` times already.
    pub(super) fn strikes(&self, line: &str, before: u32) -> bool {
        let begins =
            line.get(..self.command.len()).is_some_and(|start| start.eq_ignore_ascii_case(&self.command));
        begins && self.times.is_none_or(|times| before < times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_by_its_beginning_and_so_often() {
        let instead = Instead {
            command: "+CNMI=2".into(),
            say: Some("ERROR".into()),
            after: Duration::ZERO,
            times: Some(2),
        };
        assert!(instead.strikes("+cnmi=2,1", 1));
        assert!(!instead.strikes("+CNMI=2,1", 2));
        assert!(!instead.strikes("+CNMI=?", 0) && !instead.strikes("+CN", 0));
        assert!(Instead { times: None, ..instead }.strikes("+CNMI=2", 9));
    }
}
