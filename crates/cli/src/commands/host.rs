//! `holdfast host`: the libvirt connections whose virtual machines can be protected.

use api::arm::host::{Host, HostRequest, HostRequestProperties};
use clap::Subcommand;
use model::arm_id;
use serde_json::json;

use super::Service;
use crate::client::{Seen, documents, segment};
use crate::failure::Failure;
use crate::output::{Column, Reply, table};

/// What can be done with hosts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a libvirt connection
    Add {
        /// The connection, such as qemu:///system
        #[arg(long)]
        uri: String,
        /// The region of all its virtual machines
        #[arg(long)]
        region: String,
        /// The resource group of its virtual machines; created if missing
        #[arg(long, value_name = "GROUP")]
        resource_group: String,
    },
    /// List the registered connections
    List,
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        match self {
            Self::Add { uri, region, resource_group } => add(service, uri, region, &resource_group),
            Self::List => list(service),
        }
    }
}

fn add(service: &Service, uri: String, region: String, group: &str) -> Result<Reply, Failure> {
    let client = &service.client;
    let group = arm_id::resource_group(client.subscription(), &segment(group));
    // The service names hosts itself; the name in the path only has to be one.
    let path = format!("{group}/providers/{}/new", api::arm::host::KIND);
    let body = HostRequest { location: region, properties: HostRequestProperties { uri } };
    let host: Seen<Host> = client.put(&path, &body)?;
    let human = format!("The host {} is registered.", host.view.properties.uri);
    Ok(Reply::done(host.document, human))
}

fn list(service: &Service) -> Result<Reply, Failure> {
    let client = &service.client;
    let subscription = arm_id::subscription(client.subscription());
    let hosts: Vec<Seen<Host>> =
        client.list(&format!("{subscription}/providers/{}", api::arm::host::KIND))?;
    let columns = [
        Column::Text("URI"),
        Column::Text("Region"),
        Column::Text("Resource group"),
        Column::Text("Connected"),
        Column::Number("VMs"),
        Column::Text("Problem"),
    ];
    let row = |host: &Seen<Host>| {
        let properties = &host.view.properties;
        let problem = properties.problem.as_ref();
        vec![
            properties.uri.clone(),
            host.view.location.clone().unwrap_or_default(),
            properties.resource_group.clone(),
            if properties.connected { "yes" } else { "no" }.to_owned(),
            properties.virtual_machines.to_string(),
            problem.map(|p| format!("{}: {}", p.code, p.message)).unwrap_or_default(),
        ]
    };
    let human = table(&columns, hosts.iter().map(row).collect(), "No host is registered.");
    Ok(Reply::done(json!(documents(&hosts)), human))
}
