//! A TPDU as JSON facts, for `smsotpctl pdu decode --jsonl` and the corpus tests. This is the one place of `pdu` that
//! shows user data: the caller asked for exactly that.

use data_encoding::HEXUPPER;
use serde_json::{Map, Value, json};

use super::dcs::WaitingKind;
use super::{
    Address, Alphabet, Dcs, Decoded, Deliver, Flaws, Payload, Pdu, PduError, StatusReport, Submit, Timestamp,
    TypeOfNumber, UserData, Validity, Verdict, time,
};

type Facts = Map<String, Value>;

/// The facts of a decoded PDU, or of the failure to decode it. `smsc` tells whether the octets began with a service centre
/// address, which then has its own facts.
#[must_use]
pub fn facts(decoded: &Result<Decoded, PduError>, smsc: bool) -> Value {
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return json!({"error": true, "reason": error.to_string()}),
    };
    let mut facts = match &decoded.pdu {
        Pdu::Deliver(deliver) => of_deliver(deliver),
        Pdu::Submit(submit) => of_submit(submit),
        Pdu::StatusReport(report) => of_report(report),
    };
    if smsc {
        put(&mut facts, "smsc_number", decoded.service_centre.as_ref().map(Address::text));
        put(&mut facts, "tpdu_len", decoded.tpdu_len);
    }
    Value::Object(facts)
}

fn of_deliver(deliver: &Deliver) -> Facts {
    let mut facts = Facts::new();
    put(&mut facts, "type", "deliver");
    put(&mut facts, "mms", deliver.more);
    put(&mut facts, "lp", deliver.loop_prevention);
    put(&mut facts, "sri", deliver.status_report);
    put(&mut facts, "udhi", deliver.user_data.header.is_some() || deliver.flaws.empty_udh);
    put(&mut facts, "rp", deliver.reply_path);
    put_address(&mut facts, "sender", &deliver.originator);
    put(&mut facts, "pid", deliver.pid);
    put(&mut facts, "dcs", deliver.dcs.0);
    put_time(&mut facts, "timestamp", &deliver.timestamp);
    put_user_data(&mut facts, deliver.dcs, &deliver.user_data);
    put_flaws(&mut facts, &deliver.flaws);
    facts
}

fn of_submit(submit: &Submit) -> Facts {
    let mut facts = Facts::new();
    put(&mut facts, "type", "submit");
    put(&mut facts, "rd", submit.reject_duplicates);
    put(&mut facts, "srr", submit.status_report);
    put(&mut facts, "udhi", submit.user_data.header.is_some() || submit.flaws.empty_udh);
    put(&mut facts, "rp", submit.reply_path);
    put(&mut facts, "mr", submit.reference.0);
    put_address(&mut facts, "recipient", &submit.destination);
    put(&mut facts, "pid", submit.pid);
    put(&mut facts, "dcs", submit.dcs.0);
    put(&mut facts, "validity", submit.validity.as_ref().map(of_validity));
    put_user_data(&mut facts, submit.dcs, &submit.user_data);
    put_flaws(&mut facts, &submit.flaws);
    facts
}

fn of_report(report: &StatusReport) -> Facts {
    let user_data = report.options.as_ref().and_then(|options| options.user_data.as_ref());
    let mut facts = Facts::new();
    put(&mut facts, "type", "status-report");
    put(&mut facts, "mms", report.more);
    put(&mut facts, "lp", report.loop_prevention);
    put(&mut facts, "srq", report.for_command);
    let flagged = report.flaws.empty_udh || report.flaws.header_without_data;
    put(&mut facts, "udhi", flagged || user_data.is_some_and(|data| data.header.is_some()));
    put(&mut facts, "mr", report.reference.0);
    put_address(&mut facts, "recipient", &report.recipient);
    put_time(&mut facts, "timestamp", &report.timestamp);
    put_time(&mut facts, "discharge", &report.discharge);
    put(&mut facts, "status", report.status.0);
    let outcome = match report.status.verdict() {
        Verdict::Delivered => "delivered",
        Verdict::Trying => "trying",
        Verdict::Failed => "failed",
        Verdict::FailedTemporary => "failed-temporary",
        Verdict::Reserved => "reserved",
    };
    put(&mut facts, "outcome", outcome);
    if let Some(options) = &report.options {
        put(&mut facts, "pi", options.indicator);
        put_some(&mut facts, "pid", options.pid);
        put_some(&mut facts, "dcs", options.dcs.map(|dcs| dcs.0));
        if let Some(user_data) = user_data {
            put_user_data(&mut facts, options.dcs.unwrap_or_default(), user_data);
        }
    }
    put_flaws(&mut facts, &report.flaws);
    facts
}

fn of_validity(validity: &Validity) -> Value {
    match validity {
        Validity::Relative(raw) => {
            json!({"format": "relative", "raw": raw, "minutes": time::relative_minutes(*raw)})
        }
        Validity::Absolute(stamp) => {
            json!({"format": "absolute", "raw": HEXUPPER.encode(&stamp.0), "time": stamp.iso()})
        }
        Validity::Enhanced(raw) => json!({"format": "enhanced", "raw": HEXUPPER.encode(raw)}),
    }
}

fn put_address(facts: &mut Facts, key: &str, address: &Address) {
    put(facts, key, address.text());
    let ton = match address.type_of_number() {
        TypeOfNumber::Unknown => "unknown",
        TypeOfNumber::International => "international",
        TypeOfNumber::National => "national",
        TypeOfNumber::NetworkSpecific => "network-specific",
        TypeOfNumber::Subscriber => "subscriber",
        TypeOfNumber::Alphanumeric => "alphanumeric",
        TypeOfNumber::Abbreviated => "abbreviated",
        TypeOfNumber::Reserved => "reserved",
    };
    put(facts, "ton", ton);
    put(facts, "toa", address.toa);
}

fn put_time(facts: &mut Facts, key: &str, stamp: &Timestamp) {
    let iso = stamp.iso();
    if iso.is_none() {
        put(facts, &format!("{key}_raw"), HEXUPPER.encode(&stamp.0));
    }
    put(facts, key, iso);
}

fn put_user_data(facts: &mut Facts, dcs: Dcs, data: &UserData) {
    let encoding = match dcs.alphabet() {
        Alphabet::Gsm7 => "gsm7",
        Alphabet::Octets => "8bit",
        Alphabet::Ucs2 => "ucs2",
        Alphabet::Reserved => "reserved",
    };
    put(facts, "encoding", encoding);
    put(facts, "class", dcs.class());
    if dcs.compressed() {
        put(facts, "compressed", true);
    }
    if let Some(waiting) = dcs.waiting() {
        let what = match waiting.what {
            WaitingKind::Voicemail => "voicemail",
            WaitingKind::Fax => "fax",
            WaitingKind::Email => "email",
            WaitingKind::Other => "other",
        };
        put(facts, "mwi", json!({"active": waiting.active, "type": what, "store": waiting.store}));
    }
    put_header(facts, data);
    match (data.text(dcs), &data.payload) {
        (Some(text), _) => put(facts, "text", text.expose_str()),
        (None, Payload::Septets(raw) | Payload::Octets(raw)) => {
            put(facts, "data", HEXUPPER.encode(raw.expose()));
        }
    }
    match &data.payload {
        Payload::Septets(septets) => put(facts, "septets", septets.len()),
        Payload::Octets(octets) if dcs.alphabet() == Alphabet::Ucs2 && octets.len() % 2 == 1 => {
            put(facts, "odd_ucs2", true);
        }
        Payload::Octets(_) => {}
    }
}

fn put_header(facts: &mut Facts, data: &UserData) {
    let Some(header) = &data.header else { return };
    put(facts, "udh", HEXUPPER.encode(&header.octets()));
    let elements = header.elements().iter();
    let elements = elements.map(|e| json!({"iei": e.iei, "data": HEXUPPER.encode(e.data.expose())}));
    put(facts, "ies", elements.collect::<Vec<_>>());
    if let Some(concat) = header.concatenation() {
        let bits = if concat.wide { 16 } else { 8 };
        let concat = json!({"ref": concat.reference, "total": concat.total, "seq": concat.seq, "bits": bits});
        put(facts, "concat", concat);
    }
    if let Some(ports) = header.ports() {
        let bits = if ports.wide { 16 } else { 8 };
        put(facts, "ports", json!({"dst": ports.destination, "src": ports.source, "bits": bits}));
    }
    let tables = header.tables();
    let named = [("locking", tables.locking), ("single", tables.single)];
    let named: Facts =
        named.into_iter().filter(|&(_, id)| id != 0).map(|(key, id)| (key.to_owned(), id.into())).collect();
    if !named.is_empty() {
        put(facts, "national", named);
    }
}

fn put_flaws(facts: &mut Facts, flaws: &Flaws) {
    if flaws.empty_udh {
        put(facts, "empty_udh", true);
    }
    if flaws.bad_options {
        put(facts, "bad_options", true);
    }
    put_some(facts, "trailing", flaws.trailing.as_ref().map(|rest| HEXUPPER.encode(rest.expose())));
}

fn put(facts: &mut Facts, key: &str, value: impl Into<Value>) {
    facts.insert(key.to_owned(), value.into());
}

fn put_some(facts: &mut Facts, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        put(facts, key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::decode;

    /// Facts of an SMS-DELIVER with this first octet, coding scheme and TP-SCTS month, and this TP-UDL and TP-UD.
    fn delivered(first: u8, dcs: u8, month: u8, tail: &[u8]) -> Value {
        let mut tpdu = vec![first, 4, 0x91, 0x21, 0x43, 0, dcs, 0x60, month, 0x72, 0x71, 0x71, 0x11, 0x8a];
        tpdu.extend(tail);
        facts(&decode(&tpdu, false, None), false)
    }

    #[test]
    fn what_is_no_time_stands_raw() {
        let facts = delivered(0, 0, 0x60, &[0]);
        assert_eq!(
            (&facts["timestamp"], &facts["timestamp_raw"]),
            (&json!("2006-06-27T17:17:11-07:00"), &Value::Null)
        );
        let facts = delivered(0, 0, 0x31, &[0]);
        assert!(facts.as_object().is_some_and(|facts| facts["timestamp"].is_null()), "there, and null");
        assert_eq!(facts["timestamp_raw"], "6031727171118A");
    }

    #[test]
    fn liberties_are_told() {
        let odd = delivered(0, 8, 0x60, &[3, 0x00, 0x41, 0x00]);
        assert_eq!((&odd["text"], &odd["odd_ucs2"]), (&json!("A"), &json!(true)));
        let empty = delivered(0x40, 0, 0x60, &[0]);
        assert_eq!(
            (&empty["udhi"], &empty["empty_udh"], &empty["udh"]),
            (&json!(true), &json!(true), &Value::Null)
        );
        assert_eq!(delivered(0, 0, 0x60, &[0, 0xff])["trailing"], "FF");
    }

    #[test]
    fn compressed_data_is_shown_as_octets() {
        let facts = delivered(0, 0x20, 0x60, &[2, 0xab, 0xcd]);
        assert_eq!((&facts["encoding"], &facts["data"]), (&json!("gsm7"), &json!("ABCD")));
        assert_eq!((&facts["compressed"], &facts["text"]), (&json!(true), &Value::Null));
    }

    #[test]
    fn national_tables_are_named_and_used() {
        let facts = delivered(0x40, 0, 0x60, &[0x07, 3, 0x25, 1, 1, 0x40, 0x00, 0x00]);
        assert_eq!(facts["national"], json!({"locking": 1}));
        let turkish = delivered(0x40, 0, 0x60, &[0x06, 3, 0x25, 1, 1, 7 << 3, 0]);
        assert_eq!(turkish["text"], "ı", "code 07 of the Turkish table, behind three fill bits");
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_a_reason() {
        let facts = facts(&decode(&[3], false, None), false);
        assert_eq!(facts, json!({"error": true, "reason": "the message type indicator is 3"}));
    }
}
