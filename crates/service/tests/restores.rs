//! Restore requests and the nouns that they name: storage accounts and networks. No hypervisor is
//! at hand here, so what a restore does is tested in the engine; here it is what of a body is
//! believed.

use jiff::Timestamp;
use model::item::{DiskSelection, Item, ProtectionState};
use model::job::JobId;
use model::point::{Consistency, Point, PointDisk, PointId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

mod house;

use house::{House, answer, check_error};

const POINT: &str = "/backupFabrics/Azure/protectionContainers/\
                     IaasVMContainer;iaasvmcontainerv2;prod;web1/protectedItems/\
                     VM;iaasvmcontainerv2;prod;web1/recoveryPoints/71";
const INVALID: &str = "UserErrorRestoreTargetInvalid";

/// A house with hosts in two regions, none of which can be reached, and a vault `v1` with a point
/// of `web1` of the group `Prod`.
fn house() -> House {
    let house = House::new();
    for (socket, region, group) in [("a", "local", "holdfast"), ("b", "south", "branch")] {
        let uri = format!("qemu+unix:///system?socket={}/{socket}", house.path().display());
        house.engine.add_host(&uri, region, group).expect("registered");
    }
    house.make_vault("v1");
    let vault = house.engine.vault("holdfast", "v1").expect("just made");
    let at: Timestamp = "2026-11-02T08:00:05Z".parse().expect("a timestamp");
    let item = Item {
        id: Uuid::from_u128(1),
        vault: vault.id,
        vm: Uuid::from_u128(101),
        vm_name: "web1".to_owned(),
        vm_resource_group: "Prod".to_owned(),
        policy: Some("DefaultPolicy".to_owned()),
        state: ProtectionState::Protected,
        deletion: None,
        disks: DiskSelection::All,
        last_backup: None,
        chain: None,
        created_at: at,
    };
    house.engine.ledger().create_item(&item).expect("new");
    let point = Point {
        id: PointId::new(71).expect("63 bits"),
        vault: vault.id,
        item: item.id,
        job: JobId(Uuid::from_u128(2)),
        taken_at: at,
        consistency: Consistency::Crash,
        retain_until: None,
        logical_bytes: 4096,
        read_bytes: 4096,
        stored_bytes: 512,
        disks: vec![PointDisk { target: "vda".to_owned(), size: 4096 }],
    };
    house.engine.ledger().put_point(&point).expect("new");
    house
}

fn id(house: &House, group: &str, rest: &str) -> String {
    house.sub(&format!("/resourceGroups/{group}{rest}"))
}

fn account(house: &House, group: &str, name: &str) -> String {
    id(house, group, &format!("/providers/Microsoft.Storage/storageAccounts/{name}"))
}

/// The body that the Azure CLI sends to restore disks, with `changes` made to it.
fn body(house: &House, changes: &Value) -> Value {
    let mut properties = json!({
        "createNewCloudService": false, "recoveryPointId": "71", "recoveryType": "RestoreDisks",
        "region": "local", "storageAccountId": account(house, "HOLDFAST", "Staging"),
        "sourceResourceId":
            id(house, "prod", "/providers/Microsoft.Compute/virtualMachines/WEB1"),
        "targetResourceGroupId": id(house, "holdfast", ""),
        "originalStorageAccountOption": false, "objectType": "IaasVMRestoreRequest"});
    for (key, value) in changes.as_object().expect("changes by name") {
        properties[key] = value.clone();
    }
    json!({ "properties": properties })
}

#[track_caller]
fn check_refused(house: &House, changes: &Value, status: u16, code: &str) {
    let answer = house.post(&house.vault("v1", &format!("{POINT}/restore")), &body(house, changes));
    println!("{changes}");
    check_error(&answer, StatusCode::from_u16(status).expect("a status"), code);
}

#[test]
fn a_storage_account_is_a_regions_staging_store() {
    let house = house();
    let (status, body) = house.get(&account(&house, "holdfast", "STAGING"));
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["id"], json!(account(&house, "holdfast", "staging")));
    assert_eq!(
        (&body["type"], &body["kind"], &body["location"], &body["sku"]["name"]),
        (
            &json!("Microsoft.Storage/storageAccounts"),
            &json!("StorageV2"),
            &json!("local"),
            &json!("Standard_LRS")
        )
    );
    let url = body["properties"]["primaryEndpoints"]["blob"].as_str().expect("a URL");
    let directory = url.strip_prefix("file://").expect("a file's");
    assert!(std::path::Path::new(directory).is_dir(), "{url}");

    let names = |path: &str| -> Vec<String> {
        let (status, list) = house.get(path);
        assert_eq!(status, StatusCode::OK, "{list}");
        let entries = list["value"].as_array().expect("a list").iter();
        entries.map(|entry| entry["location"].as_str().expect("told").to_owned()).collect()
    };
    let all = "/providers/Microsoft.Storage/storageAccounts";
    assert_eq!(names(&house.sub(all)), ["south", "local"]);
    assert_eq!(names(&id(&house, "branch", all)), ["south"]);
    let classic = id(&house, "holdfast", "/providers/Microsoft.ClassicStorage/storageAccounts");
    let answer = house.get(&format!("{classic}//staging"));
    check_error(&answer, StatusCode::NOT_FOUND, "ResourceNotFound");
    let answer = house.get(&account(&house, "holdfast", "other"));
    check_error(&answer, StatusCode::NOT_FOUND, "ResourceNotFound");
}

#[test]
fn stores_are_added_and_removed() {
    let house = house();
    let directory = tempfile::tempdir().expect("a directory");
    let path = id(&house, "holdfast", "/providers/Holdfast.Fabric/stores/extra");
    let body = |directory: &std::path::Path| json!({"location": "local", "properties": {"directory": directory}});
    let (status, made) = house.put(&path, &body(directory.path()));
    assert_eq!((status, &made["id"]), (StatusCode::CREATED, &json!(path)), "{made}");
    assert_eq!(made["properties"]["builtin"], false);
    let (status, again) = house.put(&path, &body(directory.path()));
    assert_eq!((status, again), (StatusCode::OK, made));
    assert_eq!(house.get(&account(&house, "holdfast", "extra")).0, StatusCode::OK);
    let answer = house.put(&path, &body(std::path::Path::new("/tmp/elsewhere-of-it")));
    check_error(&answer, StatusCode::CONFLICT, "StorageAccountAlreadyTaken");
    let inside = path.replace("extra", "inside");
    let answer = house.put(&inside, &body(&house.path().join("keys")));
    check_error(&answer, StatusCode::BAD_REQUEST, "UserErrorStagingStoreInvalid");

    let delete = |path: &str| house::answer(house.request(Method::DELETE, path));
    assert_eq!(delete(&path).0, StatusCode::OK);
    assert_eq!(delete(&path).0, StatusCode::NO_CONTENT);
    let own = path.replace("extra", "staging");
    check_error(&delete(&own), StatusCode::CONFLICT, "UserErrorStagingStoreInUse");
}

#[test]
fn what_a_restores_body_names_must_be_there_and_fit() {
    let house = house();
    let network = |name: &str| {
        id(&house, "holdfast", &format!("/providers/Microsoft.Network/virtualNetworks/{name}"))
    };
    let vm = |group: &str| id(&house, group, "/providers/Microsoft.Compute/virtualMachines/new");
    let foreign = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/holdfast";
    for (changes, status, code) in [
        (json!({"recoveryType": "OriginalLocation"}), 400, "UserErrorRestoreTypeNotSupported"),
        (json!({"recoveryType": "Teleport"}), 400, "BadRequest"),
        (json!({"recoveryPointId": "72"}), 400, "BadRequest"),
        (json!({"region": "south"}), 400, INVALID),
        (json!({"sourceResourceId": vm("prod")}), 400, "BadRequest"),
        (json!({"storageAccountId": null}), 400, INVALID),
        (json!({"storageAccountId": account(&house, "holdfast", "no")}), 404, "ResourceNotFound"),
        (json!({"storageAccountId": account(&house, "branch", "staging")}), 400, INVALID),
        (json!({"storageAccountId": vm("holdfast")}), 400, "BadRequest"),
        (json!({"storageAccountId": "staging"}), 400, "BadRequest"),
        (
            json!({"storageAccountId":
                format!("{foreign}/providers/Microsoft.Storage/storageAccounts/staging")}),
            404,
            "SubscriptionNotFound",
        ),
        (json!({"targetResourceGroupId": foreign}), 404, "SubscriptionNotFound"),
        (json!({"targetResourceGroupId": vm("holdfast")}), 400, "BadRequest"),
        (json!({"targetResourceGroupId": id(&house, "nowhere", "")}), 404, "ResourceGroupNotFound"),
        (json!({"restoreDiskLunList": ["a"]}), 400, "BadRequest"),
        (json!({"restoreDiskLunList": [-1]}), 400, "BadRequest"),
        (json!({"restoreDiskLunList": [{}]}), 400, "BadRequest"),
        (json!({"recoveryType": "AlternateLocation"}), 400, INVALID),
        (
            json!({"recoveryType": "AlternateLocation", "targetVirtualMachineId": vm("branch")}),
            400,
            "BadRequest",
        ),
        (
            json!({"recoveryType": "AlternateLocation", "targetVirtualMachineId": vm("holdfast"),
                "virtualNetworkId": network("a"), "subnetId": format!("{}/subnets/default", network("b"))}),
            400,
            "BadRequest",
        ),
        (
            json!({"recoveryType": "AlternateLocation", "targetVirtualMachineId": vm("holdfast"),
                "virtualNetworkId": vm("holdfast")}),
            400,
            "BadRequest",
        ),
        (json!({"holdfastTarget": {"directory": "/etc/cron.d"}}), 400, INVALID),
        (json!({"holdfastTarget": {"directory": house.path().join("keys")}}), 400, INVALID),
        (json!({"holdfastTarget": {"format": "vhd"}}), 400, "BadRequest"),
    ] {
        check_refused(&house, &changes, status, code);
    }
    let unknown = house.vault("v1", &format!("{}/restore", POINT.replace("71", "99")));
    let answer = house.post(&unknown, &body(&house, &json!({"recoveryPointId": "99"})));
    check_error(&answer, StatusCode::NOT_FOUND, "ResourceNotFound");
}

#[test]
fn a_restore_is_accepted_and_its_job_says_what_it_is() {
    let house = house();
    let path = house.vault("v1", &format!("{POINT}/restore"));
    let request = house.request(Method::POST, &path).json(&body(&house, &json!({})));
    let response = request.send().expect("an answer");
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let operation = response.headers()["azure-asyncoperation"].to_str().expect("text").to_owned();
    let (_, status) = answer(house.client.get(operation).bearer_auth(house.token()));
    let job = status["properties"]["jobId"].as_str().expect("it succeeded at once");
    let (_, job) = house.get(&house.vault("v1", &format!("/backupJobs/{job}")));
    let info = &job["properties"]["extendedInfo"];
    assert_eq!(info["internalPropertyBag"]["restoreLocationType"], "RestoreDisks");
    let bag = &info["propertyBag"];
    assert_eq!(bag["Target Storage Account Name"], "staging");
    assert_eq!(bag["Recovery point time "], "11/2/2026 8:00:05 AM");
    assert_eq!(bag["Target resource group"], "holdfast");
}

#[test]
fn what_no_hypervisor_has_is_in_no_list() {
    let house = house();
    for kind in [
        "Microsoft.Network/virtualNetworks",
        "Microsoft.Network/networkInterfaces",
        "Microsoft.Network/publicIPAddresses",
        "Microsoft.Network/networkSecurityGroups",
        "Microsoft.Compute/disks",
        "Microsoft.Compute/snapshots",
    ] {
        for scope in [house.sub(""), id(&house, "holdfast", "")] {
            let (status, list) = house.get(&format!("{scope}/providers/{kind}"));
            assert_eq!((status, &list["value"]), (StatusCode::OK, &json!([])), "{kind}");
        }
        let answer = house.get(&id(&house, "nowhere", &format!("/providers/{kind}")));
        check_error(&answer, StatusCode::NOT_FOUND, "ResourceGroupNotFound");
    }
    for kind in ["disks", "snapshots"] {
        let answer =
            house.get(&id(&house, "holdfast", &format!("/providers/Microsoft.Compute/{kind}/x")));
        check_error(&answer, StatusCode::NOT_FOUND, "ResourceNotFound");
    }
}
