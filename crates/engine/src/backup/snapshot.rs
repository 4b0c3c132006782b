//! Taking the snapshot: how each disk is to be read, and the capture that fixes the moment.

use std::collections::{BTreeMap, HashMap};

use fabric::{
    Capture, CapturePlan, CapturedDisk, DiskPlan, Domain, Evidence, FabricError, Finish, Method,
    Quiesce, RecoverScope,
};
use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::item::Chain;
use model::point::Consistency;
use repo::{RepoError, Repository};
use rules::chain::{self, ChainFacts, DiskFacts, Read};
use rules::consistency::{self, Label};
use rules::disks::{self, Choice};

use super::Backup;
use crate::faults::{self, OrFault};
use crate::hosts::Connected;
use crate::job_run::{JobRun, Stop};

/// The name of a job's property that says which disks are not in the backup, by the item's choice.
const LEFT_OUT: &str = "Disks Left Out";

/// A fixed moment of a virtual machine's disks.
pub(crate) struct Snapshot {
    pub(crate) capture: Box<dyn Capture>,
    /// The moment. Read just before the capture began, so it is never later than the content.
    pub(crate) taken_at: Timestamp,
    pub(crate) consistency: Consistency,
    /// The domain as it was.
    pub(crate) domain: Domain,
    /// Why each disk is read the way it is, by target.
    reads: HashMap<String, Read>,
}

/// Fixes the moment.
pub(crate) fn take(
    backup: &Backup,
    run: &mut JobRun,
    host: &Connected,
    repository: &Repository,
) -> Result<Snapshot, Stop> {
    let domain = host.hypervisor.domain(backup.item.vm).or_fault()?;
    let choice = disks::choose(&domain.disks, &backup.item.disks);
    tell_choice(run, &domain, &choice)?;
    let chain = backup.item.chain.as_ref();
    let point_present = chain.is_some_and(|chain| holds(repository, chain));
    let mut refused = Refused::default();
    let mut left_over_ended = false;
    loop {
        let reads = decide(&domain, &choice, chain, point_present, &refused);
        let plan = plan(backup, host, &reads);
        let taken_at = backup.world.clock.now();
        match host.hypervisor.begin_capture(&plan) {
            Ok(capture) => {
                if let Some(target) = resized(capture.evidence(), chain)
                    && refused.note(&Some(target))
                {
                    // Between the look at the domain and the capture.
                    capture.finish(Finish::Discard).or_fault()?;
                    continue;
                }
                let label = label(run, capture.evidence());
                let reads = reads.into_iter().collect();
                let consistency = label.consistency;
                return Ok(Snapshot { capture, taken_at, consistency, domain, reads });
            }
            Err(FabricError::ChainBroken { disk, message }) if refused.note(&disk) => {
                tracing::warn!(domain = domain.name, message, "read in full: chain broken");
            }
            Err(FabricError::JobRunning { message })
                if !left_over_ended && end_left_over(backup, host) =>
            {
                tracing::warn!(domain = domain.name, message, "it was our own left-over");
                left_over_ended = true;
            }
            Err(error) => return Err(faults::of_fabric(&error).into()),
        }
        run.go_on()?;
    }
}

/// Ends the job that keeps the domain busy, if an earlier process of ours left it: a hypervisor
/// may have granted a begin when that process was gone and recovery had looked. Whether it did.
fn end_left_over(backup: &Backup, host: &Connected) -> bool {
    let scope = RecoverScope {
        scratch_dir: backup.world.config.scratch_dir.clone(),
        socket_dir: host.run_dir.clone(),
        known: BTreeMap::new(),
    };
    match host.hypervisor.end_left_over(backup.item.vm, &scope) {
        Ok(words) => !words.is_empty(),
        Err(error) => {
            tracing::warn!(vm = %backup.item.vm, %error, "a left-over job could not be ended");
            false
        }
    }
}

/// A disk that is to be read incrementally, but no longer has the size that the chain knows.
fn resized(evidence: &Evidence, chain: Option<&Chain>) -> Option<String> {
    let covered = |target: &str| chain?.disks.iter().find(|disk| disk.target == target);
    let differs = |disk: &&CapturedDisk| {
        matches!(disk.method, Method::Incremental { .. })
            && covered(&disk.target).is_none_or(|covered| covered.size != disk.size)
    };
    evidence.disks.iter().find(differs).map(|disk| disk.target.clone())
}

/// Which disks the hypervisor refused to read incrementally in this job.
#[derive(Default)]
struct Refused {
    targets: Vec<String>,
    all: bool,
}

impl Refused {
    /// Notes one more. `false` where it was noted before: then another try would go the same way.
    fn note(&mut self, disk: &Option<String>) -> bool {
        match disk {
            Some(target) if !self.targets.contains(target) => self.targets.push(target.clone()),
            _ if !self.all => self.all = true,
            _ => return false,
        }
        true
    }

    fn has(&self, target: &str) -> bool {
        self.all || self.targets.iter().any(|refused| refused == target)
    }
}

fn holds(repository: &Repository, chain: &Chain) -> bool {
    match repository.manifest(chain.point) {
        Ok(_) => true,
        Err(RepoError::PointNotFound { .. }) => false,
        Err(error) => {
            // A damaged manifest cannot be built upon; a full read heals the chain.
            tracing::warn!(point = %chain.point, %error, "the chain's point cannot be read");
            false
        }
    }
}

fn decide(
    domain: &Domain,
    choice: &Choice,
    chain: Option<&Chain>,
    point_present: bool,
    refused: &Refused,
) -> Vec<(String, Read)> {
    let supported = domain
        .disks
        .iter()
        .filter(|disk| choice.included.contains(&disk.target))
        .filter(|disk| !domain.unsupported.iter().any(|skipped| skipped.target == disk.target));
    supported
        .map(|disk| {
            let facts = DiskFacts {
                target: disk.target.clone(),
                format: disk.format,
                source: disk.source.clone(),
                size: disk.size,
                serial: disk.serial.clone(),
            };
            let refused = refused.has(&disk.target);
            let read = chain::decide(&facts, ChainFacts { chain, point_present, refused });
            (disk.target.clone(), read)
        })
        .collect()
}

fn plan(backup: &Backup, host: &Connected, reads: &[(String, Read)]) -> CapturePlan {
    let disk = |(target, read): &(String, Read)| DiskPlan {
        target: target.clone(),
        method: match read {
            Read::Full { .. } => Method::Full,
            Read::Incremental { since } => Method::Incremental { checkpoint: since.clone() },
        },
    };
    CapturePlan {
        domain: backup.item.vm,
        point: backup.point,
        disks: reads.iter().map(disk).collect(),
        quiesce: backup.freeze.then_some(backup.world.config.freeze_budget),
        scratch_dir: backup.world.config.scratch_dir.clone(),
        socket_dir: host.run_dir.clone(),
    }
}

/// Tells the job which disks are not in the backup: left out because the item says so, or because
/// nothing can be done with them.
fn tell_choice(run: &mut JobRun, domain: &Domain, choice: &Choice) -> Result<(), Stop> {
    if !choice.left_out.is_empty() {
        let told: Vec<String> =
            choice.left_out.iter().map(|(target, lun)| format!("{target} (LUN {lun})")).collect();
        run.tell(LEFT_OUT, told.join(", "));
    }
    for lun in &choice.unknown {
        let message = format!(
            "The item's disk selection names LUN {lun}, but the virtual machine has no such data \
             disk any more."
        );
        run.warn(Fault::new(Code::DiskNotFound, message));
    }
    let skipped = |target: &str| domain.unsupported.iter().find(|it| it.target == target);
    for skipped in choice.included.iter().filter_map(|target| skipped(target)) {
        let message = format!("Disk {} is not in the backup: {}.", skipped.target, skipped.why);
        run.warn(Fault::new(Code::DiskNotSupported, message));
    }
    if choice.included.iter().any(|target| skipped(target).is_none()) {
        return Ok(());
    }
    let message =
        format!("Virtual machine '{}' has no selected disk that can be backed up.", domain.name);
    Err(Fault::new(Code::DiskNotSupported, message).into())
}

/// The label that the evidence allows. Tells the job where it is less than was asked for.
fn label(run: &mut JobRun, evidence: &Evidence) -> Label {
    let (seen, why) = match &evidence.quiesce {
        Quiesce::NotAsked => (consistency::Evidence::NotQuiesced, None),
        Quiesce::PoweredOff => (consistency::Evidence::PoweredOff, None),
        Quiesce::Frozen { filesystems, .. } => {
            (consistency::Evidence::Frozen { filesystems: *filesystems }, None)
        }
        Quiesce::Cut { why } => (consistency::Evidence::FreezeCut, Some(why)),
        Quiesce::Failed { why } => (consistency::Evidence::FreezeFailed, Some(why)),
        Quiesce::Unavailable { why } => (consistency::Evidence::AgentUnavailable, Some(why)),
    };
    let label = consistency::label(&seen);
    if let Some(code) = label.warning {
        let why = why.map_or("no file system was frozen", String::as_str);
        let message = format!(
            "The recovery point is {} only: {why}.",
            label.consistency.azure_name().replace("Consistent", "-consistent").to_lowercase()
        );
        run.warn(Fault::new(code, message));
    }
    label
}

impl Snapshot {
    /// How a disk is read, and why: one sentence for the operator. The hypervisor's own note on a
    /// disk that it reads otherwise than planned counts for more.
    pub(crate) fn method(&self, target: &str) -> String {
        let captured = self.capture.evidence().disks.iter().find(|disk| disk.target == target);
        if let Some(note) = captured.and_then(|disk| disk.note.as_deref()) {
            return format!("Read in full because {note}.");
        }
        match self.reads.get(target) {
            Some(Read::Incremental { since }) => {
                format!("Read incrementally: the blocks changed since checkpoint {since}.")
            }
            Some(Read::Full { because }) => format!("Read in full because {}.", because.clause()),
            None => "Read in full.".to_owned(),
        }
    }

    /// The warning that goes with a disk whose change tracking had to begin anew.
    pub(crate) fn reset_warning(&self, target: &str) -> Option<Fault> {
        match self.reads.get(target) {
            Some(Read::Full { because }) if because.is_a_reset() => Some(Fault::new(
                Code::ChangeTrackingReset,
                format!("Disk {target} was read in full because {}.", because.clause()),
            )),
            _ => None,
        }
    }

    /// Ends the capture of a backup that did not get through, and gives back why it did not. A
    /// cause that the capture knows counts for more than the error that it led to.
    pub(crate) fn discard(self, stop: Stop) -> Stop {
        let cause = self.capture.check().err();
        if let Err(error) = self.capture.finish(Finish::Discard) {
            tracing::warn!(%error, "the capture could not be ended cleanly");
        }
        match (stop, cause) {
            (Stop::Fault(fault), Some(cause)) if !is_of_the_store(fault.code) => {
                Stop::Fault(faults::of_fabric(&cause))
            }
            (stop, _) => stop,
        }
    }

    /// Ends the capture of a committed point. Gives back the chain that the next backup can build
    /// upon: none, if the new checkpoint could not be kept.
    pub(crate) fn keep(self, run: &mut JobRun, chain: Option<Chain>) -> Option<Chain> {
        let running = self.capture.evidence().checkpoint.is_some();
        match self.capture.finish(Finish::Keep) {
            Ok(done) => {
                for words in done {
                    tracing::info!(job = %run.job().id, "{words}");
                }
                chain
            }
            Err(error) if running => {
                let text = faults::of_fabric(&error).message;
                let message =
                    format!("The next backup reads every disk in full: {}", lowered(&text));
                run.warn(Fault::new(Code::ChangeTrackingReset, message));
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the capture could not be ended cleanly");
                chain
            }
        }
    }
}

/// Whether a failure is the vault's, so that nothing the hypervisor says explains it better.
fn is_of_the_store(code: Code) -> bool {
    matches!(code, Code::StoreFull | Code::StoreUnavailable | Code::StoreDamaged | Code::WrongKey)
}

fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
