//! Vaults, and what hangs on one beside items, points, policies and jobs.

use api::arm::container::Container;
use api::arm::deleted_vault::{DeletedVault, UndeleteRequest};
use api::arm::operation::OperationStatus;
use api::arm::usage::Usage;
use api::arm::vault::{Vault, VaultRequest};
use api::arm::vault_config::{
    ConfigRequest, EncryptionConfig, NameAvailability, NameRequest, Nothing, ReplicationSettings,
    StorageConfig, StorageConfigProperties, VaultConfig, VaultConfigProperties,
};
use api::openapi::Operation;
use serde_json::json;

use super::{delete, get, patch, post, put};

pub(super) fn operations() -> Vec<Operation> {
    [vaults(), configurations(), beside(), of_regions()].into_iter().flatten().collect()
}

fn vaults() -> Vec<Operation> {
    let redundancy =
        || json!({ "redundancySettings": { "standardTierStorageRedundancy": "LocallyRedundant" } });
    vec![
        get(
            "Vaults_ListBySubscriptionId",
            subscription!("/providers/Microsoft.RecoveryServices/vaults"),
            "All vaults.",
        )
        .lists::<Vault>(),
        get(
            "Vaults_ListByResourceGroup",
            group!("/providers/Microsoft.RecoveryServices/vaults"),
            "The vaults of a resource group.",
        )
        .lists::<Vault>(),
        get("Vaults_Get", vault!(""), "A vault.").gives::<Vault>(200),
        put("Vaults_CreateOrUpdate", vault!(""), "Creates a vault, or changes one.")
            .takes::<VaultRequest>(json!({ "location": "local", "properties": redundancy() }))
            .gives::<Vault>(200)
            .gives::<Vault>(201)
            .refuses(&[409, 412]),
        patch("Vaults_Update", vault!(""), "Changes a vault.")
            .takes::<VaultRequest>(json!({ "properties": redundancy() }))
            .gives::<Vault>(200)
            .refuses(&[409, 412]),
        delete(
            "Vaults_Delete",
            vault!(""),
            "Deletes a vault: an empty one for good, one with only soft-deleted items until they \
             are gone.",
        )
        .accepts()
        .empty(204)
        .refuses(&[412]),
        get(
            "GetOperationStatus",
            vault!("/operationStatus/{operation}"),
            "Where the deletion of a vault stands.",
        )
        .gives::<OperationStatus>(200),
        get(
            "GetOperationResult",
            vault!("/operationResults/{operation}"),
            "Whether the deletion of a vault is over.",
        )
        .empty(204),
    ]
}

fn configurations() -> Vec<Operation> {
    let soft_delete = || json!({ "properties": { "softDeleteRetentionPeriodInDays": 30 } });
    let storage = || json!({ "properties": { "storageModelType": "LocallyRedundant" } });
    let (config, store) =
        (vault!("/backupconfig/vaultconfig"), vault!("/backupstorageconfig/vaultstorageconfig"));
    let words = "Changes how a vault's data is protected from deletion.";
    let copies = "Changes the copies wanted of a vault's data.";
    vec![
        get("BackupResourceVaultConfigs_Get", config, "How a vault's data is protected.")
            .gives::<VaultConfig>(200),
        put("BackupResourceVaultConfigs_Put", config, words)
            .takes::<ConfigRequest<VaultConfigProperties>>(soft_delete())
            .gives::<VaultConfig>(200),
        patch("BackupResourceVaultConfigs_Update", config, words)
            .takes::<ConfigRequest<VaultConfigProperties>>(soft_delete())
            .gives::<VaultConfig>(200),
        get("BackupResourceStorageConfigsNonCRR_Get", store, "The copies wanted.")
            .gives::<StorageConfig>(200),
        put("BackupResourceStorageConfigsNonCRR_Update", store, copies)
            .takes::<ConfigRequest<StorageConfigProperties>>(storage())
            .gives::<StorageConfig>(200),
        patch("BackupResourceStorageConfigsNonCRR_Patch", store, copies)
            .takes::<ConfigRequest<StorageConfigProperties>>(storage())
            .empty(204),
        get(
            "BackupResourceEncryptionConfigs_Get",
            vault!("/backupEncryptionConfigs/backupResourceEncryptionConfig"),
            "With whose key a vault's data is sealed.",
        )
        .gives::<EncryptionConfig>(200),
    ]
}

fn beside() -> Vec<Operation> {
    vec![
        get(
            "ResourceGuardProxies_Get",
            vault!("/backupResourceGuardProxies"),
            "The vault's resource guards: none.",
        )
        .lists::<Nothing>(),
        get(
            "ResourceGuardProxy_Get",
            vault!("/backupResourceGuardProxies/{proxy}"),
            "A resource guard, which no vault has.",
        ),
        get("Usages_ListByVaults", vault!("/usages"), "How much is in a vault.").lists::<Usage>(),
        get(
            "ReplicationUsages_List",
            vault!("/replicationUsages"),
            "How much of a vault replicates: nothing.",
        )
        .lists::<Nothing>(),
        get(
            "BackupUsageSummaries_List",
            vault!("/backupUsageSummaries"),
            "How many items or containers a vault has.",
        )
        .filtered()
        .lists::<Usage>(),
        get(
            "ReplicationVaultSetting_Get",
            vault!("/replicationVaultSettings/default"),
            "How a vault replicates: in no way.",
        )
        .gives::<ReplicationSettings>(200),
        get(
            "DeletedProtectionContainers_List",
            vault!("/backupDeletedProtectionContainers"),
            "The containers of soft-deleted items.",
        )
        .filtered()
        .lists::<Container>(),
    ]
}

fn of_regions() -> Vec<Operation> {
    vec![
        get(
            "DeletedVaults_ListBySubscriptionId",
            location!("/deletedVaults"),
            "The soft-deleted vaults of a region.",
        )
        .lists::<DeletedVault>(),
        get("DeletedVaults_Get", location!("/deletedVaults/{vault}"), "A soft-deleted vault.")
            .gives::<DeletedVault>(200),
        delete(
            "DeletedVaults_Purge",
            location!("/deletedVaults/{vault}"),
            "Lets a soft-deleted vault go for good before its time, if nothing is in it.",
        )
        .empty(200)
        .empty(204),
        post(
            "DeletedVaults_Undelete",
            location!("/deletedVaults/{vault}/undelete"),
            "Brings a soft-deleted vault back. Its items stay deleted; roles on it do not come back.",
        )
        .takes::<UndeleteRequest>(
            json!({ "properties": { "recoveryResourceGroupId": super::GROUP_ID } }),
        )
        .gives::<DeletedVault>(200)
        .refuses(&[409]),
        post(
            "RecoveryServices_CheckNameAvailability",
            group!(
                "/providers/Microsoft.RecoveryServices/locations/{location}/checkNameAvailability"
            ),
            "Whether a vault can have a name.",
        )
        .takes::<NameRequest>(json!({ "name": "v1", "type": "Microsoft.RecoveryServices/vaults" }))
        .gives::<NameAvailability>(200),
    ]
}
