//! Restores of every kind, struck by each thing that can go wrong at each of their steps, or killed
//! there: how their jobs end, what they leave, and that the vault is untouched.
//!
//! Method: of each kind of restore one is carried out for every request that it makes to the store,
//! every call of the ledger and every call of the host, and that one fails; and for every one of
//! them the directory is copied, put back later, and an engine is started on it, as after a kill.

mod house;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{ImageFormat, RestoreForm, RestoreRequest};
use fabric::Host;
use fabric::fake::FakeHost;
use model::fault::{Code, Fault};
use model::job::{Job, JobId, Status};
use model::vault::Vault;
use model::vm::DiskFormat;
use repo::objects::{Attempt, Mishap};
use tempfile::TempDir;

use house::{House, Lost, copy, files};

/// The kinds of restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Plain disks, in a directory that the client names.
    Directory,
    /// The same, converted.
    Converted,
    /// Disks with their description, in a staging store.
    Store,
    /// A virtual machine.
    Vm,
    /// A virtual machine, and its description in a staging store.
    DescribedVm,
}

const KINDS: [Kind; 5] =
    [Kind::Directory, Kind::Converted, Kind::Store, Kind::Vm, Kind::DescribedVm];
const NEW: &str = "again";

/// A house with a point of a virtual machine of two disks.
fn backed_up() -> (House, Vault) {
    let house = House::new(&[("vda", DiskFormat::Qcow2), ("vdb", DiskFormat::Raw)]);
    let (vault, _) = house.protected();
    assert_eq!(house.backup(&vault).status, Status::Completed);
    (house, vault)
}

fn out(house: &House) -> PathBuf {
    house.dir().join("out")
}

fn request(house: &House, kind: Kind) -> RestoreRequest {
    let store = || house.engine.store("holdfast", "staging").expect("the region's own");
    let vm = || RestoreForm::NewVm { name: NEW.to_owned(), network: None };
    let plain = RestoreRequest::to_directory(out(house), ImageFormat::Raw);
    match kind {
        Kind::Directory => plain,
        Kind::Converted => RestoreRequest::to_directory(out(house), ImageFormat::Qcow2),
        Kind::Store => RestoreRequest { directory: None, store: Some(store()), ..plain },
        Kind::Vm => RestoreRequest { form: vm(), directory: None, ..plain },
        Kind::DescribedVm => {
            RestoreRequest { form: vm(), directory: None, store: Some(store()), ..plain }
        }
    }
}

fn begin(house: &House, vault: &Vault, kind: Kind) -> Result<JobId, Fault> {
    let request = request(house, kind);
    let item = house.item(vault);
    let point = house.points(vault)[0].id;
    house.engine.restore(&item, point, request)
}

/// All that restores may have written.
fn restored(house: &House) -> Vec<PathBuf> {
    let places = [out(house), house.dir().join("images"), house.data().join("staging")];
    places.iter().flat_map(|place| files(place)).collect()
}

/// The files of the vault's repository, and what is in them.
fn vault_files(house: &House, vault: &Vault) -> Vec<(PathBuf, Vec<u8>)> {
    let files = files(&house.repository_dir(vault)).into_iter();
    files.map(|file| (file.clone(), fs::read(file).expect("read"))).collect()
}

/// The machine that a restore made, whatever runs it.
fn made(host: &FakeHost) -> Option<model::vm::PowerState> {
    let domains = host.inventory().expect("listed");
    domains.into_iter().find(|domain| domain.name == NEW).map(|domain| domain.power)
}

/// Takes away what a restore made.
fn take_away(house: &House) {
    for place in [out(house), house.dir().join("images")] {
        let _ = fs::remove_dir_all(place);
    }
    for file in files(&house.data().join("staging")) {
        // With its other files.
        let _ = fs::remove_dir_all(file.parent().expect("a job's own"));
    }
    let domains = house.host.inventory().expect("listed");
    for domain in domains.into_iter().filter(|domain| domain.name == NEW) {
        house.host.remove(domain.uuid);
    }
    for _ in 0..2000 {
        if house.engine.vm("holdfast", NEW).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the engine never saw that the machine is gone");
}

/// The job ended as one may: with all that it is for, or with a cause, an action, and no files that
/// nobody needs.
#[track_caller]
fn check_ended(house: &House, kind: Kind, job: &Job, codes: &[Code], what: &str) {
    let what = format!("{kind:?}, {what}");
    let left = restored(house);
    let partial = |path: &PathBuf| path.to_string_lossy().contains(".holdfast-");
    assert!(!left.iter().any(partial), "{what}: {left:?}");
    let unended = job.tasks.iter().any(|task| task.status == Status::InProgress);
    assert!(!unended, "{what}: {:?}", job.tasks);
    let is_vm = matches!(kind, Kind::Vm | Kind::DescribedVm);
    if job.status == Status::Completed {
        assert_eq!(made(&house.host).is_some(), is_vm, "{what}");
        assert!(left.len() >= 2, "{what}: {left:?}");
        return;
    }
    assert_eq!(job.status, Status::Failed, "{what}: {:?}", job.error);
    let error = job.error.as_ref().expect("failed");
    assert!(codes.contains(&error.code), "{what}: {error}");
    assert!(!error.code.cause().is_empty() && !error.code.action().is_empty(), "{what}");
    // As in Azure, disks stay where only the machine could not be made of them.
    let reached_vm = is_vm && job.tasks[0].status == Status::Completed;
    assert_eq!(left.is_empty(), !reached_vm, "{what}: {left:?}");
    let not_started = error.code == Code::RestoredVmNotStarted;
    assert_eq!(made(&house.host).is_some(), not_started, "{what}: {error}");
}

/// One restore of the kind after the other, each of which has the next one of its calls fail, until
/// one gets through without that. `strike` has the call of this number fail, and counts them all.
fn strike_each(
    kind: Kind,
    codes: &[Code],
    strike: impl Fn(&House, u64, Arc<AtomicU64>),
) -> (usize, usize) {
    let (house, vault) = backed_up();
    let before = vault_files(&house, &vault);
    let (mut struck, mut failed) = (0, 0);
    for number in 0.. {
        let asked = Arc::new(AtomicU64::new(0));
        strike(&house, number, Arc::clone(&asked));
        let begun = begin(&house, &vault, kind);
        let job = begun.as_ref().map(|id| ended(&house, &vault, *id));
        house.faults.none();
        match job {
            Ok(job) => {
                check_ended(&house, kind, &job, codes, &format!("call {number}"));
                failed += usize::from(job.status == Status::Failed);
            }
            Err(refused) => {
                assert!(codes.contains(&refused.code), "{kind:?}, call {number}: {refused}");
                assert_eq!(restored(&house), Vec::<PathBuf>::new(), "{kind:?}, call {number}");
                failed += 1;
            }
        }
        take_away(&house);
        assert_eq!(vault_files(&house, &vault), before, "{kind:?}, call {number}: the vault");
        if asked.load(Ordering::SeqCst) <= number {
            break;
        }
        struck += 1;
    }
    let id = begin(&house, &vault, kind).expect("begun");
    assert_eq!(house.ended(&vault, id).status, Status::Completed);
    (struck, failed)
}

/// The job, once it has ended, looked at without the calls that are made to fail.
fn ended(house: &House, vault: &Vault, id: JobId) -> Job {
    for _ in 0..4000 {
        match house.engine.job(vault, id) {
            Ok(job) if job.status.has_ended() => return job,
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    panic!("job {id} does not end");
}

#[test]
fn each_request_to_the_store_may_fail() {
    for kind in KINDS {
        for mishap in [Mishap::Fails, Mishap::DoneButFails] {
            let (struck, failed) =
                strike_each(kind, &[Code::StoreUnavailable], |house, at, asked| {
                    house.faults.of_store(move |_: Attempt<'_>| {
                        (asked.fetch_add(1, Ordering::SeqCst) == at).then_some(mishap)
                    });
                });
            assert!(struck >= 2 && failed >= 2, "{kind:?}: {struck} requests, {failed} failures");
        }
    }
}

#[test]
fn each_call_of_the_ledger_may_fail() {
    for kind in KINDS {
        let (struck, _) = strike_each(kind, &[Code::Internal], |house, at, asked| {
            // What this test asks for itself is not struck.
            house.faults.of_ledger(move |call| {
                ["create_job", "update_job"].contains(&call)
                    && asked.fetch_add(1, Ordering::SeqCst) == at
            });
        });
        assert!(struck >= 3, "{kind:?}: {struck} calls");
    }
}

#[test]
fn each_call_of_the_host_may_fail_or_its_answer_be_lost() {
    let codes = [Code::HypervisorUnavailable, Code::RestoredVmNotStarted];
    for kind in [Kind::Vm, Kind::DescribedVm] {
        for lost in [Lost::Call, Lost::Answer] {
            let (_, failed) = strike_each(kind, &codes, |house, at, asked| {
                house.faults.of_host(move |call| {
                    let counts = call != "undefine";
                    (counts && asked.fetch_add(1, Ordering::SeqCst) == at).then_some(lost)
                });
            });
            assert_eq!(failed, 2, "{kind:?}: to define it, and to start it");
        }
    }
}

/// Has somebody else make this file as soon as the restore reads the store.
fn in_the_way(house: &House, file: PathBuf) {
    house.faults.of_store(move |_| {
        let _ = fs::create_dir_all(file.parent().expect("a directory"));
        fs::write(&file, "somebody else's").expect("written");
        None
    });
}

#[test]
fn a_file_in_the_way_stays_and_nothing_else_does() {
    for (kind, name) in [(Kind::Directory, "web-vdb.raw"), (Kind::Converted, "web-vdb.qcow2")] {
        let (house, vault) = backed_up();
        let file = out(&house).join(name);
        in_the_way(&house, file.clone());
        let id = begin(&house, &vault, kind).expect("begun");
        let job = house.ended(&vault, id);
        let code = job.error.expect("failed").code;
        assert_eq!((job.status, code), (Status::Failed, Code::RestoreTargetInvalid));
        assert_eq!(restored(&house), std::slice::from_ref(&file), "the other disk is gone again");
        assert_eq!(fs::read(file).expect("there"), b"somebody else's");
    }
}

#[test]
fn a_place_that_cannot_be_written_fails_the_job() {
    for (kind, place) in [(Kind::Vm, "images"), (Kind::Directory, "out")] {
        let (house, vault) = backed_up();
        fs::write(house.dir().join(place), "no directory").expect("written");
        let id = begin(&house, &vault, kind).expect("begun");
        let job = house.ended(&vault, id);
        assert_eq!(job.error.expect("failed").code, Code::RestoreTargetInvalid);
        assert_eq!(made(&house.host), None);
    }
}

/// What a kill leaves.
struct Moment {
    /// Before what it came.
    before: String,
    dir: TempDir,
    host: FakeHost,
}

/// The moments of a restore.
fn moments(house: &House, vault: &Vault, kind: Kind) -> (Job, Vec<Moment>) {
    let moments = Arc::new(Mutex::new(Vec::new()));
    let note = || {
        let (moments, dir, host) =
            (Arc::clone(&moments), house.dir().to_owned(), house.host.clone());
        move |before: String| {
            let copied = tempfile::tempdir().expect("a directory");
            for part in ["data", "images", "out"].iter().filter(|part| dir.join(part).exists()) {
                copy(&dir.join(part), &copied.path().join(part));
            }
            let moment = Moment { before, dir: copied, host: host.fork() };
            moments.lock().expect("not poisoned").push(moment);
        }
    };
    let (of_store, of_ledger, of_host) = (note(), note(), note());
    house.faults.of_store(move |attempt: Attempt<'_>| {
        of_store(format!("{:?} {}", attempt.operation, attempt.name));
        None
    });
    house.faults.of_ledger(move |call| {
        if ["create_job", "update_job"].contains(&call) {
            of_ledger(call.to_owned());
        }
        false
    });
    house.faults.of_host(move |call| {
        of_host(call.to_owned());
        None
    });
    let id = begin(house, vault, kind).expect("begun");
    let job = house.ended(vault, id);
    house.faults.none();
    assert_eq!(job.status, Status::Completed, "{:?}", job.error);
    let moments = std::mem::take(&mut *moments.lock().expect("not poisoned"));
    (job, moments)
}

#[track_caller]
fn check_killed(house: &House, vault: &Vault, kind: Kind, id: JobId, before: &str) {
    let what = format!("{kind:?}, killed before {before}");
    let left = restored(house);
    let partial = |path: &PathBuf| path.to_string_lossy().contains(".holdfast-");
    assert!(!left.iter().any(partial), "{what}: {left:?}");
    let Ok(job) = house.engine.job(vault, id) else {
        assert_eq!((before, left.len()), ("create_job", 0), "{what}");
        return;
    };
    assert_eq!(job.status, Status::Failed, "{what}");
    let error = job.error.expect("failed");
    assert_eq!(error.code, Code::Interrupted, "{what}");
    let unended = job.tasks.iter().any(|task| task.status == Status::InProgress);
    assert!(!unended, "{what}: {:?}", job.tasks);
    for directory in left.iter().filter_map(|file| file.parent()) {
        let staged = directory.starts_with(house.data());
        let told = error.message.contains(&directory.display().to_string());
        assert!(staged || told, "{what}: {directory:?} is not told of: {error}");
    }
    let told = error.message.contains(&format!("machine '{NEW}' may have been made"));
    assert!(made(&house.host).is_none() || told, "{what}: {error}");
}

#[test]
fn a_restore_that_is_killed_anywhere_has_failed_and_leaves_nothing_unfinished() {
    for kind in KINDS {
        let (mut house, vault) = backed_up();
        let before = vault_files(&house, &vault);
        let (job, moments) = moments(&house, &vault, kind);
        assert!(moments.len() >= 5, "{kind:?}: more steps than {}", moments.len());
        for moment in moments {
            house = house.back_at(moment.dir.path(), moment.host);
            check_killed(&house, &vault, kind, job.id, &moment.before);
            assert_eq!(vault_files(&house, &vault), before, "{kind:?}: {}", moment.before);
            take_away(&house);
            let again = begin(&house, &vault, kind).expect("begun");
            let again = house.ended(&vault, again);
            assert_eq!(again.status, Status::Completed, "{kind:?}: {:?}", again.error);
        }
    }
}
