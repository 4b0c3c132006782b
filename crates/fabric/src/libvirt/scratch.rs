//! The directories of a capture, and the room in them.
//!
//! A running guest that overwrites a block during its backup makes QEMU copy the old one into the
//! scratch file first. When that fails for lack of space, QEMU pauses the guest. So room is
//! checked and promised before the begin, and watched until the end.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::point::PointId;
use model::units::{GIB, MIB};
use uuid::Uuid;

use super::Shared;
use crate::error::FabricError;

/// Below this much free space a capture is given up: the guest may be writing hundreds of MB a
/// second, and the pause comes with the last byte.
pub(super) const FLOOR: u64 = 32 * MIB;

/// Name of the file in a scratch directory that names the domain.
const DOMAIN_FILE: &str = "domain";

/// What one capture holds; removed when dropped.
pub(super) struct Dirs {
    shared: Arc<Shared>,
    promised: u64,
    base: PathBuf,
    /// Where QEMU puts the scratch files.
    pub(super) scratch: PathBuf,
    /// Where QEMU puts its socket.
    socket: PathBuf,
}

impl Dirs {
    /// Makes both directories, owned by QEMU's user, after a look at the room for `allocated`
    /// bytes of disks.
    pub(super) fn create(
        shared: &Arc<Shared>,
        scratch_dir: &Path,
        socket_dir: &Path,
        point: PointId,
        domain: Uuid,
        allocated: u64,
    ) -> Result<Self, FabricError> {
        make_dir(scratch_dir)?;
        make_dir(socket_dir)?;
        let promised = promise(shared, scratch_dir, allocated)?;
        let socket = socket_dir.join(point.to_string());
        let marker = socket.join("nbd").to_string_lossy().into_owned();
        lock(&shared.live).push((domain, marker));
        let dirs = Self {
            shared: Arc::clone(shared),
            promised,
            base: scratch_dir.to_owned(),
            scratch: scratch_dir.join(format!("{}-{point}", instance(socket_dir))),
            socket,
        };
        let owner = qemu_user(&shared.config.qemu_conf);
        for dir in [&dirs.scratch, &dirs.socket] {
            let _ = fs::remove_dir_all(dir);
            // The guest's old blocks go in here: for QEMU's user alone.
            fs::DirBuilder::new().mode(0o700).create(dir).map_err(failed("creating", dir))?;
        }
        let note = dirs.scratch.join(DOMAIN_FILE);
        fs::write(&note, domain.to_string()).map_err(failed("writing", &note))?;
        for dir in [&dirs.scratch, &dirs.socket] {
            if let Some((user, group)) = owner {
                chown(dir, Some(user), Some(group)).map_err(failed("giving away", dir))?;
            }
        }
        Ok(dirs)
    }

    /// The NBD socket. Its path also tells our job from others.
    pub(super) fn socket(&self) -> PathBuf {
        self.socket.join("nbd")
    }

    /// Free bytes where the scratch files are.
    pub(super) fn free(&self) -> Option<u64> {
        free(&self.base).ok()
    }

    /// The error of a scratch that is too full.
    pub(super) fn full(&self, message: String) -> FabricError {
        FabricError::ScratchFull { path: self.base.clone(), message }
    }
}

impl Drop for Dirs {
    fn drop(&mut self) {
        for dir in [&self.scratch, &self.socket] {
            if let Err(error) = fs::remove_dir_all(dir) {
                tracing::warn!(dir = %dir.display(), %error, "scratch not removed");
            }
        }
        *lock(&self.shared.promised) -= self.promised;
        let marker = self.socket();
        lock(&self.shared.live).retain(|(_, it)| Path::new(it) != marker);
    }
}

/// The instance's name: what its directories carry.
pub(super) fn instance(socket_dir: &Path) -> String {
    socket_dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What an earlier process of this instance left: directory, and the domain it was for.
pub(super) fn left_overs(scratch_dir: &Path, socket_dir: &Path) -> Vec<(PathBuf, Option<Uuid>)> {
    let prefix = format!("{}-", instance(socket_dir));
    let entries = fs::read_dir(scratch_dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| {
            let note = fs::read_to_string(entry.path().join(DOMAIN_FILE)).unwrap_or_default();
            (entry.path(), Uuid::parse_str(note.trim()).ok())
        })
        .collect()
}

/// How much room a capture of disks with `allocated` bytes needs: all of it in the worst case,
/// which for large disks no guest reaches; a tenth then, and never less than 1 GiB.
fn needed(allocated: u64) -> u64 {
    allocated.min(GIB.max(allocated / 10))
}

fn promise(shared: &Shared, dir: &Path, allocated: u64) -> Result<u64, FabricError> {
    let free = free(dir).map_err(failed("looking at", dir))?;
    let mut promised = lock(&shared.promised);
    let needed = needed(allocated);
    if free.saturating_sub(*promised) < needed + FLOOR {
        let message = format!(
            "{} MiB are free, {} MiB of them promised to running backups; this one needs {} MiB",
            free / MIB,
            *promised / MIB,
            (needed + FLOOR) / MIB
        );
        return Err(FabricError::ScratchFull { path: dir.to_owned(), message });
    }
    *promised += needed;
    Ok(needed)
}

fn free(dir: &Path) -> Result<u64, std::io::Error> {
    let status = rustix::fs::statvfs(dir)?;
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}

/// Makes a directory, and those above it that are missing, so that QEMU's user may pass through
/// but not list them, whatever the umask. One that is there stays as it is.
fn make_dir(dir: &Path) -> Result<(), FabricError> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_dir(above)?;
    }
    match fs::create_dir(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other.and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o711))),
    }
    .map_err(failed("creating", dir))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FabricError {
    let path = path.to_owned();
    move |source| FabricError::File { what, path, source }
}

/// User and group that QEMU runs as: from `qemu.conf`, else the distributions' defaults.
fn qemu_user(qemu_conf: &Path) -> Option<(u32, u32)> {
    let conf = fs::read_to_string(qemu_conf).unwrap_or_default();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    user_from(&conf, &passwd, &groups)
}

pub(super) fn user_from(conf: &str, passwd: &str, groups: &str) -> Option<(u32, u32)> {
    let names: Vec<String> = match setting(conf, "user") {
        Some(name) => vec![name],
        None => vec!["libvirt-qemu".into(), "qemu".into()],
    };
    let (user, own_group) = names.iter().find_map(|name| {
        let number = name.trim_start_matches('+').parse().ok();
        let field = |line: &str, at: usize| line.split(':').nth(at)?.parse::<u32>().ok();
        let line = passwd.lines().find(|line| {
            line.split(':').next() == Some(name) || (number.is_some() && field(line, 2) == number)
        });
        match line {
            Some(line) => Some((field(line, 2)?, field(line, 3)?)),
            None => number.map(|number| (number, number)),
        }
    })?;
    let group = setting(conf, "group").and_then(|name| {
        let line = groups.lines().find(|line| line.split(':').next() == Some(&name));
        let named = line.and_then(|line| line.split(':').nth(2)?.parse().ok());
        named.or_else(|| name.trim_start_matches('+').parse().ok())
    });
    Some((user, group.unwrap_or(own_group)))
}

fn setting(conf: &str, key: &str) -> Option<String> {
    let value = conf.lines().rev().find_map(|line| {
        let (name, value) = line.trim().split_once('=')?;
        (name.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
    })?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests;
