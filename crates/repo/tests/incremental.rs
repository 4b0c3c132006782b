//! An incremental costs what changed: counted, not timed.

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use model::units::{BLOCK, Extent, GIB, KIB, MIB};
use repo::objects::{Call, Counting, Memory, ObjectStore, Operation};
use repo::{DiskSpec, NewPoint, RepoError};
use support::{
    CancelAfter, TestDisk, World, assert_restores, changes, full, names, noise, point, restored,
};

struct Setup {
    store: Arc<Counting<Memory>>,
    repo: repo::Repository,
    disk: TestDisk,
}

/// A disk of 20 GiB with 192 MiB of data in pieces all over it, backed up in full as point 1.
fn setup() -> Setup {
    let store = Arc::new(Counting::new(Memory::new()));
    let world = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 1);
    let repo = world.init();
    let mut disk = TestDisk::new(20 * GIB);
    for piece in 0..64 {
        disk.write(piece * 320 * MIB + piece * 4_096, &noise(piece, 3 * MIB as usize));
    }
    full(&repo, 1, &mut disk).expect("a full backup");
    store.take();
    disk.read = 0;
    Setup { store, repo, disk }
}

fn bytes(calls: &[Call], operation: Operation) -> u64 {
    calls.iter().filter(|call| call.operation == operation).map(|call| call.bytes).sum()
}

fn requests(calls: &[Call], operation: Operation, prefix: &str) -> u64 {
    let of = |call: &&Call| call.operation == operation && call.name.starts_with(prefix);
    calls.iter().filter(of).count() as u64
}

/// Changes `count` extents of `length` bytes each, and checks what the incremental costs.
#[track_caller]
fn check(count: u64, length: u64, place: impl Fn(u64) -> u64) {
    let Setup { store, repo, mut disk } = setup();
    let mut changed = Vec::new();
    for number in 0..count {
        let extent = Extent::new(place(number), length);
        disk.write(extent.start, &noise(1_000 + number, length as usize));
        changed.push(extent);
    }
    let dirty = count * length;
    let stats = changes(&repo, 2, 1, &mut disk, &changed).expect("an incremental");
    let calls = store.take();

    assert_eq!(stats.read_bytes, disk.read, "what is told as read is what was read");
    let read_bar = dirty + count * 512 * KIB;
    assert!(disk.read <= read_bar, "read {} of {dirty} dirty, {count} extents", disk.read);
    let stored = bytes(&calls, Operation::Put);
    let stored_bar = dirty + count * 256 * KIB + dirty / 100;
    assert!(stored <= stored_bar, "stored {stored} for {dirty} dirty in {count} extents");
    // The log's two entries are not in the count that the point keeps.
    assert!(stored - stats.stored_bytes < 2 * KIB, "{stored} against {stats:?}");
    let data: u64 = requests(&calls, Operation::Put, "packs/");
    assert!(
        data <= 2 + stats.new_bytes / (7 * MIB / 2),
        "{data} packs for {} bytes",
        stats.new_bytes
    );
    let others = requests(&calls, Operation::Put, "") - data;
    assert_eq!(others, 4, "open, index, manifest, commit");
    let got = requests(&calls, Operation::GetRange, "packs/");
    assert!(got <= 70, "{got} reads of the parent's map");
    eprintln!("{count} extents of {length}: read {} stored {stored}", disk.read);
    assert_restores_parts(&repo, &disk);
}

/// Restores what is not a hole, without reading 20 GiB of zeros.
fn assert_restores_parts(repo: &repo::Repository, disk: &TestDisk) {
    let image = repo.open_disk(point(2), "vda").expect("an image");
    let mut bytes = vec![0; 4 * MIB as usize];
    for piece in 0..64 {
        let extent = Extent::new(piece * 320 * MIB, 4 * MIB);
        image.read_at(extent.start, &mut bytes).expect("inside the disk");
        assert!(bytes == disk.bytes(extent), "piece {piece}");
    }
}

#[test]
fn sixty_four_mib_changed_in_twenty_gib() {
    check(64, MIB, |number| number * 320 * MIB + 700 * KIB);
}

#[test]
fn many_small_changes() {
    check(1_000, 64 * KIB, |number| (number % 50) * 320 * MIB + number * 999 * BLOCK);
}

#[test]
fn single_blocks_all_over() {
    check(64, BLOCK, |number| number * 320 * MIB + number * 8 * BLOCK + MIB);
}

#[test]
fn unaligned_changes_and_neighbours_that_merge() {
    check(128, 70_001, |number| number / 2 * 320 * MIB + 500 * KIB + number % 2 * 150_000 + 13);
}

#[test]
fn nothing_changed_reads_nothing() {
    let Setup { store, repo, mut disk } = setup();
    let stats = changes(&repo, 2, 1, &mut disk, &[]).expect("an incremental");
    assert_eq!((stats.read_bytes, stats.new_bytes, disk.read), (0, 0, 0));
    let calls = store.take();
    assert_eq!(requests(&calls, Operation::Put, "packs/"), 0);
    assert_eq!(requests(&calls, Operation::Put, "index/"), 0);
    let manifests = (repo.manifest(point(1)), repo.manifest(point(2)));
    let (one, two) = (manifests.0.expect("one"), manifests.1.expect("two"));
    assert_eq!(one.disks[0].data_bytes, two.disks[0].data_bytes);
    assert_restores_parts(&repo, &disk);
}

#[test]
fn dirty_blocks_that_hold_the_same_data_are_not_stored() {
    let Setup { repo, mut disk, .. } = setup();
    let same = Extent::new(320 * MIB, 2 * MIB);
    let stats = changes(&repo, 2, 1, &mut disk, &[same]).expect("an incremental");
    assert!(stats.read_bytes >= 2 * MIB - 4 * KIB);
    assert_eq!(stats.new_bytes, 0);
}

#[test]
fn what_two_items_share_is_stored_once() {
    let Setup { store, repo, mut disk } = setup();
    // Another machine, which has the same files in another place.
    let mut other = TestDisk::new(300 * MIB);
    other.write(17 * BLOCK, &noise(5, 3 * MIB as usize));
    other.write(30 * MIB, &noise(6, 3 * MIB as usize));
    let stats = full(&repo, 2, &mut other).expect("a full backup");
    assert!(stats.new_bytes < 300 * KIB, "{} bytes are new", stats.new_bytes);
    assert_restores(&repo, 2, &other);
    store.take();
    disk.read = 0;
    let again = full(&repo, 3, &mut disk).expect("a full backup");
    assert_eq!(again.new_bytes, 0);
    assert!(bytes(&store.take(), Operation::Put) < 2 * KIB);
}

#[test]
fn packs_come_before_their_index_and_so_on_up_to_the_log() {
    let store = Arc::new(Counting::new(Memory::new()));
    let world = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 9);
    let repo = world.init();
    let mut disk = TestDisk::new(64 * MIB);
    disk.write(0, &noise(1, 20 * MIB as usize));
    store.take();
    full(&repo, 1, &mut disk).expect("a full backup");
    let puts: Vec<_> =
        store.take().into_iter().filter(|call| call.operation == Operation::Put).collect();
    let kind = |call: &Call| {
        let object = store.get(&call.name).expect("it was put");
        match object[8] {
            3 => 'd',
            4 => 'm',
            5 => 'i',
            6 => 'M',
            7 => 'L',
            other => panic!("an object of kind {other}"),
        }
    };
    let order: String = puts.iter().map(kind).collect();
    assert_eq!(order, "LddddddmiML");
}

#[test]
fn changes_without_a_fitting_parent_are_refused() {
    let Setup { repo, mut disk, .. } = setup();
    let refused = |parent: Option<u64>, size: u64, target: &str, disk: &mut TestDisk| {
        disk.size = size;
        let new = NewPoint {
            id: point(50),
            item: String::new(),
            taken_at: jiff::Timestamp::UNIX_EPOCH,
            parent: parent.map(point),
        };
        let mut writer = repo.begin_point(new)?;
        let spec = DiskSpec {
            target: target.to_owned(),
            serial: String::new(),
            size,
            changed: Some(vec![Extent::new(0, 4_096)]),
        };
        let written = writer.write_disk(&spec, disk, &repo::NoProgress);
        written.map(drop)
    };
    let none = refused(None, 20 * GIB, "vda", &mut disk);
    assert!(matches!(none, Err(RepoError::NoParentDisk { .. })), "{none:?}");
    let other = refused(Some(1), 20 * GIB, "vdb", &mut disk);
    assert!(matches!(other, Err(RepoError::NoParentDisk { .. })), "{other:?}");
    let grown = refused(Some(1), 21 * GIB, "vda", &mut disk);
    assert!(matches!(grown, Err(RepoError::ParentDiskDiffers { .. })), "{grown:?}");
    let gone = refused(Some(7), 20 * GIB, "vda", &mut disk);
    assert!(matches!(gone, Err(RepoError::PointNotFound { .. })), "{gone:?}");
    assert_eq!(repo.sessions().expect("sessions"), [], "refused writers end their sessions");
}

#[test]
fn a_cancelled_backup_leaves_nothing_visible() {
    let Setup { store, repo, mut disk } = setup();
    let new = NewPoint {
        id: point(2),
        item: String::new(),
        taken_at: jiff::Timestamp::UNIX_EPOCH,
        parent: None,
    };
    let progress = CancelAfter { limit: 60, ..CancelAfter::default() };
    disk.write(10 * MIB, &noise(77, 90 * MIB as usize));
    let spec = DiskSpec {
        target: "vda".to_owned(),
        serial: String::new(),
        size: disk.size,
        changed: None,
    };
    let mut writer = repo.begin_point(new).expect("a session");
    let cancelled = writer.write_disk(&spec, &mut disk, &progress);
    assert!(matches!(cancelled, Err(RepoError::Cancelled)), "{cancelled:?}");
    assert!(matches!(writer.commit(b""), Err(RepoError::SessionOver { .. })));
    let seen = progress.last.lock().expect("no panic").expect("a report");
    assert!(seen.read > 0 && seen.scanned >= seen.read && seen.total == disk.size, "{seen:?}");
    assert_eq!(repo.points().expect("points").len(), 1);
    assert_eq!(repo.sessions().expect("sessions"), []);
    assert!(restored(&repo, 2, "vda").is_err());
    assert!(!names(store.as_ref(), "packs/").is_empty());
}

/// A source that misbehaves.
struct Liar(u64);

impl repo::Source for Liar {
    fn size(&self) -> u64 {
        MIB
    }

    fn read(&mut self, _: &[Extent], sink: &mut dyn repo::Sink) -> Result<(), repo::SourceError> {
        match self.0 {
            0 => sink.take(MIB - 10, &[1; 20])?,
            1 => {
                sink.take(8_192, &[1; 4_096])?;
                sink.take(4_096, &[1; 4_096])?;
            }
            2 => sink.take(u64::MAX - 3, &[1; 4])?,
            3 => sink.take(5 * MIB, &[1; 4])?,
            _ => return Err(repo::SourceError::failed("the disk vanished")),
        }
        Ok(())
    }
}

#[test]
fn a_source_that_lies_or_fails_is_told_from_a_store_that_does() {
    let world = World::new(Arc::new(Memory::new()), 10);
    let repo = world.init();
    let numbers = AtomicU64::new(1);
    for lie in 0..5 {
        let number = numbers.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let new = NewPoint {
            id: point(number),
            item: String::new(),
            taken_at: jiff::Timestamp::UNIX_EPOCH,
            parent: None,
        };
        let spec =
            DiskSpec { target: "vda".to_owned(), serial: String::new(), size: MIB, changed: None };
        let mut writer = repo.begin_point(new).expect("a session");
        let failed = writer.write_disk(&spec, &mut Liar(lie), &repo::NoProgress);
        assert!(matches!(failed, Err(RepoError::Source { .. })), "{lie}: {failed:?}");
    }
    assert_eq!(repo.points().expect("points"), []);
}
