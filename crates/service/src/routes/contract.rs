//! What every route takes and answers, from which `api/openapi.json` is written. Each family of
//! routes has a module here too, in the same order of routes.
//!
//! A route that is missing here, or that is not there any more, fails a test that says what to do.

use std::collections::BTreeSet;

use api::openapi::{self, Operation, Parameter};
use expect_test::expect_file;

use super::all;

mod authorization;
mod compute;
mod fabric;
mod items;
mod jobs;
mod login;
mod network;
mod points;
mod policies;
mod resources;
mod storage;
mod tenancy;
mod vaults;

/// The contract of every route, by families.
fn operations() -> Vec<Operation> {
    [
        login::operations(),
        tenancy::operations(),
        authorization::operations(),
        compute::operations(),
        network::operations(),
        storage::operations(),
        fabric::operations(),
        vaults::operations(),
        policies::operations(),
        items::operations(),
        points::operations(),
        jobs::operations(),
        resources::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The names in braces that paths may hold. A good value matches the pattern.
const NAMES: &[Parameter] = &[
    name(
        "tenant",
        "The tenant's id, or any of Azure's words for one.",
        "^[A-Za-z0-9-]{1,40}$",
        TENANT,
    ),
    name("subscription", "The subscription's id.", UUID, SUBSCRIPTION),
    name("group", "A resource group.", r"^[A-Za-z0-9_()-]{1,60}$", "holdfast"),
    name("location", "A region.", "^[a-z0-9]{1,30}$", "local"),
    name("host", "A host's id.", UUID, ID),
    name(
        "principal",
        "A principal: its name, client id or object id.",
        "^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$",
        "example-program",
    ),
    name("role", "A role definition's id.", UUID, READER),
    name("assignment", "A role assignment's name.", UUID, ID),
    name("vm", "A virtual machine.", "^[A-Za-z0-9._-]{1,60}$", "example-vm"),
    name("disk", "A disk of a virtual machine.", "^[A-Za-z0-9._-]{1,80}$", "example-vm-vda"),
    name("snapshot", "A snapshot: there are none.", "^[A-Za-z0-9._-]{1,80}$", "example"),
    name("network", "A virtual network.", "^[A-Za-z0-9._-]{1,60}$", "default"),
    name("subnet", "A subnet.", "^[A-Za-z0-9._-]{1,60}$", "default"),
    name("card", "A network card.", "^[A-Za-z0-9._-]{1,80}$", "example-vm-nic0"),
    name("store", "A staging store.", "^[a-z0-9]{3,24}$", "staging"),
    name("vault", "A vault.", "^[A-Za-z][A-Za-z0-9-]{1,49}$", "example-vault"),
    name("policy", "A policy of the vault.", "^[A-Za-z][A-Za-z0-9-]{2,60}$", "DefaultPolicy"),
    name(
        "container",
        "`IaasVMContainer;iaasvmcontainerv2;` with the resource group and name of the VM.",
        "^[Ii]aas[Vv][Mm][Cc]ontainer;iaasvmcontainerv2;[A-Za-z0-9_-]{1,30};[A-Za-z0-9-]{1,30}$",
        "IaasVMContainer;iaasvmcontainerv2;holdfast;example-vm",
    ),
    name(
        "item",
        "`VM;iaasvmcontainerv2;` with the resource group and name of the VM.",
        "^[Vv][Mm];iaasvmcontainerv2;[A-Za-z0-9_-]{1,30};[A-Za-z0-9-]{1,30}$",
        "VM;iaasvmcontainerv2;holdfast;example-vm",
    ),
    name("point", "A recovery point's number, below 2^63.", "^[1-9][0-9]{0,18}$", POINT),
    name("job", "A job's id.", UUID, JOB),
    name("operation", "An operation's id.", UUID, JOB),
    name("proxy", "A resource guard.", "^[A-Za-z]{1,60}$", "VaultProxy"),
    name(
        "namespace",
        "A resource provider.",
        r"^[A-Za-z]{1,40}\.[A-Za-z]{1,40}$",
        "Microsoft.RecoveryServices",
    ),
];

const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

// The names and ids of all examples: whoever tries them out puts real ones in their place.
const TENANT: &str = "00000000-0000-0000-0000-0000000000aa";
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-0000000000bb";
const ID: &str = "00000000-0000-0000-0000-0000000000cc";
const JOB: &str = "00000000-0000-0000-0000-0000000000dd";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const POINT: &str = "4611686018427387904";
const VM_ID: &str = concat!(
    "/subscriptions/00000000-0000-0000-0000-0000000000bb/resourceGroups/holdfast",
    "/providers/Microsoft.Compute/virtualMachines/example-vm"
);
const VAULT_ID: &str = concat!(
    "/subscriptions/00000000-0000-0000-0000-0000000000bb/resourceGroups/holdfast",
    "/providers/Microsoft.RecoveryServices/vaults/example-vault"
);
const GROUP_ID: &str =
    "/subscriptions/00000000-0000-0000-0000-0000000000bb/resourceGroups/holdfast";
const STORE_ID: &str = concat!(
    "/subscriptions/00000000-0000-0000-0000-0000000000bb/resourceGroups/holdfast",
    "/providers/Microsoft.Storage/storageAccounts/staging"
);
const POLICY_ID: &str = concat!(
    "/subscriptions/00000000-0000-0000-0000-0000000000bb/resourceGroups/holdfast",
    "/providers/Microsoft.RecoveryServices/vaults/example-vault/backupPolicies/DefaultPolicy"
);

const fn name(
    name: &'static str,
    meaning: &'static str,
    pattern: &'static str,
    example: &'static str,
) -> Parameter {
    Parameter { name, meaning, pattern, example }
}

fn get(id: &'static str, path: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, "GET", path, summary)
}

fn put(id: &'static str, path: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, "PUT", path, summary)
}

fn delete(id: &'static str, path: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, "DELETE", path, summary)
}

fn patch(id: &'static str, path: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, "PATCH", path, summary)
}

fn post(id: &'static str, path: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, "POST", path, summary)
}

#[test]
fn every_route_has_a_contract() {
    let operations = operations();
    let told: BTreeSet<(&str, &str)> = operations.iter().map(Operation::key).collect();
    let routed: BTreeSet<(&str, &str)> =
        all().map(|route| (route.method.as_str(), route.pattern)).collect();
    let missing: Vec<_> = routed.difference(&told).collect();
    assert!(
        missing.is_empty(),
        "these routes have no contract: {missing:#?}\nTell what each takes and answers, in one \
         line in crates/service/src/routes/contract/FAMILY.rs, such as\n    \
         get(\"Vaults_Get\", vault!(\"\"), \"A vault.\").gives::<Vault>(200),\nwith types of the \
         crate `api` that derive schemars::JsonSchema. Then write api/openapi.json anew:\n    \
         UPDATE_EXPECT=1 cargo test --release --locked -p service contract",
    );
    let gone: Vec<_> = told.difference(&routed).collect();
    assert!(gone.is_empty(), "routes/contract tells of routes that do not exist: {gone:#?}");
}

#[test]
fn a_contract_is_as_open_as_its_route() {
    let open: BTreeSet<(&str, &str)> = all()
        .filter(|route| route.access.is_open())
        .map(|route| (route.method.as_str(), route.pattern))
        .collect();
    for operation in operations() {
        assert_eq!(operation.needs_token(), !open.contains(&operation.key()), "{}", operation.id());
    }
}

#[test]
fn every_operation_has_an_id_of_its_own_and_known_names() {
    let mut ids = BTreeSet::new();
    for operation in operations() {
        let id = operation.id();
        assert!(ids.insert(id), "{id} is the id of two operations");
        for name in operation.names() {
            let known = NAMES.iter().any(|known| known.name == name);
            assert!(known, "{id}: tell what {{{name}}} is, in NAMES of routes/contract.rs");
        }
    }
}

/// A number behind a name would depend on the order of routes, and change with every new one.
#[test]
fn every_type_has_a_name_of_its_own() {
    let document = openapi::document(&operations(), NAMES);
    let types = document["components"]["schemas"].as_object().expect("the types");
    for name in types.keys() {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let two = name != stem && types.contains_key(stem);
        assert!(!two, "two types are called {stem}: give one #[schemars(rename = \"…\")]");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = openapi::document(&operations(), NAMES);
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().expect("a text ends");
        assert!(document.pointer(pointer).is_some(), "nothing is at {pointer}");
    }
}

/// If this fails, the API has changed. Where that is meant, write the text anew with
/// `UPDATE_EXPECT=1 cargo test --release --locked -p service contract`, and commit it.
#[test]
fn the_committed_contract_is_what_the_routes_and_types_say() {
    let document = openapi::document(&operations(), NAMES);
    let text = serde_json::to_string_pretty(&document).expect("a document has only text keys");
    expect_file!["../../../../api/openapi.json"].assert_eq(&(text + "\n"));
}
