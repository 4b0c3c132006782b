//! Jobs as others see them: what the ledger holds, and of running ones what they say now.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::{SignedDuration, Timestamp};
use ledger::port::{JobQuery, PointQuery};
use model::fault::{Code, Fault};
use model::item::Item;
use model::job::{Job, JobId};
use model::point::{Point, PointId};
use model::vault::Vault;
use rules::job_life;
use uuid::Uuid;

use crate::Engine;
use crate::faults::OrFault;
use crate::retention;
use crate::world::World;

/// How many old jobs are deleted at once: other writers wait meanwhile.
const PRUNE_MAX: usize = 500;

/// Whether old jobs are left to be deleted.
pub(crate) enum Pruned {
    All,
    More,
}

/// Deletes jobs that ended longer ago than they are kept, a batch of them. What has not ended and
/// the newest job of each item stay. While the clock is doubted all of them do: what is long ago
/// nobody knows then.
pub(crate) fn prune(world: &World, now: Timestamp) -> Result<Pruned, Fault> {
    if !retention::is_trusted(world)? {
        return Ok(Pruned::All);
    }
    let kept = SignedDuration::try_from(world.config.job_history).ok();
    let Some(before) = kept.and_then(|kept| now.checked_sub(kept).ok()) else {
        return Ok(Pruned::All);
    };
    match world.ledger.prune_jobs(before, PRUNE_MAX).or_fault()? {
        PRUNE_MAX => Ok(Pruned::More),
        0 => Ok(Pruned::All),
        count => {
            tracing::info!(count, "old jobs were deleted");
            Ok(Pruned::All)
        }
    }
}

impl Engine {
    /// The jobs that match, newest first, running ones with their progress.
    ///
    /// A running job's own word counts for its status: the ledger does not know yet that it is
    /// being cancelled.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn jobs(&self, query: JobQuery) -> Result<Vec<Job>, Fault> {
        let Some(status) = query.status.filter(|status| !status.has_ended()) else {
            let jobs = self.world.ledger.jobs(query).or_fault()?;
            return Ok(jobs.into_iter().map(|job| self.live(job)).collect());
        };
        let running = JobQuery { unfinished: true, status: None, limit: None, ..query };
        let jobs = self.world.ledger.jobs(running).or_fault()?.into_iter();
        let live = jobs.map(|job| self.live(job)).filter(|job| job.status == status);
        Ok(live.take(query.limit.unwrap_or(usize::MAX)).collect())
    }

    /// One of the vault's jobs, with its progress if it runs.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`, or the ledger failed.
    pub fn job(&self, vault: &Vault, id: JobId) -> Result<Job, Fault> {
        let found = self.world.ledger.job(id).or_fault()?;
        let found = found.filter(|job| job.vault == vault.id).ok_or_else(|| {
            Fault::new(Code::ResourceNotFound, format!("Vault '{}' has no job {id}.", vault.name))
        })?;
        Ok(self.live(found))
    }

    /// A job that has ended stands in the ledger for good; of one that has not, the board knows
    /// more.
    fn live(&self, job: Job) -> Job {
        if job.status.has_ended() {
            return job;
        }
        let posted = self.world.board.job(job.id);
        // One that is on the board no more has ended since the ledger was read.
        posted.or_else(|| self.world.ledger.job(job.id).ok().flatten()).unwrap_or(job)
    }

    /// Asks a job to stop. It ends as `Cancelled` a little later, once it has cleaned up.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`; `JobNotCancelable` where it has ended, is past the last moment, or is of
    /// a kind that cannot be cancelled.
    pub fn cancel(&self, vault: &Vault, id: JobId) -> Result<(), Fault> {
        let job = self.job(vault, id)?;
        if !job_life::can_be_cancelled(job.operation) {
            let message = "Cancellation is not supported for this job type.";
            return Err(Fault::new(Code::JobNotCancelable, message));
        }
        self.world.board.cancel(id)
    }

    /// Whether a request to stop this job would be heard now.
    pub fn may_cancel(&self, job: &Job) -> bool {
        job_life::can_be_cancelled(job.operation) && self.world.board.may_cancel(job.id)
    }

    /// The item's recovery points, newest first.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn points(&self, item: &Item) -> Result<Vec<Point>, Fault> {
        self.find_points(PointQuery::of(item.id))
    }

    /// The points that match, newest first.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn find_points(&self, query: PointQuery) -> Result<Vec<Point>, Fault> {
        self.world.ledger.points(query).or_fault()
    }

    /// The items that these jobs work for, by their ids.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn items_of_jobs(&self, jobs: &[Job]) -> Result<HashMap<Uuid, Item>, Fault> {
        let mut items = HashMap::new();
        for job in jobs {
            if let Entry::Vacant(place) = items.entry(job.item)
                && let Some(item) = self.world.ledger.item(job.item).or_fault()?
            {
                place.insert(item);
            }
        }
        Ok(items)
    }

    /// One of the item's recovery points.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`, or the ledger failed.
    pub fn point(&self, item: &Item, id: PointId) -> Result<Point, Fault> {
        let found = self.world.ledger.point(id).or_fault()?;
        found.filter(|point| point.item == item.id).ok_or_else(|| {
            let message = format!("Virtual machine '{}' has no recovery point {id}.", item.vm_name);
            Fault::new(Code::ResourceNotFound, message)
        })
    }
}
