//! `modem`: what the supervisor sees, what was on a modem's wire, what its network says, and holding one back from sending.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::Client;
use super::failure::Failure;
use super::fleet;
use super::render::{self, Column, Output};
use crate::modem::trace::WireEvent;
use crate::simulator::Recording;

#[derive(Debug, Subcommand)]
pub(super) enum Modem {
    /// Every modem with its SIM, network and state
    List,
    /// Ask a modem's network with a USSD code (`*100#`); where it waits for more, the next call answers it
    Ussd {
        /// Its port or IMEI, as `modem list` has it
        modem: String,
        /// The code, or the answer to what the network asked
        #[arg(required_unless_present = "cancel")]
        code: Option<String>,
        /// End the dialogue
        #[arg(long, conflicts_with = "code")]
        cancel: bool,
    },
    /// Hold a modem back: it sends nothing until `resume`, over restarts too
    Pause {
        /// Its port or IMEI, as `modem list` has it
        modem: String,
    },
    /// Let a modem finish what began on its SIM and then hold it back as `pause` does
    Drain {
        /// Its port or IMEI, as `modem list` has it
        modem: String,
    },
    /// Let a modem send again; one that was left alone after resets in vain is tried at once
    Resume {
        /// Its port or IMEI, as `modem list` has it
        modem: String,
    },
    /// The SIM that is now in the modem belongs there: the PIN that is set may be tried on it
    ConfirmSim {
        /// Its IMEI or port, as `modem list` has it
        modem: String,
    },
    /// The last lines on a modem's wire, also of one that is away or not in service; user data, numbers and PINs are masked
    Trace {
        /// Its port or IMEI, as `modem list` has it
        modem: String,
        /// Write them to a file that `simulate modem --replay` plays back
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
    },
}

pub(super) const COLUMNS: &[Column] = &[
    ("PORT", "/port"),
    ("STATE", "/state"),
    ("HOLD", "/hold"),
    ("NAME", "/name"),
    ("MAKE", "/make"),
    ("IMEI", "/imei"),
    ("ICCID", "/iccid"),
    ("OPERATOR", "/operator"),
    ("SIGNAL dBm", "/signal"),
    ("BALANCE", "/balance"),
    ("BUDGET", "/budget"),
    ("BREAKER", "/breaker"),
    ("CAUSE", "/cause"),
    ("REMARKS", "/remarks"),
];

pub(super) fn run(client: &Client, output: Output, command: Modem) -> Result<(), Failure> {
    match command {
        Modem::List => {
            let answer = client.get("/v1/modems", &[])?;
            Ok(output.show(&answer, fleet::people)?)
        }
        Modem::ConfirmSim { modem } => {
            let path = format!("/v1/modems/{}/confirm-sim", path_segment(&modem));
            let answer = client.post_json(&path, &Value::Null)?;
            Ok(output.show(&answer, |_| format!("the SIM in {} is confirmed", render::one_line(&modem)))?)
        }
        Modem::Ussd { modem, code, .. } => {
            let path = format!("/v1/modems/{}/ussd", path_segment(&modem));
            let answer = match code {
                Some(code) => client.post_json_patiently(&path, &json!({"code": code}))?,
                None => {
                    let answer = client.delete(&path)?;
                    return Ok(output.show(&answer, |_| "no dialogue is open any more".to_owned())?);
                }
            };
            Ok(output.show(&answer, words)?)
        }
        Modem::Pause { modem } => hold(client, output, &modem, "pause", "paused"),
        Modem::Drain { modem } => {
            hold(client, output, &modem, "drain", "draining; `modem list` shows when it is paused")
        }
        Modem::Resume { modem } => hold(client, output, &modem, "resume", "sends again"),
        Modem::Trace { modem, save } => {
            let answer = client.get(&format!("/v1/modems/{}/trace", path_segment(&modem)), &[])?;
            let Some(file) = save else {
                let recording = recording(&modem, &answer)?;
                return Ok(output.show(&answer, |_| recording.to_string())?);
            };
            std::fs::write(&file, recording(&modem, &answer)?.to_string())
                .map_err(|error| Failure::Output { path: file, error })
        }
    }
}

/// The network's words line by line, and what it waits for.
fn words(answer: &Value) -> String {
    let text = answer.get("text").and_then(Value::as_str).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(render::clean).collect();
    if answer.get("more") == Some(&Value::Bool(true)) {
        lines.push(
            "(the dialogue is open: answer with the next `modem ussd`, or end it with --cancel)".to_owned(),
        );
    }
    lines.join("\n")
}

fn hold(client: &Client, output: Output, modem: &str, order: &str, told: &str) -> Result<(), Failure> {
    let path = format!("/v1/modems/{}/{order}", path_segment(modem));
    let answer = client.post_json(&path, &Value::Null)?;
    Ok(output.show(&answer, |_| format!("{}: {told}", render::one_line(modem)))?)
}

/// The answer as a recording: it holds nothing but what the daemon has masked.
fn recording(modem: &str, answer: &Value) -> Result<Recording, Failure> {
    let lines = answer.get("lines").cloned().unwrap_or_default();
    let lines: Vec<WireEvent> =
        serde_json::from_value(lines).map_err(|error| Failure::Answer(format!("no trace: {error}")))?;
    Ok(Recording::of(&render::one_line(modem), &lines))
}

/// A name as one segment of a path; RFC 3986 3.3.
fn path_segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for octet in name.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                segment.push(char::from(octet));
            }
            other => segment.push_str(&format!("%{other:02X}")),
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_one_segment_whatever_its_name() {
        assert_eq!(path_segment("pci-0000:00:14.0-usb-0:2:1.2-at"), "pci-0000:00:14.0-usb-0:2:1.2-at");
        assert_eq!(path_segment("../a b?"), "..%2Fa%20b%3F");
    }

    #[test]
    fn words_of_the_network_keep_their_lines_and_cannot_steer_the_terminal() {
        let told = words(&json!({"text": "1 Balance\n2 Data\u{1b}[2J", "more": true}));
        assert!(told.starts_with("1 Balance\n2 Data\u{fffd}[2J\n(the dialogue is open"), "{told}");
        assert_eq!(words(&json!({"text": "5 EUR", "more": false})), "5 EUR");
    }

    #[test]
    fn an_answer_becomes_a_recording() {
        let answer = json!({"modem": "m", "lines": [
            {"at": 1000, "direction": "note", "line": "port opened"},
            {"at": 1005, "direction": "sent", "line": "AT"},
        ]});
        let text = recording("m", &answer).unwrap().to_string();
        assert!(text.ends_with("0.000 ! port opened\n0.005 > AT\n"), "{text}");
        assert!(matches!(recording("m", &json!({"lines": [{"at": 1}]})), Err(Failure::Answer(_))));
    }
}
