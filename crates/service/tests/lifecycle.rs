//! What clients ask of an item's protection, in the bodies that they really send, and what they
//! read back: the item, its operation, its job.

use engine::Engine;
use model::item::{DiskSelection, Item, ProtectionState};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

mod house;
mod records;

use house::{House, answer, check_error, json_of};
use records::{ITEM, job_id, protected};

/// A house whose `web1` has no running job.
fn idle() -> House {
    let house = protected();
    let ledger = house.engine.ledger();
    for number in [4, 5] {
        let job = ledger.job(job_id(number)).expect("readable").expect("there");
        let status = model::job::Status::Completed;
        let ended_at = Some(job.started_at);
        ledger.update_job(&model::job::Job { status, ended_at, ..job }).expect("updates");
    }
    house
}

fn web1(engine: &Engine) -> Item {
    let vault = engine.vault("holdfast", "v1").expect("there");
    engine.item(&vault, "prod", "web1").expect("there")
}

/// The properties that `az` sends to stop an item.
fn stop(house: &House) -> Value {
    let vm = house.sub("/resourceGroups/Prod/providers/Microsoft.Compute/virtualMachines/web1");
    json!({"protectedItemType": "Microsoft.Compute/virtualMachines", "policyId": "",
        "protectionState": "ProtectionStopped", "sourceResourceId": vm})
}

fn protect(house: &House) -> Value {
    let vm = house.sub("/resourceGroups/Prod/providers/Microsoft.Compute/virtualMachines/web1");
    json!({"protectedItemType": "Microsoft.Compute/virtualMachines",
        "policyId": house.vault("v1", "/backupPolicies/DefaultPolicy"), "sourceResourceId": vm})
}

/// Sends a change; follows its operation as `az` does; returns its job and the item.
#[track_caller]
fn change(house: &House, method: Method, properties: Option<Value>) -> (Value, Value) {
    let path = house.vault("v1", ITEM);
    let mut request = house.request(method.clone(), &path);
    if let Some(properties) = properties {
        request = request.json(&json!({"properties": properties}));
    }
    let response = request.send().expect("an answer");
    let headers = response.headers().clone();
    assert_eq!(response.status(), StatusCode::ACCEPTED, "{}", json_of(response));
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    let (status, result) = (header("azure-asyncoperation"), header("location"));
    let families = match method {
        Method::DELETE => ("/backupOperations/", "/backupOperationResults/"),
        _ => ("/operationsStatus/", "/operationResults/"),
    };
    assert!(status.contains(families.0) && result.contains(families.1), "{status} {result}");
    let (_, operation) = answer(house.client.get(status).bearer_auth(house.token()));
    assert_eq!(operation["status"], "Succeeded", "{operation}");
    let job = operation["properties"]["jobId"].as_str().expect("a job");
    let (_, job) = house.get(&house.vault("v1", &format!("/backupJobs/{job}")));
    let (code, item) = house.get(&path);
    assert_eq!(code, StatusCode::OK);
    let (code, left) = answer(house.client.get(result).bearer_auth(house.token()));
    match method {
        Method::DELETE => assert_eq!(code, StatusCode::NO_CONTENT),
        _ => assert_eq!((code, &left["id"]), (StatusCode::OK, &item["id"])),
    }
    (job["properties"].clone(), item["properties"].clone())
}

#[track_caller]
fn check_job(job: &Value, operation: &str) {
    assert_eq!((&job["operation"], &job["status"]), (&json!(operation), &json!("Completed")));
    assert_eq!(job["entityFriendlyName"], "web1");
    assert_eq!(job["extendedInfo"]["tasksList"], json!([]));
    assert_eq!(job["extendedInfo"]["propertyBag"]["VM Name"], "web1");
    assert!(job["endTime"].is_string() && job.get("actionsInfo").is_none(), "{job}");
}

#[test]
fn an_item_is_stopped_and_resumed_by_the_bodies_that_clients_send() {
    let house = idle();
    for body in [
        stop(&house),
        json!({"protectedItemType": "Microsoft.Compute/virtualMachines",
            "protectionState": "ProtectionStopped"}),
        json!({"policyId": ""}),
    ] {
        let (job, item) = change(&house, Method::PUT, Some(body));
        check_job(&job, "DisableBackup");
        assert_eq!(item["protectionState"], "ProtectionStopped");
        assert_eq!((&item["policyId"], &item["policyName"]), (&json!(""), &json!("")));
        assert!(item.get("isScheduledForDeferredDelete").is_none());
        let backup = house.vault("v1", &format!("{ITEM}/backup"));
        let refused = house.post(&backup, &json!({"properties": {}}));
        check_error(&refused, StatusCode::CONFLICT, "UserErrorProtectionStateNotAllowed");

        let (job, item) = change(&house, Method::PUT, Some(protect(&house)));
        check_job(&job, "ConfigureBackup");
        assert_eq!(job["extendedInfo"]["propertyBag"]["Policy Name"], "DefaultPolicy");
        assert_eq!(
            (&item["protectionState"], &item["policyName"]),
            (&json!("Protected"), &json!("DefaultPolicy"))
        );
    }
}

#[test]
fn an_item_is_deleted_softly_and_undeleted_by_both_bodies() {
    let house = idle();
    for undelete in
        [json!({"protectedItemType": "Microsoft.Compute/virtualMachines", "isRehydrate": true}), {
            let mut body = stop(&house);
            body["isRehydrate"] = json!(true);
            body
        }]
    {
        let (job, item) = change(&house, Method::DELETE, None);
        check_job(&job, "DeleteBackupData");
        assert_eq!(job["extendedInfo"]["propertyBag"]["Number of Recovery Points"], "2");
        assert_eq!(item["protectionState"], "ProtectionStopped");
        assert_eq!(item["isScheduledForDeferredDelete"], true);
        let remaining = item["deferredDeleteTimeRemaining"].as_str().expect("a time span");
        assert!(remaining.starts_with("13.23:59:5"), "{remaining}");
        assert!(item["deferredDeleteTimeInUTC"].is_string());
        let (_, list) = house.get(&house.vault("v1", "/backupProtectedItems"));
        assert_eq!(list["value"].as_array().map(Vec::len), Some(2), "it stays in lists");
        let points = || house.get(&house.vault("v1", &format!("{ITEM}/recoveryPoints"))).1;
        let fate =
            |at: usize| points()["value"][at]["properties"]["recoveryPointProperties"].clone();
        assert_eq!(fate(1), json!({"isSoftDeleted": true}), "no date lets go of it");

        let deleted = "UserErrorItemInSoftDeletedState";
        let target = json!({"directory": "/srv/restored"});
        let restore = json!({"recoveryType": "RestoreDisks", "holdfastTarget": target});
        for (path, properties) in [
            (format!("{ITEM}/backup"), json!({})),
            (format!("{ITEM}/recoveryPoints/71/restore"), restore),
        ] {
            let body = json!({"properties": properties});
            check_error(
                &house.post(&house.vault("v1", &path), &body),
                StatusCode::CONFLICT,
                deleted,
            );
        }
        let path = house.vault("v1", ITEM);
        for properties in [stop(&house), protect(&house)] {
            let refused = house.put(&path, &json!({"properties": properties}));
            check_error(&refused, StatusCode::CONFLICT, deleted);
        }
        let again = answer(house.request(Method::DELETE, &path));
        check_error(&again, StatusCode::CONFLICT, deleted);

        let (job, item) = change(&house, Method::PUT, Some(undelete));
        check_job(&job, "Undelete");
        assert_eq!(item["protectionState"], "ProtectionStopped");
        assert!(item.get("isScheduledForDeferredDelete").is_none(), "{item}");
        change(&house, Method::PUT, Some(protect(&house)));
    }
}

#[test]
fn deleting_what_is_not_there_is_done_already() {
    let house = idle();
    let path = house.vault("v1", &ITEM.replace("web1", "web9"));
    assert_eq!(answer(house.request(Method::DELETE, &path)).0, StatusCode::NO_CONTENT);
    let nowhere = house.vault("v9", ITEM);
    let answer = answer(house.request(Method::DELETE, &nowhere));
    check_error(&answer, StatusCode::NOT_FOUND, "ResourceNotFound");
}

#[test]
fn what_an_item_cannot_become_is_refused_and_changes_nothing() {
    let house = idle();
    let before = web1(&house.engine);
    let invalid = "BMSUserErrorInvalidConfigureProtectionRequest";
    let (bad, conflict) = (StatusCode::BAD_REQUEST, StatusCode::CONFLICT);
    let with = |name: &str, value: Value| {
        let mut body = protect(&house);
        body[name] = value;
        body
    };
    let luns = |list: Value| {
        with(
            "extendedProperties",
            json!({"diskExclusionProperties": {"diskLunList": list, "isInclusionList": true}}),
        )
    };
    for (body, status, code) in [
        (with("protectionState", json!("ProtectionPaused")), bad, invalid),
        (with("protectionState", json!("Nonsense")), bad, invalid),
        (
            with("protectionState", json!("BackupsSuspended")),
            conflict,
            "UserErrorOperationDeniedOnImmutableItem",
        ),
        (with("isRehydrate", json!(true)), bad, invalid),
        (with("protectedItemType", json!("AzureFileShareProtectedItem")), bad, invalid),
        (with("policyId", json!("/elsewhere/backupPolicies/DefaultPolicy")), bad, invalid),
        (
            with("policyId", json!(house.vault("v1", "/backupPolicies/Nobody"))),
            StatusCode::NOT_FOUND,
            "ResourceNotFound",
        ),
        (json!({"protectedItemType": "Microsoft.Compute/virtualMachines"}), bad, invalid),
        (luns(json!(["x"])), bad, invalid),
        (luns(json!([-1])), bad, "BadRequest"),
    ] {
        let answer = house.put(&house.vault("v1", ITEM), &json!({"properties": body}));
        check_error(&answer, status, code);
    }
    assert_eq!(web1(&house.engine), before);
}

#[test]
fn a_stop_while_a_backup_runs_is_refused() {
    let house = protected();
    let path = house.vault("v1", ITEM);
    let code = "UserErrorBackupOperationInProgress";
    let put = house.put(&path, &json!({"properties": stop(&house)}));
    check_error(&put, StatusCode::CONFLICT, code);
    let delete = answer(house.request(Method::DELETE, &path));
    check_error(&delete, StatusCode::CONFLICT, code);
}

#[test]
fn a_disk_selection_is_told_back_and_reset_by_an_empty_object() {
    let house = idle();
    let item = web1(&house.engine);
    for (disks, luns, inclusion) in [
        (DiskSelection::Only(vec![0, 2]), json!([0, 2]), true),
        (DiskSelection::Except(vec![1]), json!([1]), false),
        (DiskSelection::Only(vec![]), json!([]), true),
    ] {
        house.engine.ledger().update_item(&Item { disks, ..item.clone() }).expect("updates");
        let (_, told) = house.get(&house.vault("v1", ITEM));
        let told = &told["properties"]["extendedProperties"]["diskExclusionProperties"];
        assert_eq!(told, &json!({"diskLunList": luns, "isInclusionList": inclusion}));
    }
    change(&house, Method::PUT, Some(protect(&house)));
    assert_eq!(web1(&house.engine).disks, DiskSelection::Only(vec![]), "not named, not changed");
    let mut reset = protect(&house);
    reset["extendedProperties"] = json!({});
    let (_, item) = change(&house, Method::PUT, Some(reset));
    assert_eq!(item["extendedProperties"], json!({}));
    assert_eq!(web1(&house.engine).state, ProtectionState::Protected);
}
