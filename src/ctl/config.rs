//! `config check`: the daemon's own reading of its file, without the daemon.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::render::Output;
use crate::config::diff::{Shown, entries};
use crate::config::{Config, DEFAULT_PATH, Fault, Findings};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Tell everything that is wrong with a file; exit code 78 if anything is
    Check {
        /// The file [default: /etc/smsotpd/smsotpd.toml]
        file: Option<PathBuf>,
    },
}

pub(super) fn run(output: Output, command: ConfigCommand) -> Result<(), Failure> {
    let ConfigCommand::Check { file } = command;
    let name = file.clone().unwrap_or_else(|| DEFAULT_PATH.into());
    match Config::load_or_default(file.as_deref()) {
        Ok(config) => good(output, &name, &config),
        Err(findings) => bad(output, &name, &findings),
    }
}

fn good(output: Output, name: &Path, config: &Config) -> Result<(), Failure> {
    let values: Map<String, Value> =
        entries(config).into_iter().map(|entry| (entry.key.to_owned(), shown(&entry.value))).collect();
    let answer = json!({
        "ok": true,
        "file": name.display().to_string(),
        "findings": [],
        "warnings": listed(&config.warnings),
        "values": values,
    });
    let people = |_: &Value| {
        let warnings: String = config.warnings.iter().map(|warning| format!("{warning}\n")).collect();
        // Without a file that was named, the daemon takes its defaults; that is to be seen.
        let verdict = if name.exists() { "good" } else { "not there; the defaults are good" };
        format!("{warnings}{}: {verdict}", name.display())
    };
    Ok(output.show(&answer, people)?)
}

/// Findings are the answer, so they go to stdout; the failure itself is one line on stderr.
fn bad(output: Output, name: &Path, findings: &Findings) -> Result<(), Failure> {
    if let [only] = findings.0.as_slice()
        && let Fault::Unreadable(why) = &only.fault
    {
        return Err(Failure::input(Path::new(&only.file), std::io::Error::other(why.clone())));
    }
    let answer = json!({
        "ok": false,
        "file": name.display().to_string(),
        "findings": listed(findings),
        "warnings": [],
    });
    output.show(&answer, |_| findings.to_string())?;
    let count = findings.0.len();
    let noun = if count == 1 { "finding" } else { "findings" };
    Err(Failure::Config(format!("{}: {count} {noun}", name.display())))
}

fn listed(findings: &Findings) -> Vec<Value> {
    let listed = findings.iter().map(|finding| {
        json!({
            "file": finding.file,
            "line": finding.line,
            "key": finding.key,
            "what": finding.fault.to_string(),
        })
    });
    listed.collect()
}

fn shown(value: &Shown) -> Value {
    match value {
        Shown::Unset => Value::Null,
        other => Value::String(other.to_string()),
    }
}
