//! Resources of any kind, their tags, and the providers that have them.

use super::{Route, delete, for_members, get, list, patch, post, put};
use crate::arm::resources;

pub(super) const ROUTES: &[Route] = &[
    list(subscription!("/resources"), RESOURCES_READ, resources::list_all),
    list(group!("/resources"), RESOURCES_READ, resources::list_of_group),
    for_members(subscription!("/providers"), PROVIDERS_READ, resources::providers),
    for_members(subscription!("/providers/{namespace}"), PROVIDERS_READ, resources::provider),
    post(
        subscription!("/providers/{namespace}/register"),
        "Microsoft.Resources/subscriptions/providers/register/action",
        resources::provider,
    ),
    get(
        subscription!("/tagNames"),
        "Microsoft.Resources/subscriptions/tagNames/read",
        resources::tag_names,
    ),
    get(vault!("/providers/Microsoft.Resources/tags/default"), TAGS_READ, resources::vault_tags),
    put(
        vault!("/providers/Microsoft.Resources/tags/default"),
        TAGS_WRITE,
        resources::put_vault_tags,
    ),
    patch(
        vault!("/providers/Microsoft.Resources/tags/default"),
        TAGS_WRITE,
        resources::patch_vault_tags,
    ),
    delete(
        vault!("/providers/Microsoft.Resources/tags/default"),
        TAGS_DELETE,
        resources::delete_vault_tags,
    ),
    get(group!("/providers/Microsoft.Resources/tags/default"), TAGS_READ, resources::group_tags),
    put(
        group!("/providers/Microsoft.Resources/tags/default"),
        TAGS_WRITE,
        resources::put_group_tags,
    ),
    patch(
        group!("/providers/Microsoft.Resources/tags/default"),
        TAGS_WRITE,
        resources::patch_group_tags,
    ),
    delete(
        group!("/providers/Microsoft.Resources/tags/default"),
        TAGS_DELETE,
        resources::delete_group_tags,
    ),
];

pub(crate) const RESOURCES_READ: &str = "Microsoft.Resources/subscriptions/resources/read";
const PROVIDERS_READ: &str = "Microsoft.Resources/subscriptions/providers/read";
const TAGS_READ: &str = "Microsoft.Resources/tags/read";
const TAGS_WRITE: &str = "Microsoft.Resources/tags/write";
const TAGS_DELETE: &str = "Microsoft.Resources/tags/delete";
