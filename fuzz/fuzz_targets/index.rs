//! Indexes.

#![no_main]

use format::seal::encode_object;
use format::{Kind, index};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (keys, id) = (fuzz::keys(), fuzz::owned(2));
    let _ = index::decode(&keys, id, data);
    if let Some(bytes) = fuzz::framed(data) {
        let _ = index::decode(&keys, id, &bytes);
        return;
    }
    let object = encode_object(&keys, Kind::Index, id.0, 0, data);
    let Ok(packs) = index::decode(&keys, id, &object) else { return };
    fuzz::same_text(&keys, Kind::Index, 0, &index::encode(&keys, id, &packs), data);
});
