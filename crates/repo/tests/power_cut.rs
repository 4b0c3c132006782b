//! The power fails behind any write step of anything that is done with a repository in a directory.
//! What was not synced is lost, or is there in part, as the disk likes. Then, without anybody's
//! help: every point that is listed restores, what was told to be done is done, doing it again
//! works, and so does a new backup.

mod support;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::units::MIB;
use repo::RepoError;
use repo::objects::{Disk, LocalDir, Look, ObjectStore, Space, StoreError};
use support::deeds::{Deed, Outcome, Scene};
use support::disk::{Call, FULL, Luck, SimDisk, SimFile};
use support::{TestDisk, World, assert_restores, full, noise};

/// Not there before a repository is made: nor is the directory above it.
const ROOT: &str = "/vaults/one";

fn store(disk: impl Disk + 'static) -> Arc<dyn ObjectStore> {
    Arc::new(LocalDir::open_on(disk, ROOT).expect("a store"))
}

/// The disk with what is there before a deed.
fn prepared(scene: &Scene) -> SimDisk {
    let disk = SimDisk::new();
    if scene.deed != Deed::Init {
        scene.fill(store(disk.clone()).as_ref());
    }
    disk.settle();
    disk
}

/// What the power cut may leave, the harshest first.
fn lucks(at: u64) -> Vec<Luck> {
    let mut lucks = vec![Luck::Nothing, Luck::Names(at), Luck::Mixed(at)];
    if support::long() {
        lucks.push(Luck::Everything);
        lucks.extend((1..8).map(|more| Luck::Mixed(at + 1000 * more)));
    }
    lucks
}

/// Cuts the power behind every step of what was done on `disk`; how many different disks that left,
/// or what is wrong with one of them.
fn cut_everywhere(scene: &Scene, disk: &SimDisk) -> Result<usize, String> {
    let steps = disk.steps();
    let mut seen = BTreeSet::new();
    for at in 0..=steps {
        let outcome = if at == steps { Outcome::Done } else { Outcome::Unknown };
        for luck in lucks(at as u64) {
            let left = disk.cut(at, luck);
            if !seen.insert((outcome == Outcome::Done, *left.print().as_bytes())) {
                continue;
            }
            let checked = scene.check(&store(left), outcome);
            checked.map_err(|error| format!("{:?} cut at {at}, {luck:?}: {error}", scene.deed))?;
        }
    }
    Ok(seen.len())
}

#[track_caller]
fn survives(deed: Deed) {
    let scene = deed.scene();
    let disk = prepared(&scene);
    scene.carry_out(&store(disk.clone()), 5).unwrap_or_else(|error| panic!("{error:?}"));
    let steps = disk.steps();
    let different = cut_everywhere(&scene, &disk).unwrap_or_else(|error| panic!("{error}"));
    println!("{deed:?}: {steps} steps, {different} different disks");
    assert!(steps > 2 && different > 2, "{deed:?} has {steps} steps");
}

#[test]
fn making_a_repository_survives() {
    survives(Deed::Init);
}

#[test]
fn a_first_backup_survives() {
    survives(Deed::FirstBackup);
}

#[test]
fn an_incremental_survives() {
    survives(Deed::Incremental);
}

#[test]
fn forgetting_survives() {
    survives(Deed::Forget);
}

#[test]
fn collecting_survives() {
    survives(Deed::Collect);
}

#[test]
fn repacking_and_merging_survive() {
    survives(Deed::FullCollect);
}

#[test]
fn what_a_verification_records_survives() {
    survives(Deed::Verify);
}

#[test]
fn a_repair_survives() {
    survives(Deed::Repair);
}

#[test]
fn a_copy_survives() {
    survives(Deed::Copy);
}

#[test]
fn changes_of_keys_survive() {
    for deed in [Deed::AddKey, Deed::RemoveKey, Deed::RotateKey] {
        survives(deed);
    }
}

/// What a careless disk leaves out.
#[derive(Debug, Clone, Copy)]
enum Omission {
    Files,
    /// The directory whose name this is part of.
    Directories(&'static str),
}

/// A disk that says that it synced, and did not.
#[derive(Debug)]
struct Careless(SimDisk, Omission);

impl Disk for Careless {
    type File = SimFile;

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.0.make_directory(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        self.0.list(directory)
    }

    fn look(&self, path: &Path) -> io::Result<Look> {
        self.0.look(path)
    }

    fn create(&self, path: &Path) -> io::Result<SimFile> {
        self.0.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<(SimFile, u64)> {
        self.0.open(path)
    }

    fn lock(&self, file: &SimFile) -> io::Result<()> {
        self.0.lock(file)
    }

    fn try_lock(&self, file: &SimFile) -> bool {
        self.0.try_lock(file)
    }

    fn write(&self, file: &SimFile, bytes: &[u8]) -> io::Result<()> {
        self.0.write(file, bytes)
    }

    fn read(&self, file: &SimFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read(file, buffer, offset)
    }

    fn sync(&self, file: &SimFile) -> io::Result<()> {
        if matches!(self.1, Omission::Files) { Ok(()) } else { self.0.sync(file) }
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        match self.1 {
            Omission::Directories(part) if directory.to_string_lossy().contains(part) => Ok(()),
            _ => self.0.sync_directory(directory),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename_over(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.0.remove_directory(path)
    }

    fn space(&self, directory: &Path) -> io::Result<Space> {
        self.0.space(directory)
    }

    fn allocate(&self, path: &Path, size: u64) -> io::Result<()> {
        self.0.allocate(path, size)
    }

    fn cut(&self, path: &Path, size: u64) -> io::Result<()> {
        Disk::cut(&self.0, path, size)
    }
}

#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    let omissions = [
        Omission::Files,
        Omission::Directories("/packs"),
        Omission::Directories("/index"),
        Omission::Directories("/manifests"),
        Omission::Directories("/log"),
    ];
    for omission in omissions {
        let scene = Deed::Incremental.scene();
        let disk = prepared(&scene);
        let careless = store(Careless(disk.clone(), omission));
        scene.carry_out(&careless, 5).unwrap_or_else(|error| panic!("{error:?}"));
        let found = cut_everywhere(&scene, &disk);
        assert!(found.is_err(), "{omission:?} harms nothing: {found:?}");
    }
    let scene = Deed::Init.scene();
    let disk = prepared(&scene);
    let careless = store(Careless(disk.clone(), Omission::Directories("/vaults")));
    scene.carry_out(&careless, 5).unwrap_or_else(|error| panic!("{error:?}"));
    assert!(cut_everywhere(&scene, &disk).is_err(), "the directories of the store may be lost");
}

#[test]
fn what_is_put_into_a_directory_that_a_killed_process_made_survives() {
    for name in ["config", "keys/aa", "packs/aa/bb", "quarantine/aa/packs/aa/bb"] {
        for last in 0.. {
            let disk = SimDisk::new();
            let calls = AtomicU64::new(0);
            // The process is killed: it does no more, and what it did stays visible.
            disk.refuse(move |_, _| (calls.fetch_add(1, Ordering::SeqCst) >= last).then_some(5));
            let killed = LocalDir::open_on(disk.clone(), ROOT)
                .and_then(|store| store.put(name, b"of the first"));
            disk.allow();
            let second = store(disk.clone());
            match second.put(name, b"of the second") {
                Ok(()) => {}
                Err(StoreError::AlreadyExists { .. }) => second.replace(name, b"new").expect("it"),
                Err(error) => panic!("{error:?}"),
            }
            let left = store(disk.cut(disk.steps(), Luck::Nothing));
            assert!(left.get(name).is_ok(), "{name} is gone; the first did {last} calls");
            if killed.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_point_whose_log_could_not_be_synced_is_not_called_done() {
    // For a while, or for ever.
    for failures in [1, 2, 3, u64::MAX] {
        let scene = Deed::Incremental.scene();
        let disk = prepared(&scene);
        let behind = store(disk.clone());
        // The second entry that is written is the commit.
        let (commits, failed) = (AtomicU64::new(0), AtomicU64::new(0));
        disk.refuse(move |call, path| {
            let log = call == Call::SyncDirectory && path.ends_with("log");
            let at = commits.fetch_add(u64::from(log), Ordering::SeqCst);
            let fails = log && at > 0 && failed.fetch_add(1, Ordering::SeqCst) < failures;
            fails.then_some(5)
        });
        let outcome = match scene.carry_out(&behind, 5) {
            Ok(()) => Outcome::Done,
            Err(RepoError::Unsettled { .. }) => Outcome::Unknown,
            Err(_) => Outcome::Failed,
        };
        disk.allow();
        assert_eq!(outcome == Outcome::Done, failures == 1, "{failures}: {outcome:?}");
        for luck in [Luck::Nothing, Luck::Everything] {
            let left = store(disk.cut(disk.steps(), luck));
            scene.check(&left, outcome).unwrap_or_else(|e| panic!("{failures}, {luck:?}: {e}"));
        }
    }
}

#[test]
fn a_quota_that_is_used_up_is_a_full_store() {
    let calls = [Call::Create, Call::Write, Call::Sync, Call::MakeDirectory, Call::Rename];
    for (errno, full_at) in FULL.into_iter().flat_map(|errno| calls.map(|call| (errno, call))) {
        let disk = SimDisk::new();
        let repo = World::new(store(disk.clone()), 1).init();
        let mut content = TestDisk::new(2 * MIB);
        content.write(0, &noise(1, MIB as usize));
        full(&repo, 1, &mut content).expect("there is room");
        disk.refuse(move |call, path| {
            let data = full_at != Call::Rename && full_at != Call::MakeDirectory;
            let concerned = data || path.to_string_lossy().contains("/packs");
            (call == full_at && concerned).then_some(errno)
        });
        let mut more = TestDisk::new(2 * MIB);
        more.write(0, &noise(2, MIB as usize));
        let refused = full(&repo, 2, &mut more);
        assert!(matches!(refused, Err(RepoError::StoreFull { .. })), "{full_at:?}: {refused:?}");
        disk.allow();
        assert_restores(&repo, 1, &content);
        full(&repo, 3, &mut more).expect("there is room again");
        assert_restores(&repo, 3, &more);
    }
}
