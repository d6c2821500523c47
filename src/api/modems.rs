//! `/v1/modems`: what the supervisor sees, as it sees it, and what was on the wire of one modem.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::caller::Role;
use super::listen::Peer;
use super::problem::Problem;
use super::{Api, problem};
use crate::modem::supervisor::CommandError;

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

/// The last lines on the wire, masked; for an administrator, as they name cards and subscribers by half.
pub(super) async fn trace(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(modem): Path<String>,
) -> Response {
    let response = if !caller.may(Role::Admin) {
        problem::FORBIDDEN.response()
    } else {
        match (api.parts.trace)(&modem) {
            Ok(trace) => {
                let told = json!({"modem": modem, "lines": trace.lines()});
                problem::json(StatusCode::OK, "application/json", &told)
            }
            Err(error) => refusal(&error).response(),
        }
    };
    api.answered("/v1/modems/{modem}/trace", response)
}

fn refusal(error: &CommandError) -> Problem {
    let (status, code) = match error {
        CommandError::NoSuchModem(_) => (StatusCode::NOT_FOUND, "no-such-modem"),
        CommandError::NotInService(_) => (StatusCode::CONFLICT, "not-in-service"),
        CommandError::Failed(_) => (StatusCode::BAD_GATEWAY, "modem-failed"),
        CommandError::Closing => (StatusCode::SERVICE_UNAVAILABLE, "closing"),
    };
    Problem::new(status, code, error.to_string())
}
