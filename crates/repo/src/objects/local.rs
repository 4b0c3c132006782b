//! A store in a directory.
//!
//! # Invariants
//!
//! - An object appears whole or not at all: it is written and synced under `.tmp/`, then renamed
//!   without replacing (a repair replaces), then its directory is synced.
//! - Whoever writes a temporary file holds a lock on it (`flock`, gone with the process), so that
//!   another process can tell debris from work in progress. The lock protects nothing else.
//! - A full file system still allows what makes room: see [`reserve`].
//! - Only regular files are objects. What else lies under an object's name cannot make a reader
//!   wait.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use format::header::OBJECT_MAX;
use format::names;
use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags};
use rustix::io::Errno;

use self::direct::Writer;
use self::reserve::{Claim, Reserve, is_full};
use super::{ObjectInfo, ObjectStore, StoreError, check_name};

mod direct;
mod reserve;

const TEMPORARY: &str = ".tmp";
const RESERVE_FILE: &str = ".reserve";
const SPARE_FILES: &str = ".spare";
/// How often a put starts anew because its temporary file or directory was taken away.
const PUT_ATTEMPTS: u32 = 8;

/// A store in a directory of a local file system.
#[derive(Debug)]
pub struct LocalDir {
    root: PathBuf,
    counter: AtomicU64,
    writer: Writer,
    reserve: Reserve,
}

impl LocalDir {
    /// Opens the store in the directory `root`, makes it (mode 0700) where there is none, and
    /// removes what dead processes left behind.
    ///
    /// # Errors
    ///
    /// The directory cannot be made or used.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        let temporary = root.join(TEMPORARY);
        // A process that died may have made a directory, and not come to sync its parent.
        make_directory(&temporary)
            .and_then(|()| remove_debris(&temporary))
            .and_then(|()| sync_directory(&root))
            .map_err(|error| failed("open", &root.to_string_lossy(), error))?;
        let reserve = Reserve::new(root.join(RESERVE_FILE), root.join(SPARE_FILES));
        reserve.fill();
        Ok(Self { root, counter: AtomicU64::new(0), writer: Writer::default(), reserve })
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

    /// Writes and syncs a locked temporary file.
    fn write_temporary(&self, bytes: &[u8]) -> io::Result<(PathBuf, File)> {
        loop {
            let number = self.counter.fetch_add(1, Ordering::Relaxed);
            let path = self.root.join(TEMPORARY).join(format!("{}-{number}", std::process::id()));
            let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let file = match created {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created?,
            };
            let written = rustix::fs::flock(&file, FlockOperation::LockExclusive)
                .map_err(io::Error::from)
                .and_then(|()| self.writer.write(&file, bytes))
                .and_then(|()| file.sync_all());
            if let Err(error) = written {
                let _ = fs::remove_file(&path);
                return Err(error);
            }
            return Ok((path, file));
        }
    }

    /// Publishes an object; `flags` say whether it may take another one's place.
    fn publish(&self, path: &Path, bytes: &[u8], flags: RenameFlags) -> io::Result<()> {
        let directory = path.parent().expect("a name has a directory before it");
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (temporary, lock) = self.write_temporary(bytes)?;
            let renamed = make_directory(directory)
                .and_then(|()| Ok(rustix::fs::renameat_with(CWD, &temporary, CWD, path, flags)?));
            drop(lock);
            let Err(error) = renamed else { return sync_directory(directory) };
            let _ = fs::remove_file(&temporary);
            // Another process took the temporary file for debris before it was locked, or removed
            // the empty directory: both only ever once in a while.
            if error.kind() != io::ErrorKind::NotFound || attempts == PUT_ATTEMPTS {
                return Err(error);
            }
        }
    }

    /// Publishes an object, with the room that its kind may claim.
    fn write(
        &self,
        name: &str,
        path: &Path,
        bytes: &[u8],
        flags: RenameFlags,
    ) -> Result<(), StoreError> {
        let claim = match name {
            _ if name.starts_with(names::LOG) => Claim::All,
            _ if name.starts_with(names::INDEXES) => Claim::Most,
            _ => Claim::Nothing,
        };
        if claim == Claim::Nothing && !self.reserve.fill() {
            return Err(StoreError::Full { name: name.to_owned() });
        }
        loop {
            match self.publish(path, bytes, flags) {
                Err(error) if is_full(&error) && self.reserve.give(claim, bytes.len() as u64) => {}
                created => return created.map_err(|error| failed("write", name, error)),
            }
        }
    }

    fn list_directory(&self, name: &str, found: &mut Vec<ObjectInfo>) -> io::Result<()> {
        let entries = match fs::read_dir(self.root.join(name)) {
            Err(error) if is_no_directory(&error) => return Ok(()),
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
        self.write(name, &path, bytes, RenameFlags::NOREPLACE)
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.path(name)?;
        let (size, file) = open_object(&path).map_err(|error| failed("read", name, error))?;
        if size > OBJECT_MAX {
            return Err(StoreError::TooLarge { name: name.to_owned(), size });
        }
        let mut bytes = vec![0; size as usize];
        file.read_exact_at(&mut bytes, 0).map_err(|error| failed("read", name, error))?;
        Ok(bytes)
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(name)?;
        let (size, file) = open_object(&path).map_err(|error| failed("read", name, error))?;
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
        let path = self.path(name)?;
        let (size, _) = open_object(&path).map_err(|error| failed("find", name, error))?;
        Ok(size)
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
        self.reserve.fill();
        Ok(())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name)?;
        open_object(&path).map_err(|error| failed("replace", name, error))?;
        self.write(name, &path, bytes, RenameFlags::empty())
    }

    fn takes_data(&self) -> Result<(), StoreError> {
        if self.reserve.fill() {
            Ok(())
        } else {
            Err(StoreError::Full { name: self.root.to_string_lossy().into_owned() })
        }
    }
}

/// There is nothing of that name, or an object: nothing lies under it.
fn is_no_directory(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Opens an object, and gives its size. Something else under that name is no object.
fn open_object(path: &Path) -> io::Result<(u64, File)> {
    // Without waiting, should it be a pipe.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((metadata.len(), file)) } else { Err(Errno::NOENT.into()) }
}

fn failed(operation: &'static str, name: &str, source: io::Error) -> StoreError {
    let name = name.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => StoreError::NotFound { name },
        io::ErrorKind::AlreadyExists => StoreError::AlreadyExists { name },
        _ if is_full(&source) => StoreError::Full { name },
        // Cut short between the look at its size and the read.
        io::ErrorKind::UnexpectedEof => StoreError::Range { name },
        _ => StoreError::Io { operation, name, source },
    }
}

/// Makes the directory and its parents, and syncs each parent that got a new entry.
fn make_directory(directory: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => directory.parent().map_or(Ok(()), sync_directory),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(parent) = directory.parent().filter(|parent| *parent != directory) else {
                return Err(error);
            };
            make_directory(parent)?;
            make_directory(directory)
        }
        Err(error) => Err(error),
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
        let Ok((_, file)) = open_object(&path) else { continue };
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}
