//! Break it on purpose: every kind of object × every kind of damage. All of it is found, it costs
//! the points that need it, and nothing else.
//!
//! The vault holds three points of two items. Points 1 and 2 are a full backup and an incremental
//! of one disk; point 3 is of another disk and shares nothing with them.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use format::Kind;
use format::names as object_names;
use model::units::{Extent, KIB, MIB};
use repo::objects::{Memory, ObjectStore};
use repo::{NoProgress, Repository, VerifyOptions, VerifyReport};
use support::{TestDisk, World, assert_restores, changes, full, names, noise, point, restored};

struct Vault {
    store: Arc<Memory>,
    days: Vec<(u64, TestDisk)>,
}

fn vault() -> Vault {
    let store = Arc::new(Memory::new());
    let repo = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 1).init();
    let mut one = TestDisk::new(12 * MIB);
    one.write(MIB, &noise(1, 3 * MIB as usize));
    full(&repo, 1, &mut one).expect("a backup");
    let before = one.clone();
    let changed = Extent::new(2 * MIB, 100 * KIB);
    one.write(changed.start, &noise(2, changed.length as usize));
    changes(&repo, 2, 1, &mut one, &[changed]).expect("a backup");
    let mut two = TestDisk::new(6 * MIB);
    two.write(0, &noise(3, MIB as usize));
    full(&repo, 3, &mut two).expect("a backup");
    Vault { store, days: vec![(1, before), (2, one), (3, two)] }
}

fn verify(repo: &Repository) -> VerifyReport {
    let options = VerifyOptions { read_data: Some(100), record: false };
    repo.verify(&options, &NoProgress).expect("damage is not an error")
}

/// A store with the same objects.
fn copied(store: &Memory) -> Arc<Memory> {
    let copy = Memory::new();
    for name in names(store, "") {
        copy.put(&name, &store.get(&name).expect("it is listed")).expect("a new name");
    }
    Arc::new(copy)
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    /// One bit: the one of this number, counted round and round.
    Flip(usize),
    /// Cut to this many thousandths.
    Truncate(usize),
    Delete,
    /// Replaced by another object of its kind.
    Swap,
}

/// Flips of random bits, in turn in all objects of a kind.
fn flips() -> impl Iterator<Item = Damage> {
    let count = if support::long() { 1000 } else { 50 };
    let random = noise(4, count * 8);
    let number = move |at: usize| {
        u64::from_le_bytes(random[at * 8..at * 8 + 8].try_into().expect("eight bytes")) as usize
    };
    (0..count).map(move |at| Damage::Flip(number(at)))
}

/// What is done to every object.
fn others() -> impl Iterator<Item = Damage> {
    let cuts = [0, 10, 500, 900, 999].map(Damage::Truncate);
    cuts.into_iter().chain([Damage::Delete, Damage::Swap])
}

/// Damages an object; `false` if that kind of damage does not apply.
fn apply(store: &Memory, name: &str, damage: Damage, another: Option<&str>) -> bool {
    let mut bytes = store.get(name).expect("it is there");
    match damage {
        Damage::Flip(number) => {
            let place = number / 8 % bytes.len();
            bytes[place] ^= 1 << (number % 8);
        }
        Damage::Truncate(part) => bytes.truncate(bytes.len() * part / 1000),
        Damage::Delete => {
            store.delete(name).expect("it is there");
            return true;
        }
        Damage::Swap => match another {
            Some(another) => bytes = store.get(another).expect("it is there"),
            None => return false,
        },
    }
    store.damage(name, &bytes);
    true
}

fn kind_of(store: &Memory, name: &str) -> Option<Kind> {
    Kind::from_code(store.get(name).expect("it is there")[8])
}

/// The points that may be lost when an object of this kind and name is damaged.
fn may_need(vault: &Vault, kind: Kind, name: &str) -> BTreeSet<u64> {
    // Objects of a session belong to the point it wrote; point 2 needs much of point 1's.
    let repo = World::new(Arc::clone(&vault.store) as Arc<dyn ObjectStore>, 5)
        .open()
        .expect("a sound repository");
    let sessions: Vec<String> = (1..=3).map(|number| owner(&vault.store, &repo, number)).collect();
    let owner = sessions.iter().position(|session| name.contains(session.as_str()));
    match (kind, owner) {
        (Kind::Config | Kind::KeySlot, _) => BTreeSet::from([1, 2, 3]),
        (Kind::Index | Kind::LogEntry, _) => BTreeSet::new(),
        (Kind::Manifest, Some(owner)) => BTreeSet::from([owner as u64 + 1]),
        (Kind::DataPack | Kind::MapPack, Some(0)) => BTreeSet::from([1, 2]),
        (_, Some(owner)) => BTreeSet::from([owner as u64 + 1]),
        (_, None) => panic!("{name} belongs to nobody"),
    }
}

/// The session that wrote the point: the manifests were made in the order of points.
fn owner(store: &Memory, repo: &Repository, number: u64) -> String {
    repo.manifest(point(number)).expect("it is sound");
    let manifests = names(store, object_names::MANIFESTS);
    let found = manifests.iter().find(|name| {
        let id = object_names::parse_owned(object_names::MANIFESTS, name).expect("a manifest");
        let bytes = store.get(name).expect("it is listed");
        let master = support::vault_keys(store);
        format::manifest::Manifest::decode(&master, id, point(number), &bytes).is_ok()
    });
    found.expect("each point has one").split('/').nth(1).expect("a session").to_owned()
}

/// Damages one object in a copy of the vault and looks at what is left.
fn check(vault: &Vault, name: &str, damage: Damage, another: Option<&str>, may: &BTreeSet<u64>) {
    let kind = kind_of(&vault.store, name).expect("a known kind");
    let case = format!("{kind} {name} {damage:?}");
    let store = copied(&vault.store);
    if !apply(&store, name, damage, another) {
        return;
    }
    let world = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 7);
    let repo = match world.open() {
        Ok(repo) => repo,
        Err(error) => {
            let clear = matches!(kind, Kind::Config | Kind::KeySlot);
            assert!(clear, "{case}: {error}");
            return;
        }
    };
    assert!(!matches!(kind, Kind::Config | Kind::KeySlot), "{case}: not noticed when opened");
    let report = verify(&repo);
    let found = report.damaged.iter().find(|damaged| damaged.name == name);
    let found = found.unwrap_or_else(|| panic!("{case}: not found, but {:?}", report.damaged));
    assert_eq!(found.kind.name().contains("pack"), kind.name().contains("pack"), "{case}");
    let hit: BTreeSet<u64> = report.points_hit.iter().map(|point| point.get()).collect();
    assert!(hit.is_subset(may), "{case}: {hit:?} are said to be hit, {may:?} may");
    for (number, disk) in &vault.days {
        let known = repo.points().expect("points").iter().any(|info| info.id == point(*number));
        if !known {
            assert_eq!(kind, Kind::LogEntry, "{case}: point {number} is gone");
        } else if hit.contains(number) {
            restored(&repo, *number, "vda").expect_err(&case);
        } else {
            assert_restores(&repo, *number, disk);
        }
    }
}

/// Damages one object of `kind` per session in every way.
fn check_kind(kind: Kind, prefix: &str) {
    let vault = vault();
    let mut of_kind = names(vault.store.as_ref(), prefix);
    of_kind.retain(|name| kind_of(&vault.store, name) == Some(kind));
    assert!(!of_kind.is_empty(), "there is no {kind}");
    // The newest log entry could be missing without a trace: only the ledger knows better.
    let newest = of_kind.last().cloned().filter(|_| kind == Kind::LogEntry);
    let may: BTreeMap<_, _> =
        of_kind.iter().map(|name| (name.clone(), may_need(&vault, kind, name))).collect();
    let mut tried = 0;
    let mut try_one = |name: &String, damage: Damage| {
        let another = of_kind.iter().find(|other| *other != name).map(String::as_str);
        let last = Some(name) == newest.as_ref() && matches!(damage, Damage::Delete);
        let alone = another.is_none() && matches!(damage, Damage::Swap);
        if !last && !alone {
            check(&vault, name, damage, another, &may[name]);
            tried += 1;
        }
    };
    for name in &of_kind {
        others().for_each(|damage| try_one(name, damage));
    }
    for (name, damage) in of_kind.iter().cycle().zip(flips()) {
        try_one(name, damage);
    }
    eprintln!("{kind}: {tried} damages, all found");
}

#[test]
fn a_sound_vault_raises_no_alarm() {
    let vault = vault();
    let repo =
        World::new(Arc::clone(&vault.store) as Arc<dyn ObjectStore>, 8).open().expect("sound");
    let report = verify(&repo);
    assert_eq!((report.damaged, report.points_hit), (vec![], vec![]));
    assert_eq!((report.points_checked, report.log_entries), (3, 6));
    assert_eq!(report.packs_read, report.packs_known);
    let none = VerifyOptions::default();
    assert_eq!(repo.verify(&none, &NoProgress).expect("sound").packs_read, 0);
}

#[test]
fn damaged_configurations() {
    check_kind(Kind::Config, object_names::CONFIG);
}

#[test]
fn damaged_key_slots() {
    check_kind(Kind::KeySlot, object_names::KEYS);
}

#[test]
fn damaged_data_packs() {
    check_kind(Kind::DataPack, object_names::PACKS);
}

#[test]
fn damaged_map_packs() {
    check_kind(Kind::MapPack, object_names::PACKS);
}

#[test]
fn damaged_indexes() {
    check_kind(Kind::Index, object_names::INDEXES);
}

#[test]
fn damaged_manifests() {
    check_kind(Kind::Manifest, object_names::MANIFESTS);
}

#[test]
fn damaged_log_entries() {
    check_kind(Kind::LogEntry, object_names::LOG);
}

#[test]
fn damage_that_is_known_is_no_deduplication_hit_and_a_full_backup_heals() {
    let vault = vault();
    let repo =
        World::new(Arc::clone(&vault.store) as Arc<dyn ObjectStore>, 9).open().expect("sound");
    let packs = names(vault.store.as_ref(), object_names::PACKS);
    for name in packs.iter().filter(|name| kind_of(&vault.store, name) == Some(Kind::DataPack)) {
        apply(&vault.store, name, Damage::Flip(800_000), None);
    }
    let options = VerifyOptions { read_data: Some(100), record: true };
    let report = repo.verify(&options, &NoProgress).expect("damage is not an error");
    assert_eq!(report.points_hit, [point(1), point(2), point(3)]);

    // Another process knows it from the log.
    let repo =
        World::new(Arc::clone(&vault.store) as Arc<dyn ObjectStore>, 10).open().expect("opens");
    for (number, disk) in &vault.days {
        restored(&repo, *number, "vda").expect_err("damaged");
        let stats = full(&repo, 10 + number, &mut disk.clone()).expect("a backup");
        assert!(*number == 2 || stats.new_bytes == stats.read_bytes, "{number}: {stats:?}");
        assert_restores(&repo, 10 + number, disk);
        // Equal chunks are known by equal names: the old points are whole again too.
        assert_restores(&repo, *number, disk);
    }
    assert_eq!(verify(&repo).points_hit, []);
}

#[test]
fn with_an_unreadable_log_entry_only_what_is_safe_is_done() {
    let vault = vault();
    apply(&vault.store, &object_names::log_entry(4), Damage::Flip(700), None);
    let world = World::new(Arc::clone(&vault.store) as Arc<dyn ObjectStore>, 11);
    let repo = world.open().expect("opens");
    let points: Vec<_> = repo.points().expect("points").iter().map(|info| info.id).collect();
    assert_eq!(points, [point(1), point(3)], "entry 4 was the commit of point 2");
    let options = repo::CollectOptions { grace: std::time::Duration::ZERO, dry_run: true };
    let refused = repo.collect(&options);
    assert!(matches!(refused, Err(repo::RepoError::LogDamaged { number: 4, .. })), "{refused:?}");
    let mut disk = vault.days[0].1.clone();
    let refused = changes(&repo, 4, 1, &mut disk, &[]);
    assert!(matches!(refused, Err(repo::RepoError::LogDamaged { .. })), "{refused:?}");
    let stats = full(&repo, 5, &mut disk).expect("a full backup is always possible");
    assert_eq!(stats.new_bytes, stats.read_bytes, "it relies on nothing old");
    assert_restores(&repo, 5, &disk);
    assert_restores(&repo, 1, &vault.days[0].1);
}

#[test]
fn a_newer_object_is_refused_and_not_called_damaged() {
    let vault = vault();
    let name = object_names::log_entry(6);
    let mut bytes = vault.store.get(&name).expect("it is there");
    bytes[9] = 2;
    bytes.truncate(bytes.len() - 32);
    format::header::append_trailer(&mut bytes);
    vault.store.damage(&name, &bytes);
    let opened = World::new(Arc::clone(&vault.store) as Arc<dyn ObjectStore>, 12).open();
    let refused = opened.map(drop);
    let expected = matches!(refused, Err(repo::RepoError::UnsupportedVersion { version: 2, .. }));
    assert!(expected, "{refused:?}");
}
