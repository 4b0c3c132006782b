//! The front: what happens to every request before and after its handler, in one place.
//!
//! In this order: size of the URL; the path is read and finds its route; where the route is not
//! open, the token (401), the api-version (400, not of a wrong method), the subscription (404); the
//! route itself (404, 405); the body within its limit; the principal's role (403); the handler. So
//! nobody without a token learns which routes exist, or can make the service read a body.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use engine::{Access, Engine};
use jiff::Timestamp;
use jiff::civil::Date;
use model::fault::{Code, Fault};
use model::seed::new_uuid;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use crate::call::{Call, Reply};
use crate::routes::{self, Found, Route};
use crate::tokens::Tokens;
use crate::{access, path};

/// How long a request may take to arrive and to be answered.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest body, in bytes.
const MAX_BODY: usize = 1024 * 1024;
/// The longest path with its query, in bytes.
const MAX_URL: usize = 8 * 1024;
/// The most bytes of a request's headers together. The server below refuses far more by itself, but
/// not exactly so many: that depends on how they arrive.
pub(crate) const MAX_HEADERS: usize = 64 * 1024;
/// How many client secrets are checked at once: each check takes 19 MiB.
const LOGINS: usize = 2;

/// What all requests share.
pub(crate) struct Service {
    pub(crate) engine: Arc<Engine>,
    pub(crate) tokens: Tokens,
    /// Where the service is for programs of this machine.
    endpoint: String,
    logins: Semaphore,
}

impl Service {
    pub(crate) fn new(engine: Arc<Engine>, tokens: Tokens, endpoint: String) -> Self {
        Self { engine, tokens, endpoint, logins: Semaphore::new(LOGINS) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }
}

/// The application.
pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .fallback(answer)
        .with_state(service)
        .layer(CatchPanicLayer::custom(|_| Reply::fault(&bug()).into_response()))
}

async fn answer(State(service): State<Arc<Service>>, request: Request) -> Response {
    let ids = Ids::of(&service, request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let responded = respond(&service, request, &ids.request);
    let reply = match tokio::time::timeout(REQUEST_TIMEOUT, responded).await {
        Ok(Ok(reply) | Err(reply)) => reply,
        Err(_) => {
            let message = format!("The request took longer than {} s.", REQUEST_TIMEOUT.as_secs());
            Reply::fault(&Fault::new(Code::RequestTimedOut, message))
        }
    };
    let mut response = reply.into_response();
    ids.put(response.headers_mut());
    let status = response.status().as_u16();
    tracing::debug!(%method, path, status, request = ids.request, "answered");
    response
}

/// The ids that a request and its answer share.
struct Ids {
    request: String,
    correlation: HeaderValue,
    client: Option<HeaderValue>,
}

impl Ids {
    fn of(service: &Service, headers: &HeaderMap) -> Self {
        let request = new_uuid(service.engine.seed()).to_string();
        let own = HeaderValue::from_str(&request).expect("a UUID is visible ASCII");
        let is_uuid =
            |value: &&HeaderValue| value.to_str().is_ok_and(|text| Uuid::parse_str(text).is_ok());
        let sent = headers.get("x-ms-correlation-request-id").filter(is_uuid);
        let client = headers.get("x-ms-client-request-id").filter(|value| value.len() <= 128);
        Self { request, correlation: sent.unwrap_or(&own).clone(), client: client.cloned() }
    }

    fn put(&self, headers: &mut HeaderMap) {
        if let Ok(request) = HeaderValue::from_str(&self.request) {
            headers.insert("x-ms-request-id", request);
        }
        headers.insert("x-ms-correlation-request-id", self.correlation.clone());
        if let Some(client) = &self.client {
            headers.insert("x-ms-client-request-id", client.clone());
        }
    }
}

/// Answers a request; the error is an answer too.
async fn respond(
    service: &Arc<Service>,
    request: Request,
    request_id: &str,
) -> Result<Reply, Reply> {
    let (parts, body) = request.into_parts();
    let base = base(&parts, &service.endpoint);
    let (segments, query) = read_url(&parts)?;
    let found = routes::find(&parts.method, &segments);
    let is_open = route_of(&found).is_some_and(|route| route.access.is_open());
    let caller = if is_open {
        None
    } else {
        let caller = caller(service, &parts.headers, &base)?;
        // A wrong method is wrong in every version, also of a route that has none.
        let is_asked = match &found {
            Found::OtherMethods(_) => false,
            found => route_of(found).is_none_or(|route| route.access.has_version()),
        };
        if is_asked {
            check_version(&query)?;
        }
        check_subscription(service, &segments)?;
        Some(caller)
    };
    let (route, names) = match found {
        Found::Route(route, names) => (route, names),
        Found::OtherMethods(methods) => return Err(wrong_method(&parts, &methods)),
        Found::Nothing => return Err(no_route(&parts)),
    };
    let body = read_body(body).await?;
    let _turn = match route.access {
        routes::Access::Login => service.logins.acquire().await.ok(),
        _ => None,
    };
    let (service, request_id) = (Arc::clone(service), request_id.to_owned());
    let path = format!("/{}", segments.join("/"));
    let headers = parts.headers;
    let call = Call { service, base, path, names, query, headers, body, request_id, caller: None };
    let run = move || run(call, route, caller);
    tokio::task::spawn_blocking(run).await.unwrap_or_else(|_| Err(Reply::fault(&bug())))
}

/// The rest of a request, on a thread that may block.
fn run(mut call: Call, route: &'static Route, caller: Option<Caller>) -> Result<Reply, Reply> {
    if let Some(caller) = caller {
        let access = access_of(&call, caller)?;
        access::authorise(route.access, &call, &access).map_err(|fault| Reply::fault(&fault))?;
        call.caller = Some(access);
    }
    (route.handler)(&call).map_err(|fault| {
        if crate::status::of(fault.code).is_server_error() {
            tracing::error!(%fault, request = call.request_id, "a request failed");
        }
        Reply::fault(&fault)
    })
}

fn route_of(found: &Found) -> Option<&'static Route> {
    match found {
        Found::Route(route, _) => Some(route),
        Found::OtherMethods(_) | Found::Nothing => None,
    }
}

type Url = (Vec<String>, Vec<(String, String)>);

fn read_url(parts: &Parts) -> Result<Url, Reply> {
    let uri = &parts.uri;
    let length = uri.path_and_query().map_or(0, |text| text.as_str().len());
    if length > MAX_URL {
        let message = format!("The URL has {length} bytes; at most {MAX_URL} are accepted.");
        return Err(Reply::fault(&Fault::new(Code::RequestTooLarge, message)));
    }
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    let headers: usize = parts.headers.iter().map(size).sum();
    if headers > MAX_HEADERS {
        let message =
            format!("The headers have {headers} bytes; at most {MAX_HEADERS} are accepted.");
        return Err(Reply::fault(&Fault::new(Code::RequestTooLarge, message)));
    }
    let bad = |path::Malformed(why)| {
        Reply::fault(&Fault::new(Code::BadRequest, format!("The URL cannot be read: {why}.")))
    };
    let segments = path::segments(uri.path()).map_err(bad)?;
    let query = path::pairs(uri.query().unwrap_or_default()).map_err(bad)?;
    Ok((segments, query))
}

/// Where the client found the API: the host it named, if that is one, else where we are for
/// programs of this machine.
fn base(parts: &Parts, endpoint: &str) -> String {
    let named = parts.uri.authority().map(|authority| authority.as_str());
    let named = named.or_else(|| parts.headers.get(header::HOST)?.to_str().ok());
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    match named {
        Some(host) if !host.is_empty() && host.len() <= 260 && host.chars().all(allowed) => {
            format!("https://{host}")
        }
        _ => endpoint.to_owned(),
    }
}

/// Whoever holds a valid token.
#[derive(Debug, Clone, Copy)]
struct Caller {
    client_id: Uuid,
    object_id: Uuid,
}

fn caller(service: &Service, headers: &HeaderMap, base: &str) -> Result<Caller, Reply> {
    let refused = |message: &str| unauthenticated(base, message);
    let Some(sent) = headers.get(header::AUTHORIZATION) else {
        return Err(refused("The request has no Authorization header."));
    };
    let scheme_and_token = sent.to_str().ok().and_then(|text| text.split_once(' '));
    let Some((scheme, token)) = scheme_and_token else {
        return Err(refused("The Authorization header is not of the form 'Bearer TOKEN'."));
    };
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(refused("The Authorization header's scheme is not 'Bearer'."));
    }
    match service.tokens.check(token.trim(), service.now()) {
        Ok((client_id, object_id)) => Ok(Caller { client_id, object_id }),
        Err(why) => {
            tracing::debug!(why = why.0, "a token was refused");
            Err(refused("The access token is invalid or has expired."))
        }
    }
}

fn unauthenticated(base: &str, message: &str) -> Reply {
    let challenge = format!("Bearer authorization_uri=\"{base}/adfs\", error=\"invalid_token\"");
    Reply::fault(&Fault::new(Code::AuthenticationFailed, message))
        .with("www-authenticate", challenge)
}

/// What the token's principal may do now.
fn access_of(call: &Call, caller: Caller) -> Result<Access, Reply> {
    let found = call.engine().access(caller.client_id).map_err(|fault| {
        tracing::error!(%fault, request = call.request_id, "a principal could not be read");
        Reply::fault(&fault)
    })?;
    let found = found.filter(|access| access.principal().object_id == caller.object_id);
    let gone = || unauthenticated(&call.base, "The token's principal does not exist any more.");
    found.ok_or_else(gone)
}

/// Any well-formed date will do: clients move on every few weeks.
fn check_version(query: &[(String, String)]) -> Result<(), Reply> {
    let sent = query.iter().find(|(name, _)| name.eq_ignore_ascii_case("api-version"));
    let Some((_, version)) = sent else {
        let message =
            "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(Reply::fault(&Fault::new(Code::MissingApiVersion, message)));
    };
    let is_date = |text: &str| text.len() == 10 && text.parse::<Date>().is_ok();
    let suffix = |text: &str| {
        let letters = text.strip_prefix('-')?;
        (!letters.is_empty() && letters.chars().all(|c| c.is_ascii_alphanumeric())).then_some(())
    };
    match version.split_at_checked(10) {
        Some((date, behind))
            if is_date(date) && (behind.is_empty() || suffix(behind).is_some()) =>
        {
            Ok(())
        }
        _ => {
            let message = format!("The api-version '{version}' is invalid.");
            Err(Reply::fault(&Fault::new(Code::InvalidApiVersion, message)))
        }
    }
}

fn check_subscription(service: &Service, segments: &[String]) -> Result<(), Reply> {
    let [first, id, ..] = segments else {
        return Ok(());
    };
    let ours = service.engine.tenancy().subscription;
    if !first.eq_ignore_ascii_case("subscriptions") || Uuid::parse_str(id) == Ok(ours) {
        return Ok(());
    }
    let message = format!("The subscription '{id}' could not be found.");
    Err(Reply::fault(&Fault::new(Code::SubscriptionNotFound, message)))
}

fn wrong_method(parts: &Parts, methods: &[&str]) -> Reply {
    let message = format!("The resource does not support the method '{}'.", parts.method);
    Reply::fault(&Fault::new(Code::MethodNotAllowed, message)).with("allow", methods.join(", "))
}

fn no_route(parts: &Parts) -> Reply {
    let message = format!("Nothing answers to the path '{}'.", parts.uri.path());
    Reply::fault(&Fault::new(Code::RouteNotFound, message))
}

async fn read_body(body: Body) -> Result<Bytes, Reply> {
    axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| {
        let message = format!("The body is longer than {MAX_BODY} bytes, or broke off.");
        Reply::fault(&Fault::new(Code::RequestTooLarge, message))
    })
}

fn bug() -> Fault {
    Fault::new(Code::Internal, "The service met a bug while it answered; its log has more.")
}
