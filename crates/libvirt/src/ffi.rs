//! libvirt's C interface, made safe: connections and domains as owned values, text as `String`,
//! failures as [`LibvirtError`].
//!
//! Only this module and [`crate::events`] contain `unsafe`. What makes it sound: every pointer is
//! checked for null before it is wrapped and freed exactly once, by `Drop`; libvirt's objects are
//! reference-counted and may be used from any thread; its last error is per thread and read
//! directly after the call that set it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

use api::helper::{CheckpointInfo, DomainState, Failure, FailureKind, Lease};
use virt_sys as sys;

/// Why a call to libvirt failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LibvirtError {
    /// libvirt's number (`VIR_ERR_*`); 0 where the failure is our own.
    pub code: u32,
    /// Which part of libvirt failed (`VIR_FROM_*`).
    pub from: u32,
    /// libvirt's text.
    pub message: String,
}

impl LibvirtError {
    /// The error that the last failed call on this thread left.
    fn last() -> Self {
        // SAFETY: the error is this thread's own, and its text is copied before the next call.
        unsafe {
            let error = sys::virGetLastError();
            if error.is_null() {
                return Self::own("libvirt failed without saying why");
            }
            let number = |value: c_int| u32::try_from(value).unwrap_or(0);
            let message = if (*error).message.is_null() {
                String::new()
            } else {
                CStr::from_ptr((*error).message).to_string_lossy().into_owned()
            };
            Self { code: number((*error).code), from: number((*error).domain), message }
        }
    }

    /// A failure of our own.
    pub fn own(message: &str) -> Self {
        Self { code: 0, from: 0, message: message.to_owned() }
    }

    /// Which kind of failure it is for the asker.
    pub fn kind(&self) -> FailureKind {
        let held = self.message.contains("state change lock");
        match self.code {
            sys::VIR_ERR_NO_DOMAIN => FailureKind::NoDomain,
            sys::VIR_ERR_NO_DOMAIN_CHECKPOINT
            | sys::VIR_ERR_INVALID_DOMAIN_CHECKPOINT
            | sys::VIR_ERR_CHECKPOINT_INCONSISTENT => FailureKind::Checkpoint,
            sys::VIR_ERR_OPERATION_TIMEOUT if held => FailureKind::Busy,
            sys::VIR_ERR_OPERATION_TIMEOUT => FailureKind::Timeout,
            sys::VIR_ERR_OPERATION_INVALID => FailureKind::WrongState,
            sys::VIR_ERR_AGENT_UNRESPONSIVE
            | sys::VIR_ERR_AGENT_UNSYNCED
            | sys::VIR_ERR_AGENT_COMMAND_TIMEOUT
            | sys::VIR_ERR_AGENT_COMMAND_FAILED => FailureKind::Agent,
            sys::VIR_ERR_ARGUMENT_UNSUPPORTED if self.message.contains("agent") => {
                FailureKind::Agent
            }
            sys::VIR_ERR_NO_CONNECT | sys::VIR_ERR_INVALID_CONN => FailureKind::Connection,
            sys::VIR_ERR_DOM_EXIST => FailureKind::Exists,
            _ if self.from == sys::VIR_FROM_RPC || self.from == sys::VIR_FROM_REMOTE => {
                FailureKind::Connection
            }
            _ => FailureKind::Other,
        }
    }
}

impl From<LibvirtError> for Failure {
    fn from(error: LibvirtError) -> Self {
        Self { kind: error.kind(), message: error.message }
    }
}

/// The result of a call to libvirt.
pub type Result<T> = std::result::Result<T, LibvirtError>;

/// A connection to libvirt.
pub struct Connection {
    pub(crate) raw: sys::virConnectPtr,
}

// SAFETY: libvirt's connections are reference-counted and locked inside.
unsafe impl Send for Connection {}
// SAFETY: as above.
unsafe impl Sync for Connection {}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours and is not used again.
        unsafe { sys::virConnectClose(self.raw) };
    }
}

impl Connection {
    /// Connects. A daemon that stands still is noticed within half a minute.
    pub fn open(uri: &str) -> Result<Self> {
        let uri = c_text(uri)?;
        // SAFETY: the text lives during the call.
        let raw = unsafe { sys::virConnectOpen(uri.as_ptr()) };
        if raw.is_null() {
            return Err(LibvirtError::last());
        }
        // SAFETY: the connection is live. Drivers without keep-alive refuse it, which is no harm.
        unsafe { sys::virConnectSetKeepAlive(raw, 5, 5) };
        Ok(Self { raw })
    }

    /// Whether the daemon is still at the other end.
    pub fn is_alive(&self) -> bool {
        // SAFETY: the connection is live.
        unsafe { sys::virConnectIsAlive(self.raw) == 1 }
    }

    /// libvirt's version, as major × 1,000,000 + minor × 1,000 + release.
    pub fn version(&self) -> Result<u64> {
        let mut version = 0;
        // SAFETY: the connection is live, and the target outlives the call.
        check(unsafe { sys::virConnectGetLibVersion(self.raw, &raw mut version) })?;
        Ok(version)
    }

    /// Every domain, running or not.
    pub fn domains(&self) -> Result<Vec<Domain>> {
        let mut list: *mut sys::virDomainPtr = ptr::null_mut();
        // SAFETY: libvirt allocates the list and gives every entry to us.
        unsafe {
            let count = check(sys::virConnectListAllDomains(self.raw, &raw mut list, 0))?;
            let domains = owned(list, count).map(|raw| Domain { raw }).collect();
            free(list.cast());
            Ok(domains)
        }
    }

    /// The domain with this UUID.
    pub fn domain(&self, uuid: &str) -> Result<Domain> {
        let uuid = c_text(uuid)?;
        // SAFETY: the text lives during the call.
        Domain::wrap(unsafe { sys::virDomainLookupByUUIDString(self.raw, uuid.as_ptr()) })
    }

    /// The domain with this name.
    pub fn domain_by_name(&self, name: &str) -> Result<Domain> {
        let name = c_text(name)?;
        // SAFETY: the text lives during the call.
        Domain::wrap(unsafe { sys::virDomainLookupByName(self.raw, name.as_ptr()) })
    }

    /// Every virtual network, running or not: whether it runs, and its XML. None where the driver
    /// has no networks; one that goes meanwhile is not in the answer.
    pub fn networks(&self) -> Result<Vec<(bool, String)>> {
        let mut list: *mut sys::virNetworkPtr = ptr::null_mut();
        // SAFETY: libvirt allocates the list and gives every entry to us.
        let networks: Vec<Network> = unsafe {
            let count = match check(sys::virConnectListAllNetworks(self.raw, &raw mut list, 0)) {
                Err(error) if error.code == sys::VIR_ERR_NO_SUPPORT => return Ok(Vec::new()),
                other => other?,
            };
            let networks = owned(list, count).map(|raw| Network { raw }).collect();
            free(list.cast());
            networks
        };
        Ok(networks.iter().filter_map(|it| Some((it.is_active().ok()?, it.xml().ok()?))).collect())
    }

    /// Defines a domain, and checks its XML against libvirt's schema.
    pub fn define(&self, xml: &str) -> Result<Domain> {
        let xml = c_text(xml)?;
        // SAFETY: the text lives during the call.
        Domain::wrap(unsafe {
            sys::virDomainDefineXMLFlags(self.raw, xml.as_ptr(), sys::VIR_DOMAIN_DEFINE_VALIDATE)
        })
    }
}

/// A domain.
pub struct Domain {
    raw: sys::virDomainPtr,
}

// SAFETY: libvirt's domain handles are reference-counted and locked inside.
unsafe impl Send for Domain {}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours and is not used again.
        unsafe { sys::virDomainFree(self.raw) };
    }
}

impl Domain {
    fn wrap(raw: sys::virDomainPtr) -> Result<Self> {
        if raw.is_null() { Err(LibvirtError::last()) } else { Ok(Self { raw }) }
    }

    /// Its UUID.
    pub fn uuid(&self) -> Result<String> {
        uuid_of(self.raw)
    }

    /// Its name.
    pub fn name(&self) -> Result<String> {
        // SAFETY: the name belongs to the live handle and is copied.
        unsafe { borrowed(sys::virDomainGetName(self.raw)) }
    }

    /// Its state.
    pub fn state(&self) -> Result<DomainState> {
        let (mut state, mut reason) = (0, 0);
        // SAFETY: both targets outlive the call.
        check(unsafe { sys::virDomainGetState(self.raw, &raw mut state, &raw mut reason, 0) })?;
        let is = |value: c_int, constant: u32| u32::try_from(value) == Ok(constant);
        Ok(if is(state, sys::VIR_DOMAIN_PAUSED) {
            if is(reason, sys::VIR_DOMAIN_PAUSED_IOERROR) {
                DomainState::PausedByIoError
            } else {
                DomainState::Paused
            }
        } else if is(state, sys::VIR_DOMAIN_PMSUSPENDED) {
            DomainState::Paused
        } else if is(state, sys::VIR_DOMAIN_SHUTOFF) || is(state, sys::VIR_DOMAIN_CRASHED) {
            DomainState::Off
        } else {
            DomainState::Running
        })
    }

    /// Its XML, with the live state where it runs. Never with passwords.
    pub fn xml(&self) -> Result<String> {
        // SAFETY: the handle is live; the text is ours.
        unsafe { taken(sys::virDomainGetXMLDesc(self.raw, 0)) }
    }

    /// What it runs on, without the traces of running; its definition where it is off.
    pub fn definition(&self) -> Result<String> {
        let flags = match self.state()? {
            DomainState::Off => sys::VIR_DOMAIN_XML_INACTIVE,
            _ => sys::VIR_DOMAIN_XML_MIGRATABLE,
        };
        // SAFETY: the handle is live; the text is ours.
        unsafe { taken(sys::virDomainGetXMLDesc(self.raw, flags)) }
    }

    /// Capacity and allocation of a disk, in bytes.
    pub fn block_info(&self, target: &str) -> Result<(u64, u64)> {
        let target = c_text(target)?;
        let mut info = sys::virDomainBlockInfo { capacity: 0, allocation: 0, physical: 0 };
        // SAFETY: text and target outlive the call.
        check(unsafe { sys::virDomainGetBlockInfo(self.raw, target.as_ptr(), &raw mut info, 0) })?;
        Ok((info.capacity, info.allocation))
    }

    /// The addresses that libvirt's networks have leased to its cards. Nobody asks the guest: its
    /// agent may have to thaw file systems just now. None where the driver cannot tell.
    pub fn leases(&self) -> Result<Vec<Lease>> {
        const SOURCE: u32 = sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE;
        let mut list: *mut sys::virDomainInterfacePtr = ptr::null_mut();
        let mut leases = Vec::new();
        // SAFETY: libvirt allocates the list and gives every entry to us, with texts that are null
        // or end in zero, and as many addresses as it says.
        unsafe {
            let told = sys::virDomainInterfaceAddresses(self.raw, &raw mut list, SOURCE, 0);
            let count = match check(told) {
                Err(error) if error.code == sys::VIR_ERR_NO_SUPPORT => return Ok(leases),
                other => other?,
            };
            for card in owned(list, count) {
                let addresses = owned((*card).addrs, (*card).naddrs);
                let text = |text: *mut c_char| borrowed(text).ok();
                let mac = text((*card).hwaddr);
                leases.extend(
                    addresses.filter_map(|it| {
                        Some(Lease { mac: mac.clone()?, address: text(it.addr)? })
                    }),
                );
                sys::virDomainInterfaceFree(card);
            }
            free(list.cast());
        }
        Ok(leases)
    }

    /// One guest agent command; its answer as JSON.
    pub fn agent(&self, command: &str, timeout_s: c_int) -> Result<String> {
        let command = c_text(command)?;
        // SAFETY: the text lives during the call; the answer is ours.
        unsafe { taken(sys::virDomainQemuAgentCommand(self.raw, command.as_ptr(), timeout_s, 0)) }
    }

    /// How long libvirt's own agent calls wait, in seconds; negative values are libvirt's words
    /// for "for ever" and "as usual".
    pub fn set_agent_timeout(&self, seconds: c_int) -> Result<()> {
        // SAFETY: the handle is live.
        check(unsafe { sys::virDomainAgentSetResponseTimeout(self.raw, seconds, 0) }).map(drop)
    }

    /// Freezes the guest's file systems; how many.
    pub fn freeze(&self) -> Result<u32> {
        // SAFETY: the handle is live, and no mount points are given.
        check(unsafe { sys::virDomainFSFreeze(self.raw, ptr::null_mut(), 0, 0) })
    }

    /// Thaws the guest's file systems; how many.
    pub fn thaw(&self) -> Result<u32> {
        // SAFETY: the handle is live, and no mount points are given.
        check(unsafe { sys::virDomainFSThaw(self.raw, ptr::null_mut(), 0, 0) })
    }

    /// Whether any job runs on it.
    pub fn has_job(&self) -> Result<bool> {
        // SAFETY: the structure holds only numbers, for which zero is a value; it outlives the
        // call.
        let info = unsafe {
            let mut info: sys::virDomainJobInfo = std::mem::zeroed();
            check(sys::virDomainGetJobInfo(self.raw, &raw mut info))?;
            info
        };
        Ok(u32::try_from(info.type_) != Ok(sys::VIR_DOMAIN_JOB_NONE))
    }

    /// Begins a backup job.
    pub fn backup_begin(&self, backup: &str, checkpoint: Option<&str>) -> Result<()> {
        let backup = c_text(backup)?;
        let checkpoint = checkpoint.map(c_text).transpose()?;
        let checkpoint = checkpoint.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        // SAFETY: both texts live during the call; libvirt takes null for "no checkpoint".
        check(unsafe { sys::virDomainBackupBegin(self.raw, backup.as_ptr(), checkpoint, 0) })
            .map(drop)
    }

    /// The running backup job's description, if there is such a job.
    pub fn backup_xml(&self) -> Result<Option<String>> {
        // SAFETY: the handle is live; the text is ours.
        match unsafe { taken(sys::virDomainBackupGetXMLDesc(self.raw, 0)) } {
            Ok(xml) => Ok(Some(xml)),
            Err(error)
                if error.code == sys::VIR_ERR_NO_DOMAIN_BACKUP
                    || error.code == sys::VIR_ERR_OPERATION_INVALID =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Aborts the running job. It ends a little later.
    pub fn abort_job(&self) -> Result<()> {
        // SAFETY: the handle is live.
        check(unsafe { sys::virDomainAbortJob(self.raw) }).map(drop)
    }

    /// Starts it.
    pub fn start(&self) -> Result<()> {
        // SAFETY: the handle is live.
        check(unsafe { sys::virDomainCreate(self.raw) }).map(drop)
    }

    /// Asks the guest to shut down.
    pub fn shutdown(&self) -> Result<()> {
        // SAFETY: the handle is live.
        check(unsafe { sys::virDomainShutdown(self.raw) }).map(drop)
    }

    /// Ends its process.
    pub fn destroy(&self) -> Result<()> {
        // SAFETY: the handle is live.
        check(unsafe { sys::virDomainDestroy(self.raw) }).map(drop)
    }

    /// Lets it run on.
    pub fn resume(&self) -> Result<()> {
        // SAFETY: the handle is live.
        check(unsafe { sys::virDomainResume(self.raw) }).map(drop)
    }

    /// Stops QEMU's processors without libvirt's doing. libvirt marks the domain as tampered with.
    pub fn stop_in_qemu(&self) -> Result<()> {
        let mut answer = ptr::null_mut();
        let command = c"{\"execute\":\"stop\"}";
        // SAFETY: the text is static; the answer is ours.
        unsafe {
            check(sys::virDomainQemuMonitorCommand(
                self.raw,
                command.as_ptr(),
                &raw mut answer,
                0,
            ))?;
            taken(answer).map(drop)
        }
    }

    /// Removes its definition and the records of its checkpoints.
    pub fn undefine(&self) -> Result<()> {
        let flags = sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | sys::VIR_DOMAIN_UNDEFINE_NVRAM;
        // SAFETY: the handle is live.
        check(unsafe { sys::virDomainUndefineFlags(self.raw, flags) }).map(drop)
    }

    /// Its checkpoints, parents before children.
    pub fn checkpoints(&self) -> Result<Vec<CheckpointInfo>> {
        let mut list: *mut sys::virDomainCheckpointPtr = ptr::null_mut();
        let flags = sys::VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL;
        // SAFETY: libvirt allocates the list and gives every entry to us.
        let checkpoints: Vec<Checkpoint> = unsafe {
            let count = check(sys::virDomainListAllCheckpoints(self.raw, &raw mut list, flags))?;
            let checkpoints = owned(list, count).map(|raw| Checkpoint { raw }).collect();
            free(list.cast());
            checkpoints
        };
        let info = |checkpoint: &Checkpoint| {
            Ok(CheckpointInfo { name: checkpoint.name()?, parent: checkpoint.parent() })
        };
        checkpoints.iter().map(info).collect()
    }

    /// One checkpoint.
    pub fn checkpoint(&self, name: &str) -> Result<Checkpoint> {
        let name = c_text(name)?;
        // SAFETY: the text lives during the call.
        Checkpoint::wrap(unsafe {
            sys::virDomainCheckpointLookupByName(self.raw, name.as_ptr(), 0)
        })
    }

    /// Makes libvirt know a checkpoint again whose bitmaps are in the images.
    pub fn redefine_checkpoint(&self, xml: &str) -> Result<()> {
        let xml = c_text(xml)?;
        let flags = sys::VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE
            | sys::VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE;
        // SAFETY: the text lives during the call.
        Checkpoint::wrap(unsafe {
            sys::virDomainCheckpointCreateXML(self.raw, xml.as_ptr(), flags)
        })
        .map(drop)
    }
}

/// A virtual network.
struct Network {
    raw: sys::virNetworkPtr,
}

impl Drop for Network {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours and is not used again.
        unsafe { sys::virNetworkFree(self.raw) };
    }
}

impl Network {
    fn is_active(&self) -> Result<bool> {
        // SAFETY: the handle is live.
        check(unsafe { sys::virNetworkIsActive(self.raw) }).map(|yes| yes == 1)
    }

    fn xml(&self) -> Result<String> {
        // SAFETY: the handle is live; the text is ours.
        unsafe { taken(sys::virNetworkGetXMLDesc(self.raw, 0)) }
    }
}

/// A checkpoint.
pub struct Checkpoint {
    raw: sys::virDomainCheckpointPtr,
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours and is not used again.
        unsafe { sys::virDomainCheckpointFree(self.raw) };
    }
}

impl Checkpoint {
    fn wrap(raw: sys::virDomainCheckpointPtr) -> Result<Self> {
        if raw.is_null() { Err(LibvirtError::last()) } else { Ok(Self { raw }) }
    }

    fn name(&self) -> Result<String> {
        // SAFETY: the name belongs to the live handle and is copied.
        unsafe { borrowed(sys::virDomainCheckpointGetName(self.raw)) }
    }

    /// The name of the one before; none also where libvirt cannot say.
    fn parent(&self) -> Option<String> {
        // SAFETY: the handle is live; the parent is a handle of its own.
        let raw = unsafe { sys::virDomainCheckpointGetParent(self.raw, 0) };
        Self::wrap(raw).and_then(|parent| parent.name()).ok()
    }

    /// Its XML.
    pub fn xml(&self) -> Result<String> {
        let flags = sys::VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN;
        // SAFETY: the handle is live; the text is ours.
        unsafe { taken(sys::virDomainCheckpointGetXMLDesc(self.raw, flags)) }
    }

    /// Deletes it: its bitmaps are merged into its parent's, unless only the record goes.
    pub fn delete(&self, metadata_only: bool) -> Result<()> {
        let flags = if metadata_only { sys::VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY } else { 0 };
        // SAFETY: the handle is live.
        check(unsafe { sys::virDomainCheckpointDelete(self.raw, flags) }).map(drop)
    }
}

/// The UUID of a live domain handle.
pub fn uuid_of(raw: sys::virDomainPtr) -> Result<String> {
    let mut buffer: [c_char; sys::VIR_UUID_STRING_BUFLEN as usize] =
        [0; sys::VIR_UUID_STRING_BUFLEN as usize];
    // SAFETY: the buffer has the length that libvirt asks for, and libvirt ends it with a zero.
    unsafe {
        check(sys::virDomainGetUUIDString(raw, buffer.as_mut_ptr()))?;
        borrowed(buffer.as_ptr())
    }
}

/// libvirt's way of counting: negative = failed.
fn check(result: c_int) -> Result<u32> {
    u32::try_from(result).map_err(|_| LibvirtError::last())
}

fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| LibvirtError::own("a text holds a zero byte"))
}

/// Copies a text that stays libvirt's.
///
/// # Safety
///
/// `text` is null or a live, zero-ended text.
pub unsafe fn borrowed(text: *const c_char) -> Result<String> {
    if text.is_null() {
        return Err(LibvirtError::last());
    }
    // SAFETY: by the caller's word.
    Ok(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// Copies and frees a text that libvirt gave us.
///
/// # Safety
///
/// `text` is null or a zero-ended text from C's allocator that nobody else frees.
unsafe fn taken(text: *mut c_char) -> Result<String> {
    // SAFETY: by the caller's word.
    unsafe {
        let copied = borrowed(text);
        free(text.cast());
        copied
    }
}

/// The entries of a list from libvirt. The list itself is freed by the caller, after use.
///
/// # Safety
///
/// `list` points to `count` entries, or `count` is 0.
unsafe fn owned<T: Copy>(list: *mut T, count: u32) -> impl Iterator<Item = T> {
    // SAFETY: by the caller's word.
    (0..count as usize).map(move |at| unsafe { *list.add(at) })
}

unsafe extern "C" {
    /// C's own: libvirt's texts and lists come from C's allocator. Takes null.
    fn free(memory: *mut c_void);
}
