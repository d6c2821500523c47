//! `pdu decode` and `pdu encode`: what a PDU says, octet by octet for people and as facts for machines, and the PDUs of a text.

use std::io::{self, BufRead, Read};

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::dump::layout;
use super::encode;
use super::failure::Failure;
use super::lines::{self, Row, RowError};
use super::render::Output;
use crate::at::hex;
use crate::pdu::facts::facts;
use crate::pdu::{self, Kind, dump::dump};

/// One PDU has some 180 octets; a paragraph of stdin beyond this is no PDU.
const LONGEST_PARAGRAPH: u64 = 64 << 10;

#[derive(Debug, Subcommand)]
pub(super) enum PduCommand {
    /// Explain PDUs octet by octet; a service centre address is expected in front, as modems give and take them
    Decode {
        /// PDUs in hex, each as one argument that may have blanks, colons and line ends in it; stdin otherwise, with an
        /// empty line between two PDUs
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
    /// The PDUs of a text in hex, one line for each part, with the length that AT+CMGS wants in front
    Encode {
        #[command(flatten)]
        order: encode::Order,
        /// Answer JSON lines of stdin: {"id","to","text"} and the options by their names
        #[arg(long, conflicts_with = "address")]
        jsonl: bool,
    },
}

/// The type of a TPDU.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Direction {
    Deliver,
    Submit,
    StatusReport,
}

pub(super) fn run(output: Output, command: PduCommand) -> Result<(), Failure> {
    match command {
        PduCommand::Decode { jsonl: true, .. } => lines::answer(row),
        PduCommand::Decode { hex, tpdu, direction, .. } => {
            explain(&Explain { output, smsc: !tpdu, kind: direction.map(kind) }, &hex)
        }
        PduCommand::Encode { jsonl: true, .. } => lines::answer(encode::row),
        PduCommand::Encode { order, .. } => encode::run(output, order),
    }
}

/// Explains the PDUs of the command line, or those of stdin.
fn explain(explain: &Explain, hex: &[String]) -> Result<(), Failure> {
    let (mut all, mut bad) = (0_usize, 0_usize);
    let mut one = |text: &str| -> Result<(), Failure> {
        let readable = explain.one(text, all > 0)?;
        all += 1;
        bad += usize::from(!readable);
        Ok(())
    };
    if hex.is_empty() {
        paragraphs(io::stdin().lock(), one)?;
    } else {
        hex.iter().try_for_each(|text| one(text))?;
    }
    match (all, bad) {
        (0, _) => Err(Failure::Usage("no PDU was given; name one in hex or write it to stdin")),
        (_, 0) => Ok(()),
        _ => Err(Failure::Data(format!("{bad} of {all} PDUs cannot be read"))),
    }
}

struct Explain {
    output: Output,
    smsc: bool,
    kind: Option<Kind>,
}

impl Explain {
    /// Shows one PDU, behind a blank line if it is not the first, and tells whether it could be read.
    fn one(&self, text: &str, apart: bool) -> io::Result<bool> {
        let apart = if apart { "\n" } else { "" };
        let octets = match octets(text) {
            Ok(octets) => octets,
            Err(error) => {
                let got = json!({"error": true, "reason": error.to_string()});
                self.output.show(&got, |_| format!("{apart}FAULT {error}\n"))?;
                return Ok(false);
            }
        };
        let dump = dump(&octets, self.smsc, self.kind);
        let got = facts(&dump.decoded, self.smsc);
        self.output.show(&got, |_| format!("{apart}{}", layout(&octets, &dump)))?;
        Ok(dump.decoded.is_ok())
    }
}

/// Octets as people write them: blanks, line ends and colons between the digits do not matter.
fn octets(text: &str) -> Result<Vec<u8>, RowError> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    if let Some(c) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(RowError::Content(format!(
            "{c:?} is no hex digit; a PDU is written with 0 to 9 and A to F"
        )));
    }
    hex::decode(&digits).map_err(|error| RowError::Content(error.to_string()))
}

/// Gives every paragraph of `input` to `take` as soon as its end is there.
fn paragraphs(
    mut input: impl BufRead,
    mut take: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut paragraph = Vec::new();
    loop {
        let begin = paragraph.len();
        let room = LONGEST_PARAGRAPH.saturating_sub(begin as u64);
        if room == 0 {
            let fault = "stdin has more hex than a PDU; put an empty line between two PDUs";
            return Err(Failure::Data(fault.to_owned()));
        }
        let read = input.by_ref().take(room).read_until(b'\n', &mut paragraph)?;
        let blank = paragraph.iter().skip(begin).all(u8::is_ascii_whitespace);
        if blank && !paragraph.trim_ascii().is_empty() {
            take(&String::from_utf8_lossy(&paragraph))?;
        }
        if blank {
            paragraph.clear();
        }
        if read == 0 {
            return Ok(());
        }
    }
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
    let octets = hex::decode(lines::text(row, "pdu")?);
    let octets = octets.map_err(|error| RowError::Content(error.to_string()))?;
    Ok(facts(&pdu::decode(&octets, smsc, kind), smsc))
}

fn kind(direction: Direction) -> Kind {
    match direction {
        Direction::Deliver => Kind::Deliver,
        Direction::Submit => Kind::Submit,
        Direction::StatusReport => Kind::StatusReport,
    }
}
