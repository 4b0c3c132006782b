//! Gets space back: condemns packs that no point needs, repacks those that are mostly dead, merges
//! indexes, and deletes what was condemned a grace before.
//!
//! What is decided is a value ([`Plan`]), made of facts alone; a dry run stops there. Facts are
//! gathered in an order that makes them safe: first the list of objects, then the log. If a pack in
//! the list has a session that the log does not have open, that session is over for good.
//!
//! ```text
//!  pack:  needed ──no point needs it, session over──► condemned ──grace──► retired ─► deleted
//!            │  ▲                                      ▲    │
//!            │  └──────────────── never again ─────────┼────┘
//!            └──mostly dead: copied into new packs─────┘
//! ```

mod indexes;
pub(crate) mod plan;
mod repack;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use format::log::{CommittedPoint, Event};
use format::{PackId, SessionId, names};
use model::point::PointId;

use crate::decide::{self, Condemn, Relied, refuse_unreadable};
use crate::error::RepoError;
use crate::objects::{ObjectInfo, StoreError};
use crate::progress::{NoProgress, Progress};
use crate::repository::{Repository, Shared};
use crate::state::State;
use crate::usage::{ANYBODY, Figures, Owner, Usage, Watched};
use plan::{Facts, Going, Listing, Plan, Task, plan};
use repack::Repacked;

/// How often facts are gathered anew because packs that were counted on were condemned meanwhile,
/// or an entry is decided anew because points were committed meanwhile.
const ATTEMPTS: u32 = 16;

/// How to collect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectOptions {
    /// How long condemned packs stay readable. Longer than the longest restore.
    pub grace: Duration,
    /// Decide and report, but change nothing.
    pub dry_run: bool,
}

/// Which packs are written anew without what nobody needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Repacking {
    /// None: only packs that are dead as a whole go.
    Never,
    /// Those of which at least half is dead, the worst first, 16 GiB in one run at most; and many
    /// small indexes are merged.
    #[default]
    Worthwhile,
    /// All that hold anything dead, so that only what points need remains, whatever it costs to
    /// write. Without a grace, what was condemned is deleted in the same run.
    Full,
}

/// What was collected, or would be. Sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectReport {
    /// Packs that points need.
    pub live_packs: u64,
    /// Their sizes.
    pub live_bytes: u64,
    /// Of them, the sealed segments that points need.
    pub needed_bytes: u64,
    /// Packs condemned now that no point needs.
    pub condemned_packs: u64,
    /// Their sizes.
    pub condemned_bytes: u64,
    /// Packs condemned now because what points need of them was written anew.
    pub repacked_packs: u64,
    /// Their sizes.
    pub repacked_bytes: u64,
    /// What was written in their place; in a dry run, about.
    pub rewritten_bytes: u64,
    /// Names of packs that were to be repacked and do not open. They stay.
    pub left_packs: Vec<String>,
    /// Whether the store was too full to repack or to merge indexes.
    pub no_room: bool,
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
    /// Sizes of all that was deleted, packs and others; but for indexes that were written anew.
    pub freed_bytes: u64,
    /// Sizes of the packs that go when their grace is over, in bytes.
    pub later_bytes: u64,
    /// Sessions that are not over. Their packs are left alone; a dead writer's needs
    /// [`Repository::fence`].
    pub open_sessions: Vec<SessionId>,
}

impl CollectReport {
    /// The same run went on: takes in what its later part did.
    fn go_on(&mut self, later: Self) {
        let earlier = std::mem::take(self);
        *self = Self {
            condemned_packs: earlier.condemned_packs + later.condemned_packs,
            condemned_bytes: earlier.condemned_bytes + later.condemned_bytes,
            repacked_packs: earlier.repacked_packs,
            repacked_bytes: earlier.repacked_bytes,
            rewritten_bytes: earlier.rewritten_bytes,
            left_packs: earlier.left_packs,
            no_room: earlier.no_room || later.no_room,
            deleted_packs: earlier.deleted_packs + later.deleted_packs,
            deleted_bytes: earlier.deleted_bytes + later.deleted_bytes,
            deleted_objects: earlier.deleted_objects + later.deleted_objects,
            freed_bytes: earlier.freed_bytes + later.freed_bytes,
            ..later
        };
    }
}

impl Repository {
    /// Condemns packs that no point needs, repacks where that is worthwhile, deletes what was
    /// condemned a grace ago, and removes what dead sessions left behind.
    ///
    /// # Errors
    ///
    /// As for [`Self::collect_with`].
    pub fn collect(&self, options: &CollectOptions) -> Result<CollectReport, RepoError> {
        self.collect_with(options, Repacking::Worthwhile, &NoProgress)
    }

    /// Collects; `repacking` says how thoroughly.
    ///
    /// # Errors
    ///
    /// [`RepoError::LogDamaged`], or damage of a live manifest or map page: while it is not known
    /// what points need, nothing is touched. [`RepoError::Cancelled`], or the store failed; then it
    /// can be done again.
    pub fn collect_with(
        &self,
        options: &CollectOptions,
        repacking: Repacking,
        progress: &dyn Progress,
    ) -> Result<CollectReport, RepoError> {
        let shared = &self.shared;
        let mut watched = Watched::new(progress);
        let task = Task { grace: options.grace, repack: repacking, merge: repacking };
        let mut report = shared.run(task, options.dry_run, &mut watched)?;
        let condemned = report.condemned_packs + report.repacked_packs > 0;
        if condemned && task.at_once() && !options.dry_run {
            // Deleting is decided by facts of its own.
            let task = Task { repack: Repacking::Never, ..task };
            report.go_on(shared.run(task, false, &mut watched)?);
        }
        Ok(report)
    }
}

impl Shared {
    fn run(
        self: &Arc<Self>,
        task: Task,
        dry_run: bool,
        watched: &mut Watched<'_>,
    ) -> Result<CollectReport, RepoError> {
        for _ in 0..ATTEMPTS {
            let mut facts = self.facts(&mut |_| ANYBODY, watched)?;
            let mut plan = plan(&facts, task);
            if dry_run || self.carry_out(&mut plan, &mut facts, watched)? {
                let mut report = plan.report;
                report.later_bytes =
                    report.condemned_bytes + report.repacked_bytes + report.waiting_bytes;
                return Ok(report);
            }
        }
        Err(RepoError::LogContention { attempts: ATTEMPTS })
    }

    /// Gathers what a plan is made of. `owner` says for whom a point is walked.
    pub(crate) fn facts(
        self: &Arc<Self>,
        owner: &mut dyn FnMut(&CommittedPoint) -> Owner,
        watched: &mut Watched<'_>,
    ) -> Result<Facts, RepoError> {
        let listing = self.listing()?;
        self.refresh()?;
        let state = self.state(State::clone);
        refuse_unreadable(&state)?;
        let usage = Usage::new(Arc::clone(&listing.packs));
        let (now, figures) = (self.environment.clock.now(), HashMap::new());
        watched.transfer.scanned = 0;
        watched.transfer.total = state.points.values().map(|(point, _)| point.counts.logical).sum();
        let mut facts = Facts { listing, state, usage, figures, now };
        let points: Vec<_> = facts.state.points.values().map(|(point, _)| point.clone()).collect();
        for point in &points {
            self.walk_if_there(point, owner(point), &mut facts.usage, watched)?;
        }
        let Facts { state, usage, figures, .. } = &mut facts;
        self.survey(state, &mut |_, pack| {
            if usage.needs(&pack.id) {
                figures.insert(pack.id, Figures::of(pack, usage.owners(&pack.id)));
            }
        })?;
        Ok(facts)
    }

    /// Walks a point, unless it was forgotten meanwhile: what it needs may be gone then.
    fn walk_if_there(
        self: &Arc<Self>,
        point: &CommittedPoint,
        owner: Owner,
        usage: &mut Usage,
        watched: &mut Watched<'_>,
    ) -> Result<(), RepoError> {
        match self.walk(point, owner, usage, watched) {
            Err(error) if error.is_damage() => {
                self.refresh()?;
                if self.state(|now| now.points.contains_key(&point.id)) {
                    return Err(error);
                }
                Ok(())
            }
            walked => walked,
        }
    }

    pub(crate) fn listing(&self) -> Result<Listing, RepoError> {
        let owned = |prefix: &'static str| {
            let listed = self.store.list(prefix)?;
            let parse = move |object: ObjectInfo| {
                Some((names::parse_owned(prefix, &object.name)?, object.size))
            };
            Ok::<_, RepoError>(listed.into_iter().filter_map(parse))
        };
        Ok(Listing {
            packs: Arc::new(owned(names::PACKS)?.collect()),
            indexes: owned(names::INDEXES)?.collect(),
            manifests: owned(names::MANIFESTS)?.collect(),
        })
    }

    /// Does what was planned; `false` if what it counted on is not so any more. Room is made before
    /// any is taken.
    fn carry_out(
        self: &Arc<Self>,
        plan: &mut Plan,
        facts: &mut Facts,
        watched: &mut Watched<'_>,
    ) -> Result<bool, RepoError> {
        let Some(condemned) = self.condemn(&plan.condemn, None, facts, watched)? else {
            return Ok(false);
        };
        let size = |packs: &[PackId]| packs.iter().map(|pack| facts.listing.packs[pack]).sum();
        plan.report.condemned_packs = condemned.len() as u64;
        plan.report.condemned_bytes = size(&condemned);
        let room = self.has_room()?;
        plan.report.no_room = !(room || (plan.merge.is_empty() && plan.repack.is_empty()));
        let merge = if room { &plan.merge[..] } else { &[] };
        let mut went = Vec::new();
        if !(plan.delete.is_empty() && merge.is_empty()) {
            match self.retire(&plan.delete, merge, facts)? {
                Some(indexes) => went = indexes,
                None => return Ok(false),
            }
        }
        let packs = plan.delete.iter().map(names::pack);
        let gone = packs.chain(went.iter().map(names::index)).chain(plan.debris.drain(..));
        for name in gone {
            self.store.delete(&name)?;
        }
        if room && !plan.repack.is_empty() {
            return self.repack_planned(plan, facts, watched);
        }
        plan.report.not_repacked();
        Ok(true)
    }

    /// Whether the store takes more than what makes room.
    fn has_room(&self) -> Result<bool, RepoError> {
        match self.store.takes_data() {
            Err(StoreError::Full { .. }) => Ok(false),
            answer => Ok(answer.map(|()| true)?),
        }
    }

    fn repack_planned(
        self: &Arc<Self>,
        plan: &mut Plan,
        facts: &mut Facts,
        watched: &mut Watched<'_>,
    ) -> Result<bool, RepoError> {
        let report = &mut plan.report;
        watched.transfer.total = watched.transfer.scanned + report.repacked_bytes;
        let repacked = match self.repack(&plan.repack, &facts.usage, watched) {
            Err(RepoError::StoreFull { .. }) => {
                report.no_room = true;
                report.not_repacked();
                return Ok(true);
            }
            repacked => repacked?,
        };
        let condemned = self.condemn(&[], Some(&repacked), facts, watched);
        self.end_session(repacked.session)?;
        let Some(condemned) = condemned? else { return Ok(false) };
        report.repacked_packs = condemned.len() as u64;
        report.repacked_bytes = condemned.iter().map(|pack| facts.listing.packs[pack]).sum();
        report.rewritten_bytes = repacked.bytes;
        report.left_packs = repacked.left;
        Ok(true)
    }

    /// Condemns `packs`, or those that were `repacked`: all that are still not needed when nobody
    /// commits any more. None if what points need instead was condemned or found suspect meanwhile.
    fn condemn(
        self: &Arc<Self>,
        packs: &[PackId],
        repacked: Option<&Repacked>,
        facts: &mut Facts,
        watched: &mut Watched<'_>,
    ) -> Result<Option<Vec<PackId>>, RepoError> {
        let copied = repacked.map(|repacked| &repacked.copied);
        let packs = packs.iter().chain(copied.into_iter().flatten()).copied();
        let fresh = repacked.map(|repacked| repacked.fresh.clone()).unwrap_or_default();
        let going = Going::new(packs, fresh, &facts.usage);
        for _ in 0..ATTEMPTS {
            let mut free = going.free(&facts.usage);
            if free.is_empty() {
                return Ok(Some(free));
            }
            let relied = going.relied(&free, &facts.usage);
            let relied = Relied { state: &facts.state, packs: &relied };
            let points = &facts.usage.points;
            let knows = |point: &PointId| points.contains_key(point);
            let mut verdict = None;
            let appended = self.append(&mut |state: &State| {
                let decided = decide::condemn(state, &relied, &knows)?;
                verdict = Some(decided);
                free.retain(|pack| !state.condemned.contains_key(pack));
                if decided != Condemn::Write || free.is_empty() {
                    return Err(RepoError::Cancelled);
                }
                Ok(Event::Condemn { packs: free.clone() })
            });
            match verdict {
                Some(Condemn::Outdated) => return Ok(None),
                Some(Condemn::Late) => self.catch_up(facts, watched)?,
                Some(Condemn::Write) if free.is_empty() => return Ok(Some(free)),
                _ => return appended.map(|()| Some(free)),
            }
        }
        Ok(None)
    }

    /// Walks points that were committed meanwhile.
    fn catch_up(
        self: &Arc<Self>,
        facts: &mut Facts,
        watched: &mut Watched<'_>,
    ) -> Result<(), RepoError> {
        self.refresh()?;
        let walked: BTreeSet<_> = facts.usage.points.keys().copied().collect();
        let new: Vec<_> = self.state(|state| {
            let new = state.points.iter().filter(|(id, _)| !walked.contains(id));
            new.map(|(_, (point, _))| point.clone()).collect()
        });
        for point in &new {
            self.walk_if_there(point, ANYBODY, &mut facts.usage, watched)?;
        }
        Ok(())
    }
}
