//! The modem as a pure machine: octets and the time go in, octets and events come out.
//!
//! One command is in work at a time, as on a real port: what the host sends meanwhile waits. Unsolicited lines may come at
//! any moment, but never within a line. The commands themselves are in `answers` and `messages`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::command::split;
use super::event::{Event, Kinds, What};
use super::habits::Lock;
use super::network::{Incoming, Network, SimId};
use super::reply::{Final, Lines, Style};
use super::scenario::{Scenario, Silence};
use super::settings::Settings;
use super::slots::Slots;
use super::wire::{Out, Wire};
use crate::pdu::{Address, Submit};
use crate::units::MessageRef;

/// Octets that wait while a command is in work; a host that sends more does not wait for answers, and loses them.
const INPUT_MAX: usize = 65_536;
/// Longest command line, octets; real modems take 200 to 2000.
const LINE_MAX: usize = 2048;
/// Longest body behind a prompt: a PDU of 176 octets in hex is 352, a text in UCS-2 hex 640.
const BODY_MAX: usize = 1024;
/// A delivery that is not acknowledged by `+CNMA` within this time has failed; TR2M of TS 24.011 is 12 to 20 s.
const ACK_WAIT: Duration = Duration::from_secs(15);
/// From the `OK` of a reboot to the end of the port: the host shall be able to read it.
const LEAVE_AFTER: Duration = Duration::from_millis(20);

const CTRL_Z: u8 = 0x1a;
const ESC: u8 = 0x1b;
const BACKSPACE: u8 = 0x08;

/// An open prompt.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) n: u64,
    /// PDU mode: octets of the TPDU; text mode: to whom.
    pub(super) kind: PromptKind,
    pub(super) body: Vec<u8>,
    /// The modem has fallen silent: what comes is lost.
    pub(super) silent: bool,
}

#[derive(Debug)]
pub(super) enum PromptKind {
    Pdu(usize),
    Text(Address),
}

/// What the modem does when the time of the command in work has come.
#[derive(Debug)]
pub(super) enum Work {
    Answer(String, Vec<String>, Final),
    Submit { n: u64, message: Result<Box<Submit>, u16>, silent: bool },
    Leave,
}

/// A GSM modem with its SIM.
pub struct SimulatedModem {
    pub(super) scenario: Scenario,
    pub(super) network: Network,
    pub(super) sim: SimId,
    index: usize,
    watch: Kinds,
    pub(super) settings: Settings,
    pub(super) slots: Slots,
    pub(super) lock: Lock,
    /// Tries left for the PIN; the card remembers them.
    pub(super) tries: u8,
    /// Until when nothing is heard, and until when the card is busy.
    pub(super) awake_at: Instant,
    pub(super) busy_until: Instant,
    /// When the last line began.
    pub(super) heard_at: Option<Instant>,
    /// How far the stores are woken by [`super::Persona`]'s way.
    pub(super) toggled: usize,
    /// Whether the host let it chatter.
    pub(super) chatty: bool,
    /// How often each habit of the scenario has struck.
    pub(super) struck: Vec<u32>,
    /// `+CFUN`.
    pub(super) functionality: u8,
    pub(super) registered: bool,
    /// The network waits for an answer to its USSD.
    pub(super) in_dialogue: bool,
    /// When it registers, if it is about to.
    register_at: Option<Instant>,
    powered: bool,
    silence: Silence,
    input: VecDeque<u8>,
    input_since: Instant,
    line: Vec<u8>,
    pub(super) line_since: Instant,
    overlong: bool,
    /// The line that comes in is lost.
    lost: bool,
    echo: Vec<u8>,
    pub(super) prompt: Option<Prompt>,
    work: Option<(Instant, Work)>,
    wire: Wire,
    /// Unsolicited lines to come, by their time.
    pub(super) to_come: VecDeque<(Instant, String)>,
    next_noise: Option<Instant>,
    pub(super) unacknowledged: Option<(Instant, Incoming)>,
    /// The next time at which the network has something that the modem would take.
    network_due: Option<Instant>,
    pub(super) rng: fastrand::Rng,
    pub(super) messages: u64,
    reference: MessageRef,
}

impl SimulatedModem {
    /// A modem that is switched on at `now` with its SIM on `network`. `watch` are the events that somebody wants.
    #[must_use]
    pub fn new(scenario: Scenario, network: &Network, index: usize, watch: Kinds, now: Instant) -> Self {
        let mut modem = Self {
            sim: network.attach(&scenario.number),
            network: network.clone(),
            index,
            watch,
            settings: Settings::new(scenario.echo),
            slots: Slots::new(scenario.slots),
            lock: Lock::Open,
            tries: scenario.pin_tries,
            awake_at: now,
            busy_until: now,
            heard_at: None,
            toggled: 0,
            chatty: true,
            struck: vec![0; scenario.instead.len()],
            functionality: 1,
            registered: false,
            in_dialogue: false,
            register_at: None,
            powered: true,
            silence: Silence::None,
            input: VecDeque::new(),
            input_since: now,
            line: Vec::new(),
            line_since: now,
            overlong: false,
            lost: false,
            echo: Vec::new(),
            prompt: None,
            work: None,
            wire: Wire::new(scenario.chunk, scenario.chunk_gap),
            to_come: VecDeque::new(),
            next_noise: None,
            unacknowledged: None,
            network_due: None,
            rng: fastrand::Rng::with_seed(scenario.seed),
            messages: 0,
            reference: MessageRef(0),
            scenario,
        };
        modem.fill_stores(now);
        modem.plug_in(now);
        while modem.poll().is_some() {}
        modem
    }

    /// Its SIM, to be woken by the network.
    #[must_use]
    pub fn sim(&self) -> SimId {
        self.sim
    }

    /// Octets from the host.
    pub fn receive(&mut self, now: Instant, bytes: &[u8]) {
        if self.input.is_empty() {
            self.input_since = now;
        }
        if self.silence != Silence::All && self.powered && !self.is_deaf(now, bytes) {
            let room = INPUT_MAX.saturating_sub(self.input.len());
            self.input.extend(bytes.iter().take(room));
        }
        self.tick(now);
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Instant) {
        if !self.powered {
            return;
        }
        self.register_if_due(now);
        loop {
            if let Some((until, work)) = self.work.take() {
                if until > now {
                    self.work = Some((until, work));
                    break;
                }
                self.finish(now, work);
                continue;
            }
            let Some(byte) = self.input.pop_front() else { break };
            self.feed(now, byte);
        }
        self.flush_echo(now);
        self.unsolicited(now);
        self.wire.advance(now);
    }

    /// What is to be done next, if anything.
    pub fn poll(&mut self) -> Option<Out> {
        self.wire.poll()
    }

    /// When [`Self::tick`] is wanted at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if !self.powered {
            return None;
        }
        let times = [
            self.work.as_ref().map(|(at, _)| *at),
            self.wire.deadline(),
            self.register_at,
            self.next_noise,
            self.network_due,
            self.unacknowledged.as_ref().map(|(since, _)| *since + ACK_WAIT),
            self.to_come.iter().map(|(at, _)| *at).min().filter(|_| self.may_interrupt()),
        ];
        times.into_iter().flatten().min()
    }

    /// The host has closed the port: a half-typed line and an open prompt are forgotten, settings are not.
    pub fn host_gone(&mut self) {
        self.prompt = None;
        self.input.clear();
        self.line.clear();
        self.echo.clear();
        self.wire.cut();
    }

    /// The modem leaves the bus. A message whose Ctrl-Z has come is on its way and does not come back.
    pub fn hang_up(&mut self, now: Instant) {
        if let Some((_, work @ Work::Submit { .. })) = self.work.take() {
            self.finish(now, work);
        }
        self.host_gone();
        self.powered = false;
        self.tell(now, || What::HungUp);
    }

    /// The modem is on the bus again, as after power-on.
    pub fn plug_in(&mut self, now: Instant) {
        self.powered = true;
        self.tell(now, || What::PluggedIn);
        self.start(now, Duration::ZERO);
    }

    /// As after power-on, which takes `dark` until the modem's own start begins.
    fn start(&mut self, now: Instant, dark: Duration) {
        self.settings = Settings::new(self.scenario.echo);
        self.functionality = 1;
        self.lock = self.lock_at_start();
        self.work = None;
        self.to_come.clear();
        if let Some((_, incoming)) = self.unacknowledged.take() {
            self.network.put_back(now, self.sim, incoming);
        }
        self.boot(now, dark);
        self.start_registration(self.awake_at);
        self.schedule_noise(self.awake_at);
        self.tick(now);
    }

    /// Says what a modem says that started anew behind a port that stayed, and asks for nothing.
    pub(super) fn announce_start(&mut self, now: Instant) {
        let pin = if self.lock == Lock::Open { "+CPIN: READY" } else { "+CPIN: SIM PIN" };
        let lines = [(0, "RDY"), (100, "+CFUN: 1"), (800, pin), (2500, "Call Ready"), (3000, "SMS Ready")];
        let locked = self.lock != Lock::Open;
        let said = lines.into_iter().filter(|(_, line)| !(locked && line.ends_with(" Ready")));
        self.to_come.extend(said.map(|(ms, line)| (now + Duration::from_millis(ms), line.to_owned())));
        self.tick(now);
    }

    /// Whether the SIM has no tries left.
    pub(super) fn is_locked(&self) -> bool {
        self.lock == Lock::Puk
    }

    /// Stops answering, or answers again.
    pub fn silence(&mut self, silence: Silence) {
        self.silence = silence;
    }

    /// `AT+CMGS` commands so far.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Whether `kinds` are wanted.
    pub(super) fn watches(&self, kinds: Kinds) -> bool {
        self.watch.has(kinds)
    }

    /// Tells an event, if its kind is wanted.
    pub(super) fn tell(&mut self, at: Instant, what: impl FnOnce() -> What) {
        if self.watch == Kinds::NONE {
            return;
        }
        let what = what();
        if self.watch.has(what.kind()) {
            self.wire.push(Out::Event(Event { modem: self.index, at, what }));
        }
    }

    pub(super) fn style(&self) -> Style {
        let Settings { verbose, quiet, cmee, .. } = self.settings;
        Style { verbose, quiet, cmee, told: self.watches(Kinds::REPLY) }
    }

    fn feed(&mut self, now: Instant, byte: u8) {
        if self.prompt.is_some() {
            return self.feed_body(now, byte);
        }
        if self.line.is_empty() && !self.lost {
            self.line_since = self.input_since;
            self.lost = byte != ESC && self.dozes(now);
        }
        if self.lost {
            self.lost = byte != b'\r';
            return;
        }
        let ends_in_lf = self.scenario.persona.as_ref().is_some_and(|persona| persona.ends_in_lf);
        if self.settings.echo {
            self.echo.push(byte);
        }
        match byte {
            b'\r' if ends_in_lf => {}
            b'\r' | b'\n' if (byte == b'\n') == ends_in_lf => {
                self.flush_echo(now);
                let line = std::mem::take(&mut self.line);
                if std::mem::take(&mut self.overlong) {
                    self.answer_with(now, Final::Error);
                } else {
                    self.run(now, String::from_utf8_lossy(&line).trim());
                }
                self.input_since = now;
            }
            b'\n' | 0 | ESC | CTRL_Z => {}
            BACKSPACE => {
                self.line.pop();
            }
            _ if self.line.len() >= LINE_MAX => self.overlong = true,
            _ => self.line.push(byte),
        }
    }

    fn feed_body(&mut self, now: Instant, byte: u8) {
        let Some(prompt) = &mut self.prompt else { return };
        match byte {
            CTRL_Z => {
                self.flush_echo(now);
                let Some(prompt) = self.prompt.take() else { return };
                if !prompt.silent {
                    self.end_of_body(now, prompt);
                }
            }
            ESC => {
                let silent = prompt.silent;
                self.prompt = None;
                if !silent {
                    self.answer_with(now, Final::Ok);
                }
            }
            _ => {
                if prompt.body.len() <= BODY_MAX {
                    prompt.body.push(byte);
                }
                if self.settings.echo && !prompt.silent {
                    self.echo.push(byte);
                }
            }
        }
    }

    fn end_of_body(&mut self, now: Instant, prompt: Prompt) {
        let n = prompt.n;
        let message = self.message_of(prompt).map(Box::new);
        let recipient = message.as_ref().ok().map(|submit| submit.destination.text());
        let refusal = recipient.as_ref().and_then(|to| self.scenario.refused.get(to).copied());
        let every = self.scenario.error_every.filter(|every| every.strikes(n));
        let error = every.map(|every| every.code);
        let latency = every.map_or(Duration::ZERO, |every| every.after).max(self.scenario.latency);
        self.tell(now, || What::CtrlZ { n, recipient });
        let message = match (message, error.or(refusal)) {
            (Ok(_), Some(code)) => Err(code),
            (message, _) => message,
        };
        let silent = self.silence == Silence::Answer
            || self.scenario.silent_after_ctrl_z.is_some_and(|after| after.strikes(n));
        self.work(now, latency, Work::Submit { n, message, silent });
    }

    /// Runs a command line.
    fn run(&mut self, now: Instant, line: &str) {
        if line.is_empty() {
            return;
        }
        self.tell(now, || What::AtReceived(masked(line)));
        let Some(("at" | "AT" | "At" | "aT", commands)) = line.split_at_checked(2) else { return };
        let instead = self.instead(commands);
        let latency =
            self.scenario.command_latency + instead.as_ref().map_or(Duration::ZERO, |(_, after)| *after);
        let mut lines = Lines::new(self.style());
        let result = match instead {
            Some((Some(say), _)) => {
                if !say.is_empty() {
                    lines.line(&say);
                }
                Final::Nothing
            }
            _ => self.carry_out(now, commands, &mut lines),
        };
        lines.end(result);
        let (wire, told) = lines.into_parts();
        self.work(now, latency, Work::Answer(wire, told, result));
    }

    /// Carries out the commands of a line, up to the first that fails.
    fn carry_out(&mut self, now: Instant, text: &str, lines: &mut Lines) -> Final {
        if let Some(result) = self.answer_line(text) {
            return result;
        }
        let Some(commands) = split(text) else { return Final::Error };
        let mut result = Final::Ok;
        for command in &commands {
            result = self.answer(now, command, lines);
            lines.restyle(self.style());
            if !matches!(result, Final::Ok) {
                break;
            }
        }
        if result == Final::Ok && self.lacks_final(text) { Final::Nothing } else { result }
    }

    /// Opens the prompt of message `n`, unless the modem is silent.
    pub(super) fn open_prompt(&mut self, kind: PromptKind) -> Final {
        let (n, since) = (self.messages + 1, self.line_since);
        self.messages = n;
        self.tell(since, || What::Cmgs { n });
        if self.silence == Silence::Prompt {
            return Final::Nothing;
        }
        let silent = self.scenario.silent_after_prompt.is_some_and(|after| after.strikes(n));
        self.prompt = Some(Prompt { n, kind, body: Vec::new(), silent });
        Final::Nothing
    }

    fn answer_with(&mut self, now: Instant, result: Final) {
        let mut lines = Lines::new(self.style());
        lines.end(result);
        let (wire, told) = lines.into_parts();
        self.work(now, self.scenario.command_latency, Work::Answer(wire, told, result));
    }

    fn work(&mut self, now: Instant, latency: Duration, work: Work) {
        if latency.is_zero() {
            self.finish(now, work);
        } else {
            self.work = Some((now + latency, work));
        }
    }

    fn finish(&mut self, now: Instant, work: Work) {
        match work {
            Work::Answer(wire, told, result) => {
                self.send(now, &wire, told);
                if let (Final::Nothing, Some(prompt)) = (result, &self.prompt) {
                    let n = prompt.n;
                    let asks = self.scenario.prompt.clone();
                    self.send(now, &asks, Vec::new());
                    self.tell(now, || What::PromptGiven { n });
                }
                if result == Final::Reboot {
                    self.work = Some((now + LEAVE_AFTER, Work::Leave));
                }
            }
            Work::Leave if self.scenario.persona.as_ref().is_some_and(|persona| persona.serial) => {
                self.input.clear();
                self.start(now, self.scenario.reboot);
            }
            Work::Leave => self.wire.push(Out::HangUp(self.scenario.reboot)),
            Work::Submit { n, message, silent } => {
                let answer = message.map(|submit| self.submit(now, &submit));
                if silent {
                    return;
                }
                let mut lines = Lines::new(self.style());
                match answer {
                    Ok(reference) => {
                        lines.line(&format!("+CMGS: {reference}"));
                        lines.end(Final::Ok);
                    }
                    Err(code) => lines.end(Final::Cms(code)),
                }
                let (wire, told) = lines.into_parts();
                self.send(now, &wire, told);
                self.tell(now, || What::Answered { n, answer: answer.map(|reference| reference.0) });
            }
        }
    }

    fn submit(&mut self, now: Instant, submit: &Submit) -> MessageRef {
        let reference = self.reference;
        self.reference = MessageRef(reference.0.wrapping_add(1));
        let over = self.scenario.reports_end.is_some_and(|end| self.messages > end);
        let report_after = (self.scenario.reports && !over).then_some(self.scenario.report_after);
        if let Some(shown) = self.network.submit(now, self.sim, submit, reference, report_after) {
            self.tell(now, || What::PhoneShows(shown));
        }
        reference
    }

    /// Puts a piece on the wire in which nothing else may stand.
    pub(super) fn send(&mut self, now: Instant, piece: &str, told: Vec<String>) {
        if self.silence == Silence::All {
            return;
        }
        self.flush_echo(now);
        if !piece.is_empty() {
            self.wire.send(now, piece.as_bytes());
        }
        for line in told {
            self.tell(now, || What::AtSent(line));
        }
    }

    /// Puts octets on the wire as they are.
    pub(super) fn wire_out(&mut self, now: Instant, octets: &[u8]) {
        self.wire.send(now, octets);
    }

    fn flush_echo(&mut self, now: Instant) {
        if !self.echo.is_empty() {
            self.wire.send(now, &self.echo);
            self.echo.clear();
        }
    }

    /// Whether an unsolicited line may come: not within an echoed line, and not at a prompt.
    pub(super) fn may_interrupt(&self) -> bool {
        self.prompt.is_none() && !self.typing()
    }

    /// Whether the host's line stands half echoed.
    fn typing(&self) -> bool {
        self.settings.echo && !self.line.is_empty()
    }

    pub(super) fn start_registration(&mut self, now: Instant) {
        self.registered = false;
        let may = self.lock == Lock::Open && self.functionality == 1;
        self.register_at = may.then(|| now + self.scenario.registration_delay);
    }

    fn register_if_due(&mut self, now: Instant) {
        if self.register_at.is_none_or(|at| at > now) {
            return;
        }
        self.register_at = None;
        self.registered = true;
        self.to_come.extend(self.registration_lines().into_iter().map(|line| (now, line)));
    }

    fn schedule_noise(&mut self, now: Instant) {
        let Some(mean) = Duration::from_secs(1).checked_div(self.chatter()) else {
            self.next_noise = None;
            return;
        };
        self.next_noise = Some(now + mean.mul_f64(self.rng.f64() * 2.0));
    }

    /// Lines that nobody asked for: acknowledgement overdue, delivery, USSD, registration, noise.
    fn unsolicited(&mut self, now: Instant) {
        if let Some((_, incoming)) = self.unacknowledged.take_if(|(since, _)| *since + ACK_WAIT <= now) {
            self.stop_routing();
            self.network.put_back(now, self.sim, incoming);
        }
        if self.may_interrupt() {
            while let Some(at) = self.to_come.iter().position(|(at, _)| *at <= now) {
                let Some((_, line)) = self.to_come.remove(at) else { break };
                self.send_line(now, &line);
            }
        }
        self.network_due = self.fetch_incoming(now);
        if self.next_noise.is_some_and(|at| at <= now) {
            self.schedule_noise(now);
            if self.prompt.as_ref().is_none_or(|prompt| prompt.body.is_empty()) && !self.typing() {
                self.chat(now);
            }
        }
    }

    pub(super) fn send_line(&mut self, now: Instant, line: &str) {
        let mut lines = Lines::new(self.style());
        lines.line(line);
        let (wire, told) = lines.into_parts();
        self.send(now, &wire, told);
    }
}

/// Without the PIN.
fn masked(line: &str) -> String {
    let upper = line.to_ascii_uppercase();
    let at = ["+CPIN=", "+CLCK=", "+CPWD="]
        .iter()
        .find_map(|secret| upper.find(secret).map(|at| at + secret.len()));
    at.and_then(|at| line.get(..at)).map_or_else(|| line.to_owned(), |kept| format!("{kept}****"))
}
