//! A backup whose process is killed at each of its steps, and what the next one makes of it.
//!
//! Method: while a backup runs, the data directory and the host are copied before each request that
//! changes the store and before each call that changes the ledger: what a kill at that moment would
//! leave. On every copy an engine is started. It must give the job an honest end, hold the point if
//! and only if it was committed, leave nothing on the host but the checkpoint that the next backup
//! builds upon, no session in the repository, and the next backup must get through.

mod house;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fabric::fake::FakeHost;
use model::fault::Code;
use model::item::ProtectionState;
use model::job::{JobId, Status};
use model::units::MIB;
use model::vault::Vault;
use repo::objects::{Attempt, Operation};
use tempfile::TempDir;

use house::{House, VM, copy, noise};

/// What a kill leaves.
struct Moment {
    /// Before what it came.
    before: String,
    data: TempDir,
    host: FakeHost,
}

fn moment(before: String, data: &Path, host: &FakeHost) -> Moment {
    let copied = tempfile::tempdir().expect("a directory");
    copy(data, &copied.path().join("data"));
    Moment { before, data: copied, host: host.fork() }
}

/// The moments of a backup.
fn moments_of_a_backup(house: &House, vault: &Vault) -> (JobId, Vec<Moment>) {
    let moments = Arc::new(Mutex::new(Vec::new()));
    let note = |moments: &Arc<Mutex<Vec<Moment>>>| {
        let (moments, data, host) = (Arc::clone(moments), house.data(), house.host.clone());
        move |before: String| {
            let mut moments = moments.lock().expect("not poisoned");
            moments.push(moment(before, &data, &host));
        }
    };
    let (of_store, of_ledger) = (note(&moments), note(&moments));
    house.faults.of_store(move |attempt: Attempt<'_>| {
        if matches!(attempt.operation, Operation::Put | Operation::Delete | Operation::Replace) {
            of_store(format!("{:?} {}", attempt.operation, attempt.name));
        }
        None
    });
    house.faults.of_ledger(move |call| {
        if ["create_job", "update_job", "update_item", "record_backup"].contains(&call) {
            of_ledger(call.to_owned());
        }
        false
    });
    let job = house.backup(vault);
    house.faults.none();
    assert_eq!(job.status, Status::Completed, "{:?}", job.error);
    let moments = std::mem::take(&mut *moments.lock().expect("not poisoned"));
    (job.id, moments)
}

/// The machine's checkpoints, once recovery has left only these.
#[track_caller]
fn check_checkpoints(house: &House, expected: &[String], before: &str) {
    for _ in 0..2000 {
        if house.host.checkpoints(VM).expect("there") == expected {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let left = house.host.checkpoints(VM);
    panic!("killed before {before}: {left:?} are left, not {expected:?}");
}

/// Whether the point of the killed job had been committed, of an item that had so many points.
#[track_caller]
fn check_moment(house: &House, vault: &Vault, id: JobId, before: usize, moment: Moment) -> bool {
    let (before, had) = (moment.before, before);
    let after = house.after_kill(moment.data, moment.host);
    let points = after.points(vault);
    let committed = points.len() > had;
    if before != "create_job" {
        let job = after.engine.job(vault, id).expect("there");
        assert!(job.status.has_ended(), "killed before {before}: {job:?}");
        let code = job.error.as_ref().or(job.warnings.first()).map(|fault| fault.code);
        assert_eq!(code, Some(Code::Interrupted), "killed before {before}");
        let expected = if committed { Status::CompletedWithWarnings } else { Status::Failed };
        assert_eq!(job.status, expected, "killed before {before}");
        let unended = job.tasks.iter().any(|task| task.status == Status::InProgress);
        assert!(!unended, "killed before {before}: {:?}", job.tasks);
    }
    let item = after.item(vault);
    let protected = item.state == ProtectionState::Protected;
    assert_eq!(protected, !points.is_empty(), "killed before {before}: {:?}", item.state);
    let chain = item.chain.as_ref();
    let builds_upon = chain.is_some_and(|it| points.iter().any(|point| point.id == it.point));
    assert_eq!(builds_upon, !points.is_empty(), "killed before {before}");
    let known: Vec<String> = item.chain.into_iter().map(|chain| chain.checkpoint).collect();
    check_checkpoints(&after, &known, &before);
    let contents = after.repository(vault).contents().expect("read");
    assert_eq!((contents.points, contents.sessions.len()), (points.len(), 0), "{before}");
    for point in &points {
        after.check_restores(vault, point.id, None);
    }
    let next = after.backup(vault);
    assert_eq!(next.status, Status::Completed, "killed before {before}: {:?}", next.error);
    let incremental = next.disks[0].method.starts_with("Read incrementally");
    assert_eq!(incremental, builds_upon, "{before}: {next:?}");
    let newest = after.points(vault)[0].id;
    after.check_restores(vault, newest, Some(&after.content("vda")));
    committed
}

#[track_caller]
fn check_all(house: &House, vault: &Vault, had: usize) {
    let (id, moments) = moments_of_a_backup(house, vault);
    assert!(moments.len() >= 8, "a backup has more steps than {}", moments.len());
    let mut committed = Vec::new();
    for moment in moments {
        committed.push(check_moment(house, vault, id, had, moment));
    }
    assert!(committed.is_sorted(), "once committed, always there: {committed:?}");
    assert!(committed.contains(&true) && committed.contains(&false), "{committed:?}");
}

#[test]
fn a_backup_that_is_killed_anywhere_leaves_a_whole_point_or_none() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    assert_eq!(house.backup(&vault).status, Status::Completed);
    house.host.write(VM, "vda", 4 * MIB, &noise(9, MIB)).expect("written");
    check_all(&house, &vault, 1);
}

#[test]
fn a_first_backup_that_is_killed_anywhere_leaves_a_whole_point_or_none() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    check_all(&house, &vault, 0);
}
