//! A restored domain's XML, from that of the domain that was backed up.
//!
//! By allow-list: what [`TOP`] and [`DEVICES`] do not name is left out and told. The source is
//! hostile: it comes out of a vault and decides what a program on this host may open. So:
//!
//! - Identity is new: name, UUID; network cards get new addresses from libvirt. Of the metadata,
//!   the name of the operating system stays.
//! - Disks are the restored files. Everything else that names a file of the host is dropped
//!   (`qemu:commandline`, host devices, file systems, custom security labels, network scripts),
//!   or replaced (serial lines and consoles become pseudo-terminals).
//! - The emulator stays only where it is the distribution's `/usr/bin/qemu-system-…`, firmware
//!   only from the distribution's directories; its variable store is made anew from the template.
//! - A kernel, initrd and command line for direct boot stay if the files exist on this host:
//!   without them such a machine cannot boot, and the operator's own source domain had them. A
//!   path with `..` or outside of what exists is dropped.

use std::path::Path;

use model::vm::DiskFormat;
use xmltree::{Element, XMLNode};

use super::domain::{AGENT_CHANNEL, LIBOSINFO, NAMESPACE, os_id};
use super::{attribute, element, elements, named, parse, push, text, with_text, write};
use crate::error::FabricError;
use crate::host::{NewDomain, RestoredDisk};

/// An element that may stay, with what may stay of it.
struct Allow {
    name: &'static str,
    attributes: &'static [&'static str],
    children: &'static [Allow],
}

const fn leaf(name: &'static str, attributes: &'static [&'static str]) -> Allow {
    Allow { name, attributes, children: &[] }
}

const ADDRESS: Allow = leaf(
    "address",
    &[
        "type",
        "domain",
        "bus",
        "slot",
        "function",
        "multifunction",
        "controller",
        "target",
        "unit",
        "port",
    ],
);

/// Children of `domain` that are copied as far as they are named here.
const TOP: &[Allow] = &[
    leaf("memory", &["unit"]),
    leaf("currentMemory", &["unit"]),
    leaf("vcpu", &["placement", "current"]),
    Allow {
        name: "features",
        attributes: &[],
        children: &[
            leaf("acpi", &[]),
            leaf("apic", &[]),
            leaf("pae", &[]),
            leaf("smm", &["state"]),
            leaf("vmport", &["state"]),
        ],
    },
    Allow {
        name: "cpu",
        attributes: &["mode", "match", "check", "migratable"],
        children: &[
            leaf("model", &["fallback"]),
            leaf("vendor", &[]),
            leaf("topology", &["sockets", "dies", "clusters", "cores", "threads"]),
            leaf("feature", &["policy", "name"]),
        ],
    },
    Allow {
        name: "clock",
        attributes: &["offset", "adjustment", "basis", "timezone"],
        children: &[leaf("timer", &["name", "tickpolicy", "present", "track", "mode"])],
    },
    leaf("on_poweroff", &[]),
    leaf("on_reboot", &[]),
    leaf("on_crash", &[]),
];

/// Children of `os` that need no look at a file.
const OS: &[Allow] = &[
    leaf("type", &["arch", "machine"]),
    leaf("boot", &["dev"]),
    leaf("bootmenu", &["enable", "timeout"]),
];

/// Children of `devices` that are copied as far as they are named here.
const DEVICES: &[Allow] = &[
    Allow {
        name: "controller",
        attributes: &["type", "index", "model", "ports"],
        children: &[
            leaf("model", &["name"]),
            leaf("target", &["chassis", "port", "chassisNr", "busNr"]),
            ADDRESS,
        ],
    },
    Allow { name: "input", attributes: &["type", "bus"], children: &[ADDRESS] },
    Allow {
        name: "video",
        attributes: &[],
        children: &[leaf("model", &["type", "vram", "heads", "primary"]), ADDRESS],
    },
    Allow { name: "memballoon", attributes: &["model"], children: &[ADDRESS] },
    Allow {
        name: "interface",
        attributes: &["type"],
        children: &[leaf("source", &["network", "bridge"]), leaf("model", &["type"]), ADDRESS],
    },
];

/// Interfaces that may stay: those that name a network of libvirt or a bridge, or need none.
const INTERFACE_TYPES: [&str; 3] = ["network", "bridge", "user"];

/// Directories of firmware images.
const FIRMWARE: [&str; 5] = [
    "/usr/share/OVMF/",
    "/usr/share/AAVMF/",
    "/usr/share/edk2/",
    "/usr/share/qemu/",
    "/usr/share/seabios/",
];

/// The longest name of an operating system that is kept, in bytes.
const OS_ID_MAX: usize = 200;

/// Builds the XML of `new` from `source`; with it, what was left out.
///
/// # Errors
///
/// [`FabricError::Xml`] where the source is not a domain, or lacks a disk that is restored.
pub fn rebuild(source: &str, new: &NewDomain) -> Result<(String, Vec<String>), FabricError> {
    let source = parse(source)?;
    let kind = source.attributes.get("type").map(String::as_str);
    let Some(kind) = kind.filter(|kind| source.name == "domain" && ["qemu", "kvm"].contains(kind))
    else {
        return Err(FabricError::Xml { message: "it is not a QEMU or KVM domain".into() });
    };
    let mut dropped = Vec::new();
    let mut root = element("domain", &[("type", kind)]);
    push(&mut root, with_text("name", &new.name));
    push(&mut root, with_text("uuid", &new.uuid.to_string()));
    if let Some(metadata) = metadata(&source, new) {
        push(&mut root, metadata);
    }
    for child in elements(&source) {
        match child.name.as_str() {
            "name" | "uuid" | "metadata" => {}
            "os" => push(&mut root, os(child, &mut dropped)),
            "devices" => push(&mut root, devices(child, new, &mut dropped)?),
            _ => copy_allowed(child, TOP, &mut root, &mut dropped),
        }
    }
    Ok((write(&root), dropped))
}

/// What other programs need to know of the machine, and what Holdfast does.
fn metadata(source: &Element, new: &NewDomain) -> Option<Element> {
    let mut metadata = Element::new("metadata");
    if let Some(group) = &new.resource_group {
        let vm = element("vm", &[("resourceGroup", group)]);
        push(&mut metadata, of_namespace(vm, "holdfast", NAMESPACE));
    }
    let is_plain =
        |id: &&String| id.len() <= OS_ID_MAX && id.bytes().all(|it| it.is_ascii_graphic());
    if let Some(id) = os_id(source).filter(is_plain) {
        let mut info = of_namespace(Element::new("libosinfo"), "libosinfo", LIBOSINFO);
        let mut os = element("os", &[("id", id)]);
        os.prefix = Some("libosinfo".into());
        push(&mut info, os);
        push(&mut metadata, info);
    }
    (!metadata.children.is_empty()).then_some(metadata)
}

fn of_namespace(mut element: Element, prefix: &str, namespace: &str) -> Element {
    element.prefix = Some(prefix.into());
    element.namespace = Some(namespace.into());
    let mut names = xmltree::Namespace::empty();
    names.put(prefix, namespace);
    element.namespaces = Some(names);
    element
}

/// Copies `from` into `into` as far as `allowed` goes.
fn copy_allowed(from: &Element, allowed: &[Allow], into: &mut Element, dropped: &mut Vec<String>) {
    let rule = allowed.iter().find(|rule| rule.name == from.name && from.prefix.is_none());
    let Some(rule) = rule else {
        dropped.push(named_in_words(from));
        return;
    };
    let mut copy = Element::new(rule.name);
    for name in rule.attributes {
        if let Some(value) = from.attributes.get(*name) {
            copy.attributes.insert((*name).to_owned(), value.clone());
        }
    }
    for child in &from.children {
        match child {
            XMLNode::Element(child) => copy_allowed(child, rule.children, &mut copy, dropped),
            XMLNode::Text(text) if rule.children.is_empty() => {
                copy.children.push(XMLNode::Text(text.trim().to_owned()));
            }
            _ => {}
        }
    }
    push(into, copy);
}

fn os(source: &Element, dropped: &mut Vec<String>) -> Element {
    let mut os = Element::new("os");
    if let Some(firmware) = source.attributes.get("firmware") {
        os.attributes.insert("firmware".into(), firmware.clone());
    }
    for child in elements(source) {
        let value = text(source, &[&child.name]).unwrap_or_default();
        match child.name.as_str() {
            "loader" if FIRMWARE.iter().any(|dir| is_file_in(&value, dir)) => {
                let mut loader = with_text("loader", &value);
                for name in ["readonly", "secure", "type"] {
                    if let Some(value) = child.attributes.get(name) {
                        loader.attributes.insert(name.into(), value.clone());
                    }
                }
                push(&mut os, loader);
            }
            "kernel" | "initrd" if is_file_in(&value, "/") => {
                push(&mut os, with_text(&child.name, &value));
            }
            "cmdline" if value.len() <= 2048 => push(&mut os, with_text("cmdline", &value)),
            "loader" | "nvram" | "kernel" | "initrd" | "cmdline" => {
                dropped.push(named_in_words(child));
            }
            _ => copy_allowed(child, OS, &mut os, dropped),
        }
    }
    if !elements(&os).any(|child| child.name == "kernel") {
        os.children.retain(|child| {
            child.as_element().is_none_or(|it| it.name != "initrd" && it.name != "cmdline")
        });
    }
    os
}

/// Whether `path` is a file that exists below `dir`, written without detours.
fn is_file_in(path: &str, dir: &str) -> bool {
    path.starts_with(dir)
        && !path.split('/').any(|part| part == "..")
        && Path::new(path).symlink_metadata().is_ok_and(|it| it.is_file() || it.is_symlink())
        && Path::new(path).is_file()
}

fn devices(
    source: &Element,
    new: &NewDomain,
    dropped: &mut Vec<String>,
) -> Result<Element, FabricError> {
    let mut devices = Element::new("devices");
    let mut placed = false;
    for disk in &new.disks {
        let target = Some(disk.target.as_str());
        let from = named(source, "disk").find(|it| attribute(it, &["target"], "dev") == target);
        let Some(from) = from else {
            let message = format!("it has no disk {}", disk.target);
            return Err(FabricError::Xml { message });
        };
        push(&mut devices, restored_disk(from, disk));
    }
    for child in elements(source) {
        match child.name.as_str() {
            "emulator" if is_emulator(&child.get_text().unwrap_or_default()) => {
                let path = child.get_text().unwrap_or_default();
                push(&mut devices, with_text("emulator", path.trim()));
            }
            "disk" => {
                let target = attribute(child, &["target"], "dev").unwrap_or_default();
                if !new.disks.iter().any(|disk| disk.target == target) {
                    dropped.push(format!("disk {target}"));
                }
            }
            "serial" | "console" => push(&mut devices, terminal(child)),
            "channel" if attribute(child, &["target"], "name") == Some(AGENT_CHANNEL) => {
                push(&mut devices, agent_channel());
            }
            "interface" if new.network.is_some() => {
                // One card, on the chosen network: of a second one nobody said where it goes.
                if std::mem::replace(&mut placed, true) {
                    dropped.push(named_in_words(child));
                } else {
                    push(&mut devices, card(new.network.as_deref(), Some(child)));
                }
            }
            "interface" if !is_interface(child) => dropped.push(named_in_words(child)),
            "rng" => push(&mut devices, random()),
            "graphics" => push(&mut devices, local_vnc()),
            _ => copy_allowed(child, DEVICES, &mut devices, dropped),
        }
    }
    if new.network.is_some() && !placed {
        push(&mut devices, card(new.network.as_deref(), None));
    }
    Ok(devices)
}

fn restored_disk(from: &Element, disk: &RestoredDisk) -> Element {
    let format = if disk.format == DiskFormat::Qcow2 { "qcow2" } else { "raw" };
    let mut item = element("disk", &[("type", "file"), ("device", "disk")]);
    push(&mut item, element("driver", &[("name", "qemu"), ("type", format), ("discard", "unmap")]));
    push(&mut item, element("source", &[("file", &disk.path.to_string_lossy())]));
    let allowed = &[
        leaf("target", &["dev", "bus"]),
        leaf("serial", &[]),
        leaf("wwn", &[]),
        leaf("boot", &["order"]),
        ADDRESS,
    ];
    for child in elements(from) {
        // What of the old image is left out here needs no words: the disk is another one.
        copy_allowed(child, allowed, &mut item, &mut Vec::new());
    }
    item
}

fn is_emulator(path: &str) -> bool {
    let name = path.trim().strip_prefix("/usr/bin/qemu-system-");
    name.is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
    })
}

fn is_interface(interface: &Element) -> bool {
    let kind = interface.attributes.get("type").map(String::as_str).unwrap_or_default();
    INTERFACE_TYPES.contains(&kind)
}

/// A card on a network of libvirt, of the model that `like` had.
fn card(network: Option<&str>, like: Option<&Element>) -> Element {
    let mut card = element("interface", &[("type", "network")]);
    push(&mut card, element("source", &[("network", network.unwrap_or_default())]));
    let model = like.and_then(|like| attribute(like, &["model"], "type")).unwrap_or("virtio");
    push(&mut card, element("model", &[("type", model)]));
    for address in like.into_iter().flat_map(elements).filter(|child| child.name == "address") {
        copy_allowed(address, &[ADDRESS], &mut card, &mut Vec::new());
    }
    card
}

fn terminal(from: &Element) -> Element {
    let mut line = element(&from.name, &[("type", "pty")]);
    let target = &[leaf("target", &["type", "port"])];
    for child in elements(from).filter(|child| child.name == "target") {
        copy_allowed(child, target, &mut line, &mut Vec::new());
    }
    line
}

fn agent_channel() -> Element {
    let mut channel = element("channel", &[("type", "unix")]);
    push(&mut channel, element("target", &[("type", "virtio"), ("name", AGENT_CHANNEL)]));
    channel
}

fn random() -> Element {
    let mut device = element("rng", &[("model", "virtio")]);
    let mut backend = with_text("backend", "/dev/urandom");
    backend.attributes.insert("model".into(), "random".into());
    push(&mut device, backend);
    device
}

fn local_vnc() -> Element {
    let mut graphics = element("graphics", &[("type", "vnc"), ("autoport", "yes")]);
    push(&mut graphics, element("listen", &[("type", "address"), ("address", "127.0.0.1")]));
    graphics
}

fn named_in_words(element: &Element) -> String {
    let prefix = element.prefix.as_ref().map(|prefix| format!("{prefix}:")).unwrap_or_default();
    let kind = element.attributes.get("type").map(|it| format!(" ({it})")).unwrap_or_default();
    format!("{prefix}{}{kind}", element.name)
}
