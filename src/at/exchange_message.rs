//! The messages of a recorded exchange: a header line and what belongs to it.
//!
//! In PDU mode one line of hex follows, in text mode (TS 27.005 3.4, 4.2, 4.3) lines of any content, which may look like a
//! result or like the next header. A recording has no more than these lines to tell them apart.

use serde_json::{Map, Value, json};

use super::exchange::{Reader, is_command};
use super::grammar::{Arg, Info};
use super::reply::ucs2_digits;
use super::result::Final;
use super::urc::Urc;

/// A header of text mode has a state in words, or more fields than PDU mode knows.
pub(super) fn is_text_mode(info: &Info<'_>) -> bool {
    match info.name {
        "+CMGR" => is_state(info.text(0)),
        "+CMGL" => is_state(info.text(1)),
        _ => info.args.len() > 2,
    }
}

/// `<stat>` of text mode.
fn is_state(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.starts_with("REC ") || text.starts_with("STO "))
}

/// The PDU that some firmware writes behind the length on the header's own line; it is taken off the header.
pub(super) fn pdu_beside<'a>(info: &mut Info<'a>) -> Option<&'a str> {
    let Some(Arg::Bare(last)) = info.args.last_mut() else { return None };
    let (length, pdu) = last.split_once([' ', '\t'])?;
    let pdu = pdu.trim();
    (length.parse::<u16>().is_ok() && is_hex(pdu)).then(|| {
        *last = length;
        pdu
    })
}

impl Reader<'_> {
    pub(super) fn pdu_message(
        &mut self,
        info: &Info<'_>,
        beside: Option<&str>,
        item: &mut Map<String, Value>,
    ) {
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
        if let Some(pdu) = beside.or_else(|| self.take_pdu()) {
            item.insert("pdu".to_owned(), json!(pdu));
        } else if let Some(bad) = self.take_bad_pdu() {
            item.insert("bad_pdu".to_owned(), json!(bad));
        }
    }

    /// The next line of hex; unsolicited lines that came between stay for later.
    fn take_pdu(&mut self) -> Option<&str> {
        let between = self.lines.get(self.at..)?.iter().take_while(|line| is_stranger(line)).count();
        let at = self.at.saturating_add(between);
        let pdu = self.lines.get(at)?.trim();
        if !is_hex(pdu) {
            return None;
        }
        if between == 0 {
            self.take();
        } else {
            self.apart = Some(at);
        }
        Some(pdu)
    }

    /// The line in a PDU's place, if it is nothing else.
    fn take_bad_pdu(&mut self) -> Option<&str> {
        let line = self.peek()?.trim();
        let is_else = is_command(line)
            || line == ">"
            || Final::parse(line).is_some()
            || Info::parse(line).is_some()
            || Urc::parse(line).is_some();
        (!is_else).then(|| self.take()).flatten().map(str::trim)
    }

    pub(super) fn text_message(&mut self, info: &Info<'_>, item: &mut Map<String, Value>) {
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
        let digits = info.text(number).map(|text| ucs2_digits(text).unwrap_or_else(|| text.to_owned()));
        item.insert("number".to_owned(), json!(digits));
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
            if is_header(line, name) || (Final::parse(line).is_some() && self.is_end(name)) {
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

    /// Whether the result here ends the answer, and is not a line of the body that reads like one. In a list it
    /// is one of the body if a further header follows; for a single message if free text and another result follow.
    fn is_end(&self, name: &str) -> bool {
        let rest = self.lines.get(self.at.saturating_add(1)..).unwrap_or_default();
        let mut rest = rest.iter().take_while(|line| !is_command(line));
        if name == "+CMGL" {
            return !rest.any(|line| is_header(line, name));
        }
        let text_follows = rest.next().is_some_and(|line| {
            Info::parse(line).is_none() && Urc::parse(line).is_none() && Final::parse(line).is_none()
        });
        !(text_follows && rest.any(|line| Final::parse(line).is_some()))
    }
}

/// A header of text mode; what only begins like one is body.
fn is_header(line: &str, name: &str) -> bool {
    let Some(info) = Info::parse(line).filter(|info| info.name == name) else { return false };
    match name {
        "+CMGL" => info.number::<u16>(0).is_some() && is_state(info.text(1)),
        _ => is_text_mode(&info),
    }
}

/// An unsolicited line that has no second line itself.
fn is_stranger(line: &str) -> bool {
    Urc::parse(line).is_some_and(|urc| !urc.needs_body())
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
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

/// `07/02/18,00:05:10+32`, also with a year of four digits or `/` before the time.
fn is_time(text: &str) -> bool {
    let digits_first = text.starts_with(|c: char| c.is_ascii_digit());
    digits_first && text.matches('/').count() >= 2 && text.contains(':')
}
