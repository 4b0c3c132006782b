//! Method: a command line runs against a scripted service; what it prints, what it sent and how it
//! ends are compared. The documents are rendered by `api`, as the service renders them.

use std::ffi::OsString;

use api::arm::{self, host, item, job, point, vault, vm};
use expect_test::{Expect, expect};
use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::host::Host;
use model::item::{DiskSelection, Item, ProtectionState};
use model::job::{DiskProgress, Job, JobId, Operation, Status, Task};
use model::point::{Consistency, Point, PointDisk, PointId};
use model::policy::Policy;
use model::tags::Tags;
use model::units::{GIB, MIB};
use model::vault::{Redundancy, Vault, VaultName, VaultSettings};
use model::vm::{AgentState, Disk, DiskFormat, DiskKind, PowerState, Vm};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{self, World};
use crate::client::Response;
use crate::client::fake::{SUBSCRIPTION, Script, answer, away, pending};
use crate::failure::Exit;

const VAULTS: &str = "GET /subscriptions/S/providers/Microsoft.RecoveryServices/vaults?";
const VMS: &str = "GET /subscriptions/S/providers/Microsoft.Compute/virtualMachines?";
const V: &str =
    "/subscriptions/S/resourceGroups/holdfast/providers/Microsoft.RecoveryServices/vaults/v1";
const ITEM: &str = "/backupFabrics/Azure/protectionContainers/IaasVMContainer;iaasvmcontainerv2;\
                    holdfast;web1/protectedItems/VM;iaasvmcontainerv2;holdfast;web1";
const JOB: &str = "69211027-0000-4000-8000-000000000000";

/// What a run left behind.
struct Ran {
    exit: Exit,
    out: String,
    err: String,
    bodies: Vec<Value>,
}

/// Runs the command line against the script, all of which must be asked for.
#[track_caller]
fn run<'a>(line: &str, script: impl IntoIterator<Item = (&'a str, Response)>) -> Ran {
    let script = Script::new(script);
    let world = World {
        connect: &|_| Ok((script.transport(), SUBSCRIPTION.to_owned())),
        pause: |_| (),
        watched: false,
    };
    let args = line.split_whitespace().map(OsString::from);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = app::run(args, &world, &mut out, &mut err).expect("writes to memory");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let ran = Ran { exit, out: text(out), err: text(err), bodies: script.bodies() };
    assert_eq!(script.left_over(), [""; 0], "{} {}", ran.out, ran.err);
    ran
}

fn list<T: Serialize>(entries: impl IntoIterator<Item = T>) -> Response {
    answer(200, json!(arm::List::whole(entries.into_iter().collect())))
}

fn one(entry: impl Serialize) -> Response {
    answer(200, json!(entry))
}

fn succeeded(job: Option<&str>) -> Response {
    let properties = job.map(|job| json!({"objectType": "", "jobId": job}));
    answer(
        200,
        json!({"id": "o", "name": "o", "status": "Succeeded", "startTime": "", "endTime": "",
               "properties": properties}),
    )
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).expect("in range")
}

fn a_vault(group: &str) -> Vault {
    Vault {
        id: Uuid::from_u128(1),
        name: VaultName::new("v1").expect("valid"),
        resource_group: group.to_owned(),
        region: "local".to_owned(),
        redundancy: Redundancy::GeoRedundant,
        settings: VaultSettings::default(),
        tags: Tags::new(),
        created_at: at(0),
        changed_at: at(0),
    }
}

fn vault_in(group: &str) -> vault::Vault {
    let warnings = vec!["There is no second copy of this vault's data.".to_owned()];
    vault::render(SUBSCRIPTION, &a_vault(group), warnings)
}

fn a_vm(agent: AgentState) -> vm::Vm {
    let disk = |target: &str, size| Disk {
        target: target.to_owned(),
        kind: DiskKind::File,
        format: DiskFormat::Qcow2,
        source: format!("/images/{target}.qcow2"),
        size,
        serial: None,
    };
    let found = Vm {
        uuid: Uuid::from_u128(7),
        name: "web1".to_owned(),
        domain: "web1".to_owned(),
        host: Uuid::from_u128(2),
        region: "local".to_owned(),
        resource_group: "holdfast".to_owned(),
        power: PowerState::Running,
        disks: vec![disk("vda", Some(20 * GIB)), disk("vdb", None)],
        agent,
        vcpus: 2,
        memory_bytes: GIB,
        interfaces: Vec::new(),
        os: None,
    };
    vm::render(SUBSCRIPTION, &found, "qemu:///system")
}

fn an_item() -> item::Item {
    let model = Item {
        id: Uuid::from_u128(3),
        vault: a_vault("holdfast").id,
        vm: Uuid::from_u128(7),
        vm_name: "web1".to_owned(),
        vm_resource_group: "holdfast".to_owned(),
        policy: Some("DefaultPolicy".to_owned()),
        state: ProtectionState::IrPending,
        deletion: None,
        disks: DiskSelection::All,
        last_backup: None,
        chain: None,
        created_at: at(0),
    };
    item::render(item::Facts {
        subscription: SUBSCRIPTION,
        base: "https://localhost:8443",
        vault: &a_vault("holdfast"),
        item: &model,
        newest_point: None,
        policy_kind: Some(model::policy::Kind::V1),
        next_run: "2026-11-23T20:30:00Z".parse().ok(),
        warnings: &[],
        now: at(0),
    })
}

fn a_job(status: Status, error: Option<Fault>) -> Value {
    let disk = DiskProgress {
        target: "vda".to_owned(),
        method: "read in full: it is the first backup".to_owned(),
        total_bytes: 4 * GIB,
        done_bytes: GIB,
        scanned_bytes: 2 * GIB,
        changed_bytes: 4 * GIB,
        new_bytes: 512 * MIB,
        stored_bytes: 100 * MIB,
    };
    let model = Job {
        id: JobId(JOB.parse().expect("a UUID")),
        vault: Uuid::from_u128(1),
        item: Uuid::from_u128(3),
        operation: Operation::Backup,
        status,
        started_at: at(0),
        ended_at: status.has_ended().then(|| at(75)),
        point: PointId::new(42),
        retain_until: None,
        tasks: vec![Task { status, ..Task::new(model::job::TRANSFER_TO_VAULT) }],
        disks: vec![disk],
        properties: Vec::new(),
        warnings: vec![Fault::new(Code::ChangeTrackingReset, "The bitmap was broken.")],
        error,
    };
    json!(job::render(V, None, &model, at(75)))
}

fn a_point(number: u64, second: i64) -> point::Point {
    let model = Point {
        id: PointId::new(number).expect("not zero"),
        vault: Uuid::from_u128(1),
        item: Uuid::from_u128(3),
        job: JobId(Uuid::from_u128(9)),
        taken_at: at(second),
        consistency: Consistency::FileSystem,
        retain_until: Some(at(86_400)),
        logical_bytes: 20 * GIB,
        read_bytes: 2 * GIB,
        stored_bytes: GIB,
        disks: vec![PointDisk { target: "vda".to_owned(), size: 20 * GIB }],
    };
    let fate = point::Fate { expiry: model.retain_until, is_soft_deleted: false };
    point::render(&format!("{V}{ITEM}"), &model, fate)
}

/// The script that finds vault v1 and item web1 in it.
fn found_item(items: &str) -> [(&str, Response); 2] {
    [(VAULTS, list([vault_in("holdfast")])), (items, list([an_item()]))]
}

fn items_path() -> String {
    format!("GET {V}/backupProtectedItems?")
}

#[track_caller]
fn prints(ran: Ran, expected: Expect) {
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Done, ""), "{}", ran.out);
    expected.assert_eq(&ran.out);
}

mod access;
mod jobs;
mod listing;
mod policies;
mod retention;
mod status;
mod tenancy;
mod usage;
