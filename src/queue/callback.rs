//! Kannel's delivery reports: which turn of a message is told under which bit of `dlr-mask`, where a `dlr-url` may point, and what
//! stands in it when it is called; pure.
//!
//! A place to call comes from whoever submits, so it must begin with what the configuration allows, and is judged twice: as it is
//! asked for, and as it is called, when the escapes have been filled in and the configuration may have changed.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::queue::message::{MessageId, State};
use crate::units::UnixMs;

/// Who wants to hear what became of a message, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// `dlr-mask`, 1..=63.
    pub mask: u8,
    /// `dlr-url` with its escapes.
    pub url: String,
    /// What the client called the sender, for `%P`.
    pub from: String,
    /// What it called its account, for `%o`.
    pub account: String,
}

/// A report that is due: one bit of Kannel's mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// On the handset.
    Delivered = 1,
    /// It left and did not arrive.
    Failed = 2,
    /// The network still tries.
    Buffered = 4,
    /// The network took it.
    Submitted = 8,
    /// It never left.
    Rejected = 16,
}

impl Report {
    /// What a turn of the message is to a Kannel client; `left` says whether the network ever took it. An uncertain end is none: which
    /// it was may still come.
    #[must_use]
    pub fn of(state: State, left: bool) -> Option<Self> {
        match state {
            State::Submitted => Some(Self::Submitted),
            State::Delivered => Some(Self::Delivered),
            State::Failed | State::Expired | State::Withdrawn if left => Some(Self::Failed),
            State::Failed | State::Expired | State::Withdrawn => Some(Self::Rejected),
            State::Queued | State::Leased | State::Uncertain => None,
        }
    }

    /// Whether `mask` asks for it.
    #[must_use]
    pub fn is_in(self, mask: u8) -> bool {
        mask & self as u8 != 0
    }
}

/// What the escapes stand for.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// `%d`.
    pub report: Report,
    /// `%p`, `%q`: whom the message went to, who is the sender of the report.
    pub to: &'a str,
    /// `%I`.
    pub id: MessageId,
    /// `%t` and `%T`.
    pub at: UnixMs,
    /// `%t` as Kannel writes it: `2026-11-24+14:03:02`, UTC.
    pub time: &'a str,
    /// `%A`, `%a`, `%b`: the words of the report.
    pub words: &'a str,
    /// `%F`: the network's reference.
    pub reference: Option<u8>,
    /// `%i`: the channel.
    pub channel: &'a str,
    /// `%n`: who submitted it.
    pub caller: &'a str,
}

impl Callback {
    /// The address to call: Kannel's escapes filled in, what they stand for percent-encoded. Escapes that have nothing to say here
    /// become nothing; an unknown one stays, as a percent-encoded octet in the address must.
    #[must_use]
    pub fn address(&self, facts: &Facts<'_>) -> String {
        let mut out = String::with_capacity(self.url.len() + 64);
        let mut rest = self.url.as_str();
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            let mut characters = after.chars();
            let escape = characters.next();
            rest = characters.as_str();
            match escape {
                Some('d') => number(&mut out, facts.report as i64),
                Some('p' | 'q') => encode(&mut out, facts.to),
                Some('P' | 'Q') => encode(&mut out, &self.from),
                Some('t') => out.push_str(facts.time),
                Some('T') => number(&mut out, facts.at.0.div_euclid(1_000)),
                Some('I') => encode(&mut out, &facts.id.to_string()),
                Some('A' | 'a' | 'b') => encode(&mut out, facts.words),
                Some('F') => number(&mut out, facts.reference.unwrap_or_default().into()),
                Some('i') => encode(&mut out, facts.channel),
                Some('o') => encode(&mut out, &self.account),
                Some('n') => encode(&mut out, facts.caller),
                Some('c') => out.push('0'),
                Some('C') => out.push_str("UTF-8"),
                Some('%') => out.push('%'),
                Some('k' | 's' | 'S' | 'r' | 'D' | 'B' | 'f' | 'u' | 'm' | 'M' | 'O') => {}
                Some(other) => out.extend(['%', other]),
                None => out.push('%'),
            }
        }
        out.push_str(rest);
        out
    }
}

fn number(out: &mut String, number: i64) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{number}");
}

/// RFC 3986 2.3: only unreserved characters stand for themselves.
fn encode(out: &mut String, text: &str) {
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(octet));
            }
            _ => {
                let _ = write!(out, "%{octet:02X}");
            }
        }
    }
}

/// A beginning that addresses may have: `http://host:port/` and as much of a path as is wanted. `None` for what is none: another
/// scheme, no host, a user in it. One without a path gets its `/`, so that no longer host or port begins so.
#[must_use]
pub fn beginning(text: &str) -> Option<String> {
    let authority = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme))?;
    let (host, path) = authority.split_once('/').map_or((authority, None), |(host, path)| (host, Some(path)));
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b':' | b'[' | b']');
    if host.is_empty() || !host.bytes().all(fits) || !path.is_none_or(stays_below) {
        return None;
    }
    Some(if path.is_none() { format!("{text}/") } else { text.to_owned() })
}

/// Whether an address begins with one of `beginnings` and does not climb out of it again.
#[must_use]
pub fn is_allowed(address: &str, beginnings: &[String]) -> bool {
    let below = |rest: &str| rest.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'\\');
    beginnings.iter().any(|beginning| {
        address.strip_prefix(beginning.as_str()).is_some_and(below)
            && address.splitn(4, '/').nth(3).is_some_and(stays_below)
    })
}

/// Whether no segment of the path is `.` or `..`, whichever way it is written.
fn stays_below(rest: &str) -> bool {
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let plain = path.replace("%2e", ".").replace("%2E", ".");
    !path.contains('\\') && plain.split('/').all(|segment| segment != "." && segment != "..")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn callback(url: &str) -> Callback {
        Callback { mask: 31, url: url.into(), from: "+49 (1)".into(), account: "a&b".into() }
    }

    fn facts<'a>() -> Facts<'a> {
        Facts {
            report: Report::Submitted,
            to: "+491701234567",
            id: MessageId::new(UnixMs(1), 0, [7; 8]),
            at: UnixMs(1_795_475_963_274),
            time: "2026-11-23+23:19:23",
            words: "CMS 38: network",
            reference: Some(42),
            channel: "gsm:8949",
            caller: "nagios",
        }
    }

    #[test]
    fn escapes_are_filled_in() {
        let id = facts().id.to_string();
        for (url, wanted) in [
            ("http://h/?d=%d&p=%p&P=%P", "http://h/?d=8&p=%2B491701234567&P=%2B49%20%281%29".to_owned()),
            ("http://h/?t=%t&T=%T", "http://h/?t=2026-11-23+23:19:23&T=1795475963".to_owned()),
            ("http://h/%I?A=%A&F=%F", format!("http://h/{id}?A=CMS%2038%3A%20network&F=42")),
            ("http://h/?i=%i&o=%o&n=%n%k%r", "http://h/?i=gsm%3A8949&o=a%26b&n=nagios".to_owned()),
            ("http://h/?a=%20%%%", "http://h/?a=%20%%".to_owned()),
            ("http://h/", "http://h/".to_owned()),
        ] {
            assert_eq!(callback(url).address(&facts()), wanted, "{url}");
        }
    }

    #[test]
    fn every_state_has_its_bit() {
        let of = |left| State::ALL.map(|state| Report::of(state, left).map(|report| report as u8));
        assert_eq!(of(true), [None, None, Some(8), Some(1), Some(2), Some(2), Some(2), None]);
        assert_eq!(of(false), [None, None, Some(8), Some(1), Some(16), Some(16), Some(16), None]);
        assert!(Report::Rejected.is_in(31) && !Report::Rejected.is_in(15));
    }

    #[test]
    fn an_address_stays_where_it_may_be() {
        let beginnings: Vec<_> =
            ["http://127.0.0.1:8080", "https://h/dlr/"].iter().filter_map(|text| beginning(text)).collect();
        assert_eq!(beginnings, ["http://127.0.0.1:8080/", "https://h/dlr/"]);
        for (address, allowed) in [
            ("http://127.0.0.1:8080/x?y=../z", true),
            ("https://h/dlr/a", true),
            ("http://127.0.0.1:8080", false),
            ("http://127.0.0.1:80801/", false),
            ("http://127.0.0.1:8080@evil/", false),
            ("http://127.0.0.1:8080.evil/", false),
            ("http://127.0.0.1:8080?@evil/", false),
            ("https://h/dlr/../admin", false),
            ("https://h/dlr/%2E%2e/admin", false),
            ("https://h/dlr/.%2e", false),
            ("https://h/dlr/..\\admin", false),
            ("https://h/dlr/a b", false),
            ("https://h/dlr/\r\nx", false),
            ("http://h/dlr/a", false),
        ] {
            assert_eq!(is_allowed(address, &beginnings), allowed, "{address}");
        }
        for none in
            ["", "ftp://h/", "http://", "http:///x", "http://u@h/", "http://h/../", "http://h?x", "h/x"]
        {
            assert_eq!(beginning(none), None, "{none}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn nothing_that_a_client_says_leaves_the_beginning(path in "[%.a-zA-Z/\\\\?#@:]{0,40}", account in "\\PC{0,12}") {
            let beginnings = ["http://h:1/dlr/".to_owned()];
            let asked = Callback { account, ..callback(&format!("http://h:1/dlr/{path}")) };
            let address = asked.address(&facts());
            if is_allowed(&address, &beginnings) {
                let parsed = reqwest::Url::parse(&address).unwrap();
                prop_assert_eq!(parsed.host_str(), Some("h"));
                prop_assert_eq!(parsed.port(), Some(1));
                prop_assert!(parsed.path().starts_with("/dlr/"), "{}", parsed);
            }
        }

        #[test]
        fn what_is_filled_in_adds_no_parameter(words in "\\PC{0,40}", from in "\\PC{0,20}") {
            let asked = Callback { from, ..callback("http://h/?a=%A&p=%P") };
            let address = asked.address(&Facts { words: &words, ..facts() });
            let parsed = reqwest::Url::parse(&address).unwrap();
            let pairs: Vec<_> = parsed.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            prop_assert_eq!(pairs, vec![("a".to_owned(), words), ("p".to_owned(), asked.from)]);
        }
    }
}
