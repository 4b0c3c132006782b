//! The main job: what was in the guest comes back, from every point, byte for byte, and boots.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::disk::{self, Disk};
use e2e::guest::Guest;
use e2e::lab::Lab;
use e2e::service::Service;
use serde_json::Value;

const MIB: u64 = 1 << 20;

#[test]
fn both_points_of_a_changed_guest_restore_byte_for_byte_and_boot() -> Result<()> {
    if !e2e::on_guests("main_job") {
        return Ok(());
    }
    let lab = Lab::new("main")?;
    let root = Disk::root(&lab, "root", "2G")?;
    let guest = Guest::boot(&lab, "vm", std::slice::from_ref(&root))?;
    let service = Service::start(&lab, &[])?;
    service.protect("vault1", &guest.name)?;
    let item = service.ok(&["item", "show", "--vault", "vault1", "--item", &guest.name])?;
    ensure!(item["properties"]["protectionState"] == "IRPending", "{item}");
    ensure!(service.points("vault1", &guest.name)?.is_empty());

    guest.sh("mkdir /srv/a && cd /srv/a && dd if=/dev/urandom of=keep bs=64k count=32 && \
              dd if=/dev/urandom of=change bs=64k count=32 && echo short > short && sync")?;
    let first = back_up_still(&lab, &service, &guest, &root, "first")?;
    ensure!(first.method.contains("in full"), "{}", first.method);
    ensure!(first.read < 200 * MIB, "a mostly empty disk was read: {} bytes", first.read);

    guest.sh("cd /srv/a && dd if=/dev/urandom of=new bs=64k count=48 && \
              dd if=/dev/urandom of=change bs=64k count=3 seek=9 conv=notrunc && \
              rm short && mv keep kept && sync")?;
    let second = back_up_still(&lab, &service, &guest, &root, "second")?;
    let words = second.method.to_lowercase();
    ensure!(words.contains("incremental"), "{words}");
    ensure!(second.read < 12 * MIB, "an incremental read too much: {} bytes", second.read);

    for point in [&second, &first] {
        let to = service.restore(&lab, "vault1", &guest.name, &point.id)?;
        assert_restored(&lab, &only_file(&to)?, point)?;
        lab.saw(&format!("{} is equal byte for byte", point.name));
    }
    restores_as_qcow2(&lab, &service, &guest, &second)?;
    boots_again(&lab, &service, &guest, &second)
}

/// A point, and what the guest held when it was made.
#[derive(Debug)]
struct Point {
    name: &'static str,
    id: String,
    method: String,
    read: u64,
    disk: std::path::PathBuf,
    hashes: std::collections::BTreeMap<String, String>,
}

/// Backs the running guest up while it does not write, so that its disk can be kept for comparison.
fn back_up_still(
    lab: &Lab,
    service: &Service,
    guest: &Guest,
    root: &Disk,
    name: &'static str,
) -> Result<Point> {
    let hashes = guest.hashes()?;
    guest.hold_still()?;
    let disk = root.convert(&lab.path(&format!("{name}.expected")), "raw")?.path;
    let job = service.back_up("vault1", &guest.name)?;
    guest.go_on()?;
    guest.assert_no_job()?;
    let tasks = job["properties"]["extendedInfo"]["tasksList"].as_array().context("tasks")?;
    let told: Vec<&str> = tasks.iter().filter_map(|task| task["taskId"].as_str()).collect();
    ensure!(told == ["Take Snapshot", "Transfer data to vault", "Validate backup"], "{told:?}");
    ensure!(tasks.iter().all(|task| task["status"] == "Completed"), "{job}");
    let facts = &job["properties"]["extendedInfo"]["holdfast"];
    ensure!(facts["percent"] == 100.0, "{facts}");
    let id = facts["pointId"].as_str().context("the job's point")?.to_owned();
    let method = facts["disks"][0]["method"].as_str().unwrap_or_default().to_owned();
    let point = newest(service, guest)?;
    ensure!(point["name"] == id.as_str(), "the newest point is not the job's: {point}");
    let properties = &point["properties"];
    ensure!(properties["recoveryPointType"] == "FileSystemConsistent", "{point}");
    let read = properties["holdfast"]["readBytes"].as_u64().context("bytes read")?;
    lab.saw(&format!("{name} point: {method}, {read} bytes read"));
    Ok(Point { name, id, method, read, disk, hashes })
}

fn newest(service: &Service, guest: &Guest) -> Result<Value> {
    service.points("vault1", &guest.name)?.into_iter().next().context("no point")
}

fn only_file(directory: &Path) -> Result<std::path::PathBuf> {
    let mut disks = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_disk = path.extension().is_some_and(|e| e == "raw" || e == "qcow2" || e == "img");
        disks.extend(is_disk.then_some(path));
    }
    ensure!(disks.len() == 1, "one disk was expected: {disks:?}");
    disks.pop().context("one disk")
}

fn assert_restored(lab: &Lab, raw: &Path, point: &Point) -> Result<()> {
    disk::assert_equal(&point.disk, raw)?;
    disk::assert_clean(raw)?;
    let mut files = disk::hashes(lab, raw)?;
    files.retain(|path, _| !path.starts_with("/var/lib/app/"));
    disk::assert_same_files(&point.hashes, &files)?;
    let restored = Disk { path: raw.to_path_buf(), format: "raw" };
    let allocated = restored.allocated()?;
    ensure!(allocated < 200 * MIB, "the restored file is not sparse: {allocated} bytes");
    Ok(())
}

fn restores_as_qcow2(lab: &Lab, service: &Service, guest: &Guest, point: &Point) -> Result<()> {
    let to = lab.directory("qcow2")?;
    let to = to.to_string_lossy();
    let words = ["restore", "disks", "--vault", "vault1", "--item", &guest.name];
    let more = ["--point", "latest", "--to", &to, "--format", "qcow2", "--wait"];
    service.ok(&[&words[..], &more].concat())?;
    let restored = Disk { path: only_file(Path::new(&*to))?, format: "qcow2" };
    let raw = restored.convert(&lab.path("qcow2.raw"), "raw")?;
    disk::assert_equal(&point.disk, &raw.path)
}

fn boots_again(lab: &Lab, service: &Service, guest: &Guest, point: &Point) -> Result<()> {
    let again = Guest::existing(lab, "again");
    let to = lab.directory("again")?;
    let words = ["restore", "vm", "--vault", "vault1", "--item", &guest.name, "--point", &point.id];
    let to = to.to_string_lossy();
    let more = ["--name", &again.name, "--to", &to, "--wait"];
    service.ok(&[&words[..], &more].concat())?;
    ensure!(again.state()? == "running", "the restored VM is {}", again.state()?);
    again.wait_for_agent()?;
    disk::assert_same_files(&point.hashes, &again.hashes()?)?;
    ensure!(guest.state()? == "running", "the original VM was touched");
    lab.saw("the restored VM has booted and computes the same hashes");
    Ok(())
}
