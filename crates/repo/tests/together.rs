//! Several processes at one store: the log is their only agreement. And what collecting does to
//! those who are still at work.

mod support;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use model::units::{Extent, KIB, MIB};
use repo::objects::{Counting, LocalDir, Memory, ObjectStore, Operation};
use repo::{
    CollectOptions, DiskSpec, NewPoint, NoProgress, PointWriter, RepoError, Repository,
    VerifyOptions,
};
use support::{TestDisk, World, assert_restores, changes, full, names, noise, point};

const DAY: Duration = Duration::from_secs(86_400);
const COLLECT: CollectOptions = CollectOptions { grace: DAY, dry_run: false };

fn disk(seed: u64) -> TestDisk {
    let mut disk = TestDisk::new(4 * MIB);
    disk.write(0, &noise(seed, MIB as usize));
    disk
}

/// Two processes at one store.
fn two() -> (Arc<Memory>, World, Repository, World, Repository) {
    let store = Arc::new(Memory::new());
    let one = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 1);
    let first = one.init();
    let two = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 2);
    let second = two.open().expect("a repository");
    (store, one, first, two, second)
}

fn begin(repo: &Repository, number: u64, parent: Option<u64>) -> PointWriter {
    let new = NewPoint {
        id: point(number),
        item: "an item".to_owned(),
        taken_at: jiff::Timestamp::UNIX_EPOCH,
        parent: parent.map(point),
    };
    repo.begin_point(new).expect("a session")
}

fn write(writer: &mut PointWriter, disk: &mut TestDisk, changed: Option<Vec<Extent>>) {
    let spec =
        DiskSpec { target: "vda".to_owned(), serial: String::new(), size: disk.size, changed };
    writer.write_disk(&spec, disk, &NoProgress).expect("a disk");
}

fn sound(repo: &Repository) {
    let options = VerifyOptions { read_data: Some(100), record: false };
    assert_eq!(repo.verify(&options, &NoProgress).expect("a verification").damaged, []);
}

#[test]
fn two_writers_and_a_collector_agree_through_one_log() {
    let (_, _, first, two, second) = two();
    let collector = two.open().expect("a repository");
    thread::scope(|scope| {
        for (base, repo) in [(100, &first), (200, &second)] {
            scope.spawn(move || {
                for number in 0..25 {
                    // Half of the content is the other writer's too.
                    let mut disk = disk(number % 3);
                    disk.write(2 * MIB, &noise(base + number, 100 * KIB as usize));
                    full(repo, base + number, &mut disk).expect("a backup");
                    if number % 4 == 3 {
                        repo.forget(point(base + number - 2)).expect("it exists");
                    }
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..8 {
                // A plan may be outdated again and again while others write.
                match collector.collect(&COLLECT) {
                    Ok(_) | Err(RepoError::LogContention { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    });
    let fresh = two.open().expect("a repository");
    let points = fresh.points().expect("points");
    assert_eq!(points.len(), 2 * (25 - 6));
    assert_eq!(points, first.points().expect("points"));
    for info in points {
        let (base, number) = (info.id.get() / 100 * 100, info.id.get() % 100);
        let mut disk = disk(number % 3);
        disk.write(2 * MIB, &noise(base + number, 100 * KIB as usize));
        assert_restores(&fresh, info.id.get(), &disk);
    }
    sound(&fresh);
}

#[test]
fn chunks_whose_pack_was_condemned_meanwhile_are_stored_again() {
    let (_, one, first, two, second) = two();
    full(&first, 1, &mut disk(1)).expect("a backup");
    let mut writer = begin(&second, 2, None);
    write(&mut writer, &mut disk(1), None);
    first.forget(point(1)).expect("it exists");
    assert!(first.collect(&COLLECT).expect("a collection").condemned_packs > 0);
    let stats = writer.commit(b"").expect("the chunks can still be read");
    assert!(stats.stored_bytes > MIB, "they were stored again: {stats:?}");
    one.clock.advance(100_000);
    two.clock.advance(100_000);
    assert!(first.collect(&COLLECT).expect("a collection").deleted_packs > 0);
    for repo in [&first, &second, &two.open().expect("a repository")] {
        assert_restores(repo, 2, &disk(1));
    }
    sound(&second);
}

#[test]
fn an_incremental_outlives_a_parent_that_went_while_it_was_written() {
    let (_, one, first, _, second) = two();
    let mut content = disk(1);
    full(&first, 1, &mut content).expect("a backup");
    let mut writer = begin(&second, 2, Some(1));
    content.write(64 * KIB, &noise(9, 64 * KIB as usize));
    write(&mut writer, &mut content, Some(vec![Extent::new(64 * KIB, 64 * KIB)]));
    first.forget(point(1)).expect("it exists");
    first.collect(&COLLECT).expect("a collection");
    let stats = writer.commit(b"").expect("the parent's chunks can still be read");
    assert!(stats.stored_bytes > 900 * KIB, "they were stored again: {stats:?}");
    one.clock.advance(100_000);
    assert!(first.collect(&COLLECT).expect("a collection").deleted_packs > 0);
    assert_restores(&second, 2, &content);
    sound(&first);
}

#[test]
fn a_parent_that_is_only_forgotten_changes_nothing() {
    let (_, _, first, _, second) = two();
    let mut content = disk(1);
    full(&first, 1, &mut content).expect("a backup");
    let mut writer = begin(&second, 2, Some(1));
    content.write(0, &noise(9, 64 * KIB as usize));
    write(&mut writer, &mut content, Some(vec![Extent::new(0, 64 * KIB)]));
    first.forget(point(1)).expect("it exists");
    let stats = writer.commit(b"").expect("a commit");
    assert!(stats.stored_bytes < 300 * KIB, "{stats:?}");
    let report = first.collect(&COLLECT).expect("a collection");
    assert_restores(&first, 2, &content);
    assert_eq!(report.condemned_packs, 1, "only the first map is free: {report:?}");
}

#[test]
fn a_fenced_writer_cannot_commit_and_what_it_put_is_collected() {
    let (store, one, first, _, second) = two();
    let mut writer = begin(&second, 1, None);
    write(&mut writer, &mut disk(1), None);
    let open = first.sessions().expect("sessions");
    assert_eq!((open.len(), open[0].id), (1, writer.session()));
    assert_eq!(open[0].actor, "test world 2");
    let report = first.collect(&COLLECT).expect("a collection");
    assert_eq!((report.condemned_packs, report.open_sessions.len()), (0, 1));
    first.fence(writer.session()).expect("it is open");
    let refused = writer.commit(b"");
    assert!(matches!(refused, Err(RepoError::SessionOver { .. })), "{refused:?}");
    assert!(!names(store.as_ref(), "packs/").is_empty());
    first.collect(&COLLECT).expect("a collection");
    one.clock.advance(86_400);
    first.collect(&COLLECT).expect("a collection");
    for prefix in ["packs/", "index/", "manifests/"] {
        assert_eq!(names(store.as_ref(), prefix), Vec::<String>::new());
    }
}

#[test]
fn collecting_gives_the_space_back_and_a_dry_run_does_not() {
    let (store, one, first, _, second) = two();
    full(&first, 1, &mut disk(1)).expect("a backup");
    full(&first, 2, &mut disk(2)).expect("a backup");
    let bytes = |prefix: &str| -> u64 {
        store.list(prefix).expect("a list").iter().map(|object| object.size).sum()
    };
    let before = bytes("packs/");
    first.forget(point(1)).expect("it exists");
    let dry = CollectOptions { dry_run: true, ..COLLECT };
    let planned = first.collect(&dry).expect("a plan");
    assert_eq!(planned, first.collect(&dry).expect("a plan"), "a plan changes nothing");
    assert_eq!(first.collect(&COLLECT).expect("a collection"), planned);
    assert_eq!(bytes("packs/"), before, "nothing is deleted before the grace is over");
    let condemned = first.stats().expect("stats").condemned_bytes;
    assert_eq!(condemned, planned.condemned_bytes);
    one.clock.advance(86_399);
    assert_eq!(first.collect(&COLLECT).expect("a collection").deleted_packs, 0);
    one.clock.advance(1);
    let done = first.collect(&COLLECT).expect("a collection");
    assert_eq!((done.deleted_packs, done.deleted_bytes), (2, planned.condemned_bytes));
    assert_eq!(bytes("packs/"), before - planned.condemned_bytes);
    assert_eq!(second.stats().expect("stats").stored_bytes, bytes("packs/"));
    assert_restores(&second, 2, &disk(2));
    // The same content comes back as new chunks.
    let again = full(&second, 3, &mut disk(1)).expect("a backup");
    assert_eq!(again.new_bytes, MIB);
    sound(&first);
}

#[test]
fn opening_stays_quick_however_long_the_log_is() {
    let store = Arc::new(Counting::new(Memory::new()));
    let world = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 1);
    let repo = world.init();
    let mut content = disk(1);
    full(&repo, 1, &mut content).expect("a backup");
    for number in 2..110 {
        changes(&repo, number, number - 1, &mut content, &[]).expect("a backup");
        if number > 3 {
            repo.forget(point(number - 2)).expect("it exists");
        }
    }
    assert!(names(store.as_ref(), "log/").len() > 300);
    store.take();
    let repo = world.open().expect("a repository");
    let reads = store.totals()[&Operation::Get].requests;
    assert!(reads < 64 + 10, "{reads} objects were read to open");
    assert_restores(&repo, 109, &content);
    assert_eq!(repo.points().expect("points").len(), 3);
}

#[test]
fn a_local_directory_serves_two_processes() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = |world| {
        let store = LocalDir::open(directory.path().join("vault")).expect("a store");
        World::new(Arc::new(store), world)
    };
    let first = open(1).init();
    let second = open(2).open().expect("a repository");
    thread::scope(|scope| {
        for (base, repo) in [(100, &first), (200, &second)] {
            scope.spawn(move || {
                for number in 0..5 {
                    full(repo, base + number, &mut disk(base + number)).expect("a backup");
                }
            });
        }
    });
    for number in (100..105).chain(200..205) {
        assert_restores(&first, number, &disk(number));
        assert_restores(&second, number, &disk(number));
    }
    sound(&first);
}
