//! What goes in comes out: any layout of a disk, and any chain of changes.

mod support;

use std::sync::Arc;

use model::units::{BLOCK, Extent, KIB, MIB};
use proptest::prelude::*;
use repo::CollectOptions;
use repo::objects::Memory;
use support::{TestDisk, World, assert_restores, changes, full, noise, point};

/// A piece of content: where (in units of 512 bytes), how long, and what kind.
#[derive(Debug, Clone)]
struct Piece {
    start: u64,
    length: u64,
    kind: u8,
    seed: u64,
}

fn any_piece(disk: u64) -> impl Strategy<Value = Piece> {
    let length = prop_oneof![1_u64..40, 1_u64..400, 400_u64..2_000];
    (0..disk / 512, length, 0_u8..4, 0_u64..6).prop_map(|(start, length, kind, seed)| Piece {
        start,
        length,
        kind,
        seed,
    })
}

/// Writes a piece where it fits; the extent that changed.
fn apply(disk: &mut TestDisk, piece: &Piece) -> Option<Extent> {
    let whole = Extent::new(piece.start * 512, piece.length * 512);
    let extent = whole.intersection(&Extent::new(0, disk.size))?;
    let length = extent.length as usize;
    let bytes = match piece.kind {
        0 => vec![0; length],
        1 => vec![piece.seed as u8; length],
        2 => noise(piece.seed, length),
        // The same content wherever it lies, at any alignment.
        _ => noise(99, length),
    };
    disk.write(extent.start, &bytes);
    Some(extent)
}

fn any_size() -> impl Strategy<Value = u64> {
    prop_oneof![
        1_u64..BLOCK * 3,
        (1_u64..600).prop_map(|blocks| blocks * BLOCK),
        1_u64..6 * MIB,
        Just(64 * MIB + 17)
    ]
}

fn collect(world: &World, repo: &repo::Repository) {
    let options = CollectOptions { grace: std::time::Duration::from_secs(10), dry_run: false };
    repo.collect(&options).expect("a sound repository");
    world.clock.advance(11);
    repo.collect(&options).expect("a sound repository");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_layout_round_trips(
        size in any_size(),
        pieces in any::<u64>().prop_flat_map(|_| prop::collection::vec(any_piece(8 * MIB), 0..12)),
        piece in prop_oneof![Just(512_usize), Just(4096), Just(10_000), Just(1 << 20)],
    ) {
        let world = World::new(Arc::new(Memory::new()), 1);
        let repo = world.init();
        let mut disk = TestDisk::new(size);
        disk.piece = piece;
        for piece in &pieces {
            apply(&mut disk, piece);
        }
        full(&repo, 1, &mut disk).expect("a backup");
        assert_restores(&repo, 1, &disk);
        let image = repo.open_disk(point(1), "vda").expect("an image");
        let middle = Extent::new(size / 3, (size / 2).min(3 * MIB));
        let mut bytes = vec![1; middle.length as usize];
        image.read_at(middle.start, &mut bytes).expect("inside the disk");
        prop_assert!(bytes == disk.bytes(middle));
        prop_assert!(image.read_at(size, &mut [0]).is_err());
    }

    #[test]
    fn a_chain_of_changes_equals_full_reads_and_outlives_its_parents(
        size in any_size(),
        days in prop::collection::vec(prop::collection::vec(any_piece(8 * MIB), 0..5), 1..5),
        slack in 0_u64..3,
    ) {
        let world = World::new(Arc::new(Memory::new()), 2);
        let repo = world.init();
        let mut disk = TestDisk::new(size);
        let mut history = Vec::new();
        for (number, pieces) in (1..).zip(&days) {
            let mut changed = Vec::new();
            for piece in pieces {
                changed.extend(apply(&mut disk, piece).map(|extent| {
                    // A bitmap says too much, never too little.
                    let start = extent.start.saturating_sub(slack * 5_000);
                    Extent::new(start, extent.length + slack * 9_000)
                }));
            }
            if number == 1 {
                full(&repo, number, &mut disk).expect("a full backup");
            } else {
                changes(&repo, number, number - 1, &mut disk, &changed).expect("an incremental");
            }
            history.push((number, disk.clone()));
        }
        for (number, then) in &history {
            assert_restores(&repo, *number, then);
        }
        // A full read says the same, and finds nearly everything stored already.
        full(&repo, 100, &mut disk).expect("a full backup");
        assert_restores(&repo, 100, &disk);
        let manifest = repo.manifest(point(days.len() as u64)).expect("a manifest");
        let (walked, data) = walk(&repo, days.len() as u64, size);
        prop_assert_eq!(manifest.disks[0].data_bytes, data, "the count of data is right");
        prop_assert!(walked == disk.all());
        // Every point stands alone: the oldest go first, then all but one in the middle.
        for (number, _) in &history {
            repo.forget(point(*number)).expect("it exists");
            collect(&world, &repo);
            for (later, then) in history.iter().filter(|(later, _)| later > number) {
                assert_restores(&repo, *later, then);
            }
        }
        assert_restores(&repo, 100, &disk);
        let fresh = world.open().expect("a repository");
        assert_restores(&fresh, 100, &disk);
        let report = fresh.verify(
            &repo::VerifyOptions { read_data: Some(100), record: false },
            &repo::NoProgress,
        ).expect("a verification");
        prop_assert_eq!(report.damaged, vec![]);
    }
}

/// The disk's content by random access, and how many bytes of it chunks hold.
fn walk(repo: &repo::Repository, number: u64, size: u64) -> (Vec<u8>, u64) {
    let image = repo.open_disk(point(number), "vda").expect("an image");
    let mut bytes = vec![0; size as usize];
    for (place, piece) in bytes.chunks_mut(300_000).enumerate() {
        image.read_at(place as u64 * 300_000, piece).expect("inside the disk");
    }
    let file = tempfile::tempfile().expect("a file");
    let stats =
        repo.restore_disk(point(number), "vda", &file, &repo::NoProgress).expect("a restore");
    // The last block's padding is data to the map, but not to the file.
    let padding = if stats.written_bytes.is_multiple_of(BLOCK) { 0 } else { BLOCK - size % BLOCK };
    (bytes, stats.written_bytes + padding)
}

#[test]
fn many_small_changes_in_a_dense_disk_over_many_days() {
    let world = World::new(Arc::new(Memory::new()), 6);
    let repo = world.init();
    let mut disk = TestDisk::new(70 * MIB);
    disk.write(0, &noise(1, 24 * MIB as usize));
    disk.write(60 * MIB, &noise(2, 9 * MIB as usize));
    full(&repo, 1, &mut disk).expect("a full backup");
    for day in 2..8 {
        let mut changed = Vec::new();
        for number in 0..40 {
            let place = noise(day * 100 + number, 8);
            let place = u64::from_le_bytes(place.try_into().expect("eight bytes")) % (68 * MIB);
            let length = 512 << (number % 8);
            disk.write(place, &noise(day * 100 + number, length));
            changed.push(Extent::new(place, length as u64));
        }
        changed.sort_unstable();
        changes(&repo, day, day - 1, &mut disk, &changed).expect("an incremental");
        assert_restores(&repo, day, &disk);
    }
}

#[test]
fn an_empty_disk_and_a_disk_of_zeros_round_trip() {
    let world = World::new(Arc::new(Memory::new()), 3);
    let repo = world.init();
    for (number, size) in [(1, 0), (2, 1), (3, 5 * MIB + 3)] {
        let mut disk = TestDisk::new(size);
        let stats = full(&repo, number, &mut disk).expect("a backup");
        assert_eq!((stats.logical_bytes, stats.read_bytes, stats.new_bytes), (size, 0, 0));
        assert_restores(&repo, number, &disk);
    }
}

#[test]
fn data_that_became_zero_is_no_longer_stored() {
    let world = World::new(Arc::new(Memory::new()), 4);
    let repo = world.init();
    let mut disk = TestDisk::new(4 * MIB);
    disk.write(MIB, &noise(1, MIB as usize));
    full(&repo, 1, &mut disk).expect("a full backup");
    let gone = Extent::new(MIB, MIB);
    disk.write(gone.start, &vec![0; MIB as usize]);
    changes(&repo, 2, 1, &mut disk, &[gone]).expect("an incremental");
    let manifest = repo.manifest(point(2)).expect("a manifest");
    assert_eq!(manifest.disks[0].data_bytes, 0);
    assert_restores(&repo, 2, &disk);
}

#[test]
fn points_tell_what_they_took() {
    let world = World::new(Arc::new(Memory::new()), 5);
    let repo = world.init();
    let mut disk = TestDisk::new(8 * MIB);
    disk.write(0, &noise(1, 3 * MIB as usize));
    let first = full(&repo, 1, &mut disk).expect("a full backup");
    assert_eq!(
        (first.logical_bytes, first.read_bytes, first.new_bytes),
        (8 * MIB, 3 * MIB, 3 * MIB)
    );
    let again = full(&repo, 2, &mut disk).expect("a full backup");
    assert_eq!((again.read_bytes, again.new_bytes), (3 * MIB, 0));
    assert!(again.stored_bytes < 2 * KIB, "{} bytes for no change", again.stored_bytes);
    let told: Vec<_> = repo.points().expect("points").iter().map(|point| point.stats).collect();
    assert_eq!(told, [first, again]);
    let manifest = repo.manifest(point(2)).expect("a manifest");
    assert_eq!(
        (manifest.engine, manifest.info.item),
        (b"engine bytes".to_vec(), "item of 2".into())
    );
    assert_eq!(manifest.disks[0].serial, "serial of vda");
    let stats = repo.stats().expect("stats");
    assert_eq!((stats.points, stats.unique_bytes, stats.open_sessions), (2, 3 * MIB, 0));
    let size = repo.size().expect("size");
    assert_eq!(
        (size.points, size.logical_bytes, size.stored_bytes),
        (stats.points, stats.logical_bytes, stats.stored_bytes)
    );
}
