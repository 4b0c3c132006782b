//! A host in memory: for tests, and for running the whole engine in one thread.
//!
//! It keeps the promises of [`crate::host`] as libvirt keeps them, checked by the same contract
//! suite: points in time, checkpoints that form a chain, dirty tracking at 64 KiB, one job per
//! domain. On top of that it does what it is told to: a [`Fault`] can be scripted, a machine can
//! crash, the process that captures can die.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use model::vm::{AgentState, Disk, DiskFormat, DiskKind, PowerState};
use uuid::Uuid;

use crate::error::FabricError;
use crate::host::{
    CHECKPOINT_PREFIX, Capture, CapturePlan, Domain, Host, HostEvent, Network, NewDomain,
    RecoverScope,
};
use crate::xml::domain;
use crate::xml::rebuild::rebuild;

mod capture;
mod image;

pub use image::{GRAIN, Image};

/// Something that goes wrong, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The next call finds no libvirt.
    HypervisorDown,
    /// The next begin finds the checkpoint of this disk broken.
    ChainBroken {
        /// The disk's target.
        target: String,
    },
    /// The next freeze fails.
    FreezeFails,
    /// The next freeze is cut by its deadline.
    FreezeCut,
    /// The next begin finds too little room.
    NoScratch,
    /// The next capture's scratch runs full once this many bytes have been read.
    ScratchFull {
        /// Bytes that are read before.
        after: u64,
    },
    /// The next capture's reads fail once this many bytes have been read, and nobody knows why.
    ReadFails {
        /// Bytes that are read before.
        after: u64,
    },
    /// The next capture's domain is gone once this many bytes have been read.
    DomainGone {
        /// Bytes that are read before.
        after: u64,
    },
}

/// A disk of a machine that is to be.
#[derive(Debug, Clone)]
pub struct NewDisk {
    /// Its target.
    pub target: String,
    /// Its size, in bytes.
    pub size: u64,
    /// Its image's format; only qcow2 is tracked.
    pub format: DiskFormat,
}

/// A host in memory. Clones are the same host.
#[derive(Clone, Default)]
pub struct FakeHost {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    machines: BTreeMap<Uuid, Machine>,
    networks: Vec<Network>,
    faults: VecDeque<Fault>,
    listeners: Vec<Sender<HostEvent>>,
    /// Lives of the capturing process: a capture of an earlier one is dead.
    life: u64,
}

#[derive(Clone)]
struct Machine {
    name: String,
    xml: String,
    power: PowerState,
    images: BTreeMap<String, Image>,
    /// Oldest first; the last one takes the writes.
    checkpoints: Vec<Tracked>,
    job: Job,
}

/// What holds a machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Job {
    #[default]
    None,
    /// A capture of this process.
    Live,
    /// A capture of an earlier process of this instance, which nobody reads.
    LeftOver,
    /// Somebody else's.
    Foreign,
}

/// A checkpoint: for each tracked disk, the grains that were written while it was the newest.
#[derive(Debug, Clone)]
struct Tracked {
    name: String,
    dirty: BTreeMap<String, std::collections::BTreeSet<u64>>,
    broken: bool,
}

impl FakeHost {
    /// An empty host.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a machine, running and with an agent.
    pub fn add(&self, uuid: Uuid, name: &str, disks: &[NewDisk]) {
        let xml = machine_xml(uuid, name, disks);
        let images =
            disks.iter().map(|disk| (disk.target.clone(), Image::new(disk.size))).collect();
        let machine = Machine {
            name: name.to_owned(),
            xml,
            power: PowerState::Running,
            images,
            checkpoints: Vec::new(),
            job: Job::None,
        };
        self.lock().machines.insert(uuid, machine);
        self.tell(uuid);
    }

    /// Adds a virtual network.
    pub fn add_network(&self, network: Network) {
        self.lock().networks.push(network);
    }

    /// The guest writes. Ranges outside of the disk are cut off.
    ///
    /// # Errors
    ///
    /// [`FabricError::DomainGone`], [`FabricError::DiskGone`].
    pub fn write(
        &self,
        domain: Uuid,
        target: &str,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), FabricError> {
        let mut state = self.lock();
        let machine = state.machine(domain)?;
        let image = machine.images.get_mut(target).ok_or_else(|| no_disk(target))?;
        let grains = image.write(offset, bytes);
        // The newest checkpoint that covers the disk takes the write.
        let tracking = machine.checkpoints.iter_mut().rev().find_map(|it| it.dirty.get_mut(target));
        if let Some(dirty) = tracking {
            dirty.extend(grains);
        }
        Ok(())
    }

    /// A disk's content as it is now.
    ///
    /// # Errors
    ///
    /// [`FabricError::DomainGone`], [`FabricError::DiskGone`].
    pub fn image(&self, domain: Uuid, target: &str) -> Result<Image, FabricError> {
        let mut state = self.lock();
        let machine = state.machine(domain)?;
        machine.images.get(target).cloned().ok_or_else(|| no_disk(target))
    }

    /// The names of a machine's checkpoints, oldest first.
    ///
    /// # Errors
    ///
    /// [`FabricError::DomainGone`].
    pub fn checkpoints(&self, domain: Uuid) -> Result<Vec<String>, FabricError> {
        let mut state = self.lock();
        Ok(state.machine(domain)?.checkpoints.iter().map(|it| it.name.clone()).collect())
    }

    /// Scripts a fault. Faults happen in the order in which they were scripted, each at the first
    /// call that it fits.
    pub fn script(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// The machine's process is killed: its bitmaps are lost.
    ///
    /// # Errors
    ///
    /// [`FabricError::DomainGone`].
    pub fn crash(&self, domain: Uuid) -> Result<(), FabricError> {
        let mut state = self.lock();
        let machine = state.machine(domain)?;
        machine.power = PowerState::Off;
        machine.checkpoints.iter_mut().for_each(|it| it.broken = true);
        drop(state);
        self.tell(domain);
        Ok(())
    }

    /// The capturing process dies: its captures are over, as the helper ends them, and its
    /// checkpoints stay.
    pub fn process_dies(&self) {
        let mut state = self.lock();
        state.life += 1;
        state.machines.values_mut().for_each(|machine| machine.job = Job::None);
    }

    /// Another host that is in every way as this one is now, and goes its own way from here.
    /// Nobody listens to it yet, and no fault is scripted.
    pub fn fork(&self) -> Self {
        let state = self.lock();
        let (machines, networks, life) =
            (state.machines.clone(), state.networks.clone(), state.life);
        let forked = State { machines, networks, life, ..State::default() };
        Self { state: Arc::new(Mutex::new(forked)) }
    }

    /// Whether a capture or somebody else's job holds the machine.
    ///
    /// # Errors
    ///
    /// [`FabricError::DomainGone`].
    pub fn is_held(&self, domain: Uuid) -> Result<bool, FabricError> {
        Ok(self.lock().machine(domain)?.job != Job::None)
    }

    /// The hypervisor grants a begin whose asker, an earlier process of this instance, is gone.
    ///
    /// # Errors
    ///
    /// [`FabricError::DomainGone`].
    pub fn leave_job(&self, domain: Uuid) -> Result<(), FabricError> {
        self.lock().machine(domain)?.job = Job::LeftOver;
        Ok(())
    }

    /// Somebody else begins a job on the machine.
    ///
    /// # Errors
    ///
    /// [`FabricError::DomainGone`].
    pub fn begin_foreign_job(&self, domain: Uuid) -> Result<(), FabricError> {
        self.lock().machine(domain)?.job = Job::Foreign;
        Ok(())
    }

    /// Removes a machine, as somebody else's `virsh undefine` would.
    pub fn remove(&self, domain: Uuid) {
        self.lock().machines.remove(&domain);
        self.tell(domain);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next fault if `fits`.
    fn fault<T>(&self, fits: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let mut state = self.lock();
        let found = state.faults.front().and_then(fits);
        if found.is_some() {
            state.faults.pop_front();
        }
        found
    }

    fn reach(&self) -> Result<(), FabricError> {
        match self.fault(|it| (*it == Fault::HypervisorDown).then_some(())) {
            Some(()) => {
                let message = "a scripted fault".to_owned();
                self.send(&HostEvent::Lost { why: message.clone() });
                Err(FabricError::HypervisorDown { message })
            }
            None => Ok(()),
        }
    }

    fn tell(&self, domain: Uuid) {
        self.send(&HostEvent::Changed { domain });
    }

    fn send(&self, event: &HostEvent) {
        self.lock().listeners.retain(|it| it.try_send(event.clone()).is_ok() || it.is_full());
    }
}

impl State {
    fn machine(&mut self, domain: Uuid) -> Result<&mut Machine, FabricError> {
        let gone = || FabricError::DomainGone { message: format!("no domain {domain}") };
        self.machines.get_mut(&domain).ok_or_else(gone)
    }
}

impl Machine {
    fn describe(&self) -> Result<Domain, FabricError> {
        let mut domain = domain::read(&self.xml, self.power)?;
        for disk in &mut domain.disks {
            disk.size = self.images.get(&disk.target).map(Image::size);
        }
        domain.agent = match self.power {
            PowerState::Running => AgentState::Connected { version: Some("7.2.22".into()) },
            _ => AgentState::NotConnected,
        };
        Ok(domain)
    }

    /// Removes a checkpoint; what it had seen goes to the one before.
    fn delete_checkpoint(&mut self, name: &str) {
        let Some(at) = self.checkpoints.iter().position(|it| it.name == name) else { return };
        let gone = self.checkpoints.remove(at);
        let Some(before) = at.checked_sub(1).and_then(|at| self.checkpoints.get_mut(at)) else {
            return;
        };
        for (target, dirty) in gone.dirty {
            // A disk that the older one does not know cannot be read incrementally from it.
            if let Some(known) = before.dirty.get_mut(&target) {
                known.extend(dirty);
            }
        }
    }
}

impl Host for FakeHost {
    fn inventory(&self) -> Result<Vec<Domain>, FabricError> {
        self.reach()?;
        self.lock().machines.values().map(Machine::describe).collect()
    }

    fn networks(&self) -> Result<Vec<Network>, FabricError> {
        self.reach()?;
        Ok(self.lock().networks.clone())
    }

    fn domain(&self, domain: Uuid) -> Result<Domain, FabricError> {
        self.reach()?;
        self.lock().machine(domain)?.describe()
    }

    fn events(&self) -> Receiver<HostEvent> {
        let (sender, receiver) = bounded(1024);
        self.lock().listeners.push(sender);
        receiver
    }

    fn begin_capture(&self, plan: &CapturePlan) -> Result<Box<dyn Capture>, FabricError> {
        self.reach()?;
        Ok(Box::new(capture::begin(self, plan)?))
    }

    fn recover(&self, scope: &RecoverScope) -> Result<Vec<String>, FabricError> {
        self.reach()?;
        let mut words = Vec::new();
        let mut state = self.lock();
        state.life += 1;
        for (uuid, machine) in &mut state.machines {
            if machine.job != Job::Foreign && std::mem::take(&mut machine.job) != Job::None {
                words.push(format!("{}: ended a left-over backup job", machine.name));
            }
            let Some(known) = scope.known.get(uuid) else { continue };
            let unknown =
                |it: &&Tracked| it.name.starts_with(CHECKPOINT_PREFIX) && !known.contains(&it.name);
            let names: Vec<String> =
                machine.checkpoints.iter().filter(unknown).map(|it| it.name.clone()).collect();
            for name in names.iter().rev() {
                machine.delete_checkpoint(name);
                let what = "whose point is unknown";
                words.push(format!("{}: deleted checkpoint {name}, {what}", machine.name));
            }
        }
        Ok(words)
    }

    fn end_left_over(&self, domain: Uuid, _: &RecoverScope) -> Result<Vec<String>, FabricError> {
        self.reach()?;
        let mut state = self.lock();
        let machine = state.machine(domain)?;
        match machine.job {
            Job::None | Job::Foreign => Ok(Vec::new()),
            Job::Live => Err(FabricError::JobRunning { message: "a capture is open".into() }),
            Job::LeftOver => {
                machine.job = Job::None;
                Ok(vec!["ended a left-over backup job".to_owned()])
            }
        }
    }

    fn forget_checkpoint(&self, domain: Uuid, name: &str) -> Result<(), FabricError> {
        self.reach()?;
        self.lock().machine(domain)?.delete_checkpoint(name);
        Ok(())
    }

    fn agent(&self, domain: Uuid, _: &str, _: Duration) -> Result<String, FabricError> {
        self.reach()?;
        match self.lock().machine(domain)?.power {
            PowerState::Running => Ok(r#"{"return":{}}"#.to_owned()),
            _ => Err(FabricError::AgentUnavailable { message: "the domain is off".into() }),
        }
    }

    fn define(&self, source_xml: &str, new: &NewDomain) -> Result<Vec<String>, FabricError> {
        self.reach()?;
        let (xml, dropped) = rebuild(source_xml, new)?;
        let mut state = self.lock();
        let taken = |(uuid, it): (&Uuid, &Machine)| *uuid == new.uuid || it.name == new.name;
        if state.machines.iter().any(taken) {
            return Err(FabricError::Exists { message: new.name.clone() });
        }
        let image = |path: &std::path::Path| {
            Image::new(std::fs::metadata(path).map_or(0, |file| file.len()))
        };
        let images = new.disks.iter().map(|it| (it.target.clone(), image(&it.path))).collect();
        let machine = Machine {
            name: new.name.clone(),
            xml,
            power: PowerState::Off,
            images,
            checkpoints: Vec::new(),
            job: Job::None,
        };
        state.machines.insert(new.uuid, machine);
        drop(state);
        self.tell(new.uuid);
        Ok(dropped)
    }

    fn start(&self, domain: Uuid) -> Result<(), FabricError> {
        self.reach()?;
        let mut state = self.lock();
        let machine = state.machine(domain)?;
        if machine.power == PowerState::Off && machine.job == Job::Live {
            let message = "its images are being read".to_owned();
            return Err(FabricError::Other { message });
        }
        machine.power = PowerState::Running;
        drop(state);
        self.tell(domain);
        Ok(())
    }

    fn destroy(&self, domain: Uuid) -> Result<(), FabricError> {
        self.reach()?;
        self.lock().machine(domain)?.power = PowerState::Off;
        self.tell(domain);
        Ok(())
    }

    fn undefine(&self, domain: Uuid) -> Result<(), FabricError> {
        self.reach()?;
        self.lock().machine(domain)?;
        self.remove(domain);
        Ok(())
    }

    fn wait_for_agent(&self, domain: Uuid, limit: Duration) -> Result<(), FabricError> {
        self.reach()?;
        match self.lock().machine(domain)?.power {
            PowerState::Running => Ok(()),
            _ => {
                let what = "the guest agent's first answer".to_owned();
                Err(FabricError::Timeout { what, seconds: limit.as_secs() })
            }
        }
    }
}

/// What libvirt would say of such a machine.
fn machine_xml(uuid: Uuid, name: &str, disks: &[NewDisk]) -> String {
    let disk = |disk: &NewDisk| {
        let Disk { target, format, .. } = as_disk(disk);
        format!(
            "<disk type='file' device='disk'><driver name='qemu' type='{}'/>\
             <source file='/fake/{uuid}/{target}'/><target dev='{target}' bus='virtio'/></disk>",
            format.name()
        )
    };
    let disks: String = disks.iter().map(disk).collect();
    format!(
        "<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>\
         <memory unit='MiB'>256</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{disks}\
         <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\
         </devices></domain>"
    )
}

fn as_disk(disk: &NewDisk) -> Disk {
    Disk {
        target: disk.target.clone(),
        kind: DiskKind::File,
        format: disk.format,
        source: String::new(),
        size: Some(disk.size),
        serial: None,
    }
}

fn no_disk(target: &str) -> FabricError {
    let message = "the domain has no such disk".to_owned();
    FabricError::DiskGone { target: target.to_owned(), message }
}
