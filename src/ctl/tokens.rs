//! `token`: which phone belongs to whom. The calls are privacyIDEA's, so that its administrators' scripts and this tool do the
//! same things.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Column, Output};
use super::secret_input;

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Enrol a phone; without --pin and --pin-file the PIN is asked for, or read from stdin
    Add(Add),
    /// Tokens, of all users or one
    List {
        /// Only this user's
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Remove a token and its challenges
    Remove {
        /// Its serial, such as PISM00012AB4
        serial: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The owner's login name
    #[arg(long, value_name = "NAME")]
    user: String,
    /// Where codes go
    #[arg(long, value_name = "NUMBER")]
    phone: String,
    /// The PIN; every user of this machine can see it while the command runs
    #[arg(long, conflicts_with = "pin_file")]
    pin: Option<String>,
    /// A file whose first line is the PIN
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// The serial; the daemon makes one otherwise
    #[arg(long)]
    serial: Option<String>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

const COLUMNS: &[Column] = &[
    ("SERIAL", "/serial"),
    ("USER", "/username"),
    ("PHONE", "/info/phone"),
    ("ACTIVE", "/active"),
    ("FAILURES", "/failcount"),
    ("OF", "/maxfail"),
    ("DESCRIPTION", "/description"),
];

pub(super) fn run(client: &Client, output: Output, command: Token) -> Result<(), Failure> {
    match command {
        Token::Add(add) => self::add(client, output, &add),
        Token::List { user } => {
            let query: Vec<_> = user.map(|user| ("user", user)).into_iter().collect();
            let answer = client.get("/token/", &query)?;
            let list =
                |answer: &Value| render::rows(answer.pointer("/result/value/tokens"), COLUMNS, "no token");
            Ok(output.show(&answer, list)?)
        }
        Token::Remove { serial } => {
            if !is_serial(&serial) {
                return Err(Failure::Data(format!(
                    "{serial:?} is no serial; `smsotpctl token list` shows them"
                )));
            }
            let answer = client.delete(&format!("/token/{serial}"))?;
            Ok(output.show(&answer, |_| format!("{serial} removed"))?)
        }
    }
}

fn add(client: &Client, output: Output, add: &Add) -> Result<(), Failure> {
    let pin = match (&add.pin, &add.pin_file) {
        (Some(pin), _) => pin.as_str().into(),
        (None, Some(file)) => secret_input::first_line(file)?,
        (None, None) => secret_input::ask("PIN: ")?,
    };
    let text = pin.expose_str().ok_or_else(|| Failure::Data("the PIN is not UTF-8".to_owned()))?;
    let mut form =
        vec![("type", "sms"), ("genkey", "1"), ("user", &add.user), ("phone", &add.phone), ("pin", text)];
    form.extend(add.serial.as_deref().map(|serial| ("serial", serial)));
    form.extend(add.description.as_deref().map(|text| ("description", text)));
    let answer = client.post_form("/token/init", &form)?;
    let told = |answer: &Value| {
        let serial = answer.pointer("/detail/serial").map_or_else(String::new, render::plain);
        format!("{serial} added")
    };
    Ok(output.show(&answer, told)?)
}

/// It becomes part of a path, so only what serials are made of.
fn is_serial(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_cannot_leave_its_path() {
        assert!(is_serial("PISM00012AB4"));
        for text in ["", "../v1", "A/B", "A?b=c", "A%2fB"] {
            assert!(!is_serial(text), "{text}");
        }
    }
}
