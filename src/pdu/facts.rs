//! A TPDU as JSON facts, for `smsotpctl pdu decode --jsonl` and the corpus tests. This is the one place of `pdu` that
//! shows user data: the caller asked for exactly that.

use data_encoding::HEXUPPER;
use serde_json::{Map, Value, json};

use super::dcs::WaitingKind;
use super::{
    Address, Alphabet, Command, Dcs, DecodeError, Decoded, Deliver, FailureCause, Flaws, Kind, Options,
    Payload, Pdu, StatusReport, Submit, Timestamp, TypeOfNumber, UserData, Validity, Verdict, time,
};

type Facts = Map<String, Value>;

/// The facts of a decoded PDU, or of the failure to decode it. `smsc` tells whether the octets began with a service centre
/// address, which then has its own facts.
#[must_use]
pub fn facts(decoded: &Result<Decoded, DecodeError>, smsc: bool) -> Value {
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return of_error(error),
    };
    let mut facts = match &decoded.pdu {
        Pdu::Deliver(deliver) => of_deliver(deliver),
        Pdu::DeliverReport(report) => {
            let mut facts = typed(Kind::DeliverReport);
            put_report(&mut facts, report.cause, None, &report.options, &report.flaws);
            facts
        }
        Pdu::Submit(submit) => of_submit(submit),
        Pdu::SubmitReport(report) => {
            let mut facts = typed(Kind::SubmitReport);
            put_report(&mut facts, report.cause, Some(&report.timestamp), &report.options, &report.flaws);
            facts
        }
        Pdu::StatusReport(report) => of_status_report(report),
        Pdu::Command(command) => of_command(command),
    };
    if smsc {
        put(&mut facts, "smsc_number", decoded.service_centre.as_ref().map(Address::text));
        put(&mut facts, "tpdu_len", decoded.tpdu_len);
    }
    Value::Object(facts)
}

fn typed(kind: Kind) -> Facts {
    let mut facts = Facts::new();
    put(&mut facts, "type", kind.word());
    facts
}

/// The fault as facts, and under `read` what was readable before it, by the keys it has in a good PDU.
fn of_error(error: &DecodeError) -> Value {
    let (fault, partial) = (error.fault, error.partial.as_ref());
    let mut read = partial.kind.map(typed).unwrap_or_default();
    put_some(&mut read, "smsc_number", partial.service_centre.as_ref().map(Address::text));
    put_some(&mut read, "mr", partial.reference.map(|reference| reference.0));
    if let Some(address) = &partial.address {
        let key = if partial.kind == Some(Kind::Deliver) { "sender" } else { "recipient" };
        put_address(&mut read, key, address);
    }
    put_cause(&mut read, partial.cause);
    put_some(&mut read, "pi", partial.indicator.as_ref().map(|indicator| indicator.first));
    put_some(&mut read, "pid", partial.pid.map(|pid| pid.0));
    put_some(&mut read, "dcs", partial.dcs.map(|dcs| dcs.0));
    put_some(&mut read, "ct", partial.command.map(|command| command.0));
    put_some(&mut read, "mn", partial.number);
    put_some(&mut read, "validity", partial.validity.as_ref().map(of_validity));
    for (key, stamp) in [("timestamp", &partial.timestamp), ("discharge", &partial.discharge)] {
        if let Some(stamp) = stamp {
            put_time(&mut read, key, stamp);
        }
    }
    if let Some(data) = &partial.user_data {
        put_user_data(&mut read, partial.dcs.unwrap_or_default(), data);
    }
    let (field, offset) = (fault.field.word(), fault.offset);
    json!({"error": true, "reason": fault.to_string(), "field": field, "offset": offset, "read": read})
}

fn of_deliver(deliver: &Deliver) -> Facts {
    let mut facts = typed(Kind::Deliver);
    put(&mut facts, "mms", deliver.more);
    put(&mut facts, "lp", deliver.loop_prevention);
    put(&mut facts, "sri", deliver.status_report);
    put(&mut facts, "udhi", deliver.user_data.header.is_some() || deliver.flaws.empty_udh);
    put(&mut facts, "rp", deliver.reply_path);
    put_address(&mut facts, "sender", &deliver.originator);
    put(&mut facts, "pid", deliver.pid.0);
    put(&mut facts, "dcs", deliver.dcs.0);
    put_time(&mut facts, "timestamp", &deliver.timestamp);
    put_user_data(&mut facts, deliver.dcs, &deliver.user_data);
    put_flaws(&mut facts, &deliver.flaws);
    facts
}

fn of_submit(submit: &Submit) -> Facts {
    let mut facts = typed(Kind::Submit);
    put(&mut facts, "rd", submit.reject_duplicates);
    put(&mut facts, "srr", submit.status_report);
    put(&mut facts, "udhi", submit.user_data.header.is_some() || submit.flaws.empty_udh);
    put(&mut facts, "rp", submit.reply_path);
    put(&mut facts, "mr", submit.reference.0);
    put_address(&mut facts, "recipient", &submit.destination);
    put(&mut facts, "pid", submit.pid.0);
    put(&mut facts, "dcs", submit.dcs.0);
    put(&mut facts, "validity", submit.validity.as_ref().map(of_validity));
    put_user_data(&mut facts, submit.dcs, &submit.user_data);
    put_flaws(&mut facts, &submit.flaws);
    facts
}

fn of_status_report(report: &StatusReport) -> Facts {
    let user_data = report.options.as_ref().and_then(|options| options.user_data.as_ref());
    let mut facts = typed(Kind::StatusReport);
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
        put_options(&mut facts, options);
    }
    put_flaws(&mut facts, &report.flaws);
    facts
}

fn of_command(command: &Command) -> Facts {
    let mut facts = typed(Kind::Command);
    put(&mut facts, "srr", command.status_report);
    put(&mut facts, "udhi", command.data.header.is_some() || command.flaws.empty_udh);
    put(&mut facts, "mr", command.reference.0);
    put(&mut facts, "pid", command.pid.0);
    put(&mut facts, "ct", command.command.0);
    put(&mut facts, "mn", command.number);
    put_address(&mut facts, "recipient", &command.recipient);
    put_header(&mut facts, &command.data);
    put_payload(&mut facts, &command.data);
    put_flaws(&mut facts, &command.flaws);
    facts
}

/// What an SMS-DELIVER-REPORT and an SMS-SUBMIT-REPORT share.
fn put_report(
    facts: &mut Facts,
    cause: Option<FailureCause>,
    timestamp: Option<&Timestamp>,
    options: &Options,
    flaws: &Flaws,
) {
    put(facts, "udhi", options.has_header() || flaws.empty_udh || flaws.header_without_data);
    put_cause(facts, cause);
    if let Some(timestamp) = timestamp {
        put_time(facts, "timestamp", timestamp);
    }
    put_options(facts, options);
    put_flaws(facts, flaws);
}

fn put_cause(facts: &mut Facts, cause: Option<FailureCause>) {
    put_some(facts, "fcs", cause.map(|cause| cause.0));
    put_some(facts, "cause", cause.map(|cause| cause.cause().word()));
}

fn put_options(facts: &mut Facts, options: &Options) {
    put(facts, "pi", options.indicator.first);
    put_some(facts, "pid", options.pid.map(|pid| pid.0));
    put_some(facts, "dcs", options.dcs.map(|dcs| dcs.0));
    if let Some(user_data) = &options.user_data {
        put_user_data(facts, options.dcs.unwrap_or_default(), user_data);
    }
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
    if address.has_hidden_digits() {
        put(facts, &format!("{key}_raw"), HEXUPPER.encode(address.octets()));
    }
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
    match data.text(dcs) {
        Some(text) => put(facts, "text", text.expose_str()),
        None => put_payload(facts, data),
    }
    if data.has_lone_surrogate(dcs) {
        put(facts, "lone_surrogate", true);
    }
    match &data.payload {
        Payload::Septets(septets) => put(facts, "septets", septets.len()),
        Payload::Octets(octets) if dcs.alphabet() == Alphabet::Ucs2 && octets.len() % 2 == 1 => {
            put(facts, "odd_ucs2", true);
        }
        Payload::Octets(_) => {}
    }
}

fn put_payload(facts: &mut Facts, data: &UserData) {
    let (Payload::Septets(raw) | Payload::Octets(raw)) = &data.payload;
    put(facts, "data", HEXUPPER.encode(raw.expose()));
}

fn put_header(facts: &mut Facts, data: &UserData) {
    let Some(header) = &data.header else { return };
    put(facts, "udh", HEXUPPER.encode(&header.octets()));
    let elements = header.raw_elements();
    let elements = elements.map(|(iei, data)| json!({"iei": iei, "data": HEXUPPER.encode(data)}));
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
    fn half_a_surrogate_pair_and_hidden_digits_are_told() {
        let lone = delivered(0, 8, 0x60, &[4, 0xd8, 0x3d, 0x00, 0x41]);
        assert_eq!((&lone["text"], &lone["lone_surrogate"]), (&json!("\u{fffd}A"), &json!(true)));
        let whole = delivered(0, 8, 0x60, &[4, 0xd8, 0x3d, 0xde, 0x01]);
        assert_eq!((&whole["text"], &whole["lone_surrogate"]), (&json!("😁"), &Value::Null));
        let tpdu = [&[0x00, 4, 0x81, 0xf1, 0x32], [0; 10].as_slice()].concat();
        let hidden = facts(&decode(&tpdu, false, None), false);
        assert_eq!((&hidden["sender"], &hidden["sender_raw"]), (&json!("1"), &json!("F132")));
    }

    #[test]
    fn the_reports_and_the_command_have_their_facts() {
        let read = |octets: &[u8], kind| facts(&decode(octets, false, Some(kind)), false);
        let refused = json!({"type": "deliver-report", "udhi": false, "fcs": 0xd3, "pi": 0,
            "cause": "memory-capacity-exceeded"});
        assert_eq!(read(&[0, 0xd3, 0], Kind::DeliverReport), refused);
        let taken = json!({"type": "submit-report", "udhi": false, "pi": 1, "pid": 0x41,
            "timestamp": "2026-11-01T01:02:03+00:00"});
        let octets = [1, 1, 0x62, 0x11, 0x10, 0x10, 0x20, 0x30, 0, 0x41];
        assert_eq!(read(&octets, Kind::SubmitReport), taken);
        let octets = [0x22, 7, 0, 2, 42, 5, 0x81, 0x27, 0x62, 0xf7, 1, 0xaa];
        let command = read(&octets, Kind::Command);
        assert_eq!((&command["ct"], &command["mn"], &command["data"]), (&json!(2), &json!(42), &json!("AA")));
        assert_eq!((&command["recipient"], &command["srr"]), (&json!("72267"), &json!(true)));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_a_reason() {
        let facts = facts(&decode(&[3], false, None), false);
        let reason = "the first octet at octet 0 has the message type indicator 3 (TS 23.040 9.2.3.1)";
        let expected =
            json!({"error": true, "reason": reason, "field": "first-octet", "offset": 0, "read": {}});
        assert_eq!(facts, expected);
    }

    #[test]
    fn a_cut_message_still_tells_what_it_had() {
        let tpdu = [0, 4, 0x91, 0x21, 0x43, 0, 0, 0x60, 0x60, 0x72, 0x71, 0x71, 0x11, 0x8a, 10, 0xe8, 0x32];
        let octets = [&[0x02, 0x91, 0x44], tpdu.as_slice()].concat();
        let cut = facts(&decode(&octets, true, None), true);
        assert_eq!((&cut["field"], &cut["offset"]), (&json!("user-data"), &json!(18)));
        let read = &cut["read"];
        assert_eq!((&read["sender"], &read["smsc_number"]), (&json!("+1234"), &json!("+44")));
        assert_eq!((&read["text"], &read["septets"]), (&json!("he"), &json!(2)));
        let shorter = facts(&decode(octets.get(..8).unwrap_or_default(), true, None), true);
        assert_eq!((&shorter["field"], &shorter["read"]["sender"]), (&json!("pid"), &json!("+1234")));
    }
}
