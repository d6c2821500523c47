//! The project's own golden vectors: `tests/data/*.jsonl`, worked by hand from the text of TS 23.040, 23.038, 27.005, 27.007
//! and V.250, each with its clause. Unlike the corpus they are no recordings: they say what the standard asks.
//!
//! A vector names what matters to its clause, so keys that only the reading has do not count; `null` stands for a key that
//! must be null or missing.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a malformed vector shall end the test; they are read outside test functions"
)]

use std::path::Path;

use data_encoding::HEXUPPER;
use serde_json::Value;
use smsotpd::at::exchange;
use smsotpd::pdu::gsm7::{self, Tables};
use smsotpd::pdu::{self, Kind, Timestamp, Validity, facts::facts};

/// Runs `check` on every vector of a file; it gives what is wrong.
fn run(file: &str, check: impl Fn(&Value) -> Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        for fault in check(&vector) {
            wrong.push(format!("{}, {}: {fault}", vector["clause"], vector["what"]));
        }
    }
    assert!(text.lines().count() >= 20, "{file} lacks vectors");
    assert!(wrong.is_empty(), "{file}: {} wrong\n{}", wrong.len(), wrong.join("\n"));
}

fn octets(value: &Value) -> Vec<u8> {
    HEXUPPER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn number(value: &Value) -> Option<u8> {
    value.as_u64().map(|number| u8::try_from(number).unwrap())
}

/// Where `got` is not what was expected, by path.
fn differences(expect: &Value, got: &Value) -> Vec<String> {
    match (expect, got) {
        (Value::Object(keys), Value::Object(_)) => {
            let keys = keys.iter().flat_map(|(key, value)| {
                let missing = Value::Null;
                let inner = differences(value, got.get(key).unwrap_or(&missing));
                inner.into_iter().map(move |fault| format!("{key}: {fault}"))
            });
            keys.collect()
        }
        (Value::Array(wanted), Value::Array(there)) if wanted.len() == there.len() => {
            wanted.iter().zip(there).flat_map(|(wanted, there)| differences(wanted, there)).collect()
        }
        _ if expect == got => Vec::new(),
        _ => vec![format!("expected {expect}, got {got}")],
    }
}

fn kind(vector: &Value) -> Option<Kind> {
    let word = vector["kind"].as_str()?;
    Some(Kind::ALL.into_iter().find(|kind| kind.word() == word).unwrap())
}

/// What is read has the facts, and written again it is the octets it was read from.
fn check_tpdus(file: &str) {
    run(file, |vector| {
        let (octets, smsc) = (octets(&vector["pdu"]), vector["smsc"] == true);
        let decoded = pdu::decode(&octets, smsc, kind(vector));
        let mut wrong = differences(&vector["expect"], &facts(&decoded, smsc));
        if let Ok(decoded) = &decoded {
            let (front, tpdu) = octets.split_at(octets.len() - decoded.tpdu_len);
            let written = decoded.pdu.encode().unwrap();
            if written != tpdu {
                wrong.push(format!("written again it is {}", HEXUPPER.encode(&written)));
            }
            let centre = decoded.service_centre.as_ref().map(pdu::Address::to_service_centre);
            if smsc && centre.unwrap_or_else(|| vec![0]) != front {
                wrong.push("the service centre reads otherwise".to_owned());
            }
        }
        wrong
    });
}

#[test]
fn messages() {
    check_tpdus("pdu.jsonl");
}

#[test]
fn reports_and_commands() {
    check_tpdus("reports.jsonl");
}

/// TP-DCS and headers stand in a DELIVER, TP-ST in a STATUS-REPORT; all else of these is at rest.
#[test]
fn fields() {
    let stamp = [0x62, 0x11, 0x42, 0x90, 0x15, 0x30, 0x40];
    let deliver = |first: u8, dcs: u8, user_data: &[u8]| {
        let mut tpdu = vec![first, 4, 0x91, 0x21, 0x43, 0, dcs];
        tpdu.extend(stamp);
        tpdu.push(u8::try_from(user_data.len()).unwrap());
        tpdu.extend(user_data);
        tpdu
    };
    run("fields.jsonl", |vector| {
        let tpdu = if let Some(dcs) = number(&vector["dcs"]) {
            deliver(0x04, dcs, &[])
        } else if let Some(status) = number(&vector["status"]) {
            let head = [0x06, 0, 4, 0x91, 0x21, 0x43];
            [&head[..], &stamp, &stamp, &[status]].concat()
        } else {
            deliver(0x44, 0x04, &octets(&vector["udh"]))
        };
        let decoded = pdu::decode(&tpdu, false, None);
        let mut wrong = differences(&vector["expect"], &facts(&decoded, false));
        if decoded.is_ok_and(|decoded| decoded.pdu.encode().unwrap() != tpdu) {
            wrong.push("written again it is something else".to_owned());
        }
        wrong
    });
}

#[test]
fn septets() {
    run("gsm7.jsonl", |vector| {
        let language = |key: &str| number(&vector[key]).unwrap_or(0);
        let tables = Tables { locking: language("locking"), single: language("single") };
        let (text, septets, packed) =
            (vector["text"].as_str().unwrap(), octets(&vector["septets"]), octets(&vector["packed"]));
        let fill = language("fill");
        let written =
            if vector["ussd"] == true { gsm7::pack_ussd(&septets) } else { gsm7::pack(&septets, fill) };
        let encoded = vector["decode_only"] == true || tables.encode(text).as_ref() == Some(&septets);
        let steps = [
            (gsm7::unpack(&packed, fill, septets.len()) == septets, "unpacking"),
            (written == packed, "packing"),
            (tables.decode(&septets) == text, "reading"),
            (encoded, "writing"),
        ];
        steps.iter().filter(|(right, _)| !right).map(|(_, what)| (*what).to_owned()).collect()
    });
}

#[test]
fn times() {
    run("time.jsonl", |vector| {
        let whole = |octets: Vec<u8>| <[u8; 7]>::try_from(octets).unwrap();
        let (expect, got) = match vector["validity"].as_str() {
            None => (&vector["iso"], Timestamp(whole(octets(&vector["stamp"]))).iso().into()),
            Some("relative") => {
                let [value] = octets(&vector["raw"])[..] else { panic!("one octet") };
                (&vector["seconds"], Validity::Relative(value).period().map(|period| period.as_secs()).into())
            }
            Some(_) => {
                let validity = Validity::Enhanced(whole(octets(&vector["raw"])));
                (&vector["seconds"], validity.period().map(|period| period.as_secs()).into())
            }
        };
        differences(expect, &got)
    });
}

#[test]
fn exchanges() {
    run("at.jsonl", |vector| {
        let recv = vector["recv"].as_str().unwrap();
        differences(&vector["expect"], &exchange::parse(vector["send"].as_str(), recv.as_bytes()))
    });
}
