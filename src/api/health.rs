//! Health, status and metrics: what monitoring asks for.
//!
//! Live: the process answers. Ready: the store answers and some channel takes messages and has budget; else 503 with the reasons.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::caller::Role;
use super::listen::Peer;
use super::records::utc;
use super::{Api, alarms, modems, problem, queue, waiting};
use crate::clock;
use crate::queue::conversion;
use crate::route::budget::{Windows, standings};
use crate::store::{AlarmRecord, Alarms, Count, LaneRecord, Operations, StoreError};
use crate::telemetry::metrics;
use crate::units::UnixMs;

const JSON: &str = "application/json";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn live(State(api): State<Arc<Api>>) -> Response {
    api.answered("/v1/health/live", problem::json(StatusCode::OK, JSON, &json!({"status": "live"})))
}

pub(super) async fn ready(State(api): State<Arc<Api>>) -> Response {
    let mut reasons = Vec::new();
    if let Err(error) = api.parts.store.counts().await {
        reasons.push(json!({"code": "store", "detail": error.to_string()}));
    }
    if let Some(why) = api.parts.store.unwritable() {
        reasons.push(json!({"code": "store-unwritable", "detail": why}));
    }
    let (ready, all) = channels(&api);
    if ready == 0 {
        let detail = format!("none of {all} channels is ready; see /v1/modems");
        reasons.push(json!({"code": "no-channel", "detail": detail}));
    }
    if let Ok(Some(until)) = waiting::no_budget(&api).await {
        let detail = format!("no SIM that is ready has budget before {}", utc(until));
        reasons.push(json!({"code": "no-budget", "detail": detail}));
    }
    let (status, word) = match reasons.is_empty() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not-ready"),
    };
    let body = json!({"status": word, "reasons": reasons});
    api.answered("/v1/health/ready", problem::json(status, JSON, &body))
}

pub(super) async fn status(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
) -> Response {
    let response = if caller.may(Role::Send) {
        match standing(&api).await {
            Ok(standing) => problem::json(StatusCode::OK, JSON, &told(&api, &standing)),
            Err(error) => problem::Problem::from(&error).response(),
        }
    } else {
        problem::FORBIDDEN.response()
    };
    api.answered("/v1/status", response)
}

/// What the store tells of the moment.
struct Standing {
    counts: Vec<Count>,
    open: Vec<AlarmRecord>,
    lanes: Vec<LaneRecord>,
    now: UnixMs,
}

impl Standing {
    /// For how long the head of a lane could have left.
    fn age(&self, lane: &LaneRecord) -> Duration {
        lane.oldest.map_or(Duration::ZERO, |due| self.now.since(due))
    }

    /// The same of the whole queue; what is paused is not waited for.
    fn waited(&self) -> Duration {
        let going = self.lanes.iter().filter(|lane| lane.paused.is_none());
        going.map(|lane| self.age(lane)).max().unwrap_or_default()
    }
}

async fn standing(api: &Api) -> Result<Standing, StoreError> {
    let now = clock::wall();
    let store = &api.parts.store;
    let (counts, open) = (store.counts().await?, store.alarms(Alarms::Open).await?);
    Ok(Standing { counts, open, lanes: store.lanes(now).await?, now })
}

fn told(api: &Api, standing: &Standing) -> serde_json::Value {
    let Standing { counts, open, lanes, now } = standing;
    let mut messages: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for count in counts {
        messages.entry(count.lane.as_str()).or_default().insert(count.state.as_str(), count.messages);
    }
    let (ready, all) = channels(api);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": clock::wall().since(api.started).as_secs(),
        "messages": messages,
        "queue": {"oldest_seconds": standing.waited().as_secs(), "lanes": queue::shown(lanes, *now)},
        "store": {"unwritable": api.parts.store.unwritable()},
        "channels": {"ready": ready, "all": all},
        "alarms": alarms::listed(open),
        "modems": api.parts.fleet.borrow().modems,
    })
}

pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    let response = match exposed(&api).await {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
            response
        }
        Err(error) => problem::Problem::from(&error).response(),
    };
    api.answered("/metrics", response)
}

async fn exposed(api: &Api) -> Result<String, StoreError> {
    let metrics = &api.parts.metrics;
    let standing = standing(api).await?;
    metrics.messages(&standing.counts);
    metrics.alarms(&standing.open);
    let spent = api.parts.store.spent().await?;
    let now = Windows::at(clock::wall());
    metrics.budgets(spent.iter().flat_map(|record| {
        let channel = &record.channel.0;
        let standings = standings(&api.parts.budgets.of(channel), &record.spent, now);
        standings.map(move |one| (channel.to_string(), modems::word(one.window), one.left()))
    }));
    metrics.outbox(&api.parts.store.outbox().await?, clock::wall());
    metrics::put(&metrics.hook_refused, api.parts.store.feed().refused());
    metrics.waited(standing.waited());
    metrics.lanes(standing.lanes.iter().map(|lane| (lane, standing.age(lane))));
    let outlook = (api.parts.outlook)(None).await;
    metrics.breakers(outlook.channels.into_iter().map(|seen| (seen.channel, seen.breaker)));
    metrics.over_budget(api.parts.store.over_budget().totals());
    let now = clock::wall();
    metrics.conversions(&api.parts.store.conversions(now.minus(conversion::WINDOW), now).await?);
    let (ready, all) = channels(api);
    metrics.channels(ready, all);
    let stats = api.parts.store.stats();
    metrics::put(&metrics.commits, stats.commits);
    metrics::put(&metrics.jobs, stats.jobs);
    (api.parts.refresh)(metrics);
    // Writing to a String cannot fail.
    Ok(metrics.encode().unwrap_or_default())
}

fn channels(api: &Api) -> (usize, usize) {
    let channels = api.parts.channels.borrow();
    (waiting::taking(&channels).len(), channels.len())
}
