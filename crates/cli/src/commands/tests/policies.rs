//! Policies that are written, and items that follow others.

use model::policy::{DaylightSaving, Kind, Schedule};

use super::*;

const POLICY: &str = "/backupPolicies/nightly";

fn rendered() -> arm::policy::Policy {
    shown(|_| (), None)
}

/// The policy as the service answers it, changed so, with this warning.
fn shown(change: impl FnOnce(&mut Policy), warning: Option<&str>) -> arm::policy::Policy {
    let vault = a_vault("holdfast");
    let mut model =
        Policy { name: "nightly".to_owned(), ..Policy::default_of(vault.id, vault.created_at) };
    change(&mut model);
    let adjusts = model.daylight_saving == DaylightSaving::Adjust;
    let facts = arm::policy::Facts {
        subscription: SUBSCRIPTION,
        vault: &vault,
        policy: &model,
        items: 0,
        next_run: "2026-11-23T20:30:00Z".parse().ok(),
        local_time: adjusts.then(|| jiff::civil::time(22, 30, 0, 0)),
        warning,
    };
    arm::policy::render(facts)
}

fn not_there() -> Response {
    let error = arm::error::ErrorBody::of(&Fault::new(Code::ResourceNotFound, "No policy."));
    answer(404, json!(error))
}

/// What `policy create` with these options sends, which its shape reads as what it is.
#[track_caller]
fn created(options: &str) -> Value {
    let (get, put) = (format!("GET {V}{POLICY}?"), format!("PUT {V}{POLICY}?"));
    let script = [
        (VAULTS, list([vault_in("holdfast")])),
        (get.as_str(), not_there()),
        (put.as_str(), one(rendered())),
    ];
    let ran = run(&format!("holdfast policy create nightly --vault v1 {options}"), script);
    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    let body = ran.bodies[0].clone();
    let sent: arm::policy::PolicyRequest = serde_json::from_value(body.clone()).expect("a policy");
    let today = jiff::civil::date(2026, 11, 23);
    arm::policy::parse(&a_vault("holdfast"), "nightly", &sent.properties, today).expect("readable");
    body["properties"].clone()
}

#[test]
fn a_few_options_make_a_policy() {
    let daily = created("--daily 02:00 --keep-days 30");
    assert_eq!(daily["policyType"], "V1");
    assert_eq!(daily["schedulePolicy"]["scheduleRunTimes"], json!(["02:00"]));
    assert_eq!(daily["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"], 30);

    let weekly = created("--weekly Sunday,Wednesday --at 02:00 --keep-weeks 8 --time-zone CET");
    assert_eq!(weekly["schedulePolicy"]["scheduleRunDays"], json!(["Sunday", "Wednesday"]));
    assert_eq!(weekly["retentionPolicy"]["weeklySchedule"]["retentionDuration"]["count"], 8);
    assert_eq!(weekly["timeZone"], "CET");

    let hourly = created("--hourly 4 --at 08:00 --for 12 --crash-consistent");
    assert_eq!(hourly["policyType"], "V2");
    let expected =
        json!({"interval": 4, "scheduleWindowStartTime": "08:00", "scheduleWindowDuration": 12});
    assert_eq!(hourly["schedulePolicy"]["hourlySchedule"], expected);
    assert_eq!(hourly["snapshotConsistencyType"], "OnlyCrashConsistent");
}

#[test]
fn days_of_the_week_the_month_and_the_year_are_kept_for_longer() {
    let policy = created(
        "--daily 02:00 --keep-weeks 8 --weekly-on Sunday --keep-months 12 --monthly-on 1,15,last \
         --keep-years 10 --yearly-in January,july --yearly-on first-sunday,Last-Sunday",
    );
    let kept = &policy["retentionPolicy"];
    assert_eq!(kept["dailySchedule"]["retentionDuration"]["count"], 30);
    assert_eq!(kept["weeklySchedule"]["daysOfTheWeek"], json!(["Sunday"]));
    let of_month = json!([{"date": 1, "isLast": false}, {"date": 15, "isLast": false},
        {"date": 0, "isLast": true}]);
    let monthly = &kept["monthlySchedule"];
    assert_eq!(monthly["retentionScheduleFormatType"], "Daily");
    assert_eq!(monthly["retentionScheduleDaily"]["daysOfTheMonth"], of_month);
    assert_eq!(monthly["retentionDuration"], json!({"count": 12, "durationType": "Months"}));
    let yearly = &kept["yearlySchedule"];
    assert_eq!(yearly["monthsOfYear"], json!(["January", "july"]));
    let by_week = json!({"daysOfTheWeek": ["sunday"], "weeksOfTheMonth": ["first", "Last"]});
    assert_eq!(yearly["retentionScheduleWeekly"], by_week);
    assert_eq!(yearly["retentionTimes"], json!(["02:00"]));

    let weekly =
        created("--weekly Sunday,Friday --at 02:00 --keep-months 3 --monthly-on last-friday");
    let kept = &weekly["retentionPolicy"];
    assert_eq!(kept["weeklySchedule"]["daysOfTheWeek"], json!(["Sunday", "Friday"]));
    assert_eq!(kept["monthlySchedule"]["retentionScheduleFormatType"], "Weekly");
    assert_eq!(kept["yearlySchedule"], Value::Null);
}

#[test]
fn days_that_a_policy_cannot_name_are_refused() {
    for (options, words) in [
        ("--keep-weeks 8", "needs --weekly-on"),
        ("--keep-months 12 --monthly-on 1,first-sunday", "neither by number"),
        ("--keep-months 12 --monthly-on first-smunday", "neither by number"),
        ("--keep-months 12 --monthly-on first-sunday,last-friday", "also first-friday"),
        ("--keep-years 1 --yearly-in Smarch --yearly-on 1", "not a month"),
        ("--keep-months 12", "--monthly-on"),
        ("--monthly-on 1", "--keep-months"),
        ("--keep-years 1 --yearly-on 1", "--yearly-in"),
    ] {
        let nightly = "holdfast policy create nightly --vault v1 --daily 02:00";
        let ran = run(&format!("{nightly} {options}"), []);
        assert_eq!(ran.exit, Exit::Usage, "{options}: {}", ran.err);
        assert!(ran.err.contains(words), "{options}: {}", ran.err);
    }
}

#[test]
fn what_azure_has_no_word_for_is_sent_only_when_it_is_asked_for() {
    for options in ["--daily 02:00", "--hourly 4 --at 08:00"] {
        assert_eq!(created(options)["holdfast"], Value::Null);
    }
    let often = created("--every 15 --at 08:00 --keep-days 60 --keep-all-days 14");
    assert_eq!(often["policyType"], "V2");
    assert_eq!(often["schedulePolicy"]["hourlySchedule"]["interval"], 0);
    assert_eq!(often["holdfast"]["intervalInMinutes"], 15);
    assert_eq!(often["instantRpRetentionRangeInDays"], 14);

    // 02:00 on clocks that are five and a half hours ahead of UTC the whole year.
    for zone in ["Asia/Kolkata", "asia/calcutta"] {
        let adjusts =
            created(&format!("--daily 02:00 --time-zone {zone} --daylight-saving adjust"));
        assert_eq!(adjusts["holdfast"]["daylightSaving"], "adjust");
        let sent = adjusts["schedulePolicy"]["scheduleRunTimes"][0].as_str().expect("a time");
        assert!(sent.ends_with("T20:30:00Z"), "{sent}");
        assert_eq!(adjusts["retentionPolicy"]["dailySchedule"]["retentionTimes"], json!([sent]));
    }
}

#[test]
fn a_policy_is_shown_on_the_clocks_that_it_follows_and_with_its_warning() {
    let get = format!("GET {V}{POLICY}?");
    let show = |policy| {
        let script = [(VAULTS, list([vault_in("holdfast")])), (get.as_str(), one(policy))];
        run("holdfast policy show nightly --vault v1", script)
    };
    let often = |policy: &mut Policy| {
        let window_start = policy.schedule.first();
        policy.schedule = Schedule::Hourly { interval_minutes: 15, window_start, window_hours: 24 };
        policy.kind = Kind::V2;
        policy.daylight_saving = DaylightSaving::Adjust;
        policy.time_zone = "W. Europe Standard Time".to_owned();
    };
    prints(
        show(shown(often, None)),
        expect![[r#"
        Name:             nightly
        Type:             V2
        Backs up:         every 15 minutes from 22:30 (W. Europe Standard Time) for 24 hours
        Keeps:            daily 30 days
        Time zone:        W. Europe Standard Time
        Daylight saving:  adjust
        Next run:         2026-11-23 20:30:00Z
        Items:            0
    "#]],
    );
    prints(
        show(shown(|_| (), Some("Clocks change."))),
        expect![[r#"
        Name:             nightly
        Type:             V1
        Backs up:         daily at 20:30
        Keeps:            daily 30 days
        Time zone:        UTC
        Daylight saving:  fixed
        Next run:         2026-11-23 20:30:00Z
        Items:            0
        Warning:          Clocks change.
    "#]],
    );
}

#[test]
fn a_file_is_sent_as_it_is() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let policy = json!(rendered());
    for text in [policy.to_string(), policy["properties"].to_string()] {
        std::fs::write(file.path(), text).expect("written");
        let sent = created(&format!("--file {}", file.path().display()));
        assert_eq!(sent, policy["properties"]);
    }
}

#[test]
fn what_is_half_said_is_refused() {
    for options in [
        "",
        "--keep-days 30",
        "--weekly Sunday",
        "--hourly 4",
        "--every 15",
        "--every 15 --hourly 4 --at 08:00",
        "--daily 02:00 --keep-all-days 5",
        "--daily 02:00 --daylight-saving sometimes",
        "--daily 02:00 --daylight-saving adjust --time-zone Nowhere",
        "--daily noon --daylight-saving adjust",
        "--daily 02:00 --hourly 4 --at 08:00",
        "--daily 02:00 --file x",
        "--weekly Sunday --at 02:00 --keep-days 3",
    ] {
        let ran = run(&format!("holdfast policy create nightly --vault v1 {options}"), []);
        assert_eq!(ran.exit, Exit::Usage, "{options}");
    }
}

#[test]
fn a_policy_is_not_made_twice_and_set_only_where_it_is() {
    let get = format!("GET {V}{POLICY}?");
    let script = |answer| [(VAULTS, list([vault_in("holdfast")])), (get.as_str(), answer)];
    let ran =
        run("holdfast policy create nightly --vault v1 --daily 1:00", script(one(rendered())));
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.err.contains("`policy set` changes it"), "{}", ran.err);
    let ran = run("holdfast policy set nightly --vault v1 --daily 1:00", script(not_there()));
    assert_eq!(ran.exit, Exit::NotFound);
}

#[test]
fn a_policy_is_deleted_by_its_name() {
    let (get, delete) = (format!("GET {V}{POLICY}?"), format!("DELETE {V}{POLICY}?"));
    let script = [
        (VAULTS, list([vault_in("holdfast")])),
        (get.as_str(), one(rendered())),
        (delete.as_str(), answer(200, Value::Null)),
    ];
    prints(
        run("holdfast policy delete nightly --vault v1", script),
        expect![[r#"
        The policy 'nightly' is deleted.
    "#]],
    );
}

#[test]
fn an_item_gets_another_policy() {
    let (items, put, get) = (items_path(), format!("PUT {V}{ITEM}?"), format!("GET {V}{ITEM}?"));
    let mut script: Vec<(&str, Response)> = found_item(&items).into();
    script.push((&put, pending("https://localhost:8443/op/1")));
    script.push(("GET /op/1?", succeeded(Some(JOB))));
    script.push((&get, one(an_item())));
    let ran = run("holdfast item set-policy --vault v1 --item web1 --policy nightly", script);
    let sent = &ran.bodies[0]["properties"];
    assert_eq!(sent["policyId"], json!(format!("{V}{POLICY}")));
    prints(
        ran,
        expect![[r#"
        'web1' follows the policy 'DefaultPolicy'.
    "#]],
    );
}
