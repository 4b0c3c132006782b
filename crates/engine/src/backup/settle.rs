//! A commit that the store never answered: finding out what became of it.
//!
//! The point may exist. If it does, its backup has got through, and failing the job would leave a
//! point that nobody knows; if it does not, it must never come to exist behind the job's back. The
//! log decides: it has the commit, or a fence in its place keeps it out for ever.

use std::time::Duration;

use model::fault::{Code, Fault};
use repo::{PointStats, RepoError, Repository, SessionId};

use super::Backup;
use crate::faults;

/// Pause between two questions.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Asks the store what became of the point until it answers, for as long as the configuration says.
///
/// # Errors
///
/// `StoreUnavailable`: the point does not exist and never will, or the store still does not answer.
/// In that case the point is recorded by the item's next backup, or the next start, that finds it.
pub(super) fn settle(
    backup: &Backup,
    repository: &Repository,
    session: SessionId,
) -> Result<PointStats, Fault> {
    let mut left = backup.world.config.settle_patience;
    loop {
        let error = match ask(backup, repository, session) {
            Ok(Some(stats)) => return Ok(stats),
            Ok(None) => {
                let message = "The vault's store gave no answer to the commit of the recovery \
                               point, and did not carry it out.";
                return Err(Fault::new(Code::StoreUnavailable, message));
            }
            Err(error) => error,
        };
        if left.is_zero() || backup.world.board.is_stopping() {
            let text = faults::chain_text(&error);
            let message = format!(
                "The vault's store gave no answer to the commit of recovery point {}: {text}. If \
                 the point came to exist, it is recorded once the store answers.",
                backup.point
            );
            return Err(Fault::new(Code::StoreUnavailable, message));
        }
        tracing::warn!(point = %backup.point, %error, "it is not known yet whether it exists");
        let pause = ASK_EVERY.min(left);
        backup.world.tasks.pause(pause);
        left -= pause;
    }
}

/// What the point took, if it exists. If not, it never will.
fn ask(
    backup: &Backup,
    repository: &Repository,
    session: SessionId,
) -> Result<Option<PointStats>, RepoError> {
    match repository.fence(session) {
        Ok(()) => Ok(None),
        Err(RepoError::SessionOver { .. }) => {
            let points = repository.points()?;
            Ok(points.into_iter().find(|info| info.id == backup.point).map(|info| info.stats))
        }
        Err(error) => Err(error),
    }
}
