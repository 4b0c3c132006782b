//! What hangs on a vault beside its own settings, under names of its own: `backupconfig`,
//! `backupstorageconfig`, `backupEncryptionConfigs`, `replicationVaultSettings`.
//!
//! Most of it says again what the vault says, in the words of an older API that clients still use.

use model::vault::{SoftDeleteState, Vault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Resource;

/// `backupconfig/vaultconfig`.
pub type VaultConfig = Resource<VaultConfigProperties>;

/// How a vault's data is protected from deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultConfigProperties {
    /// Security for hybrid workloads: `Enabled` or `Disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enhanced_security_state: Option<String>,
    /// `Enabled`, `Disabled` or `AlwaysON`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_delete_feature_state: Option<String>,
    /// For how many days deleted data can be brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_delete_retention_period_in_days: Option<i64>,
    /// Whether the state can still be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_soft_delete_feature_state_editable: Option<bool>,
    /// The copies wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_model_type: Option<String>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_type: Option<String>,
    /// Whether the copies wanted can still be changed: `Locked` or `Unlocked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_type_state: Option<String>,
}

/// `backupstorageconfig/vaultstorageconfig`.
pub type StorageConfig = Resource<StorageConfigProperties>;

/// The copies wanted of a vault's data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageConfigProperties {
    /// `LocallyRedundant`, `ZoneRedundant` or `GeoRedundant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_model_type: Option<String>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_type: Option<String>,
    /// Whether it can still be changed: `Locked` or `Unlocked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_type_state: Option<String>,
    /// Whether points can be restored in the paired region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_region_restore_flag: Option<bool>,
    /// Azure's own deduplication across vaults, which is another thing than a repository's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup_state: Option<String>,
    /// Azure's own tier of cold storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xcool_state: Option<String>,
}

/// What a client sends to change one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConfigRequest_{P}")]
pub struct ConfigRequest<P> {
    /// The settings.
    pub properties: P,
}

/// `backupEncryptionConfigs/backupResourceEncryptionConfig`.
pub type EncryptionConfig = Resource<EncryptionConfigProperties>;

/// With whose key a vault's data is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionConfigProperties {
    /// `MicrosoftManaged`: Azure's word for a key that the service made and keeps.
    pub encryption_at_rest_type: String,
    /// Not meaningful with such a key.
    pub use_system_assigned_identity: bool,
    /// `NotEnabled`: no key of the customer's own was ever set.
    pub last_update_status: String,
    /// Whether the disks beneath are encrypted a second time by the service: `Disabled`.
    pub infrastructure_encryption_state: String,
}

/// `replicationVaultSettings/default`, which clients must be able to read. Nothing replicates.
pub type ReplicationSettings = Resource<Empty>;

/// An entry of a list that is always empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Nothing {}

/// Properties of which there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Empty {}

/// The resource type of what hangs on a vault.
fn kind(of: &str) -> String {
    format!("{}/{of}", super::vault::KIND)
}

fn named<P>(vault_id: &str, of: &str, name: &str, properties: P) -> Resource<P> {
    Resource::new(format!("{vault_id}/{of}/{name}"), name, kind(of), properties)
}

fn lock(has_items: bool) -> Option<String> {
    Some(if has_items { "Locked" } else { "Unlocked" }.to_owned())
}

/// Renders `backupconfig/vaultconfig`.
pub fn vault_config(vault_id: &str, vault: &Vault, has_items: bool) -> VaultConfig {
    let soft_delete = vault.settings.soft_delete;
    // This API knows no third state of it.
    let enhanced = match soft_delete.enhanced {
        SoftDeleteState::Disabled => SoftDeleteState::Disabled,
        SoftDeleteState::Enabled | SoftDeleteState::AlwaysOn => SoftDeleteState::Enabled,
    };
    let redundancy = || Some(vault.redundancy.azure_name().to_owned());
    let properties = VaultConfigProperties {
        enhanced_security_state: Some(enhanced.azure_name().to_owned()),
        soft_delete_feature_state: Some(soft_delete.state.azure_name().to_owned()),
        soft_delete_retention_period_in_days: Some(soft_delete.days.into()),
        is_soft_delete_feature_state_editable: Some(soft_delete.state != SoftDeleteState::AlwaysOn),
        storage_model_type: redundancy(),
        storage_type: redundancy(),
        storage_type_state: lock(has_items),
    };
    named(vault_id, "backupconfig", "vaultconfig", properties)
}

/// Renders `backupstorageconfig/vaultstorageconfig`.
pub fn storage_config(vault_id: &str, vault: &Vault, has_items: bool) -> StorageConfig {
    let redundancy = || Some(vault.redundancy.azure_name().to_owned());
    let off = || Some("Disabled".to_owned());
    let properties = StorageConfigProperties {
        storage_model_type: redundancy(),
        storage_type: redundancy(),
        storage_type_state: lock(has_items),
        cross_region_restore_flag: Some(false),
        dedup_state: off(),
        xcool_state: off(),
    };
    named(vault_id, "backupstorageconfig", "vaultstorageconfig", properties)
}

/// Renders `backupEncryptionConfigs/backupResourceEncryptionConfig`.
pub fn encryption_config(vault_id: &str) -> EncryptionConfig {
    let properties = EncryptionConfigProperties {
        encryption_at_rest_type: "MicrosoftManaged".to_owned(),
        use_system_assigned_identity: true,
        last_update_status: "NotEnabled".to_owned(),
        infrastructure_encryption_state: "Disabled".to_owned(),
    };
    named(vault_id, "backupEncryptionConfigs", "backupResourceEncryptionConfig", properties)
}

/// Renders `replicationVaultSettings/default`.
pub fn replication_settings(vault_id: &str) -> ReplicationSettings {
    named(vault_id, "replicationVaultSettings", "default", Empty {})
}

/// What a client sends to learn whether a name is free.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NameRequest {
    /// The name.
    #[serde(default)]
    pub name: String,
    /// The resource type that is to have it.
    #[serde(rename = "type", default)]
    pub kind: String,
}

/// Whether a name is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameAvailability {
    /// Whether it is.
    pub name_available: bool,
    /// Why not: `Invalid` or `AlreadyExists`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
