//! `holdfast network`: virtual networks, as they were found on their hosts.

use api::arm::network::{VIRTUAL_NETWORKS, VirtualNetwork};
use clap::Subcommand;
use model::arm_id;

use super::Service;
use crate::client::{Seen, documents};
use crate::failure::Failure;
use crate::find;
use crate::output::{Column, Reply, table};

/// What can be done with virtual networks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the virtual networks of all hosts
    List,
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        match self {
            Self::List => list(service),
        }
    }
}

fn list(service: &Service) -> Result<Reply, Failure> {
    let client = &service.client;
    let subscription = arm_id::subscription(client.subscription());
    let networks: Vec<Seen<VirtualNetwork>> =
        client.list(&format!("{subscription}/providers/{VIRTUAL_NETWORKS}"))?;
    let columns = [
        Column::Text("Name"),
        Column::Text("Resource group"),
        Column::Text("Region"),
        Column::Text("Running"),
        Column::Text("Bridge"),
        Column::Text("Addresses"),
        Column::Text("Host"),
    ];
    let row = |network: &Seen<VirtualNetwork>| {
        let (network, facts) = (&network.view, &network.view.properties.holdfast);
        vec![
            network.name.clone(),
            find::group_of(&network.id).to_owned(),
            network.location.clone().unwrap_or_default(),
            if facts.active { "yes" } else { "no" }.to_owned(),
            facts.bridge.clone().unwrap_or_default(),
            network.properties.address_space.address_prefixes.join(", "),
            facts.host.clone(),
        ]
    };
    let human = table(&columns, networks.iter().map(row).collect(), "No host has a network.");
    Ok(Reply::done(documents(&networks), human))
}
