//! What a killed engine leaves, and what the next one makes of it.

mod house;

use std::fs;

use ledger::Ledger as _;
use model::fault::Code;
use model::item::ProtectionState;
use model::job::{Job, Status};

use house::{House, copy_ledger, ledger};

/// The job as it was while it ran.
fn running(job: &Job) -> Job {
    let mut job = Job { status: Status::InProgress, ended_at: None, ..job.clone() };
    job.tasks[1].status = Status::InProgress;
    job.tasks[2].status = Status::NotStarted;
    job
}

#[test]
fn a_backup_that_was_not_committed_has_failed_after_a_restart() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    let done = house.backup(&vault);
    let killed = Job {
        id: model::job::JobId(uuid::Uuid::from_u128(77)),
        point: model::point::PointId::new(77),
        ..running(&done)
    };
    let id = killed.id;
    let house = house.restart(|data| ledger(data).create_job(&killed).expect("recorded"));
    let job = house.engine.job(&vault, id).expect("there");
    assert_eq!(job.status, Status::Failed);
    assert_eq!(job.error.map(|error| error.code), Some(Code::Interrupted));
    assert!(job.ended_at.is_some() && job.tasks[1].status == Status::Failed);
    assert_eq!(house.points(&vault).len(), 1);
    assert_eq!(house.backup(&vault).status, Status::Completed);
}

#[test]
fn a_committed_point_is_recorded_after_a_restart_once() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    let aside = house.dir().join("aside");
    let house = house.restart(|data| copy_ledger(data, &aside));
    let done = house.backup(&vault);
    let point = house.points(&vault)[0].clone();
    // As if the process had died between the commit and the record of it.
    let house = house.restart(|data| {
        copy_ledger(&aside, data);
        ledger(data).create_job(&running(&done)).expect("recorded");
    });
    let job = house.engine.job(&vault, done.id).expect("there");
    assert_eq!(job.status, Status::CompletedWithWarnings, "{:?}", job.error);
    assert_eq!(job.warnings[0].code, Code::Interrupted);
    assert_eq!(house.points(&vault), [point]);
    assert_eq!(house.item(&vault).state, ProtectionState::Protected);
    let next = house.backup(&vault);
    assert!(next.disks[0].method.starts_with("Read incrementally"), "{}", next.disks[0].method);
    let house = house.restart(|_| ());
    assert_eq!(house.points(&vault).len(), 2);
}

#[test]
fn a_point_that_the_ledger_lost_comes_back_and_its_item_is_protected() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    let aside = house.dir().join("aside");
    let house = house.restart(|data| copy_ledger(data, &aside));
    house.backup(&vault);
    let points = house.points(&vault);
    let house = house.restart(|data| copy_ledger(&aside, data));
    assert_eq!(house.points(&vault), points);
    assert_eq!(house.item(&vault).state, ProtectionState::Protected);
}

#[test]
fn a_killed_restores_files_are_removed() {
    let house = House::with_one_disk();
    let (vault, item) = house.protected();
    house.backup(&vault);
    let point = house.points(&vault)[0].id;
    let directory = house.dir().join("out");
    let format = engine::ImageFormat::Raw;
    let to = engine::RestoreRequest::to_directory(&directory, format);
    let id = house.engine.restore(&item, point, to).expect("begun");
    let done = house.ended(&vault, id);
    let half = directory.join(format!(".holdfast-{id}-vda.raw"));
    let house = house.restart(|data| {
        fs::write(&half, "half").expect("written");
        let killed = Job { status: Status::InProgress, ended_at: None, ..done };
        ledger(data).update_job(&killed).expect("recorded");
    });
    let job = house.engine.job(&vault, id).expect("there");
    assert_eq!(job.error.map(|error| error.code), Some(Code::Interrupted));
    assert!(!half.exists() && directory.join("web-vda.raw").exists());
}
