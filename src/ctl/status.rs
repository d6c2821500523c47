//! `status`: how the daemon, its queue and its modems are.

use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Output};
use super::{alarms, modems};

pub(super) fn run(client: &Client, output: Output) -> Result<(), Failure> {
    let answer = client.get("/v1/status", &[])?;
    Ok(output.show(&answer, people)?)
}

/// The daemon and its queue first, then a line for each modem, then open alarms.
fn people(answer: &Value) -> String {
    let mut rest = answer.clone();
    let mut lines = |key, columns, empty| {
        let list = rest.as_object_mut().and_then(|rest| rest.remove(key));
        render::rows(list.as_ref(), columns, empty)
    };
    let modems = lines("modems", modems::COLUMNS, "no modem");
    let alarms = lines("alarms", alarms::COLUMNS, "no alarm");
    format!("{}\n\n{modems}\n\n{alarms}", render::object(&rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn modems_and_alarms_are_lines_and_the_rest_keys() {
        let answer = json!({"uptime_seconds": 5, "messages": {"login": {"queued": 2}}, "modems": [{"port": "modem0", "state": "ready"}],
            "alarms": [{"kind": "sim-locked", "remedy": "unlock it"}]});
        let text = people(&answer);
        for part in ["messages.login.queued", "modem0", "sim-locked", "unlock it"] {
            assert!(text.contains(part), "{text}");
        }
        let empty = people(&json!({}));
        assert!(empty.contains("no modem") && empty.contains("no alarm"), "{empty}");
    }
}
