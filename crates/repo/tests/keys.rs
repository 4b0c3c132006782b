//! Who may open a repository: keys of every kind, added, removed, replaced; and slots that somebody
//! else wrote.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use format::header::append_trailer;
use format::keyslot::{Key, SLOTS_MAX, SlotKind, Stretch};
use format::names as object_names;
use model::units::MIB;
use repo::keys::{self, KeyRing, KeySlot, RotateError};
use repo::objects::{Counting, Memory, ObjectStore, Operation};
use repo::{Kek, RepoError, Repository};
use support::{TestDisk, World, assert_restores, full, kek, names, noise};
use zeroize::Zeroizing;

/// As cheap as can be: what it costs is tested elsewhere.
const CHEAP: Stretch = Stretch { memory_kib: 8, passes: 1, lanes: 1, salt: [0; 16] };

fn file() -> Key {
    Key::File(kek())
}

fn passphrase(text: &str) -> Key {
    Key::Passphrase(Zeroizing::new(text.to_owned()))
}

fn recovery() -> Key {
    Key::Recovery(Kek::new([9; 32]))
}

fn world(number: u64) -> World {
    let world = World::new(Arc::new(Memory::new()), number);
    world.init();
    world
}

fn ring(world: &World, key: &Key) -> Result<KeyRing, RepoError> {
    KeyRing::open(Arc::clone(&world.store), key, Arc::clone(&world.environment.seed))
}

#[track_caller]
fn opened(world: &World, key: &Key) -> KeyRing {
    ring(world, key).unwrap_or_else(|error| panic!("{error}"))
}

fn open(world: &World, key: &Key) -> Result<Repository, RepoError> {
    Repository::open_with(Arc::clone(&world.store), key, world.environment.clone())
}

#[track_caller]
fn assert_wrong(world: &World, key: &Key) {
    let answer = open(world, key).map(drop);
    assert!(matches!(answer, Err(RepoError::WrongKey)), "{answer:?}");
}

fn own(ring: &KeyRing) -> String {
    let slots = ring.slots().expect("a list");
    slots.into_iter().find(|slot| slot.is_own).expect("one was opened").id
}

#[test]
fn a_key_of_every_kind_opens_the_same_repository() {
    let world = world(1);
    let mut disk = TestDisk::new(MIB);
    disk.write(0, &noise(1, 300_000));
    full(&world.open().expect("its key"), 1, &mut disk).expect("a backup");
    let keys = [passphrase("correct horse battery"), recovery(), Key::File(Kek::new([3; 32]))];
    for key in &keys {
        assert_wrong(&world, key);
        opened(&world, &file()).add(key, &CHEAP).expect("a new slot");
        assert_restores(&open(&world, key).expect("it opens"), 1, &disk);
        assert_eq!(ring(&world, key).map(|ring| ring.slots().is_ok()).ok(), Some(true));
    }
    for wrong in [
        passphrase("correct horse batterz"),
        passphrase(""),
        Key::Recovery(Kek::new([8; 32])),
        Key::File(Kek::new([8; 32])),
        // The right bytes, held as something else.
        Key::Recovery(kek()),
        Key::File(Kek::new([9; 32])),
    ] {
        assert_wrong(&world, &wrong);
    }
    let mut kinds: Vec<_> = opened(&world, &file()).slots().expect("a list");
    kinds.sort_by_key(|slot| slot.kind.map(SlotKind::code));
    let kinds: Vec<_> = kinds.into_iter().map(|slot| slot.kind).collect();
    let expected =
        [SlotKind::KeyFile, SlotKind::KeyFile, SlotKind::Passphrase, SlotKind::RecoveryKey];
    assert_eq!(kinds, expected.map(Some));
}

#[test]
fn the_last_slot_that_opens_stays() {
    let world = world(2);
    let ring = opened(&world, &file());
    let first = own(&ring);
    let refused = ring.remove(&first);
    assert!(matches!(refused, Err(RepoError::KeySlotInUse { .. })), "{refused:?}");
    let second = ring.add(&recovery(), &CHEAP).expect("a new slot");
    let refused = opened(&world, &recovery()).remove(&second);
    assert!(matches!(refused, Err(RepoError::KeySlotInUse { .. })), "{refused:?}");
    opened(&world, &recovery()).remove(&first).expect("another one opens");
    assert_wrong(&world, &file());
    open(&world, &recovery()).expect("it opens");
    let missing = opened(&world, &recovery()).remove(&first);
    assert!(matches!(missing, Err(RepoError::KeySlotNotFound { .. })), "{missing:?}");
}

#[test]
fn two_who_remove_each_others_slot_do_not_lock_both_out() {
    let world = world(3);
    let one = opened(&world, &file());
    let (first, second) = (own(&one), one.add(&recovery(), &CHEAP).expect("a new slot"));
    let two = opened(&world, &recovery());
    one.remove(&second).expect("it is there");
    // The other one looked before that, and goes on now.
    let gone = two.remove(&first);
    assert!(gone.is_ok(), "{gone:?}");
    open(&world, &recovery()).expect("its slot was put back");
}

#[test]
fn a_rotation_rewrites_nothing_and_the_old_key_is_out() {
    let store = Arc::new(Counting::new(Memory::new()));
    let world = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 4);
    let mut disk = TestDisk::new(MIB);
    disk.write(0, &noise(4, 500_000));
    full(&world.init(), 1, &mut disk).expect("a backup");
    let before = names(&world.store, "");
    store.take();
    let new = Key::File(Kek::new([5; 32]));
    let ring = opened(&world, &file()).replace_own(&new, &CHEAP).expect("a rotation");
    assert_eq!(ring.slots().map(|slots| slots.len()).ok(), Some(1));
    for call in store.take() {
        let writes = matches!(call.operation, Operation::Put | Operation::Delete);
        assert!(!writes || call.name.starts_with(object_names::KEYS), "{call:?}");
    }
    let outside = |names: Vec<String>| -> Vec<String> {
        names.into_iter().filter(|name| !name.starts_with(object_names::KEYS)).collect()
    };
    assert_eq!(outside(names(&world.store, "")), outside(before));
    assert_wrong(&world, &file());
    let repo = open(&world, &new).expect("it opens");
    assert_restores(&repo, 1, &disk);
    full(&repo, 2, &mut disk).expect("and is written to");
}

#[test]
fn an_interrupted_rotation_leaves_a_key_that_opens() {
    for last in 0..20 {
        let world = world(100 + last);
        let failing: Arc<dyn ObjectStore> = Arc::new(repo::objects::Faulty::new(
            Arc::clone(&world.store),
            move |attempt: repo::objects::Attempt<'_>| {
                (attempt.number > last).then_some(repo::objects::Mishap::Fails)
            },
        ));
        let seed = Arc::clone(&world.environment.seed);
        let new = Key::File(Kek::new([5; 32]));
        let rotated = KeyRing::open(failing, &file(), seed)
            .and_then(|ring| ring.replace_own(&new, &CHEAP))
            .is_ok();
        let (old_opens, new_opens) = (open(&world, &file()).is_ok(), open(&world, &new).is_ok());
        assert!(old_opens || new_opens, "stopped behind request {last}");
        assert!(!rotated || (new_opens && !old_opens), "stopped behind request {last}");
    }
}

#[test]
fn a_repository_may_begin_with_any_key() {
    for (number, key) in [passphrase("correct horse battery"), recovery()].into_iter().enumerate() {
        let world = World::new(Arc::new(Memory::new()), 200 + number as u64);
        let environment = world.environment.clone();
        let store = Arc::clone(&world.store);
        let keys = [key.clone()];
        let made = Repository::init_with(store, support::VAULT, &keys, &CHEAP, environment);
        let mut disk = TestDisk::new(MIB);
        disk.write(0, &noise(1, 100_000));
        full(&made.expect("an empty store"), 1, &mut disk).expect("a backup");
        assert_restores(&open(&world, &key).expect("it opens"), 1, &disk);
        assert_wrong(&world, &file());
        let slots = opened(&world, &key).slots().expect("a list");
        assert_eq!(slots.iter().map(|slot| slot.kind).collect::<Vec<_>>(), [Some(key.kind())]);
    }
}

#[test]
fn a_key_file_is_replaced_in_its_place_whatever_interrupts_it() {
    let mut completed = false;
    for last in 0..20 {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("vault.key");
        keys::write_key_file(&path, &kek()).expect("a new file");
        let world = world(300 + last);
        let seed = Arc::clone(&world.environment.seed);
        let failing: Arc<dyn ObjectStore> = Arc::new(repo::objects::Faulty::new(
            Arc::clone(&world.store),
            move |attempt: repo::objects::Attempt<'_>| {
                // The last request that is done is not answered: what a process that dies leaves.
                match attempt.number.cmp(&last) {
                    std::cmp::Ordering::Less => None,
                    std::cmp::Ordering::Equal => Some(repo::objects::Mishap::DoneButFails),
                    std::cmp::Ordering::Greater => Some(repo::objects::Mishap::Fails),
                }
            },
        ));
        completed = keys::rotate_key_file(&failing, &path, &seed).is_ok();
        let in_file = || Key::File(keys::read_key_file(&path).expect("a key file"));
        open(&world, &in_file()).expect("the key in the file opens");
        if completed {
            assert_wrong(&world, &file());
        }
        // Once more: what is left of the interrupted one does not stand in the way.
        let before = in_file();
        let ring = keys::rotate_key_file(&world.store, &path, &seed).expect("nothing fails now");
        open(&world, &in_file()).expect("the key in the file opens");
        assert_wrong(&world, &before);
        let slots = ring.slots().expect("a list");
        assert!(slots.len() == 1 && slots[0].is_own, "stopped at request {last}: a slot is left");
        let files = std::fs::read_dir(directory.path()).expect("a directory").count();
        assert_eq!(files, 1, "stopped at request {last}: FILE.next is left");
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(completed, "the last run had no fault");
}

#[test]
fn a_file_that_only_looks_like_ours_is_not_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("vault.key");
    keys::write_key_file(&path, &kek()).expect("a new file");
    let next = directory.path().join("vault.key.next");
    std::fs::write(&next, "somebody's notes").expect("a file");
    let world = world(400);
    let seed = Arc::clone(&world.environment.seed);
    let refused = keys::rotate_key_file(&world.store, &path, &seed).map(drop);
    assert!(matches!(refused, Err(RotateError::File(_))), "{refused:?}");
    assert_eq!(std::fs::read(&next).expect("it stays"), b"somebody's notes");
    open(&world, &file()).expect("the key in the file opens");
}

#[test]
fn keys_do_not_lie_in_the_store() {
    let world = world(5);
    let secret = "a passphrase nobody guesses";
    let ring = opened(&world, &file());
    ring.add(&passphrase(secret), &CHEAP).expect("a new slot");
    ring.add(&recovery(), &CHEAP).expect("a new slot");
    let printed = Kek::new([9; 32]).to_recovery_text();
    let needles: [&[u8]; 4] = [secret.as_bytes(), &[9; 32], &[7; 32], &printed.as_bytes()[5..]];
    for name in names(&world.store, "") {
        let bytes = world.store.get(&name).expect("it is listed");
        for needle in needles {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{name}");
        }
    }
    let ids: Vec<_> = ring.slots().expect("a list").into_iter().map(|slot| slot.id).collect();
    let other = world_ids(6);
    assert!(ids.iter().all(|id| !other.contains(id)), "two vaults share a slot's id");
}

fn world_ids(number: u64) -> Vec<String> {
    let slots = opened(&world(number), &file()).slots().expect("a list");
    slots.into_iter().map(|slot| slot.id).collect()
}

/// The bytes of the one slot, changed by `change` and with a right hash again.
fn forge(world: &World, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let name = names(&world.store, object_names::KEYS).pop().expect("a slot");
    let mut bytes = world.store.get(&name).expect("it is listed");
    bytes.truncate(bytes.len() - 32);
    change(&mut bytes);
    append_trailer(&mut bytes);
    bytes
}

fn put_slot(world: &World, number: u8, bytes: &[u8]) {
    world.store.put(&object_names::key_slot(&[number; 16]), bytes).expect("a new name");
}

/// Where a slot's kind stands.
const KIND: usize = 48;

#[test]
fn slots_of_a_newer_kind_are_passed_over_and_told_if_nothing_else_opens() {
    let world = world(7);
    let newer = forge(&world, |bytes| bytes[KIND] = 4);
    for number in [0, 0xff] {
        put_slot(&world, number, &newer);
    }
    open(&world, &file()).expect("its own slot is as it was");
    let slots = opened(&world, &file()).slots().expect("a list");
    let newer = |slot: &&KeySlot| slot.kind == Some(SlotKind::Other(4));
    assert_eq!(slots.iter().filter(newer).count(), 2);
    let answer = open(&world, &recovery()).map(drop);
    assert!(matches!(answer, Err(RepoError::UnknownKeySlot { kind: 4, .. })), "{answer:?}");
}

#[test]
fn a_slot_that_asks_for_all_memory_is_damage() {
    let world = world(8);
    let mut parameters = Vec::new();
    for number in [u32::MAX, 3, 4] {
        parameters.extend_from_slice(&number.to_le_bytes());
    }
    parameters.extend_from_slice(&[0; 16]);
    let hostile = forge(&world, |bytes| {
        let sealed = bytes.split_off(KIND + 5);
        bytes.truncate(KIND);
        bytes.push(2);
        bytes.extend_from_slice(&(parameters.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&parameters);
        bytes.extend_from_slice(&sealed);
    });
    put_slot(&world, 0, &hostile);
    let answer = open(&world, &passphrase("whatever it is")).map(drop);
    assert!(matches!(answer, Err(RepoError::Damaged { .. })), "{answer:?}");
    open(&world, &file()).expect("it opens past it");
    let slots = opened(&world, &file()).slots().expect("a list");
    assert_eq!(slots.iter().filter(|slot| slot.kind.is_none()).count(), 1);
}

#[test]
fn there_are_not_too_many_slots() {
    let world = world(9);
    let ring = opened(&world, &file());
    for number in 1..SLOTS_MAX {
        ring.add(&Key::Recovery(Kek::new([number as u8; 32])), &CHEAP).expect("room");
    }
    let refused = ring.add(&recovery(), &CHEAP);
    assert!(matches!(refused, Err(RepoError::Input { .. })), "{refused:?}");
}
