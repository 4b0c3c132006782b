//! What becomes of items whose machines many vaults want at once, are gone, or have moved.

mod house;

use std::collections::HashMap;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use fabric::Host as _;
use fabric::fake::NewDisk;
use model::fault::Code;
use model::item::ProtectionState;
use model::job::{Job, Status};
use model::vault::Vault;
use model::vm::DiskFormat;

use house::{House, NAME, OTHER_URI, SIZE, VM};

/// How many requests race.
const RACERS: usize = 100;

/// Enables the machine in these vaults, all at the same moment; how often which answer came.
fn race(house: &House, vaults: &[Vault]) -> HashMap<Option<Code>, usize> {
    let start = Arc::new(Barrier::new(RACERS));
    let racers: Vec<_> = (0..RACERS)
        .map(|number| {
            let (engine, start) = (Arc::clone(&house.engine), Arc::clone(&start));
            let vault = vaults[number % vaults.len()].clone();
            std::thread::spawn(move || {
                start.wait();
                let enabled = engine.enable(&vault, "holdfast", NAME, "DefaultPolicy");
                enabled.err().map(|fault| {
                    let azures = "is already registered with another recovery services vault";
                    assert!(fault.message.contains(azures), "{fault}");
                    fault.code
                })
            })
        })
        .collect();
    let mut told = HashMap::new();
    for racer in racers {
        *told.entry(racer.join().expect("no panic")).or_default() += 1;
    }
    told
}

#[test]
fn of_a_hundred_vaults_that_want_a_machine_at_once_one_gets_it() {
    let house = House::with_one_disk();
    let vaults: Vec<Vault> =
        (0..RACERS).map(|number| house.vault(&format!("v{number}"), "local")).collect();
    let told = race(&house, &vaults);
    let expected = HashMap::from([(None, 1), (Some(Code::ProtectedInAnotherVault), RACERS - 1)]);
    assert_eq!(told, expected);
    assert_eq!(house.engine.ledger().items(None).expect("listed").len(), 1);
}

#[test]
fn a_hundred_equal_requests_to_one_vault_are_one_item() {
    let house = House::with_one_disk();
    let vault = house.vault("v1", "local");
    let told = race(&house, std::slice::from_ref(&vault));
    // Who finds the item changed by too many others at the same moment is told so, and no more.
    let done = told.get(&None).copied().unwrap_or_default();
    assert_eq!(done, RACERS, "{told:?}");
    assert_eq!(house.engine.items(&vault).expect("listed").len(), 1);
}

/// What a failed backup leaves: the job's code, the item as it was, all its points.
#[track_caller]
fn check_not_found(house: &House, vault: &Vault, job: &Job, words: &str) {
    let error = job.error.as_ref().expect("it failed");
    assert_eq!((job.status, error.code), (Status::Failed, Code::VmNotFound));
    assert_eq!(error.code.name(), "UserErrorVmNotFoundV2");
    assert!(error.message.contains(words), "{error}");
    assert_eq!(house.points(vault).len(), 1);
    // The item is noted after its job has ended.
    for _ in 0..2000 {
        let item = house.item(vault);
        assert_eq!((item.state, item.deletion), (ProtectionState::Protected, None));
        let told = item.last_backup.and_then(|backup| backup.error);
        if told.is_some_and(|fault| fault.code == Code::VmNotFound) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("its health never told");
}

#[test]
fn backups_of_a_machine_that_is_gone_fail_and_its_points_stay() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    house.host.remove(VM);
    house.engine.turn();
    let job = house.backup(&vault);
    check_not_found(&house, &vault, &job, "on none of the registered hosts");
}

#[test]
fn a_machine_that_moved_to_another_region_is_another_one_there() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    house.host.remove(VM);
    let disk = NewDisk { target: "vda".to_owned(), size: SIZE, format: DiskFormat::Qcow2 };
    house.other.add(VM, NAME, &[disk]);
    assert!(house.other.domain(VM).is_ok());
    house.engine.add_host(OTHER_URI, "south", "holdfast").expect("added");
    house.engine.turn();
    let job = house.backup(&vault);
    check_not_found(&house, &vault, &job, "is in region 'south' now");
    let south = house.vault("v2", "south");
    let held = house.engine.enable(&south, "holdfast", NAME, "DefaultPolicy").expect_err("held");
    assert_eq!(held.code, Code::ProtectedInAnotherVault);
}
