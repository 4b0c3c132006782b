//! Puts new indexes, made from packs, in the place of damaged ones that no copy has.
//!
//! Only where the packs that the index named are known for certain: those of the session that wrote
//! it, less those that were ever condemned and are not any more, which a late delete may still take
//! away; and only where nothing that a point needs is missing then. An index that a collector wrote
//! names packs of others; it stays as it is, and is made up from packs each time the repository is
//! opened.

use std::collections::HashSet;

use format::log::Event;
use format::{IndexId, Kind, PackId, SessionId, index as encoding, names};

use super::Mender;
use crate::decide;
use crate::error::RepoError;
use crate::repository::Repository;
use crate::state::State;
use crate::verify::{Findings, VerifyReport};

impl Mender {
    /// Rebuilds the indexes that are damaged still.
    pub(super) fn rebuild_indexes(
        &mut self,
        repository: &Repository,
        verified: &VerifyReport,
    ) -> Result<(), RepoError> {
        let shared = &repository.shared;
        let found = verified.damaged.iter();
        let damaged: Vec<IndexId> =
            found.filter_map(|object| names::parse_owned(names::INDEXES, &object.name)).collect();
        let state = shared.state(State::clone);
        // An entry before the checkpoint, which the state does not miss, may have condemned packs.
        let whole = !verified.damaged.iter().any(|object| object.kind == Kind::LogEntry);
        let sure = whole && state.unreadable.is_empty() && verified.points_hit.is_empty();
        if damaged.is_empty() || !sure {
            return Ok(());
        }
        let ever = shared.verify_log(&mut Findings::default())?.condemned;
        let retired: HashSet<PackId> =
            ever.into_iter().filter(|pack| !state.condemned.contains_key(pack)).collect();
        for old in damaged.into_iter().filter(|old| state.indexes.contains(old)) {
            // Packs that other indexes name are theirs.
            let mut named = retired.clone();
            for other in state.indexes.iter().filter(|other| **other != old) {
                match shared.fetch_index(*other) {
                    Ok(packs) => named.extend(packs.iter().map(|pack| pack.id)),
                    Err(error) if error.is_damage() => {}
                    Err(error) => return Err(error),
                }
            }
            let mut packs = Vec::new();
            shared.rebuild_index(old, &state, &|pack| named.contains(pack), &mut |pack| {
                if pack.id.session() == old.session() {
                    packs.push(pack);
                }
            })?;
            if !packs.is_empty() && self.swap_index(repository, old, &packs)? {
                self.report.rebuilt_indexes.push(names::index(&old));
            }
        }
        Ok(())
    }

    /// Writes the new index and says so in the log; `false` if somebody else replaced the old one.
    fn swap_index(
        &self,
        repository: &Repository,
        old: IndexId,
        packs: &[format::index::IndexedPack],
    ) -> Result<bool, RepoError> {
        let shared = &repository.shared;
        // The collector will delete the old one: nothing names it any more.
        if let Some(damaged) = self.own(&names::index(&old))? {
            self.keep(&names::index(&old), &damaged)?;
        }
        let session = SessionId(shared.random());
        let actor = self.environment.actor.clone();
        shared.append(&mut |_| Ok(Event::Open { session, actor: actor.clone() }))?;
        let new = IndexId::new(session, shared.random());
        let bytes = encoding::encode(&self.keys, new, packs);
        let mut outdated = false;
        let swapped = shared.store.put(&names::index(&new), &bytes).map_err(RepoError::from);
        let swapped = swapped.and_then(|()| {
            shared.append(&mut |state: &State| {
                let (removed, added) = (vec![old], vec![new]);
                outdated = !matches!(decide::retire(state, session, &removed, state), Ok(true));
                if outdated {
                    return Err(RepoError::Cancelled);
                }
                Ok(Event::Retire { packs: Vec::new(), removed, added })
            })
        });
        let fenced = shared.append(&mut |_| Ok(Event::Fence { session }));
        if outdated {
            return fenced.map(|()| false);
        }
        swapped.and(fenced).map(|()| true)
    }
}
