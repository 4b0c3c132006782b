//! One file of sealed blocks, and its table.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Threads that work.
pub const THREADS: usize = 2;
/// What is hashed, compressed and sealed at once, in bytes.
pub const GRID: usize = 64 * 1024;
/// What a thread takes at once, in bytes.
const PART: usize = 1024 * 1024;
/// Bytes of an entry in the table.
const ENTRY: usize = 8 + 8 + 4 + 4 + 32;
/// Constant keys: nothing is kept secret here.
pub const KEY: [u8; 32] = [7; 32];

/// Where a block of the image is in the pack.
#[derive(Clone, Copy)]
struct Entry {
    image: u64,
    pack: u64,
    plain: u32,
    sealed: u32,
    hash: [u8; 32],
}

impl Entry {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.image.to_le_bytes());
        out.extend_from_slice(&self.pack.to_le_bytes());
        out.extend_from_slice(&self.plain.to_le_bytes());
        out.extend_from_slice(&self.sealed.to_le_bytes());
        out.extend_from_slice(&self.hash);
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Self {
            image: u64::from_le_bytes(bytes[..8].try_into()?),
            pack: u64::from_le_bytes(bytes[8..16].try_into()?),
            plain: u32::from_le_bytes(bytes[16..20].try_into()?),
            sealed: u32::from_le_bytes(bytes[20..24].try_into()?),
            hash: bytes[24..56].try_into()?,
        })
    }
}

/// The cipher.
///
/// # Errors
///
/// There is none for a key of 32 bytes.
pub fn cipher() -> Result<LessSafeKey> {
    Ok(LessSafeKey::new(
        UnboundKey::new(&AES_256_GCM, &KEY).map_err(|_| anyhow!("no AES-256-GCM"))?,
    ))
}

fn nonce(at: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&at.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Runs `work` on every thread.
///
/// # Errors
///
/// The first that any of them has.
pub fn on_all(work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(&work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}

/// The parts of the image to read: all of it, or the extents.
fn parts(size: u64, extents: Option<&Path>) -> Result<Vec<(u64, usize)>> {
    let ranges = match extents {
        None => vec![(0, size)],
        Some(path) => {
            let list: serde_json::Value = serde_json::from_slice(&std::fs::read(path)?)?;
            let list = list.as_array().context("the extents are no list")?;
            let field = |range: &serde_json::Value, name| {
                range[name].as_u64().with_context(|| format!("an extent without {name}"))
            };
            list.iter()
                .map(|range| Ok((field(range, "start")?, field(range, "length")?)))
                .collect::<Result<_>>()?
        }
    };
    let mut parts = Vec::new();
    for (start, length) in ranges {
        let end = (start + length).min(size);
        let mut at = start;
        while at < end {
            let take = (end - at).min(PART as u64);
            parts.push((at, usize::try_from(take)?));
            at += take;
        }
    }
    Ok(parts)
}

/// Stores an image, or its extents.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn store(image: &Path, pack: &Path, extents: Option<&Path>) -> Result<()> {
    let source = File::open(image).with_context(|| image.display().to_string())?;
    let size = source.metadata()?.len();
    let out = File::create(pack).with_context(|| pack.display().to_string())?;
    let parts = parts(size, extents)?;
    let (next, end, table) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::new(Vec::new()));
    on_all(|| {
        let cipher = cipher()?;
        let mut compressor = zstd::bulk::Compressor::new(1)?;
        let (mut plain, mut sealed, mut entries) = (vec![0; PART], Vec::new(), Vec::new());
        while let Some(&(at, length)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            source.read_exact_at(&mut plain[..length], at)?;
            sealed.clear();
            let first = entries.len();
            for (index, block) in plain[..length].chunks(GRID).enumerate() {
                if block.iter().all(|byte| *byte == 0) {
                    continue;
                }
                let place = at + (index * GRID) as u64;
                entries.push(seal(place, block, &mut sealed, &mut compressor, &cipher)?);
            }
            let start = end.fetch_add(sealed.len() as u64, Ordering::Relaxed);
            for entry in &mut entries[first..] {
                entry.pack += start;
            }
            out.write_all_at(&sealed, start)?;
        }
        table.lock().map_err(|_| anyhow!("a thread panicked"))?.append(&mut entries);
        Ok(())
    })?;
    let mut tail = Vec::new();
    for entry in table.into_inner().map_err(|_| anyhow!("a thread panicked"))? {
        entry.encode(&mut tail);
    }
    let start = end.into_inner();
    tail.extend_from_slice(&start.to_le_bytes());
    tail.extend_from_slice(&size.to_le_bytes());
    out.write_all_at(&tail, start)?;
    out.sync_all()?;
    Ok(())
}

/// Appends a block to `out`; the entry's place in the pack counts from the start of `out`.
fn seal(
    place: u64,
    block: &[u8],
    out: &mut Vec<u8>,
    compressor: &mut zstd::bulk::Compressor<'_>,
    cipher: &LessSafeKey,
) -> Result<Entry> {
    let hash = *blake3::keyed_hash(&KEY, block).as_bytes();
    let start = out.len();
    out.resize(start + zstd::zstd_safe::compress_bound(block.len()), 0);
    let mut size = compressor.compress_to_buffer(block, &mut out[start..])?;
    if size >= block.len() {
        out[start..start + block.len()].copy_from_slice(block);
        size = block.len();
    }
    out.truncate(start + size);
    let tag = cipher
        .seal_in_place_separate_tag(nonce(place), Aad::empty(), &mut out[start..])
        .map_err(|_| anyhow!("sealing failed"))?;
    out.extend_from_slice(tag.as_ref());
    let (plain, sealed) = (u32::try_from(block.len())?, u32::try_from(out.len() - start)?);
    Ok(Entry { image: place, pack: start as u64, plain, sealed, hash })
}

/// Opens every block and compares its hash; writes it to `image`, if there is one.
///
/// # Errors
///
/// A file cannot be read or written, or a block is not what was stored.
pub fn read(pack: &Path, image: Option<&Path>) -> Result<()> {
    let source = File::open(pack).with_context(|| pack.display().to_string())?;
    let length = source.metadata()?.len();
    let mut trailer = [0; 16];
    source.read_exact_at(&mut trailer, length.checked_sub(16).context("the pack is too short")?)?;
    let start = u64::from_le_bytes(trailer[..8].try_into()?);
    let mut table =
        vec![
            0;
            usize::try_from((length - 16).checked_sub(start).context("the table is not there")?)?
        ];
    source.read_exact_at(&mut table, start)?;
    let entries = table.chunks_exact(ENTRY).map(Entry::decode).collect::<Result<Vec<_>>>()?;
    let target = image.map(File::create).transpose()?;
    if let Some(target) = &target {
        target.set_len(u64::from_le_bytes(trailer[8..].try_into()?))?;
    }
    let next = AtomicUsize::new(0);
    on_all(|| {
        let cipher = cipher()?;
        let mut decompressor = zstd::bulk::Decompressor::new()?;
        let (mut sealed, mut plain) = (Vec::new(), vec![0; GRID]);
        loop {
            let first = next.fetch_add(PART / GRID, Ordering::Relaxed);
            if first >= entries.len() {
                return Ok(());
            }
            for entry in &entries[first..entries.len().min(first + PART / GRID)] {
                sealed.resize(entry.sealed as usize, 0);
                source.read_exact_at(&mut sealed, entry.pack)?;
                let text = cipher
                    .open_in_place(nonce(entry.image), Aad::empty(), &mut sealed)
                    .map_err(|_| anyhow!("a block cannot be opened"))?;
                let size = entry.plain as usize;
                let block: &[u8] = if text.len() == size {
                    text
                } else {
                    let got = decompressor.decompress_to_buffer(text, &mut plain)?;
                    &plain[..got]
                };
                ensure!(blake3::keyed_hash(&KEY, block) == entry.hash, "a block has another hash");
                if let Some(target) = &target {
                    target.write_all_at(block, entry.image)?;
                }
            }
        }
    })?;
    target.map_or(Ok(()), |target| target.sync_all())?;
    Ok(())
}
