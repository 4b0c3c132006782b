//! Records as the engine would leave them: no virtual machine is at hand in these tests.

#![allow(dead_code, reason = "each test file uses what it needs")]

use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::item::{DiskSelection, Item, LastBackup, ProtectionState};
use model::job::{Job, JobId, Operation, Status};
use model::point::{Consistency, Point, PointDisk, PointId};
use uuid::Uuid;

use crate::house::House;

/// The item of `web1` in the vault's path.
pub const ITEM: &str = "/backupFabrics/Azure/protectionContainers/\
                        IaasVMContainer;iaasvmcontainerv2;prod;web1/protectedItems/\
                        VM;iaasvmcontainerv2;prod;web1";

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

pub fn job_id(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

pub fn point_id(number: u64) -> PointId {
    PointId::new(number).expect("63 bits")
}

/// A house with a vault `v1` that protects `web1` and `web2` of the group `Prod`; `web1` has jobs
/// of every kind and two points.
pub fn protected() -> House {
    let house = House::new();
    house.make_vault("v1");
    let vault = house.engine.vault("holdfast", "v1").expect("just made");
    let ledger = house.engine.ledger();
    let web1 = item(vault.id, 1, "web1");
    ledger.create_item(&web1).expect("new");
    ledger.create_item(&item(vault.id, 2, "web2")).expect("new");

    let failed = Fault::new(Code::FreezeFailed, "The guest did not freeze.");
    for (number, operation, status, started, error) in [
        (1, Operation::ConfigureBackup, Status::Completed, "2026-11-01T08:00:00Z", None),
        (2, Operation::Backup, Status::Completed, "2026-11-02T08:00:00Z", None),
        (3, Operation::Backup, Status::Failed, "2026-11-03T08:00:00Z", Some(failed)),
        (4, Operation::Backup, Status::InProgress, "2026-11-04T08:00:00Z", None),
        (5, Operation::ConfigureBackup, Status::InProgress, "2026-11-05T08:00:00Z", None),
    ] {
        let ended_at = status.has_ended().then(|| at(started));
        let job = Job { error, ended_at, ..job(&web1, number, operation, status, started) };
        ledger.create_job(&job).expect("new");
    }
    let done = ledger.job(job_id(2)).expect("readable").expect("just made");
    for (number, taken) in [(71, "2026-11-02T08:00:05Z"), (72, "2026-11-03T08:00:05Z")] {
        ledger.record_backup(&point(&web1, number, taken), &web1, &done).expect("new");
    }
    house
}

pub fn item(vault: Uuid, number: u128, name: &str) -> Item {
    Item {
        id: Uuid::from_u128(number),
        vault,
        vm: Uuid::from_u128(100 + number),
        vm_name: name.to_owned(),
        vm_resource_group: "Prod".to_owned(),
        policy: Some("DefaultPolicy".to_owned()),
        state: ProtectionState::Protected,
        deletion: None,
        disks: DiskSelection::All,
        last_backup: Some(LastBackup {
            status: Status::Completed,
            at: at("2026-11-03T08:00:00Z"),
            error: None,
        }),
        chain: None,
        created_at: at("2026-11-01T08:00:00Z"),
    }
}

pub fn job(item: &Item, number: u128, operation: Operation, status: Status, started: &str) -> Job {
    Job {
        id: job_id(number),
        vault: item.vault,
        item: item.id,
        operation,
        status,
        started_at: at(started),
        ended_at: None,
        point: None,
        retain_until: None,
        tasks: Vec::new(),
        disks: Vec::new(),
        properties: Vec::new(),
        warnings: Vec::new(),
        error: None,
    }
}

pub fn point(item: &Item, number: u64, taken: &str) -> Point {
    Point {
        id: point_id(number),
        vault: item.vault,
        item: item.id,
        job: job_id(2),
        taken_at: at(taken),
        consistency: Consistency::FileSystem,
        retain_until: None,
        logical_bytes: 4096,
        read_bytes: 4096,
        stored_bytes: 512,
        disks: vec![PointDisk { target: "vda".to_owned(), size: 4096 }],
    }
}
