//! Method: a disk is a string of blocks, `.` for a zero block and a letter for a data block; the
//! chunker's answer is drawn under it as lengths of chunks and holes. Whether a data block is a
//! boundary is asked of the hash itself, so the tests do not depend on its details.

use super::*;

const KEY: [u8; 32] = [7; 32];

/// Chunks as (first block, blocks), found in `blocks`.
fn chunks(blocks: &[Vec<u8>]) -> Vec<(u64, u64)> {
    let mut chunker = Chunker::new(&KEY);
    let mut found = Vec::new();
    let mut open: Option<(u64, u64)> = None;
    for (number, block) in (0_u64..).zip(blocks) {
        let step = chunker.push(block);
        if step.cut_before {
            found.extend(open.take());
        }
        if step.data {
            let (_, length) = open.get_or_insert((number - u64::from(step.zeros), 0));
            *length += u64::from(step.zeros) + 1;
        }
        if step.cut_after {
            found.extend(open.take());
        }
        assert_eq!(open.is_some(), chunker.is_open());
    }
    found.extend(open.take());
    found
}

/// A data block that is a boundary, or one that is not.
fn block(boundary: bool) -> Vec<u8> {
    let hash = BlockHash::new(&KEY);
    (1_u64..)
        .map(|seed| seed.to_le_bytes().repeat(BLOCK_SIZE / 8))
        .find(|block| (hash.of(block) & BOUNDARY_MASK == 0) == boundary)
        .expect("both kinds are common")
}

#[track_caller]
fn check(disk: &str, expected: &[(u64, u64)]) {
    let blocks: Vec<_> = disk
        .chars()
        .map(|letter| match letter {
            '.' => ZERO_BLOCK.to_vec(),
            'b' => block(true),
            _ => block(false),
        })
        .collect();
    assert_eq!(chunks(&blocks), expected, "{disk}");
}

#[test]
fn a_chunk_ends_behind_a_boundary_block_but_not_below_the_minimum() {
    check("xxxxxb", &[(0, 6)]);
    check("bbbbxx", &[(0, 4), (4, 2)]);
    check("xxxbxxxxxbx", &[(0, 4), (4, 6), (10, 1)]);
}

#[test]
fn a_chunk_ends_at_the_maximum() {
    check(&"x".repeat(70), &[(0, 32), (32, 32), (64, 6)]);
}

#[test]
fn four_zero_blocks_end_a_chunk_and_are_a_hole() {
    check("xx....xx", &[(0, 2), (6, 2)]);
    check("xx.......xx", &[(0, 2), (9, 2)]);
    check("....", &[]);
    check("....xx", &[(4, 2)]);
}

#[test]
fn a_shorter_zero_run_belongs_to_the_chunk_behind_it() {
    check("xx...xx", &[(0, 7)]);
    check("...xx", &[(0, 5)]);
    check("xxxb...xx", &[(0, 4), (4, 5)]);
}

#[test]
fn zero_blocks_at_the_end_are_dropped() {
    check("xx...", &[(0, 2)]);
    check("xxxb..", &[(0, 4)]);
}

#[test]
fn zero_blocks_that_do_not_fit_begin_the_next_chunk() {
    let full = "x".repeat(30);
    check(&format!("{full}..xx"), &[(0, 30), (30, 4)]);
    check(&format!("{full}.xx"), &[(0, 32), (32, 1)]);
}

#[test]
fn skipped_zeros_mean_the_same_as_zeros_seen() {
    let mut seen = Chunker::new(&KEY);
    let mut told = Chunker::new(&KEY);
    for count in [3, 1, 9, 2] {
        let data = block(false);
        assert_eq!(seen.push(&data), told.push(&data));
        let steps: Vec<_> = (0..count).map(|_| seen.push(&ZERO_BLOCK)).collect();
        let step = told.push_zeros(count);
        assert_eq!(step.cut_before, steps.iter().any(|step| step.cut_before));
        assert_eq!(seen.at_boundary(), told.at_boundary());
    }
}

#[test]
fn the_average_is_as_promised_and_keys_cut_differently() {
    let mut noise = vec![0; 20_000 * BLOCK_SIZE];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let cuts = |key: [u8; 32]| -> Vec<usize> {
        let mut chunker = Chunker::new(&key);
        let steps = noise.chunks_exact(BLOCK_SIZE).map(|block| chunker.push(block));
        steps.enumerate().filter(|(_, step)| step.cut_after).map(|(number, _)| number).collect()
    };
    let (one, two) = (cuts([1; 32]), cuts([2; 32]));
    let average = 20_000 / one.len();
    assert!((9..=12).contains(&average), "{average} blocks on average");
    let shared = one.iter().filter(|cut| two.binary_search(cut).is_ok()).count();
    assert!(shared < one.len() / 4, "{shared} of {} cuts are the same", one.len());
}
