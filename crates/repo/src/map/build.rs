//! Writes a map, copy-on-write: takes the parent's pages over where nothing changed.
//!
//! Changes come as *windows* in ascending order: everything that the parent has in a window goes,
//! the window's own chunks come. A window begins and ends at boundaries of the parent's chunks.
//! Pages are written as soon as the changes have passed them, a level-1 page with its leaves at a
//! time, so memory is bounded by 40 bytes per 64 MiB of changed disk.

use std::ops::Range;

use format::ChunkId;
use format::map::{Child, FAN_OUT, LEAF_BLOCKS, LEAF_MAX, LeafEntry, Page, span_blocks};
use model::units::BLOCK;

use super::{MapEntry, MapReader};
use crate::error::RepoError;

/// Takes pages and gives their ids.
pub(crate) trait PageSink {
    /// Stores a page, unless the vault has it.
    fn store(&mut self, page: &Page) -> Result<ChunkId, RepoError>;
}

/// Blocks under one level-1 page.
const REGION: u64 = span_blocks(1);

/// How many chunks a map names, and their sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub chunks: u64,
    /// Bytes.
    pub data: u64,
}

impl Census {
    fn add(&mut self, entry: &MapEntry) {
        self.chunks += 1;
        self.data += entry.blocks * BLOCK;
    }
}

/// The finished map.
pub(crate) struct BuiltMap {
    pub root: Option<ChunkId>,
    /// What came.
    pub added: Census,
    /// What went.
    pub removed: Census,
}

/// Builds the map of one disk.
pub(crate) struct MapBuilder<'a> {
    parent: Option<&'a MapReader>,
    level: u8,
    region: Option<Region>,
    /// Where the open window began.
    window: Option<u64>,
    /// Level-1 pages that differ from the parent's: their numbers, and what they are now.
    changed: Vec<(u64, Option<ChunkId>)>,
    added: Census,
    removed: Census,
}

struct Region {
    number: u64,
    windows: Vec<Range<u64>>,
    entries: Vec<MapEntry>,
}

impl Region {
    const fn new(number: u64) -> Self {
        Self { number, windows: Vec::new(), entries: Vec::new() }
    }

    const fn start(&self) -> u64 {
        self.number * REGION
    }
}

impl<'a> MapBuilder<'a> {
    /// Builds on `parent`'s map, or on nothing. `level` is the root's.
    pub const fn new(parent: Option<&'a MapReader>, level: u8) -> Self {
        Self {
            parent,
            level,
            region: None,
            window: None,
            changed: Vec::new(),
            added: Census { chunks: 0, data: 0 },
            removed: Census { chunks: 0, data: 0 },
        }
    }

    /// A window begins.
    pub const fn begin(&mut self, start: u64) {
        self.window = Some(start);
    }

    /// The next chunk in the window.
    pub fn entry(&mut self, entry: MapEntry, sink: &mut dyn PageSink) -> Result<(), RepoError> {
        self.added.add(&entry);
        self.move_to(entry.block, sink)?.entries.push(entry);
        Ok(())
    }

    /// The window ends.
    pub fn end(&mut self, end: u64, sink: &mut dyn PageSink) -> Result<(), RepoError> {
        let start = self.window.unwrap_or(end);
        let region = self.move_to(end, sink)?;
        let start = start.max(region.start());
        if start < end {
            region.windows.push(start..end);
        }
        self.window = None;
        Ok(())
    }

    /// Makes the region of `block` the current one; those before it are written.
    fn move_to(&mut self, block: u64, sink: &mut dyn PageSink) -> Result<&mut Region, RepoError> {
        let window = self.window.unwrap_or(block);
        let mut region = match self.region.take() {
            Some(region) if region.number >= window / REGION => region,
            passed => {
                if let Some(passed) = passed {
                    self.write_region(passed, sink)?;
                }
                Region::new(window / REGION)
            }
        };
        while region.number < block / REGION {
            let end = region.start() + REGION;
            region.windows.push(window.max(region.start())..end);
            let next = region.number + 1;
            self.write_region(region, sink)?;
            region = Region::new(next);
        }
        Ok(self.region.insert(region))
    }

    fn write_region(&mut self, region: Region, sink: &mut dyn PageSink) -> Result<(), RepoError> {
        if region.entries.is_empty() && (region.windows.is_empty() || self.parent.is_none()) {
            return Ok(());
        }
        let old = match self.parent {
            Some(parent) => parent.children(1, region.number)?,
            None => Vec::new(),
        };
        let mut children = Vec::with_capacity(old.len());
        let mut fresh = region.entries.iter().copied().peekable();
        for slot in 0..FAN_OUT {
            let start = region.start() + slot * LEAF_BLOCKS;
            let span = start..start + LEAF_BLOCKS;
            let mine = old.iter().filter(|child| u64::from(child.slot) == slot);
            let touched = region.windows.iter().any(|window| overlap(window, &span))
                || fresh.peek().is_some_and(|entry| entry.block < span.end);
            if !touched {
                children.extend(mine.copied());
                continue;
            }
            let mut entries = self.surviving(mine, start, &region.windows)?;
            while let Some(entry) = fresh.next_if(|entry| entry.block < span.end) {
                entries.push(entry);
            }
            entries.sort_unstable_by_key(|entry| entry.block);
            write_leaves(&entries, slot, start, &mut children, sink)?;
        }
        let page = if children.is_empty() {
            None
        } else {
            Some(sink.store(&Page::Inner { level: 1, children })?)
        };
        self.changed.push((region.number, page));
        Ok(())
    }

    /// The parent's chunks in one leaf span that no window takes away.
    fn surviving<'c>(
        &mut self,
        leaves: impl Iterator<Item = &'c Child>,
        start: u64,
        windows: &[Range<u64>],
    ) -> Result<Vec<MapEntry>, RepoError> {
        let mut surviving = Vec::new();
        let Some(parent) = self.parent else { return Ok(surviving) };
        for leaf in leaves {
            let page = parent.page(&leaf.id, 0)?;
            let Page::Leaf(entries) = &*page else { continue };
            for entry in entries {
                let block = start + u64::from(entry.block);
                let entry = MapEntry { block, blocks: u64::from(entry.blocks), id: entry.id };
                if let Some(window) = windows.iter().find(|window| window.contains(&block)) {
                    // In the next region, the window goes on.
                    let inside = entry.end() <= window.end || window.end.is_multiple_of(REGION);
                    assert!(inside, "a window ends inside an old chunk: its data would be lost");
                    self.removed.add(&entry);
                } else {
                    surviving.push(entry);
                }
            }
        }
        Ok(surviving)
    }

    /// Writes what is left to write, up to the root.
    pub fn finish(mut self, sink: &mut dyn PageSink) -> Result<BuiltMap, RepoError> {
        if let Some(region) = self.region.take() {
            self.write_region(region, sink)?;
        }
        let changed = std::mem::take(&mut self.changed);
        let root = if changed.is_empty() {
            self.parent.and_then(|parent| parent.root().0)
        } else {
            self.rebuild(self.level, 0, &changed, sink)?
        };
        Ok(BuiltMap { root, added: self.added, removed: self.removed })
    }

    /// Writes the page of `level` and `number`, under which `changed` lies.
    fn rebuild(
        &self,
        level: u8,
        number: u64,
        changed: &[(u64, Option<ChunkId>)],
        sink: &mut dyn PageSink,
    ) -> Result<Option<ChunkId>, RepoError> {
        if level == 1 {
            return Ok(changed.last().and_then(|(_, page)| *page));
        }
        let mut children = match self.parent {
            Some(parent) => parent.children(level, number)?,
            None => Vec::new(),
        };
        let below = FAN_OUT.pow(u32::from(level) - 2);
        for group in changed.chunk_by(|a, b| a.0 / below == b.0 / below) {
            let child = group[0].0 / below;
            let slot = (child % FAN_OUT) as u8;
            let page = self.rebuild(level - 1, child, group, sink)?;
            children.retain(|child| child.slot != slot);
            children.extend(page.map(|id| Child { slot, first: 0, id }));
        }
        if children.is_empty() {
            return Ok(None);
        }
        children.sort_unstable_by_key(|child| child.slot);
        sink.store(&Page::Inner { level, children }).map(Some)
    }
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

fn write_leaves(
    entries: &[MapEntry],
    slot: u64,
    start: u64,
    children: &mut Vec<Child>,
    sink: &mut dyn PageSink,
) -> Result<(), RepoError> {
    for group in entries.chunks(LEAF_MAX) {
        let leaf = |entry: &MapEntry| LeafEntry {
            block: (entry.block - start) as u8,
            blocks: entry.blocks as u8,
            id: entry.id,
        };
        let leaf: Vec<_> = group.iter().map(leaf).collect();
        let first = leaf[0].block;
        let id = sink.store(&Page::Leaf(leaf))?;
        children.push(Child { slot: slot as u8, first, id });
    }
    Ok(())
}
