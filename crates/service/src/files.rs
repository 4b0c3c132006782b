//! The service's own files in the data directory: readable by their owner only, at every instant,
//! and either the old or the new one whatever happens while they are written.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Only the owner may read and write.
const PRIVATE: u32 = 0o600;
/// The longest of these files that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why one of the service's files could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("{path} cannot be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What it holds is not what it should hold.
    #[error(
        "{path} does not hold {expected}; put it back from a copy, or remove it to get a new one"
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
}

/// The file's bytes, or `None` where there is none. One that others could read is made private.
///
/// # Errors
///
/// The file is there but cannot be read, or is longer than any file of this service.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    file.set_permissions(Permissions::from_mode(PRIVATE)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(Some(bytes))
}

/// Writes a file durably: beside its place first, private from its first byte, then into it.
///
/// # Errors
///
/// The file system failed; the old file, if any, is as it was.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    try_write(path, bytes).map_err(|source| FileError::Write { path: path.to_owned(), source })
}

fn try_write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_added_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_private_whatever_lay_in_its_place() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret.json");
        assert!(read(&path).expect("nothing is no error").is_none());

        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
        fs::write(dir.path().join("secret.json.new"), "left by a crash").expect("written");
        write(&path, b"new").expect("written");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(read(&path).expect("readable").as_deref(), Some(&b"new"[..]));
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
    }

    #[test]
    fn a_file_that_others_could_read_is_made_private_when_it_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret.json");
        fs::write(&path, "x").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
        read(&path).expect("readable");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_file_longer_than_any_of_ours_is_not_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret.json");
        let file = File::create(&path).expect("made");
        file.set_len(MAX_BYTES + 1).expect("sparse");
        assert!(read(&path).is_err());
    }
}
