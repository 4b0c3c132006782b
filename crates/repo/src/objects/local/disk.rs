//! The file system, as far as a store in a directory needs one.
//!
//! What outlives a power cut is what was synced, and nothing else: the bytes of a file with
//! [`Disk::sync`], a name with [`Disk::sync_directory`] of the directory it is in. All that a store
//! says is durable rests on these two; `tests/power_cut.rs` takes everything else away.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{
    CWD, FallocateFlags, FlockOperation, OFlags, RenameFlags, fallocate, flock, renameat_with,
    statvfs,
};
use rustix::io::Errno;

use super::direct::Writer;

/// What lies under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A regular file of so many bytes.
    File(u64),
    /// A directory.
    Directory,
    /// Something else, which is no object.
    Other,
}

/// How large a file system is. Zeros where that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// All of it, in bytes.
    pub bytes: u64,
    /// Its inodes; none where they are not counted.
    pub inodes: u64,
    /// Its inodes that are free.
    pub free_inodes: u64,
}

/// A file system. Called from many threads at once.
///
/// Errors are the system's own: [`io::ErrorKind::NotFound`] for what is not there,
/// [`io::ErrorKind::AlreadyExists`], [`io::ErrorKind::StorageFull`],
/// [`io::ErrorKind::QuotaExceeded`], and others.
pub trait Disk: fmt::Debug + Send + Sync {
    /// An open file.
    type File: fmt::Debug + Send + Sync;

    /// Makes one directory, mode 0700.
    ///
    /// # Errors
    ///
    /// There is something of that name, the parent is missing, or the system failed.
    fn make_directory(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, in no order.
    ///
    /// # Errors
    ///
    /// There is none, or the system failed.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;

    /// What lies under a name. Links are not followed.
    ///
    /// # Errors
    ///
    /// There is nothing, or the system failed.
    fn look(&self, path: &Path) -> io::Result<Look>;

    /// Makes an empty file, mode 0600.
    ///
    /// # Errors
    ///
    /// There is something of that name, or the system failed.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens a regular file to read it; and its size, in bytes. Waits for nobody, should it be a
    /// pipe.
    ///
    /// # Errors
    ///
    /// There is none, also if there is something else; or the system failed.
    fn open(&self, path: &Path) -> io::Result<(Self::File, u64)>;

    /// Takes the lock of a file, which goes with the process, and waits for it.
    ///
    /// # Errors
    ///
    /// The system failed.
    fn lock(&self, file: &Self::File) -> io::Result<()>;

    /// Whether nobody else held the lock of a file: then it is taken.
    fn try_lock(&self, file: &Self::File) -> bool;

    /// Writes `bytes` to a new, empty file.
    ///
    /// # Errors
    ///
    /// The system failed; part of them may be written.
    fn write(&self, file: &Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Fills `buffer` with what a file has from `offset` on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if it ends before, or the system failed.
    fn read(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Makes the bytes of a file durable.
    ///
    /// # Errors
    ///
    /// The system failed: nothing is known of the file then.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Makes the names in a directory durable: those that are there, and that others are gone.
    ///
    /// # Errors
    ///
    /// The system failed: nothing is known of the names then.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Gives a file another name, in one step.
    ///
    /// # Errors
    ///
    /// There is something of that name, one of the directories or the file is missing, or the
    /// system failed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file the name of another one, which is gone then, in one step.
    ///
    /// # Errors
    ///
    /// One of the directories or the file is missing, or the system failed.
    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// There is none, or the system failed.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// There is none, something is in it, or the system failed.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// The size of the file system that a directory is on.
    ///
    /// # Errors
    ///
    /// The system failed.
    fn space(&self, directory: &Path) -> io::Result<Space>;

    /// Makes sure that a file has `size` bytes of allocated room; makes it where there is none.
    ///
    /// # Errors
    ///
    /// There is no room, and the file is as it was; or the file system cannot do it.
    fn allocate(&self, path: &Path, size: u64) -> io::Result<()>;

    /// Cuts a file to `size` bytes, durably.
    ///
    /// # Errors
    ///
    /// There is none, or the system failed.
    fn cut(&self, path: &Path, size: u64) -> io::Result<()>;

    /// When a file was last written, by the clock of whoever keeps it. A file system without one
    /// does not tell.
    ///
    /// # Errors
    ///
    /// The system failed.
    fn written_at(&self, file: &Self::File) -> io::Result<Option<Timestamp>> {
        let _ = file;
        Ok(None)
    }
}

/// The operating system's file systems.
#[derive(Debug, Default)]
pub struct SystemDisk {
    writer: Writer,
}

impl Disk for SystemDisk {
    type File = File;

    fn written_at(&self, file: &File) -> io::Result<Option<Timestamp>> {
        Ok(Timestamp::try_from(file.metadata()?.modified()?).ok())
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn look(&self, path: &Path) -> io::Result<Look> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(match metadata.file_type() {
            kind if kind.is_file() => Look::File(metadata.len()),
            kind if kind.is_dir() => Look::Directory,
            _ => Look::Other,
        })
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    fn open(&self, path: &Path) -> io::Result<(File, u64)> {
        let flags = OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() { Ok((file, metadata.len())) } else { Err(Errno::NOENT.into()) }
    }

    fn lock(&self, file: &File) -> io::Result<()> {
        Ok(flock(file, FlockOperation::LockExclusive)?)
    }

    fn try_lock(&self, file: &File) -> bool {
        flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.writer.write(file, bytes)
    }

    fn read(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        file.read_exact_at(buffer, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        // The parent of a relative name is empty, and means the current directory.
        let here = directory.as_os_str().is_empty();
        File::open(if here { Path::new(".") } else { directory })?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn space(&self, directory: &Path) -> io::Result<Space> {
        let found = statvfs(directory)?;
        Ok(Space {
            bytes: found.f_blocks.saturating_mul(found.f_frsize),
            inodes: found.f_files,
            free_inodes: found.f_ffree,
        })
    }

    fn allocate(&self, path: &Path, size: u64) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        // Should it be a pipe, nobody waits for its other end.
        options.custom_flags(OFlags::NONBLOCK.bits() as i32);
        let file = options.open(path)?;
        let before = file.metadata()?;
        if before.len() >= size && before.blocks() * 512 >= size {
            return Ok(());
        }
        let allocated = fallocate(&file, FallocateFlags::empty(), 0, size);
        if let Err(Errno::NOSPC | Errno::DQUOT) = allocated {
            // Part of it may have been allocated: the last room there was.
            file.set_len(before.len())?;
        }
        Ok(allocated?)
    }

    fn cut(&self, path: &Path, size: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(size)?;
        // Some file systems give blocks back only when the change is durable.
        file.sync_all()
    }
}
