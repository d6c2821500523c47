//! How many modem-hours of faults a minute of one core holds: `cargo bench --bench endurance [-- --quick] [--json]`.
//!
//! Rounds of lives under seeds that are the same each time, so that two runs do the same work; shown are the median and the
//! quartiles of the rounds. `--from SEED` begins with the life of another seed and `--rounds N` makes so many of them: to look for
//! what nobody has seen yet (500 rounds are 100,000 modem-hours). A minute of a core is one of the thread's own time, so that whoever else uses the machine does
//! not count. A broken promise ends the bench with its seed.

#![allow(unreachable_pub, missing_docs, reason = "a bench has no users of its modules")]
#![allow(clippy::expect_used, clippy::panic, reason = "a bench that cannot measure stops")]

#[path = "../gateway/machine.rs"]
mod machine;

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use smsotpd::simulator::endurance::{LIFE_HOURS, Tally, endure};

/// Simulated modem-hours a minute of one core.
const WANTED: f64 = 10_000.0;
/// Lives in a round.
const LIVES: u64 = 10;

/// Seconds that this thread has had of a core.
fn core_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// All rounds together, in words.
fn told(sum: &Tally) -> String {
    let Tally { hours, messages, inbound, faults, ends, .. } = sum;
    let an_hour = |count: u64| count as f64 / *hours as f64;
    format!(
        "{hours} modem-hours: {messages} messages ({:.1} an hour), {inbound} inbound ({:.1}), {} faults ({:.1}): octets lost {}, \
         late {}, doubled {}, cut {}, garbled {}; silences {}, hangs {}, restarts {}, losses of power {}. Messages ended as submitted {}, \
         delivered {}, failed {}, expired {}, uncertain {}; sent once more while in doubt {}. The longest time without service: {} s.",
        an_hour(*messages),
        an_hour(*inbound),
        faults.sum(),
        an_hour(faults.sum()),
        faults.lost,
        faults.late,
        faults.doubled,
        faults.cut,
        faults.garbled,
        faults.silence,
        faults.hang,
        faults.restart,
        faults.power_loss,
        ends.submitted,
        ends.delivered,
        ends.failed,
        ends.expired,
        ends.uncertain,
        sum.repeated,
        sum.stuck_s,
    )
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let number = |name: &str| {
        let mut rest = arguments.iter().skip_while(|argument| *argument != name);
        rest.nth(1).map(|number| number.parse::<u64>().expect("a number"))
    };
    let rounds = number("--rounds").unwrap_or(if has("--quick") { 3 } else { 15 });
    let from = number("--from").unwrap_or(0);
    let mut sum = Tally::default();
    let mut rates = Vec::new();
    let mut rows = Vec::new();
    println!(
        "\n## endurance ({}; {rounds} rounds of {} modem-hours)\n",
        machine::machine(),
        LIVES * LIFE_HOURS
    );
    println!(
        "| seeds | modem-hours/min | messages | inbound | faults | wire events | in doubt | steps outside |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for round in 0..rounds {
        let begun = core_seconds();
        let seed = from.wrapping_add(round * LIVES);
        let tally = endure(seed, LIVES * LIFE_HOURS).unwrap_or_else(|broken| panic!("{broken}"));
        let rate = tally.hours as f64 * 60.0 / (core_seconds() - begun);
        println!(
            "| {seed} to {} | {rate:.0} | {} | {} | {} | {} | {} | {} |",
            seed.wrapping_add(LIVES - 1),
            tally.messages,
            tally.inbound,
            tally.faults.sum(),
            tally.wire_events,
            tally.ends.uncertain,
            tally.outside_steps
        );
        sum.add(&tally);
        rates.push(rate);
        rows.push(json!({"seed": seed, "lives": LIVES, "modem_hours_per_minute": rate, "tally": tally}));
    }
    println!("\n{}", told(&sum));
    rates.sort_by(f64::total_cmp);
    let at = |part: usize| rates.get((rates.len() - 1) * part / 4).copied().unwrap_or(f64::NAN);
    let [low, median, high] = [at(1), at(2), at(3)];
    let verdict = if median >= WANTED { "met" } else { "missed" };
    println!(
        "\nModem-hours a minute of one core: {median:.0} (quartiles {low:.0} to {high:.0}; wanted >= {WANTED:.0}; {verdict})."
    );
    if has("--json") {
        let report = json!({"machine": machine::machine(), "quartiles": [low, median, high], "wanted": WANTED,
            "verdict": verdict, "sum": sum, "rounds": rows});
        println!("\n{report}");
    }
}
