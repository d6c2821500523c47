//! Every recorded AT exchange of the reference corpus, read by the real `smsotpctl at parse --jsonl` and compared item by item,
//! the reading of its PDUs and USSD texts included; and what must hold for any recording.

#![expect(
    clippy::unwrap_used,
    reason = "a malformed corpus row shall end the test; rows are read outside test functions"
)]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use smsotpd::at::exchange;
use smsotpd::at::lines::{Chunk, Lines};

/// Rows of a thousand that pass; may only rise. What is missing (`--nocapture` lists it) contradicts the standard or stands in the
/// row's label alone: lists of modes read as networks, whose PLMN would have one digit (TS 27.007 7.3), an `<AcT>` 0 left out
/// (7.2), and lines with `<n>` that only the label calls unsolicited.
const FLOOR_PER_MILLE: usize = 980;

/// The rows of both files; none, with a word on it, when there is no corpus.
fn rows() -> Vec<Value> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
    let corpus = std::env::var_os("SMSOTPD_CORPUS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let mut rows = Vec::new();
    for name in ["at-exchanges.jsonl", "at-exchanges-extra.jsonl"] {
        let path = corpus.join(name);
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: no corpus at {}", path.display());
            return Vec::new();
        };
        rows.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    assert!(!rows.is_empty(), "the corpus is empty");
    rows
}

/// What the tool answers, row by row.
fn answers(rows: &[Value]) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_smsotpctl"))
        .args(["at", "parse", "--jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let questions: String = rows
        .iter()
        .map(|row| json!({"id": row["id"], "send": row["send"], "recv": row["recv"]}).to_string() + "\n")
        .collect();
    let asking = thread::spawn(move || input.write_all(questions.as_bytes()));
    let output = child.wait_with_output().unwrap();
    asking.join().unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Why a PDU cannot be read is told in our own words, so only that it cannot is compared.
fn without_reasons(mut facts: Value) -> Value {
    for item in facts.get_mut("items").and_then(Value::as_array_mut).unwrap() {
        if let Some(sms) = item.get_mut("sms").and_then(Value::as_object_mut) {
            sms.remove("reason");
        }
    }
    facts
}

#[test]
fn recorded_exchanges_read_as_the_corpus_says() {
    let rows = rows();
    let answers = answers(&rows);
    assert_eq!(answers.len(), rows.len(), "one answer a row");
    let mut failed = 0;
    for (row, answer) in rows.iter().zip(&answers) {
        assert_eq!(answer["id"], row["id"]);
        let (expect, got) = (without_reasons(row["expect"].clone()), without_reasons(answer["got"].clone()));
        if got != expect {
            failed += 1;
            println!("{}\n   recv {}\n   want {expect}\n   got  {got}", row["id"], row["recv"]);
        }
    }
    let (all, passed) = (rows.len(), rows.len() - failed);
    println!("AT corpus: {passed} of {all} rows pass");
    assert!(
        passed * 1000 >= all * FLOOR_PER_MILLE,
        "{passed} of {all} rows pass, {FLOOR_PER_MILLE} of a thousand did before"
    );
}

/// The lines of a recording that came in these pieces.
fn lines<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut lines = Lines::new();
    let mut whole = Vec::new();
    for piece in pieces {
        lines.push(piece);
        while let Some(chunk) = lines.next(false) {
            if let Chunk::Line(line) = chunk {
                whole.push(line.to_owned());
            }
        }
    }
    whole
}

#[test]
fn any_chunking_of_a_recording_gives_the_same_lines() {
    for row in rows() {
        let recv = format!("{}\r\n", row["recv"].as_str().unwrap());
        let whole = lines(std::iter::once(recv.as_bytes()));
        for size in [1, 2, 3, 7, 64] {
            assert_eq!(lines(recv.as_bytes().chunks(size)), whole, "{} in chunks of {size}", row["id"]);
        }
    }
}

/// Whether what follows this line may belong to it: a message's body, or a text or list that goes on.
fn goes_on(line: &str) -> bool {
    let heads = ["+CMGR", "+CMGL", "+CMT", "+CDS", "+CBM", "+CUSD", "+COPS", "(", ">"];
    heads.iter().any(|head| line.starts_with(head))
}

/// Whether an item has a text of several lines, into which anything may come.
fn has_body(item: &Value) -> bool {
    let raw = item.pointer("/meaning/raw").and_then(Value::as_str);
    item.get("body").is_some() || raw.is_some_and(|raw| raw.contains('\n'))
}

#[test]
fn a_broken_line_costs_only_itself() {
    let read =
        |row: &Value, lines: &[String]| exchange::parse(row["send"].as_str(), lines.join("\r\n").as_bytes());
    let mut places = Vec::new();
    for row in rows() {
        let lines = lines([row["recv"].as_str().unwrap().as_bytes(), b"\r\n"].into_iter());
        let whole = read(&row, &lines);
        if whole["items"].as_array().unwrap().iter().any(has_body) {
            continue;
        }
        for place in (1..=lines.len()).filter(|&place| !goes_on(&lines[place - 1])) {
            places.push((row.clone(), lines.clone(), place, whole.clone()));
        }
    }
    if places.is_empty() {
        return;
    }
    let broken = "[+^]Z[A-Z]{3,7}: ?[0-9A-F\"(), -]{0,30}";
    let judge = |(at, broken): (usize, String)| {
        let (row, lines, place, whole) = &places[at];
        let mut with = lines.clone();
        with.insert(*place, broken.clone());
        let mut got = read(row, &with);
        let items = got.get_mut("items").and_then(Value::as_array_mut).unwrap();
        let name = broken.split(':').next().unwrap();
        let itself = items.iter().position(|item| item["name"] == name);
        prop_assert!(itself.is_some(), "{broken} is not read: {items:?}");
        items.remove(itself.unwrap());
        prop_assert_eq!(&got, whole);
        Ok(())
    };
    TestRunner::new(Config::with_cases(2000)).run(&(0..places.len(), broken), judge).unwrap();
}
