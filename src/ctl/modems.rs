//! `modem`: what the supervisor sees.

use clap::Subcommand;

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Column, Output};

#[derive(Debug, Subcommand)]
pub(super) enum Modem {
    /// Every modem with its SIM, network and state
    List,
}

pub(super) const COLUMNS: &[Column] = &[
    ("PORT", "/port"),
    ("STATE", "/state"),
    ("PAUSED", "/paused"),
    ("MAKE", "/make"),
    ("IMEI", "/imei"),
    ("ICCID", "/iccid"),
    ("OPERATOR", "/operator"),
    ("SIGNAL dBm", "/signal"),
    ("CAUSE", "/cause"),
    ("REMARKS", "/remarks"),
];

pub(super) fn run(client: &Client, output: Output, command: Modem) -> Result<(), Failure> {
    match command {
        Modem::List => {
            let answer = client.get("/v1/modems", &[])?;
            Ok(output.show(&answer, |answer| render::rows(answer.get("modems"), COLUMNS, "no modem"))?)
        }
    }
}
