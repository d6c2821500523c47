//! `/v1/store`: the keys of the store, for admins only.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::caller::{Caller, Role};
use super::listen::Peer;
use super::problem::{self, Problem, json, malformed};
use super::records::utc;
use super::{Api, body};
use crate::store::engine::KeyRecord;
use crate::store::seal::Keyring;

const ENDPOINT: &str = "/v1/store";
const ENDPOINT_REKEY: &str = "/v1/store/rekey";
const JSON: &str = "application/json";

/// A key without which the store does not open.
#[derive(Serialize)]
struct Key {
    id: String,
    active: bool,
    /// Since when nothing is sealed with it any more.
    replaced: Option<String>,
}

#[derive(Serialize)]
struct Keys {
    keys: Vec<Key>,
    /// Values are moving to the active key.
    moving: bool,
}

impl From<Vec<KeyRecord>> for Keys {
    fn from(keys: Vec<KeyRecord>) -> Self {
        let moving = keys.iter().any(|key| !key.active && key.replaced.is_none());
        let keys = keys.into_iter().map(|key| Key {
            id: key.id.to_string(),
            active: key.active,
            replaced: key.replaced.map(utc),
        });
        Self { keys: keys.collect(), moving }
    }
}

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
) -> Response {
    let response = shown(&api, &caller).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT, response)
}

async fn shown(api: &Api, caller: &Caller) -> Result<Response, Problem> {
    if !caller.may(Role::Admin) {
        return Err(problem::FORBIDDEN);
    }
    let keys = api.parts.store.keys().await.map_err(|e| Problem::from(&e))?;
    Ok(json(StatusCode::OK, JSON, &Keys::from(keys)))
}

/// The lines of the key file, as it is already written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    keys: String,
}

pub(super) async fn rekey(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let response = rekeyed(&api, &caller, request).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT_REKEY, response)
}

/// Answers when the new key seals; what older ones sealed moves to it afterwards.
async fn rekeyed(api: &Api, caller: &Caller, request: Request) -> Result<Response, Problem> {
    if !caller.may(Role::Admin) {
        return Err(problem::FORBIDDEN);
    }
    let body = body(request, api.parts.max_body).await.map_err(Problem::from)?;
    // What serde says of a fault may hold a piece of the keys.
    let unread = || malformed("write {\"keys\": \"...\"} with the lines of a key file".to_owned());
    let asked: Asked = serde_json::from_slice(&body).map_err(|_| unread())?;
    let lines = Zeroizing::new(asked.keys);
    let ring = Keyring::from_lines(lines.as_bytes()).ok_or_else(unread)?;
    let id = ring.active_id();
    api.parts.store.rekey(ring).await.map_err(|e| Problem::from(&e))?;
    tracing::warn!(key = %id, caller = &*caller.name, "another key seals from now on");
    let store = api.parts.store.clone();
    // It outlives the request; a stop ends it, and the next start goes on with it.
    tokio::spawn(async move {
        if let Err(error) = store.reseal().await {
            tracing::error!(%error, "values did not move to the new key; the next start goes on with it");
        }
    });
    let keys = api.parts.store.keys().await.map_err(|e| Problem::from(&e))?;
    Ok(json(StatusCode::ACCEPTED, JSON, &Keys::from(keys)))
}
