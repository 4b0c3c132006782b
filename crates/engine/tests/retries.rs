//! Scheduled backups that do not start at once, and that are tried again. Method as in
//! `schedules.rs`: the clock is set forward, and jobs are watched.

mod house;

use std::time::Duration;

use crossbeam_channel::Sender;
use engine::JobQuery;
use fabric::fake::{Fault, NewDisk};
use jiff::{SignedDuration, Timestamp};
use model::fault::Code;
use model::item::Item;
use model::job::{Job, Operation, Status};
use model::vault::Vault;
use model::vm::DiskFormat;
use repo::objects::Operation::Put;
use repo::objects::{Attempt, Mishap};
use uuid::Uuid;

use house::{House, SIZE};

const ONE_DISK: &[(&str, DiskFormat)] = &[("vda", DiskFormat::Qcow2)];
/// When the default policy runs.
const DUE: &str = "2026-11-23T20:30:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

/// The vault's backup jobs, newest first, once there are `count` and all have ended.
#[track_caller]
fn backups(house: &House, vault: &Vault, count: usize) -> Vec<Job> {
    let query = JobQuery {
        vault: Some(vault.id),
        operation: Some(Operation::Backup),
        ..JobQuery::default()
    };
    let mut jobs = Vec::new();
    for _ in 0..2000 {
        jobs = house.engine.jobs(query).expect("listed");
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

/// Gives the scheduler time to see these items.
fn seen(house: &House, items: &[Item]) {
    for _ in 0..1000 {
        let settled = house.engine.ledger().settled_runs().expect("reads");
        if items.iter().all(|item| settled.iter().any(|(id, _)| *id == item.id)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the scheduler never saw the items");
}

fn property<'a>(job: &'a Job, name: &str) -> Option<&'a str> {
    job.properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn next_attempt(job: &Job) -> Timestamp {
    at(property(job, "Next Attempt in UTC").expect("it is tried again"))
}

/// Four machines of one host, protected by one vault.
fn four_machines(house: &House) -> (Vault, Vec<Item>) {
    let (vault, first) = house.protected();
    let mut items = vec![first];
    for (number, name) in [(0x31, "second"), (0x32, "third"), (0x33, "fourth")] {
        let disk = NewDisk { target: "vda".to_owned(), size: SIZE, format: DiskFormat::Qcow2 };
        house.host.add(Uuid::from_u128(number), name, &[disk]);
        let enabled = house.engine.enable(&vault, "holdfast", name, "DefaultPolicy");
        items.push(enabled.expect("enabled").0);
    }
    seen(house, &items);
    (vault, items)
}

/// Watches four machines start, each at its own place in the window that begins then. They have
/// been due since, and the scheduler knows it.
#[track_caller]
fn check_spread(house: &House, vault: &Vault, items: &[Item], begin: Timestamp, window: i64) {
    let window = SignedDuration::from_mins(window);
    let mut places: Vec<SignedDuration> =
        items.iter().map(|item| rules::spread::place(item.id, window)).collect();
    places.sort_unstable();
    for (started, place) in places.iter().enumerate() {
        house.set_clock(&(begin + *place - SignedDuration::from_secs(1)).to_string());
        a_while();
        backups(house, vault, started);
        house.set_clock(&(begin + *place + SignedDuration::from_secs(1)).to_string());
        backups(house, vault, started + 1);
    }
    let jobs = backups(house, vault, items.len());
    assert!(jobs.iter().all(|job| job.status == Status::Completed), "{jobs:?}");
}

#[test]
fn what_is_due_at_the_same_moment_starts_spread_over_a_window() {
    let house = House::configured(ONE_DISK, |config| {
        config.start_window = Duration::from_secs(3600);
    });
    let (vault, items) = four_machines(&house);
    house.set_clock(DUE);
    a_while();
    check_spread(&house, &vault, &items, at(DUE), 60);
}

#[test]
fn what_was_missed_starts_spread_over_a_window_of_its_own() {
    let house = House::configured(ONE_DISK, |config| {
        config.catch_up_window = Duration::from_secs(7200);
    });
    let (vault, items) = four_machines(&house);
    let set_clock = house.clock_setter();
    let house = house.restart(|_| set_clock("2026-11-27T09:00:00Z"));
    a_while();
    check_spread(&house, &vault, &items, at("2026-11-27T09:00:00Z"), 120);
    let jobs = backups(&house, &vault, 4);
    let due = |job| property(job, "Scheduled Time in UTC");
    assert!(jobs.iter().all(|job| due(job) == Some("2026-11-26T20:30:00Z")), "{jobs:?}");
}

#[test]
fn a_store_has_no_more_backups_at_once_than_it_may() {
    let house = House::configured(ONE_DISK, |config| {
        config.backups_per_host = 8;
        config.backups_per_store = 2;
    });
    let (vault, _) = four_machines(&house);
    let (reached, go) = house.hold_next_begin();
    house.set_clock(DUE);
    reached.recv().expect("reached");
    a_while();
    // One is held, and the others go through the other place one after another.
    let jobs = house.engine.jobs(JobQuery { vault: Some(vault.id), ..JobQuery::default() });
    let jobs: Vec<Job> = jobs.expect("listed");
    let backups_of =
        |jobs: &[Job]| jobs.iter().filter(|job| job.operation == Operation::Backup).count();
    assert_eq!(backups_of(&jobs), 4, "{jobs:?}");
    go.send(()).expect("it waits");
    let mut jobs = backups(&house, &vault, 4);
    jobs.retain(|job| job.status == Status::Completed);
    assert_eq!(jobs.len(), 4);
    let at_once = |job: &Job| {
        let others = jobs.iter().filter(|other| {
            other.started_at <= job.started_at && other.ended_at > Some(job.started_at)
        });
        others.count()
    };
    assert!(jobs.iter().all(|job| at_once(job) <= 2), "{jobs:?}");
}

/// A house whose failed scheduled backups are tried again, twice.
fn patient() -> (House, Vault, Item) {
    let house = House::configured(ONE_DISK, |config| {
        config.retries = 2;
        config.retry_after = Duration::from_secs(600);
    });
    let (vault, item) = house.protected();
    seen(&house, std::slice::from_ref(&item));
    (house, vault, item)
}

/// Lets the store be too busy for the next backup.
fn strike(house: &House) {
    let mut struck = false;
    house.faults.of_store(move |attempt: Attempt<'_>| {
        let strikes = attempt.operation == Put && attempt.name.starts_with("packs/");
        (strikes && !std::mem::replace(&mut struck, true)).then_some(Mishap::Busy)
    });
}

/// The first attempt, which finds a busy store.
fn first_attempt(house: &House, vault: &Vault) -> Job {
    strike(house);
    house.set_clock(DUE);
    let job = backups(house, vault, 1).remove(0);
    let error = job.error.as_ref().expect("failed");
    assert_eq!(error.code, Code::StoreUnavailable);
    assert_eq!((property(&job, "Attempt"), property(&job, "Retry of Job")), (None, None));
    let pause = next_attempt(&job).duration_since(job.ended_at.expect("ended"));
    assert!((600..750).contains(&pause.as_secs()), "{pause}");
    job
}

#[test]
fn a_run_that_failed_for_something_that_may_pass_is_tried_again() {
    let (house, vault, _) = patient();
    let first = first_attempt(&house, &vault);
    a_while();
    backups(&house, &vault, 1);
    strike(&house);
    house.set_clock(&next_attempt(&first).to_string());
    let second = backups(&house, &vault, 2).remove(0);
    assert_eq!(second.status, Status::Failed);
    assert_eq!(property(&second, "Attempt"), Some("2"));
    assert_eq!(property(&second, "Retry of Job"), Some(first.id.to_string().as_str()));
    assert_eq!(property(&second, "Scheduled Time in UTC"), Some(DUE));
    house.set_clock(&next_attempt(&second).to_string());
    let third = backups(&house, &vault, 3).remove(0);
    assert_eq!((third.status, property(&third, "Attempt")), (Status::Completed, Some("3")));
    house.set_clock("2026-11-24T20:30:00Z");
    let tomorrow = backups(&house, &vault, 4).remove(0);
    assert_eq!((tomorrow.status, property(&tomorrow, "Attempt")), (Status::Completed, None));
}

#[test]
fn attempts_come_to_an_end() {
    let (house, vault, _) = patient();
    let mut last = first_attempt(&house, &vault);
    for attempt in 2..=3 {
        strike(&house);
        house.set_clock(&next_attempt(&last).to_string());
        last = backups(&house, &vault, attempt).remove(0);
    }
    assert_eq!(property(&last, "Next Attempt in UTC"), None);
    house.set_clock("2026-11-24T20:00:00Z");
    a_while();
    backups(&house, &vault, 3);
}

#[test]
fn an_attempt_that_is_to_be_made_outlives_the_service() {
    let (house, vault, _) = patient();
    let first = first_attempt(&house, &vault);
    let house = house.restart(|_| ());
    a_while();
    backups(&house, &vault, 1);
    house.set_clock(&next_attempt(&first).to_string());
    let second = backups(&house, &vault, 2).remove(0);
    assert_eq!((second.status, property(&second, "Attempt")), (Status::Completed, Some("2")));
}

#[test]
fn another_backup_or_the_next_run_makes_an_attempt_needless() {
    let (house, vault, _) = patient();
    let first = first_attempt(&house, &vault);
    assert_eq!(house.backup(&vault).status, Status::Completed);
    house.set_clock(&next_attempt(&first).to_string());
    a_while();
    backups(&house, &vault, 2);

    let (house, vault, _) = patient();
    first_attempt(&house, &vault);
    house.set_clock("2026-11-24T20:30:00Z");
    let next = backups(&house, &vault, 2).remove(0);
    assert_eq!(property(&next, "Scheduled Time in UTC"), Some("2026-11-24T20:30:00Z"));
    assert_eq!(property(&next, "Attempt"), None);
    a_while();
    backups(&house, &vault, 2);
}

#[test]
fn what_an_operator_has_to_put_right_is_not_tried_again() {
    let (house, vault, _) = patient();
    house.host.script(Fault::NoScratch);
    house.set_clock(DUE);
    let job = backups(&house, &vault, 1).remove(0);
    assert_eq!(job.error.as_ref().map(|error| error.code), Some(Code::ScratchFull));
    assert_eq!(property(&job, "Next Attempt in UTC"), None);
}

#[test]
fn what_somebody_asked_for_is_not_tried_again() {
    let (house, vault, _) = patient();
    house.host.script(Fault::HypervisorDown);
    let job = house.backup(&vault);
    assert_eq!(job.status, Status::Failed);
    assert_eq!(property(&job, "Next Attempt in UTC"), None);
}

#[test]
fn a_scheduled_backup_that_the_services_end_interrupts_is_tried_again_after_its_start() {
    let (house, vault, _) = patient();
    let (reached, go) = house.hold_next_begin();
    house.set_clock(DUE);
    reached.recv().expect("reached");
    house.engine.shutdown();
    go.send(()).expect("it waits");
    let first = backups(&house, &vault, 1).remove(0);
    assert_eq!(first.error.as_ref().map(|error| error.code), Some(Code::Interrupted));
    let house = house.restart(|_| ());
    house.set_clock(&next_attempt(&first).to_string());
    let second = backups(&house, &vault, 2).remove(0);
    assert_eq!((second.status, property(&second, "Attempt")), (Status::Completed, Some("2")));
}

/// Lets a run find its item busy with a backup that is held up, and ends the service.
fn overlap_and_end(house: &House, vault: &Vault, go: &Sender<()>, due: &str) -> Vec<Job> {
    house.set_clock(due);
    let is_overlap =
        |job: &Job| job.error.as_ref().is_some_and(|error| error.code == Code::BackupInProgress);
    for _ in 0..1000 {
        let query = JobQuery { vault: Some(vault.id), ..JobQuery::default() };
        if house.engine.jobs(query).expect("listed").iter().any(is_overlap) {
            house.engine.shutdown();
            go.send(()).expect("it waits");
            return backups(house, vault, 2);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no overlap was recorded");
}

#[test]
fn a_run_that_found_its_item_busy_is_caught_up_once_by_the_next_service() {
    let (house, vault, item) = patient();
    let (reached, go) = house.hold_next_begin();
    house.engine.backup_now(&item, None).expect("begun");
    reached.recv().expect("reached");
    overlap_and_end(&house, &vault, &go, DUE);
    let house = house.restart(|_| ());
    let caught_up = backups(&house, &vault, 3).remove(0);
    assert_eq!((caught_up.status, property(&caught_up, "Attempt")), (Status::Completed, None));
    assert_eq!(property(&caught_up, "Scheduled Time in UTC"), Some(DUE));
    a_while();
    backups(&house, &vault, 3);
}

#[test]
fn a_run_that_found_another_run_busy_makes_up_for_both() {
    const NEXT_DAY: &str = "2026-11-24T20:30:00Z";
    let (house, vault, _) = patient();
    let (reached, go) = house.hold_next_begin();
    house.set_clock(DUE);
    reached.recv().expect("reached");
    let interrupted = overlap_and_end(&house, &vault, &go, NEXT_DAY).remove(1);
    let house = house.restart(|_| ());
    let caught_up = backups(&house, &vault, 3).remove(0);
    assert_eq!(caught_up.status, Status::Completed);
    assert_eq!(property(&caught_up, "Scheduled Time in UTC"), Some(NEXT_DAY));
    house.set_clock(&next_attempt(&interrupted).to_string());
    a_while();
    backups(&house, &vault, 3);
}

#[test]
fn a_failed_backup_that_somebody_asked_for_takes_no_attempt_away() {
    for restarts in [false, true] {
        let (house, vault, item) = patient();
        let first = first_attempt(&house, &vault);
        let (reached, go) = house.hold_next_begin();
        house.engine.backup_now(&item, None).expect("begun");
        reached.recv().expect("reached");
        // Its turn comes while the other one runs.
        house.set_clock(&next_attempt(&first).to_string());
        a_while();
        if !restarts {
            strike(&house);
            go.send(()).expect("it waits");
        } else {
            house.engine.shutdown();
            go.send(()).expect("it waits");
            backups(&house, &vault, 2);
        }
        let house = if restarts { house.restart(|_| ()) } else { house };
        let jobs = backups(&house, &vault, 3);
        assert_eq!(jobs[1].status, Status::Failed, "what somebody asked for");
        assert_eq!((jobs[0].status, property(&jobs[0], "Attempt")), (Status::Completed, Some("2")));
        a_while();
        backups(&house, &vault, 3);
    }
}

#[test]
fn old_jobs_are_deleted_but_each_items_newest_one() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    let on_demand = [house.backup(&vault).id, house.backup(&vault).id];
    let stopped = Item {
        state: model::item::ProtectionState::ProtectionStopped,
        policy: None,
        ..house.item(&vault)
    };
    house.engine.ledger().update_item(&stopped).expect("updated");
    let query = JobQuery { item: Some(item.id), ..JobQuery::default() };
    let count = || house.engine.jobs(query).expect("listed").len();
    assert_eq!(count(), 3);
    house.engine.run_retention(&vault);
    house.set_clock("2027-05-23T09:00:00Z");
    a_while();
    assert_eq!(count(), 3, "a clock that ran ahead by half a year says nothing of what is old");
    house.engine.confirm_clock().expect("confirmed");
    house.pass(3600);
    for _ in 0..1000 {
        let jobs = house.engine.jobs(query).expect("listed");
        if jobs.len() < 3 {
            assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [on_demand[1]]);
            assert_eq!(house.points(&vault).len(), 2, "points do not go with their jobs");
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no job was deleted");
}
