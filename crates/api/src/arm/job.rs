//! Jobs: `vaults/backupJobs`, as entries of a list and with everything that is known of one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model::arm_id;
use model::fault::Fault;
use model::item::Item;
use model::job::{self, Job as ModelJob, Operation, Status, Task as ModelTask};
use model::units::{GIB, KIB, MIB};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{self, Problem};
use super::restore::{ALTERNATE_LOCATION, RESTORE_DISKS};
use super::{AZURE_IAAS_VM, Resource, time};

pub mod export;

/// The resource type of jobs.
pub const KIND: &str = "Microsoft.RecoveryServices/vaults/backupJobs";
/// Azure's number for "can be cancelled", in `actionsInfo`.
pub const CANCELLABLE: u32 = 1;

/// The fact about a job that tells its virtual machine's name.
const VM_NAME: &str = "VM Name";

/// A job.
pub type Job = Resource<JobProperties>;

/// The properties of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobProperties {
    /// `AzureIaaSVMJob`.
    pub job_type: String,
    /// What can be done to it: [`CANCELLABLE`]; absent where nothing can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions_info: Option<Vec<u32>>,
    /// The container's name without its prefix.
    pub container_name: String,
    /// How long it has taken.
    pub duration: String,
    /// `Compute`.
    pub virtual_machine_version: String,
    /// The rest; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_info: Option<ExtendedInfo>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_details: Option<Vec<ErrorDetail>>,
    /// The VM's name.
    pub entity_friendly_name: String,
    /// `AzureIaasVM`.
    pub backup_management_type: String,
    /// What it does.
    pub operation: String,
    /// Where it stands.
    pub status: String,
    /// When it began.
    pub start_time: String,
    /// When it ended; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// Azure's correlation id.
    pub activity_id: String,
}

/// Everything that is known of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtendedInfo {
    /// Its tasks, in order. Always there: clients walk it.
    pub tasks_list: Vec<Task>,
    /// Facts about it for the operator.
    pub property_bag: BTreeMap<String, String>,
    /// Facts about it for clients.
    pub internal_property_bag: BTreeMap<String, String>,
    /// How much of the transfer is done, in percent.
    pub progress_percentage: f64,
    /// How much longer it will take, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_remaining_duration: Option<String>,
    /// What Azure has no word for.
    pub holdfast: JobFacts,
}

/// A task of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its name.
    pub task_id: String,
    /// `PT0S`, as in Azure.
    pub duration: String,
    /// Where it stands.
    pub status: String,
    /// How much it has moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_execution_details: Option<String>,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetail {
    /// Azure's number for the code.
    pub error_code: u32,
    /// The code.
    pub error_title: String,
    /// What happened.
    pub error_string: String,
    /// What to do.
    pub recommendations: Vec<String>,
}

/// What Azure has no word for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobFacts {
    /// How each disk is getting on.
    pub disks: Vec<DiskProgress>,
    /// What it got through with, but the operator should know.
    pub warnings: Vec<Problem>,
    /// Why it did not get through, with what that usually comes from and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// The point that it writes or reads.
    pub point_id: Option<String>,
    /// How much of the transfer is done, in percent.
    pub percent: f64,
}

/// How one disk is getting on. All numbers are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskProgress {
    /// The target in the domain, such as `vda`.
    pub target: String,
    /// How the disk is read, and why.
    pub method: String,
    /// To be read or written in all.
    pub total_bytes: u64,
    /// Read or written so far.
    pub done_bytes: u64,
    /// Gone through so far, with what needed no reading because it is empty.
    pub scanned_bytes: u64,
    /// What had changed, or is allocated where the disk is read in full.
    pub changed_bytes: u64,
    /// Of what was read, what the repository did not hold before.
    pub new_bytes: u64,
    /// Of what was read, what took no room: the repository held it, or it is zeros.
    pub deduplicated_bytes: u64,
    /// Added to the store.
    pub stored_bytes: u64,
}

/// Renders a job with everything that is known of it. `item` is the one it works for, if it is
/// still there.
pub fn render(vault_id: &str, item: Option<&Item>, job: &ModelJob, now: Timestamp) -> Job {
    // Jobs outlive their item, and tell its name themselves.
    let told = job.properties.iter().find(|(name, _)| name == VM_NAME).map(|(_, vm)| vm);
    let vm = item.map(|item| &item.vm_name).or(told).cloned().unwrap_or_default();
    let container = item.map(|item| arm_id::vm_tail(&item.vm_resource_group, &item.vm_name));
    let cancellable =
        job.status == Status::InProgress && job.operation != Operation::ConfigureBackup;
    let elapsed = job.ended_at.unwrap_or(now).duration_since(job.started_at);
    let properties = JobProperties {
        job_type: "AzureIaaSVMJob".to_owned(),
        actions_info: cancellable.then(|| vec![CANCELLABLE]),
        container_name: container.unwrap_or_default(),
        duration: time::duration(elapsed),
        virtual_machine_version: "Compute".to_owned(),
        extended_info: Some(extended_info(job, &vm, now)),
        error_details: job.error.as_ref().map(|fault| vec![error_detail(fault)]),
        entity_friendly_name: vm,
        backup_management_type: AZURE_IAAS_VM.to_owned(),
        operation: job.operation.azure_name().to_owned(),
        status: job.status.azure_name().to_owned(),
        start_time: time::moment(job.started_at),
        end_time: job.ended_at.map(time::moment),
        activity_id: job.id.to_string(),
    };
    let name = job.id.to_string();
    Resource::new(arm_id::job(vault_id, &name), name, KIND, properties)
}

/// Renders a job as an entry of a list.
pub fn render_entry(vault_id: &str, item: Option<&Item>, job: &ModelJob, now: Timestamp) -> Job {
    let mut entry = render(vault_id, item, job, now);
    entry.properties.extended_info = None;
    entry
}

fn error_detail(fault: &Fault) -> ErrorDetail {
    ErrorDetail {
        error_code: error::number(fault.code),
        error_title: fault.code.name().to_owned(),
        error_string: fault.message.clone(),
        recommendations: vec![fault.code.action().to_owned()],
    }
}

fn extended_info(job: &ModelJob, vm: &str, now: Timestamp) -> ExtendedInfo {
    let mut bag: BTreeMap<String, String> = job.properties.iter().cloned().collect();
    bag.entry(VM_NAME.to_owned()).or_insert_with(|| vm.to_owned());
    if let Some(until) = job.retain_until {
        bag.insert("Recovery Point Expiry Time in UTC".to_owned(), time::in_words(until));
    }
    let percent = job.percent();
    ExtendedInfo {
        tasks_list: job.tasks.iter().map(|task| render_task(job, task)).collect(),
        property_bag: bag,
        internal_property_bag: internal_bag(job),
        progress_percentage: percent,
        estimated_remaining_duration: remaining(job, now).map(time::duration),
        holdfast: JobFacts {
            disks: job.disks.iter().map(disk).collect(),
            warnings: job.warnings.iter().map(Problem::of).collect(),
            error: job.error.as_ref().map(Problem::of),
            point_id: job.point.map(|point| point.to_string()),
            percent,
        },
    }
}

fn render_task(job: &ModelJob, task: &ModelTask) -> Task {
    let begun = moves(task) && task.status != Status::NotStarted;
    let moved = || {
        let (done, total) = (volume(job.done_bytes()), volume(job.total_bytes()));
        format!("{done} / {total} Transferred")
    };
    Task {
        task_id: task.name.clone(),
        duration: "PT0S".to_owned(),
        status: task.status.azure_name().to_owned(),
        task_execution_details: begun.then(moved),
    }
}

/// Whether it is the task that moves the bytes.
fn moves(task: &ModelTask) -> bool {
    [job::TRANSFER_TO_VAULT, job::TRANSFER_FROM_VAULT].contains(&task.name.as_str())
}

/// Bytes as Azure's jobs tell them: `127 GBs`.
fn volume(bytes: u64) -> String {
    let (unit, name) = match bytes {
        GIB.. => (GIB, "GBs"),
        MIB.. => (MIB, "MBs"),
        _ => (KIB, "KBs"),
    };
    format!("{} {name}", bytes.div_ceil(unit))
}

fn internal_bag(job: &ModelJob) -> BTreeMap<String, String> {
    let creates = job.tasks.iter().any(|task| task.name == job::CREATE_VM);
    let (key, value) = match job.operation {
        Operation::ConfigureBackup
        | Operation::DisableBackup
        | Operation::DeleteBackupData
        | Operation::Undelete => return BTreeMap::new(),
        Operation::Backup => ("IsInstantRpJob", "False"),
        Operation::Restore if creates => ("restoreLocationType", ALTERNATE_LOCATION),
        Operation::Restore => ("restoreLocationType", RESTORE_DISKS),
    };
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

/// How much longer the job takes if its transfer goes on as it did on average. What came before the
/// transfer says nothing of it.
fn remaining(job: &ModelJob, now: Timestamp) -> Option<SignedDuration> {
    if job.status.has_ended() {
        return Some(SignedDuration::ZERO);
    }
    let (done, total) = (job.done_bytes(), job.total_bytes());
    if done == 0 || total < done {
        return None;
    }
    let begun_at = job.tasks.iter().find(|task| moves(task)).and_then(|task| task.begun_at);
    let elapsed = now.duration_since(begun_at.unwrap_or(job.started_at));
    let seconds = elapsed.as_secs_f64() * (total - done) as f64 / done as f64;
    Some(SignedDuration::from_secs(seconds.round().clamp(0.0, 1e9) as i64))
}

fn disk(disk: &job::DiskProgress) -> DiskProgress {
    DiskProgress {
        target: disk.target.clone(),
        method: disk.method.clone(),
        total_bytes: disk.total_bytes,
        done_bytes: disk.done_bytes,
        scanned_bytes: disk.scanned_bytes,
        changed_bytes: disk.changed_bytes,
        new_bytes: disk.new_bytes,
        // What is not known to be deduplicated is not called so: a restore reads nothing in.
        deduplicated_bytes: if disk.changed_bytes == 0 { 0 } else { disk.deduplicated_bytes() },
        stored_bytes: disk.stored_bytes,
    }
}

#[cfg(test)]
mod tests;
