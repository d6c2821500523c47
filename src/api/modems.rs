//! `/v1/modems`: what the supervisor sees, as it sees it.

use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::caller::Role;
use super::listen::Peer;
use super::{Api, problem};

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
) -> Response {
    let response = if caller.may(Role::Send) {
        let fleet = Arc::clone(&api.parts.fleet.borrow());
        problem::json(StatusCode::OK, "application/json", &*fleet)
    } else {
        problem::FORBIDDEN.response()
    };
    api.answered("/v1/modems", response)
}
