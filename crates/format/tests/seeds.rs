//! What the fuzz targets (`fuzz/`) start from, beside the fixtures: the text of every sealed
//! object, as it is before compression and sealing. `HOLDFAST_NEW_FIXTURES=1` writes missing ones.

mod samples;

use std::fs;
use std::path::PathBuf;

use format::pack::{TAIL, table_place};
use format::seal::{ChunkKind, decode_object};
use format::{Kind, log};

fn check(target: &str, name: &str, text: &[u8]) {
    let seeds = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let path = seeds.join(target).join(name);
    if !path.exists() && std::env::var_os("HOLDFAST_NEW_FIXTURES").is_some() {
        fs::create_dir_all(seeds.join(target)).expect("make the directory");
        fs::write(&path, text).expect("write the seed");
    }
    let seed = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(seed, text, "{target}/{name}: the fuzzer starts from another text");
}

#[test]
fn the_fuzzers_start_from_the_text_of_every_sealed_object() {
    let keys = samples::keys();
    let numbers: Vec<u64> = samples::entries().iter().map(|(_, number, _)| *number).collect();
    let mut numbers = numbers.into_iter();
    for (name, kind, bytes) in samples::objects() {
        let (target, place, max) = match kind {
            Kind::Index => ("index", 0, format::index::INDEX_MAX),
            Kind::Manifest => ("manifest", samples::point().get(), format::manifest::MANIFEST_MAX),
            Kind::LogEntry => ("log", numbers.next().expect("an entry"), log::ENTRY_MAX),
            _ => continue,
        };
        let opened = decode_object(&keys, kind, place, &bytes, max).expect("a sound object");
        check(target, &name, &opened.plain);
    }
    assert_eq!(numbers.next(), None);
}

#[test]
fn the_fuzzers_start_from_a_table_and_a_cost() {
    let (bytes, _) = samples::pack(ChunkKind::Data);
    let place = table_place(&bytes[bytes.len() - TAIL..], bytes.len() as u64).expect("a table");
    let mut sealed = bytes[place.start as usize..place.end as usize].to_vec();
    let key = samples::keys().object(Kind::DataPack, samples::owned(1).0, 0);
    let table = key.open(u32::MAX, &[], &mut sealed).expect("it opens");
    check("pack", "table", table);

    let cost = samples::STRETCH;
    let mut slot = Vec::new();
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        slot.extend_from_slice(&number.to_le_bytes());
    }
    slot.extend_from_slice(&cost.salt);
    slot.extend_from_slice(b"correct horse battery staple");
    check("keyslot", "cost", &slot);
}
