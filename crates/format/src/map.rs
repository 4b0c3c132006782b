//! Map pages: which chunk lies where on a disk.
//!
//! A tree on a fixed grid (`docs/format.md` §3, *Map*). A page knows only places relative to its
//! span, so equal content gives equal pages: two disks, or two points of one disk, share every page
//! under which nothing differs.

use model::units::{BLOCK, MIB};

use crate::codec::{Reader, Writer};
use crate::error::FormatError;
use crate::id::ChunkId;

/// Blocks in the span of a leaf: 1 MiB.
pub const LEAF_BLOCKS: u64 = MIB / BLOCK;
/// Pages of the level below in the span of an inner page.
pub const FAN_OUT: u64 = 64;
/// The most chunks in a leaf.
pub const LEAF_MAX: usize = 64;
/// The highest level.
pub const LEVEL_MAX: u8 = 5;
/// The largest disk, in bytes.
pub const DISK_MAX: u64 = 64 * 1024 * 1024 * MIB;

/// One chunk in a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafEntry {
    /// The chunk's first block, relative to the leaf's span.
    pub block: u8,
    /// The chunk's size, in blocks. Never zero.
    pub blocks: u8,
    /// The chunk.
    pub id: ChunkId,
}

/// One page in an inner page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// The page's span, relative to the inner page's, in spans of the level below.
    pub slot: u8,
    /// At level 1, the first block of the leaf's first chunk; else 0.
    pub first: u8,
    /// The page.
    pub id: ChunkId,
}

/// A page of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Chunks.
    Leaf(Vec<LeafEntry>),
    /// Pages of the level below.
    Inner {
        /// The level, from 1.
        level: u8,
        /// The pages, in order.
        children: Vec<Child>,
    },
}

/// Blocks in the span of a page at `level`.
pub const fn span_blocks(level: u8) -> u64 {
    LEAF_BLOCKS * FAN_OUT.pow(level as u32)
}

/// The level of the root of a disk of `size` bytes.
pub fn root_level(size: u64) -> u8 {
    let blocks = size.div_ceil(BLOCK);
    (1..LEVEL_MAX).find(|level| span_blocks(*level) >= blocks).unwrap_or(LEVEL_MAX)
}

impl Page {
    /// The page's bytes: the chunk that is sealed.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Leaf(entries) => {
                writer.u8(0);
                writer.u16(entries.len() as u16);
                for entry in entries {
                    writer.raw(&[entry.block, entry.blocks]);
                    writer.raw(&entry.id.0);
                }
            }
            Self::Inner { level, children } => {
                writer.u8(*level);
                writer.u16(children.len() as u16);
                for child in children {
                    writer.raw(&[child.slot, child.first]);
                    writer.raw(&child.id.0);
                }
            }
        }
        writer.into_bytes()
    }

    /// Decodes a page of `level`.
    ///
    /// # Errors
    ///
    /// Another level, or entries that are none, too many, not ascending, or overlapping.
    pub fn decode(bytes: &[u8], level: u8) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != level {
            return Err(FormatError::Invalid { what: "level of a map page" });
        }
        let count = usize::from(reader.u16()?);
        let mut raw = |max: usize| {
            if count == 0 || count > max {
                return Err(FormatError::Invalid { what: "number of entries in a map page" });
            }
            let entries: Result<Vec<_>, FormatError> = (0..count)
                .map(|_| Ok((reader.u8()?, reader.u8()?, ChunkId(reader.array()?))))
                .collect();
            std::mem::replace(&mut reader, Reader::new(&[])).end()?;
            entries
        };
        if level == 0 {
            let entries = raw(LEAF_MAX)?.into_iter();
            let entries = entries.map(|(block, blocks, id)| LeafEntry { block, blocks, id });
            checked_leaf(entries.collect())
        } else {
            let children = raw(LEAF_BLOCKS as usize)?.into_iter();
            let children = children.map(|(slot, first, id)| Child { slot, first, id });
            checked_inner(level, children.collect())
        }
    }
}

fn checked_leaf(entries: Vec<LeafEntry>) -> Result<Page, FormatError> {
    let mut end = 0_u16;
    for entry in &entries {
        if entry.blocks == 0 || u16::from(entry.block) < end {
            return Err(FormatError::Invalid { what: "order of chunks in a map page" });
        }
        end = u16::from(entry.block) + u16::from(entry.blocks);
    }
    Ok(Page::Leaf(entries))
}

fn checked_inner(level: u8, children: Vec<Child>) -> Result<Page, FormatError> {
    let place = |child: &Child| (child.slot, child.first);
    let ascending = children.is_sorted_by(|a, b| place(a) < place(b));
    let inside = children.iter().all(|child| u64::from(child.slot) < FAN_OUT);
    let exact = level == 1 || children.iter().all(|child| child.first == 0);
    if ascending && inside && exact {
        Ok(Page::Inner { level, children })
    } else {
        Err(FormatError::Invalid { what: "order of pages in a map page" })
    }
}
