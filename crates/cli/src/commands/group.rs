//! `holdfast group`.

use api::arm::tenancy::{Group, GroupRequest};
use clap::Subcommand;
use model::arm_id;
use serde_json::json;

use super::Service;
use super::vault::{Tag, tags_of};
use crate::client::{Seen, documents, segment};
use crate::failure::Failure;
use crate::output::{Column, Reply, table};
use crate::text::printable;

/// What can be done with resource groups.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the resource groups
    List,
    /// Create a resource group; one that exists already gets the tags that are given
    Create {
        /// Its name
        name: String,
        /// Its region, which says nothing of what it holds
        #[arg(long)]
        region: String,
        /// Mark it; these tags take the place of those it has
        #[arg(long = "tag", value_name = "NAME=VALUE")]
        tags: Vec<Tag>,
    },
    /// Delete a resource group with its empty vaults
    Delete {
        /// Its name
        name: String,
    },
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        let client = &service.client;
        let subscription = arm_id::subscription(client.subscription());
        match self {
            Self::List => list(service, &format!("{subscription}/resourceGroups")),
            Self::Create { name, region, tags } => {
                let path = arm_id::resource_group(client.subscription(), &segment(&name));
                let body = GroupRequest { location: Some(region), tags: tags_of(tags) };
                let group: Seen<Group> = client.put(&path, &body)?;
                let human = format!("The resource group {} is there.", printable(&group.view.name));
                Ok(Reply::done(group.document, human))
            }
            Self::Delete { name } => {
                let id = arm_id::resource_group(client.subscription(), &segment(&name));
                client.delete(&id)?;
                let human = format!("The resource group {} is deleted.", printable(&name));
                Ok(Reply::done(json!({"id": id, "deleted": true}), human))
            }
        }
    }
}

fn list(service: &Service, path: &str) -> Result<Reply, Failure> {
    let groups: Vec<Seen<Group>> = service.client.list(path)?;
    let columns = [Column::Text("Name"), Column::Text("Region"), Column::Text("Tags")];
    let row = |group: &Seen<Group>| {
        let group = &group.view;
        let tags = group.tags.clone().unwrap_or_default();
        let told: Vec<String> =
            tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        vec![group.name.clone(), group.location.clone().unwrap_or_default(), told.join(", ")]
    };
    let human = table(&columns, groups.iter().map(row).collect(), "There is no resource group.");
    Ok(Reply::done(documents(&groups), human))
}
