//! The bytes of every object kind, as files that never change.
//!
//! A version of the format gets its own fixtures when it is made (`HOLDFAST_NEW_FIXTURES=1` writes
//! the missing ones, never an existing one), and every later version must still read them. So does
//! another way of compressing, which the format leaves open, for what it makes other bytes of.

mod samples;

use std::fs;
use std::path::PathBuf;

use format::keyslot::Kek;
use format::map::Page;

/// Where fixtures are, oldest first.
const FIXTURES: [&str; 2] = ["v1", "v1-matches-of-7"];

/// All fixtures of this name; the newest must be the bytes that are `made` now.
fn check(name: &str, made: &[u8]) -> Vec<Vec<u8>> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let paths = FIXTURES.map(|fixtures| directory.join(fixtures).join(name));
    let newest = paths.last().expect("a directory");
    let read = || paths.iter().filter_map(|path| fs::read(path).ok()).collect::<Vec<_>>();
    let is_known = read().last().is_some_and(|golden| golden == made);
    if !is_known && !newest.exists() && std::env::var_os("HOLDFAST_NEW_FIXTURES").is_some() {
        fs::create_dir_all(newest.parent().expect("a directory")).expect("make the directory");
        fs::write(newest, made).expect("write the fixture");
    }
    let golden = read();
    let last = golden.last().unwrap_or_else(|| panic!("{name}: there is no fixture"));
    assert_eq!(last, made, "{name}: the format's bytes have changed");
    golden
}

#[test]
fn every_object_is_written_as_ever_and_its_fixture_is_read() {
    for (name, _, bytes) in samples::objects() {
        for golden in check(&name, &bytes) {
            assert_eq!(samples::decode(&name, &golden), Ok(()), "{name}");
        }
    }
}

#[test]
fn map_pages_and_the_key_file_are_written_as_ever() {
    for leaf in check("map-leaf", &samples::leaf().encode()) {
        assert_eq!(Page::decode(&leaf, 0), Ok(samples::leaf()));
    }
    for inner in check("map-inner", &samples::inner().encode()) {
        assert_eq!(Page::decode(&inner, 1), Ok(samples::inner()));
    }
    let text = samples::kek().to_key_file();
    for file in check("key-file", text.as_bytes()) {
        let file = String::from_utf8(file).expect("a text");
        let kek = Kek::from_key_file(&file).expect("a key file");
        assert_eq!(kek.to_key_file().as_str(), text.as_str());
    }
    for printed in check("recovery-key", samples::kek().to_recovery_text().as_bytes()) {
        let printed = String::from_utf8(printed).expect("a text");
        let kek = Kek::from_recovery_text(&printed).expect("a recovery key");
        assert_eq!(kek.to_key_file().as_str(), text.as_str());
    }
}

#[test]
fn chunk_ids_and_boundaries_are_as_ever() {
    let keys = samples::keys();
    let mut lines = String::new();
    for kind in [format::seal::ChunkKind::Data, format::seal::ChunkKind::Map] {
        for chunk in samples::chunks() {
            lines += &format!("{kind:?} {}\n", keys.chunk_id(kind, &chunk));
        }
    }
    let mut noise = vec![0; 400 * 4096];
    blake3::Hasher::new().update(b"disk").finalize_xof().fill(&mut noise);
    let mut chunker = format::chunker::Chunker::new(keys.boundary_key());
    for (number, block) in noise.chunks_exact(4096).enumerate() {
        if chunker.push(block).cut_after {
            lines += &format!("cut {number}\n");
        }
    }
    check("ids-and-cuts", lines.as_bytes());
}
