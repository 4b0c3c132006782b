//! A guest: booted, asked and changed through its VM agent, stopped kindly or not.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::disk::{self, Disk};
use crate::lab::Lab;
use crate::run::{run, virsh};
use crate::wait::until;

/// How long a boot may take under emulation on a busy machine.
const BOOT: Duration = Duration::from_secs(120);
/// How long one command in the guest may take.
const COMMAND: Duration = Duration::from_secs(180);
/// The application's own state changes with every freeze: it is no evidence of equality.
const RESTLESS: &str = "/var/lib/app/*";

/// A domain that runs the demo guest.
pub struct Guest {
    /// The domain's name.
    pub name: String,
    /// Its serial console.
    pub console: PathBuf,
}

impl Guest {
    /// Defines a domain with these disks and leaves it powered off.
    pub fn define(lab: &Lab, name: &str, disks: &[Disk]) -> Result<Guest> {
        let guest = Guest { name: lab.domain(name), console: lab.path(&format!("{name}.console")) };
        let boot = disk::demo_guest("2G")?;
        let mut arguments: Vec<String> = Vec::new();
        let mut option = |name: &str, value: &str| {
            arguments.extend([name.to_owned(), value.to_owned()]);
        };
        option("--name", &guest.name);
        option("--guest", &boot.to_string_lossy());
        option("--log", &guest.console.to_string_lossy());
        arguments.extend(
            disks.iter().map(|disk| format!("{},format={}", disk.path.display(), disk.format)),
        );
        let xml = lab.path(&format!("{name}.xml"));
        fs::write(&xml, run(&disk::tool("guest/domain"), arguments)?)?;
        virsh(["define".as_ref(), xml.as_os_str()])?;
        Ok(guest)
    }

    /// Defines a domain with these disks, boots it, and waits for its agent.
    pub fn boot(lab: &Lab, name: &str, disks: &[Disk]) -> Result<Guest> {
        let guest = Guest::define(lab, name, disks)?;
        guest.start()?;
        lab.saw(&format!("{name} has booted"));
        Ok(guest)
    }

    /// A domain that somebody else defined, such as a restore.
    pub fn existing(lab: &Lab, name: &str) -> Guest {
        Guest { name: lab.domain(name), console: PathBuf::new() }
    }

    /// Starts the domain and waits for its agent.
    pub fn start(&self) -> Result<()> {
        virsh(["start", &self.name])?;
        self.wait_for_agent()
    }

    /// Waits until the agent answers.
    pub fn wait_for_agent(&self) -> Result<()> {
        let ping = || Ok(self.agent(&json!({"execute": "guest-ping"}), 5).ok());
        until(&format!("the agent of {}", self.name), BOOT, ping).map(drop)
    }

    /// Asks the agent; an answer takes at most `seconds`.
    pub fn agent(&self, request: &Value, seconds: u32) -> Result<Value> {
        let (request, seconds) = (request.to_string(), seconds.to_string());
        let command = ["qemu-agent-command", "--timeout", &seconds, &self.name, &request];
        let answer: Value = serde_json::from_str(&virsh(command)?).context("the agent's answer")?;
        Ok(answer["return"].clone())
    }

    /// Runs a shell command in the guest; its stdout, or an error unless it ends with 0.
    pub fn sh(&self, command: &str) -> Result<String> {
        let arguments = json!({"path": "/bin/sh", "arg": ["-c", command], "capture-output": true});
        let begun = self.agent(&json!({"execute": "guest-exec", "arguments": arguments}), 30)?;
        let ask =
            json!({"execute": "guest-exec-status", "arguments": {"pid": begun["pid"].clone()}});
        let ended = until(command, COMMAND, || {
            let status = self.agent(&ask, 30)?;
            Ok((status["exited"] == true).then_some(status))
        })?;
        let text = |name: &str| -> Result<String> {
            let bytes = STANDARD.decode(ended[name].as_str().unwrap_or_default())?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        ensure!(ended["exitcode"] == 0, "{command}: {ended}: {}", text("err-data")?);
        text("out-data")
    }

    /// Runs a shell command in the guest and does not wait for its end.
    pub fn spawn(&self, command: &str) -> Result<()> {
        self.sh(&format!("setsid {command} < /dev/null > /dev/null 2>&1 &")).map(drop)
    }

    /// SHA-256 of every file of the root disk, computed in the guest, by path.
    pub fn hashes(&self) -> Result<BTreeMap<String, String>> {
        // The agent carries at most 16 MiB of output; a file in memory would change nothing, but
        // the list is short.
        let find = format!("find / -xdev -type f -not -path '{RESTLESS}'");
        Ok(disk::parse_hashes(&self.sh(&format!("{find} | xargs sha256sum"))?))
    }

    /// From here on nothing in the guest writes to its root disk, so that the disk can be compared
    /// as a whole.
    pub fn hold_still(&self) -> Result<()> {
        self.sh("sync; mount -o remount,ro /").map(drop)
    }

    /// The opposite of [`Guest::hold_still`].
    pub fn go_on(&self) -> Result<()> {
        self.sh("mount -o remount,rw,noatime /").map(drop)
    }

    /// `running`, `paused`, `shut off`, as virsh says it.
    pub fn state(&self) -> Result<String> {
        Ok(virsh(["domstate", &self.name])?.trim().to_owned())
    }

    /// Shuts the guest down by its agent and waits until it is off.
    pub fn shut_down(&self) -> Result<()> {
        virsh(["shutdown", "--mode", "agent", &self.name])?;
        let off = || Ok((self.state()? == "shut off").then_some(()));
        until("the guest shuts down", Duration::from_secs(60), off)
    }

    /// Ends QEMU without a chance to write anything down.
    pub fn kill(&self) -> Result<()> {
        let file = format!("/run/libvirt/qemu/{}.pid", self.name);
        let pid = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
        run("kill", ["-9", pid.trim()])?;
        let off = || Ok((self.state()? == "shut off").then_some(()));
        until("libvirt sees that QEMU is gone", Duration::from_secs(30), off)
    }

    /// Whether the guest's file systems are frozen; none if the agent is busy.
    pub fn is_frozen(&self) -> Option<bool> {
        let status = self.agent(&json!({"execute": "guest-fsfreeze-status"}), 5).ok()?;
        Some(status == "frozen")
    }

    /// The names of the domain's checkpoints.
    pub fn checkpoints(&self) -> Result<Vec<String>> {
        let told = virsh(["checkpoint-list", "--name", &self.name])?;
        Ok(told.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    /// An error if a backup job is still running in QEMU.
    pub fn assert_no_job(&self) -> Result<()> {
        match virsh(["backup-dumpxml", &self.name]) {
            Ok(xml) => bail!("a backup job was left: {xml}"),
            Err(_) => Ok(()),
        }
    }

    /// Lets the guest be for a moment, so that what it had to write is written.
    pub fn settle(&self) -> Result<()> {
        self.sh("sync")?;
        sleep(Duration::from_millis(500));
        Ok(())
    }
}
