use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use format::SessionId;
use format::pack::{Segment, Table};
use format::seal::{MasterKey, VaultKeys};
use model::seed::Seed;

use super::*;

/// Limits so small that a few hundred chunks make many runs.
const SMALL: Limits = Limits { delta: 150, partition: 64, runs: 4, unsaved: 3 };

struct TestSeed(AtomicU64);

impl Seed for TestSeed {
    fn fill(&self, bytes: &mut [u8]) {
        let mut random = Random(self.0.fetch_add(1, Ordering::Relaxed) + 77);
        bytes.iter_mut().for_each(|byte| *byte = random.next() as u8);
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn id(&mut self) -> ChunkId {
        let mut id = [0; 32];
        id.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&self.next().to_le_bytes()));
        ChunkId(id)
    }
}

fn scratch(directory: Option<PathBuf>, vault: u8) -> Arc<Scratch> {
    let keys = VaultKeys::new([vault; 16], &MasterKey::new([vault; 32]));
    let seed = Arc::new(TestSeed(AtomicU64::new(u64::from(std::process::id()) << 20)));
    Arc::new(Scratch::new(directory, keys.cache_key(), keys.vault(), seed))
}

fn open(directory: &Path) -> ChunkIndex {
    let mut index = ChunkIndex::open(scratch(Some(directory.to_owned()), 1));
    index.limits = SMALL;
    index
}

/// The index as a list of everything that was put into it.
#[derive(Default, Clone)]
struct Model {
    packs: Vec<(IndexId, IndexedPack, Standing)>,
    ids: Vec<ChunkId>,
}

impl Model {
    fn pack(&mut self, random: &mut Random) -> IndexedPack {
        let kind = if random.below(4) == 0 { ChunkKind::Map } else { ChunkKind::Data };
        let mut segments = Vec::new();
        for _ in 0..random.below(6) {
            let mut chunks = Vec::new();
            for _ in 0..random.below(8) {
                let again = random.below(10) == 0 && !self.ids.is_empty();
                let id = if again { self.ids[random.below(self.ids.len())] } else { random.id() };
                self.ids.push(id);
                chunks.push((id, 1 + random.below(4096) as u32));
            }
            let plain = chunks.iter().map(|(_, size)| *size).sum::<u32>();
            let codec = if random.below(2) == 0 { Codec::Zstd } else { Codec::Plain };
            segments.push(Segment { stored: plain + 16, plain, codec, chunks });
        }
        let id = PackId::new(SessionId(random.next().to_le_bytes()), [7; 8]);
        IndexedPack { id, kind, size: 1 << 20, table: Table { segments } }
    }

    /// Takes in a new index object with `count` packs, in both.
    fn grow(&mut self, index: &mut ChunkIndex, random: &mut Random, count: usize) {
        let packs: Vec<_> = (0..count).map(|_| self.pack(random)).collect();
        let id = IndexId::new(SessionId(random.next().to_le_bytes()), [9; 8]);
        index.insert_index(id, &packs);
        self.packs.extend(packs.into_iter().map(|pack| (id, pack, Standing::Live)));
    }

    /// Replaces an index object by one without some of its packs, in both.
    fn retire(&mut self, index: &mut ChunkIndex, random: &mut Random) {
        let Some(old) = self.packs.get(random.below(self.packs.len().max(1))).map(|pack| pack.0)
        else {
            return;
        };
        self.packs.retain(|(named_by, ..)| *named_by != old || random.below(2) == 0);
        let new = IndexId::new(SessionId(random.next().to_le_bytes()), [9; 8]);
        let mut kept = Vec::new();
        for pack in self.packs.iter_mut().filter(|pack| pack.0 == old) {
            (pack.0, pack.2) = (new, Standing::Live);
            kept.push(pack.1.clone());
        }
        index.expect_to_leave(&[old]);
        index.insert_index(new, &kept);
        index.let_go();
    }

    fn locate(&self, kind: ChunkKind, id: &ChunkId) -> Vec<(Standing, Located)> {
        let mut found = Vec::new();
        for (_, pack, standing) in self.packs.iter().filter(|(_, pack, _)| pack.kind == kind) {
            for (segment, known) in LocatedSegment::all_of(pack).iter().zip(&pack.table.segments) {
                let mut offset = 0;
                for (other, size) in &known.chunks {
                    if other == id {
                        let located = Located { segment: *segment, offset, size: *size };
                        found.push((*standing, located));
                    }
                    offset += size;
                }
            }
        }
        found.sort_by_key(|(standing, _)| *standing);
        found
    }

    /// Compares every answer of the index with what was put in; `false` if its cache failed.
    fn agrees(&self, index: &ChunkIndex, random: &mut Random) -> bool {
        let mut checks = self.ids.clone();
        checks.extend((0..200).map(|_| random.id()));
        for id in &checks {
            for kind in [ChunkKind::Data, ChunkKind::Map] {
                let expected = self.locate(kind, id);
                let (found, live) = match (index.locate(kind, id), index.live(kind, id)) {
                    (Ok(found), Ok(live)) => (found, live),
                    (Err(RepoError::IndexCache { .. }), _) => return false,
                    (found, live) => panic!("{found:?} {live:?}"),
                };
                let first = expected.first().filter(|(standing, _)| *standing == Standing::Live);
                assert_eq!(live, first.map(|(_, located)| located.segment.pack));
                let expected: Vec<_> = expected.into_iter().map(|(_, located)| located).collect();
                assert_eq!(found, expected);
            }
        }
        let mut count = 0;
        if index.chunks(&mut |_, _| count += 1).is_err() {
            return false;
        }
        let live: BTreeSet<_> = self
            .packs
            .iter()
            .flat_map(|(_, pack, _)| &pack.table.segments)
            .flat_map(|segment| segment.chunks.iter().map(|(id, _)| *id))
            .collect();
        assert_eq!(count, live.len());
        let known: Vec<_> = index.packs().map(|pack| (pack.id, pack.standing)).collect();
        let expected: Vec<_> = self.packs.iter().map(|(_, pack, at)| (pack.id, *at)).collect();
        assert_eq!(known, expected);
        for (named_by, pack, _) in &self.packs {
            assert_eq!(index.named_by(&pack.id), Some(*named_by));
        }
        true
    }
}

#[test]
fn the_index_answers_as_a_list_of_all_chunks_does() {
    for seed in 0..12 {
        let directory = tempfile::tempdir().unwrap();
        let (mut random, mut model) = (Random(seed), Model::default());
        let mut index = open(directory.path());
        for step in 0..60 {
            match random.below(10) {
                0 => {
                    let number = random.below(model.packs.len().max(1));
                    if let Some((_, pack, standing)) = model.packs.get_mut(number) {
                        *standing = (*standing).max(Standing::Condemned);
                        index.set_standing(&pack.id, Standing::Condemned);
                    }
                }
                1 if !index.cannot_let_go() => model.retire(&mut index, &mut random),
                2 | 3 => index.settle(),
                _ => {
                    let count = random.below(4);
                    model.grow(&mut index, &mut random, count);
                }
            }
            if step % 6 == 0 {
                assert!(model.agrees(&index, &mut random), "seed {seed}, step {step}");
            }
        }
        assert!(!index.runs.is_empty(), "the limits were too large to test anything");
        assert!(model.agrees(&index, &mut random), "seed {seed}");
    }
}

#[test]
fn however_runs_come_few_stay() {
    let (mut random, mut model) = (Random(21), Model::default());
    let mut index = ChunkIndex::new(scratch(None, 1));
    index.limits = Limits { runs: 64, ..SMALL };
    for step in 0..14 {
        // The last run of each step is a small one.
        model.grow(&mut index, &mut random, 40);
        index.spill();
        index.settle();
        let sizes: Vec<_> = index.runs.iter().map(|run| run.entries).collect();
        assert!(sizes.len() <= 1 + sizes[0].ilog2() as usize, "step {step}: {sizes:?}");
        let newer = |at: usize| sizes[at + 1..].iter().sum::<u64>();
        assert!((0..sizes.len()).all(|at| sizes[at] >= newer(at)), "step {step}: {sizes:?}");
    }
    assert!(model.agrees(&index, &mut random));
}

/// An index with several saved runs, and what is in them.
fn saved(directory: &Path) -> (Model, BTreeSet<IndexId>) {
    let (mut random, mut model) = (Random(5), Model::default());
    let mut index = open(directory);
    while index.runs.len() < 2 {
        model.grow(&mut index, &mut random, 6);
        index.settle();
    }
    model.retire(&mut index, &mut random);
    index.spill();
    index.settle();
    assert!(model.agrees(&index, &mut random));
    (model, index.loaded.keys().copied().collect())
}

#[test]
fn a_saved_index_is_read_back_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (model, loaded) = saved(directory.path());
    let index = open(directory.path());
    assert_eq!(index.loaded.keys().copied().collect::<BTreeSet<_>>(), loaded);
    assert!(model.agrees(&index, &mut Random(1)));
    // And it goes on from there.
    let (mut index, mut model, mut random) = (index, model, Random(2));
    for _ in 0..10 {
        model.grow(&mut index, &mut random, 5);
        index.settle();
    }
    drop(index);
    let index = open(directory.path());
    let read: BTreeSet<_> = index.loaded.keys().copied().collect();
    model.packs.retain(|(named_by, ..)| read.contains(named_by));
    model.ids.truncate(400);
    assert!(read.len() > loaded.len());
    assert!(model.agrees(&index, &mut random));
    let modes = std::fs::read_dir(directory.path()).unwrap().map(|entry| {
        std::os::unix::fs::PermissionsExt::mode(&entry.unwrap().metadata().unwrap().permissions())
    });
    assert!(modes.into_iter().all(|mode| mode & 0o077 == 0));
}

#[test]
fn no_flipped_bit_and_no_cut_of_a_cache_changes_an_answer() {
    let directory = tempfile::tempdir().unwrap();
    let (model, _) = saved(directory.path());
    let mut tried = 0;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        // Every page in its entries, its frame and its proof; footers and the catalogue closely.
        let steps = if whole.len() > 8192 { 1021 } else { 97 };
        for at in (0..whole.len()).step_by(steps) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&path, &damaged).unwrap();
            tried += 1;
            check_damaged(directory.path(), &model);
        }
        for length in (0..whole.len()).step_by(whole.len() / 3 + 1) {
            std::fs::write(&path, &whole[..length]).unwrap();
            check_damaged(directory.path(), &model);
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(tried > 50, "{tried}");
    assert!(model.agrees(&open(directory.path()), &mut Random(3)));
}

fn check_damaged(directory: &Path, model: &Model) {
    let index = open(directory);
    // Taken for none at once, or found out by the look-up that needs it, or whole as far as
    // anybody looks.
    if !index.loaded.is_empty() {
        let _ = model.agrees(&index, &mut Random(4));
    }
}

#[test]
fn pages_that_change_places_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let (model, _) = saved(directory.path());
    let mut largest = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap());
    let path = largest.find(|entry| entry.metadata().unwrap().len() > 3 * 4096).unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    let (first, second) = bytes[..8192].split_at_mut(4096);
    first.swap_with_slice(second);
    std::fs::write(&path, &bytes).unwrap();
    assert!(!model.agrees(&open(directory.path()), &mut Random(4)));
}

#[test]
fn a_cache_of_another_vault_or_key_is_none() {
    let directory = tempfile::tempdir().unwrap();
    saved(directory.path());
    let foreign = ChunkIndex::open(scratch(Some(directory.path().to_owned()), 2));
    assert!(foreign.loaded.is_empty() && foreign.runs.is_empty());
}

#[test]
fn two_processes_share_a_cache_and_each_stays_right() {
    let directory = tempfile::tempdir().unwrap();
    let (model, _) = saved(directory.path());
    let mut ends: Vec<_> =
        (0..2).map(|end| (open(directory.path()), model.clone(), Random(100 + end))).collect();
    for _ in 0..8 {
        for (index, model, random) in &mut ends {
            model.grow(index, random, 4);
            index.settle();
            assert!(model.agrees(index, random));
        }
    }
    // Whichever saved last: what the catalogue says is there.
    let index = open(directory.path());
    let read: BTreeSet<_> = index.loaded.keys().copied().collect();
    let whole = ends.into_iter().any(|(_, mut model, mut random)| {
        model.packs.retain(|(named_by, ..)| read.contains(named_by));
        model.packs.len() == index.packs().count() && model.agrees(&index, &mut random)
    });
    assert!(whole);
}

#[test]
fn a_cache_that_cannot_be_written_leaves_the_index_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("file");
    std::fs::write(&blocked, b"no directory").unwrap();
    let mut index = ChunkIndex::open(scratch(Some(blocked), 1));
    index.limits = SMALL;
    let (mut random, mut model) = (Random(8), Model::default());
    for _ in 0..10 {
        model.grow(&mut index, &mut random, 5);
        index.settle();
    }
    assert!(index.runs.is_empty());
    assert!(model.agrees(&index, &mut random));
}

#[test]
fn a_chunk_in_a_run_takes_less_than_two_bytes_of_memory() {
    let mut index = ChunkIndex::new(scratch(None, 1));
    let mut random = Random(3);
    let count = 600_000;
    for _ in 0..count / 200 {
        let chunks = (0..200).map(|_| (random.id(), 1000)).collect();
        let segment = Segment { stored: 100, plain: 200_000, codec: Codec::Zstd, chunks };
        let id = PackId::new(SessionId(random.next().to_le_bytes()), [7; 8]);
        let table = Table { segments: vec![segment] };
        index.insert_named(&IndexedPack { id, kind: ChunkKind::Data, size: 1, table }, 0);
    }
    index.spill();
    index.merge();
    assert_eq!(index.runs.iter().map(|run| run.entries).sum::<u64>(), count);
    assert_eq!(index.runs.iter().map(Run::held).sum::<usize>(), 0, "nobody has asked yet");
    index.locate(ChunkKind::Data, &random.id()).expect("an answer");
    let runs: usize = index.runs.iter().map(Run::held).sum();
    assert!(runs as u64 > count, "filters are in memory now");
    let by_id = index.by_id.capacity() * 8 / 7 * (size_of::<(PackId, u32)>() + 1);
    let packs = index.packs.capacity() * size_of::<KnownPack>() + by_id;
    let per_chunk = (runs + packs) as f64 / count as f64;
    assert!(per_chunk < 2.0, "{per_chunk} bytes a chunk");
    assert!(index.delta.capacity() <= 230_000, "the map in memory has a bound");
}
