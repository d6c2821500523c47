//! Alarms of the whole daemon: raised once, listed with their remedy, kept over a restart, cleared when the modem is well.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::operator::{ctl, told};
use crate::rig::{Daemon, PATIENCE, Place, Simulator, read_log};

/// The open alarms, once they are as `wanted`.
fn alarms(daemon: &Daemon, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let until = Instant::now() + PATIENCE;
    let mut client = daemon.client();
    loop {
        let answer = client.get("/v1/alarms").expect("an answer").json();
        let open = answer["alarms"].as_array().expect("a list").clone();
        if wanted(&open) {
            return open;
        }
        assert!(Instant::now() < until, "never {what}: {answer}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn metrics(daemon: &Daemon) -> String {
    daemon.client().get("/metrics").expect("an answer").body
}

const GAUGE: &str = "smsotp_alarm{kind=\"sim-locked\",severity=\"critical\"} 1";

#[test]
fn a_sim_that_refuses_its_pin_is_one_alarm_until_it_is_well() {
    let place = Place::new();
    let wrong = place.configure("pin = \"9999\"\n");
    let _simulator = Simulator::start(&[place.ports().join("modem0")], &["--pin", "1234", "--seed", "23"]);
    let daemon = Daemon::start(&place, &wrong);
    let first = alarms(&daemon, "locked", |open| open.len() == 1).remove(0);
    assert_eq!((&first["kind"], &first["severity"]), (&json!("sim-locked"), &json!("critical")));
    assert!(first["remedy"].as_str().expect("a remedy").contains("PUK"), "{first}");
    let modems = daemon.client().get("/v1/modems").expect("an answer").json();
    assert_eq!(first["subject"], modems["modems"][0]["imei"], "the modem, not its port");
    assert!(metrics(&daemon).lines().any(|line| line == GAUGE), "{}", metrics(&daemon));
    for arguments in [["alarms"], ["status"]] {
        let output = ctl(&place, &arguments, "");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("sim-locked") && text.contains("unlock the SIM"), "{text}");
    }
    assert_eq!(daemon.stop(), Some(0));

    let daemon = Daemon::start(&place, &wrong);
    let again =
        alarms(&daemon, "told again", |open| open.iter().any(|alarm| alarm["count"] != first["count"]));
    assert_eq!((again.len(), &again[0]["id"], &again[0]["raised"]), (1, &first["id"], &first["raised"]));
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(read_log(&place).matches("alarm raised").count(), 1, "{}", read_log(&place));

    let right = place.configure("pin = \"1234\"\n");
    let daemon = Daemon::start(&place, &right);
    alarms(&daemon, "well", <[Value]>::is_empty);
    assert!(!metrics(&daemon).contains("smsotp_alarm{"), "{}", metrics(&daemon));
    let all = told(&place, &["--json", "alarms", "--all"]);
    assert_eq!(
        (&all["alarms"][0]["id"], all["alarms"][0]["cleared"].is_string()),
        (&first["id"], true),
        "{all}"
    );
    assert_eq!(read_log(&place).matches("alarm cleared").count(), 1);
    let gone = ctl(&place, &["alarms", "--clear", &first["id"].to_string()], "");
    assert_eq!(gone.status.code(), Some(65), "it was cleared before: {gone:?}");
}
