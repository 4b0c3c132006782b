//! Hypervisors and guests: list, quiesce, checkpoint, read what changed, restore, boot.
//!
//! [`Host`] is the port that the engine uses. This crate knows nothing of how data is stored,
//! reads no clock and draws no random number: point ids and UUIDs come in with the plans.

#![warn(missing_docs)]

pub mod error;
pub mod fake;
pub mod host;
pub mod image;
pub mod libvirt;
pub mod nbd;
mod process;
pub mod xml;

pub use error::FabricError;
pub use host::{
    CHECKPOINT_PREFIX, Capture, CapturePlan, CapturedDisk, Checkpoint, Counters, DiskPlan,
    DiskReader, Domain, Evidence, Finish, Host, HostEvent, Method, Network, NewDomain, Quiesce,
    RecoverScope, RestoredDisk, Sink, SkippedDisk, checkpoint_name,
};
