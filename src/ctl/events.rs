//! `events`: follows what happens until it is interrupted, a line for each event.

use std::io::{self, Write};

use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Output};

/// What a line for people is made of, in order; what an event has not is left out.
const PARTS: &[&str] = &[
    "/at",
    "/event",
    "/message/id",
    "/message/lane",
    "/message/to",
    "/message/cause",
    "/alarm/severity",
    "/alarm/kind",
    "/alarm/subject",
    "/alarm/cause",
    "/inbound/id",
    "/inbound/from",
    "/detail",
];

pub(super) fn run(client: &Client, output: Output) -> Result<(), Failure> {
    client.lines("/v1/events", |line| match line.strip_prefix("data: ") {
        Some(data) => show(output, data),
        None => Ok(()),
    })
}

fn show(output: Output, data: &str) -> Result<(), Failure> {
    let event: Value = serde_json::from_str(data).map_err(|error| Failure::Answer(error.to_string()))?;
    let mut out = io::stdout().lock();
    if output.json {
        writeln!(out, "{event}")?;
    } else {
        writeln!(out, "{}", line(&event))?;
    }
    Ok(out.flush()?)
}

fn line(event: &Value) -> String {
    let parts = PARTS.iter().filter_map(|part| event.pointer(part)).filter(|part| !part.is_null());
    parts.map(|part| render::one_line(&render::plain(part))).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let event = json!({"at": "2026-11-24T14:00:00.000Z", "event": "message.failed",
            "message": {"id": "01", "lane": "alert", "to": "+49", "cause": "CMS 38:\nno", "channel": null}});
        assert_eq!(line(&event), "2026-11-24T14:00:00.000Z message.failed 01 alert +49 CMS 38: no");
    }
}
