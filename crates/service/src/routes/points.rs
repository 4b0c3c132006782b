//! Recovery points of an item.

use super::{Route, get, post};
use crate::arm::{points, restores};

pub(super) const ROUTES: &[Route] = &[
    get(item!("/recoveryPoints"), POINT_READ, points::list_all),
    get(item!("/recoveryPoints/{point}"), POINT_READ, points::get),
    post(
        item!("/recoveryPoints/{point}/restore"),
        "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems\
         /recoveryPoints/restore/action",
        restores::restore,
    ),
];

const POINT_READ: &str = "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/\
                          protectedItems/recoveryPoints/read";
