//! A store whose clock is the test's, as the engine's is: the file system's is another one.

use std::sync::Arc;

use jiff::Timestamp;
use repo::objects::{ObjectInfo, ObjectStore, StoreError};

use super::Faults;

/// A store that tells the time that a test says; none, where it says nothing.
pub struct Timed {
    pub inner: Arc<dyn ObjectStore>,
    pub faults: Arc<Faults>,
}

impl ObjectStore for Timed {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.put(name, bytes)
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.inner.get(name)
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        self.inner.get_range(name, offset, length)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.inner.list(prefix)
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        self.inner.size(name)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.inner.delete(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.replace(name, bytes)
    }

    fn takes_data(&self) -> Result<(), StoreError> {
        self.inner.takes_data()
    }

    fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(*self.faults.store_time.lock().expect("not poisoned"))
    }
}
