//! Keeps known damage out of new points.
//!
//! An incremental takes its parent's chunks over. Those that only packs found damaged hold are read
//! from the source again instead, so that the new point is whole, and every other that shares them.
//! Where no damage is known, this costs nothing.

use format::map::{Page, span_blocks};
use format::seal::ChunkKind;
use model::units::{BLOCK, Extent};

use super::PointWriter;
use crate::error::RepoError;
use crate::index::Standing;
use crate::map::MapReader;

impl PointWriter {
    /// What of the parent's disk must be read again; map pages are stored again at once.
    pub(super) fn heal(&mut self, map: &MapReader, size: u64) -> Result<Vec<Extent>, RepoError> {
        let doubtful =
            self.shared.index(|index| index.packs().any(|pack| pack.standing == Standing::Suspect));
        let mut again = Vec::new();
        if let ((Some(root), level), true) = (map.root(), doubtful) {
            self.heal_page(map, &root, level, 0, &mut again)?;
        }
        let disk = Extent::new(0, size);
        Ok(again.iter().filter_map(|extent: &Extent| extent.intersection(&disk)).collect())
    }

    fn heal_page(
        &mut self,
        map: &MapReader,
        id: &format::ChunkId,
        level: u8,
        start: u64,
        again: &mut Vec<Extent>,
    ) -> Result<(), RepoError> {
        let page = map.page(id, level)?;
        match &*page {
            Page::Leaf(entries) => {
                for entry in entries {
                    if self.shared.stored(ChunkKind::Data, &entry.id)?.is_none() {
                        let block = start + u64::from(entry.block);
                        again.push(Extent::new(block * BLOCK, u64::from(entry.blocks) * BLOCK));
                    }
                }
            }
            Page::Inner { children, .. } => {
                for child in children {
                    let start = start + u64::from(child.slot) * span_blocks(level - 1);
                    self.heal_page(map, &child.id, level - 1, start, again)?;
                }
            }
        }
        self.stow.secure(ChunkKind::Map, *id, || Ok(page.encode()))
    }
}
