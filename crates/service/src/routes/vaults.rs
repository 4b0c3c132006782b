//! Vaults, soft-deleted ones, and what hangs on one beside items, points, policies and jobs.

use super::{Route, delete, get, list, patch, post, put};
use crate::arm::{deleted_vaults, vault_config, vaults};

pub(super) const ROUTES: &[Route] = &[
    list(
        subscription!("/providers/Microsoft.RecoveryServices/vaults"),
        VAULT_READ,
        vaults::list_all,
    ),
    list(group!("/providers/Microsoft.RecoveryServices/vaults"), VAULT_READ, vaults::list_of_group),
    get(vault!(""), VAULT_READ, vaults::get),
    put(vault!(""), VAULT_WRITE, vaults::put),
    patch(vault!(""), VAULT_WRITE, vaults::patch),
    delete(vault!(""), "Microsoft.RecoveryServices/Vaults/delete", vaults::delete),
    get(vault!("/operationStatus/{operation}"), VAULT_READ, vaults::operation_status),
    get(vault!("/operationResults/{operation}"), VAULT_READ, vaults::operation_result),
    get(vault!("/backupconfig/vaultconfig"), CONFIG_READ, vault_config::vault_config),
    put(vault!("/backupconfig/vaultconfig"), CONFIG_WRITE, vault_config::set_vault_config),
    patch(vault!("/backupconfig/vaultconfig"), CONFIG_WRITE, vault_config::set_vault_config),
    get(
        vault!("/backupstorageconfig/vaultstorageconfig"),
        STORE_READ,
        vault_config::storage_config,
    ),
    put(
        vault!("/backupstorageconfig/vaultstorageconfig"),
        STORE_WRITE,
        vault_config::put_storage_config,
    ),
    patch(
        vault!("/backupstorageconfig/vaultstorageconfig"),
        STORE_WRITE,
        vault_config::patch_storage_config,
    ),
    get(
        vault!("/backupEncryptionConfigs/backupResourceEncryptionConfig"),
        "Microsoft.RecoveryServices/Vaults/backupEncryptionConfigs/read",
        vault_config::encryption_config,
    ),
    get(vault!("/backupResourceGuardProxies"), GUARD_READ, vault_config::nothing),
    get(vault!("/backupResourceGuardProxies/{proxy}"), GUARD_READ, vault_config::guard_proxy),
    get(vault!("/usages"), "Microsoft.RecoveryServices/Vaults/usages/read", vault_config::usages),
    get(
        vault!("/replicationUsages"),
        "Microsoft.RecoveryServices/vaults/replicationUsages/read",
        vault_config::nothing,
    ),
    get(
        vault!("/backupUsageSummaries"),
        "Microsoft.RecoveryServices/Vaults/backupUsageSummaries/read",
        vault_config::usage_summaries,
    ),
    get(
        vault!("/replicationVaultSettings/default"),
        "Microsoft.RecoveryServices/vaults/replicationVaultSettings/read",
        vault_config::replication_settings,
    ),
    get(
        vault!("/backupDeletedProtectionContainers"),
        "Microsoft.RecoveryServices/Vaults/backupDeletedProtectionContainers/read",
        vault_config::deleted_containers,
    ),
    list(location!("/deletedVaults"), DELETED_READ, deleted_vaults::list_all),
    get(location!("/deletedVaults/{vault}"), DELETED_READ, deleted_vaults::get),
    delete(
        location!("/deletedVaults/{vault}"),
        "Microsoft.RecoveryServices/locations/deletedVaults/delete",
        deleted_vaults::purge,
    ),
    post(
        location!("/deletedVaults/{vault}/undelete"),
        "Microsoft.RecoveryServices/locations/deletedVaults/undelete/action",
        deleted_vaults::undelete,
    ),
    post(
        group!("/providers/Microsoft.RecoveryServices/locations/{location}/checkNameAvailability"),
        "Microsoft.RecoveryServices/locations/checkNameAvailability/action",
        vault_config::name_availability,
    ),
];

pub(crate) const VAULT_READ: &str = "Microsoft.RecoveryServices/Vaults/read";
pub(crate) const VAULT_WRITE: &str = "Microsoft.RecoveryServices/Vaults/write";
const CONFIG_READ: &str = "Microsoft.RecoveryServices/Vaults/backupconfig/read";
const CONFIG_WRITE: &str = "Microsoft.RecoveryServices/Vaults/backupconfig/write";
const STORE_READ: &str = "Microsoft.RecoveryServices/Vaults/backupstorageconfig/read";
const STORE_WRITE: &str = "Microsoft.RecoveryServices/Vaults/backupstorageconfig/write";
const GUARD_READ: &str = "Microsoft.RecoveryServices/Vaults/backupResourceGuardProxies/read";
pub(crate) const DELETED_READ: &str = "Microsoft.RecoveryServices/locations/deletedVaults/read";
