//! From a snapshot to records: what the repository keeps with a point, what the ledger keeps of it,
//! and what the next backup can build upon. One direction more: from the repository's record back
//! to the ledger's, for points whose job did not live to record them.

use api::record::{CheckpointRecord, DiskRecord, PointRecord};
use fabric::CapturedDisk;
use jiff::Timestamp;
use model::arm_id;
use model::fault::{Code, Fault};
use model::item::{Chain, ChainDisk, Item, LastBackup, ProtectionState};
use model::job::{Job, JobId, Status};
use model::point::{Consistency, Point, PointDisk, PointId};
use model::vault::Vault;
use repo::PointStats;

use crate::backup::Backup;
use crate::backup::snapshot::Snapshot;

/// The record that goes with a snapshot's point into the repository.
pub(crate) fn of_snapshot(backup: &Backup, job: JobId, snapshot: &Snapshot) -> PointRecord {
    let evidence = snapshot.capture.evidence();
    let (vault, item) = (&backup.vault, &backup.item);
    let subscription = backup.world.tenancy.subscription.to_string();
    let domain_disk =
        |target: &str| snapshot.domain.disks.iter().find(|disk| disk.target == target);
    let disk = |captured: &CapturedDisk| {
        let known = domain_disk(&captured.target);
        DiskRecord {
            target: captured.target.clone(),
            size: captured.size,
            serial: captured.serial.clone(),
            source: known.map(|disk| disk.source.clone()).unwrap_or_default(),
            format: known.map(|disk| disk.format.name().to_owned()).unwrap_or_default(),
            tracked: captured.tracked,
        }
    };
    PointRecord {
        version: api::record::VERSION,
        vm_id: arm_id::vm(&subscription, &item.vm_resource_group, &item.vm_name),
        vm_uuid: item.vm.to_string(),
        vm_name: item.vm_name.clone(),
        resource_group: item.vm_resource_group.clone(),
        region: vault.region.clone(),
        vault_id: arm_id::vault(&subscription, &vault.resource_group, vault.name.as_str()),
        vault_name: vault.name.to_string(),
        policy_name: item.policy.clone().unwrap_or_default(),
        taken_at: snapshot.taken_at.to_string(),
        consistency: snapshot.consistency.azure_name().to_owned(),
        retain_until: backup.retain_until.map(|until| until.to_string()),
        job_id: job.to_string(),
        domain_xml: evidence.domain_xml.clone(),
        checkpoint: evidence.checkpoint.as_ref().map(|checkpoint| CheckpointRecord {
            name: checkpoint.name.clone(),
            xml: checkpoint.xml.clone(),
        }),
        disks: evidence.disks.iter().map(disk).collect(),
    }
}

/// What the ledger keeps of a point. A time or label that cannot be read, which only a damaged
/// record could have, becomes the least that can be claimed.
pub(crate) fn to_point(
    vault: &Vault,
    item: &Item,
    id: PointId,
    record: &PointRecord,
    stats: &PointStats,
) -> Point {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    Point {
        id,
        vault: vault.id,
        item: item.id,
        job: record.job_id.parse().unwrap_or(JobId(uuid::Uuid::nil())),
        taken_at: time(&record.taken_at).unwrap_or(Timestamp::UNIX_EPOCH),
        consistency: Consistency::from_azure_name(&record.consistency)
            .unwrap_or(Consistency::Crash),
        retain_until: record.retain_until.as_deref().and_then(time),
        logical_bytes: stats.logical_bytes,
        read_bytes: stats.read_bytes,
        stored_bytes: stats.stored_bytes,
        disks: record
            .disks
            .iter()
            .map(|disk| PointDisk { target: disk.target.clone(), size: disk.size })
            .collect(),
    }
}

/// What the next backup can build upon: none, where no checkpoint was made.
pub(crate) fn chain(point: PointId, record: &PointRecord) -> Option<Chain> {
    let checkpoint = record.checkpoint.as_ref()?;
    let disk = |disk: &DiskRecord| ChainDisk {
        target: disk.target.clone(),
        size: disk.size,
        source: disk.source.clone(),
        serial: disk.serial.clone(),
    };
    Some(Chain {
        point,
        checkpoint: checkpoint.name.clone(),
        disks: record.disks.iter().filter(|disk| disk.tracked).map(disk).collect(),
    })
}

/// The item after a backup job has ended.
pub(crate) fn after_backup(item: Item, job: &Job) -> Item {
    let through = matches!(job.status, Status::Completed | Status::CompletedWithWarnings);
    let first = through && item.state == ProtectionState::IrPending;
    Item {
        state: if first { ProtectionState::Protected } else { item.state },
        last_backup: Some(last_backup(job)),
        ..item
    }
}

/// What an item remembers of its last backup job.
pub(crate) fn last_backup(job: &Job) -> LastBackup {
    LastBackup { status: job.status, at: job.started_at, error: job.error.clone() }
}

/// The final record of a backup job whose point was committed, but that did not live to say so.
pub(crate) fn recorded_later(mut job: Job, now: Timestamp) -> Job {
    for task in &mut job.tasks {
        task.status = Status::Completed;
    }
    for disk in &mut job.disks {
        disk.done_bytes = disk.total_bytes;
    }
    job.warnings.push(Fault::new(
        Code::Interrupted,
        "The service was stopped after the recovery point had been committed. The point is whole; \
         it was recorded when the service started again.",
    ));
    job.status = Status::CompletedWithWarnings;
    job.ended_at = Some(now);
    job
}
