//! The keys that sign and check access tokens, and their file.
//!
//! One key signs. After [`PERIOD`] a new one takes its place; the old one's private half is gone
//! then, and its public half stays for as long as a token that it signed can be good.
//!
//! `token.key` holds both, so that they change at one instant:
//!
//! ```text
//! created: 2026-11-25T04:00:00Z
//! -----BEGIN PRIVATE KEY-----
//! …
//! -----END PRIVATE KEY-----
//! retired: 2026-11-25T04:00:00Z BASE64URL OF THE PUBLIC POINT
//! ```

use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{DecodingKey, EncodingKey};
use rcgen::KeyPair;

use api::arm::cloud::Key;

use super::{ALGORITHM_NAME, LIFETIME_S};
use crate::files::{self, FileError};
use crate::tls::TlsError;

/// How long a key signs.
const PERIOD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long a key that signs no more is still of use: a token's life, and a minute.
const AFTERLIFE: SignedDuration = SignedDuration::from_secs(LIFETIME_S as i64 + 60);
/// Bytes of an uncompressed point of the curve: a byte that says so, then both coordinates.
const POINT_BYTES: usize = 65;

/// What a token can be checked with.
pub(super) struct Checking {
    pub(super) key: DecodingKey,
    pub(super) public: Key,
}

impl Checking {
    fn of(point: &[u8]) -> Option<Self> {
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let coordinates = point.get(1..).filter(|_| point.len() == POINT_BYTES)?;
        let (x, y) = coordinates.split_at(32);
        let public = Key {
            kty: "EC".to_owned(),
            usage: "sig".to_owned(),
            alg: ALGORITHM_NAME.to_owned(),
            kid: text(&digest::digest(&digest::SHA256, point).as_ref()[..16]),
            crv: "P-256".to_owned(),
            x: text(x),
            y: text(y),
        };
        let key = DecodingKey::from_ec_components(&public.x, &public.y).ok()?;
        Some(Self { key, public })
    }
}

struct Retired {
    at: Timestamp,
    point: Vec<u8>,
    checking: Checking,
}

/// The keys.
pub(super) struct Ring {
    path: PathBuf,
    pair: KeyPair,
    created: Timestamp,
    signing: EncodingKey,
    current: Checking,
    retired: Vec<Retired>,
}

impl Ring {
    /// Reads the keys of this data directory, or makes the first one. A key whose time is over is
    /// replaced.
    pub(super) fn open(data_dir: &Path, now: Timestamp) -> Result<Self, TlsError> {
        let path = data_dir.join("token.key");
        let unusable = || FileError::Unusable {
            path: path.clone(),
            expected: "the key that signs access tokens",
        };
        let Some(bytes) = files::read(&path)? else {
            let ring = Self::new(path, new_pair()?, now, Vec::new())?;
            ring.write()?;
            return Ok(ring);
        };
        let text = String::from_utf8(bytes).map_err(|_| unusable())?;
        let pair = KeyPair::from_pem(&text).map_err(|_| unusable())?;
        if !pair.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256) {
            return Err(unusable().into());
        }
        let fields = |key: &'static str| {
            text.lines().filter_map(move |line| line.strip_prefix(key).map(str::trim))
        };
        // A file of an earlier version does not say when it was made: its time begins now.
        let created = fields("created:").next().and_then(|time| time.parse().ok());
        let retired = fields("retired:").filter_map(|field| {
            let (time, point) = field.split_once(' ')?;
            let point = BASE64_URL_SAFE_NO_PAD.decode(point.trim()).ok()?;
            let checking = Checking::of(&point)?;
            Some(Retired { at: time.parse().ok()?, point, checking })
        });
        let mut ring = Self::new(path.clone(), pair, created.unwrap_or(now), retired.collect())?;
        if !ring.rotate(now)? && created.is_none() {
            ring.write()?;
        }
        Ok(ring)
    }

    fn new(
        path: PathBuf,
        pair: KeyPair,
        created: Timestamp,
        retired: Vec<Retired>,
    ) -> Result<Self, TlsError> {
        let current = Checking::of(pair.public_key_raw());
        let current = current.ok_or_else(|| FileError::Unusable {
            path: path.clone(),
            expected: "a key on the curve P-256",
        })?;
        let signing = EncodingKey::from_ec_der(&pair.serialize_der());
        Ok(Self { path, pair, created, signing, current, retired })
    }

    /// Makes a new key where the current one has signed for its time, and forgets those that no
    /// token can be checked with any more. Returns whether anything changed.
    ///
    /// # Errors
    ///
    /// The file could not be written; then everything is as it was.
    pub(super) fn rotate(&mut self, now: Timestamp) -> Result<bool, TlsError> {
        let age = now.duration_since(self.created);
        let is_gone = |retired: &Retired| now.duration_since(retired.at) > AFTERLIFE;
        if age < PERIOD {
            let before = self.retired.len();
            self.retired.retain(|retired| !is_gone(retired));
            let changed = self.retired.len() != before;
            if changed {
                self.write()?;
            }
            return Ok(changed);
        }
        let pair = new_pair()?;
        let point = self.pair.public_key_raw().to_vec();
        let mut retired: Vec<Retired> =
            std::mem::take(&mut self.retired).into_iter().filter(|one| !is_gone(one)).collect();
        if let Some(checking) = Checking::of(&point) {
            retired.push(Retired { at: now, point, checking });
        }
        let new = Self::new(self.path.clone(), pair, now, retired)?;
        match new.write() {
            Ok(()) => {
                tracing::info!(kid = new.current.public.kid, "a new key signs access tokens");
                *self = new;
                Ok(true)
            }
            Err(error) => {
                self.retired = new.retired;
                self.retired.pop();
                Err(error.into())
            }
        }
    }

    fn write(&self) -> Result<(), FileError> {
        let mut text = format!("created: {}\n{}", self.created, self.pair.serialize_pem());
        for Retired { at, point, .. } in &self.retired {
            text += &format!("retired: {at} {}\n", BASE64_URL_SAFE_NO_PAD.encode(point));
        }
        files::write(&self.path, text.as_bytes())
    }

    /// What signs, and its id.
    pub(super) fn signing(&self) -> (&EncodingKey, &str) {
        (&self.signing, &self.current.public.kid)
    }

    /// What tokens that name this key are checked with, if it is one of ours.
    pub(super) fn named(&self, kid: &str) -> Option<&DecodingKey> {
        self.checking().find(|checking| checking.public.kid == kid).map(|checking| &checking.key)
    }

    /// The public keys.
    pub(super) fn public(&self) -> Vec<Key> {
        self.checking().map(|checking| checking.public.clone()).collect()
    }

    fn checking(&self) -> impl Iterator<Item = &Checking> {
        std::iter::once(&self.current).chain(self.retired.iter().map(|retired| &retired.checking))
    }
}

fn new_pair() -> Result<KeyPair, TlsError> {
    Ok(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hours * 3600).expect("in range")
    }

    fn kids(ring: &Ring) -> Vec<String> {
        ring.public().into_iter().map(|key| key.kid).collect()
    }

    #[test]
    fn a_key_signs_for_its_time_and_checks_for_as_long_as_its_tokens_live() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut ring = Ring::open(dir.path(), at(0)).expect("made");
        let first = kids(&ring);
        assert!(!ring.rotate(at(30 * 24 - 1)).expect("nothing to do"));
        assert_eq!(kids(&ring), first);

        assert!(ring.rotate(at(30 * 24)).expect("rotated"));
        let both = kids(&ring);
        assert_eq!((both.len(), &both[1]), (2, &first[0]));
        assert_ne!(ring.signing().1, first[0]);
        assert!(ring.named(&first[0]).is_some());
        for (path, now) in [(dir.path(), at(30 * 24)), (dir.path(), at(30 * 24 + 1))] {
            assert_eq!(kids(&Ring::open(path, now).expect("opened")), both, "after a restart");
        }
        let text = std::fs::read_to_string(dir.path().join("token.key")).expect("text");
        assert_eq!(text.matches("PRIVATE KEY").count(), 2, "one private key, begun and ended");

        assert!(ring.rotate(at(30 * 24 + 2)).expect("forgotten"));
        assert_eq!(kids(&ring), both[..1]);
        assert_eq!(kids(&Ring::open(dir.path(), at(30 * 24 + 3)).expect("opened")), both[..1]);
        assert!(ring.named(&first[0]).is_none() && ring.named("").is_none());
    }

    #[test]
    fn a_start_long_after_brings_a_new_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = kids(&Ring::open(dir.path(), at(0)).expect("made"));
        let later = kids(&Ring::open(dir.path(), at(90 * 24)).expect("opened"));
        assert_eq!((later.len(), &later[1]), (2, &first[0]));
    }

    #[test]
    fn a_file_of_an_earlier_version_keeps_its_key_and_its_time_begins() {
        let dir = tempfile::tempdir().expect("a directory");
        let pair = new_pair().expect("a key");
        std::fs::write(dir.path().join("token.key"), pair.serialize_pem()).expect("written");
        let first = kids(&Ring::open(dir.path(), at(0)).expect("opened"));
        assert_eq!(kids(&Ring::open(dir.path(), at(29 * 24)).expect("opened")), first);
        let later = kids(&Ring::open(dir.path(), at(31 * 24)).expect("opened"));
        assert_eq!((later.len(), &later[1]), (2, &first[0]));
    }

    #[test]
    fn a_rotation_that_cannot_be_written_changes_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut ring = Ring::open(dir.path(), at(0)).expect("made");
        let first = kids(&ring);
        drop(dir);
        assert!(ring.rotate(at(31 * 24)).is_err());
        assert_eq!(kids(&ring), first);
    }
}
