//! `Holdfast.Fabric/principals`.
//!
//! A principal is found by its name, its client id or its object id. Its secret is told in the
//! answer that made it, and nowhere else.

use api::arm::principal as shape;
use axum::http::StatusCode;
use model::fault::{Code, Fault};

use super::list;
use crate::call::{Call, Reply};
use crate::principals;

/// `GET …/principals`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let subscription = call.subscription();
    let found = call.engine().principals()?;
    list(call, found.iter().map(|principal| shape::render(&subscription, principal, None)))
}

/// `GET …/principals/P`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let principal = call.engine().principal(call.name("principal"))?;
    Ok(Reply::ok(&shape::render(&call.subscription(), &principal, None)))
}

/// `PUT …/principals/P`: makes one. There is nothing to change about one that is there.
pub(crate) fn put(call: &Call) -> Result<Reply, Fault> {
    let name = call.name("principal");
    if let Ok(principal) = call.engine().principal(name) {
        return Ok(Reply::ok(&shape::render(&call.subscription(), &principal, None)));
    }
    let (secret, hash) = new_secret(call)?;
    let principal = call.engine().create_principal(name, hash)?;
    let made = shape::render(&call.subscription(), &principal, Some(secret));
    Ok(Reply::json(StatusCode::CREATED, &made).with("cache-control", "no-store"))
}

/// `POST …/principals/P/resetSecret`
pub(crate) fn reset_secret(call: &Call) -> Result<Reply, Fault> {
    let (secret, hash) = new_secret(call)?;
    let principal = call.engine().replace_secret(call.name("principal"), hash)?;
    let told = shape::render(&call.subscription(), &principal, Some(secret));
    Ok(Reply::ok(&told).with("cache-control", "no-store"))
}

/// `DELETE …/principals/P`
pub(crate) fn delete(call: &Call) -> Result<Reply, Fault> {
    match call.engine().delete_principal(call.name("principal")) {
        Ok(()) => Ok(Reply::empty(StatusCode::OK)),
        Err(fault) if fault.code == Code::ResourceNotFound => {
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        Err(fault) => Err(fault),
    }
}

fn new_secret(call: &Call) -> Result<(String, String), Fault> {
    principals::new_secret(call.engine()).map_err(|error| {
        tracing::error!(%error, request = call.request_id, "a secret could not be made");
        Fault::new(Code::Internal, "The secret could not be made.")
    })
}
