//! What clients send as policies, and what is read of it.
//!
//! Method: a policy as azurerm or az sends it, changed in one place; [`read`] takes the way of a
//! request: JSON, shape, model.

use api::arm::policy::{self, PolicyRequest};
use jiff::civil::Weekday;
use model::fault::{Code, Fault};
use model::policy::{
    DaylightSaving, Instant, Keep, Kind, LongTerm, MonthDay, MonthDays, MonthlyRetention, Policy,
    Retention, Schedule, Tiering, Unit, WeekOfMonth, WeeklyRetention, YearlyRetention,
};
use model::tags::Tags;
use model::vault::{Redundancy, Vault, VaultName, VaultSettings};
use serde_json::{Value, json};

fn a_vault() -> Vault {
    Vault {
        id: uuid_of_vault(),
        name: VaultName::new("v1").expect("valid"),
        resource_group: "rg1".to_owned(),
        region: "local".to_owned(),
        redundancy: Redundancy::GeoRedundant,
        settings: VaultSettings::default(),
        tags: Tags::new(),
        created_at: "2026-09-11T07:00:00Z".parse().expect("a timestamp"),
        changed_at: "2026-09-11T07:00:00Z".parse().expect("a timestamp"),
    }
}

fn read(sent: &Value) -> Result<Policy, Fault> {
    let request: PolicyRequest = serde_json::from_value(sent.clone()).expect("the shape fits");
    let today = jiff::civil::date(2026, 11, 23);
    policy::parse(&a_vault(), "weekly", &request.properties, today)
}

/// The policy as it is answered.
fn told(policy: &Policy) -> Value {
    let facts = policy::Facts {
        subscription: "S",
        vault: &a_vault(),
        policy,
        items: 1,
        next_run: None,
        local_time: None,
        warning: None,
    };
    serde_json::to_value(policy::render(facts)).expect("JSON")
}

/// What azurerm sends for a policy of the Enhanced kind with everything.
fn from_terraform() -> Value {
    let times = json!(["23:00:00Z"]);
    json!({"properties": {
        "backupManagementType": "AzureIaasVM", "policyType": "V2",
        "timeZone": "W. Europe Standard Time", "snapshotConsistencyType": "OnlyCrashConsistent",
        "instantRPDetails": {"azureBackupRGNamePrefix": "snapshots"},
        "tieringPolicy": {"ArchivedRP":
            {"tieringMode": "DoNotTier", "duration": 0, "durationType": "Invalid"}},
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicyV2", "scheduleRunFrequency": "Weekly",
            "weeklySchedule": {"scheduleRunDays": ["Sunday"], "scheduleRunTimes": times}},
        "retentionPolicy": {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "weeklySchedule": {
                "daysOfTheWeek": ["Sunday"], "retentionTimes": times,
                "retentionDuration": {"count": 12, "durationType": "Weeks"}},
            "monthlySchedule": {
                "retentionScheduleFormatType": "Daily", "retentionScheduleWeekly": null,
                "retentionScheduleDaily": {"daysOfTheMonth":
                    [{"date": 15, "isLast": false}, {"date": 0, "isLast": true}]},
                "retentionTimes": times,
                "retentionDuration": {"count": 12, "durationType": "Months"}},
            "yearlySchedule": {
                "retentionScheduleFormatType": "Weekly", "monthsOfYear": ["January", "December"],
                "retentionScheduleWeekly":
                    {"daysOfTheWeek": ["Sunday"], "weeksOfTheMonth": ["First", "Last"]},
                "retentionTimes": times,
                "retentionDuration": {"count": 10, "durationType": "Years"}}}}})
}

fn uuid_of_vault() -> uuid::Uuid {
    uuid::Uuid::from_u128(1)
}

#[test]
fn every_field_is_read() {
    let keep = |count, unit| Keep { count, unit };
    let sunday = || vec![Weekday::Sunday];
    let at = "2026-11-23T23:00:00Z".parse().expect("a timestamp");
    let expected = Policy {
        vault: uuid_of_vault(),
        name: "weekly".to_owned(),
        kind: Kind::V2,
        schedule: Schedule::Weekly { days: sunday(), at },
        retention: Retention::LongTerm(LongTerm {
            daily: None,
            weekly: Some(WeeklyRetention { days: sunday(), keep: keep(12, Unit::Weeks) }),
            monthly: Some(MonthlyRetention {
                on: MonthDays::ByDate(vec![MonthDay::Date(15), MonthDay::Last]),
                keep: keep(12, Unit::Months),
            }),
            yearly: Some(YearlyRetention {
                months: vec![1, 12],
                on: MonthDays::ByWeek {
                    days: sunday(),
                    weeks: vec![WeekOfMonth::First, WeekOfMonth::Last],
                },
                keep: keep(10, Unit::Years),
            }),
        }),
        instant: Instant { group_prefix: Some("snapshots".to_owned()), ..Instant::of_days(7) },
        time_zone: "W. Europe Standard Time".to_owned(),
        daylight_saving: DaylightSaving::Fixed,
        only_crash_consistent: true,
        tiering: vec![Tiering {
            tier: "ArchivedRP".to_owned(),
            mode: "DoNotTier".to_owned(),
            duration: 0,
            duration_type: "Invalid".to_owned(),
        }],
    };
    assert_eq!(read(&from_terraform()), Ok(expected.clone()));

    // And told back so that it is read as the same.
    let told = told(&expected);
    assert_eq!(read(&told), Ok(expected));
    assert_eq!(
        told["properties"]["schedulePolicy"]["weeklySchedule"]["scheduleRunTimes"],
        json!(["2026-11-23T23:00:00Z"])
    );
}

#[test]
fn what_is_missing_is_what_azure_takes_for_it() {
    let sent = json!({"properties": {
        "backupManagementType": "AzureIaasVM", "snapshotConsistencyType": "",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy", "scheduleRunFrequency": "Daily",
            "scheduleRunDays": [], "scheduleRunTimes": ["2026-01-01T02:00:00+00:00"]},
        "retentionPolicy": {
            "retentionPolicyType": "SimpleRetentionPolicy",
            "retentionDuration": {"count": 10, "durationType": "Days"}}}});
    let policy = read(&sent).expect("it is one");
    assert_eq!((policy.kind, policy.time_zone.as_str()), (Kind::V1, "UTC"));
    assert_eq!(policy.instant, Instant::of_days(2));
    assert_eq!(policy.retention, Retention::Simple(Keep { count: 10, unit: Unit::Days }));
    assert!(!policy.only_crash_consistent && policy.tiering.is_empty());
}

#[test]
fn instant_details_are_read_in_either_spelling_and_in_both_at_once() {
    let named = |prefix: &str| json!({"azureBackupRGNamePrefix": prefix});
    for (capitals, small, expected) in [
        (Some(named("a")), None, "a"),
        (None, Some(named("b")), "b"),
        (Some(json!({})), Some(named("c")), "c"),
        (Some(named("d")), Some(json!({})), "d"),
    ] {
        let mut sent = from_terraform();
        sent["properties"]["instantRPDetails"] = json!(capitals);
        sent["properties"]["instantRpDetails"] = json!(small);
        let policy = read(&sent).expect("it is one");
        assert_eq!(policy.instant.group_prefix.as_deref(), Some(expected));
    }
}

/// An Enhanced policy that backs up every few hours.
fn hourly() -> Value {
    let start = "2026-11-25T08:00:00Z";
    json!({"properties": {
        "backupManagementType": "AzureIaasVM", "policyType": "V2", "timeZone": "Europe/Berlin",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicyV2", "scheduleRunFrequency": "Hourly",
            "hourlySchedule": {"interval": 4, "scheduleWindowStartTime": start,
                "scheduleWindowDuration": 24}},
        "retentionPolicy": {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "dailySchedule": {"retentionTimes": [start],
                "retentionDuration": {"count": 30, "durationType": "Days"}}}}})
}

fn minutes(policy: &Policy) -> u16 {
    match policy.schedule {
        Schedule::Hourly { interval_minutes, .. } => interval_minutes,
        Schedule::Daily { .. } | Schedule::Weekly { .. } => panic!("not hourly"),
    }
}

#[test]
fn what_azure_has_no_word_for_is_read_told_back_and_off_without_it() {
    let plain = read(&hourly()).expect("it is one");
    assert_eq!((minutes(&plain), plain.daylight_saving), (240, DaylightSaving::Fixed));
    let answer = told(&plain);
    assert_eq!(answer["properties"]["holdfast"]["daylightSaving"], "fixed");
    assert_eq!(answer["properties"]["holdfast"]["intervalInMinutes"], Value::Null);

    let mut sent = hourly();
    sent["properties"]["schedulePolicy"]["hourlySchedule"]["interval"] = json!(0);
    sent["properties"]["holdfast"] =
        json!({"intervalInMinutes": 15, "daylightSaving": "Adjust", "nextRun": "whenever"});
    let short = read(&sent).expect("it is one");
    assert_eq!((minutes(&short), short.daylight_saving), (15, DaylightSaving::Adjust));
    let mut answer = told(&short);
    let hours = "/properties/schedulePolicy/hourlySchedule/interval";
    assert_eq!(answer.pointer(hours), Some(&json!(0)));
    assert_eq!(answer["properties"]["holdfast"]["intervalInMinutes"], 15);
    assert_eq!(answer["properties"]["holdfast"]["daylightSaving"], "adjust");
    assert_eq!(read(&answer), Ok(short));

    // A client that knows nothing of it and sends back what it has understood does not make another
    // schedule of it by accident.
    answer["properties"].as_object_mut().expect("an object").remove("holdfast");
    let fault = read(&answer).expect_err("no interval at all");
    assert!(fault.message.contains("interval must be from 1 to 65535, not 0."), "{fault}");
}

#[test]
fn two_answers_to_one_question_are_refused() {
    let beyond = |sent: Value, holdfast: Value| {
        let mut sent = sent;
        sent["properties"]["holdfast"] = holdfast;
        read(&sent).expect_err("refused").message
    };
    let message = beyond(hourly(), json!({"intervalInMinutes": 15}));
    assert!(message.ends_with("beside holdfast.intervalInMinutes, not 4."), "{message}");
    let message = beyond(from_terraform(), json!({"intervalInMinutes": 15}));
    assert!(message.ends_with("needs the scheduleRunFrequency Hourly."), "{message}");
    let message = beyond(hourly(), json!({"daylightSaving": "sometimes"}));
    assert!(message.ends_with("'sometimes' is neither fixed nor adjust."), "{message}");
    let mut sent = hourly();
    sent["properties"]["schedulePolicy"]["hourlySchedule"]["interval"] = json!(0);
    for minutes in [0, -15, 65_536] {
        let message = beyond(sent.clone(), json!({"intervalInMinutes": minutes}));
        assert!(message.contains("holdfast.intervalInMinutes must be from 1"), "{message}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let schedule = "/properties/schedulePolicy";
    let weekly = &format!("{schedule}/weeklySchedule");
    let retention = "/properties/retentionPolicy";
    for (path, value, named) in [
        ("/properties/backupManagementType", json!("AzureWorkload"), "backupManagementType"),
        ("/properties/policyType", json!("V3"), "policyType 'V3'"),
        ("/properties/policyType", json!("V1"), "type V1 cannot have"),
        ("/properties/snapshotConsistencyType", json!("Perfect"), "snapshotConsistencyType"),
        ("/properties/instantRpRetentionRangeInDays", json!(0), "from 1 to 65535, not 0"),
        ("/properties/instantRpRetentionRangeInDays", json!(-5), "not -5"),
        ("/properties/tieringPolicy/ArchivedRP/tieringMode", json!("Now"), "tieringMode 'Now'"),
        (&format!("{schedule}/schedulePolicyType"), json!("LogSchedulePolicy"), "LogSchedule"),
        (&format!("{schedule}/scheduleRunFrequency"), json!("Monthly"), "neither Hourly, Daily"),
        (&format!("{schedule}/scheduleRunFrequency"), json!("Daily"), "dailySchedule is missing"),
        (&format!("{schedule}/scheduleRunFrequency"), json!("Hourly"), "hourlySchedule is missing"),
        (&format!("{schedule}/weeklySchedule"), json!(null), "weeklySchedule is missing"),
        (&format!("{schedule}/scheduleWeeklyFrequency"), json!(2), "every week"),
        (&format!("{weekly}/scheduleRunDays"), json!(["Caturday"]), "'Caturday' is none of Sunday"),
        (&format!("{weekly}/scheduleRunTimes"), json!(["noon"]), "scheduleRunTimes: 'noon'"),
        (&format!("{weekly}/scheduleRunTimes"), json!([]), "must hold one time, and holds 0"),
        (&format!("{weekly}/scheduleRunTimes"), json!(["1:00", "2:00"]), "holds 2"),
        (&format!("{weekly}/scheduleRunTimes"), json!(["22:00:00Z"]), "must be the schedule's"),
        (&format!("{retention}/retentionPolicyType"), json!("Forever"), "'Forever' is neither"),
        (
            &format!("{retention}/weeklySchedule/retentionDuration"),
            json!(null),
            "retentionDuration of weeklySchedule is missing",
        ),
        (
            &format!("{retention}/weeklySchedule/retentionDuration/count"),
            json!(65_536),
            "not 65536",
        ),
        (
            &format!("{retention}/weeklySchedule/retentionDuration/durationType"),
            json!("Eons"),
            "durationType: 'Eons'",
        ),
        (
            &format!("{retention}/monthlySchedule/retentionScheduleDaily/daysOfTheMonth/0/date"),
            json!(32),
            "32 is not a day of a month",
        ),
        (
            &format!("{retention}/monthlySchedule/retentionScheduleFormatType"),
            json!("Weekly"),
            "retentionScheduleWeekly of monthlySchedule is missing",
        ),
        (
            &format!("{retention}/yearlySchedule/retentionScheduleWeekly/weeksOfTheMonth"),
            json!(["Fifth"]),
            "weeksOfTheMonth: 'Fifth'",
        ),
        (&format!("{retention}/yearlySchedule/monthsOfYear"), json!(["Brumaire"]), "'Brumaire'"),
    ] {
        let mut sent = from_terraform();
        match sent.pointer_mut(path) {
            Some(place) => *place = value.clone(),
            None => {
                let (parent, key) = path.rsplit_once('/').expect("a path");
                sent.pointer_mut(parent).expect("there")[key] = value.clone();
            }
        }
        let fault = read(&sent).expect_err(path);
        assert_eq!(fault.code, Code::InvalidPolicyInput);
        assert!(fault.message.contains(named), "{path} = {value}: {fault}");
    }
}
