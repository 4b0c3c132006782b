//! Backup: from a protected item to a committed recovery point.
//!
//! ```text
//! Take Snapshot            ask rules how to read each disk · begin the capture (freeze, thaw)
//! Transfer data to vault   read, deduplicate, store · commit (the last moment to cancel is before)
//! Validate backup          read back the manifest and a sample
//!                          end the capture, keeping its checkpoint · record point, item and job
//! ```
//!
//! Whatever fails before the commit leaves no point, and the capture is discarded so that the next
//! incremental can still be read. What fails after it never costs the point: the next start finds
//! the commit in the repository's log and records it.

pub(crate) mod snapshot;
pub(crate) mod transfer;

use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::item::{Chain, Item};
use model::job::{
    Job, JobId, Operation, Status, TAKE_SNAPSHOT, TRANSFER_TO_VAULT, VALIDATE_BACKUP,
};
use model::point::PointId;
use model::vault::Vault;
use rules::job_life::Outcome;
use rules::retain;

use crate::Engine;
use crate::faults::OrFault;
use crate::hosts::Connected;
use crate::job_run::{JobRun, NewJob, Stop};
use crate::record;
use crate::world::World;

impl Engine {
    /// Begins a backup of the item. Returns as soon as the job runs.
    ///
    /// The point is kept through the whole UTC date of `retain_until`; without one, for 30 days.
    ///
    /// # Errors
    ///
    /// `BadRequest` for a date in the past, `BackupInProgress`; the ledger failed. What goes wrong
    /// later is in the job.
    pub fn backup_now(&self, item: &Item, retain_until: Option<Timestamp>) -> Result<JobId, Fault> {
        let hold = retain::hold_end(retain_until, self.world.clock.now())
            .map_err(|error| Fault::new(Code::BadRequest, format!("{error}.")))?;
        let vault = self.world.ledger.vault(item.vault).or_fault()?.ok_or_else(|| {
            Fault::new(Code::ResourceNotFound, "The item's vault is not in the ledger.")
        })?;
        let point = model::seed::new_point_id(self.world.seed.as_ref());
        let new = NewJob {
            vault: vault.id,
            item: item.id,
            operation: Operation::Backup,
            point: Some(point),
            retain_until: Some(hold),
            tasks: &[TAKE_SNAPSHOT, TRANSFER_TO_VAULT, VALIDATE_BACKUP],
            properties: vec![
                ("VM Name".to_owned(), item.vm_name.clone()),
                ("Recovery Point Expiry Time in UTC".to_owned(), hold.to_string()),
            ],
        };
        let run = JobRun::begin(&self.world, new)?;
        let id = run.job().id;
        let backup = Backup {
            world: Arc::clone(&self.world),
            vault,
            item: item.clone(),
            point,
            retain_until: hold,
        };
        let work = move || backup.run(run);
        match thread::Builder::new().name(format!("backup-{point}")).spawn(work) {
            Ok(_) => Ok(id),
            // The job ends as failed with the closure that is dropped here.
            Err(error) => {
                let message = format!("No thread could be started for the job: {error}.");
                Err(Fault::new(Code::Internal, message))
            }
        }
    }
}

/// What one backup works on.
pub(crate) struct Backup {
    pub(crate) world: Arc<World>,
    pub(crate) vault: Vault,
    pub(crate) item: Item,
    pub(crate) point: PointId,
    pub(crate) retain_until: Timestamp,
}

/// A backup that got through.
struct Finished {
    point: model::point::Point,
    chain: Option<Chain>,
}

impl Backup {
    fn run(&self, mut run: JobRun) {
        let host = match self.find_host(&mut run) {
            Ok(host) => host,
            Err(stop) => return self.fail(run, stop),
        };
        // Until the item's new chain is recorded: recovery would take its checkpoint for unknown.
        let _capturing = host.capturing();
        match self.back_up(&mut run, &host) {
            Ok(finished) => self.succeed(run, finished),
            Err(stop) => self.fail(run, stop),
        }
    }

    fn find_host(&self, run: &mut JobRun) -> Result<Arc<Connected>, Stop> {
        run.begin_task(TAKE_SNAPSHOT)?;
        Ok(self.world.hosts.host_of(self.item.vm, &self.item.vm_name)?)
    }

    fn back_up(&self, run: &mut JobRun, host: &Connected) -> Result<Finished, Stop> {
        let repository = self.world.repositories.of(&self.vault)?;
        let snapshot = snapshot::take(self, run, host, &repository)?;
        let record = record::of_snapshot(self, run.job().id, &snapshot);

        run.begin_task(TRANSFER_TO_VAULT)?;
        let stats = match transfer::to_vault(self, run, &repository, &snapshot, &record) {
            Ok(stats) => stats,
            Err(stop) => return Err(snapshot.discard(stop)),
        };

        run.begin_task(VALIDATE_BACKUP).or_else(ignore_cancel)?;
        if let Err(fault) = transfer::validate(&repository, self.point) {
            // What cannot be read back is no recovery point, and must not be built upon.
            let forgotten = repository.forget(self.point).or_fault();
            snapshot.discard(Stop::Cancelled);
            forgotten?;
            return Err(fault.into());
        }
        let point = record::to_point(&self.vault, &self.item, self.point, &record, &stats);
        let chain = record::chain(self.point, &record).or_else(|| self.item.chain.clone());
        let chain = snapshot.keep(run, chain);
        Ok(Finished { point, chain })
    }

    fn succeed(&self, mut run: JobRun, finished: Finished) {
        let job = run.ended(Outcome::Done);
        let ledger = &self.world.ledger;
        // Should the service end before this is written, the point is in the repository's log all
        // the same: the next start records it.
        run.end_with(&job, || {
            // The item may have got another policy meanwhile: only what a backup changes is
            // changed.
            let item = ledger.item(self.item.id)?.unwrap_or_else(|| self.item.clone());
            let item = Item { chain: finished.chain.clone(), ..item };
            ledger.record_backup(&finished.point, &record::after_backup(item, &job), &job)
        });
        let status = job.status.azure_name();
        tracing::info!(job = %job.id, point = %self.point, status, "backed up");
    }

    fn fail(&self, run: JobRun, stop: Stop) {
        if matches!(&stop, Stop::Fault(fault) if opens_anew(fault.code)) {
            self.world.repositories.forget(self.vault.id);
        }
        let job = run.finish(Err(stop));
        self.note_failure(&job);
    }

    fn note_failure(&self, job: &Job) {
        if job.status != Status::Failed {
            return;
        }
        if let Ok(Some(item)) = self.world.ledger.item(self.item.id) {
            let item = record::after_backup(item, job);
            if let Err(error) = self.world.ledger.update_item(&item) {
                tracing::warn!(job = %job.id, %error, "the item's last backup could not be noted");
            }
        }
    }
}

/// Whether an error may go away once the repository is opened anew.
fn opens_anew(code: Code) -> bool {
    matches!(code, Code::StoreUnavailable | Code::StoreDamaged | Code::WrongKey)
}

/// Past the commit a request to stop is too late.
fn ignore_cancel(stop: Stop) -> Result<(), Stop> {
    match stop {
        Stop::Cancelled => Ok(()),
        fault => Err(fault),
    }
}
