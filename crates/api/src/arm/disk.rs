//! Disks: those of virtual machines, as `Microsoft.Compute/disks`. To be read only.

use model::arm_id;
use model::vm::{Disk as ModelDisk, PowerState, Vm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::vm::{self, Disk as Facts};
use super::{Resource, Sku};

/// The resource type of disks.
pub const KIND: &str = "Microsoft.Compute/disks";

/// A disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ManagedDiskResource")]
pub struct Disk {
    /// What every resource has.
    #[serde(flatten)]
    pub resource: Resource<DiskProperties>,
    /// The virtual machine that has it, by its ARM id.
    pub managed_by: String,
}

/// The properties of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskProperties {
    /// `Succeeded`.
    pub provisioning_state: String,
    /// `Attached`, or `Reserved` while its virtual machine is off.
    pub disk_state: String,
    /// How it came to be, as far as it is known.
    pub creation_data: CreationData,
    /// The size in GiB, rounded up, where it is known.
    #[serde(default, rename = "diskSizeGB", skip_serializing_if = "Option::is_none")]
    pub disk_size_gb: Option<u64>,
    /// The size in bytes, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_size_bytes: Option<u64>,
    /// What Azure has no word for.
    pub holdfast: Facts,
}

/// How a disk came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreationData {
    /// `Attach`.
    pub create_option: String,
}

/// The name of a virtual machine's disk as a resource.
pub fn name(vm: &Vm, disk: &ModelDisk) -> String {
    format!("{}-{}", vm.name, disk.target)
}

/// The ARM id of a virtual machine's disk.
pub fn id(subscription: &str, vm: &Vm, disk: &ModelDisk) -> String {
    let group = arm_id::resource_group(subscription, &vm.resource_group);
    format!("{group}/providers/{KIND}/{}", name(vm, disk))
}

/// Renders a virtual machine's disk.
pub fn render(subscription: &str, machine: &Vm, disk: &ModelDisk) -> Disk {
    let state = if machine.power == PowerState::Off { "Reserved" } else { "Attached" };
    let properties = DiskProperties {
        provisioning_state: "Succeeded".to_owned(),
        disk_state: state.to_owned(),
        creation_data: CreationData { create_option: "Attach".to_owned() },
        disk_size_gb: disk.size.map(|size| size.div_ceil(1 << 30)),
        disk_size_bytes: disk.size,
        holdfast: vm::disk_facts(disk),
    };
    let id = id(subscription, machine, disk);
    let mut resource = Resource::new(id, name(machine, disk), KIND, properties).at(&machine.region);
    resource.sku = Some(Sku { name: "Standard_LRS".to_owned() });
    let managed_by = arm_id::vm(subscription, &machine.resource_group, &machine.name);
    Disk { resource, managed_by }
}
