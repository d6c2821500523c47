//! Bad input: every kind is refused with a stable code, and nothing of it is stored.

use serde_json::{Value, json};

use crate::rig::{Daemon, Place};

const TO: &str = "+491701234567";

/// All that the store tells of messages.
fn stored(daemon: &Daemon) -> Value {
    let mut client = daemon.client();
    let list = client.get("/v1/messages?limit=1000").expect("an answer").json();
    let counts = client.get("/v1/status").expect("an answer").json();
    json!([list["messages"], counts["messages"]])
}

fn past() -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(60)).to_string()
}

/// A message with this in place of what is good.
fn with(change: &Value) -> Value {
    let mut ask = json!({"to": TO, "text": "hello", "lane": "bulk"});
    for (key, value) in change.as_object().expect("an object") {
        ask[key] = value.clone();
    }
    ask
}

#[test]
fn what_is_refused_is_not_stored() {
    let place = Place::new();
    let config =
        place.configure("[admission]\nallow = [\"+49\"]\nmax-segments = 2\n[sms]\nalphabet = \"gsm7\"\n");
    let daemon = Daemon::start(&place, &config);
    daemon.submit(&[with(&json!({"idempotency_key": "one"}))]);
    let before = stored(&daemon);
    let mut client = daemon.client();
    let cases = [
        (json!({"lane": "express"}), 422, "lane-unknown"),
        (json!({"lane": 7}), 400, "malformed"),
        (json!({"deadline": past()}), 422, "deadline-past"),
        (json!({"deadline": "tomorrow"}), 422, "deadline-invalid"),
        (json!({"deadline": past(), "lifetime": 60}), 422, "deadline-invalid"),
        (json!({"lifetime": 0}), 422, "lifetime-invalid"),
        (json!({"lifetime": "-5m"}), 422, "lifetime-invalid"),
        (json!({"lifetime": "soon"}), 422, "lifetime-invalid"),
        (json!({"to": "+33612345678"}), 422, "number-not-allowed"),
        (json!({"to": "0170 1234567"}), 422, "number-national"),
        (json!({"to": "nobody"}), 422, "number-invalid"),
        (json!({"to": ""}), 422, "number-invalid"),
        (json!({"to": "+4917012345678901234567"}), 422, "number-invalid"),
        (json!({"text": ""}), 422, "text-empty"),
        (json!({"text": "x".repeat(307)}), 422, "text-too-long"),
        (json!({"text": "\u{4f60}"}), 422, "text-unencodable"),
        (json!({"text": "x".repeat(16 * 65_536 + 1)}), 413, "too-large"),
        (json!({"idempotency_key": ""}), 422, "idempotency-key-invalid"),
        (json!({"idempotency_key": "k".repeat(201)}), 422, "idempotency-key-invalid"),
        (json!({"idempotency_key": 5}), 400, "malformed"),
        (json!({"colour": "red"}), 400, "malformed"),
    ];
    for (change, status, code) in &cases {
        let ask = with(change);
        let shown: String = change.to_string().chars().take(80).collect();
        let answer = client.json("/v1/messages", &ask.to_string()).expect("an answer");
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (*status, &json!(code)),
            "{shown}: {}",
            answer.body
        );
        assert_eq!(stored(&daemon), before, "{shown}");
        if *status == 422 {
            let batch = json!([with(&json!({})), ask]).to_string();
            let answer = client.json("/v1/messages", &batch).expect("an answer");
            let told = answer.json();
            assert_eq!((answer.status, &told["code"]), (422, &json!("batch-refused")), "{shown}: {told}");
            assert_eq!((&told["errors"][0]["index"], &told["errors"][0]["code"]), (&json!(1), &json!(code)));
            assert_eq!(stored(&daemon), before, "{shown} in a batch");
        }
    }
    let deadline = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(90);
    let id = daemon.submit(&[with(&json!({"deadline": deadline.to_string()}))]).remove(0);
    let kept: jiff::Timestamp =
        daemon.message(&id)["deadline"].as_str().expect("a time").parse().expect("a time");
    assert!(kept.duration_since(deadline).abs() < jiff::SignedDuration::from_secs(1), "{kept} {deadline}");
    assert_eq!(daemon.stop(), Some(0));
}
