//! `modem`: what the supervisor sees, and what was on a modem's wire.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

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
    ("PAUSED", "/paused"),
    ("MAKE", "/make"),
    ("IMEI", "/imei"),
    ("ICCID", "/iccid"),
    ("OPERATOR", "/operator"),
    ("SIGNAL dBm", "/signal"),
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
    use serde_json::json;

    use super::*;

    #[test]
    fn a_port_is_one_segment_whatever_its_name() {
        assert_eq!(path_segment("pci-0000:00:14.0-usb-0:2:1.2-at"), "pci-0000:00:14.0-usb-0:2:1.2-at");
        assert_eq!(path_segment("../a b?"), "..%2Fa%20b%3F");
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
