//! Makes a store fail as a script says: for tests of everything that can go wrong.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

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
    /// Nothing is done: the store asks to slow down.
    Busy,
    /// Nothing is done, and no answer comes.
    TimesOut,
    /// It is done, but the answer gets lost.
    AnswerLost,
    /// No answer comes. A put or a delete is done when [`Faulty::deliver`] says so.
    Late,
    /// A put reaches the store twice; the second answer is the one that is seen.
    Twice,
    /// Half of a put is written, against the port's promise; the answer gets lost.
    Torn,
}

/// A request that is still on its way.
struct OnItsWay {
    name: String,
    /// What it puts; it deletes if there is nothing.
    bytes: Option<Vec<u8>>,
}

/// A store whose requests fail where `script` says so.
pub struct Faulty<S, F> {
    inner: S,
    script: F,
    attempts: AtomicU64,
    late: Mutex<Vec<OnItsWay>>,
}

impl<S: ObjectStore, F: Fn(Attempt<'_>) -> Option<Mishap> + Send + Sync> Faulty<S, F> {
    /// Lets `script` decide the fate of every request to `inner`.
    pub const fn new(inner: S, script: F) -> Self {
        Self { inner, script, attempts: AtomicU64::new(0), late: Mutex::new(Vec::new()) }
    }

    /// How many requests there were.
    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::SeqCst)
    }

    /// Lets requests that were late reach the store, in their order. Nobody hears the answers.
    pub fn deliver(&self) {
        let late = std::mem::take(&mut *self.late());
        for OnItsWay { name, bytes } in late {
            let _ = match bytes {
                Some(bytes) => self.inner.put(&name, &bytes),
                None => self.inner.delete(&name),
            };
        }
    }

    fn late(&self) -> std::sync::MutexGuard<'_, Vec<OnItsWay>> {
        self.late.lock().expect("nothing panics while it holds the list")
    }

    fn run<T>(
        &self,
        operation: Operation,
        name: &str,
        bytes: Option<&[u8]>,
        act: impl Fn() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let number = self.attempts.fetch_add(1, Ordering::SeqCst) + 1;
        let failure = || StoreError::Io {
            operation: "please a test with",
            name: name.to_owned(),
            source: io::Error::other("scripted failure"),
        };
        let unavailable = |kind: io::ErrorKind| StoreError::Unavailable {
            operation: "please a test with",
            name: name.to_owned(),
            source: kind.into(),
        };
        match (self.script)(Attempt { number, operation, name }) {
            None => act(),
            Some(Mishap::Busy) => Err(unavailable(io::ErrorKind::Other)),
            Some(Mishap::TimesOut) => Err(unavailable(io::ErrorKind::TimedOut)),
            Some(Mishap::AnswerLost) => {
                act().and_then(|_| Err(unavailable(io::ErrorKind::TimedOut)))
            }
            Some(Mishap::Late) => {
                if matches!(operation, Operation::Put | Operation::Delete) {
                    let bytes = bytes.map(<[u8]>::to_vec);
                    self.late().push(OnItsWay { name: name.to_owned(), bytes });
                }
                Err(unavailable(io::ErrorKind::TimedOut))
            }
            Some(Mishap::Twice) => {
                act()?;
                act()
            }
            Some(Mishap::Torn) => {
                match bytes.map(|bytes| &bytes[..bytes.len() / 2]) {
                    Some(half) if operation == Operation::Put => self.inner.put(name, half)?,
                    Some(half) => self.inner.replace(name, half)?,
                    None => {}
                }
                Err(unavailable(io::ErrorKind::TimedOut))
            }
            Some(Mishap::Full) if matches!(operation, Operation::Put | Operation::Replace) => {
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
        self.run(Operation::Put, name, Some(bytes), || self.inner.put(name, bytes))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.run(Operation::Get, name, None, || self.inner.get(name))
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        self.run(Operation::GetRange, name, None, || self.inner.get_range(name, offset, length))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.run(Operation::List, prefix, None, || self.inner.list(prefix))
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        self.run(Operation::Size, name, None, || self.inner.size(name))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.run(Operation::Delete, name, None, || self.inner.delete(name))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.run(Operation::Replace, name, Some(bytes), || self.inner.replace(name, bytes))
    }

    fn takes_data(&self) -> Result<(), StoreError> {
        self.inner.takes_data()
    }

    fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.time()
    }
}
