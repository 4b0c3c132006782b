//! `holdfast vm`: virtual machines, as they were found on their hosts.

use api::arm::vm::{Disk, Vm, VmFacts};
use clap::Subcommand;
use model::arm_id;

use super::Service;
use crate::client::{Seen, documents};
use crate::failure::Failure;
use crate::find;
use crate::output::{Column, Reply, blocks, facts, table};
use crate::text;

/// What can be done with virtual machines.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the virtual machines of all hosts
    List,
    /// Show a virtual machine
    Show {
        /// Its name
        name: String,
        /// Its resource group, where several have a virtual machine of this name
        #[arg(long, value_name = "GROUP")]
        resource_group: Option<String>,
    },
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        match self {
            Self::List => list(service),
            Self::Show { name, resource_group } => {
                let group = resource_group.as_deref();
                let vm = find::vm(&service.client, &name, group, "--resource-group")?;
                Ok(Reply::done(vm.document, describe(&vm.view)))
            }
        }
    }
}

fn list(service: &Service) -> Result<Reply, Failure> {
    let client = &service.client;
    let subscription = arm_id::subscription(client.subscription());
    let path = format!("{subscription}/providers/Microsoft.Compute/virtualMachines");
    let vms: Vec<Seen<Vm>> = client.list(&path)?;
    let columns = [
        Column::Text("Name"),
        Column::Text("Resource group"),
        Column::Text("Region"),
        Column::Text("Power"),
        Column::Text("Agent"),
        Column::Number("Disks"),
        Column::Number("Size"),
        Column::Text("Host"),
    ];
    let row = |vm: &Seen<Vm>| {
        let (vm, found) = (&vm.view, &vm.view.properties.holdfast);
        vec![
            vm.name.clone(),
            found.resource_group.clone(),
            vm.location.clone().unwrap_or_default(),
            found.power_state.clone(),
            agent(found),
            found.disks.len().to_string(),
            text::bytes(found.disks.iter().filter_map(|disk| disk.size).sum()),
            found.host.clone(),
        ]
    };
    let human = table(&columns, vms.iter().map(row).collect(), "No host has a virtual machine.");
    Ok(Reply::done(documents(&vms), human))
}

fn agent(found: &VmFacts) -> String {
    match &found.agent.version {
        Some(version) => format!("{} ({version})", found.agent.state),
        None => found.agent.state.clone(),
    }
}

fn describe(vm: &Vm) -> String {
    let found = &vm.properties.holdfast;
    let told = facts(&[
        ("Name", vm.name.clone()),
        ("Resource group", found.resource_group.clone()),
        ("Region", vm.location.clone().unwrap_or_default()),
        ("Host", found.host.clone()),
        ("Domain", format!("{} ({})", found.domain, vm.properties.vm_id)),
        ("Power", found.power_state.clone()),
        ("Agent", agent(found)),
        ("Processors", found.vcpus.to_string()),
        ("Memory", text::bytes(found.memory_bytes)),
    ]);
    let columns = [
        Column::Text("Disk"),
        Column::Text("Kind"),
        Column::Text("Format"),
        Column::Number("Size"),
        Column::Text("Serial"),
        Column::Text("Source"),
    ];
    let row = |disk: &Disk| {
        vec![
            disk.target.clone(),
            disk.kind.clone(),
            disk.format.clone(),
            disk.size.map(text::bytes).unwrap_or_default(),
            disk.serial.clone().unwrap_or_default(),
            disk.source.clone(),
        ]
    };
    blocks(&[told, table(&columns, found.disks.iter().map(row).collect(), "It has no disks.")])
}
