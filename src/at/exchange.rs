//! One recorded exchange as facts: what was sent, what was received, and how each line reads.
//!
//! Serves `smsotpctl at parse --jsonl` and the corpus test. A recording is whole, so no command in flight is needed: a line is
//! judged by its shape and its place, and text mode, which the daemon never uses, is read as well. What a PDU means is left
//! to `pdu`.

use serde_json::{Map, Value, json};

use super::codes::{CmeError, CmsError};
use super::exchange_meaning::{args_json, meaning};
use super::grammar::{Arg, Info};
use super::hex;
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
    let lines = split(recv);
    let mut reader = Reader { lines: &lines, at: 0, items: Vec::new(), last: Value::Null };
    reader.echo(send);
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

struct Reader<'a> {
    lines: &'a [String],
    at: usize,
    items: Vec<Value>,
    /// The last final result.
    last: Value,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.at).map(String::as_str)
    }

    fn take(&mut self) -> Option<&'a str> {
        let line = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(line)
    }

    /// The command itself as first line; without a known command, a first line that is one.
    fn echo(&mut self, send: Option<&str>) {
        let Some(first) = self.peek().map(str::trim) else { return };
        match send.map(|sent| sent.trim_matches(['\r', '\n', '\u{1a}', ' '])) {
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
                Some(info) => self.info(&info, &line),
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

    fn info(&mut self, info: &Info<'_>, line: &str) {
        let kind = match info.name {
            "+CMGR" | "+CMGL" => "sms",
            "+CMT" => "urc-sms",
            "+CDS" => "urc-report",
            "+CBM" => "urc-cb",
            _ => {
                let mut item =
                    fields(&json!({ "t": "info", "name": info.name, "args": args_json(&info.args) }));
                if let Some(meaning) = meaning(info, line) {
                    item.insert("meaning".to_owned(), meaning);
                }
                self.items.push(Value::Object(item));
                return;
            }
        };
        let mut item = fields(&json!({ "t": kind, "header": args_json(&info.args) }));
        if is_text_mode(info) {
            item.insert("mode".to_owned(), json!("text"));
            self.text_message(info, &mut item);
        } else {
            item.insert("mode".to_owned(), json!("pdu"));
            self.pdu_message(info, &mut item);
        }
        self.items.push(Value::Object(item));
    }

    fn pdu_message(&mut self, info: &Info<'_>, item: &mut Map<String, Value>) {
        let (before_length, stat) = match info.name {
            "+CMGL" => (2, info.args.get(1)),
            "+CMGR" => (1, info.args.first()),
            "+CBM" => (usize::MAX, None),
            _ => (0, None),
        };
        if info.name == "+CMGL" {
            item.insert("index".to_owned(), json!(info.number::<u16>(0)));
        }
        if info.name.starts_with("+CMG") {
            item.insert("stat".to_owned(), json!(stat.and_then(Arg::text).map(stat_words)));
        }
        let length = info.args.get(before_length..).and_then(<[Arg<'_>]>::last).and_then(Arg::number::<u16>);
        item.insert("length".to_owned(), json!(length));
        // A PDU cut off in the middle of an octet still belongs to its header.
        let Some(pdu) = self.peek().map(str::trim).filter(|next| next.bytes().all(|b| b.is_ascii_hexdigit()))
        else {
            return;
        };
        self.take();
        item.insert("pdu".to_owned(), json!(pdu));
        let tpdu = hex::decode(pdu).ok().and_then(|octets| tpdu_length(&octets));
        if length.is_some() && tpdu.is_some() && length.map(usize::from) != tpdu {
            item.insert("length_mismatch".to_owned(), json!(tpdu));
        }
    }

    fn text_message(&mut self, info: &Info<'_>, item: &mut Map<String, Value>) {
        let (stat, number) = match info.name {
            "+CMGL" => (Some(1), 2),
            "+CMGR" => (Some(0), 1),
            "+CDS" => (None, 2),
            _ => (None, 0),
        };
        if info.name == "+CMGL" {
            item.insert("index".to_owned(), json!(info.number::<u16>(0)));
        }
        if let Some(stat) = stat {
            item.insert("stat".to_owned(), json!(info.text(stat)));
        }
        item.insert("number".to_owned(), json!(info.text(number)));
        let time = info.args.iter().skip(number).filter_map(Arg::text).find(|text| is_time(text));
        item.insert("time".to_owned(), json!(time));
        if info.name == "+CDS" {
            item.insert("mr".to_owned(), json!(info.number::<u8>(1)));
            item.insert("status".to_owned(), json!(info.args.last().and_then(Arg::number::<u8>)));
        } else {
            item.insert("body".to_owned(), json!(self.body(info.name)));
        }
    }

    /// A text body: one line of an unsolicited message, else all up to the result or the next header.
    fn body(&mut self, name: &str) -> String {
        let mut body: Vec<&str> = Vec::new();
        while let Some(line) = self.peek() {
            let next_header = Info::parse(line).is_some_and(|info| info.name == name);
            if Final::parse(line).is_some() || next_header {
                break;
            }
            body.push(line);
            self.take();
            if name == "+CMT" || name == "+CBM" {
                break;
            }
        }
        body.join("\n")
    }
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// `AT...` as an echo shows it; not a word that merely begins so (`AT version:`).
fn is_command(line: &str) -> bool {
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

/// A header of text mode has a state in words, or more fields than PDU mode knows.
fn is_text_mode(info: &Info<'_>) -> bool {
    let words =
        |at: usize| info.text(at).is_some_and(|text| text.starts_with("REC ") || text.starts_with("STO "));
    match info.name {
        "+CMGR" => words(0),
        "+CMGL" => words(1),
        _ => info.args.len() > 2,
    }
}

/// `<stat>` of PDU mode in the words of text mode; TS 27.005 3.1.
fn stat_words(stat: &str) -> &str {
    match stat {
        "0" => "REC UNREAD",
        "1" => "REC READ",
        "2" => "STO UNSENT",
        "3" => "STO SENT",
        "4" => "ALL",
        other => other,
    }
}

/// Octets behind the service centre address, whose length is the first octet; TS 27.005 3.1 `<length>`.
fn tpdu_length(pdu: &[u8]) -> Option<usize> {
    let smsc = usize::from(*pdu.first()?);
    pdu.len().checked_sub(smsc.saturating_add(1))
}

/// `07/02/18,00:05:10+32`, also with a year of four digits or `/` before the time.
fn is_time(text: &str) -> bool {
    let digits_first = text.starts_with(|c: char| c.is_ascii_digit());
    digits_first && text.matches('/').count() >= 2 && text.contains(':')
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
        assert_eq!(got["items"][0]["length_mismatch"], 4);
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
