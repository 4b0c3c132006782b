//! What a domain's XML says about it.
//!
//! # The metadata that Holdfast reads and writes
//!
//! ```xml
//! <metadata>
//!   <holdfast:vm xmlns:holdfast="https://holdfast.invalid/xmlns/domain/1.0"
//!                resourceGroup="production"/>
//! </metadata>
//! ```
//!
//! `resourceGroup` puts the virtual machine into that resource group instead of its host's.

use model::vm::{AgentState, Disk, DiskFormat, DiskKind, Interface, OsType, PowerState};
use uuid::Uuid;
use xmltree::Element;

use super::{attribute, elements, named, parse, text};
use crate::error::FabricError;
use crate::host::{Domain, SkippedDisk};

/// The namespace of Holdfast's element in a domain's metadata.
pub const NAMESPACE: &str = "https://holdfast.invalid/xmlns/domain/1.0";

/// The namespace of libosinfo's element in a domain's metadata.
pub(super) const LIBOSINFO: &str = "http://libosinfo.org/xmlns/libvirt/domain/1.0";

/// The channel on which guests' agents listen.
pub const AGENT_CHANNEL: &str = "org.qemu.guest_agent.0";

/// Reads a domain's XML. Sizes of disks and the agent's version are not in it.
///
/// # Errors
///
/// [`FabricError::Xml`].
pub fn read(xml: &str, power: PowerState) -> Result<Domain, FabricError> {
    let root = parse(xml)?;
    let missing = |what: &str| FabricError::Xml { message: format!("it has no {what}") };
    let uuid = text(&root, &["uuid"]).and_then(|uuid| Uuid::parse_str(&uuid).ok());
    let mut domain = Domain {
        uuid: uuid.ok_or_else(|| missing("uuid"))?,
        name: text(&root, &["name"]).ok_or_else(|| missing("name"))?,
        power,
        vcpus: text(&root, &["vcpu"]).and_then(|count| count.parse().ok()).unwrap_or(0),
        memory_bytes: memory(&root),
        disks: Vec::new(),
        unsupported: Vec::new(),
        agent: agent(&root, power),
        resource_group: resource_group(&root),
        interfaces: interfaces(&root),
        os: os(&root),
    };
    let devices = named(&root, "devices").flat_map(elements);
    for element in devices.filter(|device| device.name == "disk") {
        let device = element.attributes.get("device").map_or("disk", String::as_str);
        let Some(target) = attribute(element, &["target"], "dev") else { continue };
        if device != "disk" || !is_target(target) {
            continue;
        }
        let disk = disk(element, target);
        if let Some(why) = unsupported(element, &disk) {
            let target = target.to_owned();
            domain.unsupported.push(SkippedDisk { target, why: why.to_owned() });
        }
        domain.disks.push(disk);
    }
    Ok(domain)
}

/// Targets name exports and are part of paths: nothing but letters and digits.
fn is_target(target: &str) -> bool {
    (1..=32).contains(&target.len()) && target.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn disk(element: &Element, target: &str) -> Disk {
    let kind = match element.attributes.get("type").map(String::as_str) {
        Some("file") => DiskKind::File,
        Some("block") => DiskKind::Block,
        _ => DiskKind::Other,
    };
    let format = match attribute(element, &["driver"], "type") {
        Some("qcow2") => DiskFormat::Qcow2,
        Some("raw") => DiskFormat::Raw,
        _ => DiskFormat::Other,
    };
    let source = match kind {
        DiskKind::File => attribute(element, &["source"], "file"),
        DiskKind::Block => attribute(element, &["source"], "dev"),
        DiskKind::Other => None,
    };
    Disk {
        target: target.to_owned(),
        kind,
        format,
        source: source.unwrap_or_default().to_owned(),
        size: None,
        serial: text(element, &["serial"]),
    }
}

fn unsupported(element: &Element, disk: &Disk) -> Option<&'static str> {
    if disk.kind == DiskKind::Other {
        Some("it is neither a file nor a block device")
    } else if disk.source.is_empty() {
        Some("it has no source")
    } else if disk.format == DiskFormat::Other {
        Some("its format is neither raw nor qcow2")
    } else if elements(element).any(|child| child.name == "readonly") {
        Some("it is read-only")
    } else if elements(element).any(|child| child.name == "shareable") {
        Some("it is shared with other machines, so no point in time of it can be fixed")
    } else if elements(element).any(|child| child.name == "transient") {
        Some("it is transient")
    } else {
        None
    }
}

fn agent(root: &Element, power: PowerState) -> AgentState {
    let channel = named(root, "devices")
        .flat_map(|devices| named(devices, "channel"))
        .find(|channel| attribute(channel, &["target"], "name") == Some(AGENT_CHANNEL));
    match channel.map(|channel| attribute(channel, &["target"], "state")) {
        None => AgentState::NoChannel,
        Some(Some("connected")) if power == PowerState::Running => {
            AgentState::Connected { version: None }
        }
        Some(_) => AgentState::NotConnected,
    }
}

fn interfaces(root: &Element) -> Vec<Interface> {
    let cards = named(root, "devices").flat_map(|devices| named(devices, "interface"));
    let source = |card: &Element, kind: &str| {
        let is_kind = card.attributes.get("type").is_some_and(|it| it == kind);
        let name = attribute(card, &["source"], kind).filter(|_| is_kind)?;
        Some(name.to_owned())
    };
    cards
        .map(|card| Interface {
            mac: attribute(card, &["mac"], "address").map(str::to_owned),
            network: source(card, "network"),
            bridge: source(card, "bridge"),
            address: None,
        })
        .collect()
}

fn resource_group(root: &Element) -> Option<String> {
    let metadata = named(root, "metadata").flat_map(elements);
    let own = metadata
        .filter(|it| it.name == "vm" && it.namespace.as_deref() == Some(NAMESPACE))
        .find_map(|it| it.attributes.get("resourceGroup").cloned());
    own.filter(|group| !group.is_empty() && group.len() <= 90)
}

/// The operating system by libosinfo's metadata, which virt-install, virt-manager and others write:
/// a URL such as `http://microsoft.com/win/2k22`.
pub(super) fn os_id(root: &Element) -> Option<&String> {
    let metadata = named(root, "metadata").flat_map(|it| named(it, "libosinfo"));
    let own = metadata.filter(|it| it.namespace.as_deref() == Some(LIBOSINFO));
    own.flat_map(|it| named(it, "os")).find_map(|it| it.attributes.get("id"))
}

fn os(root: &Element) -> Option<OsType> {
    let id = os_id(root)?;
    match id.split("//").nth(1)?.split('/').next()? {
        "microsoft.com" => Some(OsType::Windows),
        "libosinfo.org" if id.ends_with("/unknown") => None,
        _ => Some(OsType::Linux),
    }
}

fn memory(root: &Element) -> u64 {
    let amount: u64 = text(root, &["memory"]).and_then(|amount| amount.parse().ok()).unwrap_or(0);
    let factor = match attribute(root, &["memory"], "unit").unwrap_or("KiB") {
        "b" | "bytes" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        _ => 1 << 10,
    };
    amount.saturating_mul(factor)
}
