//! All disks of a VM belong to one point in time.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::disk::Disk;
use e2e::guest::Guest;
use e2e::lab::Lab;
use e2e::run::run;
use e2e::service::Service;

/// How often the two numbers are compared: one comparison could be luck.
const POINTS: usize = 4;

#[test]
fn two_disks_are_one_point_in_time() -> Result<()> {
    if !e2e::on_guests("two_disks") {
        return Ok(());
    }
    let lab = Lab::new("twins")?;
    let disks = [Disk::root(&lab, "root", "2G")?, Disk::ext4(&lab, "data", "qcow2", "256M", None)?];
    let guest = Guest::boot(&lab, "vm", &disks)?;
    let service = Service::start(&lab, &[])?;
    service.protect("vault1", &guest.name)?;
    guest.spawn("twins /srv/number /mnt/vdb/number")?;

    for round in 0..POINTS {
        service.back_up("vault1", &guest.name)?;
        let points = service.points("vault1", &guest.name)?;
        let point = points[0]["name"].as_str().context("the point's name")?.to_owned();
        let held = points[0]["properties"]["holdfast"]["disks"].as_array().map(Vec::len);
        ensure!(held == Some(2), "both disks are in the point: {}", points[0]);
        let to = service.restore(&lab, "vault1", &guest.name, &point)?;
        let (one, other) = (number(&to, "vda", "/srv/number")?, number(&to, "vdb", "/number")?);
        lab.saw(&format!("round {round}: {one} and {other}"));
        ensure!(one == other || one == other + 1, "two points in time: {one} and {other}");
        ensure!(one > 0, "the guest wrote nothing");
    }
    let now: u64 = guest.sh("cat /srv/number")?.trim().parse()?;
    ensure!(now > POINTS as u64, "the numbers hardly grow, so equality proves nothing: {now}");
    Ok(())
}

/// The number in a file on the restored disk with this target.
fn number(directory: &Path, target: &str, file: &str) -> Result<u64> {
    let disk = std::fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains(target)))
        .with_context(|| format!("no disk {target} in {}", directory.display()))?;
    let request = format!("cat {file}");
    // The journal holds what was written last: replay it, as a mount would.
    let _ = run("e2fsck", ["-fy".as_ref(), disk.as_os_str()]);
    let told = run("debugfs", ["-R".as_ref(), request.as_ref(), disk.as_os_str()])?;
    told.trim().parse().with_context(|| format!("{file} holds '{told}'"))
}
