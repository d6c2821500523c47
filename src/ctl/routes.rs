//! `route`: which channels a message would meet, and in which order.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Column, Output};
use crate::queue::message::Lane;

#[derive(Debug, Subcommand)]
pub(super) enum Route {
    /// The channels for a message to this number, best first, and why one would not take it now
    Explain {
        /// The destination: +49..., a national number, or a short code
        to: String,
        /// Who would wait for it
        #[arg(long, value_name = "LANE", value_parser = PossibleValuesParser::new(Lane::ALL.map(Lane::as_str)), default_value = "login")]
        lane: String,
    },
}

const COLUMNS: &[Column] = &[
    ("CHANNEL", "/channel"),
    ("NAME", "/name"),
    ("OBSTACLE", "/obstacle"),
    ("RANK", "/rank"),
    ("BREAKER", "/breaker"),
    ("IN FLIGHT", "/in_flight"),
    ("RESTED s", "/rested_seconds"),
    ("BUDGET", "/budget_left"),
    ("SCORE", "/score"),
    ("FAILING", "/failing"),
    ("LATENCY ms", "/latency_ms"),
];

pub(super) fn run(client: &Client, output: Output, command: Route) -> Result<(), Failure> {
    let Route::Explain { to, lane } = command;
    let answer = client.get("/v1/routes", &[("to", to), ("lane", lane)])?;
    Ok(output.show(&answer, people)?)
}

fn people(answer: &Value) -> String {
    let rule = match answer.get("rule").and_then(Value::as_u64) {
        Some(place) => format!("by [[route]] {place} of the configuration"),
        None => "no [[route]] fits: all channels are equal".to_owned(),
    };
    format!("{rule}\n\n{}", render::rows(answer.get("channels"), COLUMNS, "no channel"))
}
