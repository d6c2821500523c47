//! `/v1/inbox`: texts from phones. They are personal, and no caller is their addressee, so they are for admins only.

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
use crate::store::{InboxId, InboxRecord, Operations};

/// Texts listed when the caller names no number, and at most.
const LIST_USUAL: usize = 50;
const LIST_MAX: usize = 1_000;
const ENDPOINT: &str = "/v1/inbox";
const ENDPOINT_ONE: &str = "/v1/inbox/{id}";
const JSON: &str = "application/json";

/// A text from a phone.
#[derive(Serialize)]
struct Received<'a> {
    id: String,
    from: &'a str,
    channel: &'a str,
    sent: Option<String>,
    received: String,
    parts: u8,
    missing: u8,
    complete: bool,
    /// Left out in listings: whoever looks for one text need not read them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

impl<'a> Received<'a> {
    fn whole(record: &'a InboxRecord) -> Self {
        Self { text: Some(record.body.expose_str().unwrap_or_default()), ..Self::listed(record) }
    }

    fn listed(record: &'a InboxRecord) -> Self {
        Self {
            id: record.id.to_string(),
            from: &record.from,
            channel: &record.channel.0,
            sent: record.sent.map(utc),
            received: utc(record.received),
            parts: record.parts,
            missing: record.missing,
            complete: record.missing == 0,
            text: None,
        }
    }
}

#[derive(Serialize)]
struct Listing<'a> {
    texts: Vec<Received<'a>>,
    /// `before` of the next page, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    uri: Uri,
) -> Response {
    let response = listed(&api, &caller, &uri).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT, response)
}

async fn listed(api: &Api, caller: &Caller, uri: &Uri) -> Result<Response, Problem> {
    if !caller.may(Role::Admin) {
        return Err(problem::FORBIDDEN);
    }
    let (before, most) = page(uri.query().unwrap_or_default())?;
    let records = api.parts.store.inbox(before, most).await.map_err(|e| Problem::from(&e))?;
    let texts: Vec<_> = records.iter().map(Received::listed).collect();
    let next = texts.last().filter(|_| texts.len() == most).map(|last| last.id.clone());
    Ok(json(StatusCode::OK, JSON, &Listing { texts, next }))
}

fn page(query: &str) -> Result<(Option<InboxId>, usize), Problem> {
    let (mut before, mut most) = (None, LIST_USUAL);
    for (name, value) in params::query(query) {
        let bad = || malformed(format!("{value:?} is no value of {name}"));
        match name {
            "before" => before = Some(value.parse().map_err(|_| bad())?),
            "limit" => {
                let asked = value.parse().ok().filter(|asked| (1..=LIST_MAX).contains(asked));
                most = asked.ok_or_else(bad)?;
            }
            _ => return Err(malformed(format!("{name:?} is unknown; known are limit, before"))),
        }
    }
    Ok((before, most))
}

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(id): Path<String>,
) -> Response {
    let response = shown(&api, &caller, &id).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT_ONE, response)
}

async fn shown(api: &Api, caller: &Caller, id: &str) -> Result<Response, Problem> {
    if !caller.may(Role::Admin) {
        return Err(problem::FORBIDDEN);
    }
    let id = id.parse().map_err(|_| problem::NO_TEXT)?;
    let record = api.parts.store.received(id).await.map_err(|e| Problem::from(&e))?;
    Ok(json(StatusCode::OK, JSON, &Received::whole(&record.ok_or(problem::NO_TEXT)?)))
}
