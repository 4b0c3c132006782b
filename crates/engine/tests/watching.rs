//! What whoever looks after the installation is told. Method as in `schedules.rs`: the clock is set
//! forward, and the status is asked until it is what is expected.

mod house;

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{Health, ItemHealth};
use jiff::Timestamp;
use model::alert::Kind;
use model::fault::{Code, Fault};
use model::job::Status;
use model::point::Consistency;
use model::policy::Policy;
use model::retention::{ClockSight, Plan, PlanState};
use model::vault::Vault;
use model::vm::DiskFormat;
use uuid::Uuid;

use house::{AtBegin, House};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn health(house: &House) -> Health {
    house.engine.health(&|_| true).expect("read")
}

/// The only item of the first vault.
fn item(house: &House) -> ItemHealth {
    health(house).vaults[0].items[0].clone()
}

/// The health, once it is as expected.
#[track_caller]
fn once(house: &House, is_so: impl Fn(&Health) -> bool) -> Health {
    for _ in 0..1000 {
        let health = health(house);
        if is_so(&health) {
            return health;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never is as expected: {:#?}", health(house));
}

fn counts(house: &House) {
    for _ in 0..1000 {
        if !house.engine.ledger().runs_count_from().expect("reads").is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the scheduler never saw the item");
}

#[test]
fn an_item_without_the_point_of_a_run_is_late_until_it_has_one() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    counts(&house);
    assert!(health(&house).is_good());
    assert_eq!(item(&house).next_run, Some(at("2026-11-23T20:30:00Z")));

    house.at_next_begin(AtBegin::Panic);
    house.set_clock("2026-11-23T20:30:00Z");
    once(&house, |health| health.vaults[0].items[0].failed().is_some());
    assert_eq!(item(&house).late_since(), None, "there is still time");
    house.set_clock("2026-11-24T03:00:00Z");
    assert_eq!(item(&house).late_since(), Some(at("2026-11-23T20:30:00Z")));
    assert!(!health(&house).is_good());

    let job = house.backup(&vault);
    assert_eq!(job.status, Status::Completed, "{:?}", job.error);
    let item = item(&house);
    assert_eq!((item.late_since(), item.failed()), (None, None));
    assert!(item.newest.is_some_and(|newest| newest > at("2026-11-24T03:00:00Z")));
    assert!(health(&house).is_good());
}

#[test]
fn a_failed_backup_is_told_with_its_reason_until_one_succeeds() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.at_next_begin(AtBegin::Panic);
    let job = house.backup(&vault);
    assert_eq!(job.status, Status::Failed);
    let (since, fault) = item(&house).failed().expect("told");
    assert_eq!((since, fault.code), (job.started_at, Code::Internal));
    house.backup(&vault);
    assert_eq!(item(&house).failed(), None);
}

#[test]
fn nobody_is_told_of_vaults_that_they_may_not_see() {
    let house = House::with_one_disk();
    let (seen, _) = house.protected();
    house.vault("v2", "local");
    let only = |vault: &Vault| vault.id == seen.id;
    let health = house.engine.health(&only).expect("read");
    assert_eq!(health.vaults.len(), 1);
    let none = house.engine.health(&|_| false).expect("read");
    assert!(none.vaults.is_empty() && none.running.is_empty() && none.failed.is_empty());
}

#[test]
fn a_running_backup_is_told_with_its_progress() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    let (reached, go) = house.hold_next_begin();
    let job = house.engine.backup_now(&item, None).expect("begun");
    reached.recv().expect("it begins");
    let running = health(&house).running;
    assert_eq!(running.iter().map(|job| job.id).collect::<Vec<_>>(), [job]);
    go.send(()).expect("it listens");
    house.ended(&vault, job);
    assert!(health(&house).running.is_empty());
}

#[test]
fn vaults_are_measured_from_the_start_on() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    let point = house.points(&vault).remove(0);
    assert_eq!(point.consistency, Consistency::FileSystem);
    house.set_clock("2026-11-23T11:00:00Z");
    let health = once(&house, |health| health.vaults[0].size().is_some_and(|it| it.points > 0));
    let size = health.vaults[0].size().expect("measured");
    assert_eq!((size.points, size.logical_bytes), (1, point.logical_bytes));
    assert!((1..=point.stored_bytes).contains(&size.stored_bytes), "packs alone: {size:?}");
    assert_eq!(health.vaults[0].growth(7), None, "nothing is known from then");
}

#[test]
fn vaults_are_verified_by_themselves_and_damage_is_told() {
    let house = House::configured(&[("vda", DiskFormat::Qcow2)], |config| {
        config.verify_every = Some(Duration::from_secs(7 * 24 * 60 * 60));
        config.verify_percent = 100;
    });
    let (vault, _) = house.protected();
    house.backup(&vault);
    assert_eq!(health(&house).vaults[0].verified, None, "it never was");
    house.set_clock("2026-12-23T10:00:00Z");
    let clean = once(&house, |health| health.vaults[0].verified.is_some());
    let found = clean.vaults[0].verified.as_ref().expect("verified");
    assert_eq!((found.percent, found.damaged_objects, found.points_hit), (100, 0, 0));
    assert!(found.read_bytes > 0);

    let packs = house.data().join("stores/local").join(vault.id.to_string()).join("packs");
    let pack = largest(&packs);
    let mut bytes = std::fs::read(&pack).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&pack, bytes).expect("written");
    house.set_clock("2027-01-23T10:00:00Z");
    let damaged = |health: &Health| {
        health.vaults[0].verified.as_ref().is_some_and(|found| found.damaged_objects > 0)
    };
    let hit = once(&house, damaged);
    assert!(hit.vaults[0].verified.as_ref().is_some_and(|found| found.points_hit > 0));
    assert!(!hit.is_good());
    house.set_clock("2027-01-23T10:02:00Z");
    let kinds = || -> Vec<Kind> {
        let open = house.engine.ledger().open_alerts().expect("read");
        open.iter().map(|alert| alert.condition.kind).collect()
    };
    for _ in 0..1000 {
        if kinds().contains(&Kind::DamageFound) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nobody was told: {:?}", kinds());
}

/// The largest file below a directory.
fn largest(dir: &Path) -> PathBuf {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("listed") {
            let entry = entry.expect("listed");
            let metadata = entry.metadata().expect("there");
            match metadata.is_dir() {
                true => dirs.push(entry.path()),
                false => found.push((metadata.len(), entry.path())),
            }
        }
    }
    found.into_iter().max().expect("there is a pack").1
}

#[test]
fn a_change_of_clocks_is_told_where_a_policy_in_use_does_not_follow_it() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    let usual = house.engine.policy(&vault, "DefaultPolicy").expect("there");
    let there = Policy { time_zone: "Europe/Berlin".to_owned(), ..usual };
    house.engine.ledger().put_policy(&there).expect("written");
    let told = |house: &House| {
        let warnings = health(house).vaults[0].warnings.clone();
        warnings.iter().any(|text| text.starts_with("Policy 'DefaultPolicy': Clocks in"))
    };
    house.set_clock("2027-03-01T10:00:00Z");
    assert!(!told(&house), "it is still four weeks away");
    house.set_clock("2027-03-20T10:00:00Z");
    assert!(told(&house), "{:?}", health(&house).vaults[0].warnings);
}

#[test]
fn retention_that_waits_and_a_clock_that_is_not_trusted_are_told() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    let ledger = house.engine.ledger();
    let plan = Plan {
        id: Uuid::from_u128(77),
        vault: vault.id,
        made_at: at("2026-11-23T10:00:00Z"),
        state: PlanState::Waiting,
        waits: Some(Fault::new(Code::MassExpiry, "Too many points would go at once.")),
        steps: Vec::new(),
    };
    ledger.put_retention_plan(&plan).expect("written");
    let health = health(&house);
    assert!(health.vaults[0].retention_waits.is_some());
    assert!(health.vaults[0].warnings.contains(&"Too many points would go at once.".to_owned()));
    let doubt = Some(Fault::new(Code::ClockSuspect, "The clock went back."));
    let sight = ClockSight { doubt, ..ClockSight::default() };
    ledger.put_clock_sight(&sight).expect("written");
    house.set_clock("2026-11-23T10:02:00Z");
    let wanted = [Kind::ClockSuspect, Kind::RetentionWaiting];
    for _ in 0..1000 {
        let open = ledger.open_alerts().expect("read");
        if wanted.iter().all(|kind| open.iter().any(|alert| alert.condition.kind == *kind)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nobody was told: {:#?}", ledger.open_alerts());
}
