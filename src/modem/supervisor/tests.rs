//! The supervisor with phones at ptys and a temporary directory of links.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::alarm::AlarmKind;
use crate::modem::left_alone::tests::Sysfs;
use crate::modem::machine::Step;
use crate::modem::port::Port;
use crate::modem::pty::{ICCID, IMEI, Peer, Phone};

/// A test that waits longer for the fleet has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const WEAK: crate::units::Dbm = crate::units::Dbm(-105);
const OTHER_IMEI: &str = "356938035643809";
const OTHER_ICCID: &str = "89490200001005155468";

struct Rig {
    root: TempDir,
    fleet: FleetHandle,
    stop: CancellationToken,
    running: JoinHandle<Result<(), std::io::Error>>,
}

impl Rig {
    fn new() -> Self {
        Self::with(PortSettings::default())
    }

    fn with(default: PortSettings) -> Self {
        let root = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let settings = FleetSettings {
            directory: root.path().join("ports"),
            fixed: Vec::new(),
            sysfs: root.path().join("sys"),
            notes: watch::channel(Arc::clone(Library::compiled_in())).1,
            default,
            ports: BTreeMap::new(),
            held: BTreeMap::new(),
            pins: Some(PinMemory::new(root.path().join("pin-tries"), Secret::from("key"))),
            site_hook: None,
            stop_limit: Duration::from_millis(200),
        };
        let (supervisor, fleet, _notices) = Supervisor::new(settings, stop.clone());
        let running = tokio::spawn(supervisor.run());
        Self { root, fleet, stop, running }
    }

    fn link(&self, name: &str, target: &Path) {
        let ports = self.root.path().join("ports");
        std::fs::create_dir_all(&ports).unwrap();
        symlink(target, ports.join(name)).unwrap();
    }

    /// As udev does it: the directory goes with its last link.
    fn unlink(&self, name: &str) {
        let ports = self.root.path().join("ports");
        std::fs::remove_file(ports.join(name)).unwrap();
        let _ = std::fs::remove_dir(ports);
    }

    async fn until(&self, what: &str, reached: impl FnMut(&Arc<Fleet>) -> bool) -> Arc<Fleet> {
        let mut fleet = self.fleet.fleet();
        let waited =
            tokio::time::timeout(PATIENCE, fleet.wait_for(reached)).await.map(|f| f.unwrap().clone());
        waited.unwrap_or_else(|_| panic!("never {what}: {:?}", self.fleet.fleet().borrow()))
    }

    async fn until_all(&self, states: &[State]) -> Arc<Fleet> {
        self.until("in these states", |fleet| fleet.modems.iter().map(|m| m.state).eq(states.iter().copied()))
            .await
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
        assert!(self.fleet.links().borrow().is_empty());
    }
}

/// Plugs a phone in; aborting the task pulls it.
fn plug(rig: &Rig, name: &str, phone: Phone) -> JoinHandle<()> {
    rig.link(name, phone.path());
    tokio::spawn(phone.serve())
}

#[tokio::test]
async fn modems_come_go_and_come_again() {
    let rig = Rig::new();
    let _first = plug(&rig, "a-at1", Phone::new());
    let second = plug(&rig, "b-at1", Phone::of(OTHER_IMEI, OTHER_ICCID));
    let fleet = rig.until_all(&[State::Ready, State::Ready]).await;
    assert_eq!(fleet.modems[0].imei.as_ref().unwrap().as_str(), IMEI);
    assert_eq!(fleet.modems[1].iccid.as_ref().unwrap().as_str(), OTHER_ICCID);
    rig.unlink("b-at1");
    let fleet = rig.until_all(&[State::Ready, State::Away]).await;
    assert!(fleet.modems[1].cause.as_ref().unwrap().contains("unplugged"));
    second.abort();
    let _third = plug(&rig, "b-at1", Phone::of(OTHER_IMEI, OTHER_ICCID));
    rig.until_all(&[State::Ready, State::Ready]).await;
    rig.end().await;
}

#[tokio::test]
async fn what_was_on_the_wire_is_kept_while_the_modem_is_away_or_not_opened() {
    let rig = Rig::new();
    let modem = plug(&rig, "a-at1", Phone::new());
    rig.until_all(&[State::Ready]).await;
    rig.unlink("a-at1");
    rig.until_all(&[State::Away]).await;
    modem.abort();
    let lines = |name: &str| {
        let trace = rig.fleet.trace(name).unwrap();
        trace.lines().iter().map(|event| event.line.to_string()).collect::<Vec<_>>()
    };
    let before = lines(IMEI);
    assert!(before.iter().any(|line| line == "AT+CPIN?"), "{before:?}");
    assert_eq!(before.last().map(String::as_str), Some("port closed"));
    let _again = plug(&rig, "a-at1", Phone::new());
    rig.until_all(&[State::Ready]).await;
    assert_eq!(lines("a-at1").iter().filter(|line| *line == "port opened").count(), 2, "one ring for both");

    rig.link("b-at1", Path::new("/dev/null"));
    let fleet = rig.until("refused", |fleet| fleet.modems.get(1).is_some_and(|m| m.cause.is_some())).await;
    assert_eq!(lines("b-at1"), [fleet.modems[1].cause.clone().unwrap()], "why it is not open, told once");
    assert_eq!(rig.fleet.trace("c-at1").unwrap_err(), CommandError::NoSuchModem("c-at1".to_owned()));
    rig.end().await;
}

#[tokio::test]
async fn the_directory_goes_with_its_last_link_and_comes_again() {
    let rig = Rig::new();
    for _ in 0..2 {
        let modem = plug(&rig, "a-at1", Phone::new());
        rig.until_all(&[State::Ready]).await;
        rig.unlink("a-at1");
        rig.until_all(&[State::Away]).await;
        modem.abort();
    }
    rig.end().await;
}

#[tokio::test]
async fn a_renamed_link_waits_until_its_device_is_closed() {
    let rig = Rig::new();
    let _modem = plug(&rig, "a-at1", Phone::new());
    rig.until_all(&[State::Ready]).await;
    let ports = rig.root.path().join("ports");
    for (from, to) in [("a-at1", "b-at1"), ("b-at1", "c-at1")] {
        std::fs::rename(ports.join(from), ports.join(to)).unwrap();
        let mut in_the_way = Vec::new();
        let served = |fleet: &Arc<Fleet>| {
            let renamed = fleet.modems.iter().filter(|modem| modem.port == to);
            in_the_way.extend(renamed.filter_map(|modem| modem.cause.clone()));
            ready(fleet, to)
        };
        rig.until("ready under its new name", served).await;
        assert_eq!(in_the_way, Vec::<String>::new());
    }
    rig.end().await;
}

#[tokio::test]
async fn a_second_link_to_a_device_is_served_when_the_first_goes() {
    let rig = Rig::new();
    let modem = Phone::new();
    rig.link("b-at1", modem.path());
    rig.link("a-at1", modem.path());
    let _modem = tokio::spawn(modem.serve());
    let first = rig.until_all(&[State::Ready]).await.modems[0].port.clone();
    rig.unlink(&first);
    let second = if first == "a-at1" { "b-at1" } else { "a-at1" };
    let fleet = rig.until("ready again", |fleet| ready(fleet, second)).await;
    assert_eq!((fleet.modems.len(), fleet.modems[0].cause.as_deref()), (1, None));
    rig.end().await;
}

fn ready(fleet: &Fleet, port: &str) -> bool {
    fleet.modems.iter().any(|modem| modem.port == port && modem.state == State::Ready)
}

#[tokio::test]
async fn a_hang_up_is_told_and_tried_again_with_pauses() {
    let rig = Rig::new();
    let phone = Phone::new();
    // While one end is open the kernel gives the number to no other test, whose phone the dangling link would lead to.
    let number_kept = rustix::fs::open(phone.path(), OFlags::RDONLY | OFlags::NOCTTY, Mode::empty()).unwrap();
    let modem = plug(&rig, "a-at1", phone);
    rig.until_all(&[State::Ready]).await;
    modem.abort();
    let told = |fleet: &Arc<Fleet>| {
        // Once the slow rescan or a late event shows that the link dangles, it is away.
        let [modem] = &fleet.modems[..] else { return false };
        matches!(modem.state, State::Closed | State::Away) && modem.cause.is_some()
    };
    rig.until("told", told).await;
    rig.unlink("a-at1");
    drop(number_kept);
    let _modem = plug(&rig, "a-at1", Phone::new());
    rig.until_all(&[State::Ready]).await;
    rig.end().await;
}

#[tokio::test]
async fn of_two_ports_of_one_modem_one_rests_until_the_other_fails() {
    let rig = Rig::new();
    let first = plug(&rig, "a-at1", Phone::new());
    rig.until_all(&[State::Ready]).await;
    let _second = plug(&rig, "a-at2", Phone::new());
    rig.until_all(&[State::Ready, State::Spare]).await;
    assert_eq!(rig.fleet.links().borrow().len(), 1);
    rig.unlink("a-at1");
    first.abort();
    rig.until_all(&[State::Ready]).await;
    rig.end().await;
}

#[tokio::test]
async fn two_ladders_in_vain_park_a_modem_until_someone_helps() {
    let rig = Rig::new();
    let silent = Peer::new();
    rig.link("a-at1", silent.path());
    // The operator asks for the last rungs; a pty is on no USB, and there is no hook.
    for state in [State::Closed, State::Parked] {
        rig.until_all(&[State::Starting]).await;
        rig.fleet.reset("a-at1", Step::UsbReauthorise).await.unwrap();
        let told = |fleet: &Arc<Fleet>| {
            let Modem { state: is, cause, .. } = &fleet.modems[0];
            *is == state && cause.as_ref().is_some_and(|cause| cause.contains("SiteHook was no use"))
        };
        rig.until("helped in vain", told).await;
    }
    assert!(rig.fleet.fleet().borrow().modems[0].cause.as_ref().unwrap().contains("left alone for 10 min"));
    let finding = rig.fleet.fleet().borrow().findings(WEAK).remove(0);
    assert_eq!(finding.progress, Progress::Stuck(AlarmKind::ModemStuck));
    rig.fleet.hold("a-at1", None).await.unwrap();
    rig.until_all(&[State::Starting]).await;
    rig.end().await;
}

#[tokio::test]
async fn an_operator_pauses_by_imei_or_port() {
    let rig = Rig::new();
    let _modem = plug(&rig, "a-at1", Phone::new());
    rig.until_all(&[State::Ready]).await;
    assert_eq!(rig.fleet.hold("a-at1", Some(Hold::Paused)).await.unwrap(), IMEI);
    let mut links = rig.fleet.links();
    links.wait_for(|links| links.iter().all(|link| !link.ready)).await.unwrap();
    assert_eq!(rig.fleet.fleet().borrow().modems[0].hold, Some(Hold::Paused));
    rig.fleet.hold(IMEI, None).await.unwrap();
    links.wait_for(|links| links.iter().any(|link| link.ready)).await.unwrap();
    let unknown = rig.fleet.hold("x", Some(Hold::Paused)).await;
    assert_eq!(unknown, Err(CommandError::NoSuchModem("x".to_owned())));
    rig.end().await;
}

#[tokio::test]
async fn a_drained_modem_is_paused() {
    let rig = Rig::new();
    let _modem = plug(&rig, "a-at1", Phone::new());
    rig.until_all(&[State::Ready]).await;
    rig.fleet.drained("a-at1");
    rig.fleet.hold(IMEI, Some(Hold::Draining)).await.unwrap();
    let mut links = rig.fleet.links();
    let finishing = |links: &Arc<[Link]>| links.iter().all(|link| link.ready && link.draining);
    links.wait_for(finishing).await.unwrap();
    rig.fleet.drained("a-at1");
    links.wait_for(|links| links.iter().all(|link| !link.ready)).await.unwrap();
    assert_eq!(rig.fleet.fleet().borrow().modems[0].hold, Some(Hold::Paused));
    rig.end().await;
}

#[tokio::test]
async fn a_port_that_must_not_be_opened_is_refused_and_its_device_left_alone() {
    let rig = Rig::new();
    let phone = Phone::new();
    let tty = phone.path().canonicalize().unwrap();
    let sysfs = Sysfs::at(rig.root.path().join("sys"));
    sysfs.plug("1-1", "1546:01a8", &[(tty.file_name().unwrap().to_str().unwrap(), 0)]);
    sysfs.plug("1-2", "12d1:1446", &[]);
    rig.link("a-at1", phone.path());
    let fleet = rig.until_all(&[State::Unusable]).await;
    assert!(fleet.modems[0].cause.as_ref().unwrap().contains("u-blox GNSS receiver"));
    let fleet = rig.until("told", |fleet| fleet.left_alone.len() == 2).await;
    assert_eq!(fleet.left_alone[1].id, "12d1:1446");
    assert!(fleet.left_alone[1].cause.contains("usb_modeswitch"), "{fleet:?}");
    rig.end().await;
}

#[tokio::test]
async fn a_right_pin_opens_the_card() {
    let rig = Rig::with(PortSettings { pin: Some("1234".into()), ..PortSettings::default() });
    let _modem = plug(&rig, "a-at1", Phone::new().locked("1234"));
    let fleet = rig.until_all(&[State::Ready]).await;
    assert_eq!(fleet.modems[0].iccid.as_ref().unwrap().as_str(), ICCID);
    rig.end().await;
}

#[tokio::test]
async fn a_wrong_pin_is_tried_once_over_all_drivers() {
    let rig = Rig::with(PortSettings { pin: Some("1111".into()), ..PortSettings::default() });
    let mut phone = Phone::new().locked("1234");
    rig.link("a-at1", phone.path());
    let tried = tokio::select! {
        fleet = rig.until_all(&[State::Down]) => fleet.modems[0].cause.clone().unwrap(),
        heard = phone.serve_until("never") => unreachable!("{heard}"),
    };
    assert!(tried.contains("PIN"), "{tried}");
    rig.unlink("a-at1");
    rig.until_all(&[State::Away]).await;
    rig.link("a-at1", phone.path());
    let refused = |fleet: &Arc<Fleet>| {
        let cause = fleet.modems.first().and_then(|modem| modem.cause.as_deref());
        cause.is_some_and(|cause| cause.contains("was tried on this SIM"))
    };
    tokio::select! {
        _ = rig.until("refused", refused) => {}
        heard = phone.serve_until("never") => unreachable!("{heard}"),
    }
    assert_eq!(phone.pins_tried, ["1111"]);
    let finding = rig.fleet.fleet().borrow().findings(WEAK).remove(0);
    assert_eq!(finding.progress, Progress::Stuck(AlarmKind::SimLocked));
    assert_eq!(finding.modem.unwrap().as_str(), IMEI, "told by a driver that ended at once");
    rig.end().await;
}

#[tokio::test]
async fn the_pin_is_tried_on_a_swapped_card_only_after_a_person_has_confirmed_it() {
    let rig = Rig::with(PortSettings { pin: Some("1234".into()), ..PortSettings::default() });
    let first = plug(&rig, "a-at1", Phone::of(IMEI, OTHER_ICCID));
    rig.until_all(&[State::Ready]).await;
    let memory = PinMemory::new(rig.root.path().join("pin-tries"), Secret::from("key"));
    while memory.cards().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    rig.unlink("a-at1");
    rig.until_all(&[State::Away]).await;
    first.abort();

    let mut phone = Phone::new().locked("1234");
    rig.link("a-at1", phone.path());
    let asked = |fleet: &Arc<Fleet>| {
        fleet.findings(WEAK).iter().any(|f| f.cause.contains("confirm-sim 490154203237518"))
    };
    tokio::select! {
        _ = rig.until("asked", asked) => {}
        heard = phone.serve_until("never") => unreachable!("{heard}"),
    }
    assert!(phone.pins_tried.is_empty());
    let finding = rig.fleet.fleet().borrow().findings(WEAK).remove(0);
    assert_eq!(finding.progress, Progress::Stuck(AlarmKind::SimSwapped));
    assert_eq!(rig.fleet.confirm_sim("x").await, Err(CommandError::NoSuchModem("x".to_owned())));
    rig.fleet.confirm_sim(IMEI).await.unwrap();
    tokio::select! {
        _ = rig.until_all(&[State::Ready]) => {}
        heard = phone.serve_until("never") => unreachable!("{heard}"),
    }
    assert_eq!(phone.pins_tried, ["1234"]);
    rig.end().await;
}

#[tokio::test]
async fn findings_say_what_is_in_the_way_of_a_port() {
    let rig = Rig::new();
    let modem = plug(&rig, "a-at1", Phone::new());
    rig.until_all(&[State::Ready]).await;
    let taken = Peer::new();
    let rival = Port::open(taken.path(), 115_200).await.unwrap();
    rig.link("b-at1", taken.path());
    rig.link("c-at1", Path::new("/dev/null"));
    let all = [
        Progress::Reached(alarm::Stage::Registered),
        Progress::Stuck(AlarmKind::PortLocked),
        Progress::Stuck(AlarmKind::PortUnusable),
    ];
    let told = |fleet: &Arc<Fleet>| fleet.findings(WEAK).iter().map(|finding| finding.progress).eq(all);
    rig.until("told", told).await;
    rival.close().await;
    modem.abort();
    rig.end().await;
}
