//! The story: enrol, PIN -> text, PIN+code -> granted; again with the transaction -> granted; a replayed code -> denied.

#![expect(clippy::indexing_slicing, reason = "a JSON value that has no such member gives null")]

use std::path::Path;

use serde_json::Value;

use super::{DemoError, Onlooker, PATIENCE};

const USER: &str = "alice";
const PIN: &str = "4321";
const PHONE: &str = "+491701234567";

/// Plays it against the daemon on `socket`.
pub(super) async fn tell(socket: &Path, mut onlooker: Onlooker) -> Result<(), DemoError> {
    let client = Client::new(socket)?;
    println!("== 1. {USER} gets a token: a PIN of her own, codes to {PHONE}");
    let enrolled =
        client.post("/token/init", &[("type", "sms"), ("user", USER), ("phone", PHONE), ("pin", PIN)]);
    expect(&enrolled.await?, "result.status true", |answer| answer["result"]["status"] == true)?;

    println!("\n== 2. The PIN alone: denied for now, and a code on the phone");
    let code = trigger(&client, &mut onlooker).await?.code;
    println!("\n== 3. PIN and code: granted");
    let pass = format!("{PIN}{code}");
    client.check("ACCEPT", &[("user", USER), ("pass", &pass)]).await?;

    println!("\n== 4. Once more, and now the transaction and the code: granted");
    let Triggered { transaction, code } = trigger(&client, &mut onlooker).await?;
    let answer = [("user", USER), ("transaction_id", transaction.as_str()), ("pass", code.as_str())];
    client.check("ACCEPT", &answer).await?;

    println!("\n== 5. The same code again, on both ways: denied");
    client.check("REJECT", &answer).await?;
    let pass = format!("{PIN}{code}");
    client.check("REJECT", &[("user", USER), ("pass", &pass)]).await?;
    println!("\nThe story ends well: two codes sent, two logins granted, two replays denied.");
    Ok(())
}

struct Triggered {
    transaction: String,
    code: String,
}

async fn trigger(client: &Client, onlooker: &mut Onlooker) -> Result<Triggered, DemoError> {
    let answer = client.check("CHALLENGE", &[("user", USER), ("pass", PIN)]).await?;
    let transaction = answer["detail"]["transaction_id"].as_str().unwrap_or_default().to_owned();
    let shown = onlooker.phone(PHONE).await?;
    let width = shown.text.chars().count().max(PHONE.len()) + 2;
    println!("   .{}.", "-".repeat(width));
    println!("   | {:<1$} |", shown.number, width - 2);
    println!("   | {:<1$} |", shown.text, width - 2);
    println!("   '{}'", "-".repeat(width));
    Ok(Triggered { transaction, code: shown.text })
}

fn expect(answer: &Value, expected: &'static str, holds: impl Fn(&Value) -> bool) -> Result<(), DemoError> {
    if holds(answer) { Ok(()) } else { Err(DemoError::Unexpected { expected, answer: answer.clone() }) }
}

/// A client on the daemon's socket that shows what it says and hears.
struct Client(reqwest::Client);

impl Client {
    fn new(socket: &Path) -> Result<Self, DemoError> {
        Ok(Self(reqwest::Client::builder().unix_socket(socket).timeout(PATIENCE).build()?))
    }

    async fn check(&self, expected: &'static str, form: &[(&str, &str)]) -> Result<Value, DemoError> {
        let answer = self.post("/validate/check", form).await?;
        expect(&answer, expected, |answer| answer["result"]["authentication"] == expected)?;
        Ok(answer)
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Value, DemoError> {
        let shown: Vec<String> = form.iter().map(|(key, value)| format!("{key}={value}")).collect();
        println!("-> POST {path}  {}", shown.join("&"));
        let response = self.0.post(format!("http://localhost{path}")).form(form).send().await?;
        let status = response.status().as_u16();
        let answer: Value = response.json().await?;
        let brief = |value: &Value| value.as_str().map(str::to_owned);
        let result = &answer["result"];
        let outcome = brief(&result["authentication"]).unwrap_or_else(|| result["value"].to_string());
        println!("<- {status} {outcome}");
        for key in ["message", "transaction_id", "serial"] {
            if let Some(value) = brief(&answer["detail"][key]) {
                println!("   {key}: {value}");
            }
        }
        Ok(answer)
    }
}
