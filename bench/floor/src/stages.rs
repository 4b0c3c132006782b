//! Every stage alone, on an even sample of an image's data.

use std::cell::RefCell;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use aws_lc_rs::aead::{Aad, Nonce};
use zstd::zstd_safe::{CCtx, DCtx, compress_bound};

use crate::pack::{GRID, KEY, cipher, on_all};

/// Blocks in the sample: 320 MiB.
const SAMPLE: usize = 320 * 1024 * 1024 / GRID;

/// Prints the speed of each stage.
///
/// # Errors
///
/// The image cannot be read or holds too little.
pub fn run(image: &Path) -> Result<()> {
    let file = File::open(image)?;
    let places = data_blocks(&file)?;
    ensure!(!places.is_empty(), "the image holds no data");
    let step = (places.len() / SAMPLE).max(1);
    let places: Vec<u64> = places.into_iter().step_by(step).take(SAMPLE).collect();
    let blocks = places.iter().map(|&at| block(&file, at)).collect::<Result<Vec<_>>>()?;
    println!(
        "{:<28} {:>8} MB/s, {} threads, blocks of {} KiB",
        "stage",
        "",
        crate::pack::THREADS,
        GRID / 1024
    );
    each("read, from the page cache", blocks.len(), |index, buffer| {
        buffer.resize(GRID, 0);
        Ok(file.read_exact_at(buffer, places[index])?)
    })?;
    each("keyed BLAKE3", blocks.len(), |index, _| {
        black_box(blake3::keyed_hash(&KEY, &blocks[index]));
        Ok(())
    })?;
    each("zstd 1", blocks.len(), |index, buffer| {
        thread_local! {
            static CONTEXT: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
        }
        buffer.resize(compress_bound(GRID), 0);
        let compressed =
            CONTEXT.with_borrow_mut(|context| context.compress(&mut buffer[..], &blocks[index], 1));
        compressed.map(|_| ()).map_err(|code| anyhow!("zstd failed: {code}"))
    })?;
    let packed = blocks
        .iter()
        .map(|block| Ok(zstd::bulk::compress(block, 1)?))
        .collect::<Result<Vec<_>>>()?;
    each("zstd, decompress", blocks.len(), |index, buffer| {
        thread_local! {
            static CONTEXT: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
        }
        buffer.resize(GRID, 0);
        let plain =
            CONTEXT.with_borrow_mut(|context| context.decompress(&mut buffer[..], &packed[index]));
        plain.map(|_| ()).map_err(|code| anyhow!("zstd failed: {code}"))
    })?;
    let cipher = cipher()?;
    each("AES-256-GCM", blocks.len(), |index, buffer| {
        buffer.clear();
        buffer.extend_from_slice(&blocks[index]);
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = cipher.seal_in_place_separate_tag(nonce, Aad::empty(), buffer);
        tag.map(|_| ()).map_err(|_| anyhow!("sealing failed"))
    })
}

fn block(file: &File, at: u64) -> Result<Vec<u8>> {
    let mut block = vec![0; GRID];
    file.read_exact_at(&mut block, at)?;
    Ok(block)
}

/// Where blocks of the grid are that are not zero.
fn data_blocks(file: &File) -> Result<Vec<u64>> {
    let (mut places, mut buffer) = (Vec::new(), vec![0; GRID]);
    let end = file.metadata()?.len() / GRID as u64;
    for index in 0..end {
        file.read_exact_at(&mut buffer, index * GRID as u64)?;
        if buffer.iter().any(|byte| *byte != 0) {
            places.push(index * GRID as u64);
        }
    }
    Ok(places)
}

fn each(
    name: &str,
    count: usize,
    work: impl Fn(usize, &mut Vec<u8>) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    on_all(|| {
        let mut buffer = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(());
            }
            work(index, &mut buffer)?;
        }
    })?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{name:<28} {:>8.0}", (count * GRID) as f64 / 1e6 / seconds);
    Ok(())
}
