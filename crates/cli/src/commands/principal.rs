//! `holdfast principal`.
//!
//! A secret is told once, when it is made: on stdout, or in a file that only its owner can read.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use api::arm::principal::{KIND, Principal};
use clap::Subcommand;
use model::arm_id;
use model::fault::{Code, Fault};
use serde_json::{Value, json};

use super::Service;
use crate::client::{Client, Seen, documents, segment};
use crate::failure::Failure;
use crate::output::{Column, Reply, facts, table};

/// What can be done with principals.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the principals
    List,
    /// Create a principal, without any role; its secret is told once
    Create {
        /// Its name: letters, digits, '-', '_' and '.'
        name: String,
        /// Write the secret to this file, readable by you only, instead of printing it
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Give a principal a new secret, told once; the old one is of no use at once
    ResetSecret {
        /// Its name, client id or object id
        principal: String,
        /// Write the secret to this file, readable by you only, instead of printing it
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Delete a principal with its roles; its tokens are refused at once
    Delete {
        /// Its name, client id or object id
        principal: String,
    },
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        let client = &service.client;
        match self {
            Self::List => list(client),
            Self::Create { name, secret_file } => {
                let file = secret_file.as_deref().map(SecretFile::open).transpose()?;
                let made: Seen<Principal> = client.put(&path(client, &name), &json!({}))?;
                if made.view.properties.client_secret.is_none() {
                    let message = format!("There is a principal '{name}' already.");
                    return Err(Fault::new(Code::PrincipalNameTaken, message).into());
                }
                told(made, file)
            }
            Self::ResetSecret { principal, secret_file } => {
                let file = secret_file.as_deref().map(SecretFile::open).transpose()?;
                let path = format!("{}/resetSecret", path(client, &principal));
                told(client.action(&path)?, file)
            }
            Self::Delete { principal } => {
                let found = find(client, &principal)?;
                client.delete(&found.view.id)?;
                let human = format!("The principal {} is deleted.", found.view.name);
                Ok(Reply::done(found.document, human))
            }
        }
    }
}

/// The principal with this name, client id or object id.
pub fn find(client: &Client, key: &str) -> Result<Seen<Principal>, Failure> {
    client.get(&path(client, key))
}

/// All principals.
pub fn all(client: &Client) -> Result<Vec<Seen<Principal>>, Failure> {
    let subscription = arm_id::subscription(client.subscription());
    client.list(&format!("{subscription}/providers/{KIND}"))
}

fn path(client: &Client, key: &str) -> String {
    let subscription = arm_id::subscription(client.subscription());
    format!("{subscription}/providers/{KIND}/{}", segment(key))
}

fn list(client: &Client) -> Result<Reply, Failure> {
    let found = all(client)?;
    let columns = [Column::Text("Name"), Column::Text("Client id"), Column::Text("Object id")];
    let row = |principal: &Seen<Principal>| {
        let properties = &principal.view.properties;
        vec![
            principal.view.name.clone(),
            properties.client_id.clone(),
            properties.object_id.clone(),
        ]
    };
    let human = table(&columns, found.iter().map(row).collect(), "There is no principal.");
    Ok(Reply::done(documents(&found), human))
}

/// Tells a principal and its new secret.
fn told(mut made: Seen<Principal>, file: Option<SecretFile>) -> Result<Reply, Failure> {
    let properties = &made.view.properties;
    let secret = properties.client_secret.clone().unwrap_or_default();
    let place = match file {
        None => secret,
        Some(file) => {
            if let Some(fields) = made.document["properties"].as_object_mut() {
                fields.remove("clientSecret");
                let path = file.path.display().to_string();
                fields.insert("secretFile".to_owned(), Value::from(path));
            }
            file.write(&secret)?
        }
    };
    let human = facts(&[
        ("Name", made.view.name.clone()),
        ("Client id", properties.client_id.clone()),
        ("Object id", properties.object_id.clone()),
        ("Secret", place),
    ]);
    Ok(Reply::done(made.document, human))
}

/// Where a secret goes; opened before there is one, so that none is lost.
struct SecretFile {
    path: PathBuf,
    file: File,
}

impl SecretFile {
    fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::file("Cannot write the secret to", path, &error);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.map_err(failed)?;
        file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes the secret; returns the sentence that stands in its place.
    fn write(mut self, secret: &str) -> Result<String, Failure> {
        let failed = |error| Failure::file("Cannot write the secret to", &self.path, &error);
        self.file.set_len(0).map_err(failed)?;
        self.file.write_all(secret.as_bytes()).map_err(failed)?;
        self.file.sync_all().map_err(failed)?;
        Ok(format!("in {}", self.path.display()))
    }
}
