//! Recorded exchanges of privacyIDEA, sent again here: status, keys and types of every answer must be the same, and so must the
//! outcome and its message.
//!
//! Codes and transactions differ from run to run, so a scripted story puts the current ones in. Where we differ on purpose is
//! named in [`DIFFERENT`].

use std::collections::BTreeMap;

use super::*;

/// Recorded there as a server error, a page, or an acceptance of a code that was never sent; answered by the envelope here.
const DIFFERENT: [&str; 10] = [
    "check/missing-pass",
    "check/missing-pass-by-serial",
    "check/malformed-json",
    "check/put-method",
    "check/pin+otp-without-any-trigger-lookahead",
    "params/json-number-pass",
    "params/json-array-body",
    "params/HEAD",
    "params/OPTIONS",
    "check/by-serial-otponly",
];

/// Left out: they need other tokens or times, or what they change is a matter of the story above.
const STORY: [&str; 16] = [
    "check/pin-only-challenge",
    "check/transaction-wrong-otp",
    "check/transaction-wrong-length-otp",
    "check/transaction-pin+otp-instead-of-otp",
    "check/transaction-correct-otp",
    "check/transaction-reused-after-success",
    "check/pin+previous-otp",
    "check/pin-only-again",
    "check/pin+otp-after-trigger",
    "check/by-serial-pin-only",
    "check/by-serial-state-alias",
    "check/by-serial-otponly",
    "check/transaction+otp-with-blanks",
    "check/transaction+otp-serial-not-user",
    "check/answer-with-transaction-of-other-serial",
    "check/answer-after-that",
];

fn recorded() -> Option<BTreeMap<String, Value>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/reference/privacyidea-transcripts.jsonl");
    let path = std::env::var("SMSOTPD_TRANSCRIPTS").unwrap_or_else(|_| path.to_owned());
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no transcripts at {path}");
        return None;
    };
    let cases = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    Some(cases.map(|case| (case["case"].as_str().unwrap().to_owned(), case)).collect())
}

fn encode(pairs: &Value) -> String {
    let pairs = pairs.as_object().unwrap().iter().map(|(name, value)| {
        let value = value.as_str().unwrap().bytes().map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        });
        format!("{name}={}", value.collect::<String>())
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// Sends a recorded request, with some of its form values changed.
async fn replay(house: &House, request: &Value, change: &[(&str, &str)]) -> Answer {
    let mut path = request["path"].as_str().unwrap().to_owned();
    if request["query"].is_object() {
        path = format!("{path}?{}", encode(&request["query"]));
    }
    let mut headers: Vec<(&str, &str)> = Vec::new();
    let body = if request["form"].is_object() {
        let mut form = request["form"].clone();
        for (name, value) in change {
            form[*name] = json!(value);
        }
        headers.push(("Content-Type", FORM));
        encode(&form)
    } else if request["json"].is_null() {
        request["body"].as_str().unwrap_or_default().to_owned()
    } else {
        headers.push(("Content-Type", "application/json"));
        request["json"].to_string()
    };
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        headers.extend(value.as_str().map(|value| (name.as_str(), value)));
    }
    house.request(request["method"].as_str().unwrap(), &path, &headers, body.as_bytes()).await
}

/// Keys and types, all the way down; of a list, its first element.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            object.iter().filter(|(k, _)| *k != "signature").map(|(k, v)| (k.clone(), shape(v))).collect()
        }
        Value::Array(list) => Value::Array(list.iter().take(1).map(shape).collect()),
        Value::String(text) if text == "<threadid>" || text == "<time>" => json!("number"),
        Value::String(_) => json!("string"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("boolean"),
        Value::Null => Value::Null,
    }
}

fn compare(name: &str, case: &Value, answer: &Answer) {
    let expected = &case["response"];
    assert_eq!(json!(answer.status), case["status"], "{name}: {answer:?}");
    if !expected.is_object() {
        return;
    }
    let got = answer.json();
    assert_eq!(shape(&got), shape(expected), "{name}: {got}");
    for pointer in
        ["/id", "/result/value", "/result/status", "/result/authentication", "/result/error/code", "/nonce"]
    {
        assert_eq!(got.pointer(pointer), expected.pointer(pointer), "{name} {pointer}: {got}");
    }
    for pointer in ["/detail/message", "/result/error/message"] {
        assert_eq!(got.pointer(pointer), expected.pointer(pointer), "{name} {pointer}");
    }
    for pointer in ["/version", "/versionnumber", "/jsonrpc"] {
        assert_eq!(got.pointer(pointer), expected.pointer(pointer), "{name} {pointer}");
    }
}

#[tokio::test]
async fn stateless_cases_are_answered_alike() {
    let Some(cases) = recorded() else { return };
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    let dave = "type=sms&user=dave&serial=PISMOTP8&phone=%2B49172000000&pin=d&otplen=8";
    assert_eq!(house.form("/token/init", dave).await.status, 200);
    let mut compared = 0;
    for (name, case) in &cases {
        let family = name.split('/').next().unwrap();
        let wanted = ["check", "params"].contains(&family) || name == "unknown-path";
        if wanted && !DIFFERENT.contains(&name.as_str()) && !STORY.contains(&name.as_str()) {
            compare(name, case, &replay(&house, &case["request"], &[]).await);
            compared += 1;
        }
    }
    assert!(compared >= 30, "only {compared} cases were compared");
    assert_eq!(house.login_messages().await.len(), 0, "none of them sends anything");
    house.close().await;
}

#[tokio::test]
async fn double_decoding_is_as_recorded() {
    let Some(cases) = recorded() else { return };
    let house = House::new(Role::Admin);
    let form = "type=sms&user=alice&serial=PISM0001&phone=%2B491701234567&pin=a%252541%2520b%252Bc";
    assert_eq!(house.form("/token/init", form).await.status, 200);
    let mut compared = 0;
    for (name, case) in cases.iter().filter(|(name, _)| name.starts_with("double-decoding/")) {
        compare(name, case, &replay(&house, &case["request"], &[]).await);
        compared += 1;
    }
    assert!(compared >= 8, "only {compared} cases were compared");
    house.close().await;
}

#[tokio::test]
async fn the_login_story_is_as_recorded() {
    let Some(cases) = recorded() else { return };
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    let dave = "type=sms&user=dave&serial=PISMOTP8&phone=%2B49172000000&pin=d&otplen=8";
    assert_eq!(house.form("/token/init", dave).await.status, 200);
    let said = async |name: &str, change: &[(&str, &str)]| {
        let case = &cases[name];
        let answer = replay(&house, &case["request"], change).await;
        compare(name, case, &answer);
        answer.json()["detail"]["transaction_id"].as_str().unwrap_or_default().to_owned()
    };
    let first = said("check/pin-only-challenge", &[]).await;
    for wrong in [
        "check/transaction-wrong-otp",
        "check/transaction-wrong-length-otp",
        "check/transaction-pin+otp-instead-of-otp",
    ] {
        said(wrong, &[("transaction_id", &first)]).await;
    }
    said("check/transaction-correct-otp", &[("transaction_id", &first)]).await;
    said("check/transaction-reused-after-success", &[("transaction_id", &first)]).await;
    said("check/pin+previous-otp", &[]).await;
    said("check/pin-only-again", &[]).await;
    let code = house.newest_code().await;
    said("check/pin+otp-after-trigger", &[("pass", &format!("1234{code}"))]).await;
    let by_serial = said("check/by-serial-pin-only", &[]).await;
    let code = house.newest_code().await;
    said("check/by-serial-state-alias", &[("state", &by_serial), ("pass", &code)]).await;
    house.trigger().await;
    let code = house.newest_code().await;
    said("check/by-serial-otponly", &[("pass", &code)]).await;
    let (transaction, code) = house.trigger().await;
    let blanks = format!("{} {}", &code[..3], &code[3..]);
    let answer = [("transaction_id", transaction.as_str()), ("pass", blanks.as_str())];
    said("check/transaction+otp-with-blanks", &answer).await;
    let answer = [("transaction_id", transaction.as_str()), ("pass", code.as_str())];
    said("check/answer-with-transaction-of-other-serial", &answer).await;
    said("check/answer-after-that", &answer).await;
    let (transaction, code) = house.trigger().await;
    let answer = [("transaction_id", transaction.as_str()), ("pass", code.as_str())];
    said("check/transaction+otp-serial-not-user", &answer).await;
    house.close().await;
}

#[tokio::test]
async fn locking_is_as_recorded() {
    let Some(cases) = recorded() else { return };
    let house = House::with(Role::Admin, 3, validate::LIFETIME);
    house.enrol_alice().await;
    let (transaction, code) = house.trigger().await;
    for name in ["locked/wrong-1-of-3", "locked/wrong-2-of-3", "locked/wrong-3-of-3"] {
        compare(name, &cases[name], &replay(&house, &cases[name]["request"], &[]).await);
    }
    let with_pin = format!("1234{code}");
    for (name, change) in [
        ("locked/pin-only", vec![]),
        ("locked/pin+correct-otp", vec![("pass", with_pin.as_str())]),
        (
            "locked/transaction+correct-otp",
            vec![("transaction_id", transaction.as_str()), ("pass", code.as_str())],
        ),
        ("locked/wrong-pin", vec![]),
        ("locked/by-serial", vec![]),
    ] {
        compare(name, &cases[name], &replay(&house, &cases[name]["request"], &change).await);
    }
    house.close().await;
}

#[tokio::test]
async fn codes_that_were_never_sent_are_refused_where_they_were_accepted() {
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    let answer = house.form("/validate/check", "user=alice&pass=1234287082").await.json();
    assert_eq!(answer["result"]["authentication"], "REJECT", "{answer}");
    let answer = house.form("/validate/check", "serial=PISM0001&otponly=1&pass=287082").await.json();
    assert_eq!(answer["result"]["authentication"], "REJECT", "{answer}");
    assert_eq!(answer["detail"]["message"], "OTP verification failed.");
    house.close().await;
}
