//! A disk of a point as something to read from anywhere: the base of file restore and of booting
//! from the vault.

use std::sync::Arc;

use format::manifest::Disk;
use format::seal::ChunkKind;
use model::point::PointId;
use model::units::BLOCK;

use crate::error::RepoError;
use crate::map::MapReader;
use crate::read::ChunkReader;
use crate::repository::{Repository, Shared};

/// A disk of a point. Reads from many threads at once are fine.
pub struct DiskImage {
    map: MapReader,
    chunks: ChunkReader,
    size: u64,
}

impl Repository {
    /// Opens a disk of a point.
    ///
    /// # Errors
    ///
    /// [`RepoError::PointNotFound`], [`RepoError::DiskNotFound`], the manifest is damaged, or the
    /// store failed.
    pub fn open_disk(&self, point: PointId, target: &str) -> Result<DiskImage, RepoError> {
        self.shared.refresh()?;
        let disk = self.shared.disk(point, target)?;
        Ok(DiskImage {
            map: MapReader::new(Arc::clone(&self.shared), disk.root, disk.size),
            chunks: ChunkReader::new(Arc::clone(&self.shared)),
            size: disk.size,
        })
    }
}

impl Shared {
    /// A disk of a point.
    pub(crate) fn disk(self: &Arc<Self>, point: PointId, target: &str) -> Result<Disk, RepoError> {
        let (_, manifest) = self.manifest(point)?;
        let disk = manifest.disks.into_iter().find(|disk| disk.target == target);
        disk.ok_or_else(|| RepoError::DiskNotFound { point, target: target.to_owned() })
    }
}

impl DiskImage {
    /// The disk's exact size, in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Fills `buffer` with the disk's bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// The range reaches behind the disk's end, what it needs is damaged, or the store failed.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), RepoError> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.size {
            let what = format!("bytes to {end} were asked of a disk of {} bytes", self.size);
            return Err(RepoError::Input { what });
        }
        buffer.fill(0);
        self.map.visit(offset / BLOCK..end.div_ceil(BLOCK), &mut |entry| {
            let bytes = self.chunks.read(ChunkKind::Data, &entry.id, None)?;
            let start = entry.block * BLOCK;
            let from = start.max(offset);
            let to = (start + bytes.len() as u64).min(end);
            if from < to {
                let part = &bytes[(from - start) as usize..(to - start) as usize];
                buffer[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
            }
            Ok(())
        })
    }
}
