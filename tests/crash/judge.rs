//! The rules that a crash may not break, and the asking for what the judge needs to know.

use std::path::Path;

use serde_json::{Value, json};
use smsotpd::store::engine::{Settings, Store};
use smsotpd::store::seal::Keyring;
use smsotpd::store::{InboxRecord, Operations};

use crate::http::Client;
use crate::rig::{Daemon, Simulator};

/// A message that somebody wants to be sent, with a key against doubles, and its id once the daemon has said 202.
pub struct Asked {
    pub to: String,
    pub text: String,
    pub lane: &'static str,
    pub key: String,
    pub id: Option<String>,
}

impl Asked {
    /// Offers it, unless it was taken before; an error is the end of the daemon.
    pub fn offer(&mut self, client: &mut Client) -> std::io::Result<()> {
        if self.id.is_some() {
            return Ok(());
        }
        let Self { to, text, lane, key, .. } = self;
        let body = json!({"to": to, "text": text, "lane": lane, "idempotency_key": key}).to_string();
        let answer = client.json("/v1/messages", &body)?;
        assert_eq!(answer.status, 202, "{}", answer.body);
        self.id = answer.json()["id"].as_str().map(str::to_owned);
        Ok(())
    }
}

/// Sends a last text and waits until it is shown. What a handset got before is in the simulator's events then.
pub fn all_is_told(daemon: &Daemon, simulator: &Simulator) {
    let text = "the last text";
    daemon.submit(&[json!({"to": "+491730000000", "text": text, "lane": "bulk"})]);
    simulator.wait(0, text, |e| e["event"] == "phone" && e["text"] == text);
}

/// Holds what became of the message against what its handset showed; `true` if it rests in doubt.
pub fn is_in_doubt(asked: &Asked, record: &Value, simulator: &Simulator) -> bool {
    let shown = simulator.shown();
    let copies = shown.iter().filter(|(to, text)| *to == asked.to && *text == asked.text).count();
    let others = shown.iter().filter(|(to, _)| *to == asked.to).count() - copies;
    assert_eq!(others, 0, "this handset got another text: {record}");
    let most = if asked.lane == "bulk" { 1 } else { 2 };
    assert!(copies <= most, "{copies} copies: {record}");
    match record["state"].as_str().unwrap_or_default() {
        "submitted" | "delivered" => {
            assert!(copies > 0, "no handset has it: {record}");
            false
        }
        "uncertain" => true,
        other => panic!("it is {other}: {record}"),
    }
}

/// How many texts from phones the daemon shows.
pub fn texts_from_phones(client: &mut Client) -> std::io::Result<usize> {
    let listed = client.get("/v1/inbox?limit=1000")?.json();
    Ok(listed["texts"].as_array().map_or(0, Vec::len))
}

/// Texts from phones that a daemon which has ended left in its store.
fn inbox(place: &Path) -> Vec<InboxRecord> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let key = Keyring::read(&place.join("key")).expect("the daemon's key");
        let store = Store::open(Settings::new(place.join("store.db"), key)).expect("the daemon's store");
        let texts = store.inbox(None, 1_000).await.expect("texts");
        store.close().await;
        texts
    })
}

/// What phones sent is there once, each of these texts.
pub fn came_once(place: &Path, texts: &[String]) {
    let mut kept: Vec<_> =
        inbox(place).iter().filter_map(|t| Some(t.body.expose_str()?.to_owned())).collect();
    let mut sent = texts.to_vec();
    kept.sort_unstable();
    sent.sort_unstable();
    assert_eq!(kept, sent, "what phones sent");
}
