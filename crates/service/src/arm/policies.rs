//! `vaults/backupPolicies`.

use api::arm::policy as shape;
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use model::fault::Fault;
use model::policy::{Policy, invalid};
use model::vault::Vault;
use serde_json::Value;

use super::list;
use crate::call::{Call, Reply};

/// `GET V/backupPolicies`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    if !call.filter()?.passes_vms() {
        return list::<shape::Policy>(call, []);
    }
    let policies = call.engine().policies(&vault)?;
    let rendered = policies.iter().map(|policy| render(call, &vault, policy));
    list(call, rendered.collect::<Result<Vec<_>, _>>()?)
}

/// `GET V/backupPolicies/P`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let policy = call.engine().policy(&vault, call.name("policy"))?;
    Ok(Reply::ok(&render(call, &vault, &policy)?))
}

/// `PUT V/backupPolicies/P`: items follow at once, so nothing is left to wait for.
pub(crate) fn put(call: &Call) -> Result<Reply, Fault> {
    let body: Value = call.body()?;
    let vault = call.vault()?;
    let sent: shape::PolicyRequest =
        serde_json::from_value(body).map_err(|error| invalid(format_args!("{error}.")))?;
    let today = call.now().to_zoned(TimeZone::UTC).date();
    let policy = shape::parse(&vault, call.name("policy"), &sent.properties, today)?;
    let policy = call.engine().put_policy(&vault, policy)?;
    Ok(Reply::ok(&render(call, &vault, &policy)?))
}

/// `DELETE V/backupPolicies/P`
pub(crate) fn delete(call: &Call) -> Result<Reply, Fault> {
    let was_there = call.engine().delete_policy(&call.vault()?, call.name("policy"))?;
    Ok(Reply::empty(if was_there { StatusCode::OK } else { StatusCode::NO_CONTENT }))
}

fn render(call: &Call, vault: &Vault, policy: &Policy) -> Result<shape::Policy, Fault> {
    let engine = call.engine();
    let runs = engine.policy_runs(policy);
    Ok(shape::render(shape::Facts {
        subscription: &call.subscription(),
        vault,
        policy,
        items: engine.policy_users(policy)?,
        next_run: runs.next,
        local_time: runs.local_time,
        warning: runs.warning.map(|change| change.to_string()).as_deref(),
    }))
}
