//! A backup struck by each thing that can go wrong, at each of its steps: how its job ends, and
//! that nothing is left behind.
//!
//! Method: one good backup, so that there is a chain to break; then the guest writes, something is
//! made to fail, and a second backup runs. Whatever became of it, the host is free and has the
//! checkpoint that the next backup builds upon and no other, every point that is listed can be
//! restored, the repository has no open session and no point besides, and the next backup gets
//! through.

mod house;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::bounded;
use fabric::fake::Fault;
use model::fault::Code;
use model::job::Status::{
    self, Cancelled, Completed, CompletedWithWarnings, Failed, InProgress, NotStarted,
};
use model::job::{Job, JobId};
use model::units::{KIB, MIB};
use model::vault::Vault;
use repo::objects::{Attempt, Mishap, Operation};

use house::{AtBegin, House, VM, files, noise};

/// What strikes, and what is to come of it.
struct Case {
    name: &'static str,
    strike: fn(&House),
    status: Status,
    /// The job's tasks, as they end.
    tasks: [Status; 3],
    /// The job's error, or its warning.
    code: Option<Code>,
}

const IN_SNAPSHOT: [Status; 3] = [Failed, NotStarted, NotStarted];
const IN_TRANSFER: [Status; 3] = [Completed, Failed, NotStarted];
const IN_VALIDATION: [Status; 3] = [Completed, Completed, Failed];
const THROUGH: [Status; 3] = [Completed, Completed, Completed];

fn failed(name: &'static str, strike: fn(&House), tasks: [Status; 3], code: Code) -> Case {
    Case { name, strike, status: Failed, tasks, code: Some(code) }
}

fn warned(name: &'static str, strike: fn(&House), code: Code) -> Case {
    Case { name, strike, status: CompletedWithWarnings, tasks: THROUGH, code: Some(code) }
}

fn unharmed(name: &'static str, strike: fn(&House)) -> Case {
    Case { name, strike, status: Completed, tasks: THROUGH, code: None }
}

/// Lets the first request of this kind, to an object whose name starts so, meet with a mishap.
fn once(house: &House, operation: Operation, prefix: &'static str, mishap: Mishap) {
    let mut struck = false;
    house.faults.of_store(move |attempt: Attempt<'_>| {
        let fits = attempt.operation == operation && attempt.name.starts_with(prefix);
        (fits && !std::mem::replace(&mut struck, true)).then_some(mishap)
    });
}

/// Lets the commit of the point, the log's first put behind the manifest's, meet with a mishap, and
/// then so many requests in a row.
fn at_commit(house: &House, mishap: Mishap, then: usize) {
    let (mut manifest, mut struck, mut left) = (false, false, then);
    house.faults.of_store(move |attempt: Attempt<'_>| {
        let is_put = attempt.operation == Operation::Put;
        if struck {
            left = left.saturating_sub(1);
            return (left > 0).then_some(Mishap::TimesOut);
        }
        if is_put && manifest && attempt.name.starts_with("log/") {
            struck = true;
            return Some(mishap);
        }
        manifest |= is_put && attempt.name.starts_with("manifests/");
        None
    });
}

/// Lets a read of the point that was just committed meet with a mishap.
fn at_validation(house: &House, mishap: Mishap) {
    let mut manifest = None;
    house.faults.of_store(move |attempt: Attempt<'_>| {
        if attempt.operation == Operation::Put && attempt.name.starts_with("manifests/") {
            manifest = Some(attempt.name.to_owned());
        }
        let is_it = manifest.as_deref() == Some(attempt.name);
        (is_it && attempt.operation == Operation::Get).then_some(mishap)
    });
}

/// Lets this call of the ledger fail so many times.
fn ledger(house: &House, call: &'static str, times: usize) {
    let mut left = times;
    house.faults.of_ledger(move |asked| {
        let fails = asked == call && left > 0;
        left -= usize::from(fails);
        fails
    });
}

fn snapshot_cases() -> Vec<Case> {
    let foreign = |house: &House| house.host.begin_foreign_job(VM).expect("there");
    vec![
        failed(
            "the host is away",
            |house| house.host.script(Fault::HypervisorDown),
            IN_SNAPSHOT,
            Code::HypervisorUnavailable,
        ),
        failed("the machine is somebody else's", foreign, IN_SNAPSHOT, Code::BackupInProgress),
        failed(
            "there is no room for a scratch file",
            |house| house.host.script(Fault::NoScratch),
            IN_SNAPSHOT,
            Code::ScratchFull,
        ),
        failed(
            "there is a bug",
            |house| house.at_next_begin(AtBegin::Panic),
            IN_SNAPSHOT,
            Code::Internal,
        ),
        warned(
            "the freeze fails",
            |house| house.host.script(Fault::FreezeFails),
            Code::FreezeFailed,
        ),
        warned(
            "the freeze is cut",
            |house| house.host.script(Fault::FreezeCut),
            Code::FreezeFailed,
        ),
        warned(
            "the chain is broken",
            |house| house.host.script(Fault::ChainBroken { target: "vda".to_owned() }),
            Code::ChangeTrackingReset,
        ),
    ]
}

fn transfer_cases() -> Vec<Case> {
    const AFTER: u64 = 64 * KIB;
    vec![
        failed(
            "a read fails",
            |house| house.host.script(Fault::ReadFails { after: AFTER }),
            IN_TRANSFER,
            Code::DiskNotFound,
        ),
        failed(
            "the scratch file is full",
            |house| house.host.script(Fault::ScratchFull { after: AFTER }),
            IN_TRANSFER,
            Code::ScratchFull,
        ),
        failed(
            "the machine is gone",
            |house| house.host.script(Fault::DomainGone { after: AFTER }),
            IN_TRANSFER,
            Code::VmNotFound,
        ),
        failed(
            "the store fails at the session's begin",
            |house| once(house, Operation::Put, "log/", Mishap::Fails),
            IN_TRANSFER,
            Code::StoreUnavailable,
        ),
        failed(
            "the store is full",
            |house| once(house, Operation::Put, "packs/", Mishap::Full),
            IN_TRANSFER,
            Code::StoreFull,
        ),
        failed(
            "the store fails at a pack",
            |house| once(house, Operation::Put, "packs/", Mishap::Fails),
            IN_TRANSFER,
            Code::StoreUnavailable,
        ),
        failed(
            "the store fails at an index",
            |house| once(house, Operation::Put, "index/", Mishap::Fails),
            IN_TRANSFER,
            Code::StoreUnavailable,
        ),
        failed(
            "the store fails at the manifest",
            |house| once(house, Operation::Put, "manifests/", Mishap::Fails),
            IN_TRANSFER,
            Code::StoreUnavailable,
        ),
    ]
}

fn commit_cases() -> Vec<Case> {
    vec![
        failed(
            "the store refuses the commit",
            |house| at_commit(house, Mishap::Fails, 0),
            IN_TRANSFER,
            Code::StoreUnavailable,
        ),
        failed(
            "the store is full at the commit",
            |house| at_commit(house, Mishap::Full, 0),
            IN_TRANSFER,
            Code::StoreFull,
        ),
        unharmed("the answer to the commit is lost", |house| {
            at_commit(house, Mishap::AnswerLost, 0);
        }),
        unharmed("the answer to the commit is lost, and the store is away for a while", |house| {
            at_commit(house, Mishap::AnswerLost, 4);
        }),
        failed(
            "the commit never arrives, and the store is away for a while",
            |house| at_commit(house, Mishap::TimesOut, 4),
            IN_TRANSFER,
            Code::StoreUnavailable,
        ),
    ]
}

fn last_cases() -> Vec<Case> {
    vec![
        failed(
            "the point cannot be read back",
            |house| at_validation(house, Mishap::Fails),
            IN_VALIDATION,
            Code::StoreUnavailable,
        ),
        unharmed("the ledger does not take the job's progress", |house| {
            ledger(house, "update_job", usize::MAX);
        }),
        unharmed("the ledger does not take the job's end at first", |house| {
            ledger(house, "record_backup", 1);
        }),
    ]
}

/// A house whose first backup has got through, and whose guest has written since.
fn lived_in() -> (House, Vault) {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    assert_eq!(house.backup(&vault).status, Completed);
    house.host.write(VM, "vda", 4 * MIB, &noise(9, MIB)).expect("written");
    (house, vault)
}

/// All points of the vault's repository, and whether a session is open in it.
fn repository(house: &House, vault: &Vault) -> (usize, usize) {
    let contents = house.repository(vault).contents().expect("read");
    (contents.points, contents.sessions.len())
}

#[track_caller]
fn check_nothing_is_left(house: &House, vault: &Vault, name: &str) {
    house.faults.none();
    if house.host.is_held(VM).expect("there") {
        house.host.process_dies();
    }
    let item = house.item(vault);
    let known: Vec<String> = item.chain.into_iter().map(|chain| chain.checkpoint).collect();
    assert_eq!(house.host.checkpoints(VM).expect("there"), known, "{name}: checkpoints");
    let points = house.points(vault);
    assert_eq!(repository(house, vault), (points.len(), 0), "{name}: points and sessions");
    for point in &points {
        house.check_restores(vault, point.id, None);
    }
    let next = house.backup(vault);
    assert_eq!(next.status, Completed, "{name}: {:?} {:?}", next.error, next.warnings);
    let newest = house.points(vault)[0].id;
    house.check_restores(vault, newest, Some(&house.content("vda")));
}

#[track_caller]
fn check_tasks(job: &Job, tasks: [Status; 3], name: &str) {
    let seen: Vec<Status> = job.tasks.iter().map(|task| task.status).collect();
    assert_eq!(seen, tasks, "{name}");
}

#[track_caller]
fn check(case: &Case) {
    let name = case.name;
    let (house, vault) = lived_in();
    (case.strike)(&house);
    let job = house.backup(&vault);
    assert_eq!(job.status, case.status, "{name}: {:?} {:?}", job.error, job.warnings);
    check_tasks(&job, case.tasks, name);
    let said = job.error.as_ref().or(job.warnings.first()).map(|fault| fault.code);
    assert_eq!(said, case.code, "{name}");
    let through = matches!(case.status, Completed | CompletedWithWarnings);
    assert_eq!(house.points(&vault).len(), 1 + usize::from(through), "{name}: points");
    let last = house.item(&vault).last_backup.expect("noted");
    assert_eq!((last.status, last.at), (job.status, job.started_at), "{name}");
    check_nothing_is_left(&house, &vault, name);
}

#[test]
fn what_strikes_while_the_snapshot_is_taken() {
    snapshot_cases().iter().for_each(check);
}

#[test]
fn what_strikes_while_the_disks_are_transferred() {
    transfer_cases().iter().for_each(check);
}

#[test]
fn what_strikes_at_the_commit() {
    commit_cases().iter().for_each(check);
}

#[test]
fn what_strikes_after_the_commit() {
    last_cases().iter().for_each(check);
}

/// Where a backup is held up so that somebody can ask it to stop.
fn held_at(operation: Operation, prefix: &'static str) -> (House, Vault, JobId, impl FnOnce()) {
    let (house, vault) = lived_in();
    let ((reached, hear), (let_go, go)) = (bounded(1), bounded::<()>(1));
    let mut held = false;
    house.faults.of_store(move |attempt: Attempt<'_>| {
        let fits = attempt.operation == operation && attempt.name.starts_with(prefix);
        if fits && !std::mem::replace(&mut held, true) {
            reached.send(()).expect("the test listens");
            go.recv().expect("the test lets it go on");
        }
        None
    });
    let id = house.engine.backup_now(&house.item(&vault), None).expect("begun");
    hear.recv().expect("reached");
    (house, vault, id, move || let_go.send(()).expect("it waits"))
}

#[test]
fn a_job_is_cancelled_until_its_manifest_is_put() {
    for prefix in ["packs/", "index/", "manifests/"] {
        let (house, vault, id, go) = held_at(Operation::Put, prefix);
        let running = house.engine.job(&vault, id).expect("there");
        check_tasks(&running, [Completed, InProgress, NotStarted], prefix);
        let asked = house.engine.cancel(&vault, id);
        go();
        let job = house.ended(&vault, id);
        if prefix != "manifests/" {
            asked.expect("the point is not committed yet");
            assert_eq!(job.status, Cancelled, "{prefix}: {:?}", job.error);
            check_tasks(&job, [Completed, Cancelled, NotStarted], prefix);
            assert_eq!(job.error.map(|error| error.code), Some(Code::JobCancelled));
            assert_eq!(house.points(&vault).len(), 1);
        } else {
            let late = asked.expect_err("it is being committed");
            assert_eq!(late.code, Code::JobNotCancelable, "{prefix}");
            assert_eq!(job.status, Completed, "{prefix}: {:?}", job.error);
        }
        check_nothing_is_left(&house, &vault, prefix);
    }
}

#[test]
fn a_job_is_not_cancelled_while_its_point_is_validated() {
    let (house, vault, id, go) = held_at(Operation::Get, "manifests/");
    let running = house.engine.job(&vault, id).expect("there");
    if running.tasks[2].status == InProgress {
        let late = house.engine.cancel(&vault, id).expect_err("its point is committed");
        assert_eq!(late.code, Code::JobNotCancelable);
        assert!(late.message.starts_with("The job is not in a cancelable state"), "{late}");
        assert!(!house.engine.may_cancel(&running));
    }
    go();
    let job = house.ended(&vault, id);
    assert_eq!(job.status, Completed, "{:?}", job.error);
    check_nothing_is_left(&house, &vault, "cancelled too late");
}

#[test]
fn a_job_does_not_begin_where_the_ledger_does_not_take_it() {
    let (house, vault) = lived_in();
    ledger(&house, "create_job", 1);
    let refused = house.engine.backup_now(&house.item(&vault), None).expect_err("not recorded");
    assert_eq!(refused.code, Code::Internal);
    check_nothing_is_left(&house, &vault, "not begun");
}

/// Lets the store be away from the commit on, which meets with this mishap, until it is told that
/// it is not.
fn goes_away_at_commit(house: &House, commit: Option<Mishap>) -> Arc<AtomicBool> {
    let away = Arc::new(AtomicBool::new(false));
    let (is_away, mut struck, mut manifest) = (Arc::clone(&away), false, false);
    house.faults.of_store(move |attempt: Attempt<'_>| {
        let is_put = attempt.operation == Operation::Put;
        if is_away.load(Ordering::SeqCst) {
            return Some(Mishap::TimesOut);
        }
        if !struck && is_put && manifest && attempt.name.starts_with("log/") {
            struck = true;
            is_away.store(true, Ordering::SeqCst);
            return commit;
        }
        manifest |= is_put && attempt.name.starts_with("manifests/");
        None
    });
    away
}

#[test]
fn a_point_of_a_failed_job_is_listed_by_the_next_start_only_if_it_can_be_read() {
    for damaged in [true, false] {
        let (house, vault) = lived_in();
        let packs = house.repository_dir(&vault).join("packs");
        let before = files(&packs);
        goes_away_at_commit(&house, None);
        let job = house.backup(&vault);
        assert_eq!(job.error.map(|error| error.code), Some(Code::StoreUnavailable));
        let mut new = files(&packs);
        new.retain(|file| !before.contains(file));
        let house = house.restart(|_| {
            for pack in new.iter().filter(|_| damaged) {
                std::fs::remove_file(pack).expect("removed");
            }
        });
        let listed = house.points(&vault).iter().any(|point| Some(point.id) == job.point);
        assert_eq!(listed, !damaged);
    }
}

#[test]
fn a_point_that_came_to_exist_after_its_job_had_failed_is_recorded_by_the_next_backup() {
    let (house, vault) = lived_in();
    let away = goes_away_at_commit(&house, Some(Mishap::AnswerLost));
    let job = house.backup(&vault);
    assert_eq!(job.status, Failed);
    let error = job.error.expect("failed");
    assert_eq!(error.code, Code::StoreUnavailable);
    assert!(error.message.contains("it is recorded once the store answers"), "{error}");
    assert_eq!(house.points(&vault).len(), 1, "nobody knows of the other one");

    away.store(false, Ordering::SeqCst);
    assert_eq!(house.backup(&vault).status, Completed);
    let points = house.points(&vault);
    assert_eq!(points.len(), 3);
    assert_eq!(points[1].id, job.point.expect("it had one"));
    check_nothing_is_left(&house, &vault, "late");
}

#[test]
fn a_service_that_ends_interrupts_its_jobs_and_cancels_none() {
    let (house, vault, id, go) = held_at(Operation::Put, "packs/");
    house.engine.shutdown();
    go();
    let job = house.ended(&vault, id);
    assert_eq!(job.status, Failed);
    assert_eq!(job.error.map(|error| error.code), Some(Code::Interrupted));
    for _ in 0..1000 {
        if house.engine.is_idle() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let house = house.restart(|_| ());
    check_nothing_is_left(&house, &vault, "interrupted");
}
