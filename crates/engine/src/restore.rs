//! Restore: from a recovery point to files, and to a virtual machine that boots.
//!
//! Everything that can be known beforehand is checked before a job begins, because clients look at
//! the answer to their request and rarely at the job. What a restore leaves:
//!
//! ```text
//! STORE/<vm>-<job>/                 "container" of the staging store, where one is named
//!     <vm>-<target>.<format>        the disks, unless they go elsewhere
//!     config-<vm>-<job>.json        what was restored from what
//!     azuredeploy-<job>.json        the same as a deployment template
//!     domain-<job>.xml              the same for `virsh define`
//! IMAGES/<new vm>-<job>/            the disks of a created virtual machine
//! DIRECTORY/                        the disks, where the client names a directory itself
//! ```

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use api::arm::time;
use api::record::PointRecord;
use model::fault::{Code, Fault};
use model::item::Item;
use model::job::{CREATE_VM, JobId, Operation, TRANSFER_FROM_VAULT};
use model::network::Network;
use model::point::{Point, PointDisk, PointId};
use model::store::Store;
use model::vault::Vault;
use model::vm::PowerState;
use repo::Repository;
use rules::restore::{self, Form};
use rules::{item_life, naming};

use crate::Engine;
use crate::faults::{self, OrFault};
use crate::job_run::{JobRun, NewJob};
use crate::stores::{self, resolved};

mod describe;
mod run;

pub(crate) use run::clean_up;

/// The name of a job's property with the virtual machine that it makes.
const TARGET_VM: &str = "Target VM Name";

/// The format of restored disk files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    /// A plain image, sparse.
    Raw,
    /// QEMU's own format.
    Qcow2,
}

impl ImageFormat {
    /// Its name, which is also the files' extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// What a recovery point is restored to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreForm {
    /// Its disks, as files `<vm>-<target>.<format>`.
    Disks {
        /// The files' format.
        format: ImageFormat,
    },
    /// A new virtual machine over its disks, started.
    NewVm {
        /// The new VM's name, which no VM may have.
        name: String,
        /// The network that it is put on; `None`: those that it was on, as far as they are there.
        network: Option<Box<Network>>,
    },
}

/// What of a recovery point is restored, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRequest {
    /// What it is restored to.
    pub form: RestoreForm,
    /// The directory for the disks, by its absolute path. Made if missing; must hold none of the
    /// files. `None`: the store for disks, the images' directory for a virtual machine.
    pub directory: Option<PathBuf>,
    /// The staging store that gets the description, and disks that have no other directory.
    pub store: Option<Store>,
    /// The resource group of a new virtual machine; `None`: that of the one that was backed up.
    pub resource_group: Option<String>,
    /// The data disks that are wanted, by LUN: see [`rules::restore::disks`].
    pub luns: Option<Vec<u32>>,
}

impl RestoreRequest {
    /// All disks as files in this directory.
    pub fn to_directory(directory: impl Into<PathBuf>, format: ImageFormat) -> Self {
        Self {
            form: RestoreForm::Disks { format },
            directory: Some(directory.into()),
            store: None,
            resource_group: None,
            luns: None,
        }
    }
}

/// Where disks go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Into this directory.
    Given(PathBuf),
    /// Into a new directory of the job's own in this one.
    Under(PathBuf),
}

/// A restore that may be carried out.
struct Plan {
    form: RestoreForm,
    place: Place,
    store: Option<Store>,
    resource_group: String,
    disks: Vec<PointDisk>,
}

impl Plan {
    fn format(&self) -> ImageFormat {
        match &self.form {
            RestoreForm::Disks { format } => *format,
            RestoreForm::NewVm { .. } => ImageFormat::Qcow2,
        }
    }

    /// What its files' names begin with.
    fn stem<'a>(&'a self, item: &'a Item) -> &'a str {
        match &self.form {
            RestoreForm::Disks { .. } => &item.vm_name,
            RestoreForm::NewVm { name, .. } => name,
        }
    }

    /// The name of the virtual machine that it makes, or that its description would make.
    fn vm_name(&self, item: &Item, job: JobId) -> String {
        match &self.form {
            RestoreForm::Disks { .. } => {
                let job = job.to_string();
                format!("{:.50}-{:.8}", item.vm_name, job)
            }
            RestoreForm::NewVm { name, .. } => name.clone(),
        }
    }

    /// The directory for the disks.
    fn directory(&self, item: &Item, job: JobId) -> PathBuf {
        match &self.place {
            Place::Given(directory) => directory.clone(),
            Place::Under(directory) => directory.join(container(self.stem(item), job)),
        }
    }

    fn file(&self, item: &Item, target: &str) -> String {
        format!("{}-{target}.{}", self.stem(item), self.format().name())
    }
}

/// The name of a job's own directory: what Azure calls a container.
fn container(stem: &str, job: JobId) -> String {
    format!("{}-{job}", stem.to_lowercase())
}

impl Engine {
    /// Begins a restore. Returns as soon as the job runs.
    ///
    /// # Errors
    ///
    /// `ItemSoftDeleted`; `ResourceNotFound` for an unknown point; `ResourceGroupNotFound`;
    /// `RestoreTargetInvalid` for a place, name, network or disk that cannot be used; the ledger
    /// failed. What goes wrong later is in the job.
    pub fn restore(
        &self,
        item: &Item,
        point: PointId,
        wanted: RestoreRequest,
    ) -> Result<JobId, Fault> {
        item_life::may_restore(item)?;
        let point = self.point(item, point)?;
        let vault = self.world.ledger.vault(item.vault).or_fault()?.ok_or_else(|| {
            Fault::new(Code::ResourceNotFound, "The item's vault is not in the ledger.")
        })?;
        let plan = self.plan(&vault, item, &point, wanted)?;
        let mut tasks = vec![TRANSFER_FROM_VAULT];
        let mut properties = vec![("VM Name".to_owned(), item.vm_name.clone())];
        let mut tell = |name: &str, value: String| properties.push((name.to_owned(), value));
        let kind = match &plan.form {
            RestoreForm::Disks { .. } => "Recover disks",
            RestoreForm::NewVm { name, .. } => {
                tasks.push(CREATE_VM);
                tell(TARGET_VM, name.clone());
                "Recover virtual machine"
            }
        };
        tell("Job Type", kind.to_owned());
        // With a space at its end: so Azure names it, and so clients look for it.
        tell("Recovery point time ", time::in_words(point.taken_at));
        tell("Target resource group", plan.resource_group.clone());
        if let Some(store) = &plan.store {
            tell(stores::STORE, store.name.clone());
        }
        let new = NewJob {
            vault: vault.id,
            item: item.id,
            operation: Operation::Restore,
            point: Some(point.id),
            retain_until: None,
            tasks: &tasks,
            properties,
        };
        let run = JobRun::begin(&self.world, new, None)?;
        let id = run.job().id;
        let world = Arc::clone(&self.world);
        let restore = run::Restore { world, vault, item: item.clone(), point, plan, job: id };
        let work = move || restore.run(run);
        match self.world.tasks.start(&format!("restore-{id}"), Box::new(work)) {
            Ok(()) => Ok(id),
            Err(error) => {
                let message = format!("No thread could be started for the job: {error}.");
                Err(Fault::new(Code::Internal, message))
            }
        }
    }

    /// What is to be done, if all of it may be.
    fn plan(
        &self,
        vault: &Vault,
        item: &Item,
        point: &Point,
        wanted: RestoreRequest,
    ) -> Result<Plan, Fault> {
        let RestoreRequest { form, directory, store, resource_group, luns } = wanted;
        if let Some(store) = &store {
            restore::store(store, &vault.region)?;
        }
        let resource_group = match resource_group {
            Some(group) => self.resource_group(&group)?.name,
            None => item.vm_resource_group.clone(),
        };
        if let RestoreForm::NewVm { name, network } = &form {
            self.check_name(name)?;
            if let Some(network) = network {
                restore::network(network, &vault.region)?;
            }
        }
        let place = self.place(&form, directory, store.as_ref())?;
        let disks = self.disks(vault, point, luns.as_deref(), &form)?;
        let plan = Plan { form, place, store, resource_group, disks };
        if let Place::Given(directory) = &plan.place {
            for disk in &plan.disks {
                let file = directory.join(plan.file(item, &disk.target));
                if file.symlink_metadata().is_ok() {
                    return Err(invalid(format!("The file {} exists already.", file.display())));
                }
            }
        }
        Ok(plan)
    }

    fn disks(
        &self,
        vault: &Vault,
        point: &Point,
        luns: Option<&[u32]>,
        form: &RestoreForm,
    ) -> Result<Vec<PointDisk>, Fault> {
        let form = match form {
            RestoreForm::Disks { .. } => Form::Disks,
            RestoreForm::NewVm { .. } => Form::Vm,
        };
        // Numbers count the disks of the machine; a point may hold only some of them.
        let order = match luns {
            None => Vec::new(),
            Some(_) => {
                let repository = self.world.repositories.of(vault)?;
                disk_order(&record_of(&repository, point.id)?)?
            }
        };
        Ok(restore::disks(&order, &point.disks, luns, form)?.into_iter().cloned().collect())
    }

    fn check_name(&self, name: &str) -> Result<(), Fault> {
        if !naming::is_valid(name) {
            return Err(invalid(format!("'{name}' cannot be a virtual machine's name.")));
        }
        let taken = |vm: &model::vm::Vm| {
            vm.domain.eq_ignore_ascii_case(name) || vm.name.eq_ignore_ascii_case(name)
        };
        if self.vms()?.iter().any(taken) {
            return Err(invalid(format!("A virtual machine named '{name}' exists already.")));
        }
        Ok(())
    }

    fn place(
        &self,
        form: &RestoreForm,
        directory: Option<PathBuf>,
        store: Option<&Store>,
    ) -> Result<Place, Fault> {
        match (directory, form, store) {
            (Some(directory), ..) => {
                self.check_directory(&directory)?;
                Ok(Place::Given(directory))
            }
            (None, RestoreForm::NewVm { .. }, _) => {
                Ok(Place::Under(self.world.config.image_dir.clone()))
            }
            (None, RestoreForm::Disks { .. }, Some(store)) => {
                Ok(Place::Under(store.directory.clone()))
            }
            (None, RestoreForm::Disks { .. }, None) => {
                Err(invalid("The request names neither a storage account nor a directory."))
            }
        }
    }

    fn check_directory(&self, directory: &Path) -> Result<(), Fault> {
        let shown = directory.display();
        if !directory.is_absolute() {
            return Err(invalid(format!("The directory '{shown}' is not an absolute path.")));
        }
        if directory.components().any(|part| part == Component::ParentDir) {
            return Err(invalid(format!("The directory '{shown}' has '..' in its path.")));
        }
        let config = &self.world.config;
        let real = resolved(directory);
        let stores = self.stores()?.into_iter().map(|store| resolved(&store.directory));
        let mut roots: Vec<PathBuf> = stores.collect();
        let in_a_store = roots.iter().any(|root| real.starts_with(root));
        if real.starts_with(&config.data_dir) && !in_a_store {
            return Err(invalid("The directory lies in Holdfast's own data directory."));
        }
        roots.push(resolved(&config.image_dir));
        roots.extend(config.restore_roots.iter().map(|root| resolved(root)));
        restore::directory(&real, &roots)
    }
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(Code::RestoreTargetInvalid, message)
}

/// What a point's manifest says beyond its disks' content.
fn record_of(repository: &Repository, point: PointId) -> Result<PointRecord, Fault> {
    let manifest = repository.manifest(point).map_err(|error| faults::of_repository(&error))?;
    PointRecord::decode(&manifest.engine).map_err(|error| {
        let text = faults::chain_text(&error);
        Fault::new(Code::StoreDamaged, format!("The point's record cannot be read: {text}."))
    })
}

/// The targets of all disks that the domain had, in its order.
fn disk_order(record: &PointRecord) -> Result<Vec<String>, Fault> {
    let domain = fabric::xml::domain::read(&record.domain_xml, PowerState::Off).or_fault()?;
    Ok(domain.disks.into_iter().map(|disk| disk.target).collect())
}
