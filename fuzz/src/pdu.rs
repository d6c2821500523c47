//! Target `pdu`: the codecs of TS 23.040 and TS 23.038. The first octet says which; what follows is theirs.

use serde_json::Value;
use smsotpd::number::Number;
use smsotpd::pdu::gsm7::{self, Tables};
use smsotpd::pdu::{self, Decoded, Flaws, Indicator, Kind, Pdu, SubmitOptions, UserData};

use super::feed::Feed;

/// A character of JSON takes six octets at most (`\u0000`), an information element without data some 24 for its two.
const FACTS_PER_OCTET: usize = 16;
/// Names and values of a PDU without user data.
const FACTS_ALONE: usize = 1024;
/// An octet of flags has a row for each bit group, an octet of user data at most one.
const ROWS_PER_OCTET: usize = 12;
/// Rows of what is not there.
const ROWS_ALONE: usize = 16;
/// TP-UD in octets, at most; TS 23.040 9.2.3.24.
const USER_DATA_MAX: usize = 140;

/// One input.
pub fn run(data: &[u8]) {
    let mut feed = Feed::new(data);
    match feed.octet() % 4 {
        0 | 1 => octets(feed.rest()),
        2 => septets(feed),
        _ => text(feed),
    }
}

/// What octets are asked to be.
const KINDS: [Option<Kind>; 7] = [
    None,
    Some(Kind::Deliver),
    Some(Kind::DeliverReport),
    Some(Kind::Submit),
    Some(Kind::SubmitReport),
    Some(Kind::StatusReport),
    Some(Kind::Command),
];

/// Any octets as any PDU.
fn octets(octets: &[u8]) {
    for kind in KINDS {
        for smsc in [false, true] {
            let decoded = pdu::decode(octets, smsc, kind);
            let facts = pdu::facts::facts(&decoded, smsc);
            let size = facts.to_string().len();
            assert!(size <= FACTS_ALONE + FACTS_PER_OCTET * octets.len(), "{size} octets of facts");
            let rows = pdu::dump::dump(octets, smsc, kind).rows;
            assert!(rows.len() <= ROWS_ALONE + ROWS_PER_OCTET * octets.len(), "{} rows", rows.len());
            match decoded {
                Ok(decoded) => again(&decoded, octets.len()),
                Err(error) => {
                    assert_eq!(facts.get("error"), Some(&Value::Bool(true)));
                    assert!(error.fault.offset <= octets.len(), "a fault lies within the octets");
                }
            }
        }
    }
}

/// What was read is written and read again to the same, but for the liberties that were tolerated.
fn again(decoded: &Decoded, size: usize) {
    assert!(decoded.tpdu_len <= size);
    // More than a TPDU holds is read as it came, and refused when it is to be written.
    let Ok(written) = decoded.pdu.encode() else { return };
    let read = Pdu::decode(&written, Some(kind(&decoded.pdu))).expect("what is written can be read");
    assert_eq!(read.encode().as_ref(), Ok(&written), "one form is written");
    assert_eq!(strict(read), strict(decoded.pdu.clone()));
}

fn kind(pdu: &Pdu) -> Kind {
    match pdu {
        Pdu::Deliver(_) => Kind::Deliver,
        Pdu::DeliverReport(_) => Kind::DeliverReport,
        Pdu::Submit(_) => Kind::Submit,
        Pdu::SubmitReport(_) => Kind::SubmitReport,
        Pdu::StatusReport(_) => Kind::StatusReport,
        Pdu::Command(_) => Kind::Command,
    }
}

/// Without flaws, and with the parameter indicator that says what is there.
fn strict(mut pdu: Pdu) -> Pdu {
    let options = match &mut pdu {
        Pdu::Deliver(deliver) => {
            deliver.flaws = Flaws::default();
            None
        }
        Pdu::Submit(submit) => {
            submit.flaws = Flaws::default();
            None
        }
        Pdu::Command(command) => {
            command.flaws = Flaws::default();
            None
        }
        Pdu::DeliverReport(report) => {
            report.flaws = Flaws::default();
            Some(&mut report.options)
        }
        Pdu::SubmitReport(report) => {
            report.flaws = Flaws::default();
            Some(&mut report.options)
        }
        Pdu::StatusReport(report) => {
            report.flaws = Flaws::default();
            report.options.as_mut()
        }
    };
    if let Some(options) = options {
        options.indicator = Indicator::default();
    }
    pdu
}

/// Septets packed and unpacked, and as text of any pair of tables.
fn septets(mut feed: Feed<'_>) {
    let fill = feed.octet() % 7;
    let tables = Tables { locking: feed.octet() % 16, single: feed.octet() % 16 };
    let raw = feed.rest();
    let septets: Vec<u8> = raw.iter().map(|octet| octet & 0x7f).collect();

    let packed = gsm7::pack(&septets, fill);
    assert_eq!(packed.len(), (septets.len() * 7 + usize::from(fill)).div_ceil(8));
    assert_eq!(gsm7::unpack(&packed, fill, septets.len()), septets);
    assert!(gsm7::unpack(raw, fill, usize::MAX).len() <= raw.len() * 8 / 7);

    let text = tables.decode(&septets);
    assert!(text.chars().count() <= septets.len(), "no septet makes two characters");
    if let Some(coded) = tables.encode(&text) {
        assert_eq!(tables.decode(&coded), text);
    }
    // USSD: seven spare bits hold a carriage return, which may be read as one septet more.
    let ussd = gsm7::unpack(&gsm7::pack_ussd(&septets), 0, usize::MAX);
    assert!(ussd.starts_with(&septets) && ussd.len() <= septets.len() + 1);
}

/// Any text in parts: they join to it, each fits a message, and each can be shown alone.
fn text(mut feed: Feed<'_>) {
    let wide = feed.octet().is_multiple_of(2);
    let raw = feed.rest();
    let text = if wide {
        let units =
            raw.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect()
    } else {
        String::from_utf8_lossy(raw).into_owned()
    };
    let Ok(plan) = pdu::plan(&text) else { return };
    let to = Number::parse("+491701234567", None).expect("a number");
    let submits = plan.submits(&to, &SubmitOptions { concat_ref: 7, ..SubmitOptions::default() });
    assert_eq!(submits.len(), usize::from(plan.segments()));
    let mut joined = String::new();
    for submit in submits {
        let shown = submit.user_data.text(submit.dcs).expect("a text");
        let shown = shown.expose_str().expect("UTF-8");
        assert_eq!(shown.contains('\u{fffd}'), text.contains('\u{fffd}') && shown.contains('\u{fffd}'));
        joined.push_str(shown);
        assert!(octets_of(&submit.user_data) <= USER_DATA_MAX);
        let written = submit.encode().expect("a planned part fits");
        assert_eq!(pdu::Submit::decode(&written), Ok(submit), "nothing was cut to fit");
    }
    assert_eq!(joined, text);
}

/// Octets of TP-UD.
fn octets_of(data: &UserData) -> usize {
    let header = data.header.as_ref().map_or(0, |header| header.octets().len());
    match &data.payload {
        // The header occupies whole septets.
        pdu::Payload::Septets(septets) => gsm7::packed_len((header * 8).div_ceil(7) + septets.len()),
        pdu::Payload::Octets(octets) => header + octets.len(),
    }
}
