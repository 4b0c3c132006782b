//! After a restart: every job gets an honest end, and what was left on hosts is ended.
//!
//! A job that the ledger holds as running cannot be: its process is gone. If it was a backup and
//! its point is in the repository's log, the point is whole and gets recorded; everything else has
//! failed, and its left-overs are removed. Hosts are cleaned when they are first reached, and again
//! when a lost one is back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::record::PointRecord;
use fabric::RecoverScope;
use ledger::port::JobQuery;
use model::fault::{Code, Fault};
use model::item::{Item, ProtectionState};
use model::job::{Job, Operation};
use model::point::PointId;
use model::vault::Vault;
use repo::Repository;
use rules::job_life::{self, AfterRestart, Outcome};
use uuid::Uuid;

use crate::backup::transfer;
use crate::faults::OrFault;
use crate::hosts::Connected;
use crate::vaults::VaultEnd;
use crate::world::World;
use crate::{job_run, record, restore, retries, vaults};

/// How long to wait before the end of a job is written again.
const AGAIN: Duration = Duration::from_secs(10);
/// Of how many of an item's newest jobs points are looked for that came to exist late: more than a
/// run has attempts.
const LATE_JOBS_MAX: usize = 16;

/// Gives every job that is not ended an honest end. To be called before the first job begins; what
/// the ledger does not take then, as on a full disk, is tried again in the background.
pub(crate) fn jobs(world: &Arc<World>) -> Result<(), Fault> {
    let query = JobQuery { unfinished: true, ..JobQuery::default() };
    let left = end_all(world, world.ledger.jobs(query).or_fault()?);
    if !left.is_empty() {
        let tasks = Arc::clone(&world.tasks);
        let weak = Arc::downgrade(world);
        let again = move || {
            let mut left = left;
            while !left.is_empty() {
                tasks.pause(AGAIN);
                let Some(world) = weak.upgrade() else { return };
                left = end_all(&world, left);
            }
        };
        world.tasks.start("end-jobs", Box::new(again)).map_err(|error| {
            Fault::new(Code::Internal, format!("No thread could be started: {error}."))
        })?;
    }
    Ok(())
}

/// Ends these jobs; gives back those whose end could not be written.
fn end_all(world: &World, jobs: Vec<Job>) -> Vec<Job> {
    jobs.into_iter()
        .filter(|job| match end(world, job.clone()) {
            Ok(()) => false,
            Err(fault) => {
                tracing::error!(job = %job.id, code = fault.code.name(), "{}", fault.message);
                true
            }
        })
        .collect()
}

fn end(world: &World, job: Job) -> Result<(), Fault> {
    let committed = match (job.operation, job.point) {
        (Operation::Backup, Some(point)) => committed(world, &job, point),
        _ => None,
    };
    match job_life::after_restart(committed.is_some()) {
        AfterRestart::RecordPoint => {
            let committed = committed.expect("the rule saw that there is one");
            record_point(world, job, committed)
        }
        AfterRestart::Fail(fault) => fail(world, job, fault),
    }
}

/// A point that is in its repository's log.
struct Committed {
    vault: Vault,
    item: Item,
    point: PointId,
    record: PointRecord,
    stats: repo::PointStats,
}

/// The job's point, if its repository can be opened and holds it.
fn committed(world: &World, job: &Job, point: PointId) -> Option<Committed> {
    let vault = world.ledger.vault(job.vault).ok().flatten()?;
    let item = world.ledger.item(job.item).ok().flatten()?;
    let repository = world.repositories.of(&vault).ok()?;
    let manifest = repository.manifest(point).ok()?;
    if let Err(fault) = transfer::validate(&repository, point) {
        if fault.code != Code::StoreDamaged {
            // It may well be whole: whoever asks the store when it answers will know.
            tracing::warn!(job = %job.id, %point, "not read yet: {}", fault.message);
            world.unsure.note(vault.id);
            return None;
        }
        // As in a running job: what cannot be read back is no recovery point.
        tracing::error!(job = %job.id, %point, "not readable, forgotten: {}", fault.message);
        if let Err(error) = repository.forget(point) {
            tracing::error!(%point, %error, "the unreadable point could not be forgotten");
        }
        return None;
    }
    let record = PointRecord::decode(&manifest.engine).ok()?;
    Some(Committed { vault, item, point, record, stats: manifest.info.stats })
}

fn record_point(world: &World, job: Job, committed: Committed) -> Result<(), Fault> {
    let Committed { vault, item, point, record, stats } = committed;
    let job = record::recorded_later(job, world.clock.now());
    let chain = record::chain(point, &record).or_else(|| item.chain.clone());
    let point = record::to_point(&vault, &item, point, &record, &stats);
    let item = record::after_backup(Item { chain, ..item }, &job);
    tracing::warn!(job = %job.id, point = %point.id, "a committed recovery point was recorded");
    world.ledger.record_backup(&point, &item, &job).or_fault()?;
    world.tally.count(&job);
    Ok(())
}

fn fail(world: &World, mut job: Job, fault: Fault) -> Result<(), Fault> {
    let is_restore = job.operation == Operation::Restore;
    let fault = if is_restore { restore::clean_up(&job) } else { fault };
    let end = job_life::end(Outcome::Failed(fault), &job.warnings);
    for task in &mut job.tasks {
        if task.status == model::job::Status::InProgress {
            task.status = end.status;
        }
    }
    job.status = end.status;
    job.error = end.error;
    job.ended_at = Some(world.clock.now());
    retries::announce(&world.config, &mut job);
    tracing::warn!(job = %job.id, "a job of an earlier run was ended as failed");
    job_run::write_end(world, &job).or_fault()?;
    world.tally.count(&job);
    Ok(())
}

/// Removes what is left of vaults that were deleted. What cannot be removed now stays noted.
pub(crate) fn deleted_vaults(world: &World) -> Result<(), Fault> {
    for deleted in world.ledger.uncleared_vaults().or_fault()? {
        vaults::finish(world, &VaultEnd::ForGood(deleted));
    }
    Ok(())
}

/// Brings every vault's repository in order. Ends the sessions of earlier runs, and records points
/// that the ledger does not know: of jobs whose end was written while the repository could not be
/// read, or of a ledger that was put back from a copy. Points of nobody's items stay as they are.
/// A repository that cannot be read now is tried again while the service runs.
pub(crate) fn repositories(world: &World) -> Result<(), Fault> {
    for vault in world.ledger.vaults().or_fault()? {
        if let Err(fault) = repository(world, &vault) {
            tracing::error!(vault = %vault.name, code = fault.code.name(), "{}", fault.message);
            world.unsure.note(vault.id);
        }
    }
    Ok(())
}

fn repository(world: &World, vault: &Vault) -> Result<(), Fault> {
    let items = world.ledger.items(Some(vault.id)).or_fault()?;
    if items.is_empty() {
        return Ok(());
    }
    let repository = world.repositories.of(vault)?;
    world.repositories.end_earlier_sessions(&repository).or_fault()?;
    for info in repository.points().or_fault()? {
        if world.ledger.point(info.id).or_fault()?.is_none() {
            adopt_or_say(world, vault, &items, &repository, info.id);
        }
    }
    Ok(())
}

/// As [`adopt`]; what cannot be recorded now is tried again later.
fn adopt_or_say(
    world: &World,
    vault: &Vault,
    items: &[Item],
    repository: &Repository,
    point: PointId,
) {
    if let Err(fault) = adopt(world, vault, items, repository, point) {
        tracing::error!(%point, code = fault.code.name(), "not recorded: {}", fault.message);
        world.unsure.note(vault.id);
    }
}

/// Records a point that the ledger does not know, if it is one of these items' and can be read.
pub(crate) fn adopt(
    world: &World,
    vault: &Vault,
    items: &[Item],
    repository: &Repository,
    id: PointId,
) -> Result<(), Fault> {
    let manifest = repository.manifest(id).or_fault()?;
    let Ok(record) = PointRecord::decode(&manifest.engine) else {
        return Ok(());
    };
    let Some(item) = items.iter().find(|item| item.vm.to_string() == record.vm_uuid) else {
        return Ok(());
    };
    // A point whose job is known, but did not record it, may be one that could not be read back.
    let job = record.job_id.parse().map_or(Ok(None), |job| world.ledger.job(job)).or_fault()?;
    if job.is_some() {
        transfer::validate(repository, id)?;
    }
    let stats = manifest.info.stats;
    let point = record::to_point(vault, item, id, &record, &stats);
    tracing::warn!(vault = %vault.name, point = %id, "a point the ledger did not know");
    world.ledger.put_point(&point).or_fault()?;
    if item.state == ProtectionState::IrPending {
        // An item with a point is no longer waiting for its first one.
        let state = ProtectionState::Protected;
        world.ledger.update_item(&Item { state, ..item.clone() }).or_fault()?;
    }
    Ok(())
}

/// Records the points of an item's failed backups that exist after all: a store that did not answer
/// to a commit may have carried it out.
pub(crate) fn late_points(world: &World, vault: &Vault, item: &Item, repository: &Repository) {
    let last = item.last_backup.as_ref().and_then(|last| last.error.as_ref());
    if last.is_none_or(|error| error.code != Code::StoreUnavailable) {
        return;
    }
    let query = JobQuery {
        item: Some(item.id),
        operation: Some(Operation::Backup),
        limit: Some(LATE_JOBS_MAX),
        ..JobQuery::default()
    };
    let unanswered =
        |job: &Job| job.error.as_ref().is_some_and(|error| error.code == Code::StoreUnavailable);
    let jobs = world.ledger.jobs(query).unwrap_or_default();
    for point in jobs.iter().filter(|job| unanswered(job)).filter_map(|job| job.point) {
        let is_late = repository.manifest(point).is_ok()
            && world.ledger.point(point).is_ok_and(|known| known.is_none());
        if is_late {
            adopt_or_say(world, vault, std::slice::from_ref(item), repository, point);
        }
    }
}

/// Ends what an earlier process left on a host: jobs, frozen guests, checkpoints of points that
/// were never committed. Whether there was nothing to end.
pub(crate) fn host(world: &World, connected: &Connected, domains: &[Uuid]) -> bool {
    let scope = RecoverScope {
        scratch_dir: world.config.scratch_dir.clone(),
        socket_dir: connected.run_dir.clone(),
        known: match known_checkpoints(world, domains) {
            Ok(known) => known,
            Err(fault) => {
                // Without the ledger's word nothing may be deleted.
                tracing::error!(code = fault.code.name(), "no recovery: {}", fault.message);
                return false;
            }
        },
    };
    match connected.hypervisor.recover(&scope) {
        Ok(done) => {
            for words in &done {
                tracing::warn!(host = connected.host.uri, "{words}");
            }
            done.is_empty()
        }
        Err(error) => {
            tracing::warn!(host = connected.host.uri, %error, "recovery failed");
            false
        }
    }
}

fn known_checkpoints(
    world: &World,
    domains: &[Uuid],
) -> Result<BTreeMap<Uuid, BTreeSet<String>>, Fault> {
    let items = world.ledger.items(None).or_fault()?;
    let here = items.into_iter().filter(|item| domains.contains(&item.vm));
    Ok(here
        .map(|item| (item.vm, item.chain.into_iter().map(|chain| chain.checkpoint).collect()))
        .collect())
}
