//! `udev-rules`: the rules for all modems that the firmware notes know, the administrator's included.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::render::Output;
use crate::config::Config;
use crate::modem::{notes, udev};

#[derive(Debug, Args)]
pub(super) struct UdevRules {
    /// The folder with further firmware notes [default: `notes` of the configuration]
    #[arg(long, value_name = "DIR")]
    notes: Option<PathBuf>,
}

pub(super) fn run(output: Output, options: UdevRules) -> Result<(), Failure> {
    let folder = match options.notes {
        Some(folder) => folder,
        None => {
            Config::load_or_default(None)
                .map_err(|findings| Failure::Config(findings.to_string()))?
                .modem
                .notes
        }
    };
    let notes = notes::load(&folder).map_err(|errors| {
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::Config(told.join("; "))
    })?;
    let rules = udev::rules(&notes);
    Ok(output.show(&json!({"rules": rules}), |_| rules.clone())?)
}
