//! The command line: what can be typed, and its help. Each noun's own commands are beside the code
//! that carries them out.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    az_login, backup_now, group, host, item, job, network, point, policy, principal, repo, restore,
    retention, role, serve, status, store, vault, vm,
};

/// A self-hosted Recovery Services vault for KVM virtual machines.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 damaged data \
                          found.";

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// The service's data directory; credentials.json is read from there
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/var/lib/holdfast",
        help_heading = "For every command"
    )]
    pub data: PathBuf,
    /// The credentials file, where it is not in the data directory
    #[arg(long, global = true, value_name = "FILE", help_heading = "For every command")]
    pub credentials: Option<PathBuf>,
    /// Print exactly one JSON document on stdout
    #[arg(long, global = true, help_heading = "For every command")]
    pub json: bool,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service
    Serve(serve::Args),
    /// Show how the installation does: what is protected, late, failed, running and next
    Status(status::Args),
    /// Hosts: the libvirt connections whose virtual machines can be protected
    #[command(subcommand)]
    Host(host::Command),
    /// Resource groups: names under which hosts, virtual machines and vaults are found
    #[command(subcommand)]
    Group(group::Command),
    /// Staging stores: the directories that restored disks go into
    #[command(subcommand)]
    Store(store::Command),
    /// Virtual networks, as they were found on their hosts
    #[command(subcommand)]
    Network(network::Command),
    /// Vaults
    #[command(subcommand)]
    Vault(vault::Command),
    /// Virtual machines
    #[command(subcommand)]
    Vm(vm::Command),
    /// Backup policies
    #[command(subcommand)]
    Policy(policy::Command),
    /// Protected items: virtual machines under a vault's protection
    #[command(subcommand)]
    Item(item::Command),
    /// Back a protected virtual machine up now
    BackupNow(backup_now::Args),
    /// Jobs
    #[command(subcommand)]
    Job(job::Command),
    /// Recovery points
    #[command(subcommand)]
    Point(point::Command),
    /// Give a recovery point back
    #[command(subcommand)]
    Restore(restore::Command),
    /// Retention: which recovery points stay, which go, and by which rule
    #[command(subcommand)]
    Retention(retention::Command),
    /// Principals: programs that may use the service
    #[command(subcommand)]
    Principal(principal::Command),
    /// Roles: what principals may do, and where
    #[command(subcommand)]
    Role(role::Command),
    /// Set the Azure CLI up for this service and log in to it
    AzLogin(az_login::Args),
    /// A repository alone, without a service
    #[command(subcommand)]
    Repo(repo::Command),
}

/// Names a vault.
#[derive(Debug, Clone, Args)]
pub struct VaultArg {
    /// The vault
    #[arg(long, value_name = "VAULT")]
    pub vault: String,
    /// The vault's resource group, where several have a vault of this name
    #[arg(long, value_name = "GROUP")]
    pub resource_group: Option<String>,
}

/// Names a protected item.
#[derive(Debug, Clone, Args)]
pub struct ItemArg {
    /// Its vault.
    #[command(flatten)]
    pub vault: VaultArg,
    /// The protected virtual machine
    #[arg(long, value_name = "VM")]
    pub item: String,
    /// The virtual machine's resource group, where the vault has several of this name
    #[arg(long, value_name = "GROUP")]
    pub vm_resource_group: Option<String>,
}

#[cfg(test)]
mod tests;
