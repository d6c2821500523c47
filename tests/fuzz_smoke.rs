//! The fuzz targets of `fuzz/` without a fuzzer: every seed, and hundreds to thousands of mutations of them under a fixed seed.
//!
//! libFuzzer needs a nightly compiler and hours; the promises of the targets are checked by every `cargo test` all the same.
//! `SMSOTPD_TEST_FULL` makes it ten times as many. A failure prints its input in hex, for `cargo fuzz run` and a new seed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here ends the test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use data_encoding::HEXLOWER;

#[path = "../fuzz/src/lib.rs"]
#[expect(clippy::expect_used, reason = "a target fails by panicking")]
#[expect(unreachable_pub, reason = "in fuzz/ it is a library")]
mod targets;

/// Octets of a mutated input, at most; as libFuzzer has it.
const INPUT_MAX: usize = 4096;
/// Mutations on top of each other.
const DEPTH_MAX: usize = 4;

/// The committed inputs of a target, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no seeds");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Runs all seeds and `count` mutations of them.
fn smoke(target: &str, count: usize, run: fn(&[u8])) {
    let seeds = seeds(target);
    let full = std::env::var_os("SMSOTPD_TEST_FULL").is_some();
    let mut rng = fastrand::Rng::with_seed(count as u64);
    for seed in &seeds {
        check(target, seed, run);
    }
    for _ in 0..count * if full { 10 } else { 1 } {
        check(target, &mutated(&mut rng, &seeds), run);
    }
}

fn check(target: &str, input: &[u8], run: fn(&[u8])) {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(input)));
    assert!(outcome.is_ok(), "{target} fails on {}", HEXLOWER.encode(input));
}

/// A seed with some changes: bits, octets, pieces of itself and of another.
fn mutated(rng: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = rng.choice(seeds).cloned().unwrap_or_default();
    for _ in 0..=rng.usize(..DEPTH_MAX) {
        let at = rng.usize(..=input.len());
        match rng.u8(..7) {
            0 => {
                if let Some(octet) = input.get_mut(at) {
                    *octet ^= 1 << rng.u8(..8);
                }
            }
            1 => {
                if let Some(octet) = input.get_mut(at) {
                    *octet = rng.u8(..);
                }
            }
            2 => input.insert(at, rng.u8(..)),
            3 => input.truncate(at),
            4 => {
                let end = rng.usize(at..=input.len());
                input.drain(at..end);
            }
            5 => {
                let end = rng.usize(at..=input.len());
                let piece = input[at..end].to_vec();
                let to = rng.usize(..=input.len());
                input.splice(to..to, piece);
            }
            _ => {
                let other = rng.choice(seeds).map_or(&[][..], Vec::as_slice);
                let from = rng.usize(..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
    input.truncate(INPUT_MAX);
    input
}

#[test]
fn pdu() {
    smoke("pdu", 4000, targets::pdu::run);
}

#[test]
fn at_lines() {
    smoke("at_lines", 500, targets::at_lines::run);
}

#[test]
fn machine() {
    smoke("machine", 1000, targets::machine::run);
}

#[test]
fn reassemble() {
    smoke("reassemble", 500, targets::reassemble::run);
}

#[test]
fn command() {
    smoke("command", 4000, targets::command::run);
}

/// Scripts that end before anything happens would keep every promise.
#[test]
fn the_scripts_of_the_machine_lead_somewhere() {
    let tallies = seeds("machine").iter().map(|seed| targets::machine::play(seed)).collect::<Vec<_>>();
    let any = |what: fn(&targets::machine::Tally) -> usize| tallies.iter().map(what).sum::<usize>() > 0;
    assert!(any(|tally| tally.well) && any(|tally| tally.rejected) && any(|tally| tally.not_sent));
    assert!(any(|tally| tally.uncertain) && any(|tally| tally.received));
}
