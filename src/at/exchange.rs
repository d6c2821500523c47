//! One recorded exchange as facts: what was sent, what was received, and how each line reads.
//!
//! Serves `smsotpctl at parse --jsonl` and the corpus test. A recording is whole, so no command in flight is needed: a line is
//! judged by its shape and its place, and text mode, which the daemon never uses, is read as well. What a PDU means is left
//! to `pdu`.

use serde_json::{Map, Value, json};

use super::codes::{CmeError, CmsError};
use super::exchange_meaning::{args_json, meaning};
use super::exchange_message::{is_text_mode, pdu_beside};
use super::grammar::Info;
use super::lines::{Chunk, Lines};
use super::reply::UssdReply;
use super::result::Final;
use super::urc::{Ready, Urc};

/// Most lines of one recording; the longest known, a `+CLAC`, has some 250.
const LINES_MAX: usize = 10_000;
/// A bare line of at least this many hex digits is data (IMEI, IMSI, a PDU); shorter ones are numbers or words.
const HEX_MIN: usize = 12;
/// Most lines that one unclosed text of `+CUSD` or an operator list may span.
const CONTINUATION_MAX: usize = 32;

/// Reads one exchange; `send` is the command, `recv` all that came.
#[must_use]
pub fn parse(send: Option<&str>, recv: &[u8]) -> Value {
    let mut lines = split(recv);
    if let Some(words) = numeric_result(recv, &lines) {
        lines.pop();
        lines.push(words.to_owned());
    }
    let mut reader = Reader { send, lines: &lines, at: 0, apart: None, items: Vec::new(), last: Value::Null };
    reader.echo();
    while let Some(line) = reader.take() {
        reader.item(line);
    }
    json!({ "items": reader.items, "final": reader.last })
}

/// A recording may end without a line end, so one is added; over-long lines vanish as they do on a port.
fn split(recv: &[u8]) -> Vec<String> {
    let mut lines = Lines::new();
    lines.push(recv);
    lines.push(b"\r\n");
    let mut whole = Vec::new();
    while whole.len() < LINES_MAX
        && let Some(chunk) = lines.next(false)
    {
        if let Chunk::Line(line) = chunk {
            whole.push(line.to_owned());
        }
    }
    whole
}

pub(super) struct Reader<'a> {
    send: Option<&'a str>,
    pub(super) lines: &'a [String],
    pub(super) at: usize,
    /// A line that was taken out of its order: a PDU that stood behind an unsolicited line.
    pub(super) apart: Option<usize>,
    items: Vec<Value>,
    /// The last final result.
    last: Value,
}

impl<'a> Reader<'a> {
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.at).map(String::as_str)
    }

    pub(super) fn take(&mut self) -> Option<&'a str> {
        let line = self.peek()?;
        self.at = self.at.saturating_add(1);
        if self.apart == Some(self.at) {
            self.at = self.at.saturating_add(1);
        }
        Some(line)
    }

    /// The command itself as first line; without a known command, a first line that is one.
    fn echo(&mut self) {
        let Some(first) = self.peek().map(str::trim) else { return };
        match self.send.map(|sent| sent.trim_matches(['\r', '\n', '\u{1a}', ' '])) {
            Some(sent) if sent == first => self.items.push(json!({ "t": "echo" })),
            None if is_command(first) => self.items.push(json!({ "t": "echo", "line": first })),
            _ => return,
        }
        self.take();
    }

    fn item(&mut self, line: &str) {
        if line.trim() == ">" {
            self.items.push(json!({ "t": "prompt" }));
        } else if let Some(result) = Final::parse(line) {
            self.result(&result, line.trim());
        } else if matches!(Urc::parse(line), Some(Urc::Ring | Urc::Ready(_) | Urc::Power(_)))
            && bare_words(line)
        {
            self.items.push(json!({ "t": "urc", "line": line.trim() }));
        } else {
            let line = self.whole(line);
            match Info::parse(&line) {
                Some(info) => self.info(info, &line),
                None if is_hex(line.trim()) => self.items.push(json!({ "t": "hex", "line": line.trim() })),
                None => self.items.push(json!({ "t": "text", "line": line.trim() })),
            }
        }
    }

    fn result(&mut self, result: &Final, line: &str) {
        let (item, last) = match cause(result) {
            Some(error) => (json!({ "t": "final", "error": error }), error),
            None => (json!({ "t": "final", "result": line }), json!(line)),
        };
        self.items.push(item);
        self.last = last;
    }

    /// The line with those it continues on: the text of `+CUSD` may have line breaks, a list of operators, too.
    fn whole(&mut self, line: &str) -> String {
        let mut whole = line.to_owned();
        for _ in 0..CONTINUATION_MAX {
            let Some(next) = self.peek() else { break };
            if UssdReply::is_unfinished(&whole) && Final::parse(next).is_none() && Info::parse(next).is_none()
            {
                whole.push('\n');
            } else if !(whole.starts_with("+COPS") && next.starts_with('(')) {
                break;
            }
            whole.push_str(next);
            self.take();
        }
        whole
    }

    fn info(&mut self, mut info: Info<'_>, line: &str) {
        let kind = match info.name {
            "+CMGR" | "+CMGL" => "sms",
            "+CMT" => "urc-sms",
            "+CDS" => "urc-report",
            "+CBM" => "urc-cb",
            _ => {
                let mut item =
                    fields(&json!({ "t": "info", "name": info.name, "args": args_json(&info.args) }));
                if let Some(meaning) = meaning(&info, line, self.send) {
                    item.insert("meaning".to_owned(), meaning);
                }
                self.items.push(Value::Object(item));
                return;
            }
        };
        let in_text = is_text_mode(&info);
        let beside = if in_text { None } else { pdu_beside(&mut info) };
        let mut item = fields(&json!({ "t": kind, "header": args_json(&info.args) }));
        item.insert("mode".to_owned(), json!(if in_text { "text" } else { "pdu" }));
        if in_text {
            self.text_message(&info, &mut item);
        } else {
            self.pdu_message(&info, beside, &mut item);
        }
        self.items.push(Value::Object(item));
    }
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// `AT...` as an echo shows it; not a word that merely begins so (`AT version:`).
pub(super) fn is_command(line: &str) -> bool {
    let rest = line.strip_prefix("AT").or_else(|| line.strip_prefix("at"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| "+^#*%$!&_EZDSHVQ".contains(c)))
}

/// A line of words only: what has a name with a colon is shown as information.
fn bare_words(line: &str) -> bool {
    Info::parse(line).is_none()
        && !matches!(Urc::parse(line), Some(Urc::Ready(Ready::Started)) if line.starts_with('+'))
}

fn is_hex(line: &str) -> bool {
    line.len() >= HEX_MIN && line.bytes().all(|b| b.is_ascii_hexdigit())
}

fn cause(result: &Final) -> Option<Value> {
    match result {
        Final::Cms(CmsError::Code(code)) => Some(json!({ "kind": "cms", "code": code })),
        Final::Cms(CmsError::Words(words)) => Some(json!({ "kind": "cms", "text": words })),
        Final::Cme(CmeError::Code(code)) => Some(json!({ "kind": "cme", "code": code })),
        Final::Cme(CmeError::Words(words)) => Some(json!({ "kind": "cme", "text": words })),
        _ => None,
    }
}

/// A numeric result of `ATV0`, in words. It ends in CR alone, which tells it from a line that is a number; V.250 5.7.1.
fn numeric_result(recv: &[u8], lines: &[String]) -> Option<&'static str> {
    if !recv.ends_with(b"\r") {
        return None;
    }
    Some(match lines.last()?.as_str() {
        "0" => "OK",
        "1" => "CONNECT",
        "3" => "NO CARRIER",
        "4" => "ERROR",
        "6" => "NO DIALTONE",
        "7" => "BUSY",
        "8" => "NO ANSWER",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_with_echo_and_a_stranger_between() {
        let got = parse(Some("AT+CFUN=0\r"), b"AT+CFUN=0\r\r\n+CPIN: NOT READY\r\n\r\nOK\r\n");
        assert_eq!(
            got,
            json!({ "items": [
                { "t": "echo" },
                { "t": "info", "name": "+CPIN", "args": ["NOT READY"], "meaning": { "pin": "NOT READY", "ready": false } },
                { "t": "final", "result": "OK" },
            ], "final": "OK" })
        );
    }

    #[test]
    fn a_broken_line_does_not_take_its_neighbour() {
        let got = parse(None, b"+CREG: 2,1,\"0B,\"01007\r\n+CMTI: \"SM\",7\r\n+CMS ERROR: 21\r\n");
        assert_eq!(got["items"][1]["meaning"]["index"], 7);
        assert_eq!(got["final"], json!({ "kind": "cms", "code": 21 }));
    }

    #[test]
    fn a_pdu_belongs_to_its_header() {
        let got = parse(None, b"+CMGR: 0,,3\r\n0011223344\r\nOK\r\n");
        assert_eq!(got["items"][0]["pdu"], "0011223344");
        assert_eq!(got["final"], "OK");
    }

    proptest! {
        #[test]
        fn never_panics(send in proptest::option::of(".{0,20}"), recv in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(send.as_deref(), &recv);
        }

        #[test]
        fn never_panics_on_near_misses(
            lines in proptest::collection::vec("(\\+CM(GR|GL|T|TI|GS)|\\+CDS|\\+CBM|\\+CUSD|\\+C(G|E)?REG|\\+COPS|\\+CPMS)[: ]{0,2}[0-9A-F,\"() ]{0,30}", 0..10)
        ) {
            let got = parse(None, lines.join("\r\n").as_bytes());
            prop_assert!(got["items"].is_array());
        }
    }
}
