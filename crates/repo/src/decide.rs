//! What may be written next to the log, decided by nothing but its state.
//!
//! Every function answers for one kind of entry, against the state that the entry would follow
//! (format.md §6 rule 3). They do no IO: [`crate::log`] asks them again whenever somebody else was
//! quicker, and the model in `decide/orders.rs` asks them in every order there is.

use std::collections::{BTreeSet, HashSet};

use format::log::Event;
use format::{IndexId, ManifestId, PackId, SessionId};
use model::point::PointId;

use crate::error::RepoError;
use crate::state::State;

/// What a point needs that its own session did not store.
pub(crate) struct Reliance<'a> {
    /// Packs of others that hold chunks of the point.
    pub packs: &'a HashSet<PackId>,
    /// The point whose chunks were taken over without a look at their packs.
    pub parent: Option<PointId>,
    /// Condemnations seen when the session opened.
    pub condemnations: u64,
    /// How often packs had been found damaged when the parent's chunks were looked up.
    pub suspicions: u64,
    /// Whether `packs` names every pack of the point, so that the parent does not matter.
    pub stands_alone: bool,
}

impl Reliance<'_> {
    /// Whether the point may need a pack that was condemned or found damaged since it was counted
    /// on (rule 4).
    pub fn is_outdated(&self, state: &State) -> bool {
        let bad = |pack| state.ever_condemned.contains(pack) || state.suspect.contains(pack);
        let orphaned = self.parent.is_some_and(|parent| {
            !state.points.contains_key(&parent) && state.condemnations != self.condemnations
        });
        let doubted = self.parent.is_some() && state.suspicions != self.suspicions;
        self.packs.iter().any(bad) || ((orphaned || doubted) && !self.stands_alone)
    }

    fn builds_on_old(&self) -> bool {
        !self.packs.is_empty() || self.parent.is_some()
    }
}

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    /// The entry may be written.
    Write,
    /// Chunks must be stored again first: only condemned or suspect packs may hold them.
    Rescue,
}

/// What a writer learns that got no answer to its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The commit is in the log: the point exists.
    Exists,
    /// It is not. Once a fence has its number, it never will be.
    Fence,
    /// The session is over without the point, or the point is forgotten already.
    Gone,
}

/// Whether a session may open that writes `point` (rules 1 and 8).
pub(crate) fn open_point(
    state: &State,
    point: PointId,
    parent: Option<PointId>,
) -> Result<(), RepoError> {
    refuse_unreadable_to_writers(state, parent.is_some())?;
    // Its packs may have been condemned since its manifest was read: before this session, so that
    // the commit could not see it.
    if let Some(point) = parent.filter(|parent| !state.points.contains_key(parent)) {
        return Err(RepoError::PointNotFound { point });
    }
    if state.points.contains_key(&point) {
        return Err(RepoError::PointExists { point });
    }
    Ok(())
}

/// Whether the session may commit `point` (rules 4 and 8).
pub(crate) fn commit(
    state: &State,
    session: SessionId,
    point: PointId,
    reliance: &Reliance<'_>,
) -> Result<Commit, RepoError> {
    if !state.is_open(session) {
        return Err(RepoError::SessionOver { session });
    }
    if state.points.contains_key(&point) {
        return Err(RepoError::PointExists { point });
    }
    refuse_unreadable_to_writers(state, reliance.builds_on_old())?;
    Ok(if reliance.is_outdated(state) { Commit::Rescue } else { Commit::Write })
}

/// What became of a commit that got no answer (rule 12). `manifest` is the one that it names.
pub(crate) fn settle(
    state: &State,
    session: SessionId,
    point: PointId,
    manifest: ManifestId,
) -> Settled {
    if state.is_open(session) {
        return Settled::Fence;
    }
    let found = state.points.get(&point).is_some_and(|(found, _)| found.manifest == manifest);
    if found { Settled::Exists } else { Settled::Gone }
}

/// Ends the session without a point.
pub(crate) fn fence(state: &State, session: SessionId) -> Result<Event, RepoError> {
    if state.is_open(session) {
        Ok(Event::Fence { session })
    } else {
        Err(RepoError::SessionOver { session })
    }
}

/// What a collector counts on in the place of what goes.
pub(crate) struct Relied<'a> {
    /// The state in which points were walked.
    pub state: &'a State,
    /// The packs that points need, or will need instead of those that go.
    pub packs: &'a [PackId],
}

impl Relied<'_> {
    /// Whether any of the packs may be relied on less than when points were walked.
    fn is_outdated(&self, now: &State) -> bool {
        let new = |before: bool, now: bool| now && !before;
        self.packs.iter().any(|pack| {
            let was = self.state;
            new(was.ever_condemned.contains(pack), now.ever_condemned.contains(pack))
                || new(was.suspect.contains(pack), now.suspect.contains(pack))
        })
    }
}

/// What becomes of a condemnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condemn {
    /// The entry may be written.
    Write,
    /// Points came that must be walked first.
    Late,
    /// A pack that was counted on was condemned or found suspect: the walk is worth nothing.
    Outdated,
}

/// Whether a collector may condemn (rule 6). `knows` tells the points that were walked, then or
/// since.
pub(crate) fn condemn(
    state: &State,
    relied: &Relied<'_>,
    knows: &dyn Fn(&PointId) -> bool,
) -> Result<Condemn, RepoError> {
    refuse_unreadable(state)?;
    Ok(if relied.is_outdated(state) {
        Condemn::Outdated
    } else if state.points.keys().all(knows) {
        Condemn::Write
    } else {
        Condemn::Late
    })
}

/// Whether the session may retire packs, and put others in the place of the indexes `removed`;
/// `false` if another collector replaced one of them, or packs were found damaged since points were
/// `walked`: one that goes may hold the last good copy of something (rule 6).
pub(crate) fn retire(
    state: &State,
    session: SessionId,
    removed: &[IndexId],
    walked: &State,
) -> Result<bool, RepoError> {
    refuse_unreadable(state)?;
    // Once fenced, what it put may be gone.
    if !state.is_open(session) {
        return Err(RepoError::SessionOver { session });
    }
    let current = removed.iter().all(|index| state.indexes.contains(index));
    Ok(current && state.suspicions == walked.suspicions)
}

/// Of the packs that were found damaged, those of which the log does not say so yet.
pub(crate) fn suspect(state: &State, damaged: &BTreeSet<PackId>) -> Vec<PackId> {
    damaged.difference(&state.suspect).copied().collect()
}

/// Of the packs that were found whole, those that new points may rely on again (rule 10). Condemned
/// ones never come back to life: an entry about them would free them.
pub(crate) fn clear(state: &State, whole: &[PackId]) -> Vec<PackId> {
    let doubted = |pack: &&PackId| state.suspect.contains(*pack);
    let condemned = |pack: &&PackId| state.condemned.contains_key(*pack);
    whole.iter().filter(|pack| doubted(pack) && !condemned(pack)).copied().collect()
}

/// An entry that cannot be read may be the commit of a point: then nothing is collected (rule 6).
pub(crate) fn refuse_unreadable(state: &State) -> Result<(), RepoError> {
    refuse(state, "nothing can be collected")
}

/// And nothing new builds on what is stored (rule 8).
fn refuse_unreadable_to_writers(state: &State, builds_on_old: bool) -> Result<(), RepoError> {
    if builds_on_old {
        refuse(state, "only points without a parent can be written")
    } else {
        Ok(())
    }
}

fn refuse(state: &State, refused: &'static str) -> Result<(), RepoError> {
    let error = |number: &u64| Err(RepoError::LogDamaged { number: *number, refused });
    state.unreadable.first().map_or(Ok(()), error)
}

#[cfg(test)]
mod orders;
#[cfg(test)]
mod tests;
