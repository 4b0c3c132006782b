//! Stores that fail, are slow, or answer late: what [`Retrying`] makes of them, and what a whole
//! repository does on top.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::seed::Seed;
use model::units::{Extent, MIB};
use repo::objects::{
    Attempt, Faulty, Memory, Mishap, ObjectInfo, ObjectStore, Operation, Patience, Retrying,
    StoreError,
};
use repo::{CollectOptions, NoProgress, RepoError, VerifyOptions};

use crate::cases;
use crate::support::{TestDisk, World, assert_restores, changes, full, noise, point};

/// The usual number of tries, without the pauses.
const QUICK: Patience =
    Patience { tries: 9, first: Duration::from_micros(1), longest: Duration::from_micros(50) };
/// For stores where every third request goes wrong: of eight at once, one may be hit many times.
const STUBBORN: Patience = Patience { tries: 200, ..QUICK };

struct Counter(AtomicU64);

impl Seed for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::SeqCst).to_le_bytes();
        bytes.iter_mut().zip(number.iter().cycle()).for_each(|(byte, random)| *byte = *random);
    }
}

fn retrying<S: ObjectStore>(inner: S) -> Retrying<S> {
    with(STUBBORN, inner)
}

fn with<S: ObjectStore>(patience: Patience, inner: S) -> Retrying<S> {
    Retrying::new(inner, patience, Arc::new(Counter(AtomicU64::new(0))))
}

/// A store in memory that meets mishaps as the script says.
fn faulty(
    script: impl Fn(Attempt<'_>) -> Option<Mishap> + Send + Sync + Copy,
) -> Arc<Faulty<Memory, impl Fn(Attempt<'_>) -> Option<Mishap> + Send + Sync>> {
    Arc::new(Faulty::new(Memory::new(), script))
}

#[test]
fn the_contract_is_kept_on_a_store_that_falters() {
    cases::check(|| retrying(Memory::new()));
    for mishap in [Mishap::Busy, Mishap::TimesOut, Mishap::AnswerLost] {
        eprintln!("every third request: {mishap:?}");
        cases::check(|| {
            retrying(faulty(move |attempt| attempt.number.is_multiple_of(3).then_some(mishap)))
        });
    }
    eprintln!("one after the other");
    cases::check(|| {
        retrying(faulty(|attempt| match attempt.number % 4 {
            0 => Some(Mishap::AnswerLost),
            2 => Some(Mishap::Busy),
            _ => None,
        }))
    });
}

/// What a put comes to whose first tries meet these mishaps, and what is in the store then.
fn put_meets(mishaps: &'static [Mishap]) -> (Result<(), StoreError>, Option<Vec<u8>>) {
    let store = faulty(move |attempt| {
        let index = attempt.number as usize - 1;
        (attempt.operation == Operation::Put).then(|| mishaps.get(index).copied()).flatten()
    });
    let retrying = with(QUICK, store);
    let answer = retrying.put("packs/aa/01", b"0123456789");
    (answer, retrying.get("packs/aa/01").ok())
}

#[test]
fn a_put_that_did_succeed_is_not_told_that_it_exists() {
    for mishaps in [
        &[Mishap::AnswerLost][..],
        &[Mishap::Busy],
        &[Mishap::TimesOut],
        &[Mishap::Busy, Mishap::AnswerLost],
        &[Mishap::Busy, Mishap::Busy, Mishap::Busy],
        &[Mishap::Late],
    ] {
        let (answer, found) = put_meets(mishaps);
        assert!(answer.is_ok(), "{mishaps:?}: {answer:?}");
        assert_eq!(found.as_deref(), Some(&b"0123456789"[..]), "{mishaps:?}");
    }
}

#[test]
fn half_an_object_is_never_taken_for_the_whole() {
    let (answer, found) = put_meets(&[Mishap::Torn]);
    assert!(matches!(answer, Err(StoreError::AlreadyExists { .. })), "{answer:?}");
    assert_eq!(found.as_deref(), Some(&b"01234"[..]));
}

#[test]
fn patience_ends() {
    for (mishap, tries) in [(Mishap::Busy, 9), (Mishap::TimesOut, 3)] {
        let store = faulty(move |_| Some(mishap));
        let answer = with(QUICK, Arc::clone(&store)).put("a", b"x");
        assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
        assert_eq!(store.attempts(), tries, "{mishap:?}");
    }
}

#[test]
fn what_is_not_worth_trying_again_is_not() {
    for (mishap, is_full) in [(Mishap::Fails, false), (Mishap::Full, true)] {
        let store = faulty(move |_| Some(mishap));
        let answer = retrying(Arc::clone(&store)).put("a", b"x");
        assert_eq!(matches!(answer, Err(StoreError::Full { .. })), is_full, "{answer:?}");
        assert_eq!(store.attempts(), 1);
    }
    let store = faulty(|_| None);
    retrying(Arc::clone(&store)).get("a").expect_err("it is not there");
    assert_eq!(store.attempts(), 1);
}

#[test]
fn somebody_elses_object_is_not_ones_own() {
    let store = faulty(|attempt| (attempt.number == 2).then_some(Mishap::TimesOut));
    store.put("log/1", b"theirs").expect("a new name");
    let answer = retrying(Arc::clone(&store)).put("log/1", b"others");
    assert!(matches!(answer, Err(StoreError::AlreadyExists { .. })), "{answer:?}");
    // Told so at once, it does not even look.
    let before = store.attempts();
    retrying(Arc::clone(&store)).put("log/1", b"theirs").expect_err("it is there");
    assert_eq!(store.attempts(), before + 1);
}

/// A store in which a collector takes every object away between the first try and the second.
struct Vanishing(Memory);

impl ObjectStore for Vanishing {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match self.0.put(name, bytes) {
            Ok(()) => Err(StoreError::Unavailable {
                operation: "write",
                name: name.to_owned(),
                source: io::ErrorKind::TimedOut.into(),
            }),
            refused => self.0.delete(name).and(refused),
        }
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.0.get(name)
    }

    fn get_range(&self, name: &str, start: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        self.0.get_range(name, start, length)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.0.list(prefix)
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        self.0.size(name)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.0.delete(name)
    }
}

#[test]
fn an_own_object_that_is_gone_again_is_no_success() {
    let answer = retrying(Vanishing(Memory::new())).put("packs/aa/01", b"x");
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
}

#[test]
fn pauses_double_up_to_a_limit_and_differ() {
    let patience = Patience::default();
    let millis = |number, random| patience.pause(number, random).as_millis();
    assert_eq!([1, 2, 3, 7, 8, 30].map(|n| millis(n, 0)), [100, 200, 400, 6_400, 10_000, 10_000]);
    assert!((50..=51).contains(&millis(1, 1023)));
    assert!((1..40).all(|n| (0..5).all(|r| millis(n, r * 250) >= millis(n, 0) / 2)));
    let longest: u128 = (1..patience.tries).map(|number| millis(number, 0)).sum();
    assert!(longest < 30_000, "{longest} ms of pauses");
}

const AT_ONCE: CollectOptions = CollectOptions { grace: Duration::ZERO, dry_run: false };

/// A life of a repository: two points, one given up, collected to the end.
fn live(store: &Arc<dyn ObjectStore>, world: u64) -> Result<TestDisk, RepoError> {
    let place = World::new(Arc::clone(store), world);
    let repo = place.init();
    let mut disk = TestDisk::new(4 * MIB);
    disk.write(0, &noise(world, 2 * MIB as usize));
    full(&repo, 1, &mut disk)?;
    disk.write(MIB, &noise(world + 1000, 100_000));
    changes(&repo, 2, 1, &mut disk, &[Extent::new(MIB, 100_000)])?;
    assert_restores(&repo, 2, &disk);
    repo.forget(point(1))?;
    repo.collect(&AT_ONCE)?;
    repo.collect(&AT_ONCE)?;
    Ok(disk)
}

fn assert_whole(store: &Arc<dyn ObjectStore>, world: u64, disk: &TestDisk) {
    let repo = World::new(Arc::clone(store), world).open().expect("it opens");
    let options = VerifyOptions { read_data: Some(100), record: false };
    let report = repo.verify(&options, &NoProgress).expect("a report");
    assert_eq!(report.damaged, [], "world {world}");
    assert_restores(&repo, 2, disk);
}

#[test]
fn a_repository_lives_on_a_store_that_falters_and_answers_late() {
    for world in 1..=12_u64 {
        let store = faulty(move |attempt| {
            // Some of everything, in another order in each world, never too often for patience.
            match (attempt.number * (world * 2 + 1)) % 23 {
                2 | 9 => Some(Mishap::AnswerLost),
                5 | 17 => Some(Mishap::Busy),
                12 => Some(Mishap::TimesOut),
                20 => Some(Mishap::Late),
                _ => None,
            }
        });
        let patient: Arc<dyn ObjectStore> = Arc::new(retrying(Arc::clone(&store)));
        let disk = live(&patient, world).unwrap_or_else(|error| panic!("world {world}: {error:?}"));
        // Everything that was late comes now: packs and indexes that are deleted already, log
        // entries whose numbers are taken.
        store.deliver();
        assert_whole(&patient, world + 100, &disk);
        let repo = World::new(Arc::clone(&patient), world + 200).open().expect("it opens");
        for _ in 0..2 {
            repo.collect(&AT_ONCE).expect("what came late is swept up");
        }
        assert_whole(&patient, world + 300, &disk);
    }
}

#[test]
fn duplicate_puts_cost_no_point() {
    // A proxy that sends a put twice, and passes the second answer on.
    let store = faulty(|attempt| {
        let log = attempt.name.starts_with("log/") && attempt.operation == Operation::Put;
        (log && attempt.number.is_multiple_of(2)).then_some(Mishap::Twice)
    });
    let patient: Arc<dyn ObjectStore> = Arc::new(retrying(store));
    let disk = live(&patient, 50).expect("the log finds its own entries");
    assert_whole(&patient, 51, &disk);
}

#[test]
fn a_torn_pack_ends_the_backup_and_is_swept_up() {
    let torn = AtomicU64::new(0);
    let store = Faulty::new(Memory::new(), move |attempt: Attempt<'_>| {
        let pack = attempt.name.starts_with("packs/") && attempt.operation == Operation::Put;
        (pack && torn.fetch_add(1, Ordering::SeqCst) == 0).then_some(Mishap::Torn)
    });
    let patient: Arc<dyn ObjectStore> = Arc::new(retrying(store));
    let repo = World::new(Arc::clone(&patient), 60).init();
    let mut disk = TestDisk::new(2 * MIB);
    disk.write(0, &noise(60, MIB as usize));
    full(&repo, 1, &mut disk).expect_err("half a pack is no pack");
    full(&repo, 2, &mut disk).expect("the next one has other names");
    for _ in 0..2 {
        repo.collect(&AT_ONCE).expect("the half pack goes");
    }
    assert_whole(&patient, 61, &disk);
}
