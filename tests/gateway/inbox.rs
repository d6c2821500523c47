//! Texts from phones: what arrives in parts is one text in the store, whatever happens between the parts.

use std::cell::Cell;
use std::path::Path;

use serde_json::{Value, json};
use smsotpd::store::engine::{Settings, Store};
use smsotpd::store::seal::Keyring;
use smsotpd::store::{InboxRecord, Operations};

use crate::operator::{ctl, told};
use crate::rig::{Daemon, Place, Simulator, read_log};

/// What a daemon that has ended left in its store.
fn inbox(place: &Path) -> Vec<InboxRecord> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let key = Keyring::read(&place.join("key")).expect("the daemon's key");
        let store = Store::open(Settings::new(place.join("store.db"), key)).expect("the daemon's store");
        let texts = store.inbox(None, 100).await.expect("texts");
        store.close().await;
        texts
    })
}

/// Waits for the `n`th deletion of all: what is stored is deleted in the modem, and only then.
fn deleted(simulator: &Simulator, n: usize) {
    let seen = Cell::new(0);
    simulator.wait(0, &format!("deletion {n}"), |event: &Value| {
        let line = event["line"].as_str().unwrap_or_default();
        seen.set(seen.get() + usize::from(event["event"] == "at" && line.starts_with("AT+CMGD=")));
        seen.get() == n
    });
}

#[test]
fn parts_out_of_order_make_one_text_over_a_kill() {
    let place = Place::new();
    let config = place.configure("");
    let mut simulator =
        Simulator::start(&[place.ports().join("modem0")], &["--events", "at", "--seed", "19"]);
    let text = "Grüße 😀 ".repeat(20);
    let deliver = |parts: &[u8]| json!({"do": "deliver", "from": "+491701234567", "text": text, "reference": 42, "parts": parts});
    let daemon = Daemon::start(&place, &config);
    simulator.control(&deliver(&[3]));
    deleted(&simulator, 1);
    daemon.kill();
    assert!(inbox(place.path()).is_empty(), "a part alone is no text");
    // These wait in the modem until the next daemon lists what is there.
    simulator.control(&deliver(&[1, 3]));
    let daemon = Daemon::start(&place, &config);
    deleted(&simulator, 3);
    simulator.control(&deliver(&[2]));
    simulator.control(&json!({"do": "deliver", "from": "INFO", "text": "the last one"}));
    deleted(&simulator, 5);
    assert_eq!(daemon.stop(), Some(0));
    let texts = inbox(place.path());
    let mut shown: Vec<_> = texts.iter().map(|t| (t.from.as_str(), t.body.expose_str())).collect();
    shown.sort_unstable();
    assert_eq!(shown, [("+491701234567", Some(text.as_str())), ("INFO", Some("the last one"))]);
    assert!(texts.iter().all(|text| text.missing == 0 && text.sent.is_some()));
}

#[test]
fn the_operator_lists_texts_and_reads_one() {
    let place = Place::new();
    let config = place.configure("");
    let mut simulator =
        Simulator::start(&[place.ports().join("modem0")], &["--events", "at", "--seed", "29"]);
    let daemon = Daemon::start(&place, &config);
    assert_eq!(told(&place, &["--json", "inbox", "list"]), json!({"texts": []}));
    simulator.control(&json!({"do": "deliver", "from": "+491701234567", "text": "STOP\nplease"}));
    deleted(&simulator, 1);
    let listed = told(&place, &["--json", "inbox", "list"]);
    let text = &listed["texts"][0];
    assert_eq!((&text["from"], &text["complete"]), (&json!("+491701234567"), &json!(true)), "{listed}");
    assert!(text["channel"].as_str().is_some_and(|channel| channel.starts_with("gsm:")), "{listed}");
    assert!(!listed.to_string().contains("STOP"), "a list says who wrote, not what");
    let id = text["id"].as_str().expect("an id");
    let page = told(&place, &["--json", "inbox", "list", "--limit", "1"]);
    assert_eq!((&page["next"], &listed["next"]), (&json!(id), &Value::Null), "{page}");
    assert_eq!(told(&place, &["--json", "inbox", "list", "--before", id]), json!({"texts": []}));
    assert_eq!(ctl(&place, &["inbox", "list", "--before", "x"], "").status.code(), Some(64));
    assert_eq!(told(&place, &["--json", "inbox", "show", id])["text"], "STOP\nplease");
    let shown = ctl(&place, &["inbox", "show", id], "");
    assert!(String::from_utf8_lossy(&shown.stdout).ends_with("\n\nSTOP\nplease\n"), "{shown:?}");
    assert_eq!(ctl(&place, &["inbox", "show", "00ff"], "").status.code(), Some(65));
    assert_eq!(daemon.stop(), Some(0));
    assert!(!read_log(&place).contains("STOP"));
}
