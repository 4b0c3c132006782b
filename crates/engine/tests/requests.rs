//! What the engine is asked for and must not do, and what it says then.

mod house;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::{NewVault, VaultChange};
use model::fault::Code;
use model::vault::Redundancy;

use house::{House, NAME, OTHER_URI};

#[test]
fn a_vault_protects_machines_of_its_own_region_once() {
    let house = House::with_one_disk();
    house.engine.add_host(OTHER_URI, "South", "branch").expect("registered");
    let groups = house.engine.resource_groups().expect("listed");
    assert!(groups.iter().any(|group| group.name == "branch"), "{groups:?}");

    let (vault, item) = house.protected();
    let fault = house.engine.enable(&vault, "branch", "db", "DefaultPolicy").expect_err("region");
    assert_eq!(fault.code, Code::InvalidConfigureProtection);
    assert!(fault.message.contains("'south'") && fault.message.contains("'local'"), "{fault}");

    let again = house.engine.enable(&vault, "HOLDFAST", "WEB", "defaultpolicy").expect("update");
    assert_eq!((again.0.id, again.0.policy), (item.id, item.policy));
    let second = house.vault("v2", "local");
    let fault = house.engine.enable(&second, "holdfast", NAME, "DefaultPolicy").expect_err("taken");
    assert_eq!(fault.code, Code::ProtectedInAnotherVault);
    let fault = house.engine.enable(&vault, "holdfast", "nobody", "DefaultPolicy");
    assert_eq!(fault.expect_err("unknown").code, Code::ResourceNotFound);
}

#[test]
fn a_vault_is_named_by_azures_rule_and_wants_two_copies() {
    let house = House::with_one_disk();
    let new = |name: &str| NewVault {
        name: name.to_owned(),
        resource_group: "holdfast".to_owned(),
        region: "local".to_owned(),
        wanted: VaultChange::default(),
    };
    for bad in ["", "v", "1v", "-v", "v_1", "v/..", "..", &"v".repeat(51)] {
        let fault = house.engine.create_vault(new(bad)).expect_err(bad);
        assert_eq!(fault.code, Code::InvalidResourceName, "{bad}");
    }
    for good in ["v1", "V-2", &"v".repeat(50)] {
        let (vault, _) = house.engine.create_vault(new(good)).expect(good);
        assert_eq!(vault.redundancy, Redundancy::GeoRedundant);
        let warnings = house.engine.vault_warnings(&vault);
        assert!(warnings[0].starts_with("No second copy"), "{warnings:?}");
        assert_eq!(house.engine.policies(&vault).expect("listed").len(), 2);
    }
    let moved = NewVault { region: "south".to_owned(), ..new("v1") };
    let fault = house.engine.create_vault(moved).expect_err("another region");
    assert_eq!(fault.code, Code::VaultCannotChange);
}

#[test]
fn a_connection_that_could_start_a_program_is_no_host() {
    let house = House::with_one_disk();
    for uri in ["qemu+ext:///system?command=/tmp/x", "qemu+ssh://h/system?x=:///", "qemu:///system"]
    {
        let fault = house.engine.add_host(uri, "local", "holdfast").expect_err(uri);
        assert_eq!(fault.code, Code::BadRequest, "{uri}");
    }
}

#[test]
fn a_host_is_connected_only_once_it_was_looked_at() {
    let house = House::with_one_disk();
    let connected = || house.engine.hosts().expect("listed").iter().all(|it| it.problem.is_none());
    for _ in 0..2000 {
        let vms = house.engine.vms().expect("listed").len();
        if connected() {
            assert_eq!(house.engine.vms().expect("listed").len(), 1);
            return;
        }
        assert_eq!(vms, 0);
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the host was never looked at");
}

#[test]
fn a_hypervisor_that_hangs_is_told_as_such_and_holds_up_nothing_known() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.hangs.store(true, Ordering::SeqCst);
    let (sender, answers) = crossbeam_channel::unbounded();
    for _ in 0..3 {
        let (engine, sender) = (Arc::clone(&house.engine), sender.clone());
        std::thread::spawn(move || sender.send(engine.vm("holdfast", "nobody").map(drop)));
    }
    // One of them looks and hangs; the others wait a while, and then say what is wrong.
    let limit = Duration::from_secs(60);
    for _ in 0..2 {
        let answer = answers.recv_timeout(limit).expect("held up for ever");
        assert_eq!(answer.expect_err("nobody knows").code, Code::HypervisorUnavailable);
    }
    assert!(house.engine.vm("holdfast", NAME).is_ok(), "what was seen stays known");
    assert!(house.engine.items(&vault).is_ok_and(|items| items.len() == 1));
    house.hangs.store(false, Ordering::SeqCst);
    let answer = answers.recv_timeout(limit).expect("goes on");
    let fault = answer.expect_err("unknown");
    let codes = [Code::ResourceNotFound, Code::HypervisorUnavailable];
    assert!(codes.contains(&fault.code), "{fault}");
}
