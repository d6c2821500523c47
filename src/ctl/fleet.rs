//! The list of modems for people: what is in service, who is in the way of what is not, and what is left alone.

use std::path::Path;

use serde_json::Value;

use super::modems::COLUMNS;
use super::render::{self, Column};
use crate::modem::holder::holder;

/// What is not touched.
const LEFT_ALONE: &[Column] =
    &[("LEFT ALONE", "/device"), ("USB", "/id"), ("WHAT", "/what"), ("CAUSE", "/cause")];

/// The modems, and below them what one could take for a modem.
pub(super) fn people(answer: &Value) -> String {
    let mut modems = answer.get("modems").cloned();
    for modem in modems.iter_mut().filter_map(Value::as_array_mut).flatten() {
        name_holder(modem);
    }
    let modems = render::rows(modems.as_ref(), COLUMNS, "no modem");
    let left_alone = render::rows(answer.get("left-alone"), LEFT_ALONE, "");
    if left_alone.is_empty() { modems } else { format!("{modems}\n\n{left_alone}") }
}

/// The daemon's sandbox hides other processes from it; this process, run as root, sees who holds a port that is closed.
fn name_holder(modem: &mut Value) {
    let is_closed = modem.get("state").and_then(Value::as_str) == Some("closed");
    let device = modem.get("device").and_then(Value::as_str).filter(|_| is_closed);
    let Some(holder) = device.and_then(|device| holder(Path::new(device))) else { return };
    if let Some(Value::String(cause)) = modem.get_mut("cause")
        && !cause.contains(&holder)
    {
        cause.push_str(&format!("; held by {holder}"));
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use serde_json::json;

    use super::*;

    #[test]
    fn a_closed_port_is_told_with_its_holder_and_what_is_left_alone_with_its_cause() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let closed = json!({"state": "closed", "device": file.path(), "cause": "it is in use"});
        let mut alone = closed.clone();
        name_holder(&mut alone);
        let mut rival =
            Command::new("cat").stdin(Stdio::piped()).stdout(file.reopen().unwrap()).spawn().unwrap();
        let mut held = closed.clone();
        // This process has the file open too, but that is not what anybody asks for.
        name_holder(&mut held);
        drop(rival.stdin.take());
        rival.wait().unwrap();
        assert_eq!(alone, closed);
        assert!(held["cause"].as_str().unwrap().ends_with(&format!("(process {})", rival.id())), "{held}");
        let told = people(&json!({
            "modems": [{"port": "a-at1", "state": "ready"}],
            "left-alone": [{"device": "usb 1-1", "id": "05c6:9008", "what": "QDL", "cause": "take its power away"}],
        }));
        assert!(told.contains("a-at1") && told.contains("take its power away"), "{told}");
        assert!(!people(&json!({"modems": []})).contains("LEFT"));
    }
}
