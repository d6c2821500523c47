//! Target `at_lines`: octets of a port to lines, and every reading of a line.
//!
//! The input begins with how its stream is chunked; the stream may be repeated, so that it grows beyond the longest line.

use smsotpd::at::lines::LINE_MAX;
use smsotpd::at::reply::{
    CmglHeader, CmgrHeader, CmgsReply, CnmiSupport, Cops, Cpms, CpmsSupport, Csca, Csq, PinState, UssdReply,
};
use smsotpd::at::{Chunk, Final, Info, Lines, Urc, exchange, hex, reply};

use super::feed::Feed;

/// Cuts of one input, at most; they are taken again and again.
const CUTS_MAX: u8 = 8;
/// A stream is repeated up to this size.
const STREAM_MAX: usize = LINE_MAX + 512;
/// A line that says nothing is an item of some twenty octets, and a character takes six octets at most.
const FACTS_PER_OCTET: usize = 40;
const FACTS_ALONE: usize = 256;

/// What is read behind any noise.
const GOOD: [&str; 6] =
    ["OK", "ERROR", "+CMS ERROR: 38", "+CMTI: \"SM\",3", "+CREG: 2,1,\"0B01\",\"01007\"", "+CSQ: 16,99"];

/// A [`Chunk`] that outlives the splitter's buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    Line(String),
    Prompt,
    TooLong(usize),
}

/// One input.
pub fn run(data: &[u8]) {
    let mut feed = Feed::new(data);
    let mode = feed.octet();
    let prompt = mode & 1 != 0;
    let count = feed.octet() % CUTS_MAX;
    let cuts: Vec<usize> = (0..count).map(|_| usize::from(feed.octet()) + 1).collect();
    let good = *feed.pick(&GOOD);
    let once = feed.rest();
    let times = if mode & 2 != 0 { STREAM_MAX / once.len().max(1) } else { 1 };
    let stream = once.repeat(times.max(1));

    let whole = lines(std::iter::once(stream.as_slice()), prompt);
    assert_eq!(whole, lines(stream.chunks(1), prompt), "octet by octet");
    assert_eq!(whole, lines(chunked(&stream, &cuts), prompt), "cut at {cuts:?}");
    for chunk in &whole {
        match chunk {
            Heard::Line(line) => reading(line),
            Heard::Prompt => assert!(prompt),
            Heard::TooLong(dropped) => assert!(*dropped > LINE_MAX),
        }
    }
    let behind = [stream.as_slice(), b"\r\n", good.as_bytes(), b"\r\n"].concat();
    let last = lines(std::iter::once(behind.as_slice()), prompt).pop();
    assert_eq!(last, Some(Heard::Line(good.to_owned())), "a good line behind noise");
    recording(&stream, &behind, good);
}

fn chunked<'a>(stream: &'a [u8], cuts: &[usize]) -> impl Iterator<Item = &'a [u8]> {
    let cuts = if cuts.is_empty() { vec![stream.len().max(1)] } else { cuts.to_vec() };
    let mut rest = stream;
    cuts.into_iter().cycle().map_while(move |cut| {
        let (head, tail) = rest.split_at(cut.min(rest.len()));
        rest = tail;
        (!head.is_empty()).then_some(head)
    })
}

fn lines<'a>(chunks: impl Iterator<Item = &'a [u8]>, prompt: bool) -> Vec<Heard> {
    let (mut lines, mut all) = (Lines::new(), Vec::new());
    for chunk in chunks {
        lines.push(chunk);
        while let Some(chunk) = lines.next(prompt) {
            all.push(match chunk {
                Chunk::Line(line) => Heard::Line(line.to_owned()),
                Chunk::Prompt => Heard::Prompt,
                Chunk::TooLong { dropped } => Heard::TooLong(dropped),
            });
        }
    }
    all
}

/// Everything that is ever made of one line.
fn reading(line: &str) {
    assert!(!line.is_empty() && line.chars().count() <= LINE_MAX && !line.contains(['\r', '\n', '\0']));
    let _ = (Final::parse(line), Urc::parse(line).map(|urc| urc.needs_body()), UssdReply::parse(line));
    let _ = (reply::identity(line, "+CGMI"), reply::imei(line), reply::iccid(line));
    if let Ok(octets) = hex::decode(line) {
        assert_eq!(hex::encode(&octets), line.trim().to_uppercase());
    }
    let Some(info) = Info::parse(line) else { return };
    assert!(info.args.len() <= line.len(), "no more arguments than characters");
    let _ = (PinState::parse(&info), Csq::parse(&info), Csca::parse(&info), Cpms::parse(&info));
    let _ = (CpmsSupport::parse(&info), CnmiSupport::parse(&info), CmgsReply::parse(&info));
    let _ = (CmgrHeader::parse(&info), CmglHeader::parse(&info), Cops::parse(&info));
    let _ = reply::Registration::parse(&info);
}

/// The stream as a recording: its facts are bounded, and a good line behind it reads as it does alone.
fn recording(stream: &[u8], behind: &[u8], good: &str) {
    let facts = exchange::parse(Some("AT+CSQ\r"), stream).to_string();
    assert!(facts.len() <= FACTS_ALONE + FACTS_PER_OCTET * stream.len(), "{} octets of facts", facts.len());
    // The header of a message makes the next line its body, whatever that looks like.
    let takes_next = |word: &[u8]| [&b"+CM"[..], b"+CDS", b"+CBM"].contains(&word);
    // A port drops NULs, wherever they stand.
    let heard: Vec<u8> = stream.iter().copied().filter(|&octet| octet != 0).collect();
    if heard.windows(3).any(takes_next) || heard.windows(4).any(takes_next) {
        return;
    }
    let alone = exchange::parse(None, good.as_bytes());
    let read = exchange::parse(None, behind);
    let last = |facts: &serde_json::Value| facts["items"].as_array().and_then(|items| items.last().cloned());
    assert_eq!(last(&read), last(&alone), "a good line behind noise");
}
