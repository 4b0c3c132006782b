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

mod settle;
pub(crate) mod snapshot;
pub(crate) mod transfer;

use std::sync::Arc;

use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::item::{Chain, Item};
use model::job::{JobId, Operation, TAKE_SNAPSHOT, TRANSFER_TO_VAULT, VALIDATE_BACKUP};
use model::point::PointId;
use model::vault::Vault;
use rules::job_life::Outcome;
use rules::{item_life, protection, retain};

use crate::Engine;
use crate::faults::{self, OrFault};
use crate::hosts::Connected;
use crate::job_run::{JobRun, NewJob, Stop};
use crate::retries::{self, Retry};
use crate::scheduler::Places;
use crate::world::World;
use crate::{record, recover};

impl Engine {
    /// Begins a backup of the item. Returns as soon as the job runs.
    ///
    /// The point is kept through the whole UTC date of `retain_until`; without one, for 30 days.
    ///
    /// # Errors
    ///
    /// `ItemClosed`, `ItemSoftDeleted` where the item is not backed up any more; `BadRequest` for a
    /// date in the past, `BackupInProgress`; the ledger failed. What goes wrong
    /// later is in the job.
    pub fn backup_now(&self, item: &Item, retain_until: Option<Timestamp>) -> Result<JobId, Fault> {
        item_life::may_back_up(item)?;
        let hold = retain::hold_end(retain_until, self.world.clock.now())
            .map_err(|error| Fault::new(Code::BadRequest, format!("{error}.")))?;
        begin(&self.world, item, Trigger::OnDemand { hold })
    }
}

/// Why a backup is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trigger<'a> {
    /// Somebody asked for it.
    OnDemand {
        /// Its point is kept at least until then.
        hold: Timestamp,
    },
    /// The item's policy asks for it. The policy keeps its point, too.
    Scheduled {
        /// The policy.
        policy: &'a str,
        /// When the run was due.
        due: Timestamp,
        /// Where the run is tried again: which attempt this is.
        retry: Option<Retry>,
    },
}

impl Trigger<'_> {
    fn hold(&self) -> Option<Timestamp> {
        match self {
            Self::OnDemand { hold } => Some(*hold),
            Self::Scheduled { .. } => None,
        }
    }

    /// The job of such a backup.
    fn job(&self, item: &Item, point: Option<PointId>) -> NewJob<'static> {
        let mut properties = vec![("VM Name".to_owned(), item.vm_name.clone())];
        let mut tell = |name: &str, value: String| properties.push((name.to_owned(), value));
        match self {
            Self::OnDemand { hold } => {
                tell("Recovery Point Expiry Time in UTC", hold.to_string());
            }
            Self::Scheduled { policy, due, retry } => {
                tell("Policy Name", (*policy).to_owned());
                tell("Trigger", "Scheduled".to_owned());
                tell(retries::DUE, due.to_string());
                if let Some(retry) = retry {
                    tell(retries::ATTEMPT, retry.attempt.to_string());
                    tell(retries::RETRY_OF, retry.of.to_string());
                }
            }
        }
        NewJob {
            vault: item.vault,
            item: item.id,
            operation: Operation::Backup,
            point,
            retain_until: self.hold(),
            tasks: &[TAKE_SNAPSHOT, TRANSFER_TO_VAULT, VALIDATE_BACKUP],
            properties,
        }
    }
}

/// Begins a backup of the item. Returns as soon as the job runs.
///
/// # Errors
///
/// `BackupInProgress`; the ledger failed. What goes wrong later is in the job.
pub(crate) fn begin(world: &Arc<World>, item: &Item, trigger: Trigger<'_>) -> Result<JobId, Fault> {
    let vault = world.ledger.vault(item.vault).or_fault()?.ok_or_else(|| {
        Fault::new(Code::ResourceNotFound, "The item's vault is not in the ledger.")
    })?;
    let policy = match &item.policy {
        Some(name) => world.ledger.policy(item.vault, name).or_fault()?,
        None => None,
    };
    let point = model::seed::new_point_id(world.seed.as_ref());
    let new = trigger.job(item, Some(point));
    let settles = match trigger {
        Trigger::Scheduled { due, retry: None, .. } => Some(due),
        _ => None,
    };
    let run = JobRun::begin(world, new, settles)?;
    let id = run.job().id;
    let places = Places::new(world.hosts.home_of(item.vm), &vault.region);
    let slot = world.scheduler.occupy(places);
    let backup = Backup {
        world: Arc::clone(world),
        vault,
        item: item.clone(),
        point,
        retain_until: trigger.hold(),
        freeze: !policy.is_some_and(|policy| policy.only_crash_consistent),
    };
    let work = move || {
        let _slot = slot;
        backup.run(run);
    };
    if let Err(error) = world.tasks.start(&format!("backup-{point}"), Box::new(work)) {
        // The job has ended as failed with the closure that was dropped.
        tracing::error!(job = %id, %error, "no thread could be started for the job");
    }
    Ok(id)
}

/// Records that a run of the item's policy found the item busy with another backup.
///
/// # Errors
///
/// The ledger failed.
pub(crate) fn record_overlap(
    world: &World,
    item: &Item,
    policy: &str,
    due: Timestamp,
) -> Result<(), Fault> {
    let message = format!(
        "The backup that policy '{policy}' wanted at {due} could not begin: another backup job was \
         running for '{}'. It is made up for once that has ended.",
        item.vm_name
    );
    let fault = Fault::new(Code::BackupInProgress, message);
    let trigger = Trigger::Scheduled { policy, due, retry: None };
    JobRun::record_failed(world, trigger.job(item, None), fault)
}

/// What one backup works on.
pub(crate) struct Backup {
    pub(crate) world: Arc<World>,
    pub(crate) vault: Vault,
    pub(crate) item: Item,
    pub(crate) point: PointId,
    /// Kept at least until then; where nobody said, as long as the policy keeps it.
    pub(crate) retain_until: Option<Timestamp>,
    /// Whether the guest's file systems are frozen for the point in time.
    pub(crate) freeze: bool,
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
        let host = self.world.hosts.host_of(self.item.vm, &self.item.vm_name)?;
        protection::is_in_region(&self.vault, &self.item, &host.host.region)?;
        Ok(host)
    }

    fn back_up(&self, run: &mut JobRun, host: &Connected) -> Result<Finished, Stop> {
        let repository = self.world.repositories.of(&self.vault)?;
        recover::late_points(&self.world, &self.vault, &self.item, &repository);
        let snapshot = snapshot::take(self, run, host, &repository)?;
        let record = record::of_snapshot(self, run.job().id, &snapshot);

        run.begin_task(TRANSFER_TO_VAULT)?;
        let stats = match transfer::to_vault(self, run, &repository, &snapshot, &record) {
            Ok(stats) => stats,
            Err(stop) => {
                self.world.unsure.note(self.vault.id);
                return Err(snapshot.discard(stop));
            }
        };

        run.begin_task(VALIDATE_BACKUP).or_else(ignore_cancel)?;
        if let Err(fault) = transfer::validate(&repository, self.point) {
            // What cannot be read back is no recovery point, and must not be built upon.
            if let Err(error) = repository.forget(self.point) {
                tracing::warn!(point = %self.point, %error, "not forgotten yet");
                self.world.unsure.note(self.vault.id);
            }
            snapshot.discard(Stop::Cancelled);
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
        let item = Item { chain: finished.chain, ..self.item.clone() };
        let item = record::after_backup(item, &job);
        // Should the service end before this is written, the point is in the repository's log all
        // the same: the next start records it.
        run.end_with(&job, || ledger.record_backup(&finished.point, &item, &job));
        let status = job.status.azure_name();
        tracing::info!(job = %job.id, point = %self.point, status, "backed up");
    }

    fn fail(&self, run: JobRun, stop: Stop) {
        if matches!(&stop, Stop::Fault(fault) if faults::opens_anew(fault.code)) {
            self.world.repositories.forget(self.vault.id);
        }
        let job = run.finish(Err(stop));
        self.world.scheduler.ended(&job);
    }
}

/// Past the commit a request to stop is too late.
fn ignore_cancel(stop: Stop) -> Result<(), Stop> {
    match stop {
        Stop::Cancelled => Ok(()),
        fault => Err(fault),
    }
}
