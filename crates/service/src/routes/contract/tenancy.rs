//! Tenants, subscriptions, regions, resource groups.

use api::arm::tenancy::{Group, GroupRequest, Location, Subscription, Tenant};
use api::openapi::Operation;
use serde_json::json;

use super::{delete, get, patch, put};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("Tenants_List", "/tenants", "The tenants.").lists::<Tenant>(),
        get("Subscriptions_List", "/subscriptions", "The subscriptions.").lists::<Subscription>(),
        get("Subscriptions_Get", subscription!(""), "A subscription.").gives::<Subscription>(200),
        get("Subscriptions_ListLocations", subscription!("/locations"), "The regions.")
            .lists::<Location>(),
        get("ResourceGroups_List", subscription!("/resourceGroups"), "The resource groups.")
            .filtered()
            .lists::<Group>(),
        get("ResourceGroups_Get", group!(""), "A resource group.").gives::<Group>(200),
        Operation::new("ResourceGroups_Exists", "HEAD", group!(""), "Whether a group is there.")
            .empty(204),
        put("ResourceGroups_CreateOrUpdate", group!(""), "Creates a resource group.")
            .takes::<GroupRequest>(json!({ "location": "local" }))
            .gives::<Group>(200)
            .gives::<Group>(201)
            .refuses(&[409]),
        patch("ResourceGroups_Update", group!(""), "Changes the tags of a resource group.")
            .takes::<GroupRequest>(json!({ "tags": { "env": "prod" } }))
            .gives::<Group>(200),
        delete("ResourceGroups_Delete", group!(""), "Deletes a group with its empty vaults.")
            .empty(200)
            .refuses(&[409]),
    ]
}
