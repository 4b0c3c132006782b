//! Recovery points: `protectedItems/recoveryPoints`.

use jiff::Timestamp;
use model::arm_id;
use model::point::Point as ModelPoint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Resource, time};

/// The resource type of recovery points.
pub const KIND: &str = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/\
                        protectedItems/recoveryPoints";

/// A recovery point.
pub type Point = Resource<PointProperties>;

/// The properties of a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointProperties {
    /// `IaasVMRecoveryPoint`.
    pub object_type: String,
    /// What was proven: `AppConsistent`, `FileSystemConsistent` or `CrashConsistent`.
    pub recovery_point_type: String,
    /// The moment whose state it holds.
    pub recovery_point_time: String,
    /// Nothing more.
    pub recovery_point_additional_info: String,
    /// The kind of storage the VM had; no meaning here.
    #[serde(rename = "sourceVMStorageType")]
    pub source_vm_storage_type: String,
    /// Whether its disks were encrypted by the platform.
    #[serde(rename = "isSourceVMEncrypted")]
    pub is_source_vm_encrypted: bool,
    /// Whether its files are mounted somewhere.
    pub is_instant_ilr_session_active: bool,
    /// Where its data is: in the vault, nowhere else.
    pub recovery_point_tier_details: Vec<Tier>,
    /// Whether its disks are resources of their own: yes.
    pub is_managed_virtual_machine: bool,
    /// Whether it can go back to an original storage account: there is none.
    pub original_storage_account_option: bool,
    /// Whether any of its disks can only be reached privately.
    pub is_private_access_enabled_on_any_disk: bool,
    /// Whether it could move to a cheaper tier.
    pub recovery_point_move_readiness_info: MoveReadiness,
    /// `None`.
    pub security_type: String,
    /// When it expires.
    pub recovery_point_properties: ExpiryProperties,
    /// No zones.
    pub zones: Vec<String>,
    /// What Azure has no word for.
    pub holdfast: PointFacts,
}

/// Where a point's data is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tier {
    /// `HardenedRP`: in the vault.
    #[serde(rename = "type")]
    pub kind: String,
    /// `Valid`.
    pub status: String,
}

/// Whether a point could move to another tier, by tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MoveReadiness {
    /// Into the archive.
    #[serde(rename = "ArchivedRP")]
    pub archived: Readiness,
}

/// Whether a point could move to a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// Whether it could.
    pub is_ready_for_move: bool,
    /// Why not.
    pub additional_info: String,
}

/// When a point expires.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpiryProperties {
    /// When nothing keeps it any more, by the policy in force or by the date that was asked for;
    /// missing where no date says so, as of an item whose protection is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_time: Option<String>,
    /// Whether it is deleted and can still be brought back.
    pub is_soft_deleted: bool,
}

/// What Azure has no word for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointFacts {
    /// Its disks, in the domain's order.
    pub disks: Vec<Disk>,
    /// Sum of the sizes of its disks, in bytes.
    pub logical_bytes: u64,
    /// Bytes read from the source to make it.
    pub read_bytes: u64,
    /// Bytes that it added to the store.
    pub stored_bytes: u64,
    /// The moment until which an operator wanted it kept.
    pub retain_until: Option<String>,
    /// The job that made it.
    pub job_id: String,
}

/// One disk of a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PointDisk")]
pub struct Disk {
    /// The target in the domain, such as `vda`.
    pub target: String,
    /// The exact size, in bytes.
    pub size: u64,
}

/// What becomes of a recovery point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// When retention lets go of it.
    pub expiry: Option<Timestamp>,
    /// Whether its item is deleted, and it with that.
    pub is_soft_deleted: bool,
}

/// Renders a recovery point of the item with this ARM id.
pub fn render(item_id: &str, point: &ModelPoint, fate: Fate) -> Point {
    let properties = PointProperties {
        object_type: "IaasVMRecoveryPoint".to_owned(),
        recovery_point_type: point.consistency.azure_name().to_owned(),
        recovery_point_time: time::moment(point.taken_at),
        recovery_point_additional_info: String::new(),
        source_vm_storage_type: "NormalStorage".to_owned(),
        is_source_vm_encrypted: false,
        is_instant_ilr_session_active: false,
        recovery_point_tier_details: vec![Tier {
            kind: "HardenedRP".to_owned(),
            status: "Valid".to_owned(),
        }],
        is_managed_virtual_machine: true,
        original_storage_account_option: false,
        is_private_access_enabled_on_any_disk: false,
        recovery_point_move_readiness_info: MoveReadiness {
            archived: Readiness {
                is_ready_for_move: false,
                additional_info: "There is no archive tier.".to_owned(),
            },
        },
        security_type: "None".to_owned(),
        recovery_point_properties: ExpiryProperties {
            expiry_time: fate.expiry.map(time::moment),
            is_soft_deleted: fate.is_soft_deleted,
        },
        zones: Vec::new(),
        holdfast: facts(point),
    };
    Resource::new(arm_id::point(item_id, point.id), point.id.to_string(), KIND, properties)
}

fn facts(point: &ModelPoint) -> PointFacts {
    let disks = point.disks.iter();
    PointFacts {
        disks: disks.map(|disk| Disk { target: disk.target.clone(), size: disk.size }).collect(),
        logical_bytes: point.logical_bytes,
        read_bytes: point.read_bytes,
        stored_bytes: point.stored_bytes,
        retain_until: point.retain_until.map(time::moment),
        job_id: point.job.to_string(),
    }
}
