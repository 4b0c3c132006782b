//! Tenants, subscriptions, regions, resource groups.

use super::{Route, get, head, put};
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
    put(group!(""), "Microsoft.Resources/subscriptions/resourceGroups/write", tenancy::put_group),
];

const SUBSCRIPTION_READ: &str = "Microsoft.Resources/subscriptions/read";
const GROUP_READ: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";
