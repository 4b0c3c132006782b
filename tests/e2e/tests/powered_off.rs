//! A powered-off VM is read from its files, and its point is called what it is. So are raw disks.

use anyhow::{Context, Result, ensure};
use e2e::disk::{self, Disk};
use e2e::guest::Guest;
use e2e::lab::Lab;
use e2e::service::Service;

#[test]
fn a_powered_off_vm_is_crash_consistent_and_equal() -> Result<()> {
    if !e2e::on_guests("powered_off") {
        return Ok(());
    }
    let lab = Lab::new("off")?;
    // The second disk is raw, and of a size that is no multiple of the repository's 4 KiB blocks.
    let disks =
        [Disk::root(&lab, "root", "2G")?, Disk::ext4(&lab, "data", "raw", "67109376", None)?];
    let guest = Guest::define(&lab, "vm", &disks)?;
    let service = Service::start(&lab, &[])?;
    service.protect("vault1", &guest.name)?;

    service.back_up("vault1", &guest.name)?;
    assert_equal(&lab, &service, &guest, &disks, "CrashConsistent")?;

    // Running, the raw disk is still read in full, and the other is too: there was no checkpoint.
    guest.start()?;
    guest.sh("echo more > /mnt/vdb/more; sync; umount /mnt/vdb")?;
    guest.hold_still()?;
    let job = service.back_up("vault1", &guest.name)?;
    lab.saw(&format!("{}", job["properties"]["extendedInfo"]["holdfast"]["disks"]));
    assert_equal(&lab, &service, &guest, &disks, "FileSystemConsistent")?;

    guest.shut_down()?;
    service.back_up("vault1", &guest.name)?;
    assert_equal(&lab, &service, &guest, &disks, "CrashConsistent")
}

/// The newest point has this label, and gives back what the disks hold now.
fn assert_equal(
    lab: &Lab,
    service: &Service,
    guest: &Guest,
    disks: &[Disk],
    label: &str,
) -> Result<()> {
    let points = service.points("vault1", &guest.name)?;
    let point = points.first().context("no point")?;
    ensure!(point["properties"]["recoveryPointType"] == label, "{point}");
    let id = point["name"].as_str().context("the point's name")?;
    let to = service.restore(lab, "vault1", &guest.name, id)?;
    for (disk, target) in disks.iter().zip(["vda", "vdb"]) {
        let expected = disk.convert(&lab.path(&format!("{target}.expected")), "raw")?;
        let restored = std::fs::read_dir(&to)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.to_string_lossy().contains(target))
            .with_context(|| format!("no {target} in {}", to.display()))?;
        disk::assert_equal(&expected.path, &restored)?;
    }
    lab.saw(&format!("{label}: both disks are equal byte for byte"));
    Ok(())
}
