//! The real `smsotpctl`: exit codes, one line on stderr, and line tools that answer line by line.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot set up shall end it, in its helper functions too"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::{Value, json};

fn ctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsotpctl"));
    command.env_remove("SMSOTPD_SOCKET").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    ctl().args(arguments).output().unwrap()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

#[test]
fn a_daemon_that_is_down_is_one_line_and_69() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("api.sock");
    let stale = directory.path().join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    for socket in [nowhere, stale] {
        let socket = socket.to_str().unwrap();
        for command in
            [&["status"][..], &["send", "+491701234567", "hi"], &["token", "list"], &["modem", "list"]]
        {
            let ran = ctl().arg("--socket").arg(socket).args(command).output().unwrap();
            assert_eq!(ran.status.code(), Some(69), "{command:?}: {ran:?}");
            assert_eq!(text(&ran.stdout), "");
            let told = text(&ran.stderr);
            assert_eq!(told.lines().count(), 1, "{told}");
            assert!(told.contains(socket) && told.contains("systemctl start smsotpd"), "{told}");
        }
    }
}

#[test]
fn the_environment_names_the_socket_and_the_option_goes_before() {
    let told =
        |command: &mut Command| String::from_utf8(command.arg("status").output().unwrap().stderr).unwrap();
    assert!(told(ctl().env("SMSOTPD_SOCKET", "/nonexistent/env")).contains("/nonexistent/env"));
    let both =
        told(ctl().env("SMSOTPD_SOCKET", "/nonexistent/env").args(["--socket", "/nonexistent/option"]));
    assert!(both.contains("/nonexistent/option"), "{both}");
}

#[test]
fn a_wrong_command_line_is_64_and_help_is_0() {
    for arguments in [
        &["bogus"][..],
        &[],
        &["send", "+49"],
        &["message", "show", "no-uuid"],
        &["message", "list", "--state", "x"],
    ] {
        assert_eq!(run(arguments).status.code(), Some(64), "{arguments:?}");
    }
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

#[test]
fn config_check_tells_every_finding_and_78() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("smsotpd.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "[store]\nkeep = \"soon\"\n[api]\nsoket = \"/x\"\n").unwrap();
    let ran = run(&["config", "check", path]);
    assert_eq!(ran.status.code(), Some(78));
    let told = text(&ran.stdout);
    assert!(
        told.contains(&format!("{path}:2: `store.keep`")) && told.contains(&format!("{path}:4: `api.soket`")),
        "{told}"
    );
    assert!(told.contains("did you mean `socket`?"), "{told}");
    assert_eq!(text(&ran.stderr).lines().count(), 1);

    let answer: Value = serde_json::from_slice(&run(&["config", "check", path, "--json"]).stdout).unwrap();
    assert_eq!(answer["ok"], false);
    assert_eq!(answer["findings"][1]["line"], 4);

    std::fs::write(&file, "[store]\nkeep = \"7d\"\n").unwrap();
    let ran = run(&["config", "check", path, "--json"]);
    assert_eq!(ran.status.code(), Some(0));
    let answer: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&answer["ok"], &answer["values"]["store.keep"]), (&json!(true), &json!("\"7d\"")));

    assert_eq!(run(&["config", "check", "/nonexistent/smsotpd.toml"]).status.code(), Some(66));
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/smsotpd.toml");
    assert_eq!(run(&["config", "check", shipped]).status.code(), Some(0));
}

#[test]
fn a_note_of_the_site_is_checked_and_has_its_rules() {
    let directory = tempfile::tempdir().unwrap();
    let (config, notes) = (directory.path().join("smsotpd.toml"), directory.path().join("notes.d"));
    std::fs::create_dir(&notes).unwrap();
    let note = notes.join("mine.toml");
    std::fs::write(&config, format!("[modem]\nnotes = {notes:?}\n")).unwrap();
    let path = config.to_str().unwrap();
    let good = "name = \"mine\"\ndescription = \"x\"\n[[usb]]\nvendor = \"abcd\"\nproduct = \"0001\"\nat = [4]\nwhat = \"w\"\nsource = \"s\"\n";
    std::fs::write(&note, good).unwrap();
    assert_eq!(run(&["config", "check", path]).status.code(), Some(0));
    let ran = run(&["udev-rules", "--config", path]);
    let line = "ATTRS{idVendor}==\"abcd\", ATTRS{idProduct}==\"0001\", ENV{.SMSOTPD_IF}==\"04\", ENV{.SMSOTPD_ROLE}=\"at1\"\n";
    assert!(text(&ran.stdout).contains(line));
    std::fs::write(&note, good.replace("[[usb]]", "[[usbs]]")).unwrap();
    for arguments in [["config", "check", path].as_slice(), &["udev-rules", "--config", path]] {
        let ran = run(arguments);
        let said = [ran.stdout.as_slice(), ran.stderr.as_slice()].concat();
        assert_eq!(ran.status.code(), Some(78));
        assert!(
            text(&said).contains("mine.toml:3: `usbs` is no key of a firmware note; did you mean `usb`?")
        );
    }
}

/// Feeds lines one by one and reads the answer to each before the next: a tool that waited for more would hang here.
fn dialogue(arguments: &[&str], lines: &[&str]) -> Vec<Value> {
    let mut child = ctl().args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut answers = Vec::new();
    for line in lines {
        writeln!(input, "{line}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        answers.push(serde_json::from_str(&answer).unwrap());
    }
    drop(input);
    assert_eq!(output.read_to_end(&mut Vec::new()).unwrap(), 0, "one answer a line");
    assert_eq!(child.wait().unwrap().code(), Some(0), "a bad line is no failure");
    answers
}

#[test]
fn pdu_decode_answers_line_by_line() {
    let submit = "010105912143F500000BC8329BFD06DDDF723619";
    let good = json!({"id": 1, "pdu": submit, "smsc": false}).to_string();
    let as_deliver = json!({"id": 3, "pdu": submit, "smsc": false, "type": "deliver"}).to_string();
    let answers = dialogue(&["pdu", "decode", "--jsonl"], &[&good, "{broken", &as_deliver, "", &good]);
    assert_eq!(answers[0]["got"]["text"], "Hello world");
    assert_eq!((&answers[1]["id"], &answers[1]["got"]["error"]), (&Value::Null, &json!(true)));
    assert_ne!(answers[2]["got"]["type"], "submit", "the line's type goes before the indicator");
    assert_eq!(answers[3]["got"]["error"], true);
    assert_eq!(answers[4], answers[0]);
}

#[test]
fn at_parse_reads_the_pdus_of_an_exchange() {
    let pdu = "0791198904100161240C911979099137640000511090718303220BC8B4421174CFD175D014";
    let row = json!({"id": "a", "send": "AT+CMGR=7\r", "recv": format!("+CMGR: 0,,29\r\n{pdu}\r\nOK\r\n")})
        .to_string();
    let answers = dialogue(&["at", "parse", "--jsonl"], &["[]", &row]);
    assert_eq!(answers[0]["got"]["error"], true);
    assert_eq!(answers[1]["got"]["final"], "OK");
    assert_eq!(answers[1]["got"]["items"][0]["sms"]["sender"], "+919790197346");
}

#[test]
fn gsm7_goes_both_ways() {
    let text = json!({"id": 1, "kind": "pack", "fill": 0, "text": "hellohello"}).to_string();
    let answers = dialogue(&["gsm7", "encode", "--jsonl"], &[&text, r#"{"id":2,"text":"漢"}"#]);
    assert_eq!(answers[0]["got"], json!({"packed": "E8329BFD4697D9EC37", "count": 10}));
    assert_eq!(answers[1]["got"]["error"], true);
    let packed = json!({"id": 1, "packed": "E8329BFD4697D9EC37", "fill": 0, "count": 10}).to_string();
    assert_eq!(dialogue(&["gsm7", "decode", "--jsonl"], &[&packed])[0]["got"], json!({"text": "hellohello"}));
}

#[test]
fn a_bad_pdu_on_the_command_line_is_65() {
    let ran = run(&["pdu", "decode", "zz"]);
    assert_eq!(ran.status.code(), Some(65));
    let ran = run(&["pdu", "decode", "--tpdu", "010105912143F500000BC8329BFD06DDDF723619", "--json"]);
    assert_eq!(ran.status.code(), Some(0));
    assert_eq!(serde_json::from_slice::<Value>(&ran.stdout).unwrap()["recipient"], "+12345");
}

/// What the tool prints with `input` on its stdin.
fn piped(arguments: &[&str], input: &str) -> Output {
    let mut child = ctl()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A tool may refuse its input before it has read all of it; what it says of that is in the output.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Second part of a flash message behind a header; its last eight octets are `12345678` behind one fill bit.
const DELIVER: &str = "0791447758100650440B916105551511F1001062102030405080\
    0F050003CA020262B219AD66BBE100";

#[test]
fn a_pdu_is_explained_octet_by_octet() {
    let submit = "0031000B916105551511F10008A70400480069";
    let report = "061804913619111011719551401110117195714046";
    for (arguments, golden) in [
        (&["pdu", "decode", DELIVER][..], include_str!("data/dump/deliver.txt")),
        (&["pdu", "decode", submit], include_str!("data/dump/submit.txt")),
        (&["pdu", "decode", "--tpdu", report], include_str!("data/dump/status-report.txt")),
    ] {
        let ran = run(arguments);
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
        assert_eq!(text(&ran.stdout), golden);
    }
}

#[test]
fn a_cut_pdu_shows_what_is_there_and_the_fault() {
    let ran = run(&["pdu", "decode", DELIVER.split_at(72).0]);
    assert_eq!(ran.status.code(), Some(65));
    let shown = text(&ran.stdout);
    let fault = shown.strip_prefix(include_str!("data/dump/cut.txt")).unwrap();
    assert_eq!(fault, "FAULT TP-UD at octet 27 needs 14 octets and 9 are there\n");
    assert_eq!(text(&ran.stderr), "smsotpctl: 1 of 1 PDUs cannot be read\n");
}

#[test]
fn pdus_are_read_as_people_write_them() {
    let golden = include_str!("data/dump/deliver.txt");
    let pairs: Vec<String> = DELIVER.as_bytes().chunks(2).map(|two| text(two).to_lowercase()).collect();
    for written in [pairs.join(" "), pairs.join(":"), pairs.join("\r\n")] {
        assert_eq!(text(&run(&["pdu", "decode", &written]).stdout), golden);
        assert_eq!(text(&piped(&["pdu", "decode"], &written).stdout), golden);
    }
    let two = piped(&["pdu", "decode"], &format!("\n{DELIVER}\n \nxy\n\n{DELIVER}"));
    let shown = text(&two.stdout);
    assert!(shown.starts_with(golden) && shown.ends_with(golden) && shown.contains("'x' is no hex digit"));
    assert_eq!(two.status.code(), Some(65), "{shown}");
    assert_eq!(piped(&["pdu", "decode"], "").status.code(), Some(64));
    assert_eq!(piped(&["pdu", "decode"], &"00".repeat(70_000)).status.code(), Some(65));
}

/// The first part that `pdu encode` makes, its length proven, and its facts.
fn encoded(arguments: &[&str]) -> Value {
    let ran = ctl().args(["pdu", "encode"]).args(arguments).output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let (length, pdu) = text(&ran.stdout).lines().next().unwrap().split_once(' ').unwrap();
    let facts: Value = serde_json::from_slice(&run(&["pdu", "decode", "--json", pdu]).stdout).unwrap();
    assert_eq!(facts.get("tpdu_len").map(ToString::to_string).as_deref(), Some(length));
    facts
}

#[test]
fn pdus_are_encoded_as_asked() {
    let golden = run(&["pdu", "encode", "+16505551111", "漢", "--report", "--validity", "1d"]);
    assert_eq!(text(&golden.stdout), "16 0031000B916105551511F10008A7026F22\n");
    let short =
        encoded(&["72267", "€", "--smsc", "+4912345678", "--validity", "90s", "--flash", "--reference", "7"]);
    assert_eq!((&short["smsc_number"], &short["recipient"]), (&json!("+4912345678"), &json!("72267")));
    assert_eq!((&short["mr"], &short["class"], &short["text"]), (&json!(7), &json!(0), &json!("€")));
    assert_eq!(short["validity"]["raw"], "025A0000000000");
    let long = "x".repeat(161);
    let name = encoded(&["Bank", &long, "--deliver", "--time", "2026-01-02T03:04:05Z", "--reference", "9"]);
    assert_eq!((&name["sender"], &name["timestamp"]), (&json!("Bank"), &json!("2026-01-02T03:04:05+00:00")));
    assert_eq!((&name["concat"]["ref"], &name["concat"]["seq"]), (&json!(9), &json!(1)));
    for (arguments, told) in [
        (
            ["+16505551111", "x", "--validity=400001s"],
            "no TP-VP says 400001 seconds; the nearest below is 345600",
        ),
        (["Bank", "x", "--report"], "the phone number has the character"),
        (["A name too long", "x", "--deliver"], "at most 11 characters"),
    ] {
        let refused = ctl().args(["pdu", "encode"]).args(arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(65), "{arguments:?}");
        assert!(text(&refused.stderr).contains(told), "{refused:?}");
    }
    let good = r#"{"id":1,"to":"+16505551111","text":"漢","report":true,"validity":86400}"#;
    let answers = dialogue(&["pdu", "encode", "--jsonl"], &[good, "{", r#"{"id":2,"to":"+1"}"#, good]);
    assert_eq!(
        answers[0]["got"]["parts"],
        json!([{"length": 16, "pdu": "0031000B916105551511F10008A7026F22"}])
    );
    assert_eq!((&answers[1]["got"]["error"], &answers[2]["got"]["error"]), (&json!(true), &json!(true)));
    assert_eq!(answers[3], answers[0]);
}

#[test]
fn a_plan_names_what_forced_ucs2() {
    let ran = run(&["sms", "plan", "Say “hi” to €"]);
    let golden = "1 segment in UCS-2, 57 UTF-16 units left in the last\n   1   13 UTF-16 units  Say “hi” to €\n\
        UCS-2 is forced by\n      “  U+201C at character 5\n      ”  U+201D at character 8\n";
    assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(0), golden));
    let plan = |arguments: &[&str]| serde_json::from_slice::<Value>(&run(arguments).stdout).unwrap();
    let two = plan(&["sms", "plan", "--json", &format!("{}€{}", "a".repeat(152), "b".repeat(10))]);
    assert_eq!((&two["segments"], &two["alphabet"], &two["left"]), (&json!(2), &json!("gsm7"), &json!(141)));
    assert_eq!(two["parts"][1], json!({"units": 12, "text": "€bbbbbbbbbb"}), "an escape pair is not cut");
    assert_eq!(two["forced_by"], json!([]));
    let long = piped(&["sms", "plan", "-"], &"a".repeat(39_016));
    assert_eq!(long.status.code(), Some(65));
    assert!(text(&long.stderr).contains("255") && text(&long.stderr).contains("shorten"), "{long:?}");
}

#[test]
fn a_plan_keeps_to_what_is_allowed() {
    let ran = run(&["sms", "plan", "--language", "turkish", "Şş"]);
    let golden = "1 segment in GSM 7 bit with the turkish single shift table, 151 septets left in the last\n   \
        1    4 septets  Şş\nGSM 7 bit with the turkish single shift table is forced by\n      \
        Ş  U+015E at character 1\n      ş  U+015F at character 2\n";
    assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(0), golden));
    let ran = run(&["sms", "plan", "--transliterate", "always", "”Ş"]);
    let golden = "1 segment in GSM 7 bit, 158 septets left in the last\n   1    2 septets  \"S\nReplaced are\n      \
        ”  U+201D at character 1 by \"\\\"\"\n      Ş  U+015E at character 2 by \"S\" (another spelling)\n";
    assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(0), golden));
    let ran = run(&["sms", "plan", "--alphabet", "gsm7", "щи"]);
    assert_eq!(ran.status.code(), Some(65));
    assert!(text(&ran.stderr).contains("U+0449"), "{ran:?}");
    let rows = [
        r#"{"id":1,"to":"+491701234567","text":"Şş","languages":["turkish"]}"#,
        r#"{"id":2,"to":"+491701234567","text":"Şş","languages":["klingon"]}"#,
        r#"{"id":3,"to":"+491701234567","text":"Şş","language":"turkish"}"#,
    ];
    let answers = dialogue(&["pdu", "encode", "--jsonl"], &rows);
    let single = json!([{"length": 21, "pdu": "0041000C9194711032547600000903240101D84C3773"}]);
    assert_eq!(answers[0]["got"]["parts"], single);
    assert_eq!((&answers[1]["got"]["error"], &answers[2]["got"]["error"]), (&json!(true), &json!(true)));
}

#[test]
fn recorded_traffic_is_listed_for_people() {
    let received = "+CSQ: 18,99\r\n+CMGL: 3,1,,29\r\n\
        0791198904100161240C911979099137640000511090718303220BC8B4421174CFD175D014\r\n\
        +CREG: 2,1,\"0B\r\n\u{1b}[2J\r\n+CMS ERROR: 21\r\n";
    let ran = piped(&["at", "parse", "-"], received);
    assert_eq!(ran.status.code(), Some(0));
    let shown = text(&ran.stdout);
    let line = |kind: &str, word: &str| {
        let found = shown.lines().any(|line| line.starts_with(kind) && line.contains(word));
        assert!(found, "{kind} {word}: {shown}");
    };
    line("info", "dbm -77");
    line("sms", "index 3, REC READ, deliver from +919790197346");
    line("final", "short message transfer rejected");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    let json = piped(&["at", "parse", "--json"], received);
    assert_eq!(serde_json::from_slice::<Value>(&json.stdout).unwrap()["final"]["code"], 21);
}

#[test]
fn gsm7_speaks_to_people_too() {
    assert_eq!(text(&run(&["gsm7", "decode", "E8329BFD4697D9EC37"]).stdout), "hellohello\n");
    let turkish = run(&["gsm7", "encode", "ışık", "--locking", "1", "--json"]);
    let got: Value = serde_json::from_slice(&turkish.stdout).unwrap();
    assert_eq!(got, json!({"septets": "071D076B", "packed": "87CE610D", "count": 4}));
    let back = run(&["gsm7", "decode", "87CE610D", "--locking", "1", "--count", "4"]);
    assert_eq!(text(&back.stdout), "ışık\n");
    let refused = run(&["gsm7", "encode", "a漢"]);
    assert_eq!(refused.status.code(), Some(65));
    assert!(text(&refused.stderr).contains("U+6F22, character 2"), "{refused:?}");
}

/// Serves one connection with a fixed answer and gives back the request.
fn one_answer(status: &str, body: &str, arguments: &[&str]) -> (Output, String) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("api.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let read = stream.read(&mut chunk).unwrap();
            request.extend(chunk.iter().take(read));
            let seen = String::from_utf8_lossy(&request).to_lowercase();
            let Some((head, rest)) = seen.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if rest.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                break;
            }
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    let ran = ctl().arg("--socket").arg(&socket).args(arguments).output().unwrap();
    (ran, server.join().unwrap())
}

#[test]
fn a_message_is_sent_as_the_api_wants_it() {
    let id = "0192d3f4-0000-7000-8000-000000000001";
    let body = json!({"id": id, "state": "queued"}).to_string();
    let arguments =
        ["send", "+491701234567", "hi there", "--lane", "bulk", "--lifetime", "5m", "--idempotency-key", "k"];
    let (ran, request) = one_answer("202 Accepted", &body, &arguments);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert_eq!(text(&ran.stdout), format!("{id} queued\n"));
    assert!(request.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{request}");
    let sent: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        (&sent["to"], &sent["lane"], &sent["lifetime"]),
        (&json!("+491701234567"), &json!("bulk"), &json!(300))
    );
}

#[test]
fn refusals_keep_their_words_and_get_their_code() {
    let problem =
        json!({"title": "Refused", "status": 422, "detail": "the number is national", "code": "number"})
            .to_string();
    let (ran, _) = one_answer("422 Unprocessable Entity", &problem, &["send", "0170", "hi"]);
    assert_eq!(ran.status.code(), Some(65));
    assert_eq!(text(&ran.stderr), "smsotpctl: the number is national (number)\n");
    let busy =
        json!({"title": "Busy", "status": 503, "detail": "the store is busy", "code": "busy"}).to_string();
    assert_eq!(one_answer("503 Service Unavailable", &busy, &["status"]).0.status.code(), Some(75));
    let theirs =
        json!({"result": {"status": false, "error": {"code": 303, "message": "ERR303: no"}}}).to_string();
    assert_eq!(one_answer("403 Forbidden", &theirs, &["token", "list"]).0.status.code(), Some(77));
}

#[test]
fn tokens_are_enrolled_with_a_pin_from_stdin() {
    let body =
        json!({"result": {"status": true, "value": true}, "detail": {"serial": "PISM00000001"}}).to_string();
    let directory = tempfile::tempdir().unwrap();
    let pin = directory.path().join("pin");
    std::fs::write(&pin, "4711 + x\n").unwrap();
    let arguments =
        ["token", "add", "--user", "ann", "--phone", "+491701234567", "--pin-file", pin.to_str().unwrap()];
    let (ran, request) = one_answer("200 OK", &body, &arguments);
    assert_eq!(text(&ran.stdout), "PISM00000001 added\n");
    assert!(request.starts_with("POST /token/init "), "{request}");
    assert!(request.contains("user=ann") && request.contains("pin=4711+%2B+x"), "{request}");
}

#[test]
fn a_strangers_text_cannot_steer_the_terminal() {
    let body =
        json!({"messages": [{"id": "1", "state": "failed", "cause": "\u{1b}[2J\u{7}boom"}]}).to_string();
    let (ran, _) = one_answer("200 OK", &body, &["message", "list"]);
    let shown = text(&ran.stdout);
    assert!(shown.contains("boom") && !shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn simulated_modems_come_and_go_with_the_tool() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("modem0");
    let mut child = ctl()
        .args(["simulate", "modem", "--until-eof", "--events", "phone", "--link"])
        .arg(&link)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["event"], "ready");
    assert!(link.symlink_metadata().is_ok(), "the link is there when the modem is ready");
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(link.symlink_metadata().is_err(), "nothing is left behind");
    assert_eq!(run(&["simulate", "modem"]).status.code(), Some(64));
}
