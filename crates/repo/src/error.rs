//! What can go wrong with a repository, for whoever has to act on it.
//!
//! Failures of the store, of the source and of the restore's target are different variants: they
//! have different culprits.

use std::io;

use format::{FormatError, Kind, SessionId};
use model::point::PointId;

use crate::objects::StoreError;
use crate::source::SourceError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// The store holds no repository.
    #[error("there is no repository in this store")]
    NotARepository,
    /// The store holds a repository already.
    #[error("there is already a repository in this store")]
    AlreadyARepository,
    /// Two stores that should hold one vault hold two.
    #[error("the two stores hold different vaults")]
    OtherVault,
    /// The key does not open the repository.
    #[error("the key does not open this repository")]
    WrongKey,
    /// No slot that this version knows opens, and there is one of a newer kind.
    #[error("'{name}' is a key slot of kind {kind}, which this Holdfast does not know")]
    UnknownKeySlot {
        /// The slot's name in the store.
        name: String,
        /// Its kind.
        kind: u8,
    },
    /// There is no key slot with this id.
    #[error("there is no key slot '{id}'")]
    KeySlotNotFound {
        /// The id asked for.
        id: String,
    },
    /// The slot is the one that was opened: without another key that opens, none would be left.
    #[error("the key slot '{id}' is the one that this key opens")]
    KeySlotInUse {
        /// The slot's id.
        id: String,
    },
    /// A newer Holdfast wrote this object.
    #[error("'{name}' has format version {version}, which this Holdfast does not know")]
    UnsupportedVersion {
        /// The object's name.
        name: String,
        /// The version found.
        version: u8,
    },
    /// There is no such point, or no more.
    #[error("there is no recovery point {point}")]
    PointNotFound {
        /// The point asked for.
        point: PointId,
    },
    /// There is such a point already.
    #[error("there is already a recovery point {point}")]
    PointExists {
        /// The point that was to be written.
        point: PointId,
    },
    /// The point has no disk with this target.
    #[error("recovery point {point} has no disk '{target}'")]
    DiskNotFound {
        /// The point.
        point: PointId,
        /// The target asked for.
        target: String,
    },
    /// Changed extents were given, but no parent point that has the disk.
    #[error("disk '{target}' cannot be written as changes: the parent point does not have it")]
    NoParentDisk {
        /// The disk's target.
        target: String,
    },
    /// Changed extents were given, but the parent's disk has another size.
    #[error(
        "disk '{target}' has {size} bytes, but {parent_size} in the parent point: read it in full"
    )]
    ParentDiskDiffers {
        /// The disk's target.
        target: String,
        /// Its size, in bytes.
        size: u64,
        /// Its size in the parent point, in bytes.
        parent_size: u64,
    },
    /// An object is damaged or missing.
    #[error("{kind} '{name}' is damaged: {reason}")]
    Damaged {
        /// What the object is.
        kind: Kind,
        /// Its name in the store.
        name: String,
        /// What was found.
        reason: String,
    },
    /// A part of the content is in no object that the repository knows.
    #[error("{what} is in no pack of the repository: an index or a pack is lost")]
    Lost {
        /// Which part.
        what: String,
    },
    /// The log has entries that cannot be read, so nothing may be collected or built on.
    #[error("log entry {number} cannot be read; until it is repaired, {refused}")]
    LogDamaged {
        /// The first such entry.
        number: u64,
        /// What is refused.
        refused: &'static str,
    },
    /// The store has no room left.
    #[error("the store is full")]
    StoreFull {
        /// What the store said.
        source: StoreError,
    },
    /// The store failed.
    #[error("the store failed")]
    Store {
        /// What the store said.
        source: StoreError,
    },
    /// Sealed data did not open, decompress or compare again before it was stored: this machine's
    /// memory or processor cannot be trusted.
    #[error("data that was just sealed does not read back; this machine is not to be trusted")]
    VerifyFailed,
    /// The progress port asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The source of a backup failed.
    #[error("the source of disk '{target}' failed")]
    Source {
        /// The disk's target.
        target: String,
        /// What the source said.
        source: SourceError,
    },
    /// The target of a restore failed.
    #[error("the restored disk cannot be written")]
    Target {
        /// What it said.
        source: io::Error,
    },
    /// Somebody decided that this writer is dead, or it has already ended.
    #[error("the session {session} is over")]
    SessionOver {
        /// The writer's session.
        session: SessionId,
    },
    /// Others kept writing the log faster than this.
    #[error("the log was contended for {attempts} attempts")]
    LogContention {
        /// How often it was tried.
        attempts: u32,
    },
    /// The local cache of the index cannot be read, also after it was built anew.
    #[error("the local cache of the index cannot be used; give it another directory, or none")]
    IndexCache {
        /// What its file system said, or what was found.
        source: io::Error,
    },
    /// The store answered neither to the commit of a point nor to the question what became of it.
    #[error(
        "the store gave no answer to the commit of recovery point {point}: it may exist, or come \
         to exist until the session {session} is fenced"
    )]
    Unsettled {
        /// The point.
        point: PointId,
        /// The writer's session; it is open if and only if the point does not exist.
        session: SessionId,
    },
    /// The caller gave what cannot be stored.
    #[error("{what}")]
    Input {
        /// What is wrong, in a sentence.
        what: String,
    },
}

impl From<StoreError> for RepoError {
    fn from(source: StoreError) -> Self {
        if matches!(source, StoreError::Full { .. }) {
            Self::StoreFull { source }
        } else {
            Self::Store { source }
        }
    }
}

impl RepoError {
    /// The object `name` of `kind` could not be decoded.
    pub(crate) fn damaged(kind: Kind, name: &str, error: &FormatError) -> Self {
        match error {
            FormatError::Version { version } => {
                Self::UnsupportedVersion { name: name.to_owned(), version: *version }
            }
            error => Self::Damaged { kind, name: name.to_owned(), reason: error.to_string() },
        }
    }

    /// The object `name` of `kind`, which must be there, could not be got: damage if the object is
    /// to blame, else a failure of the store.
    pub(crate) fn unreadable(kind: Kind, name: &str, error: StoreError) -> Self {
        match error {
            StoreError::NotFound { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Range { .. } => {
                let reason = match error {
                    StoreError::NotFound { .. } => "it is missing",
                    StoreError::TooLarge { .. } => "it is too large",
                    _ => "it is cut short",
                };
                Self::Damaged { kind, name: name.to_owned(), reason: reason.to_owned() }
            }
            error => error.into(),
        }
    }

    /// Whether an object is to blame, and other objects may still be read.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Lost { .. })
    }

    pub(crate) fn input(error: &FormatError) -> Self {
        Self::Input { what: error.to_string() }
    }
}
