//! `GET /v1/messages/{id}/events`: all that happened to one message, oldest first.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::Api;
use super::caller::Caller;
use super::listen::Peer;
use super::messages::{JSON, found};
use super::problem::{Problem, json};
use super::records::Event;
use crate::queue::message::MessageId;

const ENDPOINT: &str = "/v1/messages/{id}/events";

#[derive(Serialize)]
struct Events<'a> {
    id: MessageId,
    events: Vec<Event<'a>>,
}

pub(super) async fn events(
    Shared(api): Shared<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(id): Path<String>,
) -> Response {
    let response = told(&api, &caller, &id).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT, response)
}

async fn told(api: &Api, caller: &Caller, id: &str) -> Result<Response, Problem> {
    let record = found(api, caller, id).await?;
    let events = record.life.iter().map(Event::from).collect();
    Ok(json(StatusCode::OK, JSON, &Events { id: record.id, events }))
}
