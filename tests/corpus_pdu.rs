//! The reference corpus: every PDU and every septet string read (and written) as a strict TS 23.040 decoder does.
//!
//! The corpus is data with its own provenance and lies beside the checkout; without it the tests say so and pass.

#![expect(
    clippy::unwrap_used,
    reason = "a malformed corpus row shall end the test; rows are read outside test functions"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use data_encoding::HEXUPPER;
use serde_json::Value;
use smsotpd::pdu::{self, Kind, Pdu, gsm7, gsm7::Tables};

/// Rows of one corpus file; `None`, with a word on it, when there is no corpus.
fn rows(file: &str) -> Option<Vec<Value>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
    let path =
        PathBuf::from(std::env::var("SMSOTPD_CORPUS").unwrap_or_else(|_| beside.to_owned())).join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no corpus at {}", path.display());
        return None;
    };
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!rows.is_empty(), "{file} has no rows");
    Some(rows)
}

fn octets(row: &Value, key: &str) -> Vec<u8> {
    HEXUPPER.decode(row[key].as_str().unwrap().as_bytes()).unwrap()
}

/// What `row` expects and `got` says otherwise, key by key; keys that only one side has count too.
fn differences(expect: &Value, got: &Value) -> Vec<String> {
    let (expect, got) = (expect.as_object().unwrap(), got.as_object().unwrap());
    let keys: BTreeMap<&String, ()> = expect.keys().chain(got.keys()).map(|key| (key, ())).collect();
    keys.into_keys()
        .filter(|key| expect.get(*key) != got.get(*key))
        .map(|key| format!("{key}: expected {:?}, got {:?}", expect.get(key), got.get(key)))
        .collect()
}

fn is_error(facts: &Value) -> bool {
    facts.get("error").is_some_and(|error| *error == true)
}

fn check_pdus(file: &str, kind: Kind) {
    let Some(rows) = rows(file) else { return };
    let mut wrong = Vec::new();
    for row in &rows {
        let (pdu, smsc) = (octets(row, "pdu"), row["smsc"].as_bool().unwrap());
        // Every row of a file is of its kind but for the error rows, which no kind makes readable.
        for kind in [None, Some(kind)] {
            let decoded = pdu::decode(&pdu, smsc, kind);
            let got = pdu::facts::facts(&decoded, smsc);
            let differences = match (is_error(&row["expect"]), is_error(&got)) {
                (true, true) => vec![],
                (true, false) => vec![format!("read, should be an error: {got}")],
                (false, _) => differences(&row["expect"], &got),
            };
            if !differences.is_empty() {
                wrong.push(format!("{} {kind:?}: {differences:#?}", row["id"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{file}: {} of {} wrong\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn deliver() {
    check_pdus("pdu-deliver.jsonl", Kind::Deliver);
}

#[test]
fn submit() {
    check_pdus("pdu-submit.jsonl", Kind::Submit);
}

#[test]
fn status_report() {
    check_pdus("pdu-status-report.jsonl", Kind::StatusReport);
}

/// What was read without a flaw and written again reads the same: nothing gets lost on the way back.
#[test]
fn what_was_read_can_be_written() {
    for file in ["pdu-deliver.jsonl", "pdu-submit.jsonl", "pdu-status-report.jsonl"] {
        let Some(rows) = rows(file) else { return };
        for row in &rows {
            let Ok(first) = pdu::decode(&octets(row, "pdu"), row["smsc"].as_bool().unwrap(), None) else {
                continue;
            };
            if *first.pdu.flaws() == pdu::Flaws::default() {
                let written = first.pdu.encode().unwrap();
                assert_eq!(Pdu::decode(&written, None).as_ref(), Ok(&first.pdu), "{}", row["id"]);
            }
        }
    }
}

#[test]
fn septets() {
    let Some(rows) = rows("gsm7.jsonl") else { return };
    for row in &rows {
        let id = &row["id"];
        let kind = row["kind"].as_str().unwrap();
        let (septets, packed) = (octets(row, "septets"), octets(row, "packed"));
        let text = row["text"].as_str().unwrap();
        let number = |key: &str| row[key].as_u64().map(|n| u8::try_from(n).unwrap());
        let (fill, count) = (number("fill").unwrap(), usize::from(number("count").unwrap()));
        let language = number("language").unwrap_or(0);
        let tables = match kind {
            "national-locking" => Tables { locking: language, single: 0 },
            "national-single" => Tables { locking: 0, single: language },
            _ => Tables::default(),
        };
        assert_eq!(gsm7::unpack(&packed, fill, count), septets, "{id}");
        assert_eq!(tables.decode(&septets), text, "{id}");
        let padded = row["note"].as_str().is_some_and(|note| note.contains("CR pad"));
        if kind == "ussd-pack" || padded {
            assert_eq!(gsm7::pack_ussd(&septets), packed, "{id}");
        } else {
            assert_eq!(gsm7::pack(&septets, fill), packed, "{id}");
        }
        // Single shift rows escape even what the default alphabet has, and the decode rows are no good writing.
        if !matches!(kind, "decode" | "national-single") {
            assert_eq!(tables.encode(text), Some(septets), "{id}");
        }
    }
}
