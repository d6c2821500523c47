//! Output: the API's JSON as it is, or tables for people.
//!
//! Texts may come from strangers' phones and from modems, so control characters never reach the terminal.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde_json::{Map, Value};

/// How a command speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// JSON instead of tables.
    pub(super) json: bool,
}

/// A column: its title, and where in a row its value is.
pub(super) type Column = (&'static str, &'static str);

impl Output {
    /// The answer as it is, or `people`'s rendering of it.
    pub(super) fn show(self, answer: &Value, people: impl FnOnce(&Value) -> String) -> io::Result<()> {
        let mut text = if self.json { format!("{answer:#}") } else { people(answer) };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// A list of objects as a table; `empty` says so when there is none.
pub(super) fn rows(list: Option<&Value>, columns: &[Column], empty: &str) -> String {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        return empty.to_owned();
    }
    let mut table = bare();
    table.set_header(columns.iter().map(|(title, _)| *title));
    for row in list {
        table.add_row(columns.iter().map(|(_, key)| row.pointer(key).map_or_else(String::new, plain)));
    }
    table.trim_fmt()
}

/// An object as key and value; what is nested is indented by its path, lists of objects become tables of their own.
pub(super) fn object(value: &Value) -> String {
    let mut table = bare();
    let mut lists = Vec::new();
    flatten("", value, &mut table, &mut lists);
    let mut text = if table.is_empty() { String::new() } else { table.trim_fmt() };
    for (name, list) in lists {
        let titles = keys(list);
        let mut table = bare();
        table.set_header(&titles);
        for row in list {
            table.add_row(titles.iter().map(|title| row.get(title).map_or_else(String::new, plain)));
        }
        text.push_str(&format!("\n\n{name}\n{}", table.trim_fmt()));
    }
    text.trim_start().to_owned()
}

fn flatten<'a>(path: &str, value: &'a Value, table: &mut Table, lists: &mut Vec<(String, &'a [Value])>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, table, lists);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => lists.push((clean(path), list)),
        Value::Null => {}
        value => {
            table.add_row([clean(path), plain(value)]);
        }
    }
}

/// The keys of all objects, each once, in the order of their first appearance.
fn keys(list: &[Value]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for key in list.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    keys
}

fn bare() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// One value as a cell.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => clean(&other.to_string()),
    }
}

/// Without control characters: a text from a phone must not steer a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A failure's text as one line.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect();
    clean(&words.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_follow_their_columns() {
        let list = json!([{"id": "a", "n": {"m": 1}}, {"id": "b"}]);
        let text = rows(Some(&list), &[("ID", "/id"), ("M", "/n/m")], "none");
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words, [vec!["ID", "M"], vec!["a", "1"], vec!["b"]]);
        assert_eq!(rows(Some(&json!([])), &[], "none"), "none");
        assert_eq!(rows(None, &[], "none"), "none");
    }

    #[test]
    fn objects_are_flattened_and_their_lists_follow() {
        let text =
            object(&json!({"state": "ok", "queue": {"login": 3}, "modems": [{"imei": "1"}], "empty": null}));
        assert!(text.contains("queue.login") && text.contains("modems\n") && text.contains("imei"), "{text}");
        assert!(!text.contains("empty"), "{text}");
    }

    #[test]
    fn a_text_cannot_steer_the_terminal() {
        let text = object(&json!({"from\u{1b}[2J": "\u{1b}]0;x\u{7}\r\nroot"}));
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert_eq!(one_line("a\n  b\r\n"), "a; b");
    }
}
