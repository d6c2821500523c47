//! One thing to measure and how it is timed; compiled into the codec bench and into the program of the other crates, so
//! that both sides are timed by the same loop.

use std::hint::black_box;
use std::time::Instant;

/// What a run of a job gives; it is compared, and returning it keeps the optimiser from dropping the work.
pub enum Produced {
    /// Octets of a PDU or of packed or unpacked septets.
    Octets(Vec<u8>),
    /// The octets of every part of a long text.
    Parts(Vec<Vec<u8>>),
    /// A text that was read.
    Text(String),
    /// Lines, answers or fields that were found.
    Count(usize),
}

/// One run over an input that the closure holds.
pub type Job = Box<dyn Fn() -> Produced>;

impl Produced {
    /// In one line, for comparison.
    pub fn line(&self) -> String {
        let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02X}")).collect::<String>();
        match self {
            Self::Octets(octets) => hex(octets),
            Self::Parts(parts) => parts.iter().map(|part| hex(part)).collect::<Vec<_>>().join(" "),
            Self::Text(text) => format!("{text:?}"),
            Self::Count(count) => count.to_string(),
        }
    }
}

/// Nanoseconds that `iterations` runs take together.
pub fn nanoseconds(job: &Job, iterations: u64) -> u128 {
    let start = Instant::now();
    for _ in 0..iterations {
        black_box(job());
    }
    start.elapsed().as_nanos()
}
