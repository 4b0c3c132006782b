//! Resources of any kind, their tags, and the providers that have them.

use api::arm::provider::Provider;
use api::arm::resource::GenericResource;
use api::arm::tags::{TagName, TagsRequest, TagsResource};
use api::openapi::Operation;
use serde_json::json;

use super::{delete, get, patch, post, put};

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = vec![
        get("Resources_List", subscription!("/resources"), "Resources of any kind.")
            .filtered()
            .lists::<GenericResource>(),
        get("Resources_ListByResourceGroup", group!("/resources"), "What is in a resource group.")
            .filtered()
            .lists::<GenericResource>(),
        get("Providers_List", subscription!("/providers"), "The resource providers.")
            .lists::<Provider>(),
        get("Providers_Get", subscription!("/providers/{namespace}"), "A resource provider.")
            .gives::<Provider>(200),
        post(
            "Providers_Register",
            subscription!("/providers/{namespace}/register"),
            "Nothing: all resource providers are always registered.",
        )
        .gives::<Provider>(200),
        get("Tags_List", subscription!("/tagNames"), "The names and values that tags have.")
            .lists::<TagName>(),
    ];
    let vault = vault!("/providers/Microsoft.Resources/tags/default");
    let ids = ["VaultTags_Get", "VaultTags_Replace", "VaultTags_Update", "VaultTags_Delete"];
    operations.extend(tags(ids, vault));
    let group = group!("/providers/Microsoft.Resources/tags/default");
    let ids = ["GroupTags_Get", "GroupTags_Replace", "GroupTags_Update", "GroupTags_Delete"];
    operations.extend(tags(ids, group));
    operations
}

/// What can be done with the tags at this path.
fn tags(ids: [&'static str; 4], path: &'static str) -> [Operation; 4] {
    let example = |operation: &str| json!({ "operation": operation, "properties": { "tags": { "env": "prod" } } });
    [
        get(ids[0], path, "The tags of a resource.").gives::<TagsResource>(200),
        put(ids[1], path, "Replaces the tags of a resource.")
            .takes::<TagsRequest>(json!({ "properties": { "tags": { "env": "prod" } } }))
            .gives::<TagsResource>(200),
        patch(ids[2], path, "Changes the tags of a resource.")
            .takes::<TagsRequest>(example("Merge"))
            .takes::<TagsRequest>(example("Delete"))
            .gives::<TagsResource>(200),
        delete(ids[3], path, "Takes all tags from a resource.").empty(200),
    ]
}
