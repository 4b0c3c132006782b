//! Where the index keeps its files: the vault's cache directory, or files without a name.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use format::id::hex;
use format::seal::CacheKey;
use model::seed::Seed;

use crate::unnamed;

/// The id of a file of the index: random, in every page of it.
pub(super) type FileId = [u8; 16];

/// Makes files for the index of one vault.
pub(crate) struct Scratch {
    /// The directory that outlives the process, if there is one.
    directory: Option<PathBuf>,
    pub(super) key: CacheKey,
    pub(super) vault: [u8; 16],
    seed: Arc<dyn Seed>,
}

impl Scratch {
    pub fn new(
        directory: Option<PathBuf>,
        key: CacheKey,
        vault: [u8; 16],
        seed: Arc<dyn Seed>,
    ) -> Self {
        Self { directory, key, vault, seed }
    }

    /// The same, but for what ends with the process.
    pub fn without_directory(&self) -> Self {
        Self {
            directory: None,
            key: self.key.clone(),
            vault: self.vault,
            seed: Arc::clone(&self.seed),
        }
    }

    /// The cache directory.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    pub(super) fn random(&self) -> FileId {
        let mut id = [0; 16];
        self.seed.fill(&mut id);
        id
    }

    /// A new file, mode 0600, that nobody else sees and that goes with its last descriptor. In the
    /// cache directory, which is made if it is missing, it may get a name by [`Self::link`].
    pub(super) fn create(&self) -> io::Result<File> {
        let Some(directory) = &self.directory else {
            // What is kept for long or is large belongs there: /tmp may be memory.
            let large = Path::new("/var/tmp");
            return anonymous(large, self.random())
                .or_else(|_| anonymous(&std::env::temp_dir(), self.random()));
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        anonymous(directory, self.random())
    }

    /// Gives a file of [`Self::create`] a name in the cache directory.
    pub(super) fn link(&self, file: &File, name: &str) -> io::Result<()> {
        let directory = self.directory.as_ref().ok_or(io::ErrorKind::NotFound)?;
        unnamed::link(file, &directory.join(name))
    }
}

fn anonymous(directory: &Path, random: FileId) -> io::Result<File> {
    match unnamed::create(directory) {
        Ok(file) => Ok(file),
        // Not every file system can.
        Err(_) => {
            let path = directory.join(format!("holdfast-{}.tmp", hex(&random)));
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        }
    }
}
