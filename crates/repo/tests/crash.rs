//! Whatever store call fails or is the last one: what is done can be done again, points restore, a
//! new backup works, and nothing that is listed is broken. "Fail the Nth call, for N = 1 until no
//! call fails", for everything that is done with a repository.

mod support;

use std::sync::Arc;
use std::time::Duration;

use model::units::{Extent, KIB, MIB};
use repo::objects::{Attempt, Faulty, Memory, Mishap, ObjectStore, Operation};
use repo::{CollectOptions, NoProgress, RepoError, VerifyOptions};
use support::deeds::{Deed, Outcome, Scene};
use support::{TestDisk, World, assert_restores, changes, full, noise, point};

const NOW: CollectOptions = CollectOptions { grace: Duration::ZERO, dry_run: false };

/// What fails.
#[derive(Debug, Clone, Copy)]
enum Failure {
    /// One call.
    Once(Mishap),
    /// That call and all later ones: the process is dead.
    AllAfter(Mishap),
}

/// How a call can fail that changes nothing.
const READS: [Failure; 3] = [
    Failure::Once(Mishap::Fails),
    Failure::Once(Mishap::TimesOut),
    Failure::AllAfter(Mishap::Fails),
];

/// How a put, a replacement or a delete can: before its effect, behind it, and without an answer.
const WRITES: [Failure; 8] = [
    Failure::Once(Mishap::Fails),
    Failure::Once(Mishap::DoneButFails),
    Failure::Once(Mishap::TimesOut),
    Failure::Once(Mishap::AnswerLost),
    Failure::Once(Mishap::Full),
    Failure::AllAfter(Mishap::Fails),
    Failure::AllAfter(Mishap::DoneButFails),
    Failure::AllAfter(Mishap::TimesOut),
];

fn script(failure: Failure, at: u64) -> impl Fn(Attempt<'_>) -> Option<Mishap> + Send + Sync {
    move |attempt: Attempt<'_>| match failure {
        Failure::Once(mishap) => (attempt.number == at).then_some(mishap),
        // A dead process does nothing after the call it died in.
        Failure::AllAfter(mishap) if attempt.number == at => Some(mishap),
        Failure::AllAfter(_) => (attempt.number > at).then_some(Mishap::Fails),
    }
}

fn store_of(scene: &Scene) -> Arc<Memory> {
    let store = Arc::new(Memory::new());
    scene.fill(store.as_ref());
    store
}

/// The calls of a run without a fault: whether each changes something.
fn calls(scene: &Scene) -> Vec<bool> {
    let attempts = Arc::new(std::sync::Mutex::new(Vec::new()));
    let script = {
        let attempts = Arc::clone(&attempts);
        move |attempt: Attempt<'_>| -> Option<Mishap> {
            let changes = [Operation::Put, Operation::Replace, Operation::Delete];
            attempts.lock().expect("no panic").push(changes.contains(&attempt.operation));
            None
        }
    };
    let store = Arc::new(Faulty::new(store_of(scene), script)) as Arc<dyn ObjectStore>;
    scene.carry_out(&store, 5).unwrap_or_else(|error| panic!("{:?}: {error}", scene.deed));
    drop(store);
    let attempts = attempts.lock().expect("no panic");
    attempts.clone()
}

/// Lets the call of this number fail, and looks at what is left; whether there was such a call.
fn fail(scene: &Scene, failure: Failure, at: u64) -> bool {
    let case = format!("{:?}: {failure:?} at call {at}", scene.deed);
    let inner = store_of(scene);
    let faulty = Arc::new(Faulty::new(Arc::clone(&inner), script(failure, at)));
    let done = scene.carry_out(&(Arc::clone(&faulty) as Arc<dyn ObjectStore>), 5);
    let outcome = match done {
        Ok(()) => Outcome::Done,
        Err(RepoError::Unsettled { .. }) => Outcome::Unknown,
        Err(_) => Outcome::Failed,
    };
    let sound = Arc::clone(&inner) as Arc<dyn ObjectStore>;
    scene.check(&sound, outcome).unwrap_or_else(|error| panic!("{case}, {outcome:?}: {error}"));
    let reached = faulty.attempts() >= at;
    assert!(reached || outcome == Outcome::Done, "{case}: nothing failed, and yet it did");
    reached
}

/// Lets every call of these fail, one after the other.
fn fail_everywhere(deeds: &[Deed]) {
    for &deed in deeds {
        let scene = deed.scene();
        let calls = calls(&scene);
        let mut at = 0;
        let mut reached = true;
        // A run may need more calls than another: until none fails.
        while reached {
            at += 1;
            let changes = calls.get(at as usize - 1).is_none_or(|changes| *changes);
            let failures = if changes { &WRITES[..] } else { &READS[..] };
            // Calls in the middle are much alike: each gets some of the failures, in turn.
            let step = if support::long() { 1 } else { failures.len() / 3 + 1 };
            reached = false;
            for failure in failures.iter().skip(at as usize % step).step_by(step) {
                reached |= fail(&scene, *failure, at);
            }
        }
        println!("{deed:?}: {} calls", at - 1);
        assert!(at > 3, "{deed:?} has {at} calls");
    }
}

// Two tests, because one would keep one processor busy.
#[test]
fn a_failure_at_any_store_call_of_backups_and_collections_harms_nothing() {
    fail_everywhere(&Deed::ALL[..6]);
}

#[test]
fn a_failure_at_any_store_call_of_care_and_keys_harms_nothing() {
    fail_everywhere(&Deed::ALL[6..]);
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
