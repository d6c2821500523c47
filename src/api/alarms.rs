//! `/v1/alarms`: what needs a person.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;

use super::caller::{Caller, Role};
use super::listen::Peer;
use super::problem::{self, Problem, json, malformed};
use super::records::utc;
use super::{Api, params};
use crate::alarm::Severity;
use crate::clock;
use crate::store::{AlarmId, AlarmRecord, Alarms, Operations};

const ENDPOINT: &str = "/v1/alarms";
const ENDPOINT_ONE: &str = "/v1/alarms/{id}";
const JSON: &str = "application/json";

/// An alarm.
#[derive(Serialize)]
pub(super) struct Alarm<'a> {
    id: AlarmId,
    kind: &'a str,
    subject: &'a str,
    severity: Severity,
    cause: &'a str,
    remedy: &'a str,
    raised: String,
    seen: String,
    count: u64,
    cleared: Option<String>,
}

impl<'a> From<&'a AlarmRecord> for Alarm<'a> {
    fn from(record: &'a AlarmRecord) -> Self {
        Self {
            id: record.id,
            kind: &record.kind,
            subject: &record.subject,
            severity: record.severity,
            cause: &record.cause,
            remedy: &record.remedy,
            raised: utc(record.raised),
            seen: utc(record.seen),
            count: record.count,
            cleared: record.cleared.map(utc),
        }
    }
}

/// As they are shown.
pub(super) fn listed(records: &[AlarmRecord]) -> Vec<Alarm<'_>> {
    records.iter().map(Alarm::from).collect()
}

#[derive(Serialize)]
struct Listing<'a> {
    alarms: Vec<Alarm<'a>>,
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    uri: Uri,
) -> Response {
    let response = all(&api, &caller, &uri).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT, response)
}

async fn all(api: &Api, caller: &Caller, uri: &Uri) -> Result<Response, Problem> {
    if !caller.may(Role::Send) {
        return Err(problem::FORBIDDEN);
    }
    let which = which(uri.query().unwrap_or_default())?;
    let records = api.parts.store.alarms(which).await.map_err(|e| Problem::from(&e))?;
    Ok(json(StatusCode::OK, JSON, &Listing { alarms: listed(&records) }))
}

/// `state=open`, which is the usual one, or `state=all`.
fn which(query: &str) -> Result<Alarms, Problem> {
    let mut which = Alarms::Open;
    for (name, value) in params::query(query) {
        which = match (name, &*value) {
            ("state", "open") => Alarms::Open,
            ("state", "all") => Alarms::All,
            ("state", other) => {
                return Err(malformed(format!("{other:?} is no value of state; open and all are")));
            }
            _ => return Err(malformed(format!("{name:?} is unknown; known is state"))),
        };
    }
    Ok(which)
}

pub(super) async fn clear(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(id): Path<String>,
) -> Response {
    let response = cleared(&api, &caller, &id).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT_ONE, response)
}

/// Clears an alarm by hand, as that of a modem that was taken out for good. What still stands is raised again with its next change.
async fn cleared(api: &Api, caller: &Caller, id: &str) -> Result<Response, Problem> {
    if !caller.may(Role::Admin) {
        return Err(problem::FORBIDDEN);
    }
    let id = AlarmId(id.parse().map_err(|_| problem::NO_ALARM)?);
    if !api.parts.store.clear_alarm(id, clock::wall()).await.map_err(|e| Problem::from(&e))? {
        return Err(problem::NO_ALARM);
    }
    tracing::info!(id = id.0, caller = &*caller.name, "alarm cleared by hand");
    Ok(json(StatusCode::OK, JSON, &serde_json::json!({"id": id})))
}
