//! Every recorded AT exchange of the reference corpus is read and compared, item by item.
//!
//! The nested `sms` of an item is the reading of its PDU and is checked by the PDU corpus test, not here.

use std::path::PathBuf;

use serde_json::Value;
use smsotpd::at::exchange;

/// Rows of a thousand that pass; may only rise. The test lists what is missing (`--nocapture`): texts of `+CUSD` decoded from hex
/// (the alphabet is `pdu`'s), a list of modes in `+COPS=?` that the corpus takes for a network, and what only the label
/// of a row could tell.
const FLOOR_PER_MILLE: usize = 961;

fn corpus() -> PathBuf {
    std::env::var_os("SMSOTPD_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus")),
        PathBuf::from,
    )
}

fn without_sms(mut facts: Value) -> Value {
    for item in facts.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(item) = item.as_object_mut() {
            item.remove("sms");
        }
    }
    facts
}

#[test]
fn recorded_exchanges_read_as_the_corpus_says() {
    let corpus = corpus();
    let (mut rows, mut failed) = (0, Vec::new());
    for name in ["at-exchanges.jsonl", "at-exchanges-extra.jsonl"] {
        let path = corpus.join(name);
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: no corpus at {}", path.display());
            return;
        };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            rows += 1;
            let row: Value = serde_json::from_str(line).expect("a row of the corpus is JSON");
            let recv = row["recv"].as_str().expect("a row has recv");
            let got = exchange::parse(row["send"].as_str(), recv.as_bytes());
            let expect = without_sms(row["expect"].clone());
            if got != expect {
                failed.push(format!("{}\n   recv {recv:?}\n   want {expect}\n   got  {got}", row["id"]));
            }
        }
    }
    for failure in &failed {
        println!("{failure}");
    }
    assert!(rows > 0, "the corpus is empty");
    let passed = rows - failed.len();
    println!("AT corpus: {passed} of {rows} rows pass");
    assert!(
        passed * 1000 >= rows * FLOOR_PER_MILLE,
        "{passed} of {rows} rows pass, {FLOOR_PER_MILLE} of a thousand did before"
    );
}
