//! Makes a store fail as a script says: for tests of everything that can go wrong.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{ObjectInfo, ObjectStore, Operation, StoreError};

/// A request, before it reaches the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// What is asked.
    pub operation: Operation,
    /// Of which object, or under which prefix.
    pub name: &'a str,
}

/// What happens to a request instead of success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It fails, and nothing is done.
    Fails,
    /// It is done, and yet answered with a failure.
    DoneButFails,
    /// A put finds the store full. Any other request fails.
    Full,
}

/// A store whose requests fail where `script` says so.
pub struct Faulty<S, F> {
    inner: S,
    script: F,
    attempts: AtomicU64,
}

impl<S: ObjectStore, F: Fn(Attempt<'_>) -> Option<Mishap> + Send + Sync> Faulty<S, F> {
    /// Lets `script` decide the fate of every request to `inner`.
    pub const fn new(inner: S, script: F) -> Self {
        Self { inner, script, attempts: AtomicU64::new(0) }
    }

    /// How many requests there were.
    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::SeqCst)
    }

    fn run<T>(
        &self,
        operation: Operation,
        name: &str,
        act: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let number = self.attempts.fetch_add(1, Ordering::SeqCst) + 1;
        let failure = || StoreError::Io {
            operation: "please a test with",
            name: name.to_owned(),
            source: io::Error::other("scripted failure"),
        };
        match (self.script)(Attempt { number, operation, name }) {
            None => act(),
            Some(Mishap::Full) if operation == Operation::Put => {
                Err(StoreError::Full { name: name.to_owned() })
            }
            Some(Mishap::DoneButFails) => act().and_then(|_| Err(failure())),
            Some(Mishap::Fails | Mishap::Full) => Err(failure()),
        }
    }
}

impl<S, F> ObjectStore for Faulty<S, F>
where
    S: ObjectStore,
    F: Fn(Attempt<'_>) -> Option<Mishap> + Send + Sync,
{
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.run(Operation::Put, name, || self.inner.put(name, bytes))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.run(Operation::Get, name, || self.inner.get(name))
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        self.run(Operation::GetRange, name, || self.inner.get_range(name, offset, length))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.run(Operation::List, prefix, || self.inner.list(prefix))
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        self.run(Operation::Size, name, || self.inner.size(name))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.run(Operation::Delete, name, || self.inner.delete(name))
    }

    fn takes_data(&self) -> Result<(), StoreError> {
        self.inner.takes_data()
    }
}
