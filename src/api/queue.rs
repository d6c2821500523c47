//! `/v1/queue`: the lanes as they stand, pausing one, letting it go on, emptying it; for admins.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::caller::{Caller, Role};
use super::listen::Peer;
use super::problem::{self, Problem};
use super::records::utc;
use super::{Api, messages};
use crate::clock;
use crate::queue::message::Lane;
use crate::store::{LaneRecord, Operations, Paused};
use crate::units::UnixMs;

const JSON: &str = "application/json";
const ENDPOINT: &str = "/v1/queue";
const PAUSE: &str = "/v1/queue/{lane}/pause";
const RESUME: &str = "/v1/queue/{lane}/resume";
const PURGE: &str = "/v1/queue/{lane}/purge";

/// A lane on the wire.
#[derive(Serialize)]
pub(super) struct LaneShown<'a> {
    lane: Lane,
    queued: u64,
    leased: u64,
    most: Option<u64>,
    oldest_seconds: u64,
    paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_since: Option<String>,
}

/// All lanes, with the age of each head.
pub(super) fn shown(lanes: &[LaneRecord], now: UnixMs) -> Vec<LaneShown<'_>> {
    let one = |record: &'_ LaneRecord| record.oldest.map_or(0, |due| now.since(due).as_secs());
    lanes
        .iter()
        .map(|record| LaneShown {
            lane: record.lane,
            queued: record.queued,
            leased: record.leased,
            most: record.most,
            oldest_seconds: one(record),
            paused: record.paused.is_some(),
            paused_by: record.paused.as_ref().map(|paused| paused.who.as_str()),
            paused_since: record.paused.as_ref().map(|paused| utc(paused.since)),
        })
        .collect()
}

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
) -> Response {
    let response = told(&api, &caller).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT, response)
}

pub(super) async fn pause(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(lane): Path<String>,
) -> Response {
    let response = hold(&api, &caller, &lane, true).await.unwrap_or_else(|problem| problem.response());
    api.answered(PAUSE, response)
}

pub(super) async fn resume(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(lane): Path<String>,
) -> Response {
    let response = hold(&api, &caller, &lane, false).await.unwrap_or_else(|problem| problem.response());
    api.answered(RESUME, response)
}

pub(super) async fn purge(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(lane): Path<String>,
) -> Response {
    let response = emptied(&api, &caller, &lane).await.unwrap_or_else(|problem| problem.response());
    api.answered(PURGE, response)
}

async fn told(api: &Api, caller: &Caller) -> Result<Response, Problem> {
    allowed(caller)?;
    let now = clock::wall();
    let lanes = api.parts.store.lanes(now).await.map_err(|e| Problem::from(&e))?;
    Ok(problem::json(StatusCode::OK, JSON, &json!({"lanes": shown(&lanes, now)})))
}

async fn hold(api: &Api, caller: &Caller, lane: &str, pause: bool) -> Result<Response, Problem> {
    allowed(caller)?;
    let lane = messages::lane(lane)?;
    let paused = pause.then(|| Paused { who: caller.name.to_string(), since: clock::wall() });
    let changed = api.parts.store.pause_lane(lane, paused).await.map_err(|e| Problem::from(&e))?;
    if changed {
        tracing::info!(%lane, caller = %caller.name, "{}", if pause { "lane paused" } else { "lane resumed" });
    }
    told(api, caller).await
}

async fn emptied(api: &Api, caller: &Caller, lane: &str) -> Result<Response, Problem> {
    allowed(caller)?;
    let lane = messages::lane(lane)?;
    let purged = api.parts.store.withdraw_lane(lane, clock::wall()).await;
    let withdrawn = purged.map_err(|e| Problem::from(&e))?;
    tracing::info!(%lane, caller = %caller.name, withdrawn, "lane purged");
    Ok(problem::json(StatusCode::OK, JSON, &json!({"lane": lane, "withdrawn": withdrawn})))
}

fn allowed(caller: &Caller) -> Result<(), Problem> {
    if caller.may(Role::Admin) { Ok(()) } else { Err(problem::FORBIDDEN) }
}
