//! Our own endpoints: messages in and out, and who may see which.

use super::*;

#[tokio::test]
async fn one_message_goes_in_is_shown_and_taken_back() {
    let house = House::new(Role::Admin);
    let ask = json!({"to": "0049 170 1234567", "text": "hello", "lane": "alert", "lifetime": "5m"});
    let answer = house.post("/v1/messages", &ask).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let taken = answer.json();
    assert_eq!((&taken["state"], &taken["duplicate"]), (&json!("queued"), &json!(false)));
    let path = format!("/v1/messages/{}", taken["id"].as_str().unwrap());
    let shown = house.get(&path).await.json();
    assert_eq!(
        (&shown["to"], &shown["text"], &shown["lane"]),
        (&json!(PHONE), &json!("hello"), &json!("alert"))
    );
    assert_eq!(shown["attempts"], json!([]));
    let gone = house.request("DELETE", &path, &[], b"").await;
    assert_eq!((gone.status, &gone.json()["state"]), (200, &json!("withdrawn")));
    let again = house.request("DELETE", &path, &[], b"").await;
    assert_eq!(again.status, 200, "taking back twice is taking back");
    for unknown in ["/v1/messages/nonsense", "/v1/messages/00000000-0000-7000-8000-000000000000"] {
        assert_eq!(house.get(unknown).await.status, 404);
        assert_eq!(house.request("DELETE", unknown, &[], b"").await.status, 404);
    }
    house.close().await;
}

#[tokio::test]
async fn a_batch_is_listed_page_by_page() {
    let house = House::new(Role::Admin);
    let batch: Vec<_> =
        (0..5).map(|n| json!({"to": PHONE, "text": format!("n{n}"), "lifetime": 60})).collect();
    let answer = house.post("/v1/messages", &json!(batch)).await;
    assert_eq!((answer.status, answer.json()["messages"].as_array().unwrap().len()), (202, 5));
    let mut seen = Vec::new();
    let mut path = "/v1/messages?state=queued&limit=2".to_owned();
    loop {
        let page = house.get(&path).await.json();
        seen.extend(
            page["messages"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/messages?state=queued&limit=2&before={next}");
    }
    let mut ids: Vec<_> = answer.json()["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids.reverse();
    assert_eq!(seen, ids);
    assert_eq!(house.get("/v1/messages?state=delivered").await.json()["messages"], json!([]));
    for bad in ["state=gone", "limit=0", "limit=x", "limit=1001", "before=x", "colour=red"] {
        assert_eq!(house.get(&format!("/v1/messages?{bad}")).await.status, 400, "{bad}");
    }
    house.close().await;
}

#[tokio::test]
async fn the_same_key_twice_sends_once() {
    let house = House::new(Role::Admin);
    let ask = json!({"to": PHONE, "text": "x", "idempotency_key": "one"});
    let first = house.post("/v1/messages", &ask).await.json();
    let second = house.post("/v1/messages", &ask).await;
    assert_eq!((second.status, &second.json()["id"]), (202, &first["id"]));
    assert_eq!(second.json()["duplicate"], json!(true));
    house.close().await;
}

#[tokio::test]
async fn a_key_with_another_body_is_a_conflict() {
    let house = House::new(Role::Admin);
    let ask = json!({"to": PHONE, "text": "x", "lifetime": "5m", "idempotency_key": "one"});
    assert_eq!(house.post("/v1/messages", &ask).await.status, 202);
    for (name, value) in [
        ("to", json!("+491701234568")),
        ("text", json!("y")),
        ("lane", json!("alert")),
        ("lifetime", json!("6m")),
        ("flash", json!(true)),
        ("report", json!(false)),
    ] {
        let mut other = ask.clone();
        other[name] = value;
        let answer = house.post("/v1/messages", &other).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (409, &json!("idempotency-conflict")),
            "{answer:?}"
        );
        assert_eq!(answer.json().get("errors"), None);
    }
    let fresh = json!({"to": PHONE, "text": "z", "idempotency_key": "two"});
    let batch = json!([fresh, {"to": PHONE, "text": "y", "idempotency_key": "one"}, ask]);
    let answer = house.post("/v1/messages", &batch).await;
    let errors = answer.json()["errors"].clone();
    assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("idempotency-conflict")), "{answer:?}");
    assert_eq!((errors.as_array().unwrap().len(), &errors[0]["index"]), (1, &json!(1)));
    assert_eq!(errors[0]["code"], json!("idempotency-conflict"));
    assert_eq!(house.get("/v1/messages").await.json()["messages"].as_array().unwrap().len(), 1);
    house.close().await;
}

#[tokio::test]
async fn a_message_tells_its_life() {
    let house = House::new(Role::Send);
    let id = house.post("/v1/messages", &json!({"to": PHONE, "text": "hello"})).await.json()["id"].clone();
    let path = format!("/v1/messages/{}", id.as_str().unwrap());
    let shown = house.get(&path).await.json();
    assert_eq!(shown["pending"], json!({"on": "dispatcher", "until": shown["deadline"]}));
    house.request("DELETE", &path, &[], b"").await;
    let answer = house.get(&format!("{path}/events")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    assert_eq!(told["id"], id);
    let [first, last] = &told["events"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!(*first, json!({"at": shown["created"], "state": "queued", "actor": "caller", "cause": null}));
    assert_eq!((&last["state"], &last["actor"]), (&json!("withdrawn"), &json!("caller")));
    let shown = house.get(&path).await.json();
    assert_eq!((&shown["events"], shown.get("pending")), (&told["events"], None), "it rests");
    assert_eq!(house.get("/v1/messages").await.json()["messages"][0].get("events"), None);
    let mut others = house.store.messages(Filter { most: 1, ..Filter::default() }).await.unwrap();
    assert!(others.records.remove(0).life.is_empty());
    for unknown in ["nonsense", "00000000-0000-7000-8000-000000000000"] {
        assert_eq!(house.get(&format!("/v1/messages/{unknown}/events")).await.status, 404);
    }
    house.close().await;
}

#[tokio::test]
async fn a_dry_run_tells_what_would_become_of_a_message_and_stores_nothing() {
    let house = House::new(Role::Send);
    let ask = json!({"to": "0049 170 1234567", "text": "say “hi”", "lane": "alert", "dry_run": true,
        "idempotency_key": "one"});
    let answer = house.post("/v1/messages", &ask).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    for (key, value) in [
        ("dry_run", json!(true)),
        ("to", json!(PHONE)),
        ("lane", json!("alert")),
        ("segments", json!(1)),
        ("alphabet", json!("ucs2")),
        ("units", json!([8])),
        ("left", json!(62)),
    ] {
        assert_eq!(told[key], value, "{told}");
    }
    assert_eq!(told["forced_by"][1]["code_point"], "U+201D");
    let deadline: jiff::Timestamp = told["deadline"].as_str().unwrap().parse().unwrap();
    let alert = Rules::default().lifetimes[1].as_millis();
    let away = deadline.as_millisecond() - clock::wall().0;
    assert!((1..=i64::try_from(alert).unwrap()).contains(&away), "{away} ms");

    for (change, status, code) in [
        (json!({"to": "0170 1234567"}), 422, "number-national"),
        (json!({"text": "x".repeat(460)}), 422, "text-too-long"),
        (json!({"lifetime": 0}), 422, "lifetime-invalid"),
        (json!({"lane": "login"}), 403, "lane-forbidden"),
    ] {
        let mut ask = ask.clone();
        ask.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = house.post("/v1/messages", &ask).await;
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{answer:?}");
        ask["dry_run"] = json!(false);
        let real = house.post("/v1/messages", &ask).await;
        assert_eq!(real.body, answer.body, "the dry run refuses as the real one does");
    }

    let batch = json!([ask.clone(), ask.clone()]);
    let answer = house.post("/v1/messages", &batch).await;
    assert_eq!((answer.status, answer.json()["messages"].as_array().unwrap().len()), (200, 2));
    let mixed = json!([ask, {"to": PHONE, "text": "x"}]);
    assert_eq!(house.post("/v1/messages", &mixed).await.status, 400);
    assert_eq!(house.get("/v1/messages").await.json()["messages"], json!([]));
    house.close().await;
}

#[tokio::test]
async fn login_texts_are_told_to_nobody() {
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    let (_, code) = house.trigger().await;
    let list = house.get("/v1/messages").await;
    assert_eq!(list.json()["messages"][0]["lane"], "login");
    assert!(list.json()["messages"][0].get("text").is_none());
    assert!(!list.body.contains(&code));
    let id = list.json()["messages"][0]["id"].as_str().unwrap().to_owned();
    assert!(!house.get(&format!("/v1/messages/{id}")).await.body.contains(&code));
    house.close().await;
}

#[tokio::test]
async fn roles_end_where_they_end() {
    let validate = House::new(Role::Validate);
    for path in [
        "/v1/messages",
        "/v1/messages/x",
        "/v1/modems",
        "/v1/modems/modem0/trace",
        "/v1/status",
        "/v1/alarms",
        "/v1/inbox",
    ] {
        assert_eq!(validate.get(path).await.status, 403, "{path}");
    }
    assert_eq!(validate.post("/v1/messages", &json!({"to": PHONE, "text": "x"})).await.status, 403);
    assert_eq!(validate.post("/v1/modems/modem0/ussd", &json!({"code": "*100#"})).await.status, 403);
    assert_eq!(validate.request("DELETE", "/v1/modems/modem0/ussd", &[], b"").await.status, 403);
    for answer in [
        validate.form("/token/init", "type=sms&user=a&phone=1&pin=1").await,
        validate.get("/token/").await,
        validate.request("DELETE", "/token/PISM0001", &[], b"").await,
    ] {
        assert_eq!((answer.status, &answer.json()["result"]["error"]["code"]), (403, &json!(303)));
    }
    validate.close().await;

    let admin = House::new(Role::Admin);
    let confirm = async |house: &House, modem: &str| {
        house.post(&format!("/v1/modems/{modem}/confirm-sim"), &json!(null)).await
    };
    assert_eq!(confirm(&admin, "modem0").await.status, 200);
    let answer = confirm(&admin, "modem1").await;
    assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("no-sim-known")));
    admin.close().await;

    let send = House::new(Role::Send);
    assert_eq!(send.post("/v1/modems/modem0/pause", &json!(null)).await.status, 403);
    let others = crate::queue::admission::Submission {
        to: PHONE,
        text: "not yours",
        lane: Lane::Bulk,
        lifetime: None,
        flash: false,
        report: true,
        caller: "somebody else",
        idempotency: None,
        behind: crate::queue::budget::Behind::default(),
    };
    let now = clock::wall();
    let id = crate::queue::message::MessageId::new(now, 0, [7; 8]);
    let others = crate::queue::admission::admit(&others, &Rules::default(), now, id).unwrap();
    assert_eq!(confirm(&send, "modem0").await.status, 403);
    send.store.accept(vec![others]).await.unwrap();
    let own = send.post("/v1/messages", &json!({"to": PHONE, "text": "mine"})).await.json();
    let listed = send.get("/v1/messages").await.json();
    assert_eq!(listed["messages"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["messages"][0]["id"], own["id"]);
    assert_eq!(send.get(&format!("/v1/messages/{id}")).await.status, 404);
    assert_eq!(send.request("DELETE", &format!("/v1/messages/{id}"), &[], b"").await.status, 404);
    let login = json!({"to": PHONE, "text": "x", "lane": "login"});
    let answer = send.post("/v1/messages", &login).await;
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("lane-forbidden")));
    send.close().await;

    let trigger = House::new(Role::Trigger);
    for path in ["/v1/inbox", "/v1/inbox/00ff"] {
        assert_eq!(trigger.get(path).await.status, 403, "texts from phones are for admins: {path}");
    }
    assert_eq!(trigger.post("/v1/messages", &login).await.status, 202);
    trigger.close().await;
}

#[tokio::test]
async fn texts_from_phones_are_listed_without_what_they_say() {
    let house = House::new(Role::Admin);
    let segment = crate::provider::Segment {
        from: PHONE.to_owned(),
        sent: None,
        concat: None,
        body: "the secret answer".into(),
        content: "the secret answer".into(),
        pdu: "00".into(),
    };
    let channel = ChannelId("gsm:89490200001005155450".into());
    let incoming = store::Incoming { channel, segment, at: clock::wall() };
    house.store.incoming(incoming).await.unwrap();
    let listed = house.get("/v1/inbox?limit=5").await;
    assert!(!listed.body.contains("secret"), "{}", listed.body);
    let text = &listed.json()["texts"][0];
    assert_eq!((&text["from"], &text["parts"], &text["sent"]), (&json!(PHONE), &json!(1), &json!(null)));
    let shown = house.get(&format!("/v1/inbox/{}", text["id"].as_str().unwrap())).await.json();
    assert_eq!(shown["text"], "the secret answer");
    for unknown in ["/v1/inbox/00ff", "/v1/inbox/nonsense"] {
        let answer = house.get(unknown).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("no-such-text")));
    }
    for bad in ["limit=0", "limit=1001", "limit=x", "before=1"] {
        assert_eq!(house.get(&format!("/v1/inbox?{bad}")).await.status, 400, "{bad}");
    }
    house.close().await;
}

#[tokio::test]
async fn tokens_are_enrolled_listed_and_removed() {
    let house = House::new(Role::Admin);
    let answer = house.form("/token/init", "type=sms&user=bob&phone=%2B491701234567&pin=5678&genkey=1").await;
    let enrolled = answer.json();
    let serial = enrolled["detail"]["serial"].as_str().unwrap().to_owned();
    assert!(serial.starts_with("PISM") && serial.len() == 12, "{serial}");
    assert_eq!((&enrolled["id"], &enrolled["result"]), (&json!(1), &json!({"status": true, "value": true})));
    assert!(enrolled["detail"].get("otpkey").is_none(), "a seed is told to nobody");
    let listed = house.get("/token/?user=bob").await.json();
    let token = &listed["result"]["value"]["tokens"][0];
    assert_eq!((&token["serial"], &token["info"]["phone"]), (&json!(serial), &json!(PHONE)));
    assert_eq!(house.get("/token/?user=carol").await.json()["result"]["value"]["count"], 0);
    let gone = house.request("DELETE", &format!("/token/{serial}"), &[], b"").await;
    assert_eq!((gone.status, &gone.json()["result"]["value"]), (200, &json!(1)));
    let again = house.request("DELETE", &format!("/token/{serial}"), &[], b"").await;
    assert_eq!((again.status, &again.json()["result"]["error"]["code"]), (404, &json!(601)));
    house.close().await;
}

#[tokio::test]
async fn an_existing_serial_is_enrolled_anew() {
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    house.trigger().await;
    house.enrol_alice().await;
    let (_, code) = house.trigger().await;
    assert_eq!(code, "287082", "the counter began again");
    house.close().await;
}

#[tokio::test]
async fn a_hold_is_answered_by_name_and_remembered() {
    let house = House::new(Role::Admin);
    let told = async |order: &str, modem: &str| {
        let answer = house.post(&format!("/v1/modems/{modem}/{order}"), &json!(null)).await;
        (answer.status, answer.json())
    };
    let held = async || house.store.holds().await.unwrap();
    assert_eq!(told("drain", "modem0").await, (200, json!({"modem": IMEI, "hold": "draining"})));
    assert_eq!(held().await, [Held { modem: IMEI.to_owned(), finishing: true }]);
    assert_eq!(told("pause", "modem0").await, (200, json!({"modem": IMEI, "hold": "paused"})));
    assert_eq!(held().await, [Held { modem: IMEI.to_owned(), finishing: false }]);
    assert_eq!(told("resume", "modem0").await, (200, json!({"modem": IMEI, "hold": null})));
    let (status, body) = told("resume", "modem9").await;
    assert_eq!((status, &body["code"]), (404, &json!("no-such-modem")));
    assert_eq!(held().await, []);
    house.close().await;
}

#[tokio::test]
async fn a_queued_message_is_told_with_what_it_waits_for() {
    let house = House::new(Role::Admin);
    let mut ids = Vec::new();
    for text in ["x".repeat(400), "short".to_owned()] {
        let asked = json!({"to": PHONE, "text": text, "lane": "bulk"});
        ids.push(house.post("/v1/messages", &asked).await.json()["id"].as_str().unwrap().to_owned());
    }
    let waits = async |n: usize| house.get(&format!("/v1/messages/{}", ids[n])).await.json()["waits"].clone();
    let no_modem =
        |waits: Value| waits.as_str().is_some_and(|cause| cause.contains("no modem takes messages"));
    assert!(no_modem(waits(1).await));
    let channel = |draining| {
        let id = ChannelId(format!("gsm:{draining}").into());
        Channel { id, ready: true, draining, slots: 1 }
    };
    house.channels.send_replace(Arc::from([channel(false), channel(true)]));
    let long = waits(0).await;
    assert!(long.as_str().unwrap().contains("no SIM that is ready has budget for it before"), "{long}");
    assert_eq!(waits(1).await, json!(null), "only for its turn");
    house.channels.send_replace(Arc::from([channel(true)]));
    assert!(no_modem(waits(1).await), "it drains");
    house.close().await;
}

#[tokio::test]
async fn filters_narrow_a_listing() {
    let house = House::new(Role::Admin);
    let other = "+491701234568";
    let batch = json!([
        {"to": PHONE, "text": "a"},
        {"to": other, "text": "b", "lane": "alert"},
        {"to": PHONE, "text": "c", "lane": "alert"},
    ]);
    assert_eq!(house.post("/v1/messages", &batch).await.status, 202);
    for (query, texts) in [
        ("lane=alert", vec!["c", "b"]),
        ("to=%2B49%20(0)%20170/123-45-67", vec!["c", "a"]),
        ("to=0049%20170%201234568", vec!["b"]),
        ("to=+491701234567&lane=alert", vec!["c"]),
        ("caller=tester&limit=1", vec!["c"]),
        ("caller=somebody", vec![]),
    ] {
        let page = house.get(&format!("/v1/messages?{query}")).await.json();
        let found: Vec<_> = page["messages"].as_array().unwrap().iter().map(|m| m["text"].clone()).collect();
        assert_eq!(found, texts, "{query}");
    }
    for (query, code) in
        [("lane=fast", "lane-unknown"), ("to=me", "number-invalid"), ("to=0170", "number-national")]
    {
        let refused = house.get(&format!("/v1/messages?{query}")).await;
        assert_eq!((refused.status, &refused.json()["code"]), (422, &json!(code)), "{query}");
    }
    house.close().await;
}

#[tokio::test]
async fn lanes_are_for_admins() {
    let house = House::new(Role::Trigger);
    assert_eq!(house.get("/v1/queue").await.status, 403);
    for order in ["pause", "resume", "purge"] {
        assert_eq!(house.post(&format!("/v1/queue/bulk/{order}"), &json!(null)).await.status, 403);
    }
    assert_eq!(house.get("/v1/messages?caller=tester").await.status, 400, "others see their own anyway");
    house.close().await;
    let house = House::new(Role::Admin);
    let unknown = house.post("/v1/queue/fast/pause", &json!(null)).await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (422, &json!("lane-unknown")));
    let paused = house.post("/v1/queue/bulk/pause", &json!(null)).await.json();
    assert_eq!(
        (&paused["lanes"][2]["lane"], &paused["lanes"][2]["paused_by"]),
        (&json!("bulk"), &json!("tester"))
    );
    let resumed = house.post("/v1/queue/bulk/resume", &json!(null)).await.json();
    assert_eq!(resumed["lanes"][2]["paused"], json!(false));
    house.close().await;
}

#[tokio::test]
async fn a_retry_asks_for_what_rests() {
    let house = House::new(Role::Admin);
    let id = house.post("/v1/messages", &json!({"to": PHONE, "text": "a"})).await.json()["id"].clone();
    let path = format!("/v1/messages/{}/retry", id.as_str().unwrap());
    let refused = house.request("POST", &path, &[], b"").await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("not-at-rest")));
    for (body, status) in [(json!({"lifetime": 0}), 422), (json!({"forc": true}), 400), (json!([1, 2]), 400)]
    {
        assert_eq!(house.post(&path, &body).await.status, status, "{body}");
    }
    let nobody = "/v1/messages/00000000-0000-7000-8000-000000000000/retry";
    assert_eq!(house.post(nobody, &json!({})).await.status, 404);
    house.close().await;
}
