//! `/v1/modems`: what the supervisor sees, with what each SIM has spent of its budget; what was on the wire of one modem; its
//! talk with the network; and the operator's wishes to hold one back.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::caller::{Caller, Role};
use super::listen::Peer;
use super::problem::{Problem, malformed};
use super::records::utc;
use super::waiting::Spendings;
use super::{Api, problem, routes};
use crate::at::command::UssdCode;
use crate::modem::exchange::{Failure, NotSent};
use crate::modem::supervisor::{CommandError, Hold, LeftAlone, Modem};
use crate::modem::ussd::UssdFault;
use crate::provider::ChannelId;
use crate::route::budget::{Full, Standing, Windows, standings};
use crate::store::{Operations, StoreError};

const USSD: &str = "/v1/modems/{modem}/ussd";

/// A modem with what is known of its SIM besides.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    modem: &'a Modem,
    /// What people call the SIM.
    name: Option<&'a str>,
    /// What the SIM has spent of its limits, for people; null without limits.
    budget: Option<String>,
    /// Whether the SIM is left alone because messages failed there; null without a SIM.
    breaker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Listing<'a> {
    modems: Vec<Listed<'a>>,
    left_alone: &'a [LeftAlone],
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
) -> Response {
    let response = if caller.may(Role::Send) {
        listed(&api).await.unwrap_or_else(|error| Problem::from(&error).response())
    } else {
        problem::FORBIDDEN.response()
    };
    api.answered("/v1/modems", response)
}

async fn listed(api: &Api) -> Result<Response, StoreError> {
    let fleet = Arc::clone(&api.parts.fleet.borrow());
    let spent = Spendings::read(&api.parts.store).await?;
    let mut breakers = routes::breakers(api).await;
    let mut listing =
        Listing { modems: Vec::with_capacity(fleet.modems.len()), left_alone: &fleet.left_alone };
    for modem in &fleet.modems {
        let sim = modem.iccid.as_ref();
        let standings = sim.map(|sim| {
            let channel = ChannelId::of_sim(sim);
            standings(&api.parts.budgets.of(&channel.0), &spent.of(&channel), spent.now).collect::<Vec<_>>()
        });
        listing.modems.push(Listed {
            modem,
            name: sim.and_then(|sim| api.parts.sim_names.get(sim.as_str())).map(String::as_str),
            breaker: sim.and_then(|sim| breakers.remove(&*ChannelId::of_sim(sim).0)),
            budget: standings.filter(|all| !all.is_empty()).map(|all| note(&all, spent.now)),
        });
    }
    Ok(problem::json(StatusCode::OK, "application/json", &listing))
}

/// `minute 3 of 20, day 500 of 500: full until 2026-12-01T00:00:00.000Z`.
fn note(standings: &[Standing], now: Windows) -> String {
    let mut note = String::new();
    for standing in standings {
        let comma = if note.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(note, "{comma}{} {} of {}", word(standing.window), standing.spent, standing.limit);
    }
    if let Some(full) = standings.iter().rev().find(|standing| standing.left() == 0) {
        let what = if full.window == Full::Recipients { "no new recipient" } else { "full" };
        let _ = write!(note, ": {what} until {}", utc(full.window.until(now)));
    }
    note
}

/// The window as people and metrics call it.
pub(super) fn word(window: Full) -> &'static str {
    match window {
        Full::Minute => "minute",
        Full::Day => "day",
        Full::Month => "month",
        Full::Recipients => "recipients",
    }
}

pub(super) async fn pause(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(modem): Path<String>,
) -> Response {
    api.answered("/v1/modems/{modem}/pause", hold(&api, &caller, modem, Some(Hold::Paused)).await)
}

pub(super) async fn drain(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(modem): Path<String>,
) -> Response {
    api.answered("/v1/modems/{modem}/drain", hold(&api, &caller, modem, Some(Hold::Draining)).await)
}

pub(super) async fn resume(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(modem): Path<String>,
) -> Response {
    api.answered("/v1/modems/{modem}/resume", hold(&api, &caller, modem, None).await)
}

/// In force at once, and remembered for the next start; an error of the store says that it is not remembered.
async fn hold(api: &Api, caller: &Caller, modem: String, hold: Option<Hold>) -> Response {
    if !caller.may(Role::Admin) {
        return problem::FORBIDDEN.response();
    }
    let name = match (api.parts.hold)(modem, hold).await {
        Ok(name) => name,
        Err(error) => return refusal(&error).response(),
    };
    tracing::info!(
        modem = name,
        ?hold,
        caller = &*caller.name,
        "an operator holds a modem back or lets it go"
    );
    let finishing = hold.map(|hold| hold == Hold::Draining);
    match api.parts.store.hold(name.clone(), finishing).await {
        Ok(()) => problem::json(StatusCode::OK, "application/json", &json!({"modem": name, "hold": hold})),
        Err(error) => Problem::from(&error).response(),
    }
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
