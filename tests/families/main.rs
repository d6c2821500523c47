//! Every family of modems, and every fault that a machine can see, in virtual time: the pure machine that drives on one side, the
//! pure simulated modem with the family's personality on the other.
//!
//! The simulated modem reads the same firmware notes, but in its own way: what a note does not say it does by the standard, and
//! what the family does not know it refuses as the family does. So a note that the machine does not obey shows here.

#![allow(unreachable_pub, missing_docs, reason = "a test program has no users of its modules")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "virtual time must begin somewhere")]

mod faults;
mod normal;
mod rig;
