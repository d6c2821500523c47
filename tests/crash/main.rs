//! The daemon dies at every step of a message's life, and at random: what it said 202 to is not lost, and nothing is doubled
//! outside the rule of its lane.
//!
//! The judge is the simulator, which knows what handsets got. Steps are fault points (`src/fault.rs`), so this program needs
//! the feature `fault-points`; `tests/run` builds everything with it once. Long counts run a seeded tenth unless
//! `SMSOTPD_TEST_FULL` is set, which `tests/run --full` does.

#![allow(unreachable_pub, missing_docs, reason = "a test program has no users of its modules")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests read the real clock")]

#[path = "../gateway/http.rs"]
#[allow(dead_code, reason = "shared with the tests of the gateway, which use more of it")]
mod http;
#[path = "../gateway/rig.rs"]
#[allow(dead_code, reason = "shared with the whole-daemon tests, which use the rest of it")]
mod rig;

mod judge;
mod points;
mod storm;

/// Whether all of the long counts are wanted.
fn in_full() -> bool {
    std::env::var_os("SMSOTPD_TEST_FULL").is_some()
}
