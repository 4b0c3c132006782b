//! Method: domains as text, and what is read from or built of them. Hostile documents are data.

use expect_test::expect;
use model::point::PointId;
use model::vm::{AgentState, DiskFormat, Interface, PowerState};
use uuid::Uuid;

use super::backup::{JobDisk, checkpoint, job};
use super::rebuild::rebuild;
use super::*;
use crate::host::{Method, NewDomain, RestoredDisk, checkpoint_name};

const DOMAIN: &str = r#"<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web</name><uuid>4a2f0d6e-6c0f-4a41-8d0b-8a1f1f1f1f1f</uuid>
  <metadata><h:vm xmlns:h='https://holdfast.invalid/xmlns/domain/1.0' resourceGroup='prod'/>
  </metadata>
  <memory unit='MiB'>512</memory><vcpu placement='static'>2</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>
    <kernel>/proc/version</kernel><initrd>/nowhere/initrd</initrd><cmdline>quiet</cmdline>
    <loader readonly='yes' type='pflash'>/tmp/evil.fd</loader></os>
  <features><acpi/><kvm><hidden state='on'/></kvm></features>
  <seclabel type='none'/>
  <devices>
    <emulator>/tmp/evil</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' io='uring'/>
      <source file='/var/a.qcow2'><seclabel model='dac' relabel='no'/></source>
      <target dev='vda' bus='virtio'/><serial>s1</serial>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/></disk>
    <disk type='block' device='disk'><driver type='raw'/><source dev='/dev/sdx'/>
      <target dev='vdb'/></disk>
    <disk type='network' device='disk'><driver type='raw'/>
      <source protocol='nbd' name='x'/><target dev='vdc'/></disk>
    <disk type='file' device='cdrom'><source file='/iso'/><target dev='sda'/></disk>
    <disk type='file' device='disk'><driver type='qcow2'/><source file='/s'/>
      <target dev='vdd'/><shareable/></disk>
    <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/>
      <script path='/tmp/evil.sh'/><model type='virtio'/></interface>
    <interface type='vhostuser'><source type='unix' path='/tmp/v' mode='client'/></interface>
    <serial type='file'><source path='/etc/shadow'/><target port='0'/></serial>
    <channel type='unix'><source mode='bind' path='/etc/x'/>
      <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>
    <channel type='unix'><source path='/etc/y'/><target type='virtio' name='other'/></channel>
    <filesystem type='mount'><source dir='/'/><target dir='host'/></filesystem>
    <hostdev mode='subsystem' type='pci'/>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline><qemu:arg value='-evil'/></qemu:commandline>
</domain>"#;

fn new_domain() -> NewDomain {
    NewDomain {
        uuid: Uuid::from_u128(7),
        name: "web-restored".into(),
        resource_group: Some("prod".into()),
        network: None,
        disks: vec![RestoredDisk {
            target: "vda".into(),
            path: "/restore/vda & co.qcow2".into(),
            format: DiskFormat::Qcow2,
        }],
    }
}

#[test]
fn a_domain_is_read_with_its_disks_agent_and_group() {
    let domain = domain::read(DOMAIN, PowerState::Running).expect("readable");
    assert_eq!((domain.vcpus, domain.memory_bytes), (2, 512 << 20));
    assert_eq!(domain.agent, AgentState::Connected { version: None });
    assert_eq!(domain.resource_group.as_deref(), Some("prod"));
    let disks: Vec<String> = domain
        .disks
        .iter()
        .map(|it| format!("{} {:?} {} {}", it.target, it.kind, it.format.name(), it.source))
        .collect();
    expect![[r#"
        [
            "vda File qcow2 /var/a.qcow2",
            "vdb Block raw /dev/sdx",
            "vdc Other raw ",
            "vdd File qcow2 /s",
        ]
    "#]]
    .assert_debug_eq(&disks);
    let unsupported: Vec<&str> = domain.unsupported.iter().map(|it| it.target.as_str()).collect();
    assert_eq!(unsupported, ["vdc", "vdd"]);
}

#[test]
fn an_agent_of_a_domain_that_is_off_is_not_connected() {
    let domain = domain::read(DOMAIN, PowerState::Off).expect("readable");
    assert_eq!(domain.agent, AgentState::NotConnected);
}

#[test]
fn a_restored_domain_holds_only_what_is_allowed() {
    let (xml, dropped) = rebuild(DOMAIN, &new_domain()).expect("a domain");
    let hostile = [
        "evil",
        "/etc/",
        "sdx",
        "52:54",
        "hostdev",
        "filesystem",
        "seclabel",
        "vhostuser",
        "/nowhere",
        "hidden",
        "4a2f0d6e",
        "uring",
        "qemu:",
    ];
    for word in hostile {
        assert!(!xml.contains(word), "{word} in {xml}");
    }
    expect![[r#"
        [
            "initrd",
            "loader (pflash)",
            "kvm",
            "seclabel (none)",
            "emulator",
            "disk vdb",
            "disk vdc",
            "disk sda",
            "disk vdd",
            "mac",
            "script",
            "interface (vhostuser)",
            "channel (unix)",
            "filesystem (mount)",
            "hostdev (pci)",
            "qemu:commandline",
        ]
    "#]]
    .assert_debug_eq(&dropped);
    let kept = [
        "<kernel>/proc/version</kernel>",
        "<cmdline>quiet</cmdline>",
        "slot=\"0x05\"",
        "<name>web-restored</name>",
        "vda &amp; co.qcow2",
        "<serial>s1</serial>",
        "network=\"default\"",
        "type=\"pty\"",
        "org.qemu.guest_agent.0",
    ];
    for word in kept {
        assert!(xml.contains(word), "{word} not in {xml}");
    }
    let again = domain::read(&xml, PowerState::Off).expect("readable");
    assert_eq!((again.uuid, again.name.as_str()), (Uuid::from_u128(7), "web-restored"));
    assert_eq!(again.resource_group.as_deref(), Some("prod"));
    assert_eq!(again.disks[0].source, "/restore/vda & co.qcow2");
}

#[test]
fn a_restored_domain_has_one_card_on_the_network_that_was_chosen() {
    let without = DOMAIN.replace("<interface", "<other").replace("</interface", "</other");
    for source in [DOMAIN, &without] {
        let new = NewDomain { network: Some("lab & co".into()), ..new_domain() };
        let (xml, _) = rebuild(source, &new).expect("a domain");
        let again = domain::read(&xml, PowerState::Off).expect("readable");
        let network = Some("lab & co".to_owned());
        assert_eq!(again.interfaces, [Interface { network, ..Interface::default() }], "{xml}");
    }
}

#[test]
fn a_domains_cards_are_read_with_what_they_are_on() {
    let domain = domain::read(DOMAIN, PowerState::Off).expect("readable");
    let on_network = Interface {
        mac: Some("52:54:00:00:00:01".to_owned()),
        network: Some("default".to_owned()),
        bridge: None,
        address: None,
    };
    assert_eq!(domain.interfaces, [on_network, Interface::default()]);
}

#[test]
fn a_source_without_the_restored_disk_or_of_another_kind_is_refused() {
    let mut new = new_domain();
    new.disks[0].target = "vdz".into();
    assert!(matches!(rebuild(DOMAIN, &new), Err(FabricError::Xml { .. })));
    let xen = DOMAIN.replace("<domain type='qemu'", "<domain type='xen'");
    assert!(matches!(rebuild(&xen, &new_domain()), Err(FabricError::Xml { .. })));
}

#[test]
fn hostile_documents_are_refused_without_harm() {
    let deep = "<a>".repeat(100_000);
    let hidden = format!("<a b='/>'>{}", "<a b='/>'>".repeat(1000));
    let doctype = "<!DOCTYPE d [<!ENTITY e 'x'>]><d>&e;</d>";
    for bad in ["", "<", "<a", "<a><!--", &deep, &hidden, doctype, "<a></b>", "\u{0}"] {
        assert!(parse(bad).is_err(), "{:.40}", bad);
    }
    assert!(parse("<a><!-- <b><c> --><![CDATA[<d><e>]]></a>").is_ok());
}

#[test]
fn targets_that_could_be_paths_are_left_out() {
    for target in ["../x", "a/b", "", "a b"] {
        let xml = DOMAIN.replace("dev='vda'", &format!("dev='{target}'"));
        let domain = domain::read(&xml, PowerState::Off).expect("readable");
        assert!(domain.disks.iter().all(|disk| disk.target.starts_with("vd")), "{target}");
    }
}

/// One line per element, with its attributes in the order of their names.
fn outline(xml: &str) -> String {
    fn add(element: &Element, depth: usize, lines: &mut String) {
        let mut attributes: Vec<String> =
            element.attributes.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        attributes.sort();
        let text = element.get_text().unwrap_or_default();
        let attributes = attributes.concat();
        lines.push_str(&format!(
            "{}{}{attributes} {}",
            "  ".repeat(depth),
            element.name,
            text.trim()
        ));
        lines.truncate(lines.trim_end().len());
        lines.push('\n');
        elements(element).for_each(|child| add(child, depth + 1, lines));
    }
    let mut lines = String::new();
    add(&parse(xml).expect("a document"), 0, &mut lines);
    lines
}

#[test]
fn a_job_names_how_each_disk_is_read_and_what_is_tracked() {
    let incremental = Method::Incremental { checkpoint: "holdfast-1".into() };
    let disks = [
        JobDisk { target: "vda", method: Some(&incremental), tracked: true },
        JobDisk { target: "vdb", method: Some(&Method::Full), tracked: false },
        JobDisk { target: "vdc", method: None, tracked: false },
    ];
    let (socket, scratch) = ("/run/h/1/nbd".as_ref(), "/scratch/h-1".as_ref());
    expect![[r#"
        domainbackup mode=pull
          server socket=/run/h/1/nbd transport=unix
          disks
            disk backup=yes backupmode=incremental exportbitmap=backup-vda exportname=vda incremental=holdfast-1 name=vda type=file
              scratch file=/scratch/h-1/vda.scratch
            disk backup=yes backupmode=full exportname=vdb name=vdb type=file
              scratch file=/scratch/h-1/vdb.scratch
            disk backup=no name=vdc
    "#]]
    .assert_eq(&outline(&job(&disks, socket, scratch)));
    let name = checkpoint_name(PointId::new(2).expect("not zero"));
    expect![[r#"
        domaincheckpoint
          name holdfast-2
          disks
            disk checkpoint=bitmap name=vda
            disk checkpoint=no name=vdb
            disk checkpoint=no name=vdc
    "#]]
    .assert_eq(&outline(&checkpoint(&name, &disks).expect("one is tracked")));
    assert_eq!(checkpoint(&name, &disks[1..]), None);
}

#[test]
fn the_operating_system_is_what_the_metadata_names() {
    use model::vm::OsType::{Linux, Windows};
    assert_eq!(domain::read(DOMAIN, PowerState::Off).expect("read").os, None);
    for (id, expected) in [
        ("http://microsoft.com/win/2k22", Some(Windows)),
        ("http://debian.org/debian/13", Some(Linux)),
        ("http://libosinfo.org/linux/2024", Some(Linux)),
        ("http://libosinfo.org/unknown", None),
        ("nonsense", None),
    ] {
        let own = format!(
            "<metadata><l:libosinfo xmlns:l='http://libosinfo.org/xmlns/libvirt/domain/1.0'>\
             <l:os id='{id}'/></l:libosinfo>"
        );
        let xml = DOMAIN.replacen("<metadata>", &own, 1);
        assert_eq!(domain::read(&xml, PowerState::Off).expect("read").os, expected, "{id}");
        for resource_group in [None, Some("prod".to_owned())] {
            let new = NewDomain { resource_group: resource_group.clone(), ..new_domain() };
            let (restored, _) = rebuild(&xml, &new).expect("a domain");
            let restored = domain::read(&restored, PowerState::Off).expect("read");
            assert_eq!((restored.os, restored.resource_group), (expected, resource_group), "{id}");
        }
    }
}
