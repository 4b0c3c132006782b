//! Repositories of any number of chunks that nobody ever stored: real log, real index objects or
//! packs, made up ids.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use format::compress::{Codec, Compressor};
use format::index::IndexedPack;
use format::keyslot::Slot;
use format::log::{CommittedPoint, Entry, Event};
use format::manifest::Counts;
use format::pack::{PackBuilder, Segment, Table};
use format::seal::{ChunkKind, VaultKeys};
use format::{ChunkId, IndexId, ManifestId, PackId, SessionId, index, log, names};
use jiff::Timestamp;
use model::clock::Clock;
use model::point::PointId;
use model::seed::Seed;
use repo::objects::{LocalDir, Memory, ObjectInfo, ObjectStore, StoreError};
use repo::{Environment, Kek, Repository};
use uuid::Uuid;

/// Chunks of a pack and of a segment: 8 MiB and 256 KiB at 44 KiB a chunk.
const PACK: u64 = 190;
const SEGMENT: u64 = 6;
/// Chunks of an index object: it is written at 8 MiB.
const INDEX: u64 = 200_000;
const CHUNK: u32 = 44 << 10;
const SESSION: SessionId = SessionId(*b"sessions");
const VAULT: Uuid = Uuid::from_u128(0x5eed);

/// Good for nothing but numbers that differ.
pub struct Numbers(AtomicU64);

impl Seed for Numbers {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            let number = mix(self.0.fetch_add(1, Ordering::Relaxed));
            part.copy_from_slice(&number.to_le_bytes()[..part.len()]);
        }
    }
}

impl Clock for Numbers {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

const fn mix(number: u64) -> u64 {
    let mut value = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The id of the chunk with this number.
pub fn chunk(number: u64) -> ChunkId {
    let mut id = [0; 32];
    for (at, part) in (0..).zip(id.chunks_exact_mut(8)) {
        part.copy_from_slice(&mix(number * 4 + at).to_le_bytes());
    }
    ChunkId(id)
}

fn environment(salt: u64, caches: Option<&Path>) -> Environment {
    let numbers = Arc::new(Numbers(AtomicU64::new(salt << 32)));
    Environment {
        seed: Arc::clone(&numbers) as Arc<dyn Seed>,
        clock: numbers,
        actor: "index-bench".to_owned(),
        caches: caches.map(Path::to_owned),
    }
}

fn kek() -> Kek {
    Kek::new([7; 32])
}

/// Makes an empty repository with a point that names `indexes`; the vault's keys.
fn commit(store: &Arc<dyn ObjectStore>, indexes: Vec<IndexId>) -> Result<VaultKeys> {
    Repository::init(Arc::clone(store), VAULT, &kek(), environment(1, None))?;
    let slot = store.list(names::KEYS)?.pop().context("a repository has a key slot")?;
    let master = Slot::decode(&store.get(&slot.name)?)?.open(&kek())?;
    let keys = VaultKeys::new(*VAULT.as_bytes(), &master);
    let point = CommittedPoint {
        id: PointId::new(1).context("1 is a point")?,
        item: "made up".to_owned(),
        parent: None,
        taken_at: Timestamp::UNIX_EPOCH,
        counts: Counts { logical: 0, read: 0, new: 0, stored: 0 },
        manifest: ManifestId::new(SESSION, [0; 8]),
        manifest_hash: [0; 32],
    };
    let mut previous = [0; 32];
    let open = Event::Open { session: SESSION, actor: "index-bench".to_owned() };
    for (number, event) in (1..).zip([open, Event::Commit { session: SESSION, point, indexes }]) {
        let entry = Entry { previous, at: Timestamp::UNIX_EPOCH, event };
        let bytes = log::encode(&keys, [number as u8; 16], number, &entry)?;
        previous = *bytes.last_chunk().context("an entry has a trailer")?;
        store.put(&names::log_entry(number), &bytes)?;
    }
    Ok(keys)
}

/// A store whose index objects are made up when they are read.
pub struct Generated {
    inner: Arc<dyn ObjectStore>,
    keys: VaultKeys,
    chunks: u64,
}

impl Generated {
    /// A repository of so many chunks.
    pub fn new(chunks: u64) -> Result<Self> {
        let inner: Arc<dyn ObjectStore> = Arc::new(Memory::new());
        let keys = commit(&inner, (0..chunks.div_ceil(INDEX)).map(index_id).collect())?;
        Ok(Self { inner, keys, chunks })
    }

    /// Opens the repository, whose index is cached in `caches`.
    pub fn open(self: &Arc<Self>, salt: u64, caches: &Path) -> Result<Repository> {
        let store = Arc::clone(self) as Arc<dyn ObjectStore>;
        Ok(Repository::open(store, &kek(), environment(salt, Some(caches)))?)
    }

    /// Makes up every index object, as opening without a cache does; their bytes.
    pub fn read_all(&self) -> Result<u64> {
        let indexes = (0..self.chunks.div_ceil(INDEX)).map(index_id);
        let bytes = indexes.map(|index| Ok(self.get(&names::index(&index))?.len() as u64));
        bytes.sum()
    }

    fn index(&self, id: IndexId) -> Vec<u8> {
        let start = u64::from_le_bytes(id.random()) * INDEX;
        let end = (start + INDEX).min(self.chunks);
        let packs = (start..end).step_by(PACK as usize).map(|first| {
            let last = (first + PACK).min(end);
            let segment = |first: u64| {
                let ids = first..(first + SEGMENT).min(last);
                let chunks: Vec<_> = ids.map(|number| (chunk(number), CHUNK / 2)).collect();
                let plain = CHUNK / 2 * chunks.len() as u32;
                Segment { stored: plain / 2, plain, codec: Codec::Zstd, chunks }
            };
            let segments = (first..last).step_by(SEGMENT as usize).map(segment).collect();
            let id = PackId::new(SESSION, first.to_le_bytes());
            IndexedPack { id, kind: ChunkKind::Data, size: 8 << 20, table: Table { segments } }
        });
        let packs: Vec<_> = packs.collect();
        index::encode(&self.keys, id, &packs)
    }
}

fn index_id(number: u64) -> IndexId {
    IndexId::new(SESSION, number.to_le_bytes())
}

impl ObjectStore for Generated {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.put(name, bytes)
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        match names::parse_owned(names::INDEXES, name) {
            Some(id) => Ok(self.index(id)),
            None => self.inner.get(name),
        }
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        self.inner.get_range(name, offset, length)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.inner.list(prefix)
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        self.inner.size(name)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.inner.delete(name)
    }
}

/// Writes a repository of packs into `directory`, whose one index object is lost. Its chunks are
/// small, its packs are whole. Nothing is synced, which is no matter for reading.
pub fn packs_without_index(directory: &Path, chunks: u64) -> Result<()> {
    let store: Arc<dyn ObjectStore> = Arc::new(LocalDir::open(directory)?);
    let keys = commit(&store, vec![index_id(0)])?;
    let mut compressor = Compressor::new();
    for first in (0..chunks).step_by(PACK as usize) {
        let id = PackId::new(SESSION, first.to_le_bytes());
        let last = (first + PACK).min(chunks);
        let mut pack = PackBuilder::new(&keys, ChunkKind::Data, id, Vec::new());
        for first in (first..last).step_by(SEGMENT as usize) {
            let ids = first..(first + SEGMENT).min(last);
            let chunks: Vec<_> = ids.map(|number| (chunk(number), 16)).collect();
            pack.push(&vec![0; 16 * chunks.len()], &chunks, &mut compressor);
        }
        let path = directory.join(names::pack(&id));
        std::fs::create_dir_all(path.parent().context("packs have a directory")?)?;
        std::fs::write(path, pack.finish().0)?;
    }
    Ok(())
}

/// Opens the repository of [`packs_without_index`].
pub fn open_packs(directory: &Path, caches: &Path) -> Result<Repository> {
    let store = Arc::new(LocalDir::open(directory)?);
    Ok(Repository::open(store, &kek(), environment(9, Some(caches)))?)
}
