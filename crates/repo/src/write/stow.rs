//! Takes chunks, leaves out those that the vault has, and makes packs of the others.
//!
//! # Invariants
//!
//! - A map pack is put only when all data packs before it are in the store.
//! - A chunk counts as had if this session stores it, or a live pack of an index in the log does;
//!   the packs relied on are remembered, for the commit to check.

use std::collections::HashSet;
use std::sync::Arc;

use format::header::HEADER;
use format::map::Page;
use format::pack::PACK_MAX;
use format::seal::ChunkKind;
use format::{ChunkId, IndexId, PackId, SessionId, index as encoding, names};
use model::units::{BLOCK, MIB};

use super::uploader::{Batch, Uploader};
use crate::error::RepoError;
use crate::index::{ChunkIndex, IdSet};
use crate::map::PageSink;
use crate::repository::Shared;

/// The size at which an index is written, in bytes.
const INDEX_SIZE: usize = 8 * MIB as usize;
/// A pack is made when it has so many plain bytes. Twice as many make no difference to the speed
/// on two processors, and take 60 MiB more memory.
const PACK_SIZE: usize = 8 * MIB as usize;
/// The largest chunk, in bytes.
const CHUNK_MAX: usize = format::chunker::MAX_BLOCKS as usize * BLOCK as usize;

/// Where a writer's chunks go.
pub(super) struct Stow {
    shared: Arc<Shared>,
    session: SessionId,
    uploader: Uploader,
    data: Group,
    map: Group,
    /// Chunks that this session stores, whose packs are in no index yet.
    fresh: IdSet,
    /// The others that it stores.
    own: ChunkIndex,
    /// Packs of others that hold chunks of this point.
    pub relied: HashSet<PackId>,
    /// Indexes that were put.
    pub indexes: Vec<IndexId>,
    /// Bytes of the indexes that were put.
    index_bytes: u64,
    /// An index is written when it would reach this size, in bytes.
    index_size: usize,
}

/// Chunks that will be one pack, and behind them the chunk that is open.
#[derive(Default)]
struct Group {
    plain: Vec<u8>,
    chunks: Vec<(ChunkId, u32)>,
    /// Bytes of `plain` that are chunks; the rest is the open one.
    closed: usize,
}

impl Stow {
    pub fn new(shared: &Arc<Shared>, session: SessionId) -> Self {
        Self {
            shared: Arc::clone(shared),
            session,
            uploader: Uploader::new(shared, session),
            data: Group::default(),
            map: Group::default(),
            fresh: IdSet::default(),
            own: ChunkIndex::new(Arc::new(shared.scratch.without_directory())),
            relied: HashSet::new(),
            indexes: Vec::new(),
            index_bytes: 0,
            index_size: INDEX_SIZE,
        }
    }

    /// Bytes that were added to the store so far.
    pub fn stored(&self) -> u64 {
        self.uploader.stored + self.index_bytes
    }

    /// Gives up: when this returns, nothing is being put any more, and nothing may be stowed.
    pub fn abandon(&mut self) {
        self.uploader.abandon();
    }

    /// Appends bytes to the open data chunk.
    pub fn append(&mut self, bytes: &[u8]) {
        self.data.plain.extend_from_slice(bytes);
    }

    /// Appends zeros to the open data chunk.
    pub fn append_zeros(&mut self, count: usize) {
        self.data.plain.resize(self.data.plain.len() + count, 0);
    }

    /// Whether a data chunk is open.
    pub const fn is_open(&self) -> bool {
        self.data.plain.len() > self.data.closed
    }

    /// Takes the open data chunk's bytes away, to be appended again later.
    pub fn suspend(&mut self) -> Vec<u8> {
        self.data.plain.split_off(self.data.closed)
    }

    /// Closes the open data chunk: its id, its size in bytes, and whether it is new to the vault.
    pub fn close(&mut self) -> Result<(ChunkId, u64, bool), RepoError> {
        let chunk = &self.data.plain[self.data.closed..];
        let size = chunk.len();
        let id = self.shared.keys.chunk_id(ChunkKind::Data, chunk);
        let new = !self.has(ChunkKind::Data, id)?;
        if new {
            self.data.chunks.push((id, size as u32));
            self.data.closed += size;
            if self.data.closed + CHUNK_MAX > PACK_SIZE {
                self.flush(ChunkKind::Data)?;
            }
        } else {
            self.data.plain.truncate(self.data.closed);
        }
        Ok((id, size as u64, new))
    }

    /// Stores a chunk, unless the vault has it.
    pub fn chunk(&mut self, kind: ChunkKind, bytes: &[u8]) -> Result<ChunkId, RepoError> {
        let id = self.shared.keys.chunk_id(kind, bytes);
        if !self.has(kind, id)? {
            let group = match kind {
                ChunkKind::Data => &mut self.data,
                ChunkKind::Map => &mut self.map,
            };
            group.plain.extend_from_slice(bytes);
            group.chunks.push((id, bytes.len() as u32));
            group.closed = group.plain.len();
            if group.closed + CHUNK_MAX > PACK_SIZE {
                self.flush(kind)?;
            }
        }
        Ok(id)
    }

    /// Whether the vault has the chunk; if not, it counts as had from now on.
    fn has(&mut self, kind: ChunkKind, id: ChunkId) -> Result<bool, RepoError> {
        if self.stores(kind, &id)? {
            return Ok(true);
        }
        if let Some(pack) = self.shared.stored(kind, &id)? {
            self.relied.insert(pack);
            return Ok(true);
        }
        self.fresh.insert(id);
        Ok(false)
    }

    /// Whether this session stores the chunk.
    fn stores(&self, kind: ChunkKind, id: &ChunkId) -> Result<bool, RepoError> {
        Ok(self.fresh.contains(id) || self.own.live(kind, id)?.is_some())
    }

    fn flush(&mut self, kind: ChunkKind) -> Result<(), RepoError> {
        if kind == ChunkKind::Map {
            self.flush(ChunkKind::Data)?;
            self.uploader.wait()?;
        }
        let group = match kind {
            ChunkKind::Data => &mut self.data,
            ChunkKind::Map => &mut self.map,
        };
        if group.chunks.is_empty() {
            return Ok(());
        }
        let open = group.plain.split_off(group.closed);
        let mut buffer = self.uploader.buffer();
        buffer.extend_from_slice(&open);
        let plain = std::mem::replace(&mut group.plain, buffer);
        let chunks = std::mem::take(&mut group.chunks);
        group.closed = 0;
        self.uploader.submit(Batch { kind, plain, chunks })?;
        self.write_indexes(self.index_size)
    }

    /// Puts everything that is not in the store yet: data, then map, then index.
    pub fn finish(&mut self) -> Result<(), RepoError> {
        self.flush(ChunkKind::Map)?;
        self.uploader.wait()?;
        self.write_indexes(0)
    }

    /// Writes an index of the packs that are in the store, if it has at least `least` bytes.
    fn write_indexes(&mut self, least: usize) -> Result<(), RepoError> {
        let weight: usize =
            self.uploader.packs.iter().map(format::index::IndexedPack::weight).sum();
        if self.uploader.packs.is_empty() || weight < least {
            return Ok(());
        }
        let packs = std::mem::take(&mut self.uploader.packs);
        let id = IndexId::new(self.session, self.shared.random());
        let bytes = encoding::encode(&self.shared.keys, id, &packs);
        self.shared.store.put(&names::index(&id), &bytes)?;
        self.index_bytes += bytes.len() as u64;
        self.indexes.push(id);
        // From now on they need no memory of their own. A short session never comes here.
        if least > 0 {
            self.own.insert_index(id, &packs);
            let segments = packs.iter().flat_map(|pack| &pack.table.segments);
            for (chunk, _) in segments.flat_map(|segment| &segment.chunks) {
                self.fresh.remove(chunk);
            }
        }
        Ok(())
    }

    /// Makes sure that the vault has the chunk, or stores what `read` gives.
    pub fn secure(
        &mut self,
        kind: ChunkKind,
        id: ChunkId,
        read: impl FnOnce() -> Result<Vec<u8>, RepoError>,
    ) -> Result<(), RepoError> {
        if self.stores(kind, &id)? {
            return Ok(());
        }
        if let Some(pack) = self.shared.stored(kind, &id)? {
            self.relied.insert(pack);
            return Ok(());
        }
        self.chunk(kind, &read()?).map(drop)
    }
}

impl PageSink for Stow {
    fn store(&mut self, page: &Page) -> Result<ChunkId, RepoError> {
        self.chunk(ChunkKind::Map, &page.encode())
    }
}

const _: () = assert!(CHUNK_MAX + HEADER < PACK_SIZE && PACK_SIZE <= PACK_MAX);

#[cfg(test)]
mod tests;
