//! What each fuzz target does with its octets, and what must hold whatever they are.
//!
//! The bodies are plain functions without libFuzzer, so `tests/fuzz_smoke.rs` includes this file and runs the same promises
//! over the seeds and some thousands of mutations with a stable compiler.

pub mod at_lines;
pub mod command;
pub mod feed;
pub mod machine;
pub mod pdu;
pub mod reassemble;
