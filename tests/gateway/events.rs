//! `GET /v1/events`: what happens as it happens, on the socket and in `smsotpctl events`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::rig::{Daemon, PATIENCE, Place, Simulator};

/// One stream of events.
struct Stream(BufReader<UnixStream>);

impl Stream {
    fn open(place: &Place, after: &str) -> Self {
        let stream = UnixStream::connect(place.socket()).expect("the daemon listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let mut stream = BufReader::new(stream);
        let request = format!("GET /v1/events HTTP/1.1\r\nHost: smsotpd\r\n{after}\r\n");
        stream.get_mut().write_all(request.as_bytes()).expect("it listens");
        let mut opened = Self(stream);
        opened.line(|line| line.starts_with(": "));
        opened
    }

    /// Reads on to a line for which `wanted` holds.
    fn line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let mut line = String::new();
            let n = self.0.read_line(&mut line).expect("an event in time");
            assert_ne!(n, 0, "the stream ended");
            if wanted(line.trim_end()) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// The next event of this kind: its id and its data.
    fn event(&mut self, kind: &str) -> (String, Value) {
        let id = loop {
            let id = self.line(|line| line.starts_with("id: ") || line == format!("event: {kind}"));
            if !id.starts_with("id: ") {
                break String::new();
            }
            let event = self.line(|line| line.starts_with("event: "));
            if event == format!("event: {kind}") {
                break id.replace("id: ", "");
            }
        };
        let data = self.line(|line| line.starts_with("data: "));
        (id, serde_json::from_str(data.trim_start_matches("data: ")).expect("JSON"))
    }
}

#[test]
fn a_stream_tells_what_happens_and_goes_on_where_it_was() {
    let place = Place::new();
    let config = place.configure("");
    let mut simulator =
        Simulator::start(&[place.ports().join("modem0")], &["--events", "phone", "--seed", "47"]);
    let daemon = Daemon::start(&place, &config);
    let mut stream = Stream::open(&place, "");
    let mut tool = Command::new(env!("CARGO_BIN_EXE_smsotpctl"))
        .args(["events", "--json"])
        .env("SMSOTPD_SOCKET", place.socket())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("smsotpctl starts");
    let mut told = BufReader::new(tool.stdout.take().expect("a pipe")).lines();
    let both = "smsotp_requests_total{endpoint=\"/v1/events\",status=\"200\"} 2";
    let until = Instant::now() + PATIENCE;
    while !daemon.client().get("/metrics").expect("an answer").body.contains(both) {
        assert!(Instant::now() < until, "the tool follows");
    }
    let ids = daemon.submit(&[json!({"to": "+491701234567", "text": "code 918273", "lane": "login"})]);
    let (queued, event) = stream.event("message.queued");
    assert_eq!((&event["message"]["id"], &event["message"]["state"]), (&json!(ids[0]), &json!("queued")));
    stream.event("message.submitted");
    let (_, delivered) = stream.event("message.delivered");
    assert_eq!(delivered["message"]["to"], "+491701234567");
    simulator.control(&json!({"do": "deliver", "from": "+491701234567", "text": "STOP 55"}));
    let (_, inbound) = stream.event("inbound");
    assert!(!inbound.to_string().contains("STOP 55"), "{inbound}");
    let last = told.find_map(|line| line.ok().filter(|line| line.contains("\"inbound\""))).expect("a line");
    assert_eq!(serde_json::from_str::<Value>(&last).expect("JSON"), inbound);
    drop(stream);
    let mut again = Stream::open(&place, &format!("Last-Event-ID: {queued}\r\n"));
    again.event("message.submitted");
    let mut lost = Stream::open(&place, "Last-Event-ID: 0-7\r\n");
    lost.event("gap");
    let mut open = Vec::new();
    let refused = loop {
        let mut client = daemon.client();
        let answer = client.get("/v1/events").expect("an answer");
        if answer.status != 200 {
            break answer;
        }
        open.push(client);
        assert!(open.len() <= 8, "streams are bounded");
    };
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("too-many-streams")));
    drop(open);
    assert_eq!(daemon.stop(), Some(0));
    again.event("stopping");
    let ended = tool.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(75), "{ended:?}");
}
