//! How soon a pulled modem is seen and a plugged one sends again: `cargo bench --bench hotplug [-- --quick] [--json]
//! [--rounds N] [--only WORDS]`.
//!
//! The real daemon, a directory of links and simulated modems on ptys, as `udev` would keep them: the plug is pulled by closing
//! the pty and taking its link away, with or without its directory, and the modem returns under another tty. What the modem
//! itself takes to answer in its bring-up is measured in each round and stands beside the figures, for no driver can be
//! faster. udev's own time is not in them: it is over when the link is there.

#![allow(unreachable_pub, missing_docs, reason = "a bench has no users of its modules")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench that cannot measure stops, and picks from answers by name"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the real clock")]

#[path = "../../tests/gateway/http.rs"]
#[allow(dead_code, reason = "shared with the whole-daemon tests, which use more of it")]
mod http;
#[path = "../gateway/machine.rs"]
mod machine;
#[path = "../gateway/probe.rs"]
#[allow(dead_code, reason = "shared with the gateway bench, which measures more")]
mod probe;
#[path = "../../tests/gateway/rig.rs"]
#[allow(
    dead_code,
    clippy::indexing_slicing,
    reason = "shared with the whole-daemon tests, which use more of it"
)]
mod rig;

mod plug;
mod rounds;

use std::time::Duration;

use serde_json::{Value, json};

use rounds::{Others, Outcome, Scene};

/// From the plug being pulled to the modem being away in the API.
const UNPLUG_LIMIT: Duration = Duration::from_millis(100);
/// From the modem's return to its first message, without its own delays.
const RETURN_LIMIT: Duration = Duration::from_millis(500);
/// Rounds of a scene unless told.
const ROUNDS: usize = 40;

/// Samples of one figure over the rounds of a scene.
struct Figure {
    name: &'static str,
    sorted: Vec<Duration>,
    limit: Option<Duration>,
}

impl Figure {
    fn new(name: &'static str, mut samples: Vec<Duration>, limit: Option<Duration>) -> Self {
        samples.sort();
        Self { name, sorted: samples, limit }
    }

    /// The sample below which `percent` of all are, in milliseconds.
    fn at(&self, percent: usize) -> f64 {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1) - 1;
        self.sorted.get(rank).map_or(f64::NAN, |sample| sample.as_secs_f64() * 1e3)
    }

    /// The slowest of all rounds counts, not their middle.
    fn verdict(&self) -> &'static str {
        match (self.limit, self.sorted.last()) {
            (Some(limit), Some(slowest)) if *slowest < limit => "met",
            (Some(_), _) => "missed",
            (None, _) => "",
        }
    }

    fn row(&self, scene: &str) -> String {
        let wanted = self.limit.map(|limit| format!("< {} ms", limit.as_millis())).unwrap_or_default();
        let [median, late, least, most] = [50, 95, 0, 100].map(|percent| self.at(percent));
        let (name, verdict) = (self.name, self.verdict());
        format!(
            "| {scene} | {name} | {median:.1} ms | {late:.1} ms | {least:.1} to {most:.1} ms | {wanted} | {verdict} |"
        )
    }

    fn json(&self) -> Value {
        json!({"name": self.name, "median_ms": self.at(50), "p95_ms": self.at(95), "least_ms": self.at(0),
               "most_ms": self.at(100), "rounds": self.sorted.len(), "verdict": self.verdict(),
               "limit_ms": self.limit.map(|limit| limit.as_millis() as u64)})
    }
}

fn figures(outcome: &Outcome) -> Vec<Figure> {
    let of = |part: fn(&rounds::Round) -> Duration| outcome.rounds.iter().map(part).collect();
    vec![
        Figure::new("unplug to away in the API", of(|round| round.away), Some(UNPLUG_LIMIT)),
        Figure::new("re-plug to ready in the API", of(|round| round.ready), None),
        Figure::new("re-plug to the first message's Ctrl-Z", of(|round| round.first), None),
        Figure::new("the modem's own delays in that", of(|round| round.own), None),
        Figure::new("re-plug to Ctrl-Z without them", of(rounds::Round::ours), Some(RETURN_LIMIT)),
    ]
}

fn beside(outcome: &Outcome) -> String {
    let count = outcome.rounds.len();
    let moved = outcome.rounds.iter().filter(|round| round.other_tty).count();
    let mut told = format!("another tty in {moved} of {count} rounds");
    if let Some(Others { modems, calm, shaken, disturbed }) = &outcome.others {
        told += &format!(
            "; the other {modems} at {calm:.2} of 20 messages/s each before and {shaken:.2} from the unplugging on; \
             {disturbed} of them not ready in any look, restarted or closed"
        );
    }
    told
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1))
    };
    let quick = if has("--quick") { ROUNDS / 8 } else { ROUNDS };
    let rounds = value("--rounds").map_or(quick, |count| count.parse().expect("a number of rounds"));
    let only = value("--only").map_or("", String::as_str);
    println!("\n## hot plug ({}; {rounds} rounds a scene)\n", machine::machine());
    println!("| scene | figure | median | p95 | spread | wanted | |\n|---|---|---|---|---|---|---|");
    let mut report = Vec::new();
    let mut notes = Vec::new();
    for scene in Scene::all().iter().filter(|scene| scene.name.contains(only)) {
        let outcome = rounds::run(scene, rounds);
        let figures = figures(&outcome);
        for figure in &figures {
            println!("{}", figure.row(scene.name));
        }
        let beside = beside(&outcome);
        let figures: Vec<_> = figures.iter().map(Figure::json).collect();
        report.push(json!({"scene": scene.name, "figures": figures, "beside": beside}));
        notes.push(format!("- {}: {beside}.", scene.name));
    }
    println!("\n{}", notes.join("\n"));
    if has("--json") {
        println!("\n{}", json!({"machine": machine::machine(), "scenes": report}));
    }
}
