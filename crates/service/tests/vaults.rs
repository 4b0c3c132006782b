//! Vaults: their settings, what hangs on them, their versions, their end.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

mod house;

use house::{House, answer, check_error, json_of};

/// Changes a vault; returns the answer.
fn patch(house: &House, path: &str, properties: Value) -> (StatusCode, Value) {
    answer(house.request(Method::PATCH, path).json(&json!({"properties": properties})))
}

#[test]
fn a_new_vault_has_azures_defaults() {
    let house = House::new();
    let made = house.make_vault("v1");
    let properties = &made["properties"];
    let expected = json!({
        "softDeleteSettings": {
            "softDeleteState": "AlwaysON", "enhancedSecurityState": "AlwaysON",
            "softDeleteRetentionPeriodInDays": 14},
        "immutabilitySettings": {"state": "Disabled"},
        "multiUserAuthorization": "Invalid",
        "sourceScanConfiguration": {"state": "Disabled"}});
    assert_eq!(properties["securitySettings"], expected);
    let alerts = &properties["monitoringSettings"];
    assert_eq!(alerts["azureMonitorAlertSettings"]["alertsForAllJobFailures"], "Enabled");
    assert_eq!(alerts["classicAlertSettings"]["alertsForCriticalOperations"], "Enabled");
    assert_eq!(properties["costManagementSettings"]["granularityLevel"], "VaultLevel");
    let restore = &properties["restoreSettings"]["crossSubscriptionRestoreSettings"];
    assert_eq!(restore["crossSubscriptionRestoreState"], "Enabled");
    assert_eq!(properties["publicNetworkAccess"], "Enabled");
    assert_eq!((&made["tags"], made.get("identity")), (&json!({}), None));
}

#[test]
fn settings_are_stored_told_everywhere_and_survive_a_restart() {
    let house = House::new();
    let path = house.vault("v1", "");
    let sent = json!({
        "location": "local", "sku": {"name": "Standard"}, "tags": {"env": "prod", "none": null},
        "identity": {"type": "None", "userAssignedIdentities": null}, "unknown": {"deep": [1]},
        "properties": {
            "securitySettings": {
                "softDeleteSettings": {
                    "softDeleteState": "Enabled", "enhancedSecurityState": "alwaysOn",
                    "softDeleteRetentionPeriodInDays": 30},
                "immutabilitySettings": {
                    "state": "Unlocked", "configuration": {"type": "AsPerPolicy"}}},
            "monitoringSettings": {
                "azureMonitorAlertSettings": {"alertsForAllJobFailures": "Disabled"},
                "classicAlertSettings": {"alertsForCriticalOperations": "Disabled"}},
            "costManagementSettings": {"granularityLevel": "ProtectedItemLevel"},
            "publicNetworkAccess": "Disabled",
            "restoreSettings": {"crossSubscriptionRestoreSettings":
                {"crossSubscriptionRestoreState": "Disabled"}},
            "redundancySettings": {"standardTierStorageRedundancy": "LocallyRedundant",
                "crossRegionRestore": "Disabled"}}});
    let (status, made) = house.put(&path, &sent);
    assert_eq!(status, StatusCode::CREATED, "{made:#}");
    assert_eq!(made["tags"], json!({"env": "prod", "none": ""}));
    let properties = &made["properties"];
    for part in ["costManagementSettings", "publicNetworkAccess", "restoreSettings"] {
        assert_eq!(properties[part], sent["properties"][part], "{part}");
    }
    let security = &properties["securitySettings"];
    assert_eq!(security["softDeleteSettings"]["softDeleteState"], "Enabled");
    assert_eq!(security["softDeleteSettings"]["enhancedSecurityState"], "AlwaysON");
    assert_eq!(security["softDeleteSettings"]["softDeleteRetentionPeriodInDays"], 30);
    let sent_immutability = &sent["properties"]["securitySettings"]["immutabilitySettings"];
    assert_eq!(&security["immutabilitySettings"], sent_immutability);
    let alerts = &properties["monitoringSettings"]["azureMonitorAlertSettings"];
    assert_eq!(alerts["alertsForAllJobFailures"], "Disabled");
    assert_eq!(alerts["alertsForAllFailoverIssues"], "Enabled");
    let warnings = properties["holdfast"]["warnings"].as_array().expect("a list");
    let about =
        |words: &str| warnings.iter().any(|it| it.as_str().is_some_and(|it| it.contains(words)));
    assert!(warnings.len() == 2 && about("Public network") && about("No host"), "{warnings:?}");

    let (_, config) = house.get(&house.vault("v1", "/backupconfig/vaultconfig"));
    assert_eq!(config["properties"]["softDeleteFeatureState"], "Enabled");
    assert_eq!(config["properties"]["softDeleteRetentionPeriodInDays"], 30);
    assert_eq!(config["properties"]["isSoftDeleteFeatureStateEditable"], true);
    let (_, config) = house.get(&house.vault("v1", "/backupstorageconfig/vaultstorageconfig"));
    assert_eq!(config["properties"]["storageModelType"], "LocallyRedundant");
    assert_eq!(config["properties"]["storageTypeState"], "Unlocked");

    let house = house.restarted(|_| ());
    assert_eq!(house.get(&path), (StatusCode::OK, made));
}

#[test]
fn what_a_client_read_it_can_send_back() {
    let house = House::new();
    let path = house.vault("v1", "");
    let made = house.make_vault("v1");
    // Terraform sends the whole object, az a block of it. Nothing changes, the version neither.
    assert_eq!(house.put(&path, &made), (StatusCode::OK, made.clone()));
    for part in ["securitySettings", "redundancySettings", "monitoringSettings"] {
        let block = made["properties"][part].clone();
        assert_eq!(patch(&house, &path, json!({part: block})), (StatusCode::OK, made.clone()));
    }
}

#[test]
fn what_goes_one_way_or_has_nothing_behind_it_is_refused() {
    let house = House::new();
    let made = house.make_vault("v1");
    let path = house.vault("v1", "");
    let fixed = "UserErrorVaultPropertyCannotChange";
    let unsupported = "UserErrorVaultSettingNotSupported";
    let soft_delete =
        |settings: Value| json!({"securitySettings": {"softDeleteSettings": settings}});
    let immutable =
        |settings: Value| json!({"securitySettings": {"immutabilitySettings": settings}});
    for (properties, code) in [
        (
            soft_delete(json!({"softDeleteState": "Disabled"})),
            "BMSUserErrorDisablingSoftDeleteStateNotAllowed",
        ),
        (soft_delete(json!({"softDeleteRetentionPeriodInDays": 13})), "BadRequest"),
        (soft_delete(json!({"softDeleteRetentionPeriodInDays": 181})), "BadRequest"),
        (soft_delete(json!({"softDeleteState": "Sometimes"})), "BadRequest"),
        (immutable(json!({"state": "Locked"})), fixed),
        (
            immutable(json!({"state": "Unlocked",
                "configuration": {"type": "TimeBased", "durationInDays": 7}})),
            unsupported,
        ),
        (json!({"redundancySettings": {"crossRegionRestore": "Enabled"}}), unsupported),
        (
            json!({"securitySettings": {"sourceScanConfiguration": {"state": "Enabled"}}}),
            unsupported,
        ),
        (json!({"encryption": {"keyVaultProperties": {"keyUri": "https://k"}}}), unsupported),
        (json!({"publicNetworkAccess": "Perhaps"}), "BadRequest"),
        (json!({"costManagementSettings": {"granularityLevel": "Free"}}), "BadRequest"),
    ] {
        check_error(&patch(&house, &path, properties), StatusCode::BAD_REQUEST, code);
    }
    for kind in ["systemassigned", "SystemAssigned, UserAssigned", "userassigned"] {
        let body = json!({"identity": {"type": kind}});
        let refused = answer(house.request(Method::PATCH, &path).json(&body));
        check_error(&refused, StatusCode::BAD_REQUEST, unsupported);
    }
    let tags = json!({"tags": {"a/b": "x"}});
    let refused = answer(house.request(Method::PATCH, &path).json(&tags));
    check_error(&refused, StatusCode::BAD_REQUEST, "InvalidTags");
    assert_eq!(house.get(&path), (StatusCode::OK, made), "nothing of it happened");

    let once = json!({"restoreSettings": {"crossSubscriptionRestoreSettings":
        {"crossSubscriptionRestoreState": "PermanentlyDisabled"}}});
    assert_eq!(patch(&house, &path, once).0, StatusCode::OK);
    let back = json!({"restoreSettings": {"crossSubscriptionRestoreSettings":
        {"crossSubscriptionRestoreState": "Enabled"}}});
    check_error(&patch(&house, &path, back), StatusCode::BAD_REQUEST, fixed);
    for (state, status) in [("Unlocked", 200), ("Locked", 200), ("Unlocked", 400)] {
        let (got, _) = patch(&house, &path, immutable(json!({"state": state})));
        assert_eq!(got.as_u16(), status, "{state}");
    }
}

#[test]
fn the_older_apis_of_a_vault_change_the_same_settings() {
    let house = House::new();
    house.make_vault("v1");
    let config = house.vault("v1", "/backupconfig/vaultconfig");
    let store = house.vault("v1", "/backupstorageconfig/vaultstorageconfig");
    let days = json!({"softDeleteFeatureState": "AlwaysON", "enhancedSecurityState": "Enabled",
        "softDeleteRetentionPeriodInDays": 60});
    let (status, told) = patch(&house, &config, days);
    assert_eq!(
        (status, &told["properties"]["softDeleteRetentionPeriodInDays"]),
        (StatusCode::OK, &json!(60))
    );
    assert_eq!(told["properties"]["enhancedSecurityState"], "Enabled");
    let off = json!({"softDeleteFeatureState": "Disabled"});
    let refused = patch(&house, &config, off);
    let code = "BMSUserErrorDisablingSoftDeleteStateNotAllowed";
    check_error(&refused, StatusCode::BAD_REQUEST, code);

    let zone = json!({"storageModelType": "ZoneRedundant", "storageTypeState": "Locked"});
    assert_eq!(patch(&house, &store, zone), (StatusCode::NO_CONTENT, Value::Null));
    let local = json!({"properties": {"storageType": "LocallyRedundant"}});
    let (status, told) = house.put(&store, &local);
    let expected = (StatusCode::OK, &json!("LocallyRedundant"));
    assert_eq!((status, &told["properties"]["storageModelType"]), expected);
    let cross = patch(&house, &store, json!({"crossRegionRestoreFlag": true}));
    check_error(&cross, StatusCode::BAD_REQUEST, "UserErrorVaultSettingNotSupported");

    let (_, vault) = house.get(&house.vault("v1", ""));
    let redundancy = &vault["properties"]["redundancySettings"];
    assert_eq!(redundancy["standardTierStorageRedundancy"], "LocallyRedundant");
    let soft_delete = &vault["properties"]["securitySettings"]["softDeleteSettings"];
    assert_eq!(soft_delete["softDeleteRetentionPeriodInDays"], 60);
    assert_eq!(soft_delete["enhancedSecurityState"], "AlwaysON");
}

#[test]
fn what_hangs_on_a_vault_is_told() {
    let house = House::new();
    house.make_vault("v1");
    let region = "/providers/Microsoft.RecoveryServices/locations/local";
    for list in [
        house.vault("v1", "/backupResourceGuardProxies"),
        house.vault("v1", "/replicationUsages"),
        house.vault("v1", "/backupDeletedProtectionContainers?$filter=backupManagementType%20eq%20%27AzureIaasVM%27"),
        house.vault("v1", "/backupUsageSummaries?$filter=type%20eq%20%27Other%27"),
        house.sub(&format!("{region}/deletedVaults")),
    ] {
        let told = house.get(&list);
        assert_eq!(told, (StatusCode::OK, json!({"value": [], "nextLink": null})), "{list}");
    }
    for (path, key, value) in [
        (
            "/backupEncryptionConfigs/backupResourceEncryptionConfig",
            "encryptionAtRestType",
            json!("MicrosoftManaged"),
        ),
        ("/replicationVaultSettings/default", "none", Value::Null),
    ] {
        let (status, body) = house.get(&house.vault("v1", path));
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(body["id"], json!(house.vault("v1", path)));
        assert_eq!(body["properties"][key], value, "{path}");
    }
    let used = |list: &str| -> Vec<(String, u64)> {
        let (status, body) = house.get(&house.vault("v1", list));
        assert_eq!(status, StatusCode::OK, "{body}");
        let entries = body["value"].as_array().expect("a list").iter();
        entries
            .map(|usage| {
                let name = usage["name"]["value"].as_str().expect("a name");
                (name.to_owned(), usage["currentValue"].as_u64().expect("a number"))
            })
            .collect()
    };
    assert_eq!(used("/usages")[0], ("ProtectedItemCount".to_owned(), 0));
    assert_eq!(used("/usages").last().expect("some").0, "StorageUsed");
    assert_eq!(used("/backupUsageSummaries"), [("AzureIaasVM".to_owned(), 0)]);

    for missing in [
        house.vault("v1", "/backupResourceGuardProxies/VaultProxy"),
        house.sub(&format!("{region}/deletedVaults/v1")),
        house.vault("v2", "/backupResourceGuardProxies"),
        house.vault("v2", "/usages"),
        house.vault("v2", "/backupconfig/vaultconfig"),
    ] {
        check_error(&house.get(&missing), StatusCode::NOT_FOUND, "ResourceNotFound");
    }
    let group = json!({"properties": {"recoveryResourceGroupId": "holdfast"}});
    let undelete = house.post(&house.sub(&format!("{region}/deletedVaults/v1/undelete")), &group);
    check_error(&undelete, StatusCode::NOT_FOUND, "ResourceNotFound");
}

#[test]
fn a_name_is_free_taken_or_none() {
    let house = House::new();
    house.make_vault("v1");
    let path = house.sub(
        "/resourceGroups/holdfast/providers/Microsoft.RecoveryServices/locations/local\
         /checkNameAvailability",
    );
    for (name, available, reason) in [
        ("v2", true, Value::Null),
        ("V1", false, json!("AlreadyExists")),
        ("1v", false, json!("Invalid")),
    ] {
        let body = json!({"name": name, "type": "Microsoft.RecoveryServices/vaults"});
        let (status, told) = house.post(&path, &body);
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            (&told["nameAvailable"], &told["reason"]),
            (&json!(available), &reason),
            "{name}"
        );
    }
}

#[test]
fn a_change_that_is_meant_for_another_version_is_refused() {
    let house = House::new();
    let path = house.vault("v1", "");
    let ask = |method: Method, header: &str, value: &str| {
        let body = json!({"location": "local", "tags": {"n": value}});
        answer(house.request(method, &path).header(header, value).json(&body))
    };
    let refused = |told: (StatusCode, Value)| {
        check_error(&told, StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
    };
    refused(ask(Method::PUT, "if-match", "*"));
    let (status, made) = ask(Method::PUT, "if-none-match", "*");
    assert_eq!(status, StatusCode::CREATED);
    refused(ask(Method::PUT, "if-none-match", "*"));

    let first = made["etag"].as_str().expect("a version").to_owned();
    let read = house.request(Method::GET, &path).send().expect("an answer");
    assert_eq!(read.headers()["etag"], first.as_str());
    assert_eq!(json_of(read)["etag"], json!(first), "reading changes nothing");
    let (status, changed) = ask(Method::PATCH, "if-match", &first);
    assert_eq!(status, StatusCode::OK);
    let second = changed["etag"].as_str().expect("a version").to_owned();
    assert_ne!(first, second);
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        refused(ask(method, "if-match", &first));
    }
    assert_eq!(ask(Method::PATCH, "if-match", "*").0, StatusCode::OK);
    assert_eq!(ask(Method::DELETE, "if-match", "*").0, StatusCode::ACCEPTED);
}

#[test]
fn an_empty_vault_is_deleted_by_an_operation_that_is_done() {
    let house = House::new();
    house.make_vault("v1");
    let path = house.vault("v1", "");
    let response = house.request(Method::DELETE, &path).send().expect("an answer");
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let headers = response.headers().clone();
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(json_of(response), Value::Null);
    check_error(&house.get(&path), StatusCode::NOT_FOUND, "ResourceNotFound");
    let follow = |header: &str| {
        let url = headers[header].to_str().expect("a URL").to_owned();
        answer(house.client.get(url).bearer_auth(house.token()))
    };
    let (status, told) = follow("azure-asyncoperation");
    assert_eq!((status, &told["status"]), (StatusCode::OK, &json!("Succeeded")));
    assert_eq!(told.get("properties"), None);
    assert_eq!(follow("location"), (StatusCode::NO_CONTENT, Value::Null));

    let again = answer(house.request(Method::DELETE, &path));
    assert_eq!(again, (StatusCode::NO_CONTENT, Value::Null));
    let nowhere = path.replace("/holdfast/", "/nowhere/");
    let missing = answer(house.request(Method::DELETE, &nowhere));
    check_error(&missing, StatusCode::NOT_FOUND, "ResourceGroupNotFound");
    let of_another = house.vault("v2", "/operationStatus/11111111-1111-4111-8111-111111111111");
    check_error(&house.get(&of_another), StatusCode::NOT_FOUND, "ResourceNotFound");
    house.make_vault("v1");
}
