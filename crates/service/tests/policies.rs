//! Policies over HTTP: made, changed, told back and deleted as Azure's clients do it.

use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

mod house;

use house::{House, answer, check_error};

fn daily(time: &str) -> Value {
    json!({"name": "ignored", "properties": {
        "backupManagementType": "AzureIaasVM", "policyType": "V1", "timeZone": "UTC",
        "instantRPDetails": {}, "instantRpDetails": null, "protectedItemsCount": 17,
        "instantRpRetentionRangeInDays": 5,
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy", "scheduleRunFrequency": "Daily",
            "scheduleRunDays": null, "scheduleRunTimes": [time], "scheduleWeeklyFrequency": 0},
        "retentionPolicy": {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "dailySchedule": {
                "retentionTimes": [time],
                "retentionDuration": {"count": 30, "durationType": "Days"}}}}})
}

#[test]
fn a_policy_is_made_told_changed_and_deleted() {
    let house = House::new();
    house.make_vault("v1");
    let path = house.vault("v1", "/backupPolicies/Daily-30");
    check_error(&house.get(&path), StatusCode::NOT_FOUND, "ResourceNotFound");

    let (status, made) = house.put(&path, &daily("2026-01-01T02:00:00+00:00"));
    assert_eq!(status, StatusCode::OK, "{made}");
    assert_eq!((&made["id"], &made["name"]), (&json!(path), &json!("Daily-30")));
    assert_eq!(made["type"], "Microsoft.RecoveryServices/vaults/backupPolicies");
    let properties = &made["properties"];
    let times = json!(["2026-01-01T02:00:00Z"]);
    assert_eq!(properties["schedulePolicy"]["scheduleRunTimes"], times);
    assert_eq!(properties["retentionPolicy"]["dailySchedule"]["retentionTimes"], times);
    assert_eq!(properties["instantRpRetentionRangeInDays"], 5);
    assert_eq!(properties["protectedItemsCount"], 0);
    let next: Timestamp =
        properties["holdfast"]["nextRun"].as_str().and_then(|at| at.parse().ok()).expect("a time");
    assert_eq!(next.to_string().split_off(10), "T02:00:00Z");
    assert_eq!(house.get(&path), (StatusCode::OK, made.clone()));

    // Terraform's way: a time alone, in another case of letters; and what was read is sent back.
    let (_, changed) = house.put(&path.replace("Daily", "DAILY"), &daily("03:30:00Z"));
    assert_eq!(changed["name"], "Daily-30");
    let at = changed["properties"]["schedulePolicy"]["scheduleRunTimes"][0].as_str();
    let at: Timestamp = at.and_then(|at| at.parse().ok()).expect("a whole date-time");
    assert_eq!(at.to_string().split_off(10), "T03:30:00Z");
    assert_eq!(house.put(&path, &changed), (StatusCode::OK, changed));
    let (_, policies) = house.get(&house.vault("v1", "/backupPolicies"));
    let names: Vec<&Value> = policies["value"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|policy| &policy["name"])
        .collect();
    assert_eq!(names, ["Daily-30", "DefaultPolicy", "EnhancedPolicy"]);

    let delete = || answer(house.request(Method::DELETE, &path));
    assert_eq!(delete(), (StatusCode::OK, Value::Null));
    assert_eq!(delete(), (StatusCode::NO_CONTENT, Value::Null));
    check_error(&house.get(&path), StatusCode::NOT_FOUND, "ResourceNotFound");
}

#[test]
fn what_is_no_policy_is_refused_in_azures_words() {
    let house = House::new();
    house.make_vault("v1");
    let refused = |name: &str, body: &Value| {
        let path = house.vault("v1", &format!("/backupPolicies/{name}"));
        let answer = house.put(&path, body);
        check_error(&answer, StatusCode::BAD_REQUEST, "BMSUserErrorInvalidPolicyInput");
        let message = answer.1["error"]["message"].as_str().expect("a message").to_owned();
        let azures = "Input for create or update policy is not in proper format.";
        assert!(message.starts_with(azures), "{message}");
        check_error(&house.get(&path), StatusCode::NOT_FOUND, "ResourceNotFound");
        message
    };
    let change = |path: &str, value: Value| {
        let mut body = daily("02:00:00Z");
        *body.pointer_mut(path).expect("there") = value;
        body
    };
    refused("x", &daily("02:00:00Z"));
    refused("Daily", &daily("noon"));
    refused("Daily", &json!({}));
    refused("Daily", &json!({"properties": {"schedulePolicy": 7}}));
    let count = "/properties/retentionPolicy/dailySchedule/retentionDuration/count";
    for count_sent in [json!(0), json!(-1), json!(70_000), json!("many"), json!(null)] {
        refused("Daily", &change(count, count_sent));
    }
    for days_sent in [2, 6, 10_000] {
        refused("Daily", &change(count, json!(days_sent)));
    }
    assert!(refused("Daily", &daily("02:15:00Z")).contains("on the hour or half past it"));
    let message = refused("Daily", &change("/properties/timeZone", json!("Mars/Olympus")));
    assert!(message.contains("'Mars/Olympus'"), "{message}");
    let weekly = change("/properties/schedulePolicy/scheduleRunFrequency", json!("Weekly"));
    assert!(refused("Daily", &weekly).contains("scheduleRunDays"));
    let workload = change("/properties/backupManagementType", json!("AzureWorkload"));
    assert!(refused("Daily", &workload).contains("AzureIaasVM"));

    let path = house.vault("v1", "/backupPolicies/Daily");
    let garbled = answer(house.request(Method::PUT, &path).body("{"));
    check_error(&garbled, StatusCode::BAD_REQUEST, "BadRequest");
    let nowhere = house.vault("v2", "/backupPolicies/Daily");
    let missing = house.put(&nowhere, &daily("02:00:00Z"));
    check_error(&missing, StatusCode::NOT_FOUND, "ResourceNotFound");
}

#[test]
fn what_azure_has_no_word_for_goes_there_and_back() {
    let house = House::new();
    house.make_vault("v1");
    let path = house.vault("v1", "/backupPolicies/Often");
    let start = "2026-07-01T22:00:00Z";
    let sent = json!({"properties": {
        "backupManagementType": "AzureIaasVM", "policyType": "V2",
        "timeZone": "W. Europe Standard Time", "instantRpRetentionRangeInDays": 5,
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicyV2", "scheduleRunFrequency": "Hourly",
            "hourlySchedule": {"interval": 0, "scheduleWindowStartTime": start,
                "scheduleWindowDuration": 24}},
        "retentionPolicy": {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "dailySchedule": {
                "retentionTimes": [start],
                "retentionDuration": {"count": 30, "durationType": "Days"}}},
        "holdfast": {"intervalInMinutes": 15, "daylightSaving": "adjust"}}});
    let (status, made) = house.put(&path, &sent);
    assert_eq!(status, StatusCode::OK, "{made}");
    let told = &made["properties"];
    assert_eq!(told["schedulePolicy"], sent["properties"]["schedulePolicy"]);
    assert_eq!(told["holdfast"]["intervalInMinutes"], 15);
    assert_eq!(told["holdfast"]["daylightSaving"], "adjust");
    assert_eq!(told["holdfast"]["localTime"], "00:00");
    let (_, again) = house.put(&path, &made);
    assert_eq!(again["properties"]["schedulePolicy"], told["schedulePolicy"]);
    assert_eq!(again["properties"]["holdfast"]["daylightSaving"], "adjust");

    // What keeps snapshots as long as the vault keeps points has a code of its own in Azure.
    let mut exceeding = sent;
    exceeding["properties"]["instantRpRetentionRangeInDays"] = json!(30);
    let code = "BMSUserErrorInstantRPRetentionExceedsVaultedRetention";
    check_error(&house.put(&path, &exceeding), StatusCode::BAD_REQUEST, code);
    assert_eq!(house.get(&path).1["properties"]["instantRpRetentionRangeInDays"], 5);
}
