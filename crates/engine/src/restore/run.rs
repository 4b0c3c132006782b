//! A restore's work.
//!
//! Every file is written under another name first, and gets its own name when all of it is there: a
//! file with its own name is whole, whatever happened. What a job did not get through with is
//! removed; a killed job's files are removed at the next start.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use api::record::PointRecord;
use fabric::{NewDomain, RestoredDisk};
use model::fault::{Code, Fault};
use model::item::Item;
use model::job::{CREATE_VM, DiskProgress, Job, JobId, TRANSFER_FROM_VAULT};
use model::network::Network;
use model::point::Point;
use model::vault::Vault;
use model::vm::DiskFormat;
use repo::{Flow, Progress, RepoError, Repository, Transfer};
use rules::job_life;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::describe::{self, Description};
use super::{ImageFormat, Place, Plan, RestoreForm, TARGET_VM, container, record_of};
use crate::faults::{self, OrFault};
use crate::hosts::Connected;
use crate::job_run::{JobRun, Stop};
use crate::world::World;

/// The names of a job's properties that say where it writes: disks, and their description.
const DIRECTORY: &str = "Target Directory";
const DESCRIPTION: &str = "Config Directory";

/// Only its owner may look around in a job's own directory. QEMU's user comes through to the disks,
/// which libvirt gives it when it starts a domain over them; the files are private.
const PASSABLE_DIR: u32 = 0o711;

/// What one restore works on.
pub(super) struct Restore {
    pub(super) world: Arc<World>,
    pub(super) vault: Vault,
    pub(super) item: Item,
    pub(super) point: Point,
    pub(super) plan: Plan,
    pub(super) job: JobId,
}

impl Restore {
    pub(super) fn run(&self, mut run: JobRun) {
        let result = self.restore(&mut run);
        remove_partials(&self.directory(), self.job);
        if let Some(description) = self.description() {
            remove_partials(&description, self.job);
        }
        run.finish(result);
    }

    /// Where the disks go.
    fn directory(&self) -> PathBuf {
        self.plan.directory(&self.item, self.job)
    }

    /// Where the description goes, if there is to be one.
    fn description(&self) -> Option<PathBuf> {
        let store = self.plan.store.as_ref()?;
        Some(store.directory.join(container(self.plan.stem(&self.item), self.job)))
    }

    fn restore(&self, run: &mut JobRun) -> Result<(), Stop> {
        let directory = self.directory();
        // Before anything is written: by these, a killed job's files are found.
        run.tell(DIRECTORY, directory.display().to_string());
        if let Some(description) = self.description() {
            run.tell(DESCRIPTION, description.display().to_string());
        }
        run.begin_task(TRANSFER_FROM_VAULT)?;
        let repository = self.world.repositories.of(&self.vault)?;
        self.make_directories(&directory)?;
        let manifest = repository.manifest(self.point.id).or_fault()?;
        for disk in &self.plan.disks {
            // Holes are not written, and so take no time: without them the estimate is true.
            let stored = manifest.disks.iter().find(|stored| stored.target == disk.target);
            let total_bytes = stored.map_or(disk.size, |stored| stored.data_bytes);
            let target = disk.target.clone();
            run.add_disk(DiskProgress { target, total_bytes, ..DiskProgress::default() });
        }
        let mut partials = Vec::new();
        for disk in &self.plan.disks {
            let partial = self.restore_disk(run, &repository, &directory, &disk.target)?;
            partials.push((disk.target.clone(), partial));
        }
        // The last that is read of the vault: from here on, only this machine can fail.
        let record = record_of(&repository, self.point.id)?;
        run.pass_the_last_moment()?;
        let mut published = Vec::new();
        let staged = self.stage(run, &directory, partials, &record, &mut published);
        if staged.is_err() {
            // Some of a machine's files are no restore: the next one would only be in their way.
            published.iter().for_each(|path| remove(path));
        }
        let new = staged?;
        match &self.plan.form {
            RestoreForm::Disks { .. } => Ok(()),
            RestoreForm::NewVm { network, .. } => {
                self.create_vm(run, &record, &new, network.as_deref())
            }
        }
    }

    /// Gives the whole files their names, and writes down what they are; `published` has those that
    /// have their names.
    fn stage(
        &self,
        run: &mut JobRun,
        directory: &Path,
        partials: Vec<(String, PathBuf)>,
        record: &PointRecord,
        published: &mut Vec<PathBuf>,
    ) -> Result<NewDomain, Stop> {
        let mut restored = Vec::new();
        for (target, partial) in partials {
            let path = directory.join(self.plan.file(&self.item, &target));
            publish(&partial, &path).map_err(|error| unusable(&path, &error))?;
            published.push(path.clone());
            run.tell(&format!("Restored Disk {target}"), path.display().to_string());
            restored.push(RestoredDisk { target, path, format: self.disk_format() });
        }
        sync_directory(directory).map_err(|error| unusable(directory, &error))?;
        let new = self.new_domain(restored);
        if let Some(description) = self.description() {
            self.describe(run, &description, record, &new, published)?;
        }
        Ok(new)
    }

    fn make_directories(&self, directory: &Path) -> Result<(), Stop> {
        let make = |path: &Path| {
            let made = DirBuilder::new().recursive(true).mode(PASSABLE_DIR).create(path);
            made.map_err(|error| unusable(path, &error))
        };
        match &self.plan.place {
            Place::Given(_) => {
                fs::create_dir_all(directory).map_err(|error| unusable(directory, &error))?;
            }
            Place::Under(_) => make(directory)?,
        }
        self.description().map_or(Ok(()), |path| make(&path))
    }

    fn disk_format(&self) -> DiskFormat {
        match self.plan.format() {
            ImageFormat::Raw => DiskFormat::Raw,
            ImageFormat::Qcow2 => DiskFormat::Qcow2,
        }
    }

    /// Restores one disk to a file of another name, and gives back its path.
    fn restore_disk(
        &self,
        run: &mut JobRun,
        repository: &Repository,
        directory: &Path,
        target: &str,
    ) -> Result<PathBuf, Stop> {
        let stem = format!("{}{target}", partial_prefix(self.job));
        let raw = directory.join(format!("{stem}.raw"));
        let file = new_file(&raw).map_err(|error| unusable(&raw, &error))?;
        let reporter = Reporter { target, run: Mutex::new(run) };
        match repository.restore_disk(self.point.id, target, &file, &reporter) {
            Ok(_) => {}
            Err(RepoError::Cancelled) => return Err(Stop::Cancelled),
            Err(error) => return Err(faults::of_repository(&error).into()),
        }
        if self.plan.format() == ImageFormat::Raw {
            file.sync_all().map_err(|error| unusable(&raw, &error))?;
            return Ok(raw);
        }
        let qcow2 = directory.join(format!("{stem}.qcow2"));
        fabric::image::convert_raw_to_qcow2(&raw, &qcow2).or_fault()?;
        fs::remove_file(&raw).map_err(|error| unusable(&raw, &error))?;
        let converted = File::open(&qcow2).and_then(|file| file.sync_all());
        converted.map_err(|error| unusable(&qcow2, &error))?;
        run.go_on()?;
        Ok(qcow2)
    }

    fn new_domain(&self, disks: Vec<RestoredDisk>) -> NewDomain {
        let network = match &self.plan.form {
            RestoreForm::NewVm { network: Some(network), .. } => Some(network.libvirt_name.clone()),
            _ => None,
        };
        NewDomain {
            uuid: model::seed::new_uuid(self.world.seed.as_ref()),
            name: self.plan.vm_name(&self.item, self.job),
            resource_group: Some(self.plan.resource_group.clone()),
            network,
            disks,
        }
    }

    /// Writes down what was restored, for people, for libvirt and for Azure's tools.
    fn describe(
        &self,
        run: &mut JobRun,
        directory: &Path,
        record: &PointRecord,
        new: &NewDomain,
        published: &mut Vec<PathBuf>,
    ) -> Result<(), Stop> {
        let names = describe::Names::of(&self.item.vm_name, self.job);
        let description = Description {
            subscription: self.world.tenancy.subscription,
            vault: &self.vault,
            item: &self.item,
            point: &self.point,
            record,
            new,
            domain_file: &directory.join(&names.domain),
        };
        let files = description.files(&names)?;
        for (name, content) in files {
            let path = directory.join(&name);
            let partial = directory.join(format!("{}{name}", partial_prefix(self.job)));
            let write = || -> io::Result<()> {
                let mut file = new_file(&partial)?;
                file.write_all(content.as_bytes())?;
                file.sync_all()?;
                publish(&partial, &path)
            };
            write().map_err(|error| unusable(&path, &error))?;
            published.push(path);
        }
        sync_directory(directory).map_err(|error| unusable(directory, &error))?;
        let uri = |name: &str| api::arm::store::file_uri(&directory.join(name));
        let container = container(self.plan.stem(&self.item), self.job);
        run.tell("Config Blob Name", names.config.clone());
        run.tell("Config Blob Container Name", container);
        run.tell("Config Blob Uri", uri(&names.config));
        run.tell("Template Blob Uri", uri(&names.template));
        if matches!(self.plan.form, RestoreForm::Disks { .. }) {
            run.tell(TARGET_VM, new.name.clone());
        }
        Ok(())
    }

    fn create_vm(
        &self,
        run: &mut JobRun,
        record: &PointRecord,
        new: &NewDomain,
        network: Option<&Network>,
    ) -> Result<(), Stop> {
        run.begin_task(CREATE_VM)?;
        let host = self.host(network)?;
        let defined = host.hypervisor.define(&record.domain_xml, new);
        if defined.is_err() {
            // It may have been done, and only the answer lost. The UUID is nobody else's.
            let _ = host.hypervisor.undefine(new.uuid);
        }
        let left_out = defined.or_fault()?;
        for words in left_out {
            run.tell("Left out of the virtual machine", words);
        }
        run.tell("Target VM Id", new.uuid.to_string());
        host.hypervisor.start(new.uuid).map_err(|error| {
            let text = faults::chain_text(&error);
            let name = &new.name;
            let message = format!("'{name}' is defined, but could not be started: {text}.");
            Fault::new(Code::RestoredVmNotStarted, message)
        })?;
        Ok(())
    }

    /// The host that has the network; any of the region, where none is chosen.
    fn host(&self, network: Option<&Network>) -> Result<Arc<Connected>, Fault> {
        match network {
            None => self.world.hosts.in_region(&self.vault.region),
            Some(network) => {
                let mut hosts = self.world.hosts.all().into_iter();
                hosts.find(|connected| connected.host.id == network.host).ok_or_else(|| {
                    let message = format!("The host of network '{}' is gone.", network.name);
                    Fault::new(Code::HypervisorUnavailable, message)
                })
            }
        }
    }
}

fn unusable(path: &Path, error: &io::Error) -> Stop {
    let message = format!("{} cannot be written: {error}.", path.display());
    Stop::Fault(Fault::new(Code::RestoreTargetInvalid, message))
}

/// What a job's unfinished files are called: nobody else's are ever removed.
fn partial_prefix(job: JobId) -> String {
    format!(".holdfast-{job}-")
}

/// Removes what a killed restore job left in its directories, and says what became of it.
pub(crate) fn clean_up(job: &Job) -> Fault {
    for (name, directory) in &job.properties {
        if name == DIRECTORY || name == DESCRIPTION {
            remove_partials(Path::new(directory), job.id);
        }
    }
    let told = |name: &str| job.properties.iter().find(|(key, _)| key == name);
    let directory = told(DIRECTORY).map(|(_, directory)| directory.as_str());
    let created = job.tasks.iter().any(|task| task.name == CREATE_VM && task.begun_at.is_some());
    let vm = told(TARGET_VM).filter(|_| created).map(|(_, name)| name.as_str());
    job_life::interrupted_restore(directory, vm)
}

/// Removes the job's unfinished files, and the directory if it is the job's own and empty then.
fn remove_partials(directory: &Path, job: JobId) {
    let prefix = partial_prefix(job);
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            remove(&entry.path());
        }
    }
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(&job.to_string()) {
        // It stays where it holds anything.
        let _ = fs::remove_dir(directory);
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "not removed");
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Gives a whole file its own name, unless a file of that name has come up meanwhile.
fn publish(partial: &Path, path: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, partial, CWD, path, RenameFlags::NOREPLACE)?)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Carries a transfer's figures into its job. The `Mutex` is there because the repository may
/// report from any of its threads.
struct Reporter<'a> {
    target: &'a str,
    run: Mutex<&'a mut JobRun>,
}

impl Progress for Reporter<'_> {
    fn report(&self, transfer: Transfer) -> Flow {
        let mut run = self.run.lock().expect("reporting does not panic");
        run.progress(&DiskProgress {
            target: self.target.to_owned(),
            done_bytes: transfer.scanned,
            scanned_bytes: transfer.scanned,
            ..DiskProgress::default()
        });
        if run.is_to_stop() { Flow::Cancel } else { Flow::Continue }
    }
}
