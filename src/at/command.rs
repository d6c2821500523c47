//! The commands we send, as a type: what cannot be expressed cannot be sent.
//!
//! Arguments are numbers, members of a closed set, or texts with a character whitelist, so CR, LF, `"`, `;`, Ctrl-Z and ESC
//! can never reach the port inside one. What is never sent (a PUK, an operator's name) has no command at all. Each command knows its own time limit and what its answer looks like.

use std::time::Duration;

pub use super::argument::{Address, Pin, StoreName, UssdCode};
use super::hex;
pub use super::signal::SignalForm;

/// Most commands answer within 300 ms; five seconds is what smstools grants.
const QUICK: Duration = Duration::from_secs(5);
/// Commands that read or write the SIM card or a store.
const SIM_ACCESS: Duration = Duration::from_secs(10);
/// Entering a PIN: the card and the modem's start-up behind it.
const PIN_ENTRY: Duration = Duration::from_secs(30);
/// `+CMGL` at 9600 bd gives 50 PDUs in 20 s.
const LIST_BASE: Duration = Duration::from_secs(30);
/// One stored message more.
const LIST_PER_MESSAGE: Duration = Duration::from_secs(1);
/// The prompt of `+CMGS` on a busy modem.
const PROMPT: Duration = Duration::from_secs(10);
/// From Ctrl-Z to the answer of `+CMGS`: 135 s were measured on LTE, u-blox names 180 s.
pub const CMGS_ANSWER: Duration = Duration::from_secs(180);
/// An answer of `+CMGS` later than this deserves a warning.
pub const CMGS_SLOW: Duration = Duration::from_secs(60);
/// Radio off and on: u-blox takes up to 180 s at worst, all others stay below 15 s.
const FUNCTIONALITY: Duration = Duration::from_secs(15);
/// Reading the operator is quick, but during a network search some modems answer late.
const OPERATOR: Duration = Duration::from_secs(30);
/// The OK of `+CUSD`; the network's text comes as an unsolicited result up to [`USSD_ANSWER`] later.
const USSD: Duration = Duration::from_secs(30);
/// How long the network may take to answer a USSD; most answer within ten seconds.
pub const USSD_ANSWER: Duration = Duration::from_secs(60);

/// What the answer looks like before its final result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Only the final result.
    None,
    /// One information line with this prefix, as in `+CSQ: 16,99`.
    Prefix(&'static str),
    /// One line that has no prefix, or this one: identities such as `+CGSN`.
    Bare(&'static str),
    /// Any number of information lines with this prefix; those of `+CMGL` and `+CMGR` have a PDU line each.
    List(&'static str),
}

/// How this modem wants to be asked for the card's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CcidForm {
    /// `AT+CCID` (SIMCom, u-blox, Telit; TS 27.007 8.63).
    Ccid,
    /// `AT+ICCID` (Sierra, SIM7x00 reads `+ICCID: `).
    Iccid,
    /// `AT^ICCID?` (Huawei).
    HuaweiIccid,
    /// `AT+QCCID` (Quectel).
    Qccid,
    /// `AT#CCID` (Telit).
    TelitCcid,
    /// `AT^SCID` (Siemens, Cinterion).
    Scid,
}

/// Which registration is meant; TS 27.007 7.2, 10.1.20, 10.1.22.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain {
    /// `+CREG`: circuit switched, the one SMS needs outside LTE.
    Circuit,
    /// `+CGREG`: GPRS.
    Packet,
    /// `+CEREG`: LTE.
    Eps,
    /// `+C5GREG`: 5G.
    FiveG,
}

impl Domain {
    /// The command's and the answer's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Circuit => "+CREG",
            Self::Packet => "+CGREG",
            Self::Eps => "+CEREG",
            Self::FiveG => "+C5GREG",
        }
    }

    /// The domain in letters.
    #[must_use]
    pub fn abbreviation(self) -> &'static str {
        match self {
            Self::Circuit => "CS",
            Self::Packet => "PS",
            Self::Eps => "EPS",
            Self::FiveG => "5GS",
        }
    }

    /// From the name of an information line.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Circuit, Self::Packet, Self::Eps, Self::FiveG].into_iter().find(|d| d.name() == name)
    }
}

/// The character set of texts in commands and answers; TS 27.007 5.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// The GSM 7-bit alphabet, one octet a character.
    Gsm,
    /// ASCII.
    Ira,
    /// UCS2 in hex.
    Ucs2,
}

/// How new messages and reports are told; TS 27.005 3.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cnmi {
    /// When unsolicited results are sent, 0..=3.
    pub mode: u8,
    /// Received messages, 0..=3; 1 = store and `+CMTI`, 2 = `+CMT`.
    pub mt: u8,
    /// Cell broadcast, 0..=3.
    pub bm: u8,
    /// Status reports, 0..=2; 1 = `+CDS`, 2 = store and `+CDSI`.
    pub ds: u8,
    /// Buffered results on change of mode: 0 = send, 1 = clear.
    pub bfr: u8,
}

/// One command line. `Debug` never shows a PIN, because [`Pin`] does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `AT`: are you there?
    At,
    /// `ATE0`: no echo.
    Ate0,
    /// `ATZ`: the stored profile.
    Atz,
    /// `+CMEE=1`: errors as numbers.
    Cmee,
    /// `+CGMI`: manufacturer.
    Cgmi,
    /// `+CGMM`: model.
    Cgmm,
    /// `+CGMR`: revision.
    Cgmr,
    /// `+CGSN`: IMEI.
    Cgsn,
    /// `+CIMI`: IMSI.
    Cimi,
    /// The card's ICCID.
    Ccid(CcidForm),
    /// `+CPIN?`: what the card waits for.
    CpinRead,
    /// `+CPIN="..."`: the PIN, once.
    CpinEnter(Pin),
    /// `+CREG=<n>` and its relatives: 0 = silent, 1 = tell changes, 2 = with the cell.
    RegistrationSet(Domain, u8),
    /// `+CREG?` and its relatives.
    RegistrationRead(Domain),
    /// `+COPS?`: the operator.
    CopsRead,
    /// `+COPS=3,0`: the operator by its long name; chooses no network.
    CopsByName,
    /// `+CGSMS=<service>`: over which bearer messages leave, 0..=3; TS 27.007 10.1.21.
    Cgsms(u8),
    /// `+CSQ`: signal.
    Csq,
    /// What tells more of the signal.
    Signal(SignalForm),
    /// `+CSCA?`: the service centre.
    CscaRead,
    /// `+CSCA="...",<toa>`: the service centre.
    CscaSet(Address),
    /// `+CMGF=0`: PDU mode, the only one we use.
    CmgfPdu,
    /// `+CSCS="..."`: character set.
    Cscs(Charset),
    /// `+CPMS?`: stores in use and their fill.
    CpmsRead,
    /// `+CPMS=?`: stores there are.
    CpmsTest,
    /// `+CPMS="a"[,"b"[,"c"]]`: some modems want all three, some refuse the third.
    CpmsSet {
        /// Read and delete here.
        read: StoreName,
        /// Write and send from here.
        write: Option<StoreName>,
        /// Received messages go here; only sent if `write` is there.
        receive: Option<StoreName>,
    },
    /// `+CSMS=<n>`: 1 makes `+CNMA` necessary.
    CsmsSet(u8),
    /// `+CSMS?`.
    CsmsRead,
    /// `+CNMI=?`: what the modem knows.
    CnmiTest,
    /// `+CNMI?`.
    CnmiRead,
    /// `+CNMI=...`.
    CnmiSet(Cnmi),
    /// `+CMMS=<n>`: keep the link open between messages.
    Cmms(u8),
    /// `+CMGS=<length>`: octets of the TPDU without the service centre; answers with the prompt.
    Cmgs {
        /// Octets of the TPDU.
        length: u8,
    },
    /// `+CMGR=<index>`: read one.
    Cmgr(u16),
    /// `+CMGL=4`: list all.
    CmglAll {
        /// Messages stored as `+CPMS` tells; the time limit grows with it.
        stored: u16,
    },
    /// `+CMGD=<index>`: delete one.
    Cmgd(u16),
    /// `+CNMA`: acknowledge a direct delivery, without a PDU.
    Cnma,
    /// `+CFUN=<fun>`: 0 or 4 radio off, 1 on.
    Cfun(u8),
    /// `+CFUN=1,1`: restart; the port may go away.
    CfunReset,
    /// `+CHUP`: hang up.
    Chup,
    /// `+CUSD=1,"...",15`: ask the network.
    Cusd(UssdCode),
    /// `+CUSD=1,"<hex>",15`: the same as octets, for modems that want packed septets.
    CusdOctets(Vec<u8>),
    /// `+CUSD=2`: end the dialogue.
    CusdCancel,
}

impl Command {
    /// The octets to write, with the CR at the end.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut line = b"AT".to_vec();
        if let Self::CpinEnter(pin) = self {
            line.extend_from_slice(b"+CPIN=\"");
            line.extend_from_slice(pin.digits());
            line.push(b'"');
        } else {
            line.extend_from_slice(self.text().as_bytes());
        }
        line.push(b'\r');
        line
    }

    /// What stands behind `AT`; a PIN is shown as asterisks, so this is fit for traces.
    #[must_use]
    pub fn text(&self) -> String {
        let fixed = match self {
            Self::At => "",
            Self::Ate0 => "E0",
            Self::Atz => "Z",
            Self::Cmee => "+CMEE=1",
            Self::Cgmi => "+CGMI",
            Self::Cgmm => "+CGMM",
            Self::Cgmr => "+CGMR",
            Self::Cgsn => "+CGSN",
            Self::Cimi => "+CIMI",
            Self::Ccid(CcidForm::Ccid) => "+CCID",
            Self::Ccid(CcidForm::Iccid) => "+ICCID",
            Self::Ccid(CcidForm::HuaweiIccid) => "^ICCID?",
            Self::Ccid(CcidForm::Qccid) => "+QCCID",
            Self::Ccid(CcidForm::TelitCcid) => "#CCID",
            Self::Ccid(CcidForm::Scid) => "^SCID",
            Self::CpinRead => "+CPIN?",
            Self::CpinEnter(_) => "+CPIN=\"****\"",
            Self::CopsRead => "+COPS?",
            Self::CopsByName => "+COPS=3,0",
            Self::Csq => "+CSQ",
            Self::Signal(form) => form.text(),
            Self::CscaRead => "+CSCA?",
            Self::CmgfPdu => "+CMGF=0",
            Self::Cscs(Charset::Gsm) => "+CSCS=\"GSM\"",
            Self::Cscs(Charset::Ira) => "+CSCS=\"IRA\"",
            Self::Cscs(Charset::Ucs2) => "+CSCS=\"UCS2\"",
            Self::CpmsRead => "+CPMS?",
            Self::CpmsTest => "+CPMS=?",
            Self::CsmsRead => "+CSMS?",
            Self::CnmiTest => "+CNMI=?",
            Self::CnmiRead => "+CNMI?",
            Self::CmglAll { .. } => "+CMGL=4",
            Self::Cnma => "+CNMA",
            Self::CfunReset => "+CFUN=1,1",
            Self::Chup => "+CHUP",
            Self::CusdCancel => "+CUSD=2",
            _ => return self.with_arguments(),
        };
        fixed.to_owned()
    }

    fn with_arguments(&self) -> String {
        match self {
            Self::RegistrationSet(domain, n) => format!("{}={n}", domain.name()),
            Self::RegistrationRead(domain) => format!("{}?", domain.name()),
            Self::CpmsSet { read, write, receive } => {
                let all = [Some(read), write.as_ref(), write.as_ref().and(receive.as_ref())];
                let quoted: Vec<String> =
                    all.into_iter().flatten().map(|store| format!("\"{store}\"")).collect();
                format!("+CPMS={}", quoted.join(","))
            }
            Self::CscaSet(centre) => format!("+CSCA=\"{}\",{}", centre.as_str(), centre.toa()),
            Self::Cgsms(service) => format!("+CGSMS={service}"),
            Self::CsmsSet(service) => format!("+CSMS={service}"),
            Self::CnmiSet(Cnmi { mode, mt, bm, ds, bfr }) => format!("+CNMI={mode},{mt},{bm},{ds},{bfr}"),
            Self::Cmms(mode) => format!("+CMMS={mode}"),
            Self::Cmgs { length } => format!("+CMGS={length}"),
            Self::Cmgr(index) => format!("+CMGR={index}"),
            Self::Cmgd(index) => format!("+CMGD={index}"),
            Self::Cfun(fun) => format!("+CFUN={fun}"),
            Self::Cusd(code) => format!("+CUSD=1,\"{}\",15", code.as_str()),
            Self::CusdOctets(octets) => format!("+CUSD=1,\"{}\",15", hex::encode(octets)),
            _ => String::new(),
        }
    }

    /// How long the answer may take; for `+CMGS` the prompt (its answer has [`CMGS_ANSWER`]).
    #[must_use]
    pub fn limit(&self) -> Duration {
        match self {
            Self::CpinRead
            | Self::CpmsRead
            | Self::CpmsTest
            | Self::CpmsSet { .. }
            | Self::CscaRead
            | Self::CscaSet(_)
            | Self::Ccid(_)
            | Self::Cimi
            | Self::Cmgr(_)
            | Self::Cmgd(_) => SIM_ACCESS,
            Self::CpinEnter(_) => PIN_ENTRY,
            Self::CmglAll { stored } => {
                LIST_BASE.saturating_add(LIST_PER_MESSAGE.saturating_mul(u32::from(*stored)))
            }
            Self::Cmgs { .. } => PROMPT,
            Self::Cfun(_) | Self::CfunReset => FUNCTIONALITY,
            Self::CopsRead => OPERATOR,
            Self::Cusd(_) | Self::CusdOctets(_) | Self::CusdCancel => USSD,
            _ => QUICK,
        }
    }

    /// What comes before the final result.
    #[must_use]
    pub fn reply(&self) -> Expect {
        match self {
            Self::Cgmi => Expect::Bare("+CGMI"),
            Self::Cgmm => Expect::Bare("+CGMM"),
            Self::Cgmr => Expect::Bare("+CGMR"),
            Self::Cgsn => Expect::Bare("+CGSN"),
            Self::Cimi => Expect::Bare("+CIMI"),
            Self::Ccid(CcidForm::Ccid) => Expect::Bare("+CCID"),
            Self::Ccid(CcidForm::Iccid) => Expect::Bare("+ICCID"),
            Self::Ccid(CcidForm::HuaweiIccid) => Expect::Bare("^ICCID"),
            Self::Ccid(CcidForm::Qccid) => Expect::Bare("+QCCID"),
            Self::CpinRead => Expect::Prefix("+CPIN"),
            Self::RegistrationRead(domain) => Expect::Prefix(domain.name()),
            Self::CopsRead => Expect::Prefix("+COPS"),
            Self::Csq => Expect::Prefix("+CSQ"),
            Self::Signal(form) => Expect::Prefix(form.prefix()),
            Self::CscaRead => Expect::Prefix("+CSCA"),
            Self::CpmsRead | Self::CpmsTest | Self::CpmsSet { .. } => Expect::Prefix("+CPMS"),
            Self::CsmsSet(_) | Self::CsmsRead => Expect::Prefix("+CSMS"),
            Self::CnmiTest | Self::CnmiRead => Expect::Prefix("+CNMI"),
            Self::Cmgs { .. } => Expect::Prefix("+CMGS"),
            Self::Cmgr(_) => Expect::List("+CMGR"),
            Self::CmglAll { .. } => Expect::List("+CMGL"),
            _ => Expect::None,
        }
    }

    /// Whether the modem asks for the PDU with `> ` before it answers.
    #[must_use]
    pub fn prompts(&self) -> bool {
        matches!(self, Self::Cmgs { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Texts that come near an argument, and texts that do not.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[+*#0-9]{0,24}",
            "[A-Z0-9_]{0,9}",
            "[0-9]{3,9}[\\x00-\\x1f\";,\\x7f]?[0-9*#]{0,4}",
        ]
    }

    /// Every command that these arguments make.
    fn commands(text: &str, number: u16, octet: u8) -> Vec<Command> {
        let store = StoreName::new(text);
        let set = store.clone().map(|read| Command::CpmsSet { read, write: store.clone(), receive: store });
        let cnmi = Cnmi { mode: octet, mt: octet, bm: octet, ds: octet, bfr: octet };
        let mut all = vec![
            Command::RegistrationSet(Domain::FiveG, octet),
            Command::CsmsSet(octet),
            Command::Cgsms(octet),
            Command::CnmiSet(cnmi),
            Command::Cmms(octet),
            Command::Cmgs { length: octet },
            Command::Cmgr(number),
            Command::Cmgd(number),
            Command::Cfun(octet),
            Command::CusdOctets(vec![octet; usize::from(octet)]),
        ];
        all.extend(set);
        all.extend(Pin::new(text).map(Command::CpinEnter));
        all.extend(UssdCode::new(text).map(Command::Cusd));
        all.extend(Address::new(text).map(Command::CscaSet));
        all
    }

    proptest! {
        #[test]
        fn a_command_is_one_line_of_plain_characters(text in text(), number in any::<u16>(), octet in any::<u8>()) {
            for command in commands(&text, number, octet) {
                let line = command.encode();
                let (end, line) = line.split_last().unwrap();
                prop_assert_eq!(*end, b'\r');
                prop_assert!(line.iter().all(u8::is_ascii_graphic));
                prop_assert!(!line.contains(&b';'));
                // Two quotes for each text: none came in with it.
                let quotes = line.iter().filter(|&&b| b == b'"').count();
                let texts = match &command {
                    Command::CpmsSet { .. } => 3,
                    Command::CpinEnter(_) | Command::Cusd(_) | Command::CusdOctets(_) | Command::CscaSet(_) => 1,
                    _ => 0,
                };
                prop_assert_eq!(quotes, 2 * texts);
            }
        }
    }

    #[test]
    fn commands_are_written_as_the_specifications_have_them() {
        let cases: [(Command, &str); 15] = [
            (Command::At, "AT\r"),
            (Command::Ate0, "ATE0\r"),
            (Command::CpinEnter(Pin::new("1234").unwrap()), "AT+CPIN=\"1234\"\r"),
            (Command::RegistrationSet(Domain::Circuit, 2), "AT+CREG=2\r"),
            (Command::RegistrationRead(Domain::Eps), "AT+CEREG?\r"),
            (
                Command::CpmsSet {
                    read: StoreName::sm(),
                    write: Some(StoreName::sm()),
                    receive: Some(StoreName::mt()),
                },
                "AT+CPMS=\"SM\",\"SM\",\"MT\"\r",
            ),
            (
                Command::CpmsSet { read: StoreName::sr(), write: None, receive: Some(StoreName::mt()) },
                "AT+CPMS=\"SR\"\r",
            ),
            (Command::CnmiSet(Cnmi { mode: 2, mt: 1, bm: 0, ds: 2, bfr: 0 }), "AT+CNMI=2,1,0,2,0\r"),
            (Command::CscaSet(Address::new("+491710760000").unwrap()), "AT+CSCA=\"+491710760000\",145\r"),
            (Command::CscaSet(Address::new("0171").unwrap()), "AT+CSCA=\"0171\",129\r"),
            (Command::Cmgs { length: 23 }, "AT+CMGS=23\r"),
            (Command::Cmgr(0), "AT+CMGR=0\r"),
            (Command::CmglAll { stored: 3 }, "AT+CMGL=4\r"),
            (Command::Cusd(UssdCode::new("*100#").unwrap()), "AT+CUSD=1,\"*100#\",15\r"),
            (Command::CusdOctets(vec![0xaa, 0x18]), "AT+CUSD=1,\"AA18\",15\r"),
        ];
        for (command, line) in cases {
            assert_eq!(String::from_utf8(command.encode()).unwrap(), line);
        }
    }

    #[test]
    fn a_pin_is_never_shown() {
        let command = Command::CpinEnter(Pin::new("1234").unwrap());
        assert!(!format!("{command:?}").contains("1234"));
        assert!(!command.text().contains("1234"));
    }

    #[test]
    fn a_list_is_given_time_for_each_message() {
        assert_eq!(Command::CmglAll { stored: 50 }.limit(), Duration::from_secs(80));
        assert_eq!(Command::Cmgs { length: 20 }.limit(), Duration::from_secs(10));
    }
}
