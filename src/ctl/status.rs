//! `status`: how the daemon, its queue and its modems are.

use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Output};
use super::{alarms, modems, queue};

pub(super) fn run(client: &Client, output: Output) -> Result<(), Failure> {
    let answer = client.get("/v1/status", &[])?;
    Ok(output.show(&answer, people)?)
}

/// The daemon first, then a line for each lane, one for each modem, then open alarms.
fn people(answer: &Value) -> String {
    let mut rest = answer.clone();
    let mut lines = |at: &str, key, columns, empty| {
        let list = rest.pointer_mut(at).and_then(Value::as_object_mut).and_then(|within| within.remove(key));
        render::rows(list.as_ref(), columns, empty)
    };
    let lanes = lines("/queue", "lanes", queue::COLUMNS, "no lane");
    let modems = lines("", "modems", modems::COLUMNS, "no modem");
    let alarms = lines("", "alarms", alarms::COLUMNS, "no alarm");
    format!("{}\n\n{lanes}\n\n{modems}\n\n{alarms}", render::object(&rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn modems_and_alarms_are_lines_and_the_rest_keys() {
        let answer = json!({"uptime_seconds": 5, "messages": {"login": {"queued": 2}},
            "queue": {"oldest_seconds": 3, "lanes": [{"lane": "bulk", "queued": 7, "paused_by": "ops"}]}, "modems": [{"port": "modem0", "state": "ready"}],
            "alarms": [{"kind": "sim-locked", "remedy": "unlock it"}]});
        let text = people(&answer);
        for part in [
            "messages.login.queued",
            "queue.oldest_seconds",
            "PAUSED BY",
            "ops",
            "modem0",
            "sim-locked",
            "unlock it",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let empty = people(&json!({}));
        assert!(empty.contains("no modem") && empty.contains("no alarm"), "{empty}");
    }
}
