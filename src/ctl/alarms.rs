//! `alarms`: what needs a person, and what that person can do.

use clap::Args;

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Column, Output};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Cleared ones too, as long as they are kept
    #[arg(long)]
    all: bool,
    /// Clear this one by hand: its modem was taken out for good
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    clear: Option<i64>,
}

pub(super) const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("SEVERITY", "/severity"),
    ("ALARM", "/kind"),
    ("SUBJECT", "/subject"),
    ("SINCE", "/raised"),
    ("CAUSE", "/cause"),
    ("REMEDY", "/remedy"),
];

/// Those and what only matters when one looks back.
const ALL_COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("SEVERITY", "/severity"),
    ("ALARM", "/kind"),
    ("SUBJECT", "/subject"),
    ("SINCE", "/raised"),
    ("LAST", "/seen"),
    ("COUNT", "/count"),
    ("CLEARED", "/cleared"),
    ("CAUSE", "/cause"),
];

pub(super) fn run(client: &Client, output: Output, options: Options) -> Result<(), Failure> {
    let Options { all, clear } = options;
    if let Some(id) = clear {
        let answer = client.delete(&format!("/v1/alarms/{id}"))?;
        return Ok(output.show(&answer, |_| format!("{id} cleared"))?);
    }
    let (state, columns) = if all { ("all", ALL_COLUMNS) } else { ("open", COLUMNS) };
    let answer = client.get("/v1/alarms", &[("state", state.to_owned())])?;
    Ok(output.show(&answer, |answer| render::rows(answer.get("alarms"), columns, "no alarm"))?)
}
