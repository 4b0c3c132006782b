//! `holdfast vault`.

use std::collections::BTreeMap;
use std::str::FromStr;

use api::arm::vault::{
    ImmutabilityRequest, RedundancySettings, SecurityRequest, SoftDeleteRequest, Vault,
    VaultRequest, VaultRequestProperties,
};
use clap::{Args, Subcommand, ValueEnum};
use model::arm_id;
use model::vault::SoftDeleteState;

use super::Service;
use crate::args::VaultArg;
use crate::client::{Seen, documents, segment};
use crate::failure::Failure;
use crate::find;
use crate::output::{Column, Reply, blocks, facts, table};
use crate::text::printable;

mod deleted;

/// The resource group that exists from the start.
const GROUP: &str = "holdfast";

/// What can be done with vaults.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a vault; one that exists already gets the settings that are given
    Create {
        /// Its name: 2 to 50 letters, digits and hyphens, a letter first
        name: String,
        /// Its region: only virtual machines of this region can be protected in it
        #[arg(long)]
        region: String,
        /// Its resource group
        #[arg(long, value_name = "GROUP", default_value = GROUP)]
        resource_group: String,
        /// Its settings.
        #[command(flatten)]
        settings: Settings,
    },
    /// List the vaults
    List {
        /// Those that are soft-deleted instead
        #[arg(long)]
        deleted: bool,
    },
    /// Show a vault
    Show {
        /// Its name
        name: String,
        /// Its resource group, where several have a vault of this name
        #[arg(long, value_name = "GROUP")]
        resource_group: Option<String>,
    },
    /// Change a vault's settings; what is not given stays as it is
    Update {
        /// Its name
        name: String,
        /// Its resource group, where several have a vault of this name
        #[arg(long, value_name = "GROUP")]
        resource_group: Option<String>,
        /// Its settings.
        #[command(flatten)]
        settings: Settings,
    },
    /// Delete a vault: an empty one for good, though its key file is kept under another name; one
    /// that holds only soft-deleted items can be undeleted until the last of them is gone
    Delete {
        /// Its name
        name: String,
        /// Its resource group, where several have a vault of this name
        #[arg(long, value_name = "GROUP")]
        resource_group: Option<String>,
        /// Delete nothing; list what is in the way, with the commands that remove it
        #[arg(long)]
        plan: bool,
    },
    /// Bring a soft-deleted vault back; its items stay deleted, and can be undeleted then
    Undelete {
        /// Its name, as `vault list --deleted` tells it
        name: String,
        /// Its region, where several have a soft-deleted vault of this name
        #[arg(long)]
        region: Option<String>,
        /// The resource group to bring it back into [default: the one that it was in]
        #[arg(long, value_name = "GROUP")]
        into: Option<String>,
    },
    /// Let a soft-deleted vault go for good before its time, if nothing is in it
    Purge {
        /// Its name, as `vault list --deleted` tells it
        name: String,
        /// Its region, where several have a soft-deleted vault of this name
        #[arg(long)]
        region: Option<String>,
    },
}

/// What an operator can want of a vault.
#[derive(Debug, Args)]
pub struct Settings {
    /// The copies you want of its data; an intent, until there is a second copy
    #[arg(long, value_enum, ignore_case = true)]
    redundancy: Option<Redundancy>,
    /// Whether deleted data can be brought back; AlwaysON cannot be undone
    #[arg(long, value_enum, ignore_case = true, value_name = "STATE")]
    soft_delete: Option<SoftDelete>,
    /// For how many days deleted data can be brought back: 14 to 180
    #[arg(long, value_name = "DAYS")]
    soft_delete_days: Option<u16>,
    /// Whether points must be kept until their time; Locked cannot be undone
    #[arg(long, value_enum, ignore_case = true, value_name = "STATE")]
    immutability: Option<Immutability>,
    /// Mark it; these tags take the place of those it has
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    tags: Vec<Tag>,
}

/// Copies of a vault's data.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Redundancy {
    /// A copy in the paired region too
    #[value(name = "GeoRedundant")]
    Geo,
    /// Copies in several failure domains
    #[value(name = "ZoneRedundant")]
    Zone,
    /// One store
    #[value(name = "LocallyRedundant")]
    Local,
}

/// Whether deleted data can be brought back.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SoftDelete {
    /// It is gone
    #[value(name = "Disabled")]
    Disabled,
    /// It can
    #[value(name = "Enabled")]
    Enabled,
    /// It can, and nobody can switch that off
    #[value(name = "AlwaysON")]
    AlwaysOn,
}

/// Whether points must be kept until their time.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Immutability {
    /// They need not
    #[value(name = "Disabled")]
    Disabled,
    /// They must, until somebody switches it off
    #[value(name = "Unlocked")]
    Unlocked,
    /// They must, and nobody can switch that off
    #[value(name = "Locked")]
    Locked,
}

/// A tag, as it is typed: `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String, String);

impl FromStr for Tag {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("a tag is NAME=VALUE")?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

/// Tags as requests carry them; none, where none was typed.
pub fn tags_of(tags: Vec<Tag>) -> Option<BTreeMap<String, Option<String>>> {
    let pair = |Tag(name, value)| (name, Some(value));
    (!tags.is_empty()).then(|| tags.into_iter().map(pair).collect())
}

impl Redundancy {
    const fn azure_name(self) -> &'static str {
        match self {
            Self::Geo => model::vault::Redundancy::GeoRedundant.azure_name(),
            Self::Zone => model::vault::Redundancy::ZoneRedundant.azure_name(),
            Self::Local => model::vault::Redundancy::LocallyRedundant.azure_name(),
        }
    }
}

impl SoftDelete {
    const fn azure_name(self) -> &'static str {
        match self {
            Self::Disabled => SoftDeleteState::Disabled.azure_name(),
            Self::Enabled => SoftDeleteState::Enabled.azure_name(),
            Self::AlwaysOn => SoftDeleteState::AlwaysOn.azure_name(),
        }
    }
}

impl Immutability {
    const fn azure_name(self) -> &'static str {
        match self {
            Self::Disabled => model::vault::Immutability::Disabled.azure_name(),
            Self::Unlocked => model::vault::Immutability::Unlocked.azure_name(),
            Self::Locked => model::vault::Immutability::Locked.azure_name(),
        }
    }
}

impl Settings {
    /// The request that asks for them.
    fn request(self) -> VaultRequest {
        let redundancy = self.redundancy.map(|redundancy| RedundancySettings {
            standard_tier_storage_redundancy: Some(redundancy.azure_name().to_owned()),
            cross_region_restore: None,
        });
        let soft_delete = SoftDeleteRequest {
            soft_delete_state: self.soft_delete.map(|state| state.azure_name().to_owned()),
            soft_delete_retention_period_in_days: self.soft_delete_days.map(i64::from),
            enhanced_security_state: None,
        };
        let immutability = self.immutability.map(|state| ImmutabilityRequest {
            state: Some(state.azure_name().to_owned()),
            configuration: None,
        });
        let security = SecurityRequest {
            soft_delete_settings: Some(soft_delete).filter(|it| *it != Default::default()),
            immutability_settings: immutability,
            source_scan_configuration: None,
        };
        VaultRequest {
            properties: Some(VaultRequestProperties {
                redundancy_settings: redundancy,
                security_settings: Some(security).filter(|it| *it != Default::default()),
                ..VaultRequestProperties::default()
            }),
            tags: tags_of(self.tags),
            ..VaultRequest::default()
        }
    }
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        let client = &service.client;
        match self {
            Self::Create { name, region, resource_group, settings } => {
                let group = segment(&resource_group);
                let id = arm_id::vault(client.subscription(), &group, &segment(&name));
                let body = VaultRequest { location: Some(region), ..settings.request() };
                told(client.put(&id, &body)?)
            }
            Self::List { deleted: false } => list(service),
            Self::List { deleted: true } => deleted::list(service),
            Self::Show { name, resource_group } => {
                told(find::vault(client, &VaultArg { vault: name, resource_group })?)
            }
            Self::Update { name, resource_group, settings } => {
                let vault = find::vault(client, &VaultArg { vault: name, resource_group })?;
                told(client.patch(&vault.view.id, &settings.request())?)
            }
            Self::Delete { name, resource_group, plan } => {
                let vault = find::vault(client, &VaultArg { vault: name, resource_group })?.view;
                if plan { deleted::plan(service, &vault) } else { deleted::delete(service, &vault) }
            }
            Self::Undelete { name, region, into } => {
                deleted::undelete(service, &name, region.as_deref(), into.as_deref())
            }
            Self::Purge { name, region } => deleted::purge(service, &name, region.as_deref()),
        }
    }
}

fn told(vault: Seen<Vault>) -> Result<Reply, Failure> {
    Ok(Reply::done(vault.document, describe(&vault.view)))
}

fn list(service: &Service) -> Result<Reply, Failure> {
    let client = &service.client;
    let subscription = arm_id::subscription(client.subscription());
    let vaults: Vec<Seen<Vault>> =
        client.list(&format!("{subscription}/providers/{}", find::VAULTS))?;
    let columns = [
        Column::Text("Name"),
        Column::Text("Resource group"),
        Column::Text("Region"),
        Column::Text("Redundancy"),
        // Their texts are long; `vault show` has them.
        Column::Number("Warnings"),
    ];
    let row = |vault: &Seen<Vault>| {
        let vault = &vault.view;
        vec![
            vault.name.clone(),
            find::group_of(&vault.id).to_owned(),
            vault.location.clone().unwrap_or_default(),
            redundancy_of(vault),
            vault.properties.holdfast.warnings.len().to_string(),
        ]
    };
    let human = table(&columns, vaults.iter().map(row).collect(), "There is no vault.");
    Ok(Reply::done(documents(&vaults), human))
}

fn redundancy_of(vault: &Vault) -> String {
    let settings = &vault.properties.redundancy_settings;
    settings.standard_tier_storage_redundancy.clone().unwrap_or_default()
}

fn soft_delete_of(vault: &Vault) -> String {
    let settings = &vault.properties.security_settings.soft_delete_settings;
    match SoftDeleteState::from_azure_name(&settings.soft_delete_state) {
        Some(SoftDeleteState::Disabled) => settings.soft_delete_state.clone(),
        _ => format!(
            "{}, {} days",
            settings.soft_delete_state, settings.soft_delete_retention_period_in_days
        ),
    }
}

fn describe(vault: &Vault) -> String {
    let warnings: Vec<String> = vault
        .properties
        .holdfast
        .warnings
        .iter()
        .map(|warning| format!("Warning: {}", printable(warning)))
        .collect();
    let tags = vault.tags.clone().unwrap_or_default();
    let tags: Vec<String> = tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let told = facts(&[
        ("Name", vault.name.clone()),
        ("Resource group", find::group_of(&vault.id).to_owned()),
        ("Region", vault.location.clone().unwrap_or_default()),
        ("Redundancy", redundancy_of(vault)),
        ("Soft delete", soft_delete_of(vault)),
        ("Immutability", vault.properties.security_settings.immutability_settings.state.clone()),
        ("Tags", tags.join(", ")),
        ("Repository", vault.properties.holdfast.vault_uuid.clone()),
    ]);
    blocks(&[told, warnings.join("\n")])
}
