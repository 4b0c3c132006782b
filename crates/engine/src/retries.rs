//! Scheduled backups that are tried again: what their jobs say of it.
//!
//! Each attempt is a job of its own, with its own end. One that failed, and will be tried again,
//! says when among its properties; so whoever reads the job knows, and so does the scheduler of the
//! next process. The next attempt names the job that it makes up for.

use jiff::{SignedDuration, Timestamp};
use model::fault::Code;
use model::job::{Job, JobId, Operation, Status, TAKE_SNAPSHOT};
use rules::retry::{self, Failed, Patience};
use uuid::Uuid;

use crate::config::Config;

/// The properties of a scheduled backup's job: when it was due; which attempt it is, where it is
/// not the first one; the job of the attempt before; when the next one begins.
pub(crate) const DUE: &str = "Scheduled Time in UTC";
pub(crate) const ATTEMPT: &str = "Attempt";
pub(crate) const RETRY_OF: &str = "Retry of Job";
const NEXT_ATTEMPT: &str = "Next Attempt in UTC";

/// Another attempt at a run that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) item: Uuid,
    /// When the run was due.
    pub(crate) due: Timestamp,
    /// When it is to begin.
    pub(crate) at: Timestamp,
    /// Its number; the run itself was the first one.
    pub(crate) attempt: u32,
    /// The job that failed, and when that began.
    pub(crate) of: JobId,
    pub(crate) of_began: Timestamp,
}

/// Lets a job that has failed say when it will be tried again, if it will.
pub(crate) fn announce(config: &Config, job: &mut Job) {
    let (Some(_), Some(error), Some(ended_at)) = (due(job), &job.error, job.ended_at) else {
        return;
    };
    if job.operation != Operation::Backup || job.status != Status::Failed {
        return;
    }
    let taken = |name: &str, status| name == TAKE_SNAPSHOT && status == Status::Completed;
    let failed = Failed {
        item: job.item,
        code: error.code,
        snapshot_taken: job.tasks.iter().any(|task| taken(&task.name, task.status)),
        attempt: attempt(job),
        ended_at,
    };
    if let Some(at) = retry::next(&failed, patience(config)) {
        job.properties.push((NEXT_ATTEMPT.to_owned(), at.to_string()));
    }
}

fn patience(config: &Config) -> Patience {
    let after = SignedDuration::try_from(config.retry_after).unwrap_or(SignedDuration::MAX);
    Patience { retries: config.retries, after }
}

/// The attempt that a job has announced.
pub(crate) fn announced(job: &Job) -> Option<Retry> {
    Some(Retry {
        item: job.item,
        due: due(job)?,
        at: property(job, NEXT_ATTEMPT)?.parse().ok()?,
        attempt: attempt(job).saturating_add(1),
        of: job.id,
        of_began: job.started_at,
    })
}

/// The attempt that is still to be made, by an item's newest jobs, newest first. Jobs that somebody
/// asked for and that made no point, and runs that found the item busy, take none away.
pub(crate) fn left(jobs: &[Job]) -> Option<Retry> {
    for job in jobs {
        let overlap = job.error.as_ref().is_some_and(|it| it.code == Code::BackupInProgress);
        let in_vain = matches!(job.status, Status::Failed | Status::Cancelled);
        match announced(job) {
            Some(retry) => return Some(retry),
            None if overlap || (in_vain && due(job).is_none()) => {}
            None => return None,
        }
    }
    None
}

fn due(job: &Job) -> Option<Timestamp> {
    property(job, DUE)?.parse().ok()
}

fn attempt(job: &Job) -> u32 {
    property(job, ATTEMPT).and_then(|number| number.parse().ok()).unwrap_or(1)
}

fn property<'a>(job: &'a Job, name: &str) -> Option<&'a str> {
    job.properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
