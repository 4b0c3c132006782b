//! A key file is replaced by a new one of the same name, so that whoever reads it, such as a
//! service at its next start, finds the one that opens.
//!
//! # Steps
//!
//! 1. The new key is written beside the file, as `FILE.next`, with the id of the old slot.
//! 2. Its slot is stored, read back and opened.
//! 3. `FILE.next` is renamed to `FILE`.
//! 4. The old slot is removed.
//!
//! Each is durable before the next. Whatever interrupts them, the key in `FILE` opens. Done again,
//! they go on with a `FILE.next` that opens, and replace one that does not; and they remove the
//! slot that `FILE` names, if it is left.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use format::keyslot::{Kek, Key, stretch};
use model::seed::Seed;

use super::{KeyFileError, KeyRing, Secret, generate, read_text, write_text};
use crate::error::RepoError;
use crate::objects::ObjectStore;

/// Begins the line of a key file that names the slot in whose place its own is. Readers skip it.
const REPLACES: &str = "# In the place of slot ";

/// Why a key file could not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The file, or the new one beside it.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The repository.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// Replaces the key in the file `path`, and its slot in `store`; the slots opened with the new one.
///
/// # Errors
///
/// The file cannot be read or replaced, its key does not open the repository, or the store failed.
/// The key in the file opens also then.
pub fn rotate_key_file(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    seed: &Arc<dyn Seed>,
) -> Result<KeyRing, RotateError> {
    // Of a link, what it points to is replaced, not the link.
    let path = fs::canonicalize(path)
        .map_err(|source| KeyFileError::Read { path: path.to_owned(), source })?;
    let open =
        |kek: &Kek| KeyRing::open(Arc::clone(store), &Key::File(kek.clone()), Arc::clone(seed));
    let (kek, text) = read_text(&path)?;
    let old = open(&kek)?;
    finish(&old, &text)?;
    let next = beside(&path);
    let new = match left_over(&next)? {
        Some(kek) if open(&kek).is_ok_and(|ring| ring.own() != old.own()) => kek,
        left => {
            if left.is_some() {
                let gone = fs::remove_file(&next);
                gone.map_err(|source| KeyFileError::Write { path: next.clone(), source })?;
            }
            let kek = generate(seed.as_ref());
            let mut text = kek.to_key_file();
            text.extend([REPLACES, old.own(), "\n"]);
            write_text(&next, &text)?;
            old.add(&Key::File(kek.clone()), &stretch([0; 16]))?;
            kek
        }
    };
    let ring = open(&new)?;
    replace(&next, &path).map_err(|source| KeyFileError::Write { path, source })?;
    ring.remove(old.own())?;
    Ok(ring)
}

/// Removes the slot that an earlier rotation left, which the text of the key file names.
fn finish(ring: &KeyRing, text: &Secret) -> Result<(), RepoError> {
    let named = text.lines().find_map(|line| line.strip_prefix(REPLACES));
    match named.map(|id| ring.remove(id.trim())) {
        // The slot that opens now is named by nobody but somebody's own hand.
        None | Some(Err(RepoError::KeySlotNotFound { .. } | RepoError::KeySlotInUse { .. })) => {
            Ok(())
        }
        Some(removed) => removed,
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    name.into()
}

/// The key that an interrupted rotation left. What is no key file is not ours to remove.
fn left_over(next: &Path) -> Result<Option<Kek>, KeyFileError> {
    match read_text(next) {
        Ok((kek, _)) => Ok(Some(kek)),
        Err(KeyFileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Puts `next` in the place of `path`, durably, as a file of the same owner.
fn replace(next: &Path, path: &Path) -> io::Result<()> {
    let (owner, file) = (fs::metadata(path)?, File::open(next)?);
    let mine = file.metadata()?;
    if (mine.uid(), mine.gid()) != (owner.uid(), owner.gid()) {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    fs::rename(next, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
