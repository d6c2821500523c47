//! What the fields of a PDU say, in the words of TS 23.040 and TS 23.038; data for [`super::dump`]. What a value *means* is
//! asked of its type ([`Dcs`], [`Header`], [`Validity`]); here it only gets its words.

use super::Bits;
use crate::pdu::dcs::WaitingKind;
use crate::pdu::udh::Element;
use crate::pdu::{Alphabet, Dcs, Header, Kind, Payload, Status, Validity};

pub(super) const SERVICE_CENTRE: &str = "24.011 8.2.5.1";
pub(super) const ADDRESS: &str = "23.040 9.1.2.5";
pub(super) const SCTS: &str = "23.040 9.2.3.11";
pub(super) const PI: &str = "23.040 9.2.3.27";
pub(super) const HEADER: &str = "23.040 9.2.3.24";
const CODING: &str = "23.038 4";

/// TP-UDHI has the same place in every TPDU that has one.
pub(super) fn has_header(first: u8) -> bool {
    first & 0x40 != 0
}

/// A TPDU's name and where its layout is.
pub(super) fn kind(kind: Option<Kind>) -> (&'static str, &'static str) {
    match kind {
        Some(Kind::Deliver) => ("SMS-DELIVER, service centre to mobile", "23.040 9.2.2.1"),
        Some(Kind::Submit) => ("SMS-SUBMIT, mobile to service centre", "23.040 9.2.2.2"),
        Some(Kind::StatusReport) => ("SMS-STATUS-REPORT, service centre to mobile", "23.040 9.2.2.3"),
        None => ("no TPDU that is known", "23.040 9.2.3.1"),
    }
}

/// A bit with the words for 0 and for 1.
struct Flag(u8, &'static str, &'static str, [&'static str; 2]);

impl Flag {
    fn read(&self, octet: u8) -> Bits {
        let &Self(mask, name, clause, [clear, set]) = self;
        Bits { mask, name, clause, meaning: if octet & mask == 0 { clear } else { set } }
    }
}

const MORE: Flag = Flag(
    0x04,
    "TP-MMS",
    "23.040 9.2.3.2",
    ["more messages wait at the service centre", "no more messages wait at the service centre"],
);
const REJECT_DUPLICATES: Flag = Flag(
    0x04,
    "TP-RD",
    "23.040 9.2.3.25",
    ["the service centre accepts duplicates", "the service centre rejects a duplicate"],
);
const LOOP_PREVENTION: Flag = Flag(
    0x08,
    "TP-LP",
    "23.040 9.2.3.28",
    ["not forwarded or not known", "forwarded or spawned: no automatic answer"],
);
const INDICATION: Flag = Flag(
    0x20,
    "TP-SRI",
    "23.040 9.2.3.4",
    ["the sender gets no status report", "the sender gets a status report"],
);
const REQUEST: Flag =
    Flag(0x20, "TP-SRR", "23.040 9.2.3.5", ["no status report is asked for", "a status report is asked for"]);
const QUALIFIER: Flag = Flag(
    0x20,
    "TP-SRQ",
    "23.040 9.2.3.26",
    ["the report is about an SMS-SUBMIT", "the report is about an SMS-COMMAND"],
);
const HAS_HEADER: Flag =
    Flag(0x40, "TP-UDHI", "23.040 9.2.3.23", ["TP-UD is only the message", "TP-UD begins with a header"]);
const REPLY_PATH: Flag = Flag(0x80, "TP-RP", "23.040 9.2.3.17", ["no reply path", "a reply path is set"]);

/// The first octet of a TPDU, bit by bit, from the lowest up.
pub(super) fn first_octet(kind: Option<Kind>, first: u8) -> Vec<Bits> {
    let flags: &[Flag] = match kind {
        Some(Kind::Deliver) => &[MORE, LOOP_PREVENTION, INDICATION, HAS_HEADER, REPLY_PATH],
        Some(Kind::Submit) => &[REJECT_DUPLICATES, REQUEST, HAS_HEADER, REPLY_PATH],
        Some(Kind::StatusReport) => &[MORE, LOOP_PREVENTION, QUALIFIER, HAS_HEADER],
        None => &[],
    };
    let mti = Bits { mask: 0x03, name: "TP-MTI", clause: "23.040 9.2.3.1", meaning: type_name(kind) };
    let mut bits: Vec<Bits> = std::iter::once(mti).chain(flags.iter().map(|flag| flag.read(first))).collect();
    if kind == Some(Kind::Submit) {
        let meaning = match first >> 3 & 0b11 {
            0 => "no TP-VP",
            1 => "TP-VP is enhanced",
            2 => "TP-VP is relative",
            _ => "TP-VP is absolute",
        };
        bits.insert(2, Bits { mask: 0x18, name: "TP-VPF", clause: "23.040 9.2.3.3", meaning });
    }
    bits
}

fn type_name(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Deliver) => "SMS-DELIVER",
        Some(Kind::Submit) => "SMS-SUBMIT",
        Some(Kind::StatusReport) => "SMS-STATUS-REPORT",
        None => "reserved",
    }
}

/// TP-PI, bit by bit.
pub(super) fn indicator(pi: u8) -> Vec<Bits> {
    const BITS: [Flag; 4] = [
        Flag(0x01, "TP-PID", PI, ["absent", "present"]),
        Flag(0x02, "TP-DCS", PI, ["absent", "present"]),
        Flag(0x04, "TP-UDL", PI, ["absent", "present"]),
        Flag(0x80, "extension", PI, ["no further octet of TP-PI", "another octet of TP-PI follows"]),
    ];
    BITS.iter().map(|flag| flag.read(pi)).collect()
}

pub(super) fn service_centre(len: u8) -> String {
    match len {
        0 => "no address: the service centre that is stored on the SIM".to_owned(),
        len => format!("{len} octets of service centre address follow"),
    }
}

/// A type-of-address octet in a few words.
pub(super) fn type_of_address(toa: u8) -> String {
    format!("{}, {}", type_of_number(toa), numbering_plan(toa))
}

pub(super) fn type_of_address_bits(toa: u8) -> Vec<Bits> {
    const EXTENSION: Flag = Flag(
        0x80,
        "extension",
        ADDRESS,
        ["another octet follows, which the standard forbids", "none follows"],
    );
    vec![
        Bits { mask: 0x0f, name: "numbering plan", clause: ADDRESS, meaning: numbering_plan(toa) },
        Bits { mask: 0x70, name: "type of number", clause: ADDRESS, meaning: type_of_number(toa) },
        EXTENSION.read(toa),
    ]
}

fn type_of_number(toa: u8) -> &'static str {
    match toa >> 4 & 0b111 {
        0 => "unknown type",
        1 => "international",
        2 => "national",
        3 => "network specific",
        4 => "subscriber number",
        5 => "alphanumeric, GSM 7 bit",
        6 => "abbreviated",
        _ => "reserved type",
    }
}

fn numbering_plan(toa: u8) -> &'static str {
    match toa & 0x0f {
        0 => "unknown plan",
        1 => "ISDN/telephone plan (E.164)",
        3 => "data plan (X.121)",
        4 => "telex plan",
        5 | 6 => "service centre specific plan",
        8 => "national plan",
        9 => "private plan",
        10 => "ERMES plan",
        _ => "reserved plan",
    }
}

/// TP-PID.
pub(super) fn protocol(pid: u8) -> String {
    let telematic = |code: u8| match code {
        0x00 => "implicit device",
        0x01 => "telex",
        0x02 => "group 3 telefax",
        0x03 => "group 4 telefax",
        0x04 => "voice telephone",
        0x05 => "ERMES paging",
        0x06 => "national paging system",
        0x07 => "Videotex",
        0x08..=0x0b => "teletex",
        0x0d => "UCI",
        0x10 => "message handling facility",
        0x11 => "X.400 message handling system",
        0x12 => "Internet electronic mail",
        0x18..=0x1e => "as the service centre defines it",
        0x1f => "a mobile station",
        _ => "reserved",
    };
    match pid {
        0x00 => "plain message between short message entities".to_owned(),
        0x01..=0x1f => format!("plain message, protocol {} between the entities", pid & 0x1f),
        0x20..=0x3f => format!("telematic interworking: {}", telematic(pid & 0x1f)),
        0x40 => "short message type 0: acknowledged and dropped, never shown".to_owned(),
        0x41..=0x47 => format!("replaces the message of type {} from this sender", pid & 0x07),
        0x48 => "device triggering".to_owned(),
        0x5e => "enhanced message service (obsolete)".to_owned(),
        0x5f => "return call message".to_owned(),
        0x7c => "ANSI-136 R-DATA".to_owned(),
        0x7d => "data download to the mobile equipment".to_owned(),
        0x7e => "de-personalisation of the mobile equipment".to_owned(),
        0x7f => "data download to the SIM".to_owned(),
        0xc0..=0xff => "as the service centre defines it".to_owned(),
        _ => "reserved".to_owned(),
    }
}

/// TP-DCS in a few words.
pub(super) fn coding(dcs: Dcs) -> String {
    let mut words = alphabet(dcs).to_owned();
    if dcs.compressed() {
        words.push_str(", compressed");
    }
    if dcs.class().is_some() {
        words.push_str(", ");
        words.push_str(class(dcs));
    }
    if let Some(waiting) = dcs.waiting() {
        let active = if waiting.active { "waits" } else { "waits no more" };
        words.push_str(&format!(", {} {active}", waiting_for(waiting.what)));
    }
    words
}

fn alphabet(dcs: Dcs) -> &'static str {
    match dcs.alphabet() {
        Alphabet::Gsm7 => "GSM 7 bit alphabet",
        Alphabet::Octets => "8 bit data",
        Alphabet::Ucs2 => "UCS-2",
        Alphabet::Reserved => "reserved, read as GSM 7 bit",
    }
}

fn class(dcs: Dcs) -> &'static str {
    match dcs.class() {
        None => "without meaning, as there is no class",
        Some(0) => "class 0: shown at once (flash)",
        Some(1) => "class 1: for the mobile equipment",
        Some(2) => "class 2: for the SIM",
        Some(_) => "class 3: for the terminal equipment",
    }
}

fn waiting_for(what: WaitingKind) -> &'static str {
    match what {
        WaitingKind::Voicemail => "voicemail",
        WaitingKind::Fax => "a fax",
        WaitingKind::Email => "electronic mail",
        WaitingKind::Other => "something else",
    }
}

/// TP-DCS, bit by bit; which bits mean what depends on the four highest.
pub(super) fn coding_bits(dcs: Dcs) -> Vec<Bits> {
    const COMPRESSED: Flag = Flag(0x20, "compression", CODING, ["not compressed", "compressed (TS 23.042)"]);
    const HAS_CLASS: Flag =
        Flag(0x10, "class meaning", CODING, ["there is no class", "bits 1 and 0 are the class"]);
    const ACTIVE: Flag = Flag(0x08, "indication", CODING, ["cleared", "set"]);
    const RESERVED: Flag = Flag(0x08, "reserved", CODING, ["zero, as it should be", "should be zero"]);
    let bits = |mask, name, meaning| Bits { mask, name, clause: CODING, meaning };
    let group = |meaning| bits(0xf0, "coding group", meaning);
    let class = bits(0x03, "class", class(dcs));
    if let Some(waiting) = dcs.waiting() {
        let store = if waiting.store {
            "message waiting, keep the text"
        } else {
            "message waiting, the text may be dropped"
        };
        return vec![bits(0x03, "what", waiting_for(waiting.what)), ACTIVE.read(dcs.0), group(store)];
    }
    match dcs.0 >> 4 {
        0b0000..=0b0111 => {
            let group = if dcs.automatic_deletion() { "general, deleted once read" } else { "general" };
            vec![
                class,
                bits(0x0c, "alphabet", alphabet(dcs)),
                HAS_CLASS.read(dcs.0),
                COMPRESSED.read(dcs.0),
                bits(0xc0, "coding group", group),
            ]
        }
        0b1111 => {
            vec![
                class,
                bits(0x04, "alphabet", alphabet(dcs)),
                RESERVED.read(dcs.0),
                group("alphabet and class"),
            ]
        }
        _ => vec![group("reserved")],
    }
}

/// TP-VP: its clause and its words.
pub(super) fn validity(validity: &Validity) -> (&'static str, String) {
    let period = |validity: &Validity| validity.period().map(|period| seconds(period.as_secs()));
    match validity {
        Validity::Relative(_) => {
            ("23.040 9.2.3.12.1", format!("relative: {}", period(validity).unwrap_or_default()))
        }
        Validity::Absolute(stamp) => {
            let until = stamp.iso().unwrap_or_else(|| "no valid time".to_owned());
            ("23.040 9.2.3.12.2", format!("absolute: until {until}"))
        }
        Validity::Enhanced(_) => {
            let words = period(validity).unwrap_or_else(|| "no period that is known".to_owned());
            ("23.040 9.2.3.12.3", format!("enhanced: {words}"))
        }
    }
}

/// A period in its two largest units.
fn seconds(all: u64) -> String {
    let (days, hours, minutes, rest) = (all / 86_400, all / 3_600 % 24, all / 60 % 60, all % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    if said.is_empty() { "0 s".to_owned() } else { said.join(" ") }
}

/// TP-ST.
pub(super) fn status(status: Status) -> String {
    let trouble = |code: u8| match code & 0x1f {
        0 => "congestion",
        1 => "the recipient is busy",
        2 => "no response from the recipient",
        3 => "service rejected",
        4 => "quality of service not available",
        5 => "error in the recipient",
        6..=15 => "reserved cause",
        _ => "a cause of this service centre's own",
    };
    match status.0 {
        0x00 => "delivered".to_owned(),
        0x01 => "forwarded; the service centre cannot confirm delivery".to_owned(),
        0x02 => "delivered: replaced by the service centre".to_owned(),
        0x03..=0x0f => "delivered (reserved value)".to_owned(),
        0x10..=0x1f => "delivered (a value of this service centre's own)".to_owned(),
        st @ 0x20..=0x3f => format!("still trying: {}", trouble(st)),
        st @ 0x40..=0x5f => format!("failed for good: {}", permanent(st)),
        st @ 0x60..=0x7f => format!("given up after a temporary error: {}", trouble(st)),
        0x80..=0xff => "reserved; counts as failed".to_owned(),
    }
}

fn permanent(code: u8) -> &'static str {
    match code {
        0x40 => "remote procedure error",
        0x41 => "incompatible destination",
        0x42 => "rejected by the recipient",
        0x43 => "not obtainable",
        0x44 => "quality of service not available",
        0x45 => "no interworking available",
        0x46 => "the validity period expired",
        0x47 => "deleted by the sender",
        0x48 => "deleted by the service centre",
        0x49 => "the message does not exist",
        0x4a..=0x4f => "reserved cause",
        _ => "a cause of this service centre's own",
    }
}

pub(super) fn user_data_length(udl: u8, septets: bool) -> String {
    let unit = if septets { "septets" } else { "octets" };
    format!("{udl} {unit} of user data, a header included")
}

/// How the text or the data stands in TP-UD.
pub(super) fn payload(dcs: Dcs, payload: &Payload, fill: u8) -> String {
    let units = payload.len();
    match payload {
        Payload::Septets(_) if fill > 0 => {
            format!("{units} septets of text, fill bits: {fill}")
        }
        Payload::Septets(_) => format!("{units} septets of text"),
        Payload::Octets(_) if dcs.compressed() => format!("{units} octets, compressed (TS 23.042)"),
        Payload::Octets(_) if dcs.alphabet() == Alphabet::Ucs2 => {
            format!("{} UTF-16 units of text", units / 2)
        }
        Payload::Octets(_) => format!("{units} octets of data"),
    }
}

/// An information element: its clause and its words. The value is read by a header that has only this element.
pub(super) fn element(element: &Element) -> (&'static str, String) {
    let data = element.data.expose();
    let len = u8::try_from(data.len()).unwrap_or(u8::MAX);
    let alone = Header::parse(&[&[element.iei, len], data].concat());
    if let Some(concat) = alone.concatenation() {
        let (clause, width) = if concat.wide { ("23.040 9.2.3.24.8", 16) } else { ("23.040 9.2.3.24.1", 8) };
        let words =
            format!("part {} of {}, {width} bit reference {}", concat.seq, concat.total, concat.reference);
        return (clause, words);
    }
    if let Some(ports) = alone.ports() {
        let clause = if ports.wide { "23.040 9.2.3.24.4" } else { "23.040 9.2.3.24.3" };
        return (clause, format!("from port {} to port {}", ports.source, ports.destination));
    }
    match (element.iei, data) {
        (0x24, &[language]) => {
            let words = format!("national single shift table {language}, {}", language_name(language));
            ("23.040 9.2.3.24.15", words)
        }
        (0x25, &[language]) => {
            let words = format!("national locking shift table {language}, {}", language_name(language));
            ("23.040 9.2.3.24.16", words)
        }
        (0x01, &[what, count]) => {
            let kept = if what & 0x80 == 0 { "may be dropped" } else { "is kept" };
            let words =
                format!("special message indication {:#04x}: {count} wait, this text {kept}", what & 0x7f);
            ("23.040 9.2.3.24.2", words)
        }
        (iei, data) => {
            let (clause, name) = element_name(iei);
            (clause, format!("element {iei:02X}, {name}: {} octets", data.len()))
        }
    }
}

fn element_name(iei: u8) -> (&'static str, &'static str) {
    match iei {
        0x00 | 0x08 => (HEADER, "concatenation that makes no sense"),
        0x01 => ("23.040 9.2.3.24.2", "special message indication"),
        0x04 | 0x05 => (HEADER, "ports that make no sense"),
        0x06 => ("23.040 9.2.3.24.5", "service centre control parameters"),
        0x07 => ("23.040 9.2.3.24.6", "source of the following elements"),
        0x09 => ("23.040 9.2.3.24.9", "wireless control message protocol"),
        0x0a..=0x1a => ("23.040 9.2.3.24.10", "enhanced messaging (formatting, pictures, sounds)"),
        0x20 => ("23.040 9.2.3.24.11", "mail header"),
        0x21 => ("23.040 9.2.3.24.12", "hyperlink"),
        0x22 => ("23.040 9.2.3.24.13", "reply address"),
        0x23 => ("23.040 9.2.3.24.14", "voice mail notification"),
        0x24 => ("23.040 9.2.3.24.15", "national single shift that makes no sense"),
        0x25 => ("23.040 9.2.3.24.16", "national locking shift that makes no sense"),
        0x70..=0x7f => (HEADER, "SIM toolkit security"),
        0x80..=0x9f => (HEADER, "between short message entities"),
        0xc0..=0xdf => (HEADER, "specific to the service centre"),
        _ => (HEADER, "reserved"),
    }
}

/// The language of a national table; TS 23.038 6.2.1.2.4.
fn language_name(language: u8) -> &'static str {
    const NAMES: [&str; 14] = [
        "default",
        "Turkish",
        "Spanish",
        "Portuguese",
        "Bengali",
        "Gujarati",
        "Hindi",
        "Kannada",
        "Malayalam",
        "Oriya",
        "Punjabi",
        "Tamil",
        "Telugu",
        "Urdu",
    ];
    NAMES.get(usize::from(language)).copied().unwrap_or("reserved")
}
