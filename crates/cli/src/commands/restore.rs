//! `holdfast restore`: gives a recovery point back, as disks or as a virtual machine.

use std::path::{Path, PathBuf};

use api::arm::restore::{
    ALTERNATE_LOCATION, HoldfastTarget, RESTORE_DISKS, RestoreRequest, RestoreRequestProperties,
};
use clap::{Subcommand, ValueEnum};
use model::arm_id;
use serde_json::Value;

use super::{Service, job};
use crate::args::ItemArg;
use crate::client::Method;
use crate::failure::Failure;
use crate::find;
use crate::output::Reply;

/// In which form a point is given back.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Restore the disks as image files
    Disks {
        /// What from where to where.
        #[command(flatten)]
        from: From,
        /// The format of the images
        #[arg(long, value_enum, default_value_t = Format::Raw)]
        format: Format,
    },
    /// Restore as a new virtual machine, and start it
    Vm {
        /// What from where to where.
        #[command(flatten)]
        from: From,
        /// The new virtual machine's name
        #[arg(long)]
        name: String,
        /// The network to put it on, where that is to be another than before
        #[arg(long, value_name = "[GROUP/]NETWORK")]
        network: Option<String>,
    },
}

/// What is restored, and into which directory.
#[derive(Debug, clap::Args)]
pub struct From {
    /// The item.
    #[command(flatten)]
    item: ItemArg,
    /// The recovery point's id, or latest
    #[arg(long)]
    point: String,
    /// The directory on the service's machine that the disks go into: below a staging store's,
    /// the images' or one that the service was started with (serve --restore-root)
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// The staging store that gets the description, and the disks if no directory is named
    #[arg(long, value_name = "[GROUP/]STORE")]
    store: Option<String>,
    /// Only these data disks, by their LUN, such as 0,1; os is the operating system's disk alone
    #[arg(long, value_name = "LUNS", value_parser = luns)]
    disks: Option<Luns>,
    /// The resource group to restore into, where that is to be another than before
    #[arg(long, value_name = "GROUP")]
    target_resource_group: Option<String>,
    /// Wait until the job has ended
    #[arg(long)]
    wait: bool,
}

/// The format of restored images.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// Plain, sparse
    Raw,
    /// QEMU's own
    Qcow2,
}

impl Format {
    /// Its name in requests and file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        match self {
            Self::Disks { from, .. } if from.to.is_none() && from.store.is_none() => {
                Err(Failure::usage("Say where the disks go: --to DIR or --store STORE."))
            }
            Self::Disks { from, format } => {
                let kind = RESTORE_DISKS.to_owned();
                let target = HoldfastTarget {
                    format: Some(format.name().to_owned()),
                    ..HoldfastTarget::default()
                };
                run(service, &from, Wanted { kind, target, network: None })
            }
            Self::Vm { from, name, network } => {
                let kind = ALTERNATE_LOCATION.to_owned();
                let target = HoldfastTarget { vm_name: Some(name), ..HoldfastTarget::default() };
                run(service, &from, Wanted { kind, target, network })
            }
        }
    }
}

/// Data disks by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Luns(Vec<u32>);

fn luns(text: &str) -> Result<Luns, String> {
    if text == "os" {
        return Ok(Luns(Vec::new()));
    }
    let lun = |part: &str| {
        part.trim().parse().map_err(|_| format!("'{part}' is neither a disk's number nor os"))
    };
    text.split(',').map(lun).collect::<Result<Vec<u32>, String>>().map(Luns)
}

/// What it is restored to.
struct Wanted {
    kind: String,
    target: HoldfastTarget,
    network: Option<String>,
}

fn run(service: &Service, from: &From, wanted: Wanted) -> Result<Reply, Failure> {
    let Wanted { kind, mut target, network } = wanted;
    let client = &service.client;
    let (vault, item) = find::item(client, &from.item)?;
    let point = find::point(client, &item.view, &from.point)?;
    let source = &item.view.properties.source_resource_id;
    let group = from.target_resource_group.as_deref().unwrap_or(find::group_of(source));
    target.directory = from.to.as_deref().map(directory).transpose()?;
    let region = vault.view.location.as_deref().unwrap_or_default();
    let store = from.store.as_deref().map(|name| find::store(client, name, region)).transpose()?;
    let network = network.map(|name| find::network(client, &name, region)).transpose()?;
    let subscription = client.subscription();
    let new_vm = target.vm_name.as_deref().map(|name| arm_id::vm(subscription, group, name));
    let properties = RestoreRequestProperties {
        object_type: Some("IaasVMRestoreRequest".to_owned()),
        recovery_point_id: Some(point.view.name.clone()),
        recovery_type: kind,
        region: vault.view.location.clone(),
        source_resource_id: Some(source.clone()),
        target_resource_group_id: Some(arm_id::resource_group(subscription, group)),
        target_virtual_machine_id: new_vm,
        original_storage_account_option: Some(false),
        storage_account_id: store.map(|store| store.view.resource.id),
        virtual_network_id: network.map(|network| network.view.id),
        restore_disk_lun_list: from
            .disks
            .as_ref()
            .map(|Luns(luns)| luns.iter().copied().map(Value::from).collect()),
        holdfast_target: Some(target),
        ..RestoreRequestProperties::default()
    };
    let path = format!("{}/restore", point.view.id);
    let started = client.operate(Method::Post, &path, &RestoreRequest { properties })?;
    job::started(service, &vault.view, started, from.wait)
}

fn directory(to: &Path) -> Result<String, Failure> {
    let directory = std::path::absolute(to)
        .map_err(|error| Failure::file("Cannot use the directory", to, &error))?;
    let told = directory.to_str().map(str::to_owned);
    told.ok_or_else(|| Failure::usage("The directory's path must be valid UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_numbers_or_the_operating_systems_alone() {
        for (text, expected) in [
            ("os", Some(vec![])),
            ("0", Some(vec![0])),
            ("0, 12", Some(vec![0, 12])),
            ("", None),
            ("0,", None),
            ("vda", None),
            ("-1", None),
        ] {
            assert_eq!(luns(text).ok(), expected.map(Luns), "{text:?}");
        }
    }
}
