//! Lists by the page, exports, and what is asked of a region before anything is protected.

use model::job::{Operation, Status};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

mod house;
mod records;

use house::{House, answer, check_error};
use records::{ITEM, job_id, protected};

/// The names on each page of a list, by following its links.
fn pages(house: &House, path: &str, top: usize) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = house.url(&house.vault("v1", &format!("{path}?$top={top}")));
    next += "&api-version=2026-08-01";
    loop {
        let (status, body) = answer(house.client.get(&next).bearer_auth(house.token()));
        assert_eq!(status, StatusCode::OK, "{body}");
        let entries = body["value"].as_array().expect("a list").iter();
        let name = |entry: &Value| entry["name"].as_str().expect("a name").to_owned();
        pages.push(entries.map(name).collect());
        match body["nextLink"].as_str() {
            Some(link) => next = link.to_owned(),
            None => return pages,
        }
    }
}

#[test]
fn long_lists_come_in_pages_that_fit_together() {
    let house = protected();
    let points = format!("{ITEM}/recoveryPoints");
    for (path, length) in [
        ("/backupJobs", 5),
        ("/backupProtectedItems", 2),
        ("/backupProtectionContainers", 2),
        (points.as_str(), 2),
    ] {
        let whole = pages(&house, path, 200);
        assert_eq!((whole.len(), whole[0].len()), (1, length), "{path}");
        for top in [1, 2, 3] {
            let pages = pages(&house, path, top);
            assert_eq!(pages.len(), length.div_ceil(top), "{path} by {top}");
            assert!(pages.iter().all(|page| page.len() <= top && !page.is_empty()), "{pages:?}");
            assert_eq!(pages.concat(), whole[0], "{path} by {top}");
        }
    }
}

#[test]
fn a_place_that_no_list_gave_out_is_refused() {
    let house = protected();
    let points = format!("{ITEM}/recoveryPoints");
    let (_, page) = house.get(&house.vault("v1", "/backupJobs?$top=1"));
    let link = page["nextLink"].as_str().expect("there are more");
    let token = link.split("skipToken=").nth(1).expect("a token").to_owned();
    for (path, token) in [
        ("/backupJobs", "200"),
        ("/backupJobs", "x"),
        ("/backupProtectedItems", token.as_str()),
        (points.as_str(), token.as_str()),
    ] {
        let path = house.vault("v1", &format!("{path}?$skipToken={token}"));
        check_error(&house.get(&path), StatusCode::BAD_REQUEST, "BadRequest");
    }
    let top = house.vault("v1", "/backupJobs?$top=many");
    check_error(&house.get(&top), StatusCode::BAD_REQUEST, "BadRequest");
}

#[test]
fn every_operation_and_status_filters_and_unknown_ones_match_nothing() {
    let house = protected();
    let count = |filter: &str| {
        let request = house.request(Method::GET, &house.vault("v1", "/backupJobs"));
        let (status, body) = answer(request.query(&[("$filter", filter)]));
        assert_eq!(status, StatusCode::OK, "{filter}: {body}");
        body["value"].as_array().map(Vec::len).expect("a list")
    };
    for (status, expected) in [
        (Status::Completed, 2),
        (Status::Failed, 1),
        (Status::InProgress, 2),
        (Status::Cancelling, 0),
    ] {
        assert_eq!(count(&format!("status eq '{}'", status.azure_name())), expected, "{status:?}");
    }
    for operation in Operation::ALL {
        let expected = match operation {
            Operation::Backup => 3,
            Operation::ConfigureBackup => 2,
            _ => 0,
        };
        let filter = format!("operation eq '{}'", operation.azure_name());
        assert_eq!(count(&filter), expected, "{operation:?}");
    }
    for nothing in ["status eq 'Sleeping'", "operation eq 'Dance'", "jobId eq 'x'"] {
        assert_eq!(count(nothing), 0, "{nothing}");
    }
    assert_eq!(count(&format!("jobId eq '{}'", job_id(3))), 1);
}

#[test]
fn exported_jobs_are_in_a_private_file() {
    use std::os::unix::fs::PermissionsExt;
    let house = protected();
    let filter = "status eq 'Failed'";
    let request = house.request(Method::POST, &house.vault("v1", "/backupJobsExport"));
    let response = request.query(&[("$filter", filter)]).send().expect("an answer");
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let location = response.headers()["location"].to_str().expect("text").to_owned();
    let (status, result) = answer(house.client.get(&location).bearer_auth(house.token()));
    assert_eq!(status, StatusCode::OK, "{result}");
    let operation = &result["operation"];
    assert_eq!(operation["objectType"], "ExportJobsOperationResultInfo");
    let url = operation["blobUrl"].as_str().expect("a URL");
    let path = url.strip_prefix("file://").expect("a file");
    let text = std::fs::read_to_string(path).expect("there");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("JobId,VirtualMachine,"), "{text}");
    assert!(lines[1].starts_with(&format!("{},web1,Backup,Failed,", job_id(3))), "{text}");
    let mode = std::fs::metadata(path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    house.make_vault("v2");
    let elsewhere = location.replace("/v1/", "/v2/");
    let answer = answer(house.client.get(elsewhere).bearer_auth(house.token()));
    check_error(&answer, StatusCode::NOT_FOUND, "ResourceNotFound");
}

#[test]
fn a_container_is_found_by_its_name() {
    let house = protected();
    let path =
        "/backupFabrics/Azure/protectionContainers/iaasvmcontainer;IaasVMContainerV2;PROD;web1";
    let (status, container) = house.get(&house.vault("v1", path));
    assert_eq!(status, StatusCode::OK);
    assert_eq!(container["name"], "IaasVMContainer;iaasvmcontainerv2;prod;web1");
    assert_eq!(container["properties"]["registrationStatus"], "Registered");
    for unknown in [path.replace("web1", "web9"), path.replace("V2", "V9")] {
        let answer = house.get(&house.vault("v1", &unknown));
        check_error(&answer, StatusCode::NOT_FOUND, "BMSUserErrorContainerObjectNotFound");
    }
}

#[test]
fn a_refresh_is_over_once_every_host_was_looked_at() {
    let house = protected();
    let path = house.vault("v1", "/backupFabrics/Azure/refreshContainers");
    let response = house.request(Method::POST, &path).send().expect("an answer");
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let location = response.headers()["location"].to_str().expect("text").to_owned();
    for _ in 0..200 {
        let (status, _) = answer(house.client.get(&location).bearer_auth(house.token()));
        if status == StatusCode::NO_CONTENT {
            let unknown = location.replace("operationResults/", "operationResults/0");
            let (status, _) = answer(house.client.get(unknown).bearer_auth(house.token()));
            assert_eq!(status, StatusCode::NOT_FOUND);
            return;
        }
        assert_eq!(status, StatusCode::ACCEPTED);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the refresh does not end");
}

#[test]
fn a_validation_says_why_not() {
    let house = protected();
    let locations = "/providers/Microsoft.RecoveryServices/locations/local";
    let path = house.sub(&format!("{locations}/backupPreValidateProtection"));
    let vm = house.sub("/resourceGroups/Prod/providers/Microsoft.Compute/virtualMachines/nobody");
    let body = json!({"resourceType": "VM", "resourceId": vm, "vaultId": house.vault("v1", ""),
        "properties": "{\"policyName\":\"DefaultPolicy\"}"});
    let (status, told) = house.post(&path, &body);
    assert_eq!((status, &told["status"]), (StatusCode::OK, &json!("Failed")), "{told}");
    assert_eq!(told["errorCode"], "ResourceNotFound");
    assert!(told["recommendation"].as_str().is_some_and(|text| !text.is_empty()));
    let mut unknown = body.clone();
    unknown["properties"] = json!("{\"policyName\":\"Nobody\"}");
    let (_, told) = house.post(&path, &unknown);
    assert!(told["errorMessage"].as_str().is_some_and(|text| text.contains("'Nobody'")), "{told}");
    for (name, value) in [("vaultId", json!("v1")), ("resourceType", json!("SQLDataBase"))] {
        let mut bad = body.clone();
        bad[name] = value;
        check_error(&house.post(&path, &bad), StatusCode::BAD_REQUEST, "BadRequest");
    }

    let path = house.sub(&format!("{locations}/backupValidateFeatures"));
    for (feature, support) in
        [("AzureVMResourceBackup", "NotSupported"), ("AzureBackupGoals", "NotSupported")]
    {
        let (status, told) = house.post(&path, &json!({"featureType": feature}));
        // No host is registered here, so there is nothing that could be backed up.
        assert_eq!((status, &told["supportStatus"]), (StatusCode::OK, &json!(support)));
    }
}
