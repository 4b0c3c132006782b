//! Writes indexes anew: without packs that go, and many small ones as few.

use std::collections::{BTreeSet, HashSet};

use format::index::IndexedPack;
use format::log::Event;
use format::{IndexId, PackId, SessionId, index as encoding, names};

use super::plan::Facts;
use crate::decide;
use crate::error::RepoError;
use crate::repository::Shared;
use crate::state::State;
use crate::write::INDEX_SIZE;

/// Writes indexes of packs, as few as the limit of their size allows.
pub(super) struct IndexWriter<'a> {
    shared: &'a Shared,
    session: SessionId,
    pending: Vec<IndexedPack>,
    weight: usize,
    /// The indexes that were put.
    pub added: Vec<IndexId>,
    /// Their sizes, in bytes.
    pub bytes: u64,
}

impl<'a> IndexWriter<'a> {
    pub fn new(shared: &'a Shared, session: SessionId) -> Self {
        let (pending, added) = (Vec::new(), Vec::new());
        Self { shared, session, pending, weight: 0, added, bytes: 0 }
    }

    /// Adds a pack.
    pub fn push(&mut self, pack: IndexedPack) -> Result<(), RepoError> {
        if self.weight + pack.weight() > INDEX_SIZE {
            self.flush()?;
        }
        self.weight += pack.weight();
        self.pending.push(pack);
        Ok(())
    }

    /// Puts what is not in the store yet.
    pub fn flush(&mut self) -> Result<(), RepoError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let id = IndexId::new(self.session, self.shared.random());
        let bytes = encoding::encode(&self.shared.keys, id, &self.pending);
        self.shared.store.put(&names::index(&id), &bytes)?;
        self.added.push(id);
        self.bytes += bytes.len() as u64;
        self.pending.clear();
        self.weight = 0;
        Ok(())
    }
}

impl Shared {
    /// Takes `packs` out of the indexes and merges `small` ones, and says so in the log; the
    /// indexes that went, or none if another collector was quicker or the facts are outdated.
    pub(super) fn retire(
        &self,
        packs: &[PackId],
        small: &[IndexId],
        facts: &Facts,
    ) -> Result<Option<Vec<IndexId>>, RepoError> {
        let session = self.open_session()?;
        let before = self.state(|state| state.indexes.clone());
        let mut outdated = false;
        let mut went = Vec::new();
        let retired = self.rewrite_indexes(session, packs, small).and_then(|(removed, added)| {
            went.clone_from(&removed);
            self.append(&mut |state: &State| {
                // Where no pack goes, nothing is counted on.
                let walked = if packs.is_empty() { state } else { &facts.state };
                if !decide::retire(state, session, &removed, walked)? {
                    outdated = true;
                    return Err(RepoError::Cancelled);
                }
                Ok(Event::Retire {
                    packs: packs.to_vec(),
                    removed: removed.clone(),
                    added: added.clone(),
                })
            })
        });
        let fenced = self.append(&mut |_| Ok(Event::Fence { session }));
        // An index that is missing now may have been replaced meanwhile.
        let replaced =
            |error: &RepoError| error.is_damage() && self.state(|state| state.indexes != before);
        if outdated || retired.as_ref().is_err_and(replaced) {
            return fenced.map(|()| None);
        }
        retired.and(fenced).map(|()| Some(went))
    }

    /// Opens a session for a collector.
    pub(super) fn open_session(&self) -> Result<SessionId, RepoError> {
        let session = SessionId(self.random());
        let actor = self.environment.actor.clone();
        self.append(&mut |_| Ok(Event::Open { session, actor: actor.clone() }))?;
        Ok(session)
    }

    /// The indexes that name `gone` packs, are `small`, or are damaged; and new ones in their
    /// place. The session puts no packs: see format.md §6.
    fn rewrite_indexes(
        &self,
        session: SessionId,
        gone: &[PackId],
        small: &[IndexId],
    ) -> Result<(Vec<IndexId>, Vec<IndexId>), RepoError> {
        let gone: HashSet<_> = gone.iter().collect();
        let state = self.state(State::clone);
        let (mut named, mut readable, mut damaged) = (BTreeSet::new(), Vec::new(), Vec::new());
        for old in &state.indexes {
            match self.fetch_index(*old) {
                Err(error) if error.is_damage() => damaged.push(*old),
                packs => {
                    let packs = packs?;
                    named.extend(packs.iter().map(|pack| pack.id));
                    if small.contains(old) || packs.iter().any(|pack| gone.contains(&pack.id)) {
                        readable.push(*old);
                    }
                }
            }
        }
        let mut writer = IndexWriter::new(self, session);
        let mut written = HashSet::new();
        for old in &readable {
            for pack in self.fetch_index(*old)? {
                if !gone.contains(&pack.id) && written.insert(pack.id) {
                    writer.push(pack)?;
                }
            }
        }
        for old in &damaged {
            let (mut packs, known) = (Vec::new(), |pack: &PackId| named.contains(pack));
            self.rebuild_index(*old, &state, &known, &mut |pack| packs.push(pack))?;
            named.extend(packs.iter().map(|pack| pack.id));
            for pack in packs {
                if !gone.contains(&pack.id) {
                    writer.push(pack)?;
                }
            }
        }
        writer.flush()?;
        readable.extend(damaged);
        Ok((readable, writer.added))
    }
}
