//! What the fuzz targets share.
//!
//! Random bytes never get past a seal. So an input that starts like an object is one whose clear
//! hash is made right ([`framed`]), as somebody who writes the store could; any other is a *text*,
//! which the target seals with the vault's key and reads back in the public way. What decodes must
//! encode to the same text again: no two texts mean the same.

use format::header::{MAGIC, TRAILER, append_trailer};
use format::seal::{MasterKey, VaultKeys, decode_object};
use format::{Kind, OwnedId, SessionId};

/// The vault of the fixtures, so that they open here too.
pub const VAULT: [u8; 16] = *b"a-vault-sixteen!";
/// The master key's bytes of the fixtures.
pub const MASTER: [u8; 32] = [0x11; 32];
/// More than any object of a target takes.
pub const TEXT_MAX: usize = 1 << 20;

/// The vault's keys.
pub fn keys() -> VaultKeys {
    VaultKeys::new(VAULT, &MasterKey::new(MASTER))
}

/// An id as the fixtures have it.
pub fn owned(number: u8) -> OwnedId {
    OwnedId::new(SessionId([0x33; 8]), [number; 8])
}

/// The object that `data` is with a right clear hash, if it starts like one.
pub fn framed(data: &[u8]) -> Option<Vec<u8>> {
    if !data.starts_with(&MAGIC) {
        return None;
    }
    let mut bytes = data[..data.len().saturating_sub(TRAILER).max(MAGIC.len())].to_vec();
    append_trailer(&mut bytes);
    Some(bytes)
}

/// Checks that an object of `kind` that was encoded again holds `text`.
pub fn same_text(keys: &VaultKeys, kind: Kind, place: u64, object: &[u8], text: &[u8]) {
    let opened = decode_object(keys, kind, place, object, TEXT_MAX).expect("just encoded");
    assert_eq!(opened.plain, text, "two texts mean the same");
}
