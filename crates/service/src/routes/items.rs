//! What a vault could protect, and what it does protect.

use super::{Route, get, post, put};
use crate::arm::items;

pub(super) const ROUTES: &[Route] = &[
    post(
        subscription!("/providers/Microsoft.RecoveryServices/locations/{location}/backupStatus"),
        BACKUP_STATUS,
        items::backup_status,
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
];

const ITEM_READ: &str = "Microsoft.RecoveryServices/Vaults/backupProtectedItems/read";
pub(crate) const BACKUP_STATUS: &str = "Microsoft.RecoveryServices/locations/backupStatus/action";
