//! A small world for tests: a seeded environment, disks in memory, and what a user does with them.

#![allow(dead_code)]

pub mod deeds;
pub mod disk;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use model::clock::Clock;
use model::point::PointId;
use model::seed::Seed;
use model::units::{BLOCK, Extent};
use repo::objects::ObjectStore;
use repo::{
    DiskSpec, Environment, Kek, NewPoint, NoProgress, PointStats, RepoError, Repository, Sink,
    Source, SourceError,
};
use uuid::Uuid;

pub const VAULT: Uuid = Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0);

/// Random numbers that are the same in every run, and different between worlds.
#[derive(Debug)]
pub struct TestSeed {
    world: u64,
    drawn: AtomicU64,
}

impl Seed for TestSeed {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.drawn.fetch_add(1, Ordering::SeqCst);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.world.to_le_bytes()).update(&number.to_le_bytes());
        hasher.finalize_xof().fill(bytes);
    }
}

/// A clock that goes when it is told to.
#[derive(Debug, Default)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let seconds = 1_800_000_000 + self.0.load(Ordering::SeqCst);
        Timestamp::from_second(seconds).expect("a time")
    }
}

/// Whether the long campaigns were asked for: every place and every call instead of some.
pub fn long() -> bool {
    std::env::var_os("HOLDFAST_LONG").is_some_and(|value| value == "1")
}

/// One process's view of the world. Another world with the same store and key is another process.
pub struct World {
    pub store: Arc<dyn ObjectStore>,
    pub clock: Arc<TestClock>,
    pub environment: Environment,
}

pub fn kek() -> Kek {
    Kek::new([7; 32])
}

pub fn point(number: u64) -> PointId {
    PointId::new(number).expect("not zero")
}

impl World {
    pub fn new(store: Arc<dyn ObjectStore>, world: u64) -> Self {
        let clock = Arc::new(TestClock::default());
        let environment = Environment {
            seed: Arc::new(TestSeed { world, drawn: AtomicU64::new(0) }),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            actor: format!("test world {world}"),
            caches: None,
        };
        Self { store, clock, environment }
    }

    pub fn init(&self) -> Repository {
        Repository::init(Arc::clone(&self.store), VAULT, &kek(), self.environment.clone())
            .expect("an empty store")
    }

    pub fn open(&self) -> Result<Repository, RepoError> {
        Repository::open(Arc::clone(&self.store), &kek(), self.environment.clone())
    }
}

/// A random number from a seed: a counter through a hash.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"noise").update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// A disk in memory that keeps count of what is read. Blocks that are not there are zero.
#[derive(Debug, Clone, Default)]
pub struct TestDisk {
    pub size: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
    pub read: u64,
    pub calls: u64,
    /// The size of the pieces that data is handed over in.
    pub piece: usize,
}

impl TestDisk {
    pub fn new(size: u64) -> Self {
        Self { size, piece: 1 << 20, ..Self::default() }
    }

    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        assert!(offset + bytes.len() as u64 <= self.size, "inside the disk");
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let block = self.blocks.entry(at / BLOCK).or_insert_with(|| vec![0; BLOCK as usize]);
            let inside = (at % BLOCK) as usize;
            let length = rest.len().min(BLOCK as usize - inside);
            block[inside..inside + length].copy_from_slice(&rest[..length]);
            at += length as u64;
            rest = &rest[length..];
        }
    }

    pub fn bytes(&self, extent: Extent) -> Vec<u8> {
        let mut bytes = vec![0; extent.length as usize];
        let last = extent.end().div_ceil(BLOCK);
        for (number, block) in self.blocks.range(extent.start / BLOCK..last) {
            let start = number * BLOCK;
            let block = Extent::new(start, block.len() as u64).intersection(&extent).map(|part| {
                let from = (part.start - start) as usize;
                (part, &block[from..from + part.length as usize])
            });
            if let Some((part, block)) = block {
                let at = (part.start - extent.start) as usize;
                bytes[at..at + block.len()].copy_from_slice(block);
            }
        }
        bytes
    }

    pub fn all(&self) -> Vec<u8> {
        self.bytes(Extent::new(0, self.size))
    }
}

impl Source for TestDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&mut self, ranges: &[Extent], sink: &mut dyn Sink) -> Result<(), SourceError> {
        self.calls += 1;
        let mut last = 0;
        for range in ranges {
            assert!(range.start >= last && range.end() <= self.size, "{ranges:?}");
            last = range.end();
            let mut at = range.start;
            while at < range.end() {
                // Holes are left out, as a real source would.
                let next = self.blocks.range(at / BLOCK..).next().map(|(number, _)| number * BLOCK);
                match next {
                    Some(next) if next < range.end() => at = at.max(next),
                    _ => break,
                }
                let run = self.run(at / BLOCK);
                let end = (run * BLOCK).min(range.end()).min(at + self.piece as u64);
                let piece = self.bytes(Extent::new(at, end - at));
                // Into the sink's own memory for some, as a file's; the others as a network's.
                let room =
                    if (at / BLOCK).is_multiple_of(2) { sink.room(at, piece.len())? } else { None };
                if let Some(room) = room {
                    room.copy_from_slice(&piece[..room.len()]);
                    at += room.len() as u64;
                    self.read += room.len() as u64;
                    sink.filled()?;
                } else {
                    self.read += piece.len() as u64;
                    sink.take(at, &piece)?;
                    at = end;
                }
            }
        }
        Ok(())
    }
}

impl TestDisk {
    /// The first block from `block` on that is not there, but not too far.
    fn run(&self, block: u64) -> u64 {
        let present = self.blocks.range(block..).zip(block..);
        let together = present.take_while(|((number, _), expected)| *number == expected);
        block + together.take(512).count() as u64
    }
}

/// Backs disks up as one point.
pub fn backup(
    repo: &Repository,
    number: u64,
    parent: Option<u64>,
    disks: &mut [(&str, &mut TestDisk, Option<Vec<Extent>>)],
) -> Result<PointStats, RepoError> {
    let mut writer = repo.begin_point(NewPoint {
        id: point(number),
        item: format!("item of {number}"),
        taken_at: Timestamp::from_second(1_700_000_000 + number as i64).expect("a time"),
        parent: parent.map(point),
    })?;
    for (target, disk, changed) in disks {
        let spec = DiskSpec {
            target: (*target).to_owned(),
            serial: format!("serial of {target}"),
            size: disk.size,
            changed: changed.clone(),
        };
        writer.write_disk(&spec, *disk, &NoProgress)?;
    }
    writer.commit(b"engine bytes")
}

/// Backs one disk up in full.
pub fn full(repo: &Repository, number: u64, disk: &mut TestDisk) -> Result<PointStats, RepoError> {
    backup(repo, number, None, &mut [("vda", disk, None)])
}

/// Backs one disk up by what changed.
pub fn changes(
    repo: &Repository,
    number: u64,
    parent: u64,
    disk: &mut TestDisk,
    changed: &[Extent],
) -> Result<PointStats, RepoError> {
    backup(repo, number, Some(parent), &mut [("vda", disk, Some(changed.to_vec()))])
}

/// Restores a disk and gives its bytes.
pub fn restored(repo: &Repository, number: u64, target: &str) -> Result<Vec<u8>, RepoError> {
    let file = tempfile::tempfile().expect("a temporary file");
    repo.restore_disk(point(number), target, &file, &NoProgress)?;
    Ok(contents(&file))
}

pub fn contents(file: &File) -> Vec<u8> {
    let size = file.metadata().expect("an open file").len();
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes, 0).expect("a readable file");
    bytes
}

#[track_caller]
pub fn assert_restores(repo: &Repository, number: u64, disk: &TestDisk) {
    let bytes = restored(repo, number, "vda").unwrap_or_else(|error| panic!("{number}: {error}"));
    let expected = disk.all();
    assert_eq!(bytes.len(), expected.len());
    let differs = bytes.iter().zip(&expected).position(|(a, b)| a != b);
    assert_eq!(differs, None, "point {number} restores to other bytes");
}

/// Names of all objects.
pub fn names(store: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    let listed = store.list(prefix).expect("a store that works");
    listed.into_iter().map(|object| object.name).collect()
}

/// A progress that cancels after so many reports, and keeps the last.
#[derive(Debug, Default)]
pub struct CancelAfter {
    pub reports: AtomicU64,
    pub limit: u64,
    pub last: Mutex<Option<repo::Transfer>>,
}

impl repo::Progress for CancelAfter {
    fn report(&self, transfer: repo::Transfer) -> repo::Flow {
        *self.last.lock().expect("no panic") = Some(transfer);
        let number = self.reports.fetch_add(1, Ordering::SeqCst) + 1;
        if number > self.limit { repo::Flow::Cancel } else { repo::Flow::Continue }
    }
}

/// The vault's keys, from its one key slot.
pub fn vault_keys(store: &dyn ObjectStore) -> format::seal::VaultKeys {
    let name = names(store, format::names::KEYS).pop().expect("a key slot");
    let slot = format::keyslot::Slot::decode(&store.get(&name).expect("it is listed"));
    let slot = slot.unwrap_or_else(|error| panic!("{error}"));
    let master = slot.open(&kek()).unwrap_or_else(|error| panic!("{error}"));
    format::seal::VaultKeys::new(*VAULT.as_bytes(), &master)
}
