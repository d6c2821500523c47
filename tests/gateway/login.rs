//! A person logs in: PIN, SMS, code; every path of the story, over the real socket and a real pty.

use serde_json::{Value, json};

use crate::http::Client;
use crate::rig::{Daemon, Place, Simulator};

const PHONE: &str = "+491701234567";

/// A daemon with a modem, and a person who is enrolled.
pub(crate) struct House {
    pub(crate) simulator: Simulator,
    pub(crate) daemon: Daemon,
    pub(crate) place: Place,
}

pub(crate) fn house(extra: &str) -> House {
    let place = Place::new();
    let config = place.configure(extra);
    let simulator = Simulator::start(&[place.ports().join("modem0")], &["--events", "phone", "--seed", "3"]);
    let daemon = Daemon::start(&place, &config);
    let enrolled = daemon
        .client()
        .form("/token/init", "type=sms&user=alice&phone=%2B491701234567&pin=4321")
        .expect("an answer");
    assert_eq!(enrolled.status, 200, "{}", enrolled.body);
    House { simulator, daemon, place }
}

pub(crate) fn check(client: &mut Client, form: &str) -> Value {
    let answer = client.form("/validate/check", form).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

impl House {
    /// PIN alone: a challenge, and the code on the phone.
    pub(crate) fn trigger(&self, client: &mut Client) -> (String, String) {
        let from = self.simulator.now();
        let answer = check(client, "user=alice&pass=4321");
        assert_eq!(answer["result"]["authentication"], "CHALLENGE", "{answer}");
        assert_eq!(answer["result"]["value"], false);
        let transaction = answer["detail"]["transaction_id"].as_str().expect("a string").to_owned();
        let shown = self.simulator.wait(from, "the code", |e| e["event"] == "phone" && e["to"] == PHONE);
        (transaction, shown["text"].as_str().expect("a text").to_owned())
    }
}

#[test]
fn pin_then_pin_and_code_then_transaction_and_code_then_replay() {
    let house = house("");
    let mut client = house.daemon.client();
    let (_, code) = house.trigger(&mut client);
    let granted = check(&mut client, &format!("user=alice&pass=4321{code}"));
    assert_eq!(granted["result"]["authentication"], "ACCEPT", "{granted}");
    assert!(granted["detail"].get("transaction_id").is_none(), "never on an accept: {granted}");

    let (transaction, code) = house.trigger(&mut client);
    let answer = format!("user=alice&transaction_id={transaction}&pass={code}");
    assert_eq!(check(&mut client, &answer)["result"]["authentication"], "ACCEPT");
    let replayed = check(&mut client, &answer);
    assert_eq!(replayed["result"]["authentication"], "REJECT", "{replayed}");
    let replayed = check(&mut client, &format!("user=alice&pass=4321{code}"));
    assert_eq!(replayed["result"]["authentication"], "REJECT", "{replayed}");
}

#[test]
fn a_code_expires_with_its_challenge_on_every_path() {
    let house = house("[validate]\nlifetime = \"1s\"\n");
    let mut client = house.daemon.client();
    let (transaction, code) = house.trigger(&mut client);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let late = check(&mut client, &format!("user=alice&transaction_id={transaction}&pass={code}"));
    assert_eq!(late["result"]["authentication"], "REJECT", "{late}");
    let late = check(&mut client, &format!("user=alice&pass=4321{code}"));
    assert_eq!(late["result"]["authentication"], "REJECT", "{late}");
}

#[test]
fn wrong_answers_lock_the_token() {
    let house = house("[validate]\nmax-failures = 3\n");
    let mut client = house.daemon.client();
    let (transaction, code) = house.trigger(&mut client);
    for _ in 0..3 {
        let wrong = check(&mut client, &format!("user=alice&transaction_id={transaction}&pass=000000x"));
        assert_eq!(wrong["result"]["authentication"], "REJECT");
    }
    let locked = check(&mut client, &format!("user=alice&transaction_id={transaction}&pass={code}"));
    assert_eq!(locked["detail"]["message"], "Failcounter exceeded", "{locked}");
}

#[test]
fn one_of_many_equal_answers_wins() {
    let house = house("");
    let (transaction, code) = house.trigger(&mut house.daemon.client());
    let form = format!("user=alice&transaction_id={transaction}&pass={code}");
    let accepted: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..16)
            .map(|_| {
                let mut client = house.daemon.client();
                let form = &form;
                scope.spawn(move || {
                    usize::from(check(&mut client, form)["result"]["authentication"] == "ACCEPT")
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().expect("no panic")).sum()
    });
    assert_eq!(accepted, 1);
}

#[test]
fn bad_requests_get_their_own_envelope_and_store_nothing() {
    let house = house("");
    let mut client = house.daemon.client();
    let answer = client.form("/validate/check", "pass=4321").expect("an answer");
    assert_eq!((answer.status, &answer.json()["result"]["error"]["code"]), (400, &json!(905)));
    let answer = client.form("/validate/check", "user=nobody&pass=x").expect("an answer");
    assert_eq!((answer.status, &answer.json()["result"]["error"]["code"]), (400, &json!(904)));
    for bad in [
        r#"{"to": "+49 abc", "text": "x"}"#,
        r#"{"to": "+491701234567"}"#,
        r#"{"to": 5, "text": "x"}"#,
        r#"{"to": "+491701234567", "text": ""}"#,
        "not json",
        r#"[{"to": "+491701234567", "text": "good"}, {"to": "x", "text": "bad"}]"#,
    ] {
        let answer = client.json("/v1/messages", bad).expect("an answer");
        assert!((400..500).contains(&answer.status), "{bad}: {} {}", answer.status, answer.body);
        assert!(answer.json()["code"].is_string(), "{bad}: {}", answer.body);
    }
    let listed = client.get("/v1/messages").expect("an answer").json();
    assert_eq!(listed["messages"], json!([]), "nothing was stored");
}

#[test]
fn a_received_message_is_stored_and_then_deleted_from_the_modem() {
    let mut house = house("");
    house.simulator.control(&json!({"do": "deliver", "modem": 0, "from": "+491799999999", "text": "hello"}));
    let until = std::time::Instant::now() + crate::rig::PATIENCE;
    loop {
        let metrics = house.daemon.client().get("/metrics").expect("an answer").body;
        if metrics.lines().any(|line| line.starts_with("smsotp_incoming_total") && line.ends_with(" 1")) {
            break;
        }
        assert!(std::time::Instant::now() < until, "no incoming message counted:\n{metrics}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
