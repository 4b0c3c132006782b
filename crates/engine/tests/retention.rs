//! How points go and their space comes back, what stops that, and what a turn that was cut off
//! leaves to the next one.

mod house;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{Strictness, VaultChange, Wish};
use jiff::civil::Weekday;
use jiff::{SignedDuration, Timestamp};
use model::fault::Code;
use model::item::ProtectionState;
use model::job::Status;
use model::point::{Point, PointId};
use model::policy::{Keep, LongTerm, Policy, Retention, Schedule, Unit, WeeklyRetention};
use model::retention::PlanState;
use model::units::MIB;
use model::vault::{Immutability, Vault};
use repo::objects::Mishap;

use house::{House, VM, copy_ledger, noise};

/// A house with an item, and points taken daily at noon from 24 November on, each with data of its
/// own. They count as scheduled ones, kept for so many days.
fn with_points(count: u64, days: u16) -> (House, Vault) {
    let house = House::with_one_disk();
    let vault = house.vault("v1", "local");
    keep_for(&house, &vault, days);
    house.engine.enable(&vault, "holdfast", house::NAME, "DefaultPolicy").expect("enabled");
    for number in 0..count {
        house.set_clock(&format!("2026-11-{}T12:00:00Z", 24 + number));
        take_point(&house, &vault, number);
    }
    (house, vault)
}

fn take_point(house: &House, vault: &Vault, number: u64) {
    house.host.write(VM, "vda", MIB, &noise(100 + number, 2 * MIB)).expect("written");
    assert_eq!(house.backup(vault).status, Status::Completed);
    let newest = house.points(vault).remove(0);
    let scheduled = Point { retain_until: None, ..newest };
    house.engine.ledger().put_point(&scheduled).expect("put");
}

/// Has the policy keep points for so many days, and make none by itself.
fn keep_for(house: &House, vault: &Vault, days: u16) {
    let policy = house.engine.policy(vault, "DefaultPolicy").expect("there");
    let retention = Retention::Simple(Keep { count: days, unit: Unit::Days });
    let schedule = Schedule::Weekly { days: Vec::new(), at: policy.schedule.first() };
    house.engine.ledger().put_policy(&Policy { schedule, retention, ..policy }).expect("put");
}

/// The item's points, oldest first.
fn ids(house: &House, vault: &Vault) -> Vec<PointId> {
    house.points(vault).iter().rev().map(|point| point.id).collect()
}

/// The ledger and the repository have these points, and no others.
#[track_caller]
fn has(house: &House, vault: &Vault, expected: &[PointId]) {
    assert_eq!(ids(house, vault), expected);
    let usage = house.engine.vault_usage(vault).expect("read");
    assert_eq!(usage.points, expected.len() as u64, "the repository has others");
}

fn bytes_in(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("read"));
    let size = |entry: fs::DirEntry| match entry.metadata().expect("read") {
        found if found.is_dir() => bytes_in(&entry.path()),
        found => found.len(),
    };
    entries.map(size).sum()
}

fn fault(house: &House, vault: &Vault) -> Option<Code> {
    let status = house.engine.retention_status(vault).expect("read");
    status.upkeep.fault.map(|fault| fault.code)
}

#[test]
fn points_past_their_date_go_and_their_space_comes_back() {
    let (house, vault) = with_points(4, 7);
    let all = ids(&house, &vault);
    let packs = house.data().join("stores/local").join(vault.id.to_string()).join("packs");
    let before = bytes_in(&packs);
    house.set_clock("2026-12-01T23:00:00Z");
    house.engine.run_retention(&vault);
    has(&house, &vault, &all);
    house.set_clock("2026-12-02T00:00:01Z");
    house.engine.run_retention(&vault);
    has(&house, &vault, &all[1..]);
    let upkeep = house.engine.retention_status(&vault).expect("read").upkeep;
    assert_eq!((upkeep.forgotten, upkeep.fault), (1, None));
    assert!(upkeep.collection.later_bytes > MIB, "{:?}", upkeep.collection);
    // What was condemned can be read for a day.
    house.set_clock("2026-12-03T00:00:02Z");
    house.engine.run_retention(&vault);
    has(&house, &vault, &all[2..]);
    let upkeep = house.engine.retention_status(&vault).expect("read").upkeep;
    assert!(upkeep.collection.freed_bytes > MIB, "{:?}", upkeep.collection);
    assert!(upkeep.freed_bytes >= upkeep.collection.freed_bytes, "all runs together");
    let after = bytes_in(&packs);
    assert!(before - after > MIB, "{before} bytes before, {after} after");
    // Nothing comes any more: the newest one stays, whatever its date.
    for day in 5..20 {
        house.set_clock(&format!("2026-12-{day:02}T01:00:00Z"));
        house.engine.run_retention(&vault);
    }
    has(&house, &vault, &all[3..]);
    let job = house.backup(&vault);
    assert_eq!(job.status, Status::Completed, "the next backup does without what is gone");
}

#[test]
fn the_space_of_a_vault_out_of_sight_comes_back_too_and_nothing_else_of_it_goes() {
    let (house, vault) = with_points(4, 7);
    let all = ids(&house, &vault);
    house.set_clock("2026-12-02T00:00:01Z");
    house.engine.run_retention(&vault);
    let job = house.engine.change(&vault, house.item(&vault), &Wish::Delete).expect("deleted");
    house.ended(&vault, job);
    house.engine.delete_vault(&vault).expect("soft-deleted");
    let packs = house.data().join("stores/local").join(vault.id.to_string()).join("packs");
    let before = bytes_in(&packs);
    for day in 3..6 {
        house.set_clock(&format!("2026-12-0{day}T01:00:00Z"));
        house.engine.turn();
    }
    let after = bytes_in(&packs);
    assert!(before - after > MIB, "{before} bytes before, {after} after");
    let found = house.engine.vault_out_of_sight("local", "v1").expect("there");
    house.engine.undelete_vault(&found, "holdfast").expect("back");
    has(&house, &vault, &all[1..]);
}

#[test]
fn a_turn_is_taken_by_itself_once_an_hour() {
    let (house, vault) = with_points(3, 7);
    let all = ids(&house, &vault);
    house.set_clock("2026-12-01T23:30:00Z");
    house.engine.turn();
    house.set_clock("2026-12-02T00:10:00Z");
    house.engine.turn();
    has(&house, &vault, &all);
    house.set_clock("2026-12-02T00:31:00Z");
    house.engine.turn();
    has(&house, &vault, &all[1..]);
}

#[test]
fn a_dry_run_says_why_and_changes_nothing() {
    let (house, vault) = with_points(3, 7);
    let all = ids(&house, &vault);
    house.set_clock("2026-12-02T10:00:00Z");
    let judged = house.engine.retention_of_item(&vault, &house.item(&vault)).expect("judged");
    let told: Vec<(PointId, bool, String)> = judged
        .points
        .iter()
        .map(|judged| (judged.point, judged.verdict.released, judged.verdict.to_string()))
        .collect();
    let rule = || "every point, for 7 days".to_owned();
    assert_eq!(told, [(all[0], true, rule()), (all[1], false, rule()), (all[2], false, rule()),]);
    has(&house, &vault, &all);
}

#[test]
fn a_points_expiry_is_when_the_plan_gives_it_up() {
    let (house, vault) = with_points(4, 7);
    let policy = house.engine.policy(&vault, "DefaultPolicy").expect("there");
    let keep = |count, unit| Keep { count, unit };
    let weekly = WeeklyRetention { days: vec![Weekday::Wednesday], keep: keep(1, Unit::Weeks) };
    let (daily, weekly) = (Some(keep(3, Unit::Days)), Some(weekly));
    let retention = Retention::LongTerm(LongTerm { daily, weekly, ..LongTerm::default() });
    house.engine.ledger().put_policy(&Policy { retention, ..policy }).expect("put");
    let expiries = || house.engine.expiries(&vault, &house.item(&vault)).expect("told");
    let at = |text: &str| text.parse::<Timestamp>().expect("a timestamp");
    let [tuesday, wednesday, thursday, friday] = ids(&house, &vault)[..] else { panic!("four") };
    let mut left = vec![tuesday, wednesday, thursday, friday];
    for (point, expiry) in [
        (tuesday, "2026-11-28T00:00:00Z"),
        (thursday, "2026-11-30T00:00:00Z"),
        (wednesday, "2026-12-03T00:00:00Z"),
    ] {
        assert_eq!(expiries().get(&point), Some(&at(expiry)));
        house.set_clock(&(at(expiry) - SignedDuration::from_secs(1)).to_string());
        house.engine.run_retention(&vault);
        has(&house, &vault, &left);
        house.set_clock(&(at(expiry) + SignedDuration::from_hours(24)).to_string());
        house.engine.run_retention(&vault);
        left.retain(|other| *other != point);
        has(&house, &vault, &left);
    }
}

#[test]
fn the_newest_point_has_a_date_until_that_is_past() {
    let (house, vault) = with_points(1, 7);
    let expiries = || house.engine.expiries(&vault, &house.item(&vault)).expect("told");
    let until: Vec<String> = expiries().values().map(Timestamp::to_string).collect();
    assert_eq!(until, ["2026-12-02T00:00:00Z"]);
    house.set_clock("2026-12-02T00:00:01Z");
    assert!(expiries().is_empty(), "it stays");
}

#[test]
fn no_date_lets_go_of_the_points_of_what_is_stopped() {
    let (house, vault) = with_points(2, 7);
    house.engine.change(&vault, house.item(&vault), &Wish::Stop).expect("stopped");
    assert!(house.engine.expiries(&vault, &house.item(&vault)).expect("told").is_empty());
}

#[test]
fn many_at_once_wait_for_a_confirmation() {
    let (house, vault) = with_points(5, 30);
    let all = ids(&house, &vault);
    house.set_clock("2026-12-05T10:00:00Z");
    // Somebody mistyped.
    keep_for(&house, &vault, 9);
    house.engine.run_retention(&vault);
    has(&house, &vault, &all);
    assert_eq!(fault(&house, &vault), Some(Code::MassExpiry));
    let waiting = house.engine.retention_status(&vault).expect("read").waiting.expect("waits");
    let points: Vec<PointId> = waiting.steps.iter().map(|step| step.point).collect();
    assert_eq!(points, all[..2]);
    house.engine.run_retention(&vault);
    let again = house.engine.retention_status(&vault).expect("read").waiting.expect("waits");
    assert_eq!(again, waiting, "what says the same stays the same plan");
    // What was seen a day ago is not what there is now.
    house.set_clock("2026-12-06T10:00:00Z");
    house.engine.run_retention(&vault);
    let refused = house.engine.confirm_retention(&vault, Some(waiting.id)).expect_err("another");
    assert_eq!(refused.code, Code::PreconditionFailed);
    let waiting = house.engine.retention_status(&vault).expect("read").waiting.expect("waits");
    let confirmed = house.engine.confirm_retention(&vault, Some(waiting.id)).expect("confirmed");
    assert_eq!((confirmed.id, confirmed.state), (waiting.id, PlanState::Confirmed));
    has(&house, &vault, &all);
    house.engine.run_retention(&vault);
    has(&house, &vault, &all[3..]);
    assert_eq!(fault(&house, &vault), None);
    let none = house.engine.confirm_retention(&vault, None).expect_err("nothing waits");
    assert_eq!(none.code, Code::ResourceNotFound);
}

#[test]
fn a_plan_whose_facts_have_changed_is_dropped() {
    let (house, vault) = with_points(5, 30);
    let all = ids(&house, &vault);
    house.set_clock("2026-12-05T10:00:00Z");
    keep_for(&house, &vault, 8);
    house.engine.run_retention(&vault);
    house.engine.confirm_retention(&vault, None).expect("confirmed");
    // Confirmed, but set right before it is carried out.
    keep_for(&house, &vault, 80);
    house.engine.run_retention(&vault);
    has(&house, &vault, &all);
    assert_eq!(house.engine.retention_status(&vault).expect("read").waiting, None);
    assert_eq!(fault(&house, &vault), None);
}

#[test]
fn a_clock_that_ran_ahead_deletes_nothing_until_it_is_confirmed() {
    let (house, vault) = with_points(3, 7);
    let all = ids(&house, &vault);
    house.engine.run_retention(&vault);
    house.set_clock("2026-12-04T13:00:00Z");
    house.engine.run_retention(&vault);
    has(&house, &vault, &all);
    assert_eq!(fault(&house, &vault), Some(Code::ClockSuspect));
    assert_eq!(house.backup(&vault).status, Status::Completed, "backups go on");
    let all = ids(&house, &vault);
    house.engine.run_retention(&vault);
    has(&house, &vault, &all);
    house.engine.confirm_clock().expect("confirmed");
    house.engine.run_retention(&vault);
    // Trusted again; and then there are many at once.
    assert_eq!(fault(&house, &vault), Some(Code::MassExpiry));
    house.engine.confirm_retention(&vault, None).expect("confirmed");
    house.engine.run_retention(&vault);
    has(&house, &vault, &all[3..]);
}

#[test]
fn a_clock_that_comes_back_is_trusted_again() {
    let (house, vault) = with_points(3, 7);
    let all = ids(&house, &vault);
    house.engine.run_retention(&vault);
    const DAY: i64 = 24 * 3600;
    house.set_clock("2027-11-26T12:00:00Z");
    house.engine.turn();
    assert_eq!(fault(&house, &vault), Some(Code::ClockSuspect));
    house.pass(-365 * DAY);
    house.engine.turn();
    assert_eq!(fault(&house, &vault), None);
    has(&house, &vault, &all);
    // Far behind what it has shown is no better.
    house.pass(-DAY);
    house.engine.turn();
    assert_eq!(fault(&house, &vault), Some(Code::ClockSuspect));
}

#[test]
fn a_clock_that_is_not_the_stores_deletes_nothing() {
    let (house, vault) = with_points(3, 7);
    let all = ids(&house, &vault);
    house.set_clock("2026-12-02T10:00:00Z");
    let say = |time: &str| {
        let time: Timestamp = time.parse().expect("a timestamp");
        *house.faults.store_time.lock().expect("not poisoned") = Some(time);
    };
    say("2026-11-26T10:00:00Z");
    house.engine.run_retention(&vault);
    assert_eq!(fault(&house, &vault), Some(Code::ClockSuspect));
    has(&house, &vault, &all);
    say("2026-12-02T10:00:30Z");
    house.engine.run_retention(&vault);
    assert_eq!(fault(&house, &vault), None);
    has(&house, &vault, &all[1..]);
    // The store's clock is wrong, and an operator says so.
    say("2026-11-26T10:00:00Z");
    house.engine.run_retention(&vault);
    assert_eq!(fault(&house, &vault), Some(Code::ClockSuspect));
    house.engine.confirm_clock().expect("confirmed");
    house.engine.run_retention(&vault);
    assert_eq!(fault(&house, &vault), None);
}

#[test]
fn what_is_stopped_keeps_its_points_and_what_is_resumed_waits_for_a_word() {
    let (house, vault) = with_points(3, 7);
    let all = ids(&house, &vault);
    let item = house.item(&vault);
    house.engine.change(&vault, item, &Wish::Stop).expect("stopped");
    for day in [1, 7, 13, 19] {
        house.set_clock(&format!("2026-12-{day:02}T12:00:00Z"));
        house.engine.run_retention(&vault);
    }
    has(&house, &vault, &all);
    assert_eq!(house.item(&vault).state, ProtectionState::ProtectionStopped);
    house.engine.enable(&vault, "holdfast", house::NAME, "DefaultPolicy").expect("resumed");
    house.engine.run_retention(&vault);
    has(&house, &vault, &all);
    assert_eq!(fault(&house, &vault), Some(Code::MassExpiry));
}

#[test]
fn an_immutable_vault_keeps_what_it_promised() {
    let (house, vault) = with_points(3, 12);
    let all = ids(&house, &vault);
    let change =
        VaultChange { immutability: Some(Immutability::Unlocked), ..VaultChange::default() };
    let vault = house.engine.change_vault(&vault, None, &change, Strictness::Any).expect("set");
    house.set_clock("2026-11-30T12:00:00Z");
    house.engine.run_retention(&vault);
    // Whoever shortens the policy all the same shortens no point's life.
    keep_for(&house, &vault, 7);
    house.set_clock("2026-12-06T12:00:00Z");
    house.engine.run_retention(&vault);
    has(&house, &vault, &all);
    house.set_clock("2026-12-07T00:00:00Z");
    house.engine.run_retention(&vault);
    has(&house, &vault, &all[1..]);
}

/// Takes a turn again and again, each of which finds its calls failing from one later on, until
/// one is not cut off. After each, the ledger never has less than the log.
fn cut_off(break_after: impl Fn(&House, u64) -> Arc<AtomicU64>) {
    let (house, vault) = with_points(4, 7);
    let all = ids(&house, &vault);
    let mut cuts = 0;
    for count in 0.. {
        house.set_clock(&format!("2026-12-02T{:02}:{:02}:00Z", count / 60, count % 60));
        let asked = break_after(&house, count);
        house.engine.run_retention(&vault);
        house.faults.none();
        let left = ids(&house, &vault);
        let stored = house.engine.vault_usage(&vault).expect("read").points;
        assert!(left.len() as u64 >= stored, "after {count} calls");
        if asked.load(Ordering::SeqCst) <= count {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 8, "a turn asks for more than {cuts}");
    has(&house, &vault, &all[1..]);
    assert_eq!(fault(&house, &vault), None);
    assert_eq!(house.engine.retention_status(&vault).expect("read").waiting, None);
}

#[test]
fn a_turn_cut_off_at_any_request_to_the_store_is_finished_by_the_next() {
    cut_off(|house, count| {
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        house.faults.of_store(move |_| {
            (counted.fetch_add(1, Ordering::SeqCst) >= count).then_some(Mishap::Fails)
        });
        asked
    });
}

#[test]
fn a_turn_cut_off_after_any_request_to_the_store_is_finished_by_the_next() {
    cut_off(|house, count| {
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        house.faults.of_store(move |_| {
            (counted.fetch_add(1, Ordering::SeqCst) >= count).then_some(Mishap::DoneButFails)
        });
        asked
    });
}

#[test]
fn a_turn_cut_off_at_any_call_of_the_ledger_is_finished_by_the_next() {
    cut_off(|house, count| {
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        house.faults.of_ledger(move |_| counted.fetch_add(1, Ordering::SeqCst) >= count);
        asked
    });
}

#[test]
fn a_point_that_is_gone_from_the_log_alone_goes_from_the_ledger_too() {
    let (house, vault) = with_points(3, 7);
    let all = ids(&house, &vault);
    let copy = house.dir().join("copy");
    house.set_clock("2026-12-02T10:00:00Z");
    let house = house.restart(|data| copy_ledger(data, &copy));
    house.engine.run_retention(&vault);
    has(&house, &vault, &all[1..]);
    // As if the engine had been killed between the log and the ledger.
    let copy = house.dir().join("copy");
    let house = house.restart(|data| copy_ledger(&copy, data));
    assert_eq!(ids(&house, &vault), all);
    house.engine.run_retention(&vault);
    has(&house, &vault, &all[1..]);
    house.engine.run_retention(&vault);
    has(&house, &vault, &all[1..]);
}
