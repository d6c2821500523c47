//! What each of the other crates does with the inputs of the bench, by its documented way.

use std::io::Cursor;

use tokio_codec::Decoder as _;

use crate::job::{Job, Produced};

/// Crate and case of every job.
pub const JOBS: &[(&str, &str)] = &[
    ("sms-pdu", "submit"),
    ("huawei-modem", "submit"),
    ("sms-pdu", "deliver"),
    ("huawei-modem", "deliver"),
    ("sms-pdu-decoder", "deliver-hex"),
    ("gsm7", "pack"),
    ("gsm7", "unpack"),
    ("gsm7-alt", "to-septets"),
    ("gsm7-alt", "from-septets"),
    ("sms-pdu", "long-gsm7"),
    ("huawei-modem", "long-gsm7"),
    ("sms-pdu", "long-ucs2"),
    ("huawei-modem", "long-ucs2"),
    ("huawei-modem", "at"),
    ("atat", "answers"),
    ("at-commands", "line"),
];

/// What a port gives in one read, as on the other side.
const READ: usize = 4096;
/// Stands between the exchanges of one input.
const RECORD_SEPARATOR: u8 = 0x1e;

/// The job over this input.
pub fn job(name: &str, case: &str, input: Vec<u8>) -> Option<Job> {
    let text = || String::from_utf8(input.clone()).unwrap_or_default();
    Some(match (name, case) {
        ("sms-pdu", "submit" | "long-gsm7" | "long-ucs2") => {
            let text = text();
            Box::new(move || Produced::Parts(sms_pdu_submits(&text)))
        }
        ("huawei-modem", "submit" | "long-gsm7" | "long-ucs2") => {
            let text = text();
            Box::new(move || Produced::Parts(huawei_submits(&text)))
        }
        ("sms-pdu", "deliver") => {
            let octets = behind_default_centre(&input);
            Box::new(move || {
                let pdu = sms_pdu::pdu::DeliverPdu::try_from(&octets[..]).expect("a DELIVER");
                Produced::Text(pdu.get_message_data().decode_message().expect("a text").text)
            })
        }
        ("huawei-modem", "deliver") => {
            let octets = behind_default_centre(&input);
            Box::new(move || {
                let pdu = huawei_modem::pdu::DeliverPdu::try_from(&octets[..]).expect("a DELIVER");
                Produced::Text(pdu.get_message_data().decode_message().expect("a text").text)
            })
        }
        ("sms-pdu-decoder", "deliver-hex") => {
            let hex = text();
            Box::new(move || {
                let pdu = sms_pdu_decoder::SmsDeliver::decode(&hex).expect("a DELIVER");
                Produced::Text(pdu.user_data.data)
            })
        }
        ("gsm7", "pack") => {
            let text = text();
            Box::new(move || {
                let mut writer = gsm7::Gsm7Writer::new(Vec::new());
                writer.write_str(&text).expect("every character has a code");
                Produced::Octets(writer.into_writer().expect("a vector takes all"))
            })
        }
        ("gsm7", "unpack") => Box::new(move || {
            let characters = gsm7::Gsm7Reader::new(Cursor::new(&input));
            Produced::Text(characters.collect::<Result<_, _>>().expect("every code has a character"))
        }),
        ("gsm7-alt", "to-septets") => {
            let text = text();
            Box::new(move || Produced::Octets(gsm7_alt::encode(&text).expect("every character has a code")))
        }
        ("gsm7-alt", "from-septets") => {
            Box::new(move || Produced::Text(gsm7_alt::decode(&input).expect("every code has a character")))
        }
        ("huawei-modem", "at") => Box::new(move || Produced::Count(huawei_lines(&input))),
        ("atat", "answers") => Box::new(move || Produced::Count(atat_answers(&input))),
        ("at-commands", "line") => Box::new(move || {
            let fields = at_commands::parser::CommandParser::parse(&input)
                .expect_identifier(b"+CREG:")
                .expect_int_parameter()
                .expect_int_parameter()
                .expect_string_parameter()
                .expect_string_parameter()
                .expect_int_parameter()
                .finish();
            let (n, stat, lac, ci, act) = fields.expect("a line as it was told");
            Produced::Count((n + stat + act) as usize + lac.len() + ci.len())
        }),
        _ => return None,
    })
}

fn behind_default_centre(tpdu: &[u8]) -> Vec<u8> {
    [&[0], tpdu].concat()
}

/// Without the octet of the empty service centre address.
fn tpdu((octets, length): (Vec<u8>, usize)) -> Vec<u8> {
    let mut octets = octets;
    octets.drain(..octets.len().saturating_sub(length));
    octets
}

fn sms_pdu_submits(text: &str) -> Vec<Vec<u8>> {
    use sms_pdu::gsm_encoding::GsmMessageData;
    use sms_pdu::pdu::{PduAddress, SubmitPdu};
    let recipient: PduAddress = "+491701234567".parse().expect("digits");
    let parts = GsmMessageData::encode_message(text).into_iter();
    parts.map(|part| tpdu(SubmitPdu::make_simple_message(recipient.clone(), part).as_bytes())).collect()
}

fn huawei_submits(text: &str) -> Vec<Vec<u8>> {
    use huawei_modem::gsm_encoding::GsmMessageData;
    use huawei_modem::pdu::{Pdu, PduAddress};
    let recipient: PduAddress = "+491701234567".parse().expect("digits");
    let parts = GsmMessageData::encode_message(text).into_iter();
    parts.map(|part| tpdu(Pdu::make_simple_message(recipient.clone(), part).as_bytes())).collect()
}

/// As tokio's framed reader feeds it: what was read is appended, and the codec takes whole lines off the front.
fn huawei_lines(input: &[u8]) -> usize {
    let mut codec = huawei_modem::codec::AtCodec;
    let mut buffer = bytes::BytesMut::new();
    let mut lines = 0;
    for read in input.chunks(READ) {
        buffer.extend_from_slice(read);
        while let Some(found) = codec.decode(&mut buffer).expect("lines it can read") {
            lines += found.len();
        }
    }
    lines
}

/// No unsolicited results: each exchange is an answer.
struct NoUrcs;

impl atat::Parser for NoUrcs {
    fn parse(_: &[u8]) -> Result<(&[u8], usize), atat::digest::ParseError> {
        Err(atat::digest::ParseError::NoMatch)
    }
}

fn atat_answers(input: &[u8]) -> usize {
    use atat::{DigestResult, Digester as _};
    let mut digester = atat::AtDigester::<NoUrcs>::new();
    let mut answers = 0;
    for exchange in input.split(|&octet| octet == RECORD_SEPARATOR) {
        let mut rest = exchange;
        loop {
            let (found, consumed) = digester.digest(rest);
            answers += usize::from(matches!(found, DigestResult::Response(_)));
            rest = rest.get(consumed..).unwrap_or_default();
            if consumed == 0 || found == DigestResult::None {
                break;
            }
        }
    }
    answers
}
