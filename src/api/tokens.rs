//! `/token/*` for the administrator: enrol, list, remove, in privacyIDEA's shapes. Seeds are not told, as an SMS token needs none.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::Method;
use axum::response::Response;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Map, Value, json};

use super::caller::{Caller, Role};
use super::envelope::{self, Around, Failure, ID_OTHER};
use super::listen::Peer;
use super::params::Params;
use super::{Api, records};
use crate::secret::Secret;
use crate::store::TokenRecord;
use crate::validate::tokens::{Enrol, EnrolError};

pub(super) async fn init(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let mut around = Around::default();
    let response = match enrolled(&api, &caller, &mut around, request).await {
        Ok(serial) => {
            let mut detail = Map::new();
            detail.insert("serial".to_owned(), json!(serial));
            detail.insert("rollout_state".to_owned(), json!("enrolled"));
            envelope::success(&around, ID_OTHER, json!(true), None, Some(detail))
        }
        Err(failure) => envelope::failure(&around, &failure),
    };
    api.answered("/token/init", response)
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let mut around = Around { get: true, nonce: None };
    let response = match listed(&api, &caller, &mut around, request).await {
        Ok(value) => envelope::success(&around, ID_OTHER, value, None, None),
        Err(failure) => envelope::failure(&around, &failure),
    };
    api.answered("/token/", response)
}

pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    Path(serial): Path<String>,
    request: Request,
) -> Response {
    let around = Around { get: request.method() == Method::GET, nonce: None };
    let result = match admin(&caller) {
        Ok(()) => api.parts.live.now().validate.remove(serial.clone()).await.map_err(|e| Failure::from(&e)),
        Err(failure) => Err(failure),
    };
    let response = match result {
        Ok(true) => {
            tracing::info!(%serial, caller = %caller.name, "token removed");
            envelope::success(&around, ID_OTHER, json!(1), None, None)
        }
        Ok(false) => envelope::failure(&around, &Failure::no_token()),
        Err(failure) => envelope::failure(&around, &failure),
    };
    api.answered("/token/{serial}", response)
}

fn admin(caller: &Caller) -> Result<(), Failure> {
    if caller.may(Role::Admin) { Ok(()) } else { Err(Failure::policy()) }
}

async fn params(api: &Api, around: &mut Around, request: Request) -> Result<Params, Failure> {
    let (head, body) = request.into_parts();
    let whole = Request::from_parts(head.clone(), body);
    let body = super::body(whole, api.parts.max_body).await?;
    let params = Params::read(&head, &body)?;
    around.nonce = params.text("nonce")?.map(str::to_owned);
    Ok(params)
}

async fn enrolled(
    api: &Api,
    caller: &Caller,
    around: &mut Around,
    request: Request,
) -> Result<String, Failure> {
    admin(caller)?;
    let params = params(api, around, request).await?;
    let enrol = enrol(&params, &api.parts.realm)?;
    let user = enrol.user.clone();
    let serial = api.parts.live.now().validate.enrol(enrol).await.map_err(|error| refused(&error))?;
    tracing::info!(%serial, %user, caller = %caller.name, "token enrolled");
    Ok(serial)
}

fn enrol(params: &Params, realm: &str) -> Result<Enrol, Failure> {
    let kind = params.required("type")?;
    if !kind.eq_ignore_ascii_case("sms") {
        return Err(Failure::parameter(format!("The token type {kind} is not served here; it must be sms.")));
    }
    if params.word("realm")?.is_some_and(|named| !named.eq_ignore_ascii_case(realm)) {
        return Err(Failure::user("The user can not be found in any resolver in this realm!"));
    }
    if let Some(hash) = params.word("hashlib")?
        && hash != "sha1"
    {
        return Err(Failure::parameter("Parameter hashlib must be sha1."));
    }
    // Both given: a generated key wins, as there.
    let seed = match params.word("otpkey")?.filter(|_| !params.switch("genkey")) {
        Some(hex) => Some(seed(hex)?),
        None => None,
    };
    Ok(Enrol {
        user: params.required("user")?.trim().to_owned(),
        phone: params.required("phone")?.to_owned(),
        pin: Secret::from(params.required("pin")?),
        serial: params.word("serial")?.map(str::to_owned),
        seed,
        digits: params.number("otplen")?,
        description: params.text("description")?.unwrap_or_default().to_owned(),
    })
}

fn seed(hex: &str) -> Result<Secret, Failure> {
    HEXLOWER_PERMISSIVE
        .decode(hex.as_bytes())
        .map(Secret::new)
        .map_err(|_| Failure::parameter("Parameter otpkey must be hexadecimal."))
}

fn refused(error: &EnrolError) -> Failure {
    match error {
        EnrolError::Store(error) => error.into(),
        EnrolError::NoEntropy(_) | EnrolError::Hashing => {
            tracing::error!(%error, "a token could not be enrolled");
            Failure::internal()
        }
        other => Failure::parameter(other.to_string()),
    }
}

async fn listed(api: &Api, caller: &Caller, around: &mut Around, request: Request) -> Result<Value, Failure> {
    admin(caller)?;
    let params = params(api, around, request).await?;
    let validate = &api.parts.live.now().validate;
    let user = params.word("user")?.map(str::to_owned);
    let tokens = match params.word("serial")? {
        Some(serial) => {
            let found = validate.token(serial.to_owned()).await.map_err(|e| Failure::from(&e))?;
            found.into_iter().filter(|token| user.as_ref().is_none_or(|user| token.user == *user)).collect()
        }
        None => validate.tokens(user).await.map_err(|e| Failure::from(&e))?,
    };
    let shown: Vec<Value> = tokens.iter().map(|token| shown(token, &api.parts.realm)).collect();
    Ok(json!({"count": shown.len(), "next": null, "prev": null, "tokens": shown}))
}

fn shown(token: &TokenRecord, realm: &str) -> Value {
    let created = records::utc(token.created);
    json!({
        "serial": token.serial, "tokentype": "sms", "username": token.user, "user_realm": realm,
        "realms": [realm], "resolver": "", "description": token.description, "active": token.active,
        "failcount": token.failures, "maxfail": token.max_failures, "otplen": token.digits,
        "count": token.counter, "count_window": 1, "sync_window": 0, "revoked": false,
        "locked": token.failures >= token.max_failures, "rollout_state": "enrolled",
        "info": {"phone": token.phone.as_str(), "hashlib": "sha1", "creation_date": created, "tokenkind": "software"},
    })
}
