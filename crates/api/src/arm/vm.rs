//! Virtual machines: `Microsoft.Compute/virtualMachines`, a read-only view of libvirt's domains.

use model::arm_id;
use model::vm::{AgentState, Disk as ModelDisk, DiskKind, PowerState, Vm as ModelVm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Resource, VIRTUAL_MACHINES, disk, network};

/// A virtual machine.
pub type Vm = Resource<VmProperties>;

/// The properties of a virtual machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VmProperties {
    /// The domain's UUID.
    pub vm_id: String,
    /// `Succeeded`.
    pub provisioning_state: String,
    /// Processors and memory.
    pub hardware_profile: HardwareProfile,
    /// Disks.
    pub storage_profile: StorageProfile,
    /// What Azure would have set the guest up with.
    pub os_profile: OsProfile,
    /// Network cards.
    pub network_profile: NetworkProfile,
    /// How it is doing; only where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_view: Option<InstanceView>,
    /// What Azure has no word for.
    pub holdfast: VmFacts,
}

/// Processors and memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HardwareProfile {
    /// Azure's name of a size; here the numbers, such as `2vcpu-4096MiB`.
    pub vm_size: String,
}

/// Disks. The first one of the domain is the operating system's; the others count from LUN 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageProfile {
    /// The first disk.
    pub os_disk: Option<VmDisk>,
    /// The others.
    pub data_disks: Vec<VmDisk>,
}

/// A disk, as Azure tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VmDisk {
    /// The number by which disks are chosen; data disks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lun: Option<u32>,
    /// `Linux` or `Windows`, where the domain's metadata says; the operating system's disk only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
    /// The target in the domain, such as `vda`.
    pub name: String,
    /// How the disk came to the VM: `Attach`.
    pub create_option: String,
    /// The size in GiB, rounded up, where it is known.
    #[serde(default, rename = "diskSizeGB", skip_serializing_if = "Option::is_none")]
    pub disk_size_gb: Option<u64>,
    /// The disk as a resource.
    pub managed_disk: ManagedDisk,
}

/// A disk as a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManagedDisk {
    /// Its ARM id.
    pub id: String,
}

/// What Azure would have set the guest up with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OsProfile {
    /// The VM's name.
    pub computer_name: String,
}

/// Network interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkProfile {
    /// Each as a resource.
    pub network_interfaces: Vec<InterfaceReference>,
}

/// A network card as a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceReference {
    /// Its ARM id.
    pub id: String,
    /// Whether it is the first.
    pub properties: InterfaceRank,
}

/// Whether a network card is the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceRank {
    /// Whether it is.
    pub primary: bool,
}

/// How a virtual machine is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    /// The name its guest goes by.
    pub computer_name: String,
    /// Provisioning and power.
    pub statuses: Vec<InstanceStatus>,
    /// The guest agent.
    pub vm_agent: VmAgent,
}

/// One status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// Such as `PowerState/running`.
    pub code: String,
    /// `Info` or `Warning`.
    pub level: String,
    /// The same, for people.
    pub display_status: String,
}

/// The guest agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VmAgent {
    /// The version, or `Unknown`.
    pub vm_agent_version: String,
    /// Whether it answers.
    pub statuses: Vec<InstanceStatus>,
}

/// What Azure has no word for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VmFacts {
    /// The domain's name in libvirt.
    pub domain: String,
    /// `Running`, `Paused` or `Off`.
    pub power_state: String,
    /// The guest agent.
    pub agent: Agent,
    /// The disks, in the domain's order.
    pub disks: Vec<Disk>,
    /// The connection of the host that has it.
    pub host: String,
    /// Its resource group.
    pub resource_group: String,
    /// Number of virtual processors.
    pub vcpus: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
}

/// The guest agent, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agent {
    /// `NoChannel`, `NotConnected` or `Connected`.
    pub state: String,
    /// The version that it reports.
    pub version: Option<String>,
}

/// A disk, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disk {
    /// The target in the domain, such as `vda`.
    pub target: String,
    /// `file`, `block` or `other`.
    pub kind: String,
    /// `qcow2`, `raw` or `other`.
    pub format: String,
    /// The virtual size, in bytes, where it could be found out.
    pub size: Option<u64>,
    /// The serial number that the guest sees.
    pub serial: Option<String>,
    /// Path of the file or device; empty where there is none.
    pub source: String,
}

/// Renders a virtual machine; `host` is its host's connection.
pub fn render(subscription: &str, vm: &ModelVm, host: &str) -> Vm {
    let disk = |(at, disk): (usize, &ModelDisk)| vm_disk(subscription, vm, at, disk);
    let mut disks = vm.disks.iter().enumerate().map(disk);
    let properties = VmProperties {
        vm_id: vm.uuid.to_string(),
        provisioning_state: "Succeeded".to_owned(),
        hardware_profile: HardwareProfile {
            vm_size: format!("{}vcpu-{}MiB", vm.vcpus, vm.memory_bytes >> 20),
        },
        storage_profile: StorageProfile { os_disk: disks.next(), data_disks: disks.collect() },
        os_profile: OsProfile { computer_name: vm.name.clone() },
        network_profile: NetworkProfile { network_interfaces: cards(subscription, vm) },
        instance_view: None,
        holdfast: facts(vm, host),
    };
    let id = arm_id::vm(subscription, &vm.resource_group, &vm.name);
    Resource::new(id, &vm.name, VIRTUAL_MACHINES, properties).at(&vm.region)
}

/// Renders how a virtual machine is doing.
pub fn instance_view(vm: &ModelVm) -> InstanceView {
    let info = |code: &str, display: &str| status(code, "Info", display);
    let power = vm.power.azure_name();
    let (agent, version) = match &vm.agent {
        AgentState::Connected { version } => {
            (info("ProvisioningState/succeeded", "Ready"), version.clone())
        }
        _ => (status("ProvisioningState/Unavailable", "Warning", "Not Ready"), None),
    };
    InstanceView {
        computer_name: vm.name.clone(),
        statuses: vec![
            info("ProvisioningState/succeeded", "Provisioning succeeded"),
            info(&format!("PowerState/{power}"), &format!("VM {power}")),
        ],
        vm_agent: VmAgent {
            vm_agent_version: version.unwrap_or_else(|| "Unknown".to_owned()),
            statuses: vec![agent],
        },
    }
}

fn status(code: &str, level: &str, display: &str) -> InstanceStatus {
    InstanceStatus {
        code: code.to_owned(),
        level: level.to_owned(),
        display_status: display.to_owned(),
    }
}

fn vm_disk(subscription: &str, vm: &ModelVm, at: usize, disk: &ModelDisk) -> VmDisk {
    VmDisk {
        lun: at.checked_sub(1).and_then(|lun| lun.try_into().ok()),
        os_type: vm.os.filter(|_| at == 0).map(|os| os.azure_name().to_owned()),
        create_option: "Attach".to_owned(),
        disk_size_gb: disk.size.map(|size| size.div_ceil(1 << 30)),
        managed_disk: ManagedDisk { id: disk::id(subscription, vm, disk) },
        name: disk.target.clone(),
    }
}

fn cards(subscription: &str, vm: &ModelVm) -> Vec<InterfaceReference> {
    let card = |number| InterfaceReference {
        id: network::interface_id(subscription, vm, number),
        properties: InterfaceRank { primary: number == 0 },
    };
    (0..vm.interfaces.len()).map(card).collect()
}

fn facts(vm: &ModelVm, host: &str) -> VmFacts {
    let (state, version) = match &vm.agent {
        AgentState::NoChannel => ("NoChannel", None),
        AgentState::NotConnected => ("NotConnected", None),
        AgentState::Connected { version } => ("Connected", version.clone()),
    };
    let power = match vm.power {
        PowerState::Running => "Running",
        PowerState::Paused => "Paused",
        PowerState::Off => "Off",
    };
    VmFacts {
        domain: vm.domain.clone(),
        power_state: power.to_owned(),
        agent: Agent { state: state.to_owned(), version },
        disks: vm.disks.iter().map(disk_facts).collect(),
        host: host.to_owned(),
        resource_group: vm.resource_group.clone(),
        vcpus: vm.vcpus,
        memory_bytes: vm.memory_bytes,
    }
}

/// A disk, as it was found.
pub(crate) fn disk_facts(disk: &ModelDisk) -> Disk {
    let kind = match disk.kind {
        DiskKind::File => "file",
        DiskKind::Block => "block",
        DiskKind::Other => "other",
    };
    Disk {
        target: disk.target.clone(),
        kind: kind.to_owned(),
        format: disk.format.name().to_owned(),
        size: disk.size,
        serial: disk.serial.clone(),
        source: disk.source.clone(),
    }
}
