//! Virtual networks, as discovery finds them on a host.

use uuid::Uuid;

/// The name of a network's one subnet: libvirt's networks have no parts, but Azure's do.
pub const SUBNET: &str = "default";

/// A virtual network: a libvirt network on a registered host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The network's UUID in libvirt, which is its identity.
    pub uuid: Uuid,
    /// The name under which Azure's API knows it: libvirt's, with a part of the UUID behind it
    /// where the name is invalid there or taken.
    pub name: String,
    /// The network's name in libvirt.
    pub libvirt_name: String,
    /// The host it was found on.
    pub host: Uuid,
    /// The host's region.
    pub region: String,
    /// The host's resource group.
    pub resource_group: String,
    /// Whether it runs. One that does not is no place for a virtual machine.
    pub active: bool,
    /// The bridge that its virtual machines are on, where it has one.
    pub bridge: Option<String>,
    /// Its address ranges, such as `192.168.122.0/24`; none where the host has no address in it.
    pub prefixes: Vec<String>,
}
