//! Policies that are written, and items that follow others.

use super::*;

const POLICY: &str = "/backupPolicies/nightly";

fn rendered() -> arm::policy::Policy {
    let vault = a_vault("holdfast");
    let model =
        Policy { name: "nightly".to_owned(), ..Policy::default_of(vault.id, vault.created_at) };
    let next_run = "2026-11-23T20:30:00Z".parse().ok();
    let facts = arm::policy::Facts {
        subscription: SUBSCRIPTION,
        vault: &vault,
        policy: &model,
        items: 0,
        next_run,
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
