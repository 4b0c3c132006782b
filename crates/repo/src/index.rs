//! Where chunks are: from chunk ids to places in packs, in bounded memory.
//!
//! It is a cache of the packs' tables and knows what the log says of each pack. Everything that
//! leaves it is self-contained ([`Located`]), so what lies behind it may be replaced.
//!
//! ```text
//!  insert ──► delta (memory, at most 15 MiB) ──spill──► runs (files), older ones larger
//!                                                         └─ settle: merges, saves the catalogue
//! ```
//!
//! What is new goes into a map in memory. When that is full, or many index objects have come, it is
//! sorted and becomes a [`Run`] in a file, of which a filter and the first id of each page stay
//! in memory: 1.3 bytes a chunk. Why it is so: `docs/adr/0005-index.md`.
//!
//! # Invariants
//!
//! - No entry of a file is believed before its page is proven. What cannot be read or proven is an
//!   error of the cache ([`RepoError::IndexCache`]), never an answer; whoever gets it builds anew.
//! - A pack's number is never used for another one: entries of packs that are gone stay harmless.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use format::compress::Codec;
use format::index::IndexedPack;
use format::seal::ChunkKind;
use format::{ChunkId, IndexId, PackId};

use self::entry::{Place, Position, place, prefix};
use self::run::{Cursor, Run, RunWriter, bits, visit};
pub(crate) use self::scratch::Scratch;
use crate::error::RepoError;

mod catalog;
mod entry;
mod filter;
mod run;
mod scratch;

/// A chunk's place: everything that reading it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Located {
    pub segment: LocatedSegment,
    /// Where the chunk begins in the segment's plain text, in bytes.
    pub offset: u32,
    /// The chunk's size, in bytes.
    pub size: u32,
}

/// A segment's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocatedSegment {
    pub pack: PackId,
    pub kind: ChunkKind,
    pub number: u32,
    /// Where it begins in the pack, in bytes.
    pub start: u64,
    /// Its size in the pack, in bytes.
    pub stored: u32,
    pub plain: u32,
    pub codec: Codec,
}

/// Whether new points may rely on a pack. The better one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Live,
    /// Found damaged; parts of it may still be good.
    Suspect,
    /// To be deleted.
    Condemned,
}

/// A pack as the index knows it.
#[derive(Debug, Clone)]
pub(crate) struct KnownPack {
    pub id: PackId,
    pub kind: ChunkKind,
    /// Size of the object, in bytes.
    pub size: u64,
    pub standing: Standing,
    /// The number of the index object that names it; [`UNNAMED`] if none does.
    index: u32,
    /// Whether it is no part of the index any more.
    gone: bool,
}

/// No index object.
const UNNAMED: u32 = u32::MAX;

/// Chunk ids are hashes already: eight of their bytes are as good as any.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    // The length that arrays write before their bytes tells nothing.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

pub(crate) type IdMap<T> = HashMap<ChunkId, T, BuildHasherDefault<IdHasher>>;
pub(crate) type IdSet = std::collections::HashSet<ChunkId, BuildHasherDefault<IdHasher>>;

/// Where the index changes its ways.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Entries in memory. As many as fill a hash table of 2^18 buckets, less those of a pack.
    delta: usize,
    /// Entries of a partition of a run.
    partition: u64,
    /// Runs while much is taken in at once.
    runs: usize,
    /// Index objects that are in no saved run, so that whoever opens the index reads them.
    unsaved: usize,
}

const LIMITS: Limits = Limits { delta: 225_000, partition: 98_304, runs: 128, unsaved: 32 };

/// The index.
pub(crate) struct ChunkIndex {
    packs: Vec<KnownPack>,
    by_id: HashMap<PackId, u32>,
    /// Index objects by number, also such as are gone.
    names: Vec<IndexId>,
    /// Index objects that were taken in whole.
    loaded: BTreeMap<IndexId, u32>,
    /// Numbers of index objects that the log does not name any more.
    leaving: BTreeSet<u32>,
    delta: IdMap<Place>,
    /// Further places of chunks of `delta`.
    others: IdMap<Vec<Place>>,
    /// Entries in `delta` and `others`.
    fresh: usize,
    /// From old to new.
    runs: Vec<Run>,
    scratch: Arc<Scratch>,
    limits: Limits,
    /// Index objects in no saved run.
    unsaved: usize,
    /// Whether runs were made since the last [`Self::settle`].
    spilled: bool,
    /// Whether it must not be saved, and is to be built anew when packs go.
    special: bool,
    /// Whether entries may be missing.
    broken: bool,
    /// The catalogue that this index was read from or saved as.
    base: Option<scratch::FileId>,
}

impl ChunkIndex {
    /// An empty index.
    pub fn new(scratch: Arc<Scratch>) -> Self {
        Self {
            packs: Vec::new(),
            by_id: HashMap::new(),
            names: Vec::new(),
            loaded: BTreeMap::new(),
            leaving: BTreeSet::new(),
            delta: IdMap::default(),
            others: IdMap::default(),
            fresh: 0,
            runs: Vec::new(),
            scratch,
            limits: LIMITS,
            unsaved: 0,
            spilled: false,
            special: false,
            broken: false,
            base: None,
        }
    }

    /// Whether the index object was taken in.
    pub fn has(&self, index: &IndexId) -> bool {
        self.loaded.contains_key(index)
    }

    /// The index objects that were taken in.
    pub fn indexes(&self) -> impl Iterator<Item = &IndexId> {
        self.loaded.keys()
    }

    /// Takes in the packs of an index object, but those that are known.
    pub fn insert_index<'a>(
        &mut self,
        index: IndexId,
        packs: impl IntoIterator<Item = &'a IndexedPack>,
    ) {
        let number = self.names.len() as u32;
        self.names.push(index);
        for pack in packs {
            self.insert_named(pack, number);
        }
        self.loaded.insert(index, number);
        self.unsaved += 1;
    }

    /// Takes in a pack that no readable index object names, unless it is known.
    pub fn insert(&mut self, pack: &IndexedPack) {
        self.special = true;
        self.insert_named(pack, UNNAMED);
    }

    /// Says that all packs of an index object were given to [`Self::insert`].
    pub fn count_as_loaded(&mut self, index: IndexId) {
        self.special = true;
        self.loaded.insert(index, UNNAMED);
    }

    fn insert_named(&mut self, pack: &IndexedPack, index: u32) {
        if let Some(number) = self.by_id.get(&pack.id) {
            let known = &mut self.packs[*number as usize];
            if self.leaving.contains(&known.index) {
                known.index = index;
                known.standing = Standing::Live;
            } else {
                // Should one of its two indexes go, nobody would know of the other.
                self.special = true;
            }
            return;
        }
        let number = self.packs.len() as u32;
        self.by_id.insert(pack.id, number);
        let (id, kind, size) = (pack.id, pack.kind, pack.size);
        let standing = Standing::Live;
        self.packs.push(KnownPack { id, kind, size, standing, index, gone: false });
        for (segment, (range, known)) in (0..).zip(pack.table.places()) {
            let mut offset = 0;
            for (id, size) in &known.chunks {
                let position = Position {
                    pack: number,
                    start: range.start as u32,
                    number: segment,
                    stored: known.stored,
                    plain: known.plain,
                    codec: known.codec,
                    offset,
                    size: *size,
                };
                offset += size;
                self.insert_place(*id, Place::new(&position));
            }
        }
        if self.fresh >= self.limits.delta {
            self.spill();
        }
    }

    fn insert_place(&mut self, id: ChunkId, place: Place) {
        self.fresh += 1;
        match self.delta.entry(id) {
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(place);
            }
            std::collections::hash_map::Entry::Occupied(_) => {
                self.others.entry(id).or_default().push(place);
            }
        }
    }

    /// Says which index objects the log does not name any more. Their packs stay until
    /// [`Self::let_go`], and beyond it if another index object that comes until then names them.
    pub fn expect_to_leave(&mut self, indexes: &[IndexId]) {
        let numbers = indexes.iter().filter_map(|index| self.loaded.get(index));
        self.leaving = numbers.copied().collect();
    }

    /// Lets go of what only index objects name that leave.
    pub fn let_go(&mut self) {
        let leaving = std::mem::take(&mut self.leaving);
        for pack in self.packs.iter_mut().filter(|pack| leaving.contains(&pack.index)) {
            pack.gone = true;
            self.by_id.remove(&pack.id);
        }
        self.loaded.retain(|_, number| !leaving.contains(number));
    }

    /// Whether it must be built anew rather than let index objects go.
    pub fn cannot_let_go(&self) -> bool {
        self.special || self.by_id.len() * 2 < self.packs.len()
    }

    /// Says what the log says of a pack, if the index knows it.
    pub fn set_standing(&mut self, id: &PackId, standing: Standing) {
        if let Some(number) = self.by_id.get(id) {
            let pack = &mut self.packs[*number as usize];
            pack.standing = pack.standing.max(standing);
        }
    }

    /// The chunk's places, in the order their packs came.
    fn places(&self, id: &ChunkId) -> Result<Vec<Place>, RepoError> {
        if self.broken {
            let source = io::Error::other("entries of the index's cache are missing");
            return Err(RepoError::IndexCache { source });
        }
        let mut places = Vec::new();
        for run in &self.runs {
            run.find(id, &mut places).map_err(|source| RepoError::IndexCache { source })?;
        }
        if let Some(place) = self.delta.get(id) {
            places.push(*place);
            places.extend(self.others.get(id).into_iter().flatten());
        }
        places.retain(|place| self.packs.get(place.pack() as usize).is_some_and(|pack| !pack.gone));
        places.sort_by_key(Place::pack);
        Ok(places)
    }

    fn pack(&self, place: &Place) -> &KnownPack {
        &self.packs[place.pack() as usize]
    }

    /// The live pack that holds the chunk, if any: only that makes it count as stored.
    pub fn live(&self, kind: ChunkKind, id: &ChunkId) -> Result<Option<PackId>, RepoError> {
        let places = self.places(id)?;
        let mut packs = places.iter().map(|place| self.pack(place));
        let pack = packs.find(|pack| pack.standing == Standing::Live && pack.kind == kind);
        Ok(pack.map(|pack| pack.id))
    }

    /// All places of the chunk, the best first.
    pub fn locate(&self, kind: ChunkKind, id: &ChunkId) -> Result<Vec<Located>, RepoError> {
        let mut places = self.places(id)?;
        places.retain(|place| self.pack(place).kind == kind);
        places.sort_by_key(|place| self.pack(place).standing);
        Ok(places.iter().map(|place| self.located(place)).collect())
    }

    fn located(&self, place: &Place) -> Located {
        let pack = self.pack(place);
        let position = place.position();
        let segment = LocatedSegment {
            pack: pack.id,
            kind: pack.kind,
            number: position.number,
            start: u64::from(position.start),
            stored: position.stored,
            plain: position.plain,
            codec: position.codec,
        };
        Located { segment, offset: position.offset, size: position.size }
    }

    /// The packs, in the order they came.
    pub fn packs(&self) -> impl Iterator<Item = &KnownPack> {
        self.packs.iter().filter(|pack| !pack.gone)
    }

    /// The pack with this id.
    pub fn known(&self, id: &PackId) -> Option<&KnownPack> {
        self.by_id.get(id).map(|number| &self.packs[*number as usize])
    }

    /// The index object that names the pack.
    pub fn named_by(&self, id: &PackId) -> Option<IndexId> {
        self.known(id).and_then(|pack| self.names.get(pack.index as usize)).copied()
    }

    /// Shows every chunk and its size, each once.
    pub fn chunks(&self, show: &mut dyn FnMut(ChunkKind, u32)) -> Result<(), RepoError> {
        let mut cursors: Vec<_> = self.runs.iter().map(Cursor::of_run).collect();
        cursors.push(self.in_memory());
        let bits = bits(self.entries(), self.limits.partition);
        let visited = visit(&mut cursors, bits, &mut |entries| {
            entries.retain(|entry| !self.pack(&place(entry)).gone);
            for same in entries.chunk_by(|a, b| a[..32] == b[..32]) {
                let place = place(&same[0]);
                show(self.pack(&place).kind, place.size());
            }
            Ok(())
        });
        visited.map_err(|source| RepoError::IndexCache { source })
    }

    fn entries(&self) -> u64 {
        self.fresh as u64 + self.runs.iter().map(|run| run.entries).sum::<u64>()
    }

    /// What is in memory. Not as entries, which would be as much again.
    fn in_memory(&self) -> Cursor<'_> {
        let mut known = Vec::with_capacity(self.fresh);
        known.extend(self.delta.iter().map(|(id, place)| (prefix(&id.0), id, place)));
        for (id, places) in &self.others {
            known.extend(places.iter().map(|place| (prefix(&id.0), id, place)));
        }
        Cursor::of_known(known)
    }

    /// Makes a run of what is in memory. Where that fails, it stays there, and more of it.
    fn spill(&mut self) {
        match self.write(&mut [self.in_memory()], self.fresh as u64) {
            Ok(run) => {
                self.runs.push(run);
                self.delta.clear();
                self.others = IdMap::default();
                self.fresh = 0;
                self.spilled = true;
            }
            Err(error) => {
                tracing::warn!(%error, "the index stays in memory: its cache cannot be written");
                self.limits.delta = self.limits.delta.saturating_mul(2);
                self.limits.unsaved = usize::MAX;
            }
        }
        if self.runs.len() >= self.limits.runs {
            self.merge();
        }
    }

    fn write(&self, cursors: &mut [Cursor<'_>], entries: u64) -> io::Result<Run> {
        let bits = bits(entries, self.limits.partition);
        let mut writer = RunWriter::new(&self.scratch, bits, entries)?;
        visit(cursors, bits, &mut |entries| {
            entries.retain(|entry| !self.pack(&place(entry)).gone);
            writer.push(entries)
        })?;
        writer.finish()
    }

    /// Merges the newest runs, so that each has at least the entries of all that are newer.
    fn merge(&mut self) {
        let mut newer: u64 = self.runs.iter().map(|run| run.entries).sum();
        let small = self.runs.iter().position(|run| {
            newer -= run.entries;
            run.entries < newer
        });
        let Some(first) = small else { return };
        let entries = self.runs[first..].iter().map(|run| run.entries).sum();
        // What is cleared keeps its room, and this takes much.
        if self.delta.is_empty() {
            self.delta = IdMap::default();
        }
        // Old and new filters together would be twice the memory.
        self.runs.iter_mut().for_each(Run::sleep);
        let mut cursors: Vec<_> = self.runs[first..].iter().map(Cursor::of_run).collect();
        match self.write(&mut cursors, entries) {
            Ok(run) => {
                self.runs.truncate(first);
                self.runs.push(run);
            }
            Err(error) => {
                tracing::warn!(%error, "runs of the index's cache could not be merged");
                // Not at every spill from now on.
                self.limits.runs = self.runs.len().saturating_mul(2);
                self.broken |= is_damage(&error);
            }
        }
    }

    /// Puts in order what came since the last time, and saves it where that is worth it.
    pub fn settle(&mut self) {
        let saves = self.scratch.directory().is_some() && !self.special && !self.broken;
        let many = self.unsaved >= self.limits.unsaved;
        // A catalogue can only name index objects of which nothing is in memory.
        if saves && self.fresh > 0 && (many || self.spilled) {
            self.spill();
        }
        if std::mem::take(&mut self.spilled) {
            self.merge();
            if saves && self.fresh == 0 && !self.broken {
                self.save();
            }
        }
    }
}

impl LocatedSegment {
    /// All segments of a pack, in order.
    pub fn all_of(pack: &IndexedPack) -> Vec<Self> {
        let located =
            |(number, (range, segment)): (u32, (Range<u64>, &format::pack::Segment))| Self {
                pack: pack.id,
                kind: pack.kind,
                number,
                start: range.start,
                stored: segment.stored,
                plain: segment.plain,
                codec: segment.codec,
            };
        (0..).zip(pack.table.places()).map(located).collect()
    }

    /// Where the segment lies in its pack.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start + u64::from(self.stored)
    }
}

/// Whether what a file holds is to blame, not the file system.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

#[cfg(test)]
mod tests;
