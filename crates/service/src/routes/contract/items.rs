//! What a vault could protect, and what it does protect.

use api::arm::container::{Container, ProtectableItem};
use api::arm::item::{BackupRequest, BackupStatus, Item, ItemRequest, StatusRequest};
use api::arm::validation::{FeatureRequest, FeatureSupport, PreValidateRequest, PreValidation};
use api::openapi::Operation;
use serde_json::json;

use super::{POLICY_ID, VAULT_ID, VM_ID, delete, get, post, put};

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = of_a_region();
    operations.extend(of_a_vault());
    operations
}

fn of_a_region() -> Vec<Operation> {
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
        post(
            "ProtectionIntents_Validate",
            subscription!(
                "/providers/Microsoft.RecoveryServices/locations/{location}/backupPreValidateProtection"
            ),
            "What protecting a virtual machine would say.",
        )
        .takes::<PreValidateRequest>(json!({
            "resourceType": "VM",
            "resourceId": VM_ID,
            "vaultId": VAULT_ID,
            "properties": "{\"policyName\":\"DefaultPolicy\"}",
        }))
        .gives::<PreValidation>(200),
        post(
            "FeatureSupports_Validate",
            subscription!(
                "/providers/Microsoft.RecoveryServices/locations/{location}/backupValidateFeatures"
            ),
            "Whether a feature is there in a region.",
        )
        .takes::<FeatureRequest>(json!({ "featureType": "AzureVMResourceBackup" }))
        .gives::<FeatureSupport>(200),
    ]
}

fn of_a_vault() -> Vec<Operation> {
    vec![
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
        get(
            "ProtectionContainers_Get",
            vault!("/backupFabrics/Azure/protectionContainers/{container}"),
            "What an item of the vault is filed under.",
        )
        .gives::<Container>(200),
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
        delete("ProtectedItems_Delete", item!(""), "Stops protection and deletes the data.")
            .accepts()
            .empty(204)
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
