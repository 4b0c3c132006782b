//! A client of the service: it has the owner's credentials and trusts its certificate authority.

use std::path::Path;

use anyhow::{Context, Result, bail};
use api::credentials::{Credentials, FILE_NAME};
use reqwest::Certificate;
use reqwest::blocking::{Client as Http, RequestBuilder, Response};
use serde_json::{Value, json};

const VERSION: &str = "2026-08-01";

/// A client. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    http: Http,
    endpoint: String,
    token: String,
    subscription: String,
}

impl Client {
    /// A client of the service on this data directory.
    pub fn of(dir: &Path) -> Result<Self> {
        let credentials = Credentials::decode(&std::fs::read(dir.join(FILE_NAME))?)?;
        let authority = Certificate::from_pem(&std::fs::read(dir.join("ca.pem"))?)?;
        let http = Http::builder()
            .tls_certs_only([authority])
            .pool_max_idle_per_host(64)
            .tcp_nodelay(true)
            .build()?;
        let endpoint = std::fs::read_to_string(dir.join("endpoint"))?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &credentials.client_id),
            ("client_secret", &credentials.client_secret),
        ];
        let answer = http.post(format!("{endpoint}/adfs/oauth2/token")).form(&form).send()?;
        let answer: Value = answer.json()?;
        let token = answer["access_token"].as_str().context("no token")?.to_owned();
        Ok(Self { http, endpoint, token, subscription: credentials.subscription_id })
    }

    /// The path of the group `holdfast`, and what is behind it.
    pub fn group(&self, rest: &str) -> String {
        format!("/subscriptions/{}/resourceGroups/holdfast{rest}", self.subscription)
    }

    /// The path of the status.
    pub fn status(&self) -> String {
        format!("/subscriptions/{}/providers/Holdfast.Fabric/status", self.subscription)
    }

    /// The path of a vault, and what is behind it.
    pub fn vault(&self, name: &str, rest: &str) -> String {
        self.group(&format!("/providers/Microsoft.RecoveryServices/vaults/{name}{rest}"))
    }

    /// The path of the item of this virtual machine, and what is behind it.
    pub fn item(&self, vault: &str, vm: &str, rest: &str) -> String {
        let tail = format!("iaasvmcontainerv2;holdfast;{vm}");
        let path = format!("/protectionContainers/IaasVMContainer;{tail}/protectedItems/VM;{tail}");
        self.vault(vault, &format!("/backupFabrics/Azure{path}{rest}"))
    }

    fn signed(&self, request: RequestBuilder) -> Result<Response> {
        Ok(request.bearer_auth(&self.token).send()?)
    }

    fn url(&self, path: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{}{path}{joint}api-version={VERSION}", self.endpoint)
    }

    /// Gets something; returns the answer's length in bytes once it has arrived completely.
    pub fn fetch(&self, path: &str) -> Result<usize> {
        let answer = self.signed(self.http.get(self.url(path)))?;
        let status = answer.status();
        let body = answer.bytes()?;
        if !status.is_success() {
            bail!("{status} for {path}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body.len())
    }

    /// Gets JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        Ok(self.signed(self.http.get(self.url(path)))?.error_for_status()?.json()?)
    }

    /// Puts JSON.
    pub fn put(&self, path: &str, body: &Value) -> Result<()> {
        self.signed(self.http.put(self.url(path)).json(body))?.error_for_status()?;
        Ok(())
    }

    /// Posts an empty object.
    pub fn post(&self, path: &str) -> Result<()> {
        let body = json!({ "properties": {} });
        self.signed(self.http.post(self.url(path)).json(&body))?.error_for_status()?;
        Ok(())
    }
}
