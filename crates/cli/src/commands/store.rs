//! `holdfast store`: the directories that restored disks go into.

use std::path::PathBuf;

use api::arm::store::{KIND, Store, StoreRequest, StoreRequestProperties};
use clap::Subcommand;
use model::arm_id;

use super::Service;
use crate::client::{Seen, documents, segment};
use crate::failure::Failure;
use crate::find;
use crate::output::{Column, Reply, table};

/// The resource group that exists from the start.
const GROUP: &str = "holdfast";

/// What can be done with staging stores.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a staging store
    Add {
        /// Its name: 3 to 24 lower-case letters and digits
        #[arg(long)]
        name: String,
        /// Its region: only vaults of this region restore into it
        #[arg(long)]
        region: String,
        /// Its directory on the service's machine; created if missing
        #[arg(long, value_name = "DIR")]
        path: PathBuf,
        /// Its resource group
        #[arg(long, value_name = "GROUP", default_value = GROUP)]
        resource_group: String,
    },
    /// List the staging stores
    List,
    /// Forget a staging store; its files stay
    Remove {
        /// Its name
        name: String,
        /// Its resource group
        #[arg(long, value_name = "GROUP", default_value = GROUP)]
        resource_group: String,
    },
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        match self {
            Self::Add { name, region, path, resource_group } => {
                let path = std::path::absolute(&path)
                    .map_err(|error| Failure::file("Cannot use the directory", &path, &error))?;
                let Some(directory) = path.to_str().map(str::to_owned) else {
                    return Err(Failure::usage("The directory's path must be valid UTF-8."));
                };
                let properties = StoreRequestProperties { directory };
                let body = StoreRequest { location: region, properties };
                let id = id(service, &resource_group, &name);
                let store: Seen<Store> = service.client.put(&id, &body)?;
                let directory = &store.view.properties.directory;
                let human = format!("The store {} is {directory}.", store.view.name);
                Ok(Reply::done(store.document, human))
            }
            Self::List => list(service),
            Self::Remove { name, resource_group } => {
                let id = id(service, &resource_group, &name);
                // What is not there is told, as for every other noun.
                let store: Seen<Store> = service.client.get(&id)?;
                service.client.delete(&id)?;
                let human = format!("The store {} is forgotten; its files stay.", store.view.name);
                Ok(Reply::done(store.document, human))
            }
        }
    }
}

fn id(service: &Service, group: &str, name: &str) -> String {
    let group = arm_id::resource_group(service.client.subscription(), &segment(group));
    format!("{group}/providers/{KIND}/{}", segment(name))
}

fn list(service: &Service) -> Result<Reply, Failure> {
    let client = &service.client;
    let subscription = arm_id::subscription(client.subscription());
    let stores: Vec<Seen<Store>> = client.list(&format!("{subscription}/providers/{KIND}"))?;
    let columns = [
        Column::Text("Name"),
        Column::Text("Resource group"),
        Column::Text("Region"),
        Column::Text("Directory"),
    ];
    let row = |store: &Seen<Store>| {
        let store = &store.view;
        vec![
            store.name.clone(),
            find::group_of(&store.id).to_owned(),
            store.location.clone().unwrap_or_default(),
            store.properties.directory.clone(),
        ]
    };
    let human = table(&columns, stores.iter().map(row).collect(), "There is no staging store.");
    Ok(Reply::done(documents(&stores), human))
}
