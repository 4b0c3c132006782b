//! Which parts of a disk an incremental reads, and where it may stop.
//!
//! ```text
//!  old chunks   ├──────┼────────┼─────┼──────────┼────┼───────┼──────┤
//!  dirty extent             ▓▓▓▓▓▓▓
//!  window              ├───────────────── soft ─────── limit
//!                      start    read first    ▲     ▲ cut here at the latest
//!                                             └ stops where a new boundary is an old one
//! ```
//!
//! All numbers are blocks. Windows that could meet are one, so they never depend on each other.

use std::collections::VecDeque;
use std::ops::Range;

use model::units::{BLOCK, Extent, KIB, normalised};

use crate::error::RepoError;
use crate::map::MapReader;

/// How far behind a dirty extent a new boundary may meet an old one.
const RESYNC: u64 = 256 * KIB / BLOCK;
/// How far is read at first: most windows end within two chunks.
const RESYNC_FIRST: u64 = 64 * KIB / BLOCK;

/// A part of a disk that is read and chunked anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    /// Where it begins: an old boundary.
    pub start: u64,
    /// Whether it begins behind a block of a hole.
    pub in_hole: bool,
    /// Where the last change in it ends.
    pub dirty_end: u64,
    /// How far is read at first: an old boundary.
    pub soft: u64,
    /// Where it ends at the latest: an old boundary.
    pub limit: u64,
    /// Old chunks from `dirty_end` to `limit`.
    tail: Vec<Range<u64>>,
}

impl Window {
    /// The whole disk, of `blocks` blocks.
    pub const fn whole(blocks: u64) -> Self {
        let (dirty_end, soft, limit) = (blocks, blocks, blocks);
        Self { start: 0, in_hole: false, dirty_end, soft, limit, tail: Vec::new() }
    }

    /// Whether the window may end at `block`: behind all changes, and not inside an old chunk.
    pub fn may_end(&self, block: u64) -> bool {
        block >= self.dirty_end
            && !self.tail.iter().any(|chunk| chunk.start < block && block < chunk.end)
    }
}

/// Makes windows of changed extents, one at a time and in order.
pub(super) struct Planner<'a> {
    /// Changed blocks: ascending, not touching.
    changed: VecDeque<Range<u64>>,
    parent: &'a MapReader,
    /// Blocks of the disk.
    blocks: u64,
}

impl<'a> Planner<'a> {
    /// Plans for a disk of `size` bytes, of which `changed` changed since `parent`.
    pub fn new(changed: &[Extent], parent: &'a MapReader, size: u64) -> Self {
        let disk = Extent::new(0, size);
        let outward = |extent: &Extent| {
            let inside = extent.intersection(&disk)?;
            let start = inside.start / BLOCK;
            Some(Extent::new(start, inside.end().div_ceil(BLOCK) - start))
        };
        let blocks = normalised(changed.iter().filter_map(outward).collect());
        let changed = blocks.iter().map(|extent| extent.start..extent.end()).collect();
        Self { changed, parent, blocks: size.div_ceil(BLOCK) }
    }

    /// The old chunk that has `block` inside it: neither at its start nor at its end.
    fn around(&self, block: u64) -> Result<Option<Range<u64>>, RepoError> {
        let mut around = None;
        self.parent.visit(block..block + 1, &mut |entry| {
            if entry.block < block {
                around = Some(entry.block..entry.end());
            }
            Ok(())
        })?;
        Ok(around)
    }

    fn boundary_before(&self, block: u64) -> Result<u64, RepoError> {
        Ok(self.around(block)?.map_or(block, |chunk| chunk.start))
    }

    fn boundary_behind(&self, block: u64) -> Result<u64, RepoError> {
        if block >= self.blocks {
            return Ok(self.blocks);
        }
        Ok(self.around(block)?.map_or(block, |chunk| chunk.end).min(self.blocks))
    }

    /// The next window.
    pub fn next(&mut self) -> Result<Option<Window>, RepoError> {
        let Some(first) = self.changed.pop_front() else { return Ok(None) };
        let start = self.boundary_before(first.start)?;
        let mut dirty_end = first.end;
        let limit = loop {
            let limit = self.boundary_behind(dirty_end.saturating_add(RESYNC))?;
            match self.changed.front().cloned() {
                Some(next) if self.boundary_before(next.start)? < limit => {
                    dirty_end = next.end;
                    self.changed.pop_front();
                }
                _ => break limit,
            }
        };
        let soft = self.boundary_behind(dirty_end.saturating_add(RESYNC_FIRST))?.min(limit);
        let tail = self.parent.entries(dirty_end..limit)?;
        let tail = tail.iter().map(|entry| entry.block..entry.end()).collect();
        let before = start.saturating_sub(1)..start;
        let in_hole = start > 0 && self.parent.entries(before)?.is_empty();
        Ok(Some(Window { start, in_hole, dirty_end, soft, limit, tail }))
    }
}
