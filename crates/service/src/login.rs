//! The way to a token: what a client asks before it has one, and the token endpoint.
//!
//! Only programs log in here so far, by client id and secret. Whether the id or the secret was
//! wrong is not told.

use api::arm::cloud::{Metadata, OpenIdConfig, Token, TokenError};
use api::arm::time;
use axum::http::StatusCode;
use model::fault::{Code, Fault};
use model::principal::Principal;
use uuid::Uuid;

use crate::call::{Call, Reply};
use crate::tokens::{ALGORITHM_NAME, Audience, LIFETIME_S};
use crate::{path, principals};

/// `GET /metadata/endpoints`: three shapes for three ages of clients.
pub(crate) fn metadata(call: &Call) -> Result<Reply, Fault> {
    let metadata = Metadata::at(&call.base);
    Ok(match call.query("api-version").unwrap_or_default() {
        version if version.starts_with("2015") => Reply::ok(&metadata.into_old()),
        version if version.starts_with("2019") => Reply::ok(&[metadata]),
        _ => Reply::ok(&metadata),
    })
}

/// The OpenID configuration, whatever tenant it is asked for.
pub(crate) fn openid(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&OpenIdConfig::at(&call.base, ALGORITHM_NAME)))
}

/// The public keys.
pub(crate) fn keys(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&call.service.tokens.public()))
}

/// The token endpoint.
pub(crate) fn token(call: &Call) -> Result<Reply, Fault> {
    Ok(match grant(call)? {
        Ok(token) => {
            let token = Token {
                token_type: "Bearer".to_owned(),
                expires_in: LIFETIME_S,
                ext_expires_in: LIFETIME_S,
                access_token: token,
            };
            Reply::ok(&token).with("cache-control", "no-store").with("pragma", "no-cache")
        }
        Err(denied) => denied.reply(call),
    })
}

/// Why no token is given, in OAuth's and in Azure's terms.
struct Denied {
    status: StatusCode,
    error: &'static str,
    number: u32,
    message: &'static str,
}

const NO_GRANT: Denied = Denied {
    status: StatusCode::BAD_REQUEST,
    error: "unsupported_grant_type",
    number: 70_003,
    message: "Only the grant type client_credentials is given.",
};
const NO_FORM: Denied = Denied {
    status: StatusCode::BAD_REQUEST,
    error: "invalid_request",
    number: 900_144,
    message: "The request body must be a form with client_id and client_secret.",
};
const NO_TENANT: Denied = Denied {
    status: StatusCode::BAD_REQUEST,
    error: "invalid_request",
    number: 90_002,
    message: "The tenant was not found.",
};
const NO_CLIENT: Denied = Denied {
    status: StatusCode::UNAUTHORIZED,
    error: "invalid_client",
    number: 7_000_215,
    message: "Invalid client secret provided.",
};

impl Denied {
    fn reply(self, call: &Call) -> Reply {
        let body = TokenError {
            error: self.error.to_owned(),
            error_description: format!("AADSTS{}: {}", self.number, self.message),
            error_codes: vec![self.number],
            timestamp: time::moment(call.now()),
            trace_id: call.request_id.clone(),
            correlation_id: call.request_id.clone(),
        };
        Reply::json(self.status, &body)
    }
}

fn grant(call: &Call) -> Result<Result<String, Denied>, Fault> {
    let Some(form) = std::str::from_utf8(&call.body).ok().and_then(|text| path::pairs(text).ok())
    else {
        return Ok(Err(NO_FORM));
    };
    let field = |key: &str| {
        let found = form.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    };
    if !is_our_tenant(call) {
        return Ok(Err(NO_TENANT));
    }
    if field("grant_type") != Some("client_credentials") {
        return Ok(Err(NO_GRANT));
    }
    let (Some(client_id), Some(secret)) = (field("client_id"), field("client_secret")) else {
        return Ok(Err(NO_FORM));
    };
    let Some(principal) = proven(call, client_id, secret)? else {
        tracing::warn!(request = call.request_id, "a login was refused");
        return Ok(Err(NO_CLIENT));
    };
    let audience = Audience::named(field("scope").or(field("resource")).unwrap_or_default());
    let issuer = format!("{}/adfs", call.base);
    let issued = call.service.tokens.issue(&principal, audience, issuer, call.now());
    issued.map(Ok).map_err(|error| {
        tracing::error!(%error, request = call.request_id, "a token could not be signed");
        Fault::new(Code::Internal, "The token could not be signed.")
    })
}

/// Whether the URL names our tenant, or none in particular.
fn is_our_tenant(call: &Call) -> bool {
    let named = call.names.iter().find(|(name, _)| *name == "tenant");
    named.is_none_or(|(_, tenant)| {
        let any = ["adfs", "common", "organizations"];
        any.iter().any(|name| name.eq_ignore_ascii_case(tenant))
            || Uuid::parse_str(tenant) == Ok(call.engine().tenancy().tenant)
    })
}

/// The principal with this client id, if this is its secret.
fn proven(call: &Call, client_id: &str, secret: &str) -> Result<Option<Principal>, Fault> {
    let Ok(client_id) = Uuid::parse_str(client_id) else {
        return Ok(None);
    };
    let principal = call.engine().ledger().principal(client_id).map_err(|error| {
        tracing::error!(%error, request = call.request_id, "a principal could not be read");
        Fault::new(Code::Internal, "The ledger could not be read.")
    })?;
    Ok(principal.filter(|principal| principals::proves(principal, secret)))
}
