//! Items that stop, resume, are deleted and come back, over a host in memory: what is left of them
//! on the host and in the vault, and what is refused meanwhile.

mod house;

use std::time::Duration;

use engine::{ImageFormat, RestoreRequest, Wish};
use model::fault::{Code, Fault};
use model::item::{DiskSelection, Item, ProtectionState};
use model::job::{Job, JobId, Operation, Status};
use model::units::{KIB, MIB};
use model::vault::Vault;
use model::vm::DiskFormat;

use house::{AtBegin, House, NAME, VM, noise};

#[track_caller]
fn change(house: &House, vault: &Vault, wish: &Wish) -> Result<Job, Fault> {
    let id = house.engine.change(vault, house.item(vault), wish)?;
    house.engine.job(vault, id)
}

#[track_caller]
fn check_job(job: &Job, operation: Operation) {
    assert_eq!((job.operation, job.status), (operation, Status::Completed), "{job:?}");
    assert!(job.tasks.is_empty() && job.ended_at.is_some(), "{job:?}");
}

#[track_caller]
fn check_refused(answer: Result<JobId, Fault>, code: Code) {
    assert_eq!(answer.expect_err("refused").code, code);
}

fn try_backup(house: &House, vault: &Vault) -> Result<JobId, Fault> {
    house.engine.backup_now(&house.item(vault), None)
}

fn try_restore(house: &House, vault: &Vault) -> Result<JobId, Fault> {
    let point = house.points(vault)[0].id;
    let directory = house.dir().join("restored");
    let to = RestoreRequest::to_directory(directory, ImageFormat::Raw);
    house.engine.restore(&house.item(vault), point, to)
}

fn resume(house: &House, vault: &Vault) -> Result<Item, Fault> {
    house.engine.enable(vault, "holdfast", NAME, "DefaultPolicy").map(|(item, _)| item)
}

/// The machine's checkpoints, once there are so many: they are given up in the background.
#[track_caller]
fn checkpoints(house: &House, count: usize) {
    for _ in 0..2000 {
        if house.host.checkpoints(VM).expect("there").len() == count {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{:?} are left", house.host.checkpoints(VM));
}

#[test]
fn a_stopped_item_keeps_its_points_is_not_backed_up_and_resumes_with_a_full_read() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    checkpoints(&house, 1);

    let job = change(&house, &vault, &Wish::Stop).expect("stopped");
    check_job(&job, Operation::DisableBackup);
    let item = house.item(&vault);
    assert_eq!((item.state, item.policy), (ProtectionState::ProtectionStopped, None));
    checkpoints(&house, 0);
    assert_eq!(house.points(&vault).len(), 1);
    check_refused(try_backup(&house, &vault), Code::ItemClosed);
    let restored = try_restore(&house, &vault).expect("a stopped item's points can be restored");
    assert_eq!(house.ended(&vault, restored).status, Status::Completed);

    let item = resume(&house, &vault).expect("resumed");
    assert_eq!(item.state, ProtectionState::Protected);
    let job = house.backup(&vault);
    assert_eq!(job.status, Status::Completed, "{:?} {:?}", job.error, job.warnings);
    assert!(job.disks[0].method.starts_with("Read in full"), "{}", job.disks[0].method);
    assert_eq!(job.disks[0].new_bytes, 0, "what is there already is not stored again");
}

#[test]
fn a_deleted_item_gives_nothing_until_it_is_undeleted() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);

    let job = change(&house, &vault, &Wish::Delete).expect("deleted");
    check_job(&job, Operation::DeleteBackupData);
    let told = job.properties.iter().find(|(name, _)| name == "Number of Recovery Points");
    assert_eq!(told.map(|(_, number)| number.as_str()), Some("1"));
    let item = house.item(&vault);
    let deletion = item.deletion.expect("deleted");
    assert_eq!(deletion.until.duration_since(deletion.at).as_hours(), 14 * 24);
    assert_eq!(house.engine.items(&vault).expect("listed").len(), 1, "it stays in lists");

    check_refused(try_backup(&house, &vault), Code::ItemSoftDeleted);
    check_refused(try_restore(&house, &vault), Code::ItemSoftDeleted);
    for wish in [Wish::Stop, Wish::Delete] {
        check_refused(change(&house, &vault, &wish).map(|job| job.id), Code::ItemSoftDeleted);
    }
    let fault = resume(&house, &vault).expect_err("undelete first");
    assert_eq!(fault.code, Code::ItemSoftDeleted);
    assert!(fault.message.contains("Undelete it first"), "{fault}");
    let other = house.vault("v2", "local");
    let fault = house.engine.enable(&other, "holdfast", NAME, "DefaultPolicy").expect_err("held");
    assert_eq!(fault.code, Code::ProtectedInAnotherVault);

    let job = change(&house, &vault, &Wish::Undelete).expect("back");
    check_job(&job, Operation::Undelete);
    let item = house.item(&vault);
    assert_eq!((item.state, item.deletion), (ProtectionState::ProtectionStopped, None));
    try_restore(&house, &vault).expect("its points are there again");
    assert_eq!(resume(&house, &vault).expect("resumed").state, ProtectionState::Protected);
}

#[test]
fn suspending_needs_an_immutable_vault_and_undeleting_something_deleted() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    for (wish, code) in [
        (Wish::Suspend, Code::DeniedOnImmutableItem),
        (Wish::Undelete, Code::InvalidConfigureProtection),
    ] {
        check_refused(change(&house, &vault, &wish).map(|job| job.id), code);
    }
    assert_eq!(house.item(&vault).state, ProtectionState::IrPending, "nothing changed");
    change(&house, &vault, &Wish::Stop).expect("stopped");
    assert_eq!(resume(&house, &vault).expect("resumed").state, ProtectionState::IrPending);
}

#[test]
fn while_a_backup_runs_protection_does_not_end_but_the_policy_may_change() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    let (reached, go) = house.hold_next_begin();
    let job = try_backup(&house, &vault).expect("begun");
    reached.recv().expect("reached");
    for wish in [Wish::Stop, Wish::Delete] {
        check_refused(change(&house, &vault, &wish).map(|job| job.id), Code::BackupInProgress);
    }
    resume(&house, &vault).expect("configured");
    go.send(()).expect("waits");
    assert_eq!(house.ended(&vault, job).status, Status::Completed);
    change(&house, &vault, &Wish::Stop).expect("it has ended");
}

#[test]
fn an_item_is_changed_although_its_machine_is_gone() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    house.host.remove(VM);
    resume(&house, &vault).expect("another policy needs no look at the machine");
    change(&house, &vault, &Wish::Stop).expect("stopped");
    change(&house, &vault, &Wish::Delete).expect("deleted");
}

#[test]
fn a_failed_backup_leaves_a_stopped_item_stopped() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.at_next_begin(AtBegin::Panic);
    house.backup(&vault);
    change(&house, &vault, &Wish::Stop).expect("stopped");
    assert_eq!(house.item(&vault).state, ProtectionState::ProtectionStopped);
}

#[test]
fn disks_are_left_out_and_taken_in_again_without_costing_the_others_their_chain() {
    let formats =
        [("vda", DiskFormat::Qcow2), ("vdb", DiskFormat::Qcow2), ("vdc", DiskFormat::Raw)];
    let house = House::new(&formats);
    let (vault, _) = house.protected();
    let select = |disks| {
        let protect = house.engine.protect(&vault, "holdfast", NAME, "DefaultPolicy", Some(disks));
        protect.map(|(item, _)| item.disks)
    };
    let read = |job: &Job| -> Vec<(String, bool)> {
        assert_eq!(job.status, Status::Completed, "{:?} {:?}", job.error, job.warnings);
        let incremental = |method: &str| method.starts_with("Read incrementally");
        job.disks.iter().map(|it| (it.target.clone(), incremental(&it.method))).collect()
    };
    let disk = |target: &str, incremental| (target.to_owned(), incremental);
    for unknown in [DiskSelection::Only(vec![2]), DiskSelection::Except(vec![0, 9])] {
        let fault = select(unknown).expect_err("there are two data disks");
        assert_eq!(fault.code, Code::InvalidConfigureProtection);
    }
    house.backup(&vault);

    select(DiskSelection::Only(vec![])).expect("the OS disk alone");
    house.host.write(VM, "vdb", 5 * MIB, &noise(2, 64 * KIB)).expect("written");
    let job = house.backup(&vault);
    assert_eq!(read(&job), [disk("vda", true)]);
    let told = job.properties.iter().find(|(name, _)| name == "Disks Left Out");
    assert_eq!(told.map(|(_, disks)| disks.as_str()), Some("vdb (LUN 0), vdc (LUN 1)"));
    let targets: Vec<_> =
        house.points(&vault)[0].disks.iter().map(|it| it.target.clone()).collect();
    assert_eq!(targets, ["vda"]);

    select(DiskSelection::Except(vec![1])).expect("all but the raw disk");
    assert_eq!(read(&house.backup(&vault)), [disk("vda", true), disk("vdb", false)]);
    assert_eq!(read(&house.backup(&vault)), [disk("vda", true), disk("vdb", true)]);

    select(DiskSelection::All).expect("reset");
    let all = [disk("vda", true), disk("vdb", true), disk("vdc", false)];
    assert_eq!(read(&house.backup(&vault)), all);
}

#[test]
fn a_machine_that_took_a_protected_ones_name_is_another_one() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.host.remove(VM);
    let new =
        fabric::fake::NewDisk { target: "vda".to_owned(), size: MIB, format: DiskFormat::Qcow2 };
    house.host.add(uuid::Uuid::from_u128(0x99), NAME, &[new]);
    for _ in 0..2000 {
        let vms = house.engine.vms().expect("listed");
        if vms.iter().any(|vm| vm.uuid == uuid::Uuid::from_u128(0x99)) {
            let fault = resume(&house, &vault).expect_err("another one");
            assert_eq!(fault.code, Code::InvalidConfigureProtection);
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the new machine was never seen");
}
