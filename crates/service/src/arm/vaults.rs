//! `Microsoft.RecoveryServices/vaults`.

use api::arm::operation::{self, Stage};
use api::arm::vault::{self as shape, VaultRequest};
use axum::http::StatusCode;
use engine::{NewVault, Strictness, VaultChange};
use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::role::Scope;
use model::vault::{Vault, VaultName};
use uuid::Uuid;

use super::{bad_request, link, list, pending, tenancy};
use crate::call::{Call, Reply};
use crate::routes::vaults::VAULT_READ;

pub(super) mod request;

/// `GET …/subscriptions/S/providers/Microsoft.RecoveryServices/vaults`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let vaults = visible(call)?;
    list(call, vaults.iter().map(|vault| render(call, vault)))
}

/// `GET …/resourceGroups/G/providers/Microsoft.RecoveryServices/vaults`
pub(crate) fn list_of_group(call: &Call) -> Result<Reply, Fault> {
    let group = tenancy::find_group(call)?.name;
    let mut vaults = visible(call)?;
    vaults.retain(|vault| vault.resource_group.eq_ignore_ascii_case(&group));
    list(call, vaults.iter().map(|vault| render(call, vault)))
}

/// The vaults that the caller may see.
fn visible(call: &Call) -> Result<Vec<Vault>, Fault> {
    let mut vaults = call.engine().vaults()?;
    let reach = call.reach(VAULT_READ)?;
    vaults.retain(|vault| reach.holds(&scope(vault)));
    Ok(vaults)
}

fn scope(vault: &Vault) -> Scope {
    Scope::Vault { group: vault.resource_group.clone(), vault: vault.name.to_string() }
}

/// `GET V`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    Ok(told(call, StatusCode::OK, &call.vault()?))
}

/// A vault, with its version in the header that clients who know HTTP look into.
fn told(call: &Call, status: StatusCode, vault: &Vault) -> Reply {
    Reply::json(status, &render(call, vault)).with("etag", shape::etag(vault))
}

/// `PUT V`: creates a vault, or changes what the request names of one.
pub(crate) fn put(call: &Call) -> Result<Reply, Fault> {
    let request: VaultRequest = call.body()?;
    let wanted = request::wanted(&request)?;
    let found = found(call)?;
    let strictness = precondition(call, found.as_ref())?;
    if let Some(vault) = found {
        return change(call, &vault, request.location.as_deref(), &wanted, strictness);
    }
    let Some(region) = request.location else {
        return Err(bad_request("A vault needs a location: the body names none."));
    };
    let (vault, is_new) = call.engine().create_vault(NewVault {
        name: call.name("vault").to_owned(),
        resource_group: call.name("group").to_owned(),
        region,
        wanted,
    })?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(told(call, status, &vault))
}

/// `PATCH V`: changes what the request names of a vault.
pub(crate) fn patch(call: &Call) -> Result<Reply, Fault> {
    let request: VaultRequest = call.body()?;
    let wanted = request::wanted(&request)?;
    let vault = call.vault()?;
    let strictness = precondition(call, Some(&vault))?;
    change(call, &vault, request.location.as_deref(), &wanted, strictness)
}

fn change(
    call: &Call,
    vault: &Vault,
    region: Option<&str>,
    wanted: &VaultChange,
    strictness: Strictness,
) -> Result<Reply, Fault> {
    let vault = call.engine().change_vault(vault, region, wanted, strictness)?;
    Ok(told(call, StatusCode::OK, &vault))
}

/// `DELETE V`. The vault is gone or out of sight when this answers; clients want an operation to
/// look at.
pub(crate) fn delete(call: &Call) -> Result<Reply, Fault> {
    tenancy::find_group(call)?;
    let found = found(call)?;
    precondition(call, found.as_ref())?;
    let Some(vault) = found else {
        return Ok(Reply::empty(StatusCode::NO_CONTENT));
    };
    let operation = call.engine().delete_vault(&vault)?.id();
    let id = shape::id(&call.subscription(), &vault);
    let at = |what: &str| link(call, &format!("{id}/{what}/{operation}"));
    Ok(pending()
        .with("azure-asyncoperation", at("operationStatus"))
        .with("location", at("operationResults")))
}

/// `GET V/operationStatus/{op}`: of a deletion, which is the only operation on a vault that is one.
pub(crate) fn operation_status(call: &Call) -> Result<Reply, Fault> {
    let (id, at) = deletion(call)?;
    let id = id.to_string();
    Ok(Reply::ok(&operation::render_without_job(&id, at, Stage::Succeeded { at })))
}

/// `GET V/operationResults/{op}`
pub(crate) fn operation_result(call: &Call) -> Result<Reply, Fault> {
    deletion(call).map(|_| Reply::empty(StatusCode::NO_CONTENT))
}

/// The deletion that the URL names, which must be one of a vault of the URL's name: the vault's id,
/// and when it was.
fn deletion(call: &Call) -> Result<(Uuid, Timestamp), Fault> {
    let (operation, group, name) = (call.name("operation"), call.name("group"), call.name("vault"));
    let is_it = |its_group: &str, its_name: &VaultName| {
        its_group.eq_ignore_ascii_case(group) && its_name.as_str().eq_ignore_ascii_case(name)
    };
    let missing = || {
        let message = format!("Vault '{name}' has no operation '{operation}'.");
        Fault::new(Code::ResourceNotFound, message)
    };
    let id = Uuid::parse_str(operation).map_err(|_| missing())?;
    let for_good = call.engine().deleted_vault(id)?;
    if let Some(deleted) = for_good.filter(|it| is_it(&it.resource_group, &it.name)) {
        return Ok((id, deleted.deleted_at));
    }
    let mut out_of_sight = call.engine().vaults_out_of_sight()?.into_iter();
    out_of_sight
        .find(|it| it.vault.id == id && is_it(&it.vault.resource_group, &it.vault.name))
        .map(|it| (id, it.deleted_at))
        .ok_or_else(missing)
}

/// The vault that the URL names, if there is one.
fn found(call: &Call) -> Result<Option<Vault>, Fault> {
    match call.vault() {
        Ok(vault) => Ok(Some(vault)),
        Err(fault) if fault.code == Code::ResourceNotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Whether the vault is in the version that the request's `If-Match` or `If-None-Match` means.
fn precondition(call: &Call, vault: Option<&Vault>) -> Result<Strictness, Fault> {
    let etag = vault.map(shape::etag);
    let failed = |why: &str| {
        let name = call.name("vault");
        Err(Fault::new(Code::PreconditionFailed, format!("Vault '{name}' {why}.")))
    };
    match (call.header("if-none-match"), &etag) {
        (Some("*"), Some(_)) => return failed("exists already"),
        (Some(sent), Some(etag)) if sent == etag => return failed("is in that version"),
        _ => {}
    }
    match (call.header("if-match"), &etag) {
        (None, _) | (Some("*"), Some(_)) => Ok(Strictness::Any),
        (Some(_), None) => failed("does not exist"),
        (Some(sent), Some(etag)) if sent == etag => Ok(Strictness::AsRead),
        (Some(_), Some(_)) => failed("has been changed since it was read"),
    }
}

/// Renders a vault.
pub(super) fn render(call: &Call, vault: &Vault) -> shape::Vault {
    shape::render(&call.subscription(), vault, call.engine().vault_warnings(vault))
}
