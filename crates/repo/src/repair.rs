//! Brings damaged and missing objects back: the same bytes under the same names, from a copy.
//!
//! Nothing is believed that the copy holds. An object is taken only if the key opens it, and it is
//! what the name, the log or the index says it must be; so neither a damaged copy nor a forged one
//! can do harm. The damaged bytes are kept aside before they are replaced, and every single step
//! leaves a repository that is as good as before or better: a repair may be interrupted anywhere
//! and done again.
//!
//! The order is that in which things can be known: key and configuration → log → indexes →
//! manifests and packs. Verification says what is damaged, the repair mends it, and verification
//! looks again, until nothing more can be mended.

use std::collections::BTreeSet;
use std::sync::Arc;

use format::keyslot::Key;
use format::log::Event;
use format::seal::{MasterKey, VaultKeys};
use format::{Kind, PackId, names};
use model::point::PointId;

use crate::decide;
use crate::error::RepoError;
use crate::keys::{configuration, unlock};
use crate::objects::{ObjectStore, StoreError};
use crate::progress::Progress;
use crate::repository::{Environment, Repository};
use crate::state::State;
use crate::verify::{DamagedObject, VerifyOptions, VerifyReport};

mod candidate;
mod index;
mod trail;

/// How often is looked and mended: an index that came back names packs that were not looked at.
const ROUNDS: u32 = 8;

/// How to repair.
#[derive(Clone)]
pub struct Repair {
    /// The damaged repository.
    pub store: Arc<dyn ObjectStore>,
    /// A verbatim copy of it, or of parts of it.
    pub from: Option<Arc<dyn ObjectStore>>,
    /// Decide and report, but change nothing.
    pub dry_run: bool,
}

/// An object that was brought back, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// What it is.
    pub kind: Kind,
    /// Its name in the store.
    pub name: String,
    /// Where the damaged bytes are kept; nothing if the object was missing, or in a dry run.
    pub quarantined: Option<String>,
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Objects brought back from the copy, in that order.
    pub repaired: Vec<Repaired>,
    /// Damaged indexes that new ones made from packs took the place of.
    pub rebuilt_indexes: Vec<String>,
    /// Packs that were known as damaged and are whole: new points may rely on them again.
    pub cleared_packs: Vec<String>,
    /// What is damaged still. In a dry run, also what would be repaired.
    pub damaged: Vec<DamagedObject>,
    /// Points that cannot be restored in full even now.
    pub points_hit: Vec<PointId>,
}

/// Repairs a repository, and verifies every byte of it before and after.
///
/// # Errors
///
/// [`RepoError::OtherVault`]; the errors of [`Repository::open`] if neither store gives
/// configuration and key slot; [`RepoError::Cancelled`]; or a store failed. What could not be
/// repaired is an answer, not an error.
pub fn repair(
    repair: &Repair,
    key: &Key,
    environment: Environment,
    progress: &dyn Progress,
) -> Result<RepairReport, RepoError> {
    let mut mender = Mender::new(repair, key, environment)?;
    mender.clear()?;
    mender.log()?;
    let mut verified = VerifyReport::default();
    for _ in 0..ROUNDS {
        let before = mender.mended();
        verified = mender.round(progress)?;
        if mender.dry_run || mender.mended() == before {
            break;
        }
    }
    let mut report = mender.report;
    report.damaged = verified.damaged;
    report.points_hit = verified.points_hit;
    Ok(report)
}

struct Mender {
    store: Arc<dyn ObjectStore>,
    from: Option<Arc<dyn ObjectStore>>,
    dry_run: bool,
    master: MasterKey,
    keys: VaultKeys,
    /// The copy's slot that opened, if the store's own did not.
    foreign_slot: Option<String>,
    environment: Environment,
    report: RepairReport,
    /// What was put, by name: not put again, should it be damaged at once.
    done: BTreeSet<String>,
}

impl Mender {
    fn new(repair: &Repair, key: &Key, environment: Environment) -> Result<Self, RepoError> {
        let Opened { vault, master, foreign_slot } = open_either(repair, key)?;
        Ok(Self {
            store: Arc::clone(&repair.store),
            from: repair.from.clone(),
            dry_run: repair.dry_run,
            keys: VaultKeys::new(vault, &master),
            master,
            foreign_slot,
            environment,
            report: RepairReport::default(),
            done: BTreeSet::new(),
        })
    }

    fn open(&self) -> Result<Repository, RepoError> {
        let keys = VaultKeys::new(self.keys.vault(), &self.master);
        Repository::with_keys(Arc::clone(&self.store), keys, self.environment.clone())
    }

    /// Configuration and key slots.
    fn clear(&mut self) -> Result<(), RepoError> {
        let own = self.own(names::CONFIG)?;
        if !own.as_ref().is_some_and(|bytes| self.is_config(bytes)) {
            self.bring(Kind::Config, names::CONFIG, &|mender, bytes| mender.is_config(bytes))?;
        }
        let slots = self.store.list(names::KEYS)?;
        let is_slot = |mender: &Self, name: &str, bytes: &[u8]| {
            crate::verify::check_slot(name, mender.keys.vault(), bytes).is_ok()
        };
        // A slot that is missing may have been removed on purpose, and stays away; but without any
        // nobody could open the repository.
        let mut wanted: Vec<String> = slots.into_iter().map(|object| object.name).collect();
        wanted.extend(self.foreign_slot.clone().filter(|name| !wanted.contains(name)));
        for name in wanted {
            let own = self.own(&name)?;
            if !own.is_some_and(|bytes| is_slot(self, &name, &bytes)) {
                self.bring(Kind::KeySlot, &name, &|mender, bytes| is_slot(mender, &name, bytes))?;
            }
        }
        Ok(())
    }

    /// Verifies, and mends what was found.
    fn round(&mut self, progress: &dyn Progress) -> Result<VerifyReport, RepoError> {
        let repository = self.open()?;
        let everything = VerifyOptions { read_data: Some(100), record: false };
        let verified = repository.verify(&everything, progress)?;
        let before = self.mended();
        for object in &verified.damaged {
            self.mend(&repository, object)?;
        }
        if !self.dry_run {
            self.clear_suspects(&repository, &verified)?;
            // Only what the copy does not have is made anew.
            if self.mended() == before {
                self.rebuild_indexes(&repository, &verified)?;
            }
        }
        Ok(verified)
    }

    fn mended(&self) -> usize {
        self.report.repaired.len() + self.report.rebuilt_indexes.len()
    }

    /// Says in the log which packs are whole that were known as damaged.
    fn clear_suspects(
        &mut self,
        repository: &Repository,
        verified: &VerifyReport,
    ) -> Result<(), RepoError> {
        let shared = &repository.shared;
        let damaged: BTreeSet<_> =
            verified.damaged.iter().map(|object| object.name.as_str()).collect();
        let is_whole = |pack: &PackId| {
            // What no index names was not read.
            shared.index(|index| index.known(pack).is_some())
                && !damaged.contains(names::pack(pack).as_str())
        };
        let suspect = shared.state(|state| state.suspect.clone());
        let whole: Vec<_> = suspect.into_iter().filter(is_whole).collect();
        let mut cleared = Vec::new();
        let appended = shared.append(&mut |state: &State| {
            cleared = decide::clear(state, &whole);
            if cleared.is_empty() {
                return Err(RepoError::Cancelled);
            }
            Ok(Event::Retire { packs: cleared.clone(), removed: Vec::new(), added: Vec::new() })
        });
        if cleared.is_empty() {
            return Ok(());
        }
        appended?;
        self.report.cleared_packs.extend(cleared.iter().map(names::pack));
        Ok(())
    }

    /// The bytes that the store holds under the name, damaged or not; nothing if it is missing.
    fn own(&self, name: &str) -> Result<Option<Vec<u8>>, RepoError> {
        got(self.store.as_ref(), name)
    }

    /// Takes an object from the copy, if it is there and `good`, and puts it into its place;
    /// whether it is there now.
    fn bring(
        &mut self,
        kind: Kind,
        name: &str,
        good: &dyn Fn(&Self, &[u8]) -> bool,
    ) -> Result<bool, RepoError> {
        let Some(from) = self.from.clone() else { return Ok(false) };
        let Some(bytes) = got(from.as_ref(), name)? else { return Ok(false) };
        if !good(self, &bytes) || self.done.contains(name) {
            return Ok(false);
        }
        let quarantined = if self.dry_run { None } else { self.put(name, &bytes)? };
        self.done.insert(name.to_owned());
        self.report.repaired.push(Repaired { kind, name: name.to_owned(), quarantined });
        Ok(true)
    }

    /// Puts the good bytes in the place of what is there; where that is kept.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<Option<String>, RepoError> {
        // Too large to be read is too large to be kept: then it stays where it is, an error.
        let damaged = match self.store.get(name) {
            Err(StoreError::NotFound { .. }) => {
                self.store.put(name, bytes)?;
                return Ok(None);
            }
            damaged => damaged?,
        };
        if damaged == bytes {
            return Ok(None);
        }
        let aside = self.keep(name, &damaged)?;
        self.store.replace(name, bytes)?;
        Ok(Some(aside))
    }

    /// Keeps damaged bytes; under which name.
    fn keep(&self, name: &str, damaged: &[u8]) -> Result<String, RepoError> {
        let mut random = [0; 8];
        self.environment.seed.fill(&mut random);
        let aside = names::quarantined(&random, name);
        self.store.put(&aside, damaged)?;
        Ok(aside)
    }
}

/// An object's bytes, sound or not; nothing if it is missing or cannot be one of ours.
fn got(store: &dyn ObjectStore, name: &str) -> Result<Option<Vec<u8>>, RepoError> {
    match store.get(name) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) => match RepoError::unreadable(Kind::Config, name, error) {
            RepoError::Damaged { .. } => Ok(None),
            error => Err(error),
        },
    }
}

/// What opened.
struct Opened {
    vault: [u8; 16],
    master: MasterKey,
    /// The copy's slot, if it was that.
    foreign_slot: Option<String>,
}

/// The vault's key, from the store or, if that is too damaged, from the copy.
fn open_either(repair: &Repair, key: &Key) -> Result<Opened, RepoError> {
    let open = |store: &dyn ObjectStore, is_foreign: bool| {
        let (config, proof) = configuration(store)?;
        let opened = unlock(store, config.vault, &proof, key)?;
        let foreign_slot = Some(opened.slot).filter(|_| is_foreign);
        Ok::<_, RepoError>(Opened { vault: config.vault, master: opened.master, foreign_slot })
    };
    let own = open(repair.store.as_ref(), false);
    let Some(from) = &repair.from else { return own };
    let vault = |store: &dyn ObjectStore| match configuration(store) {
        Ok((config, _)) => Ok(Some(config.vault)),
        // A copy may be one of parts.
        Err(error) if error.is_damage() || matches!(error, RepoError::NotARepository) => Ok(None),
        Err(error) => Err(error),
    };
    if let (Some(here), Some(there)) = (vault(repair.store.as_ref())?, vault(from.as_ref())?)
        && here != there
    {
        return Err(RepoError::OtherVault);
    }
    match own {
        Err(error) if error.is_damage() => open(from.as_ref(), true).map_err(|_| error),
        own => own,
    }
}
