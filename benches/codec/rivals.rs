//! The other crates, in a child process that takes orders line by line; see `benches/compare`.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::cases::Case;

/// Another crate on one case.
pub struct Rival {
    pub name: String,
    pub version: String,
    pub case: String,
    /// Whether it can be measured: a crate that fails on the input cannot.
    pub runs: bool,
    /// Whether its result is ours, or what it is instead.
    pub result: String,
}

/// The running child; it ends when its orders do.
pub struct Rivals {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Rivals {
    /// Builds the program of the other crates beside ours and starts it.
    pub fn start() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let target = Path::new(env!("CARGO_BIN_EXE_smsotpd")).ancestors().nth(2).expect("a target directory");
        let target = target.join("compare");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/compare/Cargo.toml");
        let built = Command::new(cargo)
            .args(["build", "--release", "--locked", "--quiet", "--manifest-path", manifest, "--target-dir"])
            .arg(&target)
            .status()
            .expect("cargo starts");
        assert!(built.success(), "the other crates do not build; --no-compare leaves them away");
        let mut child = Command::new(target.join("release/smsotpd-compare"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the other crates start");
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, orders, answers }
    }

    /// Gives every crate the inputs of its cases and compares what it makes of them.
    pub fn load(&mut self, cases: &[Case]) -> Vec<Rival> {
        let list = self.ask("list");
        let rivals = list.split(';').filter_map(|job| {
            let (name, rest) = job.split_once(' ')?;
            let (version, case) = rest.split_once(' ')?;
            let ours = cases.iter().find(|ours| ours.id == case)?;
            let mut hex = String::with_capacity(ours.input.len() * 2);
            for octet in &ours.input {
                let _ = write!(hex, "{octet:02X}");
            }
            let theirs = self.ask(&format!("load {name} {case} {hex}"));
            let (name, version, case) = (name.to_owned(), version.to_owned(), case.to_owned());
            let runs = !theirs.starts_with("error");
            let result = if runs { ours.compare(&theirs) } else { theirs };
            Some(Rival { name, version, case, runs, result })
        });
        rivals.collect()
    }

    /// Nanoseconds that so many runs take.
    pub fn time(&mut self, rival: &Rival, iterations: u64) -> f64 {
        let answer = self.ask(&format!("time {} {} {iterations}", rival.name, rival.case));
        answer.parse().unwrap_or_else(|_| panic!("{} on {}: {answer}", rival.name, rival.case))
    }

    fn ask(&mut self, order: &str) -> String {
        let orders = self.orders.as_mut().expect("open until the end");
        writeln!(orders, "{order}").and_then(|()| orders.flush()).expect("the child listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the child answers");
        answer.trim_end().to_owned()
    }
}

impl Drop for Rivals {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}
