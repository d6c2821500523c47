//! The scenes and their rounds: one modem alone with a queue that waits for it, and one of 64 under full load.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::Client;
use crate::plug::{Plug, micros};
use crate::probe::monotonic_us;
use crate::rig::{Daemon, PATIENCE, Place, Simulator, read_log};

/// The modem that is pulled.
const PULLED: &str = "pulled";
/// Messages that wait for a modem that is alone.
const QUEUE: usize = 5;
/// Messages of a round for each of many modems: four seconds' worth, more than a round takes.
const LOAD: usize = 80;
/// Largest batch that the API takes at once.
const BATCH: usize = 1_000;
/// How often the API is asked for the state: its part in the error of a figure.
const LOOK_EVERY: Duration = Duration::from_micros(500);
/// How long the rate of the other modems is counted, before and after.
const RATE_OVER: Duration = Duration::from_secs(1);

/// What is plugged and how.
pub struct Scene {
    pub name: &'static str,
    /// Modems that stay.
    others: usize,
    /// From Ctrl-Z to `+CMGS`, and from any other command to its answer.
    latency: &'static str,
    command_latency: &'static str,
    /// The directory goes with the link, as udev does it.
    with_directory: bool,
}

impl Scene {
    pub fn all() -> [Self; 4] {
        let alone = |name, with_directory, latency| Self {
            name,
            others: 0,
            latency,
            command_latency: latency,
            with_directory,
        };
        [
            alone("link, modem at 0 ms", false, "0"),
            alone("link and directory, modem at 0 ms", true, "0"),
            alone("link and directory, modem at 50 ms a command", true, "50ms"),
            Self {
                name: "one of 64 under load",
                others: 63,
                latency: "50ms",
                command_latency: "0",
                with_directory: false,
            },
        ]
    }
}

/// One unplugging and return.
pub struct Round {
    pub away: Duration,
    pub ready: Duration,
    pub first: Duration,
    pub own: Duration,
    pub other_tty: bool,
}

impl Round {
    /// From the return to the first message, without what the modem took by itself.
    pub fn ours(&self) -> Duration {
        self.first.saturating_sub(self.own)
    }
}

/// How the other modems fared.
pub struct Others {
    pub modems: usize,
    /// Messages a second of each before the plug was pulled, and from then on.
    pub calm: f64,
    pub shaken: f64,
    pub disturbed: usize,
}

/// All rounds of a scene.
pub struct Outcome {
    pub rounds: Vec<Round>,
    pub others: Option<Others>,
}

/// Plays a scene.
pub fn run(scene: &Scene, rounds: usize) -> Outcome {
    let place = Place::new();
    let config = place.configure("[log]\nlevel = \"warn\"\n");
    let plug = Plug::new(&place, PULLED, scene.latency, scene.command_latency);
    let links: Vec<PathBuf> = (0..scene.others).map(|n| place.ports().join(format!("other{n}"))).collect();
    let options = ["--latency", scene.latency, "--events", "ctrl-z,host"];
    let others = (!links.is_empty()).then(|| Simulator::start(&links, &options));
    let daemon = Daemon::start(&place, &config);
    let client = daemon.client();
    let mut rig = Rig { scene, plug, others, daemon, client, disturbed: BTreeSet::new() };
    rig.settle(&place);
    if scene.others == 0 { rig.alone(rounds) } else { rig.among_others(rounds) }
}

struct Rig<'a> {
    scene: &'a Scene,
    plug: Plug,
    others: Option<Simulator>,
    daemon: Daemon,
    client: Client,
    /// Ports of other modems that were seen out of service.
    disturbed: BTreeSet<String>,
}

impl Rig<'_> {
    /// All modems are ready.
    fn settle(&mut self, place: &Place) {
        let until = Instant::now() + PATIENCE;
        loop {
            let modems = self.look();
            if modems.len() > self.scene.others && modems.iter().all(|modem| modem["state"] == "ready") {
                return;
            }
            assert!(Instant::now() < until, "the modems do not get ready: {}", read_log(place));
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn look(&mut self) -> Vec<Value> {
        let mut answer = self.client.get("/v1/modems").expect("an answer").json();
        serde_json::from_value(answer["modems"].take()).expect("a list")
    }

    /// When the API said so of the modem that is pulled. The others are watched meanwhile.
    fn seen(&mut self, state: &str) -> u64 {
        let until = Instant::now() + PATIENCE;
        loop {
            let modems = self.look();
            let now = monotonic_us();
            let port = |modem: &Value| modem["port"].as_str().unwrap_or_default().to_owned();
            let calm = |modem: &Value| modem["state"] == "ready" && modem["restarts"] == 0;
            let shaken = modems.iter().filter(|modem| port(modem) != PULLED && !calm(modem));
            self.disturbed.extend(shaken.map(port));
            if modems.iter().any(|modem| port(modem) == PULLED && modem["state"] == state) {
                return now;
            }
            assert!(Instant::now() < until, "it does not get {state}: {modems:?}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn pull(&mut self) -> Duration {
        let pulled = self.plug.pull(self.scene.with_directory);
        since(pulled, self.seen("away"))
    }

    fn put_back(&mut self, away: Duration) -> Round {
        let (at, from, other_tty) = self.plug.put_back();
        let ready = since(at, self.seen("ready"));
        let back = self.plug.first_message(at, from);
        Round { away, ready, first: since(back.at, back.ctrl_z), own: back.own, other_tty }
    }

    fn submit(&self, count: usize) {
        for start in (0..count).step_by(BATCH) {
            let batch: Vec<_> = (start..count.min(start + BATCH)).map(message).collect();
            self.daemon.submit(&batch);
        }
    }

    /// The messages come while the modem is away, and it alone can take them.
    fn alone(mut self, rounds: usize) -> Outcome {
        let round = |_| {
            let away = self.pull();
            self.submit(QUEUE);
            let from = self.plug.now();
            let round = self.put_back(away);
            self.plug.messages(from, QUEUE);
            self.drained();
            round
        };
        Outcome { rounds: (0..rounds).map(round).collect(), others: None }
    }

    /// All modems are busy all the time; the one that returns takes its part at once.
    fn among_others(mut self, rounds: usize) -> Outcome {
        let modems = self.scene.others;
        let (mut calm, mut shaken) = (0, 0);
        let round = |_| {
            let from = self.plug.now();
            self.submit((modems + 1) * LOAD);
            self.plug.messages(from, 1);
            calm += self.sent_by_others(self.begin());
            let begun = self.begin();
            let away = self.pull();
            let round = self.put_back(away);
            shaken += self.sent_by_others(begun);
            self.drained();
            round
        };
        let all: Vec<_> = (0..rounds).map(round).collect();
        let each = |sent: usize| sent as f64 / rounds as f64 / modems as f64 / RATE_OVER.as_secs_f64();
        let others =
            Others { modems, calm: each(calm), shaken: each(shaken), disturbed: self.disturbed.len() };
        Outcome { rounds: all, others: Some(others) }
    }

    /// Now, as time and as place among the events of the other modems.
    fn begin(&self) -> (u64, usize) {
        (monotonic_us(), self.others.as_ref().map_or(0, Simulator::now))
    }

    /// Messages that the other modems took in the second from then on; waits until it is over.
    fn sent_by_others(&mut self, (start, from): (u64, usize)) -> usize {
        let end = start + RATE_OVER.as_micros() as u64;
        let (sent, closed) = (Cell::new(0), RefCell::new(BTreeSet::new()));
        let others = self.others.as_ref().expect("there are others");
        others.wait(from, "a second under load", |event| {
            let at = micros(event);
            let within = (start..end).contains(&at);
            if within && event["state"] == "closed" {
                closed.borrow_mut().insert(format!("other{}", event["modem"]));
            }
            sent.set(sent.get() + usize::from(within && event["event"] == "ctrl-z"));
            at >= end
        });
        self.disturbed.append(&mut closed.into_inner());
        sent.get()
    }

    /// Nothing waits or is under way.
    fn drained(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let text = self.client.get("/metrics").expect("metrics").body;
            let open = text.lines().filter(|line| line.starts_with("smsotp_messages"));
            let open = open.filter(|line| line.contains("\"queued\"") || line.contains("\"leased\""));
            if open.filter_map(|line| line.rsplit(' ').next()).all(|count| count == "0") {
                return;
            }
            assert!(Instant::now() < until, "messages are left: {text}");
            std::thread::sleep(LOOK_EVERY * 20);
        }
    }
}

fn message(n: usize) -> Value {
    json!({"to": format!("+49170{n:07}"), "text": "bench", "lane": "bulk", "report": false})
}

fn since(from: u64, to: u64) -> Duration {
    Duration::from_micros(to.saturating_sub(from))
}
