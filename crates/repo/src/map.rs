//! The map of a disk: read along the tree, and written copy-on-write.

mod build;
mod read;

pub(crate) use build::{BuiltMap, MapBuilder, PageSink};
pub(crate) use read::MapReader;

use format::ChunkId;

/// A chunk on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MapEntry {
    /// Its first block.
    pub block: u64,
    /// Its size, in blocks.
    pub blocks: u64,
    /// The chunk.
    pub id: ChunkId,
}

impl MapEntry {
    /// The block behind its last one.
    pub const fn end(&self) -> u64 {
        self.block + self.blocks
    }
}
