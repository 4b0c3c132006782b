//! Tenants, subscriptions, regions, resource groups.

use super::{Route, delete, get, head, patch, put};
use crate::arm::tenancy;

pub(super) const ROUTES: &[Route] = &[
    get("/tenants", "Microsoft.Resources/tenants/read", tenancy::tenants),
    get("/subscriptions", SUBSCRIPTION_READ, tenancy::subscriptions),
    get(subscription!(""), SUBSCRIPTION_READ, tenancy::subscription),
    get(
        subscription!("/locations"),
        "Microsoft.Resources/subscriptions/locations/read",
        tenancy::locations,
    ),
    get(subscription!("/resourceGroups"), GROUP_READ, tenancy::groups),
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
const GROUP_READ: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";
