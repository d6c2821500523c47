//! USSD and balance of the whole daemon: a dialogue by `smsotpctl`, its faults, and a SIM that runs out of money.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::operator::{ctl, told};
use crate::rig::{Daemon, PATIENCE, Place, Simulator, read_log};

const BALANCE: &str =
    "balance-code = \"*100#\"\nbalance-pattern = \"Guthaben: {amount} EUR\"\nbalance-threshold = 5\n";

/// What is at this path of the API, once it is as `wanted`.
fn until(daemon: &Daemon, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    let mut client = daemon.client();
    loop {
        let answer = client.get(path).expect("an answer").json();
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < until, "never as wanted: {answer}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What `modem ussd` says against its will: exit code and words.
fn refused(place: &Place, modem: &str, code: &str) -> (Option<i32>, String) {
    let output = ctl(place, &["modem", "ussd", modem, code], "");
    assert!(!output.status.success(), "{code} was taken");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_person_talks_with_the_network_and_messages_go_on() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &place.configure(""));
    let simulator = Simulator::start(
        &[place.ports().join("modem0")],
        &[
            "--events",
            "phone",
            "--seed",
            "31",
            "--ussd",
            "*101#=1 Balance, 2 Voucher?",
            "--ussd",
            "2=Your voucher: 7391-5528 \u{20ac}",
        ],
    );
    until(&daemon, "/v1/modems", |answer| answer["modems"][0]["state"] == "ready");

    let menu = told(&place, &["--json", "modem", "ussd", "modem0", "*101#"]);
    assert_eq!((&menu["text"], &menu["more"]), (&json!("1 Balance, 2 Voucher?"), &json!(true)));
    let ids = daemon.submit(&[json!({"to": "+491701234567", "text": "code 1"})]);
    assert_eq!(daemon.settled(&ids)[0]["state"], "delivered");
    simulator.wait_nth("phone", 1);
    let voucher = ctl(&place, &["modem", "ussd", "modem0", "2"], "");
    let words = String::from_utf8_lossy(&voucher.stdout).into_owned();
    assert_eq!(words.trim_end(), "Your voucher: 7391-5528 \u{20ac}");

    let (_, nothing_open) = refused(&place, "modem0", "2");
    assert!(nothing_open.contains("no dialogue is open"), "{nothing_open}");
    let (_, unknown) = refused(&place, "modem0", "*999#");
    assert!(unknown.contains("does not support this code"), "{unknown}");
    let (code, letters) = refused(&place, "modem0", "*100#abc");
    assert!(code == Some(65) && letters.contains("no letters"), "{code:?} {letters}");
    let (_, nobody) = refused(&place, "modem7", "*101#");
    assert!(nobody.contains("there is no modem modem7"), "{nobody}");

    told(&place, &["--json", "modem", "ussd", "modem0", "*101#"]);
    assert!(ctl(&place, &["modem", "ussd", "modem0", "--cancel"], "").status.success());
    assert!(refused(&place, "modem0", "2").1.contains("no dialogue is open"));
    let trace = told(&place, &["--json", "modem", "trace", "modem0"]).to_string();
    assert!(trace.contains("+CUSD: 1,") && trace.contains("AT+CUSD=2"), "{trace}");
    assert_eq!(daemon.stop(), Some(0));
    let log = read_log(&place);
    for secret in ["7391", "*101#"] {
        assert!(!trace.contains(secret) && !log.contains(secret), "{secret} is for the person alone");
    }
}

#[test]
fn a_sim_without_money_is_an_alarm_until_it_is_topped_up() {
    let place = Place::new();
    let config = place.configure(BALANCE);
    let link = [place.ports().join("modem0")];
    let low = Simulator::start(&link, &["--seed", "37", "--ussd", "*100#=Guthaben: 3,20 EUR"]);
    let daemon = Daemon::start(&place, &config);
    let open =
        until(&daemon, "/v1/alarms", |answer| answer["alarms"].as_array().is_some_and(|all| all.len() == 1));
    let alarm = &open["alarms"][0];
    assert_eq!((&alarm["kind"], &alarm["severity"]), (&json!("balance-low"), &json!("warning")));
    assert!(alarm["remedy"].as_str().is_some_and(|remedy| remedy.contains("top up")), "{alarm}");
    let modem = until(&daemon, "/v1/modems", |_| true)["modems"][0].clone();
    assert_eq!(
        (&modem["state"], &modem["balance"]),
        (&json!("ready"), &json!(3.2)),
        "it works as long as it can"
    );
    let gauge = format!("smsotp_modem_balance{{modem={}}} 3.2", modem["imei"]);
    let metrics = daemon.client().get("/metrics").expect("an answer").body;
    assert!(metrics.lines().any(|line| line == gauge), "{gauge} is not in {metrics}");
    let list = ctl(&place, &["modem", "list"], "");
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains("the balance of the SIM is 3.20, below 5.00; top it up"), "{list}");

    drop(low);
    let _topped_up = Simulator::start(&link, &["--seed", "37", "--ussd", "*100#=Guthaben: 13,20 EUR"]);
    until(&daemon, "/v1/alarms", |answer| answer["alarms"] == json!([]));
    assert_eq!(until(&daemon, "/v1/modems", |_| true)["modems"][0]["balance"], 13.2);
    assert_eq!(daemon.stop(), Some(0));
}
