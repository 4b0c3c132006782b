//! What a restore leaves beside the disks: a description of what came from what, and the same in
//! the form of a deployment template. Both are files for people and their programs, and are never
//! read again here.

use std::path::{Path, PathBuf};

use model::arm_id;
use model::item::Item;
use model::point::Point;
use model::vault::Vault;
use serde_json::{Value, json};

use super::store::file_uri;
use super::{VIRTUAL_MACHINES, disk, network, time};

/// A restored disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The number by which it is chosen; `None` is the operating system's disk.
    pub lun: Option<u32>,
    /// The target in the domain, such as `vda`.
    pub target: String,
    /// The file.
    pub path: PathBuf,
    /// The file's format, by QEMU's name.
    pub format: &'static str,
    /// The exact size of the disk, in bytes.
    pub size: u64,
}

/// What was restored.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The subscription's id.
    pub subscription: &'a str,
    /// The vault that held it.
    pub vault: &'a Vault,
    /// The item.
    pub item: &'a Item,
    /// The point.
    pub point: &'a Point,
    /// The name of the virtual machine that is made of it.
    pub name: &'a str,
    /// The UUID of its domain.
    pub uuid: &'a str,
    /// The resource group of the virtual machine that is made of it.
    pub resource_group: &'a str,
    /// The libvirt network that it is put on, where one was chosen.
    pub network: Option<&'a str>,
    /// Number of virtual processors.
    pub vcpus: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// The disks, as files.
    pub disks: &'a [File],
    /// What of the original domain is not in the restored one, in words.
    pub left_out: &'a [String],
    /// The file with the domain's XML.
    pub domain_file: &'a Path,
}

/// What came from what, as JSON.
pub fn config(facts: &Facts<'_>) -> String {
    let Facts { subscription, vault, item, point, .. } = *facts;
    let vault_id = arm_id::vault(subscription, &vault.resource_group, vault.name.as_str());
    let disk = |file: &File| {
        json!({
            "lun": file.lun,
            "isOsDisk": file.lun.is_none(),
            "target": file.target,
            "format": file.format,
            "sizeBytes": file.size,
            "uri": file_uri(&file.path),
            "path": file.path.to_string_lossy(),
        })
    };
    let source = arm_id::vm(subscription, &item.vm_resource_group, &item.vm_name);
    pretty(&json!({
        "source": {
            "virtualMachineId": source,
            "domainUuid": item.vm.to_string(),
            "vaultId": vault_id,
            "recoveryPointId": point.id.to_string(),
            "recoveryPointTime": time::moment(point.taken_at),
            "consistency": point.consistency.azure_name(),
        },
        "virtualMachine": {
            "name": facts.name,
            "domainUuid": facts.uuid,
            "resourceGroup": facts.resource_group,
            "location": vault.region,
            "vcpus": facts.vcpus,
            "memoryBytes": facts.memory_bytes,
            "network": facts.network,
            "leftOut": facts.left_out,
        },
        "disks": facts.disks.iter().map(disk).collect::<Vec<_>>(),
        "domainXmlUri": file_uri(facts.domain_file),
    }))
}

/// The same as a deployment template, as JSON: its resource is the virtual machine over the
/// restored disks, and its metadata says how it is made here.
pub fn template(facts: &Facts<'_>) -> String {
    let attached = |file: &File| {
        let id = format!("[resourceId('{}', '{}-{}')]", disk::KIND, facts.name, file.target);
        json!({
            "name": file.target,
            "createOption": "Attach",
            "managedDisk": { "id": id },
            "vhd": { "uri": file_uri(&file.path) },
        })
    };
    let os_disk = facts.disks.iter().find(|file| file.lun.is_none()).map(attached);
    let with_lun = |file: &File| {
        let mut disk = attached(file);
        disk["lun"] = json!(file.lun);
        disk
    };
    let data = facts.disks.iter().filter(|file| file.lun.is_some()).map(with_lun);
    let mut storage = json!({ "dataDisks": data.collect::<Vec<Value>>() });
    if let Some(os_disk) = os_disk {
        storage["osDisk"] = os_disk;
    }
    let card = format!("[resourceId('{}', '{}-nic0')]", network::NETWORK_INTERFACES, facts.name);
    let domain_file = facts.domain_file.to_string_lossy();
    let file = domain_file.replace('\'', "'\\''");
    pretty(&json!({
        "$schema":
            "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "metadata": { "holdfast": {
            "howTo": format!(
                "On the host: virsh define '{file}'. QEMU's user must be able to reach the disks: \
                 those in the service's data directory have to be moved first."
            ),
            "domainXmlUri": file_uri(facts.domain_file),
        } },
        "parameters": {
            "VirtualMachineName": { "type": "String", "defaultValue": facts.name },
        },
        "variables": {},
        "resources": [{
            "type": VIRTUAL_MACHINES,
            "apiVersion": "2024-07-01",
            "name": "[parameters('VirtualMachineName')]",
            "location": facts.vault.region,
            "properties": {
                "hardwareProfile": {
                    "vmSize": format!("{}vcpu-{}MiB", facts.vcpus, facts.memory_bytes >> 20),
                },
                "storageProfile": storage,
                "networkProfile": { "networkInterfaces": [{ "id": card }] },
            },
        }],
        "outputs": {
            "domainXmlUri": { "type": "String", "value": file_uri(facts.domain_file) },
        },
    }))
}

fn pretty(document: &Value) -> String {
    format!("{document:#}\n")
}
