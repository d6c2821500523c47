//! `status`: how the daemon, its queue and its modems are.

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Output};

pub(super) fn run(client: &Client, output: Output) -> Result<(), Failure> {
    let answer = client.get("/v1/status", &[])?;
    Ok(output.show(&answer, render::object)?)
}
