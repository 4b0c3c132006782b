//! What another process does between two steps of this one: the moments that no test meets by
//! chance. A store lets somebody else act just before a request.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use format::names as object_names;
use model::units::{Extent, KIB, MIB};
use repo::objects::{
    Attempt, Faulty, Memory, Mishap, ObjectInfo, ObjectStore, Operation, StoreError,
};
use repo::{CollectOptions, NewPoint, NoProgress, RepoError, Repository, VerifyOptions};
use support::{TestDisk, World, assert_restores, changes, full, names, noise, point, restored};

const NOW: CollectOptions = CollectOptions { grace: Duration::ZERO, dry_run: false };

type Meanwhile = Mutex<Option<(Operation, String, Box<dyn FnOnce() + Send>)>>;

/// A store, a process that nothing interrupts, and one that `meanwhile` interrupts once.
struct Two {
    store: Arc<Memory>,
    other: Repository,
    repo: Repository,
    meanwhile: Arc<Meanwhile>,
}

fn disk(seed: u64) -> TestDisk {
    let mut disk = TestDisk::new(4 * MIB);
    disk.write(0, &noise(seed, MIB as usize));
    disk
}

fn two() -> Two {
    let store = Arc::new(Memory::new());
    let other = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 1).init();
    full(&other, 1, &mut disk(1)).expect("a backup");
    let meanwhile = Arc::new(Meanwhile::default());
    let hook = Arc::clone(&meanwhile);
    let script = move |attempt: Attempt<'_>| -> Option<Mishap> {
        let due = |(operation, prefix, _): &mut (Operation, String, _)| {
            *operation == attempt.operation && attempt.name.starts_with(prefix.as_str())
        };
        let act = hook.lock().expect("no panic").take_if(due);
        if let Some((_, _, act)) = act {
            act();
        }
        None
    };
    let faulty = Arc::new(Faulty::new(Arc::clone(&store), script));
    let repo = World::new(faulty, 2).open().expect("a repository");
    Two { store, other, repo, meanwhile }
}

impl Two {
    /// Lets `act` happen just before the first such request.
    fn before(&self, operation: Operation, prefix: &str, act: impl FnOnce() + Send + 'static) {
        let act = (operation, prefix.to_owned(), Box::new(act) as Box<dyn FnOnce() + Send>);
        *self.meanwhile.lock().expect("no panic") = Some(act);
    }

    #[track_caller]
    fn assert_happened(&self) {
        assert!(self.meanwhile.lock().expect("no panic").is_none(), "nobody was interrupted");
    }
}

#[test]
fn a_parent_that_goes_before_the_session_opens_is_no_parent() {
    let two = two();
    let other = two.other.clone();
    let next = object_names::log_entry(3);
    // Its manifest was read; its packs are condemned before the session could see it.
    two.before(Operation::Put, &next, move || {
        other.forget(point(1)).expect("it exists");
        assert!(other.collect(&NOW).expect("a collection").condemned_packs > 0);
    });
    let mut changed = disk(1);
    let written = changes(&two.repo, 2, 1, &mut changed, &[]);
    two.assert_happened();
    assert!(matches!(written, Err(RepoError::PointNotFound { .. })), "{written:?}");
    two.other.collect(&NOW).expect("a collection");
    let points = two.other.points().expect("points");
    assert_eq!(points, [], "a point whose packs are deleted would be a lie");
}

#[test]
fn a_collector_that_meets_an_unreadable_entry_on_its_way_stops() {
    let two = two();
    full(&two.other, 2, &mut disk(2)).expect("a backup");
    two.other.forget(point(2)).expect("it exists");
    let (other, store) = (two.other.clone(), Arc::clone(&two.store));
    two.before(Operation::Put, object_names::LOG, move || {
        // A point that needs the packs which are about to be condemned, and its commit is damaged.
        full(&other, 3, &mut disk(2)).expect("a backup");
        let commit = names(store.as_ref(), object_names::LOG).pop().expect("an entry");
        let mut bytes = store.get(&commit).expect("it is listed");
        bytes[100] ^= 1;
        store.damage(&commit, &bytes);
    });
    let collected = two.repo.collect(&NOW);
    two.assert_happened();
    assert!(matches!(collected, Err(RepoError::LogDamaged { .. })), "{collected:?}");
}

#[test]
fn a_collector_that_is_fenced_retires_nothing() {
    let two = two();
    full(&two.other, 2, &mut disk(2)).expect("a backup");
    two.other.forget(point(2)).expect("it exists");
    two.other.collect(&NOW).expect("condemned");
    let other = two.other.clone();
    let session = {
        let other = other.clone();
        move || {
            for session in other.sessions().expect("sessions") {
                other.fence(session.id).expect("it is open");
            }
        }
    };
    // The retire entry comes behind the open one.
    let before = names(two.store.as_ref(), object_names::LOG).len() as u64;
    two.before(Operation::Put, &object_names::log_entry(before + 2), session);
    let collected = two.repo.collect(&NOW);
    two.assert_happened();
    assert!(matches!(collected, Err(RepoError::SessionOver { .. })), "{collected:?}");
    assert_restores(&other, 1, &disk(1));
}

#[test]
fn points_that_go_during_a_verification_are_not_called_damaged() {
    for prefix in [object_names::PACKS, object_names::MANIFESTS] {
        let two = two();
        full(&two.other, 2, &mut disk(2)).expect("a backup");
        let other = two.other.clone();
        let operation = Operation::Get;
        two.before(operation, prefix, move || {
            other.forget(point(2)).expect("it exists");
            other.collect(&NOW).expect("a collection");
        });
        let options = VerifyOptions { read_data: Some(100), record: false };
        let report = two.repo.verify(&options, &NoProgress).expect("a verification");
        two.assert_happened();
        assert_eq!(report.damaged, [], "{prefix}");
        assert_eq!(report.points_hit, [], "{prefix}");
    }
}

#[test]
fn points_that_go_during_a_collection_do_not_stop_it() {
    let two = two();
    full(&two.other, 2, &mut disk(2)).expect("a backup");
    let other = two.other.clone();
    two.before(Operation::Get, object_names::MANIFESTS, move || {
        for number in [1, 2] {
            other.forget(point(number)).expect("it exists");
        }
        other.collect(&NOW).expect("a collection");
        other.collect(&NOW).expect("a collection");
    });
    two.repo.collect(&NOW).expect("what is gone is not damaged");
    two.assert_happened();
    assert_eq!(names(two.store.as_ref(), object_names::PACKS), Vec::<String>::new());
}

#[test]
fn an_incremental_does_not_take_known_damage_over() {
    let Two { store, other, repo, .. } = two();
    for name in names(store.as_ref(), object_names::PACKS) {
        let mut bytes = store.get(&name).expect("it is listed");
        let data = bytes[8] == format::Kind::DataPack.code();
        let place = bytes.len() / 2;
        bytes[place] ^= u8::from(data);
        store.damage(&name, &bytes);
    }
    let options = VerifyOptions { read_data: Some(100), record: true };
    let report = other.verify(&options, &NoProgress).expect("a verification");
    assert_eq!(report.points_hit, [point(1)]);
    restored(&repo, 1, "vda").expect_err("it is damaged");
    let mut content = disk(1);
    content.write(3 * MIB, &noise(7, 8 * KIB as usize));
    let changed = Extent::new(3 * MIB, 8 * KIB);
    let stats = changes(&repo, 2, 1, &mut content, &[changed]).expect("an incremental");
    assert!(stats.new_bytes >= MIB, "what was damaged was read again: {stats:?}");
    assert_restores(&repo, 2, &content);
    assert_restores(&other, 1, &disk(1));
}

fn is_data_pack(store: &Memory, name: &str) -> bool {
    store.get(name).expect("it is listed")[8] == format::Kind::DataPack.code()
}

/// Flips a bit in the middle of each data pack, and says so in the log; what the packs were.
fn damage_and_record(store: &Memory, other: &Repository) -> Vec<(String, Vec<u8>)> {
    let packs = names(store, object_names::PACKS).into_iter();
    let data: Vec<_> = packs
        .filter(|name| is_data_pack(store, name))
        .map(|name| (name.clone(), store.get(&name).expect("it is listed")))
        .collect();
    for (name, bytes) in &data {
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2] ^= 1;
        store.damage(name, &damaged);
    }
    let options = VerifyOptions { read_data: Some(100), record: true };
    other.verify(&options, &NoProgress).expect("a verification");
    data
}

#[test]
fn what_is_found_damaged_before_the_commit_is_no_part_of_a_new_point() {
    type Backup = fn(&Repository, &mut TestDisk) -> Result<repo::PointStats, RepoError>;
    let backups: [Backup; 2] =
        [|repo, disk| changes(repo, 2, 1, disk, &[]), |repo, disk| full(repo, 2, disk)];
    for (backup, can_be_read) in backups.into_iter().flat_map(|b| [(b, false), (b, true)]) {
        let two = two();
        let (store, other) = (Arc::clone(&two.store), two.other.clone());
        let old = names(store.as_ref(), object_names::PACKS);
        let old: Vec<_> = old.into_iter().filter(|name| is_data_pack(&store, name)).collect();
        two.before(Operation::Put, object_names::MANIFESTS, move || {
            let packs = damage_and_record(&store, &other);
            if can_be_read {
                packs.iter().for_each(|(name, bytes)| store.damage(name, bytes));
            }
        });
        let made = backup(&two.repo, &mut disk(1));
        two.assert_happened();
        assert_eq!(made.is_ok(), can_be_read, "{made:?}");
        if !can_be_read {
            assert!(matches!(made, Err(RepoError::Damaged { .. })), "{made:?}");
            assert_eq!(two.repo.points().expect("points").len(), 1);
            backup(&two.repo, &mut disk(1)).expect("what is damaged is read again");
        }
        // Nothing of it is in the pack that the damage was found in.
        for name in &old {
            let mut bytes = two.store.get(name).expect("it is there");
            bytes.fill(0);
            two.store.damage(name, &bytes);
        }
        assert_restores(&two.repo, 2, &disk(1));
    }
}

#[test]
fn a_repository_that_lost_its_configuration_is_not_made_anew() {
    let two = two();
    two.store.delete(object_names::CONFIG).expect("it is there");
    let world = World::new(Arc::clone(&two.store) as Arc<dyn ObjectStore>, 3);
    let made = Repository::init(
        Arc::clone(&world.store),
        support::VAULT,
        &support::kek(),
        world.environment.clone(),
    );
    assert!(matches!(made, Err(RepoError::AlreadyARepository)), "{made:?}");
    assert_eq!(names(two.store.as_ref(), object_names::KEYS).len(), 1);
}

#[test]
fn a_store_that_takes_no_data_is_not_asked_for_a_session() {
    /// A store without room.
    struct FullUp(Arc<Memory>);
    impl ObjectStore for FullUp {
        fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
            self.0.put(name, bytes)
        }
        fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
            self.0.get(name)
        }
        fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
            self.0.get_range(name, offset, length)
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
        fn takes_data(&self) -> Result<(), StoreError> {
            Err(StoreError::Full { name: "it".to_owned() })
        }
    }
    let two = two();
    let entries = names(two.store.as_ref(), object_names::LOG);
    let world = World::new(Arc::new(FullUp(Arc::clone(&two.store))), 4);
    let new = NewPoint {
        id: point(9),
        item: String::new(),
        taken_at: jiff::Timestamp::UNIX_EPOCH,
        parent: None,
    };
    let begun = world.open().expect("a repository").begin_point(new).map(drop);
    assert!(matches!(begun, Err(RepoError::StoreFull { .. })), "{begun:?}");
    assert_eq!(names(two.store.as_ref(), object_names::LOG), entries);
}
