//! A capture of a machine in memory.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::units::{Extent, KIB};
use model::vm::{DiskFormat, PowerState};
use uuid::Uuid;

use super::{FakeHost, Fault, Image, Job, Machine, Tracked, no_disk};
use crate::error::FabricError;
use crate::host::{
    CHECKPOINT_PREFIX, Capture, CapturePlan, CapturedDisk, Checkpoint, Counters, DiskReader,
    Evidence, Finish, Method, Quiesce, Sink, checkpoint_name,
};
use crate::nbd::NbdError;

/// Bytes of one piece for the sink, as over NBD.
const PIECE: u64 = 256 * KIB;

pub(super) struct FakeCapture {
    host: FakeHost,
    domain: Uuid,
    life: u64,
    evidence: Evidence,
    /// In the order of the evidence: content, and what is to be read.
    disks: Vec<(Image, Vec<Extent>)>,
    doom: Option<Arc<Doom>>,
    finished: bool,
}

/// How a capture ends before its time.
struct Doom {
    fault: Fault,
    left: AtomicU64,
    scratch: PathBuf,
}

impl Doom {
    fn strikes(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    /// What the hypervisor knows of it.
    fn cause(&self) -> Option<FabricError> {
        let message = "a scripted fault".to_owned();
        match self.fault {
            Fault::ReadFails { .. } => None,
            Fault::DomainGone { .. } => Some(FabricError::DomainGone { message }),
            _ => Some(FabricError::ScratchFull { path: self.scratch.clone(), message }),
        }
    }
}

pub(super) fn begin(host: &FakeHost, plan: &CapturePlan) -> Result<FakeCapture, FabricError> {
    let broken = host.fault(|it| match it {
        Fault::ChainBroken { target } => Some(target.clone()),
        _ => None,
    });
    if host.fault(|it| (*it == Fault::NoScratch).then_some(())).is_some() {
        let message = "a scripted fault".to_owned();
        return Err(FabricError::ScratchFull { path: plan.scratch_dir.clone(), message });
    }
    let frozen = quiesce(host, plan);
    let doom = host.fault(|it| match it {
        Fault::ScratchFull { after } | Fault::DomainGone { after } | Fault::ReadFails { after } => {
            Some((it.clone(), *after))
        }
        _ => None,
    });
    let doom = doom.map(|(fault, after)| {
        let (left, scratch) = (AtomicU64::new(after), plan.scratch_dir.clone());
        Arc::new(Doom { fault, left, scratch })
    });
    let mut state = host.lock();
    let life = state.life;
    let machine = state.machine(plan.domain)?;
    if machine.job != Job::None {
        return Err(FabricError::JobRunning { message: "a capture is open".into() });
    }
    let domain = machine.describe()?;
    let mut disks = Vec::new();
    let mut captured = Vec::new();
    for planned in &plan.disks {
        let disk = domain.disks.iter().find(|it| it.target == planned.target);
        let disk = disk.ok_or_else(|| no_disk(&planned.target))?;
        let tracked = disk.format == DiskFormat::Qcow2;
        let full = !tracked && planned.method != Method::Full;
        let method = if full { Method::Full } else { planned.method.clone() };
        if broken.as_ref() == Some(&planned.target) && method != Method::Full {
            let disk = Some(planned.target.clone());
            return Err(FabricError::ChainBroken { disk, message: "a scripted fault".into() });
        }
        let image = machine.images.get(&planned.target).ok_or_else(|| no_disk(&planned.target))?;
        disks.push((image.clone(), extents(machine, image, &planned.target, &method)?));
        let tracked = tracked && (machine.power != PowerState::Off || method != Method::Full);
        captured.push(CapturedDisk {
            target: planned.target.clone(),
            serial: disk.serial.clone(),
            size: image.size(),
            method,
            note: full.then(|| "raw images keep no dirty bitmap, so it is read in full".into()),
            tracked,
        });
    }
    let off = machine.power == PowerState::Off;
    let checkpoint = (!off).then(|| track(machine, plan, &captured)).flatten();
    machine.job = Job::Live;
    let evidence = Evidence {
        quiesce: if off { Quiesce::PoweredOff } else { frozen },
        disks: captured,
        skipped: Vec::new(),
        domain_xml: machine.xml.clone(),
        checkpoint,
    };
    drop(state);
    let (host, domain) = (host.clone(), plan.domain);
    Ok(FakeCapture { host, domain, life, evidence, disks, doom, finished: false })
}

fn quiesce(host: &FakeHost, plan: &CapturePlan) -> Quiesce {
    if plan.quiesce.is_none() {
        return Quiesce::NotAsked;
    }
    let why = || "a scripted fault".to_owned();
    if host.fault(|it| (*it == Fault::FreezeFails).then_some(())).is_some() {
        Quiesce::Failed { why: why() }
    } else if host.fault(|it| (*it == Fault::FreezeCut).then_some(())).is_some() {
        Quiesce::Cut { why: why() }
    } else {
        Quiesce::Frozen { filesystems: 1, for_: Duration::from_millis(200) }
    }
}

fn extents(
    machine: &Machine,
    image: &Image,
    target: &str,
    method: &Method,
) -> Result<Vec<Extent>, FabricError> {
    let Method::Incremental { checkpoint } = method else {
        return Ok(image.allocated());
    };
    let broken = |message: &str| FabricError::ChainBroken {
        disk: Some(target.to_owned()),
        message: format!("checkpoint {checkpoint} {message}"),
    };
    let from = machine.checkpoints.iter().position(|it| it.name == *checkpoint);
    let since = &machine.checkpoints[from.ok_or_else(|| broken("not found"))?..];
    if since.iter().any(|it| it.broken) {
        return Err(broken("is inconsistent"));
    }
    if since.first().is_none_or(|it| !it.dirty.contains_key(target)) {
        return Err(broken("does not cover the disk"));
    }
    let grains: BTreeSet<u64> =
        since.iter().filter_map(|it| it.dirty.get(target)).flatten().copied().collect();
    Ok(image.ranges(grains.into_iter()))
}

fn track(
    machine: &mut Machine,
    plan: &CapturePlan,
    captured: &[CapturedDisk],
) -> Option<Checkpoint> {
    let tracked = captured.iter().filter(|disk| disk.tracked);
    let dirty: std::collections::BTreeMap<_, _> =
        tracked.map(|disk| (disk.target.clone(), BTreeSet::new())).collect();
    if dirty.is_empty() {
        return None;
    }
    let name = checkpoint_name(plan.point);
    machine.checkpoints.push(Tracked { name: name.clone(), dirty, broken: false });
    let xml = format!("<domaincheckpoint><name>{name}</name></domaincheckpoint>");
    Some(Checkpoint { name, xml })
}

impl FakeCapture {
    fn end(&mut self, how: Finish) -> Result<Vec<String>, FabricError> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(Vec::new());
        }
        let mut state = self.host.lock();
        if state.life != self.life {
            let message = "its process died".to_owned();
            return Err(FabricError::WrongState { message });
        }
        let machine = state.machine(self.domain)?;
        machine.job = Job::None;
        let Some(new) = self.evidence.checkpoint.as_ref() else { return Ok(Vec::new()) };
        match how {
            Finish::Discard => machine.delete_checkpoint(&new.name),
            Finish::Keep => {
                if !machine.checkpoints.iter().any(|it| it.name == new.name) {
                    let message = format!("checkpoint {} is gone", new.name);
                    return Err(FabricError::ChainBroken { disk: None, message });
                }
                machine
                    .checkpoints
                    .retain(|it| it.name == new.name || !it.name.starts_with(CHECKPOINT_PREFIX));
            }
        }
        Ok(Vec::new())
    }
}

impl Capture for FakeCapture {
    fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    fn disk(&self, target: &str) -> Result<Box<dyn DiskReader>, FabricError> {
        let at = self.evidence.disks.iter().position(|it| it.target == target);
        let (image, extents) =
            at.and_then(|at| self.disks.get(at)).ok_or_else(|| no_disk(target))?;
        Ok(Box::new(FakeReader {
            target: target.to_owned(),
            image: image.clone(),
            extents: extents.clone(),
            doom: self.doom.clone(),
            counters: Cell::new(Counters::default()),
        }))
    }

    fn check(&self) -> Result<(), FabricError> {
        let struck = self.doom.as_ref().filter(|it| it.strikes());
        struck.and_then(|doom| doom.cause()).map_or(Ok(()), Err)
    }

    fn finish(mut self: Box<Self>, how: Finish) -> Result<Vec<String>, FabricError> {
        self.end(how)
    }
}

impl Drop for FakeCapture {
    fn drop(&mut self) {
        // There is nobody to tell: the machine may be gone, and that is fine.
        let _ = self.end(Finish::Discard);
    }
}

struct FakeReader {
    target: String,
    image: Image,
    extents: Vec<Extent>,
    doom: Option<Arc<Doom>>,
    counters: Cell<Counters>,
}

impl FakeReader {
    fn piece(&self, piece: Extent) -> Result<Vec<u8>, FabricError> {
        let failed = |source| FabricError::Read { target: self.target.clone(), source };
        if let Some(doom) = &self.doom {
            let left = doom.left.load(Ordering::SeqCst);
            doom.left.store(left.saturating_sub(piece.length), Ordering::SeqCst);
            if doom.strikes() {
                return Err(failed(NbdError::Broken));
            }
        }
        let Counters { bytes, requests } = self.counters.get();
        let (bytes, requests) = (bytes + piece.length, requests + 1);
        self.counters.set(Counters { bytes, requests });
        Ok(self.image.read(piece))
    }
}

impl DiskReader for FakeReader {
    fn size(&self) -> u64 {
        self.image.size()
    }

    fn extents(&mut self) -> Result<Vec<Extent>, FabricError> {
        Ok(self.extents.clone())
    }

    fn read(&mut self, ranges: &[Extent], sink: Sink<'_>) -> Result<ControlFlow<()>, FabricError> {
        let size = self.size();
        let mut behind = 0;
        for range in ranges {
            if range.start < behind || range.end() > size {
                let (start, end) = (range.start, range.end());
                let source = NbdError::Range { start, end, size };
                return Err(FabricError::Read { target: self.target.clone(), source });
            }
            behind = range.end();
            let mut at = range.start;
            while at < range.end() {
                let piece = Extent::new(at, PIECE.min(range.end() - at));
                if sink(at, &self.piece(piece)?).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                at += piece.length;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn counters(&self) -> Counters {
        self.counters.get()
    }
}
