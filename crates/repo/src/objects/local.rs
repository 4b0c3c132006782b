//! A store in a directory.
//!
//! # Invariants
//!
//! - An object appears whole or not at all: it is written and synced under `.tmp/`, then renamed
//!   without replacing (a repair replaces), then its directory is synced.
//! - A put that succeeded outlives a power cut: so does every directory on the way to it, whoever
//!   made it. Where a directory could not be synced, nothing is read in it until it can be.
//! - Whoever writes a temporary file holds a lock on it (`flock`, gone with the process), so that
//!   another process can tell debris from work in progress. The lock protects nothing else.
//! - A full file system still allows what makes room: see [`reserve`].
//! - Only regular files are objects. What else lies under an object's name cannot make a reader
//!   wait.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use format::header::OBJECT_MAX;
use format::names;
use jiff::Timestamp;

pub use self::disk::{Disk, Look, Space, SystemDisk};
use self::reserve::{Claim, Reserve, is_full};
use super::{ObjectInfo, ObjectStore, StoreError, check_name};

mod direct;
mod disk;
mod reserve;

const TEMPORARY: &str = ".tmp";
const RESERVE_FILE: &str = ".reserve";
const SPARE_FILES: &str = ".spare";
/// How often a put starts anew because its temporary file or directory was taken away.
const PUT_ATTEMPTS: u32 = 8;
/// How many directories are remembered as durable; forgetting them costs a sync each.
const DURABLE_MAX: usize = 1024;

/// How an object gets its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// It is the first of that name.
    New,
    /// It takes the place of the one there is.
    Replaces,
}

/// A store in a directory of a local file system.
#[derive(Debug)]
pub struct LocalDir<D: Disk = SystemDisk> {
    disk: D,
    root: PathBuf,
    counter: AtomicU64,
    reserve: Reserve,
    /// Directories whose own names are known to be durable.
    durable: Mutex<HashSet<PathBuf>>,
    /// Directories that were written to and could not be synced.
    unsynced: Mutex<HashSet<PathBuf>>,
}

impl LocalDir {
    /// Opens the store in the directory `root`, makes it (mode 0700) where there is none, and
    /// removes what dead processes left behind.
    ///
    /// # Errors
    ///
    /// The directory cannot be made or used.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::open_on(SystemDisk::default(), root)
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
}

impl<D: Disk> LocalDir<D> {
    /// As [`Self::open`], on a disk of the caller's.
    ///
    /// # Errors
    ///
    /// The directory cannot be made or used.
    pub fn open_on(disk: D, root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        let open = |error| failed("open", &root.to_string_lossy(), error);
        make_root(&disk, &root).map_err(open)?;
        let reserve = Reserve::new(&disk, root.join(RESERVE_FILE), root.join(SPARE_FILES));
        let (counter, durable, unsynced) = Default::default();
        let store = Self { disk, root: root.clone(), counter, reserve, durable, unsynced };
        let cleaned = store.make_directory(&root.join(TEMPORARY));
        cleaned.and_then(|()| store.remove_debris()).map_err(open)?;
        store.reserve.fill(&store.disk);
        Ok(store)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of an object, in a directory that holds what it seems to hold.
    fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        check_name(name)?;
        let path = self.root.join(name);
        let directory = parent(&path);
        let mut unsynced = lock(&self.unsynced);
        if unsynced.contains(directory) {
            self.disk.sync_directory(directory).map_err(|error| failed("sync", name, error))?;
            unsynced.remove(directory);
        }
        Ok(path)
    }

    /// Writes and syncs a locked temporary file.
    fn write_temporary(&self, bytes: &[u8]) -> io::Result<(PathBuf, D::File)> {
        loop {
            let number = self.counter.fetch_add(1, Ordering::Relaxed);
            let path = self.root.join(TEMPORARY).join(format!("{}-{number}", std::process::id()));
            let file = match self.disk.create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created?,
            };
            let written = self
                .disk
                .lock(&file)
                .and_then(|()| self.disk.write(&file, bytes))
                .and_then(|()| self.disk.sync(&file));
            if let Err(error) = written {
                let _ = self.disk.remove_file(&path);
                return Err(error);
            }
            return Ok((path, file));
        }
    }

    /// Publishes an object.
    fn publish(&self, path: &Path, bytes: &[u8], naming: Naming) -> io::Result<()> {
        let directory = parent(path);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (temporary, locked) = self.write_temporary(bytes)?;
            let renamed = self.make_directory(directory).and_then(|()| match naming {
                Naming::New => self.disk.rename(&temporary, path),
                Naming::Replaces => self.disk.rename_over(&temporary, path),
            });
            drop(locked);
            let Err(error) = renamed else {
                let synced = self.disk.sync_directory(directory);
                if synced.is_err() {
                    // It can be seen, and may not last.
                    lock(&self.unsynced).insert(directory.to_owned());
                }
                return synced;
            };
            let _ = self.disk.remove_file(&temporary);
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
        naming: Naming,
    ) -> Result<(), StoreError> {
        let claim = match name {
            _ if name.starts_with(names::LOG) => Claim::All,
            _ if name.starts_with(names::INDEXES) => Claim::Most,
            _ => Claim::Nothing,
        };
        if claim == Claim::Nothing && !self.reserve.fill(&self.disk) {
            return Err(StoreError::Full { name: name.to_owned() });
        }
        let size = bytes.len() as u64;
        loop {
            match self.publish(path, bytes, naming) {
                Err(error) if is_full(&error) && self.reserve.give(&self.disk, claim, size) => {}
                created => return created.map_err(|error| failed("write", name, error)),
            }
        }
    }

    /// Makes a directory of the store, and those on the way to it; all of them are durable then.
    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        if directory == self.root {
            return Ok(());
        }
        let above = parent(directory);
        if !lock(&self.durable).contains(above) {
            self.make_directory(above)?;
        }
        match self.disk.make_directory(directory) {
            // Whoever made it may not have come to sync its parent, and never will if it died.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if lock(&self.durable).contains(directory) {
                    return Ok(());
                }
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::NotFound {
                    // Another process removed the one above.
                    lock(&self.durable).remove(above);
                }
                return Err(error);
            }
            Ok(()) => {}
        }
        self.disk.sync_directory(above)?;
        let mut durable = lock(&self.durable);
        if durable.len() >= DURABLE_MAX {
            durable.clear();
        }
        durable.insert(directory.to_owned());
        Ok(())
    }

    /// Removes temporary files that no living process has locked.
    fn remove_debris(&self) -> io::Result<()> {
        let temporary = self.root.join(TEMPORARY);
        for name in self.disk.list(&temporary)? {
            let path = temporary.join(name);
            let Ok((file, _)) = self.disk.open(&path) else { continue };
            if self.disk.try_lock(&file) {
                let _ = self.disk.remove_file(&path);
            }
        }
        Ok(())
    }

    fn list_directory(&self, name: &str, found: &mut Vec<ObjectInfo>) -> io::Result<()> {
        let directory = self.root.join(name);
        let entries = match self.disk.list(&directory) {
            Err(error) if is_no_directory(&error) => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let Ok(part) = entry.into_string() else { continue };
            let path = directory.join(&part);
            let name = if name.is_empty() { part } else { format!("{name}/{part}") };
            if check_name(&name).is_err() {
                continue;
            }
            match self.disk.look(&path) {
                Ok(Look::Directory) => self.list_directory(&name, found)?,
                Ok(Look::File(size)) => found.push(ObjectInfo { name, size }),
                Ok(Look::Other) => {}
                // Deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<D: Disk> ObjectStore for LocalDir<D> {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name)?;
        match self.disk.look(&path) {
            Ok(_) => return Err(StoreError::AlreadyExists { name: name.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look for", name, error)),
        }
        self.write(name, &path, bytes, Naming::New)
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.path(name)?;
        let read = |error| failed("read", name, error);
        let (file, size) = self.disk.open(&path).map_err(read)?;
        if size > OBJECT_MAX {
            return Err(StoreError::TooLarge { name: name.to_owned(), size });
        }
        let mut bytes = vec![0; size as usize];
        self.disk.read(&file, &mut bytes, 0).map_err(read)?;
        Ok(bytes)
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(name)?;
        let read = |error| failed("read", name, error);
        let (file, size) = self.disk.open(&path).map_err(read)?;
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(StoreError::Range { name: name.to_owned() });
        }
        let mut bytes = vec![0; length as usize];
        self.disk.read(&file, &mut bytes, offset).map_err(read)?;
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
        let (_, size) = self.disk.open(&path).map_err(|error| failed("find", name, error))?;
        Ok(size)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name)?;
        match self.disk.remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(|error| failed("delete", name, error))?,
        }
        let directory = parent(&path);
        self.disk.sync_directory(directory).map_err(|error| failed("delete", name, error))?;
        if name.matches('/').count() > 1 {
            // A session's directory goes with its last object; it may well not be the last.
            if self.disk.remove_directory(directory).is_ok() {
                lock(&self.durable).remove(directory);
            }
        }
        self.reserve.fill(&self.disk);
        Ok(())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name)?;
        self.disk.open(&path).map_err(|error| failed("replace", name, error))?;
        self.write(name, &path, bytes, Naming::Replaces)
    }

    fn takes_data(&self) -> Result<(), StoreError> {
        if self.reserve.fill(&self.disk) {
            Ok(())
        } else {
            Err(StoreError::Full { name: self.root.to_string_lossy().into_owned() })
        }
    }

    /// When a file that is written now was written, says whoever keeps the files: on a network file
    /// system another machine, with a clock of its own.
    fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        let told = self.write_temporary(b"what time is it?").and_then(|(path, file)| {
            let written = self.disk.written_at(&file);
            self.disk.remove_file(&path)?;
            written
        });
        let root = self.root.to_string_lossy();
        match told {
            Ok(at) => Ok(at),
            Err(error) if is_full(&error) => Ok(None),
            Err(error) => Err(failed("ask the time of", &root, error)),
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("nothing panics while it holds the set")
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("a name has a directory before it")
}

/// Makes the store's own directory and those above that are missing.
fn make_root(disk: &impl Disk, directory: &Path) -> io::Result<()> {
    let above = directory.parent();
    match disk.make_directory(directory) {
        Ok(()) => {
            let Some(above) = above else { return Ok(()) };
            sync_above(disk, above);
            disk.sync_directory(above)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            sync_above(disk, directory);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(above) = above else { return Err(error) };
            make_root(disk, above)?;
            make_root(disk, directory)
        }
        Err(error) => Err(error),
    }
}

/// Makes the name of a directory durable that somebody else made: he may have died before he came
/// to it. Where it was there for long, what is above it need not be ours to open.
fn sync_above(disk: &impl Disk, directory: &Path) {
    if let Some(Err(error)) = directory.parent().map(|above| disk.sync_directory(above)) {
        let directory = directory.display();
        tracing::debug!(%directory, %error, "the directory above was not synced");
    }
}

/// There is nothing of that name, or an object: nothing lies under it.
fn is_no_directory(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
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
