//! `udev-rules`: the udev rules for the firmware notes in force, those compiled in and the site's own, without a daemon.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::render::Output;
use crate::config::Config;
use crate::modem::udev;

#[derive(Debug, Args)]
pub(super) struct UdevRules {
    /// The configuration that names the directory of your own notes [default: /etc/smsotpd/smsotpd.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(output: Output, asked: UdevRules) -> Result<(), Failure> {
    let config = Config::load_or_default(asked.config.as_deref())
        .map_err(|findings| Failure::Config(findings.to_string()))?;
    let rules = udev::rules(&config.modem.library);
    Ok(output.show(&json!({ "rules": rules }), |_| rules.clone())?)
}
