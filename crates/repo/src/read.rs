//! Reading chunks: fetch, open, decompress, check the id; from another pack where one is damaged.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use format::pack::Opener;
use format::seal::{ChunkKind, ObjectKey};
use format::{ChunkId, FormatError, PackId, names};

use crate::error::RepoError;
use crate::index::{ChunkIndex, Located, LocatedSegment};
use crate::repository::Shared;

/// Segments kept open, 256 KiB each at most.
const CACHED_SEGMENTS: usize = 16;

/// Reads chunks one by one, and keeps the segments it opened last.
pub(crate) struct ChunkReader {
    shared: Arc<Shared>,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    /// The segments opened last, the newest behind.
    segments: VecDeque<(PackId, u32, Arc<Vec<u8>>)>,
    opener: Opener,
    keys: HashMap<PackId, Arc<ObjectKey>>,
}

impl ChunkReader {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, cache: Mutex::default() }
    }

    /// The bytes of a chunk. `own` knows packs that no index names yet.
    pub fn read(
        &self,
        kind: ChunkKind,
        id: &ChunkId,
        own: Option<&ChunkIndex>,
    ) -> Result<ChunkBytes, RepoError> {
        let mut places = own.map_or_else(|| Ok(Vec::new()), |own| own.locate(kind, id))?;
        places.extend(self.shared.lookup(|index| index.locate(kind, id))?);
        let mut damage = None;
        for place in places {
            match self.read_at(kind, id, &place) {
                Err(error) if error.is_damage() => damage = damage.or(Some(error)),
                read => return read,
            }
        }
        Err(damage.unwrap_or_else(|| lost(kind, id)))
    }

    fn read_at(
        &self,
        kind: ChunkKind,
        id: &ChunkId,
        place: &Located,
    ) -> Result<ChunkBytes, RepoError> {
        let segment = self.segment(&place.segment)?;
        let range = place.offset as usize..(place.offset + place.size) as usize;
        let whole = segment
            .get(range.clone())
            .filter(|bytes| self.shared.keys.chunk_id(kind, bytes) == *id);
        match whole {
            Some(_) => Ok(ChunkBytes { segment, range }),
            None => Err(damaged(&place.segment, &FormatError::Invalid { what: "chunk" })),
        }
    }

    fn segment(&self, place: &LocatedSegment) -> Result<Arc<Vec<u8>>, RepoError> {
        let is_it =
            |(pack, number, _): &&(PackId, u32, _)| *pack == place.pack && *number == place.number;
        let lock = || self.cache.lock().expect("nothing panics while it holds the cache");
        if let Some((_, _, segment)) = lock().segments.iter().find(is_it) {
            return Ok(Arc::clone(segment));
        }
        let sealed = fetch(&self.shared, place)?;
        let mut cache = lock();
        let cache = &mut *cache;
        let key = cache.keys.entry(place.pack).or_insert_with(|| {
            Arc::new(self.shared.keys.object(place.kind.pack(), place.pack.0, 0))
        });
        let opened =
            cache.opener.open(key, place.number, place.codec, &sealed, place.plain as usize);
        let segment = Arc::new(opened.map_err(|error| damaged(place, &error))?.to_vec());
        if cache.segments.len() == CACHED_SEGMENTS {
            cache.segments.pop_front();
            cache.keys.retain(|pack, _| {
                *pack == place.pack || cache.segments.iter().any(|(kept, ..)| kept == pack)
            });
        }
        cache.segments.push_back((place.pack, place.number, Arc::clone(&segment)));
        Ok(segment)
    }
}

/// The bytes of a chunk, inside its opened segment.
pub(crate) struct ChunkBytes {
    segment: Arc<Vec<u8>>,
    range: std::ops::Range<usize>,
}

impl std::ops::Deref for ChunkBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.segment[self.range.clone()]
    }
}

/// Reads a sealed segment.
pub(crate) fn fetch(shared: &Shared, place: &LocatedSegment) -> Result<Vec<u8>, RepoError> {
    let name = names::pack(&place.pack);
    shared
        .store
        .get_range(&name, place.start, u64::from(place.stored))
        .map_err(|error| RepoError::unreadable(place.kind.pack(), &name, error))
}

/// The segment did not open, or not to what it should hold.
pub(crate) fn damaged(place: &LocatedSegment, error: &FormatError) -> RepoError {
    RepoError::damaged(place.kind.pack(), &names::pack(&place.pack), error)
}

/// No pack is known to hold the chunk.
pub(crate) fn lost(kind: ChunkKind, id: &ChunkId) -> RepoError {
    let what = match kind {
        ChunkKind::Data => format!("chunk {id}"),
        ChunkKind::Map => format!("map page {id}"),
    };
    RepoError::Lost { what }
}
