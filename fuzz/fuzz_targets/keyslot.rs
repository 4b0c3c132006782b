//! Key slots of all kinds, key files and recovery keys.
//!
//! The cost of a passphrase stands in the slot, unauthenticated: whatever decodes must be bounded.

#![no_main]

use format::keyslot::{Kek, Key, Slot, Stretch, encode_for};
use format::seal::{MasterKey, VaultKeys};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        texts(text);
    }
    if let Some(bytes) = fuzz::framed(data) {
        slot(&bytes);
    } else if let Some((stretch, rest)) = data.split_first_chunk::<28>() {
        sealed(stretch, rest);
    }
    let _ = Slot::decode(data);
});

/// A key that is read from a text is the key of the text that is written from it.
fn texts(text: &str) {
    if let Ok(kek) = Kek::from_key_file(text) {
        let again = Kek::from_key_file(&kek.to_key_file()).expect("just written");
        assert_eq!(*again.to_key_file(), *kek.to_key_file());
    }
    if let Ok(kek) = Kek::from_recovery_text(text) {
        let again = Kek::from_recovery_text(&kek.to_recovery_text()).expect("just written");
        assert_eq!(*again.to_recovery_text(), *kek.to_recovery_text());
    }
}

fn slot(bytes: &[u8]) {
    let Ok(slot) = Slot::decode(bytes) else { return };
    let kek = Kek::new([0x22; 32]);
    let _ = slot.open_with(&Key::File(kek.clone()));
    let _ = slot.open_with(&Key::Recovery(kek));
    let Some(stretch) = slot.stretch() else { return };
    bounded(stretch);
    if cheap(stretch) {
        let words = "correct horse battery staple".to_owned();
        let _ = slot.open_with(&Key::Passphrase(words.into()));
    }
}

/// A slot that is written with any cost that a writer accepts opens again.
fn sealed(cost: &[u8; 28], passphrase: &[u8]) {
    let number =
        |at: usize| u32::from_le_bytes([cost[at], cost[at + 1], cost[at + 2], cost[at + 3]]);
    let salt = *cost.last_chunk().expect("28 bytes hold 16");
    let stretch = Stretch { memory_kib: number(0), passes: number(4), lanes: number(8), salt };
    if !cheap(&stretch) {
        return;
    }
    let words = String::from_utf8_lossy(passphrase).into_owned();
    let key = Key::Passphrase(words.into());
    let master = MasterKey::new(fuzz::MASTER);
    let Ok(bytes) = encode_for(fuzz::VAULT, salt, &key, &stretch, &master) else { return };
    bounded(&stretch);
    let slot = Slot::decode(&bytes).expect("just encoded");
    let opened = slot.open_with(&key).map_err(|error| error.to_string()).expect("its own key");
    let keys = VaultKeys::new(fuzz::VAULT, &opened);
    assert_eq!(keys.boundary_key(), fuzz::keys().boundary_key());
}

fn bounded(stretch: &Stretch) {
    let Stretch { memory_kib, passes, lanes, .. } = *stretch;
    assert!(memory_kib <= 1 << 20 && passes <= 16 && lanes <= 16, "{stretch:?}");
}

/// Whether it is worth a fuzzer's time.
fn cheap(stretch: &Stretch) -> bool {
    stretch.memory_kib <= 128 && stretch.passes <= 2 && stretch.lanes <= 16
}
