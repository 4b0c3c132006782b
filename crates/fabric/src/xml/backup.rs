//! The documents that begin a backup job.

use std::path::Path;

use xmltree::Element;

use super::{element, push, with_text, write};
use crate::host::Method;

/// One disk of the domain, as the job treats it.
#[derive(Debug, Clone)]
pub struct JobDisk<'a> {
    /// Its target.
    pub target: &'a str,
    /// How it is read; `None` = not at all.
    pub method: Option<&'a Method>,
    /// Whether the checkpoint covers it.
    pub tracked: bool,
}

/// The name of the dirty bitmap that a disk's export offers.
pub fn export_bitmap(target: &str) -> String {
    format!("backup-{target}")
}

/// The `domainbackup` document of a pull-mode job that serves `disks` on `socket`.
pub fn job(disks: &[JobDisk<'_>], socket: &Path, scratch: &Path) -> String {
    let mut root = element("domainbackup", &[("mode", "pull")]);
    let socket = socket.to_string_lossy();
    push(&mut root, element("server", &[("transport", "unix"), ("socket", &socket)]));
    let mut list = Element::new("disks");
    for disk in disks {
        push(&mut list, job_disk(disk, scratch));
    }
    push(&mut root, list);
    write(&root)
}

fn job_disk(disk: &JobDisk<'_>, scratch: &Path) -> Element {
    let Some(method) = disk.method else {
        return element("disk", &[("name", disk.target), ("backup", "no")]);
    };
    let mut attributes = vec![
        ("name", disk.target),
        ("backup", "yes"),
        ("type", "file"),
        ("exportname", disk.target),
    ];
    let bitmap = export_bitmap(disk.target);
    match method {
        Method::Full => attributes.push(("backupmode", "full")),
        Method::Incremental { checkpoint } => {
            attributes.push(("backupmode", "incremental"));
            attributes.push(("incremental", checkpoint));
            attributes.push(("exportbitmap", &bitmap));
        }
    }
    let mut item = element("disk", &attributes);
    let file = scratch.join(format!("{}.scratch", disk.target));
    push(&mut item, element("scratch", &[("file", &file.to_string_lossy())]));
    item
}

/// The `domaincheckpoint` document; `None` where no disk can hold a bitmap.
pub fn checkpoint(name: &str, disks: &[JobDisk<'_>]) -> Option<String> {
    if !disks.iter().any(|disk| disk.tracked) {
        return None;
    }
    let mut root = Element::new("domaincheckpoint");
    push(&mut root, with_text("name", name));
    let mut list = Element::new("disks");
    for disk in disks {
        let kind = if disk.tracked { "bitmap" } else { "no" };
        push(&mut list, element("disk", &[("name", disk.target), ("checkpoint", kind)]));
    }
    push(&mut root, list);
    Some(write(&root))
}
