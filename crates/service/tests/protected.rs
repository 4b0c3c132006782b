//! Items, jobs, operations and points as the API tells them. No virtual machine is at hand here:
//! the records are put into the ledger as the engine would leave them.

use model::fault::Code;
use model::role::Scope;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

mod house;
mod records;

use house::{House, answer, check_error};
use records::{ITEM, job_id, protected};

/// The values at `pointer` of the entries of a list.
fn values(house: &House, path: &str, filter: &str, pointer: &str) -> Vec<String> {
    let request = house.request(Method::GET, &house.vault("v1", path));
    let (status, body) = answer(request.query(&[("$filter", filter)]));
    assert_eq!(status, StatusCode::OK, "{path} {filter}: {body}");
    let entries = body["value"].as_array().expect("a list").iter();
    let value = |entry: &Value| entry.pointer(pointer).expect("there").as_str().map(str::to_owned);
    entries.map(|entry| value(entry).expect("text")).collect()
}

#[test]
fn items_and_containers_are_filtered() {
    let house = protected();
    let vms = "backupManagementType eq 'AzureIaasVM'";
    let friendly = "/properties/friendlyName";
    for list in ["/backupProtectedItems", "/backupProtectionContainers"] {
        for (filter, expected) in [
            ("", &["web1", "web2"][..]),
            (vms, &["web1", "web2"]),
            ("backupManagementType eq 'AzureStorage'", &[]),
            ("friendlyName eq 'WEB2' and backupManagementType eq 'AzureIaasVM'", &["web2"]),
            ("friendlyName eq 'web3'", &[]),
        ] {
            assert_eq!(values(&house, list, filter, friendly), expected, "{list} {filter}");
        }
    }
    let of_policy = "policyName eq 'DefaultPolicy' and itemType eq 'VM'";
    assert_eq!(values(&house, "/backupProtectedItems", of_policy, friendly).len(), 2);
    let of_other = "policyName eq 'Other'";
    assert!(values(&house, "/backupProtectedItems", of_other, friendly).is_empty());
    let gone = "status eq 'NotRegistered'";
    assert!(values(&house, "/backupProtectionContainers", gone, friendly).is_empty());

    let (_, policy) = house.get(&house.vault("v1", "/backupPolicies/DefaultPolicy"));
    assert_eq!(policy["properties"]["protectedItemsCount"], 2);
    let path = house.vault("v1", "/backupPolicies/DefaultPolicy");
    let deleted = answer(house.request(Method::DELETE, &path));
    check_error(&deleted, StatusCode::BAD_REQUEST, "BMSUserErrorPolicyObjectInUse");
}

#[test]
fn an_item_is_found_by_every_spelling_of_its_name() {
    let house = protected();
    let (status, item) = house.get(&house.vault("v1", ITEM));
    assert_eq!(status, StatusCode::OK);
    assert_eq!(item["id"], json!(house.vault("v1", ITEM)));
    let properties = &item["properties"];
    assert_eq!(properties["policyType"], "V1");
    assert_eq!(properties["lastRecoveryPoint"], "2026-11-03T08:00:05.0000000Z");
    assert_eq!(properties["vaultId"], json!(house.url(&house.vault("v1", ""))));
    // No second copy, no host in its region, and the machine itself is well.
    assert_eq!(properties["healthDetails"].as_array().map(Vec::len), Some(3), "{properties}");

    let azurerm = ITEM.replace("IaasVMContainer;", "iaasvmcontainer;");
    let az = ITEM.replace("VM;", "vm;").replace(';', "%3B");
    for spelling in [azurerm, az, ITEM.to_uppercase().replace("AZURE", "azure")] {
        assert_eq!(house.get(&house.vault("v1", &spelling)).1, item, "{spelling}");
    }
}

#[test]
fn jobs_are_filtered_and_newest_first() {
    let house = protected();
    let names = |filter: &str| values(&house, "/backupJobs", filter, "/name");
    let numbers = |expected: &[u128]| -> Vec<String> {
        expected.iter().map(|number| job_id(*number).to_string()).collect()
    };
    for (filter, expected) in [
        ("", &[5, 4, 3, 2, 1][..]),
        ("status eq 'Failed'", &[3]),
        ("status eq 'failed' and operation eq 'Backup'", &[3]),
        ("operation eq 'ConfigureBackup'", &[5, 1]),
        ("operation eq 'Restore'", &[]),
        ("backupManagementType eq 'AzureWorkload'", &[]),
        ("startTime eq '2026-11-02 12:00:00 AM' and endTime eq '2026-11-03 11:59:59 PM'", &[3, 2]),
        ("startTime eq '2026-11-05 08:00:01 AM'", &[]),
    ] {
        assert_eq!(names(filter), numbers(expected), "{filter}");
    }
}

#[test]
fn a_job_tells_its_details_alone_and_not_in_a_list() {
    let house = protected();
    let (_, list) = house.get(&house.vault("v1", "/backupJobs"));
    assert!(list["value"][0]["properties"].get("extendedInfo").is_none());

    let path = house.vault("v1", &format!("/backupJobs/{}", job_id(3)));
    let (status, job) = house.get(&path);
    assert_eq!((status, &job["id"]), (StatusCode::OK, &json!(path)));
    let properties = &job["properties"];
    assert_eq!(properties["entityFriendlyName"], "web1");
    assert_eq!(properties["containerName"], "iaasvmcontainerv2;prod;web1");
    assert_eq!(properties["extendedInfo"]["tasksList"], json!([]));
    assert_eq!(properties["extendedInfo"]["propertyBag"]["VM Name"], "web1");
    let error = &properties["errorDetails"][0];
    assert_eq!(error["errorTitle"], "UserErrorFsFreezeFailed");
    assert_eq!(error["errorString"], "The guest did not freeze.");
    assert_eq!(error["recommendations"], json!([Code::FreezeFailed.action()]));
}

#[test]
fn a_job_that_has_ended_cannot_be_cancelled() {
    let house = protected();
    let path = house.vault("v1", &format!("/backupJobs/{}/cancel", job_id(2)));
    let answer = house.post(&path, &Value::Null);
    check_error(&answer, StatusCode::CONFLICT, "UserErrorJobNotCancelable");
}

#[test]
fn an_operation_is_told_under_every_url_that_clients_poll() {
    let house = protected();
    // A backup's operation ends at once; a configuration's when its job has ended.
    for (number, status) in
        [(1, "Succeeded"), (2, "Succeeded"), (3, "Succeeded"), (4, "Succeeded"), (5, "InProgress")]
    {
        let id = job_id(number).to_string();
        for family in [format!("/backupOperations/{id}"), format!("{ITEM}/operationsStatus/{id}")] {
            let request = house.request(Method::GET, &house.vault("v1", &family));
            let response = request.send().expect("an answer");
            assert_eq!(response.status(), StatusCode::OK);
            let pending = response.headers().contains_key("retry-after");
            assert_eq!(pending, status == "InProgress", "job {number}");
            let body = house::json_of(response);
            assert_eq!((&body["name"], &body["status"]), (&json!(id), &json!(status)));
            let job = (!pending).then_some(id.as_str());
            assert_eq!(body["properties"]["jobId"].as_str(), job, "job {number}");
        }
        let result = if status == "InProgress" { 202 } else { 204 };
        let (got, _) = house.get(&house.vault("v1", &format!("/backupOperationResults/{id}")));
        assert_eq!(got.as_u16(), result, "job {number}");
    }
    let result = |number| {
        let id = job_id(number);
        house.get(&house.vault("v1", &format!("{ITEM}/operationResults/{id}")))
    };
    let (status, item) = result(1);
    assert_eq!((status, &item["name"]), (StatusCode::OK, &json!("VM;iaasvmcontainerv2;prod;web1")));
    assert_eq!(result(2), (StatusCode::NO_CONTENT, Value::Null));
    assert_eq!(result(5), (StatusCode::ACCEPTED, Value::Null));
}

#[test]
fn an_operation_of_another_item_or_vault_is_not_there() {
    let house = protected();
    house.make_vault("v2");
    let (id, other) = (job_id(1), ITEM.replace("web1", "web2"));
    for path in [
        house.vault("v1", &format!("{other}/operationsStatus/{id}")),
        house.vault("v1", &format!("{other}/operationResults/{id}")),
        house.vault("v1", &format!("/backupOperations/{}", job_id(9))),
        house.vault("v1", "/backupOperations/1"),
        house.vault("v2", &format!("/backupOperations/{id}")),
        house.vault("v2", &format!("/backupJobs/{id}")),
    ] {
        check_error(&house.get(&path), StatusCode::NOT_FOUND, "ResourceNotFound");
    }
}

#[test]
fn points_are_told_newest_first_and_by_date() {
    let house = protected();
    let points = format!("{ITEM}/recoveryPoints");
    for (filter, expected) in [
        ("", &["72", "71"][..]),
        ("startDate eq '2026-11-03 12:00:00 AM' and endDate eq '2026-11-04 12:00:00 AM'", &["72"]),
        ("endDate eq '2026-11-02 08:00:05 AM'", &["71"]),
    ] {
        assert_eq!(values(&house, &points, filter, "/name"), expected, "{filter}");
    }
    let (status, point) = house.get(&house.vault("v1", &format!("{points}/71")));
    assert_eq!(status, StatusCode::OK);
    assert_eq!(point["properties"]["recoveryPointType"], "FileSystemConsistent");
    let facts = json!({
        "disks": [{"target": "vda", "size": 4096}], "logicalBytes": 4096, "readBytes": 4096,
        "storedBytes": 512, "retainUntil": null, "jobId": job_id(2).to_string()});
    assert_eq!(point["properties"]["holdfast"], facts);
    // By the policy, which keeps daily points for 30 days; each point of a list tells its own.
    let expiry = "/properties/recoveryPointProperties/expiryTime";
    assert_eq!(point.pointer(expiry), Some(&json!("2026-12-03T00:00:00.0000000Z")));
    let (_, listed) = house.get(&house.vault("v1", &points));
    assert_eq!(listed["value"][1].pointer(expiry), point.pointer(expiry));

    let elsewhere = points.replace("web1", "web2");
    for path in [format!("{points}/73"), format!("{points}/x"), format!("{elsewhere}/71")] {
        let answer = house.get(&house.vault("v1", &path));
        check_error(&answer, StatusCode::NOT_FOUND, "ResourceNotFound");
    }
}

#[test]
fn a_backups_expiry_must_be_a_time() {
    let house = protected();
    let path = house.vault("v1", &format!("{ITEM}/backup"));
    for bad in [json!("soon"), json!(7), json!("2026-13-01T00:00:00Z")] {
        let body = json!({"properties": {
            "recoveryPointExpiryTimeInUTC": bad, "objectType": "IaasVMBackupRequest"}});
        check_error(&house.post(&path, &body), StatusCode::BAD_REQUEST, "BadRequest");
    }
}

#[test]
fn an_operation_is_told_only_to_who_may_read_its_vault() {
    let house = protected();
    house.make_vault("v2");
    let own = Scope::Vault { group: "holdfast".to_owned(), vault: "v2".to_owned() };
    let stranger = house.principal("stranger", &[("Owner", own)]);
    let id = job_id(5);
    for rest in [
        format!("/backupOperations/{id}"),
        format!("/backupOperationResults/{id}"),
        format!("{ITEM}/operationsStatus/{id}"),
        format!("{ITEM}/operationResults/{id}"),
        format!("/backupJobs/{id}"),
        format!("/backupJobs/{id}/operationResults/{id}"),
    ] {
        assert!(house.get(&house.vault("v1", &rest)).0.is_success(), "{rest}");
        let answer = stranger.get(&house.vault("v1", &rest));
        check_error(&answer, StatusCode::FORBIDDEN, "AuthorizationFailed");
        assert_eq!(stranger.get(&house.vault("v2", &rest)).0, StatusCode::NOT_FOUND, "{rest}");
    }
}
