//! A bench with virtual time: the machine on one side, a phone that is a table of commands and replies on the other.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::*;
use crate::modem::profile::Library;

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// More inputs than this at one instant mean that the machine spins.
const SPIN: u32 = 1000;

/// The other end: replies by exact command text; one reply each time, the last one for ever.
pub(super) struct Phone {
    pub(super) replies: HashMap<String, VecDeque<String>>,
    /// Everything received, commands without CR, PDUs with `^Z`, ESC as `ESC`.
    pub(super) heard: Vec<String>,
    pub(super) latency: Duration,
    pub(super) echo: bool,
    pub(super) line: Vec<u8>,
    pub(super) in_prompt: bool,
    /// It hears and does, but says nothing.
    pub(super) mute: bool,
    /// A command ends with LF; CR alone is nothing.
    pub(super) wants_lf: bool,
    /// `+CMGS` gives the last octet of the PDU, so that a wrong answer is seen.
    pub(super) mirrors: bool,
}

pub(super) const DELIVER: &str =
    "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07";
pub(super) const REPORT: &str = "07911326040000F0062A0B911346610089F6208062917314802080629173148000";

const DEFAULT: [(&str, &str); 30] = [
    ("AT", "\r\nOK\r\n"),
    ("ATE0", "\r\nOK\r\n"),
    ("AT+CMEE=1", "\r\nOK\r\n"),
    ("AT+CGSN", "\r\n490154203237518\r\n\r\nOK\r\n"),
    ("AT+CGMI", "\r\nMaker\r\n\r\nOK\r\n"),
    ("AT+CGMM", "\r\nModel 1\r\n\r\nOK\r\n"),
    ("AT+CGMR", "\r\nRev 1\r\n\r\nOK\r\n"),
    ("AT+CIMI", "\r\n262011234567890\r\n\r\nOK\r\n"),
    ("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n"),
    ("AT+CCID", "\r\n+CCID: 89490200001005155450\r\n\r\nOK\r\n"),
    ("AT+CMGF=0", "\r\nOK\r\n"),
    ("AT+CPMS=\"ME\",\"ME\",\"ME\"", "\r\n+CPMS: 0,99,0,99,0,99\r\n\r\nOK\r\n"),
    ("AT+CPMS=\"SM\",\"ME\",\"ME\"", "\r\n+CPMS: 0,20,0,99,0,99\r\n\r\nOK\r\n"),
    ("AT+CPMS=\"SR\",\"ME\",\"ME\"", "\r\n+CPMS: 0,20,0,99,0,99\r\n\r\nOK\r\n"),
    ("AT+CNMI=?", "\r\n+CNMI: (0-2),(0-2),(0,2),(0-2),(0,1)\r\n\r\nOK\r\n"),
    ("AT+CNMI=2,1,0,2,0", "\r\nOK\r\n"),
    ("AT+CREG=1", "\r\nOK\r\n"),
    ("AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n"),
    ("AT+CSQ", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n"),
    ("AT+COPS=3,0", "\r\nOK\r\n"),
    ("AT+COPS?", "\r\n+COPS: 0,0,\"Net\",7\r\n\r\nOK\r\n"),
    ("AT+CMGL=4", "\r\nOK\r\n"),
    ("AT+CMGS", "\r\n> "),
    ("PDU", "\r\n+CMGS: 7\r\n\r\nOK\r\n"),
    ("ESC", "\r\nOK\r\n"),
    ("AT+CNMA", "\r\nOK\r\n"),
    ("AT+CHUP", "\r\nOK\r\n"),
    ("AT+CFUN=4", "\r\nOK\r\n"),
    ("AT+CFUN=0", "\r\nOK\r\n"),
    ("AT+CFUN=1", "\r\nOK\r\n"),
];

impl Phone {
    pub(super) fn new() -> Self {
        let replies = DEFAULT.iter().map(|(c, r)| ((*c).to_owned(), VecDeque::from([(*r).to_owned()])));
        Self {
            replies: replies.collect(),
            heard: Vec::new(),
            latency: 2 * MS,
            echo: false,
            line: Vec::new(),
            in_prompt: false,
            mute: false,
            wants_lf: false,
            mirrors: false,
        }
    }

    /// What it says to these octets.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut said = Vec::new();
        for &byte in bytes {
            if self.echo && byte != 0x1b {
                said.push(byte);
            }
            match byte {
                0x1b => {
                    self.line.clear();
                    self.heard.push("ESC".to_owned());
                    if std::mem::take(&mut self.in_prompt) {
                        said.extend(self.reply("ESC"));
                    }
                }
                0x1a if self.in_prompt => {
                    let pdu = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
                    self.in_prompt = false;
                    if self.mirrors {
                        let last = u8::from_str_radix(&pdu[pdu.len() - 2..], 16).unwrap();
                        said.extend(format!("\r\n+CMGS: {last}\r\n\r\nOK\r\n").into_bytes());
                    } else {
                        said.extend(self.reply("PDU"));
                    }
                    self.heard.push(format!("{pdu}^Z"));
                }
                b'\r' if self.wants_lf && !self.in_prompt => {}
                b'\n' if !self.wants_lf && self.line.is_empty() && !self.in_prompt => {}
                b'\r' | b'\n' if !self.in_prompt && (byte == b'\n') == self.wants_lf => {
                    let command = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
                    let key = if command.starts_with("AT+CMGS=") { "AT+CMGS" } else { &command };
                    let reply = self.reply(key);
                    self.in_prompt = key == "AT+CMGS" && reply.contains(&b'>');
                    self.heard.push(command);
                    said.extend(reply);
                }
                other => self.line.push(other),
            }
        }
        if self.mute {
            said.clear();
        }
        said
    }

    fn reply(&mut self, key: &str) -> Vec<u8> {
        let Some(queue) = self.replies.get_mut(key) else {
            let deleting = key.starts_with("AT+CMGD=");
            return if deleting { b"\r\nOK\r\n".to_vec() } else { b"\r\nERROR\r\n".to_vec() };
        };
        let reply = if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() };
        reply.unwrap_or_default().into_bytes()
    }
}

pub(super) struct Bench {
    pub(super) machine: Machine,
    pub(super) phone: Phone,
    pub(super) start: Instant,
    pub(super) now: Instant,
    /// On their way from the phone.
    pub(super) air: VecDeque<(Instant, Vec<u8>)>,
    /// Everything but `Write`.
    pub(super) outputs: Vec<Output>,
}

pub(super) fn settings() -> Settings {
    Settings {
        pin: None,
        pin_permission: PinPermission::Never,
        keep_alive: None,
        submit_limit: None,
        hang_up_calls: true,
        balance: None,
        roaming: Roaming::Allow,
        service_centre: None,
        notes: Arc::clone(Library::compiled_in()),
        profile: None,
        likely: None,
        cards: Arc::default(),
        port_age: Duration::ZERO,
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time must begin somewhere")]
        let start = Instant::now();
        let machine = Machine::new(settings, start);
        Self { machine, phone: Phone::new(), start, now: start, air: VecDeque::new(), outputs: Vec::new() }
    }

    /// Up and at rest.
    pub(super) fn ready() -> Self {
        let mut bench = Self::new();
        bench.run(5 * SECOND);
        assert_eq!(bench.machine.status().phase, Phase::Ready);
        bench.outputs.clear();
        bench.phone.heard.clear();
        bench
    }

    pub(super) fn script(&mut self, command: &str, replies: &[&str]) {
        self.phone.replies.insert(command.to_owned(), replies.iter().map(|r| (*r).to_owned()).collect());
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll() {
            if let Output::Write(bytes) = &output {
                let said = self.phone.hear(bytes);
                if !said.is_empty() {
                    self.air.push_back((self.now + self.phone.latency, said));
                }
            } else {
                self.outputs.push(output);
            }
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        self.input(Input::Bytes(text.as_bytes()));
    }

    pub(super) fn submit(&mut self, id: u64) {
        let kind = Kind::Submit { tpdu: vec![1, 0, 4, 0x91, 0x21, 0x43, 0, 0, 0], more: false };
        self.input(Input::Request(Request { id: RequestId(id), kind }));
    }

    pub(super) fn durable(&mut self, id: u64) {
        self.input(Input::Durable(RequestId(id)));
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        let mut here = 0;
        loop {
            let said = self.air.front().map(|(at, _)| *at);
            let tick = self.machine.deadline();
            let Some(next) = [said, tick].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            here = if next > self.now { 0 } else { here + 1 };
            assert!(here < SPIN, "the machine spins");
            self.now = self.now.max(next);
            if said == Some(next) {
                let (_, bytes) = self.air.pop_front().unwrap();
                self.input(Input::Bytes(&bytes));
            } else {
                self.input(Input::Tick);
            }
        }
        self.now = end;
    }

    /// The end of a request, which must be the only one.
    pub(super) fn done(&self, id: u64) -> Option<Result<Done, Failure>> {
        let mut ends = self.outputs.iter().filter_map(|output| match output {
            Output::Done(RequestId(done), result) if *done == id => Some(result.clone()),
            _ => None,
        });
        let end = ends.next();
        assert!(ends.next().is_none(), "request {id} ended twice");
        end
    }

    pub(super) fn tokens(&self) -> Vec<(Token, IncomingKind)> {
        let incoming = |output: &Output| match output {
            Output::Event(Event::Incoming { token, kind, .. }) => Some((*token, *kind)),
            _ => None,
        };
        self.outputs.iter().filter_map(incoming).collect()
    }

    pub(super) fn events(&self) -> Vec<Event> {
        let event =
            |output: &Output| if let Output::Event(event) = output { Some(event.clone()) } else { None };
        self.outputs.iter().filter_map(event).collect()
    }

    pub(super) fn heard(&self, command: &str) -> usize {
        self.phone.heard.iter().filter(|heard| heard.starts_with(command)).count()
    }
}
