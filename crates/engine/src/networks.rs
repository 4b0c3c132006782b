//! Virtual networks: those of libvirt on the registered hosts, as discovery last saw them.

use model::fault::{Code, Fault};
use model::network::Network;
use rules::naming::{self, Unnamed};

use crate::Engine;
use crate::hosts::Hosts;

impl Hosts {
    /// What was last seen of all virtual networks. Their names follow the rule for virtual
    /// machines: unique in their group, and such that Azure takes them.
    pub(crate) fn networks(&self) -> Vec<Network> {
        let mut found = Vec::new();
        for connected in self.all() {
            let host = &connected.host;
            found.extend(connected.networks().into_iter().map(|network| (host.clone(), network)));
        }
        let unnamed: Vec<Unnamed> = found
            .iter()
            .map(|(host, network)| Unnamed {
                uuid: network.uuid,
                domain: network.name.clone(),
                resource_group: host.resource_group.clone(),
            })
            .collect();
        let named = found.into_iter().zip(naming::names(&unnamed));
        let network = |((host, network), name): ((model::host::Host, fabric::Network), String)| {
            let fabric::Network { uuid, name: libvirt_name, active, bridge, prefixes } = network;
            let (region, resource_group) = (host.region, host.resource_group);
            let host = host.id;
            Network {
                uuid,
                name,
                libvirt_name,
                host,
                region,
                resource_group,
                active,
                bridge,
                prefixes,
            }
        };
        let mut networks: Vec<Network> = named.map(network).collect();
        networks.sort_by(|a, b| (&a.resource_group, &a.name).cmp(&(&b.resource_group, &b.name)));
        networks
    }
}

impl Engine {
    /// All virtual networks, as discovery last saw them, by group and name.
    pub fn networks(&self) -> Vec<Network> {
        self.world.hosts.networks()
    }

    /// The virtual network of this name in this group, both in any case of letters.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`; `HypervisorUnavailable` where it was not found and a host is away.
    pub fn network(&self, group: &str, name: &str) -> Result<Network, Fault> {
        let matches = |network: &Network| {
            network.resource_group.eq_ignore_ascii_case(group)
                && network.name.eq_ignore_ascii_case(name)
        };
        if let Some(network) = self.networks().into_iter().find(matches) {
            return Ok(network);
        }
        // It may be younger than the last look, or nobody has looked yet.
        self.world.hosts.look();
        if let Some(network) = self.networks().into_iter().find(matches) {
            return Ok(network);
        }
        if let Some(problem) = self.hosts()?.into_iter().find_map(|status| status.problem) {
            return Err(problem);
        }
        let message = format!(
            "The Resource 'Microsoft.Network/virtualNetworks/{name}' under resource group \
             '{group}' was not found."
        );
        Err(Fault::new(Code::ResourceNotFound, message))
    }
}
