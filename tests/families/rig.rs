//! A machine and a simulated modem on one wire, with a clock that jumps from deadline to deadline.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smsotpd::modem::machine::{
    Cause, Done, Event, Failure, IncomingKind, Input, Kind, Machine, Output, Phase, PinPermission, Request,
    RequestId, Roaming, Settings, Step, Token,
};
use smsotpd::modem::profile::Library;
use smsotpd::number::Number;
use smsotpd::pdu::{self, Pdu, SubmitOptions, ValidityFormat};
use smsotpd::simulator::{Kinds, Network, Out, Scenario, SimulatedModem, What};
use smsotpd::units::UnixMs;

pub const SECOND: Duration = Duration::from_secs(1);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const PHONE: &str = "+491701234567";
/// More turns than this at one instant mean that one of the two spins.
const SPIN: u32 = 5000;
/// Writes kept of a dialogue.
const DIALOGUE_MAX: usize = 400;
/// A port that a driver gave back is opened again after this, as by the supervisor.
const REOPEN: Duration = Duration::from_secs(30);

/// Both ends and what was seen between them.
pub struct Rig {
    settings: Settings,
    pub machine: Machine,
    pub modem: SimulatedModem,
    pub network: Network,
    pub number: String,
    pub now: Instant,
    start: Instant,
    /// When the port is there again; none: it is open.
    back: Option<(Instant, bool)>,
    /// Writes of the machine, and command lines as the modem took them.
    pub writes: u32,
    pub commands: Vec<String>,
    /// All of the dialogue, for the message of a test that fails.
    pub dialogue: Vec<String>,
    /// Refused commands and how often, apart from those that a busy card refuses for a while and from slots
    /// that are empty.
    pub refused: BTreeMap<String, u32>,
    pub busy: u32,
    pub done: BTreeMap<u64, Result<Done, Failure>>,
    /// Unsolicited: kind, PDU and when.
    pub incoming: Vec<(Token, IncomingKind, Vec<u8>)>,
    pub downs: Vec<Cause>,
    pub ups: u32,
    /// Steps that the driver was told to carry out.
    pub ladder: Vec<Step>,
    /// Messages and reports are stored at once.
    pub stores: bool,
    next_id: u64,
}

pub fn settings() -> Settings {
    Settings {
        pin: None,
        pin_permission: PinPermission::AnyCard,
        keep_alive: None,
        submit_limit: None,
        roaming: Roaming::Allow,
        service_centre: None,
        likely: None,
        cards: Arc::default(),
        port_age: Duration::ZERO,
        notes: Arc::clone(Library::compiled_in()),
        profile: None,
        hang_up_calls: false,
        balance: None,
    }
}

impl Rig {
    pub fn new(scenario: Scenario) -> Self {
        Self::with(scenario, settings())
    }

    pub fn with(scenario: Scenario, settings: Settings) -> Self {
        let now = Instant::now();
        let network = Network::new(now, UnixMs(1_750_000_000_000));
        let number = scenario.number.clone();
        let modem = SimulatedModem::new(scenario, &network, 0, Kinds::ALL, now);
        let machine = Machine::new(settings.clone(), now);
        Self {
            settings,
            machine,
            modem,
            network,
            number,
            now,
            start: now,
            back: None,
            writes: 0,
            commands: Vec::new(),
            dialogue: Vec::new(),
            refused: BTreeMap::new(),
            busy: 0,
            done: BTreeMap::new(),
            incoming: Vec::new(),
            downs: Vec::new(),
            ups: 0,
            ladder: Vec::new(),
            stores: true,
            next_id: 0,
        }
    }

    pub fn phase(&self) -> &Phase {
        &self.machine.status().phase
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Lets time pass until something holds; whether it does.
    pub fn run_until(&mut self, span: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + span;
        let mut here = 0;
        loop {
            self.exchange();
            if holds(self) {
                return true;
            }
            let machine = self.back.map_or_else(|| self.machine.deadline(), |(at, _)| Some(at));
            let Some(next) = machine.into_iter().chain(self.modem.deadline()).min().filter(|at| *at <= end)
            else {
                break;
            };
            here = if next > self.now { 0 } else { here + 1 };
            assert!(here < SPIN, "spins after {:?}: {:?}", self.elapsed(), self.commands.last());
            self.now = self.now.max(next);
            self.modem.tick(self.now);
            self.reopen();
            if self.back.is_none() && self.machine.deadline().is_some_and(|at| at <= self.now) {
                self.machine.handle(self.now, Input::Tick);
            }
        }
        self.now = end;
        false
    }

    /// Carries octets both ways until nobody has any.
    fn exchange(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(output) = self.machine.poll() {
                quiet = false;
                self.machine_said(output);
            }
            while let Some(out) = self.modem.poll() {
                quiet = false;
                self.modem_said(out);
            }
            if quiet {
                return;
            }
        }
    }

    fn machine_said(&mut self, output: Output) {
        match output {
            Output::Write(octets) => {
                self.writes += 1;
                self.note('>', &octets);
                if self.back.is_none() {
                    self.modem.receive(self.now, &octets);
                }
            }
            Output::Done(RequestId(id), result) => {
                assert!(self.done.insert(id, result).is_none(), "request {id} ended twice");
            }
            Output::Event(Event::Incoming { token, kind, octets }) => {
                self.incoming.push((token, kind, octets));
                if self.stores {
                    self.machine.handle(self.now, Input::Stored(token));
                }
            }
            Output::Event(Event::Up(_)) => self.ups += 1,
            Output::Event(Event::Down(cause)) => self.downs.push(cause),
            Output::Event(
                Event::Settled { .. } | Event::OtherCard { .. } | Event::Jamming(_) | Event::Noise(_),
            )
            | Output::Status(_) => {}
            Output::Ladder(step) => {
                self.ladder.push(step);
                self.machine.handle(self.now, Input::HangUp);
                self.modem.host_gone();
                self.back = Some((self.now + REOPEN, false));
            }
        }
    }

    fn modem_said(&mut self, out: Out) {
        match out {
            Out::Send(octets) if self.back.is_none() => {
                self.note('<', &octets);
                self.machine.handle(self.now, Input::Bytes(&octets));
            }
            Out::Send(_) => {}
            Out::Event(event) => self.seen(event.what),
            Out::HangUp(dark) => {
                self.modem.hang_up(self.now);
                self.machine.handle(self.now, Input::HangUp);
                self.back = Some((self.now + dark, true));
            }
        }
    }

    fn note(&mut self, way: char, octets: &[u8]) {
        if self.dialogue.len() < DIALOGUE_MAX {
            let at = self.elapsed().as_secs_f64();
            self.dialogue.push(format!("{at:.3} {way} {:?}", String::from_utf8_lossy(octets)));
        }
    }

    fn seen(&mut self, what: What) {
        match what {
            What::AtReceived(line) => self.commands.push(line),
            What::AtSent(line) if line == "+CME ERROR: 14" || line == "+CMS ERROR: 314" => self.busy += 1,
            // An empty slot is none that is refused; TS 27.005 3.2.5.
            What::AtSent(line) if line == "+CMS ERROR: 321" => {}
            What::AtSent(line) if line.contains("ERROR") || line == "COMMAND NOT SUPPORT" => {
                let refused = self.commands.last().cloned().unwrap_or_default();
                // Probes that the modem heard as one line tell how its lines end.
                if refused.replace("AT", "").is_empty() {
                    return;
                }
                *self.refused.entry(refused).or_default() += 1;
            }
            _ => {}
        }
    }

    fn reopen(&mut self) {
        let Some((_, unplugged)) = self.back.take_if(|(at, _)| *at <= self.now) else { return };
        if unplugged {
            self.modem.plug_in(self.now);
        }
        self.machine = Machine::new(self.settings.clone(), self.now);
    }

    /// Submits a message that asks for a report; its request.
    pub fn submit(&mut self, text: &str) -> u64 {
        let options = SubmitOptions {
            concat_ref: 1,
            validity: None,
            validity_format: ValidityFormat::Relative,
            status_report: true,
            reject_duplicates: false,
            class0: false,
        };
        let to = Number::parse(PHONE, None).expect("a number");
        let submits = pdu::plan(text).expect("a short text").submits(&to, &options);
        let tpdu = submits[0].encode().expect("a PDU");
        let id = self.next_id;
        self.next_id += 1;
        let kind = Kind::Submit { tpdu, more: false };
        self.machine.handle(self.now, Input::Request(Request { id: RequestId(id), kind }));
        self.machine.handle(self.now, Input::Durable(RequestId(id)));
        self.exchange();
        id
    }

    /// A message from a phone to the modem's SIM.
    pub fn deliver(&mut self, text: &str) {
        self.network.send(self.now, "INFO", &self.number, text).expect("the SIM is there");
        self.modem.tick(self.now);
        self.exchange();
    }

    /// Texts of the messages received.
    pub fn texts(&self) -> Vec<String> {
        let all = self.incoming.iter().filter(|(_, kind, _)| *kind == IncomingKind::Deliver);
        all.map(|(_, _, octets)| match pdu::decode(octets, true, None).expect("a PDU").pdu {
            Pdu::Deliver(deliver) => {
                let text = deliver.user_data.text(deliver.dcs).expect("a text");
                text.expose_str().expect("a text").to_owned()
            }
            other => panic!("{other:?}"),
        })
        .collect()
    }

    pub fn reports(&self) -> usize {
        self.incoming.iter().filter(|(_, kind, _)| *kind == IncomingKind::StatusReport).count()
    }

    /// Sends a message and receives one; both have arrived, and the modem's stores are empty.
    pub fn works(&mut self, name: &str) {
        let before = (self.network.shown(PHONE).len(), self.reports(), self.texts().len());
        let id = self.submit("Your code is 123456");
        self.run(30 * SECOND);
        assert!(matches!(self.done.get(&id), Some(Ok(Done::Submitted { .. }))), "{name}: {:?}", self.done);
        self.deliver("STOP");
        self.run(30 * SECOND);
        let after = (self.network.shown(PHONE).len(), self.reports(), self.texts().len());
        assert_eq!(after, (before.0 + 1, before.1 + 1, before.2 + 1), "{name}: {:#?}", self.dialogue);
        assert_eq!(self.texts().last().map(String::as_str), Some("STOP"), "{name}");
        assert_eq!(self.stored(), 0, "{name}: {:#?}", self.dialogue);
    }

    /// Messages in the stores that are selected.
    fn stored(&mut self) -> u32 {
        // The first line may be lost to a modem that dozes.
        self.ask("AT");
        let answer = self.ask("AT+CPMS?");
        let line = answer.iter().find(|line| line.starts_with("+CPMS:")).expect("the stores are told");
        line.split(',').skip(1).step_by(3).filter_map(|used| used.parse::<u32>().ok()).sum()
    }

    /// Asks the modem itself, past the machine, when both are at rest; the lines of its answer.
    fn ask(&mut self, line: &str) -> Vec<String> {
        self.modem.receive(self.now, format!("{line}\r\n").as_bytes());
        let mut heard = String::new();
        while let Some(out) = self.modem.poll() {
            if let Out::Send(octets) = out {
                heard.push_str(&String::from_utf8_lossy(&octets));
            }
        }
        heard.split(['\r', '\n']).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}
