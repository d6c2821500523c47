//! Whole-daemon runs: the real `smsotpd`, the real `smsotpctl simulate` on real ptys, a real SQLite file.
//!
//! Tests wait for events (the simulator's, the daemon's readiness), never for seconds. Long counts run a seeded tenth
//! unless `SMSOTPD_TEST_FULL` is set, which `tests/run --full` does.

mod faults;
mod http;
mod kill;
mod login;
mod rig;

/// A long count: all of it in a full run, a tenth (at least one) otherwise.
fn long_count(full: usize) -> usize {
    if std::env::var_os("SMSOTPD_TEST_FULL").is_some() { full } else { (full / 10).max(1) }
}
