//! What Azure has no noun for: `Holdfast.Fabric`.

use super::{Route, get, put};
use crate::arm::hosts;

pub(super) const ROUTES: &[Route] = &[
    get(subscription!("/providers/Holdfast.Fabric/hosts"), HOST_READ, hosts::list_all),
    put(
        group!("/providers/Holdfast.Fabric/hosts/{host}"),
        "Holdfast.Fabric/hosts/write",
        hosts::put,
    ),
];

const HOST_READ: &str = "Holdfast.Fabric/hosts/read";
