//! What a vault could protect, and what it does protect.

use api::arm::container::{Container, ProtectableItem};
use api::arm::item::{BackupRequest, BackupStatus, Item, ItemRequest, StatusRequest};
use api::openapi::Operation;
use serde_json::json;

use super::{POLICY_ID, VM_ID, get, post, put};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        post(
            "BackupStatus_Get",
            subscription!(
                "/providers/Microsoft.RecoveryServices/locations/{location}/backupStatus"
            ),
            "Whether a virtual machine is protected, and by which vault.",
        )
        .takes::<StatusRequest>(json!({ "resourceType": "VM", "resourceId": VM_ID }))
        .gives::<BackupStatus>(200),
        get(
            "BackupProtectableItems_List",
            vault!("/backupProtectableItems"),
            "The virtual machines that the vault could protect.",
        )
        .filtered()
        .lists::<ProtectableItem>(),
        get(
            "BackupProtectionContainers_List",
            vault!("/backupProtectionContainers"),
            "What the vault's items are filed under.",
        )
        .filtered()
        .lists::<Container>(),
        get("BackupProtectedItems_List", vault!("/backupProtectedItems"), "The vault's items.")
            .filtered()
            .lists::<Item>(),
        get("ProtectedItems_Get", item!(""), "A protected item.").gives::<Item>(200),
        put("ProtectedItems_CreateOrUpdate", item!(""), "Protects a VM, or changes how.")
            .takes::<ItemRequest>(json!({ "properties": {
                "protectedItemType": "Microsoft.Compute/virtualMachines",
                "sourceResourceId": VM_ID,
                "policyId": POLICY_ID,
            } }))
            .accepts()
            .refuses(&[409]),
        post("Backups_Trigger", item!("/backup"), "Backs the item up now.")
            .may_take::<BackupRequest>(json!({ "properties": {
                "objectType": "IaasVMBackupRequest",
                "recoveryPointExpiryTimeInUTC": "2099-01-01T00:00:00Z",
            } }))
            .accepts()
            .refuses(&[409]),
    ]
}
