//! `gsm7`: the default alphabet, its extension and national tables, and their packing, as JSON lines.

use clap::Subcommand;
use serde_json::{Value, json};

use super::failure::Failure;
use super::lines::{self, Row, RowError};
use crate::at::hex;
use crate::pdu::gsm7::{self, Coded, ESCAPE, Tables};

/// National language identifiers go up to here; TS 23.038 6.2.1.2.4.
const LAST_LANGUAGE: u8 = 13;

#[derive(Debug, Subcommand)]
pub(super) enum Gsm7Command {
    /// Answer {"id","kind","packed","fill","count","language"} with the text
    Decode {
        /// JSON lines of stdin
        #[arg(long, required = true)]
        jsonl: bool,
    },
    /// Answer {"id","kind","text","fill","language"} with the packed septets and their count
    Encode {
        /// JSON lines of stdin
        #[arg(long, required = true)]
        jsonl: bool,
    },
}

pub(super) fn run(command: Gsm7Command) -> Result<(), Failure> {
    match command {
        Gsm7Command::Decode { .. } => lines::answer(decode),
        Gsm7Command::Encode { .. } => lines::answer(encode),
    }
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
