//! Tenants, subscriptions, regions, resource groups.

use std::collections::BTreeSet;

use api::arm::tenancy::{self, GroupRequest};
use axum::http::StatusCode;
use model::fault::{Code, Fault};
use model::principal::ResourceGroup;

use super::list;
use crate::call::{Call, Reply};

/// `GET /tenants`
pub(crate) fn tenants(call: &Call) -> Result<Reply, Fault> {
    list(call, [tenancy::tenant(&call.engine().tenancy())])
}

/// `GET /subscriptions`
pub(crate) fn subscriptions(call: &Call) -> Result<Reply, Fault> {
    list(call, [tenancy::subscription(&call.engine().tenancy())])
}

/// `GET /subscriptions/S`
pub(crate) fn subscription(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&tenancy::subscription(&call.engine().tenancy())))
}

/// `GET …/locations`: every region that something is in.
pub(crate) fn locations(call: &Call) -> Result<Reply, Fault> {
    let engine = call.engine();
    let hosts = engine.hosts()?.into_iter().map(|status| status.host.region);
    let groups = engine.resource_groups()?.into_iter().map(|group| group.region);
    let vaults = engine.vaults()?.into_iter().map(|vault| vault.region);
    let regions: BTreeSet<String> = hosts.chain(groups).chain(vaults).collect();
    let subscription = call.subscription();
    list(call, regions.iter().map(|region| tenancy::location(&subscription, region)))
}

/// `GET …/resourceGroups`
pub(crate) fn groups(call: &Call) -> Result<Reply, Fault> {
    let subscription = call.subscription();
    let groups = call.engine().resource_groups()?;
    list(call, groups.iter().map(|group| tenancy::group(&subscription, group)))
}

/// `GET …/resourceGroups/G`
pub(crate) fn group(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&tenancy::group(&call.subscription(), &find_group(call)?)))
}

/// `HEAD …/resourceGroups/G`
pub(crate) fn group_exists(call: &Call) -> Result<Reply, Fault> {
    find_group(call)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// `PUT …/resourceGroups/G`
pub(crate) fn put_group(call: &Call) -> Result<Reply, Fault> {
    let request: GroupRequest = call.body()?;
    let status = match find_group(call) {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::CREATED,
    };
    let group = call.engine().create_resource_group(call.name("group"), &request.location)?;
    Ok(Reply::json(status, &tenancy::group(&call.subscription(), &group)))
}

/// The resource group that the URL names.
pub(super) fn find_group(call: &Call) -> Result<ResourceGroup, Fault> {
    let name = call.name("group");
    let groups = call.engine().resource_groups()?;
    groups.into_iter().find(|group| group.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let message = format!("Resource group '{name}' could not be found.");
        Fault::new(Code::ResourceGroupNotFound, message)
    })
}
