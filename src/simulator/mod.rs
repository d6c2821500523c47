//! The phone at the other end: GSM modems, a network and handsets as a pure model, with a pty shell.
//!
//! The demo, the tests and integrators use it, and other software may be pointed at it; the daemon's own path never does.
//! `modem` and `network` have no clock and no port: whoever drives them says what time it is, so hours of faults pass in
//! milliseconds under a seed. [`Simulator`] puts one modem behind a pty, with a thread of its own.

mod answers;
pub mod cli;
mod command;
pub mod control;
mod delivery;
pub mod endurance;
pub mod event;
mod habit;
mod habits;
mod messages;
pub mod modem;
pub mod network;
pub mod persona;
pub mod phone;
mod port;
pub mod pty;
pub mod recording;
pub mod replay;
mod reply;
pub mod scenario;
mod settings;
mod slots;
mod wire;

pub use cli::{SimulateOptions, run_cli};
pub use control::Control;
pub use event::{Event, Kinds, What};
pub use habit::{Card, EchoOff, Instead, Speaks, Unknown};
pub use modem::SimulatedModem;
pub use network::{Arrival, DeliverError, Network};
pub use persona::{NoModem, Persona};
pub use phone::Shown;
pub use pty::{Simulator, Watch};
pub use recording::Recording;
pub use scenario::{ErrorEvery, Scenario, Silence, SilentAfter, parse_duration};
pub use wire::Out;

#[cfg(test)]
mod modem_tests;
#[cfg(test)]
mod pty_tests;
