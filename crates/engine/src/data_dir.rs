//! The data directory: made private, and locked for as long as the engine runs.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Only the owner may get in.
const PRIVATE_DIR: u32 = 0o700;
/// Only the owner may read and write.
const PRIVATE_FILE: u32 = 0o600;

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// A directory in it cannot be made or made private.
    #[error("the directory {path} cannot be made private")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The lock file cannot be opened.
    #[error("the lock file {path} cannot be opened")]
    LockFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process holds the lock.
    #[error(
        "another holdfast serve is running on {path}: stop it, or name another directory with --data"
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
}

/// A locked data directory. The lock goes with the process, however it dies.
#[derive(Debug)]
pub(crate) struct DataDir {
    _lock: File,
}

impl DataDir {
    /// Makes `path` and the directories in it, private to the owner, and locks it.
    ///
    /// # Errors
    ///
    /// `InUse` where another process has it; the file system failed.
    pub(crate) fn lock(path: &Path) -> Result<Self, DataDirError> {
        private_dir(path)?;
        for name in ["keys", "stores", "staging", "exports"] {
            private_dir(&path.join(name))?;
        }
        let file = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(PRIVATE_FILE)
            .open(&file)
            .map_err(|source| DataDirError::LockFile { path: file.clone(), source })?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(Errno::WOULDBLOCK) => Err(DataDirError::InUse { path: path.to_owned() }),
            Err(errno) => Err(DataDirError::LockFile { path: file, source: errno.into() }),
        }
    }
}

/// Makes a directory that only its owner can enter; one that is there is made so.
pub(crate) fn private_dir(path: &Path) -> Result<(), DataDirError> {
    let failed = |source| DataDirError::Directory { path: path.to_owned(), source };
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(PRIVATE_DIR).create(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE_DIR)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_on_the_same_directory_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let data = dir.path().join("data");
        let first = DataDir::lock(&data).expect("free");
        assert!(matches!(DataDir::lock(&data), Err(DataDirError::InUse { .. })));
        drop(first);
        DataDir::lock(&data).expect("free again");
        let mode = fs::metadata(&data).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE_DIR);
    }
}
