//! One-time codes: how they are made, what a PIN costs to guess, and which answer to a request is the right one. Pure.
//!
//! [`hotp`] makes codes, [`pin`] hashes PINs, [`token`] names tokens and transactions, [`template`] writes the text around a
//! code, and [`challenge`] decides. Clock and entropy are arguments; the shell in `validate` carries out what is decided here.

pub mod challenge;
pub mod hotp;
pub mod pin;
pub mod template;
pub mod token;
