//! Log entries: as an ordinary one and as a checkpoint.

#![no_main]

use format::seal::encode_object;
use format::{Kind, log};
use libfuzzer_sys::fuzz_target;

const SALT: [u8; 16] = *b"a-salt--sixteen!";

fuzz_target!(|data: &[u8]| {
    let keys = fuzz::keys();
    for number in [5, log::CHECKPOINT_EVERY] {
        let _ = log::decode(&keys, number, data);
        if let Some(bytes) = fuzz::framed(data) {
            let _ = log::decode(&keys, number, &bytes);
            continue;
        }
        let object = encode_object(&keys, Kind::LogEntry, SALT, number, data);
        let Ok((entry, _)) = log::decode(&keys, number, &object) else { continue };
        let again = log::encode(&keys, SALT, number, &entry);
        let again = again.expect("what decodes is within the limits");
        fuzz::same_text(&keys, Kind::LogEntry, number, &again, data);
    }
});
