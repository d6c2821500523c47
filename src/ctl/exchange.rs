//! A recorded exchange with the meaning of what it carries: `at` reads the lines, `pdu` knows PDUs and alphabets, and they
//! meet here.

use serde_json::{Map, Value, json};

use crate::at::{exchange, hex};
use crate::modem::ussd::{Readings, readings};
use crate::pdu::{self, facts::facts};

/// What a message in a listing says, of all that its PDU says.
const MEANING: [&str; 12] = [
    "type",
    "sender",
    "recipient",
    "text",
    "data",
    "timestamp",
    "discharge",
    "status",
    "mr",
    "encoding",
    "class",
    "concat",
];

/// Reads one exchange; `sent` is the command, `received` all that came.
pub(super) fn read(sent: Option<&str>, received: &[u8]) -> Value {
    let mut got = exchange::parse(sent, received);
    let items = got.get_mut("items").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten().filter_map(Value::as_object_mut) {
        match item.get("t").and_then(Value::as_str) {
            Some("sms" | "urc-sms" | "urc-report") => message(item),
            Some("info") if item.get("name").is_some_and(|name| name == "+CUSD") => ussd(item),
            _ => {}
        }
    }
    got
}

/// Adds what the PDU says, and its length where the header tells another. What cannot be decoded has no length to compare.
fn message(item: &mut Map<String, Value>) {
    let Some(text) = item.get("pdu").and_then(Value::as_str) else { return };
    let facts = match hex::decode(text) {
        Ok(octets) => facts(&pdu::decode(&octets, true, None), true),
        Err(error) => json!({"error": true, "reason": error.to_string()}),
    };
    // An exchange says that its PDU cannot be read and why; `pdu decode` says how far it could.
    if facts.get("error").is_some() {
        item.insert("sms".to_owned(), json!({"error": true, "reason": facts.get("reason")}));
        return;
    }
    let told = item.get("length").and_then(Value::as_u64);
    let found = facts.get("tpdu_len").and_then(Value::as_u64);
    if told.is_some() && told != found {
        item.insert("length_mismatch".to_owned(), json!(found));
    }
    let said = MEANING.iter().filter_map(|key| {
        Some(((*key).to_owned(), facts.get(key).filter(|value| !value.is_null())?.clone()))
    });
    item.insert("sms".to_owned(), Value::Object(said.collect()));
}

/// Adds to a USSD text that is hex what it may stand for. The DCS often lies (TS 27.007 7.15), so it alone decides nothing:
/// packed septets are always possible, UCS2 where it reads as one alphabet or the DCS says so.
fn ussd(item: &mut Map<String, Value>) {
    let Some(meaning) = item.get_mut("meaning").and_then(Value::as_object_mut) else { return };
    let dcs = meaning.get("dcs").and_then(Value::as_u64).and_then(|dcs| u8::try_from(dcs).ok());
    let readings = meaning.get("raw").and_then(Value::as_str).and_then(|raw| readings(raw, dcs));
    let Some(Readings { ucs2, packed }) = readings else { return };
    let mut candidates = Map::new();
    if let Some(text) = ucs2 {
        candidates.insert("ucs2-hex".to_owned(), json!(text));
    }
    candidates.insert("gsm7-packed-hex".to_owned(), json!(packed));
    meaning.insert("candidates".to_owned(), Value::Object(candidates));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(line: &str) -> Value {
        read(None, line.as_bytes())["items"][0]["meaning"]["candidates"].take()
    }

    #[test]
    fn ussd_in_hex_is_read_in_each_way_that_may_be_meant() {
        let packed = candidates("+CUSD: 0,\"CF2135487D2E4130572D0682BB1A\",0");
        assert_eq!(packed, json!({"gsm7-packed-hex": "OCTATOK 0.51 p."}), "the filling CR is gone");
        let wide = candidates("+CUSD: 0,\"041404300020003500310021\",15");
        assert_eq!(wide["ucs2-hex"], "Да 51!", "the DCS says GSM and lies");
        let chinese = "+CUSD: 0,\"4F59989D003A003500325143\",";
        assert_eq!(candidates(&format!("{chinese}72"))["ucs2-hex"], "余额:52元");
        assert_eq!(candidates("+CUSD: 0,\"Your balance: 5\",15"), Value::Null);
    }

    #[test]
    fn a_length_is_compared_with_a_pdu_that_can_be_read() {
        let pdu = "0791198904100161240C911979099137640000511090718303220BC8B4421174CFD175D014";
        let item = |header: &str, pdu: &str| {
            read(None, format!("{header}\r\n{pdu}\r\nOK\r\n").as_bytes())["items"][0].take()
        };
        assert_eq!(item("+CMGR: 0,,29", pdu)["length_mismatch"], Value::Null);
        assert_eq!(item("+CMGR: 0,,37", pdu)["length_mismatch"], 29);
        let cut = item("+CMGR: 0,,29", "0791198904");
        assert_eq!((&cut["length_mismatch"], &cut["sms"]["error"]), (&Value::Null, &json!(true)));
    }
}
