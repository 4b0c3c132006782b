//! Room kept back, so that a full file system still allows what makes room.
//!
//! A file of allocated blocks lies beside the objects. Data is taken only while it is whole.
//! Entries of the log may use all of its room up, indexes (which a collector writes anew) all but a
//! quarter; each takes little more than it needs, so that others at work find nothing to grab.
//! Where room is made, the reserve is filled up first.
//!
//! A file system can also run out of inodes. Where it has a fixed number of them, empty files are
//! kept back in the same way.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

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
    pub fn new(path: PathBuf, spare: PathBuf) -> Self {
        let parent = path.parent().and_then(|parent| statvfs(parent).ok());
        let (whole, inodes) =
            parent.map_or((0, 0), |fs| (fs.f_blocks.saturating_mul(fs.f_frsize), fs.f_files));
        let spares = (inodes / PART).clamp(SPARES_LEAST, SPARES_MOST);
        let spares = if inodes == 0 { 0 } else { spares };
        Self { path, size: (whole / PART).clamp(LEAST, MOST), spare, spares }
    }

    /// Makes the reserve whole; `false` if there is no room for that. On a file system that cannot
    /// reserve room, there is no reserve, and that is fine.
    pub fn fill(&self) -> bool {
        self.fill_room() && self.fill_spares()
    }

    fn fill_spares(&self) -> bool {
        let made = || {
            let there = match fs::read_dir(&self.spare) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    DirBuilder::new().mode(0o700).create(&self.spare).map(|()| 0)
                }
                entries => entries.map(Iterator::count),
            };
            if there? as u64 >= self.spares {
                return Ok(());
            }
            for number in 0..self.spares {
                let mut new = OpenOptions::new();
                new.write(true).create_new(true).mode(0o600);
                match new.open(self.spare.join(number.to_string())) {
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
    fn is_out_of_inodes(&self) -> bool {
        let parent = self.path.parent().and_then(|parent| statvfs(parent).ok());
        self.spares > 0 && parent.is_some_and(|fs| fs.f_ffree < INODES)
    }

    /// Gives up as many empty files as an object takes, down to `floor`.
    fn give_spares(&self, floor: u64) -> io::Result<bool> {
        let there: Vec<_> = fs::read_dir(&self.spare)?.collect::<io::Result<_>>()?;
        let free = (there.len() as u64).saturating_sub(floor).min(INODES);
        for entry in there.iter().take(free as usize) {
            // Somebody else may have taken it.
            let _ = fs::remove_file(entry.path());
        }
        sync(&self.spare)?;
        Ok(free > 0)
    }

    fn fill_room(&self) -> bool {
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
        let part = match claim {
            Claim::Nothing => return false,
            Claim::Most => 4,
            Claim::All => u64::MAX,
        };
        if self.is_out_of_inodes() {
            return self.give_spares(self.spares / part).unwrap_or(false);
        }
        let floor = self.size / part;
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

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
