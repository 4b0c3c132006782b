//! Counts what a store is asked: performance that a test can assert.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;

use super::{ObjectInfo, ObjectStore, StoreError};

/// What a store can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// [`ObjectStore::put`].
    Put,
    /// [`ObjectStore::get`].
    Get,
    /// [`ObjectStore::get_range`].
    GetRange,
    /// [`ObjectStore::list`].
    List,
    /// [`ObjectStore::size`].
    Size,
    /// [`ObjectStore::delete`].
    Delete,
    /// [`ObjectStore::replace`].
    Replace,
}

/// One request that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub operation: Operation,
    /// Of which object, or under which prefix.
    pub name: String,
    /// Bytes put or got.
    pub bytes: u64,
}

/// How many requests of a kind succeeded, and how many bytes they moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests.
    pub requests: u64,
    /// Bytes put or got.
    pub bytes: u64,
}

/// A store that remembers every request that succeeded, in the order of completion.
#[derive(Debug)]
pub struct Counting<S> {
    inner: S,
    calls: Mutex<Vec<Call>>,
}

impl<S: ObjectStore> Counting<S> {
    /// Counts the requests to `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, calls: Mutex::default() }
    }

    /// The store that is counted.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().expect("nothing panics while it holds the list")
    }

    /// The requests since the last time this was asked.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls())
    }

    /// The sums over the requests since the last [`Self::take`].
    pub fn totals(&self) -> BTreeMap<Operation, Totals> {
        let mut totals = BTreeMap::<_, Totals>::new();
        for call in self.calls().iter() {
            let total = totals.entry(call.operation).or_default();
            total.requests += 1;
            total.bytes += call.bytes;
        }
        totals
    }

    fn count<T>(&self, operation: Operation, name: &str, bytes: u64, answer: T) -> T {
        self.calls().push(Call { operation, name: name.to_owned(), bytes });
        answer
    }
}

impl<S: ObjectStore> ObjectStore for Counting<S> {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.put(name, bytes)?;
        self.count(Operation::Put, name, bytes.len() as u64, Ok(()))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let bytes = self.inner.get(name)?;
        self.count(Operation::Get, name, bytes.len() as u64, Ok(bytes))
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let bytes = self.inner.get_range(name, offset, length)?;
        self.count(Operation::GetRange, name, length, Ok(bytes))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let objects = self.inner.list(prefix)?;
        self.count(Operation::List, prefix, 0, Ok(objects))
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        let size = self.inner.size(name)?;
        self.count(Operation::Size, name, 0, Ok(size))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.inner.delete(name)?;
        self.count(Operation::Delete, name, 0, Ok(()))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.replace(name, bytes)?;
        self.count(Operation::Replace, name, bytes.len() as u64, Ok(()))
    }

    fn takes_data(&self) -> Result<(), StoreError> {
        self.inner.takes_data()
    }

    fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.time()
    }
}
