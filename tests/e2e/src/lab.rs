//! A place for one test: a directory that QEMU may enter, and names for its domains. What a test
//! leaves is removed when the lab is dropped; what a killed test left, at the next start.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::run::{run, virsh};

/// Where libvirt keeps images: its QEMU user may enter, also where a security module confines it.
const IMAGES: &str = "/var/lib/libvirt/images";
/// What every domain's name begins with.
pub const PREFIX: &str = "hf-e2e-";

/// The place of one test.
pub struct Lab {
    name: String,
    directory: PathBuf,
    begin: Instant,
    _only_one: File,
}

impl Lab {
    /// Sets the place up; waits for another process that has the same.
    pub fn new(name: &str) -> Result<Lab> {
        let lock = File::create(format!("/run/lock/{PREFIX}{name}")).context("a lock file")?;
        lock.lock().context("waiting for another run of this test")?;
        let directory = Path::new(IMAGES).join(format!("{PREFIX}{name}"));
        let lab = Lab { name: name.to_owned(), directory, begin: Instant::now(), _only_one: lock };
        lab.clear();
        fs::create_dir_all(&lab.directory).context("the lab's directory")?;
        fs::set_permissions(&lab.directory, Permissions::from_mode(0o755))?;
        Ok(lab)
    }

    /// A domain's name.
    pub fn domain(&self, name: &str) -> String {
        format!("{PREFIX}{}-{name}", self.name)
    }

    /// A path in the lab.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A directory in the lab that QEMU may enter; created.
    pub fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// Tells what has been seen, and when.
    pub fn saw(&self, what: &str) {
        eprintln!("{:>7.1} s  {}: {what}", self.begin.elapsed().as_secs_f64(), self.name);
    }

    /// Removes the domains and the files of this lab.
    fn clear(&self) {
        let mine = format!("{PREFIX}{}-", self.name);
        let listed = virsh(["list", "--all", "--name"]).unwrap_or_default();
        for domain in listed.lines().filter(|line| line.starts_with(&mine)) {
            // A job or a frozen guest must not outlive its test; each step may have nothing to do.
            let _ = virsh(["destroy", domain]);
            let _ = virsh(["undefine", "--checkpoints-metadata", domain]);
        }
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        for place in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
            if Path::new(place).starts_with(&self.directory) {
                let _ = run("umount", ["--lazy", place]);
            }
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        match std::env::var_os("HOLDFAST_KEEP") {
            Some(_) => eprintln!("kept: {}", self.directory.display()),
            None => self.clear(),
        }
    }
}
