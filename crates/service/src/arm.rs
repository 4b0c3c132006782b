//! The handlers: each parses a request, calls the engine, and renders its answer.

use api::arm::List;
use axum::http::StatusCode;
use model::fault::{Code, Fault};
use serde::Serialize;

use crate::call::{Call, Reply};
use crate::path;

pub(crate) mod hosts;
pub(crate) mod items;
pub(crate) mod jobs;
pub(crate) mod operations;
pub(crate) mod points;
pub(crate) mod policies;
pub(crate) mod tenancy;
pub(crate) mod vaults;
pub(crate) mod vms;

/// 200 with a list in one page.
fn list<T: Serialize>(entries: impl IntoIterator<Item = T>) -> Reply {
    Reply::ok(&List::whole(entries.into_iter().collect()))
}

/// 202 for a long-running operation on the resource with this ARM id: where its status and its
/// result are, and when to look.
fn accepted(call: &Call, id: &str, operation: &str) -> Reply {
    pending()
        .with("azure-asyncoperation", link(call, &format!("{id}/operationsStatus/{operation}")))
        .with("location", link(call, &format!("{id}/operationResults/{operation}")))
}

/// 202, and when to look again.
fn pending() -> Reply {
    Reply::empty(StatusCode::ACCEPTED).with("retry-after", RETRY_AFTER_S)
}

/// Seconds between two looks at an operation. Without the header, clients wait thirty.
const RETRY_AFTER_S: &str = "1";

/// The URL of a path of ours, of the version that the client speaks.
fn link(call: &Call, path: &str) -> String {
    let version = call.query("api-version").unwrap_or_default();
    format!("{}{}?api-version={}", call.base, path::encoded(path), path::encoded(version))
}

fn bad_request(message: impl Into<String>) -> Fault {
    Fault::new(Code::BadRequest, message)
}
