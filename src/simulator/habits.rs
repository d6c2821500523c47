//! What a modem does by its family and its scenario's habits: its start, its card, and the commands that it refuses, answers
//! late or knows beyond the standard.

use std::time::{Duration, Instant};

use super::command::{Form, numbers, values};
use super::habit::{Card, Speaks, Unknown};
use super::modem::SimulatedModem;
use super::network::Incoming;
use super::reply::{Final, Lines};
use super::slots::Memory;

/// Silence after which the family that does so loses the next line.
const DOZES_AFTER: Duration = Duration::from_secs(10);
/// Sentences of a GNSS receiver a second.
const NMEA_RATE: u32 = 5;
/// Sender of the messages that a store holds at the first power-on.
const EARLIER: &str = "EARLIER";

/// What the SIM wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// Nothing.
    Open,
    /// The PIN.
    Pin,
    /// The PUK: no tries left.
    Puk,
    /// A card that is none, or does not work.
    Bad(Card),
}

impl Lock {
    /// `+CME ERROR` of what needs the card; TS 27.007 9.2.
    pub(super) fn cme(self) -> Option<u16> {
        match self {
            Self::Open | Self::Bad(Card::Good) => None,
            Self::Pin => Some(11),
            Self::Puk => Some(12),
            Self::Bad(Card::Absent) => Some(10),
            Self::Bad(Card::Failing) => Some(13),
            Self::Bad(Card::Busy) => Some(14),
        }
    }

    /// `+CMS ERROR` of message commands; TS 27.005 3.2.5 has other numbers for the same.
    pub(super) fn cms(self) -> Option<u16> {
        match self {
            Self::Puk => Some(316),
            lock => lock.cme().map(|cme| 300 + cme),
        }
    }
}

/// What a login says to a name that it does not know.
const LOGIN: &[u8] = b"\r\nLogin incorrect\r\n\r\ngateway login: ";

impl SimulatedModem {
    /// The card as it is at power-on.
    pub(super) fn lock_at_start(&self) -> Lock {
        match (self.scenario.card, &self.scenario.pin, self.tries) {
            (Card::Good, None, _) => Lock::Open,
            (Card::Good, Some(_), 0) => Lock::Puk,
            (Card::Good, Some(_), _) => Lock::Pin,
            (bad, ..) => Lock::Bad(bad),
        }
    }

    /// Power-on, which takes `dark` until the modem's own start begins.
    pub(super) fn boot(&mut self, now: Instant, dark: Duration) {
        let (boot, started) = match &self.scenario.persona {
            Some(persona) => (persona.boot, persona.started.clone()),
            None => (Duration::ZERO, None),
        };
        self.awake_at = now + dark + boot;
        self.heard_at = None;
        self.toggled = 0;
        self.chatty = true;
        self.to_come.extend(started.map(|line| (self.awake_at, line)));
        if self.lock == Lock::Open {
            self.start_card(self.awake_at);
        }
    }

    /// The card begins to read its files.
    pub(super) fn start_card(&mut self, now: Instant) {
        let persona = self.scenario.persona.as_ref();
        let busy = self.scenario.busy.or(persona.map(|persona| persona.busy)).unwrap_or_default();
        self.busy_until = now + busy;
        let ready = persona.and_then(|persona| persona.ready.clone());
        self.to_come.extend(ready.map(|line| (self.busy_until, line)));
    }

    /// How a command is refused that reads the card's message files, while they cannot be read.
    pub(super) fn busy(&self, now: Instant) -> Option<Final> {
        let refusal = if self.scenario.busy_error { Final::Error } else { Final::Cms(314) };
        (now < self.busy_until).then_some(refusal)
    }

    /// Octets from the host that reach no command line.
    pub(super) fn is_deaf(&mut self, now: Instant, bytes: &[u8]) -> bool {
        match self.scenario.speaks {
            Speaks::Modem => return now < self.awake_at,
            Speaks::Nothing | Speaks::Nmea => {}
            Speaks::Echo => self.wire_out(now, bytes),
            Speaks::Console => {
                self.wire_out(now, bytes);
                for _ in bytes.iter().filter(|&&octet| octet == b'\r') {
                    self.wire_out(now, LOGIN);
                }
            }
            Speaks::Garbage => {
                let garbage: Vec<u8> = bytes.iter().map(|_| self.rng.u8(..) | 0x80).collect();
                self.wire_out(now, &garbage);
            }
        }
        true
    }

    /// Whether the line that begins now is lost: the modem dozed.
    pub(super) fn dozes(&mut self, now: Instant) -> bool {
        let before = self.heard_at.replace(now);
        let first_lost = self.scenario.persona.as_ref().is_some_and(|persona| persona.first_lost);
        first_lost && before.is_none_or(|before| now >= before + DOZES_AFTER)
    }

    /// How a whole line is answered that the family or a habit has its own way with.
    pub(super) fn answer_line(&mut self, line: &str) -> Option<Final> {
        let persona = self.scenario.persona.as_ref()?;
        if persona.reset.as_deref().is_some_and(|reset| reset.eq_ignore_ascii_case(line)) {
            return Some(Final::Reboot);
        }
        if persona.silence.iter().any(|silence| silence.eq_ignore_ascii_case(line)) {
            self.chatty = false;
            // A switch of the vendor is all of its line; `E0+CPMS?` is two commands that everybody knows.
            return line.starts_with(|c: char| !c.is_ascii_alphabetic()).then_some(Final::Ok);
        }
        None
    }

    /// What the family has its own way with; `None`: as the standard says.
    pub(super) fn answer_by_family(
        &mut self,
        name: &str,
        form: Form<'_>,
        lines: &mut Lines,
    ) -> Option<Final> {
        let persona = self.scenario.persona.clone()?;
        match (name, form) {
            ("+CNMI", Form::Test) => {
                let reports: Vec<_> = persona.reports.iter().map(u8::to_string).collect();
                lines.line(&format!(
                    "+CNMI: (0-{}),(0-3),(0),({}),(0,1)",
                    persona.announced_modes(),
                    reports.join(",")
                ));
                Some(Final::Ok)
            }
            ("+CNMI", Form::Set(text)) => {
                let [mode, _, _, ds, _] = numbers(text, self.settings.cnmi)?;
                let known = (mode == 0 || persona.modes.contains(&mode)) && persona.reports.contains(&ds);
                (!known).then_some(Final::Cms(303))
            }
            ("+CPMS", Form::Set(text)) => {
                let wanted = values(text);
                let known = |name: &&str| {
                    Memory::parse(name)
                        .is_some_and(|memory| memory == Memory::Sr || persona.memories.contains(&memory))
                };
                if wanted.len() > persona.places {
                    return Some(Final::Error);
                }
                (!wanted.iter().all(known)).then_some(Final::Cms(303))
            }
            ("+CMMS", _) if !persona.cmms => Some(Final::Cms(303)),
            ("+CMGL", Form::Set(_)) if !persona.list => Some(Final::Cms(303)),
            ("+CNMA", _) if persona.never_acknowledged => Some(Final::Cms(340)),
            ("+CGSMS", Form::Set(text)) => {
                let known = text.parse().is_ok_and(|service| persona.bearers.contains(&service));
                Some(if known { Final::Ok } else { Final::Cme(50) })
            }
            ("+CCID" | "+ICCID" | "^ICCID" | "+QCCID" | "#CCID" | "^SCID", Form::Execute | Form::Read) => {
                Some(if persona.iccid.contains(&name) { self.iccid(name, lines) } else { self.unknown(name) })
            }
            ("+CESQ" | "^HCSQ" | "+QCSQ", Form::Execute | Form::Read) if persona.signal.contains(&name) => {
                lines.line(match name {
                    "+CESQ" => "+CESQ: 99,99,255,255,20,51",
                    "^HCSQ" => "^HCSQ:\"LTE\",61,51,161,24",
                    _ => "+QCSQ: \"LTE\",-62,-90,180,-10",
                });
                Some(Final::Ok)
            }
            // Other vendors' commands are not known.
            _ if !name.starts_with(['+', '&']) && !name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                Some(self.unknown(name))
            }
            _ => None,
        }
    }

    /// The answer to a command that tells the ICCID.
    pub(super) fn iccid(&self, name: &str, lines: &mut Lines) -> Final {
        match self.lock.cme() {
            Some(cme) => Final::Cme(cme),
            None => {
                lines.line(&format!("{name}: {}", self.scenario.iccid));
                Final::Ok
            }
        }
    }

    /// How a command is refused that is not known. A basic command ends in `ERROR` whatever `+CMEE` says.
    pub(super) fn unknown(&self, name: &str) -> Final {
        match self.scenario.unknown {
            Unknown::NotSupport => Final::NotSupport,
            Unknown::Error => Final::Error,
            Unknown::ByCmee if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '&') => {
                Final::Error
            }
            Unknown::ByCmee => Final::Cme(4),
        }
    }

    /// Whether the answer to this line (without `AT`) comes without its final result.
    pub(super) fn lacks_final(&self, line: &str) -> bool {
        let persona = self.scenario.persona.as_ref();
        persona
            .is_some_and(|persona| persona.final_missing.iter().any(|known| known.eq_ignore_ascii_case(line)))
    }

    /// The habit for this line, if there is one: what it says in place of the answer, and how late.
    pub(super) fn instead(&mut self, line: &str) -> Option<(Option<String>, Duration)> {
        let counts = &mut self.struck;
        let (at, instead) = self
            .scenario
            .instead
            .iter()
            .enumerate()
            .find(|(at, instead)| instead.strikes(line, counts.get(*at).copied().unwrap_or(0)))?;
        if let Some(count) = counts.get_mut(at) {
            *count = count.saturating_add(1);
        }
        Some((instead.say.clone(), instead.after))
    }

    /// Messages that the modem has had before it was switched on for the first time.
    pub(super) fn fill_stores(&mut self, now: Instant) {
        for n in 0..self.scenario.stored {
            let text = format!("stored message {}", n + 1);
            let message = self.network.message(now, EARLIER, &text);
            let Some(Ok(tpdu)) = message.map(|message| message.encode()) else { continue };
            for memory in [Memory::Sm, Memory::Me] {
                self.slots.put(memory, tpdu.clone());
            }
        }
    }

    /// `+CPMS` was set: one step further in the family's way of waking its stores.
    pub(super) fn stores_selected(&mut self) {
        let [read, ..] = self.settings.memories;
        let next =
            self.scenario.persona.as_ref().and_then(|persona| persona.toggle.get(self.toggled).copied());
        if next == Some(read) {
            self.toggled += 1;
        }
    }

    /// Whether the family's stores are awake.
    pub(super) fn receives(&self, incoming: &Incoming) -> bool {
        let wanted = self.scenario.persona.as_ref().map_or(0, |persona| persona.toggle.len());
        self.toggled >= wanted || matches!(incoming, Incoming::Report(_))
    }

    /// Unsolicited lines a second.
    pub(super) fn chatter(&self) -> u32 {
        match self.scenario.speaks {
            Speaks::Modem if self.chatty => self.scenario.noise,
            Speaks::Nmea => NMEA_RATE,
            _ => 0,
        }
    }

    /// Puts such a line on the wire.
    pub(super) fn chat(&mut self, now: Instant) {
        if self.scenario.speaks == Speaks::Nmea {
            let body = format!("GPRMC,1235{:02}.00,V,,,,,,,230394,,,N", self.rng.u8(..60));
            let sum = body.bytes().fold(0, |sum, octet| sum ^ octet);
            self.wire_out(now, format!("${body}*{sum:02X}\r\n").as_bytes());
            return;
        }
        let family = self.scenario.persona.as_ref().map(|persona| persona.noise.clone());
        let line = match family {
            Some(noise) if !noise.is_empty() => self.family_line(&noise),
            _ => self.noise_line(),
        };
        self.send_line(now, &line);
    }

    fn family_line(&mut self, noise: &[String]) -> String {
        let name = noise.get(self.rng.usize(..noise.len())).cloned().unwrap_or_default();
        if name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            name
        } else {
            format!("{name}: {}", self.rng.u8(..32))
        }
    }
}
