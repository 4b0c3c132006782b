//! The local cache of the index: used where it is whole, and never believed where it is not.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::units::{BLOCK, Extent, KIB, MIB};
use repo::objects::{Counting, Memory, ObjectStore, Operation};
use repo::{CollectOptions, NoProgress, Repository, VerifyOptions};
use support::{TestDisk, VAULT, World, assert_restores, changes, full, noise, point};

/// More index objects than an index keeps in memory only.
const POINTS: u64 = 40;

fn world(store: &Arc<Counting<Memory>>, number: u64, caches: &Path) -> World {
    let mut world = World::new(Arc::clone(store) as Arc<dyn ObjectStore>, number);
    world.environment.caches = Some(caches.to_owned());
    world
}

fn opened(store: &Arc<Counting<Memory>>, number: u64, caches: &Path) -> Repository {
    world(store, number, caches).open().unwrap_or_else(|error| panic!("{error}"))
}

/// A repository of many small points, written with a cache; and their disks.
fn filled(caches: &Path) -> (Arc<Counting<Memory>>, Vec<TestDisk>) {
    let store = Arc::new(Counting::new(Memory::default()));
    let repo = world(&store, 1, caches).init();
    let mut disks = vec![TestDisk::new(4 * MIB)];
    disks[0].write(0, &noise(0, MIB as usize));
    full(&repo, 1, &mut disks[0]).expect("a store that works");
    for number in 2..=POINTS {
        let mut disk = disks[disks.len() - 1].clone();
        let extent = Extent::new((number % 16) * 256 * KIB, 80 * KIB);
        disk.write(extent.start, &noise(number, extent.length as usize));
        changes(&repo, number, number - 1, &mut disk, &[extent]).expect("a store that works");
        disks.push(disk);
    }
    (store, disks)
}

fn files(caches: &Path) -> Vec<PathBuf> {
    let directory = caches.join(VAULT.to_string());
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.expect("a readable directory").path()).collect()
}

/// Index objects that opening reads.
fn indexes_read(store: &Arc<Counting<Memory>>, number: u64, caches: &Path) -> usize {
    store.take();
    opened(store, number, caches);
    let index = |call: &repo::objects::Call| {
        call.operation == Operation::Get && call.name.starts_with("index/")
    };
    store.take().iter().filter(|call| index(call)).count()
}

#[test]
fn opening_reads_only_index_objects_that_no_cache_holds() {
    let caches = tempfile::tempdir().unwrap();
    let (store, disks) = filled(caches.path());
    assert!(indexes_read(&store, 2, caches.path()) < 32);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(indexes_read(&store, 3, empty.path()), POINTS as usize);
    assert_eq!(indexes_read(&store, 4, empty.path()), 0, "the third process saved them all");
    let repo = opened(&store, 5, empty.path());
    for (number, disk) in (1..).zip(&disks) {
        assert_restores(&repo, number, disk);
    }
    let stats = full(&repo, 99, &mut disks[0].clone()).expect("a store that works");
    assert_eq!(stats.new_bytes, 0, "all of it is stored");
}

#[test]
fn a_small_repository_makes_no_files() {
    let caches = tempfile::tempdir().unwrap();
    let store = Arc::new(Counting::new(Memory::default()));
    let repo = world(&store, 1, caches.path()).init();
    let mut disk = TestDisk::new(4 * MIB);
    disk.write(0, &noise(1, MIB as usize));
    for number in 1..10 {
        full(&repo, number, &mut disk).expect("a store that works");
    }
    drop(opened(&store, 2, caches.path()));
    assert_eq!(files(caches.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_cache_damaged_on_any_page_loses_nothing() {
    let caches = tempfile::tempdir().unwrap();
    let (store, disks) = filled(caches.path());
    let whole: Vec<_> =
        files(caches.path()).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let mut world = 10;
    let mut check = |what: &str| {
        world += 1;
        let repo = opened(&store, world, caches.path());
        for number in [1, POINTS / 2, POINTS] {
            assert_restores(&repo, number, &disks[number as usize - 1]);
        }
        // What is stored is found, and what is not is not taken for it.
        let mut disk = disks[0].clone();
        disk.write(3 * MIB, &noise(1000 + world, 64 * KIB as usize));
        let stats = full(&repo, 1000 + world, &mut disk).expect("a store that works");
        let least = 64 * KIB;
        assert!((least..least + 64 * BLOCK).contains(&stats.new_bytes), "{what}: {stats:?}");
        assert_restores(&repo, 1000 + world, &disk);
    };
    let put_back = || whole.iter().for_each(|(bytes, path)| fs::write(path, bytes).unwrap());
    for (bytes, path) in &whole {
        for page in (0..bytes.len()).step_by(4096) {
            put_back();
            let mut damaged = bytes.clone();
            damaged[page + (bytes.len() - page).min(4096) / 2] ^= 4;
            fs::write(path, damaged).unwrap();
            check(&format!("{} at {page}", path.display()));
        }
        put_back();
        fs::remove_file(path).unwrap();
        check(&format!("{} is gone", path.display()));
    }
}

/// What a power cut leaves of a file that is never synced.
fn torn(bytes: &[u8], seed: u64) -> [Vec<u8>; 4] {
    let some = u64::from_le_bytes(noise(seed, 8).try_into().expect("eight bytes"));
    let cut = some as usize % (bytes.len() + 1);
    let mut zeros = bytes.to_vec();
    zeros[cut..].fill(0);
    [Vec::new(), bytes[..cut].to_vec(), zeros, noise(seed, bytes.len())]
}

#[test]
fn a_cache_that_a_power_cut_tore_is_built_anew() {
    let caches = tempfile::tempdir().unwrap();
    let (store, disks) = filled(caches.path());
    let mut newer = disks[disks.len() - 1].clone();
    newer.write(3 * MIB, &noise(77, 64 * KIB as usize));
    let whole: Vec<_> =
        files(caches.path()).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let rounds = if support::long() { 200 } else { 20 };
    for round in 0..rounds {
        // Any of the files, or several: no file waits for another.
        for (number, (bytes, path)) in (0..).zip(&whole) {
            let seed = round * 100 + number;
            let torn = torn(bytes, seed);
            let kind = noise(seed, 1)[0] as usize;
            match torn.get(kind % 6) {
                Some(torn) => fs::write(path, torn).unwrap(),
                _ if kind % 6 == 4 && path.exists() => fs::remove_file(path).unwrap(),
                _ => fs::write(path, bytes).unwrap(),
            }
        }
        let repo = opened(&store, 1000 + round, caches.path());
        for number in [1, POINTS / 2, POINTS] {
            assert_restores(&repo, number, &disks[number as usize - 1]);
        }
        let stats = full(&repo, 1000 + round, &mut newer).expect("a store that works");
        let new = if round == 0 { 64 * KIB } else { 0 };
        assert!((new..new + 64 * BLOCK).contains(&stats.new_bytes), "{round}: {stats:?}");
        repo.forget(point(1000 + round)).expect("it is there");
        assert_restores(&opened(&store, 3000 + round, caches.path()), POINTS, &disks[39]);
    }
}

#[test]
fn a_cache_that_breaks_under_an_open_repository_is_built_anew() {
    let caches = tempfile::tempdir().unwrap();
    let (store, disks) = filled(caches.path());
    let repo = opened(&store, 2, caches.path());
    for path in files(caches.path()) {
        // The same files, so the repository has them open.
        let length = fs::read(&path).unwrap().len();
        fs::write(&path, vec![0; length]).unwrap();
    }
    for (number, disk) in (1..).zip(&disks) {
        assert_restores(&repo, number, disk);
    }
    let stats = full(&repo, 99, &mut disks[0].clone()).expect("a store that works");
    assert_eq!(stats.new_bytes, 0, "all of it is stored");
    assert_eq!(indexes_read(&store, 3, caches.path()), 0, "and it was saved again");
}

#[test]
fn collected_packs_leave_the_cache_and_two_processes_agree() {
    let caches = tempfile::tempdir().unwrap();
    let (store, disks) = filled(caches.path());
    let worlds = [world(&store, 2, caches.path()), world(&store, 3, caches.path())];
    let repos = worlds.each_ref().map(|world| world.open().expect("a repository"));
    for number in (1..=POINTS).filter(|number| number % 3 != 0) {
        repos[0].forget(point(number)).expect("a point");
    }
    let options = CollectOptions { grace: Duration::from_secs(10), dry_run: false };
    for repo in &repos {
        repo.collect(&options).expect("a sound repository");
        worlds.iter().for_each(|world| world.clock.advance(20));
    }
    let late = opened(&store, 4, caches.path());
    for repo in repos.iter().chain([&late]) {
        for number in (1..=POINTS).filter(|number| number % 3 == 0) {
            assert_restores(repo, number, &disks[number as usize - 1]);
        }
        let options = VerifyOptions { read_data: Some(100), ..VerifyOptions::default() };
        let report = repo.verify(&options, &NoProgress).expect("a store that works");
        assert_eq!(report.damaged, []);
        let packs = store.list("packs/").expect("a store that works").len() as u64;
        assert_eq!(report.packs_known, packs, "packs that are gone are known no more");
    }
}
