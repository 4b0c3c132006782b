//! Protectable items and containers: what Azure finds before a VM is protected, and files it under
//! afterwards.

use model::arm_id;
use model::item::Item;
use model::vm::Vm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::item::protection_status;
use super::{AZURE_IAAS_VM, Resource, VIRTUAL_MACHINES};

const FABRICS: &str = "Microsoft.RecoveryServices/vaults/backupFabrics";

/// A virtual machine that could be protected.
pub type ProtectableItem = Resource<ProtectableProperties>;

/// The properties of a virtual machine that could be protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProtectableProperties {
    /// The VM's ARM id.
    pub virtual_machine_id: String,
    /// `Compute`.
    pub virtual_machine_version: String,
    /// The VM's resource group.
    pub resource_group: String,
    /// `AzureIaasVM`.
    pub backup_management_type: String,
    /// `Microsoft.Compute/virtualMachines`.
    pub protectable_item_type: String,
    /// The VM's name.
    pub friendly_name: String,
    /// `NotProtected`.
    pub protection_state: String,
}

/// A container: what one protected VM is filed under.
pub type Container = Resource<ContainerProperties>;

/// The properties of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerProperties {
    /// The VM's ARM id.
    pub virtual_machine_id: String,
    /// `Compute`.
    pub virtual_machine_version: String,
    /// The VM's resource group.
    pub resource_group: String,
    /// The VM's name.
    pub friendly_name: String,
    /// `AzureIaasVM`.
    pub backup_management_type: String,
    /// `Registered`.
    pub registration_status: String,
    /// `Healthy`, or `Unhealthy` where the last backup failed.
    pub health_status: String,
    /// `Microsoft.Compute/virtualMachines`.
    pub container_type: String,
    /// `Microsoft.Compute/virtualMachines`.
    pub protectable_object_type: String,
}

/// Renders a virtual machine that the vault with this ARM id could protect.
pub fn render_protectable(subscription: &str, vault_id: &str, vm: &Vm) -> ProtectableItem {
    let (group, name) = (&vm.resource_group, &vm.name);
    let tail = arm_id::vm_tail(group, name);
    let properties = ProtectableProperties {
        virtual_machine_id: arm_id::vm(subscription, group, name),
        virtual_machine_version: "Compute".to_owned(),
        resource_group: group.clone(),
        backup_management_type: AZURE_IAAS_VM.to_owned(),
        protectable_item_type: VIRTUAL_MACHINES.to_owned(),
        friendly_name: name.clone(),
        protection_state: "NotProtected".to_owned(),
    };
    let id = format!("{}/protectableItems/vm;{tail}", arm_id::container(vault_id, group, name));
    Resource::new(id, tail, format!("{FABRICS}/protectionContainers/protectableItems"), properties)
}

/// Renders the container of an item of the vault with this ARM id.
pub fn render(subscription: &str, vault_id: &str, item: &Item) -> Container {
    let (group, name) = (&item.vm_resource_group, &item.vm_name);
    let properties = ContainerProperties {
        virtual_machine_id: arm_id::vm(subscription, group, name),
        virtual_machine_version: "Compute".to_owned(),
        resource_group: group.clone(),
        friendly_name: name.clone(),
        backup_management_type: AZURE_IAAS_VM.to_owned(),
        registration_status: "Registered".to_owned(),
        health_status: protection_status(item).to_owned(),
        container_type: VIRTUAL_MACHINES.to_owned(),
        protectable_object_type: VIRTUAL_MACHINES.to_owned(),
    };
    Resource::new(
        arm_id::container(vault_id, group, name),
        format!("IaasVMContainer;{}", arm_id::vm_tail(group, name)),
        format!("{FABRICS}/protectionContainers"),
        properties,
    )
}
