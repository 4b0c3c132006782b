//! Resources of any kind, their tags, and the providers that have them.

use std::collections::BTreeSet;

use api::arm::resource::GenericResource;
use api::arm::tags::{self as shape, TagsRequest};
use api::arm::{network, provider, store, vm};
use engine::TagsChange;
use model::arm_id;
use model::fault::{Code, Fault};
use model::role::Scope;
use model::tags::Tags;

use super::{bad_request, hosts, list, tenancy, vaults};
use crate::call::{Call, Reply};
use crate::filter::Filter;
use crate::routes::resources::RESOURCES_READ;

/// What lists of resources can be filtered by.
const KEYS: [&str; 6] =
    ["location", "name", "resourceGroup", "resourceType", "tagName", "tagValue"];

/// `GET …/subscriptions/S/resources`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    list_matching(call, None)
}

/// `GET …/resourceGroups/G/resources`
pub(crate) fn list_of_group(call: &Call) -> Result<Reply, Fault> {
    let group = tenancy::find_group(call)?.name;
    list_matching(call, Some(&group))
}

fn list_matching(call: &Call, group: Option<&str>) -> Result<Reply, Fault> {
    let filter = Filter::parse_by(call.query("$filter").unwrap_or_default(), &KEYS)?;
    let mut found = all(call)?;
    let (reach, subscription) = (call.reach(RESOURCES_READ)?, call.engine().tenancy().subscription);
    found.retain(|resource| {
        Scope::holding(&resource.id, subscription).is_some_and(|place| reach.holds(&place))
    });
    found.retain(|resource| {
        let of_group = arm_id::named(&resource.id, "resourceGroups").unwrap_or_default();
        group.is_none_or(|group| group.eq_ignore_ascii_case(of_group))
            && filter.passes("resourceGroup", of_group)
            && filter.passes("resourceType", &resource.kind)
            && filter.passes("name", &resource.name)
            && filter.passes("location", &resource.location)
            && has_tag(&filter, resource.tags.as_ref())
    });
    list(call, found)
}

/// Whether a resource with these tags passes a filter by tags.
pub(super) fn has_tag(filter: &Filter, tags: Option<&Tags>) -> bool {
    let Some(name) = filter.get("tagName") else {
        return filter.get("tagValue").is_none();
    };
    let mut tags = tags.into_iter().flatten();
    tags.any(|(tag, value)| {
        tag.eq_ignore_ascii_case(name) && filter.get("tagValue").is_none_or(|it| it == value)
    })
}

/// Everything that a resource group can hold, by id.
fn all(call: &Call) -> Result<Vec<GenericResource>, Fault> {
    let (engine, subscription) = (call.engine(), call.subscription());
    let mut found: Vec<GenericResource> = Vec::new();
    found.extend(engine.vaults()?.iter().map(|vault| vaults::render(call, vault).into()));
    found.extend(engine.vms()?.iter().map(|it| vm::render(&subscription, it, "").into()));
    let hosts = engine.hosts()?;
    found.extend(hosts.iter().map(|host| hosts::render(&subscription, host).into()));
    let stores = engine.stores()?;
    found.extend(stores.iter().map(|it| store::render_account(&subscription, it).resource.into()));
    let networks = engine.networks();
    found.extend(networks.iter().map(|it| network::render(&subscription, it, "").into()));
    found.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

/// `GET …/subscriptions/S/providers`
pub(crate) fn providers(call: &Call) -> Result<Reply, Fault> {
    list(call, provider::all(&call.subscription(), &regions(call)?))
}

/// `GET …/subscriptions/S/providers/NS`, and `POST …/register`: all are always registered.
pub(crate) fn provider(call: &Call) -> Result<Reply, Fault> {
    let namespace = call.name("namespace");
    match provider::named(&call.subscription(), &regions(call)?, namespace) {
        Some(found) => Ok(Reply::ok(&found)),
        None => {
            let message = format!("The resource namespace '{namespace}' is invalid.");
            Err(Fault::new(Code::NamespaceNotFound, message))
        }
    }
}

fn regions(call: &Call) -> Result<Vec<String>, Fault> {
    tenancy::regions(call).map(BTreeSet::into_iter).map(Iterator::collect)
}

/// `GET …/subscriptions/S/tagNames`
pub(crate) fn tag_names(call: &Call) -> Result<Reply, Fault> {
    let (vaults, groups) = (call.engine().vaults()?, call.engine().resource_groups()?);
    let tags = vaults.iter().map(|vault| &vault.tags).chain(groups.iter().map(|group| &group.tags));
    list(call, shape::names(&call.subscription(), tags))
}

/// A resource whose tags a URL names.
struct Tagged {
    id: String,
    tags: Tags,
}

impl Tagged {
    fn reply(&self) -> Reply {
        Reply::ok(&shape::render(&self.id, &self.tags))
    }
}

/// `GET V/providers/Microsoft.Resources/tags/default`
pub(crate) fn vault_tags(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let id = super::items::vault_id(call, &vault);
    Ok(Tagged { id, tags: vault.tags }.reply())
}

/// `PUT V/providers/Microsoft.Resources/tags/default`
pub(crate) fn put_vault_tags(call: &Call) -> Result<Reply, Fault> {
    let (_, given) = sent(call)?;
    tag_vault(call, TagsChange::Replace, given).map(|tagged| tagged.reply())
}

/// `PATCH V/providers/Microsoft.Resources/tags/default`
pub(crate) fn patch_vault_tags(call: &Call) -> Result<Reply, Fault> {
    let (change, given) = sent(call)?;
    tag_vault(call, change, given).map(|tagged| tagged.reply())
}

/// `DELETE V/providers/Microsoft.Resources/tags/default`
pub(crate) fn delete_vault_tags(call: &Call) -> Result<Reply, Fault> {
    tag_vault(call, TagsChange::Replace, Tags::new()).map(|_| Reply::done())
}

fn tag_vault(call: &Call, change: TagsChange, given: Tags) -> Result<Tagged, Fault> {
    let vault = call.engine().tag_vault(&call.vault()?, change, given)?;
    Ok(Tagged { id: super::items::vault_id(call, &vault), tags: vault.tags })
}

/// `GET …/resourceGroups/G/providers/Microsoft.Resources/tags/default`
pub(crate) fn group_tags(call: &Call) -> Result<Reply, Fault> {
    let group = tenancy::find_group(call)?;
    let id = arm_id::resource_group(&call.subscription(), &group.name);
    Ok(Tagged { id, tags: group.tags }.reply())
}

/// `PUT …/resourceGroups/G/providers/Microsoft.Resources/tags/default`
pub(crate) fn put_group_tags(call: &Call) -> Result<Reply, Fault> {
    let (_, given) = sent(call)?;
    tag_group(call, TagsChange::Replace, given).map(|tagged| tagged.reply())
}

/// `PATCH …/resourceGroups/G/providers/Microsoft.Resources/tags/default`
pub(crate) fn patch_group_tags(call: &Call) -> Result<Reply, Fault> {
    let (change, given) = sent(call)?;
    tag_group(call, change, given).map(|tagged| tagged.reply())
}

/// `DELETE …/resourceGroups/G/providers/Microsoft.Resources/tags/default`
pub(crate) fn delete_group_tags(call: &Call) -> Result<Reply, Fault> {
    tag_group(call, TagsChange::Replace, Tags::new()).map(|_| Reply::done())
}

fn tag_group(call: &Call, change: TagsChange, given: Tags) -> Result<Tagged, Fault> {
    let group = call.engine().tag_resource_group(call.name("group"), change, given)?;
    let id = arm_id::resource_group(&call.subscription(), &group.name);
    Ok(Tagged { id, tags: group.tags })
}

/// The tags of a request, and what is to become of those that are there.
fn sent(call: &Call) -> Result<(TagsChange, Tags), Fault> {
    let request: TagsRequest = call.body()?;
    let name = request.operation.as_deref().unwrap_or("Replace");
    let change = TagsChange::from_azure_name(name).ok_or_else(|| {
        bad_request(format!("operation '{name}' is none of Replace, Merge and Delete."))
    })?;
    Ok((change, shape::sent(request.properties.tags.unwrap_or_default())))
}
