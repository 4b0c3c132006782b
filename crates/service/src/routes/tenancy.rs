//! Tenants, subscriptions, regions, resource groups.

use super::{Route, delete, for_any_token, for_members, get, head, list, patch, put};
use crate::arm::tenancy;

pub(super) const ROUTES: &[Route] = &[
    for_any_token("/tenants", tenancy::tenants),
    for_any_token("/subscriptions", tenancy::subscriptions),
    for_members(subscription!(""), SUBSCRIPTION_READ, tenancy::subscription),
    get(
        subscription!("/locations"),
        "Microsoft.Resources/subscriptions/locations/read",
        tenancy::locations,
    ),
    list(subscription!("/resourceGroups"), GROUP_READ, tenancy::groups),
    get(group!(""), GROUP_READ, tenancy::group),
    head(group!(""), GROUP_READ, tenancy::group_exists),
    put(group!(""), GROUP_WRITE, tenancy::put_group),
    patch(group!(""), GROUP_WRITE, tenancy::patch_group),
    delete(
        group!(""),
        "Microsoft.Resources/subscriptions/resourceGroups/delete",
        tenancy::delete_group,
    ),
];

const SUBSCRIPTION_READ: &str = "Microsoft.Resources/subscriptions/read";
const GROUP_WRITE: &str = "Microsoft.Resources/subscriptions/resourceGroups/write";
pub(crate) const GROUP_READ: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";
