//! What a daemon did and said, each with its moment on CLOCK_MONOTONIC, and the holding of a rebuilt store against it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smsotpd::clock;
use smsotpd::queue::message::{Lane, State};
use smsotpd::store::engine::{Settings, Store};
use smsotpd::store::seal::Keyring;
use smsotpd::store::{AttemptState, Filter, MessageRecord, Operations};

use crate::http::Client;
use crate::rig::{Daemon, PATIENCE, Simulator};

const MESSAGES: usize = 200;
/// One message in so many is followed by a login and by a text from a phone.
const OTHERS: usize = 50;
/// How far behind the newest message the states are asked for.
const BEHIND: usize = 8;

/// What was answered as durable, and what went to the network.
#[derive(Default)]
pub struct Deeds {
    /// 202 for this message.
    accepted: Vec<(u64, String)>,
    /// This state was shown.
    shown: Vec<(u64, String, String)>,
    /// Its Ctrl-Z left.
    ctrl_z: Vec<(u64, String)>,
    /// A challenge of this user was opened, and when it was used up.
    logins: Vec<Login>,
    /// So many texts from phones were shown.
    texts: Vec<u64>,
}

struct Login {
    user: String,
    transaction: String,
    opened: u64,
    used: u64,
}

/// CLOCK_MONOTONIC in nanoseconds.
fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn recipient(n: usize) -> String {
    format!("+49171{n:07}")
}

impl Deeds {
    /// Lets the daemon work.
    pub fn of(daemon: &Daemon, simulator: &mut Simulator) -> Self {
        let mut deeds = Self::default();
        let mut client = daemon.client();
        for n in 0..MESSAGES {
            let lane = if n.is_multiple_of(4) { "alert" } else { "bulk" };
            let ask = json!({"to": recipient(n), "text": format!("message {n}"), "lane": lane}).to_string();
            let answer = client.json("/v1/messages", &ask).expect("an answer");
            assert_eq!(answer.status, 202, "{}", answer.body);
            let id = answer.json()["id"].as_str().expect("an id").to_owned();
            deeds.accepted.push((now(), id));
            if let Some((_, earlier)) = n.checked_sub(BEHIND).and_then(|at| deeds.accepted.get(at)).cloned() {
                let record = client.get(&format!("/v1/messages/{earlier}")).expect("an answer").json();
                deeds.shown.push((now(), earlier, record["state"].as_str().expect("a state").to_owned()));
            }
            if n % OTHERS == OTHERS / 2 {
                deeds.log_in(&mut client, simulator, &format!("user{n}"), &recipient(MESSAGES + n));
                deeds.hear(&mut client, simulator);
            }
        }
        let ids: Vec<_> = deeds.accepted.iter().map(|(_, id)| id.clone()).collect();
        daemon.settled(&ids);
        deeds.ctrl_z = simulator.all("ctrl-z").iter().filter_map(left).collect();
        deeds
    }

    fn log_in(&mut self, client: &mut Client, simulator: &Simulator, user: &str, to: &str) {
        let phone = to.replace('+', "%2B");
        let enrolled = client.form("/token/init", &format!("type=sms&user={user}&phone={phone}&pin=4321"));
        assert_eq!(enrolled.expect("an answer").status, 200);
        let answer =
            client.form("/validate/check", &format!("user={user}&pass=4321")).expect("an answer").json();
        let opened = now();
        let transaction = answer["detail"]["transaction_id"].as_str().expect("a challenge").to_owned();
        let shown = simulator.wait(0, "the code", |e| e["event"] == "phone" && e["to"] == to);
        let code = shown["text"].as_str().expect("a text");
        let form = format!("user={user}&transaction_id={transaction}&pass={code}");
        let answer = client.form("/validate/check", &form).expect("an answer").json();
        assert_eq!(answer["result"]["authentication"], "ACCEPT", "{answer}");
        self.logins.push(Login { user: user.to_owned(), transaction, opened, used: now() });
    }

    fn hear(&mut self, client: &mut Client, simulator: &mut Simulator) {
        let number = self.texts.len() + 1;
        simulator
            .control(&json!({"do": "deliver", "from": "+491799999999", "text": format!("phone {number}")}));
        let until = Instant::now() + PATIENCE;
        while client.get("/v1/inbox").expect("an answer").json()["texts"].as_array().map_or(0, Vec::len)
            < number
        {
            assert!(Instant::now() < until, "the text from a phone does not come");
            std::thread::sleep(Duration::from_millis(2));
        }
        self.texts.push(now());
    }

    /// Holds the store at `path`, rebuilt as of `at`, against what was said and done until then.
    pub async fn judge(&self, path: &Path, key: &Path, at: u64) -> Result<(), String> {
        let settings = Settings::new(path, Keyring::read(key).map_err(|error| error.to_string())?);
        let store = Store::open(settings).map_err(|error| error.to_string())?;
        let found = self.look(&store, at).await;
        store.close().await;
        found.and(whole(path))
    }

    async fn look(&self, store: &Store, at: u64) -> Result<(), String> {
        let failed = |error: smsotpd::store::StoreError| error.to_string();
        store.recover(clock::wall()).await.map_err(failed)?;
        let filter = Filter { most: 2 * MESSAGES, ..Filter::default() };
        let listed = store.messages(filter).await.map_err(failed)?.records;
        let mut by_id = BTreeMap::new();
        for listed in &listed {
            let whole = store.message(listed.id).await.map_err(failed)?.ok_or("a listed message is gone")?;
            by_id.insert(whole.id.to_string(), whole);
        }
        let recipients: BTreeMap<_, _> = by_id.values().map(|record| (record.to.as_str(), record)).collect();
        ensure(recipients.len() == by_id.len(), || "a message is doubled".to_owned())?;
        for (_, id) in self.accepted.iter().filter(|(when, _)| *when <= at) {
            ensure(by_id.contains_key(id), || format!("message {id} was answered with 202 and is lost"))?;
        }
        for (_, id, shown) in self.shown.iter().filter(|(when, ..)| *when <= at) {
            let now = by_id.get(id).map(|record| record.state);
            ensure(follows(shown, now), || format!("message {id} was {shown} and is {now:?}"))?;
        }
        for (_, to) in self.ctrl_z.iter().filter(|(when, _)| *when <= at) {
            let record = recipients.get(to.as_str());
            ensure(record.is_some_and(|record| goes_by_its_rule(record)), || {
                format!("{to} got it, and the store says {record:?}")
            })?;
        }
        for login in &self.logins {
            login.judge(store, at).await?;
        }
        let texts = store.inbox(None, MESSAGES).await.map_err(failed)?.len();
        let shown = self.texts.iter().filter(|when| **when <= at).count();
        ensure((shown..=shown + 1).contains(&texts), || {
            format!("{texts} texts from phones, {shown} were shown")
        })
    }
}

impl Login {
    /// A challenge that was opened is there, and one that was used up is not used again.
    async fn judge(&self, store: &Store, at: u64) -> Result<(), String> {
        let failed = |error: smsotpd::store::StoreError| error.to_string();
        if self.opened > at {
            return Ok(());
        }
        let tokens = store.tokens(Some(self.user.clone())).await.map_err(failed)?;
        let token = tokens.first().ok_or_else(|| format!("the token of {} is lost", self.user))?;
        let challenges = store.challenges(vec![token.serial.clone()]).await.map_err(failed)?;
        let opened = challenges.iter().find(|challenge| challenge.transaction == self.transaction);
        let opened = opened.ok_or_else(|| format!("the challenge of {} is lost", self.user))?;
        let again = store.answer(self.transaction.clone(), token.serial.clone(), opened.created);
        let again = again.await.map_err(failed)?;
        ensure(self.used > at || !again, || format!("the code of {} works twice", self.user))
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// When and to whom, of an event.
fn left(event: &Value) -> Option<(u64, String)> {
    Some((event["us"].as_u64()? * 1_000, event["to"].as_str()?.to_owned()))
}

/// Whether a message that was shown in one state may be in the other after recovery.
fn follows(shown: &str, now: Option<State>) -> bool {
    match shown {
        "delivered" => now == Some(State::Delivered),
        "submitted" => matches!(now, Some(State::Submitted | State::Delivered)),
        _ => now.is_some(),
    }
}

/// A message whose Ctrl-Z left has an attempt, and goes again only where its lane lets it, once.
fn goes_by_its_rule(record: &MessageRecord) -> bool {
    let in_doubt = record.attempts.iter().filter(|attempt| attempt.state == AttemptState::Uncertain).count();
    !record.attempts.is_empty()
        && (record.state != State::Queued || (record.lane != Lane::Bulk && in_doubt == 1))
}

/// The engine's own check of the file.
fn whole(path: &Path) -> Result<(), String> {
    let told = |error: rusqlite::Error| error.to_string();
    let conn = rusqlite::Connection::open(path).map_err(told)?;
    let check: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(told)?;
    ensure(check == "ok", || check)
}
