//! What outlives a process: the bytes of every object in a repository.
//!
//! Encoding and decoding only, as `docs/format.md` defines them: this crate does no IO, reads no
//! clock and draws no random number. Whatever it decodes may be hostile: every length is bounded
//! before memory is allocated, and nothing is believed before its hash and its seal are checked.
//!
//! One module per object kind ([`config`], [`keyslot`], [`pack`], [`index`], [`map`],
//! [`manifest`], [`log`]) stands on four that they share: [`codec`] (bounded reading and writing),
//! [`header`] (the frame of every object), [`seal`] (keys and encryption), [`compress`].

#![warn(missing_docs)]

pub mod chunker;
pub mod codec;
pub mod compress;
pub mod config;
pub mod error;
pub mod header;
pub mod id;
pub mod index;
pub mod keyslot;
pub mod log;
pub mod manifest;
pub mod map;
pub mod names;
pub mod pack;
pub mod seal;

pub use error::FormatError;
pub use header::Kind;
pub use id::{ChunkId, IndexId, ManifestId, OwnedId, PackId, SessionId};
