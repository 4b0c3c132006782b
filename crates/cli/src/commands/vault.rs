//! `holdfast vault`.

use api::arm::Sku;
use api::arm::vault::{RedundancySettings, Vault};
use clap::{Subcommand, ValueEnum};
use model::arm_id;
use serde_json::json;

use super::Service;
use crate::args::VaultArg;
use crate::client::{Seen, documents, segment};
use crate::failure::Failure;
use crate::find;
use crate::output::{Column, Reply, blocks, facts, table};

/// The resource group that exists from the start.
const GROUP: &str = "holdfast";

/// What can be done with vaults.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a vault; one that exists already gets the redundancy that is asked for
    Create {
        /// Its name: 2 to 50 letters, digits and hyphens, a letter first
        name: String,
        /// Its region: only virtual machines of this region can be protected in it
        #[arg(long)]
        region: String,
        /// Its resource group
        #[arg(long, value_name = "GROUP", default_value = GROUP)]
        resource_group: String,
        /// The copies you want of its data; an intent, until there is a second copy
        #[arg(long, value_enum, ignore_case = true)]
        redundancy: Option<Redundancy>,
    },
    /// List the vaults
    List,
    /// Show a vault
    Show {
        /// Its name
        name: String,
        /// Its resource group, where several have a vault of this name
        #[arg(long, value_name = "GROUP")]
        resource_group: Option<String>,
    },
}

/// Copies of a vault's data.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Redundancy {
    /// A copy in the paired region too
    #[value(name = "GeoRedundant")]
    Geo,
    /// One store
    #[value(name = "LocallyRedundant")]
    Local,
}

impl Redundancy {
    const fn azure_name(self) -> &'static str {
        match self {
            Self::Geo => model::vault::Redundancy::GeoRedundant.azure_name(),
            Self::Local => model::vault::Redundancy::LocallyRedundant.azure_name(),
        }
    }
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        match self {
            Self::Create { name, region, resource_group, redundancy } => {
                create(service, &name, &region, &resource_group, redundancy)
            }
            Self::List => list(service),
            Self::Show { name, resource_group } => {
                let arg = VaultArg { vault: name, resource_group };
                let vault = find::vault(&service.client, &arg)?;
                Ok(Reply::done(vault.document, describe(&vault.view)))
            }
        }
    }
}

fn create(
    service: &Service,
    name: &str,
    region: &str,
    group: &str,
    redundancy: Option<Redundancy>,
) -> Result<Reply, Failure> {
    let client = &service.client;
    let id = arm_id::vault(client.subscription(), &segment(group), &segment(name));
    let settings = redundancy.map(|redundancy| RedundancySettings {
        standard_tier_storage_redundancy: Some(redundancy.azure_name().to_owned()),
        cross_region_restore: None,
    });
    let body = json!({
        "location": region,
        "sku": Sku { name: "Standard".to_owned() },
        "properties": { "redundancySettings": settings },
    });
    let vault: Seen<Vault> = client.put(&id, &body)?;
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

fn describe(vault: &Vault) -> String {
    let warnings: Vec<String> = vault
        .properties
        .holdfast
        .warnings
        .iter()
        .map(|warning| format!("Warning: {}", crate::text::printable(warning)))
        .collect();
    let told = facts(&[
        ("Name", vault.name.clone()),
        ("Resource group", find::group_of(&vault.id).to_owned()),
        ("Region", vault.location.clone().unwrap_or_default()),
        ("Redundancy", redundancy_of(vault)),
        ("Repository", vault.properties.holdfast.vault_uuid.clone()),
    ]);
    blocks(&[told, warnings.join("\n")])
}
