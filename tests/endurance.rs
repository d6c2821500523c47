//! A thousand modem-hours of messages and faults, in virtual time and under a seed; see `smsotpd::simulator::endurance`.
//!
//! The seed is printed, and can be given as `SMSOTPD_SEED`: a failure names the seed of the life that failed, and a run with that seed
//! begins with it. Unless one is given it is the same each time, so that a change is judged by what it changed;
//! `SMSOTPD_TEST_FULL` makes it ten thousand hours under another seed each time, to find what nobody has seen yet.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use smsotpd::simulator::endurance::{Tally, endure};

/// The seed of an ordinary run.
const SEED: u64 = 27_005;

/// A seed that nobody chose, short enough to be typed.
fn random_seed() -> u64 {
    fastrand::u64(..1_000_000_000)
}

#[test]
fn hours_of_faults_break_no_promise() {
    let full = std::env::var_os("SMSOTPD_TEST_FULL").is_some();
    let hours = if full { 10_000 } else { 1_000 };
    let given = std::env::var("SMSOTPD_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| if full { random_seed() } else { SEED });
    println!("SMSOTPD_SEED={seed}");
    let Tally { messages, inbound, faults, ends, .. } = match endure(seed, hours) {
        Ok(tally) => tally,
        Err(broken) => panic!("{broken}"),
    };
    assert!(messages >= 60 * hours && inbound >= 10 * hours && faults.sum() >= 5 * hours, "too calm");
    assert_eq!(ends.submitted + ends.delivered + ends.failed + ends.expired + ends.uncertain, messages);
    assert!(ends.submitted + ends.delivered > messages / 2 && ends.uncertain > 0 && ends.expired > 0);
}
