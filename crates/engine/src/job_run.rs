//! A running job: the record that its thread owns, and the only way to change it.
//!
//! A job ends whatever happens: with the outcome of its work, or, where its thread panicked or was
//! never started, as failed when the record is dropped. Its end is written until the ledger has it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ledger::LedgerError;
use model::fault::{Code, Fault};
use model::job::{DiskProgress, Job, JobId, Operation, Status, Task};
use model::point::PointId;
use rules::job_life::{self, Outcome};
use uuid::Uuid;

use crate::faults::OrFault;
use crate::world::World;
use crate::{record, retries};

/// How often the ledger gets the figures of a running job.
const SAVE_EVERY: SignedDuration = SignedDuration::from_secs(2);
/// Pause between two tries to write a job's end: at first, and at most.
const WRITE_AGAIN: Duration = Duration::from_secs(1);
const WRITE_AGAIN_MAX: Duration = Duration::from_secs(30);
/// How often a pause looks whether the service ends.
const LOOK: Duration = Duration::from_millis(100);

/// Why a job's work ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody asked for it, or the service ends.
    Cancelled,
    /// It could not be done.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A running job.
pub(crate) struct JobRun {
    job: Job,
    world: Arc<World>,
    saved_at: Timestamp,
    /// Its end has been dealt with.
    over: bool,
}

/// What a job is to begin with.
pub(crate) struct NewJob<'a> {
    pub(crate) vault: Uuid,
    pub(crate) item: Uuid,
    pub(crate) operation: Operation,
    pub(crate) point: Option<PointId>,
    pub(crate) retain_until: Option<Timestamp>,
    pub(crate) tasks: &'a [&'a str],
    pub(crate) properties: Vec<(String, String)>,
}

impl NewJob<'_> {
    /// The job, as it begins now.
    pub(crate) fn job(self, world: &World) -> Job {
        Job {
            id: JobId(model::seed::new_uuid(world.seed.as_ref())),
            vault: self.vault,
            item: self.item,
            operation: self.operation,
            status: Status::InProgress,
            started_at: world.clock.now(),
            ended_at: None,
            point: self.point,
            retain_until: self.retain_until,
            tasks: self.tasks.iter().map(|name| Task::new(name)).collect(),
            disks: Vec::new(),
            properties: self.properties,
            warnings: Vec::new(),
            error: None,
        }
    }
}

impl JobRun {
    /// Records a new job in the ledger and puts it on the board. With it, the runs of the item's
    /// policy are settled up to `settles`.
    ///
    /// # Errors
    ///
    /// `BackupInProgress` where it is a backup and the item has one running.
    pub(crate) fn begin(
        world: &Arc<World>,
        new: NewJob<'_>,
        settles: Option<Timestamp>,
    ) -> Result<Self, Fault> {
        let job = new.job(world);
        match settles {
            Some(due) => world.ledger.create_run(&job, due).or_fault()?,
            None => world.ledger.create_job(&job).or_fault()?,
        }
        Ok(Self::adopt(world, job))
    }

    /// Puts a job on the board that is in the ledger already, and has just begun.
    pub(crate) fn adopt(world: &Arc<World>, job: Job) -> Self {
        world.board.open(&job);
        let saved_at = job.started_at;
        Self { job, world: Arc::clone(world), saved_at, over: false }
    }

    /// Records a job that could not even begin.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub(crate) fn record_failed(world: &World, new: NewJob<'_>, fault: Fault) -> Result<(), Fault> {
        let mut job = new.job(world);
        job.status = Status::Failed;
        job.ended_at = Some(job.started_at);
        tracing::error!(job = %job.id, code = fault.code.name(), "{}", fault.message);
        job.error = Some(fault);
        world.ledger.create_job(&job).or_fault()?;
        world.tally.count(&job);
        Ok(())
    }

    /// Records a job that was done in no time.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub(crate) fn record_done(world: &World, new: NewJob<'_>) -> Result<JobId, Fault> {
        let job = Self::done(world, new);
        world.ledger.create_job(&job).or_fault()?;
        world.tally.count(&job);
        Ok(job.id)
    }

    /// The record of a job that was done in no time, for whoever writes it with what it did.
    pub(crate) fn done(world: &World, new: NewJob<'_>) -> Job {
        let job = new.job(world);
        Job { status: Status::Completed, ended_at: Some(job.started_at), ..job }
    }

    /// The job as it is now.
    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    /// Ends the tasks before `name` as completed, and begins it.
    pub(crate) fn begin_task(&mut self, name: &str) -> Result<(), Stop> {
        let now = self.world.clock.now();
        for task in &mut self.job.tasks {
            if task.name == name {
                task.status = Status::InProgress;
                task.begun_at = Some(now);
                break;
            }
            task.status = Status::Completed;
        }
        self.save();
        self.go_on()
    }

    /// Fails with `Cancelled` once the job is to stop.
    pub(crate) fn go_on(&self) -> Result<(), Stop> {
        if self.is_to_stop() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// Whether somebody asked the job to stop, or the service ends.
    pub(crate) fn is_to_stop(&self) -> bool {
        self.world.board.is_to_stop(self.job.id)
    }

    /// Closes the door to cancelling. Fails with `Cancelled` if somebody came first.
    pub(crate) fn pass_the_last_moment(&self) -> Result<(), Stop> {
        if self.world.board.pass_the_last_moment(self.job.id) {
            Ok(())
        } else {
            Err(Stop::Cancelled)
        }
    }

    /// Adds something that the operator should know.
    pub(crate) fn warn(&mut self, warning: Fault) {
        tracing::warn!(job = %self.job.id, code = warning.code.name(), "{}", warning.message);
        self.job.warnings.push(warning);
        self.save();
    }

    /// Adds a fact for the operator.
    pub(crate) fn tell(&mut self, name: &str, value: impl Into<String>) {
        self.job.properties.push((name.to_owned(), value.into()));
    }

    /// Adds a disk, of which nothing is done yet.
    pub(crate) fn add_disk(&mut self, disk: DiskProgress) {
        self.job.disks.push(disk);
        self.post();
    }

    /// Reports how a disk is getting on: the figures that there are, by its target.
    pub(crate) fn progress(&mut self, seen: &DiskProgress) {
        if let Some(disk) = self.job.disks.iter_mut().find(|disk| disk.target == seen.target) {
            job_life::advance(disk, seen);
        }
        self.post();
    }

    /// Says that nothing is left to do of a disk: what was not read was known to be zero.
    pub(crate) fn all_done(&mut self, target: &str) {
        if let Some(disk) = self.job.disks.iter_mut().find(|disk| disk.target == target) {
            job_life::finish(disk);
        }
        self.post();
    }

    fn post(&mut self) {
        self.world.board.post(&self.job);
        let now = self.world.clock.now();
        if now.duration_since(self.saved_at) >= SAVE_EVERY {
            self.save();
        }
    }

    /// Gives the ledger a copy. A failing ledger does not stop a transfer: the end of the job is
    /// written with its point, and that must succeed.
    fn save(&mut self) {
        self.world.board.post(&self.job);
        self.saved_at = self.world.clock.now();
        if let Err(error) = self.world.ledger.update_job(&self.job) {
            tracing::warn!(job = %self.job.id, %error, "the job's progress could not be saved");
        }
    }

    /// Turns the job into its final record, without writing it anywhere.
    pub(crate) fn ended(&self, outcome: Outcome) -> Job {
        let mut job = self.job.clone();
        let end = job_life::end(outcome, &job.warnings);
        let unfinished = match end.status {
            Status::Completed | Status::CompletedWithWarnings => Status::Completed,
            other => other,
        };
        for task in &mut job.tasks {
            match task.status {
                Status::InProgress => task.status = unfinished,
                Status::NotStarted if unfinished == Status::Completed => {
                    task.status = Status::Completed;
                }
                _ => {}
            }
        }
        job.status = end.status;
        job.error = end.error;
        job.ended_at = Some(self.world.clock.now());
        job
    }

    /// Ends a job that has no point to record with it, and takes it off the board. Returns its
    /// final record.
    pub(crate) fn finish(mut self, result: Result<(), Stop>) -> Job {
        let ended = self.outcome(result);
        let world = Arc::clone(&self.world);
        self.end_with(&ended, || write_end(&world, &ended));
        ended
    }

    /// Ends a job by `write`, which puts its final record and what goes with it into the ledger.
    pub(crate) fn end_with(&mut self, ended: &Job, write: impl Fn() -> Result<(), LedgerError>) {
        self.over = true;
        if write_for_sure(&self.world, ended.id, write) {
            self.world.tally.count(ended);
            self.world.board.close(ended.id);
        }
    }

    fn outcome(&self, result: Result<(), Stop>) -> Job {
        let outcome = match result {
            Ok(()) => Outcome::Done,
            Err(Stop::Cancelled) if self.world.board.is_cancelled(self.job.id) => Outcome::Stopped,
            Err(Stop::Cancelled) => Outcome::Failed(job_life::interrupted()),
            Err(Stop::Fault(fault)) => Outcome::Failed(fault),
        };
        let mut ended = self.ended(outcome);
        retries::announce(&self.world.config, &mut ended);
        match &ended.error {
            Some(fault) if ended.status == Status::Failed => {
                tracing::error!(job = %ended.id, code = fault.code.name(), "{}", fault.message);
            }
            _ => tracing::info!(job = %ended.id, status = ended.status.azure_name(), "job ended"),
        }
        ended
    }
}

impl Drop for JobRun {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let message = "The job's thread met a bug, or could not be started; the service's log has \
                       more. Earlier recovery points are not affected.";
        let ended = self.outcome(Err(Fault::new(Code::Internal, message).into()));
        if let Err(error) = write_end(&self.world, &ended) {
            // The next start finds the job unended and gives it an honest end.
            tracing::error!(job = %ended.id, %error, "the job's end could not be recorded");
        }
        self.world.tally.count(&ended);
        self.world.board.close(ended.id);
    }
}

/// Writes the end of a job that has no point to record with it. A backup that failed is its item's
/// last one.
pub(crate) fn write_end(world: &World, ended: &Job) -> Result<(), LedgerError> {
    if ended.operation == Operation::Backup && ended.status == Status::Failed {
        world.ledger.end_backup(ended, &record::last_backup(ended))
    } else {
        world.ledger.update_job(ended)
    }
}

/// Writes until the ledger takes it: a full disk must not leave a job that seems to run. Gives up
/// when the service ends, for the next start brings the job to its end. Whether it was written.
fn write_for_sure(world: &World, job: JobId, write: impl Fn() -> Result<(), LedgerError>) -> bool {
    let mut pause = WRITE_AGAIN;
    loop {
        match write() {
            Ok(()) => return true,
            Err(error) => tracing::error!(%job, %error, "the job's end could not be recorded"),
        }
        for _ in 0..pause.as_millis() / LOOK.as_millis() {
            if world.board.is_stopping() {
                world.board.close(job);
                return false;
            }
            world.tasks.pause(LOOK);
        }
        pause = WRITE_AGAIN_MAX.min(pause * 2);
    }
}
