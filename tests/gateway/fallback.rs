//! Reports that stay away: a login goes once more over the other modem where they used to come, and only there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::{Daemon, PATIENCE, Place, Simulator};

const SIMS: [&str; 2] = ["89490200001005155450", "89490200001005155451"];
/// So many logins are reported before the first modem's network falls silent; fewer are no habit.
const REPORTED: usize = 50;
/// The least time that a report is waited for, and what machine and daemon may add to it.
const WAITED_US: std::ops::Range<u64> = 8_000_000..12_000_000;

fn login(daemon: &Daemon, to: &str, text: &str) -> String {
    daemon.submit(&[json!({"to": to, "text": text, "lane": "login"})]).remove(0)
}

fn reaches(daemon: &Daemon, id: &str, state: &str) -> Value {
    let until = Instant::now() + PATIENCE;
    let mut client = daemon.client();
    loop {
        let record = client.get(&format!("/v1/messages/{id}")).expect("an answer").json();
        if record["state"] == state {
            return record;
        }
        assert!(Instant::now() < until, "it does not become {state}: {record}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn channels(record: &Value) -> Vec<&str> {
    let attempts = record["attempts"].as_array().expect("attempts");
    attempts.iter().filter_map(|attempt| attempt["channel"].as_str()).collect()
}

#[test]
fn the_second_modem_takes_over_where_reports_used_to_come() {
    let place = Place::new();
    let config =
        place.configure(&format!("[[route]]\nlane = [\"login\"]\nchannels = [{:?}, \"*\"]\n", SIMS[0]));
    let links = ["modem0", "modem1"].map(|name| place.ports().join(name));
    let reported = REPORTED.to_string();
    let options = ["--seed", "21", "--events", "ctrl-z,phone", "--reports-end", &reported];
    let sims = ["--iccid", SIMS[0], "--iccid", SIMS[1]];
    let simulator = Simulator::start(&links, &[&options[..], &sims].concat());
    let daemon = Daemon::start(&place, &config);
    let until = Instant::now() + PATIENCE;
    while !daemon.client().get("/metrics").expect("metrics").body.contains("smsotp_channels_ready 2") {
        assert!(Instant::now() < until, "both modems get ready");
        std::thread::sleep(Duration::from_millis(5));
    }
    let first = format!("gsm:{}", SIMS[0]);
    for n in 0..REPORTED {
        let id = login(&daemon, &format!("+49170{n:07}"), &format!("code {n}"));
        assert_eq!(channels(&reaches(&daemon, &id, "delivered")), [&*first], "by the rule");
    }

    // From here on the network of the first modem reports nothing. To the first of these numbers nobody has written before.
    let unknown = login(&daemon, "+33612345678", "unknown");
    reaches(&daemon, &unknown, "submitted");
    let from = simulator.now();
    let late = login(&daemon, "+491709999999", "the code is 123456");
    let record = reaches(&daemon, &late, "delivered");
    let second = format!("gsm:{}", SIMS[1]);
    assert_eq!(channels(&record), [&*first, &*second], "{record}");
    let reports: Vec<_> =
        record["attempts"].as_array().expect("attempts").iter().map(|a| a["report"].is_number()).collect();
    assert_eq!(reports, [false, true], "{record}");
    let left = |modem: usize| {
        let event = simulator.wait(from, "the login at the modem", |event| {
            event["event"] == "ctrl-z" && event["modem"] == modem && event["to"] == "+491709999999"
        });
        event["us"].as_u64().expect("a time")
    };
    let waited = left(1) - left(0);
    assert!(WAITED_US.contains(&waited), "the second left {waited} us after the first");
    let shown: Vec<_> = simulator.shown().into_iter().filter(|(to, _)| to == "+491709999999").collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown.iter().all(|(_, text)| text == "the code is 123456"), "the same code: {shown:?}");

    // That one was submitted before, and would have been given up before.
    let unknown = daemon.message(&unknown);
    assert_eq!((channels(&unknown), &unknown["state"]), (vec![&*first], &json!("submitted")), "{unknown}");
    let metrics = daemon.client().get("/metrics").expect("metrics").body;
    assert!(metrics.contains("smsotp_fallbacks_total 1\n"), "{metrics}");
    assert_eq!(daemon.stop(), Some(0));
}
