//! Takes chunks, leaves out those that the vault has, and makes packs of the others.
//!
//! ```text
//!  bytes ─► Intake ─ pieces ─► Hasher ─ parts ─► new? ─ batches ─► Uploader ─► packs, index
//!           (this thread)      (workers)     (this thread)         (workers)
//! ```
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
use format::pack::{PACK_MAX, SEGMENT_MAX};
use format::seal::ChunkKind;
use format::{ChunkId, IndexId, PackId, SessionId, index as encoding, names};
use model::units::{BLOCK, MIB};

use super::buffer::Buffer;
use super::hasher::Part;
use super::intake::{Intake, Outcome, PIECE_MAX, Ticket};
use super::uploader::{Batch, Uploader};
use crate::error::RepoError;
use crate::index::{ChunkIndex, IdSet};
use crate::map::PageSink;
use crate::repository::Shared;

/// The size at which an index is written, in bytes.
pub(crate) const INDEX_SIZE: usize = 8 * MIB as usize;
/// A pack is made when it has so many plain bytes. Each further MiB takes 9 MiB of memory. Packs of
/// 16 MiB were no faster than of 8; whether 4 MiB cost anything is open (bench/RESULTS.md).
pub(crate) const PACK_SIZE: usize = 4 * MIB as usize;
/// The largest chunk, in bytes.
pub(super) const CHUNK_MAX: usize = format::chunker::MAX_BLOCKS as usize * BLOCK as usize;

/// Where a writer's chunks go.
pub(super) struct Stow {
    shared: Arc<Shared>,
    session: SessionId,
    intake: Intake,
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
    /// Whether what is sealed is opened again and compared before it is put.
    pub verify: bool,
}

/// Chunks that will be one pack.
#[derive(Default)]
struct Group {
    parts: Vec<Part>,
    /// Bytes of all parts.
    bytes: usize,
}

impl Group {
    /// Takes a part in as it is.
    fn push(&mut self, part: Part) {
        self.bytes += part.plain.len();
        self.parts.push(part);
    }

    /// The part to append `size` bytes to; `buffer` gives memory for a new one.
    fn room(&mut self, size: usize, buffer: impl FnOnce() -> Buffer) -> &mut Part {
        let fits = |part: &Part| part.plain.len() + size <= PIECE_MAX;
        if !self.parts.last().is_some_and(fits) {
            self.parts.push(Part { plain: buffer(), chunks: Vec::new() });
        }
        self.bytes += size;
        self.parts.last_mut().expect("there is one now")
    }

    /// Whether another piece could make the pack too large.
    const fn is_full(&self) -> bool {
        self.bytes + PIECE_MAX > PACK_SIZE
    }
}

impl Stow {
    pub fn new(shared: &Arc<Shared>, session: SessionId) -> Self {
        Self {
            shared: Arc::clone(shared),
            session,
            intake: Intake::new(shared),
            uploader: Uploader::new(shared, session),
            data: Group::default(),
            map: Group::default(),
            fresh: IdSet::default(),
            own: ChunkIndex::new(Arc::new(shared.scratch.without_directory())),
            relied: HashSet::new(),
            indexes: Vec::new(),
            index_bytes: 0,
            index_size: INDEX_SIZE,
            verify: true,
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
        self.intake.append(bytes);
    }

    /// Appends zeros to the open data chunk.
    pub fn append_zeros(&mut self, count: usize) {
        self.intake.append_zeros(count);
    }

    /// Memory to read into what will be appended; see [`Buffer::room`].
    pub fn room(&mut self, gap: usize, size: usize) -> &mut [u8] {
        self.intake.room(gap, size)
    }

    /// What was read into it.
    pub const fn read(&mut self) -> &mut Buffer {
        self.intake.read()
    }

    /// Whether a data chunk is open.
    pub fn is_open(&self) -> bool {
        self.intake.is_open()
    }

    /// Takes the open data chunk's bytes away, to be appended again later.
    pub fn suspend(&mut self) -> Vec<u8> {
        self.intake.suspend()
    }

    /// Closes the open data chunk: what stands for it, and its size in bytes.
    pub fn close(&mut self) -> Result<(Ticket, u64), RepoError> {
        while self.intake.is_full() {
            self.admit_next()?;
        }
        Ok(self.intake.close(|| self.uploader.buffer()))
    }

    /// What became of a closed chunk, once that is known. Can be asked for once.
    pub fn outcome(&mut self, ticket: Ticket) -> Option<Outcome> {
        self.intake.outcome(ticket)
    }

    /// Waits until it is known of every closed chunk what became of it.
    pub fn settle(&mut self) -> Result<(), RepoError> {
        self.intake.hand_over(|| self.uploader.buffer());
        while self.admit_next()? {}
        Ok(())
    }

    /// Waits for the next chunks whose ids are computed, and stores those that are new; `false` if
    /// none are under way.
    fn admit_next(&mut self) -> Result<bool, RepoError> {
        let Some(Part { mut plain, mut chunks }) = self.intake.hashed() else {
            return Ok(false);
        };
        let (mut from, mut to) = (0, 0);
        let mut kept = 0;
        for at in 0..chunks.len() {
            let (id, size) = chunks[at];
            let new = !self.has(ChunkKind::Data, id)?;
            self.intake.settle(Outcome { id, new });
            let range = from..from + size as usize;
            from = range.end;
            if new {
                if range.start > to {
                    plain.copy_within(range.clone(), to);
                }
                to += range.len();
                chunks[kept] = (id, size);
                kept += 1;
            }
        }
        plain.truncate(to);
        chunks.truncate(kept);
        self.take(Part { plain, chunks })?;
        Ok(true)
    }

    /// Takes new chunks into the next pack.
    fn take(&mut self, part: Part) -> Result<(), RepoError> {
        // What is mostly new is worth no copy, what is not would make for small segments.
        if part.plain.len() > PIECE_MAX / 2 {
            self.data.push(part);
        } else {
            if !part.plain.is_empty() {
                let room = self.data.room(part.plain.len(), || self.uploader.buffer());
                room.plain.append(&part.plain);
                room.chunks.extend_from_slice(&part.chunks);
            }
            self.uploader.recycle(part.plain);
        }
        if self.data.is_full() { self.flush(ChunkKind::Data) } else { Ok(()) }
    }

    /// Stores a chunk, unless the vault has it.
    pub fn chunk(&mut self, kind: ChunkKind, bytes: &[u8]) -> Result<ChunkId, RepoError> {
        let id = self.shared.keys.chunk_id(kind, bytes);
        if !self.has(kind, id)? {
            let group = match kind {
                ChunkKind::Data => &mut self.data,
                ChunkKind::Map => &mut self.map,
            };
            let room = group.room(bytes.len(), || self.uploader.buffer());
            room.plain.append(bytes);
            room.chunks.push((id, bytes.len() as u32));
            if group.is_full() {
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
        if group.parts.is_empty() {
            return Ok(());
        }
        let parts = std::mem::take(group).parts;
        self.uploader.submit(Batch { kind, parts, verify: self.verify })?;
        self.write_indexes(self.index_size)
    }

    /// Puts everything that is not in the store yet: data, then map, then index.
    pub fn finish(&mut self) -> Result<(), RepoError> {
        self.settle()?;
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

const _: () = assert!(CHUNK_MAX <= SEGMENT_MAX && PIECE_MAX + HEADER < PACK_SIZE);
const _: () = assert!(PACK_SIZE <= PACK_MAX);

#[cfg(test)]
mod tests;
