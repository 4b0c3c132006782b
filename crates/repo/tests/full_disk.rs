//! A file system that is really full: what is stored can be listed and restored, and room can be
//! made. It takes root and the right to mount, so it runs only when asked for (`./test` does):
//!
//!   cargo test --release --locked -p repo -p cli --test full_disk -- --ignored

mod support;

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use model::units::{KIB, MIB};
use repo::objects::{LocalDir, ObjectStore, StoreError};
use repo::{CollectOptions, NoProgress, RepoError, Repository, VerifyOptions};
use support::{TestDisk, World, assert_restores, full, names, noise, point};

const NOW: CollectOptions = CollectOptions { grace: Duration::ZERO, dry_run: false };

/// A small file system of its own, unmounted in the end.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=32m", "none"]).arg(directory.path());
        let mounted = mount.status().is_ok_and(|status| status.success());
        assert!(mounted, "this test needs root and the right to mount a file system");
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn store(&self) -> PathBuf {
        self.path().join("vault")
    }

    /// Somebody else takes all the room that is left.
    fn fill(&self, name: &str) {
        let mut file = File::create(self.path().join(name)).expect("an inode is left");
        for size in [MIB, 64 * KIB, 4 * KIB] {
            let error = loop {
                if let Err(error) = file.write_all(&vec![1; size as usize]) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{:?} is left", self.path());
    }
}

/// The store as a new process finds it.
fn open(mounted: &Mounted, world: u64) -> Repository {
    let store = LocalDir::open(mounted.store()).expect("a store");
    World::new(Arc::new(store), world).open().expect("a repository")
}

fn disk(seed: u64, size: u64) -> TestDisk {
    let mut disk = TestDisk::new(16 * MIB);
    disk.write(0, &noise(seed, size as usize));
    disk
}

#[track_caller]
fn assert_full<T: std::fmt::Debug>(result: Result<T, RepoError>) {
    assert!(matches!(result, Err(RepoError::StoreFull { .. })), "{result:?}");
}

#[test]
#[ignore = "needs root and mounts: ./test runs it"]
fn a_full_file_system_still_lists_restores_forgets_and_collects() {
    let mounted = Mounted::new();
    let store = LocalDir::open(mounted.store()).expect("a store");
    let repo = World::new(Arc::new(store), 1).init();
    full(&repo, 1, &mut disk(1, 4 * MIB)).expect("there is room");
    full(&repo, 2, &mut disk(2, 9 * MIB)).expect("there is room");
    mounted.fill("somebody's");
    // Nightly attempts of many machines must not eat up what collecting needs.
    for _ in 0..300 {
        assert_full(full(&repo, 3, &mut disk(3, 4 * MIB)));
    }
    let repo = open(&mounted, 2);
    assert_full(full(&repo, 3, &mut disk(3, 4 * MIB)));
    assert_eq!(repo.points().expect("points").len(), 2);
    assert_eq!(repo.sessions().expect("sessions"), []);
    for (number, size) in [(1, 4 * MIB), (2, 9 * MIB)] {
        assert_restores(&repo, number, &disk(number, size));
    }
    let options = VerifyOptions { read_data: Some(100), record: false };
    assert_eq!(repo.verify(&options, &NoProgress).expect("a verification").damaged, []);

    repo.forget(point(2)).expect("there is room for that");
    mounted.fill("and more");
    assert!(repo.collect(&NOW).expect("there is room for that").condemned_packs > 0);
    mounted.fill("and more again");
    let collected = open(&mounted, 3).collect(&NOW).expect("there is room for that");
    assert!(collected.deleted_bytes > 9 * MIB, "{collected:?}");
    full(&repo, 4, &mut disk(4, 4 * MIB)).expect("there is room again");
    for number in [1, 4] {
        assert_restores(&repo, number, &disk(number, 4 * MIB));
    }
}

#[test]
#[ignore = "needs root and mounts: ./test runs it"]
fn a_backup_that_fills_the_store_leaves_room_to_make_room() {
    let mounted = Mounted::new();
    let store = LocalDir::open(mounted.store()).expect("a store");
    let repo = World::new(Arc::new(store), 1).init();
    let mut stored = 0;
    // Smaller and smaller ones, until nothing fits.
    for size in [8 * MIB, MIB, 64 * KIB, 4 * KIB] {
        let error = loop {
            stored += 1;
            let written = full(&repo, stored, &mut disk(stored, size));
            if let Err(error) = written {
                break error;
            }
        };
        assert!(matches!(error, RepoError::StoreFull { .. }), "{error}");
        assert_eq!(repo.sessions().expect("sessions"), [], "the writer could end its session");
    }
    let points = repo.points().expect("points");
    for info in &points {
        repo.forget(info.id).expect("there is room for that");
    }
    repo.collect(&NOW).expect("there is room for that");
    repo.collect(&NOW).expect("there is room for that");
    assert_eq!(repo.stats().expect("stats").packs, 0);
    full(&repo, 1_000, &mut disk(1, 8 * MIB)).expect("there is room again");
}

#[test]
#[ignore = "needs root and mounts: ./test runs it"]
fn a_failed_put_leaves_nothing_behind() {
    let mounted = Mounted::new();
    let store = LocalDir::open(mounted.store()).expect("a store");
    store.put("packs/a/one", b"x").expect("there is room");
    mounted.fill("somebody's");
    for name in ["packs/b/two", "packs/a/two", "manifests/a/one", "index/a/one"] {
        let put = store.put(name, &[1; 8 << 20]);
        assert!(matches!(put, Err(StoreError::Full { .. })), "{name}: {put:?}");
    }
    assert_eq!(names(&store, ""), ["packs/a/one"]);
    let temporary = fs::read_dir(mounted.store().join(".tmp")).expect("a directory");
    assert_eq!(temporary.count(), 0);
    store.put("log/1", b"an entry").expect("there is room for that");
    assert!(matches!(store.takes_data(), Err(StoreError::Full { .. })), "the reserve is in use");
    fs::remove_file(mounted.path().join("somebody's")).expect("it is there");
    store.takes_data().expect("there is room");
    store.put("packs/b/two", &[1; 8 << 20]).expect("there is room");
}
