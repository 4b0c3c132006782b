//! Restore: from a recovery point to files, and to a virtual machine that boots.
//!
//! Every disk is written to a file with another name first, and gets its own name when all of it is
//! there: a file `<vm>-<target>.<format>` is whole, whatever happened. What a job did not get
//! through with is removed; a killed job's files are removed at the next start.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use api::record::PointRecord;
use fabric::{NewDomain, RestoredDisk};
use model::fault::{Code, Fault};
use model::item::Item;
use model::job::{CREATE_VM, Job, JobId, Operation, TRANSFER_FROM_VAULT};
use model::point::{Point, PointId};
use model::vault::Vault;
use model::vm::DiskFormat;
use repo::{Flow, Progress, RepoError, Repository, Transfer};
use rules::{item_life, naming};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::Engine;
use crate::faults::{self, OrFault};
use crate::job_run::{JobRun, NewJob, Stop};
use crate::world::World;

/// The name of a job's property that says where it restores to.
const DIRECTORY: &str = "Target Directory";

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

/// Where a recovery point is restored to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreTarget {
    /// Its disks, as files `<vm>-<target>.<format>`.
    Disks {
        /// The directory, by its absolute path. Made if missing; must hold none of the files.
        directory: PathBuf,
        /// The files' format.
        format: ImageFormat,
    },
    /// A new virtual machine over its disks, started.
    NewVm {
        /// The new VM's name, which no VM of its host may have.
        name: String,
        /// The directory for its disks, by its absolute path. QEMU's user must be able to get
        /// there.
        directory: PathBuf,
    },
}

impl RestoreTarget {
    fn directory(&self) -> &Path {
        match self {
            Self::Disks { directory, .. } | Self::NewVm { directory, .. } => directory,
        }
    }

    fn format(&self) -> ImageFormat {
        match self {
            Self::Disks { format, .. } => *format,
            Self::NewVm { .. } => ImageFormat::Qcow2,
        }
    }

    /// What its files' names begin with.
    fn stem<'a>(&'a self, item: &'a Item) -> &'a str {
        match self {
            Self::Disks { .. } => &item.vm_name,
            Self::NewVm { name, .. } => name,
        }
    }
}

impl Engine {
    /// Begins a restore. Returns as soon as the job runs.
    ///
    /// # Errors
    ///
    /// `ItemSoftDeleted`; `ResourceNotFound` for an unknown point; `RestoreTargetInvalid` for a
    /// directory or name that cannot be used; the ledger failed. What goes wrong later is in the
    /// job.
    pub fn restore(&self, item: &Item, point: PointId, to: RestoreTarget) -> Result<JobId, Fault> {
        item_life::may_restore(item)?;
        let point = self.point(item, point)?;
        let vault = self.world.ledger.vault(item.vault).or_fault()?.ok_or_else(|| {
            Fault::new(Code::ResourceNotFound, "The item's vault is not in the ledger.")
        })?;
        self.check_target(item, &point, &to)?;
        let mut properties = vec![
            ("Recovery point time ".to_owned(), point.taken_at.to_string()),
            (DIRECTORY.to_owned(), to.directory().display().to_string()),
        ];
        let mut tasks = vec![TRANSFER_FROM_VAULT];
        let kind = match &to {
            RestoreTarget::Disks { .. } => "Recover disks",
            RestoreTarget::NewVm { name, .. } => {
                tasks.push(CREATE_VM);
                properties.push(("Target VM Name".to_owned(), name.clone()));
                "Recover virtual machine"
            }
        };
        properties.insert(0, ("Job Type".to_owned(), kind.to_owned()));
        let new = NewJob {
            vault: vault.id,
            item: item.id,
            operation: Operation::Restore,
            point: Some(point.id),
            retain_until: None,
            tasks: &tasks,
            properties,
        };
        let run = JobRun::begin(&self.world, new)?;
        let id = run.job().id;
        let world = Arc::clone(&self.world);
        let restore = Restore { world, vault, item: item.clone(), point, to, job: id };
        let work = move || restore.run(run);
        match thread::Builder::new().name(format!("restore-{id}")).spawn(work) {
            Ok(_) => Ok(id),
            Err(error) => {
                let message = format!("No thread could be started for the job: {error}.");
                Err(Fault::new(Code::Internal, message))
            }
        }
    }

    fn check_target(&self, item: &Item, point: &Point, to: &RestoreTarget) -> Result<(), Fault> {
        let directory = to.directory();
        let invalid = |message: String| Err(Fault::new(Code::RestoreTargetInvalid, message));
        if !directory.is_absolute() {
            let shown = directory.display();
            return invalid(format!("The directory '{shown}' is not an absolute path."));
        }
        if directory.components().any(|part| part == Component::ParentDir) {
            let shown = directory.display();
            return invalid(format!("The directory '{shown}' has '..' in its path."));
        }
        if resolved(directory).starts_with(&self.world.config.data_dir) {
            let message = "The directory lies in Holdfast's own data directory.";
            return invalid(message.to_owned());
        }
        for disk in &point.disks {
            let file = final_path(to, item, &disk.target);
            if file.symlink_metadata().is_ok() {
                return invalid(format!("The file {} exists already.", file.display()));
            }
        }
        if let RestoreTarget::NewVm { name, .. } = to {
            if !naming::is_valid(name) {
                return invalid(format!("'{name}' cannot be a virtual machine's name."));
            }
            let taken = |vm: &model::vm::Vm| vm.domain.eq_ignore_ascii_case(name);
            if self.vms()?.iter().any(taken) {
                return invalid(format!("A virtual machine named '{name}' exists already."));
            }
        }
        Ok(())
    }
}

/// Where a path leads, as far as it is there, whatever links are on the way.
fn resolved(path: &Path) -> PathBuf {
    for above in path.ancestors() {
        if let Ok(real) = above.canonicalize() {
            return real.join(path.strip_prefix(above).unwrap_or(Path::new("")));
        }
    }
    path.to_owned()
}

fn final_path(to: &RestoreTarget, item: &Item, target: &str) -> PathBuf {
    let name = format!("{}-{target}.{}", to.stem(item), to.format().name());
    to.directory().join(name)
}

/// What a job's unfinished files are called: nobody else's are ever removed.
fn partial_prefix(job: JobId) -> String {
    format!(".holdfast-{job}-")
}

/// Removes what a killed restore job left in its directory.
pub(crate) fn clean_up(job: &Job) {
    let directory = job.properties.iter().find(|(name, _)| name == DIRECTORY);
    if let Some((_, directory)) = directory {
        remove_partials(Path::new(directory), job.id);
    }
}

fn remove_partials(directory: &Path, job: JobId) {
    let prefix = partial_prefix(job);
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix)
            && let Err(error) = fs::remove_file(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "not removed");
        }
    }
}

/// What one restore works on.
struct Restore {
    world: Arc<World>,
    vault: Vault,
    item: Item,
    point: Point,
    to: RestoreTarget,
    job: JobId,
}

impl Restore {
    fn run(&self, mut run: JobRun) {
        let result = self.restore(&mut run);
        remove_partials(self.to.directory(), self.job);
        run.finish(result);
    }

    fn restore(&self, run: &mut JobRun) -> Result<(), Stop> {
        run.begin_task(TRANSFER_FROM_VAULT)?;
        let repository = self.world.repositories.of(&self.vault)?;
        let directory = self.to.directory();
        fs::create_dir_all(directory).map_err(|error| self.unusable(directory, &error))?;
        for disk in &self.point.disks {
            run.add_disk(&disk.target, "", disk.size);
        }
        let mut files = Vec::new();
        for disk in &self.point.disks {
            files.push((disk.target.clone(), self.restore_disk(run, &repository, &disk.target)?));
        }
        run.pass_the_last_moment()?;
        let mut restored = Vec::new();
        for (target, partial) in files {
            let path = final_path(&self.to, &self.item, &target);
            publish(&partial, &path).map_err(|error| self.unusable(&path, &error))?;
            run.tell(&format!("Restored Disk {target}"), path.display().to_string());
            restored.push(RestoredDisk { target, path, format: self.disk_format() });
        }
        sync_directory(directory).map_err(|error| self.unusable(directory, &error))?;
        match &self.to {
            RestoreTarget::Disks { .. } => Ok(()),
            RestoreTarget::NewVm { name, .. } => self.create_vm(run, &repository, name, restored),
        }
    }

    fn disk_format(&self) -> DiskFormat {
        match self.to.format() {
            ImageFormat::Raw => DiskFormat::Raw,
            ImageFormat::Qcow2 => DiskFormat::Qcow2,
        }
    }

    fn unusable(&self, path: &Path, error: &io::Error) -> Stop {
        let message = format!("{} cannot be written: {error}.", path.display());
        Stop::Fault(Fault::new(Code::RestoreTargetInvalid, message))
    }

    /// Restores one disk to a file of another name, and gives back its path.
    fn restore_disk(
        &self,
        run: &mut JobRun,
        repository: &Repository,
        target: &str,
    ) -> Result<PathBuf, Stop> {
        let stem = format!("{}{target}", partial_prefix(self.job));
        let raw = self.to.directory().join(format!("{stem}.raw"));
        let file = new_file(&raw).map_err(|error| self.unusable(&raw, &error))?;
        let reporter = Reporter { target, run: Mutex::new(run) };
        match repository.restore_disk(self.point.id, target, &file, &reporter) {
            Ok(_) => {}
            Err(RepoError::Cancelled) => return Err(Stop::Cancelled),
            Err(error) => return Err(faults::of_repository(&error).into()),
        }
        if self.to.format() == ImageFormat::Raw {
            file.sync_all().map_err(|error| self.unusable(&raw, &error))?;
            return Ok(raw);
        }
        let qcow2 = self.to.directory().join(format!("{stem}.qcow2"));
        fabric::image::convert_raw_to_qcow2(&raw, &qcow2).or_fault()?;
        fs::remove_file(&raw).map_err(|error| self.unusable(&raw, &error))?;
        let converted = File::open(&qcow2).and_then(|file| file.sync_all());
        converted.map_err(|error| self.unusable(&qcow2, &error))?;
        run.go_on()?;
        Ok(qcow2)
    }

    fn create_vm(
        &self,
        run: &mut JobRun,
        repository: &Repository,
        name: &str,
        disks: Vec<RestoredDisk>,
    ) -> Result<(), Stop> {
        run.begin_task(CREATE_VM)?;
        let manifest = repository.manifest(self.point.id).or_fault()?;
        let record = PointRecord::decode(&manifest.engine).map_err(|error| {
            let text = faults::chain_text(&error);
            Fault::new(Code::StoreDamaged, format!("The point's record cannot be read: {text}."))
        })?;
        let host = self.world.hosts.in_region(&self.vault.region)?;
        let new = NewDomain {
            uuid: model::seed::new_uuid(self.world.seed.as_ref()),
            name: name.to_owned(),
            resource_group: Some(self.item.vm_resource_group.clone()),
            disks,
        };
        let left_out = host.hypervisor.define(&record.domain_xml, &new).or_fault()?;
        for words in left_out {
            run.tell("Left out of the virtual machine", words);
        }
        run.tell("Target VM Id", new.uuid.to_string());
        host.hypervisor.start(new.uuid).map_err(|error| {
            let text = faults::chain_text(&error);
            let message = format!("'{name}' is defined, but could not be started: {text}.");
            Fault::new(Code::RestoredVmNotStarted, message)
        })?;
        Ok(())
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
        run.progress(self.target, transfer.scanned, transfer.total, 0, 0);
        if run.is_cancelled() { Flow::Cancel } else { Flow::Continue }
    }
}
