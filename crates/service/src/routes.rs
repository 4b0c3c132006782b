//! The route table: every path the service answers to, by which method, with which right, by which
//! handler. It is data, so that what is not in it does not exist.
//!
//! Names in braces are matched by position. Of two routes that match, the first one counts.

use axum::http::Method;

use crate::arm::{hosts, items, jobs, operations, points, policies, tenancy, vaults, vms};
use crate::call::Handler;
use crate::{login, path};

/// One route.
pub(crate) struct Route {
    method: Method,
    pattern: &'static str,
    pub(crate) access: Access,
    pub(crate) handler: Handler,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody: it is how one gets a token.
    Open,
    /// Everybody, but only a few at once: it checks a client secret, which costs memory.
    Login,
    /// Whoever may do this, by Azure's name of the action.
    Needs(&'static str),
}

impl Access {
    /// Whether no token is needed.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Login)
    }
}

macro_rules! subscription {
    ($rest:literal) => {
        concat!("/subscriptions/{subscription}", $rest)
    };
}

macro_rules! group {
    ($rest:literal) => {
        concat!("/subscriptions/{subscription}/resourceGroups/{group}", $rest)
    };
}

macro_rules! vault {
    ($rest:literal) => {
        concat!(
            "/subscriptions/{subscription}/resourceGroups/{group}",
            "/providers/Microsoft.RecoveryServices/vaults/{vault}",
            $rest
        )
    };
}

macro_rules! item {
    ($rest:literal) => {
        concat!(
            "/subscriptions/{subscription}/resourceGroups/{group}",
            "/providers/Microsoft.RecoveryServices/vaults/{vault}",
            "/backupFabrics/Azure/protectionContainers/{container}/protectedItems/{item}",
            $rest
        )
    };
}

/// The table.
pub(crate) const ROUTES: &[Route] = &[
    open(Method::GET, "/metadata/endpoints", login::metadata),
    open(Method::GET, "/adfs/.well-known/openid-configuration", login::openid),
    open(Method::GET, "/adfs/{tenant}/.well-known/openid-configuration", login::openid),
    open(Method::GET, "/{tenant}/v2.0/.well-known/openid-configuration", login::openid),
    open(Method::GET, "/{tenant}/.well-known/openid-configuration", login::openid),
    open(Method::GET, "/adfs/discovery/keys", login::keys),
    open(Method::GET, "/{tenant}/discovery/v2.0/keys", login::keys),
    token("/adfs/oauth2/token"),
    token("/adfs/oauth2/v2.0/token"),
    token("/adfs/{tenant}/oauth2/token"),
    token("/adfs/{tenant}/oauth2/v2.0/token"),
    token("/{tenant}/oauth2/v2.0/token"),
    token("/{tenant}/oauth2/token"),
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
    get(subscription!("/providers/Microsoft.Compute/virtualMachines"), VM_READ, vms::list_all),
    get(group!("/providers/Microsoft.Compute/virtualMachines"), VM_READ, vms::list_of_group),
    get(group!("/providers/Microsoft.Compute/virtualMachines/{vm}"), VM_READ, vms::get),
    get(
        group!("/providers/Microsoft.Compute/virtualMachines/{vm}/instanceView"),
        "Microsoft.Compute/virtualMachines/instanceView/read",
        vms::instance_view,
    ),
    get(subscription!("/providers/Holdfast.Fabric/hosts"), HOST_READ, hosts::list_all),
    put(
        group!("/providers/Holdfast.Fabric/hosts/{host}"),
        "Holdfast.Fabric/hosts/write",
        hosts::put,
    ),
    get(
        subscription!("/providers/Microsoft.RecoveryServices/vaults"),
        VAULT_READ,
        vaults::list_all,
    ),
    get(group!("/providers/Microsoft.RecoveryServices/vaults"), VAULT_READ, vaults::list_of_group),
    post(
        subscription!("/providers/Microsoft.RecoveryServices/locations/{location}/backupStatus"),
        "Microsoft.RecoveryServices/locations/backupStatus/action",
        items::backup_status,
    ),
    get(vault!(""), VAULT_READ, vaults::get),
    put(vault!(""), VAULT_WRITE, vaults::put),
    patch(vault!(""), VAULT_WRITE, vaults::patch),
    get(vault!("/backupPolicies"), POLICY_READ, policies::list_all),
    get(vault!("/backupPolicies/{policy}"), POLICY_READ, policies::get),
    get(
        vault!("/backupProtectableItems"),
        "Microsoft.RecoveryServices/Vaults/backupProtectableItems/read",
        items::protectable,
    ),
    post(
        vault!("/backupFabrics/Azure/refreshContainers"),
        "Microsoft.RecoveryServices/Vaults/backupFabrics/refreshContainers/action",
        operations::refresh,
    ),
    get(
        vault!("/backupFabrics/Azure/operationResults/{operation}"),
        "Microsoft.RecoveryServices/Vaults/backupFabrics/operationResults/read",
        operations::refreshed,
    ),
    get(
        vault!("/backupProtectionContainers"),
        "Microsoft.RecoveryServices/Vaults/backupProtectionContainers/read",
        items::containers,
    ),
    get(vault!("/backupProtectedItems"), ITEM_READ, items::list_all),
    get(item!(""), ITEM_READ, items::get),
    put(
        item!(""),
        "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/write",
        items::put,
    ),
    post(
        item!("/backup"),
        "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/backup\
         /action",
        items::backup,
    ),
    get(vault!("/backupJobs"), JOB_READ, jobs::list_all),
    get(vault!("/backupJobs/{job}"), JOB_READ, jobs::get),
    post(
        vault!("/backupJobs/{job}/cancel"),
        "Microsoft.RecoveryServices/Vaults/backupJobs/cancel/action",
        jobs::cancel,
    ),
    get(
        vault!("/backupJobs/{job}/operationResults/{operation}"),
        "Microsoft.RecoveryServices/Vaults/backupJobs/operationResults/read",
        jobs::cancelled,
    ),
    get(item!("/recoveryPoints"), POINT_READ, points::list_all),
    get(item!("/recoveryPoints/{point}"), POINT_READ, points::get),
    post(
        item!("/recoveryPoints/{point}/restore"),
        "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems\
         /recoveryPoints/restore/action",
        points::restore,
    ),
    get(
        vault!("/backupOperations/{operation}"),
        "Microsoft.RecoveryServices/Vaults/backupOperations/read",
        operations::status,
    ),
    get(
        vault!("/backupOperationResults/{operation}"),
        "Microsoft.RecoveryServices/Vaults/backupOperationResults/read",
        operations::result,
    ),
    get(item!("/operationsStatus/{operation}"), OPERATION_READ, operations::item_status),
    get(item!("/operationResults/{operation}"), OPERATION_READ, operations::item_result),
];

const SUBSCRIPTION_READ: &str = "Microsoft.Resources/subscriptions/read";
const GROUP_READ: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";
const VM_READ: &str = "Microsoft.Compute/virtualMachines/read";
const HOST_READ: &str = "Holdfast.Fabric/hosts/read";
const VAULT_READ: &str = "Microsoft.RecoveryServices/Vaults/read";
const VAULT_WRITE: &str = "Microsoft.RecoveryServices/Vaults/write";
const POLICY_READ: &str = "Microsoft.RecoveryServices/Vaults/backupPolicies/read";
const ITEM_READ: &str = "Microsoft.RecoveryServices/Vaults/backupProtectedItems/read";
const JOB_READ: &str = "Microsoft.RecoveryServices/Vaults/backupJobs/read";
const POINT_READ: &str = "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/\
                          protectedItems/recoveryPoints/read";
const OPERATION_READ: &str = "Microsoft.RecoveryServices/Vaults/backupFabrics/\
                              protectionContainers/protectedItems/operationResults/read";

const fn route(method: Method, pattern: &'static str, access: Access, handler: Handler) -> Route {
    Route { method, pattern, access, handler }
}

const fn open(method: Method, pattern: &'static str, handler: Handler) -> Route {
    route(method, pattern, Access::Open, handler)
}

const fn token(pattern: &'static str) -> Route {
    route(Method::POST, pattern, Access::Login, login::token)
}

const fn get(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::GET, pattern, Access::Needs(action), handler)
}

const fn head(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::HEAD, pattern, Access::Needs(action), handler)
}

const fn put(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::PUT, pattern, Access::Needs(action), handler)
}

const fn patch(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::PATCH, pattern, Access::Needs(action), handler)
}

const fn post(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::POST, pattern, Access::Needs(action), handler)
}

/// What the table has for a request.
pub(crate) enum Found {
    /// A route, and the values of its names.
    Route(&'static Route, Vec<(&'static str, String)>),
    /// Routes for this path, but by these methods.
    OtherMethods(Vec<&'static str>),
    /// No route for this path.
    Nothing,
}

/// Looks a request up.
pub(crate) fn find(method: &Method, segments: &[String]) -> Found {
    let mut others = Vec::new();
    for route in ROUTES {
        let Some(names) = path::captures(route.pattern, segments) else {
            continue;
        };
        if route.method == method {
            return Found::Route(route, names);
        }
        others.push(route.method.as_str());
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_up(method: Method, path: &str) -> Option<&'static str> {
        let segments = path::segments(path).expect("readable");
        match find(&method, &segments) {
            Found::Route(route, _) => Some(route.pattern),
            _ => None,
        }
    }

    #[test]
    fn every_route_is_found_by_its_own_pattern() {
        for route in ROUTES {
            let path = route.pattern.replace(['{', '}'], "");
            let found = looked_up(route.method.clone(), &path);
            assert_eq!(found, Some(route.pattern), "hidden behind an earlier route");
        }
    }

    #[test]
    fn only_the_way_to_a_token_is_open() {
        for route in ROUTES.iter().filter(|route| !matches!(route.access, Access::Needs(_))) {
            let pattern = route.pattern;
            let allowed = ["/metadata/endpoints", "openid-configuration", "/keys", "/token"];
            assert!(allowed.iter().any(|end| pattern.ends_with(end)), "{pattern}");
        }
    }

    #[test]
    fn a_path_by_another_method_names_the_methods_there_are() {
        let segments = path::segments("/subscriptions/s/resourceGroups/g").expect("readable");
        let Found::OtherMethods(methods) = find(&Method::DELETE, &segments) else {
            panic!("there is no DELETE");
        };
        assert_eq!(methods, ["GET", "HEAD", "PUT"]);
    }
}
