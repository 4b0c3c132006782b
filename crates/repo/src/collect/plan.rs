//! What is to be done: a value, made of facts alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use format::{IndexId, ManifestId, PackId, SessionId, names};
use jiff::{SignedDuration, Timestamp};

use super::{CollectReport, Repacking};
use crate::state::State;
use crate::usage::{Figures, Usage};

/// A pack is repacked when so many percent of its segments are dead: a byte that comes back costs
/// at most one that is written.
const DEAD_PERCENT: u64 = 50;
/// What one run reads and writes to repack, in bytes of needed segments. The worst packs come
/// first; the others have their turn in the next run.
const BUDGET: u64 = 16 << 30;
/// Indexes below this size are worth merging, in bytes: half of what an index holds.
const SMALL_INDEX: u64 = 4 << 20;
/// So many small indexes are merged.
const MANY_INDEXES: usize = 32;

/// What the store holds, from before the log was read. Sizes in bytes.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub packs: Arc<BTreeMap<PackId, u64>>,
    pub indexes: BTreeMap<IndexId, u64>,
    pub manifests: BTreeMap<ManifestId, u64>,
}

/// All that is known when it is decided.
pub(crate) struct Facts {
    pub listing: Listing,
    pub state: State,
    pub usage: Usage,
    /// Of the needed packs that readable indexes name.
    pub figures: HashMap<PackId, Figures>,
    pub now: Timestamp,
}

/// What a run is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    pub grace: Duration,
    pub repack: Repacking,
    pub merge: Repacking,
}

impl Task {
    /// Whether what is condemned is to be deleted in the same run.
    pub fn at_once(&self) -> bool {
        self.grace.is_zero() && self.merge == Repacking::Full
    }
}

impl CollectReport {
    /// No pack was written anew after all.
    pub(super) fn not_repacked(&mut self) {
        (self.repacked_packs, self.repacked_bytes, self.rewritten_bytes) = (0, 0, 0);
    }
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Packs that no point needs.
    pub condemn: Vec<PackId>,
    /// Packs to be written anew without what is dead, and then condemned; and their sizes in bytes.
    pub repack: Vec<(PackId, u64)>,
    /// Condemned packs to be deleted.
    pub delete: Vec<PackId>,
    /// Indexes to be merged.
    pub merge: Vec<IndexId>,
    /// Names of manifests and indexes that nothing refers to.
    pub debris: Vec<String>,
    pub report: CollectReport,
}

/// Packs that are to be condemned, because no point needs them or what points need of them was
/// copied.
pub(crate) struct Going {
    /// Each with the number of its segments that were needed then.
    packs: Vec<(PackId, usize)>,
    /// The copies.
    fresh: Vec<PackId>,
}

impl Going {
    pub fn new(packs: impl Iterator<Item = PackId>, fresh: Vec<PackId>, usage: &Usage) -> Self {
        let packs = packs.map(|pack| (pack, usage.needed_segments(&pack))).collect();
        Self { packs, fresh }
    }

    /// Those of which points that came since need no more.
    pub fn free(&self, usage: &Usage) -> Vec<PackId> {
        let same = |(pack, count): &&(PackId, usize)| usage.needed_segments(pack) == *count;
        self.packs.iter().filter(same).map(|(pack, _)| *pack).collect()
    }

    /// The packs that points need, or will need instead, when those that are `free` go.
    pub fn relied(&self, free: &[PackId], usage: &Usage) -> Vec<PackId> {
        let going: HashSet<_> = free.iter().collect();
        usage.packs().filter(|pack| !going.contains(pack)).chain(&self.fresh).copied().collect()
    }
}

/// The cost rule: whether a pack with these figures is worth repacking.
pub(crate) fn worth_repacking(repacking: Repacking, figures: Figures) -> bool {
    let dead = figures.dead();
    match repacking {
        Repacking::Never => false,
        Repacking::Full => dead > 0,
        Repacking::Worthwhile => dead > 0 && dead * 100 >= figures.stored * DEAD_PERCENT,
    }
}

/// Decides what becomes of every object.
pub(crate) fn plan(facts: &Facts, task: Task) -> Plan {
    let Facts { listing, state, usage, .. } = facts;
    let mut plan = Plan::default();
    let report = &mut plan.report;
    report.open_sessions = state.sessions.iter().map(|open| open.id).collect();
    let grace = SignedDuration::try_from(task.grace).unwrap_or(SignedDuration::MAX);
    // It may be needed still, where all others that hold the same were found damaged since.
    let over = |pack: &PackId, since: Timestamp| {
        facts.now.duration_since(since) >= grace && !usage.needs(pack)
    };
    for (pack, size) in &*listing.packs {
        let tally = if let Some(since) = state.condemned.get(pack) {
            if over(pack, *since) {
                plan.delete.push(*pack);
                report.freed_bytes += size;
                (&mut report.deleted_packs, &mut report.deleted_bytes)
            } else {
                (&mut report.waiting_packs, &mut report.waiting_bytes)
            }
        } else if usage.needs(pack) {
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
    // Condemned, and gone already: an earlier run was interrupted. Or it came after the list.
    let unlisted = state.condemned.iter().filter(|(pack, _)| !listing.packs.contains_key(pack));
    plan.delete.extend(unlisted.filter(|(pack, since)| over(pack, **since)).map(|(pack, _)| *pack));
    plan.choose_repacks(facts, task.repack);
    // Where more is done in the same run, indexes would be written twice.
    let goes_on = task.at_once() && !(plan.condemn.is_empty() && plan.repack.is_empty());
    plan.merge = if goes_on { Vec::new() } else { merges(facts, task.merge) };
    plan.find_debris(facts);
    plan
}

impl Plan {
    fn choose_repacks(&mut self, facts: &Facts, repacking: Repacking) {
        let Facts { listing, state, .. } = facts;
        let mut chosen: Vec<_> = facts
            .figures
            .iter()
            .filter(|(pack, figures)| {
                worth_repacking(repacking, **figures)
                    && listing.packs.contains_key(pack)
                    && !state.condemned.contains_key(pack)
                    && !state.suspect.contains(pack)
                    && !state.is_open(pack.session())
            })
            .collect();
        // The worst first, by the dead share; ids make the order the same for everybody.
        chosen.sort_by(|(a, one), (b, other)| {
            let share = |x: &Figures, y: &Figures| u128::from(x.dead()) * u128::from(y.stored);
            share(other, one).cmp(&share(one, other)).then(a.cmp(b))
        });
        let report = &mut self.report;
        // Of packs that only a damaged index names, it is not known how much is dead.
        let needed = |pack: &PackId| match facts.figures.get(pack) {
            Some(figures) => figures.live,
            None => listing.packs.get(pack).copied().unwrap_or_default(),
        };
        report.needed_bytes = facts.usage.packs().map(needed).sum();
        let mut budget = if repacking == Repacking::Full { u64::MAX } else { BUDGET };
        for (pack, figures) in chosen {
            let size = listing.packs[pack];
            if figures.live > budget {
                break;
            }
            budget -= figures.live;
            self.repack.push((*pack, size));
            report.repacked_packs += 1;
            report.repacked_bytes += size;
            report.rewritten_bytes += size.saturating_sub(figures.dead());
        }
    }

    fn find_debris(&mut self, facts: &Facts) {
        let Facts { listing, state, .. } = facts;
        let over = |session: SessionId| !state.is_open(session);
        let points = state.points.values();
        let manifests: HashSet<_> = points.map(|(point, _)| point.manifest).collect();
        let free = |(id, _): &(&ManifestId, &u64)| over(id.session()) && !manifests.contains(id);
        for (id, size) in listing.manifests.iter().filter(free) {
            self.debris.push(names::manifest(id));
            self.report.freed_bytes += size;
        }
        let free = |(id, _): &(&IndexId, &u64)| over(id.session()) && !state.indexes.contains(id);
        for (id, size) in listing.indexes.iter().filter(free) {
            self.debris.push(names::index(id));
            self.report.freed_bytes += size;
        }
        self.report.deleted_objects = self.debris.len() as u64;
    }
}

/// The indexes that are worth merging.
fn merges(facts: &Facts, repacking: Repacking) -> Vec<IndexId> {
    let least = match repacking {
        Repacking::Never => return Vec::new(),
        Repacking::Worthwhile => MANY_INDEXES,
        Repacking::Full => 2,
    };
    let named = facts.listing.indexes.iter();
    let small: Vec<_> = named
        .filter(|(id, size)| **size < SMALL_INDEX && facts.state.indexes.contains(id))
        .map(|(id, _)| *id)
        .collect();
    if small.len() < least { Vec::new() } else { small }
}

#[cfg(test)]
mod tests;
