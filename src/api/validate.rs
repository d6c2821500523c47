//! `/validate/check`: parameters in, privacyIDEA's answer out.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::Method;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::caller::Caller;
use super::envelope::{self, Around, Failure, ID_VALIDATE};
use super::listen::Peer;
use super::params::Params;
use super::{Api, records};
use crate::otp::challenge::{Path, Unusable};
use crate::secret::Secret;
use crate::telemetry::metrics::Validation;
use crate::validate::{Answer, Check, CheckError, Named, Opened};

const ENDPOINT: &str = "/validate/check";
/// Their text when no gateway took the message.
const UNSENT: &str = "The PIN was correct, but the SMS could not be sent!";

pub(super) async fn check(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let mut around = Around { get: *request.method() != Method::POST, nonce: None };
    let result = match asked(&api, &mut around, &caller, request).await {
        Ok(asked) => judged(&api, asked).await,
        Err(failure) => Err(failure),
    };
    let (outcome, response) = match result {
        Ok(said) => {
            let Said { outcome, detail } = said;
            let word = outcome.label();
            let value = json!(outcome == Outcome::Accept);
            (word, envelope::success(&around, ID_VALIDATE, value, Some(outcome.as_str()), detail))
        }
        Err(failure) => ("error", envelope::failure(&around, &failure)),
    };
    api.parts.metrics.validations.get_or_create(&Validation { outcome }).inc();
    api.answered(ENDPOINT, response)
}

/// A check and what only the wire cares about.
struct Asked {
    check: Check,
    realm: String,
    exception: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Accept,
    Reject,
    Challenge,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Reject => "REJECT",
            Self::Challenge => "CHALLENGE",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Challenge => "challenge",
        }
    }
}

struct Said {
    outcome: Outcome,
    detail: Option<Map<String, Value>>,
}

async fn asked(api: &Api, around: &mut Around, caller: &Caller, request: Request) -> Result<Asked, Failure> {
    let (head, body) = request.into_parts();
    let whole = Request::from_parts(head.clone(), body);
    let body = super::body(whole, api.parts.max_body).await?;
    let params = Params::read(&head, &body)?;
    around.nonce = params.text("nonce")?.map(str::to_owned);
    let (user, realm) = user_and_realm(&params, &api.parts.realm)?;
    let serial = params.word("serial")?;
    if serial.is_some_and(|serial| serial.contains('*')) {
        return Err(Failure::parameter("Invalid serial number."));
    }
    if user.is_none() && serial.is_none() {
        return Err(Failure::parameter("You need to specify a serial, user or credential_id."));
    }
    let pass = params.text("pass")?.ok_or_else(|| Failure::missing("pass"))?;
    let transaction = match params.word("transaction_id")? {
        Some(transaction) => Some(transaction),
        None => params.word("state")?,
    };
    let check = Check {
        user,
        serial: serial.map(str::to_owned),
        pass: Secret::from(pass),
        transaction: transaction.map(str::to_owned),
        otp_only: params.switch("otponly") && serial.is_some(),
        caller: caller.name.to_string(),
        client: params.word("client")?.filter(|_| caller.listed).map(str::to_owned),
    };
    Ok(Asked { check, realm, exception: params.switch("exception") })
}

/// The login name without its realm. There is one realm; naming another one is naming an unknown user.
fn user_and_realm(params: &Params, own: &str) -> Result<(Option<String>, String), Failure> {
    let user = params.text("user")?.map(str::trim).filter(|user| !user.is_empty());
    if user.is_some_and(|user| user.contains('%')) {
        return Err(Failure::parameter("Invalid user."));
    }
    if let Some(resolver) = params.word("resolver")? {
        return Err(Failure::user(format!("The resolver '{resolver}' does not exist!")));
    }
    let Some(user) = user else { return Ok((None, own.to_owned())) };
    let split = user.rsplit_once('@').filter(|(_, realm)| realm.eq_ignore_ascii_case(own));
    let name = split.map_or(user, |(name, _)| name);
    match params.word("realm")? {
        Some(realm) if !realm.eq_ignore_ascii_case(own) => Err(no_user(name, realm)),
        _ => Ok((Some(name.to_owned()), own.to_owned())),
    }
}

fn no_user(name: &str, realm: &str) -> Failure {
    Failure::user(format!("User <{name}@{realm}> does not exist."))
}

async fn judged(api: &Api, asked: Asked) -> Result<Said, Failure> {
    let answer = match api.parts.live.now().validate.check(&asked.check).await {
        Ok(answer) => answer,
        Err(error) => return Err(refused(&error, &asked)),
    };
    if answer == Answer::Unsent && asked.exception {
        return Err(Failure::internal());
    }
    Ok(said(answer))
}

fn refused(error: &CheckError, asked: &Asked) -> Failure {
    match error {
        CheckError::Nobody => Failure::parameter("You need to specify a serial, user or credential_id."),
        CheckError::UnknownUser => no_user(asked.check.user.as_deref().unwrap_or_default(), &asked.realm),
        CheckError::UnknownSerial => Failure::no_token(),
        CheckError::NotTheUsers => Failure::parameter("Given serial does not belong to given user!"),
        CheckError::Store(error) => error.into(),
        CheckError::NoEntropy(_) | CheckError::Hashing => {
            tracing::error!(%error, "a check failed");
            Failure::internal()
        }
    }
}

/// The outcome table of privacyIDEA. No answer but a challenge names a transaction: clients take that for a challenge.
fn said(answer: Answer) -> Said {
    let reject = |detail| Said { outcome: Outcome::Reject, detail: Some(detail) };
    match answer {
        Answer::Challenge { transaction, opened, unsent } => {
            let detail = Some(challenge_detail(&transaction, &opened, unsent));
            Said { outcome: Outcome::Challenge, detail }
        }
        Answer::Unsent => reject(object(json!({
            "message": UNSENT, "messages": [UNSENT], "multi_challenge": [], "transaction_ids": [],
        }))),
        Answer::Accept { token, path } => {
            let detail = match path {
                Path::PinAndCode => Some(named("matching 1 tokens", &token)),
                Path::Transaction => {
                    Some(object(json!({"message": "Found matching challenge", "serial": token.serial})))
                }
                Path::CodeOnly => None,
            };
            Said { outcome: Outcome::Accept, detail }
        }
        Answer::WrongPin => reject(message("wrong otp pin")),
        Answer::WrongCode { token, used_before } => {
            let text =
                if used_before { "wrong otp value. previous otp used again" } else { "wrong otp value" };
            reject(token.map_or_else(|| message(text), |token| named(text, &token)))
        }
        Answer::WrongResponse { tokens } => reject(match tokens.as_slice() {
            [token] => object(json!({
                "message": "Response did not match the challenge.", "serial": token.serial, "type": "sms",
            })),
            many => message(&format!("Response did not match for {} tokens.", many.len())),
        }),
        Answer::WrongBareCode => reject(message("OTP verification failed.")),
        Answer::Unusable(Unusable::Locked) => reject(message("Failcounter exceeded")),
        Answer::Unusable(Unusable::Disabled) => reject(message("Token is disabled")),
    }
}

/// One entry for each token; the fields of the last one are repeated flat.
fn challenge_detail(transaction: &str, opened: &[Opened], unsent: usize) -> Map<String, Value> {
    let mut entries = Vec::with_capacity(opened.len());
    let mut messages: Vec<&str> = Vec::with_capacity(opened.len());
    for (at, opened) in opened.iter().enumerate() {
        // Their quirk: the transaction as known before this token.
        let state = if at == 0 { Value::Null } else { json!(transaction) };
        let until = records::local_time(opened.expires);
        entries.push(json!({
            "attributes": {"state": state, "valid_until": until}, "client_mode": "interactive",
            "message": opened.prompt, "serial": opened.serial, "transaction_id": transaction, "type": "sms",
        }));
        messages.push(&opened.prompt);
    }
    messages.extend(std::iter::repeat_n(UNSENT, unsent));
    let mut distinct = messages.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let mut detail = entries.last().and_then(Value::as_object).cloned().unwrap_or_default();
    detail.insert("message".to_owned(), json!(distinct.join(", ")));
    detail.insert("messages".to_owned(), json!(messages));
    detail.insert("transaction_ids".to_owned(), json!(vec![transaction; entries.len()]));
    detail.insert("multi_challenge".to_owned(), Value::Array(entries));
    detail.insert("preferred_client_mode".to_owned(), json!("interactive"));
    detail
}

fn named(text: &str, token: &Named) -> Map<String, Value> {
    object(json!({"message": text, "otplen": token.digits, "serial": token.serial, "type": "sms"}))
}

fn message(text: &str) -> Map<String, Value> {
    object(json!({"message": text}))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
