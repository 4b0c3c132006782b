//! Jobs as others see them: what the ledger holds, and of running ones what they say now.

use ledger::port::JobQuery;
use model::fault::{Code, Fault};
use model::item::Item;
use model::job::{Job, JobId};
use model::point::{Point, PointId};
use model::vault::Vault;

use crate::Engine;
use crate::faults::OrFault;

impl Engine {
    /// The vault's jobs, newest first, running ones with their progress.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn jobs(&self, vault: &Vault) -> Result<Vec<Job>, Fault> {
        let query = JobQuery { vault: Some(vault.id), ..JobQuery::default() };
        let jobs = self.world.ledger.jobs(query).or_fault()?;
        Ok(jobs.into_iter().map(|job| self.live(job)).collect())
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
        self.world.board.job(job.id).unwrap_or(job)
    }

    /// Asks a job to stop. It ends as `Cancelled` a little later, once it has cleaned up.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`; `JobNotCancelable` where it has ended or is past the last moment.
    pub fn cancel(&self, vault: &Vault, id: JobId) -> Result<(), Fault> {
        self.job(vault, id)?;
        self.world.board.cancel(id)
    }

    /// The item's recovery points, newest first.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn points(&self, item: &Item) -> Result<Vec<Point>, Fault> {
        self.world.ledger.points(item.id).or_fault()
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
