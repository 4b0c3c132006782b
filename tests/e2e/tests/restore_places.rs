//! Where restores go: disks into the region's staging store with a description that libvirt takes,
//! and a virtual machine into a resource group and onto a network.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::disk::{self, Disk};
use e2e::guest::Guest;
use e2e::lab::Lab;
use e2e::run::virsh;
use e2e::service::Service;
use serde_json::Value;

#[test]
fn a_point_is_restored_into_a_store_a_group_and_a_network() -> Result<()> {
    if !e2e::on_guests("restore_places") {
        return Ok(());
    }
    let lab = Lab::new("places")?;
    let network = Network::start(&lab)?;
    let root = Disk::root(&lab, "root", "2G")?;
    let guest = Guest::boot(&lab, "vm", std::slice::from_ref(&root))?;
    let service = Service::start(&lab, &["--images", &lab.path("images").to_string_lossy()])?;
    service.protect("vault1", &guest.name)?;
    let hashes = guest.hashes()?;
    guest.hold_still()?;
    let expected = root.convert(&lab.path("expected"), "raw")?.path;
    service.back_up("vault1", &guest.name)?;
    guest.go_on()?;
    goes_into_the_store(&lab, &service, &guest, &expected)?;
    starts_from_a_store_elsewhere(&lab, &service, &guest, &hashes)?;

    let again = Guest::existing(&lab, "again");
    service.ok(&["host", "list"])?;
    let networks = service.list(&["network", "list"])?;
    let seen = networks.iter().find(|seen| seen["name"] == network.name.as_str());
    let seen = seen.with_context(|| format!("the network is not listed: {networks:?}"))?;
    let prefixes = &seen["properties"]["addressSpace"]["addressPrefixes"];
    ensure!(prefixes[0] == "10.253.7.0/24", "{seen}");
    let words = ["restore", "vm", "--vault", "vault1", "--item", &guest.name, "--point", "latest"];
    let more = ["--name", &again.name, "--network", &network.name, "--store", "staging"];
    let elsewhere = ["--target-resource-group", "holdfast", "--wait"];
    service.ok(&[&words[..], &more, &elsewhere].concat())?;
    again.wait_for_agent()?;
    disk::assert_same_files(&hashes, &again.hashes()?)?;
    let xml = virsh(["dumpxml", &again.name])?;
    ensure!(xml.contains(&format!("network='{}'", network.name)), "{xml}");
    ensure!(xml.contains("resourceGroup=\"holdfast\""), "{xml}");
    let vm = service.wait_for_vm(&again.name)?;
    ensure!(vm["properties"]["holdfast"]["resourceGroup"] == "holdfast", "{vm}");
    lab.saw("the restored VM runs in its group and on its network");
    Ok(())
}

fn goes_into_the_store(lab: &Lab, service: &Service, guest: &Guest, expected: &Path) -> Result<()> {
    let words = ["restore", "disks", "--vault", "vault1", "--item", &guest.name];
    let more = ["--point", "latest", "--store", "staging", "--disks", "os", "--wait"];
    let job = service.ok(&[&words[..], &more].concat())?;
    let bag = &job["properties"]["extendedInfo"]["propertyBag"];
    let config = read(&bag["Config Blob Uri"])?;
    let template = read(&bag["Template Blob Uri"])?;
    let disk = config["disks"][0]["path"].as_str().context("the disk's path")?;
    ensure!(Path::new(disk).starts_with(service.data.join("staging/local")), "{config}");
    disk::assert_equal(expected, Path::new(disk))?;
    let domain = file(&template["outputs"]["domainXmlUri"]["value"])?;
    let name = bag["Target VM Name"].as_str().context("the name of the VM to make")?;
    virsh(["define".as_ref(), domain.as_os_str()])?;
    let defined = virsh(["domblklist", name]);
    virsh(["undefine", name])?;
    ensure!(defined?.contains(disk), "the domain is not over the restored disk");
    lab.saw("the disk in the store is equal, and libvirt takes its domain");
    Ok(())
}

/// From a store that QEMU's user can get to, libvirt starts the domain just as it was written.
fn starts_from_a_store_elsewhere(
    lab: &Lab,
    service: &Service,
    guest: &Guest,
    hashes: &BTreeMap<String, String>,
) -> Result<()> {
    let place = lab.path("store").to_string_lossy().into_owned();
    service.ok(&["store", "add", "--name", "elsewhere", "--region", "local", "--path", &place])?;
    let words = ["restore", "disks", "--vault", "vault1", "--item", &guest.name];
    let more = ["--point", "latest", "--store", "elsewhere", "--format", "qcow2", "--wait"];
    let job = service.ok(&[&words[..], &more].concat())?;
    let bag = &job["properties"]["extendedInfo"]["propertyBag"];
    let domain = file(&read(&bag["Config Blob Uri"])?["domainXmlUri"])?;
    virsh(["define".as_ref(), domain.as_os_str()])?;
    let name = bag["Target VM Name"].as_str().context("the name of the VM to make")?;
    let restored = Guest { name: name.to_owned(), console: PathBuf::new() };
    restored.start()?;
    disk::assert_same_files(hashes, &restored.hashes()?)?;
    virsh(["destroy", name])?;
    lab.saw("libvirt starts the domain that was written beside the disks");
    Ok(())
}

/// The file that a URL names.
fn file(url: &Value) -> Result<PathBuf> {
    let url = url.as_str().context("a URL")?;
    Ok(PathBuf::from(url.strip_prefix("file://").with_context(|| format!("no file: {url}"))?))
}

fn read(url: &Value) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(file(url)?)?)?)
}

/// A network of the test's own, without a way out of this machine.
struct Network {
    name: String,
}

impl Network {
    fn start(lab: &Lab) -> Result<Network> {
        let network = Network { name: lab.domain("net") };
        let _ = network.remove();
        let xml = format!(
            "<network><name>{}</name><bridge name='hfe2e7'/>\
             <ip address='10.253.7.1' netmask='255.255.255.0'/></network>",
            network.name
        );
        let path = lab.path("network.xml");
        fs::write(&path, xml)?;
        virsh(["net-define".as_ref(), path.as_os_str()])?;
        virsh(["net-start", &network.name])?;
        Ok(network)
    }

    fn remove(&self) -> Result<()> {
        let _ = virsh(["net-destroy", &self.name]);
        virsh(["net-undefine", &self.name]).map(drop)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}
