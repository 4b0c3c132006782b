//! The handlers: each parses a request, calls the engine, and renders its answer.

use api::arm::List;
use axum::http::StatusCode;
use model::fault::{Code, Fault};
use serde::Serialize;

use crate::call::{Call, Reply};
use crate::path;

pub(crate) mod deleted_vaults;
pub(crate) mod disks;
pub(crate) mod hosts;
pub(crate) mod items;
pub(crate) mod jobs;
pub(crate) mod networks;
pub(crate) mod operations;
mod pages;
pub(crate) mod points;
pub(crate) mod policies;
pub(crate) mod principals;
pub(crate) mod resources;
pub(crate) mod restores;
pub(crate) mod retention;
pub(crate) mod roles;
pub(crate) mod status;
pub(crate) mod stores;
pub(crate) mod tenancy;
pub(crate) mod validation;
pub(crate) mod vault_config;
pub(crate) mod vaults;
pub(crate) mod vms;

/// Entries on one page of a list.
const PAGE: usize = 200;

/// 200 with one page of a list: the one that the request's `$skipToken` names, at most `$top`
/// entries long. The token is the number of entries before the page, which is enough for lists that
/// hardly change; only the entries of the page are rendered, so give an iterator that renders.
fn list<T: Serialize>(call: &Call, entries: impl IntoIterator<Item = T>) -> Result<Reply, Fault> {
    let number = |name: &str| match call.query(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => text
            .parse::<usize>()
            .map(Some)
            .map_err(|_| bad_request(format!("{name} '{text}' is not a number of entries."))),
    };
    let (skip, top) = (number("$skipToken")?.unwrap_or(0), number("$top")?.unwrap_or(PAGE));
    let top = top.clamp(1, PAGE);
    let mut entries = entries.into_iter().skip(skip);
    let value: Vec<T> = entries.by_ref().take(top).collect();
    let more = entries.next().is_some();
    let next_link = more.then(|| next_page(call, &skip.saturating_add(top).to_string()));
    Ok(Reply::ok(&List { value, next_link }))
}

/// The URL of the list that was asked for, from the entry that `token` names.
fn next_page(call: &Call, token: &str) -> String {
    let kept = call.query.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("$skipToken"));
    let mut link = format!("{}{}?", call.base, path::encoded(&call.path));
    for (name, value) in kept {
        link += &format!("{}={}&", path::encoded(name), path::encoded(value));
    }
    link + &format!("$skipToken={}", path::encoded(token))
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
