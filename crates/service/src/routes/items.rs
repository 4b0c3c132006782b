//! What a vault could protect, and what it does protect.

use super::{Route, delete, get, post, put};
use crate::arm::{items, validation};

pub(super) const ROUTES: &[Route] = &[
    post(
        subscription!("/providers/Microsoft.RecoveryServices/locations/{location}/backupStatus"),
        BACKUP_STATUS,
        validation::backup_status,
    ),
    post(
        subscription!(
            "/providers/Microsoft.RecoveryServices/locations/{location}/backupPreValidateProtection"
        ),
        "Microsoft.RecoveryServices/locations/backupPreValidateProtection/action",
        validation::pre_validate,
    ),
    post(
        subscription!(
            "/providers/Microsoft.RecoveryServices/locations/{location}/backupValidateFeatures"
        ),
        "Microsoft.RecoveryServices/locations/backupValidateFeatures/action",
        validation::validate_features,
    ),
    get(
        vault!("/backupProtectableItems"),
        "Microsoft.RecoveryServices/Vaults/backupProtectableItems/read",
        items::protectable,
    ),
    get(
        vault!("/backupProtectionContainers"),
        "Microsoft.RecoveryServices/Vaults/backupProtectionContainers/read",
        items::containers,
    ),
    get(
        vault!("/backupFabrics/Azure/protectionContainers/{container}"),
        "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/read",
        items::container,
    ),
    get(vault!("/backupProtectedItems"), ITEM_READ, items::list_all),
    get(item!(""), ITEM_READ, items::get),
    put(
        item!(""),
        "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/write",
        items::put,
    ),
    delete(item!(""), ITEM_DELETE, items::delete),
    post(
        item!("/backup"),
        "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/backup\
         /action",
        items::backup,
    ),
];

const ITEM_READ: &str = "Microsoft.RecoveryServices/Vaults/backupProtectedItems/read";
pub(crate) const BACKUP_STATUS: &str = "Microsoft.RecoveryServices/locations/backupStatus/action";
pub(crate) const ITEM_DELETE: &str =
    "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/delete";
