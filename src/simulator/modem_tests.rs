//! The modem model as a host sees it, in virtual time.

use std::time::{Duration, Instant};

use super::network::Network;
use super::{ErrorEvery, Event, Kinds, Out, Scenario, Shown, Silence, SilentAfter, SimulatedModem, What};
use crate::at::hex;
use crate::clock;
use crate::number::Number;
use crate::pdu::{self, Kind, Pdu, SubmitOptions, ValidityFormat, plan, with_default_smsc};
use crate::units::UnixMs;

const PHONE: &str = "+491701234567";
const MS: Duration = Duration::from_millis(1);

/// A host with its modem and a clock of its own.
struct Host {
    modem: SimulatedModem,
    network: Network,
    now: Instant,
    events: Vec<What>,
    heard: String,
    hung_up: Option<Duration>,
}

impl Host {
    fn new(scenario: Scenario) -> Self {
        let now = clock::monotonic();
        let network = Network::new(now, UnixMs(1_750_000_000_000));
        let modem = SimulatedModem::new(Scenario { echo: false, ..scenario }, &network, 0, Kinds::ALL, now);
        Self { modem, network, now, events: Vec::new(), heard: String::new(), hung_up: None }
    }

    fn well() -> Self {
        Self::new(Scenario::of_seed(1, 0))
    }

    fn drain(&mut self) {
        while let Some(out) = self.modem.poll() {
            match out {
                Out::Send(bytes) => self.heard.push_str(std::str::from_utf8(&bytes).unwrap()),
                Out::Event(Event { what, .. }) => self.events.push(what),
                Out::HangUp(dark) => self.hung_up = Some(dark),
            }
        }
    }

    /// Lets time pass, deadline by deadline.
    fn pass(&mut self, time: Duration) -> String {
        let end = self.now + time;
        while let Some(at) = self.modem.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.modem.tick(self.now);
            self.drain();
        }
        self.now = end;
        std::mem::take(&mut self.heard)
    }

    /// Sends octets; what is heard without any time passing.
    fn say(&mut self, text: &str) -> String {
        self.modem.receive(self.now, text.as_bytes());
        self.drain();
        std::mem::take(&mut self.heard)
    }

    /// A command line; its answer as lines.
    fn ask(&mut self, line: &str) -> Vec<String> {
        let answer = self.say(&format!("{line}\r"));
        answer.split("\r\n").filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    fn ok(&mut self, line: &str) -> Vec<String> {
        let mut lines = self.ask(line);
        assert_eq!(lines.pop().as_deref(), Some("OK"), "{line}: {lines:?}");
        lines
    }

    /// All parts of a text by PDU; the answers.
    fn send(&mut self, to: &str, text: &str) -> Vec<String> {
        pdus(to, text).iter().map(|pdu| self.send_pdu(pdu)).collect()
    }

    fn send_pdu(&mut self, pdu: &str) -> String {
        let length = pdu.len() / 2 - 1;
        assert_eq!(self.say(&format!("AT+CMGS={length}\r")), "\r\n> ");
        self.say(&format!("{pdu}\u{1a}"))
    }

    fn shown(&self) -> Vec<Shown> {
        self.network.shown(PHONE)
    }
}

fn pdus(to: &str, text: &str) -> Vec<String> {
    let options = SubmitOptions {
        concat_ref: 5,
        validity: None,
        validity_format: ValidityFormat::Relative,
        status_report: true,
        reject_duplicates: false,
        class0: false,
    };
    let submits = plan(text).unwrap().submits(&Number::parse(to, None).unwrap(), &options);
    submits.iter().map(|submit| hex::encode(&with_default_smsc(&submit.encode().unwrap()))).collect()
}

fn decode(line: &str, kind: Kind) -> Pdu {
    pdu::decode(&hex::decode(line).unwrap(), true, Some(kind)).unwrap().pdu
}

#[test]
fn basics_and_identity() {
    let mut host = Host::well();
    assert_eq!(host.say("AT\r"), "\r\nOK\r\n");
    assert_eq!(host.say("ATE1\r"), "\r\nOK\r\n");
    assert_eq!(host.say("AT\r"), "AT\r\r\nOK\r\n");
    assert_eq!(host.ask("ATE0"), ["ATE0\r", "OK"]);
    assert_eq!(host.ask("at+cgsn"), [Scenario::of_seed(1, 0).imei.as_str(), "OK"]);
    assert_eq!(host.ok("AT+CCID"), [format!("+CCID: {}", Scenario::of_seed(1, 0).iccid)]);
    assert_eq!(host.ok("AT+CIMI"), [Scenario::of_seed(1, 0).imsi]);
    assert_eq!(host.ok("ATI").len(), 5);
    for line in
        ["ATZ", "AT&F", "ATV1Q0", "AT+CLIP=1", "AT+CRC=1", "AT+CHUP", "AT+CBST=0,0,1", "AT^CURC=0", "ATS0=0"]
    {
        assert_eq!(host.ok(line), Vec::<String>::new(), "{line}");
    }
    assert_eq!(host.say("garbage\r\n\r\n"), "");
    assert_eq!(host.say("AX\u{8}T\r"), "\r\nOK\r\n", "backspace");
}

#[test]
fn errors_follow_cmee_and_end_the_line() {
    let mut host = Host::well();
    assert_eq!(host.ask("AT+NOSUCH"), ["ERROR"]);
    assert_eq!(host.ask("ATE0+CMEE=1;+CREG?"), ["+CREG: 0,1", "OK"]);
    assert_eq!(host.ask("AT+NOSUCH=1"), ["+CME ERROR: 4"]);
    assert_eq!(host.ask("AT+CMEE?;+NOSUCH?;+CREG?"), ["+CMEE: 1", "+CME ERROR: 4"]);
    assert_eq!(host.ask("ATB"), ["ERROR"]);
    host.ok("AT+CMEE=2");
    assert_eq!(host.ask("AT+NOSUCH"), ["+CME ERROR: operation not supported"]);
    assert_eq!(host.ask("AT+CMGS=1000"), ["+CMS ERROR: invalid PDU mode parameter"]);
    assert_eq!(host.ask(&format!("AT{}", "E".repeat(3000))), ["ERROR"]);
    assert_eq!(host.ask("ATV0"), ["0\r"]);
}

#[test]
fn registration_is_told() {
    let delay = Duration::from_secs(3);
    let mut host = Host::new(Scenario { registration_delay: delay, ..Scenario::of_seed(1, 0) });
    assert_eq!(host.ok("AT+CREG=2;+CEREG=1;+CREG?"), ["+CREG: 2,2"]);
    assert_eq!(host.ok("AT+COPS?"), ["+COPS: 0"]);
    assert_eq!(host.ok("AT+CSQ"), ["+CSQ: 99,99"]);
    assert_eq!(host.ask("AT+CMGS=20"), ["+CMS ERROR: 331"]);
    assert_eq!(host.pass(delay - MS), "");
    assert_eq!(host.pass(MS), "\r\n+CREG: 1,\"00C3\",\"0000A1B2\"\r\n\r\n+CEREG: 1\r\n");
    assert_eq!(host.ok("AT+COPS?"), ["+COPS: 0,0,\"Simulated Network\",7"]);
    assert_eq!(host.ask("AT+CFUN=4"), ["OK", "+CREG: 0", "+CEREG: 0"]);
    assert_eq!(host.ask("AT+CMGS=20"), ["+CMS ERROR: 331"]);
    host.ok("AT+CFUN=1");
    assert!(host.pass(delay).contains("+CREG: 1"));
}

#[test]
fn the_pin_opens_the_sim_and_three_wrong_ones_close_it() {
    let scenario = Scenario { pin: Some("1234".into()), ..Scenario::of_seed(1, 0) };
    let mut host = Host::new(scenario.clone());
    host.ok("AT+CMEE=1");
    assert_eq!(host.ok("AT+CPIN?"), ["+CPIN: SIM PIN"]);
    assert_eq!(host.ask("AT+CMGS=20"), ["+CMS ERROR: 311"]);
    assert_eq!(host.ask("AT+CIMI"), ["+CME ERROR: 11"]);
    assert_eq!(host.ok("AT+CREG?"), ["+CREG: 0,0"]);
    assert_eq!(host.ask("AT+CPIN=\"0000\""), ["+CME ERROR: 16"]);
    host.ok("AT+CPIN=\"1234\"");
    assert_eq!(host.ok("AT+CPIN?;+CREG?"), ["+CPIN: READY", "+CREG: 0,1"]);
    assert!(host.events.contains(&What::AtReceived("AT+CPIN=****".into())));
    let mut host = Host::new(scenario);
    for _ in 0..3 {
        assert_eq!(host.ask("AT+CMEE=1;+CPIN=9999"), ["+CME ERROR: 16"]);
    }
    assert_eq!(host.ok("AT+CPIN?"), ["+CPIN: SIM PUK"]);
    assert_eq!(host.ask("AT+CPIN=1234"), ["+CME ERROR: 12"]);
}

#[test]
fn a_message_is_prompted_carried_and_reported() {
    let scenario =
        Scenario { latency: 50 * MS, report_after: Duration::from_secs(2), ..Scenario::of_seed(1, 0) };
    let mut host = Host::new(scenario.clone());
    host.ok("AT+CMGF=0;+CNMI=2,1,0,1,0");
    let pdu = &pdus(PHONE, "Dein Code: 123456")[0];
    assert_eq!(host.send_pdu(pdu), "");
    assert_eq!(host.pass(49 * MS), "");
    assert_eq!(host.shown(), []);
    assert_eq!(host.pass(MS), "\r\n+CMGS: 0\r\n\r\nOK\r\n");
    assert_eq!(host.shown()[0].text, "Dein Code: 123456");
    assert_eq!(host.shown()[0].from, scenario.number);
    let report = host.pass(Duration::from_secs(2));
    let lines: Vec<_> = report.split("\r\n").collect();
    let Pdu::StatusReport(read) = decode(lines[2], Kind::StatusReport) else { panic!("{report}") };
    assert_eq!(lines[1], format!("+CDS: {}", read.encode().unwrap().len()));
    assert_eq!((read.reference.0, read.recipient.text().as_str(), read.status.0), (0, PHONE, 0));
    let to = Some(PHONE.to_owned());
    let told = [
        What::Cmgs { n: 1 },
        What::PromptGiven { n: 1 },
        What::CtrlZ { n: 1, recipient: to },
        What::PhoneShows(host.shown()[0].clone()),
        What::Answered { n: 1, answer: Ok(0) },
    ];
    let position = |what: &What| host.events.iter().position(|told| told == what);
    let order: Vec<_> = told.iter().map(position).collect();
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{:?}", host.events);
    assert!(!format!("{:?}", host.events).contains(pdu.get(10..).unwrap()), "no user data in events");
}

#[test]
fn parts_join_and_references_wrap() {
    let mut host = Host::well();
    let text = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ".repeat(4);
    assert_eq!(host.send(PHONE, &text).len(), 2);
    assert_eq!(host.shown().iter().map(|shown| &shown.text).collect::<Vec<_>>(), [&text]);
    for n in 2..=256 {
        assert_eq!(host.send(PHONE, "x"), [format!("\r\n+CMGS: {}\r\n\r\nOK\r\n", n % 256)]);
    }
}

#[test]
fn what_is_sent_during_a_message_waits() {
    let mut host =
        Host::new(Scenario { latency: 50 * MS, command_latency: 5 * MS, ..Scenario::of_seed(1, 0) });
    let pdu = &pdus(PHONE, "x")[0];
    assert_eq!(host.say(&format!("AT+CMGS={}\r{pdu}\u{1a}AT\r", pdu.len() / 2 - 1)), "");
    assert_eq!(host.pass(5 * MS), "\r\n> ");
    assert_eq!(host.pass(50 * MS), "\r\n+CMGS: 0\r\n\r\nOK\r\n");
    assert_eq!(host.pass(5 * MS), "\r\nOK\r\n");
}

#[test]
fn a_prompt_is_left_by_escape_and_by_hang_up() {
    let mut host = Host::well();
    assert_eq!(host.say("AT+CMGS=20\r"), "\r\n> ");
    assert_eq!(host.say("0011\u{1b}"), "\r\nOK\r\n");
    assert_eq!(host.say("AT+CMGS=20\r00"), "\r\n> ");
    host.modem.host_gone();
    assert_eq!(host.ok("AT"), Vec::<String>::new());
    assert_eq!(host.say("AT+CMGS=20\r"), "\r\n> ");
    for wrong in ["0011\u{1a}", "xyz\u{1a}", "\u{1a}"] {
        assert_eq!(host.say(wrong), "\r\n+CMS ERROR: 304\r\n");
        host.say("AT+CMGS=20\r");
    }
    assert_eq!(host.network.submitted(), 0);
}

#[test]
fn faults_strike_when_told() {
    let mut scenario = Scenario {
        error_every: Some(ErrorEvery { code: 42, ..ErrorEvery::new(3) }),
        ..Scenario::of_seed(1, 0)
    };
    scenario.refused.insert("+491709999999".into(), 28);
    let mut host = Host::new(scenario);
    assert_eq!(host.send("+491709999999", "x"), ["\r\n+CMS ERROR: 28\r\n"]);
    let answers: Vec<_> = (0..5).flat_map(|_| host.send(PHONE, "x")).collect();
    let failed: Vec<_> = answers.iter().map(|answer| answer.contains("+CMS ERROR: 42")).collect();
    assert_eq!(failed, [false, true, false, false, true]);
    assert_eq!(host.network.submitted(), 3);
}

#[test]
fn silence_after_prompt_loses_and_after_ctrl_z_carries() {
    let mut host =
        Host::new(Scenario { silent_after_prompt: Some(SilentAfter::once(2)), ..Scenario::of_seed(1, 0) });
    assert!(host.send(PHONE, "1")[0].contains("+CMGS: 0"));
    assert_eq!(host.send(PHONE, "2"), [""]);
    assert_eq!(host.ok("AT"), Vec::<String>::new());
    assert!(host.send(PHONE, "3")[0].contains("+CMGS: 1"));
    assert_eq!(host.shown().iter().map(|shown| shown.text.as_str()).collect::<Vec<_>>(), ["1", "3"]);
    let always = Some(SilentAfter { n: 1, always: true });
    let mut host = Host::new(Scenario { silent_after_ctrl_z: always, ..Scenario::of_seed(1, 0) });
    assert_eq!((host.send(PHONE, "1"), host.send(PHONE, "2")), (vec![String::new()], vec![String::new()]));
    assert_eq!(host.shown().len(), 2);
}

#[test]
fn silence_is_ordered() {
    let mut host = Host::well();
    host.modem.silence(Silence::Prompt);
    assert_eq!(host.say("AT+CMGS=20\r"), "");
    assert_eq!(host.say("AT\r"), "\r\nOK\r\n");
    host.modem.silence(Silence::All);
    assert_eq!(host.say("AT\r"), "");
    host.modem.silence(Silence::Answer);
    assert_eq!(host.send(PHONE, "x"), [""]);
    assert_eq!(host.shown().len(), 1);
    host.modem.silence(Silence::None);
    assert_eq!(host.say("AT\r"), "\r\nOK\r\n");
}

#[test]
fn messages_are_stored_listed_and_deleted() {
    let scenario = Scenario { slots: 2, ..Scenario::of_seed(1, 0) };
    let mut host = Host::new(scenario.clone());
    let deliver = |host: &mut Host, text: &str| {
        host.network.send(host.now, "INFO", &scenario.number, text).unwrap();
        host.pass(Duration::ZERO);
        host.modem.tick(host.now);
        host.drain();
        std::mem::take(&mut host.heard)
    };
    assert_eq!(
        host.ok("AT+CPMS=\"ME\",\"ME\",\"ME\";+CNMI=2,1,0,2,0;+CNMI?"),
        ["+CPMS: 0,2,0,2,0,2", "+CNMI: 2,1,0,2,0"]
    );
    assert_eq!(deliver(&mut host, "one"), "\r\n+CMTI: \"ME\",1\r\n");
    assert_eq!(deliver(&mut host, "two"), "\r\n+CMTI: \"ME\",2\r\n");
    assert_eq!(deliver(&mut host, "three"), "", "full: the network keeps it");
    let listed = host.ok("AT+CMGL=4");
    assert_eq!(listed.len(), 4);
    assert!(listed[0].starts_with("+CMGL: 1,0,,") && listed[2].starts_with("+CMGL: 2,0,,"), "{listed:?}");
    let Pdu::Deliver(message) = decode(&listed[1], Kind::Deliver) else { panic!("{listed:?}") };
    assert_eq!(message.user_data.text(message.dcs).unwrap().expose_str(), Some("one"));
    assert_eq!(host.ok("AT+CMGL=0"), Vec::<String>::new());
    assert!(host.ok("AT+CMGR=2")[0].starts_with("+CMGR: 1,,"));
    assert_eq!(host.ok("AT+CMGD=?"), ["+CMGD: (1,2),(0-4)"]);
    assert_eq!(host.ask("AT+CMGD=1"), ["OK", "+CMTI: \"ME\",1"]);
    host.ok("AT+CMGD=1,4");
    assert_eq!(host.ask("AT+CMGR=1"), ["+CMS ERROR: 321"]);
    assert_eq!(host.ask("AT+CMGD=3"), ["+CMS ERROR: 321"]);
    let answer = host.send(PHONE, "x");
    assert!(answer[0].contains("+CDSI: \"SR\",1"), "{answer:?}");
    assert!(host.ok("AT+CPMS=\"SR\";+CMGR=1")[1].starts_with("+CMGR: 0,,"));
    assert_eq!(host.ask("AT+CPMS=\"XX\""), ["+CMS ERROR: 302"]);
    assert_eq!(host.ask("AT+CNMI=2,9"), ["+CMS ERROR: 302"]);
}

#[test]
fn direct_delivery_wants_its_acknowledgement() {
    let scenario = Scenario::of_seed(1, 0);
    let mut host = Host::new(scenario.clone());
    host.ok("AT+CSMS=1;+CNMI=2,2,0,1,0");
    for text in ["one", "two"] {
        host.network.send(host.now, "+491701111111", &scenario.number, text).unwrap();
    }
    host.modem.tick(host.now);
    host.drain();
    let first = std::mem::take(&mut host.heard);
    assert!(first.starts_with("\r\n+CMT: ,") && first.matches("+CMT").count() == 1, "{first}");
    let after = host.ask("AT+CNMA");
    assert_eq!((after[0].as_str(), after[1].starts_with("+CMT: ,")), ("OK", true), "{after:?}");
    assert_eq!(host.ask("AT+CNMA"), ["OK"]);
    assert_eq!(host.ask("AT+CNMA"), ["+CMS ERROR: 340"]);
    // Not acknowledged: routing ends, and the network brings it again.
    host.network.send(host.now, "+491701111111", &scenario.number, "three").unwrap();
    assert!(host.say("").contains("+CMT"));
    host.pass(Duration::from_secs(15));
    assert_eq!(host.ok("AT+CNMI?"), ["+CNMI: 2,0,0,0,0"]);
    host.ok("AT+CNMI=2,1,0,1,0");
    assert_eq!(host.pass(Duration::from_secs(30)), "\r\n+CMTI: \"SM\",1\r\n");
}

#[test]
fn text_mode_serves_other_programs() {
    let scenario = Scenario::of_seed(1, 0);
    let mut host = Host::new(scenario.clone());
    host.ok("AT+CMGF=1;+CSCS=\"GSM\";+CSMP=49,167,0,0;+CNMI=2,2,0,1,0");
    assert_eq!(host.say(&format!("AT+CMGS=\"{PHONE}\",145\r")), "\r\n> ");
    let answer = host.say("Grüße\u{1a}");
    assert!(
        answer.starts_with("\r\n+CMGS: 0\r\n\r\nOK\r\n\r\n+CDS: 6,0,\"+491701234567\",145,\""),
        "{answer}"
    );
    assert_eq!(host.shown()[0].text, "Grüße");
    host.network.send(host.now, "INFO", &scenario.number, "hello\nOK").unwrap();
    let direct = host.say("");
    assert_eq!(direct, "\r\n+CMT: \"INFO\",,\"25/06/15,15:06:40+00\"\r\nhello\nOK\r\n");
    host.ok("AT+CNMI=2,1;+CSCS=\"UCS2\"");
    host.network.send(host.now, "+491701111111", &scenario.number, "Щ").unwrap();
    assert_eq!(host.say(""), "\r\n+CMTI: \"SM\",1\r\n");
    let listed = host.ok("AT+CMGL=\"ALL\"");
    assert!(listed[0].starts_with("+CMGL: 1,\"REC UNREAD\",\"002B0034"), "{listed:?}");
    assert_eq!(listed[1], "0429");
    host.say("AT+CMGS=\"002B003400390031003700300031003200330034003500360037\"\r");
    assert!(host.say("0429\u{1a}").contains("+CMGS: 1"));
    assert_eq!(host.shown()[1].text, "Щ");
    assert_eq!(host.ok("AT+CSCA?")[0].get(..16), Some("+CSCA: \"002B0034"));
}

#[test]
fn ussd_and_tests_answer() {
    let mut host = Host::new(Scenario { latency: 10 * MS, ..Scenario::of_seed(1, 0) });
    assert_eq!(host.ok("AT+CUSD=1,\"*100#\",15"), Vec::<String>::new());
    assert_eq!(host.pass(10 * MS), "\r\n+CUSD: 0,\"Your balance is 12.34 EUR\",15\r\n");
    for test in ["CNMI", "CPMS", "CMGF", "CREG", "COPS", "CFUN", "CSMS", "CMGL", "CMMS", "CSCS"] {
        let lines = host.ok(&format!("AT+{test}=?"));
        assert!(lines[0].starts_with(&format!("+{test}: (")), "{lines:?}");
    }
}

#[test]
fn reboot_leaves_the_bus_and_forgets_settings() {
    let mut host = Host::well();
    host.ok("AT+CMEE=1;+CNMI=2,1,0,1,0");
    assert_eq!(host.ask("AT+CFUN=1,1"), ["OK"]);
    host.pass(Duration::from_secs(1));
    assert_eq!(host.hung_up, Some(Duration::from_secs(2)));
    host.modem.hang_up(host.now);
    assert_eq!(host.say("AT\r"), "");
    assert_eq!(host.modem.deadline(), None);
    host.modem.plug_in(host.now);
    assert_eq!(host.ok("AT+CMEE?;+CNMI?"), ["+CMEE: 0", "+CNMI: 0,0,0,0,0"]);
}

#[test]
fn a_message_in_flight_survives_the_plug() {
    let mut host = Host::new(Scenario { latency: 50 * MS, ..Scenario::of_seed(1, 0) });
    assert_eq!(host.send(PHONE, "x"), [""]);
    host.modem.hang_up(host.now);
    assert_eq!(host.shown().len(), 1);
    host.modem.plug_in(host.now);
    host.drain();
    assert_eq!(host.pass(Duration::from_secs(1)), "", "no late answer");
}

#[test]
fn noise_and_chunks_keep_lines_whole_and_follow_the_seed() {
    let run = |seed| {
        let scenario = Scenario { noise: 200, chunk: 1, latency: 50 * MS, seed, ..Scenario::of_seed(1, 0) };
        let mut host = Host::new(scenario);
        host.modem.receive(host.now, b"ATE1\r");
        let mut heard = host.pass(100 * MS);
        for _ in 0..20 {
            let pdu = &pdus(PHONE, "Dein Code: 123456")[0];
            for piece in [&format!("AT+CMGS={}\r", pdu.len() / 2 - 1), &pdu[..11], &pdu[11..], "\u{1a}"] {
                host.modem.receive(host.now, piece.as_bytes());
                heard += &host.pass(100 * MS);
            }
        }
        assert_eq!(host.shown().len(), 20);
        heard
    };
    let heard = run(3);
    let noise = ["^RSSI:", "^HCSQ:", "^DSFLOWRPT:", "^MODE:", "^BOOT:", "+CSQ:"];
    let mut counts = [0; 3];
    for line in heard.split("\r\n").filter(|line| !line.is_empty() && *line != "> ") {
        let line = line.trim_start_matches("> ");
        let is_echo = line.ends_with('\r') || line.bytes().all(|b| b.is_ascii_hexdigit());
        let is_answer = line == "OK" || line.starts_with("+CMGS: ");
        let is_noise = noise.iter().any(|kind| line.starts_with(kind));
        assert!(is_echo || is_answer || is_noise, "{line:?}");
        for (count, it) in counts.iter_mut().zip([is_echo, is_answer, is_noise]) {
            *count += u32::from(it);
        }
    }
    assert_eq!(counts[1], 41, "{counts:?}");
    assert!(counts[2] > 500, "{counts:?}");
    assert_eq!(run(3), heard);
    assert_ne!(run(4), heard);
}

#[test]
fn nothing_is_due_when_nothing_is_to_do() {
    let mut host = Host::well();
    assert_eq!(host.modem.deadline(), None);
    // A report that waits at an open prompt must not make the clock run hot.
    host.ok("AT+CNMI=2,1,0,1,0");
    let number = Scenario::of_seed(1, 0).number;
    host.say("AT+CMGS=20\r");
    host.network.send(host.now, "INFO", &number, "x").unwrap();
    assert_eq!(host.say(""), "");
    assert_eq!(host.modem.deadline(), None);
    assert_eq!(host.say("\u{1b}"), "\r\nOK\r\n\r\n+CMTI: \"SM\",1\r\n");
}
