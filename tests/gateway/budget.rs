//! Over budget: scripts are told when to come again, and people still come in.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Answer, Client};
use crate::login::{House, check, house};
use crate::rig::{Daemon, Place, logged};

const PHONE: &str = "+491701234567";
/// What privacyIDEA says when its gateway failed.
const UNSENT: &str = "The PIN was correct, but the SMS could not be sent!";

fn batch(client: &mut Client, many: usize) -> Answer {
    let one = json!({"to": PHONE, "text": "hello"});
    client.json("/v1/messages", &json!(vec![one; many]).to_string()).expect("an answer")
}

fn listed(client: &mut Client) -> usize {
    let list = client.get("/v1/messages").expect("an answer").json();
    list["messages"].as_array().expect("a list").len()
}

fn metric(client: &mut Client, name: &str) -> Option<String> {
    let text = client.get("/metrics").expect("an answer").body;
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
    Some(line.rsplit(' ').next().expect("a value").to_owned())
}

fn refused(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    let problem = answer.json();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("over-budget"), &json!(429)), "{problem}");
    assert!(problem["detail"].as_str().expect("a detail").contains("`[budget] caller`"), "{problem}");
}

#[test]
fn a_script_over_budget_is_told_when_to_come_again() {
    let place = Place::new();
    let config = place.configure("[budget]\ncaller = { per-day = 3 }\n");
    let daemon = Daemon::start(&place, &config);
    let mut client = daemon.client();
    let keyed = json!({"to": PHONE, "text": "hello", "idempotency_key": "k"}).to_string();
    assert_eq!(client.json("/v1/messages", &keyed).expect("an answer").status, 202);
    assert_eq!(batch(&mut client, 1).status, 202);
    let answer = batch(&mut client, 2);
    refused(&answer);
    let wait = answer.retry_after.expect("it says when");
    assert!((1..=86_400).contains(&wait), "{wait}");
    assert_eq!(listed(&mut client), 2, "a batch is refused as a whole");
    let answer = batch(&mut client, 4);
    refused(&answer);
    assert_eq!(answer.retry_after, None, "four at once never fit");
    assert_eq!(batch(&mut client, 1).status, 202, "what was refused is not counted");
    refused(&batch(&mut client, 1));
    let repeat = client.json("/v1/messages", &keyed).expect("an answer");
    assert_eq!((repeat.status, &repeat.json()["duplicate"]), (202, &json!(true)), "{}", repeat.body);
    let exceeded = "smsotp_budget_exceeded_total{dimension=\"caller\"}";
    assert_eq!(metric(&mut client, exceeded).as_deref(), Some("3"));
    logged(&place, "a request is over budget");

    daemon.kill();
    let daemon = Daemon::start(&place, &config);
    refused(&batch(&mut daemon.client(), 1));
}

#[test]
fn shadow_refuses_nothing_and_tells() {
    let place = Place::new();
    let config = place.configure("[budget]\nmode = \"shadow\"\nbox = { per-day = 1 }\n");
    let daemon = Daemon::start(&place, &config);
    let mut client = daemon.client();
    for _ in 0..3 {
        assert_eq!(batch(&mut client, 2).status, 202);
    }
    assert_eq!(listed(&mut client), 6);
    let exceeded = "smsotp_budget_exceeded_total{dimension=\"box\"}";
    assert_eq!(metric(&mut client, exceeded).as_deref(), Some("3"));
    logged(&place, "let in, as the budgets are in shadow");
}

fn transaction(answer: &Value) -> String {
    assert_eq!(answer["result"]["authentication"], "CHALLENGE", "{answer}");
    answer["detail"]["transaction_id"].as_str().expect("a string").to_owned()
}

fn unsent(answer: &Value) {
    assert_eq!(answer["result"]["authentication"], "REJECT", "{answer}");
    let detail = &answer["detail"];
    assert_eq!((&detail["message"], &detail["messages"]), (&json!(UNSENT), &json!([UNSENT])), "{answer}");
    assert_eq!(detail["multi_challenge"], json!([]), "{answer}");
    assert!(detail.get("transaction_id").is_none(), "{answer}");
}

#[test]
fn an_owner_over_budget_comes_in_with_the_code_that_is_there() {
    let house = house("[budget]\nnumber = { per-day = 1 }\n[budget.proven]\nuser = { per-day = 1 }\n");
    let mut client = house.daemon.client();
    let pumped = json!({"to": PHONE, "text": "x", "lane": "login"}).to_string();
    assert_eq!(client.json("/v1/messages", &pumped).expect("an answer").status, 202);
    assert_eq!(client.json("/v1/messages", &pumped).expect("an answer").status, 429);
    house.simulator.wait_nth("phone", 1);

    let (first, code) = house.trigger(&mut house.daemon.client());
    for _ in 0..3 {
        let again = check(&mut house.daemon.client(), "user=alice&pass=4321");
        assert_eq!(transaction(&again), first, "the live challenge, and no other");
        assert_eq!(again["detail"]["multi_challenge"].as_array().map(Vec::len), Some(1), "{again}");
    }
    assert_eq!(listed(&mut client), 2, "no second text");
    let granted =
        check(&mut house.daemon.client(), &format!("user=alice&transaction_id={first}&pass={code}"));
    assert_eq!(granted["result"]["authentication"], "ACCEPT", "{granted}");

    unsent(&check(&mut house.daemon.client(), "user=alice&pass=4321"));
    let failed = client.form("/validate/check", "user=alice&pass=4321&exception=1").expect("an answer");
    assert_eq!(failed.status, 500, "{}", failed.body);
    let wrong = check(&mut house.daemon.client(), "user=alice&pass=nothing");
    assert_eq!(wrong["detail"]["message"], "wrong otp pin", "the token is usable: {wrong}");
}

#[test]
fn codes_that_nobody_uses_hold_their_country_back() {
    let house = house("[budget]\nbrake-below = 50\nbrake-least = 2\n[validate]\nlifetime = \"1s\"\n");
    for _ in 0..2 {
        house.trigger(&mut house.daemon.client());
        // The life of the code, which the daemon measures by its clock.
        std::thread::sleep(Duration::from_millis(1_100));
    }
    let mut client = house.daemon.client();
    assert_eq!(metric(&mut client, "smsotp_codes_settled{country=\"49\"}").as_deref(), Some("2"));
    assert_eq!(metric(&mut client, "smsotp_code_conversion_ratio{country=\"49\"}").as_deref(), Some("0.0"));
    // A daemon that has just started looks at once instead of half a minute later.
    let House { simulator: _simulator, daemon, place } = house;
    assert_eq!(daemon.stop(), Some(0));
    let daemon = Daemon::start(&place, &place.path().join("smsotpd.toml"));
    let mut client = daemon.client();
    let answer = client.form("/validate/check", "user=alice&pass=4321").expect("an answer");
    unsent(&answer.json());
    let exceeded = "smsotp_budget_exceeded_total{dimension=\"conversion\"}";
    assert_eq!(metric(&mut client, exceeded).as_deref(), Some("1"));
}
