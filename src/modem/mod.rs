//! One modem at one port: the pure machine that decides, and (layer 3) the tasks that carry it out.
//!
//! `machine` is driven by three verbs, `handle`, `poll` and `deadline`; it reads no clock, writes nowhere and logs nothing, so
//! thousands of hours of faults run in a second of a test. `session` knows lines and the one command in flight;
//! `bringup`, `outgoing`, `incoming` and `health` each decide for one concern which command comes next.

pub mod discover;
pub mod driver;
pub mod exchange;
pub mod fleet;
mod handle;
pub mod machine;
mod pin_memory;
mod port;
mod power;
pub mod profile;
#[cfg(test)]
pub(crate) mod pty;
mod serve;
pub mod supervisor;
pub mod trace;
mod wake;
