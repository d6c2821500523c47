//! Commands that have nothing to do with messages: V.250 basics, identity, SIM, registration, USSD.

use std::time::Instant;

use super::command::{Command, Form, values};
use super::habit::EchoOff;
use super::habits::Lock;
use super::modem::SimulatedModem;
use super::reply::{Final, Lines};
use super::scenario::{PIN_TRIES, Scenario};
use super::settings::Settings;
use crate::at::hex;
use crate::pdu::ucs2;

/// Names of the three registrations in the order of [`Settings::registration`].
const REGISTRATIONS: [&str; 3] = ["+CREG", "+CGREG", "+CEREG"];
/// Area and cell of `+CREG=2`.
const CELL: &str = "\"00C3\",\"0000A1B2\"";
/// Numeric name of the test network.
const OPERATOR_NUMERIC: &str = "00101";

/// Commands that are taken and change nothing that this modem has.
const IGNORED: &[&str] = &[
    "H", "S", "X", "L", "M", "O", "P", "T", "&C", "&D", "&K", "&S", "&W", "+CBST", "+CLIR", "+CCWA", "+COLP",
    "+CGSMS", "+CSTA", "+CMOD", "+CSCB", "+CTZU", "+CTZR", "+CCLK", "+CGATT", "+CSAS", "+CRES", "+IFC",
    "+ICF", "+IPR", "^CURC", "+CMER", "+CVHU", "+CHUP", "+CSSN", "+CEER", "+CGEREP", "+WS46",
];

/// What `=?` of a command says.
const TESTS: &[(&str, &str)] = &[
    ("+CMEE", "+CMEE: (0-2)"),
    ("+CREG", "+CREG: (0-2)"),
    ("+CGREG", "+CGREG: (0-2)"),
    ("+CEREG", "+CEREG: (0-2)"),
    ("+CSCS", "+CSCS: (\"IRA\",\"GSM\",\"UCS2\")"),
    ("+CSQ", "+CSQ: (0-31,99),(0-7,99)"),
    ("+CFUN", "+CFUN: (0,1,4),(0-1)"),
    ("+CUSD", "+CUSD: (0-2)"),
    ("+CLIP", "+CLIP: (0,1)"),
    ("+CRC", "+CRC: (0,1)"),
    ("+CPAS", "+CPAS: (0,3,4)"),
    ("+CPIN", ""),
    ("+CGSN", ""),
    ("+CIMI", ""),
    ("+CGMI", ""),
    ("+CGMM", ""),
    ("+CGMR", ""),
];

impl SimulatedModem {
    /// Answers one command; lines of information go to `lines`.
    pub(super) fn answer(&mut self, now: Instant, command: &Command<'_>, lines: &mut Lines) -> Final {
        let (name, form) = (command.name.as_str(), command.form);
        if form == Form::Test
            && let Some((_, line)) = TESTS.iter().find(|(known, _)| *known == name)
        {
            if !line.is_empty() {
                lines.line(line);
            }
            return Final::Ok;
        }
        if let Some(result) = self.answer_message_command(now, name, form, lines) {
            return result;
        }
        if let Some(result) = self.answer_by_family(name, form, lines) {
            return result;
        }
        match name {
            "E" | "V" | "Q" => self.basic(name, form),
            "Z" | "&F" => {
                self.settings = Settings::new(self.settings.echo);
                Final::Ok
            }
            "I" => {
                let Scenario { manufacturer, model, revision, imei, .. } = &self.scenario;
                lines.line(&format!("Manufacturer: {manufacturer}"));
                lines.line(&format!("Model: {model}"));
                lines.line(&format!("Revision: {revision}"));
                lines.line(&format!("IMEI: {imei}"));
                lines.line("+GCAP: +CGSM");
                Final::Ok
            }
            "D" => Final::Error,
            "+CMEE" => set(lines, name, form, 2, &mut self.settings.cmee),
            "+CREG" | "+CGREG" | "+CEREG" => self.registration(name, form, lines),
            "+CPIN" | "+CPINR" | "+CLCK" => self.pin(now, name, form, lines),
            "+CFUN" => self.functionality(now, form, lines),
            "+COPS" => self.operator(form, lines),
            "+CSCS" => self.charset(form, lines),
            "+CUSD" => self.ussd(now, form),
            "+CLIP" | "+CRC" => {
                let [clip, crc] = &mut self.settings.calls;
                set(lines, name, form, 1, if name == "+CLIP" { clip } else { crc })
            }
            _ if form == Form::Execute || form == Form::Read => self.identity(name, form, lines),
            _ if IGNORED.contains(&name) => Final::Ok,
            _ => self.unknown(name),
        }
    }

    fn basic(&mut self, name: &str, form: Form<'_>) -> Final {
        let Some(value @ 0..=1) = form.number() else { return Final::Error };
        match name {
            "E" => match self.scenario.echo_off {
                EchoOff::Refused if value == 0 => return Final::Error,
                EchoOff::Ignored if value == 0 => {}
                _ => self.settings.echo = value == 1,
            },
            "V" => self.settings.verbose = value == 1,
            _ => self.settings.quiet = value == 1,
        }
        Final::Ok
    }

    /// What can only be read.
    fn identity(&mut self, name: &str, form: Form<'_>, lines: &mut Lines) -> Final {
        let Scenario { manufacturer, model, revision, imei, imsi, number, .. } = &self.scenario;
        let line = match (name, form) {
            ("+CGMI" | "+GMI", Form::Execute) => manufacturer.clone(),
            ("+CGMM" | "+GMM", Form::Execute) => model.clone(),
            ("+CGMR" | "+GMR", Form::Execute) => revision.clone(),
            ("+CGSN" | "+GSN", Form::Execute) => imei.to_string(),
            ("+GCAP", Form::Execute) => "+GCAP: +CGSM".into(),
            ("+CPAS", Form::Execute) => "+CPAS: 0".into(),
            ("+CGATT", Form::Read) => format!("+CGATT: {}", u8::from(self.registered)),
            ("+CSQ", Form::Execute) if self.registered => format!("+CSQ: {},99", 18 + self.rng.u8(..8)),
            ("+CSQ", Form::Execute) => "+CSQ: 99,99".into(),
            ("+CCID" | "+ICCID" | "^ICCID" | "+QCCID", _) => return self.iccid(name, lines),
            ("+CIMI" | "+CNUM", _) => match self.lock.cme() {
                Some(cme) => return Final::Cme(cme),
                None if name == "+CIMI" => imsi.clone(),
                None => format!("+CNUM: ,\"{number}\",145"),
            },
            _ if form == Form::Execute && IGNORED.contains(&name) => return Final::Ok,
            _ => return self.unknown(name),
        };
        lines.line(&line);
        Final::Ok
    }

    fn registration(&mut self, name: &str, form: Form<'_>, lines: &mut Lines) -> Final {
        let stat = self.registration_state();
        let at = REGISTRATIONS.iter().position(|known| *known == name).unwrap_or(0);
        let Some(n) = self.settings.registration.get_mut(at) else { return Final::Error };
        if form == Form::Read {
            let cell = if *n == 2 && stat == 1 { format!(",{CELL}") } else { String::new() };
            lines.line(&format!("{name}: {n},{stat}{cell}"));
            return Final::Ok;
        }
        set(lines, name, form, 2, n)
    }

    /// `<stat>` of TS 27.007 7.2: 0 not, 1 home, 2 searching.
    fn registration_state(&self) -> u8 {
        match (self.registered, self.functionality) {
            (true, _) => 1,
            (false, 1) if self.lock == Lock::Open => 2,
            _ => 0,
        }
    }

    /// The unsolicited lines of a change of registration.
    pub(super) fn registration_lines(&self) -> Vec<String> {
        let stat = self.registration_state();
        let wanted = REGISTRATIONS.iter().zip(self.settings.registration);
        wanted
            .filter_map(|(name, n)| match n {
                0 => None,
                2 if stat == 1 => Some(format!("{name}: {stat},{CELL}")),
                _ => Some(format!("{name}: {stat}")),
            })
            .collect()
    }

    fn pin(&mut self, now: Instant, name: &str, form: Form<'_>, lines: &mut Lines) -> Final {
        if name == "+CLCK" {
            let Form::Set(text) = form else { return Final::Cme(50) };
            if let ["SC", "2", ..] = values(text).as_slice() {
                lines.line(&format!("+CLCK: {}", u8::from(self.scenario.pin.is_some())));
                return Final::Ok;
            }
            return Final::Cme(3);
        }
        if let Lock::Bad(_) = self.lock {
            return Final::Cme(self.lock.cme().unwrap_or_default());
        }
        if name == "+CPINR" {
            lines.line(&format!("+CPINR: SIM PIN,{},{PIN_TRIES}", self.tries));
            return Final::Ok;
        }
        match (form, self.lock) {
            (Form::Read, lock) => {
                lines.line(match lock {
                    Lock::Pin => "+CPIN: SIM PIN",
                    Lock::Puk => "+CPIN: SIM PUK",
                    Lock::Open | Lock::Bad(_) => "+CPIN: READY",
                });
                Final::Ok
            }
            (Form::Set(text), Lock::Pin) => self.enter_pin(now, text),
            (Form::Set(_), Lock::Puk) => Final::Cme(12),
            (Form::Set(_), _) => Final::Cme(3),
            _ => Final::Cme(50),
        }
    }

    fn enter_pin(&mut self, now: Instant, text: &str) -> Final {
        if values(text).first().copied() == self.scenario.pin.as_deref() {
            self.lock = Lock::Open;
            self.tries = PIN_TRIES;
            self.start_registration(now);
            self.start_card(now);
            return Final::Ok;
        }
        self.tries = self.tries.saturating_sub(1);
        if self.tries == 0 {
            self.lock = Lock::Puk;
        }
        Final::Cme(16)
    }

    fn functionality(&mut self, now: Instant, form: Form<'_>, lines: &mut Lines) -> Final {
        let text = match form {
            Form::Read => {
                lines.line(&format!("+CFUN: {}", self.functionality));
                return Final::Ok;
            }
            Form::Set(text) => text,
            _ => return Final::Cme(50),
        };
        match values(text).as_slice() {
            [_, "1"] => Final::Reboot,
            [level @ ("0" | "1" | "4")] | [level @ ("0" | "1" | "4"), "0"] => {
                let before = self.functionality;
                self.functionality = level.parse().unwrap_or(1);
                if self.functionality != before {
                    self.start_registration(now);
                    if self.functionality != 1 {
                        self.to_come.extend(self.registration_lines().into_iter().map(|line| (now, line)));
                    }
                }
                Final::Ok
            }
            _ => Final::Cme(50),
        }
    }

    fn operator(&mut self, form: Form<'_>, lines: &mut Lines) -> Final {
        let name = &self.scenario.operator;
        match form {
            Form::Read if self.registered => {
                let format = self.settings.operator_format;
                let shown = if format == 2 { OPERATOR_NUMERIC } else { name };
                lines.line(&format!("+COPS: 0,{format},\"{shown}\",7"));
            }
            Form::Read => lines.line("+COPS: 0"),
            Form::Test => {
                lines.line(&format!("+COPS: (2,\"{name}\",\"SIM\",\"{OPERATOR_NUMERIC}\",7),,(0-4),(0-2)"));
            }
            Form::Set(text) => match values(text).as_slice() {
                ["3", format @ ("0" | "1" | "2")] => {
                    self.settings.operator_format = format.parse().unwrap_or(0);
                }
                ["0" | "1" | "2" | "4", ..] => {}
                _ => return Final::Cme(50),
            },
            Form::Execute => return Final::Cme(50),
        }
        Final::Ok
    }

    fn charset(&mut self, form: Form<'_>, lines: &mut Lines) -> Final {
        match form {
            Form::Read => lines.line(&format!("+CSCS: \"{}\"", self.settings.charset)),
            Form::Set(text) => {
                let known = ["IRA", "GSM", "UCS2"];
                let Some(charset) = known.into_iter().find(|known| values(text) == [*known]) else {
                    return Final::Cme(50);
                };
                self.settings.charset = charset;
            }
            _ => return Final::Cme(50),
        }
        Final::Ok
    }

    fn ussd(&mut self, now: Instant, form: Form<'_>) -> Final {
        let Form::Set(text) = form else { return Final::Ok };
        match values(text).as_slice() {
            ["0" | "1", code, ..] if !code.is_empty() => {
                if !self.registered {
                    return Final::Cme(30);
                }
                let line = self.words_of_network(code);
                let at = now + self.scenario.command_latency + self.scenario.latency;
                self.to_come.push_back((at, line));
                Final::Ok
            }
            ["2"] => {
                self.in_dialogue = false;
                Final::Ok
            }
            ["0" | "1"] => Final::Ok,
            _ => Final::Cme(50),
        }
    }

    /// `+CUSD` for a code, or for what is said in a dialogue; TS 27.007 7.15.
    fn words_of_network(&mut self, code: &str) -> String {
        let Scenario { ussd, balance, .. } = &self.scenario;
        // Without an asterisk or hash it is an answer, and nobody has asked.
        let said = std::mem::take(&mut self.in_dialogue) || code.contains(['*', '#']);
        let text = match ussd.get(code).filter(|_| said) {
            Some(text) => text,
            None if ussd.is_empty() => balance,
            None => return "+CUSD: 4".into(),
        };
        self.in_dialogue = text.ends_with('?');
        let (text, dcs) = match self.settings.charset {
            "UCS2" => (hex::encode(&ucs2::encode(text)), 72),
            _ => (text.clone(), 15),
        };
        format!("+CUSD: {},\"{text}\",{dcs}", u8::from(self.in_dialogue))
    }

    /// A line as vendors send them at any moment.
    pub(super) fn noise_line(&mut self) -> String {
        let rssi = self.rng.u8(10..30);
        match self.rng.u8(..6) {
            0 => format!("^RSSI:{rssi}"),
            1 => format!("^HCSQ:\"LTE\",{rssi},{rssi},{},{}", self.rng.u8(..99), self.rng.u8(..30)),
            2 => format!("^DSFLOWRPT:{:08X},00000000,00000000", self.rng.u32(..)),
            3 => "^MODE:5,4".into(),
            4 => match self.registration_lines().into_iter().next() {
                Some(line) => line,
                None => format!("^BOOT:{},0,0,0,6", self.rng.u32(..)),
            },
            _ => format!("+CSQ: {rssi},99"),
        }
    }
}

/// Reads or sets a number of 0 to `max`.
pub(super) fn set(lines: &mut Lines, name: &str, form: Form<'_>, max: u8, value: &mut u8) -> Final {
    if form == Form::Read {
        lines.line(&format!("{name}: {value}"));
        return Final::Ok;
    }
    // `+CREG=1,...` and the like: only the first value counts here.
    let text = match form {
        Form::Set(text) => values(text).first().copied().unwrap_or_default(),
        _ => "0",
    };
    match text.parse::<u8>() {
        Ok(number) if number <= max => {
            *value = number;
            Final::Ok
        }
        _ => Final::Cme(50),
    }
}
