//! Reads a map: only the pages that the asked range needs, and each once.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use format::chunker::MAX_BLOCKS;
use format::map::{Child, FAN_OUT, Page, root_level, span_blocks};
use format::seal::ChunkKind;
use format::{ChunkId, names};

use super::MapEntry;
use crate::error::RepoError;
use crate::index::ChunkIndex;
use crate::read::ChunkReader;
use crate::repository::Shared;

/// Pages kept decoded: about 8 MiB.
const CACHED_PAGES: usize = 4096;

/// The map of one disk of one point.
pub(crate) struct MapReader {
    shared: Arc<Shared>,
    chunks: ChunkReader,
    root: Option<ChunkId>,
    level: u8,
    own: Option<Arc<ChunkIndex>>,
    pages: Mutex<HashMap<ChunkId, Arc<Page>>>,
}

impl MapReader {
    /// The map with this root, of a disk of `size` bytes.
    pub fn new(shared: Arc<Shared>, root: Option<ChunkId>, size: u64) -> Self {
        Self {
            chunks: ChunkReader::new(Arc::clone(&shared)),
            shared,
            root,
            level: root_level(size),
            own: None,
            pages: Mutex::default(),
        }
    }

    /// The same map, some of whose pages lie in packs that no index names yet.
    pub fn with_own(mut self, own: Arc<ChunkIndex>) -> Self {
        self.own = Some(own);
        self
    }

    /// The root page and its level.
    pub const fn root(&self) -> (Option<ChunkId>, u8) {
        (self.root, self.level)
    }

    /// A page.
    pub fn page(&self, id: &ChunkId, level: u8) -> Result<Arc<Page>, RepoError> {
        let lock = || self.pages.lock().expect("nothing panics while it holds the pages");
        if let Some(page) = lock().get(id) {
            return Ok(Arc::clone(page));
        }
        let bytes = self.chunks.read(ChunkKind::Map, id, self.own.as_deref())?;
        let page = match Page::decode(&bytes, level) {
            Ok(page) => page,
            Err(error) => {
                let pack = self.shared.lookup(|index| index.live(ChunkKind::Map, id))?;
                let name = pack.map_or_else(|| id.to_string(), |pack| names::pack(&pack));
                return Err(RepoError::damaged(ChunkKind::Map.pack(), &name, &error));
            }
        };
        let page = Arc::new(page);
        let mut pages = lock();
        if pages.len() == CACHED_PAGES {
            pages.clear();
        }
        pages.insert(*id, Arc::clone(&page));
        Ok(page)
    }

    /// Shows every chunk that holds a block of `range`, in order.
    pub fn visit(
        &self,
        range: Range<u64>,
        show: &mut dyn FnMut(MapEntry) -> Result<(), RepoError>,
    ) -> Result<(), RepoError> {
        match self.root {
            Some(root) if !range.is_empty() => self.visit_page(&root, self.level, 0, &range, show),
            _ => Ok(()),
        }
    }

    fn visit_page(
        &self,
        id: &ChunkId,
        level: u8,
        start: u64,
        range: &Range<u64>,
        show: &mut dyn FnMut(MapEntry) -> Result<(), RepoError>,
    ) -> Result<(), RepoError> {
        match &*self.page(id, level)? {
            Page::Leaf(entries) => {
                for entry in entries {
                    let block = start + u64::from(entry.block);
                    let entry = MapEntry { block, blocks: u64::from(entry.blocks), id: entry.id };
                    if entry.block < range.end && entry.end() > range.start {
                        show(entry)?;
                    }
                }
            }
            Page::Inner { children, .. } => {
                let span = span_blocks(level - 1);
                for child in children {
                    let child_start = start + u64::from(child.slot) * span;
                    // A chunk may reach out of the span it starts in.
                    let child_end = child_start + span + u64::from(MAX_BLOCKS);
                    if child_start < range.end && child_end > range.start {
                        self.visit_page(&child.id, level - 1, child_start, range, show)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The chunks that hold a block of `range`, in order.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<MapEntry>, RepoError> {
        let mut entries = Vec::new();
        self.visit(range, &mut |entry| {
            entries.push(entry);
            Ok(())
        })?;
        Ok(entries)
    }

    /// The children of the page of `level` ≥ 1 whose span has this number; none without a page.
    pub fn children(&self, level: u8, number: u64) -> Result<Vec<Child>, RepoError> {
        let Some(mut id) = self.root else { return Ok(Vec::new()) };
        let mut at = self.level;
        while at > level {
            let slot = number / FAN_OUT.pow(u32::from(at - level - 1)) % FAN_OUT;
            let page = self.page(&id, at)?;
            let Page::Inner { children, .. } = &*page else { return Ok(Vec::new()) };
            match children.iter().find(|child| u64::from(child.slot) == slot) {
                Some(child) => id = child.id,
                None => return Ok(Vec::new()),
            }
            at -= 1;
        }
        match &*self.page(&id, level)? {
            Page::Inner { children, .. } => Ok(children.clone()),
            Page::Leaf(_) => Ok(Vec::new()),
        }
    }
}
