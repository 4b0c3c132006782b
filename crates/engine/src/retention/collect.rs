//! Gets the space of points back that were let go of.
//!
//! A repository may be collected whoever reads or writes it meanwhile. It costs reads and, where
//! packs are repacked, writes, so it waits for a moment without jobs; not for ever.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ledger::port::JobQuery;
use model::fault::Fault;
use model::job::{Operation, Status};
use model::retention::{Collection, Upkeep};
use model::vault::Vault;
use repo::{CollectOptions, CollectReport, Flow, Progress, Repacking, RepoError, Transfer};

use crate::board::Board;
use crate::faults::OrFault;
use crate::world::World;

/// How long what is condemned can still be read: longer than any restore takes.
const GRACE: Duration = Duration::from_secs(24 * 3600);
/// How long there is at least between two collections after points were let go of.
const AFTER_FORGETTING: SignedDuration = SignedDuration::from_hours(6);
/// How often space is collected at least.
const AT_LEAST_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// How long a collection that is due waits for a moment without jobs.
const PATIENCE: SignedDuration = SignedDuration::from_hours(12);

/// Whether to collect now.
fn is_due(upkeep: &Upkeep, now: Timestamp, idle: bool) -> bool {
    let Some(last) = upkeep.collected_at else {
        return idle || upkeep.to_collect;
    };
    let since = now.duration_since(last);
    let every = if upkeep.to_collect { AFTER_FORGETTING } else { AT_LEAST_EVERY };
    // A clock that was set back says nothing about how long it has been.
    let over = since - every;
    since.is_negative() || over > PATIENCE || (idle && !over.is_negative())
}

/// Collects the space of a vault if it is time to, or somebody asked for it, and notes what came of
/// it.
///
/// # Errors
///
/// The repository cannot be read or written, or is damaged; nothing that a point needs is touched.
pub(super) fn if_due(
    world: &World,
    vault: &Vault,
    now: Timestamp,
    asked: bool,
    upkeep: &mut Upkeep,
) -> Result<(), Fault> {
    upkeep.to_collect |= was_purged(world, vault, upkeep.collected_at)?;
    if !asked && !is_due(upkeep, now, world.board.is_empty()) {
        return Ok(());
    }
    let repository = world.repositories.of(vault)?;
    let options = CollectOptions { grace: GRACE, dry_run: false };
    let stop = StopsWithService { board: &world.board };
    match repository.collect_with(&options, Repacking::Worthwhile, &stop) {
        Ok(report) => {
            note(upkeep, &report, now);
            let (freed, later) = (report.freed_bytes, report.later_bytes);
            tracing::info!(vault = %vault.name, freed, later, "space collected");
            Ok(())
        }
        // The service ends; the next one goes on.
        Err(RepoError::Cancelled) => Ok(()),
        Err(error) => Err(error).or_fault(),
    }
}

/// Whether data of an item was deleted for good since the last collection. The job tells, so that
/// nothing has to be written down that a killed service could forget.
fn was_purged(world: &World, vault: &Vault, since: Option<Timestamp>) -> Result<bool, Fault> {
    let query = JobQuery {
        vault: Some(vault.id),
        operation: Some(Operation::DeleteBackupData),
        status: Some(Status::Completed),
        // One that takes longer than that is collected as usual.
        from: since.and_then(|since| since.checked_sub(AT_LEAST_EVERY).ok()),
        ..JobQuery::default()
    };
    for job in world.ledger.jobs(query).or_fault()? {
        let is_new = since.is_none_or(|since| job.ended_at.is_some_and(|ended| ended > since));
        // The same operation deletes an item for a while: then the item is still there.
        if is_new && world.ledger.item(job.item).or_fault()?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn note(upkeep: &mut Upkeep, report: &CollectReport, now: Timestamp) {
    upkeep.collected_at = Some(now);
    upkeep.to_collect = false;
    upkeep.freed_bytes += report.freed_bytes;
    upkeep.collection = Collection {
        freed_bytes: report.freed_bytes,
        later_bytes: report.later_bytes,
        needed_bytes: report.needed_bytes,
        live_bytes: report.live_bytes,
        repacked_bytes: report.repacked_bytes,
    };
}

/// Goes on until the service ends.
struct StopsWithService<'a> {
    board: &'a Board,
}

impl Progress for StopsWithService<'_> {
    fn report(&self, _: Transfer) -> Flow {
        if self.board.is_stopping() { Flow::Cancel } else { Flow::Continue }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hours: Option<i64>, to_collect: bool, idle: bool, expected: bool) {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().expect("a timestamp");
        let collected_at = hours.map(|hours| now - SignedDuration::from_hours(hours));
        let upkeep = Upkeep { collected_at, to_collect, ..Upkeep::default() };
        assert_eq!(is_due(&upkeep, now, idle), expected);
    }

    #[test]
    fn space_is_collected_daily_and_soon_after_points_went() {
        check(Some(23), false, true, false);
        check(Some(24), false, true, true);
        check(Some(5), true, true, false);
        check(Some(6), true, true, true);
        check(None, false, true, true);
        check(Some(-3), false, true, true);
    }

    #[test]
    fn it_waits_for_a_moment_without_jobs_but_not_for_ever() {
        check(Some(24), false, false, false);
        check(Some(37), false, false, true);
        check(Some(6), true, false, false);
        check(Some(19), true, false, true);
        check(None, false, false, false);
        check(None, true, false, true);
    }
}
