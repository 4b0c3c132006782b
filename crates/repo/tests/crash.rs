//! Whatever store call fails or is the last one: earlier points restore, a new backup works, and
//! nothing that is listed is broken. "Fail the Nth call, for N = 1 until no call fails."

mod support;

use std::sync::Arc;
use std::time::Duration;

use model::units::{Extent, KIB, MIB};
use repo::objects::{Attempt, Faulty, Memory, Mishap, ObjectStore, Operation};
use repo::{CollectOptions, NoProgress, RepoError, Repository, VerifyOptions};
use support::{TestDisk, VAULT, World, assert_restores, changes, full, kek, noise, point};

const NOW: CollectOptions = CollectOptions { grace: Duration::ZERO, dry_run: false };

/// What fails.
#[derive(Debug, Clone, Copy)]
enum Failure {
    /// One call.
    Once(Mishap),
    /// That call and all later ones: the process is dead.
    AllAfter(Mishap),
}

const FAILURES: [Failure; 4] = [
    Failure::Once(Mishap::Fails),
    Failure::Once(Mishap::Full),
    Failure::AllAfter(Mishap::Fails),
    Failure::AllAfter(Mishap::DoneButFails),
];

fn script(failure: Failure, at: u64) -> impl Fn(Attempt<'_>) -> Option<Mishap> + Send + Sync {
    move |attempt: Attempt<'_>| match failure {
        Failure::Once(mishap) => (attempt.number == at).then_some(mishap),
        // A dead process does nothing after the call it died in.
        Failure::AllAfter(mishap) if attempt.number == at => Some(mishap),
        Failure::AllAfter(_) => (attempt.number > at).then_some(Mishap::Fails),
    }
}

fn day(number: u64) -> TestDisk {
    let mut disk = TestDisk::new(3 * MIB);
    disk.write(100 * KIB, &noise(1, MIB as usize));
    for day in 1..=number {
        disk.write(day * 300 * KIB, &noise(100 + day, 60 * KIB as usize));
    }
    disk
}

fn changed(number: u64) -> Vec<Extent> {
    vec![Extent::new(number * 300 * KIB, 60 * KIB)]
}

/// Points 1 and 2, made without failures.
fn prepared() -> Arc<Memory> {
    let store = Arc::new(Memory::new());
    let repo = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 1).init();
    full(&repo, 1, &mut day(1)).expect("a backup");
    changes(&repo, 2, 1, &mut day(2), &changed(2)).expect("a backup");
    store
}

/// What a night does; stops at the first failure.
fn night(repo: &Repository) -> Result<(), RepoError> {
    changes(repo, 3, 2, &mut day(3), &changed(3))?;
    full(repo, 4, &mut day(4))?;
    repo.forget(point(1))?;
    repo.collect(&NOW)?;
    repo.collect(&NOW)?;
    repo.verify(&VerifyOptions { read_data: Some(100), record: true }, &NoProgress)?;
    Ok(())
}

/// What must hold after any failure, seen by a new process.
fn check_after(store: &Arc<Memory>, case: &str) {
    let world = World::new(Arc::clone(store) as Arc<dyn ObjectStore>, 90);
    let repo = world.open().unwrap_or_else(|error| panic!("{case}: {error}"));
    let listed: Vec<u64> =
        repo.points().expect("points").iter().map(|info| info.id.get()).collect();
    assert!(listed.contains(&2), "{case}: point 2 is gone, there are {listed:?}");
    for number in &listed {
        assert_restores(&repo, *number, &day(*number));
    }
    changes(&repo, 50, 2, &mut day(3), &changed(3)).unwrap_or_else(|e| panic!("{case}: {e}"));
    assert_restores(&repo, 50, &day(3));
    for session in repo.sessions().expect("sessions") {
        repo.fence(session.id).expect("it is open");
    }
    for _ in 0..2 {
        repo.collect(&NOW).unwrap_or_else(|error| panic!("{case}: {error}"));
    }
    let third = repo.collect(&NOW).expect("collected before");
    assert_eq!(third.condemned_packs + third.deleted_packs + third.deleted_objects, 0, "{case}");
    let options = VerifyOptions { read_data: Some(100), record: false };
    let report = repo.verify(&options, &NoProgress).expect("a verification");
    assert_eq!(report.damaged, [], "{case}");
    assert_restores(&repo, 2, &day(2));
    assert_restores(&repo, 50, &day(3));
}

#[test]
fn a_failure_at_any_store_call_of_a_night_harms_no_point() {
    for (lane, failure) in (0..).zip(FAILURES) {
        let mut at: u64 = 1;
        loop {
            let case = format!("{failure:?} at call {at}");
            let inner = prepared();
            let faulty = Arc::new(Faulty::new(Arc::clone(&inner), script(failure, at)));
            let store = Arc::clone(&faulty) as Arc<dyn ObjectStore>;
            let world = World::new(store, 2);
            let done = world.open().and_then(|repo| night(&repo));
            check_after(&inner, &case);
            if faulty.attempts() < at {
                done.unwrap_or_else(|error| panic!("{case}: nothing failed, and yet {error}"));
                assert!(at > 60, "a night has {at} calls");
                break;
            }
            // Calls in the middle are much alike: after the first ones, each kind of failure tries
            // others of them.
            at += if support::long() || at < 16 + lane { 1 } else { 4 };
        }
    }
}

#[test]
fn an_interrupted_init_can_be_done_again() {
    for mishap in [Mishap::Fails, Mishap::DoneButFails] {
        for at in 1..=12 {
            let inner = Arc::new(Memory::new());
            let faulty = Faulty::new(Arc::clone(&inner), script(Failure::AllAfter(mishap), at));
            let world = World::new(Arc::new(faulty), 3);
            let made = Repository::init(
                Arc::clone(&world.store),
                VAULT,
                &kek(),
                world.environment.clone(),
            );
            let again = World::new(Arc::clone(&inner) as Arc<dyn ObjectStore>, 4);
            let repo = match again.open() {
                Ok(repo) => repo,
                Err(RepoError::NotARepository) => again.init(),
                Err(error) => panic!("{mishap:?} at {at}: {error}"),
            };
            full(&repo, 1, &mut day(1)).expect("a backup");
            assert_restores(&again.open().expect("a repository"), 1, &day(1));
            drop(made);
        }
    }
}

#[test]
fn a_full_store_fails_the_backup_and_lets_everything_else_work() {
    let inner = prepared();
    let mut other = TestDisk::new(MIB);
    other.write(0, &noise(500, 300 * KIB as usize));
    let sound = World::new(Arc::clone(&inner) as Arc<dyn ObjectStore>, 4);
    full(&sound.open().expect("a repository"), 9, &mut other).expect("a backup");
    let faulty = Faulty::new(Arc::clone(&inner), |attempt: Attempt<'_>| {
        let data = attempt.name.starts_with("packs/") && attempt.operation == Operation::Put;
        data.then_some(Mishap::Full)
    });
    let world = World::new(Arc::new(faulty), 5);
    let repo = world.open().expect("a repository");
    let failed = full(&repo, 3, &mut day(5));
    assert!(matches!(failed, Err(RepoError::StoreFull { .. })), "{failed:?}");
    assert_eq!(repo.points().expect("points").len(), 3);
    assert_eq!(repo.sessions().expect("sessions"), [], "the failed writer ended its session");
    assert_restores(&repo, 1, &day(1));
    repo.forget(point(9)).expect("it exists");
    repo.collect(&NOW).expect("a collection");
    let report = repo.collect(&NOW).expect("a collection");
    assert!(report.deleted_bytes > 300 * KIB, "{report:?}");
    assert_restores(&repo, 2, &day(2));
}

#[test]
fn an_unreadable_store_is_not_called_damaged() {
    let inner = prepared();
    let faulty = Faulty::new(Arc::clone(&inner), |attempt: Attempt<'_>| {
        (attempt.name.starts_with("packs/")).then_some(Mishap::Fails)
    });
    let repo = World::new(Arc::new(faulty), 6).open().expect("a repository");
    let failed = support::restored(&repo, 1, "vda");
    assert!(matches!(failed, Err(RepoError::Store { .. })), "{failed:?}");
    let options = VerifyOptions { read_data: None, record: false };
    assert!(matches!(repo.verify(&options, &NoProgress), Err(RepoError::Store { .. })));
}
