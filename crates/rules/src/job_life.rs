//! The life of a job: which status may follow which, and how a job ends.
//!
//! ```text
//!              ┌────────────► Completed
//!              ├────────────► CompletedWithWarnings
//! InProgress ──┤
//!      │       ├────────────► Failed
//!      ▼       │
//!  Cancelling ─┴────────────► Cancelled
//! ```
//!
//! `Completed` and `CompletedWithWarnings` need a readable recovery point in the vault. A job that
//! was asked to stop, but had its point committed before it could, has completed.

use model::fault::{Code, Fault};
use model::job::{DiskProgress, Operation, Status};

/// What came of a job's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, and what it made was read back.
    Done,
    /// It was stopped because somebody asked for it, and cleaned up.
    Stopped,
    /// It could not be done.
    Failed(Fault),
}

/// How a job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Its final status.
    pub status: Status,
    /// Its error, if it has one.
    pub error: Option<Fault>,
}

/// How a job with this outcome and these warnings ends.
pub fn end(outcome: Outcome, warnings: &[Fault]) -> End {
    match outcome {
        Outcome::Done if warnings.is_empty() => End { status: Status::Completed, error: None },
        Outcome::Done => End { status: Status::CompletedWithWarnings, error: None },
        Outcome::Stopped => End {
            status: Status::Cancelled,
            error: Some(Fault::new(Code::JobCancelled, "The job was cancelled.")),
        },
        Outcome::Failed(fault) => End { status: Status::Failed, error: Some(fault) },
    }
}

/// Whether jobs of this kind can be cancelled while they run: the others are over in no time.
pub const fn can_be_cancelled(operation: Operation) -> bool {
    matches!(operation, Operation::Backup | Operation::Restore)
}

/// Why a job may not be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCancel {
    /// It has ended.
    Ended,
    /// It is being cancelled already.
    AlreadyCancelling,
    /// Its recovery point is committed, or it is at a step that must not be broken off.
    PastTheLastMoment,
}

/// Whether a job may be cancelled: `Ok`, or why not.
///
/// # Errors
///
/// The reason, in the order of the variants.
pub fn cancel(status: Status, past_the_last_moment: bool) -> Result<(), NoCancel> {
    match status {
        Status::Cancelling => Err(NoCancel::AlreadyCancelling),
        status if status.has_ended() => Err(NoCancel::Ended),
        _ if past_the_last_moment => Err(NoCancel::PastTheLastMoment),
        _ => Ok(()),
    }
}

/// Takes over what was seen of a disk. No figure falls, whatever order reports come in, and what is
/// done is never more than all there is to do: so the job's percentage does not fall either.
pub fn advance(disk: &mut DiskProgress, seen: &DiskProgress) {
    disk.done_bytes = disk.done_bytes.max(seen.done_bytes);
    // It grows only with what is done beyond it: a percentage must not fall because there turned
    // out to be more to do.
    disk.total_bytes = disk.total_bytes.max(disk.done_bytes);
    disk.scanned_bytes = disk.scanned_bytes.max(seen.scanned_bytes);
    disk.changed_bytes = disk.changed_bytes.max(seen.changed_bytes);
    disk.new_bytes = disk.new_bytes.max(seen.new_bytes);
    disk.stored_bytes = disk.stored_bytes.max(seen.stored_bytes);
}

/// Nothing is left to do of a disk: what was not read was known to be zero.
pub fn finish(disk: &mut DiskProgress) {
    disk.total_bytes = disk.done_bytes;
}

/// What becomes of a job that was not ended when the service died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterRestart {
    /// A backup whose recovery point had been committed: it is recorded now.
    RecordPoint,
    /// Everything else: it failed, because it was interrupted.
    Fail(Fault),
}

/// What becomes of a job that was not ended when the service died. `point_committed` is what the
/// repository's log says, not what the ledger says.
pub fn after_restart(point_committed: bool) -> AfterRestart {
    if point_committed { AfterRestart::RecordPoint } else { AfterRestart::Fail(interrupted()) }
}

/// Why a job failed that ended, or was found, because the service was stopped.
pub fn interrupted() -> Fault {
    Fault::new(
        Code::Interrupted,
        "The service was stopped while this job was running. What it had begun was cleaned up; \
         earlier recovery points are not affected.",
    )
}

/// Why a restore failed that was found because the service was stopped, and what may be there of
/// it: whole disks in `directory`, if it had got so far as to name one; and the virtual machine
/// `vm`, if it had begun to make it.
pub fn interrupted_restore(directory: Option<&str>, vm: Option<&str>) -> Fault {
    let mut message = "The service was stopped while this job was running. Unfinished files were \
                       removed; no recovery point is affected."
        .to_owned();
    if let Some(directory) = directory {
        message += &format!(" Files that were whole by then are still in {directory}.");
    }
    if let Some(vm) = vm {
        message += &format!(
            " Virtual machine '{vm}' may have been made of them: see whether it is there before \
             you restore again."
        );
    }
    Fault::new(Code::Interrupted, message)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::job::{Job, JobId};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn warnings_make_a_finished_job_completed_with_warnings() {
        let warning = Fault::new(Code::FreezeFailed, "hook failed");
        assert_eq!(end(Outcome::Done, &[]).status, Status::Completed);
        assert_eq!(end(Outcome::Done, &[warning]).status, Status::CompletedWithWarnings);
    }

    #[test]
    fn a_failed_job_keeps_its_fault_and_a_stopped_one_is_cancelled() {
        let fault = Fault::new(Code::StoreFull, "no space");
        assert_eq!(end(Outcome::Failed(fault.clone()), &[]).error, Some(fault));
        assert_eq!(end(Outcome::Stopped, &[]).status, Status::Cancelled);
    }

    #[test]
    fn only_a_running_job_before_its_last_moment_can_be_cancelled() {
        assert_eq!(cancel(Status::InProgress, false), Ok(()));
        assert_eq!(cancel(Status::InProgress, true), Err(NoCancel::PastTheLastMoment));
        assert_eq!(cancel(Status::Cancelling, false), Err(NoCancel::AlreadyCancelling));
        for status in Status::ALL.into_iter().filter(|status| status.has_ended()) {
            assert_eq!(cancel(status, false), Err(NoCancel::Ended), "{status:?}");
        }
    }

    /// Something that is reported of one of two disks.
    #[derive(Debug, Clone)]
    enum Report {
        Seen { disk: bool, figures: [u64; 4] },
        Finished { disk: bool },
    }

    fn reports() -> impl Strategy<Value = Vec<Report>> {
        let figures = || prop::array::uniform4(0..2000_u64);
        let seen =
            (any::<bool>(), figures()).prop_map(|(disk, figures)| Report::Seen { disk, figures });
        let finished = any::<bool>().prop_map(|disk| Report::Finished { disk });
        prop::collection::vec(prop_oneof![8 => seen, 1 => finished], 0..40)
    }

    fn announced(target: &str, total_bytes: u64) -> DiskProgress {
        DiskProgress { target: target.to_owned(), total_bytes, ..DiskProgress::default() }
    }

    fn running(disks: Vec<DiskProgress>) -> Job {
        Job {
            id: JobId(Uuid::nil()),
            vault: Uuid::nil(),
            item: Uuid::nil(),
            operation: Operation::Backup,
            status: Status::InProgress,
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
            point: None,
            retain_until: None,
            tasks: Vec::new(),
            disks,
            properties: Vec::new(),
            warnings: Vec::new(),
            error: None,
        }
    }

    proptest! {
        #[test]
        fn neither_a_percentage_nor_a_figure_ever_falls(
            totals in prop::array::uniform2(0..1000_u64),
            reports in reports(),
        ) {
            let mut job = running(vec![announced("vda", totals[0]), announced("vdb", totals[1])]);
            let mut percent = job.percent();
            for report in reports {
                let before = job.disks.clone();
                match report {
                    Report::Finished { disk } => finish(&mut job.disks[usize::from(disk)]),
                    Report::Seen { disk, figures: [done, scanned, new, stored] } => {
                        let seen = DiskProgress {
                            done_bytes: done,
                            scanned_bytes: scanned,
                            new_bytes: new,
                            stored_bytes: stored,
                            ..DiskProgress::default()
                        };
                        advance(&mut job.disks[usize::from(disk)], &seen);
                    }
                }
                // With nothing to do there is nothing to be a part of.
                if job.total_bytes() > 0 {
                    prop_assert!(job.percent() >= percent, "{} after {percent}", job.percent());
                    percent = job.percent();
                }
                for (now, before) in job.disks.iter().zip(&before) {
                    prop_assert!(now.done_bytes >= before.done_bytes);
                    prop_assert!(now.scanned_bytes >= before.scanned_bytes);
                    prop_assert!(now.new_bytes >= before.new_bytes);
                    prop_assert!(now.stored_bytes >= before.stored_bytes);
                    prop_assert!(now.done_bytes <= now.total_bytes);
                }
            }
        }
    }

    #[test]
    fn a_committed_point_is_recorded_after_a_restart_and_nothing_else_is() {
        assert_eq!(after_restart(true), AfterRestart::RecordPoint);
        let AfterRestart::Fail(fault) = after_restart(false) else {
            panic!("an uncommitted job must fail");
        };
        assert_eq!(fault.code, Code::Interrupted);
    }
}
