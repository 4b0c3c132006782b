//! The cost of a backup follows what changed, and an idle service is small.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::disk::Disk;
use e2e::guest::Guest;
use e2e::lab::Lab;
use e2e::run::{run, virsh};
use e2e::service::{JOB, Service, name};
use serde_json::Value;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

#[test]
fn an_incremental_of_a_large_disk_costs_what_changed() -> Result<()> {
    if !e2e::on_guests("cost, incremental") {
        return Ok(());
    }
    let lab = Lab::new("cost")?;
    let guest = Guest::boot(&lab, "vm", &[Disk::root(&lab, "root", "20G")?])?;
    let service = Service::start(&lab, &[])?;
    service.protect("vault1", &guest.name)?;
    service.back_up("vault1", &guest.name)?;
    guest.sh("dd if=/dev/urandom of=/srv/new bs=1M count=64; sync")?;
    guest.settle()?;
    let dirty = dirty_extents(&lab, &guest)?;
    let objects_before = objects(&service)?;
    service.back_up("vault1", &guest.name)?;

    let point = service.points("vault1", &guest.name)?.into_iter().next().context("no point")?;
    let held = &point["properties"]["holdfast"];
    let number = |field: &str| held[field].as_u64().with_context(|| format!("{field}: {held}"));
    let (read, stored) = (number("readBytes")?, number("storedBytes")?);
    // The freeze itself writes: its hook, the journal, the superblock.
    let extents = dirty.len() as u64 + 4;
    let bytes = dirty.iter().sum::<u64>() + 4 * 64 * KIB;
    let objects = objects(&service)? - objects_before;
    lab.saw(&format!(
        "{bytes} bytes dirty in {extents} extents: {read} read, {stored} stored in {objects} objects"
    ));
    ensure!(dirty.iter().sum::<u64>() >= 64 * MIB, "less than the file is dirty");
    ensure!(read <= bytes + extents * 512 * KIB, "read {read} for {bytes} in {extents}");
    let limit = bytes + extents * 256 * KIB;
    ensure!(stored <= limit + limit / 100, "stored {stored} for {bytes} in {extents}");
    // Packs, and an index, a manifest and the log's entries: not an object per chunk.
    ensure!(objects <= 32, "{objects} objects for {stored} bytes");
    Ok(())
}

/// A measurement, not a test of seconds: those depend on what else the machine does. The newest
/// figures are in `bench/RESULTS.md`; the aim is 150 MB/s.
#[test]
fn the_throughput_of_a_full_backup_of_real_files_is_told() -> Result<()> {
    if !e2e::on_guests("cost, throughput") || !e2e::at_length("cost, throughput") {
        return Ok(());
    }
    let lab = Lab::new("speed")?;
    let files = real_files(&lab)?;
    let data = Disk::ext4(&lab, "data", "qcow2", "4G", Some(&files))?;
    std::fs::remove_dir_all(files)?;
    let guest = Guest::boot(&lab, "vm", &[Disk::root(&lab, "root", "2G")?, data])?;
    let service = Service::start(&lab, &[])?;
    service.protect("vault1", &guest.name)?;
    let job = service.begin_backup("vault1", &guest.name)?;
    let (took, job) = transfer(&service, &job)?;
    let disks = job["properties"]["extendedInfo"]["holdfast"]["disks"].as_array().cloned();
    let done = |disk: &Value| disk["doneBytes"].as_u64().unwrap_or(0);
    let bytes: u64 = disks.iter().flatten().map(done).sum();
    let rate = bytes as f64 / took.as_secs_f64() / 1e6;
    lab.saw(&format!("{bytes} bytes in {took:?}: {rate:.0} MB/s"));
    ensure!(bytes >= 1024 * MIB, "less than 1 GiB was transferred: {bytes}");
    Ok(())
}

#[test]
fn an_idle_service_holds_less_than_60_mebibytes() -> Result<()> {
    if !e2e::on_guests("cost, memory") {
        return Ok(());
    }
    let lab = Lab::new("idle")?;
    let service = Service::start(&lab, &[])?;
    // A dozen logins: what they take for a moment must not stay.
    for _ in 0..12 {
        service.list(&["vm", "list"])?;
    }
    std::thread::sleep(Duration::from_secs(5));
    let memory = service.memory()?;
    lab.saw(&format!("idle: {:.1} MiB", memory as f64 / MIB as f64));
    ensure!(memory < 60 * MIB, "{memory} bytes");
    Ok(())
}

/// The lengths of the extents that changed since the newest checkpoint, in bytes. Asked from QEMU
/// with a backup job of our own, without Holdfast.
fn dirty_extents(lab: &Lab, guest: &Guest) -> Result<Vec<u64>> {
    let checkpoint = guest.checkpoints()?.into_iter().next_back().context("no checkpoint")?;
    let room = lab.directory("peek")?;
    run("chmod", ["777".as_ref(), room.as_os_str()])?;
    let socket = room.join("nbd.sock");
    let xml = format!(
        "<domainbackup mode='pull'><incremental>{checkpoint}</incremental>\
         <server transport='unix' socket='{}'/><disks><disk name='vda' backup='yes' type='file'>\
         <scratch file='{}'/></disk></disks></domainbackup>",
        socket.display(),
        room.join("scratch").display()
    );
    let file = room.join("backup.xml");
    std::fs::write(&file, xml)?;
    virsh(["backup-begin".as_ref(), guest.name.as_ref(), file.as_os_str()])?;
    let image = format!(
        "driver=nbd,export=vda,server.type=unix,server.path={},\
         x-dirty-bitmap=qemu:dirty-bitmap:backup-vda",
        socket.display()
    );
    let told = run("qemu-img", ["map", "--output=json", "--image-opts", &image]);
    virsh(["domjobabort", &guest.name])?;
    let map: Vec<Value> = serde_json::from_str(&told?)?;
    // In this mode qemu-img tells dirty as "no data".
    let dirty = map.iter().filter(|extent| extent["data"] == false);
    Ok(dirty.filter_map(|extent| extent["length"].as_u64()).collect())
}

/// How many objects the service's stores hold.
fn objects(service: &Service) -> Result<usize> {
    let stores = service.data.join("stores");
    Ok(run("find", [stores.as_os_str(), "-type".as_ref(), "f".as_ref()])?.lines().count())
}

/// A directory with at least 1 GiB of files that somebody really has: this machine's programs.
fn real_files(lab: &Lab) -> Result<std::path::PathBuf> {
    let into = lab.directory("files")?;
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
    let places = [format!("{home}/.rustup/toolchains"), "/usr/lib".to_owned(), "/usr/share".into()];
    for (index, place) in places.iter().enumerate().filter(|(_, place)| Path::new(place).exists()) {
        let size = run("du", ["-sm".as_ref(), into.as_os_str()])?;
        let mebibytes: u64 = size.split_whitespace().next().context("du")?.parse()?;
        if mebibytes >= 1100 {
            break;
        }
        let to = into.join(index.to_string());
        run("cp", ["-a", "--no-preserve=links", place, &to.to_string_lossy()])?;
    }
    Ok(into)
}

/// How long the transfer task of a job ran, and the job at its end.
fn transfer(service: &Service, job: &str) -> Result<(Duration, Value)> {
    let begin = Instant::now();
    let (mut started, mut ended) = (None, None);
    loop {
        ensure!(begin.elapsed() < JOB, "the job does not end");
        let job = service.job("vault1", job)?;
        let tasks = job["properties"]["extendedInfo"]["tasksList"].as_array().cloned();
        let transfer =
            tasks.iter().flatten().find(|task| task["taskId"] == "Transfer data to vault");
        let status = transfer.and_then(|task| task["status"].as_str()).unwrap_or_default();
        if status == "InProgress" {
            started.get_or_insert_with(Instant::now);
        } else if started.is_some() && ended.is_none() {
            ended = Some(Instant::now());
        }
        if job["properties"]["status"] != "InProgress" {
            ensure!(job["properties"]["status"] == "Completed", "{} {job}", name(&job)?);
            let (started, ended) = (started.context("never seen")?, ended.context("no end")?);
            return Ok((ended - started, job));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
