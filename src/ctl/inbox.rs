//! `inbox`: texts from phones. The list says who wrote and when, `show` what.

use clap::Subcommand;
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Column, Output};
use crate::store::InboxId;

#[derive(Debug, Subcommand)]
pub(super) enum Inbox {
    /// Texts, newest first, without what they say
    List {
        /// Only those that follow this one: the id of the last text of the page before
        #[arg(long, value_name = "ID")]
        before: Option<InboxId>,
        /// So many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// One text with what it says
    Show {
        /// Its id
        id: InboxId,
    },
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("RECEIVED", "/received"),
    ("FROM", "/from"),
    ("PARTS", "/parts"),
    ("COMPLETE", "/complete"),
    ("CHANNEL", "/channel"),
];

pub(super) fn run(client: &Client, output: Output, command: Inbox) -> Result<(), Failure> {
    match command {
        Inbox::List { before, limit } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(before.map(|before| ("before", before.to_string())));
            let answer = client.get("/v1/inbox", &query)?;
            output.show(&answer, |answer| render::rows(answer.get("texts"), COLUMNS, "no text"))?;
        }
        Inbox::Show { id } => {
            let answer = client.get(&format!("/v1/inbox/{id}"), &[])?;
            output.show(&answer, people)?;
        }
    }
    Ok(())
}

/// What is known of it, a blank line, and the text with its own lines.
fn people(answer: &Value) -> String {
    let mut rest = answer.clone();
    let text = rest.as_object_mut().and_then(|rest| rest.remove("text"));
    let text = text.as_ref().and_then(Value::as_str).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(render::clean).collect();
    format!("{}\n\n{}", render::object(&rest), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_keeps_its_lines_and_steers_nothing() {
        let text = people(&json!({"id": "00", "from": "+49170", "text": "one\ntwo\u{1b}[2J"}));
        assert!(text.ends_with("\n\none\ntwo\u{fffd}[2J") && text.contains("+49170"), "{text:?}");
    }
}
