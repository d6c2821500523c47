//! Typed readings of information lines: what the answer to each command says.

use crate::units::{Dbm, Iccid, Imei, MessageRef};

use super::command::StoreName;
use super::grammar::{Arg, Info};
pub use super::registration::{Registration, Stat};
pub use super::signal::Radio;

/// `+CPIN`: what the card waits for; TS 27.007 8.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinState {
    /// `READY`: nothing.
    Ready,
    /// `SIM PIN`.
    SimPin,
    /// `SIM PUK`: three wrong PINs; a person must act.
    SimPuk,
    /// `SIM PIN2`: only for functions we do not use.
    SimPin2,
    /// `SIM PUK2`: only for functions we do not use.
    SimPuk2,
    /// `PH-...`: the phone or the network lock; a person must act.
    Locked(String),
    /// `NOT READY`, `SIM BUSY` and the like: wait.
    NotReady,
    /// `NOT INSERTED`, `SIM REMOVED`: there is no card.
    Absent,
    /// Anything else, as it came.
    Other(String),
}

/// `+CSQ`; TS 27.007 8.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Csq {
    /// 0..=31, 99 = not known.
    pub rssi: u8,
    /// Bit error rate class 0..=7, 99 = not known.
    pub ber: u8,
    /// The strength, if known.
    pub dbm: Option<Dbm>,
}

/// `+CSCA`; TS 27.005 3.3.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csca {
    /// The address as digits with or without plus; empty means that sending will fail with CMS 330.
    pub address: String,
    /// Type of address, 145 = international.
    pub toa: Option<u8>,
}

/// One store of `+CPMS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFill {
    /// Its name, if the answer has names (`+CPMS?` has, `+CPMS=` has not).
    pub store: Option<StoreName>,
    /// Messages in it.
    pub used: u16,
    /// Slots it has.
    pub total: u16,
}

/// `+CPMS?` and the answer to `+CPMS=`: one to three stores, in the order read, write, receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpms {
    /// The stores.
    pub stores: Vec<StoreFill>,
}

/// `+CPMS=?`: what may be set, for each of one to three places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpmsSupport {
    /// Names for read, write, receive.
    pub places: Vec<Vec<StoreName>>,
}

/// `+CNMI=?`: the values each field takes; an empty set means the field was not told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CnmiSupport {
    /// When unsolicited results are sent.
    pub mode: Vec<u8>,
    /// Received messages.
    pub mt: Vec<u8>,
    /// Cell broadcast.
    pub bm: Vec<u8>,
    /// Status reports.
    pub ds: Vec<u8>,
    /// Buffered results.
    pub bfr: Vec<u8>,
}

/// `+CMGS: <mr>[,...]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CmgsReply {
    /// The reference the modem gave to the message.
    pub mr: MessageRef,
}

/// `<stat>` of a stored message; TS 27.005 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageStat {
    /// 0: received, unread.
    ReceivedUnread,
    /// 1: received, read.
    ReceivedRead,
    /// 2: stored, unsent.
    StoredUnsent,
    /// 3: stored, sent.
    StoredSent,
    /// A number or word that says nothing.
    Other,
}

/// `+CMGR: <stat>,[<alpha>],<length>` in PDU mode; the PDU is the next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CmgrHeader {
    /// State of the message.
    pub stat: MessageStat,
    /// Octets of the TPDU as told; the PDU itself is the truth.
    pub length: Option<u16>,
}

/// `+CMGL: <index>,<stat>,[<alpha>],<length>` in PDU mode; the PDU is the next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CmglHeader {
    /// Slot, from 0 or 1.
    pub index: u16,
    /// State of the message.
    pub stat: MessageStat,
    /// Octets of the TPDU as told.
    pub length: Option<u16>,
}

/// `+COPS?`; TS 27.007 7.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cops {
    /// 0 automatic, 1 manual, 2 deregistered.
    pub mode: u8,
    /// Form of the name: 0 long, 1 short, 2 numeric.
    pub format: Option<u8>,
    /// The operator; none when not registered.
    pub operator: Option<String>,
    /// Access technology.
    pub act: Option<u8>,
}

/// `+CUSD`; TS 27.007 7.15.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UssdReply {
    /// 0 done, 1 the network waits for an answer, 2 ended by the network, 4 not supported, 5 timeout.
    pub m: u8,
    /// The text as it came: plain, packed 7-bit hex or UCS2 hex.
    pub text: Option<String>,
    /// Data coding scheme, often absent or wrong.
    pub dcs: Option<u8>,
}

impl PinState {
    /// Reads `+CPIN: ...`.
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        let words = (info.name == "+CPIN").then(|| info.text(0))??.trim();
        Some(match words.to_ascii_uppercase().as_str() {
            "READY" => Self::Ready,
            "SIM PIN" => Self::SimPin,
            "SIM PUK" => Self::SimPuk,
            "SIM PIN2" => Self::SimPin2,
            "SIM PUK2" => Self::SimPuk2,
            "NOT READY" | "SIM BUSY" | "BUSY" | "SIM NOT READY" => Self::NotReady,
            "NOT INSERTED" | "SIM NOT INSERTED" | "SIM REMOVED" | "NO SIM" => Self::Absent,
            other if other.starts_with("PH-") => Self::Locked(words.to_owned()),
            _ => Self::Other(words.to_owned()),
        })
    }
}

impl Csq {
    /// Reads `+CSQ: <rssi>,<ber>`.
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        let rssi = (info.name == "+CSQ").then(|| info.number(0))??;
        Some(Self { rssi, ber: info.number(1).unwrap_or(99), dbm: Dbm::from_csq(rssi) })
    }
}

impl Csca {
    /// Reads `+CSCA: <address>,<toa>`; an address in UCS2 hex (`002B0034...`) is decoded.
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        if info.name != "+CSCA" {
            return None;
        }
        let address = info.text(0).unwrap_or_default().trim();
        Some(Self {
            address: ucs2_digits(address).unwrap_or_else(|| address.to_owned()),
            toa: info.number(1),
        })
    }
}

/// A number in UCS2 hex; what reads as anything but ASCII is a number that happens to be hex.
pub(super) fn ucs2_digits(hex: &str) -> Option<String> {
    super::hex::ucs2(hex).filter(|text| text.bytes().all(|b| b.is_ascii_graphic()))
}

impl Cpms {
    /// Reads `+CPMS: "SM",3,20,...` and `+CPMS: 3,20,3,20`.
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        if info.name != "+CPMS" {
            return None;
        }
        let named = info.number::<u16>(0).is_none();
        let width = if named { 3 } else { 2 };
        let mut stores = Vec::new();
        for group in info.args.chunks_exact(width) {
            let (store, fill) = if named { group.split_first()? } else { (&Arg::Empty, group) };
            let [used, total] = fill else { return None };
            let store = store.text().and_then(StoreName::new);
            stores.push(StoreFill { store, used: used.number()?, total: total.number()? });
        }
        (!stores.is_empty()).then_some(Self { stores })
    }
}

impl CpmsSupport {
    /// Reads `+CPMS: ("SM","ME"),("SM"),("SM")`, also in double parentheses (Wavecom).
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        if info.name != "+CPMS" {
            return None;
        }
        let places = match info.args.as_slice() {
            [Arg::List(inner)] if inner.iter().all(|arg| arg.list().is_some()) => inner,
            all => all,
        };
        let names = |place: &Arg<'_>| {
            let single = std::slice::from_ref(place);
            place.list().unwrap_or(single).iter().filter_map(|arg| StoreName::new(arg.text()?)).collect()
        };
        Some(Self { places: places.iter().map(names).collect() })
    }
}

impl CnmiSupport {
    /// Reads `+CNMI: (0-2),(0,1),...`.
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        if info.name != "+CNMI" {
            return None;
        }
        let field = |at: usize| {
            let members = info.args.get(at).map(Arg::members).unwrap_or_default();
            members.into_iter().filter_map(|value| u8::try_from(value).ok()).collect()
        };
        Some(Self { mode: field(0), mt: field(1), bm: field(2), ds: field(3), bfr: field(4) })
    }
}

impl CmgsReply {
    /// Reads `+CMGS: <mr>[,<ackpdu>]`.
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        let mr = (info.name == "+CMGS").then(|| info.number(0))??;
        Some(Self { mr: MessageRef(mr) })
    }
}

impl MessageStat {
    fn parse(arg: Option<&Arg<'_>>) -> Self {
        match arg.and_then(Arg::text).map(str::trim) {
            Some("0" | "REC UNREAD") => Self::ReceivedUnread,
            Some("1" | "REC READ") => Self::ReceivedRead,
            Some("2" | "STO UNSENT") => Self::StoredUnsent,
            Some("3" | "STO SENT") => Self::StoredSent,
            _ => Self::Other,
        }
    }
}

impl CmgrHeader {
    /// Reads `+CMGR: ...`.
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        (info.name == "+CMGR").then(|| Self {
            stat: MessageStat::parse(info.args.first()),
            length: info.args.last().and_then(Arg::number),
        })
    }
}

impl CmglHeader {
    /// Reads `+CMGL: ...`.
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        let index = (info.name == "+CMGL").then(|| info.number(0))??;
        let length = info.args.get(2..).and_then(<[Arg<'_>]>::last).and_then(Arg::number);
        Some(Self { index, stat: MessageStat::parse(info.args.get(1)), length })
    }
}

impl Cops {
    /// Reads `+COPS: <mode>[,<format>,<operator>[,<act>]]`.
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        let mode = (info.name == "+COPS").then(|| info.number(0))??;
        Some(Self {
            mode,
            format: info.number(1),
            operator: info.text(2).filter(|name| !name.is_empty()).map(operator_name),
            act: info.number(3),
        })
    }
}

/// The operator's name, which is in UCS2 hex where the character set is UCS2; TS 27.007 7.3.
fn operator_name(text: &str) -> String {
    /// Two characters; the shortest name of a network.
    const HEX_MIN: usize = 8;
    let hex = Some(text).filter(|text| text.len() >= HEX_MIN).and_then(super::hex::ucs2);
    hex.filter(|name| super::hex::is_one_alphabet(name)).unwrap_or_else(|| text.to_owned())
}

impl UssdReply {
    /// Whether the text opened by this line has no closing quote yet: operators put line breaks into it, so more lines belong to it.
    #[must_use]
    pub fn is_unfinished(line: &str) -> bool {
        line.starts_with("+CUSD") && line.bytes().filter(|&b| b == b'"').count() % 2 == 1
    }

    /// Reads `+CUSD: <m>[,"<text>",<dcs>]`. The text may hold commas and quotes of its own, so it runs to the last quote.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.trim().strip_prefix("+CUSD")?.trim_start().strip_prefix(':')?.trim();
        let (m, rest) = rest.split_once(',').map_or((rest, None), |(m, rest)| (m, Some(rest.trim())));
        let m = m.trim().parse().ok()?;
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
            return Some(Self { m, text: None, dcs: None });
        };
        let (body, quoted) = rest.strip_prefix('"').map_or((rest, false), |body| (body, true));
        // Only what reads as `,<dcs>` ends the text; all else belongs to it.
        let end = if quoted { body.rsplit_once('"') } else { body.rsplit_once(',') };
        let (text, dcs) = match end.map(|(text, tail)| (text, tail.trim_start_matches([',', ' ']).trim())) {
            Some((text, "")) if quoted => (text, None),
            // A number that is no octet ends the text as well, and says nothing.
            Some((text, tail)) if tail.bytes().all(|b| b.is_ascii_digit()) => (text, tail.parse().ok()),
            _ => (body, None),
        };
        Some(Self { m, text: Some(text.to_owned()), dcs })
    }
}

/// The text of an identity line (`+CGMI`, `+CGMM`, `+CGMR`, `+CIMI`): what follows the prefix if it has it, without quotes and blanks.
#[must_use]
pub fn identity<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    let line = line.trim();
    let text = line.strip_prefix(prefix).map_or(line, |rest| rest.trim_start().trim_start_matches(':'));
    let text = text.trim().trim_matches('"').trim();
    (!text.is_empty()).then_some(text)
}

/// IMEI from an answer to `+CGSN`: the first run of digits long enough, behind whatever prefix (`IMEI: `, `+CGSN: "`).
#[must_use]
pub fn imei(line: &str) -> Option<Imei> {
    line.split(|c: char| !c.is_ascii_alphanumeric()).find_map(Imei::parse)
}

/// ICCID from an answer to any [`super::command::CcidForm`].
#[must_use]
pub fn iccid(line: &str) -> Option<Iccid> {
    line.split(|c: char| !c.is_ascii_alphanumeric()).find_map(Iccid::parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn info(line: &str) -> Info<'_> {
        Info::parse(line).unwrap()
    }

    #[test]
    fn the_card_says_what_it_waits_for() {
        let pin = |line: &str| PinState::parse(&info(line)).unwrap();
        assert_eq!(pin("+CPIN: READY"), PinState::Ready);
        assert_eq!(pin("+CPIN:SIM PIN"), PinState::SimPin);
        assert_eq!(pin("+CPIN: \"SIM PUK\""), PinState::SimPuk);
        assert_eq!(pin("+CPIN: NOT READY"), PinState::NotReady);
        assert_eq!(pin("+CPIN: NOT INSERTED"), PinState::Absent);
        assert_eq!(pin("+CPIN: PH-NET PIN"), PinState::Locked("PH-NET PIN".to_owned()));
        assert_eq!(PinState::parse(&info("+CPIN: ")), None);
    }

    #[test]
    fn stores_come_with_and_without_names() {
        let cpms = Cpms::parse(&info("+CPMS: 0,23,0,23,0,50")).unwrap();
        assert_eq!(cpms.stores.len(), 3);
        assert_eq!(cpms.stores[2], StoreFill { store: None, used: 0, total: 50 });
        let cpms = Cpms::parse(&info("+CPMS: \"SM\",3,20,\"ME\",4,40")).unwrap();
        assert_eq!(cpms.stores[1], StoreFill { store: Some(StoreName::me()), used: 4, total: 40 });
        assert_eq!(Cpms::parse(&info("+CPMS: ,,,,,,,,")), None);
        let support = CpmsSupport::parse(&info("+CPMS: ((\"SM\",\"BM\",\"SR\"),(\"SM\"))")).unwrap();
        assert_eq!(support.places.len(), 2);
        assert_eq!(support.places[1], vec![StoreName::sm()]);
    }

    #[test]
    fn what_may_be_announced_is_a_set_for_each_field() {
        let support = CnmiSupport::parse(&info("+CNMI: (0-2),(0,1),(0,2),(0,2)")).unwrap();
        assert_eq!(support.mode, vec![0, 1, 2]);
        assert_eq!(support.ds, vec![0, 2]);
        assert_eq!(support.bfr, Vec::<u8>::new());
    }

    #[test]
    fn headers_of_stored_messages() {
        let header = CmgrHeader::parse(&info("+CMGR: 0,,29")).unwrap();
        assert_eq!(header, CmgrHeader { stat: MessageStat::ReceivedUnread, length: Some(29) });
        let header = CmglHeader::parse(&info("+CMGL: 0,1,\"\",159")).unwrap();
        assert_eq!(header, CmglHeader { index: 0, stat: MessageStat::ReceivedRead, length: Some(159) });
        assert_eq!(CmglHeader::parse(&info("+CMGL: (0-4)")), None);
    }

    #[test]
    fn a_reference_is_read_whatever_follows_it() {
        for line in ["+CMGS: 42", "+CMGS:42", "+CMGS: 42,\"24/01/01,00:00:00+04\"", "+CMGS: 042"] {
            assert_eq!(CmgsReply::parse(&info(line)), Some(CmgsReply { mr: MessageRef(42) }), "{line}");
        }
        assert_eq!(CmgsReply::parse(&info("+CMGS: 256")), None);
    }

    #[test]
    fn a_service_centre_may_be_in_ucs2_or_empty() {
        let csca = |line: &str| Csca::parse(&info(line)).unwrap().address;
        assert_eq!(csca("+CSCA: \"+491710760000\",145"), "+491710760000");
        assert_eq!(csca("+CSCA: 002B003300380030003600330039003000310030003000300030,145"), "+380639010000");
        assert_eq!(csca("+CSCA: 6281100000,145"), "6281100000");
        assert_eq!(csca("+CSCA: \"\",129"), "");
    }

    #[test]
    fn ussd_texts_keep_their_commas_and_quotes() {
        let ussd = |line: &str| UssdReply::parse(line).unwrap();
        assert_eq!(ussd("+CUSD: 2"), UssdReply { m: 2, text: None, dcs: None });
        let got = ussd("+CUSD: 0,\"call \"*100#\", please\",15");
        assert_eq!(got, UssdReply { m: 0, text: Some("call \"*100#\", please".to_owned()), dcs: Some(15) });
        assert_eq!(ussd("+CUSD: 0,\"no end").text.as_deref(), Some("no end"));
        assert_eq!(ussd("+CUSD: 0, 49B4").text.as_deref(), Some("49B4"));
        assert_eq!(ussd("+CUSD: 0,hello, world").text.as_deref(), Some("hello, world"));
        assert_eq!(ussd("+CUSD: 0,\"call \"x").text.as_deref(), Some("call \"x"));
        let broken = ussd("+CUSD: 0,\"Hello\",300");
        assert_eq!((broken.text.as_deref(), broken.dcs), (Some("Hello"), None));
        assert!(UssdReply::is_unfinished("+CUSD: 2,\"first line"));
        assert!(!UssdReply::is_unfinished("+CUSD: 2,\"all\",15"));
    }

    #[test]
    fn identities_with_and_without_prefix() {
        assert_eq!(imei("490154203237518").unwrap().as_str(), "490154203237518");
        assert_eq!(imei("+CGSN: \"490154203237518\"").unwrap().as_str(), "490154203237518");
        assert_eq!(iccid("^ICCID: 89490200001005155450F").unwrap().as_str(), "89490200001005155450");
        assert_eq!(iccid("+CCID: \"8949020000100515545\"").unwrap().as_str(), "8949020000100515545");
        assert_eq!(identity("+CGMI: \"huawei\"", "+CGMI"), Some("huawei"));
        assert_eq!(identity(" MULTIBAND  900E  1800 ", "+CGMM"), Some("MULTIBAND  900E  1800"));
        assert_eq!(identity("+CGMM:", "+CGMM"), None);
        let cops = Cops::parse(&info("+COPS: 0,0,\"Telekom.de\",7")).unwrap();
        assert_eq!(cops.operator.as_deref(), Some("Telekom.de"));
        assert_eq!(Cops::parse(&info("+COPS: 0")).unwrap().operator, None);
        let name = |line: &str| Cops::parse(&info(line)).unwrap().operator;
        assert_eq!(name("+COPS: 0,0,\"0076006F00640061002000450053\",7").as_deref(), Some("voda ES"));
        assert_eq!(name("+COPS: 0,2,\"26201\",7").as_deref(), Some("26201"));
        assert_eq!(name("+COPS: 0,0,\"FACE\"").as_deref(), Some("FACE"));
    }

    proptest! {
        #[test]
        fn never_panics(name in "(CPIN|CSQ|CSCA|CPMS|CNMI|CMGS|CMGR|CMGL|COPS|CUSD)", args in "[0-9A-F,\"() -]{0,60}") {
            let line = format!("+{name}: {args}");
            let info = info(&line);
            let _ = (PinState::parse(&info), Csq::parse(&info), Csca::parse(&info), Cpms::parse(&info));
            let _ = (CpmsSupport::parse(&info), CnmiSupport::parse(&info), CmgsReply::parse(&info), Cops::parse(&info));
            let _ = (CmgrHeader::parse(&info), CmglHeader::parse(&info), UssdReply::parse(&line), UssdReply::is_unfinished(&line));
        }

        #[test]
        fn identities_never_panic(line in ".*") {
            let _ = (imei(&line), iccid(&line), identity(&line, "+CGMI"), UssdReply::parse(&format!("+CUSD{line}")));
        }
    }
}
