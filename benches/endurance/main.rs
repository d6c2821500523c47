//! How many modem-hours of faults a minute of one core holds: `cargo bench --bench endurance [-- --quick] [--json]`.
//!
//! Rounds of lives under seeds that are the same each time, so that two runs do the same work; shown are the median and the
//! quartiles of the rounds. A minute of a core is one of the thread's own time, so that whoever else uses the machine does
//! not count. A broken promise ends the bench with its seed.

#![allow(unreachable_pub, missing_docs, reason = "a bench has no users of its modules")]
#![allow(clippy::expect_used, clippy::panic, reason = "a bench that cannot measure stops")]

#[path = "../gateway/machine.rs"]
mod machine;

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use smsotpd::simulator::endurance::{LIFE_HOURS, endure};

/// Simulated modem-hours a minute of one core.
const WANTED: f64 = 10_000.0;
/// Lives in a round.
const LIVES: u64 = 10;

/// Seconds that this thread has had of a core.
fn core_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let rounds: u64 = if has("--quick") { 3 } else { 15 };
    let mut rates = Vec::new();
    let mut rows = Vec::new();
    println!(
        "\n## endurance ({}; {rounds} rounds of {} modem-hours)\n",
        machine::machine(),
        LIVES * LIFE_HOURS
    );
    println!(
        "| round | modem-hours/min | messages | inbound | faults | wire events | in doubt | steps outside |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for round in 0..rounds {
        let begun = core_seconds();
        let tally = endure(round * LIVES, LIVES * LIFE_HOURS).unwrap_or_else(|broken| panic!("{broken}"));
        let rate = tally.hours as f64 * 60.0 / (core_seconds() - begun);
        println!(
            "| {round} | {rate:.0} | {} | {} | {} | {} | {} | {} |",
            tally.messages,
            tally.inbound,
            tally.faults.sum(),
            tally.wire_events,
            tally.ends.uncertain,
            tally.outside_steps
        );
        rates.push(rate);
        rows.push(json!({"round": round, "modem_hours_per_minute": rate, "tally": tally}));
    }
    rates.sort_by(f64::total_cmp);
    let at = |part: usize| rates.get((rates.len() - 1) * part / 4).copied().unwrap_or(f64::NAN);
    let [low, median, high] = [at(1), at(2), at(3)];
    let verdict = if median >= WANTED { "met" } else { "missed" };
    println!(
        "\nModem-hours a minute of one core: {median:.0} (quartiles {low:.0} to {high:.0}; wanted >= {WANTED:.0}; {verdict})."
    );
    if has("--json") {
        let report = json!({"machine": machine::machine(), "quartiles": [low, median, high], "wanted": WANTED,
            "verdict": verdict, "rounds": rows});
        println!("\n{report}");
    }
}
