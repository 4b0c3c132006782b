//! What Azure has no noun for: `Holdfast.Fabric`.

use super::{Route, delete, get, list, plain, post, put};
use crate::arm::{deleted_vaults, hosts, principals, retention, status, stores};
use crate::metrics;

macro_rules! retention {
    ($rest:literal) => {
        concat!(
            "/subscriptions/{subscription}/resourceGroups/{group}",
            "/providers/Microsoft.RecoveryServices/vaults/{vault}",
            "/providers/Holdfast.Fabric/retention/default",
            $rest
        )
    };
}

macro_rules! principal {
    ($rest:literal) => {
        concat!(
            "/subscriptions/{subscription}/providers/Holdfast.Fabric/principals/{principal}",
            $rest
        )
    };
}

pub(super) const ROUTES: &[Route] = &[
    plain("/metrics", "Holdfast.Fabric/metrics/read", metrics::get),
    list(subscription!("/providers/Holdfast.Fabric/hosts"), HOST_READ, hosts::list_all),
    put(
        group!("/providers/Holdfast.Fabric/hosts/{host}"),
        "Holdfast.Fabric/hosts/write",
        hosts::put,
    ),
    get(
        subscription!("/providers/Holdfast.Fabric/principals"),
        PRINCIPAL_READ,
        principals::list_all,
    ),
    get(principal!(""), PRINCIPAL_READ, principals::get),
    put(principal!(""), "Holdfast.Fabric/principals/write", principals::put),
    post(
        principal!("/resetSecret"),
        "Holdfast.Fabric/principals/resetSecret/action",
        principals::reset_secret,
    ),
    delete(principal!(""), "Holdfast.Fabric/principals/delete", principals::delete),
    list(subscription!("/providers/Holdfast.Fabric/status"), STATUS_READ, status::get),
    get(
        vault!("/providers/Holdfast.Fabric/deletionPlans/default"),
        "Holdfast.Fabric/deletionPlans/read",
        deleted_vaults::plan,
    ),
    list(subscription!("/providers/Holdfast.Fabric/stores"), STORE_READ, stores::list_all),
    get(group!("/providers/Holdfast.Fabric/stores/{store}"), STORE_READ, stores::get),
    put(
        group!("/providers/Holdfast.Fabric/stores/{store}"),
        "Holdfast.Fabric/stores/write",
        stores::put,
    ),
    delete(
        group!("/providers/Holdfast.Fabric/stores/{store}"),
        "Holdfast.Fabric/stores/delete",
        stores::delete,
    ),
    get(retention!(""), "Holdfast.Fabric/retention/read", retention::get),
    get(retention!("/points"), "Holdfast.Fabric/retention/points/read", retention::points),
    post(retention!("/run"), "Holdfast.Fabric/retention/run/action", retention::run),
    post(retention!("/confirm"), "Holdfast.Fabric/retention/confirm/action", retention::confirm),
    post(
        subscription!("/providers/Holdfast.Fabric/retention/default/confirmClock"),
        "Holdfast.Fabric/retention/confirmClock/action",
        retention::confirm_clock,
    ),
];

pub(crate) const HOST_READ: &str = "Holdfast.Fabric/hosts/read";
const PRINCIPAL_READ: &str = "Holdfast.Fabric/principals/read";
pub(crate) const STATUS_READ: &str = "Holdfast.Fabric/status/read";
pub(crate) const STORE_READ: &str = "Holdfast.Fabric/stores/read";
