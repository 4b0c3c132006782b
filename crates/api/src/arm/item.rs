//! Protected items: `protectionContainers/protectedItems`, and what is asked of them.

use jiff::Timestamp;
use model::arm_id;
use model::item::{Deletion, DiskSelection, Item as ModelItem};
use model::job::Status;
use model::policy::Kind;
use model::vault::Vault as ModelVault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AZURE_IAAS_VM, Resource, VIRTUAL_MACHINES, error, time, vault};

/// The resource type of protected items.
pub const KIND: &str =
    "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems";

/// A protected item.
pub type Item = Resource<ItemProperties>;

/// The properties of a protected item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemProperties {
    /// The VM's name.
    pub friendly_name: String,
    /// The VM's ARM id.
    pub virtual_machine_id: String,
    /// `Healthy` or `Unhealthy`.
    pub protection_status: String,
    /// Where its protection stands.
    pub protection_state: String,
    /// `Passed`, `ActionSuggested` or `ActionRequired`.
    pub health_status: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_details: Vec<HealthDetail>,
    /// How the last backup ended; empty before the first.
    pub last_backup_status: String,
    /// When it began.
    pub last_backup_time: String,
    /// Azure's number for the item's data.
    pub protected_item_data_id: String,
    /// Disk selection; empty where all disks are backed up.
    pub extended_properties: ExtendedProperties,
    /// `V1` or `V2`; empty without a policy.
    pub policy_type: String,
    /// `Microsoft.Compute/virtualMachines`.
    pub protected_item_type: String,
    /// `AzureIaasVM`.
    pub backup_management_type: String,
    /// `VM`.
    pub workload_type: String,
    /// The container's name without its prefix.
    pub container_name: String,
    /// The VM's ARM id.
    pub source_resource_id: String,
    /// The policy's ARM id.
    pub policy_id: String,
    /// The policy's name.
    pub policy_name: String,
    /// When the newest point was taken. `null` before the first one: clients that print tables
    /// fail where the field is missing, as it is in Azure.
    pub last_recovery_point: Option<String>,
    /// The vault's URL.
    pub vault_id: String,
    /// Whether points are in an archive.
    pub is_archive_enabled: bool,
    /// For how many days the item, which is deleted, is kept; 0 while it is not, as in Azure.
    pub soft_delete_retention_period: u16,
    /// The VM's region.
    pub source_location: String,
    /// Whether it is deleted, and its data still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_scheduled_for_deferred_delete: Option<bool>,
    /// Until when it can be brought back.
    #[serde(default, rename = "deferredDeleteTimeInUTC", skip_serializing_if = "Option::is_none")]
    pub deferred_delete_time_in_utc: Option<String>,
    /// How long that is from now, such as `13.00:28:22.9052789`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred_delete_time_remaining: Option<String>,
    /// Malware scans.
    pub source_side_scan_info: SourceScan,
    /// What Azure has no word for.
    pub holdfast: ItemFacts,
}

/// One reason for an item's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthDetail {
    /// Azure's number for the code.
    pub code: u32,
    /// The code.
    pub title: String,
    /// What it means here.
    pub message: String,
    /// What to do.
    pub recommendations: Vec<String>,
}

/// Malware scans: not configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceScan {
    /// Whether they are set up.
    pub source_side_scan_status: String,
    /// What they found.
    pub source_side_scan_summary: String,
}

/// What Azure has no word for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemFacts {
    /// The point from which the next incremental can be read, if any.
    pub chain_point: Option<String>,
    /// When its policy backs it up next.
    #[serde(default)]
    pub next_run: Option<String>,
}

/// What a client sends to protect a VM, or to change its protection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ItemRequest {
    /// What is wanted.
    pub properties: ItemRequestProperties,
}

/// What is wanted of a protected item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemRequestProperties {
    /// `Microsoft.Compute/virtualMachines`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected_item_type: Option<String>,
    /// The policy's ARM id; empty to stop protection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_id: Option<String>,
    /// The VM's ARM id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_resource_id: Option<String>,
    /// The state that is wanted: absent to protect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection_state: Option<String>,
    /// Whether a deleted item is to come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_rehydrate: Option<bool>,
    /// Disk selection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_properties: Option<ExtendedProperties>,
}

/// Disk selection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtendedProperties {
    /// Which disks are in or out; absent for all disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_exclusion_properties: Option<DiskExclusion>,
}

/// Which disks are in or out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskExclusion {
    /// The numbers of data disks.
    pub disk_lun_list: Vec<Lun>,
    /// Whether only these are backed up, or all but these.
    pub is_inclusion_list: bool,
}

/// The number of a data disk. Some clients send it as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Lun {
    /// A number.
    Number(u32),
    /// A number in decimal digits.
    Text(String),
}

impl Lun {
    /// The number, if it is one.
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

impl ExtendedProperties {
    /// The same for a selection.
    pub fn of(selection: &DiskSelection) -> Self {
        let (luns, is_inclusion_list) = match selection {
            DiskSelection::All => return Self::default(),
            DiskSelection::Only(luns) => (luns, true),
            DiskSelection::Except(luns) => (luns, false),
        };
        let disk_lun_list = luns.iter().copied().map(Lun::Number).collect();
        let exclusion = DiskExclusion { disk_lun_list, is_inclusion_list };
        Self { disk_exclusion_properties: Some(exclusion) }
    }

    /// The selection that this means; the error is what is no number.
    ///
    /// # Errors
    ///
    /// One of the disks is named by something that is no number.
    pub fn selection(&self) -> Result<DiskSelection, String> {
        let Some(exclusion) = &self.disk_exclusion_properties else {
            return Ok(DiskSelection::All);
        };
        let number = |lun: &Lun| lun.number().ok_or_else(|| format!("{lun:?}"));
        let mut luns: Vec<u32> =
            exclusion.disk_lun_list.iter().map(number).collect::<Result<_, _>>()?;
        luns.sort_unstable();
        luns.dedup();
        Ok(match exclusion.is_inclusion_list {
            true => DiskSelection::Only(luns),
            false => DiskSelection::Except(luns),
        })
    }
}

/// What a client sends to back up now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupRequest {
    /// The request.
    pub properties: BackupRequestProperties,
}

/// A backup to make now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupRequestProperties {
    /// `IaasVMBackupRequest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_type: Option<String>,
    /// The point is kept until then, and through the whole of that date in UTC.
    #[serde(
        default,
        rename = "recoveryPointExpiryTimeInUTC",
        skip_serializing_if = "Option::is_none"
    )]
    pub recovery_point_expiry_time_in_utc: Option<String>,
}

/// What a client sends to ask whether something is protected, and by which vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusRequest {
    /// `VM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// Its ARM id.
    pub resource_id: String,
}

/// Whether something is protected, and by which vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// `Protected` or `NotProtected`.
    pub protection_status: String,
    /// The rest; only where it is protected.
    #[serde(flatten)]
    pub by: Option<ProtectedBy>,
}

/// What protects a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProtectedBy {
    /// The vault's ARM id.
    pub vault_id: String,
    /// `Azure`.
    pub fabric_name: String,
    /// The container's name without its prefix.
    pub container_name: String,
    /// The item's name.
    pub protected_item_name: String,
    /// The policy's name.
    pub policy_name: String,
}

/// Everything an item's rendering takes.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The subscription.
    pub subscription: &'a str,
    /// Where the API is, such as `https://localhost:8443`.
    pub base: &'a str,
    /// The item's vault.
    pub vault: &'a ModelVault,
    /// The item.
    pub item: &'a ModelItem,
    /// When its newest point was taken.
    pub newest_point: Option<Timestamp>,
    /// The kind of its policy.
    pub policy_kind: Option<Kind>,
    /// When its policy backs it up next.
    pub next_run: Option<Timestamp>,
    /// What the operator should know of the vault.
    pub warnings: &'a [String],
    /// The time.
    pub now: Timestamp,
}

/// Renders a protected item.
pub fn render(facts: Facts<'_>) -> Item {
    let Facts { subscription, vault, item, .. } = facts;
    let vault_id = vault::id(subscription, vault);
    let vm_id = arm_id::vm(subscription, &item.vm_resource_group, &item.vm_name);
    let tail = arm_id::vm_tail(&item.vm_resource_group, &item.vm_name);
    let policy = item.policy.as_deref();
    let last = item.last_backup.as_ref();
    let properties = ItemProperties {
        friendly_name: item.vm_name.clone(),
        virtual_machine_id: vm_id.clone(),
        protection_status: protection_status(item).to_owned(),
        protection_state: item.state.azure_name().to_owned(),
        health_status: health(last.map(|backup| backup.status)).to_owned(),
        health_details: health_details(&facts),
        last_backup_status: last.map_or("", |backup| backup.status.azure_name()).to_owned(),
        last_backup_time: last
            .map_or_else(|| time::NEVER.to_owned(), |backup| time::moment(backup.at)),
        protected_item_data_id: (item.id.as_u64_pair().1 >> 1).to_string(),
        extended_properties: ExtendedProperties::of(&item.disks),
        policy_type: facts.policy_kind.map_or("", Kind::azure_name).to_owned(),
        protected_item_type: VIRTUAL_MACHINES.to_owned(),
        backup_management_type: AZURE_IAAS_VM.to_owned(),
        workload_type: "VM".to_owned(),
        container_name: tail.clone(),
        source_resource_id: vm_id,
        policy_id: policy.map(|name| arm_id::policy(&vault_id, name)).unwrap_or_default(),
        policy_name: policy.unwrap_or_default().to_owned(),
        last_recovery_point: facts.newest_point.map(time::moment),
        vault_id: format!("{}{vault_id}", facts.base),
        is_archive_enabled: false,
        soft_delete_retention_period: item.deletion.map_or(0, days),
        source_location: vault.region.clone(),
        is_scheduled_for_deferred_delete: item.deletion.map(|_| true),
        deferred_delete_time_in_utc: item.deletion.map(|deletion| time::moment(deletion.until)),
        deferred_delete_time_remaining: item
            .deletion
            .map(|deletion| time::span(deletion.until.duration_since(facts.now))),
        source_side_scan_info: SourceScan {
            source_side_scan_status: "NotConfigured".to_owned(),
            source_side_scan_summary: "Unknown".to_owned(),
        },
        holdfast: ItemFacts {
            chain_point: item.chain.as_ref().map(|chain| chain.point.to_string()),
            next_run: facts.next_run.map(time::second),
        },
    };
    Resource::new(arm_id::item(&vault_id, item), format!("VM;{tail}"), KIND, properties)
}

/// Renders whether a virtual machine is protected, and by which vault and item.
pub fn render_status(
    subscription: &str,
    protection: Option<(&ModelVault, &ModelItem)>,
) -> BackupStatus {
    let by = protection.map(|(vault, item)| {
        let tail = arm_id::vm_tail(&item.vm_resource_group, &item.vm_name);
        ProtectedBy {
            vault_id: vault::id(subscription, vault),
            fabric_name: "Azure".to_owned(),
            protected_item_name: format!("vm;{tail}"),
            container_name: tail,
            policy_name: item.policy.clone().unwrap_or_default(),
        }
    });
    let status = if by.is_some() { "Protected" } else { "NotProtected" };
    BackupStatus { protection_status: status.to_owned(), by }
}

/// For how many whole days a deleted item is kept.
fn days(deletion: Deletion) -> u16 {
    let hours = deletion.until.duration_since(deletion.at).as_hours();
    u16::try_from(hours / 24).unwrap_or(u16::MAX)
}

/// Whether the last backup of an item went through: what its container tells, too.
pub(super) fn protection_status(item: &ModelItem) -> &'static str {
    match &item.last_backup {
        Some(backup) if backup.status == Status::Failed => "Unhealthy",
        _ => "Healthy",
    }
}

fn health(last: Option<Status>) -> &'static str {
    match last {
        Some(Status::Failed) => "ActionRequired",
        Some(Status::CompletedWithWarnings) => "ActionSuggested",
        _ => "Passed",
    }
}

/// What is wrong, or that nothing is; nothing at all before the first backup, as in Azure, except
/// what concerns the whole vault.
fn health_details(facts: &Facts<'_>) -> Vec<HealthDetail> {
    let mut details: Vec<HealthDetail> = facts.warnings.iter().map(|text| warning(text)).collect();
    match facts.item.last_backup.as_ref() {
        None => {}
        Some(backup) => match &backup.error {
            Some(fault) => details.push(HealthDetail {
                code: error::number(fault.code),
                title: fault.code.name().to_owned(),
                message: fault.message.clone(),
                recommendations: vec![fault.code.action().to_owned()],
            }),
            None => details.push(all_well()),
        },
    }
    details
}

fn warning(text: &str) -> HealthDetail {
    HealthDetail {
        code: 400_239,
        title: "HoldfastVaultWarning".to_owned(),
        message: text.to_owned(),
        recommendations: Vec::new(),
    }
}

fn all_well() -> HealthDetail {
    HealthDetail {
        code: 400_239,
        title: "IaasVmHealthGreenDefault".to_owned(),
        message: "Backup pre-check status of this virtual machine is OK.".to_owned(),
        recommendations: Vec::new(),
    }
}
