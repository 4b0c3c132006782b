//! Keys of a repository: key files on disk, and the key slots in its store.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use format::FormatError;
use format::keyslot::Kek;
use model::seed::Seed;

use crate::unnamed;

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
    write_text(path, &kek.to_key_file())
}

/// Writes the text of a new key file.
fn write_text(path: &Path, text: &Secret) -> Result<(), KeyFileError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let write = || {
        // Half a key opens nothing, and would stand in the way of a whole one: so the file gets its
        // name when it is whole.
        let whole = unnamed::create(directory).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            unnamed::link(&file, path)
        });
        match whole {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => write_named(path, text)?,
            whole => whole?,
        }
        File::open(directory)?.sync_all()
    };
    write().map_err(|source| KeyFileError::Write { path: path.to_owned(), source })
}

/// The same on a file system without unnamed files.
fn write_named(path: &Path, text: &Secret) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written
}

/// Reads a key file.
///
/// # Errors
///
/// It cannot be read, or is not a key file.
pub fn read_key_file(path: &Path) -> Result<Kek, KeyFileError> {
    read_text(path).map(|(kek, _)| kek)
}

/// Reads a key file: its key, and the text.
fn read_text(path: &Path) -> Result<(Kek, Secret), KeyFileError> {
    let read = || {
        let mut text = Secret::default();
        File::open(path)?.take(KEY_FILE_MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|source| KeyFileError::Read { path: path.to_owned(), source })?;
    match Kek::from_key_file(&text) {
        Ok(kek) => Ok((kek, text)),
        Err(source) => Err(KeyFileError::NotAKeyFile { path: path.to_owned(), source }),
    }
}
