//! The watch under a time of its own.

use AlarmKind::{ModemLost, NotRegistered, PortLocked, SignalWeak, SimLocked, SimMissing, SimStoreFull};

use super::*;
use crate::alarm::{Sign, Stage};
use crate::units::UnixMs;

const MODEM: &str = "490154203237518";

struct Bench {
    watch: Watch,
    now: Instant,
    next: i64,
}

impl Bench {
    fn new(open: &[AlarmRecord]) -> Self {
        Self { watch: Watch::new(open), now: clock::monotonic(), next: 100 }
    }

    /// What is done when this is seen, so many seconds later: `+` raised, `-` cleared.
    fn sees(&mut self, after: u64, findings: &[Finding]) -> Vec<String> {
        self.now += Duration::from_secs(after);
        let changes = self.watch.look(self.now, findings);
        changes.into_iter().map(|change| self.does(change)).collect()
    }

    fn does(&mut self, change: Change) -> String {
        let (sign, id, Alarm { kind, subject, .. }) = match &change {
            Change::Raise(alarm) => ('+', AlarmId(self.next), alarm),
            Change::Clear(id, alarm) => ('-', *id, alarm),
        };
        let told = format!("{sign}{kind} {subject}");
        self.next += 1;
        self.watch.done(change, id);
        told
    }

    fn wait(&self) -> Option<u64> {
        self.watch.deadline(self.now).map(|moment| moment.duration_since(self.now).as_secs())
    }
}

fn at(port: &str, modem: Option<&str>, progress: Progress, cause: &str) -> Finding {
    let modem = modem.map(|modem| Imei::parse(modem).unwrap());
    Finding { port: port.to_owned(), modem, progress, cause: cause.to_owned(), signs: Vec::new() }
}

fn stuck(kind: AlarmKind) -> [Finding; 1] {
    [at("modem0", Some(MODEM), Progress::Stuck(kind), "why")]
}

fn reached(stage: Stage) -> [Finding; 1] {
    [at("modem0", Some(MODEM), Progress::Reached(stage), "")]
}

/// A modem that works, with these signs: what stands, and what is well.
fn works(standing: &[AlarmKind], well: &[AlarmKind]) -> [Finding; 1] {
    let [mut finding] = reached(Stage::Registered);
    let standing = standing.iter().map(|kind| Sign { kind: *kind, cause: Some("why".to_owned()) });
    let well = well.iter().map(|kind| Sign { kind: *kind, cause: None });
    finding.signs = standing.chain(well).collect();
    [finding]
}

fn open(kind: AlarmKind, subject: &str) -> AlarmRecord {
    AlarmRecord {
        id: AlarmId(1),
        kind: kind.as_str().to_owned(),
        subject: subject.to_owned(),
        severity: kind.severity(),
        cause: "why".to_owned(),
        remedy: String::new(),
        raised: UnixMs(0),
        seen: UnixMs(0),
        count: 1,
        cleared: None,
    }
}

#[test]
fn an_alarm_is_raised_once_and_cleared_by_what_lies_beyond() {
    let mut bench = Bench::new(&[]);
    assert_eq!(bench.sees(0, &stuck(SimLocked)), ["+sim-locked 490154203237518"]);
    assert!(bench.sees(1, &stuck(SimLocked)).is_empty());
    assert!(bench.sees(1, &reached(Stage::Open)).is_empty(), "the SIM was not asked yet");
    assert!(bench.sees(1, &[at("modem0", Some(MODEM), Progress::Unknown, "")]).is_empty());
    let other = [at("modem0", Some(MODEM), Progress::Stuck(SimLocked), "another cause")];
    assert_eq!(bench.sees(1, &other), ["+sim-locked 490154203237518"], "told with the new cause");
    let swapped = bench.sees(1, &stuck(SimMissing));
    assert_eq!(swapped, ["-sim-locked 490154203237518", "+sim-missing 490154203237518"]);
    assert_eq!(bench.sees(1, &reached(Stage::Registered)), ["-sim-missing 490154203237518"]);
    assert_eq!(bench.wait(), None, "a well modem wakes nobody");
}

#[test]
fn what_passes_soon_raises_nothing() {
    let mut bench = Bench::new(&[]);
    assert!(bench.sees(0, &stuck(NotRegistered)).is_empty());
    assert_eq!(bench.wait(), Some(180));
    assert!(bench.sees(170, &reached(Stage::Registered)).is_empty());
    assert!(bench.sees(170, &stuck(NotRegistered)).is_empty(), "it counts from the beginning again");
    let recovering = [at("modem0", Some(MODEM), Progress::Unknown, "")];
    assert!(bench.sees(170, &recovering).is_empty());
    assert!(bench.sees(20, &recovering).is_empty());
    assert_eq!(bench.wait(), None, "what cannot be seen is not waited for");
    assert_eq!(bench.sees(1, &stuck(NotRegistered)), ["+not-registered 490154203237518"]);
}

#[test]
fn a_modem_that_does_not_come_back_is_lost_with_its_other_alarms() {
    let mut bench = Bench::new(&[]);
    assert_eq!(bench.sees(0, &stuck(SimLocked)).len(), 1);
    assert!(bench.sees(1, &[]).is_empty());
    assert_eq!(bench.wait(), Some(120));
    assert!(bench.sees(119, &[]).is_empty());
    let lost = bench.sees(1, &[]);
    assert_eq!(lost, ["-sim-locked 490154203237518", "+modem-lost 490154203237518"]);
    assert!(bench.sees(1_000, &[]).is_empty());
    assert_eq!(bench.wait(), None);
    assert!(bench.sees(1, &reached(Stage::Open)).is_empty(), "a port that opens is no modem yet");
    assert_eq!(bench.sees(1, &reached(Stage::Registered)), ["-modem-lost 490154203237518"]);
}

#[test]
fn a_modem_that_was_never_there_is_not_missed() {
    let mut bench = Bench::new(&[]);
    assert!(bench.sees(0, &[]).is_empty());
    assert_eq!(bench.wait(), None);
}

#[test]
fn what_an_earlier_daemon_told_is_taken_over() {
    let mut bench = Bench::new(&[open(SimLocked, MODEM), open(PortLocked, "gone-port")]);
    assert!(bench.sees(0, &[]).is_empty());
    let starting = [at("modem0", None, Progress::Reached(Stage::Open), "")];
    assert!(bench.sees(1, &starting).is_empty());
    assert_eq!(
        bench.sees(1, &stuck(SimLocked)),
        ["+sim-locked 490154203237518"],
        "told again, in the same row"
    );
    assert!(bench.sees(1, &stuck(SimLocked)).is_empty());
    assert_eq!(bench.sees(120, &stuck(SimLocked)), ["-port-locked gone-port"], "no such port any more");
    assert_eq!(bench.sees(1, &reached(Stage::Registered)), ["-sim-locked 490154203237518"]);

    let mut bench = Bench::new(&[open(ModemLost, MODEM)]);
    assert!(bench.sees(0, &[]).is_empty());
    assert!(bench.sees(500, &[]).is_empty(), "it is still lost, and was told");
    assert_eq!(bench.sees(1, &reached(Stage::Registered)), ["-modem-lost 490154203237518"]);
}

#[test]
fn a_port_has_its_own_alarms_until_its_modem_is_known() {
    let mut bench = Bench::new(&[]);
    let locked = [at("modem0", None, Progress::Stuck(PortLocked), "in use by cat")];
    assert!(bench.sees(0, &locked).is_empty());
    assert_eq!(bench.sees(10, &locked), ["+port-locked modem0"]);
    let nameless = [at("modem0", None, Progress::Stuck(SimLocked), "why")];
    assert_eq!(bench.sees(1, &nameless), ["-port-locked modem0", "+sim-locked modem0"]);
    let moved = bench.sees(1, &stuck(SimLocked));
    assert_eq!(moved, ["-sim-locked modem0", "+sim-locked 490154203237518"]);
}

#[test]
fn of_two_ports_of_a_modem_the_furthest_speaks() {
    let mut bench = Bench::new(&[]);
    let well = at("modem0", Some(MODEM), Progress::Reached(Stage::Registered), "");
    let hung_up = at("modem1", Some(MODEM), Progress::Stuck(ModemLost), "the port hung up");
    for pair in [[well.clone(), hung_up.clone()], [hung_up, well]] {
        assert!(bench.sees(0, &pair).is_empty());
        assert!(bench.sees(500, &pair).is_empty());
    }
}

#[test]
fn what_is_not_done_is_told_again() {
    let mut watch = Watch::new(&[]);
    let now = clock::monotonic();
    let first = watch.look(now, &stuck(SimLocked));
    assert_eq!(first.len(), 1);
    assert_eq!(watch.look(now, &stuck(SimLocked)), first, "the store was busy");
}

#[test]
fn what_stands_beside_the_stages_has_its_own_end() {
    let mut bench = Bench::new(&[]);
    let both = works(&[SignalWeak, SimStoreFull], &[]);
    assert!(bench.sees(0, &both).is_empty());
    assert_eq!(bench.wait(), Some(600));
    assert!(bench.sees(599, &works(&[SignalWeak], &[SimStoreFull])).is_empty());
    assert_eq!(bench.sees(1, &both), ["+signal-weak 490154203237518"], "the other counts from the beginning");
    assert!(bench.sees(10, &works(&[], &[])).is_empty(), "neither well nor not: it stays as it is");
    assert!(bench.sees(10, &stuck(NotRegistered)).is_empty(), "no network, so no signal");
    assert!(bench.sees(10, &reached(Stage::Registered)).is_empty());
    assert_eq!(bench.sees(10, &works(&[], &[SignalWeak])), ["-signal-weak 490154203237518"]);
}

#[test]
fn a_part_of_the_daemon_has_alarms_as_a_port_has() {
    let part = |signs| {
        let mut finding = at("queue", None, Progress::Unknown, "");
        finding.signs = signs;
        [finding]
    };
    let standing = Sign { kind: SimStoreFull, cause: Some("why".to_owned()) };
    let mut bench = Bench::new(&[open(SimStoreFull, "queue")]);
    assert_eq!(
        bench.sees(0, &part(vec![standing])),
        ["+sim-store-full queue"],
        "told again, in the same row"
    );
    assert!(bench.sees(500, &part(Vec::new())).is_empty());
    let well = Sign { kind: SimStoreFull, cause: None };
    assert_eq!(bench.sees(1, &part(vec![well])), ["-sim-store-full queue"]);
}
