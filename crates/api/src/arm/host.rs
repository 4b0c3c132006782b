//! Hosts: a noun of Holdfast's own, under `providers/Holdfast.Fabric/hosts`.

use model::arm_id;
use model::fault::Fault;
use model::host::Host as ModelHost;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Resource;
use super::error::Problem;

/// The resource type of hosts.
pub const KIND: &str = "Holdfast.Fabric/hosts";

/// A host: a libvirt connection.
pub type Host = Resource<HostProperties>;

/// The properties of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostProperties {
    /// The libvirt connection.
    pub uri: String,
    /// The resource group of those of its virtual machines that name none themselves.
    pub resource_group: String,
    /// Whether the connection stands.
    pub connected: bool,
    /// How many virtual machines it is known to have.
    pub virtual_machines: usize,
    /// Why the connection does not stand.
    pub problem: Option<Problem>,
}

/// What a client sends to register a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostRequest {
    /// The region of all its virtual machines.
    pub location: String,
    /// The rest.
    pub properties: HostRequestProperties,
}

/// The connection to register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostRequestProperties {
    /// The libvirt connection, such as `qemu:///system`.
    pub uri: String,
}

/// How a host is doing.
#[derive(Debug, Clone, Copy)]
pub struct Condition<'a> {
    /// Whether its connection stands.
    pub connected: bool,
    /// How many virtual machines it is known to have.
    pub vms: usize,
    /// Why the connection does not stand.
    pub problem: Option<&'a Fault>,
}

/// Renders a host. Its name is its id: a host has no other.
pub fn render(subscription: &str, host: &ModelHost, condition: Condition<'_>) -> Host {
    let name = host.id.to_string();
    let group = arm_id::resource_group(subscription, &host.resource_group);
    let properties = HostProperties {
        uri: host.uri.clone(),
        resource_group: host.resource_group.clone(),
        connected: condition.connected,
        virtual_machines: condition.vms,
        problem: condition.problem.map(Problem::of),
    };
    Resource::new(format!("{group}/providers/{KIND}/{name}"), name, KIND, properties)
        .at(&host.region)
}
