//! A house to test in: a service over an engine on a directory of its own, and a client that has
//! its credentials and trusts its certificate authority.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use api::credentials::{Credentials, FILE_NAME};
use engine::{Config, Engine, NewAssignment, Ports};
use fabric::fake::FakeHost;
use model::role::{Role, Scope};
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::{Certificate, Method, StatusCode};
use serde_json::Value;
use service::{Options, Running};
use tempfile::TempDir;

/// The version that the tests speak.
pub const VERSION: &str = "2026-08-01";

/// A running service and its client.
pub struct House {
    pub engine: Arc<Engine>,
    pub address: SocketAddr,
    pub client: Client,
    token: String,
    running: Running,
    dir: Arc<TempDir>,
}

impl House {
    /// A new one on a new directory.
    pub fn new() -> Self {
        Self::on(Arc::new(tempfile::tempdir().expect("a directory")), None)
    }

    /// As [`House::new`], with a host in memory as its local one.
    pub fn over(host: &FakeHost) -> Self {
        Self::on(Arc::new(tempfile::tempdir().expect("a directory")), Some(host.clone()))
    }

    fn on(dir: Arc<TempDir>, host: Option<FakeHost>) -> Self {
        // Several tests may come here at once: the first one wins, and all are the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut config = Config::new(dir.path());
        config.local_host = host.is_some();
        config.run_dir = Some(dir.path().join("run"));
        config.scratch_dir = dir.path().join("scratch");
        let mut ports = Ports::real(&config);
        if let Some(host) = host {
            ports.connect = Box::new(move |_| Arc::new(host.clone()));
        }
        let engine = Engine::start_with(config, ports).expect("the engine starts");
        let listen = "127.0.0.1:0".parse().expect("an address");
        let options = Options { listen, data_dir: dir.path().to_owned() };
        let running = service::run(Arc::clone(&engine), options).expect("the service starts");
        let address = running.address();
        let ca = std::fs::read(dir.path().join("ca.pem")).expect("made at the start");
        let ca = Certificate::from_pem(&ca).expect("a certificate");
        let client = Client::builder().tls_certs_only([ca]).build().expect("a client");
        let mut house = Self { engine, address, client, token: String::new(), running, dir };
        let credentials = house.credentials();
        let (status, body) = house.log_in(&credentials.client_id, &credentials.client_secret);
        assert_eq!(status, StatusCode::OK, "{body}");
        house.token = body["access_token"].as_str().expect("a token").to_owned();
        house
    }

    /// Stops it, and starts another on the same directory once `between` has been there.
    pub fn restarted(self, between: impl FnOnce(&Path)) -> Self {
        let Self { engine, running, dir, .. } = self;
        running.stopper().stop();
        running.wait().expect("it stops in peace");
        drop(engine);
        between(dir.path());
        Self::on(dir, None)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub fn credentials(&self) -> Credentials {
        let bytes = std::fs::read(self.path().join(FILE_NAME)).expect("made at the start");
        Credentials::decode(&bytes).expect("well-formed")
    }

    /// The path of the subscription, and what is behind it.
    pub fn sub(&self, rest: &str) -> String {
        format!("/subscriptions/{}{rest}", self.credentials().subscription_id)
    }

    /// The path of a vault in the group `holdfast`, and what is behind it.
    pub fn vault(&self, name: &str, rest: &str) -> String {
        let vaults = "/resourceGroups/holdfast/providers/Microsoft.RecoveryServices/vaults";
        self.sub(&format!("{vaults}/{name}{rest}"))
    }

    /// A URL of the service.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// A request with the owner's token and the usual version; `path` may have a query.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_as(&self.token, method, path)
    }

    /// The same with another token.
    pub fn request_as(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        let joint = if path.contains('?') { '&' } else { '?' };
        let url = self.url(&format!("{path}{joint}api-version={VERSION}"));
        self.client.request(method, url).bearer_auth(token)
    }

    pub fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path))
    }

    pub fn put(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.request(Method::PUT, path).json(body))
    }

    pub fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).json(body))
    }

    /// Asks the token endpoint with these credentials.
    pub fn log_in(&self, client_id: &str, secret: &str) -> (StatusCode, Value) {
        self.token_request(
            "/adfs/oauth2/token",
            &[
                ("grant_type", "client_credentials"),
                ("client_id", client_id),
                ("client_secret", secret),
                ("scope", &self.url("//.default")),
            ],
        )
    }

    pub fn token_request(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        answer(self.client.post(self.url(path)).form(form))
    }

    /// Makes a vault of this name in the group `holdfast`.
    pub fn make_vault(&self, name: &str) -> Value {
        let path = self.vault(name, "");
        let (status, body) = self.put(&path, &serde_json::json!({"location": "local"}));
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body
    }
}

/// Somebody else than the owner, with a token of its own.
pub struct Visitor<'a> {
    house: &'a House,
    pub client_id: String,
    pub object_id: String,
    pub secret: String,
    token: String,
}

impl House {
    /// A new principal of this name that holds these roles.
    pub fn principal(&self, name: &str, roles: &[(&str, Scope)]) -> Visitor<'_> {
        let path = self.sub(&format!("/providers/Holdfast.Fabric/principals/{name}"));
        let (status, made) = self.put(&path, &serde_json::json!({}));
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let text = |key: &str| made["properties"][key].as_str().expect("text").to_owned();
        let object_id = text("objectId");
        for (role, scope) in roles {
            let new = NewAssignment {
                name: model::seed::new_uuid(self.engine.seed()),
                principal: object_id.parse().expect("a UUID"),
                role: Role::by_name(role).expect("a role"),
                scope: scope.clone(),
            };
            self.engine.assign(new).expect("assigned");
        }
        let (client_id, secret) = (text("clientId"), text("clientSecret"));
        let (status, body) = self.log_in(&client_id, &secret);
        assert_eq!(status, StatusCode::OK, "{body}");
        let token = body["access_token"].as_str().expect("a token").to_owned();
        Visitor { house: self, client_id, object_id, secret, token }
    }
}

impl Visitor<'_> {
    /// A request with the visitor's token and the usual version.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.house.request_as(&self.token, method, path)
    }

    pub fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path))
    }

    pub fn token(&self) -> &str {
        &self.token
    }
}

/// Sends a request; returns the answer's status and its JSON, `null` for an empty body.
pub fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().expect("an answer");
    (response.status(), json_of(response))
}

pub fn json_of(response: Response) -> Value {
    let body = response.bytes().expect("a whole body");
    if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") }
}

/// Asserts that an answer is this error, with a cause and an action.
#[track_caller]
pub fn check_error(answer: &(StatusCode, Value), status: StatusCode, code: &str) {
    let (got, body) = answer;
    assert_eq!((got, &body["error"]["code"]), (&status, &Value::from(code)), "{body:#}");
    assert!(!body["error"]["message"].as_str().expect("a message").is_empty());
    let details = body["error"]["details"].as_array().expect("details");
    let codes: Vec<&Value> = details.iter().map(|detail| &detail["code"]).collect();
    assert_eq!(codes, ["Cause", "RecommendedAction"]);
}
