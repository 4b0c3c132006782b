//! The names of objects in a store, relative to the repository's place.

use crate::id::{IndexId, ManifestId, OwnedId, PackId, SessionId, hex, unhex};

/// The configuration.
pub const CONFIG: &str = "config";
/// What the names of key slots start with.
pub const KEYS: &str = "keys/";
/// What the names of packs start with.
pub const PACKS: &str = "packs/";
/// What the names of indexes start with.
pub const INDEXES: &str = "index/";
/// What the names of manifests start with.
pub const MANIFESTS: &str = "manifests/";
/// What the names of log entries start with.
pub const LOG: &str = "log/";
/// What the names of damaged objects start with that a repair kept aside.
pub const QUARANTINE: &str = "quarantine/";

/// The name of a key slot.
pub fn key_slot(slot: &[u8; 16]) -> String {
    format!("{KEYS}{}", hex(slot))
}

/// The id in the name of a key slot.
pub fn parse_key_slot(name: &str) -> Option<[u8; 16]> {
    unhex(name.strip_prefix(KEYS)?)
}

/// The name under which the object `name` is kept aside; `random` tells one case from another.
pub fn quarantined(random: &[u8; 8], name: &str) -> String {
    format!("{QUARANTINE}{}/{name}", hex(random))
}

/// The name of a pack.
pub fn pack(id: &PackId) -> String {
    owned(PACKS, id)
}

/// The name of an index.
pub fn index(id: &IndexId) -> String {
    owned(INDEXES, id)
}

/// The name of a manifest.
pub fn manifest(id: &ManifestId) -> String {
    owned(MANIFESTS, id)
}

/// The name of a log entry.
pub fn log_entry(number: u64) -> String {
    format!("{LOG}{number:020}")
}

/// What the names of the packs of one session start with.
pub fn packs_of(session: SessionId) -> String {
    format!("{PACKS}{session}/")
}

fn owned(prefix: &str, id: &OwnedId) -> String {
    format!("{prefix}{}/{}", id.session(), hex(&id.random()))
}

/// The id in the name of a pack, index or manifest, if `name` is one under `prefix`.
pub fn parse_owned(prefix: &str, name: &str) -> Option<OwnedId> {
    let (session, random) = name.strip_prefix(prefix)?.split_once('/')?;
    Some(OwnedId::new(SessionId(unhex(session)?), unhex(random)?))
}

/// The number in the name of a log entry.
pub fn parse_log_entry(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(LOG)?;
    let number: u64 = digits.parse().ok()?;
    (log_entry(number) == name && number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_the_ids_they_were_made_of() {
        let id = OwnedId::new(SessionId([0xab; 8]), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(pack(&id), "packs/abababababababab/0102030405060708");
        assert_eq!(parse_owned(PACKS, &pack(&id)), Some(id));
        assert_eq!(parse_owned(INDEXES, &index(&id)), Some(id));
        assert_eq!(parse_log_entry("log/00000000000000000042"), Some(42));
        assert_eq!(parse_key_slot(&key_slot(&[0x5a; 16])), Some([0x5a; 16]));
        let aside = quarantined(&[0xc0; 8], &pack(&id));
        assert_eq!(aside, "quarantine/c0c0c0c0c0c0c0c0/packs/abababababababab/0102030405060708");
        assert_eq!(parse_owned(PACKS, &aside), None);
    }

    #[test]
    fn other_names_are_not_taken_for_ours() {
        for name in
            ["packs/ab/cd", "packs/abababababababab", "packs/ABABABABABABABAB/0102030405060708"]
        {
            assert_eq!(parse_owned(PACKS, name), None, "{name}");
        }
        for name in ["log/42", "log/00000000000000000000", "log/+0000000000000000042", "42"] {
            assert_eq!(parse_log_entry(name), None, "{name}");
        }
    }
}
