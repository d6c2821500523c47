//! Message commands of TS 27.005, in PDU mode and as far as other programs need it in text mode.

use std::time::Instant;

use super::answers::set;
use super::command::{Form, numbers, values};
use super::delivery::{charset_text, text_of_charset};
use super::event::What;
use super::modem::{Prompt, PromptKind, SimulatedModem};
use super::reply::{Final, Lines};
use super::slots::{Memory, Stored};
use crate::at::hex;
use crate::number::Number;
use crate::pdu::{Address, Flaws, Pid, Submit, UserData, Validity, split_smsc};
use crate::units::MessageRef;

/// TP-SRR in the first octet of `+CSMP`.
const STATUS_REPORT: u8 = 0x20;

/// What `=?` says.
const TESTS: &[(&str, &str)] = &[
    ("+CMGF", "+CMGF: (0,1)"),
    ("+CSMS", "+CSMS: (0,1)"),
    ("+CNMI", "+CNMI: (0-2),(0-3),(0),(0-2),(0,1)"),
    ("+CPMS", "+CPMS: (\"SM\",\"ME\",\"MT\",\"SR\"),(\"SM\",\"ME\",\"MT\"),(\"SM\",\"ME\",\"MT\")"),
    ("+CMMS", "+CMMS: (0-2)"),
    ("+CSMP", ""),
    ("+CSDH", "+CSDH: (0,1)"),
    ("+CNMA", "+CNMA: (0-2)"),
    ("+CMGS", ""),
    ("+CMGR", ""),
    ("+CSCA", ""),
];

/// States of stored messages in text mode, in the order of their numbers in PDU mode.
const STATES: [&str; 5] = ["REC UNREAD", "REC READ", "STO UNSENT", "STO SENT", "ALL"];
const ALL: usize = 4;

impl SimulatedModem {
    /// Answers a message command; `None` if it is none.
    pub(super) fn answer_message_command(
        &mut self,
        now: Instant,
        name: &str,
        form: Form<'_>,
        lines: &mut Lines,
    ) -> Option<Final> {
        // What works without a SIM.
        match name {
            "+CMGF" => {
                if let Some(refusal) = self.busy(now) {
                    return Some(refusal);
                }
                let mut mode = u8::from(self.settings.text_mode);
                let result =
                    self.tested(name, form, lines).unwrap_or_else(|| set(lines, name, form, 1, &mut mode));
                self.settings.text_mode = mode == 1;
                return Some(result);
            }
            "+CMMS" | "+CSDH" => {
                if let Some(result) = self.answer_by_family(name, form, lines) {
                    return Some(result);
                }
                let value = if name == "+CMMS" { &mut self.settings.cmms } else { &mut self.settings.csdh };
                return Some(match test_line(name, form, lines) {
                    Some(result) => result,
                    None => set(lines, name, form, 2, value),
                });
            }
            "+CSMS" | "+CNMI" | "+CPMS" | "+CSCA" | "+CSMP" | "+CMGS" | "+CMGR" | "+CMGL" | "+CMGD"
            | "+CNMA" => {}
            _ => return None,
        }
        if let Some(code) = self.lock.cms() {
            return Some(Final::Cms(code));
        }
        if let Some(refusal) = self.busy(now) {
            return Some(refusal);
        }
        if let Some(result) = self.answer_by_family(name, form, lines) {
            return Some(result);
        }
        if let Some(result) = self.tested(name, form, lines) {
            return Some(result);
        }
        Some(match name {
            "+CSMS" => self.service(form, lines),
            "+CNMI" => self.indications(form, lines),
            "+CPMS" => self.memories(form, lines),
            "+CSCA" => self.service_centre(form, lines),
            "+CSMP" => self.text_parameters(form, lines),
            "+CMGS" => self.send_message(form),
            "+CMGR" => self.read_message(form, lines),
            "+CMGL" => self.list_messages(form, lines),
            "+CMGD" => self.delete_message(now, form, lines),
            _ => self.acknowledge(now, form),
        })
    }

    fn tested(&self, name: &str, form: Form<'_>, lines: &mut Lines) -> Option<Final> {
        if name == "+CMGL" && form == Form::Test {
            let quoted = STATES.map(|state| format!("\"{state}\"")).join(",");
            lines.line(&format!("+CMGL: ({})", if self.settings.text_mode { &quoted } else { "0-4" }));
            return Some(Final::Ok);
        }
        test_line(name, form, lines)
    }

    fn service(&mut self, form: Form<'_>, lines: &mut Lines) -> Final {
        match form {
            Form::Read => lines.line(&format!("+CSMS: {},1,1,1", self.settings.csms)),
            _ => match form.number() {
                Some(service @ (0 | 1)) => {
                    self.settings.csms = u8::from(service == 1);
                    lines.line("+CSMS: 1,1,1");
                }
                _ => return Final::Cms(302),
            },
        }
        Final::Ok
    }

    fn indications(&mut self, form: Form<'_>, lines: &mut Lines) -> Final {
        let highest = self.scenario.persona.as_ref().map_or(2, |persona| persona.announced_modes());
        match form {
            Form::Read => {
                let [mode, mt, bm, ds, bfr] = self.settings.cnmi;
                lines.line(&format!("+CNMI: {mode},{mt},{bm},{ds},{bfr}"));
                Final::Ok
            }
            Form::Set(text) => match numbers(text, self.settings.cnmi) {
                Some(cnmi @ [mode, 0..=3, 0, 0..=2, 0..=1]) if mode <= highest => {
                    self.settings.cnmi = cnmi;
                    Final::Ok
                }
                _ => Final::Cms(302),
            },
            _ => Final::Cms(302),
        }
    }

    fn memories(&mut self, form: Form<'_>, lines: &mut Lines) -> Final {
        if let Form::Set(text) = form {
            let names = values(text);
            let mut memories = self.settings.memories;
            if names.is_empty() || names.len() > memories.len() {
                return Final::Cms(302);
            }
            if self.scenario.all_stores && names.len() < memories.len() {
                return Final::Error;
            }
            for (at, (slot, name)) in memories.iter_mut().zip(names).enumerate() {
                match Memory::parse(name) {
                    Some(Memory::Sr) if at > 0 => return Final::Cms(302),
                    Some(memory) => *slot = memory,
                    None => return Final::Cms(302),
                }
            }
            self.settings.memories = memories;
            self.stores_selected();
        } else if form != Form::Read {
            return Final::Cms(302);
        }
        let counts = self.settings.memories.map(|memory| {
            let (used, size) = self.slots.count(memory);
            match form {
                Form::Read => format!("\"{}\",{used},{size}", memory.name()),
                _ => format!("{used},{size}"),
            }
        });
        lines.line(&format!("+CPMS: {}", counts.join(",")));
        Final::Ok
    }

    fn service_centre(&mut self, form: Form<'_>, lines: &mut Lines) -> Final {
        match form {
            Form::Read => {
                let smsc = charset_text(self.settings.charset, &self.scenario.smsc);
                let toa = if self.scenario.smsc.starts_with('+') { 145 } else { 129 };
                lines.line(&format!("+CSCA: \"{smsc}\",{toa}"));
                Final::Ok
            }
            Form::Set(text) => {
                let value = values(text).first().copied().unwrap_or_default();
                match text_of_charset(self.settings.charset, value).map(|text| Number::parse(&text, None)) {
                    Some(Ok(number)) => {
                        self.scenario.smsc = number.as_str().to_owned();
                        Final::Ok
                    }
                    _ => Final::Cms(304),
                }
            }
            _ => Final::Cms(302),
        }
    }

    fn text_parameters(&mut self, form: Form<'_>, lines: &mut Lines) -> Final {
        match form {
            Form::Read => {
                let [first, validity, pid, dcs] = self.settings.csmp;
                lines.line(&format!("+CSMP: {first},{validity},{pid},{dcs}"));
                Final::Ok
            }
            Form::Set(text) => numbers(text, self.settings.csmp).map_or(Final::Cms(305), |csmp| {
                self.settings.csmp = csmp;
                Final::Ok
            }),
            _ => Final::Cms(302),
        }
    }

    fn send_message(&mut self, form: Form<'_>) -> Final {
        let Form::Set(text) = form else { return Final::Cms(302) };
        if !self.registered {
            return Final::Cms(331);
        }
        if !self.settings.text_mode {
            return match text.trim().parse() {
                Ok(length @ 1..=hex::OCTETS_MAX) => self.open_prompt(PromptKind::Pdu(length)),
                _ => Final::Cms(304),
            };
        }
        let number = values(text).first().and_then(|to| text_of_charset(self.settings.charset, to));
        match number.and_then(|number| Number::parse(&number, None).ok()) {
            Some(number) => self.open_prompt(PromptKind::Text(Address::from(&number))),
            None => Final::Cms(305),
        }
    }

    /// What was typed at the prompt, or the `+CMS ERROR` that it deserves.
    pub(super) fn message_of(&self, prompt: Prompt) -> Result<Submit, u16> {
        let body = String::from_utf8_lossy(&prompt.body);
        match prompt.kind {
            PromptKind::Pdu(length) => {
                let octets = hex::decode(&body).map_err(|_| 304_u16)?;
                let (_, tpdu) = split_smsc(&octets).map_err(|_| 304_u16)?;
                if tpdu.len() != length {
                    return Err(304);
                }
                let submit = Submit::decode(tpdu).map_err(|_| 304_u16)?;
                submit.encode().map_err(|_| 304_u16)?;
                Ok(submit)
            }
            PromptKind::Text(destination) => {
                let text =
                    text_of_charset(self.settings.charset, &body.replace('\r', "\n")).ok_or(305_u16)?;
                let [first, validity, pid, _] = self.settings.csmp;
                let (dcs, user_data) = UserData::from_text(&text);
                let submit = Submit {
                    reference: MessageRef(0),
                    destination,
                    pid: Pid(pid),
                    dcs,
                    validity: Some(Validity::Relative(validity)),
                    reject_duplicates: false,
                    status_report: first & STATUS_REPORT != 0,
                    reply_path: false,
                    user_data,
                    flaws: Flaws::default(),
                };
                // One that cannot be written is too long: text mode knows no parts.
                submit.encode().map_err(|_| 305_u16)?;
                Ok(submit)
            }
        }
    }

    fn read_message(&mut self, form: Form<'_>, lines: &mut Lines) -> Final {
        let index = match form {
            Form::Set(text) => values(text).first().and_then(|index| index.parse().ok()),
            _ => None,
        };
        let [memory, ..] = self.settings.memories;
        let found = index.and_then(|index| self.slots.slot(memory, index)).and_then(Option::as_mut);
        let Some(stored) = found else { return Final::Cms(321) };
        let (state, tpdu) = (usize::from(std::mem::replace(&mut stored.read, true)), stored.tpdu.clone());
        self.show_stored(lines, "+CMGR", None, state, &tpdu);
        Final::Ok
    }

    fn list_messages(&mut self, form: Form<'_>, lines: &mut Lines) -> Final {
        let wanted = match form {
            Form::Execute => Some(0),
            Form::Set(text) if self.settings.text_mode => {
                STATES.iter().position(|state| values(text).first() == Some(state))
            }
            Form::Set(text) => {
                values(text).first().and_then(|state| state.parse().ok()).filter(|state| *state <= ALL)
            }
            _ => None,
        };
        let Some(wanted) = wanted else { return Final::Cms(302) };
        let [memory, ..] = self.settings.memories;
        let found: Vec<_> = self
            .slots
            .all(memory)
            .map(|(index, stored)| (index, usize::from(stored.read), stored.tpdu.clone()))
            .filter(|(_, state, _)| wanted == ALL || wanted == *state)
            .collect();
        for (index, state, tpdu) in found {
            if let Some(Some(stored)) = self.slots.slot(memory, index) {
                stored.read = true;
            }
            self.show_stored(lines, "+CMGL", Some(index), state, &tpdu);
        }
        Final::Ok
    }

    fn show_stored(&self, lines: &mut Lines, name: &str, index: Option<usize>, state: usize, tpdu: &[u8]) {
        let index = index.map(|index| format!("{index},")).unwrap_or_default();
        if self.settings.text_mode {
            let state = STATES.get(state).copied().unwrap_or_default();
            let (head, text) = self.in_text(tpdu);
            // A report has no text, and its head no address field in quotes: TS 27.005 3.4.2.
            lines.line(&format!("{name}: {index}\"{state}\",{head}"));
            if let Some(text) = text {
                lines.body(&text);
            }
        } else {
            lines.line(&format!("{name}: {index}{state},,{}", tpdu.len()));
            lines.body(&self.in_hex(tpdu));
        }
    }

    fn delete_message(&mut self, now: Instant, form: Form<'_>, lines: &mut Lines) -> Final {
        let [memory, ..] = self.settings.memories;
        let text = match form {
            Form::Test => {
                let used: Vec<_> = self.slots.all(memory).map(|(index, _)| index.to_string()).collect();
                lines.line(&format!("+CMGD: ({}),(0-4)", used.join(",")));
                return Final::Ok;
            }
            Form::Set(text) => text,
            _ => return Final::Cms(302),
        };
        let fields: Vec<Option<usize>> = values(text).into_iter().map(|field| field.parse().ok()).collect();
        match fields.as_slice() {
            [Some(index)] | [Some(index), Some(0)] => match self.slots.slot(memory, *index) {
                Some(slot) => {
                    let stored = slot.take();
                    self.taken(now, stored);
                    Final::Ok
                }
                None => Final::Cms(321),
            },
            // 1 to 3 leave what is not read; 4 leaves nothing.
            [_, Some(flag @ 1..=4)] => {
                let gone = |stored: &Stored| stored.read || *flag == 4;
                let gone: Vec<_> = self
                    .slots
                    .all(memory)
                    .filter(|(_, stored)| gone(stored))
                    .map(|(index, _)| index)
                    .collect();
                for index in gone {
                    let stored = self.slots.slot(memory, index).and_then(Option::take);
                    self.taken(now, stored);
                }
                Final::Ok
            }
            _ => Final::Cms(302),
        }
    }

    fn taken(&mut self, now: Instant, stored: Option<Stored>) {
        if let Some(Stored { tpdu, .. }) = stored {
            self.tell(now, || What::Taken(tpdu));
        }
    }

    /// `+CNMA`; TS 27.005 3.4.4.
    fn acknowledge(&mut self, now: Instant, form: Form<'_>) -> Final {
        let Some(kind @ 0..=2) = form.number() else { return Final::Cms(302) };
        let Some((_, incoming)) = self.unacknowledged.take() else { return Final::Cms(340) };
        if kind == 2 {
            self.network.put_back(now, self.sim, incoming);
        } else if let Ok(tpdu) = incoming.encode() {
            self.tell(now, || What::Taken(tpdu));
        }
        Final::Ok
    }
}

fn test_line(name: &str, form: Form<'_>, lines: &mut Lines) -> Option<Final> {
    let (_, line) = TESTS.iter().find(|(known, _)| form == Form::Test && *known == name)?;
    if !line.is_empty() {
        lines.line(line);
    }
    Some(Final::Ok)
}
