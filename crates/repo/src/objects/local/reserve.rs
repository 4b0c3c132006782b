//! Room kept back, so that a full file system still allows what makes room.
//!
//! A file of allocated blocks lies beside the objects. Data is taken only while it is whole.
//! Entries of the log may use all of its room up, indexes (which a collector writes anew) all but a
//! quarter; each takes little more than it needs, so that others at work find nothing to grab.
//! Where room is made, the reserve is filled up first.
//!
//! A file system can also run out of inodes. Where it has a fixed number of them, empty files are
//! kept back in the same way.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, Look, Space};

/// The most that is kept back, in bytes: a collector's largest index, and thousands of log entries.
const MOST: u64 = 16 * 1024 * 1024;
/// The least, in bytes.
const LEAST: u64 = 256 * 1024;
/// Of a small file system, this part is kept back.
const PART: u64 = 64;
/// What an object takes beyond its bytes: blocks, and those of new directories.
const OVERHEAD: u64 = 64 * 1024;

/// Empty files kept back: the most, and the least of a file system with few inodes.
const SPARES_MOST: u64 = 64;
const SPARES_LEAST: u64 = 16;
/// Inodes that an object takes: its own, and those of new directories.
const INODES: u64 = 2;

/// How much of the reserve an object may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing: it is data.
    Nothing,
    /// All but what the log needs.
    Most,
    /// All.
    All,
}

/// The reserve of one store.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    size: u64,
    /// The directory of the empty files.
    spare: PathBuf,
    /// How many there should be; none where inodes are not counted.
    spares: u64,
}

impl Reserve {
    /// The reserve in the file `path`, whose directory is there, and in the directory `spare`
    /// beside it. Nothing is reserved yet.
    pub fn new(disk: &impl Disk, path: PathBuf, spare: PathBuf) -> Self {
        let Space { bytes, inodes, .. } = space_around(disk, &path);
        let spares = (inodes / PART).clamp(SPARES_LEAST, SPARES_MOST);
        let spares = if inodes == 0 { 0 } else { spares };
        Self { path, size: (bytes / PART).clamp(LEAST, MOST), spare, spares }
    }

    /// Makes the reserve whole; `false` if there is no room for that. On a file system that cannot
    /// reserve room, there is no reserve, and that is fine.
    pub fn fill(&self, disk: &impl Disk) -> bool {
        self.fill_room(disk) && self.fill_spares(disk)
    }

    fn fill_spares(&self, disk: &impl Disk) -> bool {
        let made = || {
            let there = match disk.list(&self.spare) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    disk.make_directory(&self.spare).map(|()| 0)
                }
                entries => entries.map(|entries| entries.len()),
            };
            if there? as u64 >= self.spares {
                return Ok(());
            }
            for number in 0..self.spares {
                match disk.create(&self.spare.join(number.to_string())) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
            Ok(())
        };
        self.spares == 0 || !matches!(made(), Err(error) if is_full(&error))
    }

    /// Whether inodes are what there is none of.
    fn is_out_of_inodes(&self, disk: &impl Disk) -> bool {
        let space = space_around(disk, &self.path);
        self.spares > 0 && space.inodes > 0 && space.free_inodes < INODES
    }

    /// Gives up as many empty files as an object takes, down to `floor`.
    fn give_spares(&self, disk: &impl Disk, floor: u64) -> io::Result<bool> {
        let there = disk.list(&self.spare)?;
        let free = (there.len() as u64).saturating_sub(floor).min(INODES);
        for name in there.iter().take(free as usize) {
            // Somebody else may have taken it.
            let _ = disk.remove_file(&self.spare.join(name));
        }
        disk.sync_directory(&self.spare)?;
        Ok(free > 0)
    }

    fn fill_room(&self, disk: &impl Disk) -> bool {
        let filled = disk.allocate(&self.path, self.size);
        if let Err(error) = &filled {
            tracing::debug!(%error, "no room was reserved in the store");
        }
        !matches!(filled, Err(error) if is_full(&error))
    }

    /// Gives up what an object of `size` bytes needs; `false` if the claim allows no more.
    pub fn give(&self, disk: &impl Disk, claim: Claim, size: u64) -> bool {
        let part = match claim {
            Claim::Nothing => return false,
            Claim::Most => 4,
            Claim::All => u64::MAX,
        };
        if self.is_out_of_inodes(disk) {
            return self.give_spares(disk, self.spares / part).unwrap_or(false);
        }
        let floor = self.size / part;
        match disk.look(&self.path) {
            Ok(Look::File(length)) if length > floor => {
                let left = length.saturating_sub(size + OVERHEAD).max(floor);
                disk.cut(&self.path, left).is_ok()
            }
            _ => false,
        }
    }
}

/// The file system that a file is on; all zeros if it does not tell.
fn space_around(disk: &impl Disk, path: &Path) -> Space {
    path.parent().and_then(|directory| disk.space(directory).ok()).unwrap_or_default()
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
