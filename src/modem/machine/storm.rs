//! A seeded storm of faults: silence, noise, odd chunks, late answers, hang-ups. Whatever happens, nothing leaves before it is
//! durable, no message leaves twice, every request ends once, no answer is taken for another's, and in the end the modem works.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::bench::*;
use super::*;

/// Each is some hours of the phone's time.
const SEEDS: u64 = 250;
const ACTIONS: usize = 300;

struct Storm {
    bench: Bench,
    rng: fastrand::Rng,
    next_id: u64,
    open: BTreeSet<u64>,
    durable: BTreeSet<u64>,
    sent: BTreeSet<u64>,
    ended: BTreeMap<u64, Result<Done, Failure>>,
    tokens: Vec<Token>,
    seen_tokens: BTreeSet<u64>,
    deleted: usize,
    stored: usize,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut bench = Bench::new();
        bench.phone.mirrors = true;
        let message = format!("\r\n+CMGR: 0,,30\r\n{DELIVER}\r\n\r\nOK\r\n");
        for index in 0..8 {
            bench.script(&format!("AT+CMGR={index}"), &[&message]);
        }
        Self {
            bench,
            rng: fastrand::Rng::with_seed(seed),
            next_id: 0,
            open: BTreeSet::new(),
            durable: BTreeSet::new(),
            sent: BTreeSet::new(),
            ended: BTreeMap::new(),
            tokens: Vec::new(),
            seen_tokens: BTreeSet::new(),
            deleted: 0,
            stored: 0,
        }
    }

    fn any_open(&mut self) -> Option<u64> {
        let at = self.rng.usize(..self.open.len().max(1));
        self.open.iter().nth(at).copied()
    }

    fn submit(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.open.insert(id);
        let mut tpdu = id.to_be_bytes().to_vec();
        tpdu.insert(0, 1);
        let kind = Kind::Submit { tpdu, more: self.rng.bool() };
        self.bench.input(Input::Request(Request { id: RequestId(id), kind }));
        id
    }

    fn durable(&mut self, id: u64) {
        self.durable.insert(id);
        self.bench.input(Input::Durable(RequestId(id)));
    }

    fn act(&mut self) {
        match self.rng.u8(..100) {
            0..30 => {
                let id = self.submit();
                if self.rng.bool() {
                    self.durable(id);
                }
            }
            30..45 => {
                if let Some(id) = self.any_open() {
                    self.durable(id);
                }
            }
            45..50 => {
                if let Some(id) = self.any_open() {
                    self.bench.input(Input::Abandon(RequestId(id)));
                }
            }
            50..60 => {
                if let Some(token) = self.tokens.pop() {
                    self.stored += 1;
                    self.bench.input(Input::Stored(token));
                }
            }
            60..75 => self.shout(),
            75..83 => self.bench.phone.latency = self.delay(),
            83..87 => self.bench.phone.latency = 2 * MS,
            87..89 => self.bench.phone.mute = true,
            89..94 => self.bench.phone.mute = false,
            94 => self.hang_up(),
            95 => {
                let step =
                    [Step::Poke, Step::Reinitialise, Step::CfunCycle, Step::CfunReset][self.rng.usize(..4)];
                let id = self.next_id;
                self.next_id += 1;
                self.open.insert(id);
                self.bench.input(Input::Request(Request { id: RequestId(id), kind: Kind::Reset(step) }));
            }
            _ => {}
        }
        self.check();
        let span = self.delay();
        self.bench.run(span);
        self.check();
    }

    /// From a millisecond to some minutes, short ones as often as long ones.
    fn delay(&mut self) -> Duration {
        MS * (1 << self.rng.u32(0..18))
    }

    /// A line out of the blue, cut anywhere.
    fn shout(&mut self) {
        let lines = [
            "\r\n+CMTI: \"ME\",1\r\n".to_owned(),
            format!("\r\n+CMTI: \"SM\",{}\r\n", self.rng.u8(..8)),
            format!("\r\n+CMT: ,30\r\n{DELIVER}\r\n"),
            format!("\r\n+CDS: 25\r\n{REPORT}\r\n"),
            "\r\n+CREG: 1\r\n".to_owned(),
            "\r\n^RSSI:20\r\n".to_owned(),
            "\0\u{7f}~~ rubbish\r\n".to_owned(),
            "> ".to_owned(),
            "\r\n+CMT: ,23\r\n".to_owned(),
            "\r\n+CUSD: 0,\"x\r\n".to_owned(),
            "NO CARRIER\r\n".to_owned(),
            "\r\n+CPIN: NOT READY\r\n".to_owned(),
            "\r\nRDY\r\n".to_owned(),
            "\r\n+CREG: 2\r\n".to_owned(),
        ];
        // What takes the modem away comes seldom, so that there is something to break.
        let choices = if self.rng.u8(..8) == 0 { lines.len() } else { lines.len() - 3 };
        let line = lines[self.rng.usize(..choices)].as_bytes();
        let (a, b) = line.split_at(self.rng.usize(..=line.len()));
        self.bench.input(Input::Bytes(a));
        self.bench.input(Input::Bytes(b));
    }

    fn hang_up(&mut self) {
        self.check();
        self.bench.input(Input::HangUp);
        assert!(self.bench.outputs.iter().all(|o| matches!(o, Output::Done(..) | Output::Status(_))));
        self.check();
        assert!(self.open.is_empty(), "{:?} did not end with the port", self.open);
        assert_eq!(self.bench.machine.deadline(), None);
        self.bench.air.clear();
        self.bench.phone.line.clear();
        self.tokens.clear();
        self.seen_tokens.clear();
        self.bench.machine = Machine::new(settings(), self.bench.now);
    }

    fn check(&mut self) {
        for heard in std::mem::take(&mut self.bench.phone.heard) {
            self.deleted += usize::from(heard.starts_with("AT+CMGD"));
            let Some(pdu) = heard.strip_suffix("^Z") else { continue };
            let id = u64::from_str_radix(&pdu[4..20], 16).unwrap();
            assert!(self.durable.contains(&id), "{id} left before it was durable");
            assert!(self.sent.insert(id), "{id} left twice");
            assert!(!self.ended.contains_key(&id), "{id} left after its end");
        }
        assert!(self.deleted <= self.stored * 3, "deleted without being stored");
        for output in std::mem::take(&mut self.bench.outputs) {
            match output {
                Output::Done(RequestId(id), result) => self.ended_as(id, result),
                Output::Event(Event::Incoming { token, .. }) => {
                    assert!(self.seen_tokens.insert(token.0), "token given twice");
                    self.tokens.push(token);
                }
                Output::Event(Event::Settled { id, reference }) => {
                    assert!(matches!(self.ended.get(&id.0), Some(Err(Failure::Uncertain(_)))));
                    assert_eq!(u64::from(reference.0), id.0 & 0xff);
                }
                _ => {}
            }
        }
    }

    fn ended_as(&mut self, id: u64, result: Result<Done, Failure>) {
        assert!(self.open.remove(&id), "{id} ended twice");
        match &result {
            Ok(Done::Submitted { reference }) => {
                assert_eq!(u64::from(reference.0), id & 0xff, "another one's answer");
                assert!(self.sent.contains(&id));
            }
            Err(Failure::NotSent(_)) => assert!(!self.sent.contains(&id), "{id} was sent"),
            Err(Failure::Uncertain(_)) => assert!(self.sent.contains(&id), "{id} was not sent"),
            Ok(Done::Reset | Done::Ussd(_) | Done::UssdEnded)
            | Err(Failure::Rejected(_) | Failure::Ussd(_)) => {}
        }
        self.ended.insert(id, result);
    }

    /// After the storm: every request has ended, and the modem works again.
    fn calm(&mut self) {
        self.bench.phone.mute = false;
        self.bench.phone.latency = 2 * MS;
        self.bench.run(Duration::from_secs(4 * 3600));
        self.check();
        assert!(self.open.is_empty(), "{:?} never ended", self.open);
        for token in std::mem::take(&mut self.tokens) {
            self.stored += 1;
            self.bench.input(Input::Stored(token));
        }
        assert_eq!(self.bench.machine.status().phase, Phase::Ready);
        self.bench.run(10 * SECOND);
        let id = self.submit();
        self.durable(id);
        self.bench.run(30 * SECOND);
        self.check();
        assert!(matches!(self.ended.get(&id), Some(Ok(Done::Submitted { .. }))), "{:?}", self.ended.get(&id));
    }
}

#[test]
fn a_storm_of_faults_breaks_no_promise() {
    let mut totals = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut storm = Storm::new(seed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..ACTIONS {
                storm.act();
            }
            storm.calm();
        }));
        assert!(outcome.is_ok(), "seed {seed}");
        totals.0 += storm.ended.values().filter(|end| matches!(end, Ok(Done::Submitted { .. }))).count();
        totals.1 += storm.ended.values().filter(|end| matches!(end, Err(Failure::Uncertain(_)))).count();
        totals.2 += storm.ended.values().filter(|end| matches!(end, Err(Failure::NotSent(_)))).count();
    }
    assert!(totals.0 > 2000 && totals.1 > 50 && totals.2 > 1000, "the storm was no storm: {totals:?}");
}
