//! Gets space back: condemns packs that no point needs, and deletes them a grace later.
//!
//! What is decided is a value ([`Plan`]), made of facts alone; a dry run stops there. Facts are
//! gathered in an order that makes them safe: first the list of objects, then the log. If a pack in
//! the list has a session that the log does not have open, that session is over for good.
//!
//! ```text
//!  pack:  needed ──no point needs it, session over──► condemned ──grace──► retired ─► deleted
//!            ▲                                              │
//!            └─────────────── never again ──────────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use format::log::{CommittedPoint, Event};
use format::map::Page;
use format::seal::ChunkKind;
use format::{ChunkId, IndexId, PackId, SessionId, index as encoding, names};
use jiff::{SignedDuration, Timestamp};
use model::point::PointId;

use crate::error::RepoError;
use crate::index::{ChunkIndex, IdSet, Standing};
use crate::map::MapReader;
use crate::objects::ObjectInfo;
use crate::read::lost;
use crate::repository::{Repository, Shared};
use crate::state::State;

/// How often facts are gathered anew because points were committed meanwhile.
const ATTEMPTS: u32 = 16;

/// How to collect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectOptions {
    /// How long condemned packs stay readable. Longer than the longest restore.
    pub grace: Duration,
    /// Decide and report, but change nothing.
    pub dry_run: bool,
}

/// What was collected, or would be. Sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectReport {
    /// Packs that points need.
    pub live_packs: u64,
    /// Their sizes.
    pub live_bytes: u64,
    /// Packs condemned now.
    pub condemned_packs: u64,
    /// Their sizes.
    pub condemned_bytes: u64,
    /// Packs condemned earlier whose grace is not over.
    pub waiting_packs: u64,
    /// Their sizes.
    pub waiting_bytes: u64,
    /// Packs deleted.
    pub deleted_packs: u64,
    /// Sizes of the packs deleted.
    pub deleted_bytes: u64,
    /// Manifests and indexes deleted that nothing refers to.
    pub deleted_objects: u64,
    /// Sessions that are not over. Their packs are left alone; a dead writer's needs
    /// [`Repository::fence`].
    pub open_sessions: Vec<SessionId>,
}

/// What points need.
#[derive(Default)]
struct Marks {
    points: BTreeSet<PointId>,
    packs: HashSet<PackId>,
}

/// What the store holds, from before the log was read.
struct Listing {
    packs: BTreeMap<PackId, u64>,
    indexes: Vec<IndexId>,
    manifests: Vec<format::ManifestId>,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    condemn: Vec<PackId>,
    delete: Vec<PackId>,
    /// Names of manifests and indexes that nothing refers to.
    debris: Vec<String>,
    report: CollectReport,
}

impl Repository {
    /// Condemns packs that no point needs, deletes those whose grace is over, and removes what
    /// dead sessions left behind.
    ///
    /// # Errors
    ///
    /// [`RepoError::LogDamaged`], or damage of a live manifest or map page: while it is not known
    /// what points need, nothing is touched. Or the store failed; then it can be done again.
    pub fn collect(&self, options: &CollectOptions) -> Result<CollectReport, RepoError> {
        for _ in 0..ATTEMPTS {
            let listing = self.shared.listing()?;
            self.shared.refresh()?;
            let state = self.shared.state(State::clone);
            refuse_unreadable(&state)?;
            let marks = match self.shared.mark(state.points.values().map(|(point, _)| point)) {
                // A point that was forgotten meanwhile may be gone; that is no damage.
                Err(error) if error.is_damage() => {
                    self.shared.refresh()?;
                    if self.shared.state(|now| now.points == state.points) {
                        return Err(error);
                    }
                    continue;
                }
                marks => marks?,
            };
            let now = self.shared.environment.clock.now();
            let plan = plan(&listing, &state, &marks, now, options.grace);
            if options.dry_run || self.shared.carry_out(&plan, &marks)? {
                return Ok(plan.report);
            }
        }
        Err(RepoError::LogContention { attempts: ATTEMPTS })
    }
}

/// An entry that cannot be read may be the commit of a point.
fn refuse_unreadable(state: &State) -> Result<(), RepoError> {
    let refused = "nothing can be collected";
    let error = |number: &u64| Err(RepoError::LogDamaged { number: *number, refused });
    state.unreadable.first().map_or(Ok(()), error)
}

/// Decides what becomes of every object.
fn plan(listing: &Listing, state: &State, marks: &Marks, now: Timestamp, grace: Duration) -> Plan {
    let mut plan = Plan::default();
    let report = &mut plan.report;
    report.open_sessions = state.sessions.iter().map(|open| open.id).collect();
    let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
    for (pack, size) in &listing.packs {
        let tally = if let Some(since) = state.condemned.get(pack) {
            // A point needing a condemned pack would be an error; then rather keep it.
            let over = now.duration_since(*since) >= grace && !marks.packs.contains(pack);
            if over {
                plan.delete.push(*pack);
                (&mut report.deleted_packs, &mut report.deleted_bytes)
            } else {
                (&mut report.waiting_packs, &mut report.waiting_bytes)
            }
        } else if marks.packs.contains(pack) {
            (&mut report.live_packs, &mut report.live_bytes)
        } else if state.is_open(pack.session()) {
            continue;
        } else {
            plan.condemn.push(*pack);
            (&mut report.condemned_packs, &mut report.condemned_bytes)
        };
        *tally.0 += 1;
        *tally.1 += size;
    }
    // Condemned, and gone already: an earlier run was interrupted.
    let gone = state.condemned.keys().filter(|pack| !listing.packs.contains_key(pack));
    plan.delete.extend(gone);

    let manifests: HashSet<_> = state.points.values().map(|(point, _)| point.manifest).collect();
    let over = |session: SessionId| !state.is_open(session);
    let manifests =
        listing.manifests.iter().filter(|id| over(id.session()) && !manifests.contains(id));
    let indexes =
        listing.indexes.iter().filter(|id| over(id.session()) && !state.indexes.contains(id));
    plan.debris.extend(manifests.map(names::manifest));
    plan.debris.extend(indexes.map(names::index));
    report.deleted_objects = plan.debris.len() as u64;
    plan
}

impl Shared {
    fn listing(&self) -> Result<Listing, RepoError> {
        let owned = |prefix: &'static str| {
            let listed = self.store.list(prefix)?;
            let parse = move |object: ObjectInfo| {
                Some((names::parse_owned(prefix, &object.name)?, object.size))
            };
            Ok::<_, RepoError>(listed.into_iter().filter_map(parse))
        };
        Ok(Listing {
            packs: owned(names::PACKS)?.collect(),
            indexes: owned(names::INDEXES)?.map(|(id, _)| id).collect(),
            manifests: owned(names::MANIFESTS)?.map(|(id, _)| id).collect(),
        })
    }

    /// Finds every pack that holds something these points need.
    fn mark<'a>(
        self: &Arc<Self>,
        points: impl Iterator<Item = &'a CommittedPoint>,
    ) -> Result<Marks, RepoError> {
        let mut marks = Marks::default();
        let mut pages = IdSet::default();
        for point in points {
            marks.points.insert(point.id);
            for disk in self.fetch_manifest(point)?.disks {
                let map = MapReader::new(Arc::clone(self), disk.root, disk.size);
                if let (Some(root), level) = map.root() {
                    self.mark_page(&map, &root, level, &mut pages, &mut marks)?;
                }
            }
        }
        Ok(marks)
    }

    fn mark_page(
        &self,
        map: &MapReader,
        id: &ChunkId,
        level: u8,
        pages: &mut IdSet,
        marks: &mut Marks,
    ) -> Result<(), RepoError> {
        if !pages.insert(*id) {
            return Ok(());
        }
        self.lookup(|index| mark_chunk(index, ChunkKind::Map, id, marks))?;
        match &*map.page(id, level)? {
            Page::Leaf(entries) => self.lookup(|index| {
                entries
                    .iter()
                    .try_for_each(|entry| mark_chunk(index, ChunkKind::Data, &entry.id, marks))
            }),
            Page::Inner { children, .. } => children
                .iter()
                .try_for_each(|child| self.mark_page(map, &child.id, level - 1, pages, marks)),
        }
    }

    /// Does what was planned; `false` if points were committed that the plan does not know.
    fn carry_out(self: &Arc<Self>, plan: &Plan, marks: &Marks) -> Result<bool, RepoError> {
        if !plan.condemn.is_empty() && !self.condemn(&plan.condemn, marks)? {
            return Ok(false);
        }
        if !plan.delete.is_empty() {
            if !self.retire(&plan.delete)? {
                return Ok(false);
            }
            for pack in &plan.delete {
                self.store.delete(&names::pack(pack))?;
            }
        }
        for name in &plan.debris {
            self.store.delete(name)?;
        }
        Ok(true)
    }

    fn condemn(&self, packs: &[PackId], marks: &Marks) -> Result<bool, RepoError> {
        let mut outdated = false;
        let appended = self.append(&mut |state: &State| {
            refuse_unreadable(state)?;
            if state.points.keys().any(|point| !marks.points.contains(point)) {
                outdated = true;
                return Err(RepoError::Cancelled);
            }
            Ok(Event::Condemn { packs: packs.to_vec() })
        });
        if outdated { Ok(false) } else { appended.map(|()| true) }
    }

    /// Writes indexes anew without `packs`, and says so in the log; `false` if another collector
    /// was quicker.
    fn retire(&self, packs: &[PackId]) -> Result<bool, RepoError> {
        let session = SessionId(self.random());
        let actor = self.environment.actor.clone();
        self.append(&mut |_| Ok(Event::Open { session, actor: actor.clone() }))?;
        let mut outdated = false;
        let retired = self.rewrite_indexes(session, packs).and_then(|(removed, added)| {
            self.append(&mut |state: &State| {
                refuse_unreadable(state)?;
                // Once fenced, what it put may be gone.
                if !state.is_open(session) {
                    return Err(RepoError::SessionOver { session });
                }
                if removed.iter().any(|index| !state.indexes.contains(index)) {
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
        if outdated {
            return fenced.map(|()| false);
        }
        retired.and(fenced).map(|()| true)
    }

    /// The indexes that name `packs`, or are damaged; and new ones in their place.
    fn rewrite_indexes(
        &self,
        session: SessionId,
        packs: &[PackId],
    ) -> Result<(Vec<IndexId>, Vec<IndexId>), RepoError> {
        let gone: HashSet<_> = packs.iter().collect();
        let state = self.state(State::clone);
        let (mut readable, mut damaged) = (Vec::new(), Vec::new());
        for old in &state.indexes {
            match self.fetch_index(*old) {
                Err(error) if error.is_damage() => damaged.push(*old),
                fetched => readable.push((*old, fetched?)),
            }
        }
        let mut named: HashSet<_> =
            readable.iter().flat_map(|(_, packs)| packs.iter().map(|pack| pack.id)).collect();
        readable.retain(|(_, packs)| packs.iter().any(|pack| gone.contains(&pack.id)));
        for old in damaged {
            let mut packs = Vec::new();
            self.rebuild_index(old, &state, &|pack| named.contains(pack), &mut |pack| {
                packs.push(pack);
            })?;
            named.extend(packs.iter().map(|pack| pack.id));
            readable.push((old, packs));
        }
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        for (old, mut packs) in readable {
            removed.push(old);
            packs.retain(|pack| !gone.contains(&pack.id));
            if !packs.is_empty() {
                let id = IndexId::new(session, self.random());
                self.store.put(&names::index(&id), &encoding::encode(&self.keys, id, &packs))?;
                added.push(id);
            }
        }
        Ok((removed, added))
    }
}

/// Marks every pack that holds the chunk; condemned ones only if no other does.
fn mark_chunk(
    index: &ChunkIndex,
    kind: ChunkKind,
    id: &ChunkId,
    marks: &mut Marks,
) -> Result<(), RepoError> {
    let mut packs = index.packs_of(id)?;
    packs.retain(|pack| pack.kind == kind);
    let kept = packs.iter().filter(|pack| pack.standing != Standing::Condemned);
    let kept: Vec<_> = kept.map(|pack| pack.id).collect();
    match (kept.is_empty(), packs.first()) {
        (false, _) => marks.packs.extend(kept),
        (true, Some(condemned)) => {
            marks.packs.insert(condemned.id);
        }
        (true, None) => return Err(lost(kind, id)),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
