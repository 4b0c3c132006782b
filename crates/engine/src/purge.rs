//! How what was deleted goes for good: the data of items whose date has come, and the vaults that
//! are out of sight once the last of their items is gone.
//!
//! ```text
//! 1. the ledger: the item is being purged, and the job that does it
//! 2. the repository: each of its points is forgotten, one log entry for each
//! 3. the ledger: no item, no points, and the end of the job
//! ```
//!
//! From step 1 on nothing brings the item back, so that nobody gets one with some of its points.
//! Whatever interrupts the steps after it, the next turn goes on with a job of its own: what is
//! forgotten already is no error. The space comes back when the repository is collected.
//!
//! While the clock is doubted (`rules::retention::clock`), no date has come; what has begun goes
//! on.
//!
//! A point in the log that the ledger does not know is the item's if its manifest names the item's
//! machine. One whose manifest cannot be read is kept, and keeps its vault from being deleted.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use api::record::PointRecord;
use jiff::SignedDuration;
use ledger::port::{JobQuery, PointQuery};
use model::fault::{Code, Fault};
use model::item::{Deletion, Item};
use model::job::{Job, Operation, Status};
use model::point::PointId;
use model::vault::{SoftDeletedVault, Vault};
use repo::{RepoError, Repository};
use rules::item_life::{self, Wish};
use rules::job_life::Outcome;

use crate::faults::{self, OrFault};
use crate::job_run::{JobRun, Stop};
use crate::protection;
use crate::retention;
use crate::tasks;
use crate::vaults;
use crate::world::World;

/// How often somebody looks whether a date has come.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long a purge that failed is left alone.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Starts the loop. It ends with the engine.
pub(crate) fn start_loop(world: &Arc<World>) {
    tasks::every(world, "purge", LOOK_EVERY, turn);
}

/// Purges what is due, as the loop does again and again.
pub(crate) fn turn(world: &Arc<World>) {
    // Two turns at once would begin two jobs for one item.
    let _alone = world.purging.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(fault) = items(world).and_then(|()| out_of_sight(world)) {
        tracing::error!(code = fault.code.name(), "nothing was purged: {}", fault.message);
    }
}

fn items(world: &Arc<World>) -> Result<(), Fault> {
    let now = world.clock.now();
    // What a wrong clock calls due, it would take away from whoever wants it back in time.
    let trusted = retention::is_trusted(world)?;
    let is_due =
        |deletion: Deletion| deletion.purging || (trusted && item_life::may_purge(deletion, now));
    for item in world.ledger.items(None).or_fault()? {
        if !item.deletion.is_some_and(is_due) || is_left_alone(world, &item)? {
            continue;
        }
        let Some(vault) = world.ledger.vault(item.vault).or_fault()? else {
            continue;
        };
        let vm = item.vm_name.clone();
        if let Err(fault) = protection::change(world, &vault, item, &Wish::Purge) {
            tracing::warn!(vault = %vault.name, vm, code = fault.code.name(), "{}", fault.message);
        }
    }
    Ok(())
}

/// Whether something works with the item just now, or failed to purge it a while ago. What was
/// interrupted goes on at once.
fn is_left_alone(world: &World, item: &Item) -> Result<bool, Fault> {
    let of = JobQuery { item: Some(item.id), limit: Some(1), ..JobQuery::default() };
    let running = world.ledger.jobs(JobQuery { unfinished: true, ..of }).or_fault()?;
    if !running.is_empty() {
        return Ok(true);
    }
    let operation = Some(Operation::DeleteBackupData);
    let last = world.ledger.jobs(JobQuery { operation, ..of }).or_fault()?;
    let now = world.clock.now();
    let has_just_failed = |job: &Job| {
        job.status == Status::Failed
            && job.error.as_ref().is_none_or(|fault| fault.code != Code::Interrupted)
            && now.duration_since(job.started_at).abs() < AGAIN_AFTER
    };
    Ok(last.first().is_some_and(has_just_failed))
}

/// Vaults that are out of sight go with the last of their items.
fn out_of_sight(world: &World) -> Result<(), Fault> {
    for SoftDeletedVault { vault, .. } in world.ledger.soft_deleted_vaults().or_fault()? {
        if !world.ledger.items(Some(vault.id)).or_fault()?.is_empty() {
            continue;
        }
        if let Err(fault) = vaults::purge(world, &vault) {
            tracing::warn!(vault = %vault.name, code = fault.code.name(), "{}", fault.message);
        }
    }
    Ok(())
}

/// Carries a purge out beside everything else. Its job is in the ledger already, with the item that
/// is being purged.
pub(crate) fn start(world: &Arc<World>, vault: &Vault, item: &Item, job: Job) {
    let name = format!("purge-{}", job.id);
    let run = JobRun::adopt(world, job);
    let (own, vault, item) = (Arc::clone(world), vault.clone(), item.clone());
    let work = move || purge(&own, &vault, &item, run);
    if let Err(error) = world.tasks.start(&name, Box::new(work)) {
        // The job has ended as failed with the closure that was dropped; a later turn goes on.
        tracing::error!(%error, "no thread could be started for the job");
    }
}

fn purge(world: &World, vault: &Vault, item: &Item, mut run: JobRun) {
    if let Err(stop) = forget_points(world, vault, item, &run) {
        if matches!(&stop, Stop::Fault(fault) if faults::opens_anew(fault.code)) {
            world.repositories.forget(vault.id);
        }
        run.finish(Err(stop));
        return;
    }
    let job = run.ended(Outcome::Done);
    run.end_with(&job, || world.ledger.remove_item(item.id, &job));
    tracing::info!(vault = %vault.name, vm = item.vm_name, job = %job.id, "gone for good");
    if let Err(fault) = out_of_sight(world) {
        tracing::warn!(vault = %vault.name, code = fault.code.name(), "{}", fault.message);
    }
}

/// Forgets all points of the item in its vault's repository.
fn forget_points(world: &World, vault: &Vault, item: &Item, run: &JobRun) -> Result<(), Stop> {
    let repository = world.repositories.of(vault)?;
    for point in points_of(world, &repository, item)? {
        run.go_on()?;
        match repository.forget(point) {
            Ok(()) | Err(RepoError::PointNotFound { .. }) => {}
            Err(error) => return Err(faults::of_repository(&error).into()),
        }
    }
    Ok(())
}

/// The item's points in the log: those that the ledger knows, and those of its machine that nobody
/// knows.
fn points_of(world: &World, repository: &Repository, item: &Item) -> Result<Vec<PointId>, Fault> {
    let known = world.ledger.points(PointQuery::of(item.id)).or_fault()?;
    let mut points: Vec<PointId> = known.iter().map(|point| point.id).collect();
    for info in repository.points().or_fault()? {
        if info.item != item.vm_name || world.ledger.point(info.id).or_fault()?.is_some() {
            continue;
        }
        let record = repository.manifest(info.id).map(|it| PointRecord::decode(&it.engine));
        match record {
            Ok(Ok(record)) if record.vm_uuid == item.vm.to_string() => points.push(info.id),
            Ok(_) => {}
            Err(error) => tracing::error!(point = %info.id, %error, "nobody knows whose it is"),
        }
    }
    Ok(points)
}
