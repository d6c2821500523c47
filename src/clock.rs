//! The only place that reads a clock or draws entropy; everything below takes both as arguments.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::units::UnixMs;

/// Wall time, for stored times and for people.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn wall() -> UnixMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Monotonic time, for limits and pauses.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The operating system gave no entropy; nothing that needs a key or a code can go on.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub struct NoEntropy(#[from] getrandom::Error);

/// `N` random bytes from the operating system, for keys, codes and ids.
///
/// # Errors
/// When the operating system has no entropy source.
pub fn entropy<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
