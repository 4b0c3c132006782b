//! What the log amounts to: a pure fold over its entries.
//!
//! ```text
//!  session:  open ──commit──► over (its point exists)      pack:  live ──condemn──► condemned
//!                 └─fence───► over                                                     │
//!  point:    commit ─► exists ──forget──► gone                                       retire
//!                                                                                      ▼
//!                                                                                    gone
//! ```

use std::collections::{BTreeMap, BTreeSet, HashSet};

use format::log::{Checkpoint, CommittedPoint, Event, OpenSession};
use format::{IndexId, PackId, SessionId};
use jiff::Timestamp;
use model::point::PointId;

/// The state of a repository after some log entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Sessions that are not over.
    pub sessions: Vec<OpenSession>,
    /// Points that exist, and when they were committed.
    pub points: BTreeMap<PointId, (CommittedPoint, Timestamp)>,
    /// Indexes in use.
    pub indexes: BTreeSet<IndexId>,
    /// Condemned packs that were not retired yet, and since when.
    pub condemned: BTreeMap<PackId, Timestamp>,
    /// Packs found damaged.
    pub suspect: BTreeSet<PackId>,
    /// Entries that could not be read.
    pub unreadable: BTreeSet<u64>,
    /// Every pack that was condemned as far as this process saw, also those retired since.
    pub ever_condemned: HashSet<PackId>,
    /// How many condemnations this process saw.
    pub condemnations: u64,
    /// How often packs were found damaged, as far as this process saw.
    pub suspicions: u64,
}

impl State {
    /// The state that a checkpoint holds.
    pub fn from_checkpoint(checkpoint: Checkpoint) -> Self {
        let ever_condemned = checkpoint.condemned.iter().map(|(pack, _)| *pack).collect();
        let points = checkpoint.points.into_iter();
        Self {
            sessions: checkpoint.sessions,
            points: points.map(|(point, at)| (point.id, (point, at))).collect(),
            indexes: checkpoint.indexes.into_iter().collect(),
            condemned: checkpoint.condemned.into_iter().collect(),
            suspect: checkpoint.suspect.into_iter().collect(),
            unreadable: checkpoint.unreadable.into_iter().collect(),
            ever_condemned,
            condemnations: 0,
            suspicions: 0,
        }
    }

    /// The checkpoint of this state.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            sessions: self.sessions.clone(),
            points: self.points.values().cloned().collect(),
            indexes: self.indexes.iter().copied().collect(),
            condemned: self.condemned.iter().map(|(pack, at)| (*pack, *at)).collect(),
            suspect: self.suspect.iter().copied().collect(),
            unreadable: self.unreadable.iter().copied().collect(),
        }
    }

    /// Whether the session has begun and is not over.
    pub fn is_open(&self, session: SessionId) -> bool {
        self.sessions.iter().any(|open| open.id == session)
    }

    /// Whether the pack was retired, as far as this process saw: who retired it may be about to
    /// delete it.
    pub fn was_retired(&self, pack: &PackId) -> bool {
        self.ever_condemned.contains(pack) && !self.condemned.contains_key(pack)
    }

    /// Takes in one entry.
    pub fn apply(&mut self, number: u64, at: Timestamp, event: Event) {
        match event {
            Event::Open { session, actor } => {
                self.sessions.push(OpenSession { id: session, opened_at: at, actor, number });
            }
            Event::Commit { session, point, indexes } => {
                self.end(session);
                self.indexes.extend(indexes);
                self.points.insert(point.id, (point, at));
            }
            Event::Forget { point } => {
                self.points.remove(&point);
            }
            Event::Condemn { packs } => {
                self.condemnations += 1;
                for pack in packs {
                    self.ever_condemned.insert(pack);
                    self.condemned.entry(pack).or_insert(at);
                }
            }
            Event::Fence { session } => self.end(session),
            // It says nothing that the entries before it did not.
            Event::Checkpoint(_) => {}
            Event::Retire { packs, removed, added } => {
                for pack in packs {
                    self.condemned.remove(&pack);
                    self.suspect.remove(&pack);
                }
                for index in removed {
                    self.indexes.remove(&index);
                }
                self.indexes.extend(added);
            }
            Event::Suspect { packs } => {
                self.suspicions += 1;
                self.suspect.extend(packs);
            }
        }
    }

    fn end(&mut self, session: SessionId) {
        self.sessions.retain(|open| open.id != session);
    }
}

#[cfg(test)]
mod tests;
