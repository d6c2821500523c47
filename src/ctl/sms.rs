//! `sms plan`: what a text costs before it is sent, without a daemon.

use clap::Subcommand;
use serde_json::{Value, json};

use super::failure::Failure;
use super::messages;
use super::render::{self, Output};
use super::texts::Texts;
use crate::pdu::segment::TextAlphabet;
use crate::pdu::{self, Forecast, Found, Replaced};

#[derive(Debug, Subcommand)]
pub(super) enum SmsCommand {
    /// Tell the parts of a text, its alphabet, the room left, and the characters that made it dear or are replaced
    Plan {
        /// The text; `-` reads it from stdin
        text: String,
        #[command(flatten)]
        texts: Texts,
    },
}

pub(super) fn run(output: Output, command: SmsCommand) -> Result<(), Failure> {
    let SmsCommand::Plan { text, texts } = command;
    let text = messages::text(text)?;
    let plan = pdu::plan_with(&text, &texts.policy()).map_err(|error| Failure::Data(error.to_string()))?;
    let forecast = Forecast::new(&text, &plan);
    let parts: Vec<Value> = plan
        .texts()
        .iter()
        .zip(&forecast.units)
        .map(|(text, units)| json!({"units": units, "text": String::from_utf8_lossy(text.expose())}))
        .collect();
    let mut got = serde_json::to_value(&forecast).unwrap_or_default();
    if let Some(got) = got.as_object_mut() {
        got.remove("units");
        got.insert("parts".to_owned(), Value::Array(parts));
    }
    Ok(output.show(&got, |got| people(&forecast, got))?)
}

/// The figures, a line for each part, a line for each character that made the text dear or is replaced.
fn people(forecast: &Forecast, got: &Value) -> String {
    let (unit, left) = (forecast.unit(), forecast.left);
    let noun = if forecast.segments == 1 { "segment" } else { "segments" };
    let alphabet = alphabet(forecast);
    let mut text = format!("{} {noun} in {alphabet}, {left} {unit} left in the last\n", forecast.segments);
    let parts = got.get("parts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, part) in (1..).zip(parts) {
        let said = |key| part.get(key).map_or_else(String::new, render::plain);
        text.push_str(&format!("{at:>4}  {:>3} {unit}  {}\n", said("units"), said("text")));
    }
    if !forecast.forced_by.is_empty() {
        text.push_str(&format!("{alphabet} is forced by\n"));
    }
    for found in &forecast.forced_by {
        text.push_str(&format!("      {}\n", place(found)));
    }
    if !forecast.replaced.is_empty() {
        text.push_str("Replaced are\n");
    }
    for Replaced { found, by, lossy } in &forecast.replaced {
        let loss = if *lossy { " (another spelling)" } else { "" };
        text.push_str(&format!("      {} by {by:?}{loss}\n", place(found)));
    }
    text
}

/// `GSM 7 bit with the Turkish single shift table`.
fn alphabet(forecast: &Forecast) -> String {
    let tables = [(forecast.locking, "locking"), (forecast.single, "single")];
    let named: Vec<String> = tables
        .iter()
        .filter_map(|(language, kind)| language.map(|language| format!("the {language} {kind} shift table")))
        .collect();
    match forecast.alphabet {
        TextAlphabet::Gsm7 if named.is_empty() => "GSM 7 bit".to_owned(),
        TextAlphabet::Gsm7 => format!("GSM 7 bit with {}", named.join(" and ")),
        TextAlphabet::Ucs2 => "UCS-2".to_owned(),
    }
}

/// `ш  U+0448 at character 3, 2 times`.
fn place(found: &Found) -> String {
    let times = if found.count == 1 { String::new() } else { format!(", {} times", found.count) };
    let shown = render::clean(&found.character.to_string());
    format!("{shown}  {} at character {}{times}", found.code_point, found.position.saturating_add(1))
}
