//! One modem at one port: the pure machine that decides, and (layer 3) the tasks that carry it out.
//!
//! `machine` is driven by three verbs, `handle`, `poll` and `deadline`; it reads no clock, writes nowhere and logs nothing, so
//! thousands of hours of faults run in a second of a test. `session` knows lines and the one command in flight;
//! `bringup`, `outgoing`, `incoming`, `ussd` and `health` each decide for one concern which command comes next.

pub mod balance;
pub mod exchange;
pub mod machine;
pub mod profile;
pub mod ussd;

mod bringup;
mod health;
pub(crate) mod history;
mod incoming;
mod outgoing;
mod session;
mod timers;

pub mod discover;
pub mod driver;
pub mod fleet;
pub mod holder;
pub mod supervisor;
pub mod trace;
pub mod udev;

mod away;
mod handle;
mod left_alone;
mod pin_memory;
mod port;
mod power;
mod serve;
mod usb;
mod wake;

#[cfg(test)]
pub(crate) mod pty;
