//! Backups over a host in memory and a repository on disk: what is read, what is stored, what the
//! job says of it, and what a failure leaves.

mod house;

use fabric::Host as _;
use fabric::fake::Fault;
use model::fault::Code;
use model::item::ProtectionState;
use model::job::{Job, Status};
use model::point::Consistency;
use model::units::{KIB, MIB};
use model::vault::Vault;
use model::vm::DiskFormat;

use house::{AtBegin, House, SIZE, VM, noise};

#[track_caller]
fn check_restores(house: &House, vault: &Vault, target: &str, expected: &[u8]) {
    let point = house.points(vault)[0].id;
    let directory = house.dir().join(format!("restored-{point}"));
    let format = engine::ImageFormat::Raw;
    let to = engine::RestoreRequest::to_directory(&directory, format);
    let job = house.engine.restore(&house.item(vault), point, to).expect("begun");
    let job = house.ended(vault, job);
    assert_eq!(job.status, Status::Completed, "{:?}", job.error);
    let restored = std::fs::read(directory.join(format!("web-{target}.raw"))).expect("restored");
    assert!(restored == expected, "{target} differs");
    let left = std::fs::read_dir(&directory).expect("there").count();
    assert_eq!(left, job.disks.len(), "nothing but the disks is left");
}

#[track_caller]
fn check_incremental(job: &Job, at_most: u64) {
    assert_eq!(job.status, Status::Completed, "{:?} {:?}", job.error, job.warnings);
    let disk = &job.disks[0];
    assert!(disk.method.starts_with("Read incrementally"), "{}", disk.method);
    assert!(disk.done_bytes <= at_most, "{} bytes read", disk.done_bytes);
}

#[test]
fn the_first_backup_is_full_and_the_second_reads_what_changed() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    assert_eq!(item.state, ProtectionState::IrPending);
    assert!(house.points(&vault).is_empty());

    let job = house.backup(&vault);
    assert_eq!(job.status, Status::Completed, "{:?} {:?}", job.error, job.warnings);
    assert!(job.disks[0].method.starts_with("Read in full"), "{}", job.disks[0].method);
    assert_eq!(house.item(&vault).state, ProtectionState::Protected);
    assert_eq!(house.points(&vault)[0].consistency, Consistency::FileSystem);
    check_restores(&house, &vault, "vda", &house.content("vda"));

    house.host.write(VM, "vda", 5 * MIB, &noise(2, 64 * KIB)).expect("written");
    check_incremental(&house.backup(&vault), 64 * KIB + 512 * KIB);
    assert_eq!(house.points(&vault).len(), 2);
    check_restores(&house, &vault, "vda", &house.content("vda"));
}

#[test]
fn a_broken_chain_heals_by_a_full_read_and_says_so() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    house.host.write(VM, "vda", 0, &noise(3, 64 * KIB)).expect("written");
    house.host.script(Fault::ChainBroken { target: "vda".to_owned() });
    let job = house.backup(&vault);
    assert_eq!(job.status, Status::CompletedWithWarnings, "{:?}", job.error);
    let codes: Vec<Code> = job.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [Code::ChangeTrackingReset]);
    assert!(job.disks[0].method.starts_with("Read in full"), "{}", job.disks[0].method);
    check_restores(&house, &vault, "vda", &house.content("vda"));
    check_incremental(&house.backup(&vault), 0);
}

#[test]
fn a_powered_off_machine_gives_a_crash_consistent_point() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.host.destroy(VM).expect("off");
    let job = house.backup(&vault);
    assert_eq!(job.status, Status::Completed, "{:?} {:?}", job.error, job.warnings);
    assert_eq!(house.points(&vault)[0].consistency, Consistency::Crash);
    check_restores(&house, &vault, "vda", &house.content("vda"));
}

#[test]
fn a_freeze_that_proved_nothing_is_not_called_consistent() {
    for fault in [Fault::FreezeFails, Fault::FreezeCut] {
        let house = House::with_one_disk();
        let (vault, _) = house.protected();
        house.host.script(fault);
        let job = house.backup(&vault);
        assert_eq!(job.status, Status::CompletedWithWarnings, "{:?}", job.error);
        assert_eq!(job.warnings[0].code, Code::FreezeFailed);
        assert_eq!(house.points(&vault)[0].consistency, Consistency::Crash);
    }
}

#[test]
fn a_job_cancelled_before_its_commit_leaves_no_point_and_no_checkpoint() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    let (reached, go) = house.hold_next_begin();
    let id = house.engine.backup_now(&item, None).expect("begun");
    reached.recv().expect("reached");
    house.engine.cancel(&vault, id).expect("it runs");
    let seen = house.engine.job(&vault, id).expect("there");
    assert_eq!(seen.status, Status::Cancelling);
    go.send(()).expect("it waits");
    let job = house.ended(&vault, id);
    assert_eq!(job.status, Status::Cancelled);
    assert!(house.points(&vault).is_empty());
    assert!(house.host.checkpoints(VM).expect("there").is_empty());
    assert_eq!(house.item(&vault).state, ProtectionState::IrPending);
    let late = house.engine.cancel(&vault, id).expect_err("it has ended");
    assert_eq!(late.code, Code::JobNotCancelable);
}

#[test]
fn a_full_scratch_fails_the_job_by_its_name_and_breaks_no_chain() {
    let house = House::new(&[("vda", DiskFormat::Qcow2), ("vdb", DiskFormat::Raw)]);
    let (vault, _) = house.protected();
    house.backup(&vault);
    house.host.write(VM, "vda", 4 * MIB, &noise(4, MIB)).expect("written");
    house.host.script(Fault::ScratchFull { after: 256 * KIB });
    let job = house.backup(&vault);
    assert_eq!(job.status, Status::Failed);
    assert_eq!(job.error.as_ref().map(|error| error.code), Some(Code::ScratchFull));
    assert_eq!(job.disks.len(), 2, "all disks count from the start: the percentage never falls");
    assert_eq!(house.points(&vault).len(), 1);
    assert_eq!(house.item(&vault).state, ProtectionState::Protected);

    check_incremental(&house.backup(&vault), MIB + 512 * KIB);
    check_restores(&house, &vault, "vda", &house.content("vda"));
}

#[test]
fn of_two_backups_at_once_the_second_is_refused() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    let (reached, go) = house.hold_next_begin();
    let id = house.engine.backup_now(&item, None).expect("begun");
    reached.recv().expect("reached");
    let second = house.engine.backup_now(&item, None).expect_err("one is running");
    assert_eq!(second.code, Code::BackupInProgress);
    go.send(()).expect("it waits");
    assert_eq!(house.ended(&vault, id).status, Status::Completed);
    assert_eq!(house.points(&vault).len(), 1);
}

#[test]
fn a_bug_in_a_job_fails_it_and_the_next_one_runs() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.at_next_begin(AtBegin::Panic);
    let job = house.backup(&vault);
    assert_eq!(job.status, Status::Failed);
    assert_eq!(job.error.map(|error| error.code), Some(Code::Internal));
    assert_eq!(house.backup(&vault).status, Status::Completed);
}

#[test]
fn a_job_that_we_left_on_the_domain_is_ended_and_nobody_elses() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    house.host.leave_job(VM).expect("there");
    check_incremental(&house.backup(&vault), 0);

    house.host.begin_foreign_job(VM).expect("there");
    let job = house.backup(&vault);
    assert_eq!(job.status, Status::Failed);
    assert_eq!(job.error.map(|error| error.code), Some(Code::BackupInProgress));
}

#[test]
fn a_point_is_kept_through_the_whole_utc_date() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    let at = |text: &str| Some(text.parse().expect("a timestamp"));
    let past = house.engine.backup_now(&item, at("2026-11-22T23:59:59Z")).expect_err("past");
    assert_eq!(past.code, Code::BadRequest);
    let job = house.engine.backup_now(&item, at("2026-12-30T08:00:00Z")).expect("begun");
    house.ended(&vault, job);
    assert_eq!(house.points(&vault)[0].retain_until, at("2026-12-31T00:00:00Z"));
    house.backup(&vault);
    assert_eq!(house.points(&vault)[0].retain_until, at("2026-12-24T00:00:00Z"));
}

#[test]
fn all_disks_of_a_machine_are_restored() {
    let house = House::new(&[("vda", DiskFormat::Qcow2), ("vdb", DiskFormat::Raw)]);
    let (vault, _) = house.protected();
    house.host.write(VM, "vdb", SIZE - 4096, &noise(5, 4096)).expect("written");
    house.backup(&vault);
    for target in ["vda", "vdb"] {
        let expected = house.content(target);
        let directory = house.dir().join("both").join(target);
        let format = engine::ImageFormat::Raw;
        let to = engine::RestoreRequest::to_directory(&directory, format);
        let point = house.points(&vault)[0].id;
        let job = house.engine.restore(&house.item(&vault), point, to).expect("begun");
        assert_eq!(house.ended(&vault, job).status, Status::Completed);
        let restored = std::fs::read(directory.join(format!("web-{target}.raw"))).expect("there");
        assert!(restored == expected, "{target} differs");
    }
}
