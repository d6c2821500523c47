//! `at parse` for people: a line for each thing that was received, what kind it is, how it stood there and what it means.

use serde_json::{Map, Value};

use super::render;
use crate::at::codes::{CmeError, CmsError};

/// The column of what was received; a longer line moves its own meaning to the right.
const RECEIVED: usize = 40;

/// The items of an exchange, one a line.
pub(super) fn listing(got: &Value) -> String {
    let items = got.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_object).map(line).collect()
}

fn line(item: &Map<String, Value>) -> String {
    let kind = item.get("t").map_or_else(String::new, render::plain);
    let line = format!("{kind:<10}  {:<RECEIVED$}  {}", received(item), meaning(item));
    format!("{}\n", line.trim_end())
}

/// What stood there: the line itself, or the name with its arguments.
fn received(item: &Map<String, Value>) -> String {
    let said = |key: &str| item.get(key).filter(|value| !value.is_null()).map(render::plain);
    let arguments = || item.get("args").or_else(|| item.get("header")).map_or_else(String::new, list);
    match item.get("t").and_then(Value::as_str) {
        Some("prompt") => ">".to_owned(),
        Some("info") => format!("{}: {}", said("name").unwrap_or_default(), arguments()),
        Some("final") => said("result").or_else(|| item.get("error").map(error_line)).unwrap_or_default(),
        _ => said("line").unwrap_or_else(arguments),
    }
}

/// Arguments as they stood, lists in parentheses, what was empty left empty.
fn list(arguments: &Value) -> String {
    let member = |value: &Value| match value {
        Value::Array(_) => format!("({})", list(value)),
        Value::Object(_) => format!("({})", pairs("", value)),
        value => render::plain(value),
    };
    arguments.as_array().map(|all| all.iter().map(member).collect::<Vec<_>>().join(",")).unwrap_or_default()
}

fn error_line(error: &Value) -> String {
    let said = |key: &str| error.get(key).map(render::plain);
    let kind = said("kind").unwrap_or_default().to_uppercase();
    format!("+{kind} ERROR: {}", said("code").or_else(|| said("text")).unwrap_or_default())
}

fn meaning(item: &Map<String, Value>) -> String {
    if let Some(error) = item.get("error") {
        return cause(error);
    }
    if let Some(meaning) = item.get("meaning") {
        return pairs("", meaning);
    }
    if let Some(sms) = item.get("sms") {
        return [place(item), message(sms)].concat();
    }
    let text_mode = ["number", "time", "body"].map(|key| item.get(key).map(|value| pairs(key, value)));
    let said: Vec<String> = text_mode.into_iter().flatten().filter(|said| !said.is_empty()).collect();
    if said.is_empty() { String::new() } else { format!("{}{}", place(item), said.join(", ")) }
}

/// Where a listed message is stored and whether it was read.
fn place(item: &Map<String, Value>) -> String {
    let index = item.get("index").and_then(Value::as_u64).map(|index| format!("index {index}, "));
    let stat = item.get("stat").and_then(Value::as_str).map(|stat| format!("{}, ", render::clean(stat)));
    [index, stat].into_iter().flatten().collect()
}

/// A PDU in a few words.
fn message(sms: &Value) -> String {
    let said = |key: &str| sms.get(key).filter(|value| !value.is_null()).map(render::plain);
    if let Some(reason) = said("reason") {
        return format!("the PDU cannot be read: {reason}");
    }
    let mut words = said("type").unwrap_or_default();
    for (key, before) in [
        ("sender", " from "),
        ("recipient", " to "),
        ("timestamp", " at "),
        ("status", ", TP-ST "),
        ("text", ": "),
        ("data", ", data "),
    ] {
        if let Some(value) = said(key) {
            words.push_str(before);
            words.push_str(&value);
        }
    }
    if let Some(concat) = sms.get("concat") {
        words.push_str(&format!(" ({})", pairs("part", concat)));
    }
    words
}

/// What an error code is about.
fn cause(error: &Value) -> String {
    let code = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    match (error.get("kind").and_then(Value::as_str), code) {
        (Some("cms"), Some(code)) => CmsError::Code(code).describe(),
        (Some("cme"), Some(code)) => CmeError::Code(code).describe(),
        _ => String::new(),
    }
}

/// Facts as `key value` pairs, nested ones by their path.
fn pairs(key: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Object(map) => {
            let inner = map.iter().map(|(inner, value)| {
                let path = if key.is_empty() { inner.clone() } else { format!("{key} {inner}") };
                pairs(&path, value)
            });
            inner.filter(|said| !said.is_empty()).collect::<Vec<_>>().join(", ")
        }
        Value::Array(_) => format!("{} ({})", render::clean(key), list(value)),
        value => format!("{} {}", render::clean(key), render::plain(value)),
    }
}
