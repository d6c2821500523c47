//! `queue`: the lanes as they stand, holding one back, letting it go on, emptying it.

use std::io::{BufRead, IsTerminal, Write};

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Column, Output};
use crate::queue::message::Lane;

#[derive(Debug, Subcommand)]
pub(super) enum Queue {
    /// How full each lane is, how long its head waits, and whether it is paused
    Show,
    /// Let nothing of a lane leave until `resume`, over restarts too; messages are accepted into it all the while
    Pause(Which),
    /// Let a paused lane go on
    Resume(Which),
    /// Take back all messages of a lane that have not left
    Purge {
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Which lane
    #[arg(value_parser = PossibleValuesParser::new(Lane::ALL.map(Lane::as_str)))]
    lane: String,
}

pub(super) const COLUMNS: &[Column] = &[
    ("LANE", "/lane"),
    ("QUEUED", "/queued"),
    ("LEASED", "/leased"),
    ("MOST", "/most"),
    ("OLDEST s", "/oldest_seconds"),
    ("PAUSED BY", "/paused_by"),
    ("SINCE", "/paused_since"),
];

pub(super) fn run(client: &Client, output: Output, command: Queue) -> Result<(), Failure> {
    let answer = match command {
        Queue::Show => client.get("/v1/queue", &[])?,
        Queue::Pause(which) => client.post_json(&path(&which, "pause"), &Value::Null)?,
        Queue::Resume(which) => client.post_json(&path(&which, "resume"), &Value::Null)?,
        Queue::Purge { which, yes } => {
            if !yes && !confirmed(&which.lane)? {
                return Ok(());
            }
            let answer = client.post_json_patiently(&path(&which, "purge"), &Value::Null)?;
            let count = answer.get("withdrawn").map_or_else(String::new, render::plain);
            return Ok(output.show(&answer, |_| format!("{}: {count} withdrawn", which.lane))?);
        }
    };
    Ok(output.show(&answer, |answer| render::rows(answer.get("lanes"), COLUMNS, "no lane"))?)
}

fn path(which: &Which, order: &str) -> String {
    format!("/v1/queue/{}/{order}", which.lane)
}

/// Asks a person; a script has to say `--yes`.
fn confirmed(lane: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage("nobody can be asked whether the lane shall be emptied; say --yes"));
    }
    let mut err = std::io::stderr().lock();
    write!(err, "Take back all unsent messages of the lane {lane}? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
