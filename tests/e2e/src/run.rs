//! Running other programs, with errors that say what was run and what it said.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Runs `program` and returns what it wrote to stdout; an error unless it succeeds.
pub fn run<S: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot run {program}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {}", output.status, told.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `virsh` on the system's libvirt.
pub fn virsh<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<String> {
    let base = ["-q", "-c", "qemu:///system"].map(|word| OsStr::new(word).to_os_string());
    let rest = arguments.into_iter().map(|word| word.as_ref().to_os_string());
    run("virsh", base.into_iter().chain(rest))
}
