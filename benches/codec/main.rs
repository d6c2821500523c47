//! How fast the codecs are, and the other crates beside them: `cargo bench --bench codec [-- --quick] [--no-compare] [--json]`.
//!
//! Rounds of all figures alternate, ours and theirs in turn, so that a busy machine harms both alike; shown are the median
//! and the quartiles of the rounds. The other crates run in a child process that is built from `benches/compare` (the first
//! build takes two minutes and the network), get their inputs from here, and their results are compared with ours.
//! A counting allocator shows what an encoded SUBMIT allocates; it costs our side a nanosecond or two an allocation.

#![allow(unreachable_pub, missing_docs, reason = "a bench has no users of its modules")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench that cannot measure stops"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the real clock")]

mod cases;
#[path = "../compare/src/job.rs"]
mod job;
#[path = "../machine.rs"]
mod machine;
mod rivals;

use std::fmt;

use serde_json::{Value, json};

use cases::{Case, Unit};
use rivals::{Rival, Rivals};

/// How much faster than each other crate ours has to be.
const RATIO_WANTED: f64 = 3.0;

/// Quartiles of the rounds, nanoseconds a run.
#[derive(Clone, Copy)]
struct Spread([f64; 3]);

impl Spread {
    fn of(samples: &mut [f64]) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |part: usize| samples.get((samples.len() - 1) * part / 4).copied().unwrap_or(f64::NAN);
        Self([at(1), at(2), at(3)])
    }

    fn median(self) -> f64 {
        self.0[1]
    }

    /// In the unit of the case; of a rate the quartiles change places.
    fn in_unit(self, unit: Unit) -> Self {
        let mut values = self.0.map(|ns| unit.value(ns));
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, median, high] = self.0;
        let digits = if median >= 100.0 { 0 } else { 2 };
        write!(f, "{median:.digits$} | {low:.digits$} to {high:.digits$}")
    }
}

/// Whose rounds these are: a case, and the crate if it is not ours.
struct Series<'a> {
    case: &'a Case,
    rival: Option<&'a Rival>,
    iterations: u64,
    samples: Vec<f64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let (rounds, round_ns) = if has("--quick") { (9, 1e6) } else { (41, 8e6) };
    let inputs = cases::Inputs::find();
    let cases = cases::all(&inputs);
    let mut rivals = (!has("--no-compare")).then(Rivals::start);
    let compared = rivals.as_mut().map(|rivals| rivals.load(&cases)).unwrap_or_default();

    let ours = cases.iter().map(|case| (case, None));
    let theirs = compared.iter().filter_map(|rival| {
        cases.iter().find(|case| case.id == rival.case && rival.runs).map(|case| (case, Some(rival)))
    });
    let mut series: Vec<Series<'_>> = ours
        .chain(theirs)
        .map(|(case, rival)| Series { case, rival, iterations: 1, samples: Vec::new() })
        .collect();
    // The first round of each finds its iterations and warms it up.
    for round in 0..=rounds {
        for one in &mut series {
            let took = match one.rival {
                None => job::nanoseconds(&one.case.job, one.iterations) as f64,
                Some(rival) => rivals.as_mut().expect("they run").time(rival, one.iterations),
            };
            if round == 0 {
                one.iterations = (round_ns / took).clamp(1.0, 1e6) as u64;
            } else {
                one.samples.push(took / one.iterations as f64);
            }
        }
    }
    let spreads: Vec<Spread> = series.iter_mut().map(|one| Spread::of(&mut one.samples)).collect();
    println!("\n## codec ({}; {rounds} rounds)\n\n{}\n", machine::machine(), inputs.about);
    let figures = figures(&series, &spreads);
    let ratios = ratios(&series, &spreads, &compared);
    let allocations = allocations(&inputs);
    if has("--json") {
        let report = json!({"machine": machine::machine(), "rounds": rounds, "input": inputs.about,
            "figures": figures, "ratios": ratios, "allocations": allocations});
        println!("\n{report}");
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

fn figures(series: &[Series<'_>], spreads: &[Spread]) -> Vec<Value> {
    println!(
        "| figure | unit | median | quartiles | wanted | | runs a round |\n|---|---|---|---|---|---|---|"
    );
    let ours = series.iter().zip(spreads).filter(|(one, _)| one.rival.is_none());
    ours.map(|(one, spread)| {
        let (case, got) = (one.case, spread.in_unit(one.case.unit));
        let met = case.wanted.map_or("", |line| verdict(case.unit.reaches(got.median(), line)));
        let line = case.wanted.map_or(String::new(), |line| case.unit.line(line));
        println!("| {} | {} | {got} | {line} | {met} | {} |", case.what, case.unit, one.iterations);
        json!({"case": case.id, "what": case.what, "unit": case.unit.to_string(), "quartiles": got.0,
               "wanted": line, "verdict": met, "iterations": one.iterations})
    })
    .collect()
}

fn ratios(series: &[Series<'_>], spreads: &[Spread], compared: &[Rival]) -> Vec<Value> {
    if compared.is_empty() {
        return Vec::new();
    }
    println!(
        "\n| beside ours | on | ours, ns | theirs, ns | quartiles | theirs/ours | wanted | | their result |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for rival in compared {
        let case = series.iter().position(|one| one.case.id == rival.case && one.rival.is_none());
        let (Some(case), name) = (case, format!("{} {}", rival.name, rival.version)) else { continue };
        let (what, ours) = (&series[case].case.what, spreads[case].median());
        let is_this = |one: &Series<'_>| one.rival.is_some_and(|other| std::ptr::eq(other, rival));
        let Some(theirs) = series.iter().position(is_this).map(|at| spreads[at]) else {
            println!("| {name} | {what} | {ours:.0} | - | - | - | | | {} |", rival.result);
            continue;
        };
        let ratio = theirs.median() / ours;
        let [low, _, high] = theirs.0;
        let met = verdict(ratio >= RATIO_WANTED);
        println!(
            "| {name} | {what} | {ours:.0} | {:.0} | {low:.0} to {high:.0} | {ratio:.1} | >= {RATIO_WANTED} | {met} | {} |",
            theirs.median(),
            rival.result
        );
        rows.push(json!({"crate": rival.name, "version": rival.version, "case": rival.case, "ours_ns": ours,
                         "theirs_ns": theirs.0, "ratio": ratio, "verdict": met, "result": rival.result}));
    }
    rows
}

fn allocations(inputs: &cases::Inputs) -> Value {
    let (octets, info) = cases::encode_counted(inputs);
    let met = verdict(info.count_total <= 1);
    println!(
        "\nHeap: a SUBMIT of {octets} octets encoded makes {} allocations of {} octets together (wanted: 1, the output; {met}).",
        info.count_total, info.bytes_total
    );
    json!({"octets": octets, "allocations": info.count_total, "bytes": info.bytes_total, "verdict": met})
}
