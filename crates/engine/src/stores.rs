//! Staging stores: each region with a host has one of its own, in the data directory; operators add
//! others elsewhere. Removing one leaves its files alone.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use ledger::LedgerError;
use ledger::port::JobQuery;
use model::fault::{Code, Fault};
use model::host::Host;
use model::job::{Job, Operation};
use model::store::{self, Store};

use crate::Engine;
use crate::config::check_region;
use crate::faults::OrFault;

/// The name of a job's property that says into which store it restores.
pub(crate) const STORE: &str = "Target Storage Account Name";

/// What a new staging store is to be.
#[derive(Debug, Clone)]
pub struct NewStore {
    /// Its name: 3 to 24 lower-case letters and digits.
    pub name: String,
    /// Its resource group, which must exist.
    pub resource_group: String,
    /// Its region, which must have a host.
    pub region: String,
    /// Its directory, by an absolute path. Made if missing.
    pub directory: PathBuf,
}

impl Engine {
    /// All staging stores, by group and name.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn stores(&self) -> Result<Vec<Store>, Fault> {
        let mut stores = self.world.ledger.stores().or_fault()?;
        // The data directory may have been moved since.
        for store in stores.iter_mut().filter(|store| store.builtin) {
            store.directory = self.world.config.staging_dir().join(&store.region);
        }
        Ok(stores)
    }

    /// The staging store of this name in this group, both in any case of letters.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`, or the ledger failed.
    pub fn store(&self, group: &str, name: &str) -> Result<Store, Fault> {
        self.find_store(group, name)?.ok_or_else(|| {
            let message = format!(
                "The Resource 'Microsoft.Storage/storageAccounts/{name}' under resource group \
                 '{group}' was not found."
            );
            Fault::new(Code::ResourceNotFound, message)
        })
    }

    fn find_store(&self, group: &str, name: &str) -> Result<Option<Store>, Fault> {
        let matches = |store: &Store| {
            store.resource_group.eq_ignore_ascii_case(group)
                && store.name.eq_ignore_ascii_case(name)
        };
        Ok(self.stores()?.into_iter().find(matches))
    }

    /// Makes a staging store; one that is there already, just so, stays. Whether it is new.
    ///
    /// # Errors
    ///
    /// `InvalidResourceName`, `ResourceGroupNotFound`, `LocationNotAvailable`; `StoreInvalid` for a
    /// directory that cannot be one; `StoreTaken`; the ledger failed.
    pub fn add_store(&self, new: NewStore) -> Result<(Store, bool), Fault> {
        let NewStore { name, resource_group, region, directory } = new;
        if !store::is_valid_name(&name) {
            let rule = "it takes 3 to 24 lower-case letters and digits";
            let message = format!("'{name}' cannot be the name of a storage account: {rule}.");
            return Err(Fault::new(Code::InvalidResourceName, message));
        }
        check_region(&region)
            .map_err(|error| Fault::new(Code::InvalidResourceName, format!("{error}.")))?;
        let has_host = |host: &Host| host.region.eq_ignore_ascii_case(&region);
        if !self.world.hosts.all().iter().any(|connected| has_host(&connected.host)) {
            let message = format!("Region '{region}' has no registered host.");
            return Err(Fault::new(Code::LocationNotAvailable, message));
        }
        let resource_group = self.resource_group(&resource_group)?.name;
        let directory = self.usable(&directory)?;
        let region = region.to_lowercase();
        let wanted = Store { name, resource_group, region, directory, builtin: false };
        if let Some(there) = self.find_store(&wanted.resource_group, &wanted.name)? {
            let same = there.region == wanted.region && there.directory == wanted.directory;
            return if same { Ok((there, false)) } else { Err(taken(&wanted)) };
        }
        if let Some(other) = self.stores()?.iter().find(|other| overlap(other, &wanted)) {
            let message = format!(
                "The directory {} and that of storage account '{}', {}, lie in each other.",
                wanted.directory.display(),
                other.name,
                other.directory.display()
            );
            return Err(Fault::new(Code::StoreInvalid, message));
        }
        make(&wanted.directory).map_err(|error| unusable(&wanted.directory, &error))?;
        match self.world.ledger.create_store(&wanted) {
            Err(LedgerError::StoreTaken) => Err(taken(&wanted)),
            other => other.or_fault().map(|()| (wanted, true)),
        }
    }

    /// Forgets a staging store. Its files stay.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`; `StoreInUse` for a region's own, or while a restore job writes into it;
    /// the ledger failed.
    pub fn remove_store(&self, group: &str, name: &str) -> Result<(), Fault> {
        let store = self.store(group, name)?;
        let in_use = |why: &str| {
            let message = format!("Storage account '{}' cannot be removed: {why}.", store.name);
            Err(Fault::new(Code::StoreInUse, message))
        };
        if store.builtin {
            return in_use("it is its region's own");
        }
        let query = JobQuery { unfinished: true, ..JobQuery::default() };
        let writes = |job: &Job| {
            let named = |(name, value): &(String, String)| name == STORE && *value == store.name;
            job.operation == Operation::Restore && job.properties.iter().any(named)
        };
        if self.world.ledger.jobs(query).or_fault()?.iter().any(writes) {
            return in_use("a restore job that has not ended writes into it");
        }
        self.world.ledger.delete_store(&store.resource_group, &store.name).or_fault()
    }

    /// Gives the host's region its staging store, where it has none yet. That it cannot, as on a
    /// full disk, keeps no host from its work: the next start tries again.
    pub(crate) fn ensure_staging(&self, host: &Host) {
        if let Err(fault) = self.try_staging(host) {
            let code = fault.code.name();
            tracing::error!(region = host.region, code, "no staging store: {}", fault.message);
        }
    }

    fn try_staging(&self, host: &Host) -> Result<(), Fault> {
        let stores = self.stores()?;
        let directory = self.world.config.staging_dir().join(&host.region);
        if !stores.iter().any(|store| store.builtin && store.region == host.region) {
            let taken = |name: &str| {
                stores.iter().any(|store| {
                    store.resource_group.eq_ignore_ascii_case(&host.resource_group)
                        && store.name == name
                })
            };
            let store = Store {
                name: store::builtin_name(&host.region, taken),
                resource_group: host.resource_group.clone(),
                region: host.region.clone(),
                directory: directory.clone(),
                builtin: true,
            };
            self.world.ledger.create_store(&store).or_fault()?;
        }
        make(&directory).map_err(|error| unusable(&directory, &error))
    }

    /// The directory without links on its way, if it can be a staging store's.
    fn usable(&self, directory: &Path) -> Result<PathBuf, Fault> {
        let invalid = |why: &str| {
            let message = format!("The directory '{}' {why}.", directory.display());
            Err(Fault::new(Code::StoreInvalid, message))
        };
        if !directory.is_absolute() {
            return invalid("is not an absolute path");
        }
        if directory.components().any(|part| part == Component::ParentDir) {
            return invalid("has '..' in its path");
        }
        let real = resolved(directory);
        let (data, staging) = (&self.world.config.data_dir, self.world.config.staging_dir());
        if data.starts_with(&real) || real == staging {
            return invalid("holds Holdfast's own data");
        }
        if real.starts_with(data) && !real.starts_with(&staging) {
            return invalid("lies in Holdfast's own data directory");
        }
        Ok(real)
    }
}

fn overlap(one: &Store, other: &Store) -> bool {
    one.directory.starts_with(&other.directory) || other.directory.starts_with(&one.directory)
}

fn taken(wanted: &Store) -> Fault {
    let message = format!(
        "A storage account named '{}' is already in resource group '{}', or another one has the \
         directory {}.",
        wanted.name,
        wanted.resource_group,
        wanted.directory.display()
    );
    Fault::new(Code::StoreTaken, message)
}

fn unusable(directory: &Path, error: &io::Error) -> Fault {
    let message = format!("The directory {} cannot be used: {error}.", directory.display());
    Fault::new(Code::StoreInvalid, message)
}

/// Makes the directory, unless it is there, so that only its owner can look around in it, but
/// QEMU's user comes through; and sees whether it can be written to.
fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o711).create(directory)?;
    let probe = directory.join(format!(".holdfast-{}", std::process::id()));
    File::options().write(true).create_new(true).open(&probe)?;
    fs::remove_file(probe)
}

/// Where a path leads, as far as it is there, whatever links are on the way.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    for above in path.ancestors() {
        if let Ok(real) = above.canonicalize() {
            return real.join(path.strip_prefix(above).unwrap_or(Path::new("")));
        }
    }
    path.to_owned()
}
