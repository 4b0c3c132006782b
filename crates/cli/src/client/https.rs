//! The transport over HTTPS: trusts the one authority of the credentials, gets access tokens from
//! the service's own issuer, and keeps them in memory only.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use api::credentials::Credentials;
use reqwest::blocking::{Client as Http, RequestBuilder};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, StatusCode};
use serde_json::Value;

use super::{Method, Request, Response, Transport};
use crate::failure::{Failure, SERVICE_UNREACHABLE};
use crate::text::printable;

/// How long an answer may take. The service answers within milliseconds; long work is a job.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest pause between two questions that an answer may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// The connection to one service.
pub struct Https {
    http: Http,
    credentials: Credentials,
    token: RefCell<Option<String>>,
}

impl Https {
    /// A connection with these credentials. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// The authority's certificate cannot be read.
    pub fn new(credentials: Credentials) -> Result<Self, Failure> {
        let path = Path::new(&credentials.ca_file);
        let pem = std::fs::read(path)
            .map_err(|error| Failure::file("Cannot read the CA certificate", path, &error))?;
        let unusable = |error: reqwest::Error| {
            Failure::new(
                "CertificateUnusable",
                format!("The CA certificate {} cannot be used: {error}.", path.display()),
                "The file holds no certificate in PEM, or is damaged.",
                "Copy ca.pem from the service's data directory once more.",
            )
        };
        let authority = Certificate::from_pem_bundle(&pem).map_err(unusable)?;
        let http = Http::builder()
            .tls_certs_only(authority)
            .https_only(true)
            // The service is inside the operator's own network, mostly on this machine.
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(unusable)?;
        Ok(Self { http, credentials, token: RefCell::new(None) })
    }

    fn token(&self) -> Result<String, Failure> {
        if let Some(token) = self.token.borrow().as_ref() {
            return Ok(token.clone());
        }
        let endpoint = &self.credentials.endpoint;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.credentials.client_id),
            ("client_secret", &self.credentials.client_secret),
            ("scope", &format!("{endpoint}/.default")),
        ];
        let request = self.http.post(format!("{endpoint}/adfs/oauth2/token")).form(&form);
        let (status, _, body) = self.answer(request)?;
        let Some(token) = body["access_token"].as_str().filter(|_| status.is_success()) else {
            return Err(refused(status, &body));
        };
        *self.token.borrow_mut() = Some(token.to_owned());
        Ok(token.to_owned())
    }

    fn try_send(&self, request: &Request) -> Result<(StatusCode, HeaderMap, Value), Failure> {
        let url = format!("{}{}", self.credentials.endpoint, request.path);
        let builder = match request.method {
            Method::Get => self.http.get(url),
            Method::Put => self.http.put(url),
            Method::Patch => self.http.patch(url),
            Method::Delete => self.http.delete(url),
            Method::Post => self.http.post(url),
        };
        let builder = builder.bearer_auth(self.token()?);
        self.answer(match &request.body {
            Some(body) => builder.json(body),
            None => builder,
        })
    }

    fn answer(&self, request: RequestBuilder) -> Result<(StatusCode, HeaderMap, Value), Failure> {
        let unreachable = |error: reqwest::Error| unreachable(&self.credentials.endpoint, &error);
        let response = request.send().map_err(unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().map_err(unreachable)?;
        // Anything else than JSON is told by its status alone.
        Ok((status, headers, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

impl Transport for Https {
    fn send(&self, request: &Request) -> Result<Response, Failure> {
        let had_token = self.token.borrow().is_some();
        let (mut status, mut headers, mut body) = self.try_send(request)?;
        if status == StatusCode::UNAUTHORIZED && had_token {
            // It ran out while a job was watched.
            *self.token.borrow_mut() = None;
            (status, headers, body) = self.try_send(request)?;
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let seconds = text(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
        Ok(Response {
            status: status.as_u16(),
            operation: text("azure-asyncoperation").map(str::to_owned),
            retry_after: seconds.map(|s| Duration::from_secs(s).min(RETRY_AFTER_MAX)),
            body,
        })
    }
}

/// The issuer gave no token.
fn refused(status: StatusCode, body: &Value) -> Failure {
    let said = body["error_description"].as_str().or(body["error"].as_str());
    let said = said.map_or_else(|| format!("HTTP {status}"), printable);
    Failure::new(
        "AuthenticationFailed",
        format!("The service gave no access token: {said}"),
        "The client id or the secret in credentials.json is not, or no longer, valid.",
        "Copy credentials.json from the service's data directory once more.",
    )
}

fn unreachable(endpoint: &str, error: &reqwest::Error) -> Failure {
    // The innermost error says what happened; the ones around it only say that something did.
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    Failure::new(
        SERVICE_UNREACHABLE,
        format!("The service at {endpoint} does not answer: {innermost}."),
        "It is not running, listens elsewhere, or its certificate is not of the CA in caFile.",
        "Check that `holdfast serve` runs, and the endpoint and caFile in credentials.json.",
    )
}
