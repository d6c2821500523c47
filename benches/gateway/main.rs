//! How fast the main job is, by the real daemon against the simulated modem: `cargo bench --bench gateway [-- --quick] [--only
//! throughput|latency|memory|idle|modems|start]`.
//!
//! Every run is made twice: on the disk of the target directory, and on a memory-backed directory with 200 microseconds
//! spun for each commit, so that a figure can be compared between machines whose disks differ. Probes of the raw disk and
//! a bare sender without store or queue stand beside the figures. Prints a table, and JSON with `--json`.

#![allow(unreachable_pub, missing_docs, reason = "a bench has no users of its modules")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench that cannot measure stops"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the real clock")]

#[path = "../../tests/gateway/http.rs"]
#[allow(dead_code, reason = "shared with the whole-daemon tests, which use more of it")]
mod http;
#[path = "../../tests/gateway/rig.rs"]
#[allow(dead_code, reason = "shared with the whole-daemon tests, which use more of it")]
mod rig;

mod bare;
mod machine;
mod probe;
mod scenes;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// One figure: its name, its value, and the line it has to reach, if there is one.
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    wanted: Option<Wanted>,
    beside: String,
}

/// What the figure is measured against.
enum Wanted {
    AtLeast(f64),
    Below(f64),
}

impl Figure {
    fn verdict(&self) -> &'static str {
        match self.wanted {
            None => "",
            Some(Wanted::AtLeast(line)) if self.value >= line => "met",
            Some(Wanted::Below(line)) if self.value < line => "met",
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

    fn json(&self) -> Value {
        json!({"name": self.name, "value": self.value, "unit": self.unit, "wanted": self.line(),
               "verdict": self.verdict(), "beside": self.beside})
    }
}

/// Where a run keeps its store, and what a commit costs there.
struct Ground {
    name: &'static str,
    dir: PathBuf,
    commit_pause_us: u64,
    /// Whether the acceptance lines apply: only where the cost of a commit is fixed.
    judged: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let quick = has("--quick");
    let only =
        arguments.iter().position(|argument| argument == "--only").and_then(|at| arguments.get(at + 1));
    let grounds = [
        Ground { name: "disk", dir: target_dir(), commit_pause_us: 0, judged: false },
        Ground {
            name: "memory + 200 us a commit",
            dir: "/dev/shm".into(),
            commit_pause_us: 200,
            judged: true,
        },
    ];
    let mut report = Vec::new();
    for ground in &grounds {
        let figures = scenes::all(ground, quick, only.map(String::as_str));
        print_table(ground, &figures);
        report.push(
            json!({"ground": ground.name, "figures": figures.iter().map(Figure::json).collect::<Vec<_>>()}),
        );
    }
    if has("--json") {
        println!("{}", json!({"machine": machine::machine(), "runs": report}));
    }
}

fn print_table(ground: &Ground, figures: &[Figure]) {
    println!("\n## {} ({})\n", ground.name, machine::machine());
    println!("| figure | value | wanted | | beside it |\n|---|---|---|---|---|");
    for figure in figures {
        let value = match figure.value {
            v if v >= 100.0 => format!("{v:.0} {}", figure.unit),
            v => format!("{v:.2} {}", figure.unit),
        };
        println!(
            "| {} | {value} | {} | {} | {} |",
            figure.name,
            figure.line(),
            figure.verdict(),
            figure.beside
        );
    }
}

/// The directory that cargo builds in is on the disk that the machine works on.
fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_smsotpd")).parent().map_or_else(|| "target".into(), Path::to_path_buf)
}
