//! A store in a directory.
//!
//! # Invariants
//!
//! - An object appears whole or not at all: it is written and synced under `.tmp/`, then renamed
//!   without replacing, then its directory is synced.
//! - Whoever writes a temporary file holds a lock on it (`flock`, gone with the process), so that
//!   another process can tell debris from work in progress. The lock protects nothing else.
//! - A full file system still allows what makes room: a reserve file of [`RESERVE`] bytes is given
//!   up for the small objects of collection, and taken again when something was deleted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use format::header::OBJECT_MAX;
use format::names;
use rustix::fs::{CWD, FallocateFlags, FlockOperation, RenameFlags};
use rustix::io::Errno;

use super::{ObjectInfo, ObjectStore, StoreError, check_name};

/// What is kept back for collecting in a full file system, in bytes.
const RESERVE: u64 = 4 * 1024 * 1024;
const TEMPORARY: &str = ".tmp";
const RESERVE_FILE: &str = ".reserve";
/// How often a put starts anew because its temporary file or directory was taken away.
const PUT_ATTEMPTS: u32 = 8;

/// A store in a directory of a local file system.
#[derive(Debug)]
pub struct LocalDir {
    root: PathBuf,
    counter: AtomicU64,
}

impl LocalDir {
    /// Opens the store in the directory `root`, makes it (mode 0700) where there is none, and
    /// removes what dead processes left behind.
    ///
    /// # Errors
    ///
    /// The directory cannot be made or used.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Self { root: root.into(), counter: AtomicU64::new(0) };
        let temporary = store.root.join(TEMPORARY);
        store
            .make_directory(&temporary)
            .and_then(|()| remove_debris(&temporary))
            .map_err(|error| failed("open", &store.root.to_string_lossy(), error))?;
        store.take_reserve();
        Ok(store)
    }

    /// Opens the store in the directory `root`, which must be there: for those who only look.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], or the directory cannot be used.
    pub fn open_existing(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        if !root.is_dir() {
            return Err(StoreError::NotFound { name: root.to_string_lossy().into_owned() });
        }
        Self::open(root)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        check_name(name)?;
        Ok(self.root.join(name))
    }

    /// Makes the directory and its parents, and syncs each parent that got a new entry.
    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(directory) {
            Ok(()) => directory.parent().map_or(Ok(()), sync_directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let Some(parent) = directory.parent().filter(|parent| *parent != directory) else {
                    return Err(error);
                };
                self.make_directory(parent)?;
                self.make_directory(directory)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes and syncs a locked temporary file.
    fn write_temporary(&self, bytes: &[u8]) -> io::Result<(PathBuf, File)> {
        loop {
            let number = self.counter.fetch_add(1, Ordering::Relaxed);
            let path = self.root.join(TEMPORARY).join(format!("{}-{number}", std::process::id()));
            let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let mut file = match created {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created?,
            };
            let written = rustix::fs::flock(&file, FlockOperation::LockExclusive)
                .map_err(io::Error::from)
                .and_then(|()| file.write_all(bytes))
                .and_then(|()| file.sync_all());
            if let Err(error) = written {
                let _ = fs::remove_file(&path);
                return Err(error);
            }
            return Ok((path, file));
        }
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let directory = path.parent().expect("a name has a directory before it");
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (temporary, lock) = self.write_temporary(bytes)?;
            self.make_directory(directory)?;
            let renamed =
                rustix::fs::renameat_with(CWD, &temporary, CWD, path, RenameFlags::NOREPLACE);
            drop(lock);
            match renamed {
                Ok(()) => return sync_directory(directory),
                // Another process took the temporary file for debris before it was locked, or
                // removed the empty directory: both only ever once in a while.
                Err(Errno::NOENT) if attempts < PUT_ATTEMPTS => {}
                Err(error) => {
                    let _ = fs::remove_file(&temporary);
                    return Err(error.into());
                }
            }
        }
    }

    /// Reserves room for collecting, if there is any. Best effort: without it, the store works.
    fn take_reserve(&self) {
        let path = self.root.join(RESERVE_FILE);
        let taken = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .and_then(|file| {
                if file.metadata()?.len() >= RESERVE {
                    return Ok(());
                }
                Ok(rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RESERVE)?)
            });
        if let Err(error) = taken {
            tracing::debug!(%error, "no room was reserved in the store");
        }
    }

    /// Gives the reserve up; whether there was one.
    fn give_reserve(&self) -> bool {
        let file = OpenOptions::new().write(true).open(self.root.join(RESERVE_FILE));
        let Ok(file) = file else { return false };
        let had = file.metadata().is_ok_and(|metadata| metadata.len() > 0);
        had && file.set_len(0).is_ok()
    }

    fn list_directory(&self, name: &str, found: &mut Vec<ObjectInfo>) -> io::Result<()> {
        let entries = match fs::read_dir(self.root.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(part) = entry.file_name().into_string() else { continue };
            let name = if name.is_empty() { part } else { format!("{name}/{part}") };
            if check_name(&name).is_err() {
                continue;
            }
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => self.list_directory(&name, found)?,
                Ok(metadata) if metadata.is_file() => {
                    found.push(ObjectInfo { name, size: metadata.len() });
                }
                Ok(_) => {}
                // Deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl ObjectStore for LocalDir {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name)?;
        if path.try_exists().map_err(|error| failed("look for", name, error))? {
            return Err(StoreError::AlreadyExists { name: name.to_owned() });
        }
        let created = self.create(&path, bytes).map_err(|error| failed("write", name, error));
        let makes_room = name.starts_with(names::LOG) || name.starts_with(names::INDEXES);
        match created {
            Err(StoreError::Full { .. }) if makes_room && self.give_reserve() => {
                self.create(&path, bytes).map_err(|error| failed("write", name, error))
            }
            created => created,
        }
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.path(name)?;
        let open = || File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = open().map_err(|error| failed("read", name, error))?;
        if size > OBJECT_MAX {
            return Err(StoreError::TooLarge { name: name.to_owned(), size });
        }
        let mut bytes = vec![0; size as usize];
        file.read_exact_at(&mut bytes, 0).map_err(|error| failed("read", name, error))?;
        Ok(bytes)
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(name)?;
        let open = || File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = open().map_err(|error| failed("read", name, error))?;
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(StoreError::Range { name: name.to_owned() });
        }
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, offset).map_err(|error| failed("read", name, error))?;
        Ok(bytes)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let directory = prefix.rsplit_once('/').map_or("", |(directory, _)| directory);
        if !directory.is_empty() {
            check_name(directory)?;
        }
        let mut found = Vec::new();
        self.list_directory(directory, &mut found)
            .map_err(|error| failed("list", prefix, error))?;
        found.retain(|object| object.name.starts_with(prefix));
        found.sort_unstable();
        Ok(found)
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        let metadata = fs::metadata(self.path(name)?);
        metadata.map(|metadata| metadata.len()).map_err(|error| failed("find", name, error))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(|error| failed("delete", name, error))?,
        }
        let directory = path.parent().expect("a name has a directory before it");
        sync_directory(directory).map_err(|error| failed("delete", name, error))?;
        if name.matches('/').count() > 1 {
            // A session's directory goes with its last object; it may well not be the last.
            let _ = fs::remove_dir(directory);
        }
        self.take_reserve();
        Ok(())
    }
}

fn failed(operation: &'static str, name: &str, source: io::Error) -> StoreError {
    let name = name.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => StoreError::NotFound { name },
        io::ErrorKind::AlreadyExists => StoreError::AlreadyExists { name },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { name },
        // Cut short between the look at its size and the read.
        io::ErrorKind::UnexpectedEof => StoreError::Range { name },
        _ => StoreError::Io { operation, name, source },
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    // The parent of a relative name is empty, and means the current directory.
    let here = directory.as_os_str().is_empty();
    File::open(if here { Path::new(".") } else { directory })?.sync_all()
}

/// Removes temporary files that no living process has locked.
fn remove_debris(temporary: &Path) -> io::Result<()> {
    for entry in fs::read_dir(temporary)? {
        let path = entry?.path();
        let Ok(file) = File::open(&path) else { continue };
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}
