//! How fast the queue is: `cargo bench --bench queue [-- --quick] [--json] [--only enqueue|cycle|flat|memory|start]`.
//!
//! The store runs in this process and is used as the daemon uses it, through the operations of its contract; memory and
//! start-up are measured at the real daemon. Every scene is played on two grounds: on the disk of the target directory, and
//! on a memory-backed directory with 200 microseconds spun for each commit, so that a figure can be compared between machines whose
//! disks differ. Medians over rounds with the least and the most beside them, and the raw cost of a sync. The store with a million
//! rows is built once, by the same operations in large pieces, and copied to each ground.

#![allow(unreachable_pub, missing_docs, reason = "a bench has no users of its modules")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench that cannot measure stops"
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
#[allow(dead_code, reason = "shared with the whole-daemon tests, which use more of it")]
mod rig;

mod load;
mod scenes;
mod stock;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

/// sysexits: wrong usage.
const EX_USAGE: u8 = 64;
const USAGE: &str =
    "usage: cargo bench --bench queue [-- --quick] [--json] [--only enqueue|cycle|flat|memory|start]";

/// One figure: its samples, one a round, and the line that their median has to reach, if there is one.
struct Figure {
    name: String,
    sorted: Vec<f64>,
    unit: &'static str,
    wanted: Option<Wanted>,
    beside: String,
}

/// What the figure is measured against.
#[derive(Clone, Copy)]
enum Wanted {
    AtLeast(f64),
    Below(f64),
}

impl Figure {
    fn new(name: impl Into<String>, mut samples: Vec<f64>, unit: &'static str, beside: String) -> Self {
        samples.sort_by(f64::total_cmp);
        Self { name: name.into(), sorted: samples, unit, wanted: None, beside }
    }

    fn wanted(mut self, line: Wanted) -> Self {
        self.wanted = Some(line);
        self
    }

    fn median(&self) -> f64 {
        self.sorted[self.sorted.len() / 2]
    }

    fn spread(&self) -> (f64, f64) {
        (self.sorted[0], self.sorted[self.sorted.len() - 1])
    }

    fn verdict(&self) -> &'static str {
        match self.wanted {
            None => "",
            Some(Wanted::AtLeast(line)) if self.median() >= line => "met",
            Some(Wanted::Below(line)) if self.median() < line => "met",
            Some(_) => "missed",
        }
    }

    fn line(&self) -> String {
        match self.wanted {
            None => String::new(),
            Some(Wanted::AtLeast(line)) => format!(">= {line}"),
            Some(Wanted::Below(line)) => format!("< {line}"),
        }
    }

    fn row(&self) -> String {
        let tell = |value: f64| if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
        let (least, most) = self.spread();
        let Self { name, unit, beside, sorted, .. } = self;
        format!(
            "| {name} | {} {unit} | {} to {} ({}) | {} | {} | {beside} |",
            tell(self.median()),
            tell(least),
            tell(most),
            sorted.len(),
            self.line(),
            self.verdict(),
        )
    }

    fn json(&self) -> Value {
        let (least, most) = self.spread();
        json!({"name": self.name, "median": self.median(), "least": least, "most": most, "rounds": self.sorted.len(),
               "unit": self.unit, "wanted": self.line(), "verdict": self.verdict(), "beside": self.beside})
    }
}

/// Where a run keeps its store, and what a commit costs there.
struct Ground {
    name: &'static str,
    dir: PathBuf,
    pause: Option<Duration>,
    /// Whether the acceptance lines apply: only where the cost of a commit is fixed.
    judged: bool,
}

impl Ground {
    /// The line holds on this ground only if it is judged.
    fn hold(&self, figure: Figure, line: Wanted) -> Figure {
        if self.judged { figure.wanted(line) } else { figure }
    }
}

/// What was asked for on the command line.
#[derive(Default)]
struct Asked {
    quick: bool,
    json: bool,
    only: Option<String>,
}

impl Asked {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut asked = Self::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo says so to every bench.
                "--bench" => {}
                "--quick" => asked.quick = true,
                "--json" => asked.json = true,
                "--only" => match arguments.next() {
                    Some(scene) if scenes::NAMES.contains(&scene.as_str()) => asked.only = Some(scene),
                    other => return Err(format!("no such scene: {}", other.unwrap_or_default())),
                },
                other => return Err(format!("unknown argument {other}")),
            }
        }
        Ok(asked)
    }

    fn wants(&self, scene: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == scene)
    }
}

fn main() -> ExitCode {
    let asked = match Asked::read(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            return ExitCode::from(EX_USAGE);
        }
    };
    let grounds = [
        Ground { name: "disk", dir: target_dir(), pause: None, judged: false },
        Ground {
            name: "memory + 200 us a commit",
            dir: "/dev/shm".into(),
            pause: Some(Duration::from_micros(200)),
            judged: true,
        },
    ];
    let stock = stock::Stock::build(&target_dir(), &asked);
    let mut report = Vec::new();
    for ground in &grounds {
        println!("\n## {} ({})\n", ground.name, machine::machine());
        println!("| figure | median | spread (rounds) | wanted | | beside it |\n|---|---|---|---|---|---|");
        let mut figures = Vec::new();
        scenes::play(ground, &stock, &asked, &mut |figure: Figure| {
            println!("{}", figure.row());
            figures.push(figure.json());
        });
        report.push(json!({"ground": ground.name, "figures": figures}));
    }
    if asked.json {
        println!("\n{}", json!({"machine": machine::machine(), "built": stock.told, "runs": report}));
    }
    ExitCode::SUCCESS
}

/// The directory that cargo builds in is on the disk that the machine works on.
fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_smsotpd")).parent().map_or_else(|| "target".into(), Path::to_path_buf)
}
