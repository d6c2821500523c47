//! `sms plan`: what a text costs before it is sent, without a daemon.

use clap::Subcommand;
use serde_json::{Value, json};

use super::failure::Failure;
use super::messages;
use super::render::{self, Output};
use crate::pdu::segment::TextAlphabet;
use crate::pdu::{self, Forecast};

#[derive(Debug, Subcommand)]
pub(super) enum SmsCommand {
    /// Tell the parts of a text, its alphabet, the room left, and the characters that forced UCS-2
    Plan {
        /// The text; `-` reads it from stdin
        text: String,
    },
}

pub(super) fn run(output: Output, command: SmsCommand) -> Result<(), Failure> {
    let SmsCommand::Plan { text } = command;
    let text = messages::text(text)?;
    let plan = pdu::plan(&text).map_err(|error| Failure::Data(format!("{error}; shorten it")))?;
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

/// The figures, a line for each part, a line for each character that forced UCS-2.
fn people(forecast: &Forecast, got: &Value) -> String {
    let (unit, left) = (forecast.unit(), forecast.left);
    let noun = if forecast.segments == 1 { "segment" } else { "segments" };
    let alphabet = match forecast.alphabet {
        TextAlphabet::Gsm7 => "GSM 7 bit",
        TextAlphabet::Ucs2 => "UCS-2",
    };
    let mut text = format!("{} {noun} in {alphabet}, {left} {unit} left in the last\n", forecast.segments);
    let parts = got.get("parts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, part) in (1..).zip(parts) {
        let said = |key| part.get(key).map_or_else(String::new, render::plain);
        text.push_str(&format!("{at:>4}  {:>3} {unit}  {}\n", said("units"), said("text")));
    }
    if !forecast.forced_by.is_empty() {
        text.push_str("UCS-2 is forced by\n");
    }
    for forcing in &forecast.forced_by {
        let times = if forcing.count == 1 { String::new() } else { format!(", {} times", forcing.count) };
        let shown = render::clean(&forcing.character.to_string());
        text.push_str(&format!(
            "      {shown}  {} at character {}{times}\n",
            forcing.code_point,
            forcing.position.saturating_add(1)
        ));
    }
    text
}
