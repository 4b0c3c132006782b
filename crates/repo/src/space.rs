//! Where a repository's space goes, and what comes back when a point is deleted.
//!
//! One walk over all points marks each segment and each map page with the point that needs it, or
//! as needed by several; see [`crate::usage`]. What only one point needs is what deleting it frees.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use format::IndexId;
use format::index::IndexedPack;
use format::seal::ChunkKind;
use model::point::PointId;

use crate::collect::Repacking;
use crate::collect::plan::{Facts, Task, plan};
use crate::error::RepoError;
use crate::progress::Progress;
use crate::repository::Repository;
use crate::usage::{Cost, NOBODY, Owner, SEVERAL, Usage, Watched};

/// What only one point needs. Sizes in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PointSpace {
    /// Its data that no other point shares, before compression.
    pub unique_bytes: u64,
    /// What deleting this point alone adds to what a full collection without a grace frees: sealed
    /// segments, their entries in tables and indexes, and the manifest.
    pub frees_bytes: u64,
}

/// Where the space goes. Sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpaceReport {
    /// Sizes of the points' disks.
    pub logical_bytes: u64,
    /// Data that points need, each segment once, before compression.
    pub unique_bytes: u64,
    /// The sealed segments that points need, of data and of maps.
    pub needed_bytes: u64,
    /// All packs, indexes and manifests in the store.
    pub stored_bytes: u64,
    /// What collecting gives back now and when graces are over.
    pub collect_frees_bytes: u64,
    /// What a full collection gives back.
    pub full_frees_bytes: u64,
    /// What only one point needs, of each.
    pub points: BTreeMap<PointId, PointSpace>,
}

/// Sums over packs, as index objects tell them.
#[derive(Default)]
struct Tally {
    index: Option<IndexId>,
    /// What the index says of needed segments, by owner.
    weights: HashMap<Owner, u64>,
    /// What it says of all.
    weight: u64,
    /// What it says of packs that nobody needs.
    dead_weight: u64,
    dead_index_bytes: u64,
    frees: HashMap<Owner, u64>,
    unique: HashMap<Owner, u64>,
}

impl Tally {
    fn pack(&mut self, usage: &Usage, pack: &IndexedPack) {
        let owners = usage.owners(&pack.id);
        let mut only = NOBODY;
        let frame = Cost::frame();
        let mut weight = frame.index;
        for (number, segment) in pack.table.segments.iter().enumerate() {
            let cost = Cost::of(segment);
            weight += cost.index;
            let owner = owners.get(number).copied().unwrap_or(NOBODY);
            if owner == NOBODY {
                continue;
            }
            only = if only == NOBODY || only == owner { owner } else { SEVERAL };
            *self.frees.entry(owner).or_default() += cost.pack;
            *self.weights.entry(owner).or_default() += cost.index;
            if pack.kind == ChunkKind::Data {
                *self.unique.entry(owner).or_default() += u64::from(segment.plain);
            }
        }
        self.weight += weight;
        if only == NOBODY {
            self.dead_weight += weight;
        } else {
            *self.frees.entry(only).or_default() += frame.pack;
            *self.weights.entry(only).or_default() += frame.index;
        }
    }

    /// The index is done: what it says of packs has cost so many bytes.
    fn close(&mut self, sizes: &BTreeMap<IndexId, u64>) {
        let size = self.index.and_then(|index| sizes.get(&index)).copied().unwrap_or_default();
        let all = u128::from(self.weight.max(1));
        let share = |weight: u64| (u128::from(weight) * u128::from(size) / all) as u64;
        for (owner, weight) in self.weights.drain() {
            *self.frees.entry(owner).or_default() += share(weight);
        }
        self.dead_index_bytes += share(self.dead_weight);
        (self.index, self.weight, self.dead_weight) = (None, 0, 0);
    }
}

impl Repository {
    /// Says where the space goes. It reads every map page that a point needs, most of them once;
    /// no data.
    ///
    /// # Errors
    ///
    /// [`RepoError::LogDamaged`], or damage of a live manifest or map page;
    /// [`RepoError::Cancelled`]; or the store failed.
    pub fn space(&self, progress: &dyn Progress) -> Result<SpaceReport, RepoError> {
        let mut watched = Watched::new(progress);
        let mut owners = Vec::new();
        let mut number = |point: &format::log::CommittedPoint| {
            owners.push(point.id);
            owners.len() as Owner
        };
        let facts = self.shared.facts(&mut number, &mut watched)?;
        let mut tally = Tally::default();
        self.shared.survey(&facts.state, &mut |index, pack| {
            if tally.index != Some(index) {
                tally.close(&facts.listing.indexes);
                tally.index = Some(index);
            }
            tally.pack(&facts.usage, pack);
        })?;
        tally.close(&facts.listing.indexes);
        let mut report = totals(&facts, tally.dead_index_bytes);
        report.unique_bytes = tally.unique.values().sum();
        for (owner, id) in (1..).zip(&owners) {
            // A point that was forgotten meanwhile was not walked.
            if let Some(manifest) = facts.usage.points.get(id) {
                let of = |sums: &HashMap<Owner, u64>| sums.get(&owner).copied().unwrap_or_default();
                let space = PointSpace {
                    unique_bytes: of(&tally.unique),
                    frees_bytes: of(&tally.frees) + manifest,
                };
                report.points.insert(*id, space);
            }
        }
        Ok(report)
    }
}

/// What the whole store holds, and what collecting would give back.
fn totals(facts: &Facts, dead_index_bytes: u64) -> SpaceReport {
    let listing = &facts.listing;
    let objects = listing.packs.values().chain(listing.indexes.values());
    let planned = |repack: Repacking| {
        let task = Task { grace: Duration::MAX, repack, merge: Repacking::Never };
        let plan = plan(facts, task);
        let dead = plan.repack.iter().filter_map(|(pack, _)| facts.figures.get(pack));
        let dead: u64 = dead.map(|figures| figures.dead_cost).sum();
        let report = plan.report;
        let packs = report.condemned_bytes + report.waiting_bytes + report.freed_bytes;
        (packs + dead + dead_index_bytes, report.needed_bytes)
    };
    let (collect_frees_bytes, needed_bytes) = planned(Repacking::Worthwhile);
    let points = facts.state.points.values();
    SpaceReport {
        logical_bytes: points.map(|(point, _)| point.counts.logical).sum(),
        needed_bytes,
        stored_bytes: objects.chain(listing.manifests.values()).sum(),
        collect_frees_bytes,
        full_frees_bytes: planned(Repacking::Full).0,
        ..SpaceReport::default()
    }
}
