//! Packs: headers, tails, tables, segments, and whole packs.

#![no_main]

use format::compress::{Codec, Compressor};
use format::header::{HEADER, OBJECT_MAX, checked};
use format::pack::{
    Opener, PackBuilder, SEGMENT_MAX, TAIL, decode_header, open_table, table_place,
};
use format::seal::{ChunkKind, TAG, VaultKeys, encode_object};
use format::{Kind, index};
use libfuzzer_sys::fuzz_target;

const TABLE: u32 = u32::MAX;

fuzz_target!(|data: &[u8]| {
    let keys = fuzz::keys();
    if let Some(bytes) = fuzz::framed(data) {
        let _ = read(&keys, &bytes);
        return;
    }
    let _ = table_place(data, data.len() as u64);
    let _ = decode_header(&keys, data);
    table(&keys, data);
    segment(&keys, data);
    whole(&keys, data);
});

/// Reads a pack as a repository does; gives its texts.
fn read(keys: &VaultKeys, bytes: &[u8]) -> Result<Vec<Vec<u8>>, format::FormatError> {
    checked(bytes)?;
    let (kind, id) = decode_header(keys, bytes)?;
    let size = bytes.len() as u64;
    let place = table_place(&bytes[bytes.len().saturating_sub(TAIL)..], size)?;
    let sealed = &bytes[place.start as usize..place.end as usize];
    let table = open_table(keys, kind, id, sealed, size)?;
    let key = keys.object(kind.pack(), id.0, 0);
    let mut opener = Opener::default();
    let mut texts = Vec::new();
    for (number, (place, segment)) in (0..).zip(table.places()) {
        let sealed = &bytes[place.start as usize..place.end as usize];
        let text = opener.open(&key, number, segment.codec, sealed, segment.plain as usize)?;
        texts.push(text.to_vec());
    }
    Ok(texts)
}

/// A table that an index of one pack takes is taken from the pack too, at its one right size.
fn table(keys: &VaultKeys, text: &[u8]) {
    let id = fuzz::owned(1);
    for kind in [ChunkKind::Data, ChunkKind::Map] {
        let mut sealed = Vec::new();
        keys.object(kind.pack(), id.0, 0).seal(TABLE, &[], text, &mut sealed);
        let mut packs = vec![1, 0, 0, 0];
        packs.extend_from_slice(&id.0);
        packs.push(kind.pack().code());
        packs.extend_from_slice(&OBJECT_MAX.to_le_bytes());
        packs.extend_from_slice(text);
        let object = encode_object(keys, Kind::Index, id.0, 0, &packs);
        let indexed = index::decode(keys, id, &object).ok();
        let stored = indexed.as_ref().map_or(0, |packs| {
            packs[0].table.segments.iter().map(|segment| u64::from(segment.stored)).sum()
        });
        let size = stored + (HEADER + sealed.len() + TAIL) as u64;
        let table = open_table(keys, kind, id, &sealed, size).ok();
        assert_eq!(table.as_ref(), indexed.as_ref().map(|packs| &packs[0].table));
        assert!(open_table(keys, kind, id, &sealed, size + 1).is_err());
    }
}

/// Anything may be sealed as a segment, compressed or not, of any size that a table can tell.
fn segment(keys: &VaultKeys, data: &[u8]) {
    let Some((size, text)) = data.split_first_chunk::<3>() else { return };
    let size = u32::from_le_bytes([size[0], size[1], size[2], 0]) as usize % (SEGMENT_MAX + 1);
    let key = keys.object(Kind::DataPack, fuzz::owned(1).0, 0);
    let mut sealed = Vec::new();
    key.seal(0, &[], text, &mut sealed);
    let mut opener = Opener::default();
    for codec in [Codec::Plain, Codec::Zstd] {
        for size in [size, text.len()] {
            if let Ok(plain) = opener.open(&key, 0, codec, &sealed, size) {
                assert_eq!(plain.len(), size);
                assert!(codec == Codec::Zstd || plain == text);
            }
        }
    }
    assert!(opener.open(&key, 1, Codec::Plain, &sealed, text.len()).is_err());
}

/// What is packed comes back, and a flipped bit is told.
fn whole(keys: &VaultKeys, data: &[u8]) {
    let Some((place, rest)) = data.split_first_chunk::<2>() else { return };
    if rest.is_empty() {
        return;
    }
    let mut builder = PackBuilder::new(keys, ChunkKind::Data, fuzz::owned(1), Vec::new());
    let (mut compressor, mut opener) = (Compressor::new(), Opener::default());
    let texts: Vec<&[u8]> = rest.chunks(rest.len().div_ceil(3)).collect();
    for text in &texts {
        let id = keys.chunk_id(ChunkKind::Data, text);
        builder.push(text, &[(id, text.len() as u32)], &mut compressor);
        assert!(builder.last_is(text, &mut opener));
    }
    let (mut bytes, table) = builder.finish();
    assert!(table.segments.iter().all(|segment| segment.stored as usize >= TAG));
    assert_eq!(read(keys, &bytes).expect("just packed"), texts);
    let at = usize::from(u16::from_le_bytes(*place)) % bytes.len();
    bytes[at] ^= 1 << (at % 8);
    assert!(read(keys, &bytes).is_err());
    if let Some(forged) = fuzz::framed(&bytes).filter(|_| at < bytes.len() - 32) {
        assert!(read(keys, &forged).is_err());
    }
}
