//! How the installation does, on one page: as `Holdfast.Fabric/status`, for which Azure has no
//! noun.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Resource;

/// The resource type.
pub const KIND: &str = "Holdfast.Fabric/status";

/// How the installation does, as far as the caller may see it.
pub type Status = Resource<StatusProperties>;

/// Lists have at most 100 entries; the counts are always whole. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusProperties {
    /// When it was computed.
    pub at: String,
    /// Whether nothing is late, nothing has failed, and no damage is known.
    pub healthy: bool,
    /// Items that a policy backs up.
    pub protected_items: u64,
    /// Items whose protection is stopped; those that are deleted are not among them.
    pub stopped_items: u64,
    /// Items that are deleted, but can be brought back.
    pub deleted_items: u64,
    /// Items without a recovery point that their policy asks for.
    pub late_items: u64,
    /// Items whose last backup failed, and jobs of other kinds that failed in the last day.
    pub failures: u64,
    /// Jobs that have not ended.
    pub running_jobs: u64,
    /// The vaults.
    pub vaults: Vec<VaultStatus>,
    /// What is late, longest first.
    pub late: Vec<LateItem>,
    /// What failed and why, newest first.
    pub failed: Vec<FailedJob>,
    /// What runs, newest first.
    pub running: Vec<RunningJob>,
    /// What policies back up next, soonest first.
    pub next: Vec<NextRun>,
    /// What else the operator should know.
    pub warnings: Vec<StatusWarning>,
}

/// How a vault does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultStatus {
    /// The vault's ARM id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its resource group.
    pub resource_group: String,
    /// Its items, deleted ones included.
    pub items: u64,
    /// Of them, those that are late.
    pub late_items: u64,
    /// Of them, those whose last backup failed.
    pub failed_items: u64,
    /// When the newest of its recovery points was taken.
    pub newest_point: Option<String>,
    /// How much room it takes; none before it was first measured.
    pub space: Option<SpaceStatus>,
    /// What its last verification found; none where it never was verified.
    pub verified: Option<VerifiedStatus>,
}

/// What the last verification of a vault found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedStatus {
    /// When it began.
    pub at: String,
    /// How many percent of the packs were read, beside the whole structure.
    pub percent: u8,
    /// Objects that are damaged or missing.
    pub damaged_objects: u64,
    /// Recovery points that cannot be restored as a whole because of them.
    pub points_hit: u64,
}

/// How much room a vault takes. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpaceStatus {
    /// When it was measured.
    pub measured_at: String,
    /// Recovery points.
    pub points: u64,
    /// Sizes of the disks of all points.
    pub logical_bytes: u64,
    /// What they take in the store.
    pub stored_bytes: u64,
    /// By how much that grew in 7 days; none where that is not known.
    pub growth_7_days_bytes: Option<i64>,
    /// By how much that grew in 30 days; none where that is not known.
    pub growth_30_days_bytes: Option<i64>,
}

/// An item without a recovery point that its policy asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LateItem {
    /// The name of its vault.
    pub vault: String,
    /// The name of its virtual machine.
    pub item: String,
    /// Its policy.
    pub policy: String,
    /// When the first run was due that has no point.
    pub due: String,
    /// When its newest point was taken; none where it has none.
    pub newest_point: Option<String>,
}

/// A job that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedJob {
    /// The name of its vault.
    pub vault: String,
    /// The name of its virtual machine; empty where the item is gone.
    pub item: String,
    /// What it did.
    pub operation: String,
    /// When it began.
    pub at: String,
    /// Why it failed: the code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub action: String,
}

/// A job that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunningJob {
    /// Its id.
    pub job_id: String,
    /// The name of its vault.
    pub vault: String,
    /// The name of its virtual machine; empty where the item is gone.
    pub item: String,
    /// What it does.
    pub operation: String,
    /// When it began.
    pub started_at: String,
    /// How much of the transfer is done.
    pub percent: f64,
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes to do in all; 0 where that is not known yet.
    pub total_bytes: u64,
}

/// A run of a policy that is to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextRun {
    /// When it is due.
    pub at: String,
    /// The name of the vault.
    pub vault: String,
    /// The policy.
    pub policy: String,
    /// How many items it backs up.
    pub items: u64,
}

/// Something that the operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusWarning {
    /// The name of the vault that it is about; none where it is about the installation.
    pub vault: Option<String>,
    /// One or two sentences.
    pub text: String,
}

/// Puts the properties into their resource.
pub fn render(subscription: &str, properties: StatusProperties) -> Status {
    let id = format!("{}/providers/{KIND}", model::arm_id::subscription(subscription));
    Resource::new(id, "status", KIND, properties)
}
