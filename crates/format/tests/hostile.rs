//! Whatever is done to an object's bytes, it is told, and nothing panics or allocates without end.

mod samples;

use format::header::append_trailer;
use format::keyslot::Kek;
use format::manifest::Manifest;
use format::map::Page;
use format::seal::{ChunkKind, MasterKey, VaultKeys};
use format::{FormatError, Kind, index, log};
use proptest::prelude::*;

/// The object with its clear hash made right again: what somebody who writes the store can do.
fn rehashed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 32);
    append_trailer(&mut bytes);
    bytes
}

#[test]
fn every_flipped_bit_is_told_with_and_without_a_right_hash() {
    for (name, _, bytes) in samples::objects() {
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            assert!(samples::decode(&name, &flipped).is_err(), "{name} at {place}");
            if place < bytes.len() - 32 {
                let forged = rehashed(flipped);
                assert!(samples::decode(&name, &forged).is_err(), "{name} at {place}, rehashed");
            }
        }
    }
}

#[test]
fn every_truncation_is_told() {
    for (name, _, bytes) in samples::objects() {
        for size in 0..bytes.len() {
            assert!(samples::decode(&name, &bytes[..size]).is_err(), "{name} at {size}");
            if size > 32 {
                let cut = rehashed(bytes[..size].to_vec());
                assert!(samples::decode(&name, &cut).is_err(), "{name} at {size}, rehashed");
            }
        }
    }
}

#[test]
fn a_newer_version_is_refused_as_such() {
    for (name, _, bytes) in samples::objects() {
        let mut newer = bytes;
        newer[9] = 2;
        let told = samples::decode(&name, &rehashed(newer));
        assert_eq!(told, Err(FormatError::Version { version: 2 }.to_string()), "{name}");
    }
}

#[test]
fn a_time_is_written_in_one_way_only() {
    use format::codec::{Reader, Writer};
    let read = |seconds: i64, nanoseconds: i32| {
        let mut writer = Writer::new();
        writer.raw(&seconds.to_le_bytes());
        writer.raw(&nanoseconds.to_le_bytes());
        Reader::new(&writer.into_bytes()).time().is_ok()
    };
    for (seconds, nanoseconds) in [(0, 0), (1, 999_999_999), (-1, -999_999_999), (0, -1), (5, 0)] {
        assert!(read(seconds, nanoseconds), "{seconds} {nanoseconds}");
    }
    let bad = [(1, -1), (-1, 1), (0, 1_000_000_000), (1, i32::MIN), (i64::MAX, 0), (i64::MIN, -1)];
    for (seconds, nanoseconds) in bad {
        assert!(!read(seconds, nanoseconds), "{seconds} {nanoseconds}");
    }
}

#[test]
fn what_is_zero_in_a_clear_header_stays_zero() {
    for (name, kind, bytes) in samples::objects() {
        let places = match kind {
            Kind::Config => 32..48,
            Kind::KeySlot => 12..16,
            _ => continue,
        };
        for place in places.chain(10..16) {
            let mut changed = bytes.clone();
            changed[place] = 1;
            let changed = rehashed(changed);
            let told = match kind {
                Kind::Config => format::config::Config::decode(&changed).err(),
                _ => format::keyslot::Slot::decode(&changed).err(),
            };
            assert_eq!(told, Some(FormatError::Invalid { what: "header" }), "{name} at {place}");
        }
    }
}

#[test]
fn a_manifest_that_names_another_point_is_refused() {
    let keys = samples::keys();
    let (id, kind) = (samples::owned(3), Kind::Manifest);
    let stranger = model::point::PointId::new(7).expect("a point's id");
    let object = samples::manifest().encode(&keys, id).expect("within the limits");
    let place = samples::point().get();
    let text = format::seal::decode_object(&keys, kind, place, &object, 1 << 20).expect("sound");
    // Sealed for the place of one point, with the text of another.
    let object = format::seal::encode_object(&keys, kind, id.0, stranger.get(), &text.plain);
    let told = Manifest::decode(&keys, id, stranger, &object).err();
    assert_eq!(told, Some(FormatError::Invalid { what: "point of the manifest" }));
}

#[test]
fn an_object_does_not_pass_for_another_one() {
    let keys = samples::keys();
    let other = VaultKeys::new(*b"another-vault!!!", &samples::master());
    for (name, kind, bytes) in samples::objects() {
        match kind {
            Kind::LogEntry => {
                assert!(log::decode(&keys, 1, &bytes).is_err(), "{name}");
                assert!(log::decode(&other, 5, &bytes).is_err(), "{name}");
            }
            Kind::Index => assert!(index::decode(&keys, samples::owned(9), &bytes).is_err()),
            Kind::Manifest => {
                let stranger = model::point::PointId::new(7).expect("a point's id");
                let read = |id, point| Manifest::decode(&keys, id, point, &bytes).is_err();
                assert!(read(samples::owned(9), samples::point()));
                assert!(read(samples::owned(3), stranger));
            }
            _ => {}
        }
    }
}

#[test]
fn another_key_does_not_open_a_slot() {
    let bytes = format::keyslot::encode(
        samples::VAULT,
        samples::SLOT,
        &samples::kek(),
        &MasterKey::new([1; 32]),
    );
    let slot = format::keyslot::Slot::decode(&bytes).expect("a slot");
    assert_eq!(slot.open(&Kek::new([0x23; 32])).err(), Some(FormatError::Seal));
}

#[test]
fn a_mistyped_key_file_is_told() {
    let text = samples::kek().to_key_file();
    let line = text.lines().last().expect("the key");
    let mut digits = line.to_owned();
    digits.replace_range(20..21, "f");
    for bad in ["", "nonsense", &line[..line.len() - 1], &digits, &format!("{line}\n{line}")] {
        assert!(Kek::from_key_file(bad).is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for level in 0..7 {
            let _ = Page::decode(&bytes, level);
        }
        let framed = {
            let (_, _, sample) = samples::objects().swap_remove(0);
            let mut framed = sample[..48].to_vec();
            framed.extend_from_slice(&bytes);
            append_trailer(&mut framed);
            framed
        };
        for (name, kind, _) in samples::objects() {
            let mut framed = framed.clone();
            framed[8] = kind.code();
            prop_assert!(samples::decode(&name, &bytes).is_err());
            prop_assert!(samples::decode(&name, &rehashed(framed)).is_err());
        }
    }

    #[test]
    fn a_page_that_decodes_encodes_to_the_same_bytes(
        bytes in prop::collection::vec(any::<u8>(), 35..200), level in 0_u8..3,
    ) {
        let mut bytes = bytes;
        bytes[0] = level;
        let count = (bytes.len() - 3) / 34;
        bytes.truncate(3 + count * 34);
        bytes[1..3].copy_from_slice(&(count as u16).to_le_bytes());
        if let Ok(page) = Page::decode(&bytes, level) {
            prop_assert_eq!(page.encode(), bytes);
        }
    }

    #[test]
    fn chunk_kinds_never_share_an_id(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let keys = samples::keys();
        let (data, map) =
            (keys.chunk_id(ChunkKind::Data, &bytes), keys.chunk_id(ChunkKind::Map, &bytes));
        prop_assert_ne!(data, map);
    }
}
