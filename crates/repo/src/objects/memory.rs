//! A store in memory, for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use format::header::OBJECT_MAX;

use super::{ObjectInfo, ObjectStore, StoreError, check_name};

/// A store in memory. Its one lock guards the map for the time of a look-up or an insertion.
#[derive(Debug, Default)]
pub struct Memory {
    objects: Mutex<BTreeMap<String, Arc<[u8]>>>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Arc<[u8]>>> {
        self.objects.lock().expect("nothing panics while it holds the map")
    }

    fn object(&self, name: &str) -> Result<Arc<[u8]>, StoreError> {
        check_name(name)?;
        let found = self.objects().get(name).cloned();
        found.ok_or_else(|| StoreError::NotFound { name: name.to_owned() })
    }

    /// Replaces an object, as no store would: for tests that damage things.
    pub fn damage(&self, name: &str, bytes: &[u8]) {
        self.objects().insert(name.to_owned(), bytes.into());
    }
}

impl ObjectStore for Memory {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_name(name)?;
        let mut objects = self.objects();
        if objects.contains_key(name) {
            return Err(StoreError::AlreadyExists { name: name.to_owned() });
        }
        objects.insert(name.to_owned(), bytes.into());
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let object = self.object(name)?;
        let size = object.len() as u64;
        if size > OBJECT_MAX {
            return Err(StoreError::TooLarge { name: name.to_owned(), size });
        }
        Ok(object.to_vec())
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let object = self.object(name)?;
        let range = || {
            let start = usize::try_from(offset).ok()?;
            object.get(start..start.checked_add(usize::try_from(length).ok()?)?)
        };
        let bytes = range().ok_or_else(|| StoreError::Range { name: name.to_owned() })?;
        Ok(bytes.to_vec())
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let objects = self.objects();
        let from = objects.range(prefix.to_owned()..);
        let under = from.take_while(|(name, _)| name.starts_with(prefix));
        let info = |(name, bytes): (&String, &Arc<[u8]>)| ObjectInfo {
            name: name.clone(),
            size: bytes.len() as u64,
        };
        Ok(under.map(info).collect())
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        Ok(self.object(name)?.len() as u64)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_name(name)?;
        match self.objects().get_mut(name) {
            Some(object) => *object = bytes.into(),
            None => return Err(StoreError::NotFound { name: name.to_owned() }),
        }
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        check_name(name)?;
        self.objects().remove(name);
        Ok(())
    }
}
