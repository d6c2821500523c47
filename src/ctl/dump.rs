//! The layout of an annotated PDU: a line for each field, lines below it for its bits, then the text and what is wrong.

use super::render;
use crate::pdu::dump::{Dump, Row};

/// Octets on one line; a long field goes on below.
const OCTETS_A_LINE: usize = 8;
/// Columns: eight octets, the longest field name, the longest clause.
const OCTETS: usize = OCTETS_A_LINE * 3;
const NAME: usize = 16;
const CLAUSE: usize = 17;

/// For people: what `dump` says of `octets`.
pub(super) fn layout(octets: &[u8], dump: &Dump) -> String {
    let mut text = line("at", "octets", "field", "clause", "meaning");
    for row in &dump.rows {
        field(&mut text, octets, row);
    }
    if let Some(said) = &dump.text {
        text.push_str("text\n");
        for line in String::from_utf8_lossy(said.expose()).lines() {
            text.push_str(&format!("      {}\n", render::clean(line)));
        }
    }
    match &dump.decoded {
        Ok(decoded) => text.push_str(&format!("TPDU  {} octets\n", decoded.tpdu_len)),
        Err(error) => text.push_str(&format!("FAULT {error}\n")),
    }
    text
}

fn field(text: &mut String, octets: &[u8], row: &Row) {
    let end = row.offset.saturating_add(row.len);
    let own = octets.get(row.offset..end).unwrap_or_default();
    let mut lines = own.chunks(OCTETS_A_LINE).zip((row.offset..).step_by(OCTETS_A_LINE));
    if let Some((chunk, at)) = lines.next() {
        text.push_str(&line(&at.to_string(), &hex(chunk), row.name, row.clause, &row.meaning));
    }
    for (chunk, at) in lines {
        text.push_str(&line(&at.to_string(), &hex(chunk), "", "", ""));
    }
    let Some(&octet) = own.first() else { return };
    for bits in &row.bits {
        let name = format!("  {}", bits.name);
        text.push_str(&line("", &format!("  {}", bits.pattern(octet)), &name, bits.clause, bits.meaning));
    }
}

fn line(at: &str, octets: &str, name: &str, clause: &str, meaning: &str) -> String {
    let meaning = render::clean(meaning);
    let line = format!("{at:>4}  {octets:<OCTETS$} {name:<NAME$}  {clause:<CLAUSE$}  {meaning}");
    format!("{}\n", line.trim_end())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X} ")).collect()
}
