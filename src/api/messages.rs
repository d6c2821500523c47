//! `/v1/messages`: submit one or many, look, list, take back.
//!
//! The hot path of the daemon: the body is read once, borrowed from, admitted and handed to the store; the answer is 202 when
//! the rows are durable.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Path, Request, State as Shared};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Role};
use super::listen::Peer;
use super::problem::{self, Problem, Refused, json, malformed};
use super::records::{Message, utc};
use super::{Api, BATCH_FACTOR, params, waiting};
use crate::clock;
use crate::number::Number;
use crate::pdu::{self, Forecast};
use crate::queue::admission::{self, Life, Refusal, Rules, Submission};
use crate::queue::again::NotAgain;
use crate::queue::budget::Behind;
use crate::queue::message::{Lane, MessageId, NewMessage, State};
use crate::store::{Accepted, Filter, MessageRecord, Operations, Retried, Retry, StoreError, Withdrawn};
use crate::units::UnixMs;

/// Messages in one batch: a commit of a thousand rows takes a few milliseconds, during which nobody else is served.
const BATCH_MAX: usize = 1_000;
/// Messages listed when the caller names no number, and at most.
const LIST_USUAL: usize = 50;
const LIST_MAX: usize = 1_000;
const ENDPOINT: &str = "/v1/messages";
const ENDPOINT_ONE: &str = "/v1/messages/{id}";
const ENDPOINT_RETRY: &str = "/v1/messages/{id}/retry";
pub(super) const JSON: &str = "application/json";

/// A message as it is asked for. Unknown keys are refused: a misspelt `lifetime` must not become the default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask<'a> {
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
    /// Bulk where none is named.
    #[serde(borrow, default)]
    lane: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    lifetime: Option<Lifetime<'a>>,
    /// RFC 3339; instead of `lifetime`.
    #[serde(borrow, default)]
    deadline: Option<Cow<'a, str>>,
    #[serde(default)]
    flash: bool,
    #[serde(default = "yes")]
    report: bool,
    #[serde(borrow, default)]
    idempotency_key: Option<Cow<'a, str>>,
    /// Only tell what would become of it.
    #[serde(default)]
    dry_run: bool,
}

/// Seconds, or a text such as `5m`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "lifetime must be whole seconds or a text such as \"5m\"")]
enum Lifetime<'a> {
    Seconds(u64),
    Text(#[serde(borrow)] Cow<'a, str>),
}

fn yes() -> bool {
    true
}

/// What became of one submitted message.
#[derive(Debug, Serialize)]
struct Taken {
    id: MessageId,
    state: State,
    /// The idempotency key was seen before; this is the message it named.
    duplicate: bool,
}

/// What would become of a message: all that admission decides, and nothing that only the store knows (whether its
/// idempotency key was seen before).
#[derive(Serialize)]
struct Foreseen<'a> {
    dry_run: bool,
    lane: Lane,
    to: &'a str,
    deadline: String,
    #[serde(flatten)]
    forecast: Forecast,
}

#[derive(Serialize)]
struct Batch<T> {
    messages: Vec<T>,
}

pub(super) async fn submit(
    Shared(api): Shared<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let response = submitted(&api, &caller, request).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT, response)
}

async fn submitted(api: &Api, caller: &Caller, request: Request) -> Result<Response, Problem> {
    if !caller.may(Role::Send) {
        return Err(problem::FORBIDDEN);
    }
    let limit = api.parts.max_body.saturating_mul(BATCH_FACTOR);
    let body = super::body(request, limit).await.map_err(Problem::from)?;
    let many = body.trim_ascii_start().starts_with(b"[");
    let asks: Vec<Ask<'_>> = if many {
        serde_json::from_slice(&body).map_err(|e| malformed(e.to_string()))?
    } else {
        vec![serde_json::from_slice(&body).map_err(|e| malformed(e.to_string()))?]
    };
    if asks.is_empty() {
        return Err(malformed("the batch is empty".to_owned()));
    }
    if asks.len() > BATCH_MAX {
        let fault = format!("the batch has {} messages, {BATCH_MAX} are allowed", asks.len());
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many", fault));
    }
    if asks.iter().any(|ask| ask.lane.as_deref() == Some(Lane::Login.as_str())) && !caller.may(Role::Trigger)
    {
        return Err(problem::LANE_FORBIDDEN);
    }
    let dry = asks.iter().filter(|ask| ask.dry_run).count();
    if dry != 0 && dry != asks.len() {
        return Err(malformed("a batch is a dry run as a whole or not at all".to_owned()));
    }
    let live = api.parts.live.now();
    let messages = admitted(&live.rules, caller, &asks, many)?;
    if dry != 0 {
        let foreseen: Result<Vec<_>, _> =
            asks.iter().zip(&messages).map(|(ask, message)| foreseen(ask, message, &live.rules)).collect();
        return answer(StatusCode::OK, foreseen?, many);
    }
    let accepted = api.parts.store.accept(messages).await.map_err(|error| not_accepted(&error, many))?;
    let mut taken = Vec::with_capacity(accepted.len());
    for one in accepted {
        taken.push(told(api, one).await?);
    }
    answer(StatusCode::ACCEPTED, taken, many)
}

/// Why nothing was accepted; of a batch, each message whose key was given for another before with its place.
fn not_accepted(error: &StoreError, many: bool) -> Problem {
    let problem = Problem::from(error);
    let StoreError::Conflict(places) = error else { return problem };
    let refused = |&index| {
        let detail = Cow::Borrowed("its idempotency key was given for another message before");
        Refused { index, code: problem.code, detail }
    };
    let refused = if many { places.iter().map(refused).collect() } else { Vec::new() };
    problem.with(refused)
}

/// The admitted message in figures; the plan is made as it is made for sending.
fn foreseen<'a>(ask: &Ask<'_>, message: &'a NewMessage, rules: &Rules) -> Result<Foreseen<'a>, Problem> {
    let plan = pdu::plan_with(&ask.text, &rules.texts).map_err(|error| malformed(error.to_string()))?;
    Ok(Foreseen {
        dry_run: true,
        lane: message.lane,
        to: message.to.as_str(),
        deadline: utc(message.deadline),
        forecast: Forecast::new(&ask.text, &plan),
    })
}

/// As it was asked: a batch for a batch, one for one.
fn answer(status: StatusCode, mut messages: Vec<impl Serialize>, many: bool) -> Result<Response, Problem> {
    if many {
        return Ok(json(status, JSON, &Batch { messages }));
    }
    match messages.pop() {
        Some(one) => Ok(json(status, JSON, &one)),
        None => Err(Problem::from(&StoreError::Closed)),
    }
}

/// All of them, or each refusal with its place.
fn admitted(
    rules: &Rules,
    caller: &Caller,
    asks: &[Ask<'_>],
    many: bool,
) -> Result<Vec<NewMessage>, Problem> {
    let now = clock::wall();
    let mut messages = Vec::with_capacity(asks.len());
    let mut refused = Vec::new();
    for (index, ask) in asks.iter().enumerate() {
        match admit(rules, caller, ask, now, index) {
            Ok(message) => messages.push(message),
            Err(problem) if many => {
                refused.push(Refused { index, code: problem.code, detail: problem.detail });
            }
            Err(problem) => return Err(problem),
        }
    }
    if refused.is_empty() {
        return Ok(messages);
    }
    let detail = format!("{} of {} messages are refused, so none was taken", refused.len(), asks.len());
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Err(Problem::new(status, "batch-refused", detail).with(refused))
}

fn admit(
    rules: &Rules,
    caller: &Caller,
    ask: &Ask<'_>,
    now: UnixMs,
    place: usize,
) -> Result<NewMessage, Problem> {
    let submission = Submission {
        to: &ask.to,
        text: &ask.text,
        lane: ask.lane.as_deref().map_or(Ok(Lane::Bulk), lane)?,
        lifetime: life(ask)?,
        flash: ask.flash,
        report: ask.report,
        caller: &caller.name,
        idempotency: ask.idempotency_key.as_deref(),
        behind: Behind::default(),
    };
    admission::admit(&submission, rules, now, new_id(now, place)?)
        .map_err(|refusal: Refusal| Problem::from(&refusal))
}

/// The id of a message that is being accepted, at this place of its batch.
pub(super) fn new_id(now: UnixMs, place: usize) -> Result<MessageId, Problem> {
    let place = u16::try_from(place).unwrap_or(u16::MAX);
    let random = clock::entropy().map_err(|error| {
        tracing::error!(%error, "no message id could be made");
        let detail = error.to_string();
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no-entropy", detail)
    })?;
    Ok(MessageId::new(now, place, random))
}

/// A lane by its word.
pub(super) fn lane(word: &str) -> Result<Lane, Problem> {
    let found = Lane::ALL.into_iter().find(|lane| lane.as_str() == word);
    found.ok_or_else(|| {
        let detail = format!("{word:?} is no lane; they are {}", Lane::ALL.map(Lane::as_str).join(", "));
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "lane-unknown", detail)
    })
}

/// How long it may wait, if its sender says so, by a lifetime or a deadline.
fn life(ask: &Ask<'_>) -> Result<Option<Life>, Problem> {
    let invalid =
        |detail: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "deadline-invalid", detail.to_owned());
    let Some(text) = &ask.deadline else {
        return Ok(ask.lifetime.as_ref().map(lifetime).transpose()?.map(Life::For));
    };
    if ask.lifetime.is_some() {
        return Err(invalid("name either a lifetime or a deadline"));
    }
    let deadline: Timestamp = text
        .parse()
        .map_err(|_| invalid("the deadline must be a time such as \"2026-11-24T15:04:05Z\" (RFC 3339)"))?;
    Ok(Some(Life::Until(UnixMs(deadline.as_millisecond()))))
}

fn lifetime(asked: &Lifetime<'_>) -> Result<Duration, Problem> {
    let text = match asked {
        Lifetime::Seconds(seconds) => return Ok(Duration::from_secs(*seconds)),
        Lifetime::Text(text) => text,
    };
    let parsed: Option<SignedDuration> = text.parse().ok();
    parsed.and_then(|signed| Duration::try_from(signed).ok()).ok_or_else(|| {
        let detail = "the lifetime must be whole seconds or a text such as \"5m\"".to_owned();
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "lifetime-invalid", detail)
    })
}

/// A message that was there before is told with the state it has now.
async fn told(api: &Api, accepted: Accepted) -> Result<Taken, Problem> {
    let id = accepted.id();
    let Accepted::Before(_) = accepted else {
        return Ok(Taken { id, state: State::Queued, duplicate: false });
    };
    let record = api.parts.store.message(id).await.map_err(|e| Problem::from(&e))?;
    Ok(Taken { id, state: record.map_or(State::Queued, |record| record.state), duplicate: true })
}

pub(super) async fn show(
    Shared(api): Shared<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(id): Path<String>,
) -> Response {
    let response = shown(&api, &caller, &id).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT_ONE, response)
}

async fn shown(api: &Api, caller: &Caller, id: &str) -> Result<Response, Problem> {
    let record = found(api, caller, id).await?;
    let waits = waiting::cause(api, &record).await.map_err(|e| Problem::from(&e))?;
    Ok(json(StatusCode::OK, JSON, &Message::whole(&record, waits, clock::wall())))
}

/// The message, if this caller may see it.
pub(super) async fn found(api: &Api, caller: &Caller, id: &str) -> Result<MessageRecord, Problem> {
    let id = own_id(caller, id)?;
    let found = api.parts.store.message(id).await.map_err(|e| Problem::from(&e))?;
    found
        .filter(|record| caller.may(Role::Admin) || *record.caller == *caller.name)
        .ok_or(problem::NO_MESSAGE)
}

pub(super) async fn withdraw(
    Shared(api): Shared<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(id): Path<String>,
) -> Response {
    let response = withdrawn(&api, &caller, &id).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT_ONE, response)
}

async fn withdrawn(api: &Api, caller: &Caller, id: &str) -> Result<Response, Problem> {
    let id = own_id(caller, id)?;
    let only = whose(caller);
    let came = api.parts.store.withdraw(id, only, clock::wall()).await;
    match came.map_err(|e| Problem::from(&e))? {
        Withdrawn::Done => {
            Ok(json(StatusCode::OK, JSON, &Taken { id, state: State::Withdrawn, duplicate: false }))
        }
        Withdrawn::TooLate(state) => {
            let detail = format!("the message is {state}: it cannot be taken back");
            Err(Problem::new(StatusCode::CONFLICT, "too-late", detail))
        }
        Withdrawn::Unknown => Err(problem::NO_MESSAGE),
    }
}

/// How a message shall be tried again.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskAgain<'a> {
    #[serde(borrow, default)]
    lifetime: Option<Lifetime<'a>>,
    /// A second copy is taken into account.
    #[serde(default)]
    force: bool,
}

pub(super) async fn retry(
    Shared(api): Shared<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let response = retried(&api, &caller, &id, request).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT_RETRY, response)
}

async fn retried(api: &Api, caller: &Caller, id: &str, request: Request) -> Result<Response, Problem> {
    let id = own_id(caller, id)?;
    let body = super::body(request, api.parts.max_body).await.map_err(Problem::from)?;
    let asked: Option<AskAgain<'_>> = match body.trim_ascii() {
        [] => None,
        body => serde_json::from_slice(body).map_err(|e| malformed(e.to_string()))?,
    };
    let asked = asked.unwrap_or_default();
    let store = &api.parts.store;
    let Some(record) = store.message(id).await.map_err(|e| Problem::from(&e))? else {
        return Err(problem::NO_MESSAGE);
    };
    let lifetime = asked.lifetime.as_ref().map(lifetime).transpose()?;
    let lifetime = api.parts.live.now().rules.lifetime(record.lane, lifetime);
    let lifetime = lifetime.map_err(|refusal| Problem::from(&refusal))?;
    let retry = Retry { id, caller: whose(caller), lifetime, force: asked.force, now: clock::wall() };
    match store.retry(retry).await.map_err(|e| Problem::from(&e))? {
        Retried::Queued { deadline } => {
            tracing::info!(message = %id, caller = %caller.name, force = asked.force, "retried");
            let body = serde_json::json!({"id": id, "state": State::Queued, "deadline": utc(deadline)});
            Ok(json(StatusCode::ACCEPTED, JSON, &body))
        }
        Retried::Refused(why) => Err(not_again(why)),
        Retried::Unknown => Err(problem::NO_MESSAGE),
    }
}

fn not_again(why: NotAgain) -> Problem {
    let (code, detail) = match why {
        NotAgain::State(state) => (
            "not-at-rest",
            format!("the message is {state}: what failed, expired or is uncertain may be retried"),
        ),
        NotAgain::Doubt => (
            "may-double",
            "the message may have left: with force it goes again, perhaps as a second copy".to_owned(),
        ),
        NotAgain::Ended => ("challenge-ended", "the challenge is over: its code is worth nothing".to_owned()),
        NotAgain::Nothing => (
            "nothing-open",
            "every segment was submitted or is in doubt; with force those in doubt go again".to_owned(),
        ),
        NotAgain::Erased => ("text-erased", "the text was erased when the message came to rest".to_owned()),
    };
    Problem::new(StatusCode::CONFLICT, code, detail)
}

#[derive(Serialize)]
struct Listing<'a> {
    messages: Vec<Message<'a>>,
    /// `before` of the next page, if there may be one. A page ends after a bounded search, so there may be one after an empty page.
    next: Option<MessageId>,
}

pub(super) async fn list(
    Shared(api): Shared<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    uri: Uri,
) -> Response {
    let response = listed(&api, &caller, &uri).await.unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT, response)
}

async fn listed(api: &Api, caller: &Caller, uri: &Uri) -> Result<Response, Problem> {
    if !caller.may(Role::Send) {
        return Err(problem::FORBIDDEN);
    }
    let country = api.parts.live.now().rules.default_country.clone();
    let filter = filter(caller, uri.query().unwrap_or_default(), country.as_deref())?;
    let page = api.parts.store.messages(filter).await.map_err(|e| Problem::from(&e))?;
    let messages = page.records.iter().map(Message::listed).collect();
    Ok(json(StatusCode::OK, JSON, &Listing { messages, next: page.next }))
}

fn filter(caller: &Caller, query: &str, country: Option<&str>) -> Result<Filter, Problem> {
    let mut filter = Filter { caller: whose(caller), most: LIST_USUAL, ..Filter::default() };
    for (name, value) in params::query(query) {
        let bad = || malformed(format!("{value:?} is no value of {name}"));
        match name {
            "state" => {
                let state = State::ALL.into_iter().find(|state| state.as_str() == value);
                filter.state = Some(state.ok_or_else(bad)?);
            }
            "lane" => filter.lane = Some(lane(&value)?),
            "to" => {
                let number = Number::parse(&value, country);
                filter.to = Some(number.map_err(|error| Problem::from(&Refusal::Number(error)))?);
            }
            // Others see their own only, whoever they name.
            "caller" if caller.may(Role::Admin) => filter.caller = Some(value),
            "limit" => {
                let most = value.parse().ok().filter(|most| (1..=LIST_MAX).contains(most));
                filter.most = most.ok_or_else(bad)?;
            }
            "before" => filter.before = Some(value.parse().map_err(|_| bad())?),
            _ => {
                let known = "state, lane, to, limit, before, and caller for admins";
                return Err(malformed(format!("{name:?} is unknown; known are {known}")));
            }
        }
    }
    Ok(filter)
}

/// Whose messages this caller sees: an admin everybody's, others their own.
fn whose(caller: &Caller) -> Option<String> {
    (!caller.may(Role::Admin)).then(|| caller.name.to_string())
}

fn own_id(caller: &Caller, id: &str) -> Result<MessageId, Problem> {
    if !caller.may(Role::Send) {
        return Err(problem::FORBIDDEN);
    }
    id.parse().map_err(|_| problem::NO_MESSAGE)
}
