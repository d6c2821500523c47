//! Raw costs that stand beside the figures: what the disk asks for a sync, what a process uses.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Median and 99th percentile.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Spread {
    /// Of these samples; at least one.
    pub(crate) fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort();
        let at = |part: f64| samples[((samples.len() - 1) as f64 * part) as usize];
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2}/{:.2} ms", self.p50.as_secs_f64() * 1e3, self.p99.as_secs_f64() * 1e3)
    }
}

/// `count` appends of 4 KiB with fdatasync, `gap` apart; what spinning adds on ground that spins is added by the caller.
pub(crate) fn sync(dir: &Path, count: usize, gap: Duration) -> Spread {
    let path = dir.join("sync-probe");
    let mut file = File::create(&path).expect("the probe's file");
    let page = [7_u8; 4096];
    let samples = (0..count)
        .map(|_| {
            std::thread::sleep(gap);
            let start = Instant::now();
            file.write_all(&page).and_then(|()| file.sync_data()).expect("the disk takes 4 KiB");
            start.elapsed()
        })
        .collect();
    let _ = fs::remove_file(path);
    Spread::of(samples)
}

/// Proportional set size and peak resident size, MiB.
pub(crate) fn memory(pid: u32) -> (f64, f64) {
    let kib = |file: &str, key: &str| -> f64 {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
    };
    (kib("smaps_rollup", "Pss:") / 1024.0, kib("status", "VmHWM:") / 1024.0)
}

/// Processor time of all threads so far.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // utime and stime, the 14th and 15th field; the second one ends with the last bracket. A hundredth of a second each.
    let ticks: u64 = stat
        .rsplit_once(')')
        .map(|(_, rest)| {
            rest.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum()
        })
        .unwrap_or_default();
    Duration::from_millis(ticks * 10)
}

/// Voluntary context switches of all threads so far.
pub(crate) fn wakeups(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    tasks
        .filter_map(Result::ok)
        .filter_map(|task| fs::read_to_string(task.path().join("status")).ok())
        .filter_map(|text| {
            let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum()
}

/// CLOCK_MONOTONIC in microseconds, the clock that the simulator stamps its events with.
pub(crate) fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}
