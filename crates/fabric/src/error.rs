//! Why work with hosts and guests fails, in the kinds that the engine decides on.

use std::io;
use std::path::PathBuf;

use crate::nbd::NbdError;

/// Why a call to a host failed.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// A disk cannot be read incrementally: its checkpoint or bitmap is missing, broken or
    /// foreign. A full read of that disk heals it.
    #[error("changes of disk {} are not known: {message}", disk.as_deref().unwrap_or("(any)"))]
    ChainBroken {
        /// The disk's target, where libvirt names it.
        disk: Option<String>,
        /// libvirt's or QEMU's text.
        message: String,
    },
    /// Another job holds the domain.
    #[error("another job is running on the domain: {message}")]
    JobRunning {
        /// libvirt's text.
        message: String,
    },
    /// The host has no such domain, or it went away during the work.
    #[error("the domain is not there: {message}")]
    DomainGone {
        /// libvirt's text.
        message: String,
    },
    /// The domain's state does not allow it.
    #[error("the domain is not in a state that allows this: {message}")]
    WrongState {
        /// libvirt's text.
        message: String,
    },
    /// A planned disk is not in the domain, or its file is missing.
    #[error("disk {target} is not there: {message}")]
    DiskGone {
        /// Its target.
        target: String,
        /// What was found instead.
        message: String,
    },
    /// A disk is of a kind that cannot be backed up.
    #[error("disk {target} cannot be backed up: {message}")]
    DiskUnsupported {
        /// Its target.
        target: String,
        /// Why.
        message: String,
    },
    /// The guest agent is not there or did not answer.
    #[error("the guest agent does not answer: {message}")]
    AgentUnavailable {
        /// libvirt's text.
        message: String,
    },
    /// The scratch directory has too little room, or ran full.
    #[error("the scratch directory {} is too full: {message}", path.display())]
    ScratchFull {
        /// The directory.
        path: PathBuf,
        /// What was needed and what was there.
        message: String,
    },
    /// libvirt or the helper program is not there, not running or refuses us.
    #[error("libvirt is not available: {message}")]
    HypervisorDown {
        /// What was tried, and what came of it.
        message: String,
    },
    /// It took too long.
    #[error("{what} took longer than {seconds} s")]
    Timeout {
        /// What.
        what: String,
        /// The limit.
        seconds: u64,
    },
    /// A name or UUID is taken.
    #[error("there is such a domain already: {message}")]
    Exists {
        /// libvirt's text.
        message: String,
    },
    /// The domain's XML cannot be used.
    #[error("the domain's XML cannot be used: {message}")]
    Xml {
        /// What is wrong with it.
        message: String,
    },
    /// Reading a disk failed.
    #[error("reading disk {target} failed")]
    Read {
        /// The disk's target, or the image's path.
        target: String,
        /// What failed.
        source: NbdError,
    },
    /// A file or directory of ours could not be used.
    #[error("{what} {} failed", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A tool of QEMU's failed.
    #[error("{tool} failed: {message}")]
    Tool {
        /// The program.
        tool: &'static str,
        /// What it said.
        message: String,
    },
    /// libvirt said something that none of the above covers.
    #[error("libvirt: {message}")]
    Other {
        /// libvirt's text.
        message: String,
    },
}
