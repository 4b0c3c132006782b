//! Bad input and a bad world: one clear error with Azure's code, its cause and what to do, and
//! nothing stored before is harmed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::disk::Disk;
use e2e::guest::Guest;
use e2e::lab::Lab;
use e2e::run::run;
use e2e::service::{self, Service, name};

const FAILED: i32 = 1;
const NOT_FOUND: i32 = 3;
const DAMAGED: i32 = 4;

#[test]
fn what_is_not_there_or_not_allowed_is_refused_with_azures_codes() -> Result<()> {
    if !e2e::on_guests("bad_input, refusals") {
        return Ok(());
    }
    let lab = Lab::new("refused")?;
    let guest = Guest::define(&lab, "vm", &[Disk::root(&lab, "root", "2G")?])?;
    let vm = guest.name.as_str();
    let service = Service::start(&lab, &[])?;
    service.protect("vault1", vm)?;
    let enable = |vault, vm| service.cli(&["item", "enable", "--vault", vault, "--vm", vm]);

    enable("vault1", "no-such-vm")?.assert_refused(
        NOT_FOUND,
        "ResourceNotFound",
        &["no-such-vm"],
    )?;
    enable("no-vault", vm)?.assert_refused(NOT_FOUND, "ResourceNotFound", &["no-vault"])?;

    service.ok(&["vault", "create", "far", "--region", "elsewhere"])?;
    enable("far", vm)?.assert_refused(
        FAILED,
        "BMSUserErrorInvalidConfigureProtectionRequest",
        &["local", "elsewhere"],
    )?;
    service.ok(&["vault", "create", "vault2", "--region", "local"])?;
    enable("vault2", vm)?.assert_refused(
        FAILED,
        "BMSUserErrorContainerIsAlreadyRegisteredWithAnotherVault",
        &["vault1"],
    )?;
    let again = enable("vault1", vm)?;
    ensure!(again.code == 0, "enabling again is an update: {again:?}");

    for bad in ["1vault", "v", "a_b"] {
        let answer = service.cli(&["vault", "create", bad, "--region", "local"])?;
        answer.assert_refused(FAILED, "InvalidResourceName", &[bad])?;
    }
    let answer = service.cli(&["job", "show", "no-job", "--vault", "vault1"])?;
    ensure!(answer.code == NOT_FOUND, "{answer:?}");
    let answer = service.cli(&["backup-now", "--vault", "vault1"])?;
    ensure!(answer.code == 2, "wrong usage: {answer:?}");
    let points = service.points("vault1", vm)?;
    ensure!(points.is_empty(), "something was stored: {points:?}");
    Ok(())
}

#[test]
fn a_vanished_disk_fails_the_job_and_harms_nothing() -> Result<()> {
    if !e2e::on_guests("bad_input, vanished disk") {
        return Ok(());
    }
    let lab = Lab::new("vanished")?;
    let root = Disk::root(&lab, "root", "2G")?;
    let guest = Guest::define(&lab, "vm", std::slice::from_ref(&root))?;
    let service = Service::start(&lab, &[])?;
    service.protect("vault1", &guest.name)?;
    service.back_up("vault1", &guest.name)?;
    let away = lab.path("away");
    fs::rename(&root.path, &away)?;
    let answer =
        service.cli(&["backup-now", "--vault", "vault1", "--item", &guest.name, "--wait"])?;
    let path = root.path.to_string_lossy();
    answer.assert_refused(FAILED, "UserErrorDiskNotFound", &[&path])?;
    fs::rename(&away, &root.path)?;
    assert_restores(&lab, &service, &guest)?;
    service.back_up("vault1", &guest.name).map(drop)
}

#[test]
fn a_full_store_fails_the_job_and_what_it_holds_restores() -> Result<()> {
    if !e2e::on_guests("bad_input, full store") {
        return Ok(());
    }
    let lab = Lab::new("full")?;
    let content = lab.directory("content")?;
    let root = Disk::root(&lab, "root", "2G")?;
    let data = Disk::ext4(&lab, "data", "raw", "256M", Some(&content))?;
    let guest = Guest::define(&lab, "vm", &[root, data.clone()])?;
    let stores = lab.path("data").join("stores");
    fs::create_dir_all(&stores)?;
    run("chmod", ["700".as_ref(), lab.path("data").as_os_str()])?;
    run("mount", ["-t", "tmpfs", "-o", "size=96m", "none", &stores.to_string_lossy()])?;
    let service = Service::start(&lab, &[])?;
    service.protect("vault1", &guest.name)?;
    service.back_up("vault1", &guest.name)?;

    let target = format!("of={}", data.path.display());
    run("dd", ["if=/dev/urandom", &target, "bs=1M", "seek=64", "count=160", "conv=notrunc"])?;
    let answer =
        service.cli(&["backup-now", "--vault", "vault1", "--item", &guest.name, "--wait"])?;
    answer.assert_refused(FAILED, "UserErrorRepositoryFull", &[])?;
    ensure!(service.points("vault1", &guest.name)?.len() == 1);
    assert_restores(&lab, &service, &guest)
}

#[test]
fn a_wrong_key_and_a_damaged_pack_are_told_as_such() -> Result<()> {
    if !e2e::on_guests("bad_input, key and pack") {
        return Ok(());
    }
    let lab = Lab::new("damaged")?;
    let guest = Guest::define(&lab, "vm", &[Disk::root(&lab, "root", "2G")?])?;
    let mut service = Service::start(&lab, &[])?;
    service.protect("vault1", &guest.name)?;
    service.back_up("vault1", &guest.name)?;
    let keys = files(&service.data.join("keys"))?;
    let [key] = keys.as_slice() else { anyhow::bail!("one key was expected: {keys:?}") };
    let good = fs::read(key)?;

    // A key that is a key, but of another vault.
    service.ok(&["vault", "create", "vault2", "--region", "local"])?;
    let other = files(&service.data.join("keys"))?.into_iter().find(|path| path != key);
    let other = fs::read(other.context("the other vault's key")?)?;
    service.stop()?;
    fs::write(key, other)?;
    service.start_again()?;
    let to = lab.directory("wrong-key")?;
    let words = ["restore", "disks", "--vault", "vault1", "--item", &guest.name];
    let to = to.to_string_lossy();
    let more = ["--point", "latest", "--to", &to, "--wait"];
    let answer = service.cli(&[&words[..], &more].concat())?;
    answer.assert_refused(FAILED, "UserErrorVaultKeyInvalid", &[])?;
    service.stop()?;
    fs::write(key, good)?;
    service.start_again()?;
    assert_restores(&lab, &service, &guest)?;

    let is_pack = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "packs");
    let pack = files(&service.data.join("stores"))?
        .into_iter()
        .filter(is_pack)
        .max_by_key(|path| path.metadata().map(|data| data.len()).unwrap_or(0))
        .context("no pack")?;
    let mut bytes = fs::read(&pack)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes)?;
    let to = lab.directory("damaged-pack")?;
    let to = to.to_string_lossy();
    let more = ["--point", "latest", "--to", &to, "--wait"];
    let answer = service.cli(&[&words[..], &more].concat())?;
    answer.assert_refused(DAMAGED, "UserErrorRepositoryDamaged", &[])
}

#[test]
fn a_second_serve_on_one_directory_ends_with_1() -> Result<()> {
    if !e2e::on_guests("bad_input, second serve") {
        return Ok(());
    }
    let lab = Lab::new("second")?;
    let service = Service::start(&lab, &["--no-local-host"])?;
    let data = service.data.to_string_lossy();
    let second =
        service::cli(&service.data, &["serve", "--listen", "127.0.0.1:0", "--data", &data])?;
    ensure!(second.code == FAILED, "{second:?}");
    ensure!(second.stderr.contains(&*data), "it does not name the directory: {second:?}");
    ensure!(service.cli(&["vault", "list"])?.code == 0, "the first one was harmed");
    Ok(())
}

#[test]
fn a_libvirt_that_is_not_there_is_told_and_the_rest_works() -> Result<()> {
    if !e2e::on_guests("bad_input, no libvirt") {
        return Ok(());
    }
    let lab = Lab::new("missing")?;
    let service = Service::start(&lab, &["--no-local-host"])?;
    let uri = "qemu+unix:///system?socket=/run/hf-e2e-no-such-socket";
    let words = ["host", "add", "--uri", uri, "--region", "local", "--resource-group", "rg1"];
    service.cli(&words)?;
    service.ok(&["vault", "create", "vault1", "--region", "local"])?;
    let hosts = service.list(&["host", "list"])?;
    let host = hosts.first().context("the host is listed")?;
    ensure!(host["properties"]["connected"] == false, "{host}");
    let problem = &host["properties"]["problem"];
    ensure!(problem["code"] == "UserErrorHypervisorUnavailable", "{host}");
    ensure!(!problem["recommendedAction"].as_str().unwrap_or_default().is_empty(), "{host}");
    Ok(())
}

/// The newest point restores.
fn assert_restores(lab: &Lab, service: &Service, guest: &Guest) -> Result<()> {
    let points = service.points("vault1", &guest.name)?;
    let point = name(points.first().context("no point")?)?;
    let to = service.restore(lab, "vault1", &guest.name, &point)?;
    ensure!(!files(&to)?.is_empty(), "nothing was restored");
    fs::remove_dir_all(to)?;
    Ok(())
}

/// Every file below a directory.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let told = run("find", [directory.as_os_str(), "-type".as_ref(), "f".as_ref()])?;
    Ok(told.lines().map(PathBuf::from).collect())
}
