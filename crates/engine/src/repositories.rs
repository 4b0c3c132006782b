//! The vaults' repositories, opened once and kept open.
//!
//! A vault's repository is made when the vault is created, before the ledger knows the vault: a
//! vault without a repository never exists, a repository without a vault is an empty directory that
//! harms nobody.
//!
//! The one `Mutex` guards the map of open repositories; opening happens outside it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use model::clock::Clock;
use model::fault::{Code, Fault};
use model::seed::Seed;
use model::vault::Vault;
use repo::objects::{LocalDir, ObjectStore, StoreError};
use repo::{Contents, Environment, Kek, RepoError, Repository};
use uuid::Uuid;

use crate::config::Config;
use crate::faults::{self, OrFault};

/// How sessions of this service are called in a repository's log. The data directory is locked, so
/// every such session that is not this run's own is an earlier run's, and over.
const ACTOR: &str = "holdfast serve";

/// Opens the object store in a directory, which is made where there is none.
pub type OpenStore = dyn Fn(&Path) -> Result<Arc<dyn ObjectStore>, StoreError> + Send + Sync;

/// The objects are files in the directory.
pub(crate) fn open_directory(directory: &Path) -> Result<Arc<dyn ObjectStore>, StoreError> {
    Ok(Arc::new(LocalDir::open(directory)?))
}

/// The vaults' repositories.
pub(crate) struct Repositories {
    config: Config,
    clock: Arc<dyn Clock>,
    seed: Arc<dyn Seed>,
    open_store: Box<OpenStore>,
    /// How this run's sessions are called.
    actor: String,
    open: Mutex<HashMap<Uuid, Repository>>,
}

impl Repositories {
    pub(crate) fn new(
        config: &Config,
        clock: Arc<dyn Clock>,
        seed: Arc<dyn Seed>,
        open_store: Box<OpenStore>,
    ) -> Self {
        // Numbers of processes come again.
        let mut run = [0; 8];
        seed.fill(&mut run);
        let (process, run) = (std::process::id(), u64::from_le_bytes(run));
        let actor = format!("{ACTOR}, process {process}, run {run:016x}");
        Self { config: config.clone(), clock, seed, open_store, actor, open: Mutex::default() }
    }

    fn environment(&self) -> Environment {
        Environment {
            seed: Arc::clone(&self.seed),
            clock: Arc::clone(&self.clock),
            actor: self.actor.clone(),
            caches: Some(self.config.caches_dir()),
        }
    }

    fn store(&self, region: &str, vault: Uuid) -> Result<Arc<dyn ObjectStore>, Fault> {
        let directory = self.config.repository_dir(region, vault);
        (self.open_store)(&directory).map_err(|error| faults::of_store(&error))
    }

    /// Makes the repository and the key file of a new vault.
    pub(crate) fn create(&self, region: &str, vault: Uuid) -> Result<(), Fault> {
        let kek = repo::keys::generate(self.seed.as_ref());
        let key_file = self.config.key_file(vault);
        repo::keys::write_key_file(&key_file, &kek).map_err(|error| {
            let text = faults::chain_text(&error);
            let message = format!("The key file {} cannot be written: {text}", key_file.display());
            Fault::new(Code::StoreUnavailable, message)
        })?;
        let store = self.store(region, vault)?;
        let repository = Repository::init(store, vault, &kek, self.environment())
            .map_err(|error| faults::of_repository(&error))?;
        self.keep(vault, repository);
        Ok(())
    }

    fn keep(&self, vault: Uuid, repository: Repository) {
        let mut open = self.open.lock().expect("nothing panics while it holds the map");
        open.insert(vault, repository);
    }

    /// The repository of a vault.
    pub(crate) fn of(&self, vault: &Vault) -> Result<Repository, Fault> {
        self.opened(&vault.region, vault.id, vault.name.as_str())
    }

    fn opened(&self, region: &str, vault: Uuid, name: &str) -> Result<Repository, Fault> {
        let kept = {
            let open = self.open.lock().expect("nothing panics while it holds the map");
            open.get(&vault).cloned()
        };
        if let Some(repository) = kept {
            return Ok(repository);
        }
        let (store, kek) = (self.store(region, vault)?, self.key(vault, name)?);
        let repository = Repository::open(store, &kek, self.environment())
            .map_err(|error| faults::of_repository(&error))?;
        self.keep(vault, repository.clone());
        Ok(repository)
    }

    fn key(&self, vault: Uuid, name: &str) -> Result<Kek, Fault> {
        let key_file = self.config.key_file(vault);
        repo::keys::read_key_file(&key_file).map_err(|error| {
            let text = faults::chain_text(&error);
            let message = format!(
                "The key file {} of vault '{name}' cannot be used: {text}",
                key_file.display()
            );
            Fault::new(Code::WrongKey, message)
        })
    }

    /// What would be lost with a vault's repository, read anew from the store: nothing, where there
    /// is only an empty directory. Sessions of this service's own are over: none of its jobs runs.
    pub(crate) fn contents(
        &self,
        region: &str,
        vault: Uuid,
        name: &str,
    ) -> Result<Contents, Fault> {
        self.forget(vault);
        let store = self.store(region, vault)?;
        let kek = self.key(vault, name)?;
        match Repository::open(store, &kek, self.environment()) {
            Err(RepoError::NotARepository) => Ok(Contents { points: 0, sessions: Vec::new() }),
            opened => {
                let mut contents =
                    opened.and_then(|repository| repository.contents()).or_fault()?;
                contents.sessions.retain(|session| !session.actor.starts_with(ACTOR));
                Ok(contents)
            }
        }
    }

    /// Declares the writers of earlier runs dead, so that what they had begun can be collected.
    pub(crate) fn end_earlier_sessions(&self, repository: &Repository) -> Result<(), RepoError> {
        for session in repository.sessions()? {
            if session.actor.starts_with(ACTOR) && session.actor != self.actor {
                tracing::warn!(session = %session.id, "an earlier run's session was ended");
                repository.fence(session.id)?;
            }
        }
        Ok(())
    }

    /// Lets go of a repository, so that the next use opens it anew: after an error that a changed
    /// store or key may have caused.
    pub(crate) fn forget(&self, vault: Uuid) {
        self.open.lock().expect("nothing panics while it holds the map").remove(&vault);
    }
}
