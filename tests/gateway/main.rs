//! Whole-daemon runs: the real `smsotpd`, the real `smsotpctl simulate` on real ptys, a real SQLite file.
//!
//! Tests wait for events (the simulator's, the daemon's readiness), never for seconds. Long counts run a seeded tenth
//! unless `SMSOTPD_TEST_FULL` is set, which `tests/run --full` does.

#![allow(unreachable_pub, missing_docs, reason = "a test program has no users of its modules")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests read the real clock")]

mod activation;
mod alarms;
mod budget;
mod channels;
mod check;
mod clock;
mod disk;
mod events;
mod fallback;
mod faults;
mod hooks;
mod hotplug;
mod http;
mod inbox;
mod kannel;
mod keeping;
mod kill;
mod lanes;
mod login;
mod operator;
mod queue;
mod refusals;
mod replay;
#[allow(dead_code, reason = "shared with the bench, which uses the rest of it")]
mod rig;
mod service;
mod texts;
mod upgrade;
mod ussd;
mod watchdog;

/// A long count: all of it in a full run, a tenth (at least one) otherwise.
fn long_count(full: usize) -> usize {
    if std::env::var_os("SMSOTPD_TEST_FULL").is_some() { full } else { (full / 10).max(1) }
}
