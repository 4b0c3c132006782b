//! `Microsoft.RecoveryServices/vaults`.

use api::arm::vault::{self as shape, VaultRequest};
use axum::http::StatusCode;
use engine::NewVault;
use model::fault::Fault;
use model::vault::{Redundancy, Vault};

use super::{bad_request, list, tenancy};
use crate::call::{Call, Reply};

/// `GET …/subscriptions/S/providers/Microsoft.RecoveryServices/vaults`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let vaults = call.engine().vaults()?;
    list(call, vaults.iter().map(|vault| render(call, vault)))
}

/// `GET …/resourceGroups/G/providers/Microsoft.RecoveryServices/vaults`
pub(crate) fn list_of_group(call: &Call) -> Result<Reply, Fault> {
    let group = tenancy::find_group(call)?.name;
    let mut vaults = call.engine().vaults()?;
    vaults.retain(|vault| vault.resource_group.eq_ignore_ascii_case(&group));
    list(call, vaults.iter().map(|vault| render(call, vault)))
}

/// `GET V`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&render(call, &call.vault()?)))
}

/// `PUT V`: creates a vault, or changes one.
pub(crate) fn put(call: &Call) -> Result<Reply, Fault> {
    let request: VaultRequest = call.body()?;
    let found = call.vault().ok();
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let region = match (&request.location, found) {
        (Some(location), _) => location.clone(),
        (None, Some(vault)) => vault.region,
        (None, None) => return Err(bad_request("A vault needs a location: the body names none.")),
    };
    write(call, &request, region, status)
}

/// `PATCH V`: changes a vault.
pub(crate) fn patch(call: &Call) -> Result<Reply, Fault> {
    let request: VaultRequest = call.body()?;
    let vault = call.vault()?;
    let region = request.location.clone().unwrap_or(vault.region);
    write(call, &request, region, StatusCode::OK)
}

fn write(
    call: &Call,
    request: &VaultRequest,
    region: String,
    status: StatusCode,
) -> Result<Reply, Fault> {
    let redundancy = request.redundancy().map(redundancy).transpose()?;
    let vault = call.engine().create_vault(NewVault {
        name: call.name("vault").to_owned(),
        resource_group: call.name("group").to_owned(),
        region,
        redundancy,
    })?;
    Ok(Reply::json(status, &render(call, &vault)))
}

fn redundancy(name: &str) -> Result<Redundancy, Fault> {
    Redundancy::from_azure_name(name).ok_or_else(|| {
        let known = "LocallyRedundant, ZoneRedundant and GeoRedundant";
        bad_request(format!("'{name}' is not a redundancy: there are {known}."))
    })
}

fn render(call: &Call, vault: &Vault) -> shape::Vault {
    shape::render(&call.subscription(), vault, call.engine().vault_warnings(vault))
}
