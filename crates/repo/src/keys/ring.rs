//! Who may open a repository: its key slots, one by one.
//!
//! # Invariants
//!
//! - A slot is removed only with a key that has just opened another one, and that other one is put
//!   back if it is gone by then: whatever two people remove at once, somebody's key still opens.
//! - A new slot is read back and opened before anything relies on it.
//! - Nothing but `keys/` is written.

use std::sync::Arc;

use format::config::{Config, ConfigProof};
use format::keyslot::{self, Key, SLOTS_MAX, Slot, SlotKind, Stretch};
use format::seal::{MasterKey, VaultKeys};
use format::{Kind, names};
use model::seed::Seed;

use crate::error::RepoError;
use crate::objects::{ObjectStore, StoreError};

/// A key slot, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlot {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// What opens it; nothing if it is damaged.
    pub kind: Option<SlotKind>,
    /// Whether it is the slot that was opened.
    pub is_own: bool,
}

/// The key slots of a repository, opened with one of its keys.
pub struct KeyRing {
    store: Arc<dyn ObjectStore>,
    seed: Arc<dyn Seed>,
    vault: [u8; 16],
    proof: ConfigProof,
    key: Key,
    opened: Opened,
}

/// What opening came to.
pub(crate) struct Opened {
    pub master: MasterKey,
    /// The name of the slot's object.
    pub slot: String,
}

impl KeyRing {
    /// Opens the slots of the repository in `store`, whose log and data are not looked at.
    ///
    /// # Errors
    ///
    /// As for [`Repository::open`](crate::Repository::open).
    pub fn open(
        store: Arc<dyn ObjectStore>,
        key: &Key,
        seed: Arc<dyn Seed>,
    ) -> Result<Self, RepoError> {
        let (config, proof) = configuration(store.as_ref())?;
        let opened = unlock(store.as_ref(), config.vault, &proof, key)?;
        Ok(Self { store, seed, vault: config.vault, proof, key: key.clone(), opened })
    }

    /// All slots, by id.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn slots(&self) -> Result<Vec<KeySlot>, RepoError> {
        let mut slots = Vec::new();
        for object in self.store.list(names::KEYS)? {
            let kind = match read(self.store.as_ref(), &object.name) {
                Ok(slot) => Some(slot.kind),
                Err(error) if error.is_damage() => None,
                Err(error) => return Err(error),
            };
            let is_own = object.name == self.opened.slot;
            let id = object.name.strip_prefix(names::KEYS).unwrap_or(&object.name).to_owned();
            slots.push(KeySlot { id, kind, is_own });
        }
        Ok(slots)
    }

    /// The id of the slot that was opened.
    pub fn own(&self) -> &str {
        self.opened.slot.strip_prefix(names::KEYS).unwrap_or(&self.opened.slot)
    }

    /// Adds a slot that `key` opens; its id. `cost` says how a passphrase is stretched; the salt in
    /// it is replaced by a random one.
    ///
    /// # Errors
    ///
    /// There are too many slots, the cost is out of bounds, what was stored does not open, or the
    /// store failed.
    pub fn add(&self, key: &Key, cost: &Stretch) -> Result<String, RepoError> {
        if self.store.list(names::KEYS)?.len() >= SLOTS_MAX {
            let what = format!("a repository has at most {SLOTS_MAX} key slots: remove some");
            return Err(RepoError::Input { what });
        }
        let (mut id, mut salt) = ([0; 16], [0; 16]);
        self.seed.fill(&mut id);
        self.seed.fill(&mut salt);
        let cost = Stretch { salt, ..*cost };
        let bytes = keyslot::encode_for(self.vault, id, key, &cost, &self.opened.master)
            .map_err(|error| RepoError::input(&error))?;
        let name = names::key_slot(&id);
        self.store.put(&name, &bytes)?;
        let again = read(self.store.as_ref(), &name)?;
        open_slot(&again, self.vault, &self.proof, key).map_err(|_| RepoError::VerifyFailed)?;
        Ok(name.strip_prefix(names::KEYS).unwrap_or(&name).to_owned())
    }

    /// Removes the slot with this id. Who has opened it before has the master key, and keeps it.
    ///
    /// # Errors
    ///
    /// [`RepoError::KeySlotNotFound`]; [`RepoError::KeySlotInUse`] for the slot that this ring was
    /// opened with; or the store failed.
    pub fn remove(&self, id: &str) -> Result<(), RepoError> {
        let name = format!("{}{id}", names::KEYS);
        if !self.store.list(names::KEYS)?.iter().any(|object| object.name == name) {
            return Err(RepoError::KeySlotNotFound { id: id.to_owned() });
        }
        if name == self.opened.slot {
            return Err(RepoError::KeySlotInUse { id: id.to_owned() });
        }
        self.store.delete(&name)?;
        // Somebody may have removed ours meanwhile, with the key of the one that just went.
        if matches!(self.store.size(&self.opened.slot), Err(StoreError::NotFound { .. })) {
            self.add(&self.key, &keyslot::stretch([0; 16]))?;
        }
        Ok(())
    }

    /// Puts a slot that `key` opens in the place of the one that was opened. If `key` opens one
    /// already, that one serves: an earlier attempt was interrupted.
    ///
    /// # Errors
    ///
    /// As for [`Self::add`] and [`Self::remove`]. Until the end, the old key opens too.
    pub fn replace_own(self, key: &Key, cost: &Stretch) -> Result<Self, RepoError> {
        let open = || Self::open(Arc::clone(&self.store), key, Arc::clone(&self.seed));
        let ring = match open() {
            Ok(ring) if ring.opened.slot != self.opened.slot => ring,
            _ => {
                self.add(key, cost)?;
                open()?
            }
        };
        if self.opened.slot != ring.opened.slot {
            ring.remove(self.own())?;
        }
        Ok(ring)
    }
}

/// The configuration of the repository in `store`.
pub(crate) fn configuration(store: &dyn ObjectStore) -> Result<(Config, ConfigProof), RepoError> {
    let bytes = match store.get(names::CONFIG) {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Err(not_a_repository(store)?),
        Err(error) => return Err(RepoError::unreadable(Kind::Config, names::CONFIG, error)),
    };
    Config::decode(&bytes).map_err(|error| RepoError::damaged(Kind::Config, names::CONFIG, &error))
}

/// A store without a configuration is empty, or it has lost it.
fn not_a_repository(store: &dyn ObjectStore) -> Result<RepoError, RepoError> {
    Ok(if store.list(names::LOG)?.is_empty() {
        RepoError::NotARepository
    } else {
        RepoError::Damaged {
            kind: Kind::Config,
            name: names::CONFIG.to_owned(),
            reason: "it is missing".to_owned(),
        }
    })
}

fn read(store: &dyn ObjectStore, name: &str) -> Result<Slot, RepoError> {
    let bytes =
        store.get(name).map_err(|error| RepoError::unreadable(Kind::KeySlot, name, error))?;
    Slot::decode(&bytes).map_err(|error| RepoError::damaged(Kind::KeySlot, name, &error))
}

/// The master key in the slot, if `key` opens it and the configuration was made with it.
fn open_slot(
    slot: &Slot,
    vault: [u8; 16],
    proof: &ConfigProof,
    key: &Key,
) -> Result<MasterKey, RepoError> {
    let master = slot.open_with(key).map_err(|_| RepoError::WrongKey)?;
    let proven = proof.check(&VaultKeys::new(vault, &master));
    proven.map(|()| master).map_err(|_| RepoError::WrongKey)
}

/// The master key, from the slot that `key` opens and whose key the configuration was made with.
pub(crate) fn unlock(
    store: &dyn ObjectStore,
    vault: [u8; 16],
    proof: &ConfigProof,
    key: &Key,
) -> Result<Opened, RepoError> {
    let mut failure = None;
    for object in store.list(names::KEYS)?.into_iter().take(SLOTS_MAX) {
        let name = object.name;
        let opened = read(store, &name).and_then(|slot| match slot.kind {
            SlotKind::Other(kind) => Err(RepoError::UnknownKeySlot { name: name.clone(), kind }),
            _ => open_slot(&slot, vault, proof, key).map_err(|wrong| {
                // Under the name of one slot lies another: the one that is gone may be the right.
                crate::verify::check_slot_name(&name, vault, &slot).err().unwrap_or(wrong)
            }),
        });
        match opened {
            Ok(master) => return Ok(Opened { master, slot: name }),
            // A damaged slot, or one of a newer kind, may have been the right one: that is the
            // better explanation.
            Err(RepoError::WrongKey) => {
                failure.get_or_insert(RepoError::WrongKey);
            }
            Err(error @ RepoError::UnknownKeySlot { .. }) => {
                if matches!(failure, None | Some(RepoError::WrongKey)) {
                    failure = Some(error);
                }
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| RepoError::Damaged {
        kind: Kind::KeySlot,
        name: names::KEYS.to_owned(),
        reason: "there is none".to_owned(),
    }))
}
