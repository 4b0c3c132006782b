//! What a virtual network's XML says about it.

use std::net::IpAddr;

use uuid::Uuid;
use xmltree::Element;

use super::{attribute, named, parse, text};
use crate::error::FabricError;
use crate::host::Network;

/// Reads a network's XML.
///
/// # Errors
///
/// [`FabricError::Xml`].
pub fn read(xml: &str, active: bool) -> Result<Network, FabricError> {
    let root = parse(xml)?;
    let missing = |what: &str| FabricError::Xml { message: format!("it has no {what}") };
    let uuid = text(&root, &["uuid"]).and_then(|uuid| Uuid::parse_str(&uuid).ok());
    Ok(Network {
        uuid: uuid.ok_or_else(|| missing("uuid"))?,
        name: text(&root, &["name"]).ok_or_else(|| missing("name"))?,
        active,
        bridge: attribute(&root, &["bridge"], "name").map(str::to_owned),
        prefixes: named(&root, "ip").filter_map(prefix).collect(),
    })
}

/// The range of an `ip` element: its address with the host's part cleared, and the prefix.
fn prefix(ip: &Element) -> Option<String> {
    let address: IpAddr = ip.attributes.get("address")?.parse().ok()?;
    let written = ip.attributes.get("prefix").and_then(|prefix| prefix.parse::<u32>().ok());
    match address {
        IpAddr::V4(address) => {
            let mask = ip.attributes.get("netmask").and_then(|mask| mask.parse().ok());
            let from_mask = mask.map(|mask: std::net::Ipv4Addr| u32::from(mask).leading_ones());
            let prefix = written.or(from_mask)?.min(32);
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            let base = std::net::Ipv4Addr::from(u32::from(address) & mask);
            Some(format!("{base}/{prefix}"))
        }
        IpAddr::V6(address) => {
            let prefix = written?.min(128);
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            let base = std::net::Ipv6Addr::from(u128::from(address) & mask);
            Some(format!("{base}/{prefix}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ips: &str, expected: &[&str]) {
        let xml = format!(
            "<network><name>n</name><uuid>{}</uuid><bridge name='virbr0'/>{ips}</network>",
            Uuid::from_u128(5)
        );
        let network = read(&xml, true).expect("readable");
        assert_eq!((network.uuid, network.name.as_str()), (Uuid::from_u128(5), "n"));
        assert_eq!(network.bridge.as_deref(), Some("virbr0"));
        assert_eq!(network.prefixes, expected, "{ips}");
    }

    #[test]
    fn ranges_are_read_from_masks_and_prefixes() {
        check("<ip address='192.168.122.1' netmask='255.255.255.0'/>", &["192.168.122.0/24"]);
        check("<ip address='10.9.8.7' prefix='12'/>", &["10.0.0.0/12"]);
        check("<ip family='ipv6' address='fd00:1::1' prefix='64'/>", &["fd00:1::/64"]);
        check("<ip address='10.0.0.1' prefix='0'/>", &["0.0.0.0/0"]);
    }

    #[test]
    fn what_is_no_range_is_none() {
        for ips in ["", "<ip/>", "<ip address='x' prefix='8'/>", "<ip address='10.0.0.1'/>"] {
            check(ips, &[]);
        }
        check("<ip address='10.0.0.1' prefix='99'/>", &["10.0.0.1/32"]);
    }

    #[test]
    fn a_network_without_identity_is_refused() {
        for xml in ["<network/>", "<network><name>n</name></network>", "no"] {
            assert!(read(xml, true).is_err(), "{xml}");
        }
    }
}
