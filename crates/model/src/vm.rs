//! Virtual machines, as discovery finds them on a host.

use uuid::Uuid;

/// A virtual machine: a libvirt domain on a registered host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vm {
    /// The domain's UUID, which is the VM's identity.
    pub uuid: Uuid,
    /// The name under which Azure's API knows it: the domain's name, with a part of the UUID
    /// behind it where the name is invalid there or taken.
    pub name: String,
    /// The domain's name in libvirt.
    pub domain: String,
    /// The host it was found on.
    pub host: Uuid,
    /// The host's region.
    pub region: String,
    /// From the domain's metadata, else the host's.
    pub resource_group: String,
    /// Whether it runs.
    pub power: PowerState,
    /// Its disks, in the domain's order.
    pub disks: Vec<Disk>,
    /// Its guest agent.
    pub agent: AgentState,
    /// Number of virtual processors.
    pub vcpus: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Its network cards, in the domain's order.
    pub interfaces: Vec<Interface>,
    /// The operating system that whoever made it said it is for, where he did.
    pub os: Option<OsType>,
}

/// The operating systems that Azure tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OsType {
    /// Linux, or anything else that is not Windows.
    Linux,
    /// Windows.
    Windows,
}

impl OsType {
    /// Azure's name.
    pub const fn azure_name(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::Windows => "Windows",
        }
    }
}

/// One network card of a virtual machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its hardware address, as in `52:54:00:12:34:56`.
    pub mac: Option<String>,
    /// The libvirt network that it is on, by libvirt's name.
    pub network: Option<String>,
    /// The bridge that it is on.
    pub bridge: Option<String>,
    /// The IP address that the libvirt network has leased to it, while the machine runs.
    pub address: Option<String>,
}

/// Whether a virtual machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// It runs.
    Running,
    /// It is there, but its processors stand still.
    Paused,
    /// It is powered off.
    Off,
}

impl PowerState {
    /// Azure's name, as in an instance view's status code behind `PowerState/`. Azure has no
    /// paused machines; a paused one is reported as `unknown`, as Azure does for states that it
    /// has no name for.
    pub const fn azure_name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "unknown",
            Self::Off => "stopped",
        }
    }
}

/// One disk of a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The target in the domain, such as `vda`: its name within the VM.
    pub target: String,
    /// What kind of storage holds it.
    pub kind: DiskKind,
    /// The image's format.
    pub format: DiskFormat,
    /// Path of the file or block device; empty where there is none.
    pub source: String,
    /// The virtual size, in bytes, where it could be found out.
    pub size: Option<u64>,
    /// The serial number that the guest sees, where the domain sets one.
    pub serial: Option<String>,
}

/// What kind of storage holds a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskKind {
    /// A file on the host.
    File,
    /// A block device of the host.
    Block,
    /// Anything else (network, volume …), which is not backed up.
    Other,
}

/// The format of a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// QEMU's own format, which keeps dirty bitmaps.
    Qcow2,
    /// A plain image, which keeps none.
    Raw,
    /// Any other, which is read in full.
    Other,
}

impl DiskFormat {
    /// The name libvirt and QEMU use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
            Self::Other => "other",
        }
    }
}

/// What is known of a VM's guest agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentState {
    /// The domain has no channel for it.
    NoChannel,
    /// There is a channel, but no agent answers on it.
    NotConnected,
    /// It answers.
    Connected {
        /// The version it reports, once it was asked.
        version: Option<String>,
    },
}
