//! One object of every kind, made of fixed bytes.

#![allow(dead_code)]

use format::compress::Compressor;
use format::config::Config;
use format::index::IndexedPack;
use format::keyslot::{Kek, Key, Stretch};
use format::log::{Checkpoint, CommittedPoint, Entry, Event, OpenSession};
use format::manifest::{Counts, Disk, Manifest};
use format::map::{Child, LeafEntry, Page};
use format::pack::{PackBuilder, Table};
use format::seal::{ChunkKind, MasterKey, VaultKeys};
use format::{ChunkId, Kind, OwnedId, SessionId, index, keyslot, log};
use jiff::Timestamp;
use model::point::PointId;

pub const VAULT: [u8; 16] = *b"a-vault-sixteen!";
pub const SLOT: [u8; 16] = *b"a-slot--sixteen!";
pub const SALT: [u8; 16] = *b"a-salt--sixteen!";
pub const LOG_NUMBER: u64 = 5;

pub fn master() -> MasterKey {
    MasterKey::new([0x11; 32])
}

pub fn kek() -> Kek {
    Kek::new([0x22; 32])
}

pub fn passphrase() -> Key {
    Key::Passphrase("correct horse battery staple".to_owned().into())
}

/// As cheap as can be: it is opened a thousand times.
pub const STRETCH: Stretch =
    Stretch { memory_kib: 8, passes: 1, lanes: 1, salt: *b"a-salt--sixteen!" };

pub fn slot_for(key: &Key) -> Vec<u8> {
    keyslot::encode_for(VAULT, SLOT, key, &STRETCH, &master()).expect("within the limits")
}

pub fn keys() -> VaultKeys {
    VaultKeys::new(VAULT, &master())
}

pub fn session() -> SessionId {
    SessionId([0x33; 8])
}

pub fn owned(number: u8) -> OwnedId {
    OwnedId::new(session(), [number; 8])
}

pub fn point() -> PointId {
    PointId::new(1_752_347_160_271_234).expect("a point's id")
}

pub fn time() -> Timestamp {
    Timestamp::new(1_780_000_000, 123_456_789).expect("a time")
}

pub fn config() -> Config {
    Config { vault: VAULT, created_at: time() }
}

/// Two chunks of data in one segment, a third in another.
pub fn chunks() -> [Vec<u8>; 3] {
    let mut noise = vec![0; 4096];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut noise);
    [b"holdfast".repeat(2048), vec![9; 4096], noise]
}

pub fn pack(kind: ChunkKind) -> (Vec<u8>, Table) {
    let keys = keys();
    let mut builder = PackBuilder::new(&keys, kind, owned(1), Vec::new());
    let [a, b, c] = chunks();
    let entry = |chunk: &[u8]| (keys.chunk_id(kind, chunk), chunk.len() as u32);
    let mut compressor = Compressor::new();
    builder.push(&[a.as_slice(), &b].concat(), &[entry(&a), entry(&b)], &mut compressor);
    builder.push(&c, &[entry(&c)], &mut compressor);
    builder.finish()
}

pub fn indexed() -> Vec<IndexedPack> {
    let (bytes, table) = pack(ChunkKind::Data);
    vec![IndexedPack { id: owned(1), kind: ChunkKind::Data, size: bytes.len() as u64, table }]
}

pub fn leaf() -> Page {
    let entry = |block, blocks, id| LeafEntry { block, blocks, id: ChunkId([id; 32]) };
    Page::Leaf(vec![entry(0, 4, 1), entry(4, 32, 2), entry(250, 32, 3)])
}

pub fn inner() -> Page {
    let child = |slot, first, id| Child { slot, first, id: ChunkId([id; 32]) };
    Page::Inner { level: 1, children: vec![child(0, 0, 1), child(0, 200, 2), child(63, 5, 3)] }
}

pub fn counts() -> Counts {
    Counts { logical: 40 << 30, read: 3 << 30, new: 2 << 30, stored: 1 << 30 }
}

pub fn manifest() -> Manifest {
    let disk = |target: &str, root| Disk {
        target: target.to_owned(),
        serial: "WD-1234".to_owned(),
        size: (20 << 30) + 513,
        root,
        chunks: 7,
        data: 7 * 45_056,
        read: 400_000,
        new: 300_000,
    };
    Manifest {
        point: point(),
        item: "vm/holdfast/demo-vm".to_owned(),
        parent: PointId::new(42),
        taken_at: time(),
        written_at: time(),
        counts: counts(),
        disks: vec![disk("vda", Some(ChunkId([5; 32]))), disk("vdb", None)],
        engine: b"<domain type='kvm'/>".to_vec(),
    }
}

pub fn committed() -> CommittedPoint {
    CommittedPoint {
        id: point(),
        item: "vm/holdfast/demo-vm".to_owned(),
        parent: None,
        taken_at: time(),
        counts: counts(),
        manifest: owned(3),
        manifest_hash: [0x44; 32],
    }
}

pub fn entry(event: Event) -> Entry {
    Entry { previous: [0x55; 32], at: time(), event }
}

/// An entry of every kind, with its name and number.
pub fn entries() -> Vec<(&'static str, u64, Entry)> {
    let session = session();
    let checkpoint = Checkpoint {
        sessions: vec![OpenSession {
            id: session,
            opened_at: time(),
            actor: "holdfast on demo".to_owned(),
            number: 60,
        }],
        points: vec![(committed(), time())],
        indexes: vec![owned(2)],
        condemned: vec![(owned(8), time())],
        suspect: vec![owned(9)],
        unreadable: vec![17],
    };
    vec![
        ("open", 5, entry(Event::Open { session, actor: "holdfast on demo".to_owned() })),
        (
            "commit",
            6,
            entry(Event::Commit { session, point: committed(), indexes: vec![owned(2)] }),
        ),
        ("forget", 7, entry(Event::Forget { point: point() })),
        ("condemn", 8, entry(Event::Condemn { packs: vec![owned(1), owned(4)] })),
        ("fence", 9, entry(Event::Fence { session })),
        ("checkpoint", 64, entry(Event::Checkpoint(Box::new(checkpoint)))),
        (
            "retire",
            65,
            entry(Event::Retire {
                packs: vec![owned(1)],
                removed: vec![owned(2)],
                added: vec![owned(6)],
            }),
        ),
        ("suspect", 66, entry(Event::Suspect { packs: vec![owned(7)] })),
    ]
}

/// The encoded objects, by name.
pub fn objects() -> Vec<(String, Kind, Vec<u8>)> {
    let keys = keys();
    let mut objects = vec![
        ("config".to_owned(), Kind::Config, config().encode(&keys)),
        ("keyslot".to_owned(), Kind::KeySlot, keyslot::encode(VAULT, SLOT, &kek(), &master())),
        ("keyslot-passphrase".to_owned(), Kind::KeySlot, slot_for(&passphrase())),
        ("keyslot-recovery".to_owned(), Kind::KeySlot, slot_for(&Key::Recovery(kek()))),
        ("pack-data".to_owned(), Kind::DataPack, pack(ChunkKind::Data).0),
        ("pack-map".to_owned(), Kind::MapPack, pack(ChunkKind::Map).0),
        ("index".to_owned(), Kind::Index, index::encode(&keys, owned(2), &indexed())),
        (
            "manifest".to_owned(),
            Kind::Manifest,
            manifest().encode(&keys, owned(3)).expect("within the limits"),
        ),
    ];
    for (name, number, entry) in entries() {
        let bytes = log::encode(&keys, SALT, number, &entry).expect("within the limits");
        objects.push((format!("log-{name}"), Kind::LogEntry, bytes));
    }
    objects
}

fn key_of(slot: &str) -> Key {
    match slot {
        "keyslot-passphrase" => passphrase(),
        "keyslot-recovery" => Key::Recovery(kek()),
        _ => Key::File(kek()),
    }
}

/// Decodes an object of [`objects`], whatever its kind, and says whether all of it is right.
pub fn decode(name: &str, bytes: &[u8]) -> Result<(), String> {
    let keys = keys();
    let text = |error: format::FormatError| error.to_string();
    let equal = |same: bool| if same { Ok(()) } else { Err("another content".to_owned()) };
    match name {
        "config" => {
            let (found, proof) = Config::decode(bytes).map_err(text)?;
            proof.check(&keys).map_err(text)?;
            equal(found == config())
        }
        "keyslot" | "keyslot-passphrase" | "keyslot-recovery" => {
            let slot = keyslot::Slot::decode(bytes).map_err(text)?;
            let opened = slot.open_with(&key_of(name)).map_err(text)?;
            let key = VaultKeys::new(VAULT, &opened);
            equal(key.boundary_key() == keys.boundary_key() && slot.vault() == VAULT)
        }
        "pack-data" => decode_pack(ChunkKind::Data, bytes).map_err(text),
        "pack-map" => decode_pack(ChunkKind::Map, bytes).map_err(text),
        "index" => equal(index::decode(&keys, owned(2), bytes).map_err(text)? == indexed()),
        "manifest" => {
            let found = Manifest::decode(&keys, owned(3), point(), bytes).map_err(text)?;
            equal(found.0 == manifest() && found.1[..] == bytes[bytes.len() - 32..])
        }
        _ => {
            let all = entries();
            let (_, number, entry) = all
                .iter()
                .find(|(kind, ..)| Some(*kind) == name.strip_prefix("log-"))
                .expect("a known name");
            let (found, hash) = log::decode(&keys, *number, bytes).map_err(text)?;
            equal(found == *entry && hash[..] == bytes[bytes.len() - 32..])
        }
    }
}

fn decode_pack(kind: ChunkKind, bytes: &[u8]) -> Result<(), format::FormatError> {
    use format::pack::{Opener, TAIL, decode_header, open_table, table_place};
    let keys = keys();
    format::header::checked(bytes)?;
    let (found, id) = decode_header(&keys, bytes)?;
    let size = bytes.len() as u64;
    let place = table_place(&bytes[bytes.len() - TAIL..], size)?;
    let sealed = &bytes[place.start as usize..place.end as usize];
    let table = open_table(&keys, found, id, sealed, size)?;
    let key = keys.object(found.pack(), id.0, 0);
    let mut opener = Opener::default();
    let mut texts = Vec::new();
    for (number, (place, segment)) in (0..).zip(table.places()) {
        let sealed = &bytes[place.start as usize..place.end as usize];
        let plain = opener.open(&key, number, segment.codec, sealed, segment.plain as usize)?;
        let mut at = 0;
        for (id, size) in &segment.chunks {
            let chunk = &plain[at..at + *size as usize];
            assert_eq!(keys.chunk_id(found, chunk), *id);
            texts.push(chunk.to_vec());
            at += *size as usize;
        }
    }
    assert_eq!((found, texts.as_slice()), (kind, chunks().as_slice()));
    Ok(())
}
