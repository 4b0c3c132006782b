//! What points need: a walk along their maps, at the grain of sealed segments.
//!
//! A segment is needed if a point needs a chunk of it. Each segment and each map page carries a
//! mark that only rises, so pages that points share are walked once, or twice where it is asked
//! who needs them:
//!
//! ```text
//!  nobody ──► one owner ──► several owners
//! ```
//!
//! Memory: four bytes for each needed segment and about forty for each different map page. What is
//! known of packs beyond that comes from the index objects, one at a time ([`Shared::survey`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use format::index::IndexedPack;
use format::log::CommittedPoint;
use format::map::Page;
use format::pack::Segment;
use format::seal::ChunkKind;
use format::{ChunkId, IndexId, PackId};
use model::point::PointId;

use crate::error::RepoError;
use crate::index::{ChunkIndex, IdMap, Located, LocatedSegment, Standing};
use crate::map::MapReader;
use crate::progress::{Flow, Progress, Transfer};
use crate::read::lost;
use crate::repository::Shared;
use crate::state::State;

/// Who needs a segment or a page: [`NOBODY`], a number of the caller's, or [`SEVERAL`].
pub(crate) type Owner = u32;
/// It is not needed.
pub(crate) const NOBODY: Owner = 0;
/// The owner where it does not matter who.
pub(crate) const ANYBODY: Owner = 1;
/// More than one needs it.
pub(crate) const SEVERAL: Owner = Owner::MAX;

/// A pack without segments: header, count and tag of the table, and the tail, in bytes.
const PACK_FRAME: u64 = 48 + 4 + 16 + 40;
/// What an index says of a pack without segments, in bytes.
const INDEX_FRAME: u64 = 29;

/// Tells a watcher how far a long task is.
pub(crate) struct Watched<'a> {
    progress: &'a dyn Progress,
    pub transfer: Transfer,
}

impl<'a> Watched<'a> {
    pub fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, transfer: Transfer::default() }
    }

    /// Says how far it is.
    ///
    /// # Errors
    ///
    /// [`RepoError::Cancelled`].
    pub fn tell(&self) -> Result<(), RepoError> {
        match self.progress.report(self.transfer) {
            Flow::Continue => Ok(()),
            Flow::Cancel => Err(RepoError::Cancelled),
        }
    }
}

/// What the walked points need.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// The points that were walked, and the sizes of their manifests in bytes.
    pub points: BTreeMap<PointId, u64>,
    /// Of each pack, who needs its segments, up to the last needed one.
    packs: HashMap<PackId, Vec<Owner>>,
    pages: IdMap<Owner>,
    /// The packs that the store lists, and their sizes in bytes.
    listed: Arc<BTreeMap<PackId, u64>>,
}

fn join(before: Owner, owner: Owner) -> Owner {
    if before == NOBODY || before == owner { owner } else { SEVERAL }
}

impl Usage {
    /// Nothing is needed yet. Only packs that are `listed` in their size are counted on.
    pub fn new(listed: Arc<BTreeMap<PackId, u64>>) -> Self {
        Self { listed, ..Self::default() }
    }

    /// Whether anything of the pack is needed.
    pub fn needs(&self, pack: &PackId) -> bool {
        self.packs.contains_key(pack)
    }

    /// The packs that are needed.
    pub fn packs(&self) -> impl Iterator<Item = &PackId> {
        self.packs.keys()
    }

    /// Who needs the segments of the pack; what is beyond the end, nobody does.
    pub fn owners(&self, pack: &PackId) -> &[Owner] {
        self.packs.get(pack).map_or(&[], Vec::as_slice)
    }

    /// How many segments of the pack are needed.
    pub fn needed_segments(&self, pack: &PackId) -> usize {
        self.owners(pack).iter().filter(|owner| **owner != NOBODY).count()
    }

    pub(crate) fn claim(&mut self, pack: PackId, segment: u32, owner: Owner) {
        let owners = self.packs.entry(pack).or_default();
        let at = segment as usize;
        if owners.len() <= at {
            owners.resize(at + 1, NOBODY);
        }
        owners[at] = join(owners[at], owner);
    }

    /// Claims the chunk where it counts: in one pack, if a live one has it.
    fn claim_chunk(
        &mut self,
        index: &ChunkIndex,
        kind: ChunkKind,
        id: &ChunkId,
        owner: Owner,
    ) -> Result<(), RepoError> {
        let places = index.locate(kind, id)?;
        if places.is_empty() {
            return Err(lost(kind, id));
        }
        let sound = |place: &Located| {
            index.known(&place.segment.pack).is_some_and(|pack| {
                pack.standing == Standing::Live && self.listed.get(&pack.id) == Some(&pack.size)
            })
        };
        let holders = places.iter().map(|place| {
            let LocatedSegment { pack, number, .. } = place.segment;
            ((pack, number), sound(place))
        });
        let counted = counted_on(holders);
        counted.into_iter().for_each(|(pack, number)| self.claim(pack, number, owner));
        Ok(())
    }
}

/// Of what holds a chunk, with whether it is sound, what counts as needed: one if any is sound, the
/// lowest, so that everybody chooses the same; else all, because nobody knows which of them can
/// still be read. A condemned one may be the only good one then.
pub(crate) fn counted_on<T: Copy + Ord>(
    holders: impl Iterator<Item = (T, bool)> + Clone,
) -> Vec<T> {
    let sound = holders.clone().filter(|(_, is_sound)| *is_sound).min();
    match sound {
        Some((chosen, _)) => vec![chosen],
        None => holders.map(|(holder, _)| holder).collect(),
    }
}

/// What an index object tells of one pack, held against what is needed. Sizes in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Its sealed segments.
    pub stored: u64,
    /// Of them, the needed ones.
    pub live: u64,
    /// What the others take, with what tables and indexes say of them.
    pub dead_cost: u64,
}

/// What one segment takes in its pack and in its index, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub pack: u64,
    pub index: u64,
}

impl Cost {
    pub fn of(segment: &Segment) -> Self {
        let entry = 13 + 36 * segment.chunks.len() as u64;
        Self { pack: u64::from(segment.stored) + entry, index: entry }
    }

    /// What comes on top for the pack itself.
    pub const fn frame() -> Self {
        Self { pack: PACK_FRAME, index: INDEX_FRAME }
    }
}

impl Figures {
    /// Of one pack.
    pub fn of(pack: &IndexedPack, owners: &[Owner]) -> Self {
        let mut figures = Self::default();
        for (number, segment) in pack.table.segments.iter().enumerate() {
            figures.stored += u64::from(segment.stored);
            if owners.get(number).is_some_and(|owner| *owner != NOBODY) {
                figures.live += u64::from(segment.stored);
            } else {
                let cost = Cost::of(segment);
                figures.dead_cost += cost.pack + cost.index;
            }
        }
        figures
    }

    /// The segments that nobody needs.
    pub const fn dead(&self) -> u64 {
        self.stored - self.live
    }
}

impl Shared {
    /// Walks a point, for `owner`.
    ///
    /// # Errors
    ///
    /// Damage of its manifest or of a page, [`RepoError::Cancelled`], or the store failed.
    pub fn walk(
        self: &Arc<Self>,
        point: &CommittedPoint,
        owner: Owner,
        usage: &mut Usage,
        watched: &mut Watched<'_>,
    ) -> Result<(), RepoError> {
        let (manifest, size) = self.fetch_manifest_sized(point)?;
        for disk in manifest.disks {
            let map = MapReader::new(Arc::clone(self), disk.root, disk.size);
            if let (Some(root), level) = map.root() {
                self.walk_page(&map, &root, level, owner, usage, watched)?;
            }
            watched.transfer.scanned += disk.size;
            watched.tell()?;
        }
        usage.points.insert(point.id, size);
        Ok(())
    }

    fn walk_page(
        &self,
        map: &MapReader,
        id: &ChunkId,
        level: u8,
        owner: Owner,
        usage: &mut Usage,
        watched: &Watched<'_>,
    ) -> Result<(), RepoError> {
        let mark = usage.pages.entry(*id).or_insert(NOBODY);
        let owner = join(*mark, owner);
        if std::mem::replace(mark, owner) == owner {
            return Ok(());
        }
        self.lookup(|index| usage.claim_chunk(index, ChunkKind::Map, id, owner))?;
        match &*map.page(id, level)? {
            Page::Leaf(entries) => self.lookup(|index| {
                entries.iter().try_for_each(|entry| {
                    usage.claim_chunk(index, ChunkKind::Data, &entry.id, owner)
                })
            }),
            Page::Inner { children, .. } => {
                watched.tell()?;
                children.iter().try_for_each(|child| {
                    self.walk_page(map, &child.id, level - 1, owner, usage, watched)
                })
            }
        }
    }

    /// Shows every pack that readable index objects of `state` name, each once, with its index.
    pub fn survey(
        &self,
        state: &State,
        show: &mut dyn FnMut(IndexId, &IndexedPack),
    ) -> Result<(), RepoError> {
        let mut seen = BTreeSet::new();
        for index in &state.indexes {
            match self.fetch_index(*index) {
                Err(error) if error.is_damage() => {
                    tracing::warn!(%error, "what it names is left as it is");
                }
                packs => {
                    let packs = packs?;
                    packs.iter().filter(|pack| seen.insert(pack.id)).for_each(|pack| {
                        show(*index, pack);
                    });
                }
            }
        }
        Ok(())
    }
}
