//! Room kept back, so that a full file system still allows what makes room.
//!
//! A file of allocated blocks lies beside the objects. Data is taken only while it is whole.
//! Entries of the log may use all of its room up, indexes (which a collector writes anew) all but a
//! quarter; each takes little more than it needs, so that others at work find nothing to grab.
//! Where room is made, the reserve is filled up first.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, OFlags, fallocate, statvfs};
use rustix::io::Errno;

/// The most that is kept back, in bytes: a collector's largest index, and thousands of log entries.
const MOST: u64 = 16 * 1024 * 1024;
/// The least, in bytes.
const LEAST: u64 = 256 * 1024;
/// Of a small file system, this part is kept back.
const PART: u64 = 64;
/// What an object takes beyond its bytes: blocks, and those of new directories.
const OVERHEAD: u64 = 64 * 1024;

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
}

impl Reserve {
    /// The reserve in the file `path`, whose directory is there. Nothing is reserved yet.
    pub fn new(path: PathBuf) -> Self {
        let parent = path.parent().and_then(|parent| statvfs(parent).ok());
        let whole = parent.map_or(0, |fs| fs.f_blocks.saturating_mul(fs.f_frsize));
        Self { path, size: (whole / PART).clamp(LEAST, MOST) }
    }

    /// Makes the reserve whole; `false` if there is no room for that. On a file system that cannot
    /// reserve room, there is no reserve, and that is fine.
    pub fn fill(&self) -> bool {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        // Should it be a pipe, nobody waits for its other end.
        options.custom_flags(OFlags::NONBLOCK.bits() as i32);
        let file = options.open(&self.path);
        let filled = file.and_then(|file| {
            let before = file.metadata()?;
            if before.len() >= self.size && before.blocks() * 512 >= self.size {
                return Ok(());
            }
            let allocated = fallocate(&file, FallocateFlags::empty(), 0, self.size);
            if let Err(Errno::NOSPC | Errno::DQUOT) = allocated {
                // Part of it may have been allocated: the last room there was.
                file.set_len(before.len())?;
            }
            Ok(allocated?)
        });
        if let Err(error) = &filled {
            tracing::debug!(%error, "no room was reserved in the store");
        }
        !matches!(filled, Err(error) if is_full(&error))
    }

    /// Gives up what an object of `size` bytes needs; `false` if the claim allows no more.
    pub fn give(&self, claim: Claim, size: u64) -> bool {
        let floor = match claim {
            Claim::Nothing => return false,
            Claim::Most => self.size / 4,
            Claim::All => 0,
        };
        let give = || {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            let length = file.metadata()?.len();
            if length <= floor {
                return Ok(false);
            }
            file.set_len(length.saturating_sub(size + OVERHEAD).max(floor))?;
            // Some file systems give blocks back only when the change is durable.
            file.sync_all()?;
            Ok::<_, io::Error>(true)
        };
        give().unwrap_or(false)
    }
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
