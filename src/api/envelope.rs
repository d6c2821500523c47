//! privacyIDEA's envelope: one JSON object around every answer and every error.
//!
//! Keys, types, statuses and error codes are theirs, for clients read them; the signature is left out, as it is there when
//! signing is switched off. Malformed bodies and missing passwords, which are an HTML page and a 500 there, are errors of the
//! envelope here.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{BodyFault, problem};
use crate::clock;
use crate::store::StoreError;

/// What clients look at to learn which fields they may expect: the release whose shapes these are.
const VERSION_NUMBER: &str = "3.14";
const VERSION: &str = "privacyIDEA 3.14";
/// Added to every detail there; no client looks at it.
const THREAD: u64 = 1;
/// Their `id` of answers to `/validate/*`.
pub(super) const ID_VALIDATE: u8 = 2;
/// Their `id` of everything else, and of every error.
pub(super) const ID_OTHER: u8 = 1;

/// What every answer to a request carries along.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    /// Echoed if it was given.
    pub(super) nonce: Option<String>,
    /// The request was a `GET`, which they answer with another cache rule.
    pub(super) get: bool,
}

/// An error in the envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) code: i32,
    pub(super) message: String,
}

impl Failure {
    /// 905: a parameter is missing or wrong.
    pub(super) fn parameter(text: impl AsRef<str>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: 905, message: format!("ERR905: {}", text.as_ref()) }
    }

    /// 905 for a parameter that is not there.
    pub(super) fn missing(name: &str) -> Self {
        Self::parameter(format!("Missing parameter: {name}"))
    }

    /// 904: the user is not known.
    pub(super) fn user(text: impl AsRef<str>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: 904, message: format!("ERR904: {}", text.as_ref()) }
    }

    /// 601: the token is not known.
    pub(super) fn no_token() -> Self {
        let message = "The requested token could not be found.".to_owned();
        Self { status: StatusCode::NOT_FOUND, code: 601, message }
    }

    /// 303: the caller may not do this.
    pub(super) fn policy() -> Self {
        let message = "Your role may not do this; see [[caller]] in the configuration.".to_owned();
        Self { status: StatusCode::FORBIDDEN, code: 303, message }
    }

    /// -500 without a cause, which goes to the log alone.
    pub(super) fn internal() -> Self {
        let message = "500 Internal Server Error: The request could not be completed.".to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: -500, message }
    }

    fn unavailable() -> Self {
        let message = "503 Service Unavailable: Nothing was stored; try again later.".to_owned();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code: -500, message }
    }
}

impl From<BodyFault> for Failure {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge(limit) => Self {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                ..Self::parameter(format!("The request has more than {limit} octets."))
            },
            BodyFault::Broken => Self::parameter("The request ended early."),
        }
    }
}

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        tracing::error!(%error, "a request failed in the store");
        match error {
            StoreError::Busy(_) | StoreError::Unwritable(_) | StoreError::Closed | StoreError::Full(_) => {
                Self::unavailable()
            }
            // What validation asks for is answered there; nothing else here is counted.
            StoreError::OverBudget(_) => Self::unavailable(),
            StoreError::Exists(what) => Self::parameter(format!("{what} exists already.")),
            // A challenge's message has no key.
            StoreError::Engine(_)
            | StoreError::Sealed(_)
            | StoreError::Damaged(_)
            | StoreError::Conflict(_) => Self::internal(),
        }
    }
}

/// A success. `authentication` is set for `/validate/*`; an empty `detail` is left out.
pub(super) fn success(
    around: &Around,
    id: u8,
    value: Value,
    authentication: Option<&'static str>,
    detail: Option<Map<String, Value>>,
) -> Response {
    let mut result = json!({"status": true, "value": value});
    if let (Some(word), Some(result)) = (authentication, result.as_object_mut()) {
        result.insert("authentication".to_owned(), json!(word));
    }
    let mut all = json!({"id": id, "result": result, "versionnumber": VERSION_NUMBER});
    if let (Some(mut detail), Some(all)) = (detail, all.as_object_mut()) {
        detail.insert("threadid".to_owned(), json!(THREAD));
        all.insert("detail".to_owned(), Value::Object(detail));
    }
    finish(around, StatusCode::OK, all)
}

/// An error.
pub(super) fn failure(around: &Around, failure: &Failure) -> Response {
    let error = json!({"code": failure.code, "message": failure.message});
    let all = json!({"id": ID_OTHER, "detail": null, "result": {"status": false, "error": error}});
    finish(around, failure.status, all)
}

fn finish(around: &Around, status: StatusCode, mut all: Value) -> Response {
    if let Some(all) = all.as_object_mut() {
        all.insert("jsonrpc".to_owned(), json!("2.0"));
        all.insert("time".to_owned(), json!(clock::wall().as_seconds()));
        all.insert("version".to_owned(), json!(VERSION));
        if let Some(nonce) = &around.nonce {
            all.insert("nonce".to_owned(), json!(nonce));
        }
    }
    let mut response = problem::json(status, "application/json", &all);
    if around.get {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
}

/// Their answer for paths that nobody serves: no envelope.
pub(super) fn not_found() -> Response {
    problem::json(StatusCode::NOT_FOUND, "application/json", &json!({"error": "Not found"}))
}

/// Their answer for methods that nobody serves: a page.
pub(super) fn wrong_method() -> Response {
    const PAGE: &str = "<!doctype html>\n<html lang=en>\n<title>405 Method Not Allowed</title>\n\
        <h1>Method Not Allowed</h1>\n<p>This path has no such method.</p>\n";
    let mut response = Response::new(Body::from(PAGE));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}
