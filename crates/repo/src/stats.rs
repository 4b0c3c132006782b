//! How much a repository holds.

use format::names;
use format::seal::ChunkKind;

use crate::error::RepoError;
use crate::index::Standing;
use crate::objects::ObjectStore;
use crate::repository::Repository;

/// How much a repository holds. Sizes in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RepoStats {
    /// Points that exist.
    pub points: u64,
    /// Sizes of their disks.
    pub logical_bytes: u64,
    /// Different chunks of data in the packs, also those that no point needs any more.
    pub chunks: u64,
    /// Their sizes, before compression.
    pub unique_bytes: u64,
    /// Packs that the indexes know.
    pub packs: u64,
    /// Sizes of those packs.
    pub stored_bytes: u64,
    /// Of them, condemned: to be deleted after their grace.
    pub condemned_bytes: u64,
    /// Sessions that are not over.
    pub open_sessions: u64,
    /// Damaged objects that repairs kept aside. Nothing deletes them but people.
    pub quarantined_objects: u64,
    /// Their sizes.
    pub quarantined_bytes: u64,
}

/// What [`RepoStats`] has that costs nothing to tell. Sizes in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RepoSize {
    /// Points that exist.
    pub points: u64,
    /// Sizes of their disks.
    pub logical_bytes: u64,
    /// Sizes of the packs that the indexes know.
    pub stored_bytes: u64,
}

impl Repository {
    /// How large the repository is, without a look at its chunks: for whoever asks often.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn size(&self) -> Result<RepoSize, RepoError> {
        self.shared.refresh()?;
        let mut size = self.shared.state(|state| RepoSize {
            points: state.points.len() as u64,
            logical_bytes: state.points.values().map(|(point, _)| point.counts.logical).sum(),
            stored_bytes: 0,
        });
        self.shared.index(|index| {
            size.stored_bytes = index.packs().map(|pack| pack.size).sum();
        });
        Ok(size)
    }

    /// How much the repository holds, as the log and the indexes tell it.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn stats(&self) -> Result<RepoStats, RepoError> {
        self.shared.refresh()?;
        let mut stats = self.shared.state(|state| RepoStats {
            points: state.points.len() as u64,
            logical_bytes: state.points.values().map(|(point, _)| point.counts.logical).sum(),
            open_sessions: state.sessions.len() as u64,
            ..RepoStats::default()
        });
        (stats.chunks, stats.unique_bytes) = self.shared.lookup(|index| {
            let (mut chunks, mut bytes) = (0, 0);
            index.chunks(&mut |kind, size| {
                if kind == ChunkKind::Data {
                    chunks += 1;
                    bytes += u64::from(size);
                }
            })?;
            Ok((chunks, bytes))
        })?;
        self.shared.index(|index| {
            for pack in index.packs() {
                stats.packs += 1;
                stats.stored_bytes += pack.size;
                if pack.standing == Standing::Condemned {
                    stats.condemned_bytes += pack.size;
                }
            }
        });
        for object in self.shared.store.list(names::QUARANTINE)? {
            stats.quarantined_objects += 1;
            stats.quarantined_bytes += object.size;
        }
        Ok(stats)
    }
}
