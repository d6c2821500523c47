//! Target `command`: no text that anybody gives gets out of its argument. And the configuration, which is text, too.

use smsotpd::at::command::{CcidForm, Charset, Cnmi, Command, Domain, Pin, StoreName, UssdCode};
use smsotpd::at::hex;
use smsotpd::config::Config;
use smsotpd::number::Number;
use smsotpd::pdu::{self, SubmitOptions};

use super::feed::Feed;

/// One input.
pub fn run(data: &[u8]) {
    let mut feed = Feed::new(data);
    match feed.octet() % 4 {
        0 => arguments(feed),
        1 => message(feed),
        2 => numbers(feed),
        _ => {
            let _ = Config::parse(&String::from_utf8_lossy(feed.rest()), "fuzz.toml");
        }
    }
}

/// A text offered to every type of argument.
fn arguments(mut feed: Feed<'_>) {
    let text = String::from_utf8_lossy(feed.rest()).into_owned();
    if let Some(pin) = Pin::new(&text) {
        let command = Command::CpinEnter(pin);
        assert_eq!(line(&command), format!("+CPIN=\"{text}\""));
        assert!(!command.text().contains(&text) && !format!("{command:?}").contains(&text));
    }
    if let Some(code) = UssdCode::new(&text) {
        assert_eq!(line(&Command::Cusd(code)), format!("+CUSD=1,\"{text}\",15"));
    }
    if let Some(store) = StoreName::new(&text) {
        let all = Command::CpmsSet { read: store.clone(), write: Some(store.clone()), receive: Some(store) };
        assert_eq!(line(&all), format!("+CPMS=\"{text}\",\"{text}\",\"{text}\""));
    }
}

/// A message for `AT+CMGS`: hex digits and nothing else, whoever it goes to and whatever it says.
fn message(mut feed: Feed<'_>) {
    let (number, text) = (feed.octet(), feed.rest());
    let (number, text) = text.split_at(text.len().min(usize::from(number % 24)));
    let Ok(to) = Number::parse(&String::from_utf8_lossy(number), Some("49")) else { return };
    assert!(to.digits().bytes().all(|b| b.is_ascii_digit()));
    assert!(to.digits().len() <= 15, "E.164");
    let Ok(plan) = pdu::plan(&String::from_utf8_lossy(text)) else { return };
    for submit in plan.submits(&to, &SubmitOptions::default()) {
        let tpdu = submit.encode().expect("a planned part fits");
        let length = u8::try_from(tpdu.len()).expect("a TPDU is shorter");
        assert_eq!(line(&Command::Cmgs { length }), format!("+CMGS={length}"));
        let body = hex::encode(&pdu::with_default_smsc(&tpdu));
        assert!(body.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)));
        assert_eq!(hex::decode(&body).map(|octets| octets.len()), Ok(tpdu.len() + 1));
    }
}

/// Commands whose arguments are numbers or of a closed set.
fn numbers(mut feed: Feed<'_>) {
    let domain = *feed.pick(&[Domain::Circuit, Domain::Packet, Domain::Eps, Domain::FiveG]);
    let form = *feed.pick(&[CcidForm::Ccid, CcidForm::Iccid, CcidForm::HuaweiIccid, CcidForm::Qccid]);
    let charset = *feed.pick(&[Charset::Gsm, Charset::Ira, Charset::Ucs2]);
    let [small, mode, mt, bm, ds, bfr] = std::array::from_fn(|_| feed.octet());
    let index = u16::from_be_bytes([feed.octet(), feed.octet()]);
    for command in [
        Command::Ccid(form),
        Command::RegistrationSet(domain, small),
        Command::RegistrationRead(domain),
        Command::Cscs(charset),
        Command::CsmsSet(small),
        Command::CnmiSet(Cnmi { mode, mt, bm, ds, bfr }),
        Command::Cmms(small),
        Command::Cmgr(index),
        Command::CmglAll { stored: index },
        Command::Cmgd(index),
        Command::Cfun(small),
    ] {
        assert_eq!(line(&command), command.text());
        assert!(!command.limit().is_zero());
    }
}

/// What a port is given between `AT` and CR: printable ASCII, and as many quotes as the command itself has.
fn line(command: &Command) -> String {
    let encoded = String::from_utf8(command.encode()).expect("ASCII");
    let line = encoded.strip_prefix("AT").and_then(|line| line.strip_suffix('\r')).expect("AT ... CR");
    assert!(line.bytes().all(|b| (b' '..0x7f).contains(&b)), "{line:?}");
    assert!(line.matches('"').count().is_multiple_of(2), "{line:?}");
    line.to_owned()
}
