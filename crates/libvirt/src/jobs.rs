//! Backup jobs: begin them in one go with the freeze, and end exactly those that were begun here.
//!
//! # Invariants
//!
//! - **J1. A job is in the table from before libvirt is asked for it** until it is really gone.
//! - **J2. A job is ended only if its description holds our marker.** Whatever else runs on the
//!   domain is not ours.
//! - **J3. When the parent is gone, no job begins any more**: one that libvirt grants later is
//!   ended at once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use api::helper::{DomainState, FREEZE_BUDGET_MS_MAX, Failure, FailureKind, Freeze};

use crate::ffi::{Domain, LibvirtError, Result};
use crate::freezes::{self, Freezes};
use crate::hypervisor::{Hypervisor, is_gone};

/// How long a job may take to end after its abort. It only has to drop its scratch.
const END_MAX: Duration = Duration::from_secs(30);

/// How long QEMU may take to report the pause that its I/O error event announced.
const PAUSE_LAG: Duration = Duration::from_secs(2);

/// How long a state must last to be believed, where QEMU's events may still be on their way.
const SETTLED: Duration = Duration::from_millis(250);

/// How often a guest that pauses again is resumed before libvirt's view of it is doubted.
const RESUMES_MAX: u32 = 3;

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// How long a ping may take, in seconds, before the agent counts as absent.
const PING_S: i32 = 5;

/// What is asked of [`Jobs::begin`].
pub struct Begin {
    /// The domain.
    pub domain: String,
    /// The `domainbackup` document.
    pub backup_xml: String,
    /// The `domaincheckpoint` document.
    pub checkpoint_xml: Option<String>,
    /// How long the guest may stay frozen; `None` = do not freeze.
    pub freeze_budget_ms: Option<u64>,
    /// What the job's description will hold.
    pub marker: String,
}

#[derive(Debug, Clone)]
struct Job {
    marker: String,
    /// libvirt has not yet answered whether it grants the job.
    beginning: bool,
}

/// The table of own backup jobs, by domain UUID.
pub struct Jobs {
    hypervisor: Arc<Hypervisor>,
    freezes: Arc<Freezes>,
    table: Mutex<HashMap<String, Job>>,
    /// Domains whose job is being ended: two who end the same one would both resume its guest.
    ending: Mutex<HashSet<String>>,
    ended: Condvar,
    closing: AtomicBool,
}

impl Jobs {
    /// An empty table.
    pub fn new(hypervisor: Arc<Hypervisor>, freezes: Arc<Freezes>) -> Arc<Self> {
        let table = Mutex::new(HashMap::new());
        let (ending, closing) = (Mutex::new(HashSet::new()), AtomicBool::new(false));
        Arc::new(Self { hypervisor, freezes, table, ending, ended: Condvar::new(), closing })
    }

    /// Freezes if asked to, begins the job, thaws.
    pub fn begin(&self, begin: &Begin) -> std::result::Result<Freeze, Failure> {
        let domain = self.hypervisor.domain(&begin.domain)?;
        self.enter(begin, &domain)?;
        let budget = begin.freeze_budget_ms.map(|ms| ms.min(FREEZE_BUDGET_MS_MAX));
        let freeze = budget.map(|ms| self.freeze(&begin.domain, &domain, ms));
        let begun = domain.backup_begin(&begin.backup_xml, begin.checkpoint_xml.as_deref());
        let freeze = freeze.map_or(Freeze::NotAsked, |frozen| match frozen {
            Ok(frozen) => self.thaw(&begin.domain, &domain, &frozen),
            Err(failed) => failed,
        });
        if let Err(error) = begun {
            // With the connection lost, the job may have been granted all the same.
            if error.kind() == FailureKind::Connection {
                self.begun(&begin.domain);
            } else {
                self.lock().remove(&begin.domain);
            }
            return Err(error.into());
        }
        self.begun(&begin.domain);
        if self.closing.load(Ordering::SeqCst) {
            let ended = self.end(&begin.domain, &begin.marker);
            log!("domain {}: job ended, for its asker is gone: {ended:?}", begin.domain);
            let message = "the asker is gone".to_owned();
            return Err(Failure { kind: FailureKind::Other, message });
        }
        Ok(freeze)
    }

    /// Ends a job if its description holds `marker`; whether there was one, and whether the guest
    /// had to be resumed.
    pub fn end(&self, uuid: &str, marker: &str) -> Result<(bool, bool)> {
        let domain = match self.hypervisor.domain(uuid) {
            Err(error) if is_gone(&error) => {
                self.lock().remove(uuid);
                return Ok((false, false));
            }
            other => other?,
        };
        let _alone = self.end_alone(uuid);
        let found = end_job(&domain, marker)?;
        let resumed = found && domain.state()? == DomainState::PausedByIoError;
        if resumed {
            resume_after(&domain)?;
        }
        let mut table = self.lock();
        if table.get(uuid).is_some_and(|own| own.marker == marker && !own.beginning) {
            table.remove(uuid);
        }
        Ok((found, resumed))
    }

    /// Waits until nobody else ends a job of this domain.
    fn end_alone(&self, uuid: &str) -> EndingAlone<'_> {
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        while !ending.insert(uuid.to_owned()) {
            ending = self.ended.wait(ending).unwrap_or_else(PoisonError::into_inner);
        }
        EndingAlone { jobs: self, domain: uuid.to_owned() }
    }

    /// The marker of the own job on a domain.
    pub fn marker(&self, domain: &str) -> Option<String> {
        self.lock().get(domain).map(|job| job.marker.clone())
    }

    fn begun(&self, domain: &str) {
        if let Some(job) = self.lock().get_mut(domain) {
            job.beginning = false;
        }
    }

    /// Lets no job begin any more, and ends all; at most until `deadline`. Whether all are gone.
    pub fn end_all(&self, deadline: Instant) -> bool {
        self.closing.store(true, Ordering::SeqCst);
        loop {
            let jobs: Vec<(String, Job)> = self.lock().clone().into_iter().collect();
            if jobs.is_empty() {
                return true;
            }
            // Those that are beginning are ended by their beginner.
            for (domain, Job { marker, .. }) in jobs.into_iter().filter(|(_, it)| !it.beginning) {
                match self.end(&domain, &marker) {
                    Ok((found, resumed)) => {
                        log!("domain {domain}: job found {found}, guest resumed {resumed}");
                    }
                    Err(error) => log!("domain {domain}: job not ended yet: {error}"),
                }
            }
            if Instant::now() >= deadline {
                return self.lock().is_empty();
            }
            thread::sleep(LOOK);
        }
    }

    fn enter(&self, begin: &Begin, domain: &Domain) -> std::result::Result<(), Failure> {
        let busy = |message: &str| Failure { kind: FailureKind::Busy, message: message.into() };
        if domain.backup_xml()?.is_some() {
            return Err(busy("a backup job is running on the domain"));
        }
        if domain.has_job()? {
            return Err(busy("a job is running on the domain"));
        }
        let mut table = self.lock();
        if self.closing.load(Ordering::SeqCst) {
            return Err(busy("the helper is ending"));
        }
        if table.contains_key(&begin.domain) {
            return Err(busy("a backup job is being begun or ended on the domain"));
        }
        let job = Job { marker: begin.marker.clone(), beginning: true };
        table.insert(begin.domain.clone(), job);
        Ok(())
    }

    /// Freezes the guest under the table's promise.
    fn freeze(
        &self,
        uuid: &str,
        domain: &Domain,
        budget_ms: u64,
    ) -> std::result::Result<Frozen, Freeze> {
        if let Err(error) = domain.agent(r#"{"execute":"guest-ping"}"#, PING_S) {
            return Err(Freeze::Failed { why: error.message, unavailable: true });
        }
        let budget = Duration::from_millis(budget_ms);
        let since = Instant::now();
        if !self.freezes.arm(uuid, since + budget) {
            let why = "an earlier freeze of this guest is still being ended".to_owned();
            return Err(Freeze::Failed { why, unavailable: false });
        }
        freezes::freeze(domain, budget).map(|filesystems| Frozen { filesystems, since }).map_err(
            |error| {
                self.freezes.pursue(uuid);
                Freeze::Failed { why: error.message, unavailable: false }
            },
        )
    }

    /// Ends the freeze, and says what it was worth.
    fn thaw(&self, uuid: &str, domain: &Domain, frozen: &Frozen) -> Freeze {
        let filesystems = frozen.filesystems;
        let cut = |why: String| Freeze::Cut { filesystems, why };
        if !self.freezes.release(uuid) {
            return cut("the freeze reached its deadline before the backup had begun".into());
        }
        let frozen_ms = u64::try_from(frozen.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        match freezes::thaw(domain) {
            Ok(0) if filesystems > 0 => {
                self.freezes.forget(uuid);
                cut("somebody else thawed the guest before the backup had begun".into())
            }
            Ok(_) => {
                self.freezes.forget(uuid);
                Freeze::Held { filesystems, frozen_ms }
            }
            Err(error) => {
                self.freezes.pursue(uuid);
                cut(format!("the agent did not confirm the thaw: {error}"))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Job>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to end a domain's job; given back when dropped.
struct EndingAlone<'a> {
    jobs: &'a Jobs,
    domain: String,
}

impl Drop for EndingAlone<'_> {
    fn drop(&mut self) {
        let mut ending = self.jobs.ending.lock().unwrap_or_else(PoisonError::into_inner);
        ending.remove(&self.domain);
        self.jobs.ended.notify_all();
    }
}

struct Frozen {
    filesystems: u32,
    since: Instant,
}

/// Aborts the backup job with this marker and waits until it is gone; whether there was one.
fn end_job(domain: &Domain, marker: &str) -> Result<bool> {
    let is_ours = |domain: &Domain| {
        Ok(domain.backup_xml()?.is_some_and(|xml| !marker.is_empty() && xml.contains(marker)))
    };
    if !is_ours(domain)? {
        return Ok(false);
    }
    let until = Instant::now() + END_MAX;
    let aborted = domain.abort_job();
    while is_ours(domain)? {
        if Instant::now() >= until {
            aborted?;
            return Err(LibvirtError::own("the backup job did not end in time"));
        }
        thread::sleep(LOOK);
    }
    Ok(true)
}

/// Lets a guest run on that an I/O error had paused.
///
/// Each resume comes only when the pause has settled. libvirt takes a pause from QEMU's event: a
/// resume that overtakes the event of a second pause leaves libvirt believing in a pause that
/// QEMU has long ended, and it then refuses all work with the guest. Where that has happened all
/// the same, stopping QEMU behind libvirt's back and resuming brings both together again.
fn resume_after(domain: &Domain) -> Result<()> {
    let mut resumes = 0;
    while is_paused_settled(domain)? {
        if resumes == RESUMES_MAX {
            domain.stop_in_qemu()?;
            thread::sleep(SETTLED);
            domain.resume()?;
            break;
        }
        domain.resume()?;
        resumes += 1;
    }
    Ok(())
}

/// Whether an I/O error has paused the guest, and that has not changed for a moment.
fn is_paused_settled(domain: &Domain) -> Result<bool> {
    thread::sleep(SETTLED);
    if domain.state()? != DomainState::PausedByIoError {
        return Ok(false);
    }
    thread::sleep(SETTLED);
    Ok(domain.state()? == DomainState::PausedByIoError)
}

/// Waits a little for the pause that an I/O error event announces.
pub fn is_paused_soon(domain: &Domain) -> Result<bool> {
    let until = Instant::now() + PAUSE_LAG;
    loop {
        if domain.state()? == DomainState::PausedByIoError {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        thread::sleep(LOOK);
    }
}
