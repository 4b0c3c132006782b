//! What crosses the socket between `fabric` and the `holdfast-libvirt` program.
//!
//! One JSON document per frame; a frame is a length (32 bits, big endian) and that many bytes.
//! Requests carry an id of the asker's choice and are answered in any order; events come without
//! being asked for. The helper carries domain, backup and checkpoint XML as text: building and
//! reading it is `fabric`'s work.
//!
//! The socket is also the leash: when the asker's end is closed, the helper thaws what it froze,
//! aborts the backup jobs it began, resumes the guests that they paused, and exits.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Most bytes of one frame's document. A domain's XML is some ten KiB and an agent's answer is
/// bounded by [`AGENT_ANSWER_MAX`]; a list of a thousand domains fits well.
pub const FRAME_MAX: u32 = 16 << 20;

/// Most bytes of a guest agent's answer that is passed on.
pub const AGENT_ANSWER_MAX: usize = 8 << 20;

/// Most milliseconds a guest may be frozen, whatever a request says. Windows and many
/// applications give up a freeze of their own after this minute.
pub const FREEZE_BUDGET_MS_MAX: u64 = 60_000;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the asker; the reply carries it.
    pub id: u64,
    /// What is asked for.
    pub call: Call,
}

/// What can be asked. `domain` is always a domain's UUID in its usual text form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Call {
    /// Every domain with its state and XML. Answer: [`Answer::Domains`].
    ListDomains,
    /// Every virtual network with its state and XML. Answer: [`Answer::Networks`].
    ListNetworks,
    /// One domain's state and XML. Answer: [`Answer::Domain`].
    GetDomain {
        /// The domain.
        domain: String,
    },
    /// The definition a restore starts from: without the traces of a running process.
    /// Answer: [`Answer::Text`].
    DefinitionXml {
        /// The domain.
        domain: String,
    },
    /// Sizes of one disk. Answer: [`Answer::Block`].
    BlockInfo {
        /// The domain.
        domain: String,
        /// The disk's target.
        target: String,
    },
    /// The addresses that libvirt's networks have leased to the domain's cards.
    /// Answer: [`Answer::Leases`].
    Leases {
        /// The domain.
        domain: String,
    },
    /// One guest agent command. Answer: [`Answer::Text`], the agent's JSON.
    Agent {
        /// The domain.
        domain: String,
        /// The command, as JSON.
        command: String,
        /// How long the agent may take, in seconds (1 to 60).
        timeout_s: u32,
    },
    /// Checks that no other job runs, freezes if asked to, begins a backup job, thaws.
    /// Answer: [`Answer::Began`].
    Begin {
        /// The domain.
        domain: String,
        /// The `domainbackup` document.
        backup_xml: String,
        /// The `domaincheckpoint` document, where a checkpoint is to be made.
        checkpoint_xml: Option<String>,
        /// How long the guest may stay frozen, in milliseconds; `None` = do not freeze.
        freeze_budget_ms: Option<u64>,
        /// A text that libvirt's description of the job will hold and no other job's will: the
        /// NBD socket's path.
        marker: String,
    },
    /// Aborts the domain's backup job if its description holds `marker`, waits until it is gone,
    /// and resumes the guest if the job had paused it. Answer: [`Answer::Ended`].
    End {
        /// The domain.
        domain: String,
        /// As in [`Call::Begin`].
        marker: String,
    },
    /// The running backup job's description. Answer: [`Answer::Job`].
    BackupXml {
        /// The domain.
        domain: String,
    },
    /// Thaws the guest and asks its agent whether that was so. Answer: [`Answer::Done`].
    Thaw {
        /// The domain.
        domain: String,
    },
    /// The domain's checkpoints, parents before children. Answer: [`Answer::Checkpoints`].
    ListCheckpoints {
        /// The domain.
        domain: String,
    },
    /// One checkpoint's XML. Answer: [`Answer::Text`].
    CheckpointXml {
        /// The domain.
        domain: String,
        /// The checkpoint.
        name: String,
    },
    /// Deletes one checkpoint. Answer: [`Answer::Done`].
    DeleteCheckpoint {
        /// The domain.
        domain: String,
        /// The checkpoint.
        name: String,
        /// Only libvirt's record of it, not the bitmaps.
        metadata_only: bool,
    },
    /// Makes libvirt know a checkpoint again whose bitmaps are in the images.
    /// Answer: [`Answer::Done`].
    RedefineCheckpoint {
        /// The domain.
        domain: String,
        /// The checkpoint's XML as libvirt gave it.
        xml: String,
    },
    /// Defines a domain; refused where one of this name or UUID exists. Answer: [`Answer::Done`].
    Define {
        /// The domain's UUID, as in its XML.
        domain: String,
        /// The domain's name, as in its XML.
        name: String,
        /// The domain's XML.
        xml: String,
    },
    /// Removes a domain's definition and libvirt's record of its checkpoints.
    /// Answer: [`Answer::Done`].
    Undefine {
        /// The domain.
        domain: String,
    },
    /// Starts a domain. Answer: [`Answer::Done`].
    Start {
        /// The domain.
        domain: String,
    },
    /// Asks the guest to shut down. Answer: [`Answer::Done`].
    Shutdown {
        /// The domain.
        domain: String,
    },
    /// Ends a domain's process. Answer: [`Answer::Done`].
    Destroy {
        /// The domain.
        domain: String,
    },
    /// Lets a paused domain run on. Answer: [`Answer::Done`].
    Resume {
        /// The domain.
        domain: String,
    },
}

/// What the helper says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Message {
    /// First of all messages: the connection to libvirt stands.
    Ready {
        /// libvirt's version, as major × 1,000,000 + minor × 1,000 + release.
        libvirt_version: u64,
    },
    /// First and last message: there is no connection to libvirt.
    Refused {
        /// What libvirt said.
        failure: Failure,
    },
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: u64,
        /// The answer or the failure.
        result: Result<Answer, Failure>,
    },
    /// Something happened.
    Event {
        /// What.
        event: Event,
    },
}

/// What a call answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Answer {
    /// It is done.
    Done,
    /// One domain.
    Domain {
        /// The domain.
        domain: DomainInfo,
    },
    /// Domains.
    Domains {
        /// All of them.
        domains: Vec<DomainInfo>,
    },
    /// Virtual networks.
    Networks {
        /// All of them; none where the driver has no networks.
        networks: Vec<NetworkInfo>,
    },
    /// XML, or an agent's JSON.
    Text {
        /// The text.
        text: String,
    },
    /// Sizes of a disk, in bytes.
    Block {
        /// The size that the guest sees.
        capacity: u64,
        /// Bytes that its image occupies on the host.
        allocation: u64,
    },
    /// Leased addresses.
    Leases {
        /// All of them; none where the driver does not know.
        leases: Vec<Lease>,
    },
    /// A backup job has begun.
    Began {
        /// What came of the freeze.
        freeze: Freeze,
    },
    /// A backup job has ended.
    Ended {
        /// Whether there was such a job.
        found: bool,
        /// Whether the guest had been paused by an I/O error and was resumed.
        resumed: bool,
    },
    /// The running backup job.
    Job {
        /// libvirt's description; `None` = there is no backup job.
        xml: Option<String>,
    },
    /// Checkpoints.
    Checkpoints {
        /// Parents before children.
        checkpoints: Vec<CheckpointInfo>,
    },
}

/// A domain, as libvirt has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainInfo {
    /// Its UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: DomainState,
    /// Its live XML, or its definition where it is off.
    pub xml: String,
}

/// A virtual network, as libvirt has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkInfo {
    /// Whether it runs.
    pub active: bool,
    /// Its XML.
    pub xml: String,
}

/// An address that a network of libvirt's has leased to a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The card's hardware address.
    pub mac: String,
    /// The IP address.
    pub address: String,
}

/// A domain's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DomainState {
    /// It runs.
    Running,
    /// Its processors stand still.
    Paused,
    /// Its processors stand still because a disk failed or was full.
    PausedByIoError,
    /// It has no process.
    Off,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointInfo {
    /// Its name.
    pub name: String,
    /// The checkpoint before it.
    pub parent: Option<String>,
}

/// What came of a freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "freeze", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Freeze {
    /// None was asked for.
    NotAsked,
    /// The file systems were frozen from before to after the begin of the job.
    Held {
        /// How many file systems.
        filesystems: u32,
        /// How long they stood still, in milliseconds.
        frozen_ms: u64,
    },
    /// They were frozen, but thawed before the job had begun: the deadline passed, or somebody
    /// else thawed them.
    Cut {
        /// How many file systems had been frozen.
        filesystems: u32,
        /// What cut it.
        why: String,
    },
    /// The agent refused, failed or did not answer.
    Failed {
        /// What libvirt or the agent said.
        why: String,
        /// There is no agent to ask, as opposed to one that failed.
        unavailable: bool,
    },
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Which kind of failure.
    pub kind: FailureKind,
    /// libvirt's text.
    pub message: String,
}

/// The kinds of failure that callers decide on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailureKind {
    /// No such domain.
    NoDomain,
    /// The domain is not in the state that the call needs.
    WrongState,
    /// A checkpoint or its bitmap is missing or broken.
    Checkpoint,
    /// Another job holds the domain.
    Busy,
    /// The guest agent is not there or does not answer.
    Agent,
    /// It took too long.
    Timeout,
    /// There is no connection to libvirt (any more).
    Connection,
    /// A name or UUID is taken.
    Exists,
    /// The request was not understood, or is too large.
    Request,
    /// Anything else.
    Other,
}

/// Something that happened without being asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// A domain was defined, undefined, started, stopped, paused or resumed.
    Lifecycle {
        /// The domain.
        domain: String,
    },
    /// A domain's agent came or went.
    Agent {
        /// The domain.
        domain: String,
        /// Whether it is there now.
        connected: bool,
    },
    /// A disk of a domain failed.
    IoError {
        /// The domain.
        domain: String,
        /// The file.
        source: String,
        /// libvirt's reason, such as `enospc`.
        reason: String,
    },
    /// The helper aborted its own backup job of a domain that an I/O error had paused, and let
    /// the guest run on.
    JobSacrificed {
        /// The domain.
        domain: String,
    },
    /// The connection to libvirt is lost; the helper cleans up and exits.
    Disconnected,
}

/// Why a frame could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The socket failed, or ended within a frame.
    #[error("the socket to holdfast-libvirt failed")]
    Io(#[source] io::Error),
    /// The document is longer than [`FRAME_MAX`].
    #[error("a frame of {bytes} bytes is more than the {FRAME_MAX} allowed")]
    TooLong {
        /// Its length.
        bytes: u64,
    },
    /// The document is not what it should be.
    #[error("a frame does not hold the expected document")]
    Malformed(#[source] serde_json::Error),
}

/// Writes one document as a frame, in a single write.
///
/// # Errors
///
/// [`FrameError::TooLong`] before anything is written; [`FrameError::Io`] from the socket.
pub fn write_frame<T: Serialize>(mut to: impl Write, document: &T) -> Result<(), FrameError> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, document).map_err(FrameError::Malformed)?;
    let bytes = frame.len() as u64 - 4;
    let length = u32::try_from(bytes).ok().filter(|length| *length <= FRAME_MAX);
    let Some(length) = length else {
        return Err(FrameError::TooLong { bytes });
    };
    frame[..4].copy_from_slice(&length.to_be_bytes());
    to.write_all(&frame).map_err(FrameError::Io)
}

/// Reads one document; `None` where the other end closed the socket between two frames.
///
/// # Errors
///
/// Any of [`FrameError`]; the socket is of no use after one.
pub fn read_frame<T: DeserializeOwned>(mut from: impl Read) -> Result<Option<T>, FrameError> {
    let mut length = [0; 4];
    match from.read(&mut length[..1]) {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return read_frame(from),
        Err(error) => return Err(FrameError::Io(error)),
    }
    from.read_exact(&mut length[1..]).map_err(FrameError::Io)?;
    let length = u32::from_be_bytes(length);
    if length > FRAME_MAX {
        return Err(FrameError::TooLong { bytes: u64::from(length) });
    }
    let mut document = Vec::new();
    let got = from.take(u64::from(length)).read_to_end(&mut document).map_err(FrameError::Io)?;
    if got < length as usize {
        return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_slice(&document).map(Some).map_err(FrameError::Malformed)
}

#[cfg(test)]
mod tests;
