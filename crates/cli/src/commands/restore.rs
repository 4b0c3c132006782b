//! `holdfast restore`: gives a recovery point back, as disks or as a virtual machine.

use std::path::PathBuf;

use api::arm::restore::{
    ALTERNATE_LOCATION, HoldfastTarget, RESTORE_DISKS, RestoreRequest, RestoreRequestProperties,
};
use clap::{Subcommand, ValueEnum};
use model::arm_id;

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
    /// The directory on the service's machine that the disks go into
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
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
            Self::Disks { from, format } => {
                run(service, &from, RESTORE_DISKS, Some(format.name()), None)
            }
            Self::Vm { from, name } => run(service, &from, ALTERNATE_LOCATION, None, Some(name)),
        }
    }
}

fn run(
    service: &Service,
    from: &From,
    recovery_type: &str,
    format: Option<&str>,
    vm_name: Option<String>,
) -> Result<Reply, Failure> {
    let client = &service.client;
    let (vault, item) = find::item(client, &from.item)?;
    let point = find::point(client, &item.view, &from.point)?;
    let source = &item.view.properties.source_resource_id;
    let group = find::group_of(source);
    let directory = std::path::absolute(&from.to)
        .map_err(|error| Failure::file("Cannot use the directory", &from.to, &error))?;
    let Some(directory) = directory.to_str().map(str::to_owned) else {
        return Err(Failure::usage("The directory's path must be valid UTF-8."));
    };
    let subscription = client.subscription();
    let new_vm = vm_name.as_deref().map(|name| arm_id::vm(subscription, group, name));
    let properties = RestoreRequestProperties {
        object_type: Some("IaasVMRestoreRequest".to_owned()),
        recovery_point_id: Some(point.view.name.clone()),
        recovery_type: recovery_type.to_owned(),
        region: vault.view.location.clone(),
        source_resource_id: Some(source.clone()),
        target_resource_group_id: Some(arm_id::resource_group(subscription, group)),
        target_virtual_machine_id: new_vm,
        original_storage_account_option: Some(false),
        holdfast_target: Some(HoldfastTarget {
            directory,
            format: format.map(str::to_owned),
            vm_name,
        }),
        ..RestoreRequestProperties::default()
    };
    let path = format!("{}/restore", point.view.id);
    let started = client.operate(Method::Post, &path, &RestoreRequest { properties })?;
    job::started(service, &vault.view, started, from.wait)
}
