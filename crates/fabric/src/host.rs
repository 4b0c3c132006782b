//! The port to a host: its domains, points in time of their disks, and restored domains.
//!
//! [`Host`] has two implementations: [`crate::libvirt::LibvirtHost`] and [`crate::fake::FakeHost`];
//! one contract suite (`tests/contract.rs`) holds both to the same behaviour. All calls block.
//!
//! # A capture
//!
//! ```text
//! begin_capture ──▶ Capture ──▶ disk(..).extents(), .read(..)  ──▶ finish(Keep)    point committed
//!       │              │                                       └─▶ finish(Discard) anything else
//!       └─ error: nothing is left behind        dropped unfinished: as Discard
//! ```
//!
//! # Invariants
//!
//! - **F1. One point in time.** All disks of one capture show the same moment.
//! - **F2. Nothing is claimed.** [`Quiesce`] says what was proven, never what was asked for.
//! - **F3. A discarded capture leaves the older checkpoint able to serve the next incremental.**
//! - **F4. The guest comes first.** Where a capture endangers it, the capture ends.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::Receiver;
use model::point::PointId;
use model::units::Extent;
use model::vm::{AgentState, Disk, DiskFormat, Interface, OsType, PowerState};
use uuid::Uuid;

use crate::error::FabricError;

/// How names of Holdfast's checkpoints begin.
pub const CHECKPOINT_PREFIX: &str = "holdfast-";

/// The name of a point's checkpoint.
pub fn checkpoint_name(point: PointId) -> String {
    format!("{CHECKPOINT_PREFIX}{point}")
}

/// A host with domains.
pub trait Host: Send + Sync {
    /// Every domain of the host, in no order. Also the check that the host is there.
    ///
    /// # Errors
    ///
    /// [`FabricError::HypervisorDown`].
    fn inventory(&self) -> Result<Vec<Domain>, FabricError>;

    /// Every virtual network of the host, in no order; none where it has no notion of them.
    ///
    /// # Errors
    ///
    /// [`FabricError::HypervisorDown`].
    fn networks(&self) -> Result<Vec<Network>, FabricError>;

    /// One domain.
    ///
    /// # Errors
    ///
    /// [`FabricError::DomainGone`].
    fn domain(&self, domain: Uuid) -> Result<Domain, FabricError>;

    /// Changes from now on. A receiver that is not read loses events, but never its last
    /// pending ones: an event means "look again", so nothing is missed.
    fn events(&self) -> Receiver<HostEvent>;

    /// Fixes a point in time of the domain's disks.
    ///
    /// A powered-off domain is read offline; it cannot start until the capture ends.
    ///
    /// # Errors
    ///
    /// [`FabricError::ChainBroken`] asks for the same plan with a full read of that disk (of all
    /// disks, where none is named). After any error nothing is left behind.
    fn begin_capture(&self, plan: &CapturePlan) -> Result<Box<dyn Capture>, FabricError>;

    /// Finds and ends what an earlier process left: jobs, frozen or paused guests, checkpoints of
    /// unknown points, scratch. Says in words what it did. To be called with no capture running,
    /// at start and when a lost host is back.
    ///
    /// # Errors
    ///
    /// [`FabricError::HypervisorDown`]; a failure with one domain is told among the words.
    fn recover(&self, scope: &RecoverScope) -> Result<Vec<String>, FabricError>;

    /// Ends what an earlier process of this instance left on one domain: its job, its freeze, its
    /// scratch. For a begin that found another job: a hypervisor may grant a begin when its asker
    /// is long gone and recovery has already looked. Says in words what it did: nothing, where the
    /// job is somebody else's. Checkpoints are left to [`Host::recover`]. May be called while
    /// captures of other domains run.
    ///
    /// # Errors
    ///
    /// [`FabricError::JobRunning`] where a capture of this process holds the domain; it goes on.
    fn end_left_over(&self, domain: Uuid, scope: &RecoverScope)
    -> Result<Vec<String>, FabricError>;

    /// Deletes one of Holdfast's checkpoints, for a domain that is to be read incrementally no
    /// more: its record of changes costs the guest. Done also where there is no such checkpoint.
    ///
    /// # Errors
    ///
    /// [`FabricError::DomainGone`]; [`FabricError::Other`] where the hypervisor cannot do it now,
    /// such as for a domain that is powered off. [`Host::recover`] then deletes it one day.
    fn forget_checkpoint(&self, domain: Uuid, name: &str) -> Result<(), FabricError>;

    /// One guest agent command, as JSON, and its answer. Writes of more than 128 KiB would hang
    /// the channel and are refused.
    ///
    /// # Errors
    ///
    /// [`FabricError::AgentUnavailable`].
    fn agent(&self, domain: Uuid, command: &str, limit: Duration) -> Result<String, FabricError>;

    /// Defines a new domain over restored disks from the XML of the one that was backed up, by
    /// allow-list (see [`crate::xml::rebuild`]). Says what of the XML was left out.
    ///
    /// # Errors
    ///
    /// [`FabricError::Exists`], [`FabricError::Xml`].
    fn define(&self, source_xml: &str, new: &NewDomain) -> Result<Vec<String>, FabricError>;

    /// Starts a domain.
    ///
    /// # Errors
    ///
    /// [`FabricError::Other`] with libvirt's text.
    fn start(&self, domain: Uuid) -> Result<(), FabricError>;

    /// Ends a domain's process, as if its power failed. Done also where it is off.
    ///
    /// # Errors
    ///
    /// [`FabricError::DomainGone`].
    fn destroy(&self, domain: Uuid) -> Result<(), FabricError>;

    /// Removes a domain's definition, not its disks.
    ///
    /// # Errors
    ///
    /// [`FabricError::DomainGone`].
    fn undefine(&self, domain: Uuid) -> Result<(), FabricError>;

    /// Waits until the domain's guest agent answers a ping.
    ///
    /// # Errors
    ///
    /// [`FabricError::Timeout`] after `limit`.
    fn wait_for_agent(&self, domain: Uuid, limit: Duration) -> Result<(), FabricError>;
}

/// A domain, as the host has it. Naming rules are the engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name in libvirt.
    pub name: String,
    /// Whether it runs.
    pub power: PowerState,
    /// Number of virtual processors.
    pub vcpus: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Its disks (`device='disk'` only), in the domain's order.
    pub disks: Vec<Disk>,
    /// Those of its disks that cannot be backed up.
    pub unsupported: Vec<SkippedDisk>,
    /// Its guest agent.
    pub agent: AgentState,
    /// The resource group its metadata names.
    pub resource_group: Option<String>,
    /// Its network cards, in the domain's order.
    pub interfaces: Vec<Interface>,
    /// The operating system that its metadata names.
    pub os: Option<OsType>,
}

/// A virtual network, as the host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name in libvirt.
    pub name: String,
    /// Whether it runs.
    pub active: bool,
    /// The bridge that its virtual machines are on, where it has one.
    pub bridge: Option<String>,
    /// Its address ranges, such as `192.168.122.0/24`; none where the host has no address in it.
    pub prefixes: Vec<String>,
}

/// A disk that is not part of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedDisk {
    /// Its target.
    pub target: String,
    /// Why.
    pub why: String,
}

/// Something changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostEvent {
    /// A domain came, went, or changed its state or its agent's.
    Changed {
        /// The domain.
        domain: Uuid,
    },
    /// The connection to the host is lost. The next call tries to make a new one.
    Lost {
        /// What was seen of it.
        why: String,
    },
}

/// What a capture shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturePlan {
    /// The domain.
    pub domain: Uuid,
    /// The point that is to be made: names the checkpoint and the directories.
    pub point: PointId,
    /// The disks, by target, and how to read each. Others are left out.
    pub disks: Vec<DiskPlan>,
    /// Freeze the guest's file systems if its agent can, for at most this long; `None` = don't.
    pub quiesce: Option<Duration>,
    /// Where the blocks are kept that a running guest overwrites: a directory of its own per
    /// capture is made in it.
    pub scratch_dir: PathBuf,
    /// The instance's own short directory for sockets, such as `/run/holdfast/1a2b3c4d`. Its last
    /// component names the instance: recovery touches only what carries it.
    pub socket_dir: PathBuf,
}

/// How one disk is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskPlan {
    /// The disk's target.
    pub target: String,
    /// How to read it.
    pub method: Method,
}

/// How a disk is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// Everything that is allocated.
    Full,
    /// What was written since a checkpoint.
    Incremental {
        /// The checkpoint's name.
        checkpoint: String,
    },
}

/// A point in time that can be read. Dropping it unfinished is [`Finish::Discard`].
pub trait Capture: Send {
    /// What was proven at the begin, and how each disk is read.
    fn evidence(&self) -> &Evidence;

    /// A reader of one disk. Several may be open at a time, of one disk too.
    ///
    /// # Errors
    ///
    /// [`FabricError::DiskGone`] for a target that is not in the evidence.
    fn disk(&self, target: &str) -> Result<Box<dyn DiskReader>, FabricError>;

    /// Whether the point in time still stands. After a failed read this gives the true cause,
    /// such as [`FabricError::ScratchFull`].
    ///
    /// # Errors
    ///
    /// The cause of the capture's end.
    fn check(&self) -> Result<(), FabricError>;

    /// Ends the capture and waits until it is really over. Says in words what it did beyond
    /// the plain.
    ///
    /// # Errors
    ///
    /// With [`Finish::Keep`]: the new checkpoint cannot serve, so the next read is a full one.
    fn finish(self: Box<Self>, how: Finish) -> Result<Vec<String>, FabricError>;
}

/// How a capture ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Its point is committed: the new checkpoint stays, Holdfast's older ones are deleted.
    Keep,
    /// Its point will never be: the new checkpoint is merged into the one before.
    Discard,
}

/// What is known for certain about a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What was proven about the guest's file systems at the point in time.
    pub quiesce: Quiesce,
    /// The disks of the capture, in the domain's order.
    pub disks: Vec<CapturedDisk>,
    /// Disks of the domain that are not part of it.
    pub skipped: Vec<SkippedDisk>,
    /// The domain's definition, which a restore starts from.
    pub domain_xml: String,
    /// The new checkpoint; `None` for a powered-off domain and where no disk can hold one.
    pub checkpoint: Option<Checkpoint>,
}

/// One disk of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedDisk {
    /// Its target.
    pub target: String,
    /// Its serial number, where the domain sets one.
    pub serial: Option<String>,
    /// Its exact size, in bytes.
    pub size: u64,
    /// How it is read: as planned, or in full where its image keeps no bitmap.
    pub method: Method,
    /// Why it is read otherwise than planned.
    pub note: Option<String>,
    /// Whether the new checkpoint covers it, so that the next read can be incremental.
    pub tracked: bool,
}

/// A checkpoint as libvirt describes it: enough to make a libvirt that lost it know it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its name.
    pub name: String,
    /// Its XML.
    pub xml: String,
}

/// What was proven about the guest's file systems at the point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quiesce {
    /// Nothing was asked for.
    NotAsked,
    /// The domain was powered off.
    PoweredOff,
    /// They were frozen from before until after the point in time.
    Frozen {
        /// How many file systems.
        filesystems: u32,
        /// How long they stood still.
        for_: Duration,
    },
    /// They were frozen, but thawed before the point in time was fixed: nothing is proven.
    Cut {
        /// What cut the freeze.
        why: String,
    },
    /// The agent refused or failed.
    Failed {
        /// What it said.
        why: String,
    },
    /// There is no agent, or it does not answer.
    Unavailable {
        /// What libvirt said.
        why: String,
    },
}

/// Takes pieces of a disk: an offset and the bytes from there. `Break` ends the read.
pub type Sink<'a> = &'a mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>;

/// One disk, as it was at the point in time.
pub trait DiskReader: Send {
    /// Its exact size, in bytes.
    fn size(&self) -> u64;

    /// What is to be read: allocated ranges for [`Method::Full`], dirty ones for
    /// [`Method::Incremental`]; sorted, apart from each other, within the size. What is outside
    /// is zero, or unchanged.
    ///
    /// # Errors
    ///
    /// [`FabricError::Read`].
    fn extents(&mut self) -> Result<Vec<Extent>, FabricError>;

    /// Reads `ranges`, which must be sorted and apart from each other, and hands them to `sink`
    /// in that order, in pieces of at most 256 KiB. Pieces that are known to be zero may be left
    /// out. Ranges are not bound to [`DiskReader::extents`].
    ///
    /// # Errors
    ///
    /// [`FabricError::Read`]; [`Capture::check`] may know better why.
    fn read(&mut self, ranges: &[Extent], sink: Sink<'_>) -> Result<ControlFlow<()>, FabricError>;

    /// What has been read so far.
    fn counters(&self) -> Counters;
}

/// What was asked of a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes of disk that were asked for.
    pub bytes: u64,
    /// Requests that asked for them.
    pub requests: u64,
}

/// What recovery may touch, and what it must leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoverScope {
    /// As in [`CapturePlan`].
    pub scratch_dir: PathBuf,
    /// As in [`CapturePlan`].
    pub socket_dir: PathBuf,
    /// For every protected domain, the checkpoints of its committed points. Other checkpoints of
    /// Holdfast on these domains are deleted; other domains keep theirs.
    pub known: BTreeMap<Uuid, BTreeSet<String>>,
}

/// A domain that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDomain {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// The resource group to write into its metadata.
    pub resource_group: Option<String>,
    /// The libvirt network that it is put on with one card, by name; `None` = its cards stay as
    /// they were, as far as they may.
    pub network: Option<String>,
    /// Its disks. Disks of the source that are not among them are left out.
    pub disks: Vec<RestoredDisk>,
}

/// A restored disk's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredDisk {
    /// The target it had in the source.
    pub target: String,
    /// The file.
    pub path: PathBuf,
    /// The file's format.
    pub format: DiskFormat,
}
