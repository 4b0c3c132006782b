//! What an error of the client library means.
//!
//! The library tells statuses and the vendors' codes only as text. What is looked for in it is
//! held by tests against a server that answers so.

use std::error::Error;
use std::io;

use object_store::client::{HttpError, HttpErrorKind};

use crate::objects::StoreError;

/// Longest text of a server that is passed on, in signs.
const TEXT_MAX: usize = 200;

/// Turns a failed request into the port's error.
pub(super) fn outcome(
    operation: &'static str,
    object: &str,
    error: &object_store::Error,
) -> StoreError {
    let text = chain(error);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let name = object.to_owned();
    let source = |kind| io::Error::new(kind, told(error, &text));
    let failed = |kind| StoreError::Io { operation, name: object.to_owned(), source: source(kind) };
    let unavailable =
        |kind| StoreError::Unavailable { operation, name: object.to_owned(), source: source(kind) };
    let is_put = operation == "write";
    let is_replace = operation == "replace";
    if (is_put || is_replace) && has(&["QuotaExceeded", "StorageFull", "InsufficientStorage"]) {
        return StoreError::Full { name };
    }
    // The place itself is not there: that is no answer about an object.
    if has(&["NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"]) {
        return failed(io::ErrorKind::NotFound);
    }
    // Two requests for one name at once: S3 wants one of them to come again.
    if has(&["ConditionalRequestConflict", "OperationAborted", "<Code>RequestTimeout<"]) {
        return unavailable(io::ErrorKind::Other);
    }
    match status(&text) {
        Some(404) => StoreError::NotFound { name },
        Some(304 | 409 | 412) if is_put => StoreError::AlreadyExists { name },
        // Somebody else has just repaired it, or it is gone: the next try will see.
        Some(409 | 412) if is_replace => unavailable(io::ErrorKind::Other),
        Some(416) => StoreError::Range { name },
        Some(507) => StoreError::Full { name },
        Some(501) => failed(io::ErrorKind::Unsupported),
        Some(408 | 429 | 500..) => unavailable(io::ErrorKind::Other),
        Some(401 | 403) => failed(io::ErrorKind::PermissionDenied),
        Some(_) => failed(io::ErrorKind::Other),
        None => match transport(error) {
            Some(HttpErrorKind::Timeout) => unavailable(io::ErrorKind::TimedOut),
            Some(_) => unavailable(io::ErrorKind::Other),
            None => failed(io::ErrorKind::Other),
        },
    }
}

fn causes(error: &object_store::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |error| (*error).source())
}

fn chain(error: &object_store::Error) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(" / ")
}

/// What the connection met, if no answer came.
fn transport(error: &object_store::Error) -> Option<HttpErrorKind> {
    causes(error).find_map(|cause| cause.downcast_ref::<HttpError>()).map(HttpError::kind)
}

/// The HTTP status in the library's text.
fn status(text: &str) -> Option<u16> {
    // The second is what it says of one object of several to delete.
    let (_, after) = text.split_once("status code: ").or_else(|| text.split_once("(code: "))?;
    after.get(..3)?.parse().ok()
}

/// The error in a few words: an answer's status and the vendor's code, else the last cause.
fn told(error: &object_store::Error, text: &str) -> String {
    let between = |(_, after): (&str, &str)| after.split('<').next().unwrap_or("").to_owned();
    let code = text.split_once("<Code>").map(between).unwrap_or_default();
    let words = match status(text) {
        Some(status) => format!("HTTP {status} {code}"),
        None => causes(error).last().map(ToString::to_string).unwrap_or_default(),
    };
    let words: String = words.chars().filter(|char| !char.is_control()).take(TEXT_MAX).collect();
    words.trim().to_owned()
}
