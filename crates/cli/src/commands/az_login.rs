//! `holdfast az-login`: sets the Azure CLI up for this service.
//!
//! The secret reaches `az` by a file that only its owner can read and that is gone afterwards;
//! never by an argument or the environment. What later calls of `az` need besides is told: the
//! bundle of certificates that they have to trust.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use api::credentials::Credentials;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::output::Reply;
use crate::text::printable;

/// Where distributions keep the certificates of public authorities.
const PUBLIC_CAS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Set the Azure CLI up for this service and log in to it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the Azure CLI is to call this service
    #[arg(long, value_name = "NAME", default_value = "Holdfast")]
    cloud_name: String,
    /// The Azure CLI's program
    #[arg(long, value_name = "PATH", default_value = "az")]
    az: PathBuf,
}

impl Args {
    /// Carries the command out.
    pub fn run(self, credentials: &Credentials) -> Result<Reply, Failure> {
        let directory = config_dir()?;
        let bundle = directory.join(format!("{}-ca-bundle.pem", file_name(&self.cloud_name)));
        let az = Az { program: &self.az, bundle: &bundle };
        az.run(["version", "--output", "none"], "found")?;
        write_bundle(&directory, &bundle, Path::new(&credentials.ca_file))?;
        self.register(&az, &credentials.endpoint)?;
        az.run(["cloud", "set", "--name", &self.cloud_name], "set to the cloud")?;
        log_in(&az, &directory, credentials)?;

        let bundle = bundle.display().to_string();
        let document = json!({
            "cloudName": self.cloud_name,
            "endpoint": credentials.endpoint,
            "tenantId": credentials.tenant_id,
            "subscriptionId": credentials.subscription_id,
            "clientId": credentials.client_id,
            "environment": { "REQUESTS_CA_BUNDLE": bundle },
        });
        let human = format!(
            "The Azure CLI is logged in to {} at {}. Later calls of az need:\n\
             export REQUESTS_CA_BUNDLE={}",
            printable(&self.cloud_name),
            credentials.endpoint,
            quoted(&bundle)
        );
        Ok(Reply::done(document, human))
    }

    /// Makes the cloud known to `az`, with the endpoints that the service has now.
    fn register(&self, az: &Az<'_>, endpoint: &str) -> Result<(), Failure> {
        let name = self.cloud_name.as_str();
        let shown = az.output(["cloud", "list", "--output", "json"])?;
        let clouds: Value = serde_json::from_slice(&shown.stdout).unwrap_or_default();
        let is_it = |cloud: &&Value| cloud["name"].as_str() == Some(name);
        let found = clouds.as_array().and_then(|clouds| clouds.iter().find(is_it));
        let Some(found) = found else {
            let register = ["cloud", "register", "--name", name];
            let endpoint = ["--endpoint-resource-manager", endpoint];
            return az.run(register.into_iter().chain(endpoint), "told of the cloud");
        };
        let endpoints = &found["endpoints"];
        let login = format!("{endpoint}/adfs");
        if endpoints["resourceManager"].as_str() == Some(endpoint)
            && endpoints["activeDirectory"].as_str() == Some(&login)
        {
            return Ok(());
        }
        if endpoints["activeDirectory"].as_str().is_some_and(|url| !url.ends_with("/adfs")) {
            return Err(Failure::usage(format!(
                "The Azure CLI knows a cloud '{name}' that is no Holdfast: choose another name \
                 with --cloud-name."
            )));
        }
        // `az` asks a cloud that it knows for none of its endpoints again, so all of them are told.
        let (audience, graph) = (format!("{endpoint}/"), format!("{endpoint}/graph"));
        let update = [
            ["cloud", "update"],
            ["--name", name],
            ["--endpoint-resource-manager", endpoint],
            ["--endpoint-management", endpoint],
            ["--endpoint-active-directory", &login],
            ["--endpoint-active-directory-resource-id", &audience],
            ["--endpoint-active-directory-graph-resource-id", &graph],
            ["--endpoint-gallery", &format!("{endpoint}/gallery")],
        ];
        az.run(update.into_iter().flatten(), "told of the cloud's new endpoints")
    }
}

fn log_in(az: &Az<'_>, directory: &Path, credentials: &Credentials) -> Result<(), Failure> {
    let failed = |error| Failure::file("Cannot write the secret into", directory, &error);
    // Such a file is made readable by its owner only, and removed when it is dropped.
    let mut secret = NamedTempFile::new_in(directory).map_err(failed)?;
    secret.write_all(credentials.client_secret.as_bytes()).map_err(failed)?;
    secret.flush().map_err(failed)?;
    let file = format!("@{}", secret.path().display());
    let login = [
        ["login", "--service-principal"],
        ["--username", &credentials.client_id],
        ["--password", &file],
        ["--tenant", &credentials.tenant_id],
        ["--output", "none"],
    ];
    az.run(login.into_iter().flatten(), "logged in")
}

/// The Azure CLI.
struct Az<'a> {
    program: &'a Path,
    bundle: &'a Path,
}

impl Az<'_> {
    fn output<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Result<Output, Failure> {
        let mut command = Command::new(self.program);
        command.args(args).stdin(Stdio::null());
        command.env("REQUESTS_CA_BUNDLE", self.bundle).env("AZURE_CORE_COLLECT_TELEMETRY", "false");
        command.output().map_err(|error| {
            let what = match error.kind() {
                ErrorKind::NotFound => "is not there".to_owned(),
                _ => format!("cannot be started: {error}"),
            };
            Failure::new(
                "AzureCliNotFound",
                format!("The Azure CLI's program {} {what}.", self.program.display()),
                "The Azure CLI is not installed, or not in the PATH.",
                "Install it (`pip install azure-cli`), or name its program with --az.",
            )
        })
    }

    /// Runs a command of it that must succeed; `what` says what could not be done with it else.
    fn run<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I, what: &str) -> Result<(), Failure> {
        let output = self.output(args)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let errors = said.lines().filter(|line| !line.starts_with("WARNING"));
        let said: Vec<String> = errors.map(|line| printable(line.trim())).collect();
        Err(Failure::new(
            "AzureCliFailed",
            format!("The Azure CLI could not be {what}. It said: {}", said.join(" ")),
            "The service does not answer, or the credentials are not valid any more.",
            "Check that `holdfast serve` runs, and that credentials.json is the newest.",
        ))
    }
}

/// The directory that the Azure CLI keeps its state in; made where it is missing.
fn config_dir() -> Result<PathBuf, Failure> {
    let named = env::var_os("AZURE_CONFIG_DIR").filter(|name| !name.is_empty()).map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".azure"));
    let Some(directory) = named.or_else(home) else {
        return Err(Failure::usage("Neither AZURE_CONFIG_DIR nor HOME says where az keeps state."));
    };
    let failed = |error| Failure::file("Cannot make", &directory, &error);
    fs::create_dir_all(&directory).map_err(failed)?;
    std::path::absolute(&directory).map_err(failed)
}

/// Writes the public authorities and the service's own into one file.
fn write_bundle(directory: &Path, bundle: &Path, ca_file: &Path) -> Result<(), Failure> {
    let own = fs::read(ca_file)
        .map_err(|error| Failure::file("Cannot read the CA certificate", ca_file, &error))?;
    let mut text = PUBLIC_CAS.iter().find_map(|path| fs::read(path).ok()).unwrap_or_default();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(&own);
    let failed = |error| Failure::file("Cannot write", bundle, &error);
    let mut file = NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(&text).map_err(failed)?;
    file.persist(bundle).map_err(|error| failed(error.error))?;
    Ok(())
}

/// A cloud's name as part of a file's name.
fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(safe).collect()
}

/// A path as a shell reads it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}
