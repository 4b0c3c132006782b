//! Vaults' stores: in memory, behind a process that may die and a network that may fail.
//!
//! What becomes of a request depends on the request alone, not on the order of requests: the
//! repository makes some of them from threads of its own.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repo::objects::{Memory, ObjectInfo, ObjectStore, StoreError};

use crate::chance::{mixed, mixed_with};
use crate::defect::Defect;
use crate::process::{Call, Process};

/// The stores of all vaults, by their directories. They outlive the process.
pub struct Stores {
    seed: u64,
    process: Arc<Process>,
    defect: Option<Defect>,
    all: Mutex<BTreeMap<PathBuf, Arc<Disk>>>,
}

impl Stores {
    /// No store yet.
    pub fn new(seed: u64, process: Arc<Process>, defect: Option<Defect>) -> Self {
        Self { seed, process, defect, all: Mutex::default() }
    }

    /// The store in a directory, as it is, without any trouble on the way.
    pub fn plain(&self, directory: &Path) -> Arc<Memory> {
        Arc::clone(&self.disk(directory).memory)
    }

    fn disk(&self, directory: &Path) -> Arc<Disk> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(directory.to_owned()).or_default())
    }

    /// The store in a directory, as the engine gets it.
    pub fn open(&self, directory: &Path) -> Result<Arc<dyn ObjectStore>, StoreError> {
        let failed = |source| StoreError::Io { operation: "open", name: String::new(), source };
        // The engine looks whether there is a directory.
        std::fs::create_dir_all(directory).map_err(failed)?;
        Ok(Arc::new(SimStore {
            disk: self.disk(directory),
            seed: self.seed,
            process: Arc::clone(&self.process),
            defect: self.defect,
        }))
    }

    /// The process died: what a store only pretended to have is gone.
    pub fn process_died(&self) {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for disk in all.values() {
            for (name, doom) in disk.doomed().drain(..) {
                // It may have been deleted meanwhile.
                let Ok(mut bytes) = disk.memory.get(&name) else { continue };
                match doom {
                    Doom::Gone => drop(disk.memory.delete(&name)),
                    Doom::Rots => {
                        let middle = bytes.len() / 2;
                        bytes[middle] ^= 1;
                        disk.memory.damage(&name, &bytes);
                    }
                }
            }
        }
    }
}

/// What lies on a store.
#[derive(Default)]
struct Disk {
    memory: Arc<Memory>,
    /// What becomes of objects at the next death.
    doomed: Mutex<Vec<(String, Doom)>>,
    /// How often each request was made.
    asked: Mutex<HashMap<u64, u64>>,
}

/// What becomes of an object that a defective store has.
#[derive(Debug, Clone, Copy)]
enum Doom {
    /// It was never really there.
    Gone,
    /// A bit of it flips.
    Rots,
}

impl Disk {
    fn doomed(&self) -> MutexGuard<'_, Vec<(String, Doom)>> {
        self.doomed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct SimStore {
    disk: Arc<Disk>,
    seed: u64,
    process: Arc<Process>,
    defect: Option<Defect>,
}

impl SimStore {
    fn request<T>(
        &self,
        call: Call,
        operation: &'static str,
        name: &str,
        act: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let request = mixed_with(mixed_with(self.seed, operation), name);
        let times = {
            let mut asked = self.disk.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let times = asked.entry(request).or_default();
            *times += 1;
            *times
        };
        let failed = || StoreError::Unavailable {
            operation,
            name: name.to_owned(),
            source: io::ErrorKind::TimedOut.into(),
        };
        let draw = mixed(request ^ mixed(times));
        let what = format_args!("store: {operation} {name}");
        self.process.call(call, what, Some(draw), act, failed)
    }

    /// What becomes of an object because the store is defective. Until then it can be read, as
    /// from a cache.
    fn doom_of(&self, name: &str) -> Option<Doom> {
        let odds = |times: u64| mixed(mixed_with(self.seed, name)).is_multiple_of(times);
        let is = |prefix: &str| name.starts_with(prefix);
        match self.defect? {
            Defect::PacksAreNotDurable if is("packs/") => Some(Doom::Gone),
            Defect::LogEntriesAreNotDurable if is("log/") && odds(3) => Some(Doom::Gone),
            Defect::PacksRot if is("packs/") && odds(40) => Some(Doom::Rots),
            _ => None,
        }
    }
}

impl ObjectStore for SimStore {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.request(Call::Changes, "put", name, || {
            self.disk.memory.put(name, bytes)?;
            let doom = self.doom_of(name).map(|doom| (name.to_owned(), doom));
            self.disk.doomed().extend(doom);
            Ok(())
        })
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.request(Call::Looks, "get", name, || self.disk.memory.get(name))
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let get = || self.disk.memory.get_range(name, offset, length);
        self.request(Call::Looks, "get_range", name, get)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.request(Call::Looks, "list", prefix, || self.disk.memory.list(prefix))
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        self.request(Call::Looks, "size", name, || self.disk.memory.size(name))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.request(Call::Changes, "delete", name, || self.disk.memory.delete(name))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.request(Call::Changes, "replace", name, || self.disk.memory.replace(name, bytes))
    }

    fn takes_data(&self) -> Result<(), StoreError> {
        self.disk.memory.takes_data()
    }
}
