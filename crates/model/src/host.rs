//! Hosts: the libvirt connections whose virtual machines Holdfast protects.

use uuid::Uuid;

/// A registered host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The host's own id.
    pub id: Uuid,
    /// The libvirt connection, such as `qemu:///system`. Unique.
    pub uri: String,
    /// The region that all its virtual machines are in.
    pub region: String,
    /// The resource group of those of its virtual machines that name none themselves.
    pub resource_group: String,
}
