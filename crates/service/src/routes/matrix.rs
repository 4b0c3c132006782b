//! Who may do what, as a matrix: every role × every route × {own scope, another group, another
//! vault, another subscription, another tenant}, over the wire.
//!
//! The routes come from the table, so that a new one is tested at once; the verdicts come from
//! `tests/access_matrix.txt`, which is Azure's documentation transcribed. What the URLs name does
//! not exist, so an allowed request changes nothing: it ends in any error but these.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::Method;
use engine::{Config, Engine};
use model::role::{Assignment, Role, Scope};
use reqwest::blocking::Client;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Access, Route, all};
use crate::{Options, Running, principals};

/// What the URLs name in place of the route's names.
const OWN: [(&str, &str); 2] = [("{group}", "own"), ("{vault}", "own")];

fn table() -> HashMap<String, [bool; 6]> {
    let lines = include_str!("../../tests/access_matrix.txt").lines();
    let rows = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [action, verdicts @ ..] = words.as_slice() else { panic!("{line}") };
        let verdict = |word: &&str| match *word {
            "y" => true,
            "-" => false,
            _ => panic!("'{word}' is neither y nor -: {line}"),
        };
        let verdicts: Vec<bool> = verdicts.iter().map(verdict).collect();
        (action.to_ascii_lowercase(), <[bool; 6]>::try_from(verdicts).expect("six verdicts"))
    });
    rows.collect()
}

fn action(access: Access) -> Option<&'static str> {
    match access {
        Access::Open | Access::Login | Access::Token => None,
        Access::Member(action)
        | Access::Needs(action)
        | Access::Plain(action)
        | Access::Sees(action) => Some(action),
    }
}

#[test]
fn every_action_of_a_route_has_a_row_in_the_matrix() {
    let table = table();
    let mut lacking: Vec<&str> = all().filter_map(|route| action(route.access)).collect();
    lacking.retain(|action| !table.contains_key(&action.to_ascii_lowercase()));
    lacking.sort_unstable();
    lacking.dedup();
    assert_eq!(
        lacking,
        [""; 0],
        "these actions have no row in crates/service/tests/access_matrix.txt. Add one line each, \
         such as '{}  y  y  -  -  -  -': a y for each role whose list in Azure's documentation \
         holds the action",
        lacking.first().copied().unwrap_or_default()
    );
}

#[test]
fn an_action_fits_the_method_of_its_route() {
    for route in all() {
        let Some(action) = action(route.access) else { continue };
        let kind = action.rsplit('/').next().expect("some word").to_ascii_lowercase();
        let fits = match route.method {
            Method::GET | Method::HEAD => kind == "read",
            Method::PUT | Method::PATCH => kind == "write",
            Method::DELETE => kind == "delete",
            _ => kind == "action",
        };
        assert!(fits, "{} {} needs {action}", route.method, route.pattern);
    }
}

/// A service, and a way to ask it as anybody.
struct House {
    engine: Arc<Engine>,
    running: Running,
    client: Client,
    base: String,
    _dir: TempDir,
}

impl House {
    fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = Config::new(dir.path());
        config.local_host = false;
        config.run_dir = Some(dir.path().join("run"));
        config.scratch_dir = dir.path().join("scratch");
        let engine = Engine::start(config).expect("the engine starts");
        let listen = "127.0.0.1:0".parse().expect("an address");
        let options = Options { listen, data_dir: dir.path().to_owned() };
        let running = crate::run(Arc::clone(&engine), options).expect("the service starts");
        let ca = std::fs::read(dir.path().join("ca.pem")).expect("made at the start");
        let ca = reqwest::Certificate::from_pem(&ca).expect("a certificate");
        let client = Client::builder().tls_certs_only([ca]).build().expect("a client");
        let base = format!("https://localhost:{}", running.address().port());
        Self { engine, running, client, base, _dir: dir }
    }

    /// A token of a new principal that holds this role here.
    fn token(&self, role: &'static Role, scope: Scope) -> String {
        let (secret, hash) = principals::new_secret(&self.engine).expect("made");
        let seed = self.engine.seed();
        let name = model::seed::new_uuid(seed);
        let principal = self.engine.create_principal(&format!("p-{name}"), hash).expect("made");
        let created_at = self.engine.clock().now();
        // The scopes do not exist, so the engine would refuse to assign a role there.
        let held = Assignment { name, principal: principal.object_id, role, scope, created_at };
        self.engine.ledger().create_assignment(&held).expect("written");
        let client_id = principal.client_id.to_string();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &client_id),
            ("client_secret", &secret),
        ];
        let request = self.client.post(format!("{}/adfs/oauth2/token", self.base)).form(&form);
        let answer: Value = request.send().and_then(|answer| answer.json()).expect("an answer");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// The status, and the error's code, that this route answers with.
    fn ask(&self, token: &str, route: &Route, path: &str) -> (u16, String) {
        let url = format!("{}{path}?api-version=2026-08-01", self.base);
        let mut request = self.client.request(route.method.clone(), url).bearer_auth(token);
        if !matches!(route.method, Method::GET | Method::HEAD) {
            request = request.body("{}");
        }
        let answer = request.send().expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.bytes().expect("a whole body");
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
    }

    fn path(&self, route: &Route, changes: &[(&str, &str)]) -> String {
        let subscription = self.engine.tenancy().subscription.to_string();
        let mut path = route.pattern.to_owned();
        for (name, value) in changes.iter().chain(&OWN) {
            path = path.replace(name, value);
        }
        path.replace("{subscription}", &subscription).replace(['{', '}'], "")
    }
}

/// The verdicts of one way to ask a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Forbidden,
    NoSuchSubscription,
    Unauthenticated,
}

#[track_caller]
fn check(route: &Route, path: &str, who: &str, answer: (u16, String), expected: Verdict) {
    let got = match (answer.0, answer.1.as_str()) {
        (401, _) => Verdict::Unauthenticated,
        (403, _) => Verdict::Forbidden,
        (404, "SubscriptionNotFound") => Verdict::NoSuchSubscription,
        // The answer to HEAD has no body to tell one 404 from another.
        (404, "") if route.method == Method::HEAD => match expected {
            Verdict::NoSuchSubscription => expected,
            _ => Verdict::Allowed,
        },
        _ => Verdict::Allowed,
    };
    assert_eq!(got, expected, "{who}: {} {path}: {answer:?}", route.method);
}

/// How wide a role is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Subscription,
    Group,
    Vault,
}

impl Width {
    const ALL: [Self; 3] = [Self::Subscription, Self::Group, Self::Vault];

    /// The narrowest scope that a route's URL names.
    fn of(route: &Route) -> Self {
        if route.pattern.contains("/vaults/{vault}") {
            Self::Vault
        } else if route.pattern.contains("{group}") {
            Self::Group
        } else {
            Self::Subscription
        }
    }

    fn scope(self) -> Scope {
        match self {
            Self::Subscription => Scope::Subscription,
            Self::Group => Scope::Group("own".to_owned()),
            Self::Vault => Scope::Vault { group: "own".to_owned(), vault: "own".to_owned() },
        }
    }
}

/// What who holds a role that wide may do with a route, on its own scope.
fn expected(access: Access, held: Width, asked: Width, by_role: bool) -> Verdict {
    let allowed = match access {
        Access::Open | Access::Login | Access::Token | Access::Member(_) => true,
        Access::Needs(_) | Access::Plain(_) => by_role && held <= asked,
        Access::Sees(_) => by_role,
    };
    if allowed { Verdict::Allowed } else { Verdict::Forbidden }
}

#[test]
fn every_role_may_do_on_its_scope_what_azure_lets_it_do_and_nothing_elsewhere() {
    let (house, table) = (House::new(), table());
    for (column, role) in Role::ALL.into_iter().enumerate() {
        for held in Width::ALL {
            let token = house.token(role, held.scope());
            let who = format!("{} of the {held:?}", role.name);
            for route in all().filter(|route| !route.access.is_open()) {
                let row = action(route.access).map(|action| action.to_ascii_lowercase());
                let by_role = row.is_none_or(|action| {
                    table.get(&action).is_some_and(|verdicts| verdicts[column])
                });
                let ask = |changes: &[(&str, &str)], verdict| {
                    let path = house.path(route, changes);
                    check(route, &path, &who, house.ask(&token, route, &path), verdict);
                };
                let asked = Width::of(route);
                let own = expected(route.access, held, asked, by_role);
                ask(&[], own);
                if asked >= Width::Group {
                    let wide = held == Width::Subscription;
                    let other = if wide { own } else { Verdict::Forbidden };
                    ask(&[("{group}", "other")], other);
                }
                if asked == Width::Vault {
                    let other = if held == Width::Vault { Verdict::Forbidden } else { own };
                    ask(&[("{vault}", "other")], other);
                }
                if route.pattern.contains("{subscription}") {
                    let other = Uuid::from_u128(1).to_string();
                    ask(&[("{subscription}", &other)], Verdict::NoSuchSubscription);
                }
            }
        }
    }
    house.running.stopper().stop();
}

#[test]
fn a_token_of_another_tenant_opens_nothing() {
    let (house, other) = (House::new(), House::new());
    let token = other.token(Role::ALL[0], Scope::Subscription);
    for route in all().filter(|route| !route.access.is_open()) {
        let path = house.path(route, &[]);
        let answer = house.ask(&token, route, &path);
        check(route, &path, "an Owner elsewhere", answer, Verdict::Unauthenticated);
    }
    house.running.stopper().stop();
    other.running.stopper().stop();
}
