//! `holdfast repo restore`: a point's disks become image files.
//!
//! A disk is written beside its place under another name, and takes its place when all of it is
//! there: a file with the name that was asked for is whole, whatever happened.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use model::fault::{Code, Fault};
use model::point::PointId;
use repo::{DiskInfo, Repository};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};

use super::faults::OrFailure;
use super::place::Place;
use super::watch::Watch;
use crate::commands::restore::Format;
use crate::failure::{Exit, Failure};
use crate::output::Reply;
use crate::text;

/// What is restored to where.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// Only this disk
    #[arg(long, value_name = "TARGET")]
    disk: Option<String>,
    /// The format of the images
    #[arg(long, value_enum, default_value_t = Format::Raw)]
    format: Format,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// The recovery point
    point: PointId,
    /// The image file; for a point of several disks, and where it is one, a directory for
    /// TARGET.FORMAT files
    out: PathBuf,
}

impl Args {
    /// Carries the command out.
    pub fn run(self, watched: bool) -> Result<Reply, Failure> {
        let repository = self.place.open()?;
        let mut disks = self.named(repository.manifest(self.point).or_failure())?.disks;
        if let Some(target) = &self.disk {
            disks.retain(|disk| disk.target == *target);
            if disks.is_empty() {
                let message = format!("The point {} has no disk '{target}'.", self.point);
                return Err(Failure::not_found(message));
            }
        }
        let mut restored = Vec::new();
        for (disk, path) in self.files(&disks)? {
            self.restore(&repository, disk, &path, watched)?;
            restored.push((disk, path));
        }
        let human: Vec<String> = restored
            .iter()
            .map(|(disk, path)| {
                let (target, size) = (text::printable(&disk.target), text::bytes(disk.size));
                format!("{target} ({size}) is restored to {}.", path.display())
            })
            .collect();
        let disks: Value = restored.iter().map(|(disk, path)| self.document(disk, path)).collect();
        let document = json!({"point": self.point.to_string(), "disks": disks});
        Ok(Reply::done(document, human.join("\n")))
    }

    fn document(&self, disk: &DiskInfo, path: &Path) -> Value {
        json!({
            "target": disk.target,
            "path": path,
            "format": self.format.name(),
            "size": disk.size,
            "dataBytes": disk.data_bytes,
        })
    }

    /// The disks with the files they go into.
    fn files<'a>(&self, disks: &'a [DiskInfo]) -> Result<Vec<(&'a DiskInfo, PathBuf)>, Failure> {
        if let ([disk], false) = (disks, self.out.is_dir()) {
            return Ok(vec![(disk, self.out.clone())]);
        }
        fs::create_dir_all(&self.out)
            .map_err(|error| Failure::file("Cannot make the directory", &self.out, &error))?;
        disks
            .iter()
            .map(|disk| {
                // Targets come from the store: one that is no plain name could lead elsewhere.
                let name = format!("{}.{}", disk.target, self.format.name());
                match Path::new(&name).file_name() {
                    Some(plain) if plain == name.as_str() => Ok((disk, self.out.join(name))),
                    _ => Err(unusable(format!("'{}' is no file name.", disk.target))),
                }
            })
            .collect()
    }

    /// Damage is named with the point that it costs.
    fn named<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        result.map_err(|failure| match failure.exit {
            Exit::Damaged => {
                let message =
                    format!("Point {} cannot be restored. {}", self.point, failure.message);
                Failure { message, ..failure }
            }
            _ => failure,
        })
    }

    fn restore(
        &self,
        repository: &Repository,
        disk: &DiskInfo,
        path: &Path,
        watched: bool,
    ) -> Result<(), Failure> {
        if !self.force && path.symlink_metadata().is_ok() {
            return Err(unusable(format!("{} is there already.", path.display())));
        }
        let raw = Unfinished::beside(path, "raw.part");
        let watch = Watch::new(&disk.target, watched)?;
        let written = raw.create().and_then(|file| {
            let restored = repository.restore_disk(self.point, &disk.target, &file, &watch);
            self.named(restored.or_failure())?;
            file.sync_all().map_err(|error| Failure::file("Cannot write", &raw.path, &error))
        });
        watch.done();
        written?;
        match self.format {
            Format::Raw => raw.finish(path, self.force),
            Format::Qcow2 => {
                let qcow2 = Unfinished::beside(path, "qcow2.part");
                let file = qcow2.create()?;
                engine::image::convert_to_qcow2(&raw.path, &qcow2.path)?;
                file.sync_all()
                    .map_err(|error| Failure::file("Cannot write", &qcow2.path, &error))?;
                qcow2.finish(path, self.force)
            }
        }
    }
}

/// A file that is not whole yet; removed unless it is finished.
struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    fn beside(path: &Path, suffix: &str) -> Self {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(suffix);
        Self { path: path.with_file_name(name) }
    }

    /// Makes the file. What a killed run left under this name is replaced.
    fn create(&self) -> Result<File, Failure> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&self.path)
            .map_err(|error| Failure::file("Cannot make", &self.path, &error))
    }

    /// Gives the file its name; replaces another one only if it may.
    fn finish(self, path: &Path, replace: bool) -> Result<(), Failure> {
        let flags = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        renameat_with(CWD, &self.path, CWD, path, flags)
            .map_err(io::Error::from)
            .and_then(|()| {
                let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
            })
            .map_err(|error| Failure::file("Cannot finish", path, &error))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // A finished one is not there under this name any more.
        let _ = fs::remove_file(&self.path);
    }
}

fn unusable(message: String) -> Failure {
    Fault::new(Code::RestoreTargetInvalid, message).into()
}
