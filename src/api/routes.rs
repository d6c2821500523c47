//! `/v1/routes`: the channels that a message to some number would meet, in order, and why one would not take it now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;

use super::caller::{Caller, Role};
use super::listen::Peer;
use super::problem::{Problem, malformed};
use super::{Api, params, problem};
use crate::number::Number;
use crate::queue::admission::Refusal;
use crate::queue::message::Lane;
use crate::route::{Obstacle, Seen};

const ENDPOINT: &str = "/v1/routes";

#[derive(Serialize)]
struct Explained<'a> {
    to: &'a str,
    lane: Lane,
    /// The place of the rule that fits, 1 for the first of the file; null: none, so all channels are equal.
    rule: Option<usize>,
    channels: Vec<Listed<'a>>,
}

/// One channel, in the order in which it would be tried.
#[derive(Serialize)]
struct Listed<'a> {
    channel: &'a str,
    /// What people call the SIM.
    name: Option<&'a str>,
    /// Why it does not take the message now; null: it would.
    obstacle: Option<Obstacle>,
    /// Its place by the rule, 1 for the best.
    rank: Option<usize>,
    /// closed, half-open or open.
    breaker: &'static str,
    /// For how long it is left alone yet.
    pause_seconds: Option<u64>,
    in_flight: u32,
    /// Since a message last began there.
    rested_seconds: Option<u64>,
    /// What is left of its budget, 0..=1.
    budget_left: f64,
    /// 0..=1, the better the higher.
    score: f64,
    /// Share of attempts that failed lately.
    failing: f64,
    /// From the beginning of an attempt to the network's answer, lately.
    latency_ms: Option<u64>,
}

pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    uri: Uri,
) -> Response {
    let response = explained(&api, &caller, &uri).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT, response)
}

async fn explained(api: &Api, caller: &Caller, uri: &Uri) -> Result<Response, Problem> {
    if !caller.may(Role::Send) {
        return Err(problem::FORBIDDEN);
    }
    let (to, lane) = asked(api, uri.query().unwrap_or_default())?;
    let outlook = (api.parts.outlook)(Some((to.clone(), lane))).await;
    let told = Explained {
        to: to.as_str(),
        lane,
        rule: outlook.rule.map(|place| place + 1),
        channels: outlook.channels.iter().map(|seen| listed(api, seen)).collect(),
    };
    Ok(problem::json(StatusCode::OK, "application/json", &told))
}

fn asked(api: &Api, query: &str) -> Result<(Number, Lane), Problem> {
    let (mut to, mut lane) = (None, Lane::Login);
    let rules = Arc::clone(&api.parts.live.now().rules);
    for (name, value) in params::query(query) {
        match name {
            "to" => {
                let number = Number::parse(&value, rules.default_country.as_deref());
                to = Some(number.map_err(|error| Problem::from(&Refusal::Number(error)))?);
            }
            "lane" => {
                let found = Lane::ALL.into_iter().find(|lane| lane.as_str() == value);
                lane = found.ok_or_else(|| malformed(format!("{value:?} is no lane")))?;
            }
            _ => return Err(malformed(format!("{name:?} is unknown; known are to, lane"))),
        }
    }
    Ok((to.ok_or_else(|| malformed("say to which number: ?to=".to_owned()))?, lane))
}

fn listed<'a>(api: &'a Api, seen: &'a Seen) -> Listed<'a> {
    let sim = seen.channel.strip_prefix("gsm:");
    let share = |thousandths: u16| f64::from(thousandths) / 1000.0;
    Listed {
        channel: &seen.channel,
        name: sim.and_then(|sim| api.parts.sim_names.get(sim)).map(String::as_str),
        obstacle: seen.obstacle,
        rank: seen.rank.map(|rank| rank + 1),
        breaker: seen.breaker,
        pause_seconds: seen.pause.map(|pause| pause.as_secs()),
        in_flight: seen.in_flight,
        rested_seconds: seen.rested.map(|rested| rested.as_secs()),
        budget_left: share(seen.share),
        score: share(seen.score),
        failing: share(seen.failing),
        latency_ms: seen.latency.map(millis),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Where the breaker of each channel stands, for people: with the rest of its pause.
pub(super) async fn breakers(api: &Api) -> HashMap<String, String> {
    let outlook = (api.parts.outlook)(None).await;
    let told = |seen: Seen| {
        let breaker = match seen.pause {
            Some(pause) => format!("{}: left alone for {} s", seen.breaker, pause.as_secs().max(1)),
            None => seen.breaker.to_owned(),
        };
        (seen.channel, breaker)
    };
    outlook.channels.into_iter().map(told).collect()
}
