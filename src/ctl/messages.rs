//! `send` and `message`: what goes into the queue and what became of it.

use std::io::Read;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Column, Output};
use crate::config;
use crate::queue::message::{Lane, MessageId, State};

/// 255 segments of 153 characters are below 40,000; more is no text.
const LONGEST_TEXT: u64 = 64 << 10;

#[derive(Debug, Args)]
pub(super) struct Send {
    /// The destination: +49..., a national number, or a short code
    pub(super) to: String,
    /// The text; `-` reads it from stdin
    pub(super) text: String,
    /// Who waits for it
    #[arg(long, value_name = "LANE", value_parser = PossibleValuesParser::new(Lane::ALL.map(Lane::as_str)), default_value = "bulk")]
    pub(super) lane: String,
    /// It must not leave later than so long from now, such as 5m
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub(super) lifetime: Option<u64>,
    /// Shown at once and not stored by the phone (message class 0)
    #[arg(long)]
    pub(super) flash: bool,
    /// Ask for no delivery report
    #[arg(long)]
    pub(super) no_report: bool,
    /// The same key twice sends once
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    /// Send nothing, only tell what would become of it and what it would take
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Message {
    /// One message with its attempts and all that happened to it
    Show {
        /// Its id
        id: MessageId,
    },
    /// Messages, newest first
    List(List),
    /// Take messages back that have not left
    Cancel {
        /// Their ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<MessageId>,
    },
    /// Try messages again that failed, expired or are uncertain
    Retry {
        /// Their ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<MessageId>,
        /// They must not leave later than so long from now, such as 5m [default: as their lane has it]
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        lifetime: Option<u64>,
        /// Also bulk messages that may have left: whoever got one may get it twice
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only these
    #[arg(long, value_parser = PossibleValuesParser::new(State::ALL.map(State::as_str)))]
    state: Option<String>,
    /// Only these
    #[arg(long, value_parser = PossibleValuesParser::new(Lane::ALL.map(Lane::as_str)))]
    lane: Option<String>,
    /// Only those to this number, as `send` takes it
    #[arg(long)]
    number: Option<String>,
    /// Only those of this caller, for admins
    #[arg(long)]
    caller: Option<String>,
    /// So many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only those that are older than this one
    #[arg(long, value_name = "ID")]
    before: Option<MessageId>,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("LANE", "/lane"),
    ("STATE", "/state"),
    ("TO", "/to"),
    ("SEGMENTS", "/segments"),
    ("CREATED", "/created"),
    ("CAUSE", "/cause"),
];

const EVENTS: &[Column] = &[("AT", "/at"), ("STATE", "/state"), ("BY", "/actor"), ("CAUSE", "/cause")];

pub(super) fn send(client: &Client, output: Output, send: Send) -> Result<(), Failure> {
    let dry_run = send.dry_run;
    let answer = client.post_json("/v1/messages", &body(send)?)?;
    if dry_run {
        return Ok(output.show(&answer, render::object)?);
    }
    Ok(output.show(&answer, |answer| {
        let part = |key| answer.get(key).map_or_else(String::new, render::plain);
        let before = if answer.get("duplicate") == Some(&Value::Bool(true)) { " (taken before)" } else { "" };
        format!("{} {}{before}", part("id"), part("state"))
    })?)
}

pub(super) fn run(client: &Client, output: Output, command: Message) -> Result<(), Failure> {
    match command {
        Message::Show { id } => {
            let answer = client.get(&format!("/v1/messages/{id}"), &[])?;
            output.show(&answer, whole)?;
        }
        Message::List(list) => {
            let answer = listed(client, list)?;
            output.show(&answer, |answer| render::rows(answer.get("messages"), COLUMNS, "no message"))?;
        }
        Message::Cancel { ids } => {
            return each(output, &ids, "withdrawn", |id| client.delete(&format!("/v1/messages/{id}")));
        }
        Message::Retry { ids, lifetime, force } => {
            let mut body = Map::from_iter([("force".to_owned(), json!(force))]);
            body.extend(lifetime.map(|seconds| ("lifetime".to_owned(), json!(seconds))));
            let body = Value::Object(body);
            let retry = |id: &MessageId| client.post_json(&format!("/v1/messages/{id}/retry"), &body);
            return each(output, &ids, "queued", retry);
        }
    }
    Ok(())
}

/// The same with each message; one that is refused stops neither the others nor stays untold.
fn each(
    output: Output,
    ids: &[MessageId],
    done: &str,
    order: impl Fn(&MessageId) -> Result<Value, Failure>,
) -> Result<(), Failure> {
    let mut last = Ok(());
    for id in ids {
        match order(id) {
            Ok(answer) => output.show(&answer, |_| format!("{id} {done}"))?,
            Err(failure @ Failure::Refused(_)) => {
                // What is told when the command ends is the last one.
                if let Err(earlier) = std::mem::replace(&mut last, Err(failure.of(id))) {
                    earlier.tell(output.json);
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    last
}

/// The daemon looks at so many messages for one page and no more; the pages are followed until enough were found.
fn listed(client: &Client, list: List) -> Result<Value, Failure> {
    let most = list.limit as usize;
    let mut filter: Vec<(&str, String)> = Vec::new();
    filter.extend(list.state.map(|state| ("state", state)));
    filter.extend(list.lane.map(|lane| ("lane", lane)));
    filter.extend(list.number.map(|number| ("to", number)));
    filter.extend(list.caller.map(|caller| ("caller", caller)));
    let mut before = list.before.map(|id| id.to_string());
    let mut found = Vec::new();
    loop {
        let mut query = filter.clone();
        query.push(("limit", (most - found.len()).to_string()));
        query.extend(before.map(|id| ("before", id)));
        let mut page = client.get("/v1/messages", &query)?;
        let Some(Value::Array(some)) = page.get_mut("messages") else { return Ok(page) };
        found.append(some);
        before = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if before.is_none() || found.len() >= most {
            // The last page stands for all; it alone knows what follows.
            page.as_object_mut().and_then(|page| page.insert("messages".to_owned(), Value::Array(found)));
            return Ok(page);
        }
    }
}

/// A message, its attempts, and what happened to it in the order of a sentence: when, what, by whom, why.
fn whole(answer: &Value) -> String {
    let mut message = answer.clone();
    let events = message.as_object_mut().and_then(|message| message.remove("events"));
    let events = render::rows(events.as_ref(), EVENTS, "nothing");
    format!("{}\n\nevents\n{events}", render::object(&message))
}

fn body(send: Send) -> Result<Value, Failure> {
    let text = text(send.text)?;
    let mut body = Map::new();
    body.insert("to".to_owned(), json!(send.to));
    body.insert("text".to_owned(), json!(text));
    body.insert("lane".to_owned(), json!(send.lane));
    body.insert("flash".to_owned(), json!(send.flash));
    body.insert("report".to_owned(), json!(!send.no_report));
    if let Some(seconds) = send.lifetime {
        body.insert("lifetime".to_owned(), json!(seconds));
    }
    if let Some(key) = send.idempotency_key {
        body.insert("idempotency_key".to_owned(), json!(key));
    }
    if send.dry_run {
        body.insert("dry_run".to_owned(), json!(true));
    }
    Ok(Value::Object(body))
}

/// A text of the command line, or that of stdin for `-`.
pub(super) fn text(given: String) -> Result<String, Failure> {
    if given == "-" { text_from_stdin() } else { Ok(given) }
}

/// The line end that `echo` adds is not part of the message.
fn text_from_stdin() -> Result<String, Failure> {
    let mut octets = Vec::new();
    std::io::stdin().lock().take(LONGEST_TEXT + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > LONGEST_TEXT {
        return Err(Failure::Data(format!("the text has more than {LONGEST_TEXT} octets")));
    }
    let text = String::from_utf8(octets).map_err(|_| Failure::Data("the text is not UTF-8".to_owned()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Whole seconds, at least one, as `90s`, `5m` or plainly.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let plain = text.parse().ok();
    plain
        .or_else(|| config::duration(text).map(|duration| duration.as_secs()))
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "write such as 90s, 5m, 2h, or whole seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_durations_or_seconds() {
        assert_eq!(seconds("5m"), Ok(300));
        assert_eq!(seconds("45"), Ok(45));
        assert!(seconds("0").is_err() && seconds("soon").is_err() && seconds("-5m").is_err());
    }

    #[test]
    fn a_message_is_shown_with_its_life() {
        let event =
            json!({"actor": "caller", "at": "2026-11-24T14:00:00.000Z", "cause": null, "state": "queued"});
        let text = whole(&json!({"id": "x", "attempts": [], "events": [event]}));
        let last: Vec<_> = text.lines().rev().take(3).collect();
        assert_eq!(last[2], "events");
        assert_eq!(last[1].split_whitespace().collect::<Vec<_>>(), ["AT", "STATE", "BY", "CAUSE"]);
        let words: Vec<_> = last[0].split_whitespace().collect();
        assert_eq!(words, ["2026-11-24T14:00:00.000Z", "queued", "caller"]);
    }

    #[test]
    fn what_is_not_given_is_not_sent() {
        let send = Send {
            to: "+491701234567".to_owned(),
            text: "hello".to_owned(),
            lane: "bulk".to_owned(),
            lifetime: None,
            flash: false,
            no_report: true,
            idempotency_key: None,
            dry_run: false,
        };
        let expect =
            json!({"to": "+491701234567", "text": "hello", "lane": "bulk", "flash": false, "report": false});
        assert_eq!(body(send).unwrap(), expect);
    }
}
