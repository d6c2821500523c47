//! smsotpd: one-time codes by SMS, from a PIN to the phone and back.
//!
//! The house has five layers; a module imports freely from lower ones, and `tests/layers.rs` holds it to that.
//!
//! | layer | modules |
//! |---|---|
//! | 0 values and codecs (no I/O, no clock) | [`units`] [`number`] [`secret`] [`alarm`] [`pdu`] [`at`] [`otp`] |
//! | 1 machines and rules (pure; time is an argument) | [`modem`]'s machine, [`queue`], [`route`] |
//! | 2 contracts | [`store`]'s records and operations, [`provider`]'s trait, [`clock`], [`fault`] |
//! | 3 shells | the engines, drivers, [`dispatch`], [`validate`], [`api`], [`telemetry`] |
//! | 4 composition | [`config`] [`daemon`] [`ctl`] [`simulator`] and the two binaries |

pub mod alarm;
pub mod at;
pub mod number;
pub mod otp;
pub mod pdu;
pub mod secret;
pub mod units;

pub mod modem;
pub mod queue;
pub mod route;

pub mod clock;
pub mod fault;
pub mod provider;
pub mod store;

pub mod api;
pub mod dispatch;
pub mod telemetry;
pub mod validate;

pub mod config;
pub mod ctl;
pub mod daemon;
pub mod simulator;
