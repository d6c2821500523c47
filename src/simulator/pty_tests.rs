//! The pty shell, spoken to through its link as any program would.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::{Event, Kinds, Network, Scenario, Simulator, Watch, What};
use crate::clock;
use crate::units::UnixMs;

/// A SMS-SUBMIT of "x" to +491701234567 without service centre, and its length.
const PDU: &str = "0001000C919471103254760000 0178";
const WAIT: Duration = Duration::from_secs(20);

fn network() -> Network {
    Network::new(clock::monotonic(), UnixMs(1_750_000_000_000))
}

/// O_NOCTTY: the test must not get a controlling terminal.
fn open(link: &Path) -> File {
    let flags = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(link).unwrap()
}

fn read_until(port: &mut File, end: &str) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(end.as_bytes()) {
        let mut byte = [0];
        assert_eq!(port.read(&mut byte).unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&heard));
        heard.push(byte[0]);
    }
    String::from_utf8(heard).unwrap()
}

fn wait_for(events: &Receiver<Event>, what: &What) -> Instant {
    let end = clock::monotonic() + WAIT;
    loop {
        let left = end.saturating_duration_since(clock::monotonic());
        let event = events.recv_timeout(left).unwrap_or_else(|_| panic!("{what:?} did not come"));
        if event.what == *what {
            return event.at;
        }
    }
}

fn send(port: &mut File) -> String {
    let pdu = PDU.replace(' ', "");
    write!(port, "AT+CMGS={}\r", pdu.len() / 2 - 1).unwrap();
    read_until(port, "> ");
    write!(port, "{pdu}\u{1a}").unwrap();
    read_until(port, "\r\nOK\r\n")
}

#[test]
fn a_host_talks_goes_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("modem");
    let (watch, events) = Watch::channel(Kinds::ALL);
    let network = network();
    let modem = Simulator::start(Scenario::of_seed(1, 0), &network, &link, 0, watch).unwrap();
    for _ in 0..3 {
        let mut port = open(&link);
        wait_for(&events, &What::HostOpened);
        port.write_all(b"ATE0\r").unwrap();
        read_until(&mut port, "OK\r\n");
        assert!(send(&mut port).contains("+CMGS: "));
        // Leaves a prompt half open, an answer unread and the port exclusive.
        port.write_all(b"AT+CMGS=20\r00").unwrap();
        wait_for(&events, &What::PromptGiven { n: network.submitted() * 2 });
        rustix::termios::ioctl_tiocexcl(&port).unwrap();
        drop(port);
        wait_for(&events, &What::HostClosed);
    }
    drop(modem);
    assert!(std::fs::symlink_metadata(&link).is_err(), "the link is gone");
    assert_eq!(network.shown("+491701234567").len(), 3);
}

#[test]
fn latency_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("modem");
    let latency = Duration::from_millis(50);
    let scenario = Scenario { latency, echo: false, ..Scenario::of_seed(1, 0) };
    let (watch, events) = Watch::channel(Kinds::CTRL_Z.and(Kinds::ANSWERED));
    let _modem = Simulator::start(scenario, &network(), &link, 0, watch).unwrap();
    let mut port = open(&link);
    for n in 1..=5 {
        send(&mut port);
        let recipient = Some("+491701234567".to_owned());
        let asked = wait_for(&events, &What::CtrlZ { n, recipient });
        let answered = wait_for(&events, &What::Answered { n, answer: Ok(u8::try_from(n - 1).unwrap()) });
        let took = answered - asked;
        assert!(took >= latency, "{took:?}");
        assert!(took < latency * 20, "{took:?}");
    }
}

#[test]
fn the_plug_is_pulled_and_put_back() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("modem");
    let (watch, events) = Watch::channel(Kinds::POWER.and(Kinds::HOST));
    let scenario = Scenario { echo: false, reboot: Duration::from_millis(1), ..Scenario::of_seed(1, 0) };
    let modem = Simulator::start(scenario, &network(), &link, 0, watch).unwrap();
    let control = modem.control();
    let mut port = open(&link);
    wait_for(&events, &What::HostOpened);
    control.hang_up();
    wait_for(&events, &What::HungUp);
    assert!(matches!(port.read(&mut [0]), Ok(0) | Err(_)));
    drop(port);
    control.plug_in();
    wait_for(&events, &What::PluggedIn);
    let mut port = open(&link);
    port.write_all(b"AT+CFUN=1,1\r").unwrap();
    assert_eq!(read_until(&mut port, "OK\r\n"), "\r\nOK\r\n");
    wait_for(&events, &What::HungUp);
    wait_for(&events, &What::PluggedIn);
    let mut port = open(&link);
    port.write_all(b"AT\r").unwrap();
    read_until(&mut port, "OK\r\n");
    control.deliver("INFO", "hello").unwrap();
    port.write_all(b"AT+CNMI=2,1\r").unwrap();
    read_until(&mut port, "OK\r\n");
    control.deliver("INFO", "hello").unwrap();
    assert_eq!(read_until(&mut port, "2\r\n"), "\r\n+CMTI: \"SM\",2\r\n");
}

#[test]
fn only_a_link_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("modem");
    std::os::unix::fs::symlink("/nowhere", &link).unwrap();
    drop(Simulator::start(Scenario::of_seed(1, 0), &network(), &link, 0, Watch::none()).unwrap());
    std::fs::write(&link, "somebody's file").unwrap();
    assert!(Simulator::start(Scenario::of_seed(1, 0), &network(), &link, 0, Watch::none()).is_err());
    assert_eq!(std::fs::read_to_string(&link).unwrap(), "somebody's file");
}
