//! The deduplicating repository over an object store: write, read, verify, repair, collect.
//!
//! [`Repository`] is the only way in. It knows points and disks, chunks and packs; it knows nothing
//! of virtual machines, policies or HTTP. What the bytes are is `format`'s business, and what must
//! hold whatever happens is written in `docs/format.md`. Everything blocks; a [`Repository`] may be
//! used from many threads, and a store by many processes.
//!
//! # Invariants
//!
//! - Nothing is referred to before it is durable: packs → index → manifest → log entry.
//! - A point exists if and only if its commit entry is in the log. Any point restores by itself.
//! - Names are never used twice; objects are never changed.
//! - What cannot be read is never deleted. A repair keeps it aside.

#![warn(missing_docs)]

mod collect;
mod decide;
mod error;
mod image;
mod index;
pub mod keys;
mod log;
mod map;
pub mod objects;
mod parallel;
mod points;
mod progress;
mod read;
mod repair;
mod replicate;
mod repository;
mod restore;
mod scrub;
mod sound;
mod source;
mod space;
mod state;
mod stats;
mod unnamed;
mod usage;
mod verify;
mod write;

pub use collect::{CollectOptions, CollectReport, Repacking};
pub use error::RepoError;
pub use format::keyslot::Kek;
pub use format::{Kind as ObjectKind, SessionId};
pub use image::DiskImage;
pub use points::{Contents, DiskInfo, PointInfo, PointManifest, PointStats, SessionInfo};
pub use progress::{Flow, NoProgress, Progress, Transfer};
pub use repair::{Repair, RepairReport, Repaired, repair};
pub use replicate::{CopyReport, copy};
pub use repository::{Environment, Repository};
pub use restore::RestoreStats;
pub use scrub::{ScrubFinding, ScrubReport, scrub};
pub use source::{FileSource, Sink, SinkStopped, Source, SourceError};
pub use space::{PointSpace, SpaceReport};
pub use stats::{RepoSize, RepoStats};
pub use verify::{DamagedObject, LogHead, NotALogHead, VerifyOptions, VerifyReport};
pub use write::{DiskSpec, DiskStats, NewPoint, PointWriter};
