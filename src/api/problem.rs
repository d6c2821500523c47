//! Our own errors: `application/problem+json` (RFC 9457) with a `code` that stays the same while texts may change.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use super::BodyFault;
use crate::clock;
use crate::number::NumberError;
use crate::queue::admission::Refusal;
use crate::queue::budget::Over;
use crate::store::StoreError;

/// One error.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: Cow<'static, str>,
    /// What is wrong at which place of a batch.
    errors: Vec<Refused>,
    /// Whole seconds after which it is worth asking again.
    retry_after: Option<u64>,
}

/// No such path.
pub(super) const NOT_FOUND: Problem = fixed(StatusCode::NOT_FOUND, "not-found", "there is no such path");
/// The path exists, the method does not.
pub(super) const WRONG_METHOD: Problem =
    fixed(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "this path has no such method");
/// The role is not enough.
pub(super) const FORBIDDEN: Problem = fixed(
    StatusCode::FORBIDDEN,
    "forbidden",
    "your role may not do this; see [[caller]] in the configuration",
);
/// Login messages are for the daemon itself and for those who may trigger.
pub(super) const LANE_FORBIDDEN: Problem =
    fixed(StatusCode::FORBIDDEN, "lane-forbidden", "the login lane is for the roles trigger and admin");
/// No such message, or another caller's.
pub(super) const NO_MESSAGE: Problem =
    fixed(StatusCode::NOT_FOUND, "no-such-message", "there is no such message of yours");

/// No such received text.
pub(super) const NO_TEXT: Problem =
    fixed(StatusCode::NOT_FOUND, "no-such-text", "there is no such received text");
/// No such alarm, or it was cleared before.
pub(super) const NO_ALARM: Problem =
    fixed(StatusCode::NOT_FOUND, "no-such-alarm", "there is no such open alarm");

const fn fixed(status: StatusCode, code: &'static str, detail: &'static str) -> Problem {
    Problem { status, code, detail: Cow::Borrowed(detail), errors: Vec::new(), retry_after: None }
}

/// One element of a batch that was refused.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    pub(super) index: usize,
    pub(super) code: &'static str,
    pub(super) detail: Cow<'static, str>,
}

#[derive(Serialize)]
struct Wire<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[Refused]>::is_empty")]
    errors: &'a [Refused],
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: String) -> Self {
        Self { status, code, detail: Cow::Owned(detail), errors: Vec::new(), retry_after: None }
    }

    /// The same, with what is wrong at which place of a batch.
    pub(super) fn with(self, errors: Vec<Refused>) -> Self {
        Self { errors, ..self }
    }

    /// The same, with the time after which it is worth asking again; whole seconds, rounded up, lest somebody comes too early.
    fn after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after: Some(seconds), ..self }
    }

    /// Too many messages were asked for.
    fn over_budget(over: &Over) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, OVER_BUDGET, over.to_string());
        Self { retry_after: over.seconds(clock::wall()), ..problem }
    }

    pub(super) fn response(&self) -> Response {
        let wire = Wire {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            errors: &self.errors,
        };
        let mut response = json(self.status, "application/problem+json", &wire);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A JSON answer. What we serialise is ours and always can be.
pub(super) fn json(status: StatusCode, kind: &'static str, value: &impl Serialize) -> Response {
    let mut response = Response::new(Body::from(serde_json::to_vec(value).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn malformed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
}

impl From<BodyFault> for Problem {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge(limit) => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                format!("the request has more than {limit} octets"),
            ),
            BodyFault::Broken => malformed("the request ended early".to_owned()),
        }
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        let (status, code) = match error {
            StoreError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-busy"),
            StoreError::Unwritable(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-unwritable"),
            StoreError::Closed => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            StoreError::Conflict(_) => (StatusCode::CONFLICT, "idempotency-conflict"),
            StoreError::Exists(_) => (StatusCode::CONFLICT, "exists"),
            // No failure but an answer: it is told in the metrics, not for every message of a flood in the log.
            StoreError::Full(full) => {
                let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "queue-full", error.to_string());
                return problem.after(full.again);
            }
            StoreError::Damaged(_) => (StatusCode::INTERNAL_SERVER_ERROR, "store-damaged"),
            StoreError::OverBudget(over) => return Self::over_budget(over),
            StoreError::Engine(_) | StoreError::Sealed(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "store-failed")
            }
        };
        if status.is_server_error() {
            tracing::error!(%error, "a request failed in the store");
        }
        Self::new(status, code, error.to_string())
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::OverBudget(over) => Self::over_budget(over),
            _ => Self::new(StatusCode::UNPROCESSABLE_ENTITY, refusal_code(refusal), refusal.to_string()),
        }
    }
}

/// The code of what a budget refuses.
const OVER_BUDGET: &str = "over-budget";

/// The stable code of a refusal.
fn refusal_code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Number(NumberError::National) => "number-national",
        Refusal::Number(_) => "number-invalid",
        Refusal::NotAllowed => "number-not-allowed",
        Refusal::EmptyText => "text-empty",
        Refusal::TooManySegments { .. } => "text-too-long",
        Refusal::Unencodable(_) => "text-unencodable",
        Refusal::Lifetime(_) => "lifetime-invalid",
        Refusal::DeadlinePast => "deadline-past",
        Refusal::IdempotencyKey(_) => "idempotency-key-invalid",
        Refusal::OverBudget(_) => OVER_BUDGET,
    }
}
