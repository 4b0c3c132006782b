//! Stores again what only condemned packs hold, so that a point can be committed after all.
//!
//! Condemned packs can still be read, for a grace. The new point's map is walked whole: this is
//! rare, and the only way to know every pack that the point needs.

use std::sync::Arc;

use format::map::Page;
use format::seal::ChunkKind;

use super::PointWriter;
use crate::error::RepoError;
use crate::index::ChunkIndex;
use crate::map::MapReader;
use crate::read::ChunkReader;

impl PointWriter {
    /// Makes sure that live packs hold everything the point needs, and remembers them all.
    pub(super) fn rescue(&mut self) -> Result<(), RepoError> {
        self.shared.refresh()?;
        self.stow.relied.clear();
        let scratch = Arc::new(self.shared.scratch.without_directory());
        let mut own = ChunkIndex::new(scratch);
        for index in &self.stow.indexes {
            own.insert_index(*index, &self.shared.fetch_index(*index)?);
        }
        let own = Arc::new(own);
        let disks: Vec<_> = self.disks.iter().map(|disk| (disk.root, disk.size)).collect();
        for (root, size) in disks {
            let map = MapReader::new(Arc::clone(&self.shared), root, size);
            let map = map.with_own(Arc::clone(&own));
            let chunks = ChunkReader::new(Arc::clone(&self.shared));
            let (root, level) = map.root();
            if let Some(root) = root {
                self.rescue_page(&map, &chunks, &own, &root, level)?;
            }
        }
        self.stands_alone = true;
        Ok(())
    }

    fn rescue_page(
        &mut self,
        map: &MapReader,
        chunks: &ChunkReader,
        own: &ChunkIndex,
        id: &format::ChunkId,
        level: u8,
    ) -> Result<(), RepoError> {
        let page = map.page(id, level)?;
        match &*page {
            Page::Leaf(entries) => {
                for entry in entries {
                    self.stow.secure(ChunkKind::Data, entry.id, || {
                        Ok(chunks.read(ChunkKind::Data, &entry.id, Some(own))?.to_vec())
                    })?;
                }
            }
            Page::Inner { children, .. } => {
                for child in children {
                    self.rescue_page(map, chunks, own, &child.id, level - 1)?;
                }
            }
        }
        self.stow.secure(ChunkKind::Map, *id, || Ok(page.encode()))
    }
}
