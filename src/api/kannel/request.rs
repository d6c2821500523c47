//! What a Kannel client asks for, read from the octets of its query or form; pure.
//!
//! Kannel takes what `sscanf` makes of a number; here a number that is none is refused in the same words that Kannel has for one
//! out of range, since a misread `validity` would become a message that lives too long. What only chooses among SMSCs or pays for
//! them (`smsc`, `binfo`, `account`, `pid`, `rpi`, `alt-dcs`, `meta-data`) is passed over, what changes the message itself in a way
//! that is not offered (`udh`, `mwi`, `compress`, `deferred`, 8 bit coding) is refused.

use std::time::Duration;

use crate::api::params::decode;
use crate::queue::callback::Callback;
use crate::queue::message::Lane;
use crate::secret::Secret;

/// More fields than any client sends.
const FIELDS_MAX: usize = 64;
/// Receivers of one request; each becomes a message of its own.
pub(super) const RECEIVERS_MAX: usize = 100;
/// Octets of `account`, as Kannel has it.
const ACCOUNT_MAX: usize = 64;
/// Octets of `dlr-url`: longer ones do not fit into a request line either.
const URL_MAX: usize = 2_048;
/// All bits that a `dlr-mask` may have; the sixth is Kannel's own "intermediate".
const MASK_MAX: i64 = 63;

/// Why a request is refused, in Kannel's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejected(pub(super) String);

fn rejected(why: &str) -> Rejected {
    Rejected(format!("{why}, rejected"))
}

/// Names and octets of a query or a form; of equal names the first counts.
pub(super) struct Fields(Vec<(String, Secret)>);

impl Fields {
    /// Reads `a=b&c=d` of query and body.
    pub(super) fn read(query: &[u8], body: &[u8]) -> Result<Self, Rejected> {
        let mut fields = Vec::new();
        for text in [query, body] {
            for pair in text.split(|octet| *octet == b'&').filter(|pair| !pair.is_empty()) {
                let at = pair.iter().position(|octet| *octet == b'=').unwrap_or(pair.len());
                let (name, value) = pair.split_at_checked(at).unwrap_or((pair, &[]));
                let value = decode(value.strip_prefix(b"=").unwrap_or(value), true);
                if fields.len() >= FIELDS_MAX {
                    return Err(rejected("Too many fields"));
                }
                let name = String::from_utf8_lossy(&decode(name, true)).into_owned();
                fields.push((name, Secret::new(value)));
            }
        }
        Ok(Self(fields))
    }

    fn octets(&self, names: &[&str]) -> Option<&Secret> {
        let named = |name: &&str| self.0.iter().find(|(known, _)| known == name);
        names.iter().find_map(named).map(|(_, value)| value)
    }

    /// A field that is there and not empty.
    fn word(&self, names: &[&str]) -> Option<&str> {
        self.octets(names)?.expose_str().filter(|text| !text.is_empty())
    }

    fn number(&self, names: &[&str], called: &str, most: i64) -> Result<Option<i64>, Rejected> {
        let Some(octets) = self.octets(names).filter(|octets| !octets.is_empty()) else { return Ok(None) };
        let number = octets.expose_str().and_then(|text| text.trim().parse().ok());
        match number {
            Some(-1) => Ok(None),
            Some(number) if (0..=most).contains(&number) => Ok(Some(number)),
            _ => Err(rejected(&format!("{called} field misformed"))),
        }
    }

    /// Name and password, if the client gives a name.
    pub(super) fn login(&self) -> Option<(&str, &Secret)> {
        const NONE: &Secret = &Secret::empty();
        let user = self.word(&["username", "user"])?;
        Some((user, self.octets(&["password", "pass"]).unwrap_or(NONE)))
    }
}

/// The request, as far as it is served.
#[derive(Debug)]
pub(super) struct Ask {
    /// Receivers as they were written, none twice.
    pub(super) to: Vec<String>,
    /// The text.
    pub(super) text: Secret,
    /// What `priority` makes of it; `None` leaves it to the caller's own lane.
    pub(super) lane: Option<Lane>,
    /// `validity`.
    pub(super) lifetime: Option<Duration>,
    /// Message class 0.
    pub(super) flash: bool,
    /// Whether handset reports are asked for and of what, if the client names a place for them.
    pub(super) callback: Option<Callback>,
}

impl Ask {
    /// Reads it in Kannel's order, so that the first fault is the one that Kannel would tell.
    pub(super) fn read(fields: &Fields) -> Result<Self, Rejected> {
        let to = receivers(fields)?;
        if fields.octets(&["udh"]).is_some_and(|udh| !udh.is_empty()) {
            return Err(rejected("UDH is not supported"));
        }
        let account = fields.word(&["account"]).unwrap_or_default().to_owned();
        if account.len() > ACCOUNT_MAX || account.contains(['[', ']', '\n', '\r']) {
            return Err(rejected("Account field misformed or too long"));
        }
        let url = url(fields)?;
        let mask = fields.number(&["dlr-mask", "dlrmask"], "DLR-Mask", MASK_MAX)?.unwrap_or(0);
        let flash = match fields.number(&["mclass"], "MClass", 3)? {
            None | Some(1) => false,
            Some(0) => true,
            Some(_) => return Err(rejected("MClass 2 and 3 are not supported")),
        };
        if fields.number(&["mwi"], "MWI", 7)?.is_some() {
            return Err(rejected("MWI is not supported"));
        }
        let wide = match fields.number(&["coding"], "Coding", 2)? {
            None | Some(0) => false,
            Some(2) => true,
            Some(_) => return Err(rejected("Coding of 8 bit is not supported")),
        };
        if fields.number(&["compress"], "Compress", 1)? == Some(1) {
            return Err(rejected("Compress is not supported"));
        }
        let validity = fields.number(&["validity"], "Validity", i64::from(u32::MAX))?;
        let lifetime = validity.and_then(|minutes| u64::try_from(minutes).ok());
        if fields.number(&["deferred"], "Deferred", i64::from(u32::MAX))?.is_some_and(|minutes| minutes > 0) {
            return Err(rejected("Deferred is not supported"));
        }
        let lane = match fields.number(&["priority"], "Priority", 3)? {
            None => None,
            Some(0 | 1) => Some(Lane::Bulk),
            Some(_) => Some(Lane::Alert),
        };
        let from = fields.word(&["from"]).unwrap_or_default().to_owned();
        let callback = match (url, u8::try_from(mask)) {
            (Some(url), Ok(mask)) if mask > 0 => Some(Callback { mask, url, from, account }),
            _ => None,
        };
        let text = text(fields, wide).ok_or_else(|| rejected("Charset or body misformed"))?;
        let lifetime = lifetime.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
        Ok(Self { to, text, lane, lifetime, flash, callback })
    }
}

fn receivers(fields: &Fields) -> Result<Vec<String>, Rejected> {
    let octets = fields.octets(&["to"]).ok_or_else(|| rejected("Missing receiver number"))?;
    let mut to: Vec<String> = Vec::new();
    for number in String::from_utf8_lossy(octets.expose()).split_ascii_whitespace() {
        if !to.iter().any(|known| known == number) {
            to.push(number.to_owned());
        }
    }
    match to.len() {
        0 => Err(rejected("Empty receiver number not allowed")),
        1..=RECEIVERS_MAX => Ok(to),
        _ => Err(rejected(&format!("More than {RECEIVERS_MAX} receivers"))),
    }
}

fn url(fields: &Fields) -> Result<Option<String>, Rejected> {
    let Some(octets) = fields.octets(&["dlr-url", "dlrurl"]).filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let fits = |url: &&str| {
        let plain = url.bytes().all(|octet| octet.is_ascii_graphic());
        plain && url.len() <= URL_MAX && (url.starts_with("http://") || url.starts_with("https://"))
    };
    let url = octets.expose_str().filter(fits).ok_or_else(|| rejected("DLR-URL field misformed"))?;
    Ok(Some(url.to_owned()))
}

/// The text out of its charset: UTF-8 unless it is named, UTF-16BE with `coding=2`.
fn text(fields: &Fields, wide: bool) -> Option<Secret> {
    let octets = fields.octets(&["text"]).map_or(&[][..], Secret::expose);
    let named = fields.word(&["charset"]).map(str::to_ascii_lowercase);
    let charset = named.as_deref().unwrap_or(if wide { "utf-16be" } else { "utf-8" });
    let single = |map: fn(u8) -> char| Some(octets.iter().map(|octet| map(*octet)).collect::<String>());
    let text = match charset {
        "utf-8" | "utf8" => std::str::from_utf8(octets).ok().map(str::to_owned),
        "us-ascii" | "ascii" => octets.is_ascii().then(|| String::from_utf8_lossy(octets).into_owned()),
        "iso-8859-1" | "iso8859-1" | "latin1" | "latin-1" => single(char::from),
        "iso-8859-15" | "iso8859-15" | "latin9" | "latin-9" => single(latin_9),
        "windows-1252" | "cp1252" | "cp-1252" => single(windows_1252),
        "utf-16be" | "ucs-2be" | "utf-16" | "ucs-2" | "ucs2" => utf_16(octets, u16::from_be_bytes),
        "utf-16le" | "ucs-2le" => utf_16(octets, u16::from_le_bytes),
        _ => None,
    };
    text.map(Secret::from)
}

fn utf_16(octets: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = octets.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    rest.is_empty().then(|| String::from_utf16(&units).ok())?
}

/// ISO 8859-15 differs from ISO 8859-1 in eight places.
fn latin_9(octet: u8) -> char {
    match octet {
        0xa4 => '€',
        0xa6 => 'Š',
        0xa8 => 'š',
        0xb4 => 'Ž',
        0xb8 => 'ž',
        0xbc => 'Œ',
        0xbd => 'œ',
        0xbe => 'Ÿ',
        other => char::from(other),
    }
}

/// Windows 1252 has letters where ISO 8859-1 has controls.
fn windows_1252(octet: u8) -> char {
    const FROM_80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let place = octet.checked_sub(0x80).map(usize::from);
    place.and_then(|place| FROM_80.get(place).copied()).unwrap_or(char::from(octet))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ask(query: &str) -> Result<Ask, String> {
        Ask::read(&Fields::read(query.as_bytes(), b"").unwrap()).map_err(|Rejected(why)| why)
    }

    #[test]
    fn what_a_client_sends_is_read() {
        let asked = ask(
            "username=u&password=p&to=%2B491701234567+0171%202&from=info&text=Gr%C3%BC%C3%9Fe+%2B&validity=5&priority=2&mclass=0\
             &dlr-mask=31&dlr-url=http%3A%2F%2Fh%2Fd%3Ft%3D%25d&account=a",
        )
        .unwrap();
        assert_eq!(asked.to, ["+491701234567", "0171", "2"]);
        assert_eq!(asked.text.expose_str(), Some("Grüße +"));
        assert_eq!((asked.lane, asked.flash), (Some(Lane::Alert), true));
        assert_eq!(asked.lifetime, Some(Duration::from_secs(300)));
        let callback =
            Callback { mask: 31, url: "http://h/d?t=%d".into(), from: "info".into(), account: "a".into() };
        assert_eq!(asked.callback, Some(callback));
        let fields = Fields::read(b"user=u&pass=p", b"").unwrap();
        assert_eq!(fields.login().unwrap(), ("u", &Secret::from("p")));
    }

    #[test]
    fn query_goes_before_form_and_deprecated_names_are_known() {
        let fields = Fields::read(b"to=1234&text=a", b"text=b&dlrmask=1&dlrurl=https://h/").unwrap();
        let asked = Ask::read(&fields).unwrap();
        assert_eq!(asked.text.expose_str(), Some("a"));
        assert_eq!(asked.callback.unwrap().url, "https://h/");
        assert_eq!(ask("to=1&text=x&dlr-mask=3").unwrap().callback, None, "no place to tell");
        assert_eq!(ask("to=1&text=x&dlr-url=http://h/").unwrap().callback, None, "nothing to tell");
    }

    #[test]
    fn refusals_are_those_of_kannel() {
        for (query, why) in [
            ("text=x", "Missing receiver number, rejected"),
            ("to=&text=x", "Empty receiver number not allowed, rejected"),
            ("to=+++&text=x", "Empty receiver number not allowed, rejected"),
            ("to=1&udh=050003010101", "UDH is not supported, rejected"),
            ("to=1&account=a%5d", "Account field misformed or too long, rejected"),
            ("to=1&dlr-mask=64", "DLR-Mask field misformed, rejected"),
            ("to=1&dlr-mask=many", "DLR-Mask field misformed, rejected"),
            ("to=1&dlr-url=ftp://h/", "DLR-URL field misformed, rejected"),
            ("to=1&dlr-url=http://h/%0d%0a", "DLR-URL field misformed, rejected"),
            ("to=1&mclass=4", "MClass field misformed, rejected"),
            ("to=1&mclass=3", "MClass 2 and 3 are not supported, rejected"),
            ("to=1&mwi=1", "MWI is not supported, rejected"),
            ("to=1&coding=3", "Coding field misformed, rejected"),
            ("to=1&coding=1", "Coding of 8 bit is not supported, rejected"),
            ("to=1&compress=1", "Compress is not supported, rejected"),
            ("to=1&validity=-2", "Validity field misformed, rejected"),
            ("to=1&deferred=5", "Deferred is not supported, rejected"),
            ("to=1&priority=4", "Priority field misformed, rejected"),
            ("to=1&text=%ff", "Charset or body misformed, rejected"),
            ("to=1&text=x&charset=klingon", "Charset or body misformed, rejected"),
            ("to=1&coding=2&text=abc", "Charset or body misformed, rejected"),
        ] {
            assert_eq!(ask(query).unwrap_err(), why, "{query}");
        }
        let many: String = (0..=RECEIVERS_MAX).map(|n| format!("{n}+")).collect();
        assert_eq!(ask(&format!("to={many}")).unwrap_err(), "More than 100 receivers, rejected");
        let fields: String = (0..=FIELDS_MAX).map(|n| format!("{n}=&")).collect();
        assert!(Fields::read(b"", fields.as_bytes()).is_err());
    }

    #[test]
    fn what_says_nothing_is_passed_over() {
        let asked = ask(
            "to=1&text=x&smsc=a&binfo=b&pid=4&rpi=1&alt-dcs=1&meta-data=z&deferred=0&validity=-1&priority=&x=y",
        );
        let asked = asked.unwrap();
        assert_eq!((asked.lane, asked.lifetime, asked.flash), (None, None, false));
    }

    #[test]
    fn texts_come_out_of_their_charsets() {
        for (query, text) in [
            ("charset=ISO-8859-1&text=Gr%FC%DFe", "Grüße"),
            ("charset=latin9&text=5+%a4", "5 €"),
            ("charset=windows-1252&text=%805+%93x%94", "€5 “x”"),
            ("charset=us-ascii&text=plain", "plain"),
            ("coding=2&text=%00a%20%AC", "a€"),
            ("coding=2&charset=utf-8&text=%E2%82%AC", "€"),
            ("coding=2&charset=utf-16le&text=a%00%AC%20", "a€"),
            ("coding=2&text=%D8%3D%DE%00", "😀"),
        ] {
            assert_eq!(ask(&format!("to=1&{query}")).unwrap().text.expose_str(), Some(text), "{query}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn no_request_panics(query in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(fields) = Fields::read(&query, &query) {
                let _ = (fields.login().is_some(), Ask::read(&fields).is_ok());
            }
        }

        #[test]
        fn any_text_passes_in_any_unicode_charset(text in "\\PC{1,60}") {
            let escaped = |octets: Vec<u8>| octets.iter().map(|o| format!("%{o:02x}")).collect::<String>();
            let wide = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
            for (charset, octets) in [
                ("utf-8", text.as_bytes().to_vec()),
                ("utf-16be", wide(u16::to_be_bytes)),
                ("utf-16le", wide(u16::to_le_bytes)),
            ] {
                let query = format!("to=1&charset={charset}&text={}", escaped(octets));
                let asked = ask(&query).unwrap();
                prop_assert_eq!(asked.text.expose_str(), Some(text.as_str()));
            }
        }
    }
}
