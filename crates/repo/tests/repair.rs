//! Every kind of object × every kind of damage, and the copy brings it back: the vault verifies
//! clean, restores bit-exact, and has the bytes that it had. What was damaged is kept aside.
//!
//! The vault holds two points of one disk and has two key slots; its log is longer than the way to
//! the first checkpoint.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use format::keyslot::{Key, stretch};
use format::{Kind, names as object_names};
use model::units::{Extent, KIB, MIB};
use repo::keys::KeyRing;
use repo::objects::{Faulty, Memory, Mishap, ObjectStore, Operation};
use repo::{
    Kek, NoProgress, Repair, RepairReport, RepoError, Repository, VerifyOptions, VerifyReport,
    copy, repair, scrub,
};
use support::{TestDisk, World, assert_restores, changes, full, kek, names, noise, point};

struct Vault {
    store: Arc<Memory>,
    days: Vec<(u64, TestDisk)>,
}

fn key() -> Key {
    Key::File(kek())
}

fn world(store: &Arc<Memory>, number: u64) -> World {
    World::new(Arc::clone(store) as Arc<dyn ObjectStore>, number)
}

/// Sessions that come to nothing, until the log has so many entries.
fn grow_log(repo: &Repository, store: &Memory, entries: usize) {
    while names(store, object_names::LOG).len() < entries {
        let number = 1000 + names(store, object_names::LOG).len() as u64;
        full(repo, number, &mut TestDisk::new(MIB)).expect("a backup");
        repo.forget(point(number)).expect("it is there");
    }
}

fn vault() -> Vault {
    let store = Arc::new(Memory::new());
    let world = world(&store, 1);
    let repo = world.init();
    let ring = KeyRing::open(Arc::clone(&world.store), &key(), Arc::clone(&world.environment.seed));
    let second = Key::File(Kek::new([8; 32]));
    ring.and_then(|ring| ring.add(&second, &stretch([0; 16]))).expect("a second slot");
    let mut disk = TestDisk::new(6 * MIB);
    disk.write(MIB, &noise(1, MIB as usize));
    full(&repo, 1, &mut disk).expect("a backup");
    let before = disk.clone();
    grow_log(&repo, &store, 63);
    let changed = Extent::new(MIB, 100 * KIB);
    disk.write(changed.start, &noise(2, changed.length as usize));
    changes(&repo, 2, 1, &mut disk, &[changed]).expect("a backup");
    Vault { store, days: vec![(1, before), (2, disk)] }
}

fn objects(store: &Memory) -> BTreeMap<String, Vec<u8>> {
    let names = names(store, "").into_iter();
    names.map(|name| (name.clone(), store.get(&name).expect("it is listed"))).collect()
}

fn copied(store: &Memory) -> Arc<Memory> {
    let copy = Memory::new();
    for (name, bytes) in objects(store) {
        copy.put(&name, &bytes).expect("a new name");
    }
    Arc::new(copy)
}

fn flip(store: &Memory, name: &str, thousandths: usize) {
    let mut bytes = store.get(name).expect("it is there");
    let place = bytes.len() * thousandths / 1000;
    bytes[place] ^= 1 << (thousandths % 8);
    store.damage(name, &bytes);
}

fn mend(store: &Arc<Memory>, from: Option<&Arc<Memory>>, dry_run: bool) -> RepairReport {
    let from = from.map(|from| Arc::clone(from) as Arc<dyn ObjectStore>);
    let how = Repair { store: Arc::clone(store) as Arc<dyn ObjectStore>, from, dry_run };
    let environment = world(store, 50).environment;
    repair(&how, &key(), environment, &NoProgress).unwrap_or_else(|error| panic!("{error:?}"))
}

fn verify(repo: &Repository) -> VerifyReport {
    let options = VerifyOptions { read_data: Some(100), record: false };
    repo.verify(&options, &NoProgress).expect("damage is not an error")
}

/// The vault is whole, and nothing of it has other bytes than it had.
#[track_caller]
fn assert_whole(store: &Arc<Memory>, vault: &Vault, case: &str) {
    let repo = world(store, 51).open().unwrap_or_else(|error| panic!("{case}: {error}"));
    let report = verify(&repo);
    assert_eq!((report.damaged, report.points_hit), (vec![], vec![]), "{case}");
    vault.days.iter().for_each(|(number, disk)| assert_restores(&repo, *number, disk));
    let now = objects(store);
    for (name, bytes) in objects(&vault.store) {
        assert!(now.get(&name) == Some(&bytes), "{case}: {name} is not what it was");
    }
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip(usize),
    Truncate(usize),
    Delete,
    Swap,
}

const DAMAGE: [Damage; 6] = [
    Damage::Flip(20),
    Damage::Flip(500),
    Damage::Flip(990),
    Damage::Truncate(600),
    Damage::Delete,
    Damage::Swap,
];

/// Damages the object; the bytes that are there then, and `false` if nothing changed.
fn apply(store: &Memory, name: &str, another: Option<&String>, damage: Damage) -> bool {
    let bytes = store.get(name).expect("it is there");
    match damage {
        Damage::Flip(at) => flip(store, name, at),
        Damage::Truncate(part) => store.damage(name, &bytes[..bytes.len() * part / 1000]),
        Damage::Delete => store.delete(name).expect("it is there"),
        Damage::Swap => match another {
            Some(another) => store.damage(name, &store.get(another).expect("it is there")),
            None => return false,
        },
    }
    true
}

/// Every object of one kind, or a few of them, in every way.
fn check_kind(prefix: &str, kind: Kind, most: usize) {
    let vault = vault();
    let good = copied(&vault.store);
    let of_kind: Vec<String> = objects(&vault.store)
        .into_iter()
        .filter(|(name, bytes)| name.starts_with(prefix) && bytes[8] == kind.code())
        .map(|(name, _)| name)
        .collect();
    assert!(!of_kind.is_empty(), "there is no {kind}");
    let step = if support::long() { 1 } else { of_kind.len().div_ceil(most) };
    for name in of_kind.iter().step_by(step) {
        let another = of_kind.iter().find(|other| *other != name);
        for damage in DAMAGE {
            let case = format!("{kind} {name} {damage:?}");
            let store = copied(&vault.store);
            // A slot that is missing beside others may have been removed on purpose.
            let removed = kind == Kind::KeySlot && matches!(damage, Damage::Delete);
            if removed || !apply(&store, name, another, damage) {
                continue;
            }
            let damaged = store.get(name).ok();
            let report = mend(&store, Some(&good), false);
            assert_eq!(report.damaged, [], "{case}");
            // The manifest of a forgotten point is missed by nobody.
            let missed = report.repaired.iter().find(|repaired| repaired.name == *name);
            let Some(repaired) = missed else {
                assert_eq!(kind, Kind::Manifest, "{case}: {:?}", report.repaired);
                continue;
            };
            let kept = repaired.quarantined.as_ref().map(|aside| store.get(aside).expect("kept"));
            assert_eq!(kept, damaged, "{case}");
            assert_whole(&store, &vault, &case);
        }
    }
}

#[test]
fn a_configuration_comes_back() {
    check_kind(object_names::CONFIG, Kind::Config, 1);
}

#[test]
fn a_key_slot_comes_back() {
    check_kind(object_names::KEYS, Kind::KeySlot, 2);
}

#[test]
fn a_data_pack_comes_back() {
    check_kind(object_names::PACKS, Kind::DataPack, 2);
}

#[test]
fn a_map_pack_comes_back() {
    check_kind(object_names::PACKS, Kind::MapPack, 2);
}

#[test]
fn an_index_comes_back() {
    check_kind(object_names::INDEXES, Kind::Index, 2);
}

#[test]
fn a_manifest_comes_back() {
    check_kind(object_names::MANIFESTS, Kind::Manifest, 30);
}

#[test]
fn a_log_entry_comes_back() {
    check_kind(object_names::LOG, Kind::LogEntry, 9);
}

#[test]
fn a_checkpoint_comes_back() {
    let last = object_names::log_entry(64);
    check_kind(&last, Kind::LogEntry, 1);
}

#[test]
fn a_vault_that_lost_a_third_of_everything_comes_back() {
    let vault = vault();
    let good = copied(&vault.store);
    for round in 0..3 {
        let store = copied(&vault.store);
        for (number, name) in names(store.as_ref(), "").into_iter().enumerate() {
            match (number + round) % 3 {
                0 if number % 2 == 0 => flip(&store, &name, 400),
                0 => store.delete(&name).expect("it is there"),
                _ => {}
            }
        }
        let report = mend(&store, Some(&good), false);
        assert_eq!((report.damaged, report.points_hit), (vec![], vec![]), "{round}");
        let repo = world(&store, 52).open().expect("it opens");
        vault.days.iter().for_each(|(number, disk)| assert_restores(&repo, *number, disk));
        assert_eq!(verify(&repo).damaged, [], "{round}");
    }
}

#[test]
fn a_dry_run_says_what_it_would_do_and_changes_nothing() {
    let vault = vault();
    let good = copied(&vault.store);
    let pack = names(vault.store.as_ref(), object_names::PACKS).remove(0);
    flip(&vault.store, &pack, 500);
    flip(&vault.store, &object_names::log_entry(3), 500);
    let before = objects(&vault.store);
    let report = mend(&vault.store, Some(&good), true);
    let told: Vec<_> = report.repaired.iter().map(|repaired| repaired.name.as_str()).collect();
    assert_eq!(told, [object_names::log_entry(3).as_str(), pack.as_str()]);
    assert_eq!(report.damaged.len(), 2);
    assert!(objects(&vault.store) == before);
}

#[test]
fn what_is_damaged_in_the_copy_too_stays_damaged_and_the_points_are_named() {
    let vault = vault();
    let good = copied(&vault.store);
    let store = copied(&vault.store);
    for name in names(store.as_ref(), object_names::PACKS) {
        flip(&store, &name, 500);
        flip(&good, &name, 600);
    }
    let report = mend(&store, Some(&good), false);
    assert_eq!(report.repaired, []);
    assert_eq!(report.points_hit, [point(1), point(2)]);
    assert_eq!(names(store.as_ref(), object_names::QUARANTINE), [""; 0]);
}

#[test]
fn a_copy_of_another_vault_is_refused() {
    let vault = vault();
    let other = Arc::new(Memory::new());
    let made = Repository::init(
        Arc::clone(&other) as Arc<dyn ObjectStore>,
        uuid::Uuid::from_u128(7),
        &kek(),
        world(&other, 9).environment,
    );
    made.expect("an empty store");
    let how = Repair {
        store: Arc::clone(&vault.store) as Arc<dyn ObjectStore>,
        from: Some(Arc::clone(&other) as Arc<dyn ObjectStore>),
        dry_run: false,
    };
    let refused = repair(&how, &key(), world(&other, 9).environment, &NoProgress);
    assert!(matches!(refused, Err(RepoError::OtherVault)), "{refused:?}");
    let refused = copy(other.as_ref(), vault.store.as_ref(), &NoProgress);
    assert!(matches!(refused, Err(RepoError::OtherVault)), "{refused:?}");
}

#[test]
fn a_key_slot_that_was_removed_does_not_come_back() {
    let vault = vault();
    let good = copied(&vault.store);
    let before = names(vault.store.as_ref(), object_names::KEYS);
    let own = world(&vault.store, 3);
    let ring = KeyRing::open(Arc::clone(&own.store), &key(), Arc::clone(&own.environment.seed));
    let ring = ring.expect("it opens");
    let slots = ring.slots().expect("a list");
    let other = slots.iter().find(|slot| !slot.is_own).expect("a second slot");
    ring.remove(&other.id).expect("it goes");
    assert_eq!(mend(&vault.store, Some(&good), false), RepairReport::default());
    assert_eq!(names(vault.store.as_ref(), object_names::KEYS).len(), before.len() - 1);
}

#[test]
fn a_pack_that_is_whole_again_is_relied_on_again() {
    let mut vault = vault();
    let good = copied(&vault.store);
    for name in names(vault.store.as_ref(), object_names::PACKS) {
        flip(&vault.store, &name, 400);
    }
    let repo = world(&vault.store, 2).open().expect("it opens");
    let record = VerifyOptions { read_data: Some(100), record: true };
    assert_eq!(repo.verify(&record, &NoProgress).expect("verified").points_hit.len(), 2);

    let packs = names(good.as_ref(), object_names::PACKS).len();
    let report = mend(&vault.store, Some(&good), false);
    assert_eq!((report.cleared_packs.len(), report.damaged), (packs, vec![]));
    let repo = world(&vault.store, 4).open().expect("it opens");
    let stats = full(&repo, 9, &mut vault.days[1].1).expect("a backup");
    assert_eq!(stats.new_bytes, 0, "everything is there");
    // Said once, and no more.
    assert_eq!(mend(&vault.store, Some(&good), false), RepairReport::default());
}

#[test]
fn a_condemned_pack_does_not_come_back_to_life() {
    let vault = vault();
    let repo = world(&vault.store, 2).open().expect("it opens");
    let good = copied(&vault.store);
    let packs = names(vault.store.as_ref(), object_names::PACKS);
    for name in &packs {
        flip(&vault.store, name, 400);
    }
    let record = VerifyOptions { read_data: Some(100), record: true };
    repo.verify(&record, &NoProgress).expect("verified");
    for (number, _) in &vault.days {
        repo.forget(point(*number)).expect("it is there");
    }
    let grace = std::time::Duration::from_secs(3600);
    repo.collect(&repo::CollectOptions { grace, dry_run: false }).expect("collected");
    let report = mend(&vault.store, Some(&good), false);
    assert_eq!((report.cleared_packs, report.repaired), (vec![], vec![]));
    let stats = world(&vault.store, 4).open().and_then(|repo| repo.stats()).expect("stats");
    assert_eq!((stats.condemned_bytes, stats.packs), (stats.stored_bytes, packs.len() as u64));
}

#[test]
fn without_a_copy_a_damaged_index_is_made_anew_from_packs() {
    let vault = vault();
    let indexes = names(vault.store.as_ref(), object_names::INDEXES);
    flip(&vault.store, &indexes[0], 500);
    vault.store.delete(&indexes[1]).expect("it is there");
    let damaged = vault.store.get(&indexes[0]).expect("it is there");
    let report = mend(&vault.store, None, false);
    assert_eq!((&report.rebuilt_indexes, report.damaged), (&indexes, vec![]));
    let kept = names(vault.store.as_ref(), object_names::QUARANTINE);
    assert_eq!(kept.len(), 1);
    assert_eq!(vault.store.get(&kept[0]).expect("kept"), damaged);
    let repo = world(&vault.store, 4).open().expect("it opens");
    assert_eq!(verify(&repo).damaged, []);
    vault.days.iter().for_each(|(number, disk)| assert_restores(&repo, *number, disk));
    let stats = full(&repo, 9, &mut vault.days[1].1.clone()).expect("a backup");
    assert_eq!(stats.new_bytes, 0, "its packs are as good as others");
}

#[test]
fn an_entry_that_a_checkpoint_calls_unreadable_counts_again_once_it_is_back() {
    let store = Arc::new(Memory::new());
    let repo = world(&store, 1).init();
    let mut disk = TestDisk::new(2 * MIB);
    disk.write(0, &noise(1, 300_000));
    full(&repo, 1, &mut disk).expect("a backup");
    let good = copied(&store);
    flip(&store, &object_names::log_entry(2), 500);
    let repo = world(&store, 2).open().expect("it opens");
    grow_log(&repo, &store, 140);
    let repo = world(&store, 3).open().expect("it opens");
    assert_eq!(repo.points().expect("points"), [], "its commit cannot be read");
    assert_eq!(verify(&repo).damaged.len(), 1);
    let report = mend(&store, Some(&good), false);
    assert_eq!(report.damaged, []);
    let repo = world(&store, 4).open().expect("it opens");
    assert_restores(&repo, 1, &disk);
    let options = repo::CollectOptions { grace: std::time::Duration::ZERO, dry_run: true };
    repo.collect(&options).expect("the log is whole, so it may be collected");
}

#[test]
fn a_log_that_lost_its_end_is_found_as_far_as_it_shows_and_comes_back() {
    let vault = vault();
    let head = verify(&world(&vault.store, 2).open().expect("it opens")).log_head.expect("a log");
    let entries = names(vault.store.as_ref(), object_names::LOG);
    assert_eq!(head.number, entries.len() as u64);
    // The last entries: the open and the commit of point 2 in some place before the end.
    for lost in 1..=6 {
        let store = copied(&vault.store);
        for name in &entries[entries.len() - lost..] {
            store.delete(name).expect("it is there");
        }
        let repo = world(&store, 3).open().expect("it opens");
        // Alone, a commit that is missing looks like a writer that has not finished.
        let shows = !verify(&repo).damaged.is_empty();
        assert_eq!(shows, lost > 1, "{lost} entries");
        let seen = repo.check_log_head(&head);
        assert!(matches!(seen, Err(RepoError::Damaged { .. })), "the witness knows: {seen:?}");
        let report = mend(&store, Some(&vault.store), false);
        assert_eq!(report.repaired.len(), lost);
        world(&store, 4).open().and_then(|repo| repo.check_log_head(&head)).expect("it is back");
        assert_whole(&store, &vault, &format!("{lost} entries"));
    }
}

#[test]
fn an_entry_of_another_history_is_found_unless_it_is_the_last() {
    let vault = vault();
    let (one, two) = (copied(&vault.store), copied(&vault.store));
    let next = names(vault.store.as_ref(), object_names::LOG).len() as u64 + 1;
    for (store, number, seed) in [(&one, 20, 5), (&two, 21, 6)] {
        let repo = world(store, seed).open().expect("it opens");
        full(&repo, number, &mut TestDisk::new(MIB)).expect("a backup");
    }
    // The same open, but another end.
    let last = copied(&one);
    last.delete(&object_names::log_entry(next + 1)).expect("it is there");
    let repo = world(&last, 9).open().expect("it opens");
    repo.fence(repo.sessions().expect("sessions")[0].id).expect("fenced");
    let head = verify(&world(&one, 2).open().expect("it opens")).log_head.expect("a log");

    for (number, other, shows) in
        [(next, &two, true), (next + 1, &two, true), (next + 1, &last, false)]
    {
        let store = copied(&one);
        let name = object_names::log_entry(number);
        store.damage(&name, &other.get(&name).expect("it is there"));
        let repo = world(&store, 7).open().expect("it opens");
        let found = verify(&repo).damaged;
        let found = found.iter().any(|damaged| damaged.kind == Kind::LogEntry);
        assert_eq!(found, shows, "{number}");
        if number == head.number {
            let seen = repo.check_log_head(&head);
            assert!(matches!(seen, Err(RepoError::Damaged { .. })), "the witness knows: {seen:?}");
        }
        mend(&store, Some(&one), false);
        assert_eq!(store.get(&name).ok() == one.get(&name).ok(), shows, "{number}");
        let repo = world(&store, 8).open().expect("it opens");
        assert_eq!(verify(&repo).damaged, [], "{number}");
    }
}

#[test]
fn a_repair_that_is_interrupted_anywhere_can_be_done_again() {
    let vault = vault();
    let good = copied(&vault.store);
    let damaged = || {
        let store = copied(&vault.store);
        flip(&store, object_names::CONFIG, 300);
        flip(&store, &object_names::log_entry(5), 300);
        store.delete(&object_names::log_entry(66)).expect("it is there");
        for prefix in [object_names::PACKS, object_names::INDEXES, object_names::MANIFESTS] {
            let mut listed = names(store.as_ref(), prefix);
            // Without those of points that were forgotten.
            let packs = names(store.as_ref(), object_names::PACKS);
            let session = |name: &str| name.split('/').nth(1).expect("a session").to_owned();
            listed.retain(|name| packs.iter().any(|pack| session(pack) == session(name)));
            flip(&store, &listed[0], 500);
            store.delete(listed.last().expect("some")).expect("it is there");
        }
        store
    };
    for mishap in [Mishap::Fails, Mishap::DoneButFails] {
        for failing in 1.. {
            let store = damaged();
            let writes = AtomicU64::new(0);
            let faulty =
                Faulty::new(Arc::clone(&store), move |attempt: repo::objects::Attempt<'_>| {
                    let writes_one =
                        matches!(attempt.operation, Operation::Put | Operation::Replace);
                    let number = writes_one.then(|| writes.fetch_add(1, Ordering::SeqCst) + 1);
                    // From then on nothing is written: as if the process was killed.
                    number
                        .filter(|number| *number >= failing)
                        .map(|number| if number == failing { mishap } else { Mishap::Fails })
                });
            let how = Repair {
                store: Arc::new(faulty),
                from: Some(Arc::clone(&good) as Arc<dyn ObjectStore>),
                dry_run: false,
            };
            let environment = world(&store, 60).environment;
            let repaired = repair(&how, &key(), environment, &NoProgress);
            mend(&store, Some(&good), false);
            assert_whole(&store, &vault, &format!("{mishap:?} at write {failing}"));
            if repaired.is_ok() {
                assert!(failing > 8, "only {failing} writes");
                break;
            }
        }
    }
}

#[test]
fn a_scrub_finds_without_a_key_what_chance_does() {
    let vault = vault();
    let sound = scrub(vault.store.as_ref(), &NoProgress).expect("a repository");
    assert_eq!((sound.damaged, sound.vault), (vec![], Some(support::VAULT)));
    let all = objects(&vault.store);
    assert_eq!(sound.objects, all.len() as u64);
    assert_eq!(sound.bytes, all.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    let step = if support::long() { 1 } else { 5 };
    for (number, name) in all.keys().enumerate().step_by(step) {
        for damage in DAMAGE {
            let store = copied(&vault.store);
            let kind = name.split('/').next().expect("a part");
            let of_kind = |other: &&String| *other != name && other.starts_with(kind);
            let another = all.keys().find(of_kind);
            // Two log entries that changed places: their numbers are sealed.
            if !apply(&store, name, another, damage)
                || matches!(damage, Damage::Swap) && name.starts_with(object_names::LOG)
            {
                continue;
            }
            let report = scrub(store.as_ref(), &NoProgress).expect("a repository");
            let told: Vec<_> = report.damaged.iter().map(|found| found.name.as_str()).collect();
            let gone = matches!(damage, Damage::Delete)
                && name != object_names::CONFIG
                && !(name.starts_with(object_names::LOG) && number + 1 < all.len())
                || matches!(damage, Damage::Delete) && !name.starts_with("log") && name != "config";
            let last = names(&vault.store, object_names::LOG).pop();
            let expected =
                if gone || matches!(damage, Damage::Delete) && Some(name) == last.as_ref() {
                    vec![]
                } else {
                    vec![name.as_str()]
                };
            assert_eq!(told, expected, "{name} {damage:?}");
        }
    }
}

#[test]
fn a_copy_is_verbatim_and_holds_only_what_is_sound() {
    let vault = vault();
    let to = Memory::new();
    vault.store.put("quarantine/aa/config", b"not for copies").expect("a new name");
    let report = copy(vault.store.as_ref(), &to, &NoProgress).expect("copied");
    vault.store.delete("quarantine/aa/config").expect("it is there");
    assert!(objects(&to) == objects(&vault.store));
    assert_eq!(report.copied_objects, objects(&to).len() as u64);
    let again = copy(vault.store.as_ref(), &to, &NoProgress).expect("copied");
    assert_eq!((again.copied_objects, again.present_objects), (0, report.copied_objects));

    let repo = world(&vault.store, 5).open().expect("it opens");
    let mut disk = TestDisk::new(2 * MIB);
    disk.write(0, &noise(9, 300_000));
    full(&repo, 9, &mut disk).expect("a backup");
    let new = names(vault.store.as_ref(), object_names::PACKS);
    let new = new.iter().find(|name| to.size(name).is_err()).expect("a new pack").clone();
    let sound = vault.store.get(&new).expect("it is there");
    flip(&vault.store, &new, 500);
    let report = copy(vault.store.as_ref(), &to, &NoProgress).expect("copied");
    let told: Vec<_> = report.damaged.iter().map(|found| found.name.as_str()).collect();
    assert_eq!((told, to.get(&new).is_err()), (vec![new.as_str()], true));
    vault.store.damage(&new, &sound);
    assert_eq!(copy(vault.store.as_ref(), &to, &NoProgress).expect("copied").damaged, []);
    // A copy is a repository.
    let to = Arc::new(to);
    let repo = world(&to, 6).open().expect("it opens");
    assert_restores(&repo, 9, &disk);
    // And a witness: the log of the source cannot be shorter than its copy's.
    let last = names(vault.store.as_ref(), object_names::LOG).pop().expect("a log");
    vault.store.delete(&last).expect("it is there");
    let report = copy(vault.store.as_ref(), to.as_ref(), &NoProgress).expect("copied");
    assert_eq!(report.damaged[0].name, last);
}
