//! `sendsms NUMBER TEXT`: the command that notification scripts call, with the arguments that smstools' script of that name takes.
//!
//! The program is this one under another name (a link), or `smsotpctl sendsms`. It goes into the lane of alerts, since who calls it is
//! mostly a machine in trouble.

use std::ffi::OsString;
use std::path::Path;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::client::Client;
use super::failure::Failure;
use super::messages;
use super::render::Output;
use crate::queue::message::Lane;

/// The name under which the program is this command.
const NAME: &str = "sendsms";

#[derive(Debug, Args)]
pub(super) struct Sendsms {
    /// The destination: +49..., 49... as smstools has it, a national number with its 0, or a short code
    #[arg(value_name = "NUMBER")]
    to: String,
    /// The text, several words are joined; `-` or none reads it from stdin
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: Vec<String>,
    /// Who waits for it
    #[arg(long, value_name = "LANE", value_parser = PossibleValuesParser::new(Lane::ALL.map(Lane::as_str)), default_value = "alert")]
    lane: String,
    /// It must not leave later than so long from now, such as 5m
    #[arg(long, value_name = "TIME", value_parser = messages::seconds)]
    lifetime: Option<u64>,
    /// Shown at once and not stored by the phone (message class 0)
    #[arg(long)]
    flash: bool,
    /// The same key twice sends once, so that a script may try again
    #[arg(long, short = 'k', value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// The arguments as this program has them, if it was called by this command's name.
pub(super) fn by_name(arguments: Vec<OsString>) -> Vec<OsString> {
    let called = arguments.first().and_then(|name| Path::new(name).file_name());
    if called.is_none_or(|called| called != NAME) {
        return arguments;
    }
    ["smsotpctl".into(), NAME.into()].into_iter().chain(arguments.into_iter().skip(1)).collect()
}

pub(super) fn run(client: &Client, output: Output, asked: Sendsms) -> Result<(), Failure> {
    messages::send(client, output, asked.into())
}

impl From<Sendsms> for messages::Send {
    fn from(asked: Sendsms) -> Self {
        let Sendsms { to, text, lane, lifetime, flash, idempotency_key } = asked;
        let text = if text.is_empty() { "-".to_owned() } else { text.join(" ") };
        Self {
            to: number(to),
            text,
            lane,
            lifetime,
            flash,
            no_report: false,
            idempotency_key,
            dry_run: false,
        }
    }
}

/// smstools takes numbers in their international form without `+`, which admission does too, and a short code with an `s` before it.
fn number(given: String) -> String {
    let digits = |rest: &&str| !rest.is_empty() && rest.bytes().all(|octet| octet.is_ascii_digit());
    given.strip_prefix(['s', 'S']).filter(digits).map(str::to_owned).unwrap_or(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_smstools() {
        for (given, taken) in [
            ("491701234567", "491701234567"),
            ("+491701234567", "+491701234567"),
            ("72267", "72267"),
            ("s72267", "72267"),
            ("S1234567", "1234567"),
            ("sos", "sos"),
            ("", ""),
        ] {
            assert_eq!(number(given.to_owned()), taken);
        }
    }

    #[test]
    fn the_name_makes_the_command() {
        let of = |arguments: &[&str]| by_name(arguments.iter().map(OsString::from).collect());
        assert_eq!(of(&["/usr/bin/sendsms", "49", "x"]), ["smsotpctl", "sendsms", "49", "x"]);
        assert_eq!(of(&["smsotpctl", "sendsms"]), ["smsotpctl", "sendsms"]);
        assert_eq!(of(&[]), [""; 0]);
    }
}
