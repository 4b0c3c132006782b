//! Tenants, subscriptions, regions, resource groups.

use std::collections::BTreeSet;

use api::arm::tags;
use api::arm::tenancy::{self, GroupRequest};
use axum::http::StatusCode;
use engine::TagsChange;
use model::fault::{Code, Fault};
use model::principal::ResourceGroup;
use model::role::Scope;

use super::{bad_request, list, resources};
use crate::call::{Call, Reply};
use crate::filter::Filter;
use crate::routes::tenancy::GROUP_READ;

/// `GET /tenants`
pub(crate) fn tenants(call: &Call) -> Result<Reply, Fault> {
    list(call, [tenancy::tenant(&call.engine().tenancy())])
}

/// `GET /subscriptions`: those that the caller holds a role in.
pub(crate) fn subscriptions(call: &Call) -> Result<Reply, Fault> {
    let ours = call.caller()?.holds_any().then(|| call.engine().tenancy());
    list(call, ours.iter().map(tenancy::subscription))
}

/// `GET /subscriptions/S`
pub(crate) fn subscription(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&tenancy::subscription(&call.engine().tenancy())))
}

/// `GET …/locations`: every region that something is in.
pub(crate) fn locations(call: &Call) -> Result<Reply, Fault> {
    let (subscription, regions) = (call.subscription(), regions(call)?);
    list(call, regions.iter().map(|region| tenancy::location(&subscription, region)))
}

/// Every region that something is in.
pub(super) fn regions(call: &Call) -> Result<BTreeSet<String>, Fault> {
    let engine = call.engine();
    let hosts = engine.hosts()?.into_iter().map(|status| status.host.region);
    let groups = engine.resource_groups()?.into_iter().map(|group| group.region);
    let vaults = engine.vaults()?.into_iter().map(|vault| vault.region);
    let out_of_sight = engine.vaults_out_of_sight()?.into_iter().map(|it| it.vault.region);
    Ok(hosts.chain(groups).chain(vaults).chain(out_of_sight).collect())
}

/// `GET …/resourceGroups`, by tag where the client asks for one.
pub(crate) fn groups(call: &Call) -> Result<Reply, Fault> {
    let text = call.query("$filter").unwrap_or_default();
    let filter = Filter::parse_by(text, &["name", "tagName", "tagValue"])?;
    let subscription = call.subscription();
    let mut groups = call.engine().resource_groups()?;
    let reach = call.reach(GROUP_READ)?;
    groups.retain(|group| {
        reach.holds(&Scope::Group(group.name.clone()))
            && filter.passes("name", &group.name)
            && resources::has_tag(&filter, Some(&group.tags))
    });
    list(call, groups.iter().map(|group| tenancy::group(&subscription, group)))
}

/// `GET …/resourceGroups/G`
pub(crate) fn group(call: &Call) -> Result<Reply, Fault> {
    Ok(render(call, StatusCode::OK, &find_group(call)?))
}

fn render(call: &Call, status: StatusCode, group: &ResourceGroup) -> Reply {
    Reply::json(status, &tenancy::group(&call.subscription(), group))
}

/// `HEAD …/resourceGroups/G`
pub(crate) fn group_exists(call: &Call) -> Result<Reply, Fault> {
    find_group(call)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// `PUT …/resourceGroups/G`
pub(crate) fn put_group(call: &Call) -> Result<Reply, Fault> {
    let request: GroupRequest = call.body()?;
    let Some(region) = request.location else {
        return Err(bad_request("A resource group needs a location: the body names none."));
    };
    let found = match find_group(call) {
        Ok(group) => Some(group),
        Err(fault) if fault.code == Code::ResourceGroupNotFound => None,
        Err(fault) => return Err(fault),
    };
    if let Some(group) = &found
        && !group.region.eq_ignore_ascii_case(&region)
    {
        let message = format!(
            "Invalid resource group location '{region}'. The Resource group already exists in \
             location '{}'.",
            group.region
        );
        return Err(Fault::new(Code::GroupLocationFixed, message));
    }
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let tags = request.tags.map(tags::sent);
    let group = call.engine().create_resource_group(call.name("group"), &region, tags)?;
    Ok(render(call, status, &group))
}

/// `PATCH …/resourceGroups/G`: its tags, which is all that can change.
pub(crate) fn patch_group(call: &Call) -> Result<Reply, Fault> {
    let request: GroupRequest = call.body()?;
    let group = match request.tags {
        Some(tags) => {
            let (change, tags) = (TagsChange::Replace, tags::sent(tags));
            call.engine().tag_resource_group(call.name("group"), change, tags)?
        }
        None => find_group(call)?,
    };
    Ok(render(call, StatusCode::OK, &group))
}

/// `DELETE …/resourceGroups/G`, with the empty vaults in it.
pub(crate) fn delete_group(call: &Call) -> Result<Reply, Fault> {
    call.engine().delete_resource_group(call.name("group"))?;
    Ok(Reply::done())
}

/// The resource group that the URL names.
pub(super) fn find_group(call: &Call) -> Result<ResourceGroup, Fault> {
    call.engine().resource_group(call.name("group"))
}
