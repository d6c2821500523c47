//! Parameters as privacyIDEA reads them: JSON body over query over form, the first of equal names, and values of query and form
//! percent-decoded once more.
//!
//! The second decoding is what the FreeRADIUS plugin and the Java client count on, for they encode twice; three clients that
//! encode once are known by their User-Agent, and so is `smsotpctl`. JSON values are taken as they are.

use std::collections::BTreeMap;
use std::fmt;

use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::http::request::Parts;
use bytes::Bytes;
use serde_json::Value;

use super::envelope::Failure;

/// Clients that encode once; the text before `/` of the User-Agent, in lower case.
const ENCODE_ONCE: [&str; 4] = ["privacyidea-cp", "privacyidea-ldap-proxy", "simplesamlphp", "smsotpctl"];
/// More parameters than any client sends.
const PARAMS_MAX: usize = 64;

/// The merged parameters of a request.
#[derive(Default)]
pub(super) struct Params(BTreeMap<String, Value>);

/// The names alone: there are PINs among the values.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Params {
    /// Merges query and body.
    pub(super) fn read(head: &Parts, body: &Bytes) -> Result<Self, Failure> {
        let twice = decodes_twice(head);
        let mut params = Self::default();
        let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let json = json_body(kind, body)?;
        let is_json = json.is_some();
        for (name, value) in json.unwrap_or_default() {
            params.add(name, value)?;
        }
        params.pairs(head.uri.query().unwrap_or_default().as_bytes(), twice)?;
        if let Some(boundary) = boundary(kind) {
            params.multipart(body, boundary, twice)?;
        } else if !is_json {
            params.pairs(body, twice)?;
        }
        Ok(params)
    }

    /// A text; one that is there but no text is an error, an empty one is a text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Failure::parameter(format!("Parameter {name} must be a string."))),
        }
    }

    /// A text that counts as missing when it is empty.
    pub(super) fn word(&self, name: &str) -> Result<Option<&str>, Failure> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.word(name)?.ok_or_else(|| Failure::missing(name))
    }

    /// A small number, as a JSON number or in digits.
    pub(super) fn number(&self, name: &str) -> Result<Option<u8>, Failure> {
        let bad = || Failure::parameter(format!("Parameter {name} must be a number."));
        match self.0.get(name) {
            Some(Value::Number(number)) => {
                number.as_u64().and_then(|n| u8::try_from(n).ok()).map(Some).ok_or_else(bad)
            }
            _ => self.word(name)?.map(|text| text.parse().map_err(|_| bad())).transpose(),
        }
    }

    /// Whether a switch is on: anything but absent, empty, `0`, `false` and `no`.
    pub(super) fn switch(&self, name: &str) -> bool {
        match self.0.get(name) {
            Some(Value::Bool(on)) => *on,
            Some(Value::Number(number)) => number.as_i64() != Some(0),
            Some(Value::String(text)) => {
                !matches!(text.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no")
            }
            _ => false,
        }
    }

    fn add(&mut self, name: String, value: Value) -> Result<(), Failure> {
        if self.0.len() >= PARAMS_MAX && !self.0.contains_key(&name) {
            return Err(Failure::parameter(format!("More than {PARAMS_MAX} parameters.")));
        }
        self.0.entry(name).or_insert(value);
        Ok(())
    }

    fn pairs(&mut self, text: &[u8], twice: bool) -> Result<(), Failure> {
        for pair in text.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(at).unwrap_or((pair, &[]));
            let name = utf8(decode(name, true))?;
            let value = utf8(decode(value.strip_prefix(b"=").unwrap_or(value), true))?;
            self.add(name, Value::String(again(value, twice)))?;
        }
        Ok(())
    }

    /// Fields of a multipart form; files are left aside.
    fn multipart(&mut self, body: &[u8], boundary: &str, twice: bool) -> Result<(), Failure> {
        let bad = || Failure::parameter("The multipart body cannot be read.");
        let text = std::str::from_utf8(body).map_err(|_| not_utf8())?;
        let delimiter = format!("--{boundary}");
        for part in text.split(delimiter.as_str()).skip(1) {
            let Some(part) = part.strip_prefix("\r\n") else { break };
            let (head, value) = part.split_once("\r\n\r\n").ok_or_else(bad)?;
            let value = value.strip_suffix("\r\n").ok_or_else(bad)?;
            if let Some((_, name)) = head.split_once("name=\"")
                && let Some((name, rest)) = name.split_once('"')
                && !rest.contains("filename=")
            {
                self.add(name.to_owned(), Value::String(again(value.to_owned(), twice)))?;
            }
        }
        Ok(())
    }
}

fn decodes_twice(head: &Parts) -> bool {
    let agent = head.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let product = agent.split('/').next().unwrap_or_default().trim().to_ascii_lowercase();
    !ENCODE_ONCE.contains(&product.as_str())
}

/// The object in a body that says it is JSON, or that is an object without saying so.
fn json_body(kind: &str, body: &[u8]) -> Result<Option<serde_json::Map<String, Value>>, Failure> {
    let declared = kind.to_ascii_lowercase().contains("json");
    if !declared && !body.trim_ascii_start().starts_with(b"{") {
        return Ok(None);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        _ if !declared => Ok(None),
        _ if body.is_empty() => Ok(Some(serde_json::Map::new())),
        Ok(_) => Err(Failure::parameter("The JSON body must be an object.")),
        Err(_) if std::str::from_utf8(body).is_err() => Err(not_utf8()),
        Err(_) => Err(Failure::parameter("The JSON body cannot be read.")),
    }
}

fn boundary(kind: &str) -> Option<&str> {
    let (kind, rest) = kind.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = rest.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?;
    Some(boundary.trim_matches('"')).filter(|boundary| !boundary.is_empty())
}

fn not_utf8() -> Failure {
    Failure::parameter("The request is not UTF-8.")
}

fn utf8(octets: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(octets).map_err(|_| not_utf8())
}

/// The second decoding: `+` stays, and what is not UTF-8 becomes U+FFFD as it does there.
pub(super) fn again(value: String, twice: bool) -> String {
    if twice && value.contains('%') {
        String::from_utf8_lossy(&decode(value.as_bytes(), false)).into_owned()
    } else {
        value
    }
}

/// Names and decoded values of a query of our own API.
pub(super) fn query(text: &str) -> impl Iterator<Item = (&str, String)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name, String::from_utf8_lossy(&decode(value.as_bytes(), true)).into_owned())
    })
}

/// Percent-decoding; a `%` without two hexadecimal digits is itself.
pub(super) fn decode(text: &[u8], plus_is_blank: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (*first, after) {
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(nibble(*high) << 4 | nibble(*low));
                rest = tail;
            }
            (b'+', _) if plus_is_blank => out.push(b' '),
            (other, _) => out.push(other),
        }
    }
    out
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use proptest::prelude::*;

    use super::*;

    fn read(uri: &str, kind: &str, agent: &str, body: &'static [u8]) -> Result<Params, Failure> {
        let request = Request::builder()
            .uri(uri)
            .header(CONTENT_TYPE, kind)
            .header(USER_AGENT, agent)
            .body(())
            .unwrap();
        Params::read(&request.into_parts().0, &Bytes::from_static(body))
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn the_table_of_double_decoding() {
        for (agent, body, pass) in [
            ("", b"pass=a%2541+b%2Bc".as_slice(), "aA b+c"),
            ("curl/8.0", b"pass=a%252541%2520b%252Bc", "a%41 b+c"),
            ("FreeRADIUS", b"pass=a%252541%2520b%252Bc", "a%41 b+c"),
            ("privacyidea-cp/3.5 Windows/10", b"pass=a%2541+b%2Bc", "a%41 b+c"),
            ("SimpleSAMLphp", b"pass=a%2541+b%2Bc", "a%41 b+c"),
            ("curl/8.0", b"pass=a%252541%2Bb%252Bc", "a%41+b+c"),
            ("curl/8.0", b"pass=100%25", "100%"),
            ("curl/8.0", b"pass=%25ff%25fe", "\u{fffd}\u{fffd}"),
        ] {
            let params = read("/", FORM, agent, body).unwrap();
            assert_eq!(params.text("pass").unwrap(), Some(pass), "{agent} {body:?}");
        }
        let params = read("/", "application/json", "", br#"{"pass": "a%41 b+c"}"#).unwrap();
        assert_eq!(params.text("pass").unwrap(), Some("a%41 b+c"));
    }

    #[test]
    fn json_beats_query_beats_form_and_the_first_counts() {
        let params = read("/?a=query&b=query", FORM, "", b"a=form&c=one&c=two").unwrap();
        assert_eq!(params.text("a").unwrap(), Some("query"));
        assert_eq!(params.text("c").unwrap(), Some("one"));
        let params = read("/?a=query&b=query", "application/json", "", br#"{"a": "json"}"#).unwrap();
        assert_eq!((params.text("a").unwrap(), params.text("b").unwrap()), (Some("json"), Some("query")));
        let params = read("/", "text/plain", "", br#"{"a": "json"}"#).unwrap();
        assert_eq!(params.text("a").unwrap(), Some("json"));
    }

    #[test]
    fn multipart_fields_are_read() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nalice\r\n--b\r\n\
            Content-Disposition: form-data; name=\"pass\"\r\n\r\nz z\r\n--b--\r\n";
        let params = read("/", "multipart/form-data; boundary=b", "", body).unwrap();
        assert_eq!(
            (params.text("user").unwrap(), params.text("pass").unwrap()),
            (Some("alice"), Some("z z"))
        );
        assert!(read("/", "multipart/form-data; boundary=b", "", b"--b\r\nno end").is_err());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (kind, body) in [
            ("application/json", b"{\"user\":".as_slice()),
            ("application/json", b"[1]"),
            ("application/json", b"{\"user\": \"\xff\"}"),
            (FORM, b"user=%ff"),
            (FORM, b"user=\xff"),
        ] {
            let failure = read("/", kind, "", body).unwrap_err();
            assert_eq!((failure.status.as_u16(), failure.code), (400, 905), "{body:?}");
        }
        let params = read("/", "application/json", "", br#"{"pass": 5, "otplen": 7, "n": null}"#).unwrap();
        assert!(params.text("pass").is_err());
        assert_eq!(params.number("otplen").unwrap(), Some(7));
        assert_eq!(params.text("n").unwrap(), None);
    }

    #[test]
    fn values_are_not_shown() {
        let params = read("/?user=alice", FORM, "", b"pass=4321").unwrap();
        assert_eq!(format!("{params:?}"), r#"{"pass", "user"}"#);
    }

    #[test]
    fn parameters_are_bounded() {
        let body: String = (0..=PARAMS_MAX).map(|n| format!("p{n}=1&")).collect();
        assert!(read("/", FORM, "", Box::leak(body.into_boxed_str()).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let encoded: String = octets.iter().map(|b| format!("%{b:02X}")).collect();
            prop_assert_eq!(decode(encoded.as_bytes(), true), octets);
        }

        #[test]
        fn nothing_panics(kind in ".{0,40}", body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = json_body(&kind, &body);
            let _ = boundary(&kind);
            let mut params = Params::default();
            let _ = params.pairs(&body, true);
            let _ = params.multipart(&body, "b", true);
        }
    }
}
