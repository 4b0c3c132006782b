//! A libvirt that hangs at the worst moment: no backup can begin, but the guest runs and its agent
//! answers.
//!
//! A core dump of the running domain is written into a pipe that nobody reads. While it waits, it
//! holds the domain's one place for long jobs: beginning a backup blocks (for at most 30 s),
//! whereas freezing and thawing go another way and work. A guest whose file systems were frozen
//! just before stays frozen until somebody thaws it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::guest::Guest;
use crate::lab::Lab;
use crate::run::{run, virsh};
use crate::wait::until;

/// A stalled domain, for as long as it lives.
pub struct Stall {
    dump: Child,
    /// The pipe's reading end, which is never read.
    reader: Option<std::fs::File>,
    pipe: PathBuf,
}

impl Stall {
    /// Stalls the guest's domain.
    pub fn begin(lab: &Lab, guest: &Guest) -> Result<Stall> {
        let pipe = lab.path("stall");
        run("mkfifo", [&pipe])?;
        // Opening a pipe for reading waits for a writer, unless it is told not to.
        const O_NONBLOCK: i32 = 0o4000;
        let reader = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&pipe)?;
        let dump = Command::new("virsh")
            .args(["-q", "-c", "qemu:///system", "dump", "--live", &guest.name])
            .arg(&pipe)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run virsh")?;
        let stall = Stall { dump, reader: Some(reader), pipe };
        until("the domain is stalled", Duration::from_secs(10), || {
            let told = virsh(["domjobinfo", &guest.name])?;
            Ok(told.contains("Dump").then_some(()))
        })?;
        Ok(stall)
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        // The dump fails at once when its pipe has no reader any more.
        self.reader.take();
        for _ in 0..100 {
            if matches!(self.dump.try_wait(), Ok(Some(_))) {
                break;
            }
            sleep(Duration::from_millis(50));
        }
        let _ = self.dump.kill();
        let _ = self.dump.wait();
        let _ = std::fs::remove_file(&self.pipe);
    }
}
