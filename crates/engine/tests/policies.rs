//! Policies that change under their items, and those that Azure does not have.
//!
//! Method: a clock of the test's own, which begins at 10:00 on 23 November 2026.

mod house;

use std::time::Duration;

use engine::{JobQuery, Strictness, VaultChange};
use jiff::Timestamp;
use model::fault::Code;
use model::job::{Operation, Status};
use model::policy::{DaylightSaving, Keep, LongTerm, Policy, Retention, Schedule, Unit};
use model::vault::{Immutability, Vault};

use house::House;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn kept(days: u16) -> Retention {
    let daily = Some(Keep { count: days, unit: Unit::Days });
    Retention::LongTerm(LongTerm { daily, ..LongTerm::default() })
}

/// How many backups of the vault have completed, once that many have.
#[track_caller]
fn completed(house: &House, vault: &Vault, count: usize) {
    let query = || JobQuery { vault: Some(vault.id), ..JobQuery::default() };
    for _ in 0..2000 {
        let mut jobs = house.engine.jobs(query()).expect("listed");
        jobs.retain(|job| job.operation == Operation::Backup);
        if jobs.len() >= count && jobs.iter().all(|job| job.status == Status::Completed) {
            assert_eq!(jobs.len(), count, "{jobs:?}");
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{count} backups were expected");
}

#[test]
fn a_policy_changes_under_its_items_and_a_refused_change_leaves_it_as_it_was() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    let before = house.engine.policy(&vault, "DefaultPolicy").expect("there");
    let refused = Policy { retention: kept(6), ..before.clone() };
    let fault = house.engine.put_policy(&vault, refused).expect_err("too short");
    assert_eq!(fault.code, Code::InvalidPolicyInput);
    let mut refused = Policy { retention: kept(7), ..before.clone() };
    (refused.kind, refused.instant.days) = (model::policy::Kind::V2, 7);
    let fault = house.engine.put_policy(&vault, refused).expect_err("not shorter");
    assert_eq!(fault.code, Code::InstantExceedsVaulted);
    assert_eq!(house.engine.policy(&vault, "DefaultPolicy"), Ok(before.clone()));

    let longer = Policy { retention: kept(9999), ..before };
    house.engine.put_policy(&vault, longer.clone()).expect("written");
    assert_eq!(house.engine.policy(&vault, "DefaultPolicy"), Ok(longer.clone()));
    assert_eq!(house.engine.policy_users(&longer), Ok(1));
    assert_eq!(house.item(&vault), item, "it follows the policy as before");
    let fault = house.engine.delete_policy(&vault, "DefaultPolicy").expect_err("in use");
    assert_eq!(fault.code, Code::PolicyInUse);
}

#[test]
fn a_policy_of_15_minutes_backs_up_so_often_and_makes_up_for_a_gap_once() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    let enhanced = house.engine.policy(&vault, "EnhancedPolicy").expect("there");
    let window_start = at("2026-11-23T00:00:00Z");
    let schedule = Schedule::Hourly { interval_minutes: 15, window_start, window_hours: 24 };
    let often = Policy { name: "DefaultPolicy".to_owned(), schedule, ..enhanced };
    house.engine.put_policy(&vault, often).expect("written");
    // Time for the scheduler to see it before its first run.
    std::thread::sleep(Duration::from_millis(2500));
    for (time, count) in [("10:15", 1), ("10:30", 2), ("13:05", 3), ("13:15", 4)] {
        house.set_clock(&format!("2026-11-23T{time}:00Z"));
        completed(&house, &vault, count);
    }
}

#[test]
fn a_policy_tells_when_it_runs_and_what_clocks_will_do_to_it() {
    let house = House::with_one_disk();
    let vault = house.vault("v2", "local");
    let usual = house.engine.policy(&vault, "DefaultPolicy").expect("there");
    // 23:00 in Berlin, said in summer.
    let berlin = Policy {
        schedule: Schedule::Daily { at: at("2026-07-01T21:00:00Z") },
        time_zone: "W. Europe Standard Time".to_owned(),
        ..usual
    };
    let adjusting = Policy { daylight_saving: DaylightSaving::Adjust, ..berlin.clone() };
    let adjusting = house.engine.put_policy(&vault, adjusting).expect("written");
    let runs = house.engine.policy_runs(&adjusting);
    assert_eq!(runs.next, Some(at("2026-11-23T22:00:00Z")));
    assert_eq!(runs.local_time, Some(jiff::civil::time(23, 0, 0, 0)));

    let fixed = house.engine.put_policy(&vault, berlin).expect("written");
    let runs = house.engine.policy_runs(&fixed);
    assert_eq!((runs.next, runs.local_time), (Some(at("2026-11-23T21:00:00Z")), None));
    assert_eq!(runs.warning, None);
    house.set_clock("2027-03-20T10:00:00Z");
    let change = house.engine.policy_runs(&fixed).warning.expect("in eight days");
    assert_eq!(change.at, at("2027-03-28T01:00:00Z"));
    assert_eq!(house.engine.policy_runs(&adjusting).warning, None);
}

#[test]
fn the_status_warns_of_clocks_that_will_change_for_what_is_protected() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    let warned = || {
        let health = house.engine.health(&|_| true).expect("computed");
        let warnings = health.vaults.into_iter().flat_map(|vault| vault.warnings);
        warnings.filter(|warning| warning.contains("Clocks in")).collect::<Vec<_>>()
    };
    for name in ["DefaultPolicy", "EnhancedPolicy"] {
        let policy = house.engine.policy(&vault, name).expect("there");
        let berlin = Policy { time_zone: "W. Europe Standard Time".to_owned(), ..policy };
        house.engine.put_policy(&vault, berlin).expect("written");
    }
    assert_eq!(warned(), [""; 0]);
    house.set_clock("2027-03-20T10:00:00Z");
    let warnings = warned();
    assert_eq!(warnings.len(), 1, "the one that an item follows: {warnings:?}");
    assert!(warnings[0].starts_with("Policy 'DefaultPolicy': Clocks in"), "{warnings:?}");
}

#[test]
fn a_vault_has_no_more_policies_than_it_may() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    let before = house.engine.policy(&vault, "DefaultPolicy").expect("there");
    let named = |name: String| Policy { name, ..before.clone() };
    let ledger = house.engine.ledger();
    let there = house.engine.policies(&vault).expect("listed").len();
    for number in there..4999 {
        ledger.put_policy(&named(format!("policy-{number}"))).expect("put");
    }
    house.engine.put_policy(&vault, named("last".to_owned())).expect("the last one");
    let fault = house.engine.put_policy(&vault, named("more".to_owned())).expect_err("one more");
    assert_eq!(fault.code, Code::QuotaExceeded);
    house.engine.put_policy(&vault, named("LAST".to_owned())).expect("it is there already");
    house.engine.delete_policy(&vault, "last").expect("deleted");
    house.engine.put_policy(&vault, named("more".to_owned())).expect("there is room again");
}

#[test]
fn an_immutable_vault_keeps_no_point_for_less_long() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    assert_eq!(house.backup(&vault).status, Status::Completed);
    let before = house.engine.policy(&vault, "DefaultPolicy").expect("there");
    let other = |name: &str, days| {
        let other = Policy { name: name.to_owned(), retention: kept(days), ..before.clone() };
        house.engine.put_policy(&vault, other).expect("a new one, however short");
    };
    other("short", 29);
    other("long", 60);
    let immutable = |state| {
        let change = VaultChange { immutability: Some(state), ..VaultChange::default() };
        house.engine.change_vault(&vault, None, &change, Strictness::Any).expect("set")
    };
    let vault = immutable(Immutability::Unlocked);
    let put =
        |days| house.engine.put_policy(&vault, Policy { retention: kept(days), ..before.clone() });
    let refused = put(29).expect_err("shorter");
    assert_eq!(refused.code, Code::DeniedOnImmutableItem);
    let azures = "Reduction in retention is not allowed since the vault is immutable";
    assert!(refused.message.starts_with(azures), "{refused}");
    assert_eq!(house.engine.policy(&vault, "DefaultPolicy"), Ok(before.clone()));
    put(31).expect("longer");
    let follow = |name: &str| house.engine.enable(&vault, "holdfast", house::NAME, name);
    assert_eq!(follow("short").expect_err("shorter").code, Code::DeniedOnImmutableItem);
    assert_eq!(house.item(&vault).policy.as_deref(), Some("DefaultPolicy"));
    follow("long").expect("longer");

    let vault = immutable(Immutability::Disabled);
    house.engine.enable(&vault, "holdfast", house::NAME, "short").expect("nothing forbids it");
}
