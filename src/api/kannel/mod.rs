//! Kannel's `/cgi-bin/sendsms`: the parameters and answers that its clients know, in front of the same admission as
//! `/v1/messages`.
//!
//! On the socket the kernel says who asks, so a client needs no name and password; one that insists gives those of a `[[caller]]`
//! and sends as that caller. The sender is always the number of the SIM that carries the message: `from` only comes back in
//! delivery reports. All receivers are taken or none, since a client that repeats a request would double what was taken.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;

use super::caller::{Caller, Role};
use super::listen::Peer;
use super::live::InForce;
use super::messages::new_id;
use super::problem::Problem;
use super::{Api, BodyFault};
use crate::clock;
use crate::queue::admission::{self, Life, Refusal, Submission};
use crate::queue::budget::Behind;
use crate::queue::callback::is_allowed;
use crate::queue::message::{Lane, NewMessage};
use crate::store::{Operations, StoreError};

mod request;

use request::{Ask, Fields, Rejected};

const ENDPOINT: &str = "/cgi-bin/sendsms";
/// The messages that were made, in the order of the receivers; Kannel has no place for them in its answer.
const IDS: &str = "x-message-id";
/// As in `/v1/messages`, where it stands in the body.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const FORM: &str = "application/x-www-form-urlencoded";

/// An answer that takes nothing.
struct Refused {
    status: StatusCode,
    why: String,
}

fn refused(status: StatusCode, why: impl Into<String>) -> Refused {
    Refused { status, why: why.into() }
}

impl From<Rejected> for Refused {
    fn from(Rejected(why): Rejected) -> Self {
        refused(StatusCode::BAD_REQUEST, why)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        match problem.status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                refused(StatusCode::SERVICE_UNAVAILABLE, "Temporal failure, try again later.")
            }
            status if status.is_server_error() => refused(status, "Sending failed."),
            status => refused(status, format!("{}, rejected", problem.detail)),
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Problem::from(&error).into()
    }
}

pub(super) async fn send(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let response = match sent(&api, caller, request).await {
        Ok(response) => response,
        Err(Refused { status, why }) => text(status, why),
    };
    api.answered(ENDPOINT, response)
}

async fn sent(api: &Api, peer: Caller, request: Request) -> Result<Response, Refused> {
    let (head, body) = request.into_parts();
    let form = head.method == Method::POST;
    let body = super::body(Request::new(body), api.parts.max_body).await.map_err(|fault| match fault {
        BodyFault::TooLarge(_) => refused(StatusCode::PAYLOAD_TOO_LARGE, "Request too large, rejected"),
        BodyFault::Broken => refused(StatusCode::BAD_REQUEST, "Request ended early, rejected"),
    })?;
    if form && !body.is_empty() && !is_form(&head.headers) {
        return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported content-type, rejected"));
    }
    let query = head.uri.query().unwrap_or_default().as_bytes();
    let fields = Fields::read(query, if form { &body } else { b"" })?;
    let live = api.parts.live.now();
    let caller = authorised(&live, peer, &fields)
        .ok_or_else(|| refused(StatusCode::FORBIDDEN, "Authorization failed for sendsms"))?;
    let ask = Ask::read(&fields)?;
    if ask.callback.as_ref().is_some_and(|callback| !is_allowed(&callback.url, &live.dlr_allow)) {
        return Err(refused(StatusCode::FORBIDDEN, "DLR-URL is not allowed, rejected"));
    }
    let messages = admitted(&live, &caller, &ask, key(&head.headers)?)?;
    let accepted = api.parts.store.accept(messages).await?;
    let ids: Vec<String> = accepted.iter().map(|one| one.id().to_string()).collect();
    // As Kannel says it while its SMSC is not connected.
    let ready = api.parts.channels.borrow().iter().any(|channel| channel.ready);
    let mut response = text(
        StatusCode::ACCEPTED,
        if ready { "0: Accepted for delivery" } else { "3: Queued for later delivery" },
    );
    if let Ok(ids) = HeaderValue::from_str(&ids.join(" ")) {
        response.headers_mut().insert(IDS, ids);
    }
    Ok(response)
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or(FORM);
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(FORM)
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key =
        key.to_str().map_err(|_| refused(StatusCode::BAD_REQUEST, "Idempotency-Key misformed, rejected"));
    key.map(Some)
}

/// Whom the message comes from: a name that a `[[caller]]` has wants its password, any other says nothing beside the kernel's word.
fn authorised(live: &InForce, peer: Caller, fields: &Fields) -> Option<Caller> {
    let caller = match fields.login().and_then(|(user, password)| live.callers.by_password(user, password)) {
        Some(known) => known?,
        None => peer,
    };
    caller.may(Role::Send).then_some(caller)
}

/// A message for each receiver, or the first refusal.
fn admitted(
    live: &InForce,
    caller: &Caller,
    ask: &Ask,
    key: Option<&str>,
) -> Result<Vec<NewMessage>, Refused> {
    let now = clock::wall();
    let lane = ask.lane.unwrap_or(caller.lane);
    if lane == Lane::Login && !caller.may(Role::Trigger) {
        return Err(refused(StatusCode::FORBIDDEN, "The login lane is not for this caller, rejected"));
    }
    let text = ask.text.expose_str().unwrap_or_default();
    let mut messages = Vec::with_capacity(ask.to.len());
    for (place, to) in ask.to.iter().enumerate() {
        // Each receiver's message has a key of its own.
        let key = key.map(|key| if ask.to.len() == 1 { key.to_owned() } else { format!("{key} {to}") });
        let submission = Submission {
            to,
            text,
            lane,
            lifetime: ask.lifetime.map(Life::For),
            flash: ask.flash,
            report: true,
            caller: &caller.name,
            idempotency: key.as_deref(),
            behind: Behind::default(),
        };
        let message = admission::admit(&submission, &live.rules, now, new_id(now, place)?);
        let message = message.map_err(|refusal| denied(to, &refusal))?;
        messages.push(NewMessage { callback: ask.callback.clone(), ..message });
    }
    Ok(messages)
}

/// A refusal of admission, in Kannel's words where it has some; who asks for many learns which.
fn denied(to: &str, refusal: &Refusal) -> Refused {
    let why = match refusal {
        Refusal::Number(_) | Refusal::NotAllowed => {
            format!("Number(s) has/have been denied by white- and/or black-lists. {to}: {refusal}")
        }
        _ => format!("{refusal}, rejected"),
    };
    refused(StatusCode::BAD_REQUEST, why)
}

fn text(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
