//! Backups that policies ask for: when they start, and when they do not.
//!
//! Method: a clock of the test's own, which begins at 10:00 on 23 November 2026, is set forward;
//! the default policy runs at 20:30. Jobs are watched until they are what is expected.

mod house;

use std::time::Duration;

use engine::JobQuery;
use fabric::fake::NewDisk;
use model::fault::Code;
use model::item::{Item, ProtectionState};
use model::job::{Job, Operation, Status};
use model::policy::{Policy, Schedule};
use model::vault::Vault;
use model::vm::DiskFormat;
use uuid::Uuid;

use house::{House, NAME, SIZE, VM};

/// All jobs of a vault.
fn of(vault: &Vault) -> JobQuery {
    JobQuery { vault: Some(vault.id), ..JobQuery::default() }
}

/// The vault's backup jobs that have ended, newest first, once there are `count` of them.
#[track_caller]
fn backups(house: &House, vault: &Vault, count: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    for _ in 0..2000 {
        jobs = house.engine.jobs(of(vault)).expect("listed");
        jobs.retain(|job| job.operation == Operation::Backup);
        if jobs.len() >= count && jobs.iter().all(|job| job.status.has_ended()) {
            assert_eq!(jobs.len(), count, "{jobs:?}");
            return jobs;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{count} backups were expected: {jobs:?}");
}

/// Long enough for the scheduler to start what it would start.
fn a_while() {
    std::thread::sleep(Duration::from_millis(2500));
}

/// Gives the scheduler time to see the items that there are.
fn seen(house: &House, item: &Item) {
    for _ in 0..1000 {
        let settled = house.engine.ledger().settled_runs().expect("reads");
        if settled.iter().any(|(id, _)| *id == item.id) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the scheduler never saw the item");
}

fn property<'a>(job: &'a Job, name: &str) -> &'a str {
    let found = job.properties.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str()).expect(name)
}

#[test]
fn a_daily_policy_starts_its_backups_the_initial_one_included() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    let following = house.engine.following(&vault, std::slice::from_ref(&item)).expect("read")[0]
        .expect("has a policy");
    assert_eq!(following.next_run, "2026-11-23T20:30:00Z".parse().ok());
    seen(&house, &item);
    house.set_clock("2026-11-23T20:29:00Z");
    a_while();
    backups(&house, &vault, 0);
    assert_eq!(house.item(&vault).state, ProtectionState::IrPending);

    house.set_clock("2026-11-23T20:30:00Z");
    let first = backups(&house, &vault, 1).remove(0);
    assert_eq!(first.status, Status::Completed, "{:?}", first.error);
    assert_eq!(property(&first, "Trigger"), "Scheduled");
    assert_eq!(property(&first, "Policy Name"), "DefaultPolicy");
    assert_eq!(property(&first, "Scheduled Time in UTC"), "2026-11-23T20:30:00Z");
    assert_eq!(first.retain_until, None);
    assert_eq!(house.points(&vault)[0].retain_until, None, "the policy keeps it");
    assert_eq!(house.item(&vault).state, ProtectionState::Protected);

    house.set_clock("2026-11-24T20:30:00Z");
    let second = backups(&house, &vault, 2).remove(0);
    assert_eq!(property(&second, "Scheduled Time in UTC"), "2026-11-24T20:30:00Z");
    assert!(second.disks[0].method.starts_with("Read incrementally"));
    assert_eq!(house.points(&vault).len(), 2);
}

#[test]
fn a_restart_repeats_no_run_and_makes_up_for_missed_ones_by_one() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    seen(&house, &item);
    house.set_clock("2026-11-23T20:30:00Z");
    backups(&house, &vault, 1);
    let house = house.restart(|_| ());
    a_while();
    backups(&house, &vault, 1);

    let set_clock = house.clock_setter();
    let house = house.restart(|_| set_clock("2026-11-27T09:00:00Z"));
    let caught_up = backups(&house, &vault, 2).remove(0);
    assert_eq!(property(&caught_up, "Scheduled Time in UTC"), "2026-11-26T20:30:00Z");
    a_while();
    backups(&house, &vault, 2);
}

#[test]
fn a_clock_that_ran_ahead_and_was_set_back_costs_no_backup() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    seen(&house, &item);
    house.set_clock("2027-02-23T21:00:00Z");
    let ahead = backups(&house, &vault, 1).remove(0);
    assert_eq!(property(&ahead, "Scheduled Time in UTC"), "2027-02-23T20:30:00Z");
    let correct_clock = house.clock_corrector();
    correct_clock("2026-11-23T20:29:00Z");
    a_while();
    backups(&house, &vault, 1);
    house.set_clock("2026-11-23T20:30:00Z");
    let due = |count| {
        let jobs = backups(&house, &vault, count);
        let mut due: Vec<_> =
            jobs.iter().map(|job| property(job, "Scheduled Time in UTC").to_owned()).collect();
        due.sort_unstable();
        due
    };
    assert_eq!(due(2), ["2026-11-23T20:30:00Z", "2027-02-23T20:30:00Z"]);

    // The same while the service is down.
    house.set_clock("2027-02-23T20:31:00Z");
    assert_eq!(due(3)[1], "2027-02-23T20:30:00Z");
    let house = house.restart(|_| correct_clock("2026-11-24T10:00:00Z"));
    a_while();
    house.set_clock("2026-11-24T20:30:00Z");
    let jobs = backups(&house, &vault, 4);
    let today = |job: &Job| property(job, "Scheduled Time in UTC") == "2026-11-24T20:30:00Z";
    assert_eq!(jobs.iter().filter(|job| today(job)).count(), 1);
}

#[test]
fn a_run_that_finds_its_item_busy_is_recorded_and_caught_up_once() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    seen(&house, &item);
    let (reached, go) = house.hold_next_begin();
    let running = house.engine.backup_now(&item, None).expect("begun");
    reached.recv().expect("reached");
    house.set_clock("2026-11-23T20:30:00Z");
    let overlap = || {
        let jobs = house.engine.jobs(of(&vault)).expect("listed");
        jobs.into_iter().find(|job| job.status == Status::Failed)
    };
    for _ in 0..1000 {
        if overlap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let overlap = overlap().expect("recorded");
    let error = overlap.error.as_ref().expect("failed");
    assert_eq!(error.code, Code::BackupInProgress);
    a_while();
    assert_eq!(house.engine.jobs(of(&vault)).expect("listed").len(), 3, "and recorded only once");
    go.send(()).expect("it waits");
    let jobs = backups(&house, &vault, 3);
    assert_eq!(jobs[2].id, running);
    assert_eq!((jobs[1].id, jobs[0].status), (overlap.id, Status::Completed));
    assert_eq!(property(&jobs[0], "Scheduled Time in UTC"), "2026-11-23T20:30:00Z");
    a_while();
    backups(&house, &vault, 3);
}

#[test]
fn a_host_has_no_more_backups_at_once_than_it_may() {
    let house = House::with_one_disk();
    let disk = NewDisk { target: "vda".to_owned(), size: SIZE, format: DiskFormat::Qcow2 };
    house.host.add(Uuid::from_u128(0x33), "second", &[disk]);
    let (vault, item) = house.protected();
    let second = house.engine.enable(&vault, "holdfast", "second", "DefaultPolicy");
    for item in [item, second.expect("enabled").0] {
        seen(&house, &item);
    }
    let (reached, go) = house.hold_next_begin();
    house.set_clock("2026-11-23T20:30:00Z");
    reached.recv().expect("reached");
    a_while();
    let running = house.engine.jobs(of(&vault)).expect("listed");
    let running = running.iter().filter(|job| job.operation == Operation::Backup).count();
    assert_eq!(running, 1, "the other one waits");
    go.send(()).expect("it waits");
    let jobs = backups(&house, &vault, 2);
    assert!(jobs.iter().all(|job| job.status == Status::Completed), "{jobs:?}");
}

#[test]
fn an_item_whose_protection_is_stopped_is_not_backed_up() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    seen(&house, &item);
    let stopped = Item { state: ProtectionState::ProtectionStopped, policy: None, ..item };
    house.engine.ledger().update_item(&stopped).expect("updated");
    house.set_clock("2026-11-23T20:30:00Z");
    a_while();
    backups(&house, &vault, 0);
    assert_eq!(house.engine.following(&vault, &[stopped]), Ok(vec![None]));
}

#[test]
fn a_policy_that_changes_is_followed_from_now_on() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    seen(&house, &item);
    // Half past nine has passed: what the old schedule did not want is not made up for.
    let policy = house.engine.policy(&vault, "DefaultPolicy").expect("there");
    let at = |text: &str| text.parse().expect("a timestamp");
    let daily =
        |text: &str| Policy { schedule: Schedule::Daily { at: at(text) }, ..policy.clone() };
    house.engine.put_policy(&vault, daily("2026-01-01T09:30:00Z")).expect("written");
    a_while();
    backups(&house, &vault, 0);
    house.engine.put_policy(&vault, daily("2026-01-01T11:00:00Z")).expect("written");
    a_while();
    house.set_clock("2026-11-23T11:00:00Z");
    let job = backups(&house, &vault, 1).remove(0);
    assert_eq!(property(&job, "Scheduled Time in UTC"), "2026-11-23T11:00:00Z");
}

#[test]
fn a_machine_that_is_gone_gives_a_failed_job() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    seen(&house, &item);
    fabric::Host::destroy(&house.host, VM).expect("off");
    fabric::Host::undefine(&house.host, VM).expect("gone");
    house.set_clock("2026-11-23T20:30:00Z");
    let job = backups(&house, &vault, 1).remove(0);
    assert_eq!(job.status, Status::Failed);
    assert_eq!(job.error.map(|error| error.code), Some(Code::VmNotFound));
    assert_eq!(house.item(&vault).vm_name, NAME);
}

#[test]
fn a_policy_that_wants_no_freeze_gets_none() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    let policy = house.engine.policy(&vault, "DefaultPolicy").expect("there");
    let crash = Policy { only_crash_consistent: true, ..policy };
    house.engine.put_policy(&vault, crash).expect("written");
    let job = house.engine.backup_now(&item, None).expect("begun");
    let job = house.ended(&vault, job);
    assert_eq!((job.status, job.warnings), (Status::Completed, Vec::new()));
    let consistency = house.points(&vault)[0].consistency;
    assert_eq!(consistency, model::point::Consistency::Crash);
}
