//! Budgets as clients meet them: who is counted for whom, and what is left of an answer when one of two texts is refused.

use super::*;
use crate::queue::budget::{Budgets as Asked, ByDimension, Dimension, Limits as PerTime};

/// So many a day behind a right PIN, in this dimension.
fn per_day(dimension: Dimension, most: u32) -> Asked {
    let mut proven = ByDimension::default();
    proven[dimension as usize] = PerTime { per_day: Some(most), ..PerTime::default() };
    Asked { proven, ..Asked::default() }
}

impl House {
    fn budgeted(&self, callers: Callers, budgets: Asked) {
        let rules = Arc::new(Rules { budgets, ..Rules::default() });
        let settings = validate::Settings::new(validate::TEXT, validate::PROMPT).unwrap();
        let validate = Validate::new(self.store.clone(), settings, Arc::clone(&rules));
        self.live.replace(InForce { callers, rules, validate });
    }

    /// The transaction that a PIN gets.
    async fn pin(&self, more: &str) -> Option<String> {
        let answer = self.form("/validate/check", &format!("user=alice&pass=1234{more}")).await.json();
        answer["detail"]["transaction_id"].as_str().map(str::to_owned)
    }
}

#[tokio::test]
async fn a_client_is_believed_only_of_listed_callers() {
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    house.budgeted(Callers::only(Role::Validate), per_day(Dimension::Client, 1));
    let vpn = house.pin("&client=vpn").await.expect("a challenge");
    assert_eq!(house.pin("&client=vpn").await.as_ref(), Some(&vpn), "over budget it is the live one");
    let wlan = house.pin("&client=wlan").await.expect("another client has its own budget");
    assert_ne!(wlan, vpn);
    house.budgeted(Callers::none(), per_day(Dimension::Client, 1));
    let stranger = house.pin("&client=vpn").await.expect("a challenge");
    assert!(stranger != vpn && stranger != wlan, "a stranger's word is not counted against anybody");
    assert_eq!(house.login_messages().await.len(), 3);
    house.close().await;
}

#[tokio::test]
async fn of_two_phones_the_one_within_budget_gets_its_code() {
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    house.budgeted(Callers::only(Role::Admin), per_day(Dimension::Number, 1));
    assert!(house.pin("").await.is_some());
    let second = "type=sms&user=alice&serial=PISM0002&phone=%2B491707654321&pin=1234";
    assert_eq!(house.form("/token/init", second).await.status, 200);
    let answer = house.form("/validate/check", "user=alice&pass=1234").await.json();
    let detail = &answer["detail"];
    assert_eq!(answer["result"]["authentication"], "CHALLENGE", "{answer}");
    assert_eq!(detail["multi_challenge"].as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(detail["serial"], "PISM0002", "{answer}");
    let unsent = "The PIN was correct, but the SMS could not be sent!";
    assert_eq!(detail["messages"], json!([validate::PROMPT, unsent]), "{answer}");
    let newest = house.pin("").await;
    assert_eq!(newest.as_deref(), detail["transaction_id"].as_str(), "of two live ones the newest");
    assert_eq!(house.login_messages().await.len(), 2);
    house.close().await;
}

#[tokio::test]
async fn a_spent_budget_touches_no_token() {
    let house = House::with(Role::Admin, 2, validate::LIFETIME);
    house.enrol_alice().await;
    house.budgeted(Callers::only(Role::Admin), per_day(Dimension::User, 1));
    let transaction = house.pin("").await.expect("a challenge");
    for _ in 0..5 {
        assert_eq!(house.pin("").await.as_ref(), Some(&transaction));
    }
    let code = house.newest_code().await;
    let token = house.store.token("PISM0001".to_owned()).await.unwrap().unwrap();
    assert_eq!((token.failures, token.counter), (0, 1), "a refused text touches no token");
    let answer = house.form("/validate/check", &format!("user=alice&pass=1234{code}")).await.json();
    assert_eq!(answer["result"]["authentication"], "ACCEPT", "{answer}");
    house.close().await;
}
