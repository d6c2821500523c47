//! Target `machine`: whole dialogues between the modem machine, its driver and a modem, in virtual time.
//!
//! The input is a script. Its first octet says whether a simulated modem is at the other end (whose answers the script may
//! break) or only the script itself speaks; each further octet is one [`act`](Dialogue::act). The dialogue holds the machine
//! to its promises all the while; they stand in [`Dialogue::judge`] and [`Dialogue::rest`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use smsotpd::modem::exchange::{
    Done, Event, Failure, Input, Kind, Output, Phase, PinPermission, Request, RequestId, Roaming, Settings,
    Step, Token,
};
use smsotpd::modem::machine::Machine;
use smsotpd::simulator::{Kinds, Network, Out, Scenario, SimulatedModem};
use smsotpd::units::UnixMs;

use super::feed::Feed;

const MS: Duration = Duration::from_millis(1);
/// Acts of one script; more says nothing new and makes an input slow.
const ACTS_MAX: usize = 200;
/// Outputs of one input beyond what its own octets can cause.
const OUTPUTS_MAX: usize = 64;
/// More inputs than this at one instant mean that the machine spins.
const SPIN: u32 = 1000;
/// Ticks at one instant.
const TICKS_MAX: usize = 4;
/// Messages told and not stored, as the machine promises.
const UNSTORED_MAX: usize = 64;
/// All that is open has ended after this, whatever the modem does.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);
/// Messages, one after the other, of which a modem in order takes at least one.
const TRIES: usize = 4;
/// Between them, as whoever sends again waits: answers that the script forestalled come in meanwhile, each of which could be
/// taken for a refusal of the next message.
const PAUSE: Duration = Duration::from_secs(10);
/// A TPDU to 1234 with eight octets of data: everything in front of TP-UDL. The data is the request's id.
const TPDU: [u8; 8] = [0x01, 0, 4, 0x91, 0x21, 0x43, 0, 0x04];
/// Octets of an id, and of TP-UDL.
const ID: usize = 8;

/// What modems say, whole or cut short by the next act.
const FRAGMENTS: [&str; 48] = [
    "\r\nOK\r\n",
    "\r\nERROR\r\n",
    "\r\n> ",
    "\r\n+CMGS: 7\r\n",
    "\r\n+CMGS: 7\r\n\r\nOK\r\n",
    "\r\n+CMS ERROR: 38\r\n",
    "\r\n+CMS ERROR: 500\r\n",
    "\r\n+CMS ERROR: 332\r\n",
    "\r\n+CME ERROR: 10\r\n",
    "\r\n+CME ERROR: 14\r\n",
    "\r\n+CME ERROR: SIM busy\r\n",
    "\r\n+CMTI: \"SM\",3\r\n",
    "\r\n+CMTI: \"ME\",0\r\n",
    "\r\n+CDSI: \"SR\",1\r\n",
    "\r\n+CMT: ,30\r\n",
    "\r\n+CDS: 25\r\n",
    "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07\r\n",
    "07911326040000F0062A0B911346610089F6208062917314802080629173148000\r\n",
    "\r\n+CMGR: 0,,23\r\n",
    "\r\n+CMGL: 1,0,,30\r\n",
    "\r\n+CPMS: 1,20,0,99,0,99\r\n\r\nOK\r\n",
    "\r\n+CPMS: (\"SM\",\"ME\"),(\"SM\",\"ME\"),(\"SM\",\"ME\")\r\n\r\nOK\r\n",
    "\r\n+CNMI: (0-2),(0-2),(0,2),(0-2),(0,1)\r\n\r\nOK\r\n",
    "\r\n490154203237518\r\n\r\nOK\r\n",
    "\r\n262011234567890\r\n\r\nOK\r\n",
    "\r\n+CCID: 89490200001005155450\r\n\r\nOK\r\n",
    "\r\nhuawei\r\n\r\nOK\r\n",
    "\r\nSIMCOM_Ltd\r\n\r\nOK\r\n",
    "\r\nQuectel\r\n\r\nOK\r\n",
    "\r\n+CPIN: READY\r\n\r\nOK\r\n",
    "\r\n+CPIN: READY\r\n",
    "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n",
    "\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n",
    "\r\n+CPIN: NOT READY\r\n",
    "\r\n+CREG: 1,1\r\n\r\nOK\r\n",
    "\r\n+CREG: 1\r\n",
    "\r\n+CREG: 2\r\n",
    "\r\n+CREG: 5,\"0B01\",\"01007\",2\r\n",
    "\r\n+CSQ: 20,99\r\n\r\nOK\r\n",
    "\r\n+COPS: 0,0,\"Net\",7\r\n\r\nOK\r\n",
    "\r\n+CUSD: 0,\"x\r\n",
    "\r\nRDY\r\n",
    "\r\nSMS Ready\r\n",
    "\r\n^SMMEMFULL: \"SM\"\r\n",
    "\r\n^RSSI:20\r\n",
    "NO CARRIER\r\n",
    "\r\nRING\r\n",
    "\0\x7f~~ rubbish\r\n",
];

/// What a script led to; for those who want to know whether seeds reach anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that ended well.
    pub well: usize,
    /// Steps of USSD dialogues without an answer.
    pub no_words: usize,
    /// Messages refused by the modem.
    pub rejected: usize,
    /// Requests that ended without an effect.
    pub not_sent: usize,
    /// Messages nobody knows about.
    pub uncertain: usize,
    /// Messages and reports received.
    pub received: usize,
}

/// One input.
pub fn run(data: &[u8]) {
    play(data);
}

/// One input, and what came of it.
pub fn play(data: &[u8]) -> Tally {
    let mut feed = Feed::new(data);
    let mode = feed.octet();
    let mut dialogue = Dialogue::new(mode & 1 != 0);
    for _ in 0..ACTS_MAX {
        if feed.is_empty() {
            break;
        }
        dialogue.act(&mut feed);
    }
    dialogue.end();
    dialogue.tally
}

/// What the script does to the next octets of the simulated modem.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// They are lost from here on.
    Cut(usize),
    /// One octet becomes another.
    Change(usize, u8),
    /// One octet more.
    Insert(usize, u8),
    /// They come twice.
    Twice,
    /// They come in two pieces, with this pause in between.
    Split(usize, Duration),
}

struct Dialogue {
    machine: Machine,
    modem: Option<SimulatedModem>,
    network: Network,
    fault: Option<Fault>,
    /// On their way from the modem, in order.
    air: Vec<(Instant, Vec<u8>)>,
    now: Instant,
    next_id: u64,
    open: BTreeSet<u64>,
    durable: BTreeSet<u64>,
    sent: BTreeSet<u64>,
    uncertain: BTreeSet<u64>,
    ended: BTreeSet<u64>,
    unstored: BTreeMap<u64, Token>,
    last_token: u64,
    tally: Tally,
}

impl Dialogue {
    fn new(simulated: bool) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time must begin somewhere")]
        let now = Instant::now();
        let network = Network::new(now, UnixMs(1_750_000_000_000));
        let scenario =
            Scenario { command_latency: 2 * MS, latency: 50 * MS, echo: false, ..Scenario::of_seed(1, 0) };
        let modem = simulated.then(|| SimulatedModem::new(scenario, &network, 0, Kinds::NONE, now));
        let mut dialogue = Self {
            machine: Machine::new(settings(), now),
            modem,
            network,
            fault: None,
            air: Vec::new(),
            now,
            next_id: 1,
            open: BTreeSet::new(),
            durable: BTreeSet::new(),
            sent: BTreeSet::new(),
            uncertain: BTreeSet::new(),
            ended: BTreeSet::new(),
            unstored: BTreeMap::new(),
            last_token: 0,
            tally: Tally::default(),
        };
        dialogue.rest();
        dialogue
    }

    /// One act of the script.
    fn act(&mut self, feed: &mut Feed<'_>) {
        match feed.octet() % 16 {
            0 => {
                let count = usize::from(feed.octet() % 64);
                self.hear(feed.take(count));
            }
            1 | 2 => {
                let fragment = feed.pick(&FRAGMENTS).as_bytes();
                self.hear(fragment);
            }
            3 => {
                let fragment = feed.pick(&FRAGMENTS).as_bytes();
                let cut = usize::from(feed.octet()) % (fragment.len() + 1);
                self.hear(&fragment[..cut]);
            }
            4 | 5 => self.wait(),
            6 => self.pass(MS * (1 << (feed.octet() % 18))),
            7 => {
                let (length, more) = (feed.octet(), feed.octet() & 1 != 0);
                let id = self.submit(length, more);
                self.rest();
                if feed.octet() & 1 != 0 {
                    self.durable(id);
                }
            }
            8 => {
                if let Some(id) = self.any_open(feed) {
                    self.durable(id);
                }
            }
            9 => {
                if let Some(id) = self.any_open(feed) {
                    self.input(Input::Abandon(RequestId(id)));
                    self.rest();
                }
            }
            10 => {
                if let Some((_, token)) = self.unstored.pop_first() {
                    self.input(Input::Stored(token));
                    self.rest();
                }
            }
            11 => {
                let steps = [
                    Step::Poke,
                    Step::Reinitialise,
                    Step::CfunCycle,
                    Step::CfunReset,
                    Step::UsbReauthorise,
                    Step::SiteHook,
                ];
                let step = *feed.pick(&steps);
                self.request(Kind::Reset(step));
                self.rest();
            }
            12 => self.hang_up(),
            13 => {
                let at = usize::from(feed.octet());
                self.fault = Some(match feed.octet() % 5 {
                    0 => Fault::Cut(at),
                    1 => Fault::Change(at, feed.octet()),
                    2 => Fault::Insert(at, feed.octet()),
                    3 => Fault::Twice,
                    _ => Fault::Split(at, MS * (1 << (feed.octet() % 18))),
                });
            }
            14 => {
                let number = Scenario::of_seed(1, 0).number;
                let sent = self.network.send(self.now, "+491701234567", &number, "Your code is 314159");
                assert_eq!(sent.is_ok(), self.modem.is_some());
                self.tick_modem();
                self.rest();
            }
            _ => {
                // A name that was never given, or not any more.
                let id = u64::from(feed.octet());
                if !self.open.contains(&id) {
                    self.input(Input::Durable(RequestId(id)));
                    self.input(Input::Abandon(RequestId(id)));
                }
                self.input(Input::Stored(Token(self.last_token + 1)));
                self.rest();
            }
        }
    }

    fn any_open(&self, feed: &mut Feed<'_>) -> Option<u64> {
        let at = usize::from(feed.octet()) % self.open.len().max(1);
        self.open.iter().nth(at).copied()
    }

    fn request(&mut self, kind: Kind) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.open.insert(id);
        self.input(Input::Request(Request { id: RequestId(id), kind }));
        id
    }

    /// A message that ends in its own id; some lengths are more than a TPDU may have, 255 stands for nothing at all.
    fn submit(&mut self, length: u8, more: bool) -> u64 {
        let mut tpdu = Vec::new();
        if length != u8::MAX {
            let fill = length % 160;
            tpdu.extend(TPDU);
            tpdu.push(fill + 8);
            tpdu.resize(tpdu.len() + usize::from(fill), 0);
            tpdu.extend(self.next_id.to_be_bytes());
        }
        self.request(Kind::Submit { tpdu, more })
    }

    fn durable(&mut self, id: u64) {
        self.durable.insert(id);
        self.input(Input::Durable(RequestId(id)));
        self.rest();
    }

    /// Octets from the script, which speaks for the modem.
    fn hear(&mut self, bytes: &[u8]) {
        self.input(Input::Bytes(bytes));
        self.rest();
    }

    /// To the next thing that happens by itself.
    fn wait(&mut self) {
        if let Some(next) = self.next() {
            self.pass(next.saturating_duration_since(self.now));
        }
    }

    fn next(&self) -> Option<Instant> {
        let modem = self.modem.as_ref().and_then(SimulatedModem::deadline);
        [self.machine.deadline(), modem, self.air.first().map(|(at, _)| *at)].into_iter().flatten().min()
    }

    /// Lets time pass.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
    }

    /// The next thing that happens by itself, if it does before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let Some(next) = self.next().filter(|next| *next <= end) else { return false };
        self.now = self.now.max(next);
        if self.air.first().is_some_and(|(at, _)| *at <= self.now) {
            let (_, bytes) = self.air.remove(0);
            self.input(Input::Bytes(&bytes));
        } else if self.machine.deadline().is_some_and(|at| at <= self.now) {
            self.tick();
        } else {
            self.tick_modem();
        }
        self.rest();
        true
    }

    /// What is due now is done now. A wait of no length at all takes a tick of its own.
    fn tick(&mut self) {
        for _ in 0..TICKS_MAX {
            self.input(Input::Tick);
            if self.machine.deadline().is_none_or(|at| at > self.now) {
                return;
            }
        }
        unreachable!("ticks leave a deadline in the past");
    }

    fn tick_modem(&mut self) {
        if let Some(modem) = &mut self.modem {
            modem.tick(self.now);
        }
    }

    /// One input, and all that the machine answers.
    fn input(&mut self, input: Input<'_>) {
        let bytes = if let Input::Bytes(bytes) = &input { bytes.len() } else { 0 };
        self.machine.handle(self.now, input);
        let mut outputs = 0;
        while let Some(output) = self.machine.poll() {
            outputs += 1;
            assert!(outputs <= OUTPUTS_MAX + 2 * bytes, "an input of {bytes} octets has no end of outputs");
            self.judge(output);
        }
    }

    /// Until neither side has anything to say at this instant. What is open has a deadline then.
    fn rest(&mut self) {
        for _ in 0..SPIN {
            let Some(out) = self.modem.as_mut().and_then(SimulatedModem::poll) else {
                assert!(self.open.is_empty() || self.machine.deadline().is_some(), "{:?} hang", self.open);
                assert!(self.unstored.len() <= UNSTORED_MAX);
                return;
            };
            match out {
                Out::Send(bytes) => self.carry(bytes),
                Out::Event(_) => {}
                Out::HangUp(dark) => {
                    self.hang_up();
                    self.now += dark;
                    if let Some(modem) = &mut self.modem {
                        modem.plug_in(self.now);
                    }
                }
            }
        }
        unreachable!("the modem and the machine talk without end");
    }

    /// What the modem says, as far as the script lets it.
    fn carry(&mut self, mut bytes: Vec<u8>) {
        let within = |at: usize| at % (bytes.len() + 1);
        let mut at = self.now;
        match self.fault.take() {
            None => {}
            Some(Fault::Cut(cut)) => bytes.truncate(within(cut)),
            Some(Fault::Change(place, octet)) => {
                let place = within(place);
                if let Some(old) = bytes.get_mut(place) {
                    *old = octet;
                }
            }
            Some(Fault::Insert(place, octet)) => bytes.insert(within(place), octet),
            Some(Fault::Twice) => bytes.extend_from_within(..),
            Some(Fault::Split(place, pause)) => {
                let rest = bytes.split_off(within(place));
                self.queue(at, bytes);
                at += pause;
                bytes = rest;
            }
        }
        self.queue(at, bytes);
    }

    /// Octets never overtake each other.
    fn queue(&mut self, at: Instant, bytes: Vec<u8>) {
        let at = self.air.last().map_or(at, |(last, _)| at.max(*last));
        self.air.push((at, bytes));
    }

    fn judge(&mut self, output: Output) {
        match output {
            Output::Write(bytes) => self.written(&bytes),
            Output::Done(RequestId(id), result) => self.ended_as(id, result),
            Output::Event(Event::Incoming { token, octets, .. }) => {
                assert!(token.0 > self.last_token, "a token is given twice");
                assert!(!octets.is_empty());
                self.last_token = token.0;
                self.unstored.insert(token.0, token);
                self.tally.received += 1;
            }
            Output::Event(Event::Settled { id, .. }) => {
                assert!(self.uncertain.contains(&id.0), "{id:?} is settled and was not uncertain");
            }
            Output::Event(_) | Output::Status(_) | Output::Ladder(_) => {}
        }
    }

    /// Each write is whole: ESC, a command line, or the PDU of a request that is durable, open and has not left before.
    fn written(&mut self, bytes: &[u8]) {
        if let Some(pdu) = bytes.strip_suffix(&[0x1a]) {
            assert!(pdu.iter().all(u8::is_ascii_hexdigit));
            let pdu = std::str::from_utf8(pdu).expect("hex digits");
            let id =
                pdu.get(pdu.len().saturating_sub(2 * ID)..).and_then(|id| u64::from_str_radix(id, 16).ok());
            let id = id.expect("the PDU is one of ours");
            assert!(self.durable.contains(&id), "{id} left before it was durable");
            assert!(self.open.contains(&id), "{id} left and is not open");
            assert!(self.sent.insert(id), "{id} left twice");
        } else if let Some(line) = bytes.strip_suffix(b"\r").or_else(|| bytes.strip_suffix(b"\r\n")) {
            assert!(line.starts_with(b"AT") && line.iter().all(|b| (b' '..0x7f).contains(b)), "{line:?}");
        } else {
            assert_eq!(bytes, [0x1b]);
        }
        if let Some(modem) = &mut self.modem {
            modem.receive(self.now, bytes);
        }
    }

    /// The one end of a request, in accordance with what left.
    fn ended_as(&mut self, id: u64, result: Result<Done, Failure>) {
        assert!(self.open.remove(&id), "{id} ended and was not open");
        assert!(self.ended.insert(id));
        let sent = self.sent.contains(&id);
        match result {
            Ok(Done::Submitted { .. }) => {
                assert!(sent, "{id} was not sent");
                self.tally.well += 1;
            }
            Ok(Done::Reset | Done::Ussd(_) | Done::UssdEnded) => self.tally.well += 1,
            Err(Failure::Ussd(_)) => self.tally.no_words += 1,
            Err(Failure::Rejected(_)) => self.tally.rejected += 1,
            Err(Failure::NotSent(_)) => {
                assert!(!sent, "{id} was sent");
                self.tally.not_sent += 1;
            }
            Err(Failure::Uncertain(_)) => {
                assert!(sent, "{id} was not sent");
                self.uncertain.insert(id);
                self.tally.uncertain += 1;
            }
        }
    }

    /// The port goes, and with it all that is open; behind it is a new one.
    fn hang_up(&mut self) {
        self.machine.handle(self.now, Input::HangUp);
        while let Some(output) = self.machine.poll() {
            assert!(matches!(output, Output::Done(..) | Output::Status(_)), "{output:?} behind the end");
            self.judge(output);
        }
        assert!(self.open.is_empty(), "{:?} did not end with the port", self.open);
        assert_eq!(self.machine.deadline(), None);
        let late = self.request(Kind::Reset(Step::Poke));
        assert!(self.ended.contains(&late), "a request behind the end");
        self.unstored.clear();
        self.last_token = 0;
        self.uncertain.clear();
        self.air.clear();
        self.fault = None;
        // The modem keeps its power, and with it what the earlier port has left: a radio that is off, a prompt.
        if let Some(modem) = &mut self.modem {
            modem.host_gone();
            while modem.poll().is_some() {}
        }
        self.machine = Machine::new(settings(), self.now);
    }

    /// All that is open ends by itself, and with a modem that answers the machine is fit again. The script may have left the
    /// modem in a prompt or an answer on its way, so that a message or two must fail before all are in step.
    fn end(&mut self) {
        self.fault = None;
        self.settle();
        if self.modem.is_some() {
            let well = self.tally.well;
            for _ in 0..TRIES {
                let id = self.submit(0, false);
                self.durable(id);
                self.settle();
                if self.tally.well > well {
                    break;
                }
                self.pass(PAUSE);
            }
            assert!(self.tally.well > well, "a well modem sends");
        }
        self.hang_up();
    }

    /// Until nothing is open, and the machine is ready if there is a modem.
    fn settle(&mut self) {
        let end = self.now + PATIENCE;
        let is_over =
            |now: &Self| now.open.is_empty() && (now.modem.is_none() || *now.phase() == Phase::Ready);
        while !is_over(self) && self.step(end) {}
        assert!(self.open.is_empty(), "{:?} never ended", self.open);
        assert!(is_over(self), "the machine is {:?} for ever", self.phase());
    }

    fn phase(&self) -> &Phase {
        &self.machine.status().phase
    }
}

fn settings() -> Settings {
    Settings {
        pin: None,
        pin_permission: PinPermission::Never,
        keep_alive: None,
        submit_limit: None,
        hang_up_calls: true,
        balance: None,
        roaming: Roaming::Allow,
        service_centre: None,
        notes: std::sync::Arc::clone(smsotpd::modem::profile::Library::compiled_in()),
        profile: None,
        likely: None,
        cards: std::sync::Arc::default(),
        port_age: Duration::ZERO,
    }
}
