//! Networks: libvirt's as `Microsoft.Network/virtualNetworks` with one subnet each, and the cards
//! of virtual machines as `Microsoft.Network/networkInterfaces`. To be read only.

use model::arm_id;
use model::network::{Network, SUBNET};
use model::vm::{Interface, Vm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Resource;

/// The resource type of virtual networks.
pub const VIRTUAL_NETWORKS: &str = "Microsoft.Network/virtualNetworks";
/// The resource type of subnets.
pub const SUBNETS: &str = "Microsoft.Network/virtualNetworks/subnets";
/// The resource type of network cards.
pub const NETWORK_INTERFACES: &str = "Microsoft.Network/networkInterfaces";

/// A virtual network.
pub type VirtualNetwork = Resource<NetworkProperties>;

/// The properties of a virtual network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkProperties {
    /// `Succeeded`.
    pub provisioning_state: String,
    /// The network's UUID in libvirt.
    pub resource_guid: String,
    /// Its address ranges.
    pub address_space: AddressSpace,
    /// Its one subnet.
    pub subnets: Vec<Subnet>,
    /// Links to other networks: none.
    pub virtual_network_peerings: Vec<serde_json::Value>,
    /// Azure's protection against floods: none.
    pub enable_ddos_protection: bool,
    /// What Azure has no word for.
    pub holdfast: NetworkFacts,
}

/// Address ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressSpace {
    /// Each as an address and the number of its leading bits that are the network's. None where
    /// the host has no address in the network.
    pub address_prefixes: Vec<String>,
}

/// A subnet.
pub type Subnet = Resource<SubnetProperties>;

/// The properties of a subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubnetProperties {
    /// `Succeeded`.
    pub provisioning_state: String,
    /// The first address range; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_prefix: Option<String>,
    /// Whether Azure's private endpoints are governed: not here.
    pub private_endpoint_network_policies: String,
}

/// What Azure has no word for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkFacts {
    /// The network's name in libvirt.
    pub network: String,
    /// Whether it runs.
    pub active: bool,
    /// The bridge that its virtual machines are on.
    pub bridge: Option<String>,
    /// The connection of the host that has it.
    pub host: String,
}

/// Renders a virtual network; `host` is its host's connection.
pub fn render(subscription: &str, network: &Network, host: &str) -> VirtualNetwork {
    let properties = NetworkProperties {
        provisioning_state: "Succeeded".to_owned(),
        resource_guid: network.uuid.to_string(),
        address_space: AddressSpace { address_prefixes: network.prefixes.clone() },
        subnets: vec![subnet(subscription, network)],
        virtual_network_peerings: Vec::new(),
        enable_ddos_protection: false,
        holdfast: NetworkFacts {
            network: network.libvirt_name.clone(),
            active: network.active,
            bridge: network.bridge.clone(),
            host: host.to_owned(),
        },
    };
    Resource::new(id(subscription, network), &network.name, VIRTUAL_NETWORKS, properties)
        .at(&network.region)
}

fn id(subscription: &str, network: &Network) -> String {
    arm_id::virtual_network(subscription, &network.resource_group, &network.name)
}

/// Renders a network's one subnet.
pub fn subnet(subscription: &str, network: &Network) -> Subnet {
    let properties = SubnetProperties {
        provisioning_state: "Succeeded".to_owned(),
        address_prefix: network.prefixes.first().cloned(),
        private_endpoint_network_policies: "Disabled".to_owned(),
    };
    let id = arm_id::subnet(&id(subscription, network), SUBNET);
    Resource::new(id, SUBNET, SUBNETS, properties)
}

/// A network card.
pub type NetworkInterface = Resource<InterfaceProperties>;

/// The properties of a network card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InterfaceProperties {
    /// `Succeeded`.
    pub provisioning_state: String,
    /// Whether it is the VM's first.
    pub primary: bool,
    /// Its hardware address, as Azure writes it: `52-54-00-12-34-56`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// What it is on.
    pub ip_configurations: Vec<IpConfiguration>,
    /// Its virtual machine.
    pub virtual_machine: Reference,
}

/// What a network card is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IpConfiguration {
    /// Its ARM id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The rest.
    pub properties: IpConfigurationProperties,
}

/// The properties of what a network card is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IpConfigurationProperties {
    /// `Succeeded`.
    pub provisioning_state: String,
    /// Whether it is the card's first.
    pub primary: bool,
    /// The guest's address, where a network of libvirt's has leased it; the guest itself is not
    /// asked. Empty where none is known; without it, clients break.
    #[serde(rename = "privateIPAddress")]
    pub private_ip_address: String,
    /// How it comes by its address.
    #[serde(rename = "privateIPAllocationMethod")]
    pub private_ip_allocation_method: String,
    /// The subnet, where it is a network's that is known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Reference>,
}

/// Another resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    /// Its ARM id.
    pub id: String,
}

/// The name of a virtual machine's card, by its number from 0.
pub fn interface_name(vm: &Vm, number: usize) -> String {
    format!("{}-nic{number}", vm.name)
}

/// The ARM id of a virtual machine's card, by its number from 0.
pub fn interface_id(subscription: &str, vm: &Vm, number: usize) -> String {
    let group = arm_id::resource_group(subscription, &vm.resource_group);
    format!("{group}/providers/{NETWORK_INTERFACES}/{}", interface_name(vm, number))
}

/// Renders a virtual machine's card, by its number from 0. `networks` are those that are known.
pub fn interface(
    subscription: &str,
    vm: &Vm,
    (number, card): (usize, &Interface),
    networks: &[Network],
) -> NetworkInterface {
    let (id, name) = (interface_id(subscription, vm, number), interface_name(vm, number));
    let is_on = |network: &&Network| {
        network.host == vm.host
            && (card.network.as_ref() == Some(&network.libvirt_name)
                || (card.bridge.is_some() && card.bridge == network.bridge))
    };
    let subnet = networks
        .iter()
        .find(is_on)
        .map(|network| Reference { id: arm_id::subnet(&self::id(subscription, network), SUBNET) });
    let configuration = IpConfiguration {
        id: format!("{id}/ipConfigurations/ipconfig1"),
        name: "ipconfig1".to_owned(),
        properties: IpConfigurationProperties {
            provisioning_state: "Succeeded".to_owned(),
            primary: true,
            private_ip_address: card.address.clone().unwrap_or_default(),
            private_ip_allocation_method: "Dynamic".to_owned(),
            subnet,
        },
    };
    let properties = InterfaceProperties {
        provisioning_state: "Succeeded".to_owned(),
        primary: number == 0,
        mac_address: card.mac.as_ref().map(|mac| mac.to_uppercase().replace(':', "-")),
        ip_configurations: vec![configuration],
        virtual_machine: Reference { id: arm_id::vm(subscription, &vm.resource_group, &vm.name) },
    };
    Resource::new(id, name, NETWORK_INTERFACES, properties).at(&vm.region)
}
