//! The object store port: create-only objects by name. Everything the repository asks of a store.
//!
//! Adapters: [`LocalDir`], [`Memory`] and [`Cloud`] (S3, Azure Blob). Decorators over any of them:
//! [`Retrying`], [`Counting`] and [`Faulty`]. All must pass the one contract suite in
//! `tests/contract`, and `tests/stores.rs` runs it on real servers.
//!
//! A name is one or more parts of `a-z 0-9 . _ -` joined by `/`; no part starts with a dot.

use std::io;

use jiff::Timestamp;

mod cloud;
mod count;
mod fault;
mod local;
mod memory;
mod retry;

pub use cloud::{Cloud, CloudKind, CloudPlace, REQUESTS_MAX};
pub use count::{Call, Counting, Operation, Totals};
pub use fault::{Attempt, Faulty, Mishap};
pub use local::{Disk, LocalDir, Look, Space, SystemDisk};
pub use memory::Memory;
pub use retry::{Patience, Retrying};

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no object of that name.
    #[error("there is no object '{name}'")]
    NotFound {
        /// The object's name.
        name: String,
    },
    /// There is an object of that name already, and it stays as it is.
    #[error("there is already an object '{name}'")]
    AlreadyExists {
        /// The object's name.
        name: String,
    },
    /// The store has no room left, or its quota is used up.
    #[error("the store is full: '{name}' was not written")]
    Full {
        /// The object's name.
        name: String,
    },
    /// The object is larger than any object of a repository.
    #[error("'{name}' has {size} bytes, more than any object of a repository")]
    TooLarge {
        /// The object's name.
        name: String,
        /// Its size, in bytes.
        size: u64,
    },
    /// The object ends before the range that was asked for.
    #[error("'{name}' ends before the range that was asked for")]
    Range {
        /// The object's name.
        name: String,
    },
    /// The name breaks the rule of names.
    #[error("'{name}' is not the name of an object")]
    BadName {
        /// The refused name.
        name: String,
    },
    /// The store did not answer, or was too busy to: it is worth trying again. A put or a delete
    /// may have happened, or may still happen.
    #[error("the store did not {operation} '{name}' in time")]
    Unavailable {
        /// What it was asked to do.
        operation: &'static str,
        /// The object's name, or the prefix of a list.
        name: String,
        /// What came instead of an answer; [`io::ErrorKind::TimedOut`] if nothing did.
        source: io::Error,
    },
    /// The store failed.
    #[error("the store failed to {operation} '{name}'")]
    Io {
        /// What it was asked to do.
        operation: &'static str,
        /// The object's name, or the prefix of a list.
        name: String,
        /// What it answered.
        source: io::Error,
    },
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectInfo {
    /// Its name.
    pub name: String,
    /// Its size, in bytes.
    pub size: u64,
}

/// Keeps objects. Blocking; called from many threads at once.
///
/// An answer of success is durable. After an error that is not [`StoreError::AlreadyExists`], a put
/// may or may not have happened, but never in part: whoever reads finds the whole object or none.
pub trait ObjectStore: Send + Sync {
    /// Creates the object `name`. Never replaces one.
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyExists`] if there is one, also if two create it at once: one of them.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// The bytes of an object.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] above [`format::header::OBJECT_MAX`], before anything is read.
    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError>;

    /// `length` bytes of an object from `offset` on; exactly so many.
    ///
    /// # Errors
    ///
    /// [`StoreError::Range`] if it ends before.
    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError>;

    /// All objects whose names start with `prefix`, by name. What was put before is in it; what was
    /// deleted before is not.
    ///
    /// # Errors
    ///
    /// The store failed.
    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError>;

    /// The size of an object, in bytes.
    ///
    /// # Errors
    ///
    /// As for [`Self::get`].
    fn size(&self, name: &str) -> Result<u64, StoreError>;

    /// Deletes the object, if there is one.
    ///
    /// # Errors
    ///
    /// The store failed.
    fn delete(&self, name: &str) -> Result<(), StoreError>;

    /// Puts `bytes` in the place of the damaged object `name`, in one step: a reader finds the old
    /// bytes or the new ones, whole. For repair alone: the new bytes must be those that the name
    /// stands for since it was first put, and the damaged ones must have been kept elsewhere.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if there is nothing to replace. A store that cannot do it fails
    /// with [`io::ErrorKind::Unsupported`].
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let _ = bytes;
        let (name, source) = (name.to_owned(), io::ErrorKind::Unsupported.into());
        Err(StoreError::Io { operation: "replace", name, source })
    }

    /// Whether the store has room for data now. One that cannot tell says yes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`]: only what makes room should be put.
    fn takes_data(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What the store's own clock says, to hold another one against it. `None` where the store does
    /// not tell.
    ///
    /// # Errors
    ///
    /// The store failed.
    fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }
}

impl<S: ObjectStore + ?Sized> ObjectStore for std::sync::Arc<S> {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        (**self).put(name, bytes)
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        (**self).get(name)
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        (**self).get_range(name, offset, length)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        (**self).list(prefix)
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        (**self).size(name)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        (**self).delete(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        (**self).replace(name, bytes)
    }

    fn takes_data(&self) -> Result<(), StoreError> {
        (**self).takes_data()
    }

    fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        (**self).time()
    }
}

/// Refuses what cannot be the name of an object: above all, anything that could leave a directory.
fn check_name(name: &str) -> Result<(), StoreError> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    let good_part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed);
    if name.len() <= 255 && name.split('/').all(good_part) {
        Ok(())
    } else {
        Err(StoreError::BadName { name: name.to_owned() })
    }
}
