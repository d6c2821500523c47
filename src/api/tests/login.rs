//! The login's story over the socket, and what must not work.

use std::time::Duration;

use super::*;

async fn said(house: &House, form: &str) -> (String, String) {
    let answer = house.form("/validate/check", form).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let word = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    (word("/result/authentication"), word("/detail/message"))
}

#[tokio::test]
async fn pin_then_pin_and_code_then_replay() {
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    let (_, code) = house.trigger().await;
    assert_eq!(code, "287082");
    let with_pin = format!("user=alice&pass=1234{code}");
    assert_eq!(said(&house, &with_pin).await.0, "ACCEPT");
    let (word, message) = said(&house, &with_pin).await;
    assert_eq!((word.as_str(), message.as_str()), ("REJECT", "wrong otp value. previous otp used again"));
    house.close().await;
}

#[tokio::test]
async fn a_message_of_the_login_lane_waits_with_its_challenge() {
    let house = House::with(Role::Admin, 10, Duration::from_secs(60));
    house.enrol_alice().await;
    house.trigger().await;
    let message = house.login_messages().await.remove(0);
    assert_eq!(message.deadline, message.created.plus(Duration::from_secs(60)));
    assert_eq!((message.to.as_str(), message.lane), (PHONE, Lane::Login));
    house.close().await;
}

#[tokio::test]
async fn a_code_ends_with_its_challenge_on_every_path() {
    // Admission wants a second at least, so the challenge lives one; the store's clock is the wall's.
    let house = House::with(Role::Admin, 10, Duration::from_secs(1));
    house.enrol_alice().await;
    let (transaction, code) = house.trigger().await;
    let expires = house.login_messages().await.remove(0).deadline;
    while clock::wall() < expires {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (word, message) = said(&house, &format!("user=alice&transaction_id={transaction}&pass={code}")).await;
    assert_eq!((word.as_str(), message.as_str()), ("REJECT", "Response did not match the challenge."));
    let (word, message) = said(&house, &format!("user=alice&pass=1234{code}")).await;
    assert_eq!((word.as_str(), message.as_str()), ("REJECT", "wrong otp value"));
    house.close().await;
}

#[tokio::test]
async fn of_thirty_two_right_answers_at_once_one_is_accepted() {
    let house = Arc::new(House::new(Role::Admin));
    house.enrol_alice().await;
    for with_pin in [false, true] {
        let (transaction, code) = house.trigger().await;
        let form = if with_pin {
            format!("user=alice&pass=1234{code}")
        } else {
            format!("user=alice&transaction_id={transaction}&pass={code}")
        };
        let racers: Vec<_> = (0..32)
            .map(|_| {
                let (house, form) = (Arc::clone(&house), form.clone());
                tokio::spawn(async move { said(&house, &form).await.0 == "ACCEPT" })
            })
            .collect();
        let mut accepted = 0;
        for racer in racers {
            accepted += usize::from(racer.await.unwrap());
        }
        assert_eq!(accepted, 1, "with PIN: {with_pin}");
    }
}

#[tokio::test]
async fn triggers_at_once_all_get_their_own_code() {
    let house = Arc::new(House::new(Role::Admin));
    house.enrol_alice().await;
    let racers: Vec<_> = (0..6)
        .map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { said(&house, "user=alice&pass=1234").await.0 })
        })
        .collect();
    for racer in racers {
        assert_eq!(racer.await.unwrap(), "CHALLENGE");
    }
    let mut codes: Vec<_> = house
        .login_messages()
        .await
        .iter()
        .map(|m| m.body.as_ref().unwrap().expose_str().unwrap().to_owned())
        .collect();
    codes.sort();
    let mut expected = ["287082", "359152", "969429", "338314", "254676", "287922"];
    expected.sort_unstable();
    assert_eq!(codes, expected, "counters 1 to 6, each once");
}

#[tokio::test]
async fn guesses_side_by_side_are_no_more_than_the_limit() {
    let house = Arc::new(House::with(Role::Admin, 5, validate::LIFETIME));
    house.enrol_alice().await;
    let (transaction, _) = house.trigger().await;
    let racers: Vec<_> = (0..32)
        .map(|n| {
            let house = Arc::clone(&house);
            let form = format!("user=alice&transaction_id={transaction}&pass={n:06}");
            tokio::spawn(async move { said(&house, &form).await.1 })
        })
        .collect();
    let mut judged = 0;
    for racer in racers {
        judged += usize::from(racer.await.unwrap() == "Response did not match the challenge.");
    }
    assert!(judged <= 5, "{judged} guesses were judged");
    assert!(judged >= 1);
}

#[tokio::test]
async fn a_locked_token_refuses_everything_and_sends_nothing() {
    let house = House::with(Role::Admin, 3, validate::LIFETIME);
    house.enrol_alice().await;
    let (transaction, code) = house.trigger().await;
    for _ in 0..3 {
        assert_eq!(said(&house, "user=alice&pass=1234000000").await.1, "wrong otp value");
    }
    for form in [
        "user=alice&pass=1234".to_owned(),
        format!("user=alice&pass=1234{code}"),
        format!("user=alice&transaction_id={transaction}&pass={code}"),
        "user=alice&pass=9999".to_owned(),
        "serial=PISM0001&pass=1234".to_owned(),
    ] {
        let (word, message) = said(&house, &form).await;
        assert_eq!((word.as_str(), message.as_str()), ("REJECT", "Failcounter exceeded"), "{form}");
    }
    assert_eq!(house.login_messages().await.len(), 1);
    house.close().await;
}

#[tokio::test]
async fn two_tokens_share_a_transaction() {
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    let second = "type=sms&user=alice&serial=PISM0002&phone=%2B491707654321&pin=1234&otplen=8";
    assert_eq!(house.form("/token/init", second).await.status, 200);
    let answer = house.form("/validate/check", "user=alice&pass=1234").await.json();
    let detail = &answer["detail"];
    assert_eq!(detail["multi_challenge"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(detail["transaction_ids"], json!([detail["transaction_id"], detail["transaction_id"]]));
    assert_eq!(detail["message"], validate::PROMPT, "equal prompts are told once");
    assert_eq!(detail["messages"], json!([validate::PROMPT, validate::PROMPT]));
    let transaction = detail["transaction_id"].as_str().unwrap();
    let wrong = said(&house, &format!("user=alice&transaction_id={transaction}&pass=000000")).await;
    assert_eq!(wrong.1, "Response did not match for 2 tokens.");
    let code =
        house.login_messages().await.iter().find(|m| m.to.as_str() == PHONE).unwrap().body.clone().unwrap();
    let right = format!("user=alice&transaction_id={transaction}&pass={}", code.expose_str().unwrap());
    assert_eq!(said(&house, &right).await.0, "ACCEPT");
    house.close().await;
}

#[tokio::test]
async fn a_number_that_is_not_allowed_is_told_as_unsent() {
    let house = House::new(Role::Admin);
    let dir = tempfile::tempdir().unwrap();
    let key = Keyring::generate().unwrap();
    let store = Store::open(store::engine::Settings::new(dir.path().join("s.db"), key)).unwrap();
    let settings = validate::Settings::new(validate::TEXT, validate::PROMPT).unwrap();
    let rules = Arc::new(Rules { allow: only("+43"), ..Rules::default() });
    let validate = Validate::new(store.clone(), settings, rules);
    let enrol = validate::tokens::Enrol {
        user: "alice".into(),
        phone: PHONE.into(),
        pin: "1234".into(),
        serial: None,
        seed: None,
        digits: None,
        description: String::new(),
    };
    validate.enrol(enrol).await.unwrap();
    let check = validate::Check {
        user: Some("alice".into()),
        serial: None,
        pass: "1234".into(),
        transaction: None,
        otp_only: false,
        caller: "test".into(),
        client: None,
    };
    assert_eq!(validate.check(&check).await.unwrap(), validate::Answer::Unsent);
    store.close().await;
    house.close().await;
}
