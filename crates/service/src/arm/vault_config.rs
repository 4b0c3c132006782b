//! What hangs on a vault beside its own settings: its configurations in the words of an older API,
//! its usage, and lists of what it does not have.

use api::arm::vault_config::{
    self as shape, ConfigRequest, NameAvailability, NameRequest, Nothing, StorageConfigProperties,
    VaultConfigProperties,
};
use api::arm::{container, usage};
use axum::http::StatusCode;
use engine::{Strictness, VaultChange};
use model::fault::{Code, Fault};
use model::vault::{Vault, VaultName};

use super::items::vault_id;
use super::vaults::request;
use super::{list, tenancy};
use crate::call::{Call, Reply};
use crate::filter::Filter;

/// `GET V/backupconfig/vaultconfig`
pub(crate) fn vault_config(call: &Call) -> Result<Reply, Fault> {
    render_vault_config(call, &call.vault()?)
}

/// `PUT` and `PATCH V/backupconfig/vaultconfig`
pub(crate) fn set_vault_config(call: &Call) -> Result<Reply, Fault> {
    let sent: ConfigRequest<VaultConfigProperties> = call.body()?;
    let sent = sent.properties;
    let vault = call.vault()?;
    let state = sent.soft_delete_feature_state.as_deref();
    let enhanced = sent.enhanced_security_state.as_deref();
    let wanted = VaultChange {
        soft_delete: request::soft_delete_named("softDeleteFeatureState", state)?,
        enhanced_security: request::soft_delete_named("enhancedSecurityState", enhanced)?,
        soft_delete_days: sent.soft_delete_retention_period_in_days,
        ..VaultChange::default()
    };
    let vault = call.engine().change_vault(&vault, None, &wanted, Strictness::Any)?;
    render_vault_config(call, &vault)
}

fn render_vault_config(call: &Call, vault: &Vault) -> Result<Reply, Fault> {
    let has_items = has_items(call, vault)?;
    Ok(Reply::ok(&shape::vault_config(&vault_id(call, vault), vault, has_items)))
}

/// `GET V/backupstorageconfig/vaultstorageconfig`
pub(crate) fn storage_config(call: &Call) -> Result<Reply, Fault> {
    render_storage_config(call, &call.vault()?)
}

/// `PUT V/backupstorageconfig/vaultstorageconfig`
pub(crate) fn put_storage_config(call: &Call) -> Result<Reply, Fault> {
    render_storage_config(call, &set_storage_config(call)?)
}

/// `PATCH V/backupstorageconfig/vaultstorageconfig`, which Azure answers with nothing.
pub(crate) fn patch_storage_config(call: &Call) -> Result<Reply, Fault> {
    set_storage_config(call).map(|_| Reply::empty(StatusCode::NO_CONTENT))
}

fn set_storage_config(call: &Call) -> Result<Vault, Fault> {
    let sent: ConfigRequest<StorageConfigProperties> = call.body()?;
    let sent = sent.properties;
    let vault = call.vault()?;
    let model = sent.storage_model_type.as_deref();
    let kind = model.or(sent.storage_type.as_deref());
    let mut wanted = VaultChange {
        redundancy: request::redundancy_named("storageModelType", kind)?,
        ..VaultChange::default()
    };
    if sent.cross_region_restore_flag == Some(true) {
        wanted.unsupported.push(request::cross_region_restore());
    }
    call.engine().change_vault(&vault, None, &wanted, Strictness::Any)
}

fn render_storage_config(call: &Call, vault: &Vault) -> Result<Reply, Fault> {
    let has_items = has_items(call, vault)?;
    Ok(Reply::ok(&shape::storage_config(&vault_id(call, vault), vault, has_items)))
}

fn has_items(call: &Call, vault: &Vault) -> Result<bool, Fault> {
    Ok(!call.engine().items(vault)?.is_empty())
}

/// `GET V/backupEncryptionConfigs/backupResourceEncryptionConfig`
pub(crate) fn encryption_config(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&shape::encryption_config(&vault_id(call, &call.vault()?))))
}

/// `GET V/replicationVaultSettings/default`
pub(crate) fn replication_settings(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&shape::replication_settings(&vault_id(call, &call.vault()?))))
}

/// A list of something that a vault here never has: resource guards, replication.
pub(crate) fn nothing(call: &Call) -> Result<Reply, Fault> {
    call.vault()?;
    list::<Nothing>(call, [])
}

/// `GET V/backupResourceGuardProxies/{name}`: no second person is asked here.
pub(crate) fn guard_proxy(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let message = format!("Vault '{}' has no Resource Guard '{}'.", vault.name, call.name("proxy"));
    Err(Fault::new(Code::ResourceNotFound, message))
}

/// `GET V/usages`
pub(crate) fn usages(call: &Call) -> Result<Reply, Fault> {
    let used = call.engine().vault_usage(&call.vault()?)?;
    let usages = [
        usage::count(used.items, "ProtectedItemCount", "Protected items"),
        usage::count(used.deleted_items, "SoftDeletedItemCount", "Soft deleted items"),
        usage::count(used.points, "RecoveryPointCount", "Recovery points"),
        usage::bytes(used.logical_bytes, "ProtectedBytes", "Disks of all recovery points"),
        usage::bytes(used.stored_bytes, "StorageUsed", "Backup storage used"),
    ];
    list(call, usages)
}

/// `GET V/backupUsageSummaries`: how many items, or how many containers, which are as many.
pub(crate) fn usage_summaries(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let filter = Filter::parse_by(call.query("$filter").unwrap_or_default(), &["type"])?;
    let known = ["BackupProtectedItemCountSummary", "BackupProtectionContainerCountSummary"];
    if !filter.get("type").is_none_or(|kind| known.iter().any(|it| it.eq_ignore_ascii_case(kind))) {
        return list::<Nothing>(call, []);
    }
    let items = call.engine().items(&vault)?.len() as u64;
    list(call, [usage::count(items, api::arm::AZURE_IAAS_VM, "Azure Virtual Machine")])
}

/// `GET V/backupDeletedProtectionContainers`: those of soft-deleted items.
pub(crate) fn deleted_containers(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let filter = call.filter()?;
    let mut items = call.engine().items(&vault)?;
    items.retain(|item| {
        item.deletion.is_some()
            && filter.passes_vms()
            && filter.passes("friendlyName", &item.vm_name)
    });
    let (subscription, id) = (call.subscription(), vault_id(call, &vault));
    list(call, items.iter().map(|item| container::render(&subscription, &id, item)))
}

/// `POST …/resourceGroups/G/…/locations/L/checkNameAvailability`
pub(crate) fn name_availability(call: &Call) -> Result<Reply, Fault> {
    let request: NameRequest = call.body()?;
    let group = tenancy::find_group(call)?.name;
    let taken = |vault: &Vault| {
        vault.resource_group.eq_ignore_ascii_case(&group)
            && vault.name.as_str().eq_ignore_ascii_case(&request.name)
    };
    let no = |reason: &str, message: String| NameAvailability {
        name_available: false,
        reason: Some(reason.to_owned()),
        message: Some(message),
    };
    let answer = match VaultName::new(&request.name) {
        Err(error) => no("Invalid", format!("{error}.")),
        Ok(name) if call.engine().vaults()?.iter().any(taken) => {
            no("AlreadyExists", format!("Resource group '{group}' has a vault '{name}' already."))
        }
        Ok(_) => NameAvailability { name_available: true, reason: None, message: None },
    };
    Ok(Reply::ok(&answer))
}
