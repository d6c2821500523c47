//! `gsm7`: the default alphabet, its extension and national tables, and their packing; for people and as JSON lines.

use clap::builder::RangedI64ValueParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::Failure;
use super::lines::{self, Row, RowError};
use super::messages;
use super::render::{self, Output};
use crate::at::hex;
use crate::pdu::gsm7::{self, Coded, ESCAPE, Tables};

/// National language identifiers go up to here; TS 23.038 6.2.1.2.4.
const LAST_LANGUAGE: u8 = 13;

#[derive(Debug, Subcommand)]
pub(super) enum Gsm7Command {
    /// The text of packed septets
    Decode {
        /// Packed septets in hex
        #[arg(required_unless_present = "jsonl")]
        hex: Option<String>,
        /// How many septets there are [default: as many as fit]
        #[arg(long)]
        count: Option<usize>,
        /// Fill bits in front of the first septet, as behind a user data header
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..7))]
        fill: u8,
        #[command(flatten)]
        shift: Shift,
        /// Answer JSON lines of stdin: {"id","kind","packed","fill","count","language"}
        #[arg(long, conflicts_with = "hex")]
        jsonl: bool,
    },
    /// The septets of a text, one an octet and packed
    Encode {
        /// The text; `-` reads it from stdin
        #[arg(required_unless_present = "jsonl")]
        text: Option<String>,
        /// Fill bits in front of the first septet
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..7))]
        fill: u8,
        #[command(flatten)]
        shift: Shift,
        /// Answer JSON lines of stdin: {"id","kind","text","fill","language"}
        #[arg(long, conflicts_with = "text")]
        jsonl: bool,
    },
}

/// National language tables, by their identifiers (TS 23.038 6.2.1.2.4).
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Shift {
    /// National table in place of the default alphabet: 1 Turkish, 3 Portuguese, 4 Bengali, ... 13 Urdu
    #[arg(long, value_name = "LANGUAGE", default_value_t = 0, value_parser = language())]
    locking: u8,
    /// National table in place of the extension table: 1 Turkish, 2 Spanish, 3 Portuguese, ... 13 Urdu
    #[arg(long, value_name = "LANGUAGE", default_value_t = 0, value_parser = language())]
    single: u8,
}

fn language() -> RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=i64::from(LAST_LANGUAGE))
}

impl From<Shift> for Tables {
    fn from(Shift { locking, single }: Shift) -> Self {
        Self { locking, single }
    }
}

pub(super) fn run(output: Output, command: Gsm7Command) -> Result<(), Failure> {
    match command {
        Gsm7Command::Decode { hex: Some(text), count, fill, shift, .. } => {
            let packed = hex::decode(&text).map_err(|error| Failure::Data(error.to_string()))?;
            let fitting = (packed.len() * 8).saturating_sub(usize::from(fill)) / 7;
            let septets = gsm7::unpack(&packed, fill, count.unwrap_or(fitting));
            let got = json!({"text": Tables::from(shift).decode(&septets), "count": septets.len()});
            Ok(output.show(&got, |got| got.get("text").map_or_else(String::new, render::plain))?)
        }
        Gsm7Command::Encode { text: Some(text), fill, shift, .. } => {
            let septets = septets(Tables::from(shift), &messages::text(text)?)
                .map_err(|error| Failure::Data(error.to_string()))?;
            let packed = hex::encode(&gsm7::pack(&septets, fill));
            let got = json!({"septets": hex::encode(&septets), "packed": packed, "count": septets.len()});
            Ok(output.show(&got, render::object)?)
        }
        Gsm7Command::Decode { .. } => lines::answer(decode),
        Gsm7Command::Encode { .. } => lines::answer(encode),
    }
}

/// The cheapest septets of a text; the first character that has none is told with its place.
fn septets(tables: Tables, text: &str) -> Result<Vec<u8>, RowError> {
    let mut septets = Vec::with_capacity(text.len());
    for (c, at) in text.chars().zip(1_usize..) {
        let coded = tables.encode_char(c).ok_or_else(|| {
            let code_point = u32::from(c);
            RowError::Content(format!("{c:?} (U+{code_point:04X}, character {at}) is not in these tables"))
        })?;
        coded.push_to(&mut septets);
    }
    Ok(septets)
}

fn decode(row: &Row) -> Result<Value, RowError> {
    let packed = octets(row, "packed")?;
    let fill = fill(row)?;
    let count = lines::number(row, "count")?.ok_or(RowError::Key("count"))?;
    let septets = gsm7::unpack(&packed, fill, count);
    Ok(json!({"text": tables(row)?.decode(&septets)}))
}

fn encode(row: &Row) -> Result<Value, RowError> {
    let text = lines::text(row, "text")?;
    let tables = tables(row)?;
    let mut septets = Vec::with_capacity(text.len());
    for c in text.chars() {
        let coded = escaped(tables, c).or_else(|| tables.encode_char(c));
        let coded = coded.ok_or_else(|| RowError::Content(format!("{c:?} is not in the alphabet")))?;
        coded.push_to(&mut septets);
    }
    let packed = if cr_padded(row) { gsm7::pack_ussd(&septets) } else { gsm7::pack(&septets, fill(row)?) };
    Ok(json!({"packed": hex::encode(&packed), "count": septets.len()}))
}

fn tables(row: &Row) -> Result<Tables, RowError> {
    let language = lines::number(row, "language")?;
    let needed = || language.ok_or(RowError::Key("language"));
    match row.get("kind").and_then(Value::as_str) {
        Some("national-locking") => Ok(Tables { locking: needed()?, single: 0 }),
        Some("national-single") => Ok(Tables { locking: 0, single: needed()? }),
        _ => Ok(Tables::default()),
    }
}

/// A row of the single shift tables means the escaped form even of characters that the default alphabet has too (the Latin
/// letters of Urdu). A code that reads as `c` behind an escape, whatever the locking table, has it from the single shift table.
fn escaped(tables: Tables, c: char) -> Option<Coded> {
    if tables.single == 0 {
        return None;
    }
    let mut buffer = [0; 4];
    let wanted: &str = c.encode_utf8(&mut buffer);
    let reads = |code: u8, locking: u8| Tables { locking, ..tables }.decode(&[ESCAPE, code]) == wanted;
    let code = (0..128)
        .filter(|code| *code != ESCAPE)
        .find(|code| (0..=LAST_LANGUAGE).all(|locking| reads(*code, locking)));
    code.map(Coded::Extended)
}

/// USSD fills seven spare bits with CR; some SMS senders do so too, which a row tells in its note.
fn cr_padded(row: &Row) -> bool {
    let says = |key, what: &str| row.get(key).and_then(Value::as_str).is_some_and(|text| text.contains(what));
    says("kind", "ussd-pack") || says("note", "CR pad")
}

fn fill(row: &Row) -> Result<u8, RowError> {
    let fill = lines::number(row, "fill")?.unwrap_or(0);
    if fill < 7 { Ok(fill) } else { Err(RowError::Key("fill")) }
}

fn octets(row: &Row, key: &'static str) -> Result<Vec<u8>, RowError> {
    match lines::text(row, key)? {
        "" => Ok(Vec::new()),
        text => hex::decode(text).map_err(|error| RowError::Content(error.to_string())),
    }
}
