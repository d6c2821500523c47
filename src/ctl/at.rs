//! `at parse`: how recorded AT traffic reads, line by line.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::Value;

use super::exchange::read;
use super::failure::Failure;
use super::lines::{self, Row, RowError};
use super::listing::listing;
use super::render::Output;

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
