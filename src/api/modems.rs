//! `/v1/modems`: what the supervisor sees, as it sees it; what was on the wire of one modem; its talk with the network.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::caller::{Caller, Role};
use super::listen::Peer;
use super::problem::{Problem, malformed};
use super::{Api, problem};
use crate::at::command::UssdCode;
use crate::modem::exchange::{Failure, NotSent};
use crate::modem::supervisor::CommandError;
use crate::modem::ussd::UssdFault;

const USSD: &str = "/v1/modems/{modem}/ussd";

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

/// The SIM that is in the modem belongs there: its PIN may be tried.
pub(super) async fn confirm_sim(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(modem): Path<String>,
) -> Response {
    let response = if !caller.may(Role::Admin) {
        problem::FORBIDDEN.response()
    } else {
        match (api.parts.confirm_sim)(modem.clone()).await {
            Ok(()) => {
                tracing::info!(modem, by = %caller.name, "the SIM in the modem was confirmed");
                problem::json(StatusCode::OK, "application/json", &json!({"modem": modem, "confirmed": true}))
            }
            Err(error) => refusal(&error).response(),
        }
    };
    api.answered("/v1/modems/{modem}/confirm-sim", response)
}

/// One step of a USSD dialogue.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    code: String,
}

/// Takes a step of a USSD dialogue; the answer comes with the network's words. For an administrator: codes cost money.
pub(super) async fn ussd(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(modem): Path<String>,
    request: Request,
) -> Response {
    let response = asked(&api, &caller, modem, request).await.unwrap_or_else(|problem| problem.response());
    api.answered(USSD, response)
}

async fn asked(api: &Api, caller: &Caller, modem: String, request: Request) -> Result<Response, Problem> {
    if !caller.may(Role::Admin) {
        return Err(problem::FORBIDDEN);
    }
    let body = super::body(request, api.parts.max_body).await.map_err(Problem::from)?;
    let step: Step = serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))?;
    let code = UssdCode::new(&step.code).ok_or_else(|| {
        let told = "a USSD code has 1 to 182 digits, '*' and '#', and no letters; write it as the operator does, such as *100#".to_owned();
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "code-invalid", told)
    })?;
    tracing::info!(modem, by = &*caller.name, "asking the network");
    let answer = (api.parts.ussd)(modem.clone(), Some(code)).await.map_err(|error| refusal(&error))?;
    let told = answer
        .map(|answer| json!({"modem": modem, "text": answer.text, "raw": answer.raw, "more": answer.more}));
    Ok(problem::json(StatusCode::OK, "application/json", &told))
}

/// Ends the USSD dialogue.
pub(super) async fn ussd_cancel(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(modem): Path<String>,
) -> Response {
    let response = if !caller.may(Role::Admin) {
        problem::FORBIDDEN.response()
    } else {
        match (api.parts.ussd)(modem.clone(), None).await {
            Ok(_) => {
                problem::json(StatusCode::OK, "application/json", &json!({"modem": modem, "more": false}))
            }
            Err(error) => refusal(&error).response(),
        }
    };
    api.answered(USSD, response)
}

fn refusal(error: &CommandError) -> Problem {
    let (status, code) = match error {
        CommandError::NoSuchModem(_) => (StatusCode::NOT_FOUND, "no-such-modem"),
        CommandError::NotInService(_) => (StatusCode::CONFLICT, "not-in-service"),
        CommandError::Failed(Failure::Ussd(fault)) => match fault {
            UssdFault::NotAsked(NotSent::Busy) => (StatusCode::CONFLICT, "modem-busy"),
            UssdFault::NotAsked(_) => (StatusCode::CONFLICT, "not-ready"),
            UssdFault::NoDialogue => (StatusCode::CONFLICT, "no-dialogue"),
            UssdFault::NoAnswer | UssdFault::NetworkTimeout => (StatusCode::GATEWAY_TIMEOUT, "no-answer"),
            _ => (StatusCode::BAD_GATEWAY, "ussd-failed"),
        },
        CommandError::NoCard(_) => (StatusCode::CONFLICT, "no-sim-known"),
        CommandError::Memory(_) => (StatusCode::INTERNAL_SERVER_ERROR, "not-noted"),
        CommandError::Failed(_) => (StatusCode::BAD_GATEWAY, "modem-failed"),
        CommandError::Closing => (StatusCode::SERVICE_UNAVAILABLE, "closing"),
    };
    Problem::new(status, code, error.to_string())
}
