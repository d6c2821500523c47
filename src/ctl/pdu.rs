//! `pdu decode`: what a PDU says, from the command line or as JSON lines.

use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use super::failure::Failure;
use super::lines::{self, Row, RowError};
use super::render::{self, Output};
use crate::at::hex;
use crate::pdu::facts::facts;
use crate::pdu::{self, Kind};

#[derive(Debug, Subcommand)]
pub(super) enum PduCommand {
    /// Read PDUs; the service centre address is expected in front, as modems give and take them
    Decode {
        /// PDUs in hex
        #[arg(required_unless_present = "jsonl")]
        hex: Vec<String>,
        /// Answer JSON lines of stdin: {"id","pdu","smsc","type"}
        #[arg(long, conflicts_with = "hex")]
        jsonl: bool,
        /// The PDUs begin with the TPDU, without a service centre address
        #[arg(long, conflicts_with = "jsonl")]
        tpdu: bool,
        /// What the PDUs are, if the message type indicator shall not decide
        #[arg(long = "type", value_enum, conflicts_with = "jsonl")]
        direction: Option<Direction>,
    },
}

/// The type of a TPDU.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Direction {
    Deliver,
    DeliverReport,
    Submit,
    SubmitReport,
    StatusReport,
    Command,
}

pub(super) fn run(output: Output, command: PduCommand) -> Result<(), Failure> {
    let PduCommand::Decode { hex, jsonl, tpdu, direction } = command;
    if jsonl {
        return lines::answer(row);
    }
    let mut bad = 0;
    for text in &hex {
        let got = decode(text, !tpdu, direction.map(kind)).unwrap_or_else(|error| told(&error));
        bad += usize::from(got.get("error").is_some());
        output.show(&got, |got| format!("{}\n", render::object(got)))?;
    }
    if bad == 0 { Ok(()) } else { Err(Failure::Data(format!("{bad} of {} PDUs cannot be read", hex.len()))) }
}

fn row(row: &Row) -> Result<Value, RowError> {
    let smsc = row.get("smsc").and_then(Value::as_bool).ok_or(RowError::Key("smsc"))?;
    let kind = match row.get("type") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let named = value.as_str().and_then(|word| Direction::from_str(word, false).ok());
            Some(kind(named.ok_or(RowError::Key("type"))?))
        }
    };
    decode(lines::text(row, "pdu")?, smsc, kind)
}

fn decode(text: &str, smsc: bool, kind: Option<Kind>) -> Result<Value, RowError> {
    let octets = hex::decode(text).map_err(|error| RowError::Content(error.to_string()))?;
    Ok(facts(&pdu::decode(&octets, smsc, kind), smsc))
}

fn kind(direction: Direction) -> Kind {
    match direction {
        Direction::Deliver => Kind::Deliver,
        Direction::DeliverReport => Kind::DeliverReport,
        Direction::Submit => Kind::Submit,
        Direction::SubmitReport => Kind::SubmitReport,
        Direction::StatusReport => Kind::StatusReport,
        Direction::Command => Kind::Command,
    }
}

fn told(error: &RowError) -> Value {
    serde_json::json!({"error": true, "reason": error.to_string()})
}
