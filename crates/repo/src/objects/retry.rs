//! Tries again what a store did not do, for a bounded time. The one place where that is decided.
//!
//! # What a put that is tried again may find
//!
//! A put whose answer got lost may have happened, may happen later, or never. The next try then
//! either creates the object, or is told that it exists. The second is the writer's own object if
//! and only if it has the writer's bytes: names of packs, indexes and manifests are random and
//! never used twice, and log entries, which others do race for, are sealed with random salt. So
//! the object is read back and compared, and only after a try without an answer: who is told
//! `AlreadyExists` at once has lost to somebody else.
//!
//! A try that reaches the store late, when all is over, finds its object and changes nothing, or
//! creates what nobody refers to. A late delete can only meet a name that is never used again.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use model::seed::Seed;

use super::{ObjectInfo, ObjectStore, StoreError};

/// How long a store is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often at most. A try that timed out counts for four: it took its time.
    pub tries: u32,
    /// The pause after the first try; each later one is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Patience {
    /// Nine tries in less than half a minute of pauses.
    fn default() -> Self {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(10));
        Self { tries: 9, first, longest }
    }
}

impl Patience {
    /// The pause after try number `number` (from 1): doubled each time, and a random part of up to
    /// a half less, so that many writers that were told to slow down do not come back together.
    pub fn pause(&self, number: u32, random: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << number.saturating_sub(1).min(20));
        let whole = doubled.min(self.longest);
        whole - whole / 2 * (random % 1024) / 1024
    }
}

/// A store that is asked again while it is [`StoreError::Unavailable`].
pub struct Retrying<S> {
    inner: S,
    patience: Patience,
    seed: Arc<dyn Seed>,
}

impl<S: ObjectStore> Retrying<S> {
    /// Tries `inner` with this patience. `seed` draws the random part of pauses.
    pub fn new(inner: S, patience: Patience, seed: Arc<dyn Seed>) -> Self {
        Self { inner, patience, seed }
    }

    /// Asks until there is an answer. `ask` is told whether an answer was missing before.
    fn ask<T>(&self, mut ask: impl FnMut(bool) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut spent = 0;
        let mut number = 0;
        loop {
            number += 1;
            match ask(number > 1) {
                Err(StoreError::Unavailable { operation, name, source }) => {
                    let timed_out = source.kind() == io::ErrorKind::TimedOut;
                    spent += if timed_out { 4 } else { 1 };
                    if spent >= self.patience.tries {
                        return Err(StoreError::Unavailable { operation, name, source });
                    }
                    tracing::warn!(operation, name, %source, number, "the store is tried again");
                    let mut random = [0; 4];
                    self.seed.fill(&mut random);
                    thread::sleep(self.patience.pause(number, u32::from_le_bytes(random)));
                }
                answer => return answer,
            }
        }
    }

    /// Whether the object that is there is the one that this put was to create.
    fn is_own(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        if self.ask(|_| self.inner.size(name))? != bytes.len() as u64 {
            return Ok(false);
        }
        Ok(self.ask(|_| self.inner.get(name))? == bytes)
    }
}

impl<S: ObjectStore> ObjectStore for Retrying<S> {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let mut unsure = false;
        let put = self.ask(|again| {
            unsure = again;
            self.inner.put(name, bytes)
        });
        match put {
            Err(StoreError::AlreadyExists { name }) if unsure => match self.is_own(&name, bytes) {
                Ok(true) => Ok(()),
                Ok(false) => Err(StoreError::AlreadyExists { name }),
                // It was there, and somebody took it away: the writer's session is over.
                Err(StoreError::NotFound { name }) => Err(StoreError::Unavailable {
                    operation: "keep",
                    name,
                    source: io::Error::other("it was deleted as soon as it was written"),
                }),
                Err(error) => Err(error),
            },
            answer => answer,
        }
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.ask(|_| self.inner.get(name))
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        self.ask(|_| self.inner.get_range(name, offset, length))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.ask(|_| self.inner.list(prefix))
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        self.ask(|_| self.inner.size(name))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.ask(|_| self.inner.delete(name))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        // Twice is as good as once: the bytes are the same.
        self.ask(|_| self.inner.replace(name, bytes))
    }

    fn takes_data(&self) -> Result<(), StoreError> {
        self.inner.takes_data()
    }

    fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.ask(|_| self.inner.time())
    }
}
