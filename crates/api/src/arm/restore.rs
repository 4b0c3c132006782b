//! Restore requests: Azure's `IaasVMRestoreRequest`, with the one thing that Azure cannot say: into
//! which directory.

use model::arm_id;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Disks into a directory.
pub const RESTORE_DISKS: &str = "RestoreDisks";
/// A new virtual machine.
pub const ALTERNATE_LOCATION: &str = "AlternateLocation";
/// Over the disks of the virtual machine that was backed up.
pub const ORIGINAL_LOCATION: &str = "OriginalLocation";

/// What a client sends to restore a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RestoreRequest {
    /// What is wanted.
    pub properties: RestoreRequestProperties,
}

/// What is wanted of a restore.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRequestProperties {
    /// `IaasVMRestoreRequest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_type: Option<String>,
    /// The point; the same as in the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_point_id: Option<String>,
    /// [`RESTORE_DISKS`], [`ALTERNATE_LOCATION`] or [`ORIGINAL_LOCATION`].
    #[serde(default)]
    pub recovery_type: String,
    /// The region to restore in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The VM that was backed up, by its ARM id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_resource_id: Option<String>,
    /// The staging store, by its ARM id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_account_id: Option<String>,
    /// The resource group to restore into, by its ARM id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_resource_group_id: Option<String>,
    /// The VM to create, by its ARM id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_virtual_machine_id: Option<String>,
    /// The network for it, by its ARM id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_network_id: Option<String>,
    /// The subnet for it, by its ARM id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<String>,
    /// Whether to use the storage account that the VM came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_storage_account_option: Option<bool>,
    /// The data disks to restore, by LUN (some clients send numbers, some strings); all, where it
    /// is missing; none, where it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_disk_lun_list: Option<Vec<Value>>,
    /// Where to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdfast_target: Option<HoldfastTarget>,
}

/// Where a restore goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldfastTarget {
    /// The directory on the service's machine, as an absolute path. Without it, disks go into the
    /// storage account, or a new VM's among the host's other images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// `raw` or `qcow2`; qcow2 where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The name of the VM to create.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_name: Option<String>,
}

/// The list of LUNs holds something that is no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' in restoreDiskLunList is not the number of a disk")]
pub struct NotALun(pub String);

impl RestoreRequestProperties {
    /// The data disks to restore; `None` where all are.
    ///
    /// # Errors
    ///
    /// [`NotALun`].
    pub fn luns(&self) -> Result<Option<Vec<u32>>, NotALun> {
        let Some(list) = &self.restore_disk_lun_list else {
            return Ok(None);
        };
        let lun = |value: &Value| {
            let number = match value {
                Value::String(text) => text.trim().parse().ok(),
                other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
            };
            number.ok_or_else(|| NotALun(value.to_string()))
        };
        list.iter().map(lun).collect::<Result<Vec<u32>, NotALun>>().map(Some)
    }

    /// The name of the VM to create, from wherever the client put it.
    pub fn target_vm_name(&self) -> Option<&str> {
        let named = self.holdfast_target.as_ref().and_then(|target| target.vm_name.as_deref());
        let in_id = || {
            let id = self.target_virtual_machine_id.as_deref()?;
            arm_id::named(id, "virtualMachines")
        };
        named.or_else(in_id)
    }

    /// The resource group to create the VM in, where the client names one.
    pub fn target_group(&self) -> Option<&str> {
        let id = self.target_resource_group_id.as_deref();
        id.or(self.target_virtual_machine_id.as_deref())
            .and_then(|id| arm_id::named(id, "resourceGroups"))
    }
}
