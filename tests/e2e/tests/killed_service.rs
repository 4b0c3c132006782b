//! The service may be killed at any moment: the guest writes on, the job ends honestly, and what
//! was stored before restores.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::beats::Beats;
use e2e::disk::{self, Disk};
use e2e::guest::Guest;
use e2e::lab::Lab;
use e2e::run::run;
use e2e::service::{Service, name};
use e2e::stall::Stall;
use e2e::wait::until;

/// How soon a guest must write again after the service died.
const THAWED: Duration = Duration::from_secs(10);
/// How long a freeze may last (10 s from its begin), with some time to notice.
const FREEZE_BUDGET: Duration = Duration::from_secs(13);
/// How soon a restarted service must have settled what it left.
const SETTLED: Duration = Duration::from_secs(30);

#[test]
fn killed_while_the_guest_is_frozen_the_guest_writes_again() -> Result<()> {
    if !e2e::on_guests("killed_service, freeze") {
        return Ok(());
    }
    let lab = Lab::new("frozen")?;
    let (guest, mut service) = backed_up(&lab)?;
    let beats = Beats::start(&guest)?;

    let (job, stall) = freeze(&lab, &service, &guest)?;
    service.kill()?;
    let silence = beats.wait_for_next(THAWED)?;
    lab.saw(&format!("serve was killed in the freeze; the guest wrote after {silence:?}"));
    // The snapshot that nobody waits for any more comes now, and is left over.
    drop(stall);
    std::thread::sleep(Duration::from_secs(1));
    guest.sh("rm /run/hook-sleep")?;
    settles(&lab, &mut service, &guest, &job)
}

#[test]
fn a_freeze_ends_at_its_deadline_when_the_snapshot_does_not_come() -> Result<()> {
    if !e2e::on_guests("killed_service, deadline") {
        return Ok(());
    }
    let lab = Lab::new("deadline")?;
    let (guest, service) = backed_up(&lab)?;
    let beats = Beats::start(&guest)?;

    let (job, stall) = freeze(&lab, &service, &guest)?;
    let silence = beats.wait_for_next(FREEZE_BUDGET)?;
    lab.saw(&format!("the guest was thawed at the deadline and wrote after {silence:?}"));
    drop(stall);
    // Whatever came of the job, it claims nothing that was not so.
    let ended = service.ended_job("vault1", &job)?;
    if ended["properties"]["status"] != "Failed" {
        let newest = &service.points("vault1", &guest.name)?[0];
        ensure!(newest["properties"]["recoveryPointType"] == "CrashConsistent", "{newest}");
        ensure!(ended["properties"]["status"] == "CompletedWithWarnings", "{ended}");
    }
    guest.sh("rm /run/hook-sleep")?;
    let next = service.back_up("vault1", &guest.name)?;
    ensure!(next["properties"]["status"] == "Completed", "{next}");
    guest.assert_no_job()
}

#[test]
fn killed_during_a_freeze_hook_the_guest_writes_again() -> Result<()> {
    if !e2e::on_guests("killed_service, hook") {
        return Ok(());
    }
    let lab = Lab::new("hook")?;
    let (guest, mut service) = backed_up(&lab)?;
    let beats = Beats::start(&guest)?;

    // The hook runs before the freeze: the freeze itself comes when nobody waits for it any more.
    guest.sh("echo 3 > /run/hook-sleep")?;
    let job = service.begin_backup("vault1", &guest.name)?;
    std::thread::sleep(Duration::from_millis(1500));
    service.kill()?;
    std::thread::sleep(Duration::from_secs(3));
    let silence = beats.wait_for_next(THAWED)?;
    lab.saw(&format!("the late freeze has ended; the guest wrote after {silence:?}"));
    ensure!(guest.is_frozen() == Some(false), "the guest is still frozen");
    guest.sh("rm /run/hook-sleep")?;
    settles(&lab, &mut service, &guest, &job)
}

#[test]
fn killed_during_the_transfer_earlier_points_restore() -> Result<()> {
    if !e2e::on_guests("killed_service, transfer") {
        return Ok(());
    }
    let lab = Lab::new("transfer")?;
    let root = Disk::root(&lab, "root", "2G")?;
    let guest = Guest::boot(&lab, "vm", &[root, big_disk(&lab)?])?;
    let mut service = Service::start(&lab, &[])?;
    service.protect("vault1", &guest.name)?;
    let job = service.begin_backup("vault1", &guest.name)?;
    wait_for_bytes(&service, &job)?;
    service.kill()?;
    let beats = Beats::start(&guest)?;
    beats.wait_for_next(THAWED)?;
    lab.saw("serve was killed in the first transfer");
    settles(&lab, &mut service, &guest, &job)?;

    // Now there is an earlier point, and much has changed since.
    let earlier = name(service.points("vault1", &guest.name)?.first().context("no point")?)?;
    let job = caught_in_transfer(&service, &guest)?;
    service.kill()?;
    lab.saw("serve was killed in an incremental transfer");
    settles(&lab, &mut service, &guest, &job)?;
    let to = service.restore(&lab, "vault1", &guest.name, &earlier)?;
    all_clean(&to)?;
    lab.saw("the earlier point restores");
    Ok(())
}

#[test]
fn killed_during_a_restore_the_point_restores_again() -> Result<()> {
    if !e2e::on_guests("killed_service, restore") {
        return Ok(());
    }
    let lab = Lab::new("restore")?;
    let guest = Guest::define(&lab, "vm", &[Disk::root(&lab, "root", "2G")?, big_disk(&lab)?])?;
    let mut service = Service::start(&lab, &[])?;
    service.protect("vault1", &guest.name)?;
    service.back_up("vault1", &guest.name)?;
    let point = name(&service.points("vault1", &guest.name)?[0])?;
    let to = lab.directory("killed")?;
    let words = ["restore", "disks", "--vault", "vault1", "--item", &guest.name, "--point", &point];
    let to = to.to_string_lossy();
    let job = name(&service.ok(&[&words[..], &["--to", &to]].concat())?)?;
    wait_for_bytes(&service, &job)?;
    service.kill()?;
    service.start_again()?;
    assert_interrupted(&service, &job)?;
    let to = service.restore(&lab, "vault1", &guest.name, &point)?;
    all_clean(&to)?;
    lab.saw("the interrupted restore is told as such; the point restores");
    Ok(())
}

/// A running guest with one recovery point.
fn backed_up(lab: &Lab) -> Result<(Guest, Service)> {
    let guest = Guest::boot(lab, "vm", &[Disk::root(lab, "root", "2G")?])?;
    let service = Service::start(lab, &[])?;
    service.protect("vault1", &guest.name)?;
    service.back_up("vault1", &guest.name)?;
    Ok((guest, service))
}

/// Begins a backup whose guest freezes and whose snapshot does not come: the guest's hook leaves
/// the time to stall libvirt. Returns once the guest is frozen.
fn freeze(lab: &Lab, service: &Service, guest: &Guest) -> Result<(String, Stall)> {
    guest.sh("echo 4 > /run/hook-sleep")?;
    let sleeps = || -> Result<usize> {
        let console = std::fs::read(&guest.console)?;
        Ok(String::from_utf8_lossy(&console).matches("HOOK SLEEPS").count())
    };
    let before = sleeps()?;
    let job = service.begin_backup("vault1", &guest.name)?;
    // Not sooner: a job that is there already would make the backup give way.
    until("the guest's hook runs", Duration::from_secs(20), || {
        Ok((sleeps()? > before).then_some(()))
    })?;
    let stall = Stall::begin(lab, guest)?;
    until("the guest is seen frozen", Duration::from_secs(20), || {
        Ok((guest.is_frozen() == Some(true)).then_some(()))
    })?;
    Ok((job, stall))
}

/// A data disk with more on it than is transferred in an instant.
fn big_disk(lab: &Lab) -> Result<Disk> {
    let content = lab.directory("content")?;
    let file = content.join("random");
    let words = ["if=/dev/urandom", "bs=1M", "count=600", "status=none"];
    run("dd", words.map(str::to_owned).into_iter().chain([format!("of={}", file.display())]))?;
    let disk = Disk::ext4(lab, "data", "qcow2", "1G", Some(&content))?;
    std::fs::remove_file(file)?;
    Ok(disk)
}

/// Begins an incremental backup and catches it while it transfers. One that is done before it can
/// be caught is no failure: then there is another.
fn caught_in_transfer(service: &Service, guest: &Guest) -> Result<String> {
    let mut last = None;
    for _ in 0..5 {
        guest.sh("dd if=/dev/urandom of=/mnt/vdb/random bs=1M count=560 conv=notrunc; sync")?;
        let job = service.begin_backup("vault1", &guest.name)?;
        match wait_for_bytes(service, &job) {
            Ok(()) => return Ok(job),
            Err(ended) => last = Some(ended),
        }
    }
    Err(last.context("no backup was begun")?)
}

/// Waits until the job has moved some bytes; an error if it ends first.
fn wait_for_bytes(service: &Service, job: &str) -> Result<()> {
    until("the job moves bytes", Duration::from_secs(60), || {
        let job = service.job("vault1", job)?;
        if job["properties"]["status"] != "InProgress" {
            bail!("the job ended too soon to be interrupted: {job}");
        }
        let disks = job["properties"]["extendedInfo"]["holdfast"]["disks"].as_array().cloned();
        let done = |disk: &serde_json::Value| disk["doneBytes"].as_u64().unwrap_or(0);
        Ok((disks.iter().flatten().map(done).sum::<u64>() > 8 << 20).then_some(()))
    })
}

/// After a restart: the job has ended honestly, nothing is left in the guest, backups work.
fn settles(lab: &Lab, service: &mut Service, guest: &Guest, job: &str) -> Result<()> {
    let took = service.start_again()?;
    lab.saw(&format!("serve is back after {took:?}"));
    assert_interrupted(service, job)?;
    until("left-over jobs are ended", SETTLED, || {
        let quiet = guest.assert_no_job().is_ok() && guest.is_frozen() == Some(false);
        Ok((quiet && guest.state()? == "running").then_some(()))
    })?;
    service.wait_for_vm(&guest.name)?;
    let next = service.back_up("vault1", &guest.name)?;
    ensure!(next["properties"]["status"] != "Failed", "{next}");
    let left: Vec<_> = std::fs::read_dir(lab.path("scratch"))?.flatten().collect();
    ensure!(left.is_empty(), "scratch was left behind: {left:?}");
    Ok(())
}

/// The job has ended, and says that the service was stopped, unless its point had been committed.
fn assert_interrupted(service: &Service, job: &str) -> Result<()> {
    let ended = until("the job is settled", SETTLED, || {
        let job = service.job("vault1", job)?;
        Ok((job["properties"]["status"] != "InProgress").then_some(job))
    })?;
    let properties = &ended["properties"];
    let told = properties["errorDetails"].to_string();
    let honest = match properties["status"].as_str() {
        Some("Failed") => told.contains("UserErrorServiceInterrupted"),
        Some("Completed" | "CompletedWithWarnings") => !properties["extendedInfo"].is_null(),
        _ => false,
    };
    ensure!(honest, "not an honest end: {ended}");
    Ok(())
}

/// Every restored disk has a clean file system.
fn all_clean(directory: &std::path::Path) -> Result<()> {
    let mut checked = 0;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.metadata()?.len() > 1 << 20 {
            disk::assert_clean(&path)?;
            checked += 1;
        }
    }
    ensure!(checked == 2, "{checked} disks were restored");
    Ok(())
}
