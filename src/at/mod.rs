//! The AT dialect as data: lines, the grammar of answers, typed commands, typed readings, unsolicited results and error codes.
//!
//! Layer 0: no I/O, no clock, no state but the line splitter's. Nothing here decides what a line means for the command in
//! flight; that is the session's business (`modem`). Message bodies pass as hex; what a PDU means is `pdu`'s business.
//!
//! Specifications: ITU-T V.250 (lines and results), 3GPP TS 27.007 (network, SIM), TS 27.005 (messages).

mod argument;
pub mod codes;
mod codes_table;
pub mod command;
#[cfg(test)]
mod dialect_tests;
pub mod exchange;
mod exchange_meaning;
mod exchange_message;
pub mod grammar;
pub mod hex;
pub mod lines;
mod registration;
pub mod reply;
pub mod result;
mod signal;
pub mod urc;

pub use codes::{CmeError, CmsError, Disposition};
pub use command::{Command, Expect};
pub use grammar::{Arg, Info};
pub use lines::{Chunk, Lines};
pub use result::Final;
pub use urc::Urc;
