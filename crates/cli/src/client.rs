//! A client of the ARM API: the same door as for every other client.
//!
//! [`Client`] speaks requests and answers; [`Transport`] carries them. An answer is kept twice, as
//! it came, for `--json`, and as the type that `api` has for it. Long-running operations are
//! followed to their end here.

use std::time::Duration;

use api::arm::List;
use api::arm::operation::OperationStatus;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::Failure;

#[cfg(test)]
pub mod fake;
pub mod https;

/// The API version that this program speaks.
const API_VERSION: &str = "2026-08-01";

/// How long a pending answer is waited for where it does not say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often a pending operation is asked for before it is given up. They end within seconds: the
/// jobs that they start are watched separately.
const POLLS_MAX: u32 = 600;

/// How many pages of a list are read before it is taken for endless.
const PAGES_MAX: usize = 10_000;

/// What is asked of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Tell it.
    Get,
    /// Make or change it.
    Put,
    /// Change parts of it.
    Patch,
    /// Delete it.
    Delete,
    /// Do something with it.
    Post,
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// The path, with its query.
    pub path: String,
    /// The body, if any.
    pub body: Option<Value>,
}

/// An answer, of whatever status.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Where the operation that was started can be followed: `Azure-AsyncOperation`.
    pub operation: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The body; `null` where there is none.
    pub body: Value,
}

/// Carries requests to the service.
pub trait Transport {
    /// Sends the request with a valid token and brings the answer, of whatever status.
    fn send(&self, request: &Request) -> Result<Response, Failure>;
}

/// A document of the service.
#[derive(Debug, Clone)]
pub struct Seen<T> {
    /// As it came.
    pub document: Value,
    /// As what it is.
    pub view: T,
}

impl<T: DeserializeOwned> Seen<T> {
    fn of(document: Value) -> Result<Self, Failure> {
        match T::deserialize(&document) {
            Ok(view) => Ok(Self { document, view }),
            Err(error) => Err(Failure::unexpected_answer(format!(
                "The service's answer cannot be understood: {error}."
            ))),
        }
    }
}

/// The documents of a list as one JSON array.
pub fn documents<T>(list: &[Seen<T>]) -> Value {
    list.iter().map(|seen| seen.document.clone()).collect()
}

/// A client of one service.
pub struct Client {
    transport: Box<dyn Transport>,
    subscription: String,
    pause: fn(Duration),
}

impl Client {
    /// A client that sends through `transport` and waits with `pause`.
    pub fn new(transport: Box<dyn Transport>, subscription: String, pause: fn(Duration)) -> Self {
        Self { transport, subscription, pause }
    }

    /// The subscription.
    pub fn subscription(&self) -> &str {
        &self.subscription
    }

    /// The resource with this id, or what this path tells.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Seen<T>, Failure> {
        Seen::of(self.send(Method::Get, path, None)?.body)
    }

    /// All entries of a list, over all its pages.
    pub fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<Seen<T>>, Failure> {
        let mut entries = Vec::new();
        let mut next = path.to_owned();
        for _ in 0..PAGES_MAX {
            let page: List<Value> = self.get(&next)?.view;
            for entry in page.value {
                entries.push(Seen::of(entry)?);
            }
            match page.next_link.as_deref().and_then(path_of) {
                Some(link) => next = link.to_owned(),
                None => return Ok(entries),
            }
        }
        Err(Failure::unexpected_answer(format!("The list {path} does not end.")))
    }

    /// Makes or changes a resource that is answered at once.
    pub fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Seen<T>, Failure> {
        Seen::of(self.send(Method::Put, path, Some(to_value(body)))?.body)
    }

    /// Changes what the body names of a resource.
    pub fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Seen<T>, Failure> {
        Seen::of(self.send(Method::Patch, path, Some(to_value(body)))?.body)
    }

    /// Deletes a resource; returns when it is gone.
    pub fn delete(&self, path: &str) -> Result<(), Failure> {
        self.follow(&self.send(Method::Delete, path, None)?).map(drop)
    }

    /// Asks for something that has no answer but that it is being done.
    pub fn post(&self, path: &str) -> Result<(), Failure> {
        self.send(Method::Post, path, None).map(drop)
    }

    /// Asks for something that is answered at once.
    pub fn action<T: DeserializeOwned>(&self, path: &str) -> Result<Seen<T>, Failure> {
        Seen::of(self.send(Method::Post, path, None)?.body)
    }

    /// Starts a long-running operation and follows it to its end. Returns the id of the job that
    /// it started, if any.
    pub fn operate(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Option<String>, Failure> {
        self.follow(&self.send(method, path, Some(to_value(body)))?)
    }

    /// Follows the operation that an answer names, if it names one.
    fn follow(&self, started: &Response) -> Result<Option<String>, Failure> {
        let Some(operation) = started.operation.as_deref().and_then(path_of) else {
            return Ok(None);
        };
        let mut pause = started.retry_after;
        for _ in 0..POLLS_MAX {
            self.pause(pause.unwrap_or(RETRY_AFTER));
            let answer = self.send(Method::Get, operation, None)?;
            let status: OperationStatus = Seen::of(answer.body)?.view;
            match status.status.as_str() {
                "InProgress" => pause = answer.retry_after,
                "Succeeded" => return Ok(status.properties.map(|properties| properties.job_id)),
                other => {
                    let message = format!("The operation ended with the status '{other}'.");
                    return Err(status
                        .error
                        .map_or_else(|| Failure::unexpected_answer(message), Failure::from));
                }
            }
        }
        Err(Failure::unexpected_answer("The operation does not end."))
    }

    /// Waits.
    pub fn pause(&self, duration: Duration) {
        (self.pause)(duration);
    }

    fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Response, Failure> {
        let mut path = path.to_owned();
        if !path.contains("api-version=") {
            let separator = if path.contains('?') { '&' } else { '?' };
            path = format!("{path}{separator}api-version={API_VERSION}");
        }
        let response = self.transport.send(&Request { method, path, body })?;
        match response.status {
            200..300 => Ok(response),
            status => Err(Failure::of_answer(status, response.body)),
        }
    }
}

fn to_value(body: &impl Serialize) -> Value {
    serde_json::to_value(body).expect("request bodies are plain structs with text keys")
}

/// The path and query of a link in an answer. The host in it is not followed: the token goes to
/// the endpoint of the credentials and nowhere else.
fn path_of(link: &str) -> Option<&str> {
    match link.split_once("://") {
        Some((_, behind)) => behind.find('/').map(|at| &behind[at..]),
        None => link.starts_with('/').then_some(link),
    }
}

/// A name as a segment of a path.
pub fn segment(name: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~();".contains(&byte);
    let encode = |byte: u8| match keep(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    name.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests;
