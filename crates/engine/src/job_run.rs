//! A running job: the record that its thread owns, and the only way to change it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model::fault::Fault;
use model::job::{DiskProgress, Job, JobId, Operation, Status, Task};
use model::point::PointId;
use rules::job_life::{self, Outcome};
use uuid::Uuid;

use crate::faults::OrFault;
use crate::world::World;

/// How often the ledger gets the figures of a running job.
const SAVE_EVERY: SignedDuration = SignedDuration::from_secs(2);

/// Why a job's work ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody asked for it.
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

impl JobRun {
    /// Records a new job in the ledger and puts it on the board.
    ///
    /// # Errors
    ///
    /// `BackupInProgress` where it is a backup and the item has one running.
    pub(crate) fn begin(world: &Arc<World>, new: NewJob<'_>) -> Result<Self, Fault> {
        let now = world.clock.now();
        let task = |name: &&str| Task { name: (*name).to_owned(), status: Status::NotStarted };
        let job = Job {
            id: JobId(model::seed::new_uuid(world.seed.as_ref())),
            vault: new.vault,
            item: new.item,
            operation: new.operation,
            status: Status::InProgress,
            started_at: now,
            ended_at: None,
            point: new.point,
            retain_until: new.retain_until,
            tasks: new.tasks.iter().map(task).collect(),
            disks: Vec::new(),
            properties: new.properties,
            warnings: Vec::new(),
            error: None,
        };
        world.ledger.create_job(&job).or_fault()?;
        world.board.open(&job);
        Ok(Self { job, world: Arc::clone(world), saved_at: now })
    }

    /// The job as it is now.
    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    /// Ends the tasks before `name` as completed, and begins it.
    pub(crate) fn begin_task(&mut self, name: &str) -> Result<(), Stop> {
        for task in &mut self.job.tasks {
            if task.name == name {
                task.status = Status::InProgress;
                break;
            }
            task.status = Status::Completed;
        }
        self.save();
        self.go_on()
    }

    /// Fails with `Cancelled` once somebody asked the job to stop.
    pub(crate) fn go_on(&self) -> Result<(), Stop> {
        if self.is_cancelled() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// Whether somebody asked the job to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.world.board.is_cancelled(self.job.id)
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
    pub(crate) fn add_disk(&mut self, target: &str, method: &str, total_bytes: u64) {
        self.job.disks.push(DiskProgress {
            target: target.to_owned(),
            method: method.to_owned(),
            total_bytes,
            done_bytes: 0,
            new_bytes: 0,
            stored_bytes: 0,
        });
        self.post();
    }

    /// Reports how a disk is getting on. Figures never fall.
    pub(crate) fn progress(&mut self, target: &str, done: u64, total: u64, new: u64, stored: u64) {
        if let Some(disk) = self.job.disks.iter_mut().find(|disk| disk.target == target) {
            disk.done_bytes = disk.done_bytes.max(done);
            disk.total_bytes = disk.total_bytes.max(total).max(disk.done_bytes);
            disk.new_bytes = disk.new_bytes.max(new);
            disk.stored_bytes = disk.stored_bytes.max(stored);
        }
        self.post();
    }

    /// Says that nothing is left to do of a disk: what was not read was known to be zero.
    pub(crate) fn all_done(&mut self, target: &str) {
        if let Some(disk) = self.job.disks.iter_mut().find(|disk| disk.target == target) {
            disk.total_bytes = disk.done_bytes;
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
    pub(crate) fn finish(self, result: Result<(), Stop>) -> Job {
        let outcome = match result {
            Ok(()) => Outcome::Done,
            Err(Stop::Cancelled) => Outcome::Stopped,
            Err(Stop::Fault(fault)) => Outcome::Failed(fault),
        };
        let ended = self.ended(outcome);
        match &ended.error {
            Some(fault) if ended.status == Status::Failed => {
                tracing::error!(job = %ended.id, code = fault.code.name(), "{}", fault.message);
            }
            _ => tracing::info!(job = %ended.id, status = ended.status.azure_name(), "job ended"),
        }
        if let Err(error) = self.world.ledger.update_job(&ended) {
            // The next start finds the job unended and gives it an honest end.
            tracing::error!(job = %ended.id, %error, "the job's end could not be recorded");
        }
        self.world.board.close(ended.id);
        ended
    }
}
