//! The other crates that read and write short messages or AT lines, as a child process of smsotpd's codec bench.
//!
//! A process and a lock file of their own, because one of them brings an asynchronous runtime of 2018 with it. The bench sends
//! one order a line and gets one line back, so that its rounds and these alternate:
//!
//! - `list`: `crate version case` of every job, separated by `;`
//! - `load CRATE CASE HEX`: takes the input and shows what the crate makes of it
//! - `time CRATE CASE ITERATIONS`: nanoseconds of so many runs over the loaded input

mod job;
mod jobs;

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use job::Job;

fn main() -> std::io::Result<()> {
    let mut loaded: HashMap<(String, String), Job> = HashMap::new();
    let mut out = std::io::stdout().lock();
    for order in std::io::stdin().lock().lines() {
        let order = order?;
        let words: Vec<&str> = order.split(' ').collect();
        let answer = match words[..] {
            ["list"] => list(),
            ["load", name, case, hex] => match load(name, case, hex) {
                Ok((job, shown)) => {
                    loaded.insert((name.to_owned(), case.to_owned()), job);
                    shown
                }
                Err(error) => format!("error: {error}"),
            },
            ["time", name, case, iterations] => {
                let job = loaded.get(&(name.to_owned(), case.to_owned()));
                let took = job.zip(iterations.parse().ok()).map(|(job, n)| job::nanoseconds(job, n));
                took.map_or("error: nothing loaded".to_owned(), |took| took.to_string())
            }
            _ => "error: no such order".to_owned(),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// A crate that panics on an input cannot be measured on it; the bench is told so.
fn load(name: &str, case: &str, hex: &str) -> Result<(Job, String), String> {
    let input = data_encoding::HEXUPPER.decode(hex.as_bytes()).map_err(|error| error.to_string())?;
    let job = jobs::job(name, case, input).ok_or("no such job")?;
    let run = catch_unwind(AssertUnwindSafe(|| job().line()));
    run.map(|shown| (job, shown)).map_err(|_| "it panics on this input".to_owned())
}

fn list() -> String {
    let jobs = jobs::JOBS.iter().map(|(name, case)| format!("{name} {} {case}", version(name)));
    jobs.collect::<Vec<_>>().join(";")
}

/// As the lock file has it.
fn version(name: &str) -> &'static str {
    let package = format!("name = \"{name}\"\nversion = \"");
    let after = include_str!("../Cargo.lock").split_once(&package).map_or("?", |(_, after)| after);
    after.split('"').next().unwrap_or("?")
}
