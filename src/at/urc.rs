//! Unsolicited results: what the modem says unasked. Whether a line is one, while a command with the same prefix is in flight, is
//! decided by the session; here a line is only read.

use super::command::StoreName;
use super::grammar::Info;
use super::reply::{PinState, Registration, UssdReply};

/// An unsolicited result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Urc {
    /// `+CMTI`: a message was stored.
    Cmti {
        /// Where; `None` if the modem gave a number (Huawei `+CMTI: 0,111`) or nonsense.
        store: Option<StoreName>,
        /// Which slot, from 0 or 1.
        index: u16,
    },
    /// `+CDSI`: a status report was stored.
    Cdsi {
        /// Where, usually `SR`.
        store: Option<StoreName>,
        /// Which slot, from 0.
        index: u16,
    },
    /// `+CMT`: a message delivered directly; its PDU is the next line.
    Cmt {
        /// Octets of the TPDU, if told; the PDU itself is the truth.
        length: Option<u16>,
    },
    /// `+CDS`: a status report delivered directly; its PDU is the next line.
    Cds {
        /// Octets of the TPDU, if told.
        length: Option<u16>,
    },
    /// `+CBM`: cell broadcast; its page is the next line.
    Cbm {
        /// Octets of the page, if told.
        length: Option<u16>,
    },
    /// `+CREG`, `+CGREG`, `+CEREG`, `+C5GREG`. As the answer to its read command the same line has one field more.
    Registration(Registration),
    /// `RING`, `+CRING`.
    Ring,
    /// The modem or the card got ready.
    Ready(Ready),
    /// `+CPIN` unasked: the card came, went or got ready.
    Pin(PinState),
    /// `+CUSD`: the network's text.
    Cusd(UssdReply),
    /// A store is full: nothing is received until it is emptied.
    StoreFull,
    /// The modem says good-bye (`NORMAL POWER DOWN`, `POWERED DOWN`, `^SHUTDOWN`) or warns of its supply.
    Power(Power),
    /// Chatter of a vendor; counted and dropped.
    Noise,
}

/// Which step of the start was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ready {
    /// `RDY`, `^SYSSTART`, `+AT: READY`: the modem started, its settings are gone.
    Started,
    /// `Call Ready`, `+CFUN: 1`, `^SRVST:2`: the network side is up.
    Radio,
    /// `SMS Ready`, `SMS DONE`, `+QIND: SMS DONE`: the message commands work.
    Sms,
    /// `PB DONE`, `+PBREADY`: the phone book was read, the last step of most.
    Phonebook,
}

/// What was said about the supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Power {
    /// The modem goes off.
    Down,
    /// `UNDER-VOLTAGE WARNNING` and its like.
    UnderVoltage,
    /// `OVER-VOLTAGE WARNNING`, temperature.
    Warning,
}

/// Names of lines that vendors send at any moment and that nothing depends on.
const CHATTER: &[&str] = &[
    "+CGEV",
    "+CIEV",
    "+CLIP",
    "+CNSMOD",
    "+COLP",
    "+CSQ",
    "+CSSI",
    "+CSSU",
    "+CTZV",
    "+CTZE",
    "+NITZ",
    "+PSUTTZ",
    "+QUSIM",
    "+UCALLSTAT",
    "+UUPSDD",
    "+UUSORD",
    "+UUSORF",
    "+WIND",
    "+ZDONR",
    "+ZPASR",
    "+ZUSIMR",
    "+ZPSTM",
    "+ZEND",
    "+DTMF",
    "#QSS",
    "*PSUTTZ",
    "*PSNWID",
    "^ANTENNA",
    "^BOOT",
    "^CEND",
    "^CONF",
    "^CONN",
    "^CSNR",
    "^DSFLOWRPT",
    "^DSDORMANT",
    "^EARST",
    "^HCSQ",
    "^HWNAT",
    "^LOCCHD",
    "^LWURC",
    "^MODE",
    "^NDISSTAT",
    "^NWTIME",
    "^ORIG",
    "^RSSI",
    "^RSSILVL",
    "^SCKS",
    "^SIMST",
    "^STIN",
    "^SYSINFO",
    "^SYSINFOEX",
    "^THERM",
    "^TIME",
    "^XLEMA",
    "_OSIGQ",
    "_OWANCALL",
    "_OUWCTI",
    "_OUHCIP",
    "_OWCTI",
];

impl Urc {
    /// Reads one line; `None` if nothing unsolicited looks like it.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if let Some(urc) = words(line) {
            return Some(urc);
        }
        if line.starts_with("+CUSD") {
            return UssdReply::parse(line).map(Self::Cusd);
        }
        named(&Info::parse(line)?)
    }

    /// Whether the next line (the PDU) belongs to it.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        matches!(self, Self::Cmt { .. } | Self::Cds { .. } | Self::Cbm { .. })
    }
}

/// Lines without a name, or whose whole text is the name.
fn words(line: &str) -> Option<Urc> {
    Some(match line {
        "RING" => Urc::Ring,
        "RDY" | "^SYSSTART" | "+AT: READY" | "START" => Urc::Ready(Ready::Started),
        "Call Ready" => Urc::Ready(Ready::Radio),
        "SMS Ready" | "SMS READY" | "SMS DONE" | "+QIND: SMS DONE" => Urc::Ready(Ready::Sms),
        "PB DONE" | "+PBREADY" | "+QIND: PB DONE" => Urc::Ready(Ready::Phonebook),
        "NORMAL POWER DOWN" | "POWERED DOWN" | "^SHUTDOWN" | "POWER DOWN" | "SHUTDOWN" => {
            Urc::Power(Power::Down)
        }
        "NO CARRIER" | "NO DIALTONE" | "VOICE CALL: END" => Urc::Noise,
        _ if line.starts_with("UNDER-VOLTAGE") => {
            Urc::Power(if line.ends_with("DOWN") { Power::Down } else { Power::UnderVoltage })
        }
        _ if line.starts_with("OVER-VOLTAGE") => {
            Urc::Power(if line.ends_with("DOWN") { Power::Down } else { Power::Warning })
        }
        _ if line.starts_with("^SYSSTART") => Urc::Ready(Ready::Started),
        _ if line.starts_with("MISSED_CALL")
            || line.starts_with("VOICE CALL:")
            || line.starts_with("DST:") =>
        {
            Urc::Noise
        }
        _ => return None,
    })
}

/// Lines of the form `+NAME: args`.
fn named(info: &Info<'_>) -> Option<Urc> {
    Some(match info.name {
        "+CMTI" => Urc::Cmti { store: store(info), index: info.number(1)? },
        "+CDSI" => Urc::Cdsi { store: store(info), index: info.number(1)? },
        "+CMT" => Urc::Cmt { length: last_number(info) },
        // In text mode a report stands in one line; we never ask for that mode, but the line must not swallow its neighbour.
        "+CDS" if info.args.len() > 2 => Urc::Noise,
        "+CDS" => Urc::Cds { length: last_number(info) },
        "+CBM" => Urc::Cbm { length: last_number(info) },
        "+CREG" | "+CGREG" | "+CEREG" | "+C5GREG" => Urc::Registration(Registration::parse(info)?),
        "+CRING" => Urc::Ring,
        "+CPIN" => Urc::Pin(PinState::parse(info)?),
        "+CFUN" if info.text(0) == Some("1") => Urc::Ready(Ready::Radio),
        "^SRVST" if info.text(0) == Some("2") => Urc::Ready(Ready::Radio),
        "^SMMEMFULL" | "*SMSMEMFULL" | "%SMSMEMFULL" => Urc::StoreFull,
        "+CIEV" if is_store_full(info) => Urc::StoreFull,
        "+SMSFULL" => Urc::StoreFull,
        "^SRVST" | "+CFUN" | "+QIND" => Urc::Noise,
        name if CHATTER.contains(&name) => Urc::Noise,
        _ => return None,
    })
}

fn store(info: &Info<'_>) -> Option<StoreName> {
    StoreName::new(info.text(0)?).filter(|name| !name.as_str().starts_with(|c: char| c.is_ascii_digit()))
}

fn last_number(info: &Info<'_>) -> Option<u16> {
    info.args.last()?.number()
}

/// `+CIEV: "smsfull",1` or `+CIEV: smsfull,2`.
fn is_store_full(info: &Info<'_>) -> bool {
    info.text(0) == Some("smsfull") && info.text(1) != Some("0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stored_messages_name_their_slot() {
        assert_eq!(Urc::parse("+CMTI: \"SM\",7"), Some(Urc::Cmti { store: Some(StoreName::sm()), index: 7 }));
        assert_eq!(Urc::parse("+CMTI: 0,111"), Some(Urc::Cmti { store: None, index: 111 }));
        assert_eq!(Urc::parse("+CDSI: \"SR\",0"), Some(Urc::Cdsi { store: Some(StoreName::sr()), index: 0 }));
        assert_eq!(Urc::parse("+CMTI: \"SM\""), None);
    }

    #[test]
    fn direct_deliveries_have_a_second_line() {
        for (line, length) in [("+CMT: ,27", Some(27)), ("+CMT: \"\",27", Some(27)), ("+CMT: x", None)] {
            let urc = Urc::parse(line).unwrap();
            assert_eq!(urc, Urc::Cmt { length }, "{line}");
            assert!(urc.needs_body());
        }
        assert_eq!(Urc::parse("+CDS: ,25"), Some(Urc::Cds { length: Some(25) }));
        assert_eq!(Urc::parse("+CDS: 25"), Some(Urc::Cds { length: Some(25) }));
        let text_mode = Urc::parse(
            "+CDS: 2,10,\"+358501234567\",145,\"95/07/04/13:12:14+04\",\"95/07/04/13:12:20+04\",0",
        );
        assert!(!text_mode.unwrap().needs_body());
    }

    #[test]
    fn the_start_is_followed() {
        for (line, ready) in [
            ("RDY", Ready::Started),
            ("^SYSSTART", Ready::Started),
            ("Call Ready", Ready::Radio),
            ("SMS Ready", Ready::Sms),
            ("+QIND: SMS DONE", Ready::Sms),
            ("+PBREADY", Ready::Phonebook),
            ("+QIND: PB DONE", Ready::Phonebook),
        ] {
            assert_eq!(Urc::parse(line), Some(Urc::Ready(ready)), "{line}");
        }
        assert_eq!(Urc::parse("+CPIN: NOT READY"), Some(Urc::Pin(PinState::NotReady)));
    }

    #[test]
    fn chatter_is_noise_and_answers_are_nothing() {
        for line in ["^BOOT:91409020,0,0,0,6", "^RSSI:18", "+CIEV: 7,1", "+ZUSIMR:2", "+WIND: 5,1"] {
            assert_eq!(Urc::parse(line), Some(Urc::Noise), "{line}");
        }
        for line in ["OK", "+CMGS: 42", "+CPMS: 0,10", "07914306073011F0", "AT+CSQ", ""] {
            assert_eq!(Urc::parse(line), None, "{line}");
        }
        assert_eq!(Urc::parse("^SMMEMFULL: \"SM\""), Some(Urc::StoreFull));
        assert_eq!(Urc::parse("+CIEV: \"smsfull\",1"), Some(Urc::StoreFull));
        assert_eq!(Urc::parse("+CIEV: \"smsfull\",0"), Some(Urc::Noise));
        assert_eq!(Urc::parse("UNDER-VOLTAGE POWER DOWN"), Some(Urc::Power(Power::Down)));
    }

    proptest! {
        #[test]
        fn never_panics(line in ".*", sign in "[+^]", name in "(CMTI|CMT|CDS|CDSI|CREG|CUSD|CIEV|CBM|CPIN|SRVST)") {
            let _ = Urc::parse(&line);
            let _ = Urc::parse(&format!("{sign}{name}: {line}"));
        }
    }
}
