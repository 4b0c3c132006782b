//! Configurations: what anybody can put into a store, and everything before the keyed hash.

#![no_main]

use format::config::Config;
use format::header::TRAILER;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Config::decode(data);
    let Some(bytes) = fuzz::framed(data) else { return };
    let Ok((config, proof)) = Config::decode(&bytes) else { return };
    let keys = fuzz::keys();
    let again = config.encode(&keys);
    let covered = bytes.len() - 2 * TRAILER;
    assert_eq!(again[..covered], bytes[..covered], "two configurations mean the same");
    assert_eq!(proof.check(&keys).is_ok(), again == bytes);
});
