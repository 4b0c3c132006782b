//! Where chunks are: a map in memory from chunk ids to places in packs.
//!
//! It is a cache of the packs' tables and knows what the log says of each pack. Everything that
//! leaves it is self-contained ([`Located`]), so what lies behind it may be replaced.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use format::compress::Codec;
use format::index::IndexedPack;
use format::pack::Table;
use format::seal::ChunkKind;
use format::{ChunkId, PackId};

use crate::error::RepoError;

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
    segments: Vec<KnownSegment>,
}

#[derive(Debug, Clone, Copy)]
struct KnownSegment {
    start: u64,
    stored: u32,
    plain: u32,
    codec: Codec,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    pack: u32,
    segment: u32,
    offset: u32,
    size: u32,
}

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

/// The index.
#[derive(Debug, Default)]
pub(crate) struct ChunkIndex {
    packs: Vec<KnownPack>,
    by_id: HashMap<PackId, u32>,
    chunks: IdMap<Place>,
    /// Further places of chunks that are in several packs.
    others: IdMap<Vec<Place>>,
}

impl ChunkIndex {
    /// Takes in a pack, unless it is known.
    pub fn insert(&mut self, pack: &IndexedPack) {
        let number = self.packs.len() as u32;
        match self.by_id.entry(pack.id) {
            Entry::Occupied(_) => return,
            Entry::Vacant(vacant) => vacant.insert(number),
        };
        self.packs.push(KnownPack {
            id: pack.id,
            kind: pack.kind,
            size: pack.size,
            standing: Standing::Live,
            segments: known_segments(&pack.table),
        });
        for (segment, entry) in (0..).zip(&pack.table.segments) {
            let mut offset = 0;
            for (id, size) in &entry.chunks {
                let place = Place { pack: number, segment, offset, size: *size };
                offset += size;
                match self.chunks.entry(*id) {
                    Entry::Vacant(vacant) => {
                        vacant.insert(place);
                    }
                    Entry::Occupied(_) => self.others.entry(*id).or_default().push(place),
                }
            }
        }
    }

    /// Says what the log says of a pack, if the index knows it.
    pub fn set_standing(&mut self, id: &PackId, standing: Standing) {
        if let Some(number) = self.by_id.get(id) {
            let pack = &mut self.packs[*number as usize];
            pack.standing = pack.standing.max(standing);
        }
    }

    fn places(&self, id: &ChunkId) -> impl Iterator<Item = Place> {
        let others = self.others.get(id).map_or(&[][..], Vec::as_slice);
        self.chunks.get(id).copied().into_iter().chain(others.iter().copied())
    }

    fn pack(&self, place: Place) -> &KnownPack {
        &self.packs[place.pack as usize]
    }

    /// The live pack that holds the chunk, if any: only that makes it count as stored.
    pub fn live(&self, kind: ChunkKind, id: &ChunkId) -> Result<Option<PackId>, RepoError> {
        let pack = self
            .places(id)
            .map(|place| self.pack(place))
            .find(|pack| pack.standing == Standing::Live && pack.kind == kind);
        Ok(pack.map(|pack| pack.id))
    }

    /// All places of the chunk, the best first.
    pub fn locate(&self, kind: ChunkKind, id: &ChunkId) -> Result<Vec<Located>, RepoError> {
        let mut places: Vec<_> =
            self.places(id).filter(|place| self.pack(*place).kind == kind).collect();
        places.sort_by_key(|place| self.pack(*place).standing);
        Ok(places.into_iter().map(|place| self.located(place)).collect())
    }

    /// The packs that hold the chunk, without a care for standing.
    pub fn packs_of(&self, id: &ChunkId) -> Result<Vec<&KnownPack>, RepoError> {
        Ok(self.places(id).map(|place| self.pack(place)).collect())
    }

    fn located(&self, place: Place) -> Located {
        let segment = self.pack(place).segment(place.segment);
        Located { segment, offset: place.offset, size: place.size }
    }

    /// The packs, in the order they came.
    pub fn packs(&self) -> impl Iterator<Item = &KnownPack> {
        self.packs.iter()
    }

    /// All segments of the pack, in order; none if it is not known.
    pub fn segments(&self, id: &PackId) -> Vec<LocatedSegment> {
        self.known(id).map(|pack| pack.segments().collect()).unwrap_or_default()
    }

    /// The pack with this id.
    pub fn known(&self, id: &PackId) -> Option<&KnownPack> {
        self.by_id.get(id).map(|number| &self.packs[*number as usize])
    }

    /// Shows every chunk and its size, each once.
    pub fn chunks(&self, show: &mut dyn FnMut(ChunkKind, u32)) -> Result<(), RepoError> {
        self.chunks.values().for_each(|place| show(self.pack(*place).kind, place.size));
        Ok(())
    }
}

impl KnownPack {
    fn segment(&self, number: u32) -> LocatedSegment {
        let segment = self.segments[number as usize];
        LocatedSegment {
            pack: self.id,
            kind: self.kind,
            number,
            start: segment.start,
            stored: segment.stored,
            plain: segment.plain,
            codec: segment.codec,
        }
    }

    fn segments(&self) -> impl Iterator<Item = LocatedSegment> {
        (0..self.segments.len() as u32).map(|number| self.segment(number))
    }
}

impl LocatedSegment {
    /// Where the segment lies in its pack.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start + u64::from(self.stored)
    }
}

fn known_segments(table: &Table) -> Vec<KnownSegment> {
    let known = |(place, segment): (Range<u64>, &format::pack::Segment)| KnownSegment {
        start: place.start,
        stored: segment.stored,
        plain: segment.plain,
        codec: segment.codec,
    };
    table.places().map(known).collect()
}
