//! The board: what running jobs say of themselves, and what others ask of them.
//!
//! A job is owned by the one thread that carries it out. That thread posts a copy here whenever
//! something has changed, and looks here whether it has been asked to stop. The ledger gets a copy
//! at each change of a task and, for the bytes, every few seconds: after a crash a job's last
//! figures are at most that old.
//!
//! The one `Mutex` guards the map of copies: readers (HTTP) and writers (job threads) meet here and
//! nowhere else, and nothing is called while it is held.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use model::fault::{Code, Fault};
use model::job::{Job, JobId, Operation, Status};
use model::point::PointId;
use rules::job_life::{self, NoCancel};
use uuid::Uuid;

struct Posted {
    job: Job,
    /// Somebody asked it to stop.
    cancel: bool,
    /// It can no longer be stopped.
    past_the_last_moment: bool,
}

/// What running jobs say of themselves.
#[derive(Default)]
pub(crate) struct Board {
    posted: Mutex<HashMap<JobId, Posted>>,
    stopping: AtomicBool,
}

impl Board {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<JobId, Posted>) -> T) -> T {
        act(&mut self.posted.lock().expect("nothing panics while it holds the board"))
    }

    /// Puts a new job on the board.
    pub(crate) fn open(&self, job: &Job) {
        let posted = Posted { job: job.clone(), cancel: false, past_the_last_moment: false };
        self.with(|board| board.insert(job.id, posted));
    }

    /// Posts the job as it is now. A request to stop shows in its status.
    pub(crate) fn post(&self, job: &Job) {
        self.with(|board| {
            if let Some(posted) = board.get_mut(&job.id) {
                posted.job = job.clone();
                if posted.cancel && job.status == Status::InProgress {
                    posted.job.status = Status::Cancelling;
                }
            }
        });
    }

    /// Takes an ended job off the board.
    pub(crate) fn close(&self, id: JobId) {
        self.with(|board| board.remove(&id));
    }

    /// The job as it was last posted, if it runs.
    pub(crate) fn job(&self, id: JobId) -> Option<Job> {
        self.with(|board| board.get(&id).map(|posted| posted.job.clone()))
    }

    /// Whether a backup of this item runs.
    pub(crate) fn has_backup_of(&self, item: Uuid) -> bool {
        let is_it = |job: &Job| job.item == item && job.operation == Operation::Backup;
        self.with(|board| board.values().any(|posted| is_it(&posted.job)))
    }

    /// Whether a backup runs that makes this point.
    pub(crate) fn is_making(&self, point: PointId) -> bool {
        let makes = |job: &Job| job.operation == Operation::Backup && job.point == Some(point);
        self.with(|board| board.values().any(|posted| makes(&posted.job)))
    }

    /// Whether no job runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.with(|board| board.is_empty())
    }

    /// Lets every running job end that still can: the service ends.
    pub(crate) fn stop_all(&self) {
        // With the board held, so that a job's last moment comes before this or after it.
        self.with(|_| self.stopping.store(true, Ordering::SeqCst));
    }

    /// Whether the service ends.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Asks a job to stop.
    ///
    /// # Errors
    ///
    /// `JobNotCancelable` where it has ended or is past the last moment. Asking twice is harmless.
    pub(crate) fn cancel(&self, id: JobId) -> Result<(), Fault> {
        self.with(|board| {
            let Some(posted) = board.get_mut(&id) else {
                return Err(not_cancelable("it has ended"));
            };
            match job_life::cancel(posted.job.status, posted.past_the_last_moment) {
                Ok(()) => {
                    posted.cancel = true;
                    posted.job.status = Status::Cancelling;
                    Ok(())
                }
                Err(NoCancel::AlreadyCancelling) => Ok(()),
                Err(NoCancel::Ended) => Err(not_cancelable("it has ended")),
                Err(NoCancel::PastTheLastMoment) => {
                    Err(not_cancelable("it can no longer be stopped, for its work is in place"))
                }
            }
        })
    }

    /// Whether a request to stop would be heard.
    pub(crate) fn may_cancel(&self, id: JobId) -> bool {
        self.with(|board| {
            let posted = board.get(&id);
            posted
                .is_some_and(|it| job_life::cancel(it.job.status, it.past_the_last_moment).is_ok())
        })
    }

    /// Whether the job is to stop: somebody asked for it, or the service ends.
    pub(crate) fn is_to_stop(&self, id: JobId) -> bool {
        let to_stop =
            |posted: &Posted| posted.cancel || (self.is_stopping() && !posted.past_the_last_moment);
        self.with(|board| board.get(&id).is_some_and(to_stop))
    }

    /// Whether somebody asked the job to stop.
    pub(crate) fn is_cancelled(&self, id: JobId) -> bool {
        self.with(|board| board.get(&id).is_some_and(|posted| posted.cancel))
    }

    /// Closes the door to cancelling, unless somebody came first: `false` means that the job is to
    /// stop and must.
    pub(crate) fn pass_the_last_moment(&self, id: JobId) -> bool {
        self.with(|board| match board.get_mut(&id) {
            Some(posted) if posted.cancel || self.is_stopping() => false,
            Some(posted) => {
                posted.past_the_last_moment = true;
                true
            }
            None => true,
        })
    }
}

fn not_cancelable(why: &str) -> Fault {
    let message = format!("The job is not in a cancelable state: {why}.");
    Fault::new(Code::JobNotCancelable, message)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn job() -> Job {
        Job {
            id: JobId(Uuid::from_u128(1)),
            vault: Uuid::nil(),
            item: Uuid::nil(),
            operation: Operation::Backup,
            status: Status::InProgress,
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
            point: None,
            retain_until: None,
            tasks: Vec::new(),
            disks: Vec::new(),
            properties: Vec::new(),
            warnings: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn a_request_to_stop_shows_until_the_job_has_ended() {
        let (board, job) = (Board::default(), job());
        board.open(&job);
        board.cancel(job.id).expect("running");
        board.cancel(job.id).expect("asking twice is harmless");
        board.post(&job);
        assert_eq!(board.job(job.id).map(|job| job.status), Some(Status::Cancelling));
        assert!(board.is_cancelled(job.id));
        board.close(job.id);
        assert_eq!(board.cancel(job.id).expect_err("ended").code, Code::JobNotCancelable);
    }

    #[test]
    fn of_stopping_and_committing_the_first_wins() {
        let (board, job) = (Board::default(), job());
        board.open(&job);
        assert!(board.pass_the_last_moment(job.id));
        assert_eq!(board.cancel(job.id).expect_err("too late").code, Code::JobNotCancelable);
        board.stop_all();
        assert!(!board.is_to_stop(job.id), "what is in place is told as such");

        let (board, job) = (Board::default(), self::job());
        board.open(&job);
        board.cancel(job.id).expect("in time");
        assert!(!board.pass_the_last_moment(job.id));
    }

    #[test]
    fn a_service_that_ends_stops_jobs_but_cancels_none() {
        let (board, job) = (Board::default(), job());
        board.open(&job);
        board.stop_all();
        assert!(board.is_to_stop(job.id) && !board.is_cancelled(job.id));
        assert!(!board.pass_the_last_moment(job.id));
    }
}
