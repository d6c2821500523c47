//! `status`: how the daemon, its queue and its modems are.

use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::modems;
use super::render::{self, Output};

pub(super) fn run(client: &Client, output: Output) -> Result<(), Failure> {
    let answer = client.get("/v1/status", &[])?;
    Ok(output.show(&answer, people)?)
}

/// The daemon and its queue first, then a line for each modem.
fn people(answer: &Value) -> String {
    let mut rest = answer.clone();
    let modems = rest.as_object_mut().and_then(|rest| rest.remove("modems"));
    let modems = render::rows(modems.as_ref(), modems::COLUMNS, "no modem");
    format!("{}\n\n{modems}", render::object(&rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn modems_are_lines_and_the_rest_keys() {
        let answer = json!({"uptime_seconds": 5, "messages": {"login": {"queued": 2}}, "modems": [{"port": "modem0", "state": "ready"}]});
        let text = people(&answer);
        assert!(text.contains("messages.login.queued") && text.contains("modem0"), "{text}");
        assert!(people(&json!({})).contains("no modem"));
    }
}
