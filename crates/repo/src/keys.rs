//! Keys of a repository: key files on disk, and the key slots in its store.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use format::FormatError;
use format::keyslot::Kek;
use model::seed::Seed;

mod ring;
mod rotate;

pub use format::keyslot::{Key, SlotKind, Stretch, stretch};
pub use ring::{KeyRing, KeySlot};
pub(crate) use ring::{configuration, unlock};
pub use rotate::{RotateError, rotate_key_file};

/// A text that wipes itself: a passphrase.
pub type Secret = format::keyslot::Secret;

/// The most bytes that a key file is read to.
const KEY_FILE_MAX: u64 = 64 * 1024;

/// Why a key file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file could not be made, written or synced. There may be one already.
    #[error("the key file {} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be read.
    #[error("the key file {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a key file.
    #[error("{} is not a key file", path.display())]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FormatError,
    },
}

/// A new key-encrypting key.
pub fn generate(seed: &dyn Seed) -> Kek {
    let mut random = [0; 32];
    seed.fill(&mut random);
    Kek::new(random)
}

/// Writes a new key file, mode 0600, durably. Never replaces a file.
///
/// # Errors
///
/// There is a file already, or the system refuses.
pub fn write_key_file(path: &Path, kek: &Kek) -> Result<(), KeyFileError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let written = file.write_all(kek.to_key_file().as_bytes()).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // Half a key opens nothing, and would stand in the way of a whole one.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|source| KeyFileError::Write { path: path.to_owned(), source })
}

/// Reads a key file.
///
/// # Errors
///
/// It cannot be read, or is not a key file.
pub fn read_key_file(path: &Path) -> Result<Kek, KeyFileError> {
    let read = || {
        let mut text = String::new();
        File::open(path)?.take(KEY_FILE_MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|source| KeyFileError::Read { path: path.to_owned(), source })?;
    Kek::from_key_file(&text)
        .map_err(|source| KeyFileError::NotAKeyFile { path: path.to_owned(), source })
}
