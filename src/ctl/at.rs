//! `at parse`: how recorded AT traffic reads, line by line.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::failure::Failure;
use super::lines::{self, Row, RowError};
use super::listing::listing;
use super::render::Output;
use crate::at::{exchange, hex};
use crate::pdu::{self, facts::facts};

/// A recording of a modem's whole day is below this.
const LARGEST_RECORDING: u64 = 16 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum AtCommand {
    /// Read what a modem sent
    Parse {
        /// What was received, raw; stdin for `-` and otherwise
        #[arg(conflicts_with = "jsonl")]
        file: Option<PathBuf>,
        /// The command that was sent before it
        #[arg(long, value_name = "COMMAND", conflicts_with = "jsonl")]
        sent: Option<String>,
        /// Answer JSON lines of stdin: {"id","send","recv"}
        #[arg(long)]
        jsonl: bool,
    },
}

pub(super) fn run(output: Output, command: AtCommand) -> Result<(), Failure> {
    let AtCommand::Parse { file, sent, jsonl } = command;
    if jsonl {
        return lines::answer(row);
    }
    let received = match file {
        Some(path) if path.as_os_str() != "-" => recording(&path)?,
        _ => limited(io::stdin().lock())?,
    };
    let got = read(sent.as_deref(), &received);
    Ok(output.show(&got, listing)?)
}

fn row(row: &Row) -> Result<Value, RowError> {
    let send = match row.get("send") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_str().ok_or(RowError::Key("send"))?),
    };
    Ok(read(send, lines::text(row, "recv")?.as_bytes()))
}

/// What a message in a listing says, of all that its PDU says.
const MEANING: [&str; 12] = [
    "type",
    "sender",
    "recipient",
    "text",
    "data",
    "timestamp",
    "discharge",
    "status",
    "mr",
    "encoding",
    "class",
    "concat",
];

/// The exchange with its PDUs read: `at` carries their hex, `pdu` knows what they mean, and they meet here.
fn read(sent: Option<&str>, received: &[u8]) -> Value {
    let mut got = exchange::parse(sent, received);
    let items = got.get_mut("items").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten().filter_map(Value::as_object_mut) {
        let kind = item.get("t").and_then(Value::as_str);
        if !matches!(kind, Some("sms" | "urc-sms" | "urc-report")) {
            continue;
        }
        if let Some(sms) = item.get("pdu").and_then(Value::as_str).map(meaning) {
            item.insert("sms".to_owned(), sms);
        }
    }
    got
}

fn meaning(text: &str) -> Value {
    let octets = match hex::decode(text) {
        Ok(octets) => octets,
        Err(error) => return json!({"error": true, "reason": error.to_string()}),
    };
    let facts = facts(&pdu::decode(&octets, true, None), true);
    if facts.get("error").is_some() {
        return facts;
    }
    let said = MEANING.iter().filter_map(|key| {
        Some(((*key).to_owned(), facts.get(key).filter(|value| !value.is_null())?.clone()))
    });
    Value::Object(said.collect())
}

fn recording(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = File::open(path).and_then(limited);
    read.map_err(|error| Failure::input(path, error))
}

fn limited(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    reader.take(LARGEST_RECORDING + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > LARGEST_RECORDING {
        return Err(io::Error::other(format!("more than {LARGEST_RECORDING} octets")));
    }
    Ok(octets)
}
