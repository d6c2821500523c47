//! The dialects of real modems, one test a kind of trouble: what a driver must survive by `exchange`, `urc` and `reply` together.

use serde_json::{Value, json};

use super::codes::Disposition;
use super::exchange::parse;
use super::grammar::Info;
use super::reply::{Cpms, CpmsSupport};
use super::result::Final;
use super::urc::{Power, Ready, Urc};

fn items(recv: &str) -> Vec<Value> {
    parse(None, recv.as_bytes())["items"].as_array().unwrap().clone()
}

fn first(recv: &str) -> Value {
    items(recv).remove(0)
}

/// What `recv` is read as: the kind of each item, with the name or the line where it has one.
fn kinds(recv: &str) -> Vec<String> {
    let kind = |item: &Value| {
        let what = ["name", "line", "result"].iter().find_map(|key| item[*key].as_str());
        format!("{} {}", item["t"].as_str().unwrap(), what.unwrap_or_default()).trim().to_owned()
    };
    items(recv).iter().map(kind).collect()
}

#[test]
fn every_framing_gives_the_same_items() {
    let expected = ["info +CSQ", "info ^RSSI", "final OK"];
    for end in ["\r\n", "\r\r\n", "\n", "\r", "\r\n\r\n", "\r\n\0\0"] {
        let recv = ["", "+CSQ: 16,99", "^RSSI:18", "OK", ""].join(end);
        assert_eq!(kinds(&recv), expected, "{end:?}");
        assert_eq!(kinds(recv.trim_end()), expected, "{end:?}, no line end at all");
    }
}

#[test]
fn results_may_be_missing_doubled_or_in_words() {
    assert_eq!(parse(Some("AT+CPIN?\r"), b"+CPIN: READY\r\n")["final"], Value::Null, "Wavecom");
    assert_eq!(kinds("OK\r\nOK\r\n"), ["final OK", "final OK"]);
    for line in ["COMMAND NOT SUPPORT", "NO CARRIER", "BUSY", "NO DIALTONE", "NO ANSWER", "CONNECT 115200"] {
        assert_eq!(parse(None, line.as_bytes())["final"], line);
    }
    let got = parse(None, b"\r\n+CME ERROR: SIM not inserted\r\n");
    assert_eq!(got["final"], json!({ "kind": "cme", "text": "SIM not inserted" }));
    let Some(Final::Cme(error)) = Final::parse("+CME ERROR: SIM not inserted") else {
        panic!("no CME error")
    };
    assert_eq!((error.code(), error.disposition()), (Some(10), Disposition::Local));
}

#[test]
fn numeric_results_end_in_cr_alone() {
    assert_eq!(parse(Some("AT+CSQ\r"), b"+CSQ: 16,99\r\n0\r")["final"], "OK");
    assert_eq!(parse(Some("AT\r"), b"4\r")["final"], "ERROR");
    assert_eq!(parse(Some("AT+CLVL\r"), b"4\r\n")["final"], Value::Null, "a line that is a number");
    assert_eq!(parse(None, b"12\r")["final"], Value::Null);
}

#[test]
fn unsolicited_results_stand_anywhere() {
    let recv = "+CMGL: 1,1,,3\r\n^RSSI:18\r\n+CMTI: \"SM\",7\r\n0011223344\r\n+CMGL: 2,1,,3\r\nRING\r\n0011223355\r\nOK\r\n";
    let got = items(recv);
    assert_eq!(kinds(recv), ["sms", "info ^RSSI", "info +CMTI", "sms", "urc RING", "final OK"]);
    assert_eq!((&got[0]["pdu"], &got[3]["pdu"]), (&json!("0011223344"), &json!("0011223355")));
}

#[test]
fn a_header_takes_only_what_can_be_its_pdu() {
    let recv = "+CMGR: 1,,23\r\n+CMTI: \"SM\",7\r\nOK\r\n";
    assert_eq!(kinds(recv), ["sms", "info +CMTI", "final OK"]);
    let got = items("+CMGL: 1,1,,23\r\n07911326060032F0XX\r\n+CMGL: 2,1,,3\r\n0011223344\r\nOK\r\n");
    assert_eq!((&got[0]["bad_pdu"], &got[0]["pdu"]), (&json!("07911326060032F0XX"), &Value::Null));
    assert_eq!(got[1]["pdu"], "0011223344");
    let beside = first("+CMGR: 1,\"alpha, tag\",3 0011223344");
    assert_eq!((&beside["header"], &beside["length"]), (&json!(["1", "alpha, tag", "3"]), &json!(3)));
    assert_eq!(beside["pdu"], "0011223344");
    let report = first("+CDS: ,25\r\n0011223344\r\n");
    assert_eq!((&report["header"], &report["length"]), (&json!([null, "25"]), &json!(25)), "ZTE");
    assert_eq!(first("+CMGL: 1,\"ALL\",,3\r\n00\r\n")["index"], 1);
}

#[test]
fn bodies_may_look_like_results_and_headers() {
    let list = "+CMGL: 1,\"REC READ\",\"+491\",\"\",\"2009/8/18,19:11:45\"\r\nOK\r\n+CMGL: see above\r\n\
                +CMGL: 2,\"REC READ\",\"+492\",,\"07/02/18,00:05:10+32\"\r\nsecond\r\n\r\nOK\r\n";
    let got = items(list);
    assert_eq!(kinds(list), ["sms", "sms", "final OK"]);
    assert_eq!((&got[0]["body"], &got[1]["body"]), (&json!("OK\n+CMGL: see above"), &json!("second")));
    assert_eq!(got[0]["time"], "2009/8/18,19:11:45", "a year of four digits");
    let single = "+CMGR: \"REC READ\",\"002B0034\",,\"07/02/18,00:05:10+32\"\r\nall\r\nOK\r\nthen\r\nOK\r\n+CMTI: \"SM\",1\r\n";
    assert_eq!(kinds(single), ["sms", "final OK", "info +CMTI"]);
    assert_eq!((&first(single)["body"], &first(single)["number"]), (&json!("all\nOK\nthen"), &json!("+4")));
    let two =
        "+CMGR: \"REC READ\",\"+49\"\r\na\r\nOK\r\nAT+CMGR=2\r\n+CMGR: \"REC READ\",\"+49\"\r\nb\r\nOK\r\n";
    assert_eq!(first(two)["body"], "a", "an echo ends the answer before it");
}

#[test]
fn ussd_texts_span_lines_and_lack_quotes() {
    let raw = |line: &str| first(line)["meaning"]["raw"].as_str().unwrap().to_owned();
    assert_eq!(raw("+CUSD: 1,\"1: a\r\n2: b\r\n\r\n3: c\",15\r\nOK\r\n"), "1: a\n2: b\n3: c");
    assert_eq!(kinds("+CUSD: 1,\"never closed\r\nOK\r\n"), ["info +CUSD", "final OK"]);
    assert_eq!(kinds("+CUSD: 1,\"never closed\r\n+CMTI: \"SM\",1\r\n"), ["info +CUSD", "info +CMTI"]);
    assert_eq!(raw("+CUSD: 0, 49B41C74"), "49B41C74");
    assert_eq!(first("+CUSD: 2")["meaning"], json!({ "m": 2 }));
}

#[test]
fn registration_in_every_form() {
    let read = |line: &str| {
        let got = first(line)["meaning"].take();
        let number = |key: &str| got[key].as_u64();
        (number("n"), number("stat").unwrap(), number("lac"), number("ci"), number("act"))
    };
    let cell = (Some(0x1f00), Some(0x79_d903), Some(7));
    for line in [
        "+CEREG: 2,5,\"1F00\",\"0079D903\",7",
        "+CEREG: 2,5,1F00,79D903,7",
        "+CEREG: 2, 5, 1F00, 20 ,79D903 ,7",
        "+CEREG: 4,5,\"1F00\",\"0079D903\",7,,,\"00000110\",\"00011000\"",
        "+CEREG: 3,5,\"1F00\",\"0079D903\",7,0,15",
    ] {
        let got = read(line);
        assert!(got.0.is_some() && got.1 == 5 && (got.2, got.3, got.4) == cell, "{line}: {got:?}");
    }
    assert_eq!(
        read("+CEREG: 5,\"1F00\",\"0079D903\",7,,,\"00000110\",\"00011000\""),
        (None, 5, cell.0, cell.1, cell.2)
    );
    assert_eq!(read("+CREG: 1"), (None, 1, None, None, None));
    assert_eq!(read("+CREG: 2,\"\",\"\""), (None, 2, None, None, None));
    assert_eq!(read("+CGREG: 0,3"), (Some(0), 3, None, None, None));
    assert_eq!(read("+CREG: 1,\"FFFE\",\"FFFFFFFF\"").3, Some(u64::from(u32::MAX)));
    assert_eq!(read("+C5GREG: 1,\"ABCDEF\",\"123456789\",11").3, Some(0x1_2345_6789));
    let asked =
        |send| parse(send, b"+CREG: 2,1,\"0001\",\"0002\"\r\n")["items"][0]["meaning"]["solicited"].take();
    assert_eq!([asked(None), asked(Some("AT+CREG?\r"))], [json!(true), json!(true)]);
    assert_eq!(asked(Some("AT+CSQ\r")), json!(false), "<n> in an unsolicited result");
}

#[test]
fn stores_come_in_ones_twos_and_threes() {
    let cpms = |line: &str| Cpms::parse(&Info::parse(line).unwrap()).unwrap().stores.len();
    assert_eq!(cpms("+CPMS: \"SM\",3,20"), 1);
    assert_eq!(cpms("+CPMS: \"SM\",3,20,\"SM\",3,20"), 2);
    assert_eq!(cpms("+CPMS: 3,20,3,20"), 2);
    let places = |line: &str| CpmsSupport::parse(&Info::parse(line).unwrap()).unwrap().places.len();
    assert_eq!(places("+CPMS: ((\"SM\",\"BM\"),(\"SM\"))"), 2, "Wavecom's double parentheses");
    assert_eq!(places("+CPMS: (\"SM\",\"ME\"),(\"SM\"),(\"SM\""), 3, "one parenthesis too few");
}

#[test]
fn the_start_and_the_supply_are_followed() {
    for (line, urc) in [
        ("RDY", Urc::Ready(Ready::Started)),
        ("+AT: READY", Urc::Ready(Ready::Started)),
        ("Call Ready", Urc::Ready(Ready::Radio)),
        ("^SRVST:2", Urc::Ready(Ready::Radio)),
        ("SMS Ready", Urc::Ready(Ready::Sms)),
        ("SMS DONE", Urc::Ready(Ready::Sms)),
        ("+QIND: SMS DONE", Urc::Ready(Ready::Sms)),
        ("PB DONE", Urc::Ready(Ready::Phonebook)),
        ("+QIND: PB DONE", Urc::Ready(Ready::Phonebook)),
        ("UNDER-VOLTAGE WARNNING", Urc::Power(Power::UnderVoltage)),
        ("NORMAL POWER DOWN", Urc::Power(Power::Down)),
        ("POWERED DOWN", Urc::Power(Power::Down)),
    ] {
        assert_eq!(Urc::parse(line), Some(urc), "{line}");
        let kind = if Info::parse(line).is_some() { "info" } else { "urc" };
        assert_eq!(first(line)["t"], kind, "{line}");
    }
}

#[test]
fn the_chatter_of_vendors_is_known() {
    for line in [
        "+CSQ: 16,99",
        "+CTZV: +8",
        "+CTZV: \"+08\",\"24/01/01,00:00:00\"",
        "*PSUTTZ: 2024, 1, 1, 0, 0, 0, \"+8\", 0",
        "+NITZ: 24/01/01,00:00:00+08,0",
        "+QUSIM: 1",
        "+QIND: \"csq\",16,99",
        "+CNSMOD: 8",
        "+ZUSIMR:2",
        "+WIND: 5,1",
        "+UUSORD: 0,4",
        "+CIEV: prov,0,foo",
        "^SIMST:1",
        "^HCSQ:\"LTE\",44,34,121,20",
        "^DSFLOWRPT:00000000,00000000,00000000,0000000000000000,0000000000000000,00000000,00000000",
        "_OSIGQ: 10,0",
    ] {
        assert_eq!(Urc::parse(line), Some(Urc::Noise), "{line}");
        assert_eq!(first(line)["t"], "info", "{line}");
    }
    assert_eq!(
        first("^HCSQ:\"LTE\",44,34")["meaning"],
        json!({ "urc": "vendor", "values": ["LTE", 44, 34] })
    );
}
