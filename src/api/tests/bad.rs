//! Bad input: each has its 4xx in the endpoint's own envelope, and nothing is stored.

use super::*;

async fn stored(house: &House) -> usize {
    house.store.messages(Filter { most: 1_000, ..Filter::default() }).await.unwrap().records.len()
}

#[tokio::test]
async fn checks_that_cannot_be_read() {
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    let json = [("Content-Type", "application/json")];
    let form = [("Content-Type", FORM)];
    let large = format!("user=alice&pass={}", "x".repeat(70_000));
    for (headers, body, status, code) in [
        (&form, b"pass=1234".as_slice(), 400, 905),
        (&form, b"user=&pass=1234", 400, 905),
        (&form, b"user=alice", 400, 905),
        (&form, b"user=nobody&pass=x", 400, 904),
        (&form, b"user=alice&realm=nope&pass=x", 400, 904),
        (&form, b"user=alice&resolver=nope&pass=x", 400, 904),
        (&form, b"serial=NOPE&pass=x", 404, 601),
        (&form, b"serial=PISM*&pass=x", 400, 905),
        (&form, b"serial=PISM0001&user=bob&pass=x", 400, 905),
        (&form, b"user=alice&pass=\xff", 400, 905),
        (&form, b"user=alice&pass=%ff", 400, 905),
        (&form, large.as_bytes(), 413, 905),
        (&json, b"{\"user\":", 400, 905),
        (&json, b"[\"user\"]", 400, 905),
        (&json, b"{\"user\": \"alice\", \"pass\": 123456}", 400, 905),
        (&json, b"{\"user\": 5, \"pass\": \"x\"}", 400, 905),
        (&json, b"{\"user\": \"\xff\", \"pass\": \"x\"}", 400, 905),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = house.request("POST", "/validate/check", headers, body).await;
        assert_eq!(answer.status, status, "{shown}: {answer:?}");
        let answer = answer.json();
        assert_eq!(answer["result"]["error"]["code"], code, "{shown}");
        assert_eq!(
            (&answer["result"]["status"], &answer["detail"], &answer["id"]),
            (&json!(false), &Value::Null, &json!(1))
        );
        assert!(answer.get("versionnumber").is_none() && answer["time"].is_number());
    }
    assert_eq!(stored(&house).await, 0);
    house.close().await;
}

#[tokio::test]
async fn tokens_that_cannot_be_enrolled() {
    let house = House::new(Role::Admin);
    for form in [
        "user=bob&phone=%2B491701234567&pin=1",
        "type=hotp&user=bob&phone=%2B491701234567&pin=1",
        "type=sms&user=bob&pin=1",
        "type=sms&phone=%2B491701234567&pin=1",
        "type=sms&user=bob&phone=%2B491701234567",
        "type=sms&user=bob&phone=abc&pin=1",
        "type=sms&user=bob&phone=0170123456&pin=1",
        "type=sms&user=bob&phone=%2B491701234567&pin=1&otplen=5",
        "type=sms&user=bob&phone=%2B491701234567&pin=1&otplen=9",
        "type=sms&user=bob&phone=%2B491701234567&pin=1&otplen=x",
        "type=sms&user=bob&phone=%2B491701234567&pin=1&otpkey=zz",
        "type=sms&user=bob&phone=%2B491701234567&pin=1&otpkey=3132",
        "type=sms&user=bob&phone=%2B491701234567&pin=1&serial=a%252Fb",
        "type=sms&user=bob&phone=%2B491701234567&pin=1&hashlib=md5",
    ] {
        let answer = house.form("/token/init", form).await;
        assert_eq!((answer.status, &answer.json()["result"]["error"]["code"]), (400, &json!(905)), "{form}");
    }
    let listed = house.get("/token/").await.json();
    assert_eq!(listed["result"]["value"]["count"], 0);
    house.close().await;
}

#[tokio::test]
async fn messages_that_cannot_be_taken() {
    let house = House::new(Role::Admin);
    let too_many = vec![json!({"to": PHONE, "text": "x"}); 1_001];
    let long = "x".repeat(600);
    let cases: [(&str, String, u16, &str); 17] = [
        ("no JSON", "not json".to_owned(), 400, "malformed"),
        ("no text", json!({"to": PHONE}).to_string(), 400, "malformed"),
        ("wrong type", json!({"to": 5, "text": "x"}).to_string(), 400, "malformed"),
        ("unknown key", json!({"to": PHONE, "text": "x", "lifetme": 5}).to_string(), 400, "malformed"),
        ("unknown lane", json!({"to": PHONE, "text": "x", "lane": "fast"}).to_string(), 422, "lane-unknown"),
        ("lane of no text", json!({"to": PHONE, "text": "x", "lane": 5}).to_string(), 400, "malformed"),
        ("empty batch", "[]".to_owned(), 400, "malformed"),
        ("nothing", String::new(), 400, "malformed"),
        ("letters", json!({"to": "+49 abc", "text": "x"}).to_string(), 422, "number-invalid"),
        ("control", json!({"to": "+49170\r\nAT", "text": "x"}).to_string(), 422, "number-invalid"),
        ("national", json!({"to": "0170 1234567", "text": "x"}).to_string(), 422, "number-national"),
        ("empty text", json!({"to": PHONE, "text": ""}).to_string(), 422, "text-empty"),
        ("long text", json!({"to": PHONE, "text": long}).to_string(), 422, "text-too-long"),
        ("no life", json!({"to": PHONE, "text": "x", "lifetime": 0}).to_string(), 422, "lifetime-invalid"),
        (
            "odd life",
            json!({"to": PHONE, "text": "x", "lifetime": "soon"}).to_string(),
            422,
            "lifetime-invalid",
        ),
        ("large", format!("\"{}\"", "x".repeat(1_100_000)), 413, "too-large"),
        ("many", json!(too_many).to_string(), 413, "too-many"),
    ];
    for (what, body, status, code) in cases {
        let answer = house
            .request("POST", "/v1/messages", &[("Content-Type", "application/json")], body.as_bytes())
            .await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (status, Some(code)),
            "{what}: {answer:?}"
        );
        assert!(answer.head.to_ascii_lowercase().contains("application/problem+json"), "{what}");
    }
    let answer = house.request("POST", "/v1/messages", &[], b"{\"to\": \"\xff\", \"text\": \"x\"}").await;
    assert_eq!(answer.status, 400);
    let mixed = json!([{"to": PHONE, "text": "good"}, {"to": "x", "text": "bad"}, {"to": PHONE, "text": ""}]);
    let answer = house.post("/v1/messages", &mixed).await;
    assert_eq!((answer.status, &answer.json()["code"]), (422, &json!("batch-refused")));
    let errors = answer.json()["errors"].clone();
    let told: Vec<_> =
        errors.as_array().unwrap().iter().map(|e| (e["index"].clone(), e["code"].clone())).collect();
    assert_eq!(told, [(json!(1), json!("number-invalid")), (json!(2), json!("text-empty"))]);
    assert_eq!(stored(&house).await, 0);
    house.close().await;
}

#[tokio::test]
async fn a_body_that_hides_its_length_is_still_bounded() {
    let house = House::new(Role::Admin);
    let mut request = format!(
        "POST /validate/check HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    request.push_str(&format!("{:x}\r\n{}\r\n0\r\n\r\n", 70_000, "x".repeat(70_000)));
    let answer = house.send(request.as_bytes()).await;
    assert_eq!((answer.status, &answer.json()["result"]["error"]["code"]), (413, &json!(905)));
    house.close().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_shape_of_their_family() {
    let house = House::new(Role::Admin);
    let answer = house.form("/validate/nope", "user=alice").await;
    assert_eq!((answer.status, answer.json()), (404, json!({"error": "Not found"})));
    let answer = house.form("/validate/check/", "user=alice").await;
    assert_eq!((answer.status, answer.json()), (404, json!({"error": "Not found"})));
    let answer = house.request("PUT", "/validate/check", &[], b"").await;
    assert_eq!(answer.status, 405);
    assert!(answer.head.to_ascii_lowercase().contains("text/html"), "{}", answer.head);
    let answer = house.get("/v1/nope").await;
    assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("not-found")));
    let answer = house.request("PUT", "/v1/messages", &[], b"").await;
    assert_eq!((answer.status, &answer.json()["code"]), (405, &json!("wrong-method")));
    house.close().await;
}

#[tokio::test]
async fn a_store_that_cannot_write_is_told_as_503() {
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    house.store.close().await;
    let answer = house.post("/v1/messages", &json!({"to": PHONE, "text": "x"})).await;
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("stopping")));
    let answer = house.form("/validate/check", "user=alice&pass=1234").await;
    assert_eq!((answer.status, &answer.json()["result"]["status"]), (503, &json!(false)));
    house.close().await;
}
