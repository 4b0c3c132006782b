//! A running domain's point in time: one pull-mode backup job for all its disks.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use api::helper::{Answer, Call, DomainInfo, DomainState, Freeze};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use model::units::MIB;
use model::vm::{Disk, DiskFormat};
use uuid::Uuid;

use super::helper::unexpected;
use super::scratch::{Dirs, FLOOR};
use super::{LIMIT, Shared, power};
use crate::error::FabricError;
use crate::host::{
    CHECKPOINT_PREFIX, Capture, CapturePlan, CapturedDisk, Checkpoint, DiskReader, Evidence,
    Finish, Method, Quiesce, SkippedDisk, checkpoint_name,
};
use crate::image::{Map, NbdDisk};
use crate::xml::backup::{self, JobDisk, export_bitmap};
use crate::xml::domain;

/// How much longer than the freeze a begin may take: a lock that another job holds is given up
/// by libvirt after 30 s, and a ping that is never answered comes before.
const BEGIN_LIMIT: Duration = Duration::from_secs(120);

/// How often a running capture is looked after.
const TICK: Duration = Duration::from_millis(250);

/// Ticks between two looks at the domain itself.
const DOMAIN_LOOK: u32 = 4;

/// Why a capture ended before its time.
#[derive(Debug, Clone)]
enum Cause {
    ScratchFull(String),
    DomainGone(String),
}

/// A running backup job.
pub(super) struct LiveCapture {
    job: Option<Arc<Job>>,
    evidence: Evidence,
    /// Dropped to end the watch.
    stop: Option<Sender<()>>,
    watch: Option<thread::JoinHandle<()>>,
}

/// What the watch and the readers share.
struct Job {
    shared: Arc<Shared>,
    domain: Uuid,
    dirs: Dirs,
    marker: String,
    cause: Mutex<Option<Cause>>,
}

/// The planned disks of a domain, and what is not part of the plan.
pub(super) struct Chosen {
    pub(super) disks: Vec<(Disk, CapturedDisk)>,
    pub(super) skipped: Vec<SkippedDisk>,
}

/// Holds the plan against the domain as it is.
pub(super) fn choose(
    plan: &CapturePlan,
    domain: &crate::host::Domain,
) -> Result<Chosen, FabricError> {
    for planned in &plan.disks {
        let target = planned.target.clone();
        if let Some(why) = domain.unsupported.iter().find(|it| it.target == target) {
            return Err(FabricError::DiskUnsupported { target, message: why.why.clone() });
        }
        if !domain.disks.iter().any(|disk| disk.target == target) {
            let message = "the domain has no such disk".to_owned();
            return Err(FabricError::DiskGone { target, message });
        }
    }
    let mut chosen = Chosen { disks: Vec::new(), skipped: domain.unsupported.clone() };
    for disk in &domain.disks {
        let planned = plan.disks.iter().find(|it| it.target == disk.target);
        let Some(planned) = planned else {
            if !chosen.skipped.iter().any(|it| it.target == disk.target) {
                let (target, why) = (disk.target.clone(), "it is not part of the plan".into());
                chosen.skipped.push(SkippedDisk { target, why });
            }
            continue;
        };
        let tracked = disk.format == DiskFormat::Qcow2;
        let full = !tracked && planned.method != Method::Full;
        let note = full.then(|| "raw images keep no dirty bitmap, so it is read in full".into());
        chosen.disks.push((
            disk.clone(),
            CapturedDisk {
                target: disk.target.clone(),
                serial: disk.serial.clone(),
                size: 0,
                method: if full { Method::Full } else { planned.method.clone() },
                note,
                tracked,
            },
        ));
    }
    Ok(chosen)
}

/// Begins the job.
pub(super) fn begin(
    shared: &Arc<Shared>,
    plan: &CapturePlan,
    info: &DomainInfo,
) -> Result<LiveCapture, FabricError> {
    let domain = domain::read(&info.xml, power(info.state))?;
    let chosen = choose(plan, &domain)?;
    let mut allocated = 0_u64;
    for (disk, _) in &chosen.disks {
        let (_, bytes) = shared.block(&info.uuid, &disk.target).map_err(|error| {
            let (target, message) = (disk.target.clone(), error.to_string());
            FabricError::DiskGone { target, message }
        })?;
        allocated = allocated.saturating_add(bytes);
    }
    let (scratch, sockets) = (&plan.scratch_dir, &plan.socket_dir);
    let dirs = Dirs::create(shared, scratch, sockets, plan.point, plan.domain, allocated)?;
    let marker = dirs.socket().to_string_lossy().into_owned();
    let domain_xml = shared.text(Call::DefinitionXml { domain: info.uuid.clone() }, LIMIT)?;
    let (shared, cause) = (Arc::clone(shared), Mutex::new(None));
    let job = Arc::new(Job { shared, domain: plan.domain, dirs, marker, cause });
    // One of an earlier job says nothing about this one.
    job.shared.helper.take_sacrifice(plan.domain);
    let quiesce = job.begin(plan, &domain, &chosen)?;
    // From here on, an early return drops a capture, which discards the job.
    let name = checkpoint_name(plan.point);
    let tracked = chosen.disks.iter().any(|(_, it)| it.tracked);
    let checkpoint = tracked.then(|| Checkpoint { name, xml: String::new() });
    let disks = chosen.disks.into_iter().map(|(_, it)| it).collect();
    let skipped = chosen.skipped;
    let evidence = Evidence { quiesce, disks, skipped, domain_xml, checkpoint };
    let (stop, stopped) = bounded(0);
    let watched = Arc::clone(&job);
    let watch = thread::spawn(move || watched.watch(&stopped));
    let mut capture =
        LiveCapture { job: Some(job), evidence, stop: Some(stop), watch: Some(watch) };
    capture.complete_evidence()?;
    Ok(capture)
}

impl Job {
    fn begin(
        &self,
        plan: &CapturePlan,
        domain: &crate::host::Domain,
        chosen: &Chosen,
    ) -> Result<Quiesce, FabricError> {
        let disks: Vec<JobDisk<'_>> = domain
            .disks
            .iter()
            .map(|disk| {
                let chosen = chosen.disks.iter().find(|(it, _)| it.target == disk.target);
                let method = chosen.map(|(_, it)| &it.method);
                let tracked = chosen.is_some_and(|(_, it)| it.tracked);
                JobDisk { target: &disk.target, method, tracked }
            })
            .collect();
        let budget =
            plan.quiesce.map(|budget| u64::try_from(budget.as_millis()).unwrap_or(u64::MAX));
        let call = Call::Begin {
            domain: plan.domain.to_string(),
            backup_xml: backup::job(&disks, &self.dirs.socket(), &self.dirs.scratch),
            checkpoint_xml: backup::checkpoint(&checkpoint_name(plan.point), &disks),
            freeze_budget_ms: budget,
            marker: self.marker.clone(),
        };
        let limit = BEGIN_LIMIT + plan.quiesce.unwrap_or_default();
        match self.shared.helper.call(call, limit) {
            Ok(Answer::Began { freeze }) => Ok(quiesce(freeze)),
            Ok(other) => Err(unexpected(&other)),
            Err(error) => {
                self.after_failed_begin(plan, &error);
                Err(chain_or(error, plan))
            }
        }
    }

    /// Where the helper died or fell silent, nobody knows whether the job began or the guest is
    /// frozen: end both through a new helper.
    fn after_failed_begin(&self, plan: &CapturePlan, error: &FabricError) {
        let unknown =
            matches!(error, FabricError::HypervisorDown { .. } | FabricError::Timeout { .. });
        if !unknown {
            return;
        }
        if plan.quiesce.is_some() {
            let thaw = Call::Thaw { domain: self.domain.to_string() };
            if let Err(error) = self.shared.done(thaw, LIMIT) {
                tracing::warn!(domain = %self.domain, %error, "not sure that it is thawed");
            }
        }
        if let Err(error) = self.shared.end_job(self.domain, &self.marker) {
            tracing::warn!(domain = %self.domain, %error, "not sure that its job has ended");
        }
    }

    fn watch(&self, stopped: &Receiver<()>) {
        let mut tick = 0_u32;
        while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            tick = tick.wrapping_add(1);
            if self.shared.helper.take_sacrifice(self.domain) {
                let message = "the guest was paused by it; the backup was given up and the \
                               guest runs on";
                return self.end_for(Cause::ScratchFull(message.into()));
            }
            if let Some(free) = self.dirs.free().filter(|free| *free < FLOOR) {
                let message = format!("only {} MiB are left during the backup", free / MIB);
                return self.end_for(Cause::ScratchFull(message));
            }
            if tick.is_multiple_of(DOMAIN_LOOK)
                && let Some(cause) = self.look()
            {
                return self.end_for(cause);
            }
        }
    }

    /// Whether the domain's state ends the capture.
    fn look(&self) -> Option<Cause> {
        match self.shared.info(self.domain) {
            Ok(info) if info.state == DomainState::PausedByIoError => {
                Some(Cause::ScratchFull("an I/O error paused the guest".into()))
            }
            Ok(info) if info.state == DomainState::Off => {
                Some(Cause::DomainGone("it was powered off during its backup".into()))
            }
            Err(FabricError::DomainGone { message }) => Some(Cause::DomainGone(message)),
            _ => None,
        }
    }

    fn end_for(&self, cause: Cause) {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
        if let Err(error) = self.shared.end_job(self.domain, &self.marker) {
            tracing::warn!(domain = %self.domain, %error, "backup job not ended");
        }
    }

    fn cause(&self) -> Option<FabricError> {
        let cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone();
        cause.map(|cause| match cause {
            Cause::ScratchFull(message) => self.dirs.full(message),
            Cause::DomainGone(message) => FabricError::DomainGone { message },
        })
    }
}

impl LiveCapture {
    fn job(&self) -> &Arc<Job> {
        self.job.as_ref().expect("there until the capture ends")
    }

    fn complete_evidence(&mut self) -> Result<(), FabricError> {
        let job = Arc::clone(self.job());
        if let Some(checkpoint) = &mut self.evidence.checkpoint {
            let (domain, name) = (job.domain.to_string(), checkpoint.name.clone());
            checkpoint.xml = job.shared.text(Call::CheckpointXml { domain, name }, LIMIT)?;
        }
        let connect = |disk: &CapturedDisk| self.connect(disk).map(|it| it.size());
        let sizes: Vec<u64> = self.evidence.disks.iter().map(connect).collect::<Result<_, _>>()?;
        for (disk, size) in self.evidence.disks.iter_mut().zip(sizes) {
            disk.size = size;
        }
        Ok(())
    }

    fn connect(&self, disk: &CapturedDisk) -> Result<NbdDisk, FabricError> {
        let map = match disk.method {
            Method::Full => Map::Allocated,
            Method::Incremental { .. } => Map::Dirty(vec![export_bitmap(&disk.target)]),
        };
        NbdDisk::connect(&self.job().dirs.socket(), &disk.target, disk.target.clone(), &map)
    }

    fn end(&mut self, how: Finish) -> Result<Vec<String>, FabricError> {
        let Some(job) = self.job.take() else { return Ok(Vec::new()) };
        drop(self.stop.take());
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
        let mut words = Vec::new();
        let (_, resumed) = job.shared.end_job(job.domain, &job.marker)?;
        if resumed {
            words.push("resumed the guest, which an I/O error had paused".to_owned());
        }
        let new = self.evidence.checkpoint.as_ref().map(|it| it.name.as_str());
        match (how, new) {
            (_, None) => {}
            (Finish::Keep, Some(new)) => {
                words.extend(delete_older(&job.shared, job.domain, new)?);
            }
            (Finish::Discard, Some(new)) => job.shared.delete_checkpoint(job.domain, new, false)?,
        }
        Ok(words)
    }
}

/// Deletes Holdfast's checkpoints other than `new`, which must be there.
fn delete_older(shared: &Shared, domain: Uuid, new: &str) -> Result<Vec<String>, FabricError> {
    let all = shared.checkpoints(domain)?;
    if !all.iter().any(|(name, _)| name == new) {
        let message = format!("checkpoint {new} is gone");
        return Err(FabricError::ChainBroken { disk: None, message });
    }
    let older = all.iter().filter(|(name, _)| name.starts_with(CHECKPOINT_PREFIX) && name != new);
    let mut words = Vec::new();
    for (name, _) in older {
        let Err(error) = shared.delete_checkpoint(domain, name, false) else { continue };
        // Its bitmap is broken or missing; the new checkpoint does not need it.
        match shared.delete_checkpoint(domain, name, true) {
            Ok(()) => words.push(format!("forgot the broken checkpoint {name} ({error})")),
            Err(error) => words.push(format!("checkpoint {name} stays ({error})")),
        }
    }
    Ok(words)
}

impl Capture for LiveCapture {
    fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    fn disk(&self, target: &str) -> Result<Box<dyn DiskReader>, FabricError> {
        let disk = self.evidence.disks.iter().find(|disk| disk.target == target);
        let disk = disk.ok_or_else(|| FabricError::DiskGone {
            target: target.to_owned(),
            message: "it is not part of the capture".into(),
        })?;
        Ok(Box::new(self.connect(disk)?))
    }

    fn check(&self) -> Result<(), FabricError> {
        // The watch may be a moment behind what the caller has just seen fail.
        for _ in 0..20 {
            if let Some(cause) = self.job().cause() {
                return Err(cause);
            }
            let job = self.job();
            let xml = job.shared.job_xml(job.domain)?;
            if xml.is_some_and(|xml| xml.contains(&job.marker)) {
                return Ok(());
            }
            thread::sleep(TICK);
        }
        let message = "its backup job was ended by somebody else".to_owned();
        Err(FabricError::WrongState { message })
    }

    fn finish(mut self: Box<Self>, how: Finish) -> Result<Vec<String>, FabricError> {
        self.end(how)
    }
}

impl Drop for LiveCapture {
    fn drop(&mut self) {
        if let Err(error) = self.end(Finish::Discard) {
            tracing::warn!(%error, "a capture was not discarded cleanly");
        }
    }
}

/// A begin that failed because of what the plan builds on asks for a full read instead.
fn chain_or(error: FabricError, plan: &CapturePlan) -> FabricError {
    let incremental = plan.disks.iter().any(|disk| disk.method != Method::Full);
    let text = match &error {
        FabricError::ChainBroken { message, .. } | FabricError::Other { message } => message,
        _ => return error,
    };
    let of_chain = matches!(error, FabricError::ChainBroken { .. })
        || text.contains("bitmap")
        || text.contains("checkpoint");
    if !incremental || !of_chain {
        let message = text.clone();
        return FabricError::Other { message };
    }
    let named = text.split("disk '").nth(1).and_then(|rest| rest.split('\'').next());
    let disk = named.filter(|it| plan.disks.iter().any(|disk| disk.target == **it));
    FabricError::ChainBroken { disk: disk.map(ToOwned::to_owned), message: text.clone() }
}

fn quiesce(freeze: Freeze) -> Quiesce {
    match freeze {
        Freeze::NotAsked => Quiesce::NotAsked,
        Freeze::Held { filesystems, frozen_ms } => {
            Quiesce::Frozen { filesystems, for_: Duration::from_millis(frozen_ms) }
        }
        Freeze::Cut { why, .. } => Quiesce::Cut { why },
        Freeze::Failed { why, unavailable: true } => Quiesce::Unavailable { why },
        Freeze::Failed { why, unavailable: false } => Quiesce::Failed { why },
    }
}
