//! A broken record of changed blocks heals itself, and the job says so.

use anyhow::{Context, Result, ensure};
use e2e::disk::{self, Disk};
use e2e::guest::Guest;
use e2e::lab::Lab;
use e2e::run::virsh;
use e2e::service::Service;
use serde_json::Value;

#[test]
fn a_killed_qemu_breaks_the_bitmap_and_the_next_backup_reads_in_full() -> Result<()> {
    if !e2e::on_guests("healing") {
        return Ok(());
    }
    let lab = Lab::new("healing")?;
    let root = Disk::root(&lab, "root", "2G")?;
    let guest = Guest::boot(&lab, "vm", std::slice::from_ref(&root))?;
    let service = Service::start(&lab, &[])?;
    service.protect("vault1", &guest.name)?;
    service.back_up("vault1", &guest.name)?;
    ensure!(method(&service.back_up("vault1", &guest.name)?).contains("incremental"));

    guest.sh("dd if=/dev/urandom of=/srv/before bs=64k count=16; sync")?;
    guest.kill()?;
    guest.start()?;
    lab.saw("QEMU was killed and the guest started again");
    healed(&lab, &service, &guest, &root)?;

    // The same for checkpoints that somebody else removed.
    for checkpoint in guest.checkpoints()? {
        virsh(["checkpoint-delete", &guest.name, &checkpoint])?;
    }
    healed(&lab, &service, &guest, &root)
}

/// The next backup reads in full, says why, and is right; the one after it is incremental again.
fn healed(lab: &Lab, service: &Service, guest: &Guest, root: &Disk) -> Result<()> {
    guest.hold_still()?;
    let job = service.back_up("vault1", &guest.name)?;
    ensure!(job["properties"]["status"] != "Failed", "{job}");
    ensure!(method(&job).contains("full"), "{job}");
    let told = job["properties"]["extendedInfo"]["holdfast"]["warnings"].to_string();
    ensure!(told.contains("UserErrorChangeTrackingReset"), "the job does not say so: {job}");
    let points = service.points("vault1", &guest.name)?;
    let stored = points[0]["properties"]["holdfast"]["storedBytes"].as_u64().unwrap_or(u64::MAX);
    ensure!(stored < 8 << 20, "a full read stores only what is new: {stored} bytes");
    let id = points[0]["name"].as_str().context("the point's name")?;
    let to = service.restore(lab, "vault1", &guest.name, id)?;
    let raw = std::fs::read_dir(&to)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().contains("vda"))
        .context("the restored disk")?;
    let expected = root.convert(&lab.path("expected.raw"), "raw")?;
    disk::assert_equal(&expected.path, &raw)?;
    guest.go_on()?;
    let next = service.back_up("vault1", &guest.name)?;
    ensure!(method(&next).contains("incremental"), "tracking has not begun anew: {next}");
    lab.saw("healed by a full read, then incremental again");
    Ok(())
}

/// How the first disk was read.
fn method(job: &Value) -> String {
    let disks = &job["properties"]["extendedInfo"]["holdfast"]["disks"];
    disks[0]["method"].as_str().unwrap_or_default().to_lowercase()
}
