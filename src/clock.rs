//! The only place that reads a clock or draws entropy; everything below takes both as arguments.
//!
//! The wall clock is read once, when the daemon starts, and tied to `CLOCK_BOOTTIME`, which runs on in a suspended machine and
//! which nobody can set. From then on [`wall`] follows that clock alone: whoever sets the wall clock, by a second or by a year,
//! ends no challenge early and lets no message leave late. NTP that slews steers both clocks alike, so what people see stays
//! right; a step is told ([`apart`]) and taken over at the next start, where the life times in the store move with it
//! ([`model`]).

pub mod model;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::units::UnixMs;

/// What [`wall`] is ahead of `CLOCK_BOOTTIME`, in milliseconds; [`UNTIED`] until somebody asks for the first time.
static AHEAD: AtomicI64 = AtomicI64::new(UNTIED);
const UNTIED: i64 = i64::MIN;

/// Wall time as of the start of this process, carried on by `CLOCK_BOOTTIME`: for stored times and for people.
#[must_use]
pub fn wall() -> UnixMs {
    let ahead = match AHEAD.load(Ordering::Relaxed) {
        UNTIED => {
            let found = set().0.saturating_sub(boottime());
            let tied = AHEAD.compare_exchange(UNTIED, found, Ordering::Relaxed, Ordering::Relaxed);
            tied.map_or_else(|other| other, |_| found)
        }
        ahead => ahead,
    };
    UnixMs(boottime().saturating_add(ahead))
}

/// Ties [`wall`] to what the model decided at a start.
pub fn tie(model: &model::Model) {
    AHEAD.store(model.ahead, Ordering::Relaxed);
}

/// Milliseconds since the machine was started, those in which it slept included.
#[must_use]
pub fn boottime() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)
}

/// What the wall clock is set to now, in milliseconds ahead of [`wall`]: other than about zero, somebody set it since the start.
#[must_use]
pub fn apart() -> i64 {
    set().0.saturating_sub(wall().0)
}

/// The system's wall clock as it is set now.
#[must_use]
pub fn set() -> UnixMs {
    let real = system();
    staged::read().map_or(real, |stage| UnixMs(real.0.saturating_add(stage.step)))
}

/// The boot that this is, as the kernel or the service manager names it; empty if neither does.
#[must_use]
pub fn boot() -> String {
    if let Some(stage) = staged::read() {
        return stage.boot;
    }
    let told = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    // The unit hides that file (`ProcSubset=pid`) and passes the same id (`%b`), without its dashes.
    let told = told.or_else(|| std::env::var("SMSOTPD_BOOT_ID").ok()).unwrap_or_default();
    told.chars().filter(char::is_ascii_hexdigit).collect()
}

/// Whether the wall clock is said to be synchronised by a test; `None` in the real world, where the system is asked.
#[must_use]
pub fn staged_synchronised() -> Option<bool> {
    staged::read().map(|stage| stage.synchronised)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn system() -> UnixMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Monotonic time, for limits and pauses.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The wall clock as a whole-daemon test sets it: no test may set that of the machine. Builds with debug assertions read the file that
/// `SMSOTPD_STAGED_CLOCK` names; it holds the name of the boot, milliseconds that the clock was stepped by, and `synchronised` or not.
mod staged {
    pub(super) struct Stage {
        pub(super) boot: String,
        pub(super) step: i64,
        pub(super) synchronised: bool,
    }

    #[cfg(debug_assertions)]
    pub(super) fn read() -> Option<Stage> {
        let text = std::fs::read_to_string(std::env::var_os("SMSOTPD_STAGED_CLOCK")?).ok()?;
        let mut words = text.split_whitespace();
        let (boot, step) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        Some(Stage { boot, step, synchronised: words.next() == Some("synchronised") })
    }

    #[cfg(not(debug_assertions))]
    pub(super) fn read() -> Option<Stage> {
        None
    }
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
